"""Who writes again and again counts for nobody while it is so."""

from __future__ import annotations

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.evidence import Sample
from detectors.loud import LOUD, heard

WINDOW = 180


Written = tuple[int, list[tuple[int, int]]]
"""A brand, and ticks with authors."""
MENTIONS = st.lists(st.tuples(st.integers(0, 700), st.integers(1, 4)), max_size=25)


@given(st.lists(st.tuples(st.integers(0, 1), MENTIONS), max_size=3))
def test_a_mention_counts_in_the_window_while_its_author_wrote_no_more(groups: list[Written]) -> None:
    rows = sorted((brand, tick, author) for brand, own in groups for tick, author in own)
    samples = [Sample(tick, author, str(i), "", None, 0.9, None) for i, (_, tick, author) in enumerate(rows)]
    brand = np.array([one for one, _, _ in rows], np.int64)
    got = heard(samples, brand, WINDOW)
    counts = {(i, t) for i, a, b in zip(got.sample, got.begin, got.end, strict=True) for t in range(a, b)}
    assert len(counts) == int(np.sum(got.end - got.begin)), "never twice at once"
    for tick in range(0, 900, 7):
        inside = [i for i, s in enumerate(samples) if tick - WINDOW < s.tick <= tick]
        wrote = Counter((brand[i], samples[i].author) for i in inside)
        expected = {i for i in inside if wrote[brand[i], samples[i].author] <= LOUD}
        assert {i for i in inside if (i, tick) in counts} == expected
        assert all(i in inside for i, t in counts if t == tick)
    whose = brand[got.sample]
    assert all(np.all(np.diff(got.begin[whose == one]) >= 0) for one in set(whose.tolist()))


def test_one_account_that_never_stops_is_one_spell() -> None:
    samples = [Sample(minute // 20, 7, str(minute), "", None, 0.9, None) for minute in range(3600)]
    assert not len(heard(samples, np.zeros(3600, np.int64), WINDOW).sample)
