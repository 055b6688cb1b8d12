"""The event log: order and batching do not matter, crashes heal, races keep the chain, every changed byte is found."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obstore.store import MemoryStore

from mlife_assets.adapters.event_log import ParquetEventLog, verify
from mlife_assets.adapters.event_log.chain import decode_manifest, encode_manifest
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.errors import IntegrityError, InvalidInputError, MlifeError, TransientError
from mlife_assets.core.events import EVENT_TYPES
from mlife_assets.core.ports import ObjectStore

DAY = date(2026, 6, 1)
START = datetime(2026, 6, 1, tzinfo=UTC)
SCHEMA = EVENT_TYPES["click"].schema


def _clicks(rows: list[tuple[str, float]]) -> pa.Table:
    """Return clicks of (event id, hours after START at which they were observed)."""
    return pa.Table.from_pylist(
        [
            {
                "event_id": name,
                "occurred_at": START,
                "observed_at": START + timedelta(hours=hours),
                "user_id": f"u-{name}",
                "job_id": "j1",
                "source": "organic",
                "exposure_id": f"x-{name}",
            }
            for name, hours in rows
        ],
        schema=SCHEMA,
    )


def _store() -> ObstoreObjectStore:
    return ObstoreObjectStore(MemoryStore())


class CrashError(Exception):
    """The process died."""


@dataclass
class CrashingStore:
    """A store whose process dies before (or right after) write number `dies_at`."""

    inner: ObjectStore
    dies_at: int
    after: bool = False
    writes: int = field(default=0)

    @contextmanager
    def _write(self) -> Iterator[None]:
        self.writes += 1
        if self.writes == self.dies_at and not self.after:
            raise CrashError
        yield
        if self.writes == self.dies_at:
            raise CrashError

    def put_if_absent(self, key: str, data: bytes) -> bool:
        with self._write():
            return self.inner.put_if_absent(key, data)

    def replace(self, key: str, data: bytes) -> None:
        with self._write():
            self.inner.replace(key, data)

    def get(self, key: str) -> bytes:
        return self.inner.get(key)

    def exists(self, key: str) -> bool:
        return self.inner.exists(key)

    def list(self, prefix: str) -> list[str]:
        return self.inner.list(prefix)


def test_rows_lie_in_the_hour_in_which_they_were_observed() -> None:
    store = _store()
    result = ParquetEventLog(store).append("click", _clicks([("b", 0.5), ("a", 0.5), ("c", 25), ("d", 1)]), writer="w1")
    assert result.rows == 4
    assert [key.rpartition("-")[0] for key in result.keys] == [
        "events/event_type=click/dt=2026-06-01/hour=00/w1-000002",
        "events/event_type=click/dt=2026-06-01/hour=01/w1-000001",
        "events/event_type=click/dt=2026-06-02/hour=01/w1-000001",
    ]
    assert tuple(store.list("events")) == result.keys
    assert store.list("manifests") == [
        "manifests/dt=2026-06-01/hour=00/00000000.json",
        "manifests/dt=2026-06-01/hour=01/00000000.json",
        "manifests/dt=2026-06-02/hour=01/00000000.json",
    ]


def test_the_same_rows_again_change_nothing() -> None:
    store = _store()
    log = ParquetEventLog(store)
    table = _clicks([("a", 0), ("b", 1), ("c", 1)])
    first = log.append("click", table, writer="w")
    before = {key: store.get(key) for key in store.list("")}
    assert log.append("click", table.take([2, 0, 1]), writer="w") == first
    assert {key: store.get(key) for key in store.list("")} == before
    assert log.append("click", table.slice(0, 0), writer="w").keys == ()


def test_read_selects_days_and_columns_and_is_ordered() -> None:
    log = ParquetEventLog(_store())
    log.append("click", _clicks([("c", 30), ("b", 2), ("a", 2), ("e", 60)]), writer="w")
    log.append("click", _clicks([("d", 1), ("f", 2)]), writer="w")
    assert log.read("click").column("event_id").to_pylist() == ["d", "a", "b", "f", "c", "e"]
    assert log.read("click").schema == SCHEMA
    part = log.read("click", start=DAY, end=DAY + timedelta(days=1), columns=["user_id"])
    assert part.column_names == ["user_id"]
    assert part.column(0).to_pylist() == ["u-d", "u-a", "u-b", "u-f", "u-c"]
    assert log.read("click", start=DAY + timedelta(days=2)).column("event_id").to_pylist() == ["e"]
    assert log.read("click", end=DAY).num_rows == 4
    empty = log.read("hire", columns=["user_id", "observed_at"])
    assert (empty.num_rows, empty.column_names) == (0, ["user_id", "observed_at"])
    with pytest.raises(InvalidInputError, match="no column wages"):
        log.read("click", columns=["wages"])


def test_of_one_event_the_first_observed_counts() -> None:
    log = ParquetEventLog(_store())
    log.append("click", _clicks([("a", 5), ("b", 6)]), writer="w")
    log.append("click", _clicks([("a", 2), ("b", 30)]), writer="w")
    rows = log.read("click")
    assert rows.column("event_id").to_pylist() == ["a", "b"]
    observed = [START + timedelta(hours=2), START + timedelta(hours=6)]
    assert rows.column("observed_at").to_pylist() == observed


@settings(max_examples=40)
@given(
    rows=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 50)), min_size=1, max_size=20),
    cuts=st.lists(st.integers(0, 20), max_size=4),
    order=st.randoms(use_true_random=False),
)
def test_read_depends_on_neither_order_nor_batches(
    rows: list[tuple[str, float]], cuts: list[int], order: object
) -> None:
    whole, parts = ParquetEventLog(_store()), ParquetEventLog(store := _store())
    whole.append("click", _clicks(rows), writer="w")
    shuffled = list(rows)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    edges = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    for low, high in pairwise(edges):
        parts.append("click", _clicks(shuffled[low:high]), writer="v")
    assert parts.read("click").equals(whole.read("click"))
    assert verify(store).is_intact


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["job_id"]), "job_id"),
        (lambda t: t.append_column("x", pa.array([1, 2])), "x"),
        (lambda t: t.set_column(1, "occurred_at", pa.array([START.replace(tzinfo=None)] * 2)), "naive"),
        (lambda t: t.set_column(3, "user_id", pa.array(["u", None])), "user_id is null in row 1"),
        (lambda t: t.set_column(2, "observed_at", pa.array(["soon", "later"])), "without loss"),
        (lambda t: t.set_column(2, "observed_at", pa.array([-1, 5], pa.int64()).cast(t.schema.field(2).type)), "1970"),
    ],
)
def test_rows_of_another_shape_are_refused_whole(change: object, message: str) -> None:
    store = _store()
    with pytest.raises(InvalidInputError, match=message):
        ParquetEventLog(store).append("click", change(_clicks([("a", 0), ("b", 1)])), writer="w")  # type: ignore[operator]
    assert store.list("") == []


def test_text_that_is_not_utf8_is_refused() -> None:
    broken = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"], pa.binary()).buffers())
    with pytest.raises(InvalidInputError, match="without loss"):
        ParquetEventLog(_store()).append("click", _clicks([("a", 0)]).set_column(3, "user_id", broken), writer="w")


@pytest.mark.parametrize(("writer", "batch"), [("a-b", None), ("", None), ("A", None), ("w", "b-1"), ("w", "../x")])
def test_names_that_would_make_a_key_ambiguous_are_refused(writer: str, batch: str | None) -> None:
    with pytest.raises(InvalidInputError):
        ParquetEventLog(_store()).append("click", _clicks([("a", 0)]), writer=writer, batch=batch)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("dies_at", range(1, 7))
def test_a_crash_at_any_write_is_healed_by_appending_again(dies_at: int, after: bool) -> None:
    table = _clicks([("a", 0), ("b", 1), ("c", 26)])
    reference, store = _store(), _store()
    ParquetEventLog(reference).append("click", table, writer="w")
    with pytest.raises(CrashError):
        ParquetEventLog(CrashingStore(store, dies_at, after=after)).append("click", table, writer="w")
    orphans = [finding.key for finding in verify(store).findings if finding.kind == "unlisted_file"]
    is_between = (dies_at % 2 == 0 and not after) or (dies_at % 2 == 1 and after)
    assert len(orphans) == len(verify(store).findings) == int(is_between)
    ParquetEventLog(store).append("click", table, writer="w")
    assert verify(store).is_intact
    assert {k: store.get(k) for k in store.list("")} == {k: reference.get(k) for k in reference.list("")}


def test_an_orphan_is_healed_by_relisting_it() -> None:
    store = _store()
    with pytest.raises(CrashError):
        ParquetEventLog(CrashingStore(store, 2)).append("click", _clicks([("a", 0)]), writer="w")
    log = ParquetEventLog(store)
    log.relist(log.files("click"))
    log.relist(log.files("click"))
    assert verify(store).is_intact
    assert len(store.list("manifests")) == 1


def test_writers_that_race_keep_the_chain_whole(tmp_path: Path) -> None:
    store = ObstoreObjectStore.local(tmp_path / "lake")
    failures: list[Exception] = []

    def write(number: int) -> None:
        log = ParquetEventLog(store)
        try:
            for step in range(8):
                log.append("click", _clicks([(f"{number}-{step}", 0), (f"{number}-{step}x", 3)]), writer=f"w{number}")
                log.append("click", _clicks([(f"same-{step}", 0)]), writer="same")
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


def test_a_writer_that_always_loses_gives_up() -> None:
    class Hostile(CrashingStore):
        def list(self, prefix: str) -> list[str]:
            return [] if prefix.startswith("manifests") else self.inner.list(prefix)

    store = _store()
    ParquetEventLog(store).append("click", _clicks([("a", 0)]), writer="w")
    with pytest.raises(TransientError, match="other writers"):
        ParquetEventLog(Hostile(store, -1)).append("click", _clicks([("b", 0)]), writer="w")


@pytest.fixture(scope="module")
def whole_log() -> dict[str, bytes]:
    """Three days, several hours and manifests."""
    store = _store()
    log = ParquetEventLog(store)
    for batch in range(3):
        log.append("click", _clicks([(f"{batch}-{n}", n * 8) for n in range(9)]), writer="w")
    log.append(
        "hire",
        pa.table(
            {
                **{n: ["x"] for n in SCHEMA.names},
                "apply_event_id": ["y"],
                "occurred_at": [START],
                "observed_at": [START],
                "source": ["organic"],
            }
        ),
        writer="w",
    )
    return {key: store.get(key) for key in store.list("")}


def _stored(objects: dict[str, bytes]) -> ObstoreObjectStore:
    store = _store()
    for key, data in objects.items():
        store.put_if_absent(key, data)
    return store


def test_an_untouched_log_is_intact(whole_log: dict[str, bytes]) -> None:
    result = verify(_stored(whole_log))
    assert result.is_intact
    assert (result.files, result.rows, result.manifests) == (28, 28, 28)
    assert len(result.heads) == 9


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_is_found_and_its_file_named(whole_log: dict[str, bytes], data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(whole_log)))
    place = data.draw(st.integers(0, len(whole_log[key]) - 1))
    flip = data.draw(st.integers(1, 255))
    changed = bytearray(whole_log[key])
    changed[place] ^= flip
    findings = verify(_stored({**whole_log, key: bytes(changed)})).findings
    kind = "altered_manifest" if key.startswith("manifests") else "altered_file"
    assert (kind, key) in {(finding.kind, finding.key) for finding in findings}


def test_any_lost_or_added_file_is_found_and_named(whole_log: dict[str, bytes]) -> None:
    for key in whole_log:
        rest = {k: v for k, v in whole_log.items() if k != key}
        findings = verify(_stored(rest)).findings
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
        assert [(f.kind, f.key) for f in verify(_stored({**whole_log, key: b"?"})).findings] == [(kind, key)]


def test_an_hour_lost_with_its_files_is_found_by_the_anchor_of_the_next(whole_log: dict[str, bytes]) -> None:
    hour = "dt=2026-06-02/hour=00"
    findings = verify(_stored({k: v for k, v in whole_log.items() if hour not in k})).findings
    assert ("missing_manifest", f"manifests/{hour}/00000000.json") in {(f.kind, f.key) for f in findings}


def test_the_first_manifest_of_an_hour_is_anchored_to_the_nearest_earlier_head() -> None:
    store = _store()
    for name, hours in (("a", 240), ("b", 0), ("c", 0), ("d", 100), ("e", 50)):
        ParquetEventLog(store).append("click", _clicks([(name, hours)]), writer="w")
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


@pytest.mark.parametrize("sequence", [0, 1])
def test_a_consistent_rewrite_of_a_manifest_is_seen_by_its_successor(
    whole_log: dict[str, bytes], sequence: int
) -> None:
    key = f"manifests/dt=2026-06-02/hour=08/{sequence:08d}.json"
    manifest = decode_manifest(key, whole_log[key])
    forged = encode_manifest(replace(manifest, entries=()))
    rest = {k: v for k, v in whole_log.items() if k != manifest.entries[0].key}
    findings = verify(_stored({**rest, key: forged})).findings
    assert [(f.kind, f.key) for f in findings] == [("altered_manifest", key)]


def test_a_lost_tail_is_seen_against_a_witnessed_head_only(whole_log: dict[str, bytes]) -> None:
    heads = verify(_stored(whole_log)).heads
    tail = heads[-1].key
    listed = {k for k in whole_log if k.encode() in whole_log[tail]}
    cut = _stored({k: v for k, v in whole_log.items() if k != tail and k not in listed})
    assert verify(cut).is_intact
    assert [(f.kind, f.key) for f in verify(cut, witnessed=heads).findings] == [("missing_manifest", tail)]


def test_damage_stops_reading_and_appending(whole_log: dict[str, bytes]) -> None:
    file = next(key for key in whole_log if "event_type=click" in key)
    log = ParquetEventLog(_stored({**whole_log, file: whole_log[file][:-1]}))
    with pytest.raises(IntegrityError, match="click"):
        log.read("click")
    head = "manifests/dt=2026-06-01/hour=00/00000001.json"
    log = ParquetEventLog(_stored({**whole_log, head: whole_log[head][:-1]}))
    with pytest.raises(IntegrityError, match="00000001"):
        log.append("click", _clicks([("new", 0)]), writer="w")
