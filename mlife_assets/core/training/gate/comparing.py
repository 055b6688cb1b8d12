"""Comparing rankings on the same rows: the evidence, and the difference from every rival with its bounds.

Concept: with an item the objective is MAP@k, resampled by user; without one it is the average precision of all rows,
resampled by day. Each difference has two lower bounds: that of the displayed interval, a percentile of the bootstrap,
and that of a win, whose error is so small that it is computed from the standard error by Student's t.

AP = sum over thresholds of (recall gained) x (precision there), with one threshold per distinct score, so the order of
equal scores cannot matter; a constant score gets the base rate. A resample of days only changes the weights of days. So
rows are sorted once, counted per threshold and day, and every resample is a weighted sum of those counts. Only
thresholds that gain a positive matter; the others are merged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.model import Model
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.ranking.metrics import rank_rows
from mlife_assets.core.ranking.rows import prepare_ranking_rows
from mlife_assets.core.row_keys import encode_days, encode_ids
from mlife_assets.core.statistics import (
    day_multiplicities,
    expanded_percentile_interval,
    paired_bootstrap_interval,
    student_lower_bound,
    widened_for_blocks,
)
from mlife_assets.core.threads import one_thread
from mlife_assets.core.training.gate.verdict import ALONE, EVIDENCE_PREFIX, SIMPLE, Comparison
from mlife_assets.core.training.gate_examples import Condition, GateExamples

MINIMUM_DAY_BLOCKS = 14
"""Blocks with positives that a bootstrap by day needs: each weekday twice. With fewer, resamples differ too little."""
RIVALS = ("human", SIMPLE, "champion", ALONE)
CHALLENGER, RANDOM = "challenger", "random"

_CELLS_PER_CHUNK = 1 << 20


@dataclass(frozen=True)
class Evaluation:
    """Results of ranking the rows: counts for the decision, conditions on the evidence, comparisons."""

    users: int
    users_with_positives: int
    evidence: tuple[Condition, ...]
    comparisons: tuple[Comparison, ...]

    def against(self, name: str) -> tuple[Comparison, ...]:
        """Return the comparison with one other side; empty if it was not made."""
        return tuple(one for one in self.comparisons if one.against == name)


NOTHING = Evaluation(0, 0, (), ())


def days_with_positives_needed(model: Model) -> int:
    """Return the number of days with a positive that a gate needs without an item; 0 with an item."""
    return 0 if model.roles.item is not None else MINIMUM_DAY_BLOCKS * model.promotion.gate_block_days


def evaluate(
    examples: GateExamples, scores: Mapping[str, np.ndarray], versions: Mapping[str, str], policy: PromotionPolicy
) -> Evaluation:
    """Rank n rows by every score and compare the challenger with the others and with a random ranking.

    Args:
        examples: the rows; without `item_ids` they are one pool.
        scores: role -> scores in the order of the rows, shape (n,); the challenger is one of them.
        versions: role -> name of its side.
        policy: depth, margin, evidence, errors and the bootstrap.
    """
    if examples.item_ids is not None:
        return _by_user(examples, scores, versions, policy)
    return _by_day(examples, scores, versions, policy)


def _by_user(
    examples: GateExamples, scores: Mapping[str, np.ndarray], versions: Mapping[str, str], policy: PromotionPolicy
) -> Evaluation:
    """MAP@k: one value per user with positives, resampled by user."""
    days = encode_days(examples.as_of_dates, "as_of_dates")
    rows = prepare_ranking_rows(examples.user_ids, examples.items, examples.is_relevant, policy.seed, days)
    results = {role: rank_rows(rows, values, policy.ranking_depth) for role, values in scores.items()}
    ours = results[CHALLENGER]
    values = {role: result.average_precision for role, result in results.items()}
    values[RANDOM] = ours.random_expectation
    count, needed = len(ours.users), policy.minimum_users_with_positives
    evidence = _enough("users_with_positives", count, needed, f"{count:,} users with positives, {needed:,} needed.")
    comparisons = []
    for role in (*RIVALS, RANDOM):
        if role not in values or count < 2:
            continue
        difference = ours.average_precision - values[role]
        delta = paired_bootstrap_interval(difference, policy.bootstrap_resamples, policy.one_sided_alpha, policy.seed)
        error = float(np.std(difference, ddof=1) / np.sqrt(count))
        comparisons.append(
            Comparison(
                against=role,
                model_version=versions.get(role, role),
                challenger_map=ours.mean,
                other_map=float(np.sum(values[role]) / count),
                delta=delta,
                margin=_margin(role, policy),
                win_bound=student_lower_bound(delta.estimate, error, policy.win_alpha, count),
            )
        )
    return Evaluation(ours.users_total, count, (evidence,), tuple(comparisons))


def _by_day(
    examples: GateExamples, scores: Mapping[str, np.ndarray], versions: Mapping[str, str], policy: PromotionPolicy
) -> Evaluation:
    """Average precision of all rows: resampled by day, the same days for every contender."""
    days, block_days = encode_ids(encode_days(examples.as_of_dates, "as_of_dates")), policy.gate_block_days
    positive = np.asarray(examples.is_relevant, dtype=np.bool_)
    positives, needed = int(np.count_nonzero(positive)), policy.minimum_users_with_positives
    blocks = len(np.unique(days.codes[positive])) // block_days
    unit = "days with positives" if block_days == 1 else f"blocks of {block_days} days with positives"
    evidence = (
        _enough("positives", positives, needed, f"{positives:,} positives, {needed:,} needed."),
        _enough("days", blocks, MINIMUM_DAY_BLOCKS, f"{blocks:,} {unit}, {MINIMUM_DAY_BLOCKS} needed."),
    )
    rows = len(positive)
    if not evidence[1].is_met or positives == 0:
        return Evaluation(rows, positives, evidence, ())
    lengths = (block_days, block_days // 2) if block_days > 1 else (block_days,)
    resamples = [day_multiplicities(len(days.ids), one, policy.bootstrap_resamples, policy.seed) for one in lengths]
    weights = np.concatenate([np.ones((1, len(days.ids))), *resamples])
    values = {
        role: weighted_average_precision(day_counts(score, positive, days.codes, len(days.ids)), weights)
        for role, score in scores.items()
    }
    values[RANDOM] = weighted_average_precision(
        day_counts(np.zeros(rows), positive, days.codes, len(days.ids)), weights
    )
    ours = values[CHALLENGER]
    comparisons = []
    for role in (*RIVALS, RANDOM):
        if role not in values:
            continue
        estimate = float(ours[0] - values[role][0])
        resampled, *shorter = np.split(ours[1:] - values[role][1:], len(lengths))
        if shorter:
            resampled = widened_for_blocks(resampled, block_days, shorter[0], block_days // 2)
        error = float(np.std(resampled, ddof=1) * np.sqrt(blocks / (blocks - 1)))
        comparisons.append(
            Comparison(
                against=role,
                model_version=versions.get(role, role),
                challenger_map=float(ours[0]),
                other_map=float(values[role][0]),
                delta=expanded_percentile_interval(estimate, resampled, policy.one_sided_alpha, blocks),
                margin=_margin(role, policy),
                win_bound=student_lower_bound(estimate, error, policy.win_alpha, blocks),
            )
        )
    return Evaluation(rows, positives, evidence, tuple(comparisons))


def _enough(what: str, count: int, needed: int, sentence: str) -> Condition:
    return Condition(EVIDENCE_PREFIX + what, count >= needed, sentence)


def _margin(role: str, policy: PromotionPolicy) -> float:
    return 0.0 if role == RANDOM else policy.minimum_delta_map


@dataclass(frozen=True, eq=False)
class DayCounts:
    """Counts at the t thresholds of one score that gain a positive, highest first, for d days.

    Attributes:
        rows: rows of each day at or above the threshold, whole numbers in float64, shape (t, d).
        positives: positive rows of each day at or above the threshold, shape (t, d).
    """

    rows: np.ndarray
    positives: np.ndarray


def average_precision(scores: np.ndarray, is_positive: np.ndarray) -> float:
    """Return the average precision of n rows, stepwise without interpolation, as scikit-learn defines it.

    Args:
        scores: higher comes first, finite, shape (n,).
        is_positive: the outcome, bool of shape (n,).

    Raises:
        InvalidInputError: lengths differ or a score is not finite; names the row.
        NotEnoughEvidenceError: no row is positive.
    """
    if not np.any(is_positive):
        raise NotEnoughEvidenceError("0 positives, at least 1 needed for an average precision")
    counts = day_counts(scores, is_positive, np.zeros(len(scores), dtype=np.int64), 1)
    return float(weighted_average_precision(counts, np.ones((1, 1)))[0])


def day_counts(scores: np.ndarray, is_positive: np.ndarray, day_codes: np.ndarray, days: int) -> DayCounts:
    """Count n rows per threshold of `scores` and day; `day_codes` lie within 0 to `days` - 1.

    Raises:
        InvalidInputError: lengths differ or a score is not finite; names the row.
    """
    values, positive = np.asarray(scores, dtype=np.float64), np.asarray(is_positive, dtype=np.bool_)
    if not values.shape == positive.shape == day_codes.shape or values.ndim != 1:
        raise InvalidInputError(
            f"{values.shape} scores, {positive.shape} outcomes, {day_codes.shape} days; pass one of each per row"
        )
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise InvalidInputError(f"score is {values[wrong[0]]} in row {int(wrong[0])}; score every row")
    order = np.argsort(-values, kind="stable")
    ordered = values[order]
    step = np.cumsum(np.append(False, ordered[1:] != ordered[:-1])) if len(ordered) else np.zeros(0, dtype=np.int64)
    gains = np.bincount(step, weights=positive[order]) > 0
    threshold: np.ndarray = (np.cumsum(gains) - gains)[step]
    cells = threshold * days + day_codes[order]
    used = int(np.count_nonzero(gains))

    def cumulative(chosen: np.ndarray) -> np.ndarray:
        counted = np.bincount(chosen, minlength=(used + 1) * days).reshape(used + 1, days)[:used]
        return np.cumsum(counted, axis=0).astype(np.float64)

    return DayCounts(cumulative(cells), cumulative(cells[positive[order]]))


def weighted_average_precision(counts: DayCounts, multiplicities: np.ndarray) -> np.ndarray:
    """Return the average precision in each of b resamples, shape (b,); 0 for a resample without a positive.

    Args:
        counts: of one score.
        multiplicities: how often each day counts, whole numbers in float64, shape (b, d).
    """
    thresholds = len(counts.rows)
    result = np.zeros(len(multiplicities))
    if thresholds == 0:
        return result
    step = max(1, _CELLS_PER_CHUNK // thresholds)
    # Sums of whole numbers are exact in float64 in any order. BLAS threads would stall on a busy core.
    with one_thread():
        for begin in range(0, len(multiplicities), step):
            weights = multiplicities[begin : begin + step].T
            rows, positives = counts.rows @ weights, counts.positives @ weights
            gained = positives.copy()
            gained[1:] -= positives[:-1]
            gained *= positives
            gained /= np.maximum(rows, 1.0, out=rows)
            result[begin : begin + step] = np.sum(gained, axis=0) / np.maximum(positives[-1], 1.0)
    return result
