"""The chain and its manifests: nothing listed twice, races keep it whole, damage is not continued, a cut heals."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.adapters.event_log import ChainEnd, ParquetEventLog, verify
from mlife_assets.adapters.event_log.chain import Chain
from mlife_assets.adapters.event_log.manifests import (
    Entry,
    HourManifest,
    Link,
    Manifest,
    content_hash,
    decode_hour_manifest,
    decode_manifest,
    encode_hour_manifest,
    encode_manifest,
    hour_manifest_key,
    is_authentic,
    last_of_hours,
    manifest_key,
)
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.errors import IntegrityError, MlifeError, NotFoundError, TransientError
from mlife_tests.rows import clicks
from mlife_tests.stores import Counting, CrashingStore, new_store, stored

HOUR = "dt=2026-06-02/hour=23"
ENTRY_A, ENTRY_B, ENTRY_C = (
    Entry(f"events/{name}", content_hash(name.encode()), rows) for rows, name in enumerate("abc", 1)
)
ANCHOR = Link("manifests/dt=2026-06-01/hour=23/00000004.json", "f" * 64)
MANIFEST = Manifest(7, "e" * 64, (), (ENTRY_A, ENTRY_B))
OLD = HourManifest(HOUR, 0, None, ANCHOR, (ENTRY_A, ENTRY_B))
MANIFEST_KEY, OLD_KEY = manifest_key(7), hour_manifest_key(HOUR, 0)
FIRST, SECOND, THIRD = (manifest_key(number) for number in range(3))
HOURS = ("dt=2026-06-02/hour=23", "dt=2026-06-02/hour=04", "dt=2026-06-01/hour=00")
A, B, C = (
    Entry(f"events/event_type=click/{hour}/w-{name}-0.parquet", content_hash(name.encode()), rows)
    for rows, (name, hour) in enumerate(zip("abc", HOURS, strict=True), 1)
)
KEY = b"k" * 32


@given(
    sequence=st.integers(0, 99_999_999),
    previous=st.none() | st.just("e" * 64),
    anchors=st.lists(st.just(ANCHOR), max_size=2).map(tuple),
    entries=st.lists(st.sampled_from([ENTRY_A, ENTRY_B, ENTRY_C]), max_size=3).map(tuple),
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
        replace(MANIFEST, entries=(ENTRY_B, ENTRY_A)),
        replace(MANIFEST, entries=(ENTRY_A, replace(ENTRY_B, rows=3))),
        replace(MANIFEST, sequence=1),
    ]
    assert len({own_hash, *(orjson.loads(encode_manifest(one))["sha256"] for one in others)}) == 6


def test_who_lacks_the_key_cannot_write_a_manifest() -> None:
    assert is_authentic(encode_manifest(MANIFEST, b"k" * 32), b"k" * 32)
    assert not is_authentic(encode_manifest(MANIFEST, b"j" * 32), b"k" * 32)
    assert not is_authentic(encode_manifest(MANIFEST), b"k" * 32)
    mac = orjson.loads(encode_manifest(MANIFEST, b"k" * 32))["mac"].encode()
    other = encode_manifest(replace(MANIFEST, entries=(ENTRY_A,)), b"j" * 32)
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
        (MANIFEST_KEY, encode_manifest(MANIFEST), decode_manifest),
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
    with pytest.raises(IntegrityError, match=f"{MANIFEST_KEY} is not a manifest"):
        decode_manifest(MANIFEST_KEY, data)
    with pytest.raises(IntegrityError, match=f"{OLD_KEY} is not a manifest"):
        decode_hour_manifest(OLD_KEY, data)


def manifests(store: ObstoreObjectStore) -> list[Manifest]:
    return [decode_manifest(key, store.get(key)) for key in store.list("manifests/chain")]


def chained(*entries: Entry) -> ObstoreObjectStore:
    store = new_store()
    for entry in entries:
        Chain(store).list_entries((entry,))
    return store


def test_a_manifest_follows_the_last_written_one_whatever_its_hour() -> None:
    store = new_store()
    assert [Chain(store).list_entries((entry,)) for entry in (A, B, C)] == [FIRST, SECOND, THIRD]
    found = manifests(store)
    assert [one.entries for one in found] == [(A,), (B,), (C,)]
    assert [one.previous for one in found] == [None, content_hash(store.get(FIRST)), content_hash(store.get(SECOND))]
    assert all(one.anchors == () for one in found)


def test_what_is_listed_is_not_listed_again_nor_with_another_hash() -> None:
    store = new_store()
    chain = Chain(store)
    assert chain.list_entries((A, B)) == FIRST
    assert chain.list_entries((A,)) is None
    for again in (chain, Chain(store)):
        assert again.list_entries((B, A)) is None
    assert Chain(store).list_entries((A, C)) == SECOND
    assert Chain(store).list_entries((A,)) is None
    assert chain.list_entries(()) is None
    assert [one.entries for one in manifests(store)] == [(A, B), (C,)]
    with pytest.raises(IntegrityError, match="listed with another hash"):
        Chain(store).list_entries((replace(A, sha256="0" * 64),))


def chain_of(numbers: range, *others: int) -> ObstoreObjectStore:
    """Return a store with manifests of those numbers, each following the one before it, and with damaged others."""
    store, previous = new_store(), None
    for number in numbers:
        data = encode_manifest(
            Manifest(number, previous if number else None, (), (replace(A, key=f"{A.key}{number}"),))
        )
        previous = content_hash(data)
        store.put_if_absent(manifest_key(number), data)
    for number in others:
        store.put_if_absent(manifest_key(number), b"")
    return store


@pytest.mark.parametrize("manifests_there", [30, 1_000, 1_001, 2_100])
def test_the_end_is_found_in_the_newest_folder_alone_however_old_the_log(manifests_there: int) -> None:
    store, listed, names = chain_of(range(manifests_there)), list[str](), list[str]()
    listing, naming = store.list, store.folders
    store.list = lambda prefix: (listed.append(prefix), listing(prefix))[1]
    store.folders = lambda prefix: (names.append(prefix), naming(prefix))[1]
    end = Chain(store).end()
    assert end is not None
    assert end.sequence == manifests_there - 1
    assert listed == [f"manifests/chain/{(manifests_there - 1) // 1_000:09d}"]
    assert names == ["manifests/chain"]


def test_a_folder_that_is_missing_hides_no_end_and_is_named_by_whoever_meets_it() -> None:
    """Whoever asked folder after folder would end before the gap, and write a second history there."""
    whole = chain_of(range(2_005))
    holed = stored({key: whole.get(key) for key in whole.list("") if "/000000001/" not in key})
    chain = Chain(holed)
    assert chain.end() == Chain(whole).end()
    assert Chain(holed).list_entries((C,), are_new=True) == manifest_key(2_005)
    with pytest.raises(IntegrityError, match=f"{manifest_key(1_999)} is missing, its successor is there"):
        Chain(holed).list_entries((B,))
    with pytest.raises(IntegrityError, match=f"{manifest_key(1_000)} is missing, its successor is there"):
        Chain(holed).since(998)
    pin = ChainEnd(1_500, "0" * 64)
    with pytest.raises(IntegrityError, match=f"{manifest_key(1_500)} is missing, its successor is there"):
        Chain(holed, pinned=lambda: pin).end()
    cut = stored({key: whole.get(key) for key in whole.list("") if "/000000000/" in key})
    with pytest.raises(IntegrityError, match=f"{manifest_key(1_500)} was signed and is gone"):
        Chain(cut, pinned=lambda: pin).end()


def test_a_folder_without_a_manifest_is_passed_over() -> None:
    store = chain_of(range(1_001))
    for key in ("manifests/chain/000000007/note.txt", f"manifests/chain/000000009/{5:012d}.json", "manifests/chain/z"):
        store.put_if_absent(key, b"?")
    end = Chain(store).end()
    assert end is not None
    assert end.sequence == 1_000


def test_one_process_lists_the_chain_once_and_reads_no_manifest_to_append_new_files() -> None:
    store = new_store()
    log = ParquetEventLog(store)
    for number in range(12):
        log.append("click", clicks([(str(number), number)]), writer="w")
    other = ParquetEventLog(counting := Counting(store))
    for number in range(12, 40):
        other.append("click", clicks([(str(number), number)]), writer="w")
    assert (counting.asked["get manifests"], counting.asked["list manifests"]) == (1, 1)
    other.append("click", clicks([("9", 9)]), writer="w")
    assert counting.asked["get manifests"] <= 1 + 4, "backwards from where it began, no further than needed"


def test_the_loser_of_a_race_takes_the_next_number() -> None:
    class Overtaken(CrashingStore):
        def put_if_absent(self, key: str, data: bytes) -> bool:
            if not self.writes:
                self.writes = 1
                Chain(self.inner).list_entries((B,))
            return self.inner.put_if_absent(key, data)

    store = new_store()
    assert Chain(Overtaken(store, -1)).list_entries((A, B), are_new=True) == SECOND
    first, second = manifests(store)
    assert (first.entries, second.entries) == ((B,), (A,))
    assert second.previous == content_hash(store.get(FIRST))


def test_a_writer_that_always_loses_gives_up() -> None:
    class Hostile(CrashingStore):
        def put_if_absent(self, key: str, data: bytes) -> bool:
            Chain(self.inner).list_entries((replace(B, key=f"{B.key}{self.writes}"),), are_new=True)
            self.writes += 1
            return self.inner.put_if_absent(key, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mlife_assets.adapters.event_log.chain.RACES_MAXIMUM", 5)
        with pytest.raises(TransientError, match="5 other writers"):
            Chain(Hostile(new_store(), -9)).list_entries((A,))


def test_writers_that_race_keep_the_chain_whole(tmp_path: Path) -> None:
    store = ObstoreObjectStore.local(tmp_path / "lake", survives_power_cut=False)
    failures: list[Exception] = []

    def write(number: int) -> None:
        log = ParquetEventLog(store)
        try:
            for step in range(8):
                log.append("click", clicks([(f"{number}-{step}", 0), (f"{number}-{step}x", 3)]), writer=f"w{number}")
                log.append("click", clicks([(f"same-{step}", 0)]), writer="same")
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
    assert ParquetEventLog(store).read("click").num_rows == result.rows
    listed = Counter(entry.key for manifest in manifests(store) for entry in manifest.entries)
    assert max(listed.values()) == 1


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("damage", [b"", b'{"anchors":[]'])
def test_the_newest_manifest_is_written_again_where_it_cannot_be_read(damage: bytes, number: int) -> None:
    store = chained(*(A, B)[: number + 1])
    before = {key: store.get(key) for key in store.list("")}
    store.replace(manifest_key(number), damage)
    assert Chain(store).list_entries(((A, B)[number],)) == manifest_key(number)
    assert {key: store.get(key) for key in store.list("")} == before


def test_a_pinned_manifest_comes_back_with_the_same_hash_or_not_at_all() -> None:
    store = chained(A, B)
    pin = ChainEnd(1, content_hash(store.get(SECOND)))
    store.replace(SECOND, b"")
    with pytest.raises(IntegrityError, match=f"{SECOND} cannot be read, as after a power cut; run again"):
        Chain(store, pinned=lambda: pin).list_entries((C,))
    assert Chain(store, pinned=lambda: pin).list_entries((B,)) == SECOND
    assert content_hash(store.get(SECOND)) == pin.sha256


def test_an_older_manifest_is_never_written_again() -> None:
    store = chained(A, B, C)
    store.replace(SECOND, b"")
    store.replace(THIRD, b"")
    with pytest.raises(IntegrityError, match=SECOND):
        Chain(store).list_entries((C,))


def test_a_cut_or_replaced_end_is_not_continued() -> None:
    store = chained(A, B)
    pin = ChainEnd(1, content_hash(store.get(SECOND)))
    cut = stored({FIRST: store.get(FIRST)})
    with pytest.raises(IntegrityError, match=f"{SECOND} was signed and is gone"):
        Chain(cut, pinned=lambda: pin).list_entries((C,))
    with pytest.raises(IntegrityError, match=f"{SECOND} was signed and is gone"):
        Chain(new_store(), pinned=lambda: pin).list_entries((C,))
    Chain(cut).list_entries((C,))
    with pytest.raises(IntegrityError, match=f"{SECOND} is not the one that was signed"):
        Chain(cut, pinned=lambda: pin).list_entries((A,))


def test_a_manifest_of_somebody_without_the_key_is_not_continued_or_written_over() -> None:
    store = new_store()
    Chain(store, key=lambda: KEY).list_entries((A,))
    Chain(store).list_entries((B,))
    forged = store.get(SECOND)
    with pytest.raises(IntegrityError, match=f"{SECOND} was written without the key"):
        Chain(store, key=lambda: KEY).list_entries((C,))
    before = store.list("")
    with pytest.raises(IntegrityError, match="was written without the key of this home"):
        ParquetEventLog(store, key=lambda: KEY).append("click", clicks([("b", 2)]), writer="w")
    assert (store.get(SECOND), store.list("")) == (forged, before), "no file is put there either"
    keyed = Chain(new_store(), key=lambda: KEY)
    keyed.list_entries((A,))
    assert [link for link, _ in keyed.since(-1)] == [Link(FIRST, content_hash(store.get(FIRST)))]


def test_what_was_written_since_is_returned_in_order_and_checked() -> None:
    store = new_store()
    chain = Chain(store)
    for entry in (A, B):
        chain.list_entries((entry,))
    Chain(store).list_entries((C,))
    assert [manifest.entries for _, manifest in chain.since(-1)] == [(A,), (B,), (C,)]
    assert [link.key for link, _ in chain.since(1)] == [THIRD]
    assert chain.since(2) == []
    store.replace(SECOND, encode_manifest(Manifest(1, "0" * 64, (), (B,))))
    with pytest.raises(IntegrityError, match=f"{SECOND} does not follow"):
        Chain(store).since(-1)


def test_the_first_manifest_anchors_release_010_and_lists_none_of_its_files_again(old_log: dict[str, bytes]) -> None:
    store = stored(old_log)
    heads = verify(store).heads
    assert last_of_hours(store) == heads
    ParquetEventLog(store).append("click", clicks([("new", 0)]), writer="w")
    (manifest,) = manifests(store)
    assert manifest.anchors == heads
    assert verify(store).is_intact
    assert {key: store.get(key) for key in old_log} == old_log
    store = stored(old_log)
    log = ParquetEventLog(store)
    log.append("click", clicks([(f"0-{n}", n * 8) for n in range(9)]), writer="w")
    log.relist(log.files("click"))
    assert store.list("manifests/chain") == []


def test_a_log_of_release_010_can_be_anchored_without_an_append(old_log: dict[str, bytes]) -> None:
    store = stored(old_log)
    chain = Chain(store)
    chain.start()
    chain.start()
    Chain(store).start()
    assert [(one.sequence, one.entries) for one in manifests(store)] == [(0, ())]
    assert manifests(store)[0].anchors == last_of_hours(store)


def test_a_damaged_log_of_release_010_is_not_continued(old_log: dict[str, bytes]) -> None:
    key = max(key for key in old_log if key.startswith("manifests"))
    store = stored({**old_log, key: b""})
    with pytest.raises(IntegrityError, match=key):
        ParquetEventLog(store).append("click", clicks([("new", 0)]), writer="w")
    assert store.list("manifests/chain") == []


def test_threads_that_share_a_chain_read_on_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them finds the end that another process made, also when they ask at the same moment."""
    store = new_store()
    shared = Chain(store)
    assert shared.end() is None
    Chain(store).list_entries((A,))
    exists, both = store.exists, threading.Barrier(2)

    def slow(key: str) -> bool:
        found = exists(key)
        if found:
            with suppress(threading.BrokenBarrierError):
                both.wait(0.2)
        return found

    monkeypatch.setattr(store, "exists", slow)
    with ThreadPoolExecutor(2) as pool:
        ends = [one.result() for one in [pool.submit(shared.end) for _ in range(2)]]
    assert ends == [ChainEnd(0, content_hash(store.get(FIRST)))] * 2


def test_a_reader_goes_on_once_an_unreadable_end_was_written_again() -> None:
    store = chained(A, B)
    whole = store.get(SECOND)
    store.replace(SECOND, b"")
    reader = Chain(store)
    assert reader.end() is None
    store.replace(SECOND, whole)
    assert reader.end() == ChainEnd(1, content_hash(whole))
    Chain(store).list_entries((C,))
    assert [link.key for link, _ in reader.since(0)] == [SECOND, THIRD]


def test_an_unreadable_end_that_was_taken_away_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    store = chained(A, B)
    store.replace(SECOND, b"")
    reader, get = Chain(store), store.get
    assert reader.end() is None

    def gone(key: str) -> bytes:
        if key == SECOND:
            raise NotFoundError(f"object {key} does not exist")
        return get(key)

    monkeypatch.setattr(store, "get", gone)
    assert reader.end() is None
