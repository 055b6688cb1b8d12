"""The audit: impact ratios of every measure by every attribute, and the gate's condition.

Concept: the form is that of Local Law 144 (6 RCNY 5-301): a group's rate over that of the group with the highest rate.
A ratio is judged by its interval, so neither a small group's chance nor a point estimate refuses a model. The reference
is picked from the data, therefore the error is divided among all ordered pairs of judged groups, which covers whichever
pair is picked: the chance that any group with a true ratio at or above the minimum is called low is at most
`fairness_one_sided_alpha` in the whole audit. No other error of the gate enters: a smaller one would call fewer groups
low, so tightening the gate would loosen fairness.

Measures ignore groups: a user's score is that of their best candidate, since selected users get one item. A ranking
exposes items: the first rank counts 1, rank r counts 1 / log2(1 + r) (Singh & Joachims, KDD 2018, with
the discount of Jarvelin & Kekalainen's DCG). The caller supplies the worth of items. "Valued" is relative to the user's
own candidates, so a group with only low-value candidates does not count as treated worse by the ranking.

Intervals: both bounds have the same error, given as `alpha` for each, because an audit reads one bound at a time. The
level is free: an audit of many groups needs bounds far out in the tails, where the log interval of Katz fails (a group
without a selected user has no upper bound) and a bootstrap percentile would need tens of thousands of resamples. Hence
the score interval for shares and a bootstrap standard error for means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, inf, log, sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.row_keys import IdColumn, encode_ids, encoded_tie_keys
from mlife_assets.core.statistics import resampled_means
from mlife_assets.core.training.fairness.results import (
    ATTRIBUTES,
    HIGH_ENOUGH,
    NO_RATIO,
    NOT_SETTLED,
    PROVEN_LOW,
    REFERENCE,
    SUPPRESSED,
    TOO_SMALL,
    UNKNOWN,
    FairnessAudit,
    ImpactRow,
    ImpactTable,
    intersection,
)
from mlife_assets.core.training.gate_examples import Condition

MEASURES = ("selection", "scoring", "exposure")
FAMILIES = len(MEASURES) * len(ATTRIBUTES)
SMALLEST_JUDGED_GROUP = 30
"""Minimum users of a judged group in any sample: a bootstrap of fewer is unreliable."""
SMALLEST_SHOWN_GROUP = 10
"""Minimum users of a group whose count is shown, since a smaller one might identify a person (see `results`)."""
CONDITION = "impact_ratios_not_proven_low"
NAMED_MAXIMUM = 3

_LARGEST_LOG_RATIO = 30.0
_BISECTIONS = 80

Array = npt.NDArray[np.float64]


def audit_fairness(
    model_version: str,
    outcomes: UserOutcomes,
    sex: np.ndarray,
    race_ethnicity: np.ndarray,
    policy: PromotionPolicy,
) -> FairnessAudit:
    """Return the audit of a model.

    Args:
        model_version: the audited model.
        outcomes: its effects on n users.
        sex: one of `results.SEXES` or `unknown` for each user, shape (n,).
        race_ethnicity: one of `results.ETHNICITIES` or `unknown` for each user, shape (n,).
        policy: minimum ratio, minimum share of a judged group, error, resamples and seed.

    Raises:
        InvalidInputError: a column has another length, or a value is missing (names the row).
    """
    users = len(outcomes.user_ids)
    columns = [_labels(values, users, name) for name, values in (("sex", sex), ("race_ethnicity", race_ethnicity))]
    labels = dict(zip(ATTRIBUTES, [*columns, intersection(*columns)], strict=True))
    values = {
        "selection": outcomes.is_selected.astype(np.float64),
        "scoring": outcomes.is_above_median.astype(np.float64),
        "exposure": outcomes.valued_exposure,
    }
    tables = tuple(
        _table(measure, attribute, values[measure], labels[attribute], policy)
        for measure in MEASURES
        for attribute in ATTRIBUTES
    )
    return FairnessAudit(model_version, users, policy.impact_ratio_minimum, policy.fairness_one_sided_alpha, tables)


def _labels(values: np.ndarray, users: int, name: str) -> np.ndarray:
    column = np.asarray(values, dtype=object)
    if column.shape != (users,):
        raise InvalidInputError(f"{name} has shape {column.shape} for {users} users; pass one value per user")
    missing = [row for row, value in enumerate(column.tolist()) if not isinstance(value, str) or not value]
    if missing:
        raise InvalidInputError(f"{name} is missing in row {missing[0]}; write {UNKNOWN!r} where it is not known")
    return column


def _table(measure: str, attribute: str, values: Array, labels: np.ndarray, policy: PromotionPolicy) -> ImpactTable:
    has_value = ~np.isnan(values)
    is_known = labels != UNKNOWN
    smallest = max(SMALLEST_JUDGED_GROUP, policy.minimum_group_share * int(has_value.sum()))
    names = sorted(set(labels[is_known & has_value].tolist()))
    groups = {name: np.sort(values[has_value & (labels == name)]) for name in names}
    judged = {name: own for name, own in groups.items() if len(own) >= smallest}
    pairs = len(judged) * (len(judged) - 1)
    alpha = policy.fairness_one_sided_alpha / FAMILIES / max(1, pairs)
    means = {name: _mean(own) for name, own in judged.items()}
    reference = max(means, key=lambda name: (means[name], len(judged[name])), default="")
    ratios = _ratios(measure, judged, reference, alpha, policy) if pairs and means[reference] > 0 else {}
    rows = []
    for name, own in groups.items():
        counts = (len(own), None if measure == "exposure" else int(own.sum()), _mean(own))
        if len(own) < SMALLEST_SHOWN_GROUP:
            rows.append(ImpactRow(name, None, None, None, None, None, None, SUPPRESSED))
        elif name not in judged:
            rows.append(ImpactRow(name, *counts, None, None, None, TOO_SMALL))
        elif not ratios:
            rows.append(ImpactRow(name, *counts, None, None, None, NO_RATIO))
        elif name == reference:
            rows.append(ImpactRow(name, *counts, 1.0, None, None, REFERENCE))
        else:
            one = ratios[name]
            standing = _standing(one, policy.impact_ratio_minimum)
            rows.append(ImpactRow(name, *counts, one.ratio, one.lower, one.upper, standing))
    return ImpactTable(
        measure,
        attribute,
        tuple(rows),
        unknown_users=int((~is_known & has_value).sum()),
        left_out_users=int((~has_value).sum()),
        alpha=alpha,
    )


def _ratios(
    measure: str, judged: Mapping[str, Array], reference: str, alpha: float, policy: PromotionPolicy
) -> dict[str, RatioInterval]:
    """Return the ratio of every judged group but the reference; empty if resamples leave the reference at zero."""
    best, others = judged[reference], [name for name in judged if name != reference]
    if measure != "exposure":
        counts = {name: (int(own.sum()), len(own)) for name, own in judged.items()}
        return {name: share_ratio_interval(*counts[name], *counts[reference], alpha) for name in others}
    seeds = [np.random.SeedSequence([policy.seed, place]).generate_state(1)[0] for place in range(len(judged))]
    draws = {
        name: resampled_means(own, policy.bootstrap_resamples, int(seed))
        for (name, own), seed in zip(judged.items(), seeds, strict=True)
    }
    if draws[reference].min() <= 0:
        return {}
    return {
        name: mean_ratio_interval(_mean(judged[name]), draws[name], _mean(best), draws[reference], alpha)
        for name in others
    }


def _mean(values: Array) -> float:
    return float(np.sum(values) / len(values))


def _standing(one: RatioInterval, minimum: float) -> str:
    if one.upper < minimum:
        return PROVEN_LOW
    return HIGH_ENOUGH if one.lower >= minimum else NOT_SETTLED


def fairness_condition(audit: FairnessAudit | None, model_version: str) -> Condition:
    """Return the gate's condition: refused if an interval proves a ratio below the minimum, or no group was judged.

    Args:
        audit: None refuses.
        model_version: of the challenger; an audit of another model refuses.
    """
    if audit is None:
        return Condition(CONDITION, False, "There is no fairness audit of the challenger; materialize fairness_audit.")
    if audit.model_version != model_version:
        text = (
            f"The fairness audit is of {audit.model_version}, not of {model_version}; materialize fairness_audit again."
        )
        return Condition(CONDITION, False, text)
    compared, low, open_ = audit.compared, audit.with_standing(PROVEN_LOW), audit.with_standing(NOT_SETTLED)
    if not compared:
        text = f"No impact ratio can be judged: no two known groups are large enough among {audit.users:,} users."
        return Condition(CONDITION, False, text)
    of_all = f"of {len(compared)} impact ratios"
    if low:
        text = f"{len(low)} {of_all} proven below {audit.minimum:g}: {_named(low)}; which features tell them apart?"
        return Condition(CONDITION, False, text)
    if open_:
        text = f"No impact ratio is proven below {audit.minimum:g}; {len(open_)} {of_all} undecided: {_named(open_)}."
        return Condition(CONDITION, True, text)
    return Condition(CONDITION, True, f"All {len(compared)} impact ratios are proven to be at least {audit.minimum:g}.")


def _named(found: list[tuple[ImpactTable, ImpactRow]]) -> str:
    parts = [
        f"{table.measure} of {row.category} {row.ratio:.2f} [{row.lower:.2f}, {row.upper:.2f}]"
        for table, row in found[:NAMED_MAXIMUM]
    ]
    rest = len(found) - len(parts)
    return "; ".join(parts) + (f" and {rest} more" if rest > 0 else "")


@dataclass(frozen=True)
class RatioInterval:
    """A ratio with its bounds, each of which errs with probability `alpha`."""

    ratio: float
    lower: float
    upper: float
    alpha: float


def share_ratio_interval(
    successes: int, trials: int, reference_successes: int, reference_trials: int, alpha: float
) -> RatioInterval:
    """Return the score interval of share / reference share (Koopman, Biometrics 1984).

    It holds all ratios that a score test does not reject, with the maximum-likelihood shares of each ratio. It has an
    upper bound even without a success, and keeps its level for small groups.

    Raises:
        InvalidInputError: counts are negative or exceed their trials, or `alpha` is not in (0, .5).
        NotEnoughEvidenceError: a group is empty, or the reference has no success (the ratio is undefined).
    """
    for count, total, what in ((successes, trials, "group"), (reference_successes, reference_trials, "reference")):
        if total < 1:
            raise NotEnoughEvidenceError(f"0 users in the {what}, at least 1 needed for a ratio")
        if not 0 <= count <= total:
            raise InvalidInputError(f"{what} has {count} successes of {total}; pass 0 to {total}")
    if reference_successes == 0:
        raise NotEnoughEvidenceError("0 successes in the reference, at least 1 needed for a ratio")
    limit = _quantile(alpha)
    counts = (successes, trials, reference_successes, reference_trials)
    ratio = (successes / trials) / (reference_successes / reference_trials)
    lower = 0.0 if successes == 0 else _where_score_is(limit, -_LARGEST_LOG_RATIO, log(ratio), counts)
    start = -_LARGEST_LOG_RATIO if successes == 0 else log(ratio)
    return RatioInterval(ratio, lower, _where_score_is(-limit, start, _LARGEST_LOG_RATIO, counts), alpha)


def _quantile(alpha: float) -> float:
    if not 0 < alpha < 0.5:
        raise InvalidInputError(f"alpha is {alpha}; use a value in (0, .5)")
    return -NormalDist().inv_cdf(alpha)


def _where_score_is(limit: float, low: float, high: float, counts: tuple[int, int, int, int]) -> float:
    """Return the ratio at which the score, which falls as the ratio grows, crosses `limit`, by bisection."""
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _score(exp(middle), *counts) > limit:
            low = middle
        else:
            high = middle
    return exp((low + high) / 2)


def _score(ratio: float, x: int, n: int, x_reference: int, n_reference: int) -> float:
    """Return by how many standard errors the shares exceed `ratio`, given their likeliest values of that ratio."""
    a = (n + n_reference) * ratio
    b = (n + x_reference) * ratio + x + n_reference
    root = (b - sqrt(max(b * b - 4 * a * (x + x_reference), 0.0))) / (2 * a)
    reference = min(root, 1.0)
    share = min(ratio * reference, 1.0)
    variance = share * (1 - share) / n + ratio * ratio * reference * (1 - reference) / n_reference
    difference = x / n - ratio * x_reference / n_reference
    if variance <= 0:
        return 0.0 if difference == 0 else inf if difference > 0 else -inf
    return difference / sqrt(variance)


def mean_ratio_interval(
    mean: float, means: Array, reference_mean: float, reference_means: Array, alpha: float
) -> RatioInterval:
    """Return the interval of mean / reference mean: the ratio, and normal bounds with its bootstrap standard error.

    Args:
        mean: of the group.
        means: of bootstrap samples of the group's users, shape (resamples,).
        reference_mean: of the reference.
        reference_means: of bootstrap samples of the reference's users, drawn independently, shape (resamples,).
        alpha: error of each bound.

    Raises:
        NotEnoughEvidenceError: the reference's mean is zero (the ratio is undefined).
    """
    limit = _quantile(alpha)
    if reference_mean <= 0 or not np.all(reference_means > 0):
        raise NotEnoughEvidenceError("the reference's mean is not above zero in every resample; there is no ratio")
    ratio = mean / reference_mean
    error = float(np.std(means / reference_means, ddof=1))
    return RatioInterval(ratio, max(0.0, ratio - limit * error), ratio + limit * error, alpha)


@dataclass(frozen=True, eq=False)
class UserOutcomes:
    """Effects of a model on each of n users.

    Attributes:
        user_ids: ascending, shape (n,).
        is_selected: whether the user is among the best `budget`, bool (n,).
        is_above_median: whether the user's score is above the median of all users, bool (n,).
        valued_exposure: share of the exposure of the user's first `depth` items that goes to items worth at least the
            median of the user's candidates, in [0, 1]; NaN if all candidates are worth the same, so that ranking cannot
            matter; shape (n,).
    """

    user_ids: np.ndarray
    is_selected: np.ndarray
    is_above_median: np.ndarray
    valued_exposure: Array


def user_outcomes(
    user_ids: IdColumn, item_ids: IdColumn, scores: np.ndarray, worth: np.ndarray, *, budget: int, depth: int, seed: int
) -> UserOutcomes:
    """Return the effects of `scores` on each user of m (user, item) rows, in any order.

    Args:
        user_ids: shape (m,).
        item_ids: shape (m,), each (user, item) once.
        scores: higher is better, finite, shape (m,).
        worth: of the item, in any unit, finite, shape (m,).
        budget: number of selected users, by highest best score; ties by a seeded hash.
        depth: ranks of a user that count as exposure.
        seed: of the hash that orders ties.

    Raises:
        InvalidInputError: columns differ in length, a score or worth is not finite (names the row), `budget` is below 0
            or `depth` below 1.
    """
    users, items = encode_ids(user_ids, "user_ids"), encode_ids(item_ids, "item_ids")
    columns = {"item_ids": items.codes, "score": scores, "worth": worth}
    for name, column in columns.items():
        if len(column) != len(users.codes):
            raise InvalidInputError(f"{len(column)} values of {name} for {len(users.codes)} rows; pass one per row")
    if budget < 0 or depth < 1:
        raise InvalidInputError(f"budget is {budget} and depth {depth}; use 0 or more and 1 or more")
    score, value = _finite(scores, "score"), _finite(worth, "worth")
    keys = encoded_tie_keys(users, items, seed)
    order = np.lexsort((keys, -score, users.codes))
    owner = users.codes[order]
    starts = np.flatnonzero(np.diff(owner, prepend=-1))
    best, best_key = score[order][starts], keys[order][starts]
    is_selected = np.zeros(len(starts), dtype=bool)
    is_selected[np.lexsort((best_key, -best))[:budget]] = True
    middle = float(np.median(best)) if len(best) else 0.0
    exposure = _valued_exposure(owner, starts, value[order], depth)
    return UserOutcomes(users.ids, is_selected, best > middle, exposure)


def _finite(values: np.ndarray, name: str) -> Array:
    numbers = np.asarray(values, dtype=np.float64)
    wrong = np.flatnonzero(~np.isfinite(numbers))
    if len(wrong):
        raise InvalidInputError(f"{name} is {numbers[wrong[0]]} in row {int(wrong[0])}; pass finite numbers")
    return numbers


def _valued_exposure(owner: np.ndarray, starts: np.ndarray, worth: Array, depth: int) -> Array:
    """Return the share per user of rows in the order (user, rank); `starts` is the first row of each user."""
    if len(owner) == 0:
        return np.zeros(0)
    sizes = np.diff(starts, append=len(owner))
    ordered = worth[np.lexsort((worth, owner))]
    lowest, highest = ordered[starts], ordered[starts + sizes - 1]
    median = (ordered[starts + (sizes - 1) // 2] + ordered[starts + sizes // 2]) / 2
    place = np.arange(len(owner)) - np.repeat(starts, sizes)
    weight = np.where(place < depth, 1.0 / np.log2(place + 2.0), 0.0)
    is_valued = worth >= np.repeat(median, sizes)
    gained = np.add.reduceat(np.where(is_valued, weight, 0.0), starts)
    share: Array = gained / np.add.reduceat(weight, starts)
    return np.where(highest > lowest, share, np.nan)
