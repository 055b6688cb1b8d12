"""The bytes of manifests: one form each, hashed, keyed, and refused in any other form or place."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.adapters.event_log.layout import content_hash, hour_manifest_key, manifest_key
from mlife_assets.adapters.event_log.manifests import (
    Entry,
    HourManifest,
    Link,
    Manifest,
    decode_hour_manifest,
    decode_manifest,
    encode_hour_manifest,
    encode_manifest,
    is_authentic,
)
from mlife_assets.core.errors import IntegrityError

HOUR = "dt=2026-06-02/hour=23"
A, B, C = (Entry(f"events/{name}", content_hash(name.encode()), rows) for rows, name in enumerate("abc", 1))
ANCHOR = Link("manifests/dt=2026-06-01/hour=23/00000004.json", "f" * 64)
MANIFEST = Manifest(7, "e" * 64, (), (A, B))
OLD = HourManifest(HOUR, 0, None, ANCHOR, (A, B))
KEY, OLD_KEY = manifest_key(7), hour_manifest_key(HOUR, 0)


@given(
    sequence=st.integers(0, 99_999_999),
    previous=st.none() | st.just("e" * 64),
    anchors=st.lists(st.just(ANCHOR), max_size=2).map(tuple),
    entries=st.lists(st.sampled_from([A, B, C]), max_size=3).map(tuple),
    key=st.none() | st.binary(min_size=32, max_size=32),
)
def test_a_manifest_is_read_as_it_was_written(
    sequence: int, previous: str | None, anchors: tuple[Link, ...], entries: tuple[Entry, ...], key: bytes | None
) -> None:
    manifest = Manifest(sequence, previous, anchors, entries)
    assert decode_manifest(manifest_key(sequence), encode_manifest(manifest, key)) == manifest
    hourly = HourManifest(HOUR, sequence, previous, anchors[0] if anchors else None, entries)
    assert decode_hour_manifest(hour_manifest_key(HOUR, sequence), encode_hour_manifest(hourly)) == hourly


def test_a_manifest_hashes_its_own_content() -> None:
    data = encode_manifest(MANIFEST, b"k" * 32)
    content = orjson.loads(data)
    own_hash = content.pop("sha256")
    content.pop("mac")
    assert own_hash == content_hash(orjson.dumps(content, option=orjson.OPT_SORT_KEYS))
    assert data.endswith(b"}\n")
    others = [
        replace(MANIFEST, anchors=(ANCHOR,)),
        replace(MANIFEST, previous=None),
        replace(MANIFEST, entries=(B, A)),
        replace(MANIFEST, entries=(A, replace(B, rows=3))),
        replace(MANIFEST, sequence=1),
    ]
    assert len({own_hash, *(orjson.loads(encode_manifest(one))["sha256"] for one in others)}) == 6


def test_who_lacks_the_key_cannot_write_a_manifest() -> None:
    assert is_authentic(encode_manifest(MANIFEST, b"k" * 32), b"k" * 32)
    assert not is_authentic(encode_manifest(MANIFEST, b"j" * 32), b"k" * 32)
    assert not is_authentic(encode_manifest(MANIFEST), b"k" * 32)
    mac = orjson.loads(encode_manifest(MANIFEST, b"k" * 32))["mac"].encode()
    other = encode_manifest(replace(MANIFEST, entries=(A,)), b"j" * 32)
    pasted = other.replace(orjson.loads(other)["mac"].encode(), mac)
    assert not is_authentic(pasted, b"k" * 32)


CHANGES = [
    lambda data: data.replace(b'"rows":1', b'"rows":7'),
    lambda data: data + b"\n",
    lambda data: data.replace(b",", b", "),
    lambda data: data.replace(b'"sequence"', b'"more":1,"sequence"'),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_manifest_in_another_form_is_refused(change) -> None:
    for key, data, decode in (
        (KEY, encode_manifest(MANIFEST), decode_manifest),
        (OLD_KEY, encode_hour_manifest(OLD), decode_hour_manifest),
    ):
        decode(key, data)
        with pytest.raises(IntegrityError, match="does not match its own hash or place"):
            decode(key, change(data))


def test_a_manifest_in_another_place_is_refused() -> None:
    with pytest.raises(IntegrityError, match="does not match its own hash or place"):
        decode_manifest(manifest_key(8), encode_manifest(MANIFEST))
    for key in (hour_manifest_key(HOUR, 1), hour_manifest_key("dt=2026-06-02/hour=22", 0)):
        with pytest.raises(IntegrityError, match="does not match its own hash or place"):
            decode_hour_manifest(key, encode_hour_manifest(OLD))


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b'{"anchors": 1}', b"null"])
def test_what_is_no_manifest_is_refused_with_its_key(data: bytes) -> None:
    with pytest.raises(IntegrityError, match=f"{KEY} is not a manifest"):
        decode_manifest(KEY, data)
    with pytest.raises(IntegrityError, match=f"{OLD_KEY} is not a manifest"):
        decode_hour_manifest(OLD_KEY, data)
