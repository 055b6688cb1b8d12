"""Limits learned from drift-free days: the limits of all drift statistics.

Concept: each reference day is compared with the days of the *other half* of the reference (blocked A/A), so slow
turnover of items and entities counts as normal. The limit is the one-sided prediction bound of Student's t for one more
day, mean + t * sd * sqrt(1 + 1/days), at the day's error rate divided by the number of statistics (Bonferroni). Days of
one half share their comparison, so t has half the days as degrees of freedom. The limit is never below the bound that
theory gives for two independent samples of as many *independent units* as there are: pairs of one item are alike and
items turn over, so 2,000 pairs of 400 items are worth fewer (design effect, Kish 1965).

A limit holds for its number of rows: fewer scatter more and alarm more often, more hide drift. So a policy whose sizes
changed since is reported instead of used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.policies import MonitoringPolicy

COLUMN_SIZES = ("sample_rows_per_day",)
"""Sizes on which the distance of a single column depends."""
JOINT_SIZES = (
    *COLUMN_SIZES,
    "explained_rows_per_day",
    "domain_classifier_sample_rows",
    "domain_classifier_entity_reference_rows",
)
"""Sizes on which the joint detectors depend: all sizes."""


@dataclass(frozen=True)
class Statistic:
    """One computed number. `column` names its column or block of columns.

    `moved_columns` are the most informative columns of a block, in order; empty if not computed.
    """

    method: str
    column: str
    value: float
    moved_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Threshold:
    """The limit of one statistic, with the A/A evidence behind it. A statistic alarms when it exceeds `upper`.

    `error_rate` is the intended share of alarms on drift-free days.
    """

    method: str
    column: str
    mean: float
    standard_deviation: float
    upper: float
    days: int
    error_rate: float


def learn_threshold(
    method: str, column: str, values: Sequence[float], *, error_rate: float, sampling_bound: float
) -> Threshold:
    """Return the limit of one statistic from its A/A `values` (one per day) at one-sided `error_rate`.

    Raises NotEnoughEvidenceError below 4 days and InvalidInputError on values that are not finite.
    """
    from scipy.stats import t as student

    array = np.asarray(values, dtype=np.float64)
    if len(array) < 4:
        raise NotEnoughEvidenceError(
            f"{method} on {column} has {len(array)} A/A days, 4 needed; lengthen the reference"
        )
    if not np.isfinite(array).all():
        raise InvalidInputError(f"{method} on {column} is not finite on an A/A day; leave the column out")
    mean, deviation = float(array.mean()), float(array.std(ddof=1))
    quantile = float(student.ppf(1 - error_rate, max(2, len(array) // 2)))
    upper = mean + quantile * deviation * float(np.sqrt(1 + 1 / len(array)))
    return Threshold(method, column, mean, deviation, max(upper, sampling_bound), len(array), error_rate)


def effective_rows(values: npt.NDArray[Any], clusters: Sequence[npt.NDArray[Any]], *, is_category: bool) -> float:
    """Return the effective number of independent rows of a column with n clustered rows.

    `values` of shape (n,) are numbers, compared by rank (NaN highest), or category codes; `clusters` holds one integer
    label array of shape (n,) per way of clustering. The worst of them counts: n / (1 + (m - 1) * icc), with m the
    size-weighted cluster size and icc the share of variance between clusters.
    """
    rows = len(values)
    codes = np.unique(values, return_inverse=True)[1].reshape(rows)
    if is_category:
        columns = [(codes == code).astype(np.float64) for code in range(int(codes.max()) + 1)]
    else:
        columns = [np.cumsum(np.bincount(codes))[codes].astype(np.float64)]
    total = sum(float(column.var()) for column in columns)
    worst = float(rows)
    for labels in clusters:
        sizes = np.bincount(labels)
        sizes = np.where(sizes == 0, 1, sizes)
        within = sum(float(((c - (np.bincount(labels, c) / sizes)[labels]) ** 2).sum()) for c in columns)
        groups = len(np.unique(labels))
        if total == 0 or groups >= rows:
            continue
        share = min(1.0, max(0.0, 1 - within / (rows - groups) / total))
        size = float((np.bincount(labels).astype(np.float64) ** 2).sum()) / rows
        worst = min(worst, rows / (1 + (size - 1) * share))
    return worst


def kolmogorov_bound(rows: float, reference_rows: float, error_rate: float) -> float:
    """Return the Kolmogorov-Smirnov distance that two samples of one distribution exceed with `error_rate`."""
    return float(np.sqrt(-np.log(error_rate / 2) / 2 * (1 / rows + 1 / reference_rows)))


def jensen_shannon_bound(rows: float, reference_rows: float, categories: int, error_rate: float) -> float:
    """Return the Jensen-Shannon distance (base 2) that two samples of one distribution exceed with `error_rate`.

    Small distances squared are chi-squared over 8 ln 2, with `categories` - 1 degrees of freedom.
    """
    from scipy.stats import chi2

    quantile = float(chi2.ppf(1 - error_rate, max(1, categories - 1)))
    return float(np.sqrt(quantile * (1 / rows + 1 / reference_rows) / (8 * np.log(2))))


def auc_bound(rows: float, reference_rows: float, error_rate: float) -> float:
    """Return the AUC that a classifier without information exceeds with `error_rate` (Mann-Whitney, normal tail)."""
    from scipy.stats import norm

    deviation = np.sqrt((rows + reference_rows + 1) / (12 * rows * reference_rows))
    return float(0.5 + norm.ppf(1 - error_rate) * deviation)


def mean_bound(mean: float, deviation: float, rows: float, reference_rows: float, error_rate: float) -> float:
    """Return the mean that a sample exceeds with `error_rate` when rows have that `mean` and standard `deviation`."""
    from scipy.stats import norm

    return float(mean + norm.ppf(1 - error_rate) * deviation * np.sqrt(1 / rows + 1 / reference_rows))


def by_key(thresholds: Sequence[Threshold]) -> Mapping[tuple[str, str], Threshold]:
    """Index thresholds by (method, column)."""
    return {(threshold.method, threshold.column): threshold for threshold in thresholds}


def family_error(limits: Iterable[Threshold]) -> float:
    """Return the highest rate at which any of several limits is exceeded without drift: their sum (Bonferroni)."""
    return sum(limit.error_rate for limit in limits)


def halves(days: int) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """Return the blocked A/A design: (days to compare, days to compare with), for the later and the earlier half."""
    middle = days // 2
    early, late = tuple(range(middle)), tuple(range(middle, days))
    return ((late, early), (early, late))


def sizes_of(policy: MonitoringPolicy) -> dict[str, int]:
    """Return the sizes of a policy, by their names in it."""
    return {name: getattr(policy, name) for name in JOINT_SIZES}


def changed_sizes(learned: Mapping[str, int], policy: MonitoringPolicy, names: Sequence[str]) -> str | None:
    """Return in words which of the sizes `names` differ from those behind the limits; None if none does."""
    if not learned:
        return "it was not kept with how many rows limits were learned"
    today = sizes_of(policy)
    changed = [
        f"{name} ({learned.get(name, 0):,} then, {today[name]:,} now)"
        for name in names
        if learned.get(name) != today[name]
    ]
    return f"since limits were learned the policy has changed in {', '.join(changed)}" if changed else None
