"""Marts of daily tables, read as those of the warehouse are."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.table_marts import DailyMart, TableMarts, with_terms
from mlife_assets.adapters.tables import TableStore
from mlife_assets.core.errors import InvalidInputError, NotFoundError

SCHEMA = pa.schema([("id", pa.string()), ("day", pa.date32()), ("is_late", pa.bool_()), ("wind", pa.float64())])
EXAMPLES = DailyMart(SCHEMA, ("day", "id"), "day", (1, 3), "flights/examples")
ROWS = DailyMart(pa.schema([("id", pa.string()), ("day", pa.date32())]), ("day", "id"), "day", (0, 0), "flights/rows")


def april(day: int) -> date:
    return date(2026, 4, day)


@pytest.fixture
def tables(tmp_path: Path) -> TableStore:
    return TableStore(ObstoreObjectStore.local(tmp_path))


@pytest.fixture
def marts(tables: TableStore) -> TableMarts:
    """Examples of the 3rd lie in the partitions of the 4th to the 6th."""

    def kept(partition: int, *rows: tuple[str, int, bool]) -> None:
        listed = [{"id": one, "day": april(day), "is_late": late, "wind": None} for one, day, late in rows]
        tables.write("examples", april(partition), pa.Table.from_pylist(listed, schema=SCHEMA))

    kept(6, ("c", 3, True), ("a", 3, False), ("a", 5, True))
    kept(4, ("b", 3, True), ("a", 3, True), ("z", 2, True))
    tables.write("rows", april(5), pa.table({"id": ["b", "a"], "day": [april(5)] * 2}))
    return TableMarts(tables, {"examples": EXAMPLES, "rows": ROWS})


def test_rows_of_days_are_found_in_the_partitions_that_can_hold_them_in_order_of_the_grain(marts: TableMarts) -> None:
    found = marts.read("examples", start=april(3), end=april(3), columns=["id", "is_late"])
    assert found.column_names == ["id", "is_late"]
    assert found["id"].to_pylist() == ["a", "b", "c"]
    assert marts.read("examples")["id"].to_pylist() == ["z", "a", "b", "c", "a"]
    assert marts.read("examples", start=april(4))["id"].to_pylist() == ["a"]
    assert marts.read("examples", end=april(2))["id"].to_pylist() == ["z"]
    assert marts.read("rows", as_of=april(5))["id"].to_pylist() == ["a", "b"]


def test_of_an_example_in_two_partitions_what_was_known_first_counts(marts: TableMarts) -> None:
    assert marts.read("examples", as_of=april(3))["is_late"].to_pylist() == [True, True, True]


def test_days_without_rows_are_an_empty_table_with_all_columns(marts: TableMarts) -> None:
    found = marts.read("examples", start=april(20), end=april(21))
    assert (found.num_rows, found.schema) == (0, SCHEMA)


def test_a_partition_that_is_needed_and_was_never_made_is_no_empty_answer(marts: TableMarts) -> None:
    with pytest.raises(NotFoundError, match="flights/rows has no partition of 2026-04-06; materialize it"):
        marts.read("rows", as_of=april(6))


def test_a_mart_that_was_never_made_names_the_asset(tables: TableStore) -> None:
    with pytest.raises(NotFoundError, match="flights/rows was never materialized"):
        TableMarts(tables, {"rows": ROWS}).read("rows", start=april(1))


def test_what_cannot_be_read_is_named(marts: TableMarts, tables: TableStore) -> None:
    with pytest.raises(InvalidInputError, match="'clicks' is not a mart; read one of examples, rows"):
        marts.read("clicks")
    with pytest.raises(InvalidInputError, match="has no column fuel"):
        marts.read("rows", columns=["fuel"])
    with pytest.raises(InvalidInputError, match="leave out start and end"):
        marts.read("rows", as_of=april(5), end=april(5))
    tables.write("examples", april(7), pa.table({"id": ["d"], "day": [april(5)], "is_late": [True]}))
    with pytest.raises(
        InvalidInputError, match="examples of 2026-04-07 lacks the column wind, which was declared later"
    ):
        marts.read("examples", as_of=april(5))


def test_rows_that_were_kept_under_other_terms_or_types_are_not_read(tables: TableStore) -> None:
    rows = pa.table({"id": ["a"], "day": [april(5)]})
    tables.write("rows", april(5), with_terms(rows, {"maturity_days": "3"}))
    tables.write("rows", april(6), with_terms(rows.slice(0, 0), {"maturity_days": "3"}))

    def read(mart: DailyMart) -> list[str]:
        found: list[str] = TableMarts(tables, {"rows": mart}).read("rows")["id"].to_pylist()
        return found

    assert read(replace(ROWS, terms={"maturity_days": "3"})) == ["a"]
    with pytest.raises(InvalidInputError, match="2026-04-05 was kept when maturity_days was 3, and it is 7 now; mat"):
        read(replace(ROWS, terms={"maturity_days": "7"}))
    other = pa.schema([("id", pa.int64()), ("day", pa.date32())])
    with pytest.raises(InvalidInputError, match="was kept when id was string, and it is int64 now; materialize"):
        read(replace(ROWS, schema=other))


def test_the_same_rows_in_any_order_of_writing_give_the_same_bytes(marts: TableMarts, tables: TableStore) -> None:
    before = marts.read("examples")
    for day in (april(4), april(6)):
        kept = tables.read("examples", day)
        tables.write("examples", day, kept.take(list(range(kept.num_rows))[::-1]))
    assert marts.read("examples").equals(before)
