"""Fitting: from a training set to an artifact.

Belongs here: choosing a formulation, calibration, the final fit, the manifest. Does not belong here: which rows
(`training_set`), the formulations themselves (`formulations`), whether the result may serve (`gate`).

Concept: formulation, number of trees and calibrators come from validation days that the first fit, with its
vocabularies and priors, has not seen; each step of what serves is then fitted on everything that was mature for it
before the gate, with that number of trees. The gate measures the calibration of what serves, out of sample.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.policies import TrainingPolicy, fields_that_count, policy_version, require_no_boosting
from mlife_assets.core.scoring.artifact import ModelArtifact, ModelStage
from mlife_assets.core.scoring.estimators import MakeEstimator, parameters
from mlife_assets.core.scoring.feature_spec import examples_matrix, fit_feature_spec
from mlife_assets.core.scoring.scorer import scorer_of
from mlife_assets.core.training.boosting import Objective, Progress, boost, model_text
from mlife_assets.core.training.calibrate import fit_calibrator
from mlife_assets.core.training.formulations import (
    Formulation,
    TunedStep,
    available_formulations,
    choose,
    compared,
    learning_rows,
    reached_before,
    require_both_classes,
    steps_of,
    tune_step,
    tuning_features,
)
from mlife_assets.core.training.manifest_facts import AT_LIMIT, OWN_ESTIMATOR, TRAINED_TO, trees_at_limit
from mlife_assets.core.training.own_estimator import fit_estimator, made
from mlife_assets.core.training.simple_rule import SIMPLE_RULE, fit_simple_rule
from mlife_assets.core.training.training_set import TrainingSet

IMPORTANCE_ROWS = 2_000
T = TypeVar("T")
R = TypeVar("R")


def fit_model(
    training: TrainingSet,
    policy: TrainingPolicy,
    progress: Progress | None = None,
    *,
    cores: int = 1,
    estimator: MakeEstimator | None = None,
    simple_columns: Sequence[str] = (),
) -> ModelArtifact:
    """Choose a formulation, fit, calibrate and describe a model of the outcome.

    Up to `cores` models are fitted at once; the artifact does not depend on it. `estimator` makes what takes
    LightGBM's place: an estimator or a pipeline of scikit-learn. `simple_columns` are those of the simple rule
    beside the model (`simple_rule`).

    Raises:
        InvalidInputError: the policy names a feature or a formulation that the examples lack, or the estimator cannot
            take LightGBM's place or keep what the policy asks for.
        NotEnoughEvidenceError: a step has one class only.
    """
    if estimator is not None:
        require_no_boosting(policy)
        made(estimator, seed=policy.seed)
        cores = 1  # a fit of scikit-learn limits the threads of the whole process
    tuned, refused = _tuned(training, policy, progress, cores, estimator)
    chosen = choose(tuned)
    spec = fit_feature_spec(training.examples, training.roles)
    unexpanded = examples_matrix(training.examples, spec)
    matrix = spec.expanded(unexpanded)

    def stage(step: TunedStep) -> ModelStage:
        calibrator = fit_calibrator(
            step.raw[step.is_reached],
            step.outcome[step.is_reached],
            isotonic_minimum_positives=policy.isotonic_minimum_positives,
        )
        rows = learning_rows(training, matrix, step.step, reached_before(chosen.name, training, step.step))
        if estimator is not None:
            own = fit_estimator(estimator, rows, seed=policy.seed)
            return ModelStage(step.step, "", calibrator, own.to_bytes())
        final = boost(rows, spec, policy, objective=step.objective, trees=step.trees, progress=progress)
        return ModelStage(step.step, model_text(final), calibrator)

    stages = _each(stage, chosen.steps, cores)
    artifact = ModelArtifact(tuple(stages), spec, training.data_hash, {})
    importance = _importance(artifact, unexpanded, policy)
    known = learning_rows(training, matrix, training.roles.label, training.known(training.roles.label))
    rule = fit_simple_rule(known.matrix, known.outcome, spec, simple_columns)
    facts = {"formulations_refused": refused, "importance": importance, SIMPLE_RULE: rule.to_record()}
    facts |= _recipe(policy, chosen, estimator)
    manifest = json.loads(json.dumps(_manifest(training, policy, tuned, chosen, stages) | facts))
    return ModelArtifact(artifact.stages, spec, training.data_hash, manifest)


def _tuned(
    training: TrainingSet,
    policy: TrainingPolicy,
    progress: Progress | None,
    cores: int,
    estimator: MakeEstimator | None,
) -> tuple[list[Formulation], dict[str, str]]:
    """Return the formulations that could be tuned, and why others could not; raises when none could."""
    spec, matrix = tuning_features(training)
    steps: dict[str, tuple[tuple[str, Objective], ...]] = {}
    refused: dict[str, str] = {}
    names = available_formulations(training, policy)
    for name in names:
        if estimator is not None and name == "lambdarank":
            refused[name] = "an estimator of one's own learns probabilities, no order"
            continue
        try:
            require_both_classes(name, training)
            steps[name] = steps_of(name, training)
        except NotEnoughEvidenceError as error:
            refused[name] = str(error)

    def fitted(task: tuple[str, str, Objective]) -> TunedStep:
        return tune_step(*task, training, matrix, spec, policy, progress, estimator)

    found = iter(_each(fitted, [(name, *step) for name in steps for step in steps[name]], cores))
    tuned = []
    for name in steps:
        own = list(islice(found, len(steps[name])))
        try:
            tuned.append(compared(name, own, training, policy))
        except NotEnoughEvidenceError as error:
            refused[name] = str(error)
    if not tuned:
        raise NotEnoughEvidenceError("; ".join(f"{name}: {refused[name]}" for name in names))
    return tuned, {name: refused[name] for name in names if name in refused}


def _each(function: Callable[[T], R], arguments: Sequence[T], cores: int) -> list[R]:
    """Return what a function gives for each argument, up to `cores` at once."""
    if cores == 1:
        return [function(one) for one in arguments]
    with ThreadPoolExecutor(cores) as pool:  # LightGBM works outside of Python's lock
        return list(pool.map(function, arguments))


def _importance(artifact: ModelArtifact, matrix: npt.NDArray[np.float64], policy: TrainingPolicy) -> dict[str, float]:
    """Return mean |SHAP| of the raw score per feature, on evenly spaced training rows."""
    scorer = scorer_of(artifact, threads=policy.threads)
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
    label, steps = training.roles.label, [stage.step for stage in stages]
    return {
        "training_start_date": training.first_day.isoformat(),
        "training_end_date": training.last_day.isoformat(),
        TRAINED_TO: {step: training.trained_to[step].isoformat() for step in steps},
        "validation_start_date": training.validation_start.isoformat(),
        "validation_end_date": training.trained_to[label].isoformat(),
        "label": label,
        "examples": int(training.known(label).sum()),
        "examples_by_step": {step: int(training.known(step).sum()) for step in steps},
        "positives": training.positives,
        "validation_rows": int(training.is_validation.sum()),
        "validation_positives": int(training.outcome(label, training.is_validation).sum()),
        "quarantined_rows": training.quarantined_rows,
        "formulation": chosen.name,
        "validation_log_loss": chosen.log_loss,
        "formulations": {one.name: one.log_loss for one in tuned},
        "calibrator": ", ".join(stage.calibrator.method for stage in stages),
        "policy_version": policy_version(policy),
    }


def _recipe(policy: TrainingPolicy, chosen: Formulation, estimator: MakeEstimator | None) -> dict[str, object]:
    """Return trees or the estimator's parameters, and of the policy what counted."""
    counted = {"policy": fields_that_count(policy, is_boosted=estimator is None)}
    if estimator is not None:
        return {**counted, OWN_ESTIMATOR: parameters(made(estimator, seed=policy.seed))}
    by_step = {step.step: step.trees for step in chosen.steps}
    limits = trees_at_limit(by_step, policy.trees_maximum, policy.early_stopping_rounds)
    return {**counted, "trees": sum(by_step.values()), "trees_by_step": by_step, AT_LIMIT: limits}
