"""The chain of manifests: one form per manifest, nothing listed twice, races keep it whole, damage is not continued."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.adapters.event_log import ParquetEventLog, verify
from mlife_assets.adapters.event_log.chain import (
    Entry,
    Link,
    Manifest,
    decode_manifest,
    encode_manifest,
    list_entries,
)
from mlife_assets.adapters.event_log.layout import content_hash, manifest_key
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.errors import IntegrityError, MlifeError, TransientError

HOUR = "dt=2026-06-02/hour=23"
FIRST, SECOND = manifest_key(HOUR, 0), manifest_key(HOUR, 1)
A, B, C = (Entry(f"events/{name}", content_hash(name.encode()), rows) for rows, name in enumerate("abc", 1))
MANIFEST = Manifest(HOUR, 0, None, Link("manifests/dt=2026-06-01/hour=23/00000004.json", "f" * 64), (A, B))


@given(
    sequence=st.integers(0, 99_999_999),
    previous=st.none() | st.just("e" * 64),
    anchor=st.none() | st.just(MANIFEST.anchor),
    entries=st.lists(st.sampled_from([A, B, C]), max_size=3).map(tuple),
)
def test_a_manifest_is_read_as_it_was_written(
    sequence: int, previous: str | None, anchor: Link | None, entries: tuple[Entry, ...]
) -> None:
    manifest = Manifest(HOUR, sequence, previous, anchor, entries)
    assert decode_manifest(manifest_key(HOUR, sequence), encode_manifest(manifest)) == manifest


def test_a_manifest_hashes_its_own_content() -> None:
    data = encode_manifest(MANIFEST)
    content = orjson.loads(data)
    own_hash = content.pop("sha256")
    assert own_hash == content_hash(orjson.dumps(content, option=orjson.OPT_SORT_KEYS))
    assert data.endswith(b"}\n")
    others = [
        replace(MANIFEST, anchor=None),
        replace(MANIFEST, previous="e" * 64),
        replace(MANIFEST, entries=(B, A)),
        replace(MANIFEST, entries=(A, replace(B, rows=3))),
        replace(MANIFEST, sequence=1),
    ]
    assert len({own_hash, *(orjson.loads(encode_manifest(one))["sha256"] for one in others)}) == 6


@pytest.mark.parametrize(
    ("key", "change"),
    [
        (SECOND, lambda data: data),
        (manifest_key("dt=2026-06-02/hour=22", 0), lambda data: data),
        (FIRST, lambda data: data.replace(b'"rows":1', b'"rows":7')),
        (FIRST, lambda data: data + b"\n"),
        (FIRST, lambda data: data.replace(b",", b", ")),
        (FIRST, lambda data: data.replace(b'"sequence"', b'"more":1,"sequence"')),
    ],
)
def test_a_manifest_in_another_place_or_form_is_refused(key: str, change) -> None:
    assert decode_manifest(FIRST, encode_manifest(MANIFEST)) == MANIFEST
    with pytest.raises(IntegrityError, match="does not match its own hash or place"):
        decode_manifest(key, change(encode_manifest(MANIFEST)))


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b'{"anchor": 1}', b"null"])
def test_what_is_no_manifest_is_refused_with_its_key(data: bytes) -> None:
    with pytest.raises(IntegrityError, match=f"{FIRST} is not a manifest"):
        decode_manifest(FIRST, data)


def test_each_manifest_lists_what_is_new_and_hashes_its_predecessor(toolbox) -> None:
    store = toolbox.store()
    assert list_entries(store, HOUR, (A,)) == FIRST
    assert list_entries(store, HOUR, (A,)) is None
    assert list_entries(store, HOUR, (A, B)) == SECOND
    assert list_entries(store, HOUR, (B, A)) is None
    first, second = (decode_manifest(key, store.get(key)) for key in (FIRST, SECOND))
    assert (first.entries, first.previous, first.anchor) == ((A,), None, None)
    assert (second.entries, second.previous, second.anchor) == ((B,), content_hash(store.get(FIRST)), None)
    assert store.list("") == [FIRST, SECOND]


def test_the_loser_of_a_race_takes_the_next_number(toolbox) -> None:
    class Overtaken(toolbox.CrashingStore):
        def put_if_absent(self, key: str, data: bytes) -> bool:
            if not self.writes:
                self.writes = 1
                list_entries(self.inner, HOUR, (B,))
            return self.inner.put_if_absent(key, data)

    store = toolbox.store()
    assert list_entries(Overtaken(store, -1), HOUR, (A,)) == SECOND
    assert decode_manifest(FIRST, store.get(FIRST)).entries == (B,)
    second = decode_manifest(SECOND, store.get(SECOND))
    assert (second.entries, second.previous) == ((A,), content_hash(store.get(FIRST)))


def test_a_chain_is_not_continued_over_damage(toolbox) -> None:
    store = toolbox.stored({FIRST: encode_manifest(MANIFEST)[:-1]})
    for hour in (HOUR, "dt=2026-06-03/hour=00"):
        with pytest.raises(IntegrityError, match=FIRST):
            list_entries(store, hour, (C,))
    assert store.list("") == [FIRST]


def test_objects_that_are_no_manifests_are_passed_over(toolbox) -> None:
    store = toolbox.stored({f"manifests/{HOUR}/note.txt": b"?", "manifests/x": b"?"})
    assert list_entries(store, HOUR, (A,)) == FIRST
    assert decode_manifest(FIRST, store.get(FIRST)).anchor is None


def test_an_anchor_carries_the_hash_of_the_head(toolbox) -> None:
    store = toolbox.store()
    for entry in (A, B):
        list_entries(store, HOUR, (entry,))
    later = list_entries(store, "dt=2026-06-03/hour=05", (C,))
    assert later is not None
    assert decode_manifest(later, store.get(later)).anchor == Link(SECOND, content_hash(store.get(SECOND)))


def test_writers_that_race_keep_the_chain_whole(toolbox, tmp_path: Path) -> None:
    store = ObstoreObjectStore.local(tmp_path / "lake")
    failures: list[Exception] = []

    def write(number: int) -> None:
        log = ParquetEventLog(store)
        try:
            for step in range(8):
                log.append(
                    "click", toolbox.clicks([(f"{number}-{step}", 0), (f"{number}-{step}x", 3)]), writer=f"w{number}"
                )
                log.append("click", toolbox.clicks([(f"same-{step}", 0)]), writer="same")
        except MlifeError as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    result = verify(store)
    assert result.findings == ()
    assert (result.files, result.rows) == (6 * 8 * 2 + 8, 6 * 8 * 2 + 8)
    assert result.manifests == result.files
    assert ParquetEventLog(store).read("click").num_rows == result.rows


def test_a_writer_that_always_loses_gives_up(toolbox) -> None:
    class Hostile(toolbox.CrashingStore):
        def list(self, prefix: str) -> list[str]:
            return [] if prefix.startswith("manifests") else self.inner.list(prefix)

    store = toolbox.store()
    ParquetEventLog(store).append("click", toolbox.clicks([("a", 0)]), writer="w")
    with pytest.raises(TransientError, match="other writers"):
        ParquetEventLog(Hostile(store, -1)).append("click", toolbox.clicks([("b", 0)]), writer="w")


def test_the_first_manifest_of_an_hour_is_anchored_to_the_nearest_earlier_head(toolbox) -> None:
    store = toolbox.store()
    for name, hours in (("a", 240), ("b", 0), ("c", 0), ("d", 100), ("e", 50)):
        ParquetEventLog(store).append("click", toolbox.clicks([(name, hours)]), writer="w")
    anchors = {}
    for key in store.list("manifests"):
        anchor = decode_manifest(key, store.get(key)).anchor
        anchors[key[len("manifests/dt=2026-06-") :]] = None if anchor is None else anchor.key
    first, second = "manifests/dt=2026-06-11/hour=00/00000000.json", "manifests/dt=2026-06-01/hour=00/00000001.json"
    assert anchors == {
        "11/hour=00/00000000.json": None,
        "01/hour=00/00000000.json": first,
        "01/hour=00/00000001.json": None,
        "05/hour=04/00000000.json": second,
        "03/hour=02/00000000.json": second,
    }
