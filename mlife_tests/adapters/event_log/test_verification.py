"""Verification: every changed, lost or added byte is found, and the file that is to blame is named."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.adapters.event_log import verify
from mlife_assets.adapters.event_log.chain import Link, decode_manifest, encode_manifest
from mlife_assets.adapters.event_log.layout import content_hash


def test_an_untouched_log_is_intact(toolbox, whole_log: dict[str, bytes]) -> None:
    result = verify(toolbox.stored(whole_log))
    assert result.is_intact
    assert (result.files, result.rows, result.manifests) == (28, 28, 28)
    assert len(result.heads) == 9


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


def test_an_hour_lost_with_its_files_is_found_by_the_anchor_of_the_next(toolbox, whole_log: dict[str, bytes]) -> None:
    hour = "dt=2026-06-02/hour=00"
    findings = verify(toolbox.stored({k: v for k, v in whole_log.items() if hour not in k})).findings
    assert ("missing_manifest", f"manifests/{hour}/00000000.json") in {(f.kind, f.key) for f in findings}


@pytest.mark.parametrize("sequence", [0, 1])
def test_a_consistent_rewrite_of_a_manifest_is_seen_by_its_successor(
    toolbox, whole_log: dict[str, bytes], sequence: int
) -> None:
    key = f"manifests/dt=2026-06-02/hour=08/{sequence:08d}.json"
    manifest = decode_manifest(key, whole_log[key])
    forged = encode_manifest(replace(manifest, entries=()))
    rest = {k: v for k, v in whole_log.items() if k != manifest.entries[0].key}
    findings = verify(toolbox.stored({**rest, key: forged})).findings
    assert [(f.kind, f.key) for f in findings] == [("altered_manifest", key)]


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


def test_heads_are_the_last_manifest_of_each_hour_with_its_hash(toolbox, whole_log: dict[str, bytes]) -> None:
    last: dict[str, str] = {}
    for key in sorted(key for key in whole_log if key.startswith("manifests")):
        last[key.rpartition("/")[0]] = key
    heads = verify(toolbox.stored(whole_log)).heads
    assert heads == tuple(Link(key, content_hash(whole_log[key])) for key in last.values())
    assert verify(toolbox.stored(whole_log), witnessed=heads).is_intact


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
