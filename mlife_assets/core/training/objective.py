"""The objective: how well scores rank held-out rows, how sure that is, and which of several fits is best by it.

Concept: average precision, over the rows of an entity where there are items (and then their mean, MAP), else over all
rows; equal scores are one step, as scikit-learn defines it. A fit is worse only beyond one standard error of the paired
difference (Breiman et al., Classification and Regression Trees, 1984), taken between entities where there are items,
else between days, since rows of one day share its weather. Among those that are not worse the log loss after
recalibration decides: it scatters less. Folds weigh as much as they have positives.

The error is that of the linearised statistic: `influence` says how the objective moves with the weight of a cluster.
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
    """How well scores rank held-out rows.

    Attributes:
        value: higher is better; 0 where nothing can be ranked.
        influence: of each cluster on it, float64 (clusters,); sums to 0.
        weight: positives behind it.
    """

    value: float
    influence: Array
    weight: float

    @classmethod
    def of_folds(cls, folds: Sequence[Ranked]) -> Ranked:
        """Return the mean of folds, each weighing as much as it has positives; their clusters are different ones."""
        total = sum(fold.weight for fold in folds) or 1.0
        shares = [fold.weight / total for fold in folds]
        influence = np.concatenate([share * fold.influence for share, fold in zip(shares, folds, strict=True)])
        return cls(sum(share * fold.value for share, fold in zip(shares, folds, strict=True)), influence, total)


def measured(raw: Array, outcome: npt.NDArray[np.bool_], cluster: Codes, *, is_by_cluster: bool) -> Ranked:
    """Return the objective of n scores.

    Args:
        raw: scores, higher first, finite, (n,).
        outcome: what happened, (n,).
        cluster: entity of each row where ranks are among its own, else the day, codes from 0, (n,).
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
    first = np.flatnonzero(is_new)[step]  # of the rows of an equal score, and one after the last of them
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
    # Of a row's weight: its own precision, and the precision of the positives that are not above it.
    higher, lower = (_from(part, first) for part in (hit / rows, hit * found / rows**2))
    influence = (hit * (precision - value + higher) - lower) / total
    return Ranked(value, np.bincount(of, weights=influence, minlength=clusters).astype(np.float64), total)


def recalibrated_loss(raw: Array, outcome: npt.NDArray[np.bool_]) -> float:
    """Return the summed log loss of n scores under the logistic curve that fits them; 0 where one class is missing."""
    if not outcome.any() or outcome.all():
        return 0.0
    said = fit_calibrator(raw, outcome, isotonic_minimum_positives=len(outcome) + 1).probabilities(raw)
    return float(-np.sum(np.log(np.where(outcome, said, 1.0 - said))))


def best_of(found: Sequence[Ranked], loss: Callable[[int], float]) -> int:
    """Return the place of the best: of those that are not worse than the highest, the one of lowest loss."""
    top = found[int(np.argmax([one.value for one in found]))]
    tied = [
        place
        for place, one in enumerate(found)
        if top.value - one.value <= float(np.sqrt(np.sum((top.influence - one.influence) ** 2)))
    ]
    return min(tied, key=lambda place: (loss(place), place))


class Looks:
    """What is seen of a fit as it grows, on the rows of a fold that no tree has learned from.

    Attributes:
        raws: scores of all v held-out rows after each tenth tree, the last one, and at once where there are no trees.
        found: the objective of those m rows that are judged.
    """

    def __init__(
        self,
        held_out: Array,
        judged: npt.NDArray[np.bool_],
        outcome: npt.NDArray[np.bool_],
        cluster: Codes,
        is_by_cluster: bool,
    ) -> None:
        """Keep rows (v, model_names), which of them are judged (v,), and outcome and cluster of those, (m,)."""
        self.held_out, self._judged, self._outcome, self._cluster = held_out, judged, outcome, cluster
        self._is_by_cluster = is_by_cluster
        self.raws: list[Array] = []
        self.found: list[Ranked] = []

    def see(self, raw: Array) -> bool:
        """Look at scores, (v,), and return whether nothing has been gained for some time."""
        self.raws.append(raw)
        self.found.append(measured(raw[self._judged], self._outcome, self._cluster, is_by_cluster=self._is_by_cluster))
        values = [one.value for one in self.found]
        return len(values) - 1 - int(np.argmax(values)) >= LOOKS_WITHOUT_GAIN

    def loss(self, place: int) -> float:
        """Return the summed log loss of the judged rows at a look, recalibrated."""
        return recalibrated_loss(self.raws[place][self._judged], self._outcome)


def _from(values: Array, place: npt.NDArray[np.int64]) -> Array:
    """Return the sums of values from places on."""
    sums: Any = np.append(0.0, np.cumsum(values))
    return np.asarray(sums[-1] - sums[place])
