"""Step rows: training and validation rows of a step of a formulation.

Concept: a step known sooner than the label has rows without a label, so every step has rows of its own, and unknown
outcomes are never read. Formulations and recipes on all rows share bins, which are cut from the fitting rows without
the validation window.

Thinning: the rarer class limits learning; beyond some thousand rows more negatives cost time and add little. Of each
run of k negatives in canonical order, which starts with the day, one is drawn and counts k times, so every stretch of
days keeps its share and probabilities are unchanged, unlike with weighted classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt

from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.feature_spec import FeatureSpec, seen_matrix
from mlife_assets.core.training.boosting import Rows, binned, weighted
from mlife_assets.core.training.training_set import TrainingSet

Mask = npt.NDArray[np.bool_]
Array = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AllRows:
    """All n rows in canonical order; model inputs are built on demand.

    Attributes:
        outcome: whether the first step happened to each, bool (n,).
        seen: returns model inputs of the m rows of a mask, float64 (m, model_names).
        day: of exposure, counted in days, int64 (n,).
    """

    outcome: Mask
    seen: Callable[[Mask], Array]
    day: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True, eq=False)
class Part:
    """Some of all rows.

    Attributes:
        of_all: mask over all rows, bool (n,).
        rows: these rows, in bins.
    """

    of_all: Mask
    rows: Rows

    def about(self, outcome: Mask, reached: Mask, weight: Array | None = None) -> Rows:
        """Return the rows of a step, with its outcome; arguments are of all rows, bool and float64 (n,).

        Few rows get bins of their own: cutting them is fast, and the shared bins fit them badly.
        """
        inside = reached[self.of_all]
        shares = 2 * int(np.count_nonzero(inside)) >= len(inside)
        rows = replace(self.rows, outcome=outcome[self.of_all], bins=self.rows.bins if shares else None)
        if weight is not None:
            rows = weighted(rows, weight[self.of_all])
        return rows if inside.all() else rows.where(inside)


@dataclass(frozen=True, eq=False)
class TuningRows:
    """A fold: rows for fitting and rows for tuning.

    Attributes:
        spec: of the features.
        start: first day of the held-out rows.
        of_all: mask of the held-out rows among all, bool (n,).
        held_out: model inputs of held-out rows, float64 (v, model_names).
        fit: rows to learn from.
    """

    spec: FeatureSpec
    start: date
    of_all: Mask
    held_out: Array
    fit: Part


def thinned(rows: AllRows, among: Mask, spec: FeatureSpec, policy: TrainingPolicy) -> Part:
    """Return rows of a mask, with negatives thinned, in bins of their own.

    Args:
        rows: all of them.
        among: the mask, bool (n,).
        spec: of the features.
        policy: number of negatives kept.

    Raises:
        InvalidInputError: the policy constrains a feature that does not exist.
    """
    weight = np.zeros(len(among))
    weight[among] = thinned_weights(rows.outcome[among], policy)
    is_kept = weight > 0
    kept = Rows(
        rows.seen(is_kept),
        rows.outcome[is_kept],
        day=None if rows.day is None else rows.day[is_kept],
        weight=weight[is_kept] if (weight > 1).any() else None,
    )
    return Part(is_kept, binned(kept, spec, policy))


def thinned_weights(outcome: Mask, policy: TrainingPolicy) -> Array:
    """Return the weight of each of n rows, float64 (n,); 0 if left out.

    A run is as long as `policy.negatives_per_kept`, or shorter if fewer than `policy.negatives_minimum` would stay.
    Positives weigh 1; the weights of negatives sum to their number.

    Args:
        outcome: whether any step happened to each row, in canonical order, bool (n,).
        policy: length of runs, and seed of the draw.
    """
    weights = np.ones(len(outcome))
    negatives = np.flatnonzero(~outcome)
    run = min(policy.negatives_per_kept, len(negatives) // policy.negatives_minimum)
    if run < 2:
        return weights
    starts = np.arange(0, len(negatives), run)
    lengths = np.minimum(run, len(negatives) - starts)
    drawn = starts + np.random.default_rng(policy.seed).integers(0, lengths)
    weights[negatives] = 0.0
    weights[negatives[drawn]] = lengths
    return weights


def evenly(rows: Mask, most: int) -> Mask:
    """Return a mask of at most `most` evenly spaced rows of a mask, bool (n,)."""
    places, kept = np.flatnonzero(rows), np.zeros(len(rows), dtype=np.bool_)
    kept[places[np.linspace(0, len(places) - 1, min(most, len(places))).astype(np.int64)]] = True
    return kept


def rows_of(training: TrainingSet, spec: FeatureSpec, outcome: Mask, rows: Mask) -> Rows:
    """Return the rows of a mask; outcome and mask cover all n rows."""
    seen = seen_matrix(training.examples, spec, rows)
    return Rows(seen, outcome[rows], day=days_of(training)[rows])


def every_row(training: TrainingSet, spec: FeatureSpec) -> AllRows:
    """Return all rows, with whether the first step happened to each; an unknown one counts as having happened.

    So only rows that are known to have no outcome are thinned.
    """
    first = training.roles.steps[0]
    happened = ~training.known(first) | known_outcome(training, first)

    def seen(rows: Mask) -> Array:
        matrix = seen_matrix(training.examples, spec, rows)
        training.rest()  # a fit reads on in the matrix, and needs the memory
        return matrix

    return AllRows(happened, seen, days_of(training))


def known_outcome(training: TrainingSet, step: str) -> Mask:
    """Return whether each row reached a step, bool (n,); False if unknown."""
    outcome, known = np.zeros(training.examples.num_rows, dtype=np.bool_), training.known(step)
    outcome[known] = training.outcome(step, known)
    return outcome


def steps_of(name: str, training: TrainingSet) -> tuple[str, ...]:
    """Return the step of each model of a formulation."""
    return tuple(training.roles.steps) if name == "funnel" else (training.roles.label,)


def reached_before(name: str, training: TrainingSet, step: str) -> Mask:
    """Return the training rows of a step, bool (n,).

    Their outcome is known, and in a funnel they reached the step before.
    """
    rows, before = training.known(step), step_before(name, training, step)
    return rows if before is None else rows & known_outcome(training, before)


def step_before(name: str, training: TrainingSet, step: str) -> str | None:
    """Return the step of a formulation before another; None for its first."""
    steps = steps_of(name, training)
    place = steps.index(step)
    return steps[place - 1] if place > 0 else None


def from_validation_on(training: TrainingSet) -> Mask:
    """Return the validation rows of any step, bool (n,)."""
    masks = [training.validating(step) for step in training.roles.steps]
    return np.asarray(np.logical_or.reduce(masks), dtype=np.bool_)


def rows_to_tune_on(training: TrainingSet, spec: FeatureSpec, policy: TrainingPolicy) -> list[TuningRows]:
    """Return the tuning rows of all formulations by fold, for all steps.

    Raises:
        InvalidInputError: the policy constrains a feature that does not exist.
    """
    rows, folds = every_row(training, spec), []
    for start, where in held_out_by_fold(training):
        is_fit = np.logical_or.reduce([training.fitting(step, start) for step in training.roles.steps])
        folds.append(TuningRows(spec, start, where, rows.seen(where), thinned(rows, is_fit, spec, policy)))
    return folds


def held_out_by_fold(training: TrainingSet) -> list[tuple[date, Mask]]:
    """Return the first day and the rows of each fold of validation, for all steps, bool (n,)."""
    later, days = from_validation_on(training), days_of(training)
    first = [(start - date(1970, 1, 1)).days for start in training.fold_starts]
    return [
        (start, later & (np.searchsorted(first, days, side="right") == place))
        for place, start in enumerate(training.fold_starts, 1)
    ]


def days_of(training: TrainingSet) -> npt.NDArray[np.int64]:
    """Return the exposure day of each row, int64 (n,)."""
    return training.days.astype(np.int64)
