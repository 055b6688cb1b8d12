"""The objective: how well scores rank held-out rows, its error, and the best of several fits.

Concept: average precision, with items per entity and averaged (MAP), else over all rows; equal scores are one step, as
in scikit-learn. A fit is worse only beyond one standard error of the paired difference (Breiman et al., Classification
and Regression Trees, 1984), clustered by entity with items, else by day, since rows of one day share its weather. Among
fits that are not worse, the log loss after recalibration decides: it scatters less. Folds weigh by positives.

The error is that of the linearised statistic: `influence` is the derivative of the objective by the weight of a
cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlife_assets.core.scoring.calibrator import Array
from mlife_assets.core.training.calibrate import fit_calibrator

TREES_BETWEEN_LOOKS = 10
LOOKS_WITHOUT_GAIN = 4
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Ranked:
    """Quality of a ranking of held-out rows.

    Attributes:
        value: higher is better; 0 if no row can be ranked.
        influence: of each cluster on it, float64 (clusters,); sums to 0.
        weight: positives behind it.
        has_error: whether each fold has two clusters or more; one alone shows no error.
    """

    value: float
    influence: Array
    weight: float
    has_error: bool = True

    def is_above(self, other: Ranked) -> bool:
        """Return whether another ranking of the same rows is worse by more than one standard error."""
        return self.value - other.value > float(np.sqrt(np.sum((self.influence - other.influence) ** 2)))

    @classmethod
    def of_folds(cls, folds: Sequence[Ranked]) -> Ranked:
        """Return the mean of folds, weighted by positives; each fold has clusters of its own."""
        total = sum(fold.weight for fold in folds) or 1.0
        shares = [fold.weight / total for fold in folds]
        influence = np.concatenate([share * fold.influence for share, fold in zip(shares, folds, strict=True)])
        value = sum(share * fold.value for share, fold in zip(shares, folds, strict=True))
        return cls(value, influence, total, all(fold.has_error for fold in folds))


def measured(raw: Array, outcome: npt.NDArray[np.bool_], cluster: Codes, *, is_by_cluster: bool) -> Ranked:
    """Return the objective of n scores.

    Args:
        raw: scores, higher first, finite, (n,).
        outcome: bool, (n,).
        cluster: entity of each row if ranks are within entities, else the day, codes from 0, (n,).
        is_by_cluster: whether ranks are within clusters.
    """
    if not outcome.any() or outcome.all():
        return Ranked(0.0, np.zeros(len(np.unique(cluster))), 0.0)
    order = np.lexsort((-raw, cluster)) if is_by_cluster else np.argsort(-raw, kind="stable")
    score, hit, of = raw[order], outcome[order].astype(np.float64), cluster[order]
    clusters = int(of.max()) + 1
    group = of if is_by_cluster else np.zeros(len(of), dtype=np.int64)
    is_new = np.append(True, (score[1:] != score[:-1]) | (group[1:] != group[:-1]))
    step = np.cumsum(is_new) - 1
    first = np.flatnonzero(is_new)[step]  # of the rows of an equal score, and the end of the last
    after = np.append(np.flatnonzero(is_new)[1:], len(score))[step]
    begin = np.searchsorted(group, group, side="left")
    hits = np.append(0.0, np.cumsum(hit))
    rows, found = (after - begin).astype(np.float64), hits[after] - hits[begin]
    precision = found / rows
    if is_by_cluster:
        positives = np.bincount(of, weights=hit, minlength=clusters)
        ranks = (positives > 0) & (positives < np.bincount(of, minlength=clusters))
        if ranks.any():
            each = np.bincount(of, weights=hit * precision, minlength=clusters) / np.maximum(positives, 1.0)
            mean = float(np.mean(each[ranks]))
            return Ranked(mean, np.where(ranks, each - mean, 0.0) / np.count_nonzero(ranks), float(hit.sum()))
        return measured(raw, outcome, np.zeros(len(raw), dtype=np.int64), is_by_cluster=False)
    total = float(hit.sum())
    value = float(np.sum(hit * precision)) / total
    # Influence of a row's weight: its own precision, and that of the positives not above it.
    higher, lower = (_from(part, first) for part in (hit / rows, hit * found / rows**2))
    influence = (hit * (precision - value + higher) - lower) / total
    of_clusters = np.bincount(of, weights=influence, minlength=clusters).astype(np.float64)
    return Ranked(value, of_clusters, total, clusters > 1)


def recalibrated_loss(raw: Array, outcome: npt.NDArray[np.bool_]) -> float:
    """Return the summed log loss of n scores after fitting a logistic curve; 0 if one class is missing."""
    if not outcome.any() or outcome.all():
        return 0.0
    said = fit_calibrator(raw, outcome, isotonic_minimum_positives=len(outcome) + 1).probabilities(raw)
    return float(-np.sum(np.log(np.where(outcome, said, 1.0 - said))))


def best_of(found: Sequence[Ranked], loss: Callable[[int], float]) -> int:
    """Return the position of the best: among those not worse than the highest, the lowest loss."""
    top = found[int(np.argmax([one.value for one in found]))]
    tied = [place for place, one in enumerate(found) if not top.is_above(one)]
    return min(tied, key=lambda place: (loss(place), place))


class Looks:
    """Checks of a growing fit on the rows of a fold that no tree has learned from.

    Attributes:
        raws: scores of all v held-out rows after each tenth tree and the last one; one entry without trees.
        found: the objective of the m judged rows.
    """

    def __init__(
        self,
        held_out: Array,
        judged: npt.NDArray[np.bool_],
        outcome: npt.NDArray[np.bool_],
        cluster: Codes,
        is_by_cluster: bool,
    ) -> None:
        """Keep held-out rows (v, model_names), a mask of judged ones (v,), and their outcome and cluster, (m,)."""
        self.held_out, self._judged, self._outcome, self._cluster = held_out, judged, outcome, cluster
        self._is_by_cluster = is_by_cluster
        self.raws: list[Array] = []
        self.found: list[Ranked] = []

    def see(self, raw: Array) -> bool:
        """Check scores, (v,), and return whether there was no gain for some time."""
        self.raws.append(raw)
        self.found.append(measured(raw[self._judged], self._outcome, self._cluster, is_by_cluster=self._is_by_cluster))
        values = [one.value for one in self.found]
        return len(values) - 1 - int(np.argmax(values)) >= LOOKS_WITHOUT_GAIN

    def loss(self, place: int) -> float:
        """Return the summed log loss of the judged rows at a check, recalibrated."""
        return recalibrated_loss(self.raws[place][self._judged], self._outcome)


def _from(values: Array, place: npt.NDArray[np.int64]) -> Array:
    """Return the sums of values from positions on."""
    sums: Any = np.append(0.0, np.cumsum(values))
    return np.asarray(sums[-1] - sums[place])
