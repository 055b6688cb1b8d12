"""Many objects are waited for at once, and come in order."""

from __future__ import annotations

import threading
import time
from datetime import date

import pyarrow as pa
import pytest
from obstore.store import MemoryStore

from mlife_assets.adapters.event_log import ParquetEventLog, verify
from mlife_assets.adapters.event_log.reading import READERS, read_at_once, readers_of
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.components.events.event_history import EventHistory


def test_what_is_read_comes_in_order_whatever_takes_longest() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.02 / (number + 1))
        return number

    assert list(read_at_once(slow_first, range(40))) == list(range(40))
    assert list(read_at_once(slow_first, [])) == []


def test_many_are_waited_for_at_once() -> None:
    together = threading.Barrier(READERS, timeout=30)
    assert len(list(read_at_once(lambda _: together.wait(), range(READERS)))) == READERS


def test_of_a_folder_nothing_is_waited_for_so_no_thread_is_started(tmp_path) -> None:
    folder = ObstoreObjectStore.local(tmp_path)
    readers = set(read_at_once(lambda _: threading.get_ident(), range(20), readers_of(folder)))
    assert readers == {threading.get_ident()}
    assert readers_of(ObstoreObjectStore(MemoryStore())) == READERS


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_log_in_a_folder_is_read_by_whoever_asks(toolbox, tmp_path, monkeypatch, is_folder) -> None:
    store = ObstoreObjectStore.local(tmp_path) if is_folder else toolbox.store()
    for hour in range(4):
        ParquetEventLog(store).append("click", toolbox.clicks([(f"c{hour}", hour)]), writer="w")
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
