"""Tuning rows: what all formulations and recipes are tuned on.

Belongs here: thinning both parts and cutting bins once. Does not belong here: which rows are for fitting and which
validate (`training_set`), tuning itself (`formulations`).

Concept: formulations and recipes that are about all rows share bins, which are cut once. Bins are those of the rows to
fit on: the validation window is news to them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.feature_spec import FeatureSpec
from mlife_assets.core.training.boosting import Rows, binned, weighted
from mlife_assets.core.training.thinning import thinned_weights

Mask = npt.NDArray[np.bool_]
Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Part:
    """Some of all rows.

    Attributes:
        of_all: which of them, bool (n,).
        rows: those, in bins.
    """

    of_all: Mask
    rows: Rows

    def is_mostly(self, reached: Mask) -> bool:
        """Return whether at least half of the rows are of a mask, bool (n,), so that their bins serve those as well."""
        return 2 * int(np.count_nonzero(reached[self.of_all])) >= int(np.count_nonzero(self.of_all))

    def about(
        self, outcome: Mask, reached: Mask, weight: Array | None = None, *, shares_bins: bool | None = None
    ) -> Rows:
        """Return the rows that a step is about, with its outcome; arguments are of all rows, bool and float64 (n,).

        Where they are few they get bins of their own: these are cut soon, and those of others say little of them.
        `shares_bins` says what is to be done where the caller knows.
        """
        shares = self.is_mostly(reached) if shares_bins is None else shares_bins
        rows = replace(self.rows, outcome=outcome[self.of_all], bins=self.rows.bins if shares else None)
        if weight is not None:
            rows = weighted(rows, weight[self.of_all])
        inside = reached[self.of_all]
        return rows if inside.all() else rows.where(inside)


@dataclass(frozen=True, eq=False)
class TuningRows:
    """What is tuned on.

    Attributes:
        spec: of the features.
        matrix: what a model sees of all n rows, float64 (n, model_names).
        fit: rows to learn from.
        watched: rows of the validation window that say when to stop, in the bins of `fit`.
    """

    spec: FeatureSpec
    matrix: npt.NDArray[np.float64]
    fit: Part
    watched: Part

    def about(self, outcome: Mask, fitting: Mask, validating: Mask) -> tuple[Rows, Rows]:
        """Return the rows that a step learns from and those that say when to stop, both in the same bins."""
        shares = self.fit.is_mostly(fitting)
        learned = self.fit.about(outcome, fitting, shares_bins=shares)
        return learned, self.watched.about(outcome, validating, shares_bins=shares)


def thinned(rows: Rows, among: Mask, spec: FeatureSpec, policy: TrainingPolicy, *, like: Part | None = None) -> Part:
    """Return rows of a mask, thinned where nothing happened, in bins of their own or in those of another part.

    Args:
        rows: all n rows in canonical order; their outcome is the first thing that may happen.
        among: the mask, bool (n,).
        spec: of the features.
        policy: how many stay.
        like: whose bins to take.

    Raises:
        InvalidInputError: the policy constrains a feature that does not exist.
    """
    weight = np.zeros(len(among))
    weight[among] = thinned_weights(rows.outcome[among], policy)
    is_kept = weight > 0
    kept = replace(rows, weight=weight if (weight > 1).any() else None).where(is_kept)
    return Part(is_kept, binned(kept, spec, policy, like=None if like is None else like.rows))


def tuning_rows(rows: Rows, is_fit: Mask, is_validation: Mask, spec: FeatureSpec, policy: TrainingPolicy) -> TuningRows:
    """Return what is tuned on; see `thinned`."""
    fit = thinned(rows, is_fit, spec, policy)
    return TuningRows(spec, rows.matrix, fit, thinned(rows, is_validation, spec, policy, like=fit))
