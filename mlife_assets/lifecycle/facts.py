"""The port of the lifecycle: knowledge of one model and its champions on the morning of a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Protocol

import pyarrow as pa

from mlife_assets.core.model import Model
from mlife_assets.core.model_events import Reign
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.scorer import StagedScorer
from mlife_assets.core.training.fold_scores import ScoredPart
from mlife_assets.core.training.folds import Fold
from mlife_assets.core.training.gate import Condition
from mlife_assets.core.training.training_set import TrainingSet


class Models(Protocol):
    """The fitted models of one declaration."""

    @property
    def model(self) -> Model:
        """Roles, steps and policies."""

    def load(self, version: str) -> ModelArtifact:
        """Return a fitted model."""

    def scorer(self, version: str) -> StagedScorer:
        """Return its scorer."""

    def trained_folds(self, version: str) -> Sequence[Fold]:
        """Return the folds of its training; empty if a holdout judged it."""


class Facts(Protocol):
    """Knowledge on the morning of a day."""

    @property
    def models(self) -> Models:
        """The challenger, the served models, and the models of their folds."""

    @property
    def day(self) -> date:
        """The day to decide."""

    def champions(self) -> Sequence[Reign]:
        """Return all known changes of the champion, oldest first."""

    def last_decision(self) -> Mapping[str, Any]:
        """Return the report of the last decision before the day; empty without one."""

    def challenger_folds(self, version: str) -> Sequence[Fold]:
        """Return the folds of the day's challenger."""

    def training_set(self) -> TrainingSet:
        """Return the training set of the day's fit. Raises NotEnoughEvidenceError if it is too small."""

    def conditions(self, part: ScoredPart, fitted_on: date, rows: pa.Table) -> tuple[Condition, ...]:
        """Return the conditions of a fold alone (`fold_conditions`); `part` has its scores."""
