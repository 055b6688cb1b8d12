"""What a file says of its version, and how rows of older versions become rows of today's."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.event_log.versions import VERSION_KEY, decode_rows, encode_rows, upcast
from mlife_assets.adapters.parquet_bytes import encode_table, open_table
from mlife_assets.core.errors import IntegrityError, NewerVersionError
from mlife_assets.core.event_columns import (
    TIMESTAMP,
    Column,
    EventType,
    Upcaster,
    added,
    day,
    flag,
    number,
    text,
    text_list,
)
from mlife_assets.recruiting.events import EVENT_TYPES

KIND = EventType("seen", "market", (text("user_id"), number("score")))
START = datetime(2026, 6, 1, tzinfo=UTC)


def rows(kind: EventType, *payloads: dict) -> pa.Table:
    envelope = {"occurred_at": START, "observed_at": START}
    full = [{"event_id": f"e{place}", **envelope, **payload} for place, payload in enumerate(payloads)]
    return pa.Table.from_pylist(full, schema=kind.schema)


OLD = rows(KIND, {"user_id": "ann", "score": 0.5}, {"user_id": "bob", "score": -0.0})


def evolved(*steps: tuple[tuple[Column, ...], str | None]) -> EventType:
    """Return KIND after some releases, each with its columns and what leads to them, None being nothing."""
    kind = KIND
    for columns, select in steps:
        upcasters = (
            kind.upcasters if select is None else (*kind.upcasters, Upcaster(kind.version, kind.columns, select))
        )
        kind = replace(kind, columns=columns, version=kind.version + 1, upcasters=upcasters)
    return kind


def test_a_file_of_version_1_says_nothing_and_has_the_bytes_it_always_had() -> None:
    data = encode_rows(KIND, OLD)
    assert data == encode_table(OLD)
    assert VERSION_KEY.encode() not in data


def test_a_later_file_says_its_version_in_its_footer() -> None:
    kind = replace(KIND, version=12)
    data = encode_rows(kind, OLD)
    assert open_table(data).metadata.metadata[VERSION_KEY.encode()] == b"12"
    assert encode_rows(kind, OLD) == data
    assert decode_rows(kind, data, kind.schema.names, "k").equals(OLD)


def test_a_column_that_came_later_is_null_in_older_files() -> None:
    kind = evolved(((*KIND.columns, added(2, text("device"))), None))
    read = decode_rows(kind, encode_rows(KIND, OLD), ["device", "event_id"], "k")
    assert read.to_pydict() == {"device": [None, None], "event_id": ["e0", "e1"]}
    assert decode_rows(kind, encode_rows(KIND, OLD), kind.schema.names, "k").schema.equals(kind.schema)


def test_a_newer_file_is_refused_whatever_its_columns(toolbox, monkeypatch) -> None:
    click = EVENT_TYPES["click"]
    store = toolbox.store()
    with monkeypatch.context() as later:
        later.setitem(EVENT_TYPES, "click", replace(click, version=click.version + 1))
        ParquetEventLog(store).append("click", toolbox.clicks([("a", 1)]), writer="w")
        assert ParquetEventLog(store).read("click").num_rows == 1
    told = rf"hour=01/w-.* holds version {click.version + 1} of click, this mlife knows {click.version}; upgrade"
    with pytest.raises(NewerVersionError, match=told):
        ParquetEventLog(store).read("click", columns=["event_id"])


@pytest.mark.parametrize("told", ["", "two", "-1", "1.5"])
def test_a_footer_that_is_no_number_is_no_version(told: str) -> None:
    with pytest.raises(IntegrityError, match="names no version"):
        decode_rows(KIND, encode_table(OLD, {VERSION_KEY: told}), ["event_id"], "k")


def test_a_file_without_a_required_column_is_damaged() -> None:
    with pytest.raises(IntegrityError, match="k lacks the column score"):
        decode_rows(KIND, encode_table(OLD.drop_columns(["score"])), KIND.schema.names, "k")


def test_upcasters_are_applied_in_order_from_the_version_of_the_file() -> None:
    """Version 2 renames, 3 adds, 4 gives a score another meaning and a column that may not be null."""
    named = (text("person_id"), number("score"))
    with_device = (*named, added(3, text("device")))
    final = (text("person_id"), added(3, text("device")), number("percent"), text("origin"))
    kind = evolved(
        (named, "* exclude (user_id), user_id as person_id"),
        (with_device, None),
        (final, "* exclude (score), 100 * score as percent, coalesce(device, 'unknown') as origin"),
    )
    second = replace(kind, columns=named, version=2, upcasters=())
    third = replace(second, columns=with_device, version=3)
    files = [
        (KIND, {"user_id": "p", "score": 0.5}, None),
        (second, {"person_id": "p", "score": 0.5}, None),
        (third, {"person_id": "p", "score": 0.5, "device": "phone"}, "phone"),
        (kind, {"person_id": "p", "percent": 50.0, "device": None, "origin": "unknown"}, None),
    ]
    for written, payload, device in files:
        read = decode_rows(kind, encode_rows(written, rows(written, payload)), kind.schema.names, "k")
        assert read.schema.equals(kind.schema)
        expected = {"person_id": "p", "device": device, "percent": 50.0, "origin": device or "unknown"}
        assert read.select(list(expected)).to_pylist() == [expected], written.version
        assert read.select(["event_id"]).to_pylist() == [{"event_id": "e0"}]


def test_what_an_upcaster_carries_over_stays_as_it_is_to_the_bit() -> None:
    columns = (
        text("word"), number("number", nullable=True), flag("is_on"), day("as_of_date"), text_list("words"),
        Column("vector", pa.list_(pa.float64())), Column("at", TIMESTAMP),
    )  # fmt: skip
    before = EventType("seen", "market", columns)
    after = replace(
        before, version=2, columns=(*columns, text("extra")), upcasters=(Upcaster(1, columns, "*, 'x' as extra"),)
    )
    other = {"is_on": False, "as_of_date": date(2026, 3, 29), "words": [], "vector": [float("inf"), -0.0], "at": START}
    stored = rows(
        before,
        {**other, "word": "", "number": None},
        {**other, "word": "naïve\0 ☎", "number": 0.1, "words": ["a", ""], "vector": []},
        {**other, "word": "z", "number": 5e-324, "is_on": True, "at": datetime(2026, 3, 29, 1, 30, 0, 1, UTC)},
    )
    read = upcast(after, 1, stored)
    assert read.drop_columns(["extra"]).equals(stored)
    assert read["extra"].to_pylist() == ["x"] * 3


def test_an_upcaster_reaches_nothing_but_its_rows(tmp_path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("secret\n")
    kind = evolved((KIND.columns, f"* replace ((select content from read_text('{secret}')) as user_id)"))
    with pytest.raises(Exception, match="disabled by configuration"):
        upcast(kind, 1, OLD)


def test_an_upcaster_that_loses_a_required_column_is_reported() -> None:
    kind = evolved((KIND.columns, "* exclude (score)"))
    with pytest.raises(IntegrityError, match="version 2 of seen lacks the column score"):
        upcast(kind, 1, OLD)


@pytest.mark.parametrize(
    "kind", [kind for kind in EVENT_TYPES.values() if len(kind.upcasters) == 1 and kind.upcasters[0].constants]
)
def test_a_constant_is_what_the_query_gives(kind: EventType) -> None:
    """Both readers of the log run `select`; rows that only get a constant are spared the engine, to the same table."""
    (step,) = kind.upcasters
    old = kind.contract(1)
    given = [
        {
            field.name: START.date() if pa.types.is_date(field.type) else pa.scalar(None, field.type).as_py()
            for field in old.schema
        }
        for _ in range(2)
    ]
    loose = pa.schema([field.with_nullable(True) for field in old.schema])
    stored = pa.Table.from_pylist(given, schema=loose)
    by_query = replace(kind, upcasters=(replace(step, adds=()),))
    assert upcast(kind, 1, stored).equals(upcast(by_query, 1, stored))
    for name, value in step.constants.items():
        assert upcast(kind, 1, stored)[name].to_pylist() == [value] * 2
    assert upcast(kind, 1, stored.slice(0, 0)).schema == kind.schema
