"""Examples of landed rows: valid, of every landed type, and they fit each other; the schema agrees with validation."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any

import jsonschema
import orjson
import pyarrow as pa
import pytest

from mlife_assets.core.event_columns import (
    Column,
    EventType,
    choice,
    flag,
    identifier,
    integer,
    number,
    text,
    text_list,
)
from mlife_assets.core.validation import json_as_table, validate
from mlife_assets.core.windows import day_start
from mlife_assets.recruiting.events import EVENT_TYPES, MARKET_EVENT_TYPES, TIMESTAMP
from mlife_assets.recruiting.landed_examples import EXAMPLE_ROWS, example_rows, landed_schema

DAY = date(2026, 6, 1)
END = day_start(DAY) + timedelta(days=1)

HOSTILE: tuple[Any, ...] = (
    None, "", "x", "x" * 200, "x" * 201, "x" * 2_001, "x" * 400_001, "\U0001f600" * 200, "a\x00b", "a\nb", "a\tb",
    "a\x7fb", "a\x85b", "a\u2028b", True, 0, 1, -1, 0.5, 2.0, 11, 91, 181, 1e9, -1e9, 10_001, [], [0.5], [0.5] * 8,
    [0.5] * 9, [None] * 8, "2026-06-01", "2026-06-01T10:00:00Z", "2026-06-01T10:00:00.123456+02:00",
    "2026-06-01T10:00:00", "1969-06-01T10:00:00Z", "noon", "organic", "29",
)  # fmt: skip


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


def schema_of(kind: EventType) -> dict[str, Any]:
    return landed_schema(kind, "A row.", {column.name: f"What {column.name} is." for column in kind.all_columns})


def rows_of(kind: EventType) -> list[dict[str, Any]]:
    return [orjson.loads(orjson.dumps(row, option=orjson.OPT_UTC_Z)) for row in example_rows(kind, DAY).to_pylist()]


@pytest.mark.parametrize("name", MARKET_EVENT_TYPES)
def test_it_is_a_schema_that_says_what_each_column_is(name: str) -> None:
    kind = EVENT_TYPES[name].landed
    schema = schema_of(kind)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == jsonschema.Draft202012Validator.META_SCHEMA["$schema"]
    assert list(schema["properties"]) == kind.schema.names
    for column in kind.all_columns:
        said = schema["properties"][column.name]
        assert said["description"] == f"What {column.name} is."
        assert said["x-arrow-type"] == str(column.type)
        assert ("null" in said["type"]) == column.nullable
        assert said.get("x-unit") == ("US dollars per hour" if "usd_per_hour" in column.name else
                                      "US dollars per apply" if "usd_per_apply" in column.name else None)  # fmt: skip
    for row in rows_of(kind):
        jsonschema.Draft202012Validator(schema).validate(row)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("apply", "job_posted") else pytest.mark.proof)
        for name in MARKET_EVENT_TYPES
    ],
)
def test_what_it_allows_is_accepted_and_what_it_forbids_refused(name: str) -> None:
    """One value of a good row is changed at a time. Validation reads text as other types, which the schema does not."""
    kind = EVENT_TYPES[name].landed
    judge = jsonschema.Draft202012Validator(schema_of(kind))
    (row, *_) = rows_of(kind)
    wrong: list[str] = []
    for column in kind.all_columns:
        for value in HOSTILE:
            changed = {**row, column.name: value}
            is_allowed = judge.is_valid(changed)
            is_lenient = isinstance(value, str) and column.type != pa.string()
            is_time = column.name in {"occurred_at", "observed_at"}
            found = validate(kind, json_as_table([orjson.dumps(changed).decode()]), now=END)
            is_accepted = found.accepted.num_rows == 1
            if is_allowed and not is_accepted and not is_time:
                wrong.append(f"{column.name} {str(value)[:30]!r}: allowed, {found.rejected.to_pylist()[0]['reason']}")
            if is_accepted and not is_allowed and not is_lenient and not isinstance(value, bool):
                wrong.append(f"{column.name} {str(value)[:30]!r}: accepted, forbidden")
    assert wrong == []


def test_a_row_without_a_column_is_forbidden_where_a_file_without_it_is_refused() -> None:
    for name in MARKET_EVENT_TYPES:
        kind = EVENT_TYPES[name].landed
        (row, *_) = rows_of(kind)
        judge = jsonschema.Draft202012Validator(schema_of(kind))
        for column in kind.schema.names:
            less = {other: value for other, value in row.items() if other != column}
            assert judge.is_valid(less) == (not kind.missing(less)), f"{name}.{column}"
        assert judge.is_valid({**row, "more": 1})


def test_numbers_that_json_has_no_word_for_are_none() -> None:
    assert orjson.loads(orjson.dumps(math.nan)) is None


def test_elements_of_lists_of_text_are_bounded_like_text() -> None:
    said = schema_of(EventType("thing", "market", (text_list("names"),)))["properties"]["names"]
    assert said["items"] == {"type": "string", "maxLength": 200}
