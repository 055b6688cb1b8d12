"""Appending and reading: order and batching do not matter, crashes heal, and what was read before is kept."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.adapters.event_log import ParquetEventLog, verify
from mlife_assets.adapters.event_log.manifests import manifest_key
from mlife_assets.adapters.object_store import READERS, ObstoreObjectStore, read_at_once
from mlife_assets.components.events.event_history import EventHistory
from mlife_assets.core.errors import IntegrityError, InvalidInputError, TransientError
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_tests.rows import clicks
from mlife_tests.stores import Counting, CrashError, CrashingStore, new_store, stored

DAY = date(2026, 6, 1)
START = datetime(2026, 6, 1, tzinfo=UTC)
SCHEMA = EVENT_TYPES["click"].schema
NO_UTF8 = pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xff", b"u"], pa.binary()).buffers())


def test_rows_lie_in_the_hour_in_which_they_were_observed_and_the_same_again_change_nothing() -> None:
    store = new_store()
    result = ParquetEventLog(store).append("click", clicks([("b", 0.5), ("a", 0.5), ("c", 25), ("d", 1)]), writer="w1")
    assert result.rows == 4
    assert [key.rpartition("-")[0] for key in result.keys] == [
        "events/event_type=click/dt=2026-06-01/hour=00/w1-000002",
        "events/event_type=click/dt=2026-06-01/hour=01/w1-000001",
        "events/event_type=click/dt=2026-06-02/hour=01/w1-000001",
    ]
    assert tuple(store.list("events")) == result.keys
    assert store.list("manifests") == ["manifests/chain/000000000/000000000000.json"]
    store = new_store()
    log = ParquetEventLog(store)
    table = clicks([("a", 0), ("b", 1), ("c", 1)])
    first = log.append("click", table, writer="w")
    before = {key: store.get(key) for key in store.list("")}
    assert log.append("click", table.take([2, 0, 1]), writer="w") == first
    assert {key: store.get(key) for key in store.list("")} == before
    assert log.append("click", table.slice(0, 0), writer="w").keys == ()


def test_read_selects_days_and_columns_in_order_and_of_one_event_the_first_observed_counts() -> None:
    log = ParquetEventLog(new_store())
    log.append("click", clicks([("c", 30), ("b", 2), ("a", 2), ("e", 60)]), writer="w")
    log.append("click", clicks([("d", 1), ("f", 2)]), writer="w")
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
    log = ParquetEventLog(new_store())
    log.append("click", clicks([("a", 5), ("b", 6)]), writer="w")
    log.append("click", clicks([("a", 2), ("b", 30)]), writer="w")
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
    whole, parts = ParquetEventLog(new_store()), ParquetEventLog(store := new_store())
    whole.append("click", clicks(rows), writer="w")
    shuffled = list(rows)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    edges = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    for low, high in pairwise(edges):
        parts.append("click", clicks(shuffled[low:high]), writer="v")
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
        (lambda t: t.set_column(3, "user_id", NO_UTF8), "without loss"),
        (lambda t: t.set_column(2, "observed_at", pa.array([-1, 5], pa.int64()).cast(t.schema.field(2).type)), "1970"),
    ],
)
def test_rows_of_another_shape_are_refused_whole(change: object, message: str) -> None:
    store = new_store()
    with pytest.raises(InvalidInputError, match=message):
        ParquetEventLog(store).append("click", change(clicks([("a", 0), ("b", 1)])), writer="w")  # type: ignore[operator]
    assert store.list("") == []


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("dies_at", range(1, 5))
def test_a_crash_at_any_write_is_healed_by_appending_again(dies_at: int, after: bool) -> None:
    table = clicks([("a", 0), ("b", 1), ("c", 26)])
    reference, store = new_store(), new_store()
    ParquetEventLog(reference).append("click", table, writer="w")
    with pytest.raises(CrashError):
        ParquetEventLog(CrashingStore(store, dies_at, after=after)).append("click", table, writer="w")
    orphans = [finding.key for finding in verify(store).findings if finding.kind == "unlisted_file"]
    written = dies_at if after else dies_at - 1
    assert len(orphans) == len(verify(store).findings) == (written if written < 4 else 0)
    ParquetEventLog(store).append("click", table, writer="w")
    assert verify(store).is_intact
    assert {k: store.get(k) for k in store.list("")} == {k: reference.get(k) for k in reference.list("")}


def test_damage_stops_reading_and_appending(whole_log: dict[str, bytes]) -> None:
    file = next(key for key in whole_log if "event_type=click" in key)
    log = ParquetEventLog(stored({**whole_log, file: whole_log[file][:-1]}))
    with pytest.raises(IntegrityError, match="click"):
        log.read("click")
    newest, before = (manifest_key(number) for number in (3, 2))
    log = ParquetEventLog(stored({**whole_log, newest: b"", before: whole_log[before][:-1]}))
    with pytest.raises(IntegrityError, match=before):
        log.append("click", clicks([("new", 0)]), writer="w")


def test_files_are_selected_by_day_over_short_and_long_ranges() -> None:
    log = ParquetEventLog(new_store())
    log.append("click", clicks([("a", 1), ("b", 30), ("c", 50), ("d", 24 * 80)]), writer="w")
    places = [(file.day, file.hour) for file in log.files("click")]
    days = [DAY + timedelta(days=offset) for offset in (0, 1, 2, 80)]
    assert places == list(zip(days, (1, 6, 2, 0), strict=True))
    for last in (DAY + timedelta(days=2), DAY + timedelta(days=79)):
        chosen = log.files("click", start=days[1], end=last)
        assert [file.day for file in chosen] == days[1:3]
    assert log.files("click", start=days[1], end=DAY) == ()


def test_days_are_those_of_folders_that_are_not_looked_into() -> None:
    store = new_store()
    log = ParquetEventLog(store)
    assert log.days("click") == ()
    log.append("click", clicks([("b", 30), ("a", 1), ("d", 24 * 80)]), writer="w")
    store.put_if_absent("events/event_type=click/dt=yesterday/x", b"")
    assert log.days("click") == tuple(DAY + timedelta(days=offset) for offset in (0, 1, 80))


def test_what_a_batch_came_from_can_be_named_and_unknown_types_are_refused_everywhere() -> None:
    log = ParquetEventLog(new_store())
    log.append("click", clicks([("a", 1)]), writer="ingest", batch="b07")
    (file,) = log.files("click")
    assert (file.writer, file.batch, file.hour) == ("ingest", "b07", 1)
    assert log.read_file(file, ("job_id",)).to_pydict() == {"job_id": ["j1"]}
    for refused in (
        lambda: log.append("clack", clicks([("a", 0)]), writer="w"),
        lambda: log.read("clack"),
        lambda: log.files("clack"),
    ):
        with pytest.raises(InvalidInputError, match=r"'clack' is unknown; use one of .*click"):
            refused()


def test_what_is_read_comes_in_order_whatever_takes_longest_and_many_are_waited_for_at_once() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.02 / (number + 1))
        return number

    assert list(read_at_once(slow_first, range(40))) == list(range(40))
    assert list(read_at_once(slow_first, [])) == []
    together = threading.Barrier(READERS, timeout=30)
    assert len(list(read_at_once(lambda _: together.wait(), range(READERS)))) == READERS


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_log_in_a_folder_is_read_by_whoever_asks(tmp_path, monkeypatch, is_folder) -> None:
    store = ObstoreObjectStore.local(tmp_path) if is_folder else new_store()
    for hour in range(4):
        ParquetEventLog(store).append("click", clicks([(f"c{hour}", hour)]), writer="w")
    asking, real = set[int](), ObstoreObjectStore.get

    def get(self: ObstoreObjectStore, key: str) -> bytes:
        asking.add(threading.get_ident())
        return real(self, key)

    monkeypatch.setattr(ObstoreObjectStore, "get", get)
    history = EventHistory(ParquetEventLog(store), {"user_id": pa.array(["u-c0"])})
    reads = {
        "read": lambda: ParquetEventLog(store).read("click"),
        "remembered": lambda: ParquetEventLog(store).remembered("click"),
        "since": lambda: ParquetEventLog(store).chain.since(-1),
        "verify": lambda: verify(store),
        "recompute": lambda: history.between("click", None, date(2026, 6, 1)),
    }
    for name, read in reads.items():
        asking.clear()
        read()
        assert (asking == {threading.get_ident()}) is is_folder, name


def test_what_fails_is_raised_in_its_turn() -> None:
    def read(number: int) -> int:
        if number == 3:
            raise KeyError(number)
        return number

    found = read_at_once(read, range(20))
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="3"):
        next(found)


NOTHING_NEW = {"get manifests": 1, "exists manifests": 1}


def append(store, name: str, hours: float) -> None:
    """Append a click as another process does."""
    ParquetEventLog(store).append("click", clicks([(name, hours)]), writer="w")


@pytest.mark.parametrize("files", [2, 30])
def test_a_file_is_read_once_and_where_nothing_is_new_two_questions_are_asked(files: int) -> None:
    store = new_store()
    for number in range(files):
        append(store, f"{number}", number * 7)
    counting = Counting(store)
    log = ParquetEventLog(counting)
    (first,) = log.remembered("click")
    assert repr(list(first)) == repr(ParquetEventLog(store).read("click").to_pylist())
    assert counting.asked["get events"] == files
    counting.asked.clear()
    (again,) = log.remembered("click")
    assert again is first
    assert counting.asked == NOTHING_NEW
    append(store, "new", 1)
    counting.asked.clear()
    (more,) = log.remembered("click")
    assert list(more) == ParquetEventLog(store).read("click").to_pylist()
    assert counting.asked == {"get manifests": 2, "exists manifests": 2, "list events": 1, "get events": 1}


def test_many_files_that_were_listed_since_are_put_in_order_once(monkeypatch) -> None:
    """As after a night on which another process caught up: in order after each would take the square of them."""
    store = new_store()
    append(store, "a", 0)
    log = ParquetEventLog(store)
    log.remembered("click")
    for number in range(6):
        append(store, f"{number}", number * 30)
    ordered, in_order = list[str](), log.in_order
    monkeypatch.setattr(log, "in_order", lambda kind, parts: (ordered.append(kind), in_order(kind, parts))[1])
    assert [len(rows) for rows in log.remembered("click")] == [7]
    assert ordered == ["click"]
    assert log.remembered("click") == (tuple(ParquetEventLog(store).read("click").to_pylist()),)


def test_several_types_are_one_question_and_another_type_changes_none() -> None:
    store = new_store()
    append(store, "a", 0)
    counting = Counting(store)
    log = ParquetEventLog(counting)
    clicks, hires = log.remembered("click", "hire")
    assert (len(clicks), hires) == (1, ())
    append(store, "b", 1)
    (more,) = log.remembered("click")
    assert [row["event_id"] for row in more] == ["a", "b"]
    counting.asked.clear()
    assert log.remembered("hire", "click") == ((), more)
    assert counting.asked == NOTHING_NEW


def test_after_a_failed_read_no_type_keeps_what_was_known_before(monkeypatch) -> None:
    """One manifest lists files of two types, and the first that is read times out."""
    store = new_store()
    log = ParquetEventLog(store)
    kinds = ("click", "apply")
    other = ParquetEventLog(store)
    for hours, name in ((0, "a"), (1, "b")):
        for kind in kinds:
            other.append(kind, clicks([(f"{kind}-{name}", hours)]), writer="w")
        if name == "a":
            log.remembered(*kinds)
    rows_of, failed = log.rows_of, list[str]()

    def once(file: Any) -> Any:
        if not failed:
            failed.append(file.event_type)
            raise TransientError("a timeout")
        return rows_of(file)

    monkeypatch.setattr(log, "rows_of", once)
    with pytest.raises(TransientError):
        log.remembered(*kinds)
    assert [[row["event_id"] for row in rows] for rows in log.remembered(*kinds)] == [
        [f"{kind}-a", f"{kind}-b"] for kind in kinds
    ]


def test_what_a_crash_left_unlisted_counts_when_files_are_listed_anew_or_in_a_new_process() -> None:
    store = new_store()
    append(store, "a", 0)
    log = ParquetEventLog(store)
    assert [len(rows) for rows in log.remembered("click")] == [1]
    with pytest.raises(CrashError):
        ParquetEventLog(CrashingStore(store, 1, after=True)).append("click", clicks([("b", 0)]), writer="w")
    assert [len(rows) for rows in log.remembered("click")] == [1]
    assert [len(rows) for rows in ParquetEventLog(store).remembered("click")] == [2]
    assert [len(rows) for rows in log.remembered("click", anew=True)] == [2]
    assert [len(rows) for rows in log.remembered("click")] == [2]


def test_a_file_that_a_power_cut_emptied_counts_once_it_was_written_again() -> None:
    store = new_store()
    append(store, "a", 0)
    with pytest.raises(CrashError):
        ParquetEventLog(CrashingStore(store, 1, after=True)).append("click", clicks([("b", 0)]), writer="w")
    (emptied,) = [
        file.key for file in ParquetEventLog(store).files("click") if not ParquetEventLog(store).is_listed(file)
    ]
    store.replace(emptied, b"")
    log = ParquetEventLog(store)
    assert [len(rows) for rows in log.remembered("click")] == [1]
    append(store, "b", 0)
    assert [len(rows) for rows in log.remembered("click")] == [2]


def test_a_damaged_listed_file_is_no_answer_and_damage_of_what_was_read_is_found_by_a_new_process() -> None:
    store = new_store()
    for name in "ab":
        append(store, name, 0)
    log = ParquetEventLog(store)
    (rows,) = log.remembered("click")
    store.replace(log.files("click")[0].key, b"")
    assert log.remembered("click") == (rows,)
    with pytest.raises(IntegrityError):
        ParquetEventLog(store).remembered("click")
    log.forget()
    for _ in range(2):
        with pytest.raises(IntegrityError):
            log.remembered("click")


def test_a_damaged_file_that_was_listed_since_is_no_answer_at_any_later_call() -> None:
    store = new_store()
    append(store, "a", 0)
    log = ParquetEventLog(store)
    log.remembered("click")
    append(store, "b", 0)
    whole = {file.key: store.get(file.key) for file in log.files("click")}
    for key in whole:
        store.replace(key, b"")
    for _ in range(2):
        with pytest.raises(IntegrityError):
            log.remembered("click")
    for key, data in whole.items():
        store.replace(key, data)
    assert [len(rows) for rows in log.remembered("click")] == [2]


def test_without_a_chain_files_are_listed_at_every_call(old_log: dict[str, bytes]) -> None:
    store = stored(old_log)
    log = ParquetEventLog(store)
    (before,) = log.remembered("click")
    assert len(before) == 27
    other = new_store()
    append(other, "new", 0)
    for key in other.list("events"):
        store.put_if_absent(key, other.get(key))
    assert [len(rows) for rows in log.remembered("click")] == [28]


def test_a_file_that_was_taken_away_is_gone_when_files_are_listed_anew() -> None:
    store = new_store()
    for name in "ab":
        append(store, name, 0)
    log = ParquetEventLog(store)
    log.remembered("click")
    kept, listing = log.files("click")[1:], store.list
    gone = log.files("click")[0].key
    store.list = lambda prefix: [key for key in listing(prefix) if key != gone]
    assert [len(rows) for rows in log.remembered("click", anew=True)] == [len(kept)]


def test_threads_that_ask_at_once_read_each_file_once() -> None:
    store = new_store()
    for number in range(8):
        append(store, f"{number}", number)
    counting = Counting(store)
    log = ParquetEventLog(counting)
    with ThreadPoolExecutor(4) as pool:
        found = [one.result() for one in [pool.submit(log.remembered, "click") for _ in range(4)]]
    assert all(rows is found[0][0] for (rows,) in found)
    assert counting.asked["get events"] == 8
