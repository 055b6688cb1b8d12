"""The decision: may a challenger replace the champion? Pure, and closed by default.

Concept: a refit is the default and a change has to win. A *refit* of the champion's configuration is what cron would
install: it serves unless a condition of validity fails (leakage, copied rows, immature labels, inconsistent scoring,
fairness) or its probabilities are shown to be worse. Its ranking is only reported. Refits of one configuration differ
by less than a gate can detect, so requiring a proof would keep old models. A first model, a changed configuration and
another estimator must *win*: the lower bound of the paired difference to the human baseline and to the champion lies
strictly above the margin, so a tie refuses. Both must hold, which needs no correction for two tests; the error of the
bound is a year's, divided by its gates. A first champion is also refused if a simple rule fitted on the same rows is
shown to rank better; later that is only reported, because a refusal would keep the older model and not the rule. A
remark always states if a model is not shown to rank better than the rule. An invalid comparison is refused without
being made; too little evidence for a win is an outcome of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import PromotionPolicy, policy_version
from mlife_assets.core.statistics import Interval
from mlife_assets.core.training.gate.comparing import CHALLENGER, NOTHING, Evaluation, evaluate
from mlife_assets.core.training.gate.verdict import (
    ALONE,
    EVIDENCE_PREFIX,
    HUMAN_GIVEN,
    NAMES,
    REFIT,
    RUNBOOK,
    SHOWN_WHEN_MET,
    SIMPLE,
    WIN,
    Comparison,
    Kind,
    Outcome,
    PromotionDecision,
    and_next,
    compared,
    is_better,
    is_calibrated,
    is_not_worse,
    is_provisional,
    keeps_probabilities,
    level_words,
    other_side,
    outcome_of,
    slope_words,
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

PROVISIONAL = (
    "Provisional: the probabilities are not shown to be off, and not shown to be right either; more days show which."
)


@dataclass(frozen=True)
class Terms:
    """Terms of judging a challenger.

    Attributes:
        as_of: labels must be mature as of this day.
        required: conditions that were checked elsewhere (scoring parity, impact ratios).
        is_refit: whether the challenger is the champion's configuration on newer rows, so that it need not win.
        changes: changes of configuration, in words; empty without a champion or a comparison.
    """

    as_of: date
    required: Sequence[Condition] = ()
    is_refit: bool = False
    changes: Sequence[str] = ()


@dataclass(frozen=True, eq=False)
class Hearing:
    """Input of the gate: rows, sides, terms and measurements.

    Attributes:
        examples: n mature rows of the gate window, in any order; without `item_ids` they are judged as one pool.
        sides: role -> ranker of the rows. "challenger": the new model. "champion": the model in use; missing before the
            first promotion. "human": the baseline; if missing, models with an item are refused, others report it.
            "simple": the simple rule fitted on the challenger's rows. A first champion is refused if the rule is shown
            to rank better; later it is reported. "champion_alone": the current champion on every row, if "champion" is
            a mixture of those that served. A win has to beat it too; otherwise an equal of a new champion could win
            against earlier ones. Only rows younger than its training data count.
        terms: day, other conditions, and whether a win is required.
        calibration: of the challenger's probabilities on mature exposures outside its training; None refuses a first
            model.
        log_loss_gain: the champion's log loss minus the challenger's on those exposures; None if not measured.
        has_no_human: the caller's statement that no human ranks these items today; only then may "human" be missing.
    """

    examples: GateExamples
    sides: Mapping[str, Contender]
    terms: Terms
    calibration: Calibration | None
    log_loss_gain: Interval | None = None
    has_no_human: bool = False


def decide_promotion(hearing: Hearing, policy: PromotionPolicy) -> PromotionDecision:
    """Decide whether the challenger may be promoted.

    Without an item the policy's minimum of users with positives counts positive rows.

    Raises:
        InvalidInputError: ids are missing, columns differ in length, a human contradicts `has_no_human`, or a refit or
            "champion_alone" without a champion. Every other fault is a refusal.
    """
    examples, calibration, is_refit = hearing.examples, hearing.calibration, hearing.terms.is_refit
    challenger = hearing.sides[CHALLENGER]
    human, simple, champion, alone = map(hearing.sides.get, ("human", SIMPLE, "champion", ALONE))
    if champion is None and (is_refit or alone is not None):
        raise InvalidInputError("is_refit or champion_alone was given without a champion; a first model has to win")
    if hearing.has_no_human and human is not None:
        raise InvalidInputError(f"has_no_human is true but human is {human.model_version}; drop one of them")
    sides = {CHALLENGER: challenger, "human": human, SIMPLE: simple, "champion": champion}
    if not is_refit and not _is_same(alone, champion):
        sides[ALONE] = alone
    contenders = {role: side for role, side in sides.items() if side is not None}
    names = {**NAMES, **{role: side.words for role, side in contenders.items() if side.words}}
    called = {role: names.get(role, f"the {role}") for role in contenders}
    aligned = {role: aligned_scores(examples, called[role], side) for role, side in contenders.items()}
    is_human_optional = hearing.has_no_human or is_refit or examples.item_ids is None
    conditions = [
        *example_conditions(examples, hearing.terms.as_of),
        _human_given(human, is_optional=is_human_optional),
        *_is_another(challenger, champion),
    ]
    for role, side in contenders.items():
        conditions += contender_conditions(examples, role, called[role], side, aligned[role])
    objective = f"MAP@{policy.ranking_depth}" if examples.item_ids is not None else "average precision"
    evaluation = NOTHING
    remarks: list[str] = []
    scores = {role: values for role, values in aligned.items() if not isinstance(values, str)}
    if all(condition.is_met for condition in conditions):
        versions = {role: side.model_version for role, side in contenders.items()}
        common = {role: values for role, values in scores.items() if role != ALONE}
        evaluation = evaluate(examples, common, versions, policy)
        held: list[Condition] = []
        if ALONE in contenders:
            evaluation, held = _with(ALONE, evaluation, examples, contenders[ALONE], scores, versions, policy)
        if champion is not None:
            conditions.append(keeps_probabilities(calibration, hearing.log_loss_gain, policy))
        if is_refit:
            remarks += remarks_on_a_refit(evaluation.comparisons, objective, calibration, names)
        else:
            conditions += [*evaluation.evidence, *held]
            conditions += [is_better(one, objective, names) for one in evaluation.comparisons if one.is_for_a_win]
            if champion is None:
                conditions += [is_not_worse(one, objective, names) for one in evaluation.against(SIMPLE)]
                usable = is_calibrated(calibration, policy)
                conditions += usable
                if calibration is not None and is_provisional(calibration, policy) and all(c.is_met for c in usable):
                    remarks.append(PROVISIONAL)
            if evaluation.comparisons:
                remarks.append(remark_on_alpha(policy))
            if hearing.terms.changes:
                remarks.append(
                    f"A win is asked, since the configuration changed: {'; '.join(hearing.terms.changes)}. Until it "
                    "wins the champion is not refitted; take the change back, or promote the challenger by hand."
                )
        remarks += [remark_on_simple_rule(one, objective) for one in evaluation.against(SIMPLE)]
        conditions += hearing.terms.required
    outcome = outcome_of(conditions)
    kind = REFIT if is_refit else WIN
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
        sentences=(*sentences_of(outcome, conditions, kind, has_human=human is not None), *remarks),
        policy_version=policy_version(policy),
        log_loss_gain=hearing.log_loss_gain,
        kind=kind,
    )


def _is_same(other: Contender | None, champion: Contender | None) -> bool:
    """Return whether the comparison with the champion already covers another side.

    A champion may be a mixture of models by row; only scores distinguish it from the model of that name.
    """
    if other is None or champion is None:
        return True
    return other.model_version == champion.model_version and np.array_equal(other.scores, champion.scores)


def _with(
    role: str,
    evaluation: Evaluation,
    examples: GateExamples,
    other: Contender,
    scores: Mapping[str, np.ndarray],
    versions: Mapping[str, str],
    policy: PromotionPolicy,
) -> tuple[Evaluation, list[Condition]]:
    """Return the evaluation with the comparison against one more side, and the conditions on its evidence.

    Only rows outside this side's training data count; none does if its last training day is unknown.
    """
    days = np.asarray(examples.as_of_dates, dtype="datetime64[D]")
    end = other.training_end_date
    keep = np.zeros(len(days), dtype=np.bool_) if end is None else days > np.datetime64(end, "D")
    both = {one: scores[one][keep] for one in (CHALLENGER, role)}
    found = evaluate(examples.chosen(keep), both, versions, policy)
    held = [
        replace(
            one,
            name=f"{one.name}_against_{role}",
            sentence=f"Younger than what {other.model_version} ({NAMES[role]}) learned from: {one.sentence}",
        )
        for one in found.evidence
    ]
    return replace(evaluation, comparisons=(*evaluation.comparisons, *found.against(role))), held


def _human_given(human: Contender | None, *, is_optional: bool) -> Condition:
    if human is not None:
        return Condition(HUMAN_GIVEN, True, f"The ranking in use is {human.model_version}.")
    if is_optional:
        return Condition(HUMAN_GIVEN, True, "No ranking in use was given; nothing is said about beating it.")
    return Condition(HUMAN_GIVEN, False, "No human baseline was given; pass the ranking that people use today.")


def _is_another(challenger: Contender, champion: Contender | None) -> list[Condition]:
    version = challenger.model_version
    if champion is None:
        return [Condition("is_another_model", True, f"{version} would be the first champion.")]
    if champion.model_version == version:
        text = f"The challenger {version} is the champion; a model is never compared with itself."
        return [Condition("is_another_model", False, text)]
    return [Condition("is_another_model", True, f"{version} is not the champion {champion.model_version}.")]


def remark_on_alpha(policy: PromotionPolicy) -> str:
    """Return the allowed error of a win, at one gate and in a year."""
    if policy.gates_per_year == 1:
        return f"One gate is held: its bound errs in at most {policy.win_alpha:.1%} of tables that show nothing."
    return (
        f"The bound of a win errs at {policy.win_alpha:.2%} of gates, so that in a year of {policy.gates_per_year} a "
        f"challenger that is no better wins with a chance of {policy.win_alpha_per_year:.0%} at most."
    )


def remark_on_simple_rule(comparison: Comparison, objective: str) -> str:
    """Return the comparison with the simple rule in words; unless shown to be better, the model is not needed."""
    text = compared(comparison, objective)
    if comparison.delta.lower > 0:
        return f"It is shown to rank better than {NAMES[SIMPLE]}: {text}."
    return (
        f"The model is not needed: it is not shown to rank better than {NAMES[SIMPLE]}: {text}. "
        "Stating training.recipes as [logistic] fits one that is as simple."
    )


def remarks_on_a_refit(
    comparisons: Sequence[Comparison],
    objective: str,
    calibration: Calibration | None,
    names: Mapping[str, str] = NAMES,
) -> tuple[str, ...]:
    """Return the report on a refit: comparisons, slope and level."""
    remarks = [f"against {other_side(one, names)} {compared(one, objective)}" for one in comparisons]
    if calibration is not None:
        remarks += [text[0].lower() + text[1:] for text in (slope_words(calibration), level_words(calibration))]
    return tuple(f"Reported: {one}." for one in remarks)


def sentences_of(outcome: Outcome, conditions: Sequence[Condition], kind: Kind, *, has_human: bool) -> tuple[str, ...]:
    """Return the verdict for people: reasons with what to do about each, then measurements of what is met.

    A missing human baseline is always mentioned, even if allowed.
    """
    shown = SHOWN_WHEN_MET if has_human else (HUMAN_GIVEN, *SHOWN_WHEN_MET)
    measured = [c.sentence for c in conditions if c.is_met and c.name.startswith(shown)]
    if outcome == "promoted":
        way = "by a win" if kind == WIN else "as a refit of the champion's configuration"
        return (f"Promoted {way}: all {len(conditions)} conditions are met.", *measured)
    unmet = sorted((c for c in conditions if not c.is_met), key=lambda c: not c.name.startswith(EVIDENCE_PREFIX))
    prefix = "Not enough evidence" if outcome == "not_enough_evidence" else "Refused"
    met = len(conditions) - len(unmet)
    rest = f"The other {met} conditions are met; {RUNBOOK} has more on those that are not."
    return (f"{prefix}: {and_next(unmet[0])}", *map(and_next, unmet[1:]), rest, *measured)
