"""Examples of landed rows: valid, of every landed type, and they fit each other."""

from __future__ import annotations

from datetime import date, timedelta

import pyarrow as pa
import pytest

from mlife_assets.core.event_columns import Column, EventType, choice, flag, identifier, integer, number, text
from mlife_assets.core.validation import validate
from mlife_assets.core.windows import day_start
from mlife_assets.recruiting.events import EVENT_TYPES, MARKET_EVENT_TYPES, TIMESTAMP
from mlife_assets.recruiting.landed_examples import EXAMPLE_ROWS, example_rows

DAY = date(2026, 6, 1)
END = day_start(DAY) + timedelta(days=1)


@pytest.mark.parametrize("name", MARKET_EVENT_TYPES)
def test_every_example_is_accepted_on_its_day(name: str) -> None:
    kind = EVENT_TYPES[name].landed
    rows = example_rows(kind, DAY)
    found = validate(kind, rows, now=END)
    assert found.rejected.to_pylist() == []
    assert (found.accepted.num_rows, rows.schema) == (EXAMPLE_ROWS, kind.schema)
    assert {one.date() for one in rows["occurred_at"].to_pylist()} == {DAY}
    for column in kind.all_columns:
        if column.nullable:
            assert rows[column.name].null_count, "a reader sees that it may be null"


def test_examples_lead_to_each_other() -> None:
    rows = {name: example_rows(EVENT_TYPES[name].landed, DAY) for name in ("impression", "click", "apply", "hire")}
    shown = rows["impression"].to_pylist()
    clicked = rows["click"].to_pylist()
    of_impressions = [row for row in clicked if row["source"] == "organic"]
    assert len(of_impressions) == 2
    for row in of_impressions:
        (cause,) = [one for one in shown if one["event_id"] == row["exposure_id"]]
        assert (cause["user_id"], cause["job_id"]) == (row["user_id"], row["job_id"])
    assert set(rows["hire"]["apply_event_id"].to_pylist()) == set(rows["apply"]["event_id"].to_pylist())
    sent = example_rows(EVENT_TYPES["message_planned"].landed, DAY)["message_id"].to_pylist()
    assert {row["exposure_id"] for row in clicked if row["source"] == "message"} <= set(sent)


def test_a_type_that_nobody_thought_of_has_examples_too() -> None:
    columns = (
        identifier("thing_id"), text("colour"), choice("kind", "a", "b"), flag("is_new"), integer("level", 2, 3),
        number("share", 0, 0.5), Column("ends_at", TIMESTAMP), Column("born_date", pa.date32()),
        Column("parts", pa.list_(pa.float64()), list_size=2), number("bonus", nullable=True),
    )  # fmt: skip
    kind = EventType("thing", "market", columns)
    found = validate(kind, example_rows(kind, DAY), now=END)
    assert found.rejected.to_pylist() == []
