"""Fitting: from a training set to an artifact.

Belongs here: choosing a formulation, calibration, the final fit, the manifest. Does not belong here: which rows
(`training_set`), the formulations themselves (`formulations`), whether the result may serve (`gate`).

Concept: formulation, number of trees and calibrators come from validation days that the first fit, with its
vocabularies and priors, has not seen; the model that serves is then fitted on everything before the gate with that
number of trees. The gate measures the calibration of what serves, out of sample.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.inference.feature_spec import examples_matrix, fit_feature_spec
from mlife_assets.core.inference.scoring import LightGBMScorer
from mlife_assets.core.policies import TrainingPolicy, policy_version
from mlife_assets.core.training.artifact import ModelArtifact, ModelStage
from mlife_assets.core.training.boosting import Progress, boost, model_text
from mlife_assets.core.training.calibrate import fit_calibrator
from mlife_assets.core.training.formulations import (
    Formulation,
    available_formulations,
    choose,
    learning_rows,
    reached_before,
    tune,
    tuning_features,
)
from mlife_assets.core.training.training_set import TrainingSet

IMPORTANCE_ROWS = 2_000


def fit_model(
    training: TrainingSet, policy: TrainingPolicy, progress: Progress | None = None, *, cores: int = 1
) -> ModelArtifact:
    """Choose a formulation, fit, calibrate and describe a model of the outcome.

    Up to `cores` formulations are tuned at once; the artifact does not depend on it.

    Raises:
        InvalidInputError: the policy names a feature or a formulation that the examples lack.
        NotEnoughEvidenceError: a step has one class only.
    """
    tuned, refused = _tuned(training, policy, progress, cores)
    chosen = choose(tuned)
    spec = fit_feature_spec(training.examples, training.roles)
    unexpanded = examples_matrix(training.examples, spec)
    matrix = spec.expanded(unexpanded)
    stages = []
    for step in chosen.steps:
        calibrator = fit_calibrator(
            step.raw[step.is_reached],
            step.outcome[step.is_reached],
            isotonic_minimum_positives=policy.isotonic_minimum_positives,
        )
        rows = learning_rows(training, matrix, step.step).where(reached_before(chosen.name, training, step.step))
        final = boost(rows, spec, policy, objective=step.objective, trees=step.trees, progress=progress)
        stages.append(ModelStage(step.step, model_text(final), calibrator))
    artifact = ModelArtifact(tuple(stages), spec, training.data_hash, {})
    importance = _importance(artifact, unexpanded, policy)
    facts = {"formulations_refused": refused, "importance": importance}
    manifest = json.loads(json.dumps(_manifest(training, policy, tuned, chosen, stages) | facts))
    return ModelArtifact(artifact.stages, spec, training.data_hash, manifest)


def _tuned(
    training: TrainingSet, policy: TrainingPolicy, progress: Progress | None, cores: int
) -> tuple[list[Formulation], dict[str, str]]:
    """Return the formulations that could be tuned, and why others could not; raises when none could."""
    spec, matrix = tuning_features(training)
    names = available_formulations(training, policy)

    def attempt(name: str) -> Formulation | NotEnoughEvidenceError:
        try:
            return tune(name, training, matrix, spec, policy, progress)
        except NotEnoughEvidenceError as error:
            return error

    if cores == 1:
        attempts = [attempt(name) for name in names]
    else:
        with ThreadPoolExecutor(cores) as pool:  # LightGBM works outside of Python's lock
            attempts = list(pool.map(attempt, names))
    tuned = [one for one in attempts if isinstance(one, Formulation)]
    refused = {name: str(one) for name, one in zip(names, attempts, strict=True) if not isinstance(one, Formulation)}
    if not tuned:
        raise NotEnoughEvidenceError("; ".join(f"{name}: {why}" for name, why in refused.items()))
    return tuned, refused


def _importance(artifact: ModelArtifact, matrix: npt.NDArray[np.float64], policy: TrainingPolicy) -> dict[str, float]:
    """Return mean |SHAP| of the raw score per feature, on evenly spaced training rows."""
    scorer = LightGBMScorer(artifact, threads=policy.threads)
    sample = np.linspace(0, len(matrix) - 1, min(IMPORTANCE_ROWS, len(matrix))).astype(np.int64)
    contributions = np.abs(scorer.contributions(matrix[sample])[:, :-1])
    means = np.sum(contributions, axis=0) / len(sample)
    return {name: float(value) for name, value in zip(scorer.model_names, means, strict=True)}


def _manifest(
    training: TrainingSet,
    policy: TrainingPolicy,
    tuned: list[Formulation],
    chosen: Formulation,
    stages: list[ModelStage],
) -> dict[str, object]:
    return {
        "training_start_date": training.first_day.isoformat(),
        "training_end_date": training.last_day.isoformat(),
        "validation_start_date": training.validation_start.isoformat(),
        "label": training.roles.label,
        "examples": training.examples.num_rows,
        "positives": training.positives,
        "validation_rows": int(training.is_validation.sum()),
        "validation_positives": int(training.outcome(training.roles.label)[training.is_validation].sum()),
        "quarantined_rows": training.quarantined_rows,
        "formulation": chosen.name,
        "validation_log_loss": chosen.log_loss,
        "formulations": {one.name: one.log_loss for one in tuned},
        "trees": sum(step.trees for step in chosen.steps),
        "trees_by_step": {step.step: step.trees for step in chosen.steps},
        "calibrator": ", ".join(stage.calibrator.method for stage in stages),
        "policy": asdict(policy),
        "policy_version": policy_version(policy),
    }
