"""The gate: planted faults are refused with the right sentence (invariants 3, 4, 5), and its error rates hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import PromotionPolicy, policy_version
from mlife_assets.core.training.gate import (
    Condition,
    Contender,
    GateExamples,
    PromotionDecision,
    decide_promotion,
    on_examples,
)
from mlife_assets.core.training.reliability import Calibration

AS_OF = date(2026, 6, 22)
POLICY = PromotionPolicy(minimum_users_with_positives=300, bootstrap_resamples=400)
CALIBRATION = Calibration(1.0, 0.95, 1.05, 0.0, -0.05, 0.05, 0.01, 500, 20_000, ())


@dataclass(frozen=True, eq=False)
class Gate:
    """A gate that opens; tests break one thing at a time."""

    examples: GateExamples
    challenger: Contender
    champion: Contender | None
    human: Contender | None
    calibration: Calibration | None = CALIBRATION
    policy: PromotionPolicy = POLICY
    as_of: date = AS_OF
    also_required: tuple[Condition, ...] = ()
    has_no_human: bool = False

    def decide(self) -> PromotionDecision:
        return decide_promotion(
            self.examples,
            self.challenger,
            self.champion,
            self.human,
            self.policy,
            as_of=self.as_of,
            calibration=self.calibration,
            also_required=self.also_required,
            has_no_human=self.has_no_human,
        )


def gate(
    seed: int = 1, users: int = 450, weights: tuple[float, float, float] = (2.0, 0.5, 0.2), jobs: int = 20
) -> Gate:
    rng = np.random.default_rng(seed)
    shape = (users, 2, jobs)
    utility = rng.normal(size=shape)
    relevant = rng.random(shape) < 1 / (1 + np.exp(3.0 - 1.2 * utility))
    days = np.array(["2026-06-02", "2026-06-09"], dtype="datetime64[D]")
    user_ids, windows, item_ids = (grid.ravel() for grid in np.meshgrid(*map(np.arange, shape), indexing="ij"))
    as_of_dates = days[windows]
    examples = GateExamples(user_ids, item_ids, as_of_dates, relevant.ravel(), as_of_dates + 8)
    challenger, champion, human = ((w * utility + rng.normal(size=shape)).ravel() for w in weights)
    return Gate(
        examples,
        on_examples(examples, "mdl_new", challenger, date(2026, 6, 1)),
        on_examples(examples, "mdl_old", champion, date(2026, 5, 1)),
        on_examples(examples, "recruiter_rule", human),
    )


def test_a_better_challenger_is_promoted_with_its_numbers() -> None:
    decision = gate().decide()
    assert decision.outcome == "promoted"
    assert decision.is_promoted
    assert decision.sentences[0] == f"Promoted by a win: all {len(decision.conditions)} conditions are met."
    assert [c.against for c in decision.comparisons] == ["human", "champion", "random"]
    champion = decision.against("champion")
    assert champion is not None
    assert champion.delta.estimate == pytest.approx(champion.challenger_map - champion.other_map)
    assert 0 < champion.delta.lower < champion.delta.estimate < champion.delta.upper
    assert champion.delta.n == decision.users_with_positives
    assert decision.policy_version == policy_version(POLICY)
    assert (decision.model_version, decision.champion_version) == ("mdl_new", "mdl_old")
    assert (decision.objective, decision.depth) == ("MAP@10", 10)
    assert not any("human baseline" in sentence for sentence in decision.sentences)


def test_the_first_champion_is_compared_with_the_human_alone() -> None:
    decision = replace(gate(), champion=None).decide()
    assert decision.outcome == "promoted"
    assert decision.champion_version is None
    assert [c.against for c in decision.comparisons] == ["human", "random"]


def scores_of(side: Contender, scores: np.ndarray) -> Contender:
    return replace(side, scores=scores)


def self_comparison(g: Gate) -> Gate:
    return replace(g, champion=on_examples(g.examples, "mdl_new", g.champion.scores, date(2026, 5, 1)))  # type: ignore[union-attr]


def stale_champion(g: Gate) -> Gate:
    return replace(g, champion=replace(g.champion, scored_by="mdl_older"))


def stale_challenger(g: Gate) -> Gate:
    return replace(g, challenger=replace(g.challenger, scored_by="mdl_older"))


def immature(g: Gate) -> Gate:
    return replace(g, as_of=date(2026, 6, 16))


def leak(g: Gate) -> Gate:
    return replace(g, challenger=replace(g.challenger, training_end_date=date(2026, 6, 2)))


def unknown_training(g: Gate) -> Gate:
    return replace(g, challenger=replace(g.challenger, training_end_date=None))


def champion_leak(g: Gate) -> Gate:
    return replace(g, champion=replace(g.champion, training_end_date=date(2026, 6, 8)))


def not_finite(g: Gate) -> Gate:
    scores = g.challenger.scores.copy()
    scores[7] = np.inf
    return replace(g, challenger=scores_of(g.challenger, scores))


def human_not_finite(g: Gate) -> Gate:
    return replace(g, human=scores_of(g.human, np.full(len(g.challenger.scores), np.nan)))  # type: ignore[arg-type]


def fewer_rows(g: Gate) -> Gate:
    e, keep = g.examples, slice(0, -5)
    part = Contender(
        "mdl_old",
        "mdl_old",
        e.user_ids[keep],
        e.item_ids[keep],
        e.as_of_dates[keep],
        g.champion.scores[keep],  # type: ignore[union-attr]
        date(2026, 5, 1),
    )
    return replace(g, champion=part)


def repeated_rows(g: Gate) -> Gate:
    e = g.examples
    index = np.append(np.arange(len(e.user_ids)), [3])
    columns = {
        name: getattr(e, name)[index]
        for name in ("user_ids", "item_ids", "as_of_dates", "is_relevant", "label_mature_dates")
    }
    examples = GateExamples(**columns)
    sides: dict[str, Any] = {
        role: on_examples(examples, side.model_version, side.scores[index], side.training_end_date)
        for role, side in (("challenger", g.challenger), ("champion", g.champion), ("human", g.human))
        if side is not None
    }
    return replace(g, examples=examples, **sides)


def texted_outcomes(g: Gate) -> Gate:
    slices = np.full(len(g.examples.user_ids), "organic", dtype=object)
    slices[:4] = "exploit"
    return replace(g, examples=replace(g.examples, slices=slices))


def no_human(g: Gate) -> Gate:
    return replace(g, human=None)


def constant_challenger(g: Gate) -> Gate:
    return replace(g, challenger=scores_of(g.challenger, np.full(len(g.challenger.scores), 0.13)))


def constant_for_each_user(g: Gate) -> Gate:
    return replace(g, challenger=scores_of(g.challenger, g.examples.user_ids.astype(float)))


def constant_human(g: Gate) -> Gate:
    return replace(g, human=scores_of(g.human, np.zeros(len(g.challenger.scores))))  # type: ignore[arg-type]


INVALID: list[tuple[Callable[[Gate], Gate], str, str]] = [
    (
        self_comparison,
        "is_another_model",
        "The challenger mdl_new is the champion; a model is never compared with itself.",
    ),
    (
        stale_champion,
        "champion_scores_are_current",
        "The scores of the champion were computed by mdl_older, not by mdl_old; score again.",
    ),
    (
        stale_challenger,
        "challenger_scores_are_current",
        "The scores of the challenger were computed by mdl_older, not by mdl_new; score again.",
    ),
    (immature, "labels_are_mature", "9,000 labels are immature as of 2026-06-16"),
    (
        leak,
        "challenger_trained_before_gate",
        "The challenger was trained on examples up to 2026-06-02, the gate starts on 2026-06-02.",
    ),
    (unknown_training, "challenger_trained_before_gate", "The last training day of the challenger is unknown"),
    (champion_leak, "champion_trained_before_gate", "The champion was trained on examples up to 2026-06-08"),
    (not_finite, "challenger_scores_are_finite", "1 scores of the challenger are not finite, the first in row 7."),
    (human_not_finite, "human_scores_are_finite", "18,000 scores of the human are not finite"),
    (fewer_rows, "champion_on_same_rows", "The champion is scored on 17,995 rows, the examples have 18,000"),
    (repeated_rows, "each_row_once", "1 rows repeat a (user, item, day), the first is row 18000"),
    (texted_outcomes, "outcomes_favour_nobody", "4 rows are not organic or explore; leave them out."),
    (no_human, "human_baseline_given", "No human baseline was given"),
    (
        constant_challenger,
        "challenger_scores_vary",
        "All 18,000 scores of the challenger are 0.13: they do not vary, so they rank nothing.",
    ),
    (
        constant_for_each_user,
        "challenger_scores_vary",
        "The scores of the challenger do not vary between the items of any user, so they rank nothing.",
    ),
    (constant_human, "human_scores_vary", "All 18,000 scores of the human are 0: they do not vary"),
]


@pytest.mark.parametrize(("plant", "name", "sentence"), INVALID, ids=[plant.__name__ for plant, _, _ in INVALID])
def test_an_invalid_comparison_is_refused_and_never_made(
    plant: Callable[[Gate], Gate], name: str, sentence: str
) -> None:
    decision = plant(gate()).decide()
    assert decision.outcome == "refused"
    assert name in [condition.name for condition in decision.unmet]
    assert decision.sentences[0].startswith(f"Refused: {sentence}")
    assert decision.comparisons == ()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100))
def test_invariant_5_a_tie_does_not_promote(seed: int, factor: float) -> None:
    g = gate(seed % 7, users=400)
    order_kept = scores_of(g.champion, g.challenger.scores * factor)  # type: ignore[arg-type]
    decision = replace(g, champion=order_kept).decide()
    assert decision.outcome == "refused"
    assert [c.name for c in decision.unmet] == ["beats_champion"]
    assert decision.sentences[0].startswith(
        "Refused: The challenger ties with and so does not beat the champion: MAP@10"
    )
    assert "difference +0.0000 (+0.0000 to +0.0000)" in decision.sentences[0]


def test_a_challenger_no_better_than_chance_is_refused_even_against_a_hopeless_human() -> None:
    g = gate(weights=(0.0, 0.5, 0.2))
    hopeless = scores_of(g.human, -gate().challenger.scores)  # type: ignore[arg-type]
    decision = replace(g, champion=None, human=hopeless).decide()
    assert decision.outcome == "refused"
    assert [c.name for c in decision.unmet] == ["beats_random"]
    assert decision.sentences[0].startswith("Refused: The challenger does not beat a random ranking: MAP@10")


def test_a_constant_champion_may_be_beaten() -> None:
    g = gate()
    constant = scores_of(g.champion, np.zeros(len(g.challenger.scores)))  # type: ignore[arg-type]
    assert replace(g, champion=constant).decide().is_promoted


def test_a_missing_human_passes_only_by_the_callers_word_and_is_reported() -> None:
    decision = replace(gate(), human=None, has_no_human=True).decide()
    assert decision.is_promoted
    assert "A human baseline was not given; nothing is said about beating people." in decision.sentences
    assert [c.against for c in decision.comparisons] == ["champion", "random"]
    first = replace(gate(), human=None, champion=None, has_no_human=True).decide()
    assert [c.against for c in first.comparisons] == ["random"]
    with pytest.raises(InvalidInputError, match="has_no_human is true but human is recruiter_rule"):
        replace(gate(), has_no_human=True).decide()


def test_thirty_users_with_a_constant_model_are_refused_for_the_model() -> None:
    decision = constant_challenger(gate(users=30)).decide()
    assert decision.outcome == "refused"
    assert "they do not vary" in decision.sentences[0]


@pytest.mark.parametrize(("weights", "unmet"), [((1.0, 0.2, 3.0), "beats_human"), ((1.0, 3.0, 0.2), "beats_champion")])
def test_beating_one_of_champion_and_human_is_refused(weights: tuple[float, ...], unmet: str) -> None:
    decision = gate(weights=weights).decide()
    assert decision.outcome == "refused"
    assert [c.name for c in decision.unmet] == [unmet]


def test_the_margin_must_be_exceeded_by_the_lower_bound() -> None:
    g = gate()
    lower = g.decide().against("champion").win_bound  # type: ignore[union-attr]
    at_bound = replace(g, policy=replace(POLICY, minimum_delta_map=lower)).decide()
    assert "beats_champion" in [c.name for c in at_bound.unmet]
    assert replace(g, policy=replace(POLICY, minimum_delta_map=lower - 1e-9)).decide().is_promoted


def test_the_margin_holds_against_the_human_as_against_the_champion_and_not_against_chance() -> None:
    g = gate()
    margins = {
        c.against: c.margin for c in replace(g, policy=replace(POLICY, minimum_delta_map=0.01)).decide().comparisons
    }
    assert margins == {"human": 0.01, "champion": 0.01, "random": 0.0}
    lower = g.decide().against("human").win_bound  # type: ignore[union-attr]
    first = replace(g, champion=None, policy=replace(POLICY, minimum_delta_map=lower)).decide()
    assert [c.name for c in first.unmet] == ["beats_human"]


def test_too_few_users_is_an_outcome_of_its_own() -> None:
    decision = replace(gate(users=30), policy=PromotionPolicy(bootstrap_resamples=400)).decide()
    assert decision.outcome == "not_enough_evidence"
    assert decision.sentences[0] == (
        f"Not enough evidence: {decision.users_with_positives} users with positives, 1,000 needed."
    )
    assert decision.users == 30


def test_no_positives_and_no_rows_are_not_enough_evidence() -> None:
    g = gate(users=30)
    none = replace(g.examples, is_relevant=np.zeros(len(g.examples.user_ids), dtype=bool))
    decision = replace(g, examples=none).decide()
    assert (decision.outcome, decision.comparisons) == ("not_enough_evidence", ())
    empty = np.array([], dtype=object)
    days = np.array([], dtype="datetime64[D]")
    rows = GateExamples(empty, empty, days, np.array([], dtype=bool), days)
    sides = [on_examples(rows, name, np.array([]), date(2026, 6, 1)) for name in ("new", "old", "human")]
    assert Gate(rows, *sides).decide().outcome == "not_enough_evidence"


@pytest.mark.parametrize(("lower", "upper"), [(0.5, 0.7), (0.79, 1.0), (1.0, 1.26)])
def test_the_whole_slope_interval_must_lie_within_bounds(lower: float, upper: float) -> None:
    slope = replace(CALIBRATION, slope=(lower + upper) / 2, slope_lower=lower, slope_upper=upper)
    decision = replace(gate(), calibration=slope).decide()
    assert decision.outcome == "refused"
    assert "does not lie within 0.8 to 1.25" in decision.sentences[0]


def test_a_missing_calibration_is_refused() -> None:
    decision = replace(gate(), calibration=None).decide()
    assert decision.sentences[0].startswith("Refused: No calibration was measured")


def test_conditions_from_elsewhere_count() -> None:
    parity = Condition("scoring_parity", False, "12 scores differ between batch and endpoint.")
    decision = replace(gate(), also_required=(parity,)).decide()
    assert decision.outcome == "refused"
    assert decision.sentences[0] == "Refused: 12 scores differ between batch and endpoint."
    assert replace(gate(), also_required=(replace(parity, is_met=True),)).decide().is_promoted


def test_every_fault_is_named_at_once() -> None:
    decision = immature(leak(stale_champion(gate()))).decide()
    assert {"labels_are_mature", "challenger_trained_before_gate", "champion_scores_are_current"} <= {
        condition.name for condition in decision.unmet
    }


def permuted(g: Gate, seed: int) -> Gate:
    e = g.examples
    rng = np.random.default_rng(seed)

    def moved(side: Contender) -> Contender:
        order = rng.permutation(len(side.scores))
        columns = {name: getattr(side, name)[order] for name in ("user_ids", "item_ids", "as_of_dates", "scores")}
        return replace(side, **columns)

    order = rng.permutation(len(e.user_ids))
    names = ("user_ids", "item_ids", "as_of_dates", "is_relevant", "label_mature_dates")
    examples = replace(e, **{name: getattr(e, name)[order] for name in names})
    return replace(
        g,
        examples=examples,
        challenger=moved(g.challenger),
        champion=moved(g.champion),  # type: ignore[arg-type]
        human=moved(g.human),  # type: ignore[arg-type]
    )


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_invariant_3_the_order_of_rows_changes_no_bit_of_the_decision(seed: int) -> None:
    g = gate(users=60)
    assert permuted(g, seed).decide() == g.decide()


def test_a_user_seen_twice_is_one_unit_of_evidence() -> None:
    decision = gate(users=450).decide()
    assert decision.users == 450
    assert decision.users_with_positives <= 450


def test_copying_a_window_does_not_narrow_the_interval() -> None:
    g = gate(users=450)
    first = g.examples.as_of_dates == g.examples.as_of_dates.min()

    def doubled(column: np.ndarray) -> np.ndarray:
        return np.tile(column[first], 2)

    days = np.repeat(np.array(["2026-06-02", "2026-06-09"], dtype="datetime64[D]"), first.sum())

    def build(copies: bool) -> Gate:
        pick: Callable[[np.ndarray], np.ndarray] = doubled if copies else (lambda column: column[first])
        shown = days if copies else days[: first.sum()]
        e = GateExamples(
            pick(g.examples.user_ids), pick(g.examples.item_ids), shown, pick(g.examples.is_relevant), shown + 8
        )
        sides = [
            on_examples(e, side.model_version, pick(side.scores), date(2026, 6, 1))
            for side in (g.challenger, g.champion, g.human)
            if side is not None
        ]
        return Gate(e, *sides)

    once, twice = build(copies=False).decide(), build(copies=True).decide()
    assert [c.delta for c in twice.comparisons] == [c.delta for c in once.comparisons]


def promotions(runs: int, users: int, weights: tuple[float, float, float], **policies: int) -> float:
    policy = PromotionPolicy(minimum_users_with_positives=100, bootstrap_resamples=400, **policies)
    promoted = [replace(gate(1_000 + run, users, weights, jobs=12), policy=policy).decide() for run in range(runs)]
    return sum(decision.is_promoted for decision in promoted) / runs


def test_equal_challengers_are_promoted_in_at_most_the_allowed_share() -> None:
    runs = 400
    share = promotions(runs, users=220, weights=(1.0, 1.0, 0.1), gates_per_year=2)
    assert 0 < share <= 0.025 + 2.6 * np.sqrt(0.025 * 0.975 / runs)


def test_a_clearly_better_challenger_is_found() -> None:
    assert promotions(60, users=400, weights=(1.6, 0.8, 0.1)) >= 0.9
