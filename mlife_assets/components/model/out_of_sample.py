"""The lifecycle's facts of a platform: folds, champions, decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa

from mlife_assets.components.model.challengers import PROMOTION_REPORT
from mlife_assets.components.model.training_inputs import training_marts
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.model import Model
from mlife_assets.core.model_events import Reign
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.scorer import StagedScorer
from mlife_assets.core.training.fold_scores import ScoredPart
from mlife_assets.core.training.folds import Fold
from mlife_assets.core.training.gate import Condition
from mlife_assets.core.training.prequential import fold_conditions
from mlife_assets.core.training.training_set import TrainingSet
from mlife_assets.core.windows import run_time
from mlife_assets.deployments.ports import ModelPorts
from mlife_assets.lifecycle.day import asked_for

FOLD_REPORT = "folds"


def fold_report(
    platform: ModelPorts, day: date, model_version: str, rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the report on the folds of a day's challenger and of its earlier ones.

    An earlier one may serve: promoted, then the day was trained again under other settings; its folds are needed.
    """
    earlier = {version: one for version, one in _reported(platform, day).items() if version != model_version}
    return {"model_version": model_version, "folds": list(rows), "earlier": earlier}


def stored_folds(platform: ModelPorts, day: date, model_version: str) -> tuple[Fold, ...]:
    """Return the folds of a challenger of a day; empty if no report has them."""
    return tuple(_fold(one) for one in _reported(platform, day).get(model_version, ()))


def all_folds(platform: ModelPorts, day: date) -> tuple[Fold, ...]:
    return tuple(_fold(one) for rows in _reported(platform, day).values() for one in rows)


def _fold(row: Mapping[str, Any]) -> Fold:
    return Fold(date.fromisoformat(row["first_day"]), row["model_version"], date.fromisoformat(row["trained_to"]))


def _reported(platform: ModelPorts, day: date) -> dict[str, list[dict[str, Any]]]:
    try:
        report = platform.model_tables.read_report(FOLD_REPORT, day)
    except NotFoundError:
        return {}
    return {**report.get("earlier", {}), report["model_version"]: report["folds"]}


@dataclass(frozen=True)
class RegisteredModels:
    """Implements `facts.Models` by a registry."""

    platform: ModelPorts

    @property
    def model(self) -> Model:
        return self.platform.model

    def load(self, version: str) -> ModelArtifact:
        return self.platform.registry.load(version)

    def scorer(self, version: str) -> StagedScorer:
        return self.platform.scorers.of(version)

    def trained_folds(self, version: str) -> tuple[Fold, ...]:
        """Return the folds of its training; a model judged on a holdout has none."""
        rows = [row for row in self.platform.registry.versions() if row["model_version"] == version]
        return tuple(fold for row in rows[:1] for fold in stored_folds(self.platform, row["as_of_date"], version))


@dataclass(frozen=True)
class PlatformFacts:
    """Knowledge of a platform when partition `day` decides."""

    platform: ModelPorts
    day: date

    @property
    def models(self) -> RegisteredModels:
        return RegisteredModels(self.platform)

    def champions(self) -> list[Reign]:
        return self.platform.registry.history(run_time(self.day))

    def last_decision(self) -> Mapping[str, Any]:
        """Return the report of the last decision before the day; empty without one."""
        tables = self.platform.model_tables
        earlier = [day for day in tables.report_days(PROMOTION_REPORT) if day < self.day]
        return tables.read_report(PROMOTION_REPORT, max(earlier)) if earlier else {}

    def challenger_folds(self, version: str) -> tuple[Fold, ...]:
        return stored_folds(self.platform, self.day, version)

    def training_set(self) -> TrainingSet:
        return training_marts(self.platform).training_set(self.day)

    def conditions(self, part: ScoredPart, fitted_on: date, rows: pa.Table) -> tuple[Condition, ...]:
        """Return the conditions of a fold alone."""
        marts, artifact = training_marts(self.platform), self.models.load(part.fold.model_version)
        marts.platform.rest()  # its rows were scored
        return fold_conditions(artifact, marts.training_set(fitted_on), rows, self.platform.model, part.scores)


def folds_of(platform: ModelPorts, model_version: str) -> tuple[Fold, ...]:
    """Return the scorers of a registered model: the folds of its training, then itself."""
    return asked_for(RegisteredModels(platform), model_version)


def fit_days_of_served(platform: ModelPorts, day: date) -> list[date]:
    """Return the fitting days of the models that served until partition `day` decides."""
    served = {reign.model_version for reign in platform.registry.history(run_time(day))}
    return [row["as_of_date"] for row in platform.registry.versions() if row["model_version"] in served]
