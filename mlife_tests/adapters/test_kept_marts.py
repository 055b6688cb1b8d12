"""Rows that a run keeps: those of the marts, each read once, in files without a name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.adapters.kept_marts import KeptMarts
from mlife_assets.core.errors import TransientError
from mlife_assets.core.windows import add_days

FIRST, DAYS = date(2026, 3, 1), 60


class Marts:
    """A mart of three rows a day that writes down which days were read."""

    def __init__(self) -> None:
        days = [add_days(FIRST, place // 3) for place in range(3 * DAYS)]
        rows = range(3 * DAYS)
        columns = {"day": days, "id": [f"r{row:03d}" for row in rows], "size": [float(row) for row in rows]}
        self.rows = pa.table(columns | {"wind": [None if row % 5 else float(row) for row in rows]})
        self.asked: list[tuple[date | None, date | None]] = []

    def read(
        self,
        mart: str,
        *,
        start: date | None = None,
        end: date | None = None,
        as_of: date | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        first, last = (start, end) if as_of is None else (as_of, as_of)
        self.asked.append((first, last))
        day = pc.field("day")
        kept = (day >= pa.scalar(first or FIRST)) & (day <= pa.scalar(last or add_days(FIRST, DAYS)))
        return self.rows.filter(kept).select(list(columns or self.rows.column_names))

    def leading_day(self, mart: str) -> str | None:
        return None if mart == "of_experiments" else "day"

    def spread_days(self, mart: str) -> int:
        return 30 if mart == "slow" else 0


@pytest.fixture
def marts() -> Marts:
    return Marts()


@pytest.fixture
def kept(marts: Marts, tmp_path: Path) -> KeptMarts:
    return KeptMarts(marts, tmp_path)


def day(number: int) -> date:
    return add_days(FIRST, number)


def doubled(rows: pa.Table) -> pa.Table:
    twice = pc.multiply(rows["size"], 2.0)
    return rows.set_column(2, "size", twice).append_column("double", twice)


def test_rows_that_spread_over_many_partitions_are_read_in_longer_parts(marts: Marts, kept: KeptMarts) -> None:
    for mart, parts in (("slow", 2), ("sizes", 5)):
        marts.asked.clear()
        kept.read(mart, start=day(0), end=day(59))
        assert len(marts.asked) == parts


def test_ranges_are_those_of_the_marts_and_no_day_is_read_twice(marts: Marts, kept: KeptMarts) -> None:
    for first, last in ((20, 25), (10, 40), (0, 3), (2, 59), (50, 70), (12, 12), (5, 4)):
        expected = Marts().read("examples", start=day(first), end=day(last))
        assert kept.read("examples", start=day(first), end=day(last)).equals(expected), (first, last)
    read = [(end - start).days + 1 for start, end in marts.asked if start and end and start <= end]
    assert sum(read) == 71
    assert max(read) == 14


def test_a_day_and_chosen_columns_are_kept_apart_from_ranges(marts: Marts, kept: KeptMarts) -> None:
    kept.read("examples", start=day(0), end=day(9))
    for _ in range(2):
        assert kept.read("examples", as_of=day(4))["id"].to_pylist() == ["r012", "r013", "r014"]
        assert kept.read("examples", start=day(4), end=day(5), columns=["id", "day"]).column_names == ["id", "day"]
    assert marts.asked == [(day(0), day(9)), (day(4), day(4)), (day(4), day(5))]


def test_what_cannot_be_told_by_its_days_is_read_each_time(marts: Marts, kept: KeptMarts) -> None:
    for _ in range(2):
        assert kept.read("examples", start=day(3)).num_rows == 3 * (DAYS - 3)
        assert kept.read("examples", start=day(3), end=day(3), columns=["id"])["id"].to_pylist()[0] == "r009"
        assert kept.read("of_experiments", start=day(3), end=day(3), derive=doubled)["double"].to_pylist()[0] == 18.0
    assert len(marts.asked) == 6


def test_columns_are_derived_once_beside_the_rows_as_they_were(kept: KeptMarts) -> None:
    calls = []

    def derive(rows: pa.Table) -> pa.Table:
        calls.append(rows.num_rows)
        return doubled(rows)

    found = [kept.read("examples", start=day(2), end=day(last), derive=derive) for last in (5, 9)]
    expected = Marts().read("examples", start=day(2), end=day(9))
    assert found[1].equals(doubled(expected))
    assert found[0].equals(doubled(expected).slice(0, 12))
    assert calls == [12, 12]
    assert kept.read("examples", start=day(2), end=day(9)).equals(expected)


def test_no_file_is_left_and_tables_outlive_what_was_kept(kept: KeptMarts, tmp_path: Path) -> None:
    found = kept.read("examples", start=day(0), end=day(59))
    sets = kept.once("sets", dict[str, int])
    assert kept.once("sets", dict[str, int]) is sets
    assert list(tmp_path.iterdir()) == []
    kept.forget()
    assert found.equals(Marts().rows)
    assert kept.once("sets", dict[str, int]) is not sets


def test_a_full_disk_is_named(kept: KeptMarts) -> None:
    full = OSError(28, "No space left on device")
    with patch("mlife_assets.adapters.kept_marts.TemporaryFile", side_effect=full), pytest.raises(TransientError):
        kept.read("examples", start=day(0), end=day(1))


def test_a_fault_that_is_not_of_the_disk_stays_what_it_is(kept: KeptMarts) -> None:
    fault = OSError(22, "Invalid argument")
    with patch("mlife_assets.adapters.kept_marts.TemporaryFile", side_effect=fault), pytest.raises(OSError, match="22"):
        kept.read("examples", start=day(0), end=day(1))


def test_a_table_can_be_read_on_after_its_pages_were_given_back(kept: KeptMarts) -> None:
    found = kept.read("examples", start=day(0), end=day(59))
    kept.rest()
    assert found.equals(Marts().rows)
    kept.forget()
    kept.rest()
    assert found.equals(Marts().rows)
