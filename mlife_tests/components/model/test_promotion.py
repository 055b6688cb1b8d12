"""The promotion: every verdict of the gate is on record, the same one once, the newest last."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from mlife_assets.adapters.event_log import ParquetEventLog, verify
from mlife_assets.adapters.model_registry import ModelRegistry
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.components.model.promotion import WRITER, first_decided, record_verdict, verdict_event
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies

DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 19, tzinfo=UTC)
MODEL = job_applications(Policies())


def report(outcome: str, sentence: str) -> dict[str, Any]:
    delta = {"estimate": 0.031, "lower": 0.01, "upper": 0.05}
    return {
        "model_version": "mdl_new",
        "champion_version": "mdl_old",
        "outcome": outcome,
        "comparisons": [{"against": "champion", "delta": delta}],
        "users_with_positives": 1_200,
        "sentences": [sentence],
        "policy_version": "pol_1",
    }


@pytest.fixture
def log(tmp_path: Path) -> ParquetEventLog:
    return ParquetEventLog(ObstoreObjectStore.local(tmp_path))


def test_the_event_says_by_which_way_and_old_reports_do_not_know(log: ParquetEventLog) -> None:
    said = report("promoted", "All conditions are met.")
    for number, one in enumerate((said, said | {"kind": "win"}, said | {"kind": "non_inferiority"})):
        day = DAY + timedelta(days=number)
        log.append(
            "promotion_decided", verdict_event(log, MODEL, day, one, NOW + timedelta(days=number)), writer=WRITER
        )
    assert log.read("promotion_decided")["kind"].to_pylist() == [None, "win", "non_inferiority"]


def record(log: ParquetEventLog, *said: str) -> list[str]:
    """Record a verdict and return the outcomes on record."""
    log.append("promotion_decided", verdict_event(log, MODEL, DAY, report(*said), NOW), writer=WRITER)
    return log.read("promotion_decided")["outcome"].to_pylist()


def test_the_same_verdict_again_is_one_event(log: ParquetEventLog) -> None:
    assert record(log, "refused", "There is no audit.") == ["refused"]
    assert record(log, "refused", "There is no audit.") == ["refused"]
    (row,) = log.read("promotion_decided").to_pylist()
    assert (row["observed_at"], row["delta_map"], row["delta_map_lower"]) == (NOW, 0.031, 0.01)
    assert (row["model_name"], row["declaration_hash"]) == ("job_applications", MODEL.content_hash)


def test_a_challenger_that_is_judged_again_has_its_newest_verdict_last(log: ParquetEventLog) -> None:
    record(log, "refused", "There is no audit.")
    assert record(log, "promoted", "All conditions are met.") == ["refused", "promoted"]
    assert record(log, "promoted", "All conditions are met.") == ["refused", "promoted"]
    assert record(log, "refused", "There is no audit.") == ["refused", "promoted", "refused"]
    rows = log.read("promotion_decided").to_pylist()
    assert len({row["event_id"] for row in rows}) == 3
    assert [row["observed_at"].second for row in rows] == [0, 1, 2]


def test_a_day_that_is_decided_again_was_decided_when_it_was_first(log: ParquetEventLog) -> None:
    for late, sentence in enumerate(("There is no audit.", "There is one.")):
        now = NOW + timedelta(days=late)
        log.append("promotion_decided", verdict_event(log, MODEL, DAY, report("refused", sentence), now), writer=WRITER)
    assert len(log.read("promotion_decided")) == 2
    assert first_decided(log, MODEL, DAY, "mdl_new") == NOW


def test_a_day_that_runs_again_after_later_ones_promotes_nothing_that_was_left_since(
    tmp_path: Path, models: ModuleType
) -> None:
    store = ObstoreObjectStore.local(tmp_path)
    log = ParquetEventLog(store)
    registry = ModelRegistry(store, log, MODEL.name)
    old, new = (registry.register(models.tiny_artifact(seed, trees=3), as_of=DAY, now=NOW) for seed in (1, 2))
    registry.promote(old, actor="gate", reason="first", now=NOW - timedelta(days=7))
    landed = [DAY]
    platform: Any = SimpleNamespace(
        event_log=log, registry=registry, model=MODEL, retraining_time=lambda _: NOW + (landed[-1] - DAY)
    )
    said = report("promoted", "All conditions are met.") | {"model_version": new}
    assert record_verdict(platform, DAY, said)
    assert registry.champion() == new
    registry.rollback(actor="ann", reason="it ranks nonsense", now=NOW + timedelta(hours=1))
    landed.append(DAY + timedelta(days=1))
    record_verdict(platform, DAY, said)
    assert registry.champion() == old


@pytest.mark.parametrize("left", ["whole", "emptied"])
def test_a_verdict_that_a_crash_left_unlisted_is_listed_when_recorded_again(tmp_path: Path, left: str) -> None:
    store = ObstoreObjectStore.local(tmp_path)
    record(ParquetEventLog(store), "refused", "There is no audit.")
    (manifest,), (file,) = store.list("manifests"), store.list("events")
    (tmp_path / manifest).unlink()
    if left == "emptied":
        (tmp_path / file).write_bytes(b"")
    assert [finding.key for finding in verify(store).findings] == [file]
    assert record(ParquetEventLog(store), "refused", "There is no audit.") == ["refused"]
    assert (verify(store).findings, store.list("events")) == ((), [file])
