"""Training within a replay, on mature outcomes.

Concept: the model of a day is the recipe fitted on every row with a complete step that morning, each step on its own
rows. It depends only on the day, and on the shorter half-life during an open drift, so policies share it, and each is
charged for it.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from mlife_assets.core.ports import Scores
from mlife_assets.core.scoring.artifact import ESTIMATOR_FILE, ModelArtifact
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.training.fit import fit_model, importance_of
from mlife_assets.core.training.recipes import with_half_life
from mlife_assets.core.training.training_set import TrainingSet, hash_examples, split_examples
from mlife_assets.lifecycle.backtest.checkpoints import Checkpoints, Timings
from mlife_assets.lifecycle.backtest.history import History, as_date


@dataclass(frozen=True, eq=False)
class Fit:
    """One fitted model.

    Attributes:
        artifact: the model.
        as_of: day on which the training labels were mature.
        rows: training rows with a label.
        last_day: last exposure day in the training of any step.
        label_last_day: last exposure day whose label it learned from.
        half_life_days: of row weights, during an open drift.
    """

    artifact: ModelArtifact
    as_of: date
    rows: int
    last_day: date
    label_last_day: date
    half_life_days: float | None = None

    @property
    def step(self) -> str:
        """Name of the costly step."""
        return _step(self.as_of, self.half_life_days)


class Learner:
    """Fits models of a history, each at most once per replay."""

    def __init__(self, history: History, checkpoints: Checkpoints, timings: Timings) -> None:
        self._history = history
        self._checkpoints = checkpoints
        self._timings = timings
        self._fits: dict[str, Fit] = {}
        self._importances: dict[str, dict[str, float]] = {}

    def fit(self, as_of: date, half_life_days: float | None = None) -> Fit:
        """Return the model of everything mature on the morning of `as_of`, with a half-life of its own if given.

        Raises:
            NotEnoughEvidenceError: too few examples or positives, or a part has one class only.
        """
        step = _step(as_of, half_life_days)
        if step not in self._fits:
            record = self._checkpoints.remember(
                step, lambda: self._timings.measure(step, lambda: self._fitted(as_of, half_life_days))
            )
            files = {
                name: base64.b64decode(text) if name.endswith(ESTIMATOR_FILE) else text.encode()
                for name, text in record["files"].items()
            }
            artifact = ModelArtifact.from_files(record["model_version"], files)
            last, label_last = (date.fromisoformat(record[name]) for name in ("last_day", "label_last_day"))
            self._fits[step] = Fit(artifact, as_of, record["rows"], last, label_last, half_life_days)
        return self._fits[step]

    def importance(self, fit: Fit) -> dict[str, float]:
        """Return mean |SHAP| of the raw score per feature, computed on demand."""

        def measured() -> dict[str, float]:
            if "importance" in fit.artifact.manifest:  # a stored fit of an earlier release
                return dict(fit.artifact.manifest["importance"])
            learned = self.training_set(fit.as_of).examples
            return importance_of(fit.artifact, learned, self._history.model.training)

        if fit.step not in self._importances:
            self._importances[fit.step] = self._checkpoints.remember(f"importance|{fit.step}", measured)
        return self._importances[fit.step]

    def seconds(self, fit: Fit) -> float:
        """Return the seconds that a fit took to compute."""
        return self._timings.seconds(fit.step)

    def training_set(self, as_of: date) -> TrainingSet:
        """Return the training set of that morning. Raises NotEnoughEvidenceError if it is too small."""
        history, roles = self._history, self._history.model.roles
        rows, known = history.learnable(as_of), history.known(as_of)
        last = as_date(history.days[known[-1]]) if len(known) else history.first_day
        data_hash = hash_examples(rows.select(roles.columns))
        return split_examples(rows, roles, known_on=as_of, policy=history.training_policy(last), data_hash=data_hash)

    def _fitted(self, as_of: date, half_life_days: float | None) -> dict[str, Any]:
        training = self.training_set(as_of)
        model = self._history.model
        label = training.roles.label
        policy = self._history.training_policy(training.trained_to[label])
        if half_life_days is not None:
            policy = with_half_life(policy, half_life_days)
        artifact = fit_model(
            training,
            policy,
            estimator=model.estimator,
            simple_columns=model.simple_columns,
            with_importance=False,
        )
        return {
            "files": {name: _text(name, data) for name, data in artifact.files().items()},
            "model_version": artifact.model_version,
            "rows": int(training.known(label).sum()),
            "last_day": training.last_day.isoformat(),
            "label_last_day": training.trained_to[label].isoformat(),
        }


def _step(as_of: date, half_life_days: float | None) -> str:
    return f"fit|{as_of}" if half_life_days is None else f"fit|{as_of}|{half_life_days:g}"


def _text(name: str, data: bytes) -> str:
    """Return a file of an artifact as text for a JSON checkpoint; an estimator's file is binary."""
    return base64.b64encode(data).decode() if name.endswith(ESTIMATOR_FILE) else data.decode()


def score(history: History, artifact: ModelArtifact, places: np.ndarray) -> Scores:
    """Return the scores of rows by position; labels are not used."""
    from mlife_assets.core.scoring.scorer import scorer_of

    scorer = scorer_of(artifact, threads=history.model.training.threads)
    return scorer.score(examples_matrix(history.take(places), artifact.feature_spec))
