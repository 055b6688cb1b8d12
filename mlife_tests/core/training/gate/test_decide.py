"""The gate, of examples without an item (average precision, resampled by day) and of rankings (MAP@k).

Planted faults are refused with the right sentence (invariants 3, 4, 5), and its error rates hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t
from sklearn.metrics import average_precision_score

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import PromotionPolicy, policy_version
from mlife_assets.core.statistics import Interval
from mlife_assets.core.training.gate import (
    CHALLENGER,
    Condition,
    Contender,
    GateExamples,
    Hearing,
    PromotionDecision,
    Terms,
    comparing,
    decide_promotion,
    on_examples,
)
from mlife_assets.core.training.gate.comparing import MINIMUM_DAY_BLOCKS, RIVALS
from mlife_assets.core.training.gate.decide import PROVISIONAL
from mlife_assets.core.training.reliability import Calibration

AS_OF = date(2026, 6, 22)
RANKED_POLICY = PromotionPolicy(minimum_users_with_positives=300, bootstrap_resamples=400)
POLICY = PromotionPolicy(minimum_users_with_positives=200, bootstrap_resamples=400)
CALIBRATION = Calibration(1.0, 0.95, 1.05, 0.0, -0.05, 0.05, 0.01, 500, 20_000, ())
WAIT = "Next: wait for more outcomes, or let the gate judge more days."


@dataclass(frozen=True, eq=False)
class Gate:
    """A gate that opens; tests break one thing at a time."""

    examples: GateExamples
    challenger: Contender
    champion: Contender | None
    human: Contender | None = None
    policy: PromotionPolicy = POLICY
    as_of: date = date(2026, 8, 1)
    calibration: Calibration | None = CALIBRATION
    log_loss_gain: Interval | None = None
    is_refit: bool = False
    also_required: tuple[Condition, ...] = ()
    simple: Contender | None = None
    alone: Contender | None = None
    has_no_human: bool = False

    def decide(self) -> PromotionDecision:
        sides = {role: getattr(self, role.removeprefix("champion_")) for role in (CHALLENGER, *RIVALS)}
        given = {role: side for role, side in sides.items() if side is not None}
        terms = Terms(self.as_of, self.also_required, self.is_refit)
        measured = (self.calibration, self.log_loss_gain)
        return decide_promotion(Hearing(self.examples, given, terms, *measured, self.has_no_human), self.policy)


def gate(seed: int = 1, rows: int = 6_000, days: int = 28, noise: tuple[float, float] = (0.5, 2.0)) -> Gate:
    rng = np.random.default_rng(seed)
    utility = rng.normal(size=rows)
    day = rng.integers(0, days, rows)
    positive = rng.random(rows) < 1 / (1 + np.exp(3.0 - 1.5 * utility - 0.5 * rng.normal(size=days)[day]))
    dates = np.datetime64("2026-06-02") + day
    examples = GateExamples(np.arange(rows), None, dates, positive, dates + 8, cohort="flights")
    new, old = (utility + size * rng.normal(size=rows) for size in noise)
    return Gate(
        examples,
        on_examples(examples, "mdl_new", new, date(2026, 6, 1)),
        on_examples(examples, "mdl_old", old, date(2026, 5, 1)),
    )


def test_a_better_challenger_is_promoted_and_the_missing_human_is_reported() -> None:
    g = gate()
    decision = g.decide()
    assert decision.outcome == "promoted"
    assert (decision.objective, decision.depth, decision.cohort) == ("average precision", None, "flights")
    assert (decision.users, decision.users_with_positives) == (6_000, int(g.examples.is_relevant.sum()))
    assert [c.against for c in decision.comparisons] == ["champion", "random"]
    champion, random = decision.comparisons
    truth = [average_precision_score(g.examples.is_relevant, s.scores) for s in (g.challenger, g.champion)]  # type: ignore[union-attr]
    assert (champion.challenger_map, champion.other_map) == pytest.approx(tuple(truth), abs=1e-12)
    assert random.other_map == pytest.approx(g.examples.is_relevant.mean())
    assert champion.delta.n == 28
    assert champion.delta.lower < champion.delta.estimate < champion.delta.upper
    given = next(c for c in decision.conditions if c.name == "human_baseline_given")
    assert given.is_met
    assert given.sentence == "No ranking in use was given; nothing is said about beating it."
    assert given.sentence in decision.sentences
    assert any("beats the champion: average precision 0." in sentence for sentence in decision.sentences)
    assert "28 days with positives, 14 needed." in [one.sentence for one in decision.conditions]


def test_a_human_that_is_given_must_be_beaten() -> None:
    g = gate()
    strong = on_examples(g.examples, "panel", gate(noise=(0.1, 2.0)).challenger.scores)
    decision = replace(g, human=strong).decide()
    assert [c.name for c in decision.unmet] == ["beats_human"]
    weak = on_examples(g.examples, "panel", np.random.default_rng(99).normal(size=6_000))
    decision = replace(g, human=weak).decide()
    assert decision.is_promoted
    assert [c.against for c in decision.comparisons] == ["human", "champion", "random"]


def test_the_first_champion_without_a_human_must_beat_the_base_rate() -> None:
    g = replace(gate(), champion=None)
    assert g.decide().is_promoted
    guess = replace(g.challenger, scores=np.random.default_rng(2).normal(size=6_000))
    hopeless = on_examples(g.examples, "panel", -g.challenger.scores)
    decision = replace(g, challenger=guess, human=hopeless).decide()
    assert [c.name for c in decision.unmet] == ["beats_random"]
    assert decision.sentences[0].startswith("Refused: The challenger does not beat a random ranking: average precision")


def test_a_tie_does_not_promote() -> None:
    g = gate()
    tie = replace(g.champion, scores=np.exp(g.challenger.scores))  # type: ignore[type-var]
    decision = replace(g, champion=tie).decide()
    assert [c.name for c in decision.unmet] == ["beats_champion"]
    assert decision.sentences[0].startswith(
        "Refused: The challenger ties with and so does not beat the champion: average precision"
    )


def test_too_few_positives_and_too_few_days_are_not_enough_evidence() -> None:
    thin = replace(gate(rows=1_000), policy=replace(POLICY, minimum_users_with_positives=1_000)).decide()
    assert thin.outcome == "not_enough_evidence"
    assert thin.sentences[0] == f"Not enough evidence: {thin.users_with_positives} positives, 1,000 needed. {WAIT}"
    short = gate(days=MINIMUM_DAY_BLOCKS - 1).decide()
    assert short.outcome == "not_enough_evidence"
    assert short.sentences[0] == f"Not enough evidence: 13 days with positives, 14 needed. {WAIT}"
    assert short.comparisons == ()
    few = replace(ranked(users=30), policy=replace(RANKED_POLICY, minimum_users_with_positives=1_000)).decide()
    assert (
        few.sentences[0]
        == f"Not enough evidence: {few.users_with_positives} users with positives, 1,000 needed. {WAIT}"
    )
    assert gate(days=MINIMUM_DAY_BLOCKS).decide().is_promoted


def test_days_without_positives_are_no_evidence() -> None:
    g = gate()
    late = g.examples.as_of_dates >= np.datetime64("2026-06-10")
    examples = replace(g.examples, is_relevant=g.examples.is_relevant & ~late)
    decision = replace(g, examples=examples, policy=replace(POLICY, minimum_users_with_positives=30)).decide()
    assert decision.sentences[0] == f"Not enough evidence: 8 days with positives, 14 needed. {WAIT}"


def test_longer_blocks_count_as_fewer_units() -> None:
    two, seven = (replace(gate(), policy=replace(POLICY, gate_block_days=days)).decide() for days in (2, 7))
    assert two.against("champion").delta.n == 14  # type: ignore[union-attr]
    assert seven.sentences[0] == f"Not enough evidence: 4 blocks of 7 days with positives, 14 needed. {WAIT}"


def test_an_interval_in_blocks_is_widened_by_what_they_hide(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def twice(resampled: np.ndarray, block_days: int, shorter: np.ndarray, shorter_days: int) -> np.ndarray:
        assert len(resampled) == len(shorter) == POLICY.bootstrap_resamples
        asked.append((block_days, shorter_days))
        return np.mean(resampled) + 2 * (resampled - np.mean(resampled))

    in_blocks = replace(gate(), policy=replace(POLICY, gate_block_days=2))
    deltas = [in_blocks.decide().against("champion")]
    monkeypatch.setattr(comparing, "widened_for_blocks", twice)
    deltas.append(in_blocks.decide().against("champion"))
    assert set(asked) == {(2, 1)}
    before, after = (one.delta.upper - one.delta.lower for one in deltas if one is not None)
    assert after > 1.3 * before
    assert deltas[1].win_bound < deltas[0].win_bound  # type: ignore[union-attr]
    asked.clear()
    gate().decide()
    assert asked == [], "single days claim independence"


def test_a_shared_day_effect_does_not_promote_equal_models() -> None:
    """Models that fail on whole days are equal on average; rows taken as independent would promote far too often."""
    promoted = []
    for run in range(120):
        g = gate(2_000 + run, rows=900)
        rng = np.random.default_rng(run)
        day = (g.examples.as_of_dates - g.examples.as_of_dates.min()).astype(int)
        new, old = (g.challenger.scores * rng.choice([-0.3, 1.0], 28)[day] for _ in range(2))
        pair = replace(
            g,
            challenger=replace(g.challenger, scores=new),
            champion=replace(g.champion, scores=old),  # type: ignore[type-var]
            policy=PromotionPolicy(minimum_users_with_positives=30, bootstrap_resamples=240),
        )
        comparison = pair.decide().against("champion")
        assert comparison is not None
        promoted.append(comparison.is_won)
    assert np.mean(promoted) <= 0.025 + 2.6 * np.sqrt(0.025 * 0.975 / 120)


def test_probabilities_that_are_not_proven_make_a_first_model_provisional_and_wrong_ones_refuse_it() -> None:
    first = replace(gate(), champion=None)
    unproven = replace(first, calibration=replace(CALIBRATION, slope_lower=0.7)).decide()
    assert unproven.is_promoted
    assert PROVISIONAL in unproven.sentences
    assert PROVISIONAL not in first.decide().sentences
    low = replace(CALIBRATION, intercept=-0.73, intercept_lower=-0.85, intercept_upper=-0.61)
    wrong = replace(first, calibration=low)
    assert [one.name for one in wrong.decide().unmet] == ["is_calibrated_in_level"]
    assert "The calibration level 0.48 (0.43 to 0.54; odds of what happened" in wrong.decide().sentences[0]
    assert PROVISIONAL not in wrong.decide().sentences, "it is shown to be off"


def test_a_change_keeps_probabilities_as_a_refit_does() -> None:
    wrong = replace(gate(), calibration=replace(CALIBRATION, slope_lower=0.1, slope_upper=0.3))
    assert wrong.decide().is_promoted, "refusing would keep the champion's, which are not shown to be better"
    worse = replace(wrong, log_loss_gain=Interval(-0.02, -0.03, -0.01, 0.95, 28)).decide()
    assert [one.name for one in worse.unmet] == ["keeps_probabilities"]
    assert not any(one.name.startswith("is_calibrated") for one in worse.conditions)


def test_a_first_champion_must_not_be_worse_than_a_simple_rule_and_later_that_is_reported() -> None:
    g = gate(noise=(0.5, 2.0))
    better = replace(g, simple=on_examples(g.examples, "simple_rule", gate(noise=(0.2, 2.0)).challenger.scores))
    first = replace(better, champion=None).decide()
    assert [one.name for one in first.unmet] == ["is_not_worse_than_simple"]
    assert first.sentences[0].startswith(
        "Refused: The challenger is worse than the simple rule that was fitted on the same rows: "
    )
    assert first.sentences[-1].startswith(
        "The model is not needed: it is not shown to rank better than the simple rule"
    )
    later = better.decide()
    assert later.outcome == "promoted"
    assert later.sentences[-1] == first.sentences[-1]
    like = replace(g, simple=on_examples(g.examples, "simple_rule", g.challenger.scores), champion=None).decide()
    assert like.outcome == "promoted", "as good as a simple rule is not worse"
    assert like.sentences[-1].startswith("The model is not needed: ")
    worse = replace(g, simple=on_examples(g.examples, "simple_rule", gate(noise=(2.0, 2.0)).challenger.scores))
    assert worse.decide().sentences[-1].startswith("It is shown to rank better than the simple rule that was fitted")
    found = like.against("simple")
    assert found is not None
    assert (found.model_version, found.delta.estimate) == ("simple_rule", 0.0)


UNSURE = Interval(0.0, -0.01, 0.01, 0.95, 28)
WORSE = Interval(-0.02, -0.03, -0.01, 0.95, 28)


def alike(shift: float = 0.0, seed: int = 1, own: float = 0.02, rows: int = 20_000) -> Gate:
    """A refit that hardly differs from the champion; it is noisier by `shift`."""
    g = gate(seed, rows=rows, noise=(0.5, 0.5))
    rng = np.random.default_rng([seed, 7])
    scores = g.champion.scores + own * rng.normal(size=rows) + shift * rng.normal(size=rows)  # type: ignore[union-attr]
    challenger = on_examples(g.examples, "mdl_new", scores, date(2026, 6, 1))
    return replace(g, challenger=challenger, is_refit=True, log_loss_gain=UNSURE)


def test_a_refit_serves_without_a_win_and_a_change_does_not() -> None:
    g = alike(shift=0.4)
    decision = g.decide()
    found = decision.against("champion")
    assert found is not None
    assert found.delta.upper < 0, "it even ranks worse"
    assert (decision.outcome, decision.kind) == ("promoted", "refit")
    assert decision.sentences[0].startswith("Promoted as a refit of the champion's configuration: all ")
    changed = replace(alike(), is_refit=False).decide()
    assert (changed.outcome, changed.kind) == ("refused", "win")
    assert [one.name for one in changed.unmet] == ["beats_champion"], "a tie refuses what was changed"


def test_probabilities_that_are_shown_to_be_worse_and_are_not_calibrated_are_refused() -> None:
    g = replace(alike(), calibration=replace(CALIBRATION, slope_lower=0.1))
    assert g.decide().is_promoted
    decision = replace(g, log_loss_gain=WORSE).decide()
    assert decision.outcome == "refused"
    assert [one.name for one in decision.unmet] == ["keeps_probabilities"]
    assert replace(g, log_loss_gain=None).decide().is_promoted, "what was not measured shows nothing"


def test_a_refit_may_lose_to_people_and_that_is_reported() -> None:
    g = replace(alike(), calibration=replace(CALIBRATION, slope_lower=0.1))
    strong = on_examples(g.examples, "panel", gate(rows=20_000, noise=(0.1, 2.0)).challenger.scores)
    decision = replace(g, human=strong).decide()
    assert decision.is_promoted
    assert [c.against for c in decision.comparisons] == ["human", "champion", "random"]
    for what in ("against the human average", "against a random ranking average", "the calibration slope 1.00 (0.10"):
        assert any(s.startswith(f"Reported: {what}") for s in decision.sentences)
    assert not any(one.name.startswith(("beats_", "is_calibrated")) for one in decision.conditions)


def test_a_refit_meets_every_condition_that_makes_a_comparison_valid_and_what_is_required_elsewhere() -> None:
    g = alike()
    unmet = [[one.name for one in plant(g).decide().unmet] for plant in (stale_champion, self_comparison, immature)]
    assert [names[0] for names in unmet] == ["champion_scores_are_current", "is_another_model", "labels_are_mature"]
    few = replace(g, policy=replace(POLICY, minimum_users_with_positives=50_000))
    assert few.decide().is_promoted, "a refit is no claim that takes evidence"
    assert replace(few, is_refit=False).decide().outcome == "not_enough_evidence"
    for name in ("impact_ratios_not_proven_low", "scoring_parity", "no_feature_tells_the_outcome"):
        elsewhere = replace(g, also_required=(Condition(name, False, "It fails."),)).decide()
        assert [one.name for one in elsewhere.unmet] == [name]


def mixture(challenger_noise: float) -> Gate:
    """A champion that served for the last week of the gate, after one that was far worse."""
    g = gate(rows=20_000, noise=(challenger_noise, 0.5))
    assert g.champion is not None
    rng = np.random.default_rng(8)
    is_own = g.examples.as_of_dates >= np.datetime64("2026-06-23")
    served = np.where(is_own, g.champion.scores, g.champion.scores + 4.0 * rng.normal(size=20_000))
    alone = replace(g.champion, training_end_date=date(2026, 6, 1))
    return replace(g, champion=replace(g.champion, scores=served), alone=alone)


def test_an_equal_of_a_new_champion_does_not_win_against_what_served_before_it() -> None:
    g = mixture(0.5)
    assert replace(g, alone=None).decide().is_promoted, "the mixture alone is easily beaten"
    decision = g.decide()
    assert [one.name for one in decision.unmet] == ["beats_champion_alone"]
    assert [one.against for one in decision.comparisons] == ["champion", "random", "champion_alone"]
    assert "does not beat the champion alone, asked about days before its own as well" in decision.sentences[0]
    assert mixture(0.2).decide().is_promoted, "a better one beats both"


def test_the_champion_alone_is_asked_about_rows_that_it_has_not_learned_from() -> None:
    g = mixture(0.2)
    assert g.alone is not None
    late = replace(g, alone=replace(g.alone, training_end_date=date(2026, 6, 22))).decide()
    assert late.outcome == "not_enough_evidence"
    assert [one.name for one in late.unmet] == ["enough_days_against_champion_alone"]
    assert replace(g, is_refit=True).decide().against("champion_alone") is None, "a refit is held against nobody"
    served = gate()
    once = replace(served, alone=served.champion).decide()
    assert once.against("champion_alone") is None, "nobody else served"


@pytest.mark.parametrize("what", [{"is_refit": True}, {"alone": gate().champion}])
def test_a_first_champion_has_to_win(what: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError, match="without a champion; a first model has to win"):
        replace(gate(), champion=None, **what).decide()  # type: ignore[arg-type]


def test_the_margin_holds_for_a_pool_of_rows_and_not_against_chance() -> None:
    g = gate()
    bound = g.decide().comparisons[0].win_bound
    human = replace(g.champion, model_version="panel", scored_by="panel")  # type: ignore[type-var]
    at_bound = replace(g, human=human, policy=replace(POLICY, minimum_delta_map=bound)).decide()
    margins = {one.against: one.margin for one in at_bound.comparisons}
    assert margins == {"human": bound, "champion": bound, "random": 0.0}
    assert [one.name for one in at_bound.unmet] == ["beats_human", "beats_champion"]
    assert replace(g, policy=replace(POLICY, minimum_delta_map=bound - 1e-9)).decide().is_promoted


def test_the_bound_of_a_win_is_that_of_student_at_the_years_error_divided_by_its_gates() -> None:
    g = gate()
    decided = {gates: replace(g, policy=replace(POLICY, gates_per_year=gates)).decide() for gates in (1, 52)}
    once, weekly = (one.against("champion") for one in decided.values())
    assert once is not None
    assert weekly is not None
    assert once.delta == weekly.delta, "the interval that is shown is another one"
    errors = [
        (one.delta.estimate - one.win_bound) / -t.ppf(alpha, 27) for one, alpha in ((once, 0.05), (weekly, 0.05 / 52))
    ]
    assert errors[0] == pytest.approx(errors[1])
    assert (weekly.delta.upper - weekly.delta.lower) / (2 * errors[0]) == pytest.approx(-t.ppf(0.025, 27), rel=0.1)


def ranked(
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
        examples, on_examples(examples, "mdl_new", challenger, date(2026, 6, 1)),
        on_examples(examples, "mdl_old", champion, date(2026, 5, 1)), on_examples(examples, "recruiter_rule", human),
        policy=RANKED_POLICY, as_of=AS_OF,
    )  # fmt: skip


def test_a_better_ranking_is_promoted_with_its_numbers() -> None:
    decision = ranked().decide()
    assert decision.outcome == "promoted"
    assert decision.is_promoted
    assert decision.sentences[0] == f"Promoted by a win: all {len(decision.conditions)} conditions are met."
    assert [c.against for c in decision.comparisons] == ["human", "champion", "random"]
    champion = decision.against("champion")
    assert champion is not None
    assert champion.delta.estimate == pytest.approx(champion.challenger_map - champion.other_map)
    assert 0 < champion.delta.lower < champion.delta.estimate < champion.delta.upper
    assert champion.delta.n == decision.users_with_positives
    assert decision.policy_version == policy_version(RANKED_POLICY)
    assert (decision.model_version, decision.champion_version) == ("mdl_new", "mdl_old")
    assert (decision.objective, decision.depth) == ("MAP@10", 10)
    assert not any("human baseline" in sentence for sentence in decision.sentences)
    assert constant("champion", 0.0)(ranked()).decide().is_promoted


COLUMNS = ("user_ids", "item_ids", "as_of_dates", "is_relevant", "label_mature_dates", "scores")
Plant = Callable[[Gate], Gate]


def taken(rows: Any, index: Any) -> Any:
    columns = {name: getattr(rows, name, None) for name in COLUMNS}
    return replace(rows, **{name: column[index] for name, column in columns.items() if column is not None})


def taken_everywhere(g: Gate, index: Callable[[int], np.ndarray]) -> Gate:
    parts = {name: getattr(g, name) for name in ("examples", "challenger", "champion", "human")}
    return replace(g, **{name: taken(one, index(len(one.user_ids))) for name, one in parts.items() if one is not None})


def repeated(g: Gate) -> Gate:
    return taken_everywhere(g, lambda rows: np.append(np.arange(rows), 5))


def scores_of(side: Contender, scores: np.ndarray) -> Contender:
    return replace(side, scores=scores)


def side(role: str, **changes: Any) -> Plant:
    return lambda g: replace(g, **{role: replace(getattr(g, role), **changes)})


def constant(role: str, value: float) -> Plant:
    return lambda g: replace(g, **{role: scores_of(getattr(g, role), np.full(len(g.challenger.scores), value))})


stale_champion = side("champion", scored_by="mdl_older")
leak = side("challenger", training_end_date=date(2026, 6, 2))
constant_challenger = constant("challenger", 0.13)


def self_comparison(g: Gate) -> Gate:
    return replace(g, champion=on_examples(g.examples, "mdl_new", g.champion.scores, date(2026, 5, 1)))  # type: ignore[union-attr]


def immature(g: Gate) -> Gate:
    return replace(g, as_of=date(2026, 6, 16))


def not_finite(g: Gate) -> Gate:
    scores = g.challenger.scores.copy()
    scores[7] = np.inf
    return replace(g, challenger=scores_of(g.challenger, scores))


def texted_outcomes(g: Gate) -> Gate:
    slices = np.full(len(g.examples.user_ids), "organic", dtype=object)
    slices[:4] = "exploit"
    return replace(g, examples=replace(g.examples, slices=slices))


INVALID: list[tuple[Plant, str, str]] = [
    (self_comparison, "is_another_model",
     "The challenger mdl_new is the champion; a model is never compared with itself."),
    (stale_champion, "champion_scores_are_current",
     "The scores of the champion were computed by mdl_older, not by mdl_old; score again."),
    (side("challenger", scored_by="mdl_older"), "challenger_scores_are_current",
     "The scores of the challenger were computed by mdl_older, not by mdl_new; score again."),
    (immature, "labels_are_mature", "9,000 labels are immature as of 2026-06-16"),
    (leak, "challenger_trained_before_gate",
     "The challenger was trained on examples up to 2026-06-02, the gate starts on 2026-06-02."),
    (side("challenger", training_end_date=None), "challenger_trained_before_gate",
     "The last training day of the challenger is unknown"),
    (side("champion", training_end_date=date(2026, 6, 8)), "champion_trained_before_gate",
     "The champion was trained on examples up to 2026-06-08"),
    (not_finite, "challenger_scores_are_finite", "1 scores of the challenger are not finite, the first in row 7."),
    (constant("human", np.nan), "human_scores_are_finite", "18,000 scores of the human are not finite"),
    (lambda g: replace(g, champion=taken(g.champion, slice(0, -5))), "champion_on_same_rows",
     "The champion is scored on 17,995 rows, the examples have 18,000"),
    (repeated, "each_row_once", "1 rows repeat the (user, item, day) of another, the first is row 18000"),
    (texted_outcomes, "outcomes_favour_nobody", "4 rows are not organic or explore; leave them out."),
    (lambda g: replace(g, human=None), "human_baseline_given", "No human baseline was given"),
    (constant_challenger, "challenger_scores_vary",
     "All 18,000 scores of the challenger are 0.13: they do not vary, so they rank nothing."),
    (lambda _: constant_challenger(ranked(users=30)), "challenger_scores_vary", "All 1,200 scores of the challenger"),
    (lambda g: replace(g, challenger=scores_of(g.challenger, g.examples.user_ids.astype(float))),
     "challenger_scores_vary",
     "The scores of the challenger do not vary between the items of any user, so they rank nothing."),
    (constant("human", 0.0), "human_scores_vary", "All 18,000 scores of the human are 0: they do not vary"),
]  # fmt: skip
POOLED: list[tuple[Plant, str, str]] = [
    (constant_challenger, "challenger_scores_vary", "All 6,000 scores of the challenger are 0.13: they do not vary"),
    (stale_champion, "champion_scores_are_current", "The scores of the champion were computed by mdl_older"),
    (self_comparison, "is_another_model", "The challenger mdl_new is the champion; a model is never compared"),
    (immature, "labels_are_mature", "4,480 labels are immature as of 2026-06-16, the first in row 1 (exposed"),
    (
        repeated,
        "each_row_once",
        "1 rows repeat the (entity, day) of another, the first is row 6000; each may occur once.",
    ),
]


@pytest.mark.parametrize(
    ("made", "plant", "name", "sentence"), [(ranked, *one) for one in INVALID] + [(gate, *one) for one in POOLED]
)
def test_an_invalid_comparison_is_refused_and_never_made(
    made: Callable[[], Gate], plant: Plant, name: str, sentence: str
) -> None:
    decision = plant(made()).decide()
    assert decision.outcome == "refused"
    assert name in [condition.name for condition in decision.unmet]
    assert decision.sentences[0].startswith(f"Refused: {sentence}")
    assert decision.comparisons == ()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100))
def test_a_tie_of_rankings_does_not_promote(seed: int, factor: float) -> None:
    g = ranked(seed % 7, users=400)
    order_kept = scores_of(g.champion, g.challenger.scores * factor)  # type: ignore[arg-type]
    decision = replace(g, champion=order_kept).decide()
    assert decision.outcome == "refused"
    assert [c.name for c in decision.unmet] == ["beats_champion"]
    assert decision.sentences[0].startswith(
        "Refused: The challenger ties with and so does not beat the champion: MAP@10"
    )
    assert "difference +0.0000 (+0.0000 to +0.0000)" in decision.sentences[0]


def test_a_missing_human_passes_only_by_the_callers_word_and_is_reported() -> None:
    decision = replace(ranked(), human=None, has_no_human=True).decide()
    assert decision.is_promoted
    assert "No ranking in use was given; nothing is said about beating it." in decision.sentences
    assert [c.against for c in decision.comparisons] == ["champion", "random"]
    first = replace(ranked(), human=None, champion=None, has_no_human=True).decide()
    assert [c.against for c in first.comparisons] == ["random"]
    with pytest.raises(InvalidInputError, match="has_no_human is true but human is recruiter_rule"):
        replace(ranked(), has_no_human=True).decide()


@pytest.mark.parametrize("is_ranked", [False, True])
def test_no_positives_and_no_rows_are_not_enough_evidence(is_ranked: bool) -> None:
    g = ranked(users=30) if is_ranked else gate()
    none = replace(g.examples, is_relevant=np.zeros(len(g.examples.user_ids), dtype=bool))
    decision = replace(g, examples=none).decide()
    assert (decision.outcome, decision.comparisons) == ("not_enough_evidence", ())
    empty, days = np.array([], dtype=object), np.array([], dtype="datetime64[D]")
    rows = GateExamples(empty, empty if is_ranked else None, days, np.array([], dtype=bool), days)
    names = ("new", "old", "human") if is_ranked else ("new", "old")
    sides = [on_examples(rows, name, np.array([]), date(2026, 6, 1)) for name in names]
    more = {"policy": RANKED_POLICY, "as_of": AS_OF} if is_ranked else {}
    assert Gate(rows, *sides, **more).decide().outcome == "not_enough_evidence"


def test_every_fault_is_named_at_once() -> None:
    decision = immature(leak(stale_champion(ranked()))).decide()
    assert {"labels_are_mature", "challenger_trained_before_gate", "champion_scores_are_current"} <= {
        condition.name for condition in decision.unmet
    }


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_the_order_of_rows_changes_no_bit_of_the_decision(seed: int, is_ranked: bool) -> None:
    g = ranked(users=60) if is_ranked else gate(rows=3_000)
    rng = np.random.default_rng(seed)
    assert taken_everywhere(g, rng.permutation).decide() == g.decide()


def test_copying_a_window_does_not_narrow_the_interval() -> None:
    g = ranked()
    places = np.arange(len(g.examples.user_ids)).reshape(450, 2, 20)
    copied = places[:, [0, 0]].ravel()
    sides = {
        role: scores_of(one, one.scores[copied])
        for role in ("challenger", "champion", "human")
        if (one := getattr(g, role))
    }
    twice = replace(g, examples=replace(g.examples, is_relevant=g.examples.is_relevant[copied]), **sides)
    once = taken_everywhere(twice, lambda _: places[:, 0].ravel())
    assert [c.delta for c in twice.decide().comparisons] == [c.delta for c in once.decide().comparisons]


def test_equal_challengers_are_promoted_in_at_most_the_allowed_share() -> None:
    runs = 400
    policy = PromotionPolicy(minimum_users_with_positives=100, bootstrap_resamples=400, gates_per_year=2)
    worlds = (ranked(1_000 + run, 220, (1.0, 1.0, 0.1), jobs=12) for run in range(runs))
    share = sum(replace(one, policy=policy).decide().is_promoted for one in worlds) / runs
    assert 0 < share <= 0.025 + 2.6 * np.sqrt(0.025 * 0.975 / runs)
