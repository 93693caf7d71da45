"""A broken feed stops the worker, a few bad records do not."""

from __future__ import annotations

import pytest

from streams.rejection import RejectionLimit, TooManyRejectedError


def test_a_run_of_bad_records_stops_and_a_good_one_ends_the_run() -> None:
    limit = RejectionLimit(in_a_row=3, share=1.0, over=1000)
    for bad in (True, True, False, True, True):
        limit.observe(bad=bad)
    with pytest.raises(TooManyRejectedError, match=r"3 records in a row.*not_json.*mentions\.rejected"):
        limit.observe(bad=True, why="not_json")


def test_too_high_a_share_stops_once_enough_records_have_come() -> None:
    limit = RejectionLimit(in_a_row=100, share=0.5, over=10)
    for number in range(9):
        limit.observe(bad=number % 3 != 0)
    with pytest.raises(TooManyRejectedError, match="6 of the last 10 records"):
        limit.observe(bad=False)


def test_the_share_is_that_of_the_last_records() -> None:
    limit = RejectionLimit(in_a_row=100, share=0.5, over=10)
    for _ in range(5):
        limit.observe(bad=True)
    for number in range(1000):
        limit.observe(bad=number % 2 == 0 and number > 10)
