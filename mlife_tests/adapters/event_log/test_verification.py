"""Verification: every changed, lost or added byte is found, and the file that is to blame is named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.adapters.event_log import ChainEnd, ParquetEventLog, verify
from mlife_assets.adapters.event_log.layout import content_hash, manifest_key
from mlife_assets.adapters.event_log.manifests import (
    Link,
    decode_hour_manifest,
    decode_manifest,
    encode_hour_manifest,
    encode_manifest,
)


def test_an_untouched_log_is_intact_and_so_is_one_of_release_010(toolbox, whole_log, old_log) -> None:
    for files, manifests, heads in ((whole_log, 4, 1), (old_log, 28, 9)):
        result = verify(toolbox.stored(files))
        assert result.is_intact
        assert (result.files, result.rows, result.manifests, len(result.heads)) == (28, 28, manifests, heads)
    assert [link.key for link in verify(toolbox.stored(whole_log)).heads] == [manifest_key(3)]


@settings(max_examples=150)
@given(data=st.data())
def test_any_changed_byte_is_found_and_its_file_named(
    toolbox, whole_log: dict[str, bytes], data: st.DataObject
) -> None:
    key = data.draw(st.sampled_from(sorted(whole_log)))
    place = data.draw(st.integers(0, len(whole_log[key]) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = bytearray(whole_log[key])
    changed[place] ^= flip
    findings = verify(toolbox.stored({**whole_log, key: bytes(changed)})).findings
    kind = "altered_manifest" if key.startswith("manifests") else "altered_file"
    assert (kind, key) in {(finding.kind, finding.key) for finding in findings}


def test_any_lost_or_added_file_is_found_and_named(toolbox, whole_log: dict[str, bytes]) -> None:
    for key in whole_log:
        rest = {k: v for k, v in whole_log.items() if k != key}
        findings = verify(toolbox.stored(rest)).findings
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
        assert [(f.kind, f.key) for f in verify(toolbox.stored({**whole_log, key: b"?"})).findings] == [(kind, key)]


def test_an_hour_of_release_010_lost_with_its_files_is_found_by_the_anchor_of_the_next(
    toolbox, old_log: dict[str, bytes]
) -> None:
    hour = "dt=2026-06-02/hour=00"
    findings = verify(toolbox.stored({k: v for k, v in old_log.items() if hour not in k})).findings
    assert ("missing_manifest", f"manifests/{hour}/00000002.json") in {(f.kind, f.key) for f in findings}


def rewritten(objects: dict[str, bytes], key: str) -> dict[str, bytes]:
    """Return a log in which a manifest of release 0.1.0 lists nothing, consistently, and its file is gone."""
    manifest = decode_hour_manifest(key, objects[key])
    rest = {k: v for k, v in objects.items() if k != manifest.entries[0].key}
    return {**rest, key: encode_hour_manifest(replace(manifest, entries=()))}


@pytest.mark.parametrize("sequence", [0, 1, 2])
def test_a_consistent_rewrite_of_a_manifest_of_release_010_is_seen_by_its_successor(
    toolbox, old_log: dict[str, bytes], sequence: int
) -> None:
    """The last of an hour is pinned by the anchor of the next hour."""
    key = f"manifests/dt=2026-06-02/hour=08/{sequence:08d}.json"
    findings = verify(toolbox.stored(rewritten(old_log, key))).findings
    assert [(f.kind, f.key) for f in findings] == [("altered_manifest", key)]


def test_a_consistent_rewrite_of_the_last_manifest_of_release_010_is_seen_by_the_chain(
    toolbox, old_log: dict[str, bytes]
) -> None:
    last = max(key for key in old_log if key.startswith("manifests"))
    assert verify(toolbox.stored(rewritten(old_log, last))).is_intact, "nothing follows it yet"
    store = toolbox.stored(old_log)
    ParquetEventLog(store).append("click", toolbox.clicks([("new", 0)]), writer="w")
    grown = {key: store.get(key) for key in store.list("")}
    findings = verify(toolbox.stored(rewritten(grown, last))).findings
    assert [(f.kind, f.key) for f in findings] == [("altered_manifest", last)]


def without(objects: dict[str, bytes], *numbers: int) -> dict[str, bytes]:
    """Return a log without some manifests and the files that they list."""
    keys = {manifest_key(number) for number in numbers}
    files = {entry.key for key in keys for entry in decode_manifest(key, objects[key]).entries}
    return {key: data for key, data in objects.items() if key not in keys | files}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_manifest_taken_from_the_middle_with_its_files_is_named(
    toolbox, whole_log: dict[str, bytes], number: int
) -> None:
    findings = verify(toolbox.stored(without(whole_log, number))).findings
    assert [(f.kind, f.key) for f in findings] == [("missing_manifest", manifest_key(number))]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_consistent_rewrite_of_a_manifest_is_seen_by_its_successor(
    toolbox, whole_log: dict[str, bytes], number: int
) -> None:
    key = manifest_key(number)
    manifest = decode_manifest(key, whole_log[key])
    forged = encode_manifest(replace(manifest, entries=()))
    findings = verify(toolbox.stored({**without(whole_log, number), key: forged})).findings
    assert [(f.kind, f.key) for f in findings] == [("altered_manifest", key)]


def test_a_manifest_planted_far_ahead_is_reported_at_once(toolbox, whole_log: dict[str, bytes]) -> None:
    far = manifest_key(999_999_999_999)
    findings = verify(toolbox.stored({**whole_log, far: b"{}"})).findings
    assert ("altered_manifest", far) in {(f.kind, f.key) for f in findings}
    assert len(findings) < 2_000


def test_a_manifest_of_release_010_is_foreign_once_the_chain_began(toolbox, old_log: dict[str, bytes]) -> None:
    store = toolbox.stored(old_log)
    ParquetEventLog(store).append("click", toolbox.clicks([("new", 0)]), writer="w")
    grown = {key: store.get(key) for key in store.list("")}
    other = toolbox.in_release_010({**old_log, **_file(toolbox, "forged", 100)})
    added = {key: data for key, data in other.items() if key not in grown}
    findings = verify(toolbox.stored({**grown, **added})).findings
    assert {f.kind for f in findings} == {"foreign_manifest"}


def _file(toolbox, name: str, hours: float) -> dict[str, bytes]:
    store = toolbox.store()
    ParquetEventLog(store).append("click", toolbox.clicks([(name, hours)]), writer="w")
    return {key: store.get(key) for key in store.list("events")}


def test_a_manifest_without_the_key_is_foreign_unless_a_head_pins_it(toolbox) -> None:
    store = toolbox.store()
    ParquetEventLog(store).append("click", toolbox.clicks([("a", 0)]), writer="w")
    pin = ChainEnd(0, content_hash(store.get(manifest_key(0))))
    keyed = ParquetEventLog(store, key=lambda: b"k" * 32, pinned=lambda: pin)
    keyed.append("click", toolbox.clicks([("b", 0)]), writer="w")
    assert verify(store).is_intact
    assert verify(store, key=b"k" * 32, trusted_until=0).is_intact
    for key, foreign in ((b"k" * 32, [0]), (b"j" * 32, [0, 1])):
        findings = verify(store, key=key).findings
        assert [(f.kind, f.key) for f in findings] == [("foreign_manifest", manifest_key(n)) for n in foreign]


def test_a_lost_tail_is_seen_against_a_witnessed_head_only(toolbox, whole_log: dict[str, bytes]) -> None:
    heads = verify(toolbox.stored(whole_log)).heads
    tail = heads[-1].key
    listed = {k for k in whole_log if k.encode() in whole_log[tail]}
    cut = toolbox.stored({k: v for k, v in whole_log.items() if k != tail and k not in listed})
    assert verify(cut).is_intact
    assert [(f.kind, f.key) for f in verify(cut, witnessed=heads).findings] == [("missing_manifest", tail)]


def test_nothing_is_intact(toolbox) -> None:
    result = verify(toolbox.store())
    assert (result.is_intact, result.files, result.manifests, result.rows, result.heads) == (True, 0, 0, 0, ())


def test_heads_are_the_last_manifests_with_their_hashes(
    toolbox, whole_log: dict[str, bytes], old_log: dict[str, bytes]
) -> None:
    last: dict[str, str] = {}
    for key in sorted(key for key in old_log if key.startswith("manifests")):
        last[key.rpartition("/")[0]] = key
    heads = verify(toolbox.stored(old_log)).heads
    assert heads == tuple(Link(key, content_hash(old_log[key])) for key in last.values())
    assert verify(toolbox.stored(old_log), witnessed=heads).is_intact
    newest = manifest_key(3)
    assert verify(toolbox.stored(whole_log)).heads == (Link(newest, content_hash(whole_log[newest])),)


def test_a_rewritten_head_is_seen_against_the_witnessed_one_only(toolbox, whole_log: dict[str, bytes]) -> None:
    heads = verify(toolbox.stored(whole_log)).heads
    head = heads[-1].key
    manifest = decode_manifest(head, whole_log[head])
    rest = {key: data for key, data in whole_log.items() if key != manifest.entries[0].key}
    forged = toolbox.stored({**rest, head: encode_manifest(replace(manifest, entries=()))})
    assert verify(forged).is_intact
    (finding,) = verify(forged, witnessed=heads).findings
    assert (finding.kind, finding.key) == ("altered_manifest", head)
    assert "a witnessed head recorded another hash" in finding.detail


def test_two_manifests_that_disagree_about_a_file_are_named(toolbox, whole_log: dict[str, bytes]) -> None:
    head = verify(toolbox.stored(whole_log)).heads[-1].key
    manifest = decode_manifest(head, whole_log[head])
    other = replace(manifest.entries[0], key=next(key for key in sorted(whole_log) if key.startswith("events")))
    store = toolbox.stored({**whole_log, head: encode_manifest(replace(manifest, entries=(*manifest.entries, other)))})
    (finding,) = verify(store).findings
    assert (finding.kind, finding.key) == ("altered_manifest", head)
    assert f"lists {other.key} with another hash or row count" in finding.detail


def test_findings_say_what_to_do(toolbox, whole_log: dict[str, bytes]) -> None:
    file = next(key for key in sorted(whole_log) if key.startswith("events"))
    (lost,) = verify(toolbox.stored({k: v for k, v in whole_log.items() if k != file})).findings
    assert "listed with 1 rows; restore it" in lost.detail
    (altered,) = verify(toolbox.stored({**whole_log, file: b"?"})).findings
    assert content_hash(b"?")[:16] in altered.detail
    assert content_hash(whole_log[file])[:16] in altered.detail
