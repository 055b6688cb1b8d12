"""Versions of an event type: which contract rows of an older one are read and judged by.

One declaration of a column gives its type in each engine, nested ones too.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from mlife_assets.core.event_columns import (
    NOTE_LENGTH,
    TEXT_LENGTH,
    TIMESTAMP,
    Column,
    EventType,
    Upcaster,
    added,
    duckdb_type,
    hive_type,
    identifier,
    known_since,
    note,
    text,
)
from mlife_assets.recruiting.events import EVENT_TYPES

CAME = datetime(2026, 6, 6, 18, tzinfo=UTC)
FIRST = (text("user_id"), text("surface"), text("state_code", nullable=True))
SECOND = (*FIRST, added(2, text("device")))
THIRD = (text("user_id"), text("place"), text("state_code", nullable=True), added(2, text("device")))
FOURTH = (*THIRD, added(4, text("browser")))
KIND = EventType(
    "seen", "market", FOURTH, version=4, upcasters=(Upcaster(2, SECOND, "* exclude (surface), surface as place"),)
)
ENVELOPE = ("event_id", "occurred_at", "observed_at")
ITEM = pa.struct([("position", pa.int64()), ("job_id", pa.string())])


def test_an_added_column_may_be_null_and_knows_its_version() -> None:
    column = added(3, text("device"))
    assert (column.name, column.nullable, column.since) == ("device", True, 3)


@pytest.mark.parametrize(("version", "columns"), [(1, SECOND), (2, SECOND), (3, FOURTH), (4, FOURTH)])
def test_rows_are_read_by_the_contract_of_the_next_upcaster_or_todays(version: int, columns: tuple) -> None:
    contract = KIND.contract(version)
    assert contract.columns == columns
    assert (contract is KIND) == (version > 2)


@pytest.mark.parametrize(
    ("names", "version"),
    [
        (("user_id", "place", "state_code", "device", "browser"), 4),
        (("user_id", "place", "state_code", "device"), 4),
        (("user_id", "place", "state_code"), 4),
        (("user_id", "surface", "state_code", "device"), 2),
        (("user_id", "surface", "state_code"), 2),
        (("user_id", "surface", "place", "state_code"), 4),
        (("user_id", "surface"), 4),
        ((), 4),
    ],
)
def test_an_exporter_is_judged_by_the_newest_contract_that_it_meets_else_by_todays(names: tuple, version: int) -> None:
    assert KIND.delivered((*ENVELOPE, *names)).version == version


def test_a_column_may_be_absent_only_when_it_was_added_later_and_may_be_null() -> None:
    assert KIND.missing((*ENVELOPE, "user_id", "place", "state_code")) == []
    assert KIND.missing((*ENVELOPE, "user_id", "place", "device")) == ["state_code"]
    assert KIND.missing(("user_id",)) == [*ENVELOPE, "place", "state_code"]


def test_text_has_a_length_and_only_notes_break_lines() -> None:
    assert (text("title").text_length, note("body").text_length) == (TEXT_LENGTH, NOTE_LENGTH)
    assert [column.has_lines for column in (text("title"), note("body"), identifier("user_id"))] == [False, True, False]
    assert [column.is_identifier for column in (text("title"), identifier("user_id"))] == [False, True]


def test_columns_of_all_versions_may_be_delivered() -> None:
    names = [column.name for column in KIND.columns_of_all_versions]
    assert sorted(names) == sorted({*ENVELOPE, "user_id", "surface", "place", "state_code", "device", "browser"})


def test_an_upcaster_that_adds_columns_says_whether_they_are_plain_words() -> None:
    plain = Upcaster.adding(1, (), model_name="'jobs'")
    assert plain == Upcaster(1, (), "*, 'jobs' as model_name", (("model_name", "'jobs'"),))
    assert plain.constants == {"model_name": "jobs"}
    assert Upcaster.adding(1, (), model_name="'jobs'", items="[job_id]").constants is None
    assert Upcaster(1, (), "*").constants is None


def test_the_landed_contract_is_the_newest_without_nested_values() -> None:
    nested = Column("parts", pa.list_(pa.struct([("a", pa.int64())])))
    plain = (identifier("thing_id"), Column("sizes", pa.list_(pa.float64())))
    newest = EventType("thing", "market", (*plain, nested), 2, (Upcaster.adding(1, plain, parts="[]"),))
    assert newest.landed == newest.contract(1)
    assert newest.contract(1).landed == newest.contract(1)


@pytest.mark.parametrize(
    ("arrow", "in_duckdb", "in_hive"),
    [
        (pa.list_(pa.float64()), "double[]", "array<double>"),
        (pa.list_(ITEM), "struct(position bigint, job_id varchar)[]", "array<struct<position:bigint,job_id:string>>"),
        (pa.timestamp("us", tz="UTC"), "timestamp with time zone", "timestamp"),
        (pa.date32(), "date", "date"),
    ],
)
def test_a_type_has_a_name_in_each_engine(arrow: pa.DataType, in_duckdb: str, in_hive: str) -> None:
    assert (duckdb_type(arrow), hive_type(arrow)) == (in_duckdb, in_hive)


def test_every_column_of_the_log_has_a_name_in_both() -> None:
    types = [field.type for kind in EVENT_TYPES.values() for field in kind.schema]
    assert all(duckdb_type(one) and hive_type(one) for one in types)
    assert len(types) > 100


def test_what_claims_to_be_older_is_known_since_it_came() -> None:
    observed = [CAME - timedelta(days=5), CAME, CAME + timedelta(microseconds=1)]
    rows = pa.table({"event_id": ["a", "b", "c"], "observed_at": pa.array(observed, TIMESTAMP), "n": [1, 2, 3]})
    found = known_since(rows, CAME)
    assert found["observed_at"].to_pylist() == [CAME, CAME, observed[2]]
    assert found.schema == rows.schema
    assert found.drop_columns(["observed_at"]).equals(rows.drop_columns(["observed_at"]))
