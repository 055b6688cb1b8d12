"""Is a label known as early for one outcome as for the other?

Concept: if "cancelled" is known on the day and "stayed" at the end of the window, the young mature rows are all
cancellations, and training on them is biased. So the share of positives among rows known after k days is compared with
the final share of their cohorts (the rows of one day of exposure). Within a cohort neither the base rate nor the pace
of labels can drift.

Windows may differ in length: bookings for next summer are cancelled more often, and known later. So predictions from
the columns are subtracted first, out of fold: from the outcome, and from whether it was known within k days. The
residuals are correlated only if the label time depends on the outcome itself (the generalised covariance measure of
Shah and Peters, Annals of Statistics 2020). An error in only one prediction causes no correlation, which is why both
are predicted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.scoring.feature_spec import Array, examples_matrix, fit_feature_spec
from mlife_assets.core.training.required import fingerprints

BLOCK_DAYS = 7
BLOCKS_MINIMUM = 8
"""Minimum blocks of cohorts: the scatter of fewer means nothing."""
COMPLETE_SHARE = 0.99
"""A cohort is complete at the age by which this share of labels has come."""
CUTS_MAXIMUM = 8
ERROR_RATE = 0.001
"""Rate of false findings on an honest history, over all cuts."""
ODDS_RATIO_MINIMUM = 1.1
"""Minimum odds ratio of positives worth reporting."""
GUESSED_ROWS = 50_000
"""Rows with predictions from columns. More would take seconds; their days alone cover the rest."""
FOLDS, ROUNDS = 3, 60
GUESSING = {
    "objective": "l2",
    "learning_rate": 0.1,
    "num_leaves": 15,
    "min_data_in_leaf": 20,
    "seed": 1,
    "deterministic": True,
    "force_col_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


@dataclass(frozen=True)
class LabelTimes:
    """Result of the test on label times.

    Attributes:
        depends_on_outcome: whether one outcome is known earlier than the other.
        days: days after the exposure at which the difference is clearest; 0 without a comparison.
        rows: rows of complete cohorts that were known by then.
        known_share: positives among them.
        complete_share: share of positives expected by their days and columns.
        difference_lower: lower bound of `known_share` - `complete_share`, at the error rate of the test.
        difference_upper: upper bound.
        sentence: the same in words.
        z: the difference in standard errors.
        is_explained: whether days alone show a difference, which the columns explain.
    """

    depends_on_outcome: bool
    days: int
    rows: int
    known_share: float
    complete_share: float
    difference_lower: float
    difference_upper: float
    sentence: str
    z: float = 0.0
    is_explained: bool = False

    @property
    def remark(self) -> str | None:
        """The sentence, unless all is well."""
        return self.sentence if self.depends_on_outcome or self.is_explained else None


@dataclass(frozen=True, eq=False)
class _Cut:
    """Rows known within k days, with their expected positives and its scatter.

    `drawn` is the standard deviation of the positives by sampling, `scattered` by blocks of cohorts. `early` counts the
    rows known early for reasons outside the columns: few if windows follow columns, else all.
    """

    days: int
    known: float
    observed: float
    expected: float
    drawn: float
    scattered: float
    blocks: int
    early: float

    @property
    def difference(self) -> float:
        return (self.observed - self.expected) / self.known

    @property
    def z(self) -> float:
        return (self.observed - self.expected) / max(self.drawn, self.scattered)

    def half(self, error: float) -> float:
        """Return the half-width of the difference's interval, with an error on each side."""
        from scipy.stats import norm, t

        reach = norm.ppf(1 - error) * self.drawn, t.ppf(1 - error, self.blocks - 1) * self.scattered
        return float(max(reach)) / self.known

    @property
    def log_odds_ratio(self) -> float:
        """Log odds ratio of observed over expected positives among early rows, with half a row added to each count."""
        usual = self.early * self.expected / self.known
        counts = (min(max(count, 0.0), self.early) for count in (usual + self.observed - self.expected, usual))
        here, there = ((count + 0.5) / (self.early - count + 0.5) for count in counts)
        return float(np.log(here / there))

    def is_shown(self, error: float) -> bool:
        """Return whether the difference is significant and large enough."""
        matters = abs(self.log_odds_ratio) >= np.log(ODDS_RATIO_MINIMUM)
        return bool(abs(self.difference) > self.half(error) and matters)


def label_times(rows: pa.Table, roles: ExampleSpec, as_of: date) -> LabelTimes:
    """Return whether label times depend on outcomes, as of a day on which all labels are known.

    If labels come equally early for both outcomes, the rows of a cohort known within k days are a draw without
    replacement, so their positives are hypergeometric (Mantel and Haenszel, JNCI 1959); for residuals the variance is
    that of a permutation, or of their products if larger. The interval is at least as wide as that of blocks of seven
    cohorts, since rows of a week may be correlated: by Student's t around the mean of all blocks, or a lasting
    difference would hide itself. Up to eight k are tried, each at its share of the error rate. A label time that is
    equal for all passes, whatever drifts. The order of rows does not matter.

    Args:
        rows: n examples with the columns of the roles.
        roles: roles of the columns.
        as_of: the newest day of knowledge. Rows still missing because their label is unknown are of young cohorts,
            which are left out.
    """
    exposed, known_on = (
        rows[name].to_numpy().astype("datetime64[D]").astype(np.int64) for name in (roles.time, roles.label_time)
    )
    delay = known_on - exposed
    positive = np.asarray(rows[roles.label].to_numpy(zero_copy_only=False), dtype=np.float64)
    if not len(delay) or delay.min() == delay.max():
        return _nothing("Every label is known equally long after its row.")
    # Young cohorts have early labels only, so the older half shows how long labels take.
    older = delay[exposed <= np.median(exposed)]
    age = int(np.datetime64(as_of, "D").astype(np.int64)) - exposed
    is_complete = age >= np.quantile(older, COMPLETE_SHARE, method="higher")
    exposed, delay, positive = exposed[is_complete], delay[is_complete], positive[is_complete]
    blocks = len(np.unique(exposed // BLOCK_DAYS))
    if blocks < BLOCKS_MINIMUM:
        return _nothing(
            f"Whether label times depend on outcomes was not judged: {blocks} weeks of rows are old enough to be "
            f"complete, {BLOCKS_MINIMUM} needed."
        )
    days = _cut_days(delay)
    cuts = [cut for k in days if (cut := _cut(exposed, positive, delay <= k, k)) is not None]
    if not cuts:
        return _nothing(
            "Whether label times depend on outcomes was not judged: days of rows with labels of both outcomes that are "
            f"known at different times lie in fewer than {BLOCKS_MINIMUM} weeks."
        )
    error = ERROR_RATE / 2 / len(cuts)
    by_days = max(cuts, key=lambda one: abs(one.difference) / one.half(error))
    left = _beyond_columns(rows.filter(pa.array(is_complete)), roles, exposed, positive, delay, days)
    worst = max(left or cuts, key=lambda one: abs(one.difference) / one.half(error))
    half, is_named = worst.half(error), bool(left) and worst.is_shown(error)
    is_explained = not is_named and by_days.is_shown(error)
    words = "Labels are known as early for one outcome as for the other."
    if is_named:
        words = _accusation(worst, half)
    elif is_explained:
        words = _explanation(by_days, next((one for one in left if one.days == by_days.days), worst))
    return LabelTimes(
        is_named,
        worst.days,
        round(worst.known),
        worst.observed / worst.known,
        worst.expected / worst.known,
        worst.difference - half,
        worst.difference + half,
        words,
        worst.z,
        is_explained,
    )


def _cut_days(delay: npt.NDArray[np.int64]) -> list[int]:
    """Return up to eight delays in days after which some labels are known and others not, ascending."""
    found, counts = np.unique(delay, return_counts=True)
    candidates, share = found[:-1], np.cumsum(counts)[:-1] / len(delay)
    if len(candidates) <= CUTS_MAXIMUM:
        return [int(k) for k in candidates]
    wanted = (np.arange(CUTS_MAXIMUM) + 0.5) / CUTS_MAXIMUM
    return sorted({int(candidates[min(place, len(candidates) - 1)]) for place in np.searchsorted(share, wanted)})


def _cut(
    exposed: npt.NDArray[np.int64],
    positive: Array,
    is_known: npt.NDArray[np.bool_],
    k: int,
    guessed: tuple[Array, Array] | None = None,
) -> _Cut | None:
    """Return the rows known within k days with their cohorts; None if too few to show a difference.

    `guessed` are predictions of the outcome and of being known by then, both (n,).
    """
    outcome, early = positive, is_known.astype(np.float64)
    cohort_days, cohort = np.unique(exposed, return_inverse=True)
    rows, known = np.bincount(cohort).astype(np.float64), np.bincount(cohort, early)
    observed = np.bincount(cohort, early * outcome)
    if guessed is not None:
        outcome, early = outcome - guessed[0], early - guessed[1]
    apart_outcome, apart_early = (one - (np.bincount(cohort, one) / rows)[cohort] for one in (outcome, early))
    products = apart_outcome * apart_early
    surplus = np.bincount(cohort, products)
    spread = np.bincount(cohort, apart_early**2)
    variance = np.bincount(cohort, apart_outcome**2) * spread / np.maximum(rows - 1, 1)
    can_differ = variance > 1e-12
    _, block = np.unique(cohort_days[can_differ] // BLOCK_DAYS, return_inverse=True)
    surpluses, sizes = (np.bincount(block, values[can_differ]) for values in (surplus, known))
    total = float(known[can_differ].sum())
    if (blocks := len(sizes)) < BLOCKS_MINIMUM or not total:
        return None
    apart = surpluses - sizes * (surpluses.sum() / total)
    seen = float(observed[can_differ].sum())
    drawn = float(variance[can_differ].sum())
    if guessed is not None:
        drawn = max(drawn, float(np.sum(products[can_differ[cohort]] ** 2)))
    return _Cut(
        k,
        total,
        seen,
        seen - float(surplus[can_differ].sum()),
        float(np.sqrt(drawn)),
        float(np.sqrt(np.sum(apart**2) * blocks / (blocks - 1))),
        blocks,
        float(np.sum((spread * rows / np.maximum(rows - known, 1))[can_differ])),
    )


def _beyond_columns(
    rows: pa.Table,
    roles: ExampleSpec,
    exposed: npt.NDArray[np.int64],
    positive: Array,
    delay: npt.NDArray[np.int64],
    days: list[int],
) -> list[_Cut]:
    """Return the cuts on residuals: outcomes and delays minus out-of-fold predictions by columns and day."""
    spec = fit_feature_spec(rows, roles)
    prints = fingerprints(rows, roles, spec)
    order = np.lexsort((positive, delay, exposed, prints))[:GUESSED_ROWS]
    exposed, positive, delay = exposed[order], positive[order], delay[order]
    matrix = np.column_stack([examples_matrix(rows.take(pa.array(order)), spec), exposed])
    categorical = [spec.names.index(name) for name in spec.categorical]
    targets = [positive, *((delay <= k).astype(np.float64) for k in days)]
    # Folds by content: independent of the order of rows, with copies of a row in one fold.
    said, *early = _out_of_fold(matrix, targets, prints[order] % np.uint64(FOLDS), categorical)
    found = (_cut(exposed, positive, delay <= k, k, (said, one)) for k, one in zip(days, early, strict=True))
    return [cut for cut in found if cut is not None]


def _out_of_fold(
    matrix: Array, targets: list[Array], fold: npt.NDArray[np.uint64], categorical: list[int]
) -> list[Array]:
    """Return predictions of each target for n rows, by trees that have not seen the row's fold, each (n,)."""
    guesses = [np.full(len(matrix), float(np.mean(target))) for target in targets]
    for held in np.unique(fold):
        is_held = fold == held
        if is_held.all():
            continue
        others = [target[~is_held] for target in targets]
        found = guessed(matrix[~is_held], others, matrix[is_held], categorical)
        for guess, one in zip(guesses, found, strict=True):
            guess[is_held] = one
    return guesses


def guessed(learned: Array, targets: list[Array], asked: Array, categorical: list[int]) -> list[Array]:
    """Return predictions of each target for m rows, by small trees fitted on n others, each (m,).

    Args:
        learned: float64 (n, columns).
        targets: numbers to predict, each (n,).
        asked: float64 (m, columns).
        categorical: places of the columns that hold codes.
    """
    import lightgbm

    data = lightgbm.Dataset(learned, targets[0], categorical_feature=categorical, free_raw_data=False)
    found = []
    for target in targets:
        data.set_label(target)
        found.append(np.asarray(lightgbm.train(GUESSING, data, ROUNDS).predict(asked, num_threads=1)))
    return found


def _unit(cut: _Cut) -> str:
    return f"{cut.days} day" if cut.days == 1 else f"{cut.days} days"


def _accusation(cut: _Cut, half: float) -> str:
    known, complete = cut.observed / cut.known, cut.expected / cut.known
    earlier = "positive" if known > complete else "negative"
    lower, upper = cut.difference - half, cut.difference + half
    return (
        f"Label times depend on outcomes: of the rows whose label was known within {_unit(cut)}, {known:.1%} are "
        f"positive, where their days and columns say {complete:.1%} (difference {cut.difference:+.1%}, {lower:+.1%} to "
        f"{upper:+.1%}). What is {earlier} is known earlier, so a model learns a share from young rows that is not "
        "true. Set label_time to the end of the window for every row, whatever happened; where windows differ in "
        "length, let a feature say how long they are."
    )


def _explanation(by_days: _Cut, cut: _Cut) -> str:
    return (
        f"Windows differ in length, and the columns explain it: of the rows whose label was known within "
        f"{_unit(by_days)}, {by_days.observed / by_days.known:.1%} are positive, where their days came to "
        f"{by_days.expected / by_days.known:.1%} in the end, and their columns say {cut.expected / cut.known:.1%}. "
        "Label times do not depend on outcomes beyond that."
    )


def _nothing(sentence: str) -> LabelTimes:
    return LabelTimes(False, 0, 0, 0.0, 0.0, 0.0, 0.0, sentence)
