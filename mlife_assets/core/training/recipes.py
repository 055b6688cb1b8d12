"""Recipes: what a step learns most from, and on what its trees stand.

Concept: two choices, so four recipes. *Recent* rows count more: the weight of a row halves with every half-life, so a
model follows a world that moves and forgets what it was. Days after the first alarm of a drift, the rows of the new
world are a few days among months; half of the drift's age as half-life lets what came after it weigh three times what
came before. As it ages, the usual half-life returns. A *base* of straight pieces under the trees learns a change from
few rows, as its slopes are few; the trees learn what it leaves over.

A base is a ridge logistic regression, found by Newton steps under signs. A number is capped at outer quantiles and cut
at inner ones; each piece has a slope of its own, so a curve may bend where the rows do, and a direction that the policy
wants is a sign of slopes. Pieces are standardised, missing values count as their mean. Sums avoid BLAS, whose bits
depend on its threads.

An estimator is made anew for each fit, so nothing is left over from the one before. What it leaves to chance gets the
seed of the policy; one thread sums, since the order of sums decides bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.open_drift import drift_start
from mlife_assets.core.monitoring.retrain_decisions import RetrainDecision
from mlife_assets.core.policies import RECIPES, RetrainPolicy, TrainingPolicy
from mlife_assets.core.scoring.artifact import BaseCurve, LinearBase
from mlife_assets.core.scoring.estimators import (
    LARGEST,
    MakeEstimator,
    StoredEstimator,
    last_step,
    require_usable,
    usable,
)
from mlife_assets.core.scoring.feature_spec import FeatureSpec
from mlife_assets.core.training.boosting import (
    Objective,
    Progress,
    Rows,
    boost,
    monotone_constraints,
    predict_raw,
    weighted,
)

WEIGHT = "sample_weight"
CAPS = (0.01, 0.99)
"""Quantiles beyond which a number counts as the quantile: one odd value bends no line."""
NEWTON_STEPS = 50
TOLERANCE = 1e-5
HALVINGS = 20
CURVATURE_ROWS = 20_000
"""Rows that say how the likelihood curves. They decide how many steps it takes, not where they end."""
SWEEPS = 200
WEIGHT_MINIMUM = 1e-6
"""Of the rows that know a number, in rows: what was last known very many half-lives ago weighs nothing, at last 0."""
LOG_ODDS_MAXIMUM = 30.0
Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Pieces:
    """Standardised pieces of numbers.

    Attributes:
        standing: float64 (pieces, n), each of weighted mean 0 and spread 1.
        name: column of each piece.
        start: value at which each begins.
        stop: value at which it ends.
        mean: weighted mean of its capped values.
        spread: weighted standard deviation of them.
        sign: of its slope where the policy wants one, else 0.
    """

    standing: Array
    name: tuple[str, ...]
    start: Array
    stop: Array
    mean: Array
    spread: Array
    sign: npt.NDArray[np.int64]


def fit_linear_base(rows: Rows, spec: FeatureSpec, policy: TrainingPolicy) -> LinearBase:
    """Return the base of rows, on top of the log-odds that they start from, if any.

    Maximises the weighted likelihood minus half of `policy.base_penalty` times the squares of the slopes of
    standardised pieces.

    Raises:
        InvalidInputError: the policy constrains a feature that does not exist.
    """
    weight = np.ones(len(rows.outcome)) if rows.weight is None else rows.weight
    start = np.zeros(len(rows.outcome)) if rows.start is None else rows.start
    pieces = _pieces(rows.matrix, weight, spec, policy)
    intercept, slopes = _climbed(pieces, rows.outcome.astype(np.float64), weight, start, policy.base_penalty)
    curves = []
    for name in dict.fromkeys(pieces.name):
        own = [place for place, one in enumerate(pieces.name) if one == name]
        knots = [float(pieces.start[own[0]]), *(float(pieces.stop[place]) for place in own)]
        added = [
            sum(
                float(slopes[place])
                * (min(max(knot, pieces.start[place]), pieces.stop[place]) - float(pieces.mean[place]))
                / float(pieces.spread[place])
                for place in own
            )
            for knot in knots
        ]
        curves.append(BaseCurve(name, tuple(knots), tuple(float(one) for one in added)))
    return LinearBase(intercept, tuple(curves))


def _pieces(matrix: Array, weight: Array, spec: FeatureSpec, policy: TrainingPolicy) -> _Pieces:
    """Return the pieces of every number that varies, in rows that weigh anything."""
    signs = monotone_constraints(spec, policy)
    names, starts, stops, means, spreads, directions = list[str](), [], [], [], [], []
    standing = np.empty((len(spec.model_names) * (policy.base_pieces), len(matrix)))
    for place, name in enumerate(spec.model_names):
        values = np.ascontiguousarray(matrix[:, place])  # a column of a row-wise matrix is slow to read
        known = ~np.isnan(values)
        knots = _knots(values[known], policy.base_pieces)
        weight_known = weight[known]
        total = float(np.sum(weight_known))
        if name in spec.categorical or len(knots) < 2 or total < WEIGHT_MINIMUM:
            continue
        for start, stop in pairwise(knots):
            capped = np.clip(values, start, stop)
            mean = float(np.sum(weight_known * capped[known])) / total
            away = np.where(known, capped - mean, 0.0)
            spread = float(np.sqrt(np.sum(weight * away**2) / total)) or 1.0
            np.divide(away, spread, out=standing[len(names)])
            names.append(name)
            starts.append(start)
            stops.append(stop)
            means.append(mean)
            spreads.append(spread)
            directions.append(signs[place])
    return _Pieces(
        standing[: len(names)],
        tuple(names),
        np.array(starts),
        np.array(stops),
        np.array(means),
        np.array(spreads),
        np.array(directions, dtype=np.int64),
    )


def _knots(values: Array, pieces: int) -> list[float]:
    """Return where a number's pieces begin and end: outer quantiles and those between; fewer where values repeat."""
    finite = values[np.abs(values) <= LARGEST]
    if not len(finite):
        return []
    inner = [place / pieces for place in range(1, pieces)]
    knots = np.unique(np.quantile(finite, [CAPS[0], *inner, CAPS[1]]))
    if len(knots) < 2:
        knots = np.unique([finite.min(), finite.max()])
    return [float(knot) for knot in knots]


def _climbed(pieces: _Pieces, outcome: Array, weight: Array, start: Array, penalty: float) -> tuple[float, Array]:
    """Return intercept and slopes at the maximum: Newton steps whose curvature is that of evenly spaced rows."""
    standing, count = pieces.standing, len(outcome)
    stride = -(-count // CURVATURE_ROWS)
    few = np.ascontiguousarray(standing[:, ::stride])
    slopes = np.zeros(len(standing))
    rate = float(np.sum(weight * outcome)) / float(np.sum(weight))
    level = float(np.log(rate / (1 - rate)) - np.sum(weight * start) / np.sum(weight))
    log_odds, product = start + level, np.empty(count)
    likelihood = _likelihood(log_odds, outcome, weight)
    for _ in range(NEWTON_STEPS):
        expected = _probability(log_odds)
        error = weight * (outcome - expected)
        uphill = np.array([np.add.reduce(np.multiply(one, error, out=product)) for one in standing]) - penalty * slopes
        bend = (weight * expected * (1 - expected))[::stride] * (count / few.shape[1])
        move_level, moves = _move(few, bend, float(np.sum(error)), uphill, slopes, pieces.sign, penalty)
        change = np.full(count, move_level)
        for place in np.flatnonzero(moves):
            change += np.multiply(standing[place], moves[place], out=product)
        worth = likelihood - 0.5 * penalty * float(np.sum(slopes**2))
        for _ in range(HALVINGS):
            found = _likelihood(log_odds + change, outcome, weight)
            if found - 0.5 * penalty * float(np.sum((slopes + moves) ** 2)) >= worth:
                break
            move_level, moves, change = move_level / 2, moves / 2, change / 2
        else:
            break
        level, slopes, log_odds, likelihood = level + move_level, slopes + moves, log_odds + change, found
        if max(abs(move_level), float(np.max(np.abs(moves), initial=0.0))) < TOLERANCE:
            break
    return level, slopes


def _move(
    few: Array,
    bend: Array,
    uphill_level: float,
    uphill: Array,
    slopes: Array,
    sign: npt.NDArray[np.int64],
    penalty: float,
) -> tuple[float, Array]:
    """Return the step to the top of the parabola that fits here, slopes keeping their signs; by cyclic descent."""
    across = np.add.reduce(few * bend, axis=1)
    curvature = np.zeros((len(few), len(few)))
    for number in range(len(few)):  # half of it: the other half is the same
        curvature[number, number:] = np.einsum("pn,n->p", few[number:], few[number] * bend)
    curvature += np.triu(curvature, 1).T
    curvature[np.diag_indices(len(few))] += penalty
    total = float(np.sum(bend))
    if total <= 0.0:
        return 0.0, np.zeros(len(few))
    # The level is moved along with the slopes, so it leaves the problem.
    curvature = curvature - across[:, None] * across[None, :] / total
    left = uphill - across * (uphill_level / total)
    diagonal, start, signs, moved = np.diag(curvature).tolist(), slopes.tolist(), sign.tolist(), [0.0] * len(few)
    open_places = [place for place, bent in enumerate(diagonal) if bent > 0.0]
    change = np.empty_like(left)
    for _ in range(SWEEPS):
        largest = 0.0
        for place in open_places:  # Python's own numbers: an element of an array takes several times as long
            wanted = start[place] + moved[place] + left.item(place) / diagonal[place]
            if signs[place] * wanted < 0:
                wanted = 0.0
            step = wanted - start[place] - moved[place]
            if step:
                moved[place] += step
                np.multiply(curvature[place], step, out=change)
                np.subtract(left, change, out=left)
                largest = max(largest, abs(step))
        if largest < TOLERANCE / 100:
            break
    moves = np.array(moved)
    return (uphill_level - float(np.sum(across * moves))) / total, moves


def _probability(log_odds: Array) -> Array:
    found: Array = 1.0 / (1.0 + np.exp(-np.clip(log_odds, -LOG_ODDS_MAXIMUM, LOG_ODDS_MAXIMUM)))
    return found


def _likelihood(log_odds: Array, outcome: Array, weight: Array) -> float:
    return float(-np.sum(weight * np.logaddexp(0.0, np.where(outcome > 0, -log_odds, log_odds))))


@dataclass(frozen=True)
class Recipe:
    """How a step is learned.

    Attributes:
        name: of the policy's list.
        is_aged: whether recent rows count more.
        has_base: whether the trees stand on a linear base.
    """

    name: str
    is_aged: bool
    has_base: bool


_OF: Mapping[str, Recipe] = {name: Recipe(name, "recent" in name, "linear" in name) for name in RECIPES}
PLAIN = _OF["plain"]


def recipe_of(name: str) -> Recipe:
    """Return the recipe of a name that a policy lists."""
    return _OF[name]


@dataclass(frozen=True, eq=False)
class FittedStep:
    """Trees, and the base that they stand on where there is one."""

    booster: Any
    base: LinearBase | None
    spec: FeatureSpec

    def raw(self, matrix: Array, policy: TrainingPolicy) -> Array:
        """Return log-odds of n rows as a model sees them, (n,)."""
        trees = predict_raw(self.booster, matrix, policy)
        return trees if self.base is None else self.base.raw(matrix, self.spec.model_names) + trees


def weighted_by_age(rows: Rows, recipe: Recipe, policy: TrainingPolicy) -> Rows:
    """Return rows of which recent ones count more where the recipe says so: those of the newest day as before."""
    if not recipe.is_aged or rows.day is None:
        return rows
    age = (rows.day.max(initial=0) - rows.day).astype(np.float64)
    weight = np.exp2(-age / policy.half_life_days)
    return weighted(rows, weight)


def fit_step(
    rows: Rows,
    recipe: Recipe,
    spec: FeatureSpec,
    policy: TrainingPolicy,
    *,
    objective: Objective,
    trees: int,
    validation: Rows | None = None,
    progress: Progress | None = None,
) -> FittedStep:
    """Return a step learned from rows by a recipe, stopped early on `validation` where given.

    Raises:
        InvalidInputError: the policy constrains a feature that does not exist.
    """
    rows = weighted_by_age(rows, recipe, policy)
    base = None
    if recipe.has_base:
        base = fit_linear_base(rows, spec, policy)
        rows = replace(rows, start=base.raw(rows.matrix, spec.model_names))
        if validation is not None:
            validation = replace(validation, start=base.raw(validation.matrix, spec.model_names))
    booster = boost(rows, spec, policy, objective=objective, trees=trees, validation=validation, progress=progress)
    return FittedStep(booster, base, spec)


def made(make: MakeEstimator, *, seed: int) -> Any:
    """Return a new estimator with a seed wherever it asks for one.

    Raises:
        InvalidInputError: it cannot take LightGBM's place; says why.
    """
    estimator = make()
    require_usable(estimator)
    unseeded = {
        name: seed
        for name, value in estimator.get_params(deep=True).items()
        if name.rpartition("__")[2] == "random_state" and value is None
    }
    return estimator.set_params(**unseeded)


def refused_recipes(names: Sequence[str], make: MakeEstimator) -> dict[str, str]:
    """Return the recipes that an estimator cannot follow, and why: it has no trees, and may weigh all alike."""
    from sklearn.utils.validation import has_fit_parameter

    last, refused = last_step(make()), {}
    for recipe in map(recipe_of, names):
        if recipe.has_base:
            refused[recipe.name] = "an estimator of one's own has no trees to stand on a base"
        elif recipe.is_aged and not has_fit_parameter(last, WEIGHT):
            refused[recipe.name] = f"{type(last).__name__} takes no {WEIGHT}, so all rows count alike"
    return refused


def fit_estimator(make: MakeEstimator, rows: Rows, *, seed: int) -> StoredEstimator:
    """Return an estimator fitted on rows, each counting as much as it weighs.

    Raises:
        InvalidInputError: it cannot take LightGBM's place, or refuses the rows.
    """
    from threadpoolctl import threadpool_limits

    estimator = made(make, seed=seed)
    steps = getattr(estimator, "steps", None)
    name = WEIGHT if steps is None else f"{steps[-1][0]}__{WEIGHT}"
    weights = {} if rows.weight is None else {name: rows.weight}
    with threadpool_limits(limits=1):
        try:
            estimator.fit(usable(rows.matrix), rows.outcome.astype(np.int64), **weights)
        except ValueError as error:
            raise InvalidInputError(f"{type(estimator).__name__} cannot be fitted: {error}") from error
    return StoredEstimator.fitted_on(estimator, rows.matrix)


def policy_as_of(
    policy: TrainingPolicy, decisions: Sequence[RetrainDecision], known_on: date, retrain: RetrainPolicy
) -> TrainingPolicy:
    """Return how a model of a day is fitted: as usual, or with a shorter half-life where a concept drift is open.

    Args:
        policy: as declared.
        decisions: of the governor, one per day, in any order; those later than `known_on` do not count.
        known_on: the day whose knowledge the model holds.
        retrain: what a drift is, and for how long it stays open.
    """
    half_life = half_life_in_drift(policy, decisions, known_on, retrain)
    return policy if half_life is None else with_half_life(policy, half_life)


def half_life_in_drift(
    policy: TrainingPolicy, decisions: Sequence[RetrainDecision], known_on: date, retrain: RetrainPolicy
) -> float | None:
    """Return the half-life in days that an open concept drift asks for; None where a fit is as usual.

    It is as usual where no recipe of the policy weighs rows by age. Arguments as of `policy_as_of`.
    """
    began = drift_start(decisions, known_on, retrain, ["concept"])
    if began is None or not _aged(policy):
        return None
    half_life = max(policy.half_life_days_in_drift, (known_on - began).days / 2)
    return half_life if half_life < policy.half_life_days else None


def with_half_life(policy: TrainingPolicy, half_life_days: float) -> TrainingPolicy:
    """Return a policy whose rows weigh by age, and by a half-life of its own.

    Only recipes that weigh rows by age compete: days of validation are older than the drift and would choose the
    recipe that knows the old world best.
    """
    return replace(policy, recipes=_aged(policy), half_life_days=half_life_days)


def _aged(policy: TrainingPolicy) -> tuple[str, ...]:
    return tuple(name for name in policy.recipes if recipe_of(name).is_aged)
