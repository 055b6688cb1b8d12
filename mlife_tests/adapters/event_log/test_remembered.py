"""Events that were read before: always what `read` says, each file once, and nothing listed where nothing is new."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.core.errors import IntegrityError, TransientError


class Counting:
    """A store that counts what is asked of it, by kind and first segments of the key."""

    def __init__(self, store: Any) -> None:
        self._store, self.asked = store, Counter[str]()

    def __getattr__(self, name: str) -> Any:
        def ask(key: str, *given: Any) -> Any:
            self.asked[f"{name} {key.partition('/')[0]}"] += 1
            return getattr(self._store, name)(key, *given)

        return ask


NOTHING_NEW = {"get manifests": 1, "exists manifests": 1}


def append(store, toolbox, name: str, hours: float) -> None:
    """Append a click as another process does."""
    ParquetEventLog(store).append("click", toolbox.clicks([(name, hours)]), writer="w")


@pytest.mark.parametrize("files", [2, 30])
def test_a_file_is_read_once_and_where_nothing_is_new_two_questions_are_asked(toolbox, files: int) -> None:
    store = toolbox.store()
    for number in range(files):
        append(store, toolbox, f"{number}", number * 7)
    counting = Counting(store)
    log = ParquetEventLog(counting)
    (first,) = log.remembered("click")
    assert repr(list(first)) == repr(ParquetEventLog(store).read("click").to_pylist())
    assert counting.asked["get events"] == files
    counting.asked.clear()
    (again,) = log.remembered("click")
    assert again is first
    assert counting.asked == NOTHING_NEW
    append(store, toolbox, "new", 1)
    counting.asked.clear()
    (more,) = log.remembered("click")
    assert list(more) == ParquetEventLog(store).read("click").to_pylist()
    assert counting.asked == {"get manifests": 2, "exists manifests": 2, "list events": 1, "get events": 1}


def test_many_files_that_were_listed_since_are_put_in_order_once(toolbox, monkeypatch) -> None:
    """As after a night on which another process caught up: in order after each would take the square of them."""
    store = toolbox.store()
    append(store, toolbox, "a", 0)
    log = ParquetEventLog(store)
    log.remembered("click")
    for number in range(6):
        append(store, toolbox, f"{number}", number * 30)
    ordered, in_order = list[str](), log.in_order
    monkeypatch.setattr(log, "in_order", lambda kind, parts: (ordered.append(kind), in_order(kind, parts))[1])
    assert [len(rows) for rows in log.remembered("click")] == [7]
    assert ordered == ["click"]


def test_several_types_are_one_question_and_another_type_changes_none(toolbox) -> None:
    store = toolbox.store()
    append(store, toolbox, "a", 0)
    counting = Counting(store)
    log = ParquetEventLog(counting)
    clicks, hires = log.remembered("click", "hire")
    assert (len(clicks), hires) == (1, ())
    append(store, toolbox, "b", 1)
    (more,) = log.remembered("click")
    assert [row["event_id"] for row in more] == ["a", "b"]
    counting.asked.clear()
    assert log.remembered("hire", "click") == ((), more)
    assert counting.asked == NOTHING_NEW


def test_after_a_failed_read_no_type_keeps_what_was_known_before(toolbox, monkeypatch) -> None:
    """One manifest lists files of two types, and the first that is read times out."""
    store = toolbox.store()
    log = ParquetEventLog(store)
    kinds = ("click", "apply")
    other = ParquetEventLog(store)
    for hours, name in ((0, "a"), (1, "b")):
        for kind in kinds:
            other.append(kind, toolbox.clicks([(f"{kind}-{name}", hours)]), writer="w")
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


def test_rows_are_those_of_read_whatever_the_order_of_writing(toolbox) -> None:
    store = toolbox.store()
    log = ParquetEventLog(store)
    for name, hours in (("b", 30.5), ("a", 2), ("c", 30.25), ("a", 1), ("a", 40), ("d", 0)):
        append(store, toolbox, name, hours)
        (rows,) = log.remembered("click")
        assert list(rows) == ParquetEventLog(store).read("click").to_pylist()


def test_what_a_crash_left_unlisted_counts_when_files_are_listed_anew_or_in_a_new_process(toolbox) -> None:
    store = toolbox.store()
    append(store, toolbox, "a", 0)
    log = ParquetEventLog(store)
    assert [len(rows) for rows in log.remembered("click")] == [1]
    with pytest.raises(toolbox.CrashError):
        ParquetEventLog(toolbox.CrashingStore(store, 1, after=True)).append(
            "click", toolbox.clicks([("b", 0)]), writer="w"
        )
    assert [len(rows) for rows in log.remembered("click")] == [1]
    assert [len(rows) for rows in ParquetEventLog(store).remembered("click")] == [2]
    assert [len(rows) for rows in log.remembered("click", anew=True)] == [2]
    assert [len(rows) for rows in log.remembered("click")] == [2]


def test_a_file_that_a_power_cut_emptied_counts_once_it_was_written_again(toolbox) -> None:
    store = toolbox.store()
    append(store, toolbox, "a", 0)
    with pytest.raises(toolbox.CrashError):
        ParquetEventLog(toolbox.CrashingStore(store, 1, after=True)).append(
            "click", toolbox.clicks([("b", 0)]), writer="w"
        )
    (emptied,) = [
        file.key for file in ParquetEventLog(store).files("click") if not ParquetEventLog(store).is_listed(file)
    ]
    store.replace(emptied, b"")
    log = ParquetEventLog(store)
    assert [len(rows) for rows in log.remembered("click")] == [1]
    append(store, toolbox, "b", 0)
    assert [len(rows) for rows in log.remembered("click")] == [2]


def test_a_damaged_listed_file_is_no_answer_and_damage_of_what_was_read_is_found_by_a_new_process(toolbox) -> None:
    store = toolbox.store()
    for name in "ab":
        append(store, toolbox, name, 0)
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


def test_a_damaged_file_that_was_listed_since_is_no_answer_at_any_later_call(toolbox) -> None:
    store = toolbox.store()
    append(store, toolbox, "a", 0)
    log = ParquetEventLog(store)
    log.remembered("click")
    append(store, toolbox, "b", 0)
    whole = {file.key: store.get(file.key) for file in log.files("click")}
    for key in whole:
        store.replace(key, b"")
    for _ in range(2):
        with pytest.raises(IntegrityError):
            log.remembered("click")
    for key, data in whole.items():
        store.replace(key, data)
    assert [len(rows) for rows in log.remembered("click")] == [2]


def test_without_a_chain_files_are_listed_at_every_call(toolbox, old_log: dict[str, bytes]) -> None:
    store = toolbox.stored(old_log)
    log = ParquetEventLog(store)
    (before,) = log.remembered("click")
    assert len(before) == 27
    other = toolbox.store()
    append(other, toolbox, "new", 0)
    for key in other.list("events"):
        store.put_if_absent(key, other.get(key))
    assert [len(rows) for rows in log.remembered("click")] == [28]


def test_a_file_that_was_taken_away_is_gone_when_files_are_listed_anew(toolbox) -> None:
    store = toolbox.store()
    for name in "ab":
        append(store, toolbox, name, 0)
    log = ParquetEventLog(store)
    log.remembered("click")
    kept, listing = log.files("click")[1:], store.list
    gone = log.files("click")[0].key
    store.list = lambda prefix: [key for key in listing(prefix) if key != gone]
    assert [len(rows) for rows in log.remembered("click", anew=True)] == [len(kept)]


def test_threads_that_ask_at_once_read_each_file_once(toolbox) -> None:
    store = toolbox.store()
    for number in range(8):
        append(store, toolbox, f"{number}", number)
    counting = Counting(store)
    log = ParquetEventLog(counting)
    with ThreadPoolExecutor(4) as pool:
        found = [one.result() for one in [pool.submit(log.remembered, "click") for _ in range(4)]]
    assert all(rows is found[0][0] for (rows,) in found)
    assert counting.asked["get events"] == 8
