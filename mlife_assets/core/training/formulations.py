"""Formulations: the ways in which one outcome can be learned, and which of them is better on the validation window.

Concept: `funnel` learns each step given the one before and multiplies; `binary` learns the outcome at once;
`lambdarank` learns the order alone. A step that is known sooner than the label learns, and validates, on rows that have
no label yet. Formulations are compared on the rows that have one, by the log loss of their calibrated probabilities, a
proper score: MAP over what was shown rewards whoever learns how it was shown, and was seen to choose a model that ranks
all candidates worse. The first one of the policy stays unless a later one is better by more than one
standard error of the paired difference (the one-standard-error rule of Breiman et al., Classification and Regression
Trees, 1984), so noise does not choose. Recipes of one formulation are compared in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.estimators import MakeEstimator
from mlife_assets.core.scoring.feature_spec import FeatureSpec, fit_feature_spec, seen_matrix
from mlife_assets.core.training.boosting import Objective, Progress
from mlife_assets.core.training.calibrate import fit_calibrator
from mlife_assets.core.training.recipes import PLAIN, Recipe, fit_estimator, fit_step, recipe_of, weighted_by_age
from mlife_assets.core.training.step_rows import (
    TuningRows,
    from_validation_on,
    known_outcome,
    learning_rows,
    reached_before,
    rows_to_tune_on,
    steps_of,
)
from mlife_assets.core.training.training_set import TrainingSet

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TunedStep:
    """One step, fitted on the rows before validation.

    Attributes:
        step: name of the outcome.
        objective: how it was learned.
        trees: number of trees at which validation was best.
        raw: raw scores of the v rows from validation's start on, float64 (v,); NaN may be what nobody asks about:
            neither reached nor with a label.
        is_reached: those of them that reached the step before and whose outcome of this one is known, bool (v,).
        outcome: whether rows reached this step, bool (v,); False where that is not known.
    """

    step: str
    objective: Objective
    trees: int
    raw: Array
    is_reached: npt.NDArray[np.bool_]
    outcome: npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Formulation:
    """A tuned formulation and how well it did on the validation window.

    Attributes:
        name: `funnel`, `binary` or `lambdarank`.
        recipe: by which its steps were learned.
        steps: in order.
        log_loss: of calibrated probabilities on the validation window; lower is better.
        log_likelihood: summed by entity, in a common order for all formulations.
        rows: validation rows with a label.
    """

    name: str
    steps: tuple[TunedStep, ...]
    log_loss: float
    log_likelihood: Array
    rows: int
    recipe: Recipe = PLAIN


def available_formulations(training: TrainingSet, policy: TrainingPolicy) -> tuple[str, ...]:
    """Return the formulations of the policy that the examples allow: a funnel needs steps, a ranking items.

    Raises:
        InvalidInputError: none is left.
    """
    roles = training.roles
    needs = {"funnel": bool(roles.funnel), "lambdarank": roles.item is not None, "binary": True}
    names = tuple(name for name in policy.formulations if needs[name])
    if not names:
        raise InvalidInputError(
            f"TrainingPolicy.formulations {policy.formulations} need a funnel or an item, which the examples lack; "
            "add binary"
        )
    return names


def tuning_spec(training: TrainingSet) -> FeatureSpec:
    """Return the spec that the rows to fit a step on alone decide.

    Categories that come up later and the level of rates in the validation window are news there, as they are in life.

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
    for step, _ in steps_of(name, training):
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
    name: str,
    training: TrainingSet,
    spec: FeatureSpec,
    policy: TrainingPolicy,
    progress: Progress | None = None,
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
    rows, recipe = rows_to_tune_on(training, spec, policy), recipe_of(policy.recipes[0])
    steps = [
        tune_step(name, step, objective, recipe, training, rows, policy, progress)
        for step, objective in steps_of(name, training)
    ]
    return compared(name, recipe, steps, training, policy)


def tune_step(
    name: str,
    step: str,
    objective: Objective,
    recipe: Recipe,
    training: TrainingSet,
    rows: TuningRows,
    policy: TrainingPolicy,
    progress: Progress | None = None,
) -> TunedStep:
    """Fit one step of a formulation on the rows before validation; it depends on no other step. See `tune`."""
    outcome, reached = known_outcome(training, step), reached_before(name, training, step)
    validating, held_out = reached & training.validating(step), from_validation_on(training)
    learned, watched = rows.about(outcome, reached & training.fitting(step), validating)
    fitted = fit_step(
        learned,
        recipe,
        rows.spec,
        policy,
        objective=objective,
        trees=policy.trees_maximum,
        validation=watched,
        progress=progress,
    )
    asked = (validating | training.is_validation)[held_out]
    raw = np.full(len(asked), np.nan)
    raw[asked] = fitted.raw(rows.held_out if asked.all() else rows.held_out[asked], policy)
    trees = int(fitted.booster.best_iteration)
    return TunedStep(step, objective, trees, raw, validating[held_out], (outcome & validating)[held_out])


def tune_estimator(
    name: str,
    step: str,
    objective: Objective,
    recipe: Recipe,
    training: TrainingSet,
    spec: FeatureSpec,
    policy: TrainingPolicy,
    make: MakeEstimator,
) -> TunedStep:
    """Fit an estimator of one's own, which has no number of trees to be found, as `tune_step` fits LightGBM."""
    reached, held_out = reached_before(name, training, step), from_validation_on(training)
    rows = learning_rows(training, spec, step, reached & training.fitting(step))
    own = fit_estimator(make, weighted_by_age(rows, recipe, policy), seed=policy.seed)
    raw = own.raw(seen_matrix(training.examples, spec, held_out))
    validating = reached & training.validating(step)
    outcome = known_outcome(training, step) & validating
    return TunedStep(step, objective, 0, raw, validating[held_out], outcome[held_out])


def compared(
    name: str, recipe: Recipe, steps: list[TunedStep], training: TrainingSet, policy: TrainingPolicy
) -> Formulation:
    """Return the formulation of tuned steps with how well it did on the rows of the validation window with a label.

    Raises:
        NotEnoughEvidenceError: half of the entities have one class only.
    """
    codes = np.unique(training.entity_codes[training.is_validation], return_inverse=True)[1]
    rows = training.is_validation[from_validation_on(training)]
    judged = [replace(s, raw=s.raw[rows], is_reached=s.is_reached[rows], outcome=s.outcome[rows]) for s in steps]
    likelihood, loss = _log_likelihood(judged, codes, policy.isotonic_minimum_positives)
    return Formulation(name, tuple(steps), loss, likelihood, len(codes), recipe)


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


def _log_likelihood(
    steps: list[TunedStep], entity: npt.NDArray[np.int64], isotonic_minimum_positives: int
) -> tuple[Array, float]:
    """Return the log-likelihood of the outcome summed by entity, and the log loss per row.

    Probabilities are calibrated across: those of every second entity by the others, so no row judges its own curve.

    Raises:
        NotEnoughEvidenceError: a half has one class only.
    """
    outcome = steps[-1].outcome
    probability = np.ones(len(outcome))
    for step in steps:
        for half in (0, 1):
            inside = entity % 2 == half
            known = ~inside & step.is_reached
            calibrator = fit_calibrator(
                step.raw[known], step.outcome[known], isotonic_minimum_positives=isotonic_minimum_positives
            )
            probability[inside] *= calibrator.probabilities(step.raw[inside])
    likelihood = np.log(np.where(outcome, probability, 1.0 - probability))
    by_entity = np.bincount(entity, weights=likelihood).astype(np.float64)
    return by_entity, float(-np.sum(likelihood) / len(likelihood))
