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
from mlife_assets.core.training.boosting import Rows, binned
from mlife_assets.core.training.thinning import thinned_weights

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Part:
    """Some of all rows.

    Attributes:
        of_all: which of them, bool (n,).
        rows: those, in bins.
    """

    of_all: Mask
    rows: Rows

    def about(self, outcome: Mask, reached: Mask) -> Rows:
        """Return the rows that a step is about, with its outcome; both arguments are of all rows, bool (n,).

        Where these are not all, they get bins of their own: few are cut soon, and others say nothing of them.
        """
        rows, inside = replace(self.rows, outcome=outcome[self.of_all]), reached[self.of_all]
        return rows if inside.all() else replace(rows, bins=None).where(inside)


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
