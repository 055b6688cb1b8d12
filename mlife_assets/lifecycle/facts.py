"""What is known on the morning of a day of one model and of those that served: the port of the lifecycle."""

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
    """The models that were fitted of one declaration."""

    @property
    def model(self) -> Model:
        """Roles, steps and policies."""

    def load(self, version: str) -> ModelArtifact:
        """Return a model that was fitted."""

    def scorer(self, version: str) -> StagedScorer:
        """Return its scorer."""

    def trained_folds(self, version: str) -> Sequence[Fold]:
        """Return the folds of its training; none where it was judged by a holdout."""


class Facts(Protocol):
    """What is known on the morning of a day."""

    @property
    def models(self) -> Models:
        """The challenger, those that served, and those of their folds."""

    @property
    def day(self) -> date:
        """The day that decides."""

    def champions(self) -> Sequence[Reign]:
        """Return all changes of the champion that are known, oldest first."""

    def last_decision(self) -> Mapping[str, Any]:
        """Return the report of the last decision before the day; empty without one."""

    def challenger_folds(self, version: str) -> Sequence[Fold]:
        """Return the folds of the day's challenger."""

    def training_set(self) -> TrainingSet:
        """Return what the fit of the day learns from. Raises NotEnoughEvidenceError when it is too small."""

    def conditions(self, part: ScoredPart, fitted_on: date, rows: pa.Table) -> tuple[Condition, ...]:
        """Return the conditions of a fold alone (`fold_conditions`), of which `part` says what its model said."""
