"""Is a label known as early for one outcome as for the other?

Concept: where "cancelled" is known on the day and "stayed" at the end of the window, the young mature rows are all
cancellations, and every policy learns a lie from them. So the share of positives among rows that were known after k
days is held against what their cohorts (the rows of one day of exposure) came to in the end. Within a cohort neither
the base rate nor the pace of labels can drift, so only a label time that depends on the outcome moves the two apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

BLOCK_DAYS = 7
BLOCKS_MINIMUM = 8
"""Blocks of cohorts that a statement needs: with fewer their scatter says nothing."""
COMPLETE_SHARE = 0.99
"""A cohort is complete when it is as old as this share of labels takes."""
CUTS_MAXIMUM = 8
ERROR_RATE = 0.001
"""How often an honest history may be named, over all cuts."""
ODDS_RATIO_MINIMUM = 1.1
"""By how much the odds of a positive must differ for the difference to be worth naming."""


@dataclass(frozen=True)
class LabelTimes:
    """What label times say of outcomes.

    Attributes:
        depends_on_outcome: whether one outcome is known earlier than the other.
        days: days after the exposure at which the difference is clearest; 0 where nothing could be compared.
        rows: of complete cohorts that were known by then.
        known_share: positives among them.
        complete_share: positives that their cohorts came to, each cohort counted by its rows that were known by then.
        difference_lower: lower bound of `known_share` - `complete_share`, at the error rate of the test.
        difference_upper: upper bound.
        sentence: the same in words.
    """

    depends_on_outcome: bool
    days: int
    rows: int
    known_share: float
    complete_share: float
    difference_lower: float
    difference_upper: float
    sentence: str


@dataclass(frozen=True, eq=False)
class _Cut:
    """Rows known within k days, what their cohorts would make of them, and how far that scatters.

    `drawn` is the standard deviation of the positives as of a draw, `scattered` as blocks of cohorts show it.
    """

    days: int
    known: float
    observed: float
    expected: float
    drawn: float
    scattered: float
    blocks: int

    @property
    def difference(self) -> float:
        return (self.observed - self.expected) / self.known

    def half(self, error: float) -> float:
        """Return how far the difference may lie off by chance, with an error on each side."""
        from scipy.stats import norm, t

        reach = norm.ppf(1 - error) * self.drawn, t.ppf(1 - error, self.blocks - 1) * self.scattered
        return float(max(reach)) / self.known

    @property
    def log_odds_ratio(self) -> float:
        """Log of the odds among known rows over those of their cohorts, half a row added to each count."""
        here, there = ((count + 0.5) / (self.known - count + 0.5) for count in (self.observed, self.expected))
        return float(np.log(here / there))


def label_times(days: pa.ChunkedArray, known_on: pa.ChunkedArray, outcome: pa.ChunkedArray, as_of: date) -> LabelTimes:
    """Return whether label times depend on outcomes, as of a day on which every label is known.

    Rows known within k days of a cohort are a draw without replacement if labels come as early for either outcome, so
    their positives have the mean and variance of the hypergeometric distribution (Mantel and Haenszel, JNCI 1959). The
    interval is never narrower than that of blocks of seven cohorts, since rows of a week may share a fate: by Student's
    t and around what all blocks have in common, or a difference that lasts would hide itself. Up to eight k are tried,
    each at its share of the error rate. A label time that is the same for all is honest, whatever drifts.

    Args:
        days: exposure day of each of n rows, date.
        known_on: first day as of which each label is known, date.
        outcome: labels, bool.
        as_of: the newest day of knowledge. Rows that are not in the file because nobody knows yet are those of young
            cohorts, which are left out.
    """
    exposed = days.to_numpy().astype("datetime64[D]").astype(np.int64)
    delay = known_on.to_numpy().astype("datetime64[D]").astype(np.int64) - exposed
    positive = np.asarray(outcome.to_numpy(zero_copy_only=False), dtype=np.float64)
    if not len(delay) or delay.min() == delay.max():
        return _nothing("Every label is known equally long after its row.")
    # Young cohorts hold early labels only, so how long labels take is read off the older half.
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
    cuts = [cut for k in _cut_days(delay) if (cut := _cut(exposed, delay, positive, k)) is not None]
    if not cuts:
        return _nothing(
            "Whether label times depend on outcomes was not judged: days of rows with labels of both outcomes that are "
            f"known at different times lie in fewer than {BLOCKS_MINIMUM} weeks."
        )
    error = ERROR_RATE / 2 / len(cuts)
    halves = [cut.half(error) for cut in cuts]
    worst, half = max(zip(cuts, halves, strict=True), key=lambda one: abs(one[0].difference) / one[1])
    is_named = bool(abs(worst.difference) > half and abs(worst.log_odds_ratio) >= np.log(ODDS_RATIO_MINIMUM))
    return LabelTimes(
        is_named,
        worst.days,
        round(worst.known),
        worst.observed / worst.known,
        worst.expected / worst.known,
        worst.difference - half,
        worst.difference + half,
        _words(worst, half) if is_named else "Labels are known as early for one outcome as for the other.",
    )


def _cut_days(delay: npt.NDArray[np.int64]) -> list[int]:
    """Return up to eight numbers of days after which some labels are known and some are not, ascending."""
    found, counts = np.unique(delay, return_counts=True)
    candidates, share = found[:-1], np.cumsum(counts)[:-1] / len(delay)
    if len(candidates) <= CUTS_MAXIMUM:
        return [int(k) for k in candidates]
    wanted = (np.arange(CUTS_MAXIMUM) + 0.5) / CUTS_MAXIMUM
    return sorted({int(candidates[min(place, len(candidates) - 1)]) for place in np.searchsorted(share, wanted)})


def _cut(
    exposed: npt.NDArray[np.int64], delay: npt.NDArray[np.int64], positive: npt.NDArray[np.float64], k: int
) -> _Cut | None:
    """Return the rows known within k days beside their cohorts; None where too few could have shown a difference."""
    cohort_days, cohort = np.unique(exposed, return_inverse=True)
    is_known = (delay <= k).astype(np.float64)
    rows = np.bincount(cohort).astype(np.float64)
    share = np.bincount(cohort, positive) / rows
    known = np.bincount(cohort, is_known)
    observed = np.bincount(cohort, is_known * positive)
    surplus = observed - known * share
    variance = known * share * (1 - share) * (rows - known) / np.maximum(rows - 1, 1)
    can_differ = variance > 0
    _, block = np.unique(cohort_days[can_differ] // BLOCK_DAYS, return_inverse=True)
    surpluses, sizes = (np.bincount(block, values[can_differ]) for values in (surplus, known))
    if (blocks := len(sizes)) < BLOCKS_MINIMUM:
        return None
    total, expected = float(known[can_differ].sum()), float((known * share)[can_differ].sum())
    apart = surpluses - sizes * (surpluses.sum() / total)
    return _Cut(
        k,
        total,
        float(observed[can_differ].sum()),
        expected,
        float(np.sqrt(variance[can_differ].sum())),
        float(np.sqrt(np.sum(apart**2) * blocks / (blocks - 1))),
        blocks,
    )


def _words(cut: _Cut, half: float) -> str:
    known, complete = cut.observed / cut.known, cut.expected / cut.known
    earlier = "positive" if known > complete else "negative"
    unit = "day" if cut.days == 1 else "days"
    lower, upper = cut.difference - half, cut.difference + half
    return (
        f"Label times depend on outcomes: of the rows whose label was known within {cut.days} {unit}, {known:.1%} are "
        f"positive, where their days came to {complete:.1%} in the end (difference {cut.difference:+.1%}, "
        f"{lower:+.1%} to {upper:+.1%}). What is {earlier} is known earlier, so a model learns a share from young rows "
        "that is not true. Set label_time to the end of the window for every row, whatever happened."
    )


def _nothing(sentence: str) -> LabelTimes:
    return LabelTimes(False, 0, 0, 0.0, 0.0, 0.0, 0.0, sentence)
