"""What a promotion won: on days of its own reign, against the model that it replaced, or too early to say."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.tables import TableStore
from mlife_assets.components.metrics import map_history
from mlife_assets.components.metrics.map_history import MapDay, gains_of_promotions
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.model_events import Reign
from mlife_assets.core.windows import run_time
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.sql_tables import MAP_OF_SHOWN

FIRST = date(2026, 6, 1)


def reign(version: str, day: int, kind: Any = "promoted") -> Reign:
    since = datetime(2026, 6, 1, 18, tzinfo=UTC) + timedelta(days=day)
    return Reign(since=since, kind=kind, model_version=version, previous_version=None, actor="gate", reason="")


def platform(*reigns: Reign) -> Any:
    return SimpleNamespace(registry=SimpleNamespace(history=lambda: list(reigns)))


def day(number: int, version: str, champion: float, replaced: float | None, replaced_version: str | None) -> MapDay:
    return MapDay(FIRST + timedelta(days=number), version, champion, 0.3, 0.1, 40, 0.35, replaced, replaced_version)


def test_the_gain_is_the_mean_difference_on_days_of_the_new_model() -> None:
    days = [day(number, "one", 0.4, None, None) for number in range(5)]
    days += [day(5 + number, "two", 0.42 + 0.001 * number, 0.40, "one") for number in range(5)]
    found = gains_of_promotions(platform(reign("one", 0), reign("two", 5)), days)
    assert list(found) == ["two"]
    gain = found["two"]
    assert (gain.replaced_version, gain.days) == ("one", 5)
    assert gain.delta is not None
    assert gain.delta.estimate == pytest.approx(0.022)
    assert gain.delta.lower > 0.0
    assert gain.sentence.startswith("MAP +0.0220 (+0.0200 to +0.0240) on 5 mature days since")


def test_too_early_is_said_and_a_rollback_is_no_promotion() -> None:
    reigns = (reign("one", 0), reign("two", 5), reign("one", 8, "rolled_back"))
    found = gains_of_promotions(platform(*reigns), [day(5, "two", 0.42, 0.40, "one")])
    assert list(found) == ["two"]
    assert found["two"].sentence == "it served too briefly to say: 1 mature day since"
    early = gains_of_promotions(platform(*reigns[:2]), [day(5, "two", 0.42, 0.40, "one")])
    assert early["two"].sentence == "too early to say: 1 mature day since"
    assert gains_of_promotions(platform(*reigns[:2]), [])["two"].sentence == "too early to say: 0 mature days since"


def test_the_model_before_is_the_one_that_served_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each day is ranked by who served then, by the simple rule beside it and by the model that it replaced."""
    reigns = (reign("one", 0), reign("two", 5), reign("three", 8))
    asked: list[str] = []

    def scores(deployment: Any, version: str, pairs: Any) -> np.ndarray:
        asked.append(version)
        return np.array([{"one": 1.0, "two": 2.0, "three": 3.0}[version], 0.0, 0.0, 1.0])

    cohort = SimpleNamespace(
        user_ids=np.array(["a", "a", "b", "b"]),
        item_ids=np.array(["x", "y", "x", "y"]),
        is_relevant=np.array([True, False, True, False]),
    )
    monkeypatch.setattr(map_history, "cohort_days", lambda deployment, days: days)
    monkeypatch.setattr(map_history, "gate_examples", lambda cohorts: (cohort, None))
    monkeypatch.setattr(map_history, "ranking_scores", scores)
    monkeypatch.setattr(map_history, "simple_rule_scores", lambda *asked: np.array([1.0, 0.0, 1.0, 0.0]))
    monkeypatch.setattr(map_history, "recruiter_scores", lambda pairs: np.array([0.0, 1.0, 0.0, 1.0]))
    begun = {
        number: [one for one in reigns if one.since <= run_time(FIRST + timedelta(days=number))] for number in (0, 10)
    }
    for number, served in begun.items():
        deployment = SimpleNamespace(
            registry=SimpleNamespace(history=lambda moment, served=served: served),
            champion_version=lambda day, served=served: served[-1].model_version,
            run_time=run_time,
            model=job_applications(Policies()),
        )
        found = map_history._measured(deployment, FIRST + timedelta(days=number))
        assert (found["simple"], found["human"], found["champion"]) == (1.0, 0.5, 0.75)
        assert found["replaced_version"] == (None if number == 0 else "two")
        assert found.get("replaced") == (None if number == 0 else 0.75)
    assert asked == ["one", "three", "two"]


def test_a_day_that_cannot_be_measured_yet_is_measured_later(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A home of an earlier release has no exposures until its next features are built."""
    tables = TableStore(ObstoreObjectStore.local(tmp_path))
    deployment: Any = SimpleNamespace(tables=tables)
    monkeypatch.setattr(map_history, "quarantined_days", lambda *_: set())
    built: list[bool] = []

    def measured(_: Any, day: date) -> dict[str, object]:
        if not built:
            raise NotFoundError("marts.exposures has not been built")
        found = MapDay(day, "one", 0.4, 0.3, 0.2, 40)
        return asdict(found)

    monkeypatch.setattr(map_history, "_measured", measured)
    assert map_history.map_by_day(deployment, [FIRST]) == []
    assert tables.report_days(map_history.REPORT) == []
    built.append(True)
    assert map_history.map_by_day(deployment, [FIRST]) == [MapDay(FIRST, "one", 0.4, 0.3, 0.2, 40)]
    assert tables.report_days(map_history.REPORT) == [FIRST]
    assert tables.days(MAP_OF_SHOWN) == [FIRST]
    assert tables.read(MAP_OF_SHOWN, FIRST).to_pylist() == [
        {
            "model_version": "one", "users_with_positives": 40, "champion_map": 0.4, "human_map": 0.3,
            "random_map": 0.2, "simple_rule_map": None, "replaced_map": None, "replaced_version": None,
        }
    ]  # fmt: skip


def test_days_that_an_earlier_release_measured_can_be_asked_in_sql_too(monkeypatch: Any, tmp_path: Path) -> None:
    tables = TableStore(ObstoreObjectStore.local(tmp_path))
    deployment: Any = SimpleNamespace(tables=tables)
    monkeypatch.setattr(map_history, "quarantined_days", lambda *_: set())
    tables.write_report(map_history.REPORT, FIRST, asdict(MapDay(FIRST, "two", 0.4, 0.3, 0.2, 40, 0.35, 0.38, "one")))
    map_history.map_by_day(deployment, [FIRST])
    (row,) = tables.read(MAP_OF_SHOWN, FIRST).to_pylist()
    assert (row["simple_rule_map"], row["replaced_map"], row["replaced_version"]) == (0.35, 0.38, "one")
