from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.sampling import hash_ids, in_shares, sample_pairs

DAY = date(2026, 6, 11)


def pairs(users: int, jobs: int) -> tuple[list[str], list[str]]:
    return [f"usr_{u:05d}" for u in range(users) for _ in range(jobs)], [
        f"job_{j}" for _ in range(users) for j in range(jobs)
    ]


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), rows=st.integers(1, 80))
def test_the_sample_does_not_depend_on_row_order_or_container(seed: int, rows: int) -> None:
    users, jobs = (np.array(ids) for ids in pairs(12, 5))
    chosen = sample_pairs(users, jobs, as_of=DAY, seed=7, rows=rows)
    order = np.random.default_rng(seed).permutation(len(users))
    table = pa.table({"u": users[order], "j": jobs[order]})
    again = sample_pairs(table["u"], table["j"].combine_chunks().dictionary_encode(), as_of=DAY, seed=7, rows=rows)
    assert list(zip(users[chosen], jobs[chosen], strict=True)) == list(
        zip(users[order][again], jobs[order][again], strict=True)
    )
    assert len(chosen) == min(rows, len(users))


def test_the_sample_is_the_same_in_every_process(repository: Path) -> None:
    code = (
        "from datetime import date; from mlife_assets.core.monitoring.sampling import sample_pairs as s;"
        "print(s(['a','b','c','d','e'], ['v','w','x','y','z'], as_of=date(2026,6,11), seed=13, rows=3).tolist())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=repository)
    here = sample_pairs(list("abcde"), list("vwxyz"), as_of=DAY, seed=13, rows=3).tolist()
    assert result.stdout.strip() == str(here)
    assert here == [4, 2, 0]


def test_a_small_sample_is_part_of_a_large_one_and_days_differ() -> None:
    users, jobs = pairs(100, 10)
    small = sample_pairs(users, jobs, as_of=DAY, seed=7, rows=50)
    assert small.tolist() == sample_pairs(users, jobs, as_of=DAY, seed=7, rows=400)[:50].tolist()
    other_day = sample_pairs(users, jobs, as_of=date(2026, 6, 12), seed=7, rows=50)
    other_seed = sample_pairs(users, jobs, as_of=DAY, seed=8, rows=50)
    assert len(set(small) & set(other_day)) < 15
    assert len(set(small) & set(other_seed)) < 15


def test_the_sample_is_fair_to_users_and_jobs() -> None:
    users, jobs = pairs(200, 20)
    picked = np.concatenate([sample_pairs(users, jobs, as_of=DAY, seed=s, rows=1_000) for s in range(40)])
    by_job = np.bincount(picked % 20, minlength=20)
    assert by_job.min() > 0.85 * by_job.mean()
    assert by_job.max() < 1.15 * by_job.mean()


@pytest.mark.parametrize("counts", [(30, 10), (1, 2, 4), (0, 5, 3), (7,)])
def test_every_run_of_places_falls_in_shares(counts: tuple[int, ...]) -> None:
    places = np.arange(5_000, dtype=np.int64)
    numbers = in_shares(places, counts)
    expected = np.array(counts) / sum(counts)
    for run in (slice(0, 200), slice(1_234, 1_434), slice(0, 5_000, 7)):
        seen = np.bincount(numbers[run], minlength=len(counts)) / len(numbers[run])
        assert np.allclose(seen, expected, atol=0.025)
    assert np.array_equal(in_shares(places[40:90], counts), numbers[40:90])
    assert set(in_shares(places, [0] * len(counts)).tolist()) == {len(counts) - 1}


def test_ids_that_share_a_prefix_or_length_have_different_hashes() -> None:
    ids = ["a", "a1", "a11", "12345678", "1234567812345678", "12345678x", "", "é"] + [
        f"job_{k:04d}" for k in range(3_000)
    ]
    assert len(set(hash_ids(ids, "id").tolist())) == len(ids)
    assert hash_ids(["a"], "id")[0] == hash_ids(["a", "a much longer identifier than eight"], "id")[0]


PINNED = {
    "": 0x0, "a": 0x6232969000262121, "12345678": 0x2416549DE3C10B28, "usr_0000001": 0x745D07560516CC5A,
    "1234567812345678": 0x418A83F6F6147A76, "job_é": 0x2124962E4FB55AAB, "求人_0001": 0xFB1D326560C9BD09,
    "a\x00b": 0x26AC6666F530887F, "\U0001f600" * 5: 0x05B210FCEB8AFD55,
}  # fmt: skip
"""Empty, of one byte, of exactly and of more than one and two words, of several bytes a character, with a zero byte."""


def test_hashes_never_change() -> None:
    """Another hash is another sample: limits would hold for one and be applied to the other."""
    assert dict(zip(PINNED, hash_ids(list(PINNED), "id").tolist(), strict=True)) == PINNED
    alone = {text: int(hash_ids([text], "id")[0]) for text in PINNED}
    assert alone == PINNED, "what an id is hashed with does not matter"
    column = pa.chunked_array([list(PINNED)[:4], list(PINNED)[4:]])
    for ids in (column, column.combine_chunks().dictionary_encode(), pa.array(["x", *PINNED])[1:]):
        assert hash_ids(ids, "id").tolist() == list(PINNED.values())


def test_bad_input_is_named() -> None:
    with pytest.raises(InvalidInputError, match="entity of row 1 is null"):
        sample_pairs(["a", None], ["x", "y"], as_of=DAY, seed=1, rows=1)
    with pytest.raises(InvalidInputError, match="1 ids of entities for 2 of items"):
        sample_pairs(["a"], ["x", "y"], as_of=DAY, seed=1, rows=1)
    with pytest.raises(InvalidInputError, match="rows is 0"):
        sample_pairs(["a"], ["x"], as_of=DAY, seed=1, rows=0)
    assert sample_pairs([], [], as_of=DAY, seed=1, rows=5).tolist() == []
