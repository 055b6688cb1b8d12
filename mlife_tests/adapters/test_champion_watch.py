"""Who is champion, watched: always what the fold says, and one question a call however many promotions there were."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlife_assets.adapters.champion_watch import ChampionWatch
from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.model_registry import ModelRegistry
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.errors import GateClosedError, IntegrityError

NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
NAME = "job_applications"


class Counting:
    """A store that counts what is asked of it."""

    def __init__(self, store: ObstoreObjectStore) -> None:
        self._store, self.asked = store, Counter[str]()

    def __getattr__(self, name: str) -> Any:
        self.asked[name] += 1
        return getattr(self._store, name)


@pytest.fixture
def store(tmp_path: Path) -> ObstoreObjectStore:
    return ObstoreObjectStore.local(tmp_path)


def another_process(store: ObstoreObjectStore, name: str = NAME) -> ModelRegistry:
    return ModelRegistry(store, ParquetEventLog(store), name)


def watch_of(store: Any) -> ChampionWatch:
    log = ParquetEventLog(store)
    return ChampionWatch(ModelRegistry(store, log, NAME), log)


def registered(store: ObstoreObjectStore, models: ModuleType, seeds: range) -> list[str]:
    registry = another_process(store)
    return [registry.register(models.tiny_artifact(seed, trees=2), as_of=date(2026, 6, 2), now=NOW) for seed in seeds]


def test_what_another_process_does_counts_at_the_next_call(store, tiny_models) -> None:
    watch = watch_of(store)
    assert watch.champion() is None
    first, second = registered(store, tiny_models, range(2))
    assert watch.champion() is None
    another_process(store).promote(first, actor="gate", reason="r", now=NOW)
    assert watch.champion() == first
    another_process(store).promote(second, actor="gate", reason="r", now=NOW + timedelta(hours=1))
    assert watch.champion() == second
    another_process(store).rollback(actor="me", reason="r", now=NOW + timedelta(hours=2))
    assert watch.champion() == first


def test_a_call_asks_one_question_however_many_promotions_there_were(store, tiny_models) -> None:
    questions = []
    versions = registered(store, tiny_models, range(2))
    for number in range(24):
        another_process(store).promote(
            versions[number % 2], actor="gate", reason="r", now=NOW + timedelta(hours=number)
        )
        if number in (0, 23):
            counting = Counting(store)
            watch = watch_of(counting)
            watch.champion()
            counting.asked.clear()
            assert watch.champion() == versions[number % 2]
            questions.append(dict(counting.asked))
    assert questions == [{"exists": 1}, {"exists": 1}]


def test_other_events_and_other_models_cause_no_fold(store, tiny_models) -> None:
    (first,) = registered(store, tiny_models, range(1))
    another_process(store).promote(first, actor="gate", reason="r", now=NOW)
    watch = watch_of(store)
    assert watch.champion() == first
    registered(store, tiny_models, range(1, 3))
    watch._registry.champion = lambda: pytest.fail("nobody was promoted")
    assert watch.champion() == first


def test_a_changed_end_of_the_log_is_no_answer(store, tiny_models) -> None:
    (first,) = registered(store, tiny_models, range(1))
    another_process(store).promote(first, actor="gate", reason="r", now=NOW)
    watch = watch_of(store)
    assert watch.champion() == first
    newest = max(store.list("manifests/chain"))
    number = int(Path(newest).stem)
    store.put_if_absent(newest.replace(f"{number}.", f"{number + 1}."), b"{}")
    with pytest.raises(IntegrityError):
        watch.champion()


ACTS = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["promote", "rollback"]), st.integers(0, 3)))


@given(acts=ACTS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_acts_on_one_model_change_nothing_of_another(acts, tmp_path_factory, tiny_models) -> None:
    """Each model's history is that of its own acts alone, and the watch says what the fold says."""
    shared = ObstoreObjectStore.local(tmp_path_factory.mktemp("shared"))
    alone = {name: ObstoreObjectStore.local(tmp_path_factory.mktemp(name)) for name in "ab"}
    artifacts = {name: [tiny_models.tiny_artifact(seed, trees=2) for seed in seeds] for name, seeds in SEEDS.items()}
    log = ParquetEventLog(shared)
    watches = {name: ChampionWatch(ModelRegistry(shared, log, name), log) for name in "ab"}
    for number, (name, act, which) in enumerate(acts):
        for store in (shared, alone[name]):
            registry = another_process(store, name)
            now = NOW + timedelta(hours=number)
            if act == "promote":
                version = registry.register(artifacts[name][which % 2], as_of=now.date(), now=now)
                registry.promote(version, actor="gate", reason="r", now=now)
            else:
                try:
                    registry.rollback(actor="me", reason=f"r{number}", now=now)
                except GateClosedError:
                    continue
        for one, watch in watches.items():
            assert watch.champion() == another_process(shared, one).champion()
    for name in "ab":
        both, own = another_process(shared, name), another_process(alone[name], name)
        assert (both.history(), both.versions()) == (own.history(), own.versions())


SEEDS = {"a": (11, 12), "b": (21, 22)}


def test_where_the_end_cannot_be_read_every_call_is_a_fold(store, tiny_models) -> None:
    versions = registered(store, tiny_models, range(2))
    another_process(store).promote(versions[0], actor="gate", reason="r", now=NOW)
    newest = max(store.list("manifests/chain"))
    whole = store.get(newest)
    store.replace(newest, b"")
    watch = watch_of(store)
    assert watch.champion() == versions[0]
    store.replace(newest, whole)
    another_process(store).promote(versions[1], actor="gate", reason="r", now=NOW + timedelta(hours=1))
    assert watch.champion() == versions[1]


def test_threads_that_ask_at_once_cause_one_fold(store, tiny_models) -> None:
    (first,) = registered(store, tiny_models, range(1))
    another_process(store).promote(first, actor="gate", reason="r", now=NOW)
    watch, folds, both = watch_of(store), [], Barrier(2)
    fold = watch._registry.champion

    def slow() -> str | None:
        folds.append(None)
        with suppress(BrokenBarrierError):
            both.wait(0.2)
        return fold()

    watch._registry.champion = slow
    with ThreadPoolExecutor(2) as pool:
        assert [one.result() for one in [pool.submit(watch.champion) for _ in range(2)]] == [first, first]
    assert len(folds) == 1
