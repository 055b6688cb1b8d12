"""Fitting: from a training set to an artifact, by the formulation and the recipe that won on the validation window.

Concept: formulation, recipe, number of trees and calibrators come from validation days that the first fit, with its
vocabularies and priors, has not seen; each step of the served model is then fitted on all its mature rows before the
gate, with that number of trees, and the label also on early labels of younger rows (`early_label`). The gate measures
the calibration of the served model, out of sample.

Formulations compete by the first recipe of the policy, then recipes for the winning formulation: the number of fits is
a sum, not a product. The first stays unless another is better by more than one standard error. `newest` must also win
over the last eight label weeks, each scored by fits on rows complete when it began. No other rows are used,
so the model of a fold is chosen without the rows that judge it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
import pyarrow as pa

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.policies import TrainingPolicy, fields_that_count, policy_version, require_no_boosting
from mlife_assets.core.scoring.artifact import ModelArtifact, ModelStage
from mlife_assets.core.scoring.calibrator import Calibrator
from mlife_assets.core.scoring.estimators import MakeEstimator, parameters
from mlife_assets.core.scoring.feature_spec import FeatureSpec, examples_matrix, fit_feature_spec, seen_matrix
from mlife_assets.core.scoring.scorer import scorer_of
from mlife_assets.core.training.boosting import Progress, model_text, weighted
from mlife_assets.core.training.calibrate import fit_calibrator
from mlife_assets.core.training.early_label import EarlyLabel, early_label
from mlife_assets.core.training.formulations import (
    Formulation,
    TunedStep,
    available_formulations,
    choose,
    choose_recipe,
    compared,
    require_both_classes,
    tune_estimator,
    tune_step,
    tuning_spec,
)
from mlife_assets.core.training.manifest_facts import AT_LIMIT, EARLY_LABEL, OWN_ESTIMATOR, TRAINED_TO, trees_at_limit
from mlife_assets.core.training.recipes import (
    NEWEST_JUDGED_WEEKS,
    PLAIN,
    Recipe,
    by_age,
    fit_estimator,
    fit_step,
    made,
    recipe_of,
    refused_recipes,
    too_short_for,
)
from mlife_assets.core.training.simple_rule import SIMPLE_RULE, fit_simple_rule
from mlife_assets.core.training.step_rows import evenly, every_row, rows_of, rows_to_tune_on, steps_of, thinned
from mlife_assets.core.training.training_set import TrainingSet

T = TypeVar("T")
R = TypeVar("R")
Tune: TypeAlias = Callable[[str, Recipe, str], TunedStep]
"""Fits a step of a formulation by a recipe."""
IMPORTANCE_ROWS, RULE_ROWS = 2_000, 50_000
FinalStep: TypeAlias = Callable[[TunedStep, Calibrator, EarlyLabel], tuple[ModelStage, int]]
"""Fits a step, with early labels too; returns its stage and the number of training rows."""


@dataclass(frozen=True, eq=False)
class Competition:
    """Competitors and winner.

    Attributes:
        formulations: fits by the first recipe, in the policy's order.
        formulations_refused: reasons why others could not be learned.
        recipes: fits of the winning formulation by each recipe, in the policy's order.
        recipes_refused: reasons why others do not fit the model.
        chosen: the winner.
    """

    formulations: tuple[Formulation, ...]
    formulations_refused: Mapping[str, str]
    recipes: tuple[Formulation, ...]
    recipes_refused: Mapping[str, str]
    chosen: Formulation


def compete(
    training: TrainingSet,
    policy: TrainingPolicy,
    progress: Progress | None = None,
    *,
    cores: int = 1,
    estimator: MakeEstimator | None = None,
) -> Competition:
    """Return the competition for formulation and recipe on the validation window.

    Raises:
        InvalidInputError: the policy names a feature or a formulation that the examples lack.
        NotEnoughEvidenceError: no formulation can be learned, since a step has one class only.
    """
    names = available_formulations(training, policy)
    refused: dict[str, str] = {}
    for name in names:
        try:
            require_both_classes(name, training)
        except NotEnoughEvidenceError as error:
            refused[name] = str(error)
    recipes_refused = {} if estimator is None else refused_recipes(policy.recipes, estimator)
    recipes_refused |= too_short_for(policy.recipes, (training.last_day - training.first_day).days + 1)
    recipes = [recipe_of(name) for name in policy.recipes if name not in recipes_refused] or [PLAIN]
    tune = _tuning(training, policy, progress, estimator)
    formulations = []
    asked = [name for name in names if name not in refused]
    for name, steps in zip(asked, _steps(tune, [(name, recipes[0]) for name in asked], training, cores), strict=True):
        try:
            formulations.append(compared(name, recipes[0], steps, training, policy))
        except NotEnoughEvidenceError as error:
            refused[name] = str(error)
    if not formulations:
        raise NotEnoughEvidenceError("; ".join(f"{name}: {refused[name]}" for name in names))
    first = choose(formulations)

    def fitted(tune: Tune, recipes: Sequence[Recipe], rows: TrainingSet) -> list[Formulation]:
        found = _steps(tune, [(first.name, recipe) for recipe in recipes], rows, cores)
        return [compared(first.name, *one, rows, policy) for one in zip(recipes, found, strict=True)]

    by_recipe = [first, *fitted(tune, recipes[1:], training)]
    chosen = choose_recipe(by_recipe)
    if chosen.recipe.is_newest and (others := [one for one in by_recipe if one is not chosen]):
        best, weekly = choose_recipe(others), training.by_weeks(NEWEST_JUDGED_WEEKS)
        try:
            require_both_classes(first.name, weekly)
            both = fitted(_tuning(weekly, policy, progress, estimator), [best.recipe, chosen.recipe], weekly)
            chosen = chosen if choose_recipe(both).recipe.is_newest else best
        except NotEnoughEvidenceError:
            chosen = best
    return Competition(
        tuple(formulations),
        {name: refused[name] for name in names if name in refused},
        tuple(by_recipe),
        recipes_refused,
        chosen,
    )


def each(function: Callable[[T], R], arguments: Sequence[T], cores: int) -> list[R]:
    """Map a function over arguments, up to `cores` at once."""
    if cores == 1:
        return [function(one) for one in arguments]
    with ThreadPoolExecutor(cores) as pool:  # LightGBM releases Python's lock
        return list(pool.map(function, arguments))


def _tuning(
    training: TrainingSet, policy: TrainingPolicy, progress: Progress | None, estimator: MakeEstimator | None
) -> Tune:
    """Return the tuner of LightGBM or of another estimator; features, thinning and bins are computed once."""
    spec = tuning_spec(training)
    if estimator is not None:
        return lambda name, recipe, step: tune_estimator(name, step, recipe, training, spec, policy, estimator)
    rows = rows_to_tune_on(training, spec, policy)
    return lambda name, recipe, step: tune_step(name, step, recipe, training, rows, policy, progress)


def _steps(tune: Tune, asked: Sequence[tuple[str, Recipe]], training: TrainingSet, cores: int) -> list[list[TunedStep]]:
    tasks = [(place, *one, step) for place, one in enumerate(asked) for step in steps_of(one[0], training)]
    found = each(lambda task: tune(*task[1:]), tasks, cores)
    return [[step for task, step in zip(tasks, found, strict=True) if task[0] == place] for place in range(len(asked))]


def fit_model(
    training: TrainingSet,
    policy: TrainingPolicy,
    progress: Progress | None = None,
    *,
    cores: int = 1,
    estimator: MakeEstimator | None = None,
    simple_columns: Sequence[str] = (),
    with_importance: bool = True,
) -> ModelArtifact:
    """Choose a formulation, fit, calibrate and describe a model of the outcome.

    Up to `cores` models are fitted at once; the artifact does not depend on it. `estimator` makes a scikit-learn
    estimator or pipeline in LightGBM's place. `simple_columns` are those of the simple rule beside the model
    (`simple_rule`). Importances in the manifest take time; `importance_of` gives them later.

    Raises:
        InvalidInputError: the policy names a feature or a formulation that the examples lack, or the estimator cannot
            replace LightGBM or lacks an option of the policy.
        NotEnoughEvidenceError: a step has one class only.
    """
    if estimator is not None:
        require_no_boosting(policy)
        made(estimator, seed=policy.seed)
        cores = 1  # a fit of scikit-learn limits the threads of the process
    found = compete(training, policy, progress, cores=cores, estimator=estimator)
    chosen = found.chosen
    spec = fit_feature_spec(training.examples, training.roles)
    final = (
        _final_boosting(training, policy, chosen, spec, progress)
        if estimator is None
        else _final_estimator(training, policy, chosen, spec, estimator)
    )

    early = early_label(training)

    def stage(step: TunedStep) -> tuple[ModelStage, int]:
        calibrator = fit_calibrator(
            step.raw[step.is_reached],
            step.outcome[step.is_reached],
            isotonic_minimum_positives=policy.isotonic_minimum_positives,
        )
        return final(step, calibrator, early)

    fitted = each(stage, chosen.steps, cores)
    stages = [one for one, _ in fitted]
    artifact = ModelArtifact(tuple(stages), spec, training.data_hash, {})
    outcome, known = early.taught("binary", training, training.roles.label)
    known = evenly(known, RULE_ROWS)
    ruled = spec.only(simple_columns) if simple_columns else spec
    rule = fit_simple_rule(seen_matrix(training.examples, ruled, known), outcome[known], ruled, simple_columns)
    facts = {
        **_manifest(training, policy, chosen, stages),
        **_method(policy, chosen, estimator),
        "formulations": {one.name: one.log_loss for one in found.formulations},
        "formulations_refused": found.formulations_refused,
        "recipes": {one.recipe.name: one.log_loss for one in found.recipes},
        "recipes_refused": found.recipes_refused,
        "rows_by_step": {one.step: rows for one, rows in fitted},
        **({EARLY_LABEL: early.facts_of(chosen.name, training)} if early.facts else {}),
        **({"importance": importance_of(artifact, training.examples, policy)} if with_importance else {}),
        SIMPLE_RULE: rule.to_record(),
    }
    return ModelArtifact(artifact.stages, spec, training.data_hash, json.loads(json.dumps(facts)))


def _final_boosting(
    training: TrainingSet, policy: TrainingPolicy, chosen: Formulation, spec: FeatureSpec, progress: Progress | None
) -> FinalStep:
    """Return the final fit of a step by LightGBM, thinned, with shared bins."""
    part = thinned(every_row(training, spec), np.ones(training.examples.num_rows, dtype=bool), spec, policy)

    def final(step: TunedStep, calibrator: Calibrator, early: EarlyLabel) -> tuple[ModelStage, int]:
        outcome, reached = early.taught(chosen.name, training, step.step)
        rows = part.about(outcome, reached, early.weight_of(step.step, training))
        fitted = fit_step(rows, chosen.recipe, spec, policy, trees=step.trees, progress=progress)
        return ModelStage(step.step, model_text(fitted.booster), calibrator, base=fitted.base), len(rows.outcome)

    return final


def _final_estimator(
    training: TrainingSet, policy: TrainingPolicy, chosen: Formulation, spec: FeatureSpec, estimator: MakeEstimator
) -> FinalStep:
    """Return the final fit of a step by another estimator."""

    def final(step: TunedStep, calibrator: Calibrator, early: EarlyLabel) -> tuple[ModelStage, int]:
        outcome, reached = early.taught(chosen.name, training, step.step)
        rows = rows_of(training, spec, outcome, reached)
        if (weight := early.weight_of(step.step, training)) is not None:
            rows = weighted(rows, weight[reached])
        rows = by_age(rows, chosen.recipe, policy)
        own = fit_estimator(estimator, rows, seed=policy.seed)
        return ModelStage(step.step, "", calibrator, own.to_bytes()), len(rows.outcome)

    return final


def importance_of(artifact: ModelArtifact, learned: pa.Table, policy: TrainingPolicy) -> dict[str, float]:
    """Return mean |SHAP| of the raw score per feature, on evenly spaced training rows."""
    scorer, count = scorer_of(artifact, threads=policy.threads), learned.num_rows
    places = np.linspace(0, count - 1, min(IMPORTANCE_ROWS, count)).astype(np.int64)
    few = learned.select(list(scorer.feature_names)).take(pa.array(places))
    sample = examples_matrix(few, scorer.feature_spec)
    contributions = np.abs(scorer.contributions(sample)[:, :-1])
    means = np.sum(contributions, axis=0) / len(sample)
    return {name: float(value) for name, value in zip(scorer.model_names, means, strict=True)}


def _manifest(
    training: TrainingSet, policy: TrainingPolicy, chosen: Formulation, stages: list[ModelStage]
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
        "recipe": chosen.recipe.name,
        "validation_log_loss": chosen.log_loss,
        "calibrator": ", ".join(stage.calibrator.method for stage in stages),
        "policy_version": policy_version(policy),
    }


def _method(policy: TrainingPolicy, chosen: Formulation, estimator: MakeEstimator | None) -> dict[str, object]:
    """Return trees or the estimator's parameters, and the policy fields in effect."""
    counted = {"policy": fields_that_count(policy, is_boosted=estimator is None)}
    if estimator is not None:
        return {**counted, OWN_ESTIMATOR: parameters(made(estimator, seed=policy.seed))}
    by_step = {step.step: step.trees for step in chosen.steps}
    limits = trees_at_limit(by_step, policy.trees_maximum)
    return {**counted, "trees": sum(by_step.values()), "trees_by_step": by_step, AT_LIMIT: limits}
