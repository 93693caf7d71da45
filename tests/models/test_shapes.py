"""Batches are cut so that every text finds a place and few places stay empty."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from models.shapes import RowCounts, bucket_of, buckets_up_to, candidate_rows, full_rows


@given(texts=st.integers(0, 5_000), full=st.integers(1, 300), fewest=st.integers(1, 300))
def test_split_holds_all_texts(texts: int, full: int, fewest: int) -> None:
    counts = RowCounts((*(rows for rows in candidate_rows(full) if rows >= fewest), full))
    cut = counts.split(texts)
    assert all(rows in counts.rows for rows in cut)
    assert sum(cut) >= texts
    # No batch is sent for nothing.
    assert not cut or sum(cut[:-1]) < texts


@given(texts=st.integers(1, 5_000), full=st.integers(1, 300))
def test_little_is_wasted(texts: int, full: int) -> None:
    cut = RowCounts((*candidate_rows(full), full)).split(texts)
    assert sum(cut) <= texts * 4 / 3


@given(length=st.integers(1, 64))
def test_bucket_is_the_next_longer(length: int) -> None:
    buckets = buckets_up_to(64)
    bucket = bucket_of(length, buckets)
    assert bucket >= length
    assert all(other < length for other in buckets if other < bucket)


def test_buckets_end_at_the_longest_text() -> None:
    assert buckets_up_to(64) == (8, 16, 24, 32, 40, 48, 64)
    assert buckets_up_to(60)[-1] == 60
    assert full_rows(128, 64) == 1
