"""Rows to score of a model without an item."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.core.entity_rows import EntityColumn, find_entities
from mlife_assets.core.errors import InvalidInputError

DAY = date(2026, 6, 2)
WHO = EntityColumn("client")


def table(clients: list[str | None], days: list[date | None] | None = None) -> pa.Table:
    return pa.table(
        {
            "as_of_date": pa.array(days or [DAY] * len(clients), pa.date32()),
            "client": pa.array(clients, pa.string()),
            "amount": pa.array(range(len(clients)), pa.int64()),
        }
    )


def test_rows_are_those_of_the_table_in_order_of_their_entity() -> None:
    found = find_entities((table(["c", "a", "b"]),), DAY, WHO)
    assert found.rows()["amount"].to_pylist() == [1, 2, 0]
    assert found.rows(np.array([2, 0]))["client"].to_pylist() == ["c", "a"]
    assert [ids.to_pylist() for ids in found.ids] == [["a", "b", "c"]] * 2
    assert found.repeated == 0


def test_an_entity_that_is_there_twice_is_counted() -> None:
    assert find_entities((table(["a", "b", "a"]),), DAY, WHO).repeated == 1


def test_a_day_without_anybody_has_no_rows() -> None:
    assert find_entities((table([]),), DAY, WHO).rows().num_rows == 0


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ((table(["a"]), table(["a"])), "got 2 tables"),
        ((table(["a"]).drop_columns(["client"]),), "lack column client"),
        ((table(["a", None]),), "client is null in row 1"),
        ((table(["a", "b"], [DAY, date(2026, 6, 1)]),), "row 1 to score is of 2026-06-01"),
    ],
)
def test_rows_that_are_not_as_agreed_are_refused(tables: tuple[pa.Table, ...], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        find_entities(tables, DAY, WHO)
