"""Whose word counts on which day: folds before a reign, whoever served in it, and nobody who has seen the day."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pytest

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.model_registry import ModelRegistry
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.tables import TableStore
from mlife_assets.components.model.out_of_sample import (
    FOLD_REPORT,
    PlatformFacts,
    fit_days_of_served,
    fold_report,
    folds_of,
    stored_folds,
)
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.training.folds import Fold
from mlife_assets.core.windows import add_days, day_start, last_mature_exposure_day, mature_day, run_time
from mlife_assets.lifecycle.day import served
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies

DAY = date(2026, 6, 2)
WINDOW = 7
MODEL = job_applications(Policies())


@dataclass
class Deployment:
    """A registry, reports and scorers; nothing else of a platform is asked."""

    registry: ModelRegistry
    model_tables: TableStore
    models: Any
    model: Any = MODEL
    asked: list[str] = field(default_factory=list)

    def scorer(self, version: str) -> LightGBMScorer:
        self.asked.append(version)
        return LightGBMScorer(self.registry.load(version), threads=1)

    def trained(self, seed: int, day: date, *, folds: int = 0) -> str:
        """Register a model of a day and its folds; without folds it was judged on a holdout of four weeks."""
        last = last_mature_exposure_day(day, WINDOW)
        end = last if folds else last_mature_exposure_day(add_days(last, -21), WINDOW)
        artifact = self.models.tiny_artifact(seed, trees=3, training_end_date=end.isoformat())
        version = self.registry.register(artifact, as_of=day, now=run_time(day) + timedelta(hours=1))
        rows = []
        for back in range(folds, 0, -1):
            first = add_days(last, 1 - 7 * back)
            known = last_mature_exposure_day(first, WINDOW)
            fold = self.models.tiny_artifact(seed + 10 * back, trees=3, training_end_date=known.isoformat())
            rows.append(
                {
                    "first_day": first.isoformat(),
                    "model_version": self.registry.keep_fold(fold),
                    "trained_to": known.isoformat(),
                }
            )
        if folds:
            self.model_tables.write_report(FOLD_REPORT, day, fold_report(self, day, version, rows))
        return version

    def promote(self, version: str, day: date) -> None:
        self.registry.promote(version, actor="gate", reason="a test", now=run_time(day) + timedelta(hours=1))


@pytest.fixture
def deployment(tmp_path, tiny_models) -> Deployment:
    store = ObstoreObjectStore.local(tmp_path)
    return Deployment(ModelRegistry(store, ParquetEventLog(store), MODEL.name), TableStore(store), tiny_models)


def asked(folds: tuple[Fold, ...]) -> list[tuple[date, str]]:
    return [(fold.first_day, fold.model_version) for fold in folds]


def test_a_model_speaks_through_its_folds_and_then_for_itself(deployment: Deployment) -> None:
    version = deployment.trained(1, DAY, folds=4)
    folds = folds_of(deployment, version)
    stored = stored_folds(deployment, DAY, version)
    assert folds[:-1] == stored
    assert len(stored) == 4
    assert asked(folds)[-1] == (DAY, version), "what it learned from was complete on that morning"
    for fold in folds:
        assert mature_day(fold.trained_to, WINDOW) <= fold.first_day


def test_a_model_of_a_holdout_speaks_for_itself_from_the_holdout_on(deployment: Deployment) -> None:
    version = deployment.trained(1, DAY)
    (alone,) = folds_of(deployment, version)
    assert (alone.first_day, alone.model_version) == (add_days(last_mature_exposure_day(DAY, WINDOW), -21), version)


def test_folds_of_another_challenger_of_the_day_are_not_its_own(deployment: Deployment) -> None:
    version = deployment.trained(1, DAY, folds=2)
    other = deployment.trained(2, DAY, folds=2)
    assert stored_folds(deployment, DAY, "mdl_of_nobody") == ()
    assert not {name for _, name in asked(folds_of(deployment, version))} & {
        fold.model_version for fold in stored_folds(deployment, DAY, other)
    }
    assert len(folds_of(deployment, other)) == 3


def test_a_day_that_is_trained_again_takes_no_folds_from_who_serves(deployment: Deployment) -> None:
    """Under other settings it has another challenger; the champion is still asked about the weeks before its reign."""
    version = deployment.trained(1, DAY, folds=4)
    deployment.promote(version, DAY)
    assert served(PlatformFacts(deployment, DAY)) == (), "as the day decided nobody served"
    before = served(PlatformFacts(deployment, add_days(DAY, 7)))
    deployment.trained(2, DAY, folds=4)
    assert len(stored_folds(deployment, DAY, version)) == 4
    assert served(PlatformFacts(deployment, add_days(DAY, 7))) == before
    report = deployment.model_tables.read_report(FOLD_REPORT, DAY)
    deployment.trained(2, DAY, folds=4)
    assert deployment.model_tables.read_report(FOLD_REPORT, DAY) == report, "the same again says the same"


def test_folds_begin_where_what_served_was_fitted_and_not_what_serves_later(deployment: Deployment) -> None:
    first = deployment.trained(1, DAY, folds=1)
    deployment.trained(2, add_days(DAY, 3), folds=1)
    third = deployment.trained(3, add_days(DAY, 7), folds=1)
    for version, day in ((first, DAY), (third, add_days(DAY, 7))):
        deployment.promote(version, day)
    assert fit_days_of_served(deployment, DAY) == []
    assert fit_days_of_served(deployment, add_days(DAY, 7)) == [DAY]
    assert fit_days_of_served(deployment, add_days(DAY, 8)) == [DAY, add_days(DAY, 7)]


def test_after_a_rollback_the_earlier_one_serves_again(deployment: Deployment) -> None:
    first, second = deployment.trained(1, DAY, folds=1), deployment.trained(2, add_days(DAY, 5), folds=1)
    deployment.promote(first, DAY)
    deployment.promote(second, add_days(DAY, 5))
    deployment.registry.rollback(actor="ann", reason="worse", now=day_start(add_days(DAY, 8)))
    found = asked(served(PlatformFacts(deployment, add_days(DAY, 9))))
    assert found[-2:] == [(add_days(DAY, 6), second), (add_days(DAY, 8), first)]
