"""Recipes: the weights of rows, the base below the trees, and the size of the trees.

Concept: `plain` has small trees with the parameters of the policy, `default` LightGBM's own, `logistic` none. *Recent*
rows count more: the weight of a row halves with every half-life, so a model follows a changing world. Days after the
first alarm of a drift, the new rows are a few days among months; a half-life of half the drift's age gives rows after
it three times the weight of those before. As the drift ages, the usual half-life returns. `newest` has the rows of the
last 13 weeks alone. A piecewise linear *base* under the trees learns a change from few rows, as it has few slopes.

A base is a ridge logistic regression, fitted by Newton steps with constraints on signs. A number is capped at outer
quantiles and cut at inner ones; each piece has a slope of its own, so a curve may bend, and a direction that the policy
demands constrains the sign of slopes. Pieces are standardised, missing values count as their mean. Sums avoid BLAS,
whose bits depend on its threads. `logistic` is a base alone, with a level for each value of a category: the penalty
shrinks rare ones to the mean, as a target encoding does.

Each fit creates a new estimator, so no state is left over. Its random state gets the policy's seed; one thread sums,
since the order of sums changes bits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.open_drift import drift_start
from mlife_assets.core.monitoring.retrain_decisions import RetrainDecision
from mlife_assets.core.policies import DEFAULT_RECIPES, RECIPES, RetrainPolicy, TrainingPolicy
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
from mlife_assets.core.training.boosting import Progress, Rows, boost, monotone_constraints, predict_raw, weighted
from mlife_assets.core.training.objective import TREES_BETWEEN_LOOKS, Looks
from mlife_assets.core.training.step_rows import evenly

WEIGHT = "sample_weight"
NEWEST_DAYS = 91
NEWEST_JUDGED_WEEKS = 8
NEWEST_TRIED_FROM = 137
"""Days of a training set from which `newest` is tried, 1.5 times its own; of fewer it would repeat `plain`."""
LOOKED_AT = 15_000
"""Rows of either class used to fit folds: enough for choices; the final fit uses all."""
CAPS = (0.01, 0.99)
"""Quantiles at which numbers are capped: one outlier bends no line."""
WITH_TAILS = (0.0, 0.05, 0.5, 0.95, 1.0)
"""Quantiles at which `logistic` cuts numbers: tails have slopes of their own, since rare outcomes occur there."""
NEWTON_STEPS = 50
GAIN = 1e-3
"""Log-likelihood gain of all rows below which Newton stops; noise moves it a thousand times more."""
HALVINGS = 20
CURVATURE_ROWS = 10_000
"""Rows for the curvature of the likelihood. They affect the number of steps, not the result."""
SWEEPS, SWEPT = 200, 0.02
"""Maximum of sweeps; the last is one that moves slopes by less than this share of the first."""
WEIGHT_MINIMUM = 1e-6
"""Minimum weight of the rows with a known number, in rows: after very many half-lives it would round to 0."""
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
        mean: weighted mean of a piece's capped values.
        spread: weighted standard deviation of them.
        sign: sign of its slope by the policy, else 0.
    """

    standing: Array
    name: tuple[str, ...]
    start: Array
    stop: Array
    mean: Array
    spread: Array
    sign: npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Levels:
    """The values of a column, each with an effect of its own.

    Attributes:
        name: of the column.
        code: code of each row's value, int64 (n,); the last one means missing.
        share: of each value in the weight of all rows, (values,).
    """

    name: str
    code: npt.NDArray[np.int64]
    share: Array


def fit_linear_base(rows: Rows, spec: FeatureSpec, policy: TrainingPolicy, *, has_levels: bool = False) -> LinearBase:
    """Return the base of rows, added to their initial log-odds, if any.

    Maximises the weighted likelihood minus half of `policy.base_penalty` times the squares of the slopes of
    standardised pieces. With levels, values of categories and missing values have effects too, with mean 0 and the same
    penalty.

    Raises:
        InvalidInputError: the policy constrains a feature that does not exist.
    """
    weight = np.ones(len(rows.outcome)) if rows.weight is None else rows.weight
    start = np.zeros(len(rows.outcome)) if rows.start is None else rows.start
    inner = [place / policy.base_pieces for place in range(1, policy.base_pieces)]
    quantiles = WITH_TAILS if has_levels else (CAPS[0], *inner, CAPS[1])
    pieces = _pieces(rows.inputs, weight, spec, policy, quantiles)
    levels = _levels(rows.inputs, weight, spec) if has_levels else []
    intercept, slopes = _climbed(pieces, levels, rows.outcome.astype(np.float64), weight, start, policy.base_penalty)
    curves = {}
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
        curves[name] = BaseCurve(name, tuple(knots), tuple(float(one) for one in added))
    place = len(pieces.name)
    for level in levels:
        effect, place = slopes[place : place + len(level.share)], place + len(level.share)
        mean = float(np.sum(level.share * effect))
        *known, missing = (float(one) - mean for one in effect)
        intercept += mean
        if level.name in spec.categorical:
            curves[level.name] = BaseCurve(level.name, tuple(map(float, range(len(known)))), tuple(known), missing)
        elif level.name in curves:
            curve = curves[level.name]
            curves[level.name] = replace(
                curve, log_odds=tuple(one + known[0] for one in curve.log_odds), missing=missing
            )
    return LinearBase(intercept, tuple(curves.values()))


def _levels(matrix: Array, weight: Array, spec: FeatureSpec) -> list[_Levels]:
    """Return the levels of categories, and a known/missing level of numbers."""
    total, found = float(np.sum(weight)), []
    for place, name in enumerate(spec.model_names):
        values = np.ascontiguousarray(matrix[:, place])
        is_missing, known = np.isnan(values), 1
        code = np.zeros(len(values), dtype=np.int64)
        if name in spec.categorical:
            known = len(dict(spec.vocabularies)[name])
            code = np.where(is_missing, 0.0, values).astype(np.int64)
        elif not is_missing.any():
            continue
        code[is_missing] = known
        if known:
            found.append(_Levels(name, code, np.bincount(code, weights=weight, minlength=known + 1) / total))
    return found


def _pieces(
    matrix: Array, weight: Array, spec: FeatureSpec, policy: TrainingPolicy, quantiles: Sequence[float]
) -> _Pieces:
    """Return the pieces of every varying number, over rows with weight."""
    signs = monotone_constraints(spec, policy)
    names, starts, stops, means, spreads, directions = list[str](), [], [], [], [], []
    standing = np.empty((len(spec.model_names) * (len(quantiles) - 1), len(matrix)))
    for place, name in enumerate(spec.model_names):
        values = np.ascontiguousarray(matrix[:, place])  # a column of a row-wise matrix is slow to read
        known = ~np.isnan(values)
        knots = _knots(values[known], quantiles)
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


def _knots(values: Array, quantiles: Sequence[float]) -> list[float]:
    """Return the bounds of a number's pieces: quantiles; fewer if values repeat."""
    finite = values[np.abs(values) <= LARGEST]
    if not len(finite):
        return []
    knots = np.unique(np.quantile(finite, quantiles))
    if len(knots) < 2:
        knots = np.unique([finite.min(), finite.max()])
    return [float(knot) for knot in knots]


def _climbed(
    pieces: _Pieces, levels: Sequence[_Levels], outcome: Array, weight: Array, start: Array, penalty: float
) -> tuple[float, Array]:
    """Return intercept, and slopes followed by effects of values, at the maximum.

    Newton steps, whose curvature is that of evenly spaced rows.
    """
    columns, count = _Columns(pieces.standing, levels), len(outcome)
    stride = -(-count // CURVATURE_ROWS)
    few = columns.every(stride)
    sign = np.append(pieces.sign, np.zeros(columns.count - len(pieces.sign), dtype=np.int64))
    slopes = np.zeros(columns.count)
    rate = float(np.sum(weight * outcome)) / float(np.sum(weight))
    level = float(np.log(rate / (1 - rate)) - np.sum(weight * start) / np.sum(weight))
    log_odds = start + level
    likelihood = _likelihood(log_odds, outcome, weight)
    for _ in range(NEWTON_STEPS):
        expected = _probability(log_odds)
        error = weight * (outcome - expected)
        uphill = columns.sums(error) - penalty * slopes
        bend = (weight * expected * (1 - expected))[::stride]
        bend *= count / len(bend)
        move_level, moves = _move(few, bend, float(np.sum(error)), uphill, slopes, sign, penalty)
        change = move_level + columns.added(moves)
        worth = likelihood - 0.5 * penalty * float(np.sum(slopes**2))
        for _ in range(HALVINGS):
            found = _likelihood(log_odds + change, outcome, weight)
            gain = found - 0.5 * penalty * float(np.sum((slopes + moves) ** 2)) - worth
            if gain >= 0.0:
                break
            move_level, moves, change = move_level / 2, moves / 2, change / 2
        else:
            break
        level, slopes, log_odds, likelihood = level + move_level, slopes + moves, log_odds + change, found
        if gain < GAIN:
            break
    return level, slopes


@dataclass(frozen=True, eq=False)
class _Columns:
    """Pieces, and an indicator of each value of each level, over n rows."""

    standing: Array
    levels: Sequence[_Levels]

    @property
    def count(self) -> int:
        return len(self.standing) + sum(len(one.share) for one in self.levels)

    def every(self, stride: int) -> _Columns:
        """Return the columns over evenly spaced rows."""
        few = np.ascontiguousarray(self.standing[:, ::stride])
        return _Columns(few, [replace(one, code=np.ascontiguousarray(one.code[::stride])) for one in self.levels])

    def sums(self, values: Array) -> Array:
        """Return the sum of each column times values, (count,)."""
        by_level = [np.bincount(one.code, weights=values, minlength=len(one.share)) for one in self.levels]
        return np.concatenate([np.einsum("pn,n->p", self.standing, values), *by_level])

    def added(self, slopes: Array) -> Array:
        """Return the product of the columns and slopes, (n,)."""
        place = len(self.standing)
        found: Array = np.einsum("p,pn->n", slopes[:place], self.standing)
        for one in self.levels:
            found += slopes[place : place + len(one.share)][one.code]
            place += len(one.share)
        return found

    def curvature(self, bend: Array) -> Array:
        """Return the sums of products of two columns times `bend`, (count, count)."""
        found, place = np.zeros((self.count, self.count)), len(self.standing)
        for number, piece in enumerate(self.standing):  # the matrix is symmetric
            found[number, number:] = replace(self, standing=self.standing[number:]).sums(piece * bend)
        for number, one in enumerate(self.levels):
            size, later = len(one.share), place
            for other in self.levels[number:]:
                cells = np.bincount(
                    one.code * len(other.share) + other.code, weights=bend, minlength=size * len(other.share)
                )
                found[place : place + size, later : later + len(other.share)] = cells.reshape(size, -1)
                later += len(other.share)
            place += size
        return np.triu(found) + np.triu(found, 1).T


def _move(
    few: _Columns,
    bend: Array,
    uphill_level: float,
    uphill: Array,
    slopes: Array,
    sign: npt.NDArray[np.int64],
    penalty: float,
) -> tuple[float, Array]:
    """Return the step to the maximum of the local parabola, with slopes' signs kept, by cyclic descent."""
    across, total = few.sums(bend), float(np.sum(bend))
    if total <= 0.0:
        return 0.0, np.zeros(few.count)
    # The intercept moves along with the slopes, so it is eliminated.
    curvature = few.curvature(bend) - across[:, None] * across[None, :] / total
    curvature[np.diag_indices(few.count)] += penalty
    left = uphill - across * (uphill_level / total)
    diagonal, start, signs, moved = np.diag(curvature).tolist(), slopes.tolist(), sign.tolist(), [0.0] * few.count
    open_places = [place for place, bent in enumerate(diagonal) if bent > 0.0]
    change = np.empty_like(left)
    enough = 0.0
    for _ in range(SWEEPS):
        largest = 0.0
        for place in open_places:  # Python floats: elements of arrays take several times as long
            wanted = start[place] + moved[place] + left.item(place) / diagonal[place]
            if signs[place] * wanted < 0:
                wanted = 0.0
            step = wanted - start[place] - moved[place]
            if step:
                moved[place] += step
                np.multiply(curvature[place], step, out=change)
                np.subtract(left, change, out=left)
                largest = max(largest, abs(step))
        enough = enough or SWEPT * largest
        if largest < enough:
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
    """The way to learn a step.

    Attributes:
        name: from the policy's list.
        is_aged: whether recent rows count more.
        is_newest: whether rows older than `NEWEST_DAYS` are left out.
        has_base: whether there is a linear base, below the trees if any.
        has_trees: False for a base alone.
        trees: parameters of its trees that replace the policy's.
    """

    name: str
    is_aged: bool = False
    is_newest: bool = False
    has_base: bool = False
    has_trees: bool = True
    trees: Mapping[str, Any] = field(default_factory=dict)

    def of(self, policy: TrainingPolicy) -> TrainingPolicy:
        """Return the policy for its trees."""
        return replace(policy, **self.trees)


LIGHTGBM = {
    "learning_rate": 0.1,
    "leaves": 31,
    "minimum_child_examples": 20,
    "feature_fraction": 1.0,
    "l2_penalty": 0.0,
}
"""LightGBM's default parameters."""
_OF: Mapping[str, Recipe] = {
    **{name: Recipe(name, is_aged="recent" in name, has_base="linear" in name) for name in RECIPES[:4]},
    "default": Recipe("default", trees=LIGHTGBM),
    "logistic": Recipe("logistic", has_base=True, has_trees=False),
    "newest": Recipe("newest", is_newest=True),
}
PLAIN = _OF["plain"]


def recipe_of(name: str) -> Recipe:
    """Return a recipe by its name in a policy."""
    return _OF[name]


@dataclass(frozen=True, eq=False)
class FittedStep:
    """Trees, and their base if any."""

    booster: Any
    base: LinearBase | None
    spec: FeatureSpec

    def raw(self, matrix: Array, policy: TrainingPolicy) -> Array:
        """Return log-odds of n rows of model inputs, (n,)."""
        trees = predict_raw(self.booster, matrix, policy)
        return trees if self.base is None else self.base.raw(matrix, self.spec.model_names) + trees


def by_age(rows: Rows, recipe: Recipe, policy: TrainingPolicy) -> Rows:
    """Weigh rows by age as a recipe does: keep the newest rows alone, or weight all; weights of the newest day stay."""
    if rows.day is None or not (recipe.is_aged or recipe.is_newest):
        return rows
    age = (rows.day.max(initial=0) - rows.day).astype(np.float64)
    if recipe.is_newest:
        return replace(rows, bins=None).where(age < NEWEST_DAYS)
    weight = np.exp2(-age / policy.half_life_days)
    return weighted(rows, weight)


def fit_step(
    rows: Rows,
    recipe: Recipe,
    spec: FeatureSpec,
    policy: TrainingPolicy,
    *,
    trees: int,
    looks: Looks | None = None,
    progress: Progress | None = None,
) -> FittedStep:
    """Return a step learned from rows by a recipe, with fewer trees if `looks` stop it.

    Raises:
        InvalidInputError: the policy constrains a feature that does not exist.
    """
    rows, base = by_age(rows, recipe, policy), None
    if looks is not None:
        rows = _spaced(rows)
    if recipe.has_base:
        base = fit_linear_base(rows, spec, policy, has_levels=not recipe.has_trees)
        rows = replace(rows, start=base.raw(rows.inputs, spec.model_names))
    watch = None
    if looks is not None:
        raw = np.zeros(len(looks.held_out)) if base is None else base.raw(looks.held_out, spec.model_names)
        if not recipe.has_trees:
            looks.see(raw)

        def watch(booster: Any, done: int) -> bool:
            nonlocal raw
            if done % TREES_BETWEEN_LOOKS and done != trees:
                return False
            seen = (done - 1) // TREES_BETWEEN_LOOKS * TREES_BETWEEN_LOOKS
            raw = raw + predict_raw(booster, looks.held_out, policy, after=seen)
            return looks.see(raw)

    grown = trees if recipe.has_trees else 0
    booster = boost(rows, spec, recipe.of(policy), trees=grown, watch=watch, progress=progress)
    return FittedStep(booster, base, spec)


def _spaced(rows: Rows) -> Rows:
    """Return at most `LOOKED_AT` evenly spaced rows of either class, weighted to represent all."""
    weight = np.zeros(len(rows.outcome))
    for of_class in (rows.outcome, ~rows.outcome):
        kept = evenly(of_class, LOOKED_AT)
        weight[kept] = float(np.count_nonzero(of_class)) / max(int(np.count_nonzero(kept)), 1)
    return rows if (weight == 1.0).all() else weighted(rows, weight).where(weight > 0)


def made(make: MakeEstimator, *, seed: int) -> Any:
    """Return a new estimator with every random state seeded.

    Raises:
        InvalidInputError: it cannot replace LightGBM; gives the reason.
    """
    estimator = make()
    require_usable(estimator)
    unseeded = {
        name: seed
        for name, value in estimator.get_params(deep=True).items()
        if name.rpartition("__")[2] == "random_state" and value is None
    }
    return estimator.set_params(**unseeded)


def too_short_for(names: Sequence[str], days: int) -> dict[str, str]:
    """Return the recipes that would repeat another one on so many days, and why."""
    why = f"the last {NEWEST_DAYS} days are most of the {days} of the training set"
    return {name: why for name in names if recipe_of(name).is_newest and days < NEWEST_TRIED_FROM}


def refused_recipes(names: Sequence[str], make: MakeEstimator) -> dict[str, str]:
    """Return the recipes that an estimator does not follow, and why: all rows count alike unless its policy asks."""
    from sklearn.utils.validation import has_fit_parameter

    last, refused = last_step(make()), {}
    for recipe in map(recipe_of, names):
        if recipe.has_base or recipe.trees:
            refused[recipe.name] = "an estimator of one's own has no trees, and no base that they stand on"
        elif (recipe.is_aged or recipe.is_newest) and tuple(names) == DEFAULT_RECIPES:
            refused[recipe.name] = "to an estimator of one's own all rows count alike unless training.recipes asks"
        elif recipe.is_aged and not has_fit_parameter(last, WEIGHT):
            refused[recipe.name] = f"{type(last).__name__} takes no {WEIGHT}, so all rows count alike"
    return refused


def fit_estimator(make: MakeEstimator, rows: Rows, *, seed: int) -> StoredEstimator:
    """Return an estimator fitted on weighted rows.

    Raises:
        InvalidInputError: it cannot replace LightGBM, or refuses the rows.
    """
    from threadpoolctl import threadpool_limits

    estimator = made(make, seed=seed)
    steps = getattr(estimator, "steps", None)
    name = WEIGHT if steps is None else f"{steps[-1][0]}__{WEIGHT}"
    weights = {} if rows.weight is None else {name: rows.weight}
    with threadpool_limits(limits=1):
        try:
            estimator.fit(usable(rows.inputs), rows.outcome.astype(np.int64), **weights)
        except ValueError as error:
            raise InvalidInputError(f"{type(estimator).__name__} cannot be fitted: {error}") from error
    return StoredEstimator.fitted_on(estimator, rows.inputs)


def policy_as_of(
    policy: TrainingPolicy, decisions: Sequence[RetrainDecision], known_on: date, retrain: RetrainPolicy
) -> TrainingPolicy:
    """Return the policy of a fit that knows a day: the usual one, or a shorter half-life during an open concept drift.

    Decisions of the governor come in any order; those later than `known_on` do not count.
    """
    half_life = half_life_in_drift(policy, decisions, known_on, retrain)
    return policy if half_life is None else with_half_life(policy, half_life)


def half_life_in_drift(
    policy: TrainingPolicy, decisions: Sequence[RetrainDecision], known_on: date, retrain: RetrainPolicy
) -> float | None:
    """Return the half-life in days during an open concept drift; None for the usual one.

    None also unless the first recipe of the policy weighs rows by age. Arguments as of `policy_as_of`.
    """
    began = drift_start(decisions, known_on, retrain, ["concept"])
    if began is None or not recipe_of(policy.recipes[0]).is_aged:
        return None
    half_life = max(policy.half_life_days_in_drift, (known_on - began).days / 2)
    return half_life if half_life < policy.half_life_days else None


def with_half_life(policy: TrainingPolicy, half_life_days: float) -> TrainingPolicy:
    """Return a policy with rows weighted by age, and the given half-life.

    Only recipes that weigh rows by age compete: validation days are older than the drift and would choose the best
    recipe for the old world.
    """
    aged = tuple(name for name in policy.recipes if recipe_of(name).is_aged)
    return replace(policy, recipes=aged, half_life_days=half_life_days)
