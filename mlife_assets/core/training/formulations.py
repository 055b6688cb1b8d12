"""Formulations: ways to learn one outcome, and their comparison on the validation window.

Concept: `funnel` learns each step given the one before and multiplies; `binary` learns the outcome at once. A step
known sooner than the label trains and validates also on rows without a label yet. Formulations are compared on rows
with a label, by the log loss of their calibrated probabilities, a proper score: MAP over shown items rewards learning
how they were shown, and has chosen a model that ranks all candidates worse. The first one of the policy stays unless a
later one is better by more than one standard error of the paired difference (the one-standard-error rule of Breiman et
al., Classification and Regression Trees, 1984), so noise does not choose. Numbers of trees, and recipes of one
formulation, are chosen by the objective.

Validation has folds, each scored by a fit on the outcomes complete when it began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.estimators import MakeEstimator
from mlife_assets.core.scoring.feature_spec import FeatureSpec, fit_feature_spec, seen_matrix
from mlife_assets.core.training.boosting import Progress
from mlife_assets.core.training.calibrate import fit_calibrator
from mlife_assets.core.training.objective import TREES_BETWEEN_LOOKS, Codes, Looks, Ranked, best_of, measured
from mlife_assets.core.training.recipes import Recipe, by_age, fit_estimator, fit_step, recipe_of
from mlife_assets.core.training.step_rows import (
    Mask,
    TuningRows,
    days_of,
    from_validation_on,
    held_out_by_fold,
    known_outcome,
    reached_before,
    rows_of,
    rows_to_tune_on,
    steps_of,
)
from mlife_assets.core.training.training_set import TrainingSet

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TunedStep:
    """One step, fitted on the rows before each fold of validation.

    Attributes:
        step: name of the outcome.
        trees: number of trees at which validation was best; 0 without trees.
        raw: raw scores of the v rows from validation's start on, float64 (v,); NaN is allowed for rows that are neither
            reached nor labelled.
        is_reached: rows that reached the step before and have a known outcome of this one, bool (v,).
        outcome: whether rows reached this step, bool (v,); False if unknown.
    """

    step: str
    trees: int
    raw: Array
    is_reached: npt.NDArray[np.bool_]
    outcome: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Formulation:
    """A tuned formulation with its results on the validation window.

    Attributes:
        name: `funnel` or `binary`.
        recipe: recipe of its steps.
        steps: in order.
        log_loss: of calibrated probabilities on the validation window; lower is better.
        log_likelihood: summed by entity, in a common order for all formulations.
        rows: validation rows with a label.
        ranked: its objective on them.
    """

    name: str
    steps: tuple[TunedStep, ...]
    log_loss: float
    log_likelihood: Array
    rows: int
    recipe: Recipe
    ranked: Ranked


def available_formulations(training: TrainingSet, policy: TrainingPolicy) -> tuple[str, ...]:
    """Return the formulations of the policy that the examples allow: a funnel needs steps.

    Raises:
        InvalidInputError: none is left.
    """
    names = tuple(name for name in policy.formulations if name == "binary" or training.roles.funnel)
    if not names:
        raise InvalidInputError(
            f"TrainingPolicy.formulations {policy.formulations} need a funnel, which the examples lack; add binary"
        )
    return names


def tuning_spec(training: TrainingSet) -> FeatureSpec:
    """Return the spec of the fitting rows alone, without validation.

    Later categories and rates are then unknown in the validation window, as in serving.

    Raises:
        InvalidInputError: a column is missing.
    """
    is_fit = np.logical_or.reduce([training.fitting(step) for step in training.roles.steps])
    fitted = [name for name in training.roles.fitted if name in training.examples.column_names]
    return fit_feature_spec(training.examples.select(fitted).filter(pa.array(is_fit)), training.roles)


def require_both_classes(name: str, training: TrainingSet) -> None:
    """Refuse a formulation that cannot be learned.

    Raises:
        NotEnoughEvidenceError: a step has one class only in a part.
    """
    for step in steps_of(name, training):
        reached = reached_before(name, training, step)
        for part, inside in (("fitting", training.fitting(step)), ("validation", training.validating(step))):
            mask = reached & inside
            positives, rows = int(training.outcome(step, mask).sum()), int(mask.sum())
            if not 0 < positives < rows:
                raise NotEnoughEvidenceError(
                    f"{step} has {positives} positives in {rows} {part} rows; both classes are needed: wait for more "
                    "history"
                )


def tune(
    name: str, training: TrainingSet, spec: FeatureSpec, policy: TrainingPolicy, progress: Progress | None = None
) -> Formulation:
    """Fit a formulation by the first recipe on the rows before validation and measure it there.

    Args:
        name: of the formulation.
        training: rows and their split.
        spec: of the features, as of `tuning_spec`.
        policy: how to fit.
        progress: called with (trees so far, trees at most).

    Raises:
        NotEnoughEvidenceError: a step has one class only in a part.
    """
    require_both_classes(name, training)
    folds, recipe = rows_to_tune_on(training, spec, policy), recipe_of(policy.recipes[0])
    steps = [tune_step(name, step, recipe, training, folds, policy, progress) for step in steps_of(name, training)]
    return compared(name, recipe, steps, training, policy)


def tune_step(
    name: str,
    step: str,
    recipe: Recipe,
    training: TrainingSet,
    folds: Sequence[TuningRows],
    policy: TrainingPolicy,
    progress: Progress | None = None,
) -> TunedStep:
    """Fit one step of a formulation on the rows before each fold; it depends on no other step. See `tune`."""
    outcome, reached = known_outcome(training, step), reached_before(name, training, step)
    validating = reached & training.validating(step)
    seen: list[Looks] = []
    for fold in folds:
        rows = fold.fit.about(outcome, reached & training.fitting(step, fold.start))
        judged = validating[fold.of_all]
        where = fold.of_all & validating
        looks = Looks(fold.held_out, judged, outcome[where], *clusters(training, where))
        most = min([policy.trees_maximum, *(TREES_BETWEEN_LOOKS * len(earlier.found) for earlier in seen)])
        fit_step(rows, recipe, fold.spec, policy, trees=most, looks=looks, progress=progress)
        seen.append(looks)
    looked = range(min(len(looks.found) for looks in seen))
    by_look = [Ranked.of_folds([looks.found[place] for looks in seen]) for place in looked]
    best = best_of(by_look, lambda place: sum(looks.loss(place) for looks in seen))
    held_out, raw = from_validation_on(training), np.empty(len(validating))
    for fold, looks in zip(folds, seen, strict=True):
        raw[fold.of_all] = looks.raws[best]
    trees = min((best + 1) * TREES_BETWEEN_LOOKS, policy.trees_maximum) if recipe.has_trees else 0
    return TunedStep(step, trees, raw[held_out], validating[held_out], (outcome & validating)[held_out])


def clusters(training: TrainingSet, rows: Mask) -> tuple[Codes, bool]:
    """Return the cluster of each of m rows, codes from 0, (m,), and whether ranking is within clusters."""
    has_items = training.roles.item is not None
    of = training.entity_codes if has_items else days_of(training)
    return np.unique(of[rows], return_inverse=True)[1].astype(np.int64), has_items


def tune_estimator(
    name: str,
    step: str,
    recipe: Recipe,
    training: TrainingSet,
    spec: FeatureSpec,
    policy: TrainingPolicy,
    make: MakeEstimator,
) -> TunedStep:
    """Fit a scikit-learn estimator, which has no number of trees to tune, in the way of `tune_step`."""
    reached, held_out = reached_before(name, training, step), from_validation_on(training)
    raw, happened = np.empty(len(held_out)), known_outcome(training, step)
    for start, where in held_out_by_fold(training):
        rows = rows_of(training, spec, happened, reached & training.fitting(step, start))
        own = fit_estimator(make, by_age(rows, recipe, policy), seed=policy.seed)
        raw[where] = own.raw(seen_matrix(training.examples, spec, where))
    validating = reached & training.validating(step)
    return TunedStep(step, 0, raw[held_out], validating[held_out], (happened & validating)[held_out])


def compared(
    name: str, recipe: Recipe, steps: list[TunedStep], training: TrainingSet, policy: TrainingPolicy
) -> Formulation:
    """Return the formulation of tuned steps with its results on the labelled rows of the validation window.

    Raises:
        NotEnoughEvidenceError: half of the entities have one class only.
    """
    codes = np.unique(training.entity_codes[training.is_validation], return_inverse=True)[1]
    rows = training.is_validation[from_validation_on(training)]
    judged = [replace(s, raw=s.raw[rows], is_reached=s.is_reached[rows], outcome=s.outcome[rows]) for s in steps]
    probability = _probability(judged, codes, policy.isotonic_minimum_positives)
    outcome = judged[-1].outcome
    likelihood = np.log(np.where(outcome, probability, 1.0 - probability))
    score = judged[0].raw if len(judged) == 1 else probability
    ranked = []
    for _, where in held_out_by_fold(training):
        inside = where & training.is_validation
        own = inside[training.is_validation]
        cluster, has_items = clusters(training, inside)
        ranked.append(measured(score[own], outcome[own], cluster, is_by_cluster=has_items))
    by_entity = np.bincount(codes, weights=likelihood).astype(np.float64)
    loss = float(-np.sum(likelihood) / len(likelihood))
    return Formulation(name, tuple(steps), loss, by_entity, len(codes), recipe, Ranked.of_folds(ranked))


def choose(formulations: list[Formulation]) -> Formulation:
    """Return the first formulation unless a later one is better by more than one standard error; then the best such."""
    first = formulations[0]
    best, best_gain = first, 0.0
    for other in formulations[1:]:
        difference = other.log_likelihood - first.log_likelihood
        gain = float(np.sum(difference)) / first.rows
        entities = len(difference)
        error = float(np.std(difference, ddof=1) * np.sqrt(entities)) / first.rows if entities > 1 else np.inf
        if gain > max(error, best_gain):
            best, best_gain = other, gain
    return best


def choose_recipe(recipes: Sequence[Formulation]) -> Formulation:
    """Return the recipe with the best objective; among recipes not shown to be worse, the lowest log loss.

    One of the newest rows alone must be better than the best of the others by more than one standard error, known.
    """
    of_all = [one for one in recipes if not one.recipe.is_newest] or recipes
    best = of_all[best_of([one.ranked for one in of_all], lambda place: of_all[place].log_loss)]
    shown = (one for one in recipes if one.recipe.is_newest and one.ranked.has_error)
    return next((one for one in shown if one.ranked.is_above(best.ranked)), best)


def _probability(steps: list[TunedStep], entity: Codes, isotonic_minimum_positives: int) -> Array:
    """Return the probability of the outcome of n rows, (n,).

    Calibration is crossed: every second entity is calibrated on the others, so no row is in its own curve's data.

    Raises:
        NotEnoughEvidenceError: a half has one class only.
    """
    probability = np.ones(len(entity))
    for step in steps:
        for half in (0, 1):
            inside = entity % 2 == half
            known = ~inside & step.is_reached
            calibrator = fit_calibrator(
                step.raw[known], step.outcome[known], isotonic_minimum_positives=isotonic_minimum_positives
            )
            probability[inside] *= calibrator.probabilities(step.raw[inside])
    return probability
