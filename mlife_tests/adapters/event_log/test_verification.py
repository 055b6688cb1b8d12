"""Verification finds every changed, lost or added byte; rows of older versions become rows of today's."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.adapters.event_log import ChainEnd, ParquetEventLog, verify
from mlife_assets.adapters.event_log.log import VERSION_KEY, decode_rows, encode_rows, upcast
from mlife_assets.adapters.event_log.manifests import (
    content_hash,
    decode_hour_manifest,
    decode_manifest,
    encode_hour_manifest,
    encode_manifest,
    manifest_key,
)
from mlife_assets.adapters.parquet_bytes import encode_table, open_table
from mlife_assets.core import event_columns
from mlife_assets.core.errors import IntegrityError, NewerVersionError
from mlife_assets.core.event_columns import TIMESTAMP, Column, EventType, Upcaster, added, day, flag, number, text
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_tests.rows import clicks
from mlife_tests.stores import in_release_010, new_store, stored

KIND = EventType("seen", "market", (text("user_id"), number("score")))
START = datetime(2026, 6, 1, tzinfo=UTC)


def test_an_untouched_log_is_intact_and_so_are_one_of_release_010_and_an_empty_one(whole_log, old_log) -> None:
    for files, manifests, heads in ((whole_log, 4, 1), (old_log, 28, 9)):
        result = verify(stored(files))
        assert result.is_intact
        assert (result.files, result.rows, result.manifests, len(result.heads)) == (28, 28, manifests, heads)
    assert [link.key for link in verify(stored(whole_log)).heads] == [manifest_key(3)]
    result = verify(new_store())
    assert (result.is_intact, result.files, result.manifests, result.rows, result.heads) == (True, 0, 0, 0, ())


@settings(max_examples=150)
@given(data=st.data())
def test_any_changed_byte_is_found_and_its_file_named(whole_log: dict[str, bytes], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(whole_log)))
    place = data.draw(st.integers(0, len(whole_log[key]) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = bytearray(whole_log[key])
    changed[place] ^= flip
    findings = verify(stored({**whole_log, key: bytes(changed)})).findings
    kind = "altered_manifest" if key.startswith("manifests") else "altered_file"
    assert (kind, key) in {(finding.kind, finding.key) for finding in findings}


def test_any_lost_or_added_file_is_found_and_named(whole_log: dict[str, bytes]) -> None:
    for key in whole_log:
        rest = {k: v for k, v in whole_log.items() if k != key}
        findings = verify(stored(rest)).findings
        if key.startswith("events"):
            assert [(f.kind, f.key) for f in findings] == [("missing_file", key)]
        else:
            kinds = {f.kind for f in findings}
            is_named = ("missing_manifest", key) in {(f.kind, f.key) for f in findings}
            assert is_named or kinds == {"unlisted_file"}
    stray = "events/event_type=click/dt=2026-06-01/hour=00/w-000001-0123456789abcdef.parquet"
    for key, kind in (
        (stray, "unlisted_file"),
        ("events/note.txt", "unlisted_file"),
        ("manifests/x", "unknown_object"),
    ):
        assert [(f.kind, f.key) for f in verify(stored({**whole_log, key: b"?"})).findings] == [(kind, key)]


def test_an_hour_of_release_010_lost_with_its_files_is_found_by_the_anchor_of_the_next(
    old_log: dict[str, bytes],
) -> None:
    hour = "dt=2026-06-02/hour=00"
    findings = verify(stored({k: v for k, v in old_log.items() if hour not in k})).findings
    assert ("missing_manifest", f"manifests/{hour}/00000002.json") in {(f.kind, f.key) for f in findings}


def rewritten(objects: dict[str, bytes], key: str) -> dict[str, bytes]:
    """Return a log in which a manifest of release 0.1.0 lists nothing, consistently, and its file is gone."""
    manifest = decode_hour_manifest(key, objects[key])
    rest = {k: v for k, v in objects.items() if k != manifest.entries[0].key}
    return {**rest, key: encode_hour_manifest(replace(manifest, entries=()))}


@pytest.mark.parametrize("sequence", [0, 1, 2])
def test_a_consistent_rewrite_of_a_manifest_of_release_010_is_seen_by_its_successor(
    old_log: dict[str, bytes], sequence: int
) -> None:
    """The last of an hour is pinned by the anchor of the next hour."""
    key = f"manifests/dt=2026-06-02/hour=08/{sequence:08d}.json"
    findings = verify(stored(rewritten(old_log, key))).findings
    assert [(f.kind, f.key) for f in findings] == [("altered_manifest", key)]


def test_a_consistent_rewrite_of_the_last_manifest_of_release_010_is_seen_by_the_chain(
    old_log: dict[str, bytes],
) -> None:
    last = max(key for key in old_log if key.startswith("manifests"))
    assert verify(stored(rewritten(old_log, last))).is_intact, "nothing follows it yet"
    store = stored(old_log)
    ParquetEventLog(store).append("click", clicks([("new", 0)]), writer="w")
    grown = {key: store.get(key) for key in store.list("")}
    findings = verify(stored(rewritten(grown, last))).findings
    assert [(f.kind, f.key) for f in findings] == [("altered_manifest", last)]


def without(objects: dict[str, bytes], *numbers: int) -> dict[str, bytes]:
    keys = {manifest_key(number) for number in numbers}
    files = {entry.key for key in keys for entry in decode_manifest(key, objects[key]).entries}
    return {key: data for key, data in objects.items() if key not in keys | files}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_manifest_taken_from_the_middle_with_its_files_is_named(whole_log: dict[str, bytes], number: int) -> None:
    findings = verify(stored(without(whole_log, number))).findings
    assert [(f.kind, f.key) for f in findings] == [("missing_manifest", manifest_key(number))]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_consistent_rewrite_of_a_manifest_is_seen_by_its_successor(whole_log: dict[str, bytes], number: int) -> None:
    key = manifest_key(number)
    manifest = decode_manifest(key, whole_log[key])
    forged = encode_manifest(replace(manifest, entries=()))
    findings = verify(stored({**without(whole_log, number), key: forged})).findings
    assert [(f.kind, f.key) for f in findings] == [("altered_manifest", key)]


def test_a_manifest_planted_far_ahead_is_reported_at_once(whole_log: dict[str, bytes]) -> None:
    far = manifest_key(999_999_999_999)
    findings = verify(stored({**whole_log, far: b"{}"})).findings
    assert ("altered_manifest", far) in {(f.kind, f.key) for f in findings}
    assert len(findings) < 2_000


def test_a_manifest_of_release_010_is_foreign_once_the_chain_began(old_log: dict[str, bytes]) -> None:
    store = stored(old_log)
    ParquetEventLog(store).append("click", clicks([("new", 0)]), writer="w")
    grown = {key: store.get(key) for key in store.list("")}
    other = in_release_010({**old_log, **_file("forged", 100)})
    added = {key: data for key, data in other.items() if key not in grown}
    findings = verify(stored({**grown, **added})).findings
    assert {f.kind for f in findings} == {"foreign_manifest"}


def _file(name: str, hours: float) -> dict[str, bytes]:
    store = new_store()
    ParquetEventLog(store).append("click", clicks([(name, hours)]), writer="w")
    return {key: store.get(key) for key in store.list("events")}


def test_a_manifest_without_the_key_is_foreign_unless_a_head_pins_it() -> None:
    store = new_store()
    ParquetEventLog(store).append("click", clicks([("a", 0)]), writer="w")
    pin = ChainEnd(0, content_hash(store.get(manifest_key(0))))
    keyed = ParquetEventLog(store, key=lambda: b"k" * 32, pinned=lambda: pin)
    keyed.append("click", clicks([("b", 0)]), writer="w")
    assert verify(store).is_intact
    assert verify(store, key=b"k" * 32, trusted_until=0).is_intact
    for key, foreign in ((b"k" * 32, [0]), (b"j" * 32, [0, 1])):
        findings = verify(store, key=key).findings
        assert [(f.kind, f.key) for f in findings] == [("foreign_manifest", manifest_key(n)) for n in foreign]


def test_a_rewritten_head_is_seen_against_the_witnessed_one_only(whole_log: dict[str, bytes]) -> None:
    heads = verify(stored(whole_log)).heads
    head = heads[-1].key
    manifest = decode_manifest(head, whole_log[head])
    rest = {key: data for key, data in whole_log.items() if key != manifest.entries[0].key}
    forged = stored({**rest, head: encode_manifest(replace(manifest, entries=()))})
    assert verify(forged).is_intact
    (finding,) = verify(forged, witnessed=heads).findings
    assert (finding.kind, finding.key) == ("altered_manifest", head)
    assert "a witnessed head recorded another hash" in finding.detail


def test_two_manifests_that_disagree_about_a_file_are_named(whole_log: dict[str, bytes]) -> None:
    head = verify(stored(whole_log)).heads[-1].key
    manifest = decode_manifest(head, whole_log[head])
    other = replace(manifest.entries[0], key=next(key for key in sorted(whole_log) if key.startswith("events")))
    store = stored({**whole_log, head: encode_manifest(replace(manifest, entries=(*manifest.entries, other)))})
    (finding,) = verify(store).findings
    assert (finding.kind, finding.key) == ("altered_manifest", head)
    assert f"lists {other.key} with another hash or row count" in finding.detail


def test_findings_say_what_to_do(whole_log: dict[str, bytes]) -> None:
    file = next(key for key in sorted(whole_log) if key.startswith("events"))
    (lost,) = verify(stored({k: v for k, v in whole_log.items() if k != file})).findings
    assert "listed with 1 rows; restore it" in lost.detail
    (altered,) = verify(stored({**whole_log, file: b"?"})).findings
    assert content_hash(b"?")[:16] in altered.detail
    assert content_hash(whole_log[file])[:16] in altered.detail


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


def test_a_later_file_says_its_version_in_its_footer_and_what_came_later_is_null_in_older_ones() -> None:
    kind = replace(KIND, version=12)
    data = encode_rows(kind, OLD)
    assert open_table(data).metadata.metadata[VERSION_KEY.encode()] == b"12"
    assert encode_rows(kind, OLD) == data
    assert decode_rows(kind, data, kind.schema.names, "k").equals(OLD)
    kind = evolved(((*KIND.columns, added(2, text("device"))), None))
    read = decode_rows(kind, encode_rows(KIND, OLD), ["device", "event_id"], "k")
    assert read.to_pydict() == {"device": [None, None], "event_id": ["e0", "e1"]}
    assert decode_rows(kind, encode_rows(KIND, OLD), kind.schema.names, "k").schema.equals(kind.schema)


def test_a_newer_file_is_refused_whatever_its_columns(monkeypatch) -> None:
    click = EVENT_TYPES["click"]
    store = new_store()
    with monkeypatch.context() as later:
        later.setitem(EVENT_TYPES, "click", replace(click, version=click.version + 1))
        ParquetEventLog(store).append("click", clicks([("a", 1)]), writer="w")
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
        text("word"), number("number", nullable=True), flag("is_on"), day("as_of_date"),
        event_columns.text_list("words"), Column("vector", pa.list_(pa.float64())), Column("at", TIMESTAMP),
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


def test_an_upcaster_reaches_nothing_but_its_rows_and_loses_no_required_column(tmp_path) -> None:
    secret = tmp_path / "secret.csv"
    secret.write_text("secret\n")
    kind = evolved((KIND.columns, f"* replace ((select content from read_text('{secret}')) as user_id)"))
    with pytest.raises(Exception, match="disabled by configuration"):
        upcast(kind, 1, OLD)
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
