"""The decision: may a challenger replace the champion? Pure, and closed by default.

Belongs here: which conditions are checked in which order, and the comparison of contenders. Does not belong here: which
rows are examples (`components`), validity of the inputs (`core.training.gate_examples`), how the verdict is worded
(`core.training.gate.verdict`), recording it (events).

Concept: a challenger is promoted only when every condition is met. It must rank better than the human baseline *and*
the champion: the lower bound of the paired bootstrap of the difference lies strictly above the margin, so a tie
refuses. Both must hold, which needs no correction for two tests. The champion's own recipe, fitted again for a reason,
is refused where it is shown to do harm: the burden of proof is the champion's then, human and calibration are reported,
since a refusal keeps an older fit of the same recipe. An invalid comparison is refused without being made; too little
evidence is an outcome of its own, and no pass. With an item the objective is MAP@k, resampled by user; without one it
is the average precision of all rows, resampled by day. Each verdict has the error of one look; what that sums to over
many retrainings is measured in `benchmarks/gate.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import PromotionPolicy, policy_version
from mlife_assets.core.ranking import prepare_ranking_rows, rank_rows
from mlife_assets.core.row_keys import encode_days, encode_ids
from mlife_assets.core.statistics import (
    Interval,
    day_multiplicities,
    expanded_percentile_interval,
    paired_bootstrap_interval,
)
from mlife_assets.core.training.gate.average_precision import day_counts, weighted_average_precision
from mlife_assets.core.training.gate.verdict import (
    EVIDENCE_PREFIX,
    HUMAN_GIVEN,
    Comparison,
    PromotionDecision,
    has_right_level,
    is_better,
    is_calibrated,
    outcome_of,
    refit_keeps_probabilities,
    refit_keeps_ranking,
    remarks_on_refit,
    sentences_of,
)
from mlife_assets.core.training.gate_examples import (
    Condition,
    Contender,
    GateExamples,
    aligned_scores,
    contender_conditions,
    example_conditions,
)
from mlife_assets.core.training.reliability import Calibration

MINIMUM_DAY_BLOCKS = 14
"""Blocks with positives that a bootstrap by day needs: each weekday twice. With fewer, resamples differ too little."""


@dataclass(frozen=True)
class _Evaluation:
    """What ranking the rows showed: counts for the decision, conditions on the evidence, comparisons."""

    users: int
    users_with_positives: int
    evidence: tuple[Condition, ...]
    comparisons: tuple[Comparison, ...]


def decide_promotion(
    examples: GateExamples,
    challenger: Contender,
    champion: Contender | None,
    human: Contender | None,
    policy: PromotionPolicy,
    *,
    as_of: date,
    calibration: Calibration | None,
    log_loss_gain: Interval | None = None,
    level_gain: Interval | None = None,
    also_required: Sequence[Condition] = (),
    has_no_human: bool = False,
    is_refit: bool = False,
) -> PromotionDecision:
    """Decide whether `challenger` may be promoted.

    Args:
        examples: n mature rows of the gate window, in any order; without `item_ids` they are judged as one pool.
        challenger: the new model with its scores on the same rows.
        champion: the model in use; None before the first promotion.
        human: the baseline; with an item None refuses, without an item it is reported as not given.
        policy: depth, margin, evidence, bootstrap, bounds of calibration. Without an item the minimum of
            users with positives counts positive rows.
        as_of: labels must be mature as of this day.
        calibration: of the challenger's probabilities on mature exposures outside its training; None refuses.
        log_loss_gain: how much lower the challenger's log loss is than the champion's on those exposures; None where
            it was not measured.
        level_gain: how much nearer to right the challenger's level is than the champion's there; None likewise.
        also_required: conditions that were checked elsewhere (scoring parity, impact ratios).
        has_no_human: the caller's word that no human ranks these items today; only then may `human` be None.
        is_refit: the caller's word that the challenger is the champion's own recipe fitted again, for a reason that the
            caller has. It is refused where it is shown to do harm; false asks for proof that it is better than all.

    Raises:
        InvalidInputError: ids are missing, columns differ in length, a human is given that does not exist by
            `has_no_human`, or a refit without a champion. Every other fault is a refusal.
    """
    if is_refit and champion is None:
        raise InvalidInputError("a refit was given without a champion; a first champion has to be proven better")
    if has_no_human and human is not None:
        raise InvalidInputError(f"has_no_human is true but human is {human.model_version}; drop one of them")
    sides = {"challenger": challenger, "human": human, "champion": champion}
    contenders = {role: side for role, side in sides.items() if side is not None}
    aligned = {role: aligned_scores(examples, role, side) for role, side in contenders.items()}
    is_human_optional = has_no_human or examples.item_ids is None
    conditions = [
        *example_conditions(examples, as_of),
        _human_given(human, is_optional=is_human_optional),
        *_is_another(challenger, champion),
    ]
    for role, side in contenders.items():
        conditions += contender_conditions(examples, role, side, aligned[role])
    objective = f"MAP@{policy.ranking_depth}" if examples.item_ids is not None else "average precision"
    evaluation = _Evaluation(0, 0, (), ())
    remarks: tuple[str, ...] = ()
    scores = {role: values for role, values in aligned.items() if not isinstance(values, str)}
    if all(condition.is_met for condition in conditions):
        if examples.item_ids is not None:
            evaluation = _by_user(examples, scores, contenders, policy)
        else:
            evaluation = _by_day(examples, scores, contenders, policy)
        conditions += evaluation.evidence
        compared, gain = evaluation.comparisons, log_loss_gain if champion is not None else None
        if is_refit:
            conditions += [refit_keeps_ranking(one, objective) for one in compared if one.against == "champion"]
            conditions.append(refit_keeps_probabilities(gain))
            remarks = remarks_on_refit(compared, objective, calibration)
        else:
            conditions += [is_better(one, objective) for one in compared]
            conditions.append(is_calibrated(calibration, gain, policy))
            if calibration is not None:
                conditions.append(has_right_level(calibration, gain, level_gain, policy))
        conditions += also_required
    outcome = outcome_of(conditions)
    return PromotionDecision(
        outcome=outcome,
        model_version=challenger.model_version,
        champion_version=None if champion is None else champion.model_version,
        cohort=examples.cohort,
        objective=objective,
        depth=None if examples.item_ids is None else policy.ranking_depth,
        comparisons=evaluation.comparisons,
        users=evaluation.users,
        users_with_positives=evaluation.users_with_positives,
        conditions=tuple(conditions),
        sentences=(*sentences_of(outcome, conditions, has_human=human is not None), *remarks),
        policy_version=policy_version(policy),
        log_loss_gain=log_loss_gain,
    )


def _human_given(human: Contender | None, *, is_optional: bool) -> Condition:
    if human is not None:
        return Condition(HUMAN_GIVEN, True, f"The human baseline is {human.model_version}.")
    if is_optional:
        return Condition(HUMAN_GIVEN, True, "A human baseline was not given; nothing is said about beating people.")
    return Condition(HUMAN_GIVEN, False, "No human baseline was given; pass the ranking that people use today.")


def _is_another(challenger: Contender, champion: Contender | None) -> list[Condition]:
    version = challenger.model_version
    if champion is None:
        return [Condition("is_another_model", True, f"{version} would be the first champion.")]
    if champion.model_version == version:
        text = f"The challenger {version} is the champion; a model is never compared with itself."
        return [Condition("is_another_model", False, text)]
    return [Condition("is_another_model", True, f"{version} is not the champion {champion.model_version}.")]


def _by_user(
    examples: GateExamples,
    scores: Mapping[str, np.ndarray],
    contenders: Mapping[str, Contender],
    policy: PromotionPolicy,
) -> _Evaluation:
    """MAP@k: one value per user with positives, resampled by user."""
    days = encode_days(examples.as_of_dates, "as_of_dates")
    rows = prepare_ranking_rows(examples.user_ids, examples.items, examples.is_relevant, policy.seed, days)
    results = {role: rank_rows(rows, values, policy.ranking_depth) for role, values in scores.items()}
    ours = results["challenger"]
    values = {role: result.average_precision for role, result in results.items()}
    values["random"] = ours.random_expectation
    count, needed = len(ours.users), policy.minimum_users_with_positives
    evidence = _enough("users_with_positives", count, needed, f"{count:,} users with positives, {needed:,} needed.")
    comparisons = [
        Comparison(
            against=role,
            model_version=contenders[role].model_version if role in contenders else role,
            challenger_map=ours.mean,
            other_map=float(np.sum(values[role]) / count),
            delta=paired_bootstrap_interval(
                ours.average_precision - values[role],
                policy.bootstrap_resamples,
                policy.one_sided_alpha,
                policy.seed,
            ),
            margin=_margin(role, policy),
        )
        for role in ("human", "champion", "random")
        if role in values and count > 1
    ]
    return _Evaluation(ours.users_total, count, (evidence,), tuple(comparisons))


def _by_day(
    examples: GateExamples,
    scores: Mapping[str, np.ndarray],
    contenders: Mapping[str, Contender],
    policy: PromotionPolicy,
) -> _Evaluation:
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
        return _Evaluation(rows, positives, evidence, ())
    resamples = day_multiplicities(len(days.ids), block_days, policy.bootstrap_resamples, policy.seed)
    weights = np.concatenate([np.ones((1, len(days.ids))), resamples])
    values = {
        role: weighted_average_precision(day_counts(score, positive, days.codes, len(days.ids)), weights)
        for role, score in scores.items()
    }
    values["random"] = weighted_average_precision(
        day_counts(np.zeros(rows), positive, days.codes, len(days.ids)), weights
    )
    ours = values["challenger"]
    comparisons = [
        Comparison(
            against=role,
            model_version=contenders[role].model_version if role in contenders else role,
            challenger_map=float(ours[0]),
            other_map=float(values[role][0]),
            delta=expanded_percentile_interval(
                float(ours[0] - values[role][0]), ours[1:] - values[role][1:], policy.one_sided_alpha, blocks
            ),
            margin=_margin(role, policy),
        )
        for role in ("human", "champion", "random")
        if role in values
    ]
    return _Evaluation(rows, positives, evidence, tuple(comparisons))


def _enough(what: str, count: int, needed: int, sentence: str) -> Condition:
    return Condition(EVIDENCE_PREFIX + what, count >= needed, sentence)


def _margin(role: str, policy: PromotionPolicy) -> float:
    return 0.0 if role == "random" else policy.minimum_delta_map
