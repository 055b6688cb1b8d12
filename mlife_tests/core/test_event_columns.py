"""The parts of an event schema."""

from __future__ import annotations

import pyarrow as pa

from mlife_assets.core.event_columns import ENVELOPE, Column, EventType, choice, integer, number


def test_an_event_type_puts_the_envelope_first() -> None:
    event_type = EventType("seen", "market", (number("share", 0, 1, nullable=True), choice("kind", "a", "b")))
    assert event_type.schema.names == ["event_id", "occurred_at", "observed_at", "share", "kind"]
    assert event_type.all_columns[: len(ENVELOPE)] == ENVELOPE


def test_nullability_and_types_reach_the_arrow_schema() -> None:
    schema = EventType("seen", "market", (number("share", nullable=True), integer("count", 0))).schema
    assert schema.field("share") == pa.field("share", pa.float64(), nullable=True)
    assert schema.field("count") == pa.field("count", pa.int64(), nullable=False)


def test_bounds_and_choices_are_kept() -> None:
    assert number("pay", 5, 10) == Column("pay", pa.float64(), minimum=5, maximum=10)
    assert choice("kind", "a", "b").allowed == ("a", "b")
