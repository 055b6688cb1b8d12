"""What was listed since: each manifest once, two questions where nothing is new, and no answer where nobody knows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from mlife_assets.adapters.event_log.additions import Additions, last_number
from mlife_assets.adapters.event_log.chain import Chain
from mlife_assets.adapters.event_log.layout import manifest_key
from mlife_assets.adapters.event_log.manifests import Entry
from mlife_assets.core.errors import TransientError

A, B, C, D = (
    Entry(f"events/event_type=click/dt=2026-06-02/hour=23/w-{name}-0.parquet", name * 64, 1) for name in "abcd"
)


def listed(store, *entries: Entry) -> None:
    """List entries as another process does, a manifest each."""
    for entry in entries:
        Chain(store).list_entries((entry,), are_new=True)


def test_what_others_list_is_named_once_in_order(toolbox) -> None:
    store = toolbox.store()
    additions = Additions(store)
    assert additions.keys() is None, "there is no chain yet"
    listed(store, A)
    assert additions.keys() is None, "whoever asks first has to look"
    assert additions.keys() == []
    listed(store, B, C)
    assert additions.keys() == [B.key, C.key]
    assert additions.keys() == []


@pytest.mark.parametrize("manifests", [1, 40])
def test_nothing_new_is_two_questions_however_long_the_chain(toolbox, monkeypatch, manifests: int) -> None:
    store = toolbox.store()
    listed(store, *(replace(A, key=f"{A.key}{number}") for number in range(manifests)))
    additions = Additions(store)
    additions.keys()
    asked = Counter[str]()
    for name in ("get", "exists", "list", "folders"):
        ask = getattr(store, name)
        monkeypatch.setattr(store, name, lambda key, name=name, ask=ask: (asked.update([name]), ask(key))[1])
    assert additions.keys() == []
    assert asked == {"get": 1, "exists": 1}
    listed(store, B)
    asked.clear()
    assert additions.keys() == [B.key]
    assert asked == {"get": 2, "exists": 2}


def test_what_was_read_before_a_failed_read_is_named_at_the_next_call(toolbox, monkeypatch) -> None:
    store = toolbox.store()
    listed(store, A)
    additions = Additions(store)
    additions.keys()
    listed(store, B, C)
    get, fails = store.get, {manifest_key(2)}

    def once(key: str) -> bytes:
        if key in fails:
            fails.remove(key)
            raise TransientError("a timeout")
        return get(key)

    monkeypatch.setattr(store, "get", once)
    with pytest.raises(TransientError):
        additions.keys()
    assert additions.keys() == [B.key, C.key]
    assert additions.keys() == []


def test_where_the_end_cannot_be_read_nobody_knows_until_it_is_written_again(toolbox) -> None:
    store = toolbox.store()
    listed(store, A, B)
    whole = store.get(manifest_key(1))
    store.replace(manifest_key(1), b"")
    additions = Additions(store)
    assert [additions.keys(), additions.keys()] == [None, None]
    store.replace(manifest_key(1), whole)
    assert [additions.keys(), additions.keys()] == [None, []]
    listed(store, C)
    end = store.get(manifest_key(2))
    store.replace(manifest_key(2), b"")
    assert [additions.keys(), additions.keys()] == [None, None]
    store.replace(manifest_key(2), end)
    assert [additions.keys(), additions.keys()] == [None, []]


def test_an_end_that_was_moved_away_and_written_by_another_is_not_passed_over(toolbox) -> None:
    """As after a manifest without the key of the home: what took its number would never be seen."""
    store = toolbox.store()
    listed(store, A, B)
    additions = Additions(store)
    assert [additions.keys(), additions.keys()] == [None, []]
    kept = toolbox.stored({manifest_key(0): store.get(manifest_key(0))})
    store.get, store.exists, store.list, store.folders = kept.get, kept.exists, kept.list, kept.folders
    assert [additions.keys() for _ in range(3)] == [None, None, []]
    listed(kept, C)
    assert additions.keys() == [C.key]
    other = toolbox.stored({manifest_key(0): kept.get(manifest_key(0))})
    listed(other, D)
    store.get, store.exists, store.list, store.folders = other.get, other.exists, other.list, other.folders
    assert [additions.keys(), additions.keys()] == [None, []]


def test_the_last_number_is_that_of_the_newest_folder_with_a_manifest(toolbox) -> None:
    assert last_number(toolbox.store()) == -1
    keys = [manifest_key(number) for number in (3, 999, 1_000, 2_007)]
    store = toolbox.stored(dict.fromkeys([*keys, "manifests/chain/000000009/note"], b""))
    assert last_number(store) == 2_007
