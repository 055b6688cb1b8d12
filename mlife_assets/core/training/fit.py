"""Fitting: from a training set to an artifact.

Belongs here: LightGBM, early stopping, calibration, the manifest. Does not belong here: which rows (`training_set`),
whether the result may serve (`gate`).

Concept: the number of trees and the calibrator come from validation days that the first fit has not seen; the model
that serves is then fitted on everything before the gate with that number of trees. Deterministic to the byte: fixed
threads, fixed seed, ordered rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlife_assets.core.inference.features import FeatureSpec, feature_matrix, fit_feature_spec
from mlife_assets.core.policies import TrainingPolicy, policy_version
from mlife_assets.core.training.artifact import ModelArtifact
from mlife_assets.core.training.calibrate import fit_calibrator
from mlife_assets.core.training.training_set import LABEL, TrainingSet

IMPORTANCE_ROWS = 2_000
END_OF_TREES = "end of trees"

Progress = Callable[[int, int], None]
"""Called with (trees so far, trees at most)."""


def fit_model(training: TrainingSet, policy: TrainingPolicy, progress: Progress | None = None) -> ModelArtifact:
    """Fit, tune the number of trees, calibrate and describe a model of P(apply | shown)."""
    spec = fit_feature_spec(training.examples)
    matrix = feature_matrix(training.examples, spec)
    outcome = training.examples[LABEL].to_numpy(zero_copy_only=False).astype(bool)
    validation = Rows(matrix[training.is_validation], outcome[training.is_validation])
    fitted = Rows(matrix[training.is_fit], outcome[training.is_fit])
    tuned = _train(fitted, spec, policy, policy.trees_maximum, progress, validation)
    trees = int(tuned.best_iteration)
    raw = np.asarray(tuned.predict(validation.matrix, raw_score=True, num_iteration=trees, num_threads=policy.threads))
    calibrator = fit_calibrator(raw, validation.outcome, isotonic_minimum_positives=policy.isotonic_minimum_positives)
    final = _train(Rows(matrix, outcome), spec, policy, trees, progress, None)
    sample = np.linspace(0, len(matrix) - 1, min(IMPORTANCE_ROWS, len(matrix))).astype(np.int64)
    contributions = np.asarray(final.predict(matrix[sample], pred_contrib=True, num_threads=policy.threads))
    importance = np.abs(contributions[:, :-1]).mean(axis=0)
    return ModelArtifact(
        model_text=trees_only(final.model_to_string()),
        calibrator=calibrator,
        feature_spec=spec,
        training_data_hash=training.data_hash,
        manifest={
            "training_start_date": training.first_day.isoformat(),
            "training_end_date": training.last_day.isoformat(),
            "examples": training.examples.num_rows,
            "positives": training.positives,
            "quarantined_rows": training.quarantined_rows,
            "trees": trees,
            "validation_log_loss": float(tuned.best_score["validation"]["binary_logloss"]),
            "calibrator": calibrator.method,
            "importance": {name: float(value) for name, value in zip(spec.names, importance, strict=True)},
            "policy": asdict(policy),
            "policy_version": policy_version(policy),
        },
    )


def trees_only(model_text: str) -> str:
    """Return LightGBM's text without what follows the trees: importances and run-time parameters decide no score."""
    return model_text[: model_text.index(END_OF_TREES)] + END_OF_TREES + "\n"


@dataclass(frozen=True, eq=False)
class Rows:
    """A matrix (n, features) and its outcomes (n,)."""

    matrix: npt.NDArray[np.float64]
    outcome: npt.NDArray[np.bool_]


def _train(
    rows: Rows,
    spec: FeatureSpec,
    policy: TrainingPolicy,
    trees: int,
    progress: Progress | None,
    validation: Rows | None,
) -> Any:
    """Return a LightGBM booster of at most `trees` trees, stopped early on `validation` where given."""
    import lightgbm

    parameters = {
        "objective": "binary",
        "learning_rate": policy.learning_rate,
        "num_leaves": policy.leaves,
        "min_child_samples": policy.minimum_child_examples,
        "num_threads": policy.threads,
        "seed": policy.seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }

    def dataset(part: Rows, reference: Any = None) -> Any:
        return lightgbm.Dataset(
            part.matrix,
            label=part.outcome.astype(np.float64),
            reference=reference,
            feature_name=list(spec.names),
            categorical_feature=list(spec.categorical),
            params=parameters,
        )

    data = dataset(rows)
    callbacks: list[Any] = []
    if progress is not None:
        callbacks.append(lambda environment: progress(environment.iteration + 1, trees))
    if validation is None:
        return lightgbm.train(parameters, data, num_boost_round=trees, callbacks=callbacks)
    callbacks.append(lightgbm.early_stopping(policy.early_stopping_rounds, verbose=False))
    return lightgbm.train(
        parameters,
        data,
        num_boost_round=trees,
        valid_sets=[dataset(validation, data)],
        valid_names=["validation"],
        callbacks=callbacks,
    )
