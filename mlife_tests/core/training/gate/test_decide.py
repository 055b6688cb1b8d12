"""The gate of examples without an item: average precision, resampled by day. MAP@k is tested in `test_gate.py`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.statistics import Interval
from mlife_assets.core.training.gate.decide import MINIMUM_DAY_BLOCKS, decide_promotion
from mlife_assets.core.training.gate.verdict import PromotionDecision
from mlife_assets.core.training.gate_examples import Contender, GateExamples, on_examples
from mlife_assets.core.training.reliability import Calibration

POLICY = PromotionPolicy(minimum_users_with_positives=200, bootstrap_resamples=400)
CALIBRATION = Calibration(1.0, 0.95, 1.05, 0.0, -0.05, 0.05, 0.01, 500, 20_000, ())


@dataclass(frozen=True, eq=False)
class Gate:
    """A gate without an item that opens; tests break one thing at a time."""

    examples: GateExamples
    challenger: Contender
    champion: Contender | None
    human: Contender | None = None
    policy: PromotionPolicy = POLICY
    as_of: date = date(2026, 8, 1)
    calibration: Calibration = CALIBRATION
    log_loss_gain: Interval | None = None
    level_gain: Interval | None = None
    is_refit: bool = False

    def decide(self) -> PromotionDecision:
        return decide_promotion(
            self.examples,
            self.challenger,
            self.champion,
            self.human,
            self.policy,
            as_of=self.as_of,
            calibration=self.calibration,
            log_loss_gain=self.log_loss_gain,
            level_gain=self.level_gain,
            is_refit=self.is_refit,
        )


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
    assert given.sentence == "A human baseline was not given; nothing is said about beating people."
    assert given.sentence in decision.sentences
    assert any("beats the champion: average precision 0." in sentence for sentence in decision.sentences)
    assert "28 days with positives, 14 needed." in decision.sentences


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
    decision = replace(g, challenger=guess).decide()
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


def constant(g: Gate) -> Gate:
    return replace(g, challenger=replace(g.challenger, scores=np.full(len(g.challenger.scores), 0.2)))


def stale(g: Gate) -> Gate:
    return replace(g, champion=replace(g.champion, scored_by="mdl_older"))  # type: ignore[type-var]


def itself(g: Gate) -> Gate:
    return replace(g, champion=replace(g.champion, model_version="mdl_new", scored_by="mdl_new"))  # type: ignore[type-var]


def immature(g: Gate) -> Gate:
    return replace(g, as_of=date(2026, 7, 1))


def repeated(g: Gate) -> Gate:
    rows = np.append(np.arange(len(g.examples.user_ids)), 5)
    e = g.examples
    examples = GateExamples(
        e.user_ids[rows], None, e.as_of_dates[rows], e.is_relevant[rows], e.label_mature_dates[rows]
    )
    challenger = on_examples(examples, "mdl_new", g.challenger.scores[rows], date(2026, 6, 1))
    return replace(g, examples=examples, challenger=challenger, champion=None)


@pytest.mark.parametrize(
    ("plant", "sentence"),
    [
        (constant, "All 6,000 scores of the challenger are 0.2: they do not vary, so they rank nothing."),
        (stale, "The scores of the champion were computed by mdl_older, not by mdl_old; score again."),
        (itself, "The challenger mdl_new is the champion; a model is never compared with itself."),
        (immature, "1,283 labels are immature as of 2026-07-01, the first in row 5 (exposed 2026-06-27"),
        (repeated, "1 rows repeat a (user, day), the first is row 6000; each may occur once."),
    ],
    ids=lambda value: getattr(value, "__name__", "sentence"),
)
def test_planted_faults_are_refused_with_the_right_sentence_first(plant, sentence: str) -> None:
    decision = plant(gate()).decide()
    assert decision.outcome == "refused"
    assert decision.sentences[0].startswith(f"Refused: {sentence}")
    assert decision.comparisons == ()


def test_too_few_positives_and_too_few_days_are_not_enough_evidence() -> None:
    thin = replace(gate(rows=1_000), policy=replace(POLICY, minimum_users_with_positives=1_000)).decide()
    assert thin.outcome == "not_enough_evidence"
    assert thin.sentences[0] == f"Not enough evidence: {thin.users_with_positives} positives, 1,000 needed."
    short = gate(days=MINIMUM_DAY_BLOCKS - 1).decide()
    assert short.outcome == "not_enough_evidence"
    assert short.sentences[0] == "Not enough evidence: 13 days with positives, 14 needed."
    assert short.comparisons == ()
    assert gate(days=MINIMUM_DAY_BLOCKS).decide().is_promoted


def test_days_without_positives_are_no_evidence() -> None:
    g = gate()
    late = g.examples.as_of_dates >= np.datetime64("2026-06-10")
    examples = replace(g.examples, is_relevant=g.examples.is_relevant & ~late)
    decision = replace(g, examples=examples, policy=replace(POLICY, minimum_users_with_positives=30)).decide()
    assert decision.sentences[0] == "Not enough evidence: 8 days with positives, 14 needed."


def test_longer_blocks_count_as_fewer_units() -> None:
    two, seven = (replace(gate(), policy=replace(POLICY, gate_block_days=days)).decide() for days in (2, 7))
    assert two.against("champion").delta.n == 14  # type: ignore[union-attr]
    assert seven.sentences[0] == "Not enough evidence: 4 blocks of 7 days with positives, 14 needed."


def test_no_rows_and_no_positives_are_not_enough_evidence() -> None:
    days = np.array([], dtype="datetime64[D]")
    empty = GateExamples(np.array([], dtype=object), None, days, np.array([], dtype=bool), days)
    sides = [on_examples(empty, name, np.array([]), date(2026, 6, 1)) for name in ("new", "old")]
    assert Gate(empty, *sides).decide().outcome == "not_enough_evidence"
    g = gate()
    none = replace(g.examples, is_relevant=np.zeros(6_000, dtype=bool))
    assert replace(g, examples=none).decide().outcome == "not_enough_evidence"


def test_the_order_of_rows_changes_no_bit_of_the_decision() -> None:
    g = gate(rows=3_000)
    order = np.random.default_rng(3).permutation(3_000)
    e = g.examples
    moved = GateExamples(
        e.user_ids[order],
        None,
        e.as_of_dates[order],
        e.is_relevant[order],
        e.label_mature_dates[order],
        cohort="flights",
    )
    assert replace(g, examples=moved).decide() == g.decide()


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


def test_better_probabilities_than_the_champions_excuse_a_slope_that_is_not_proven_and_nothing_else() -> None:
    unproven = replace(gate(), calibration=replace(CALIBRATION, slope_lower=0.7))
    gain = Interval(0.02, 0.01, 0.03, 0.95, 28)
    assert unproven.decide().outcome == "refused"
    assert replace(unproven, log_loss_gain=gain).decide().outcome == "promoted"
    no_champion = replace(unproven, champion=None, log_loss_gain=gain)
    assert [one.name for one in no_champion.decide().unmet] == ["is_calibrated"], (
        "no champion, nobody to be better than"
    )
    swapped = replace(unproven, challenger=unproven.champion, champion=unproven.challenger, log_loss_gain=gain)
    assert "beats_champion" in [one.name for one in swapped.decide().unmet]


def test_a_wrong_level_is_refused_unless_the_champion_is_worse_in_level_too() -> None:
    low = replace(CALIBRATION, intercept=-0.73, intercept_lower=-0.85, intercept_upper=-0.61)
    wrong, gain = replace(gate(), calibration=low), Interval(0.02, 0.01, 0.03, 0.95, 28)
    assert [one.name for one in wrong.decide().unmet] == ["is_calibrated_in_level"]
    assert "The calibration level 0.48 (0.43 to 0.54; odds of what happened" in wrong.decide().sentences[0]
    sharper = replace(wrong, log_loss_gain=gain)
    assert sharper.decide().outcome == "refused", "a lower log loss alone excuses no level"
    assert replace(sharper, level_gain=Interval(0.1, -0.01, 0.2, 0.95, 28)).decide().outcome == "refused"
    nearer = replace(sharper, level_gain=Interval(0.1, 0.01, 0.2, 0.95, 28))
    assert nearer.decide().outcome == "promoted"
    assert replace(nearer, champion=None).decide().outcome == "refused", "no champion, nobody to be better than"


UNSURE = Interval(0.0, -0.01, 0.01, 0.95, 28)


def refit_gate(noise: tuple[float, float]) -> Gate:
    return replace(gate(noise=noise), is_refit=True, log_loss_gain=UNSURE)


def test_a_refit_need_not_be_better_but_is_refused_where_it_is_shown_to_be_worse() -> None:
    alike = refit_gate((0.5, 0.5))
    found = alike.decide().against("champion")
    assert found is not None
    assert found.delta.lower < 0 < found.delta.upper
    assert alike.decide().is_promoted
    assert replace(alike, is_refit=False).decide().outcome == "refused"
    assert refit_gate((0.5, 2.0)).decide().is_promoted
    worse = refit_gate((2.0, 0.5)).decide()
    assert [one.name for one in worse.unmet] == ["refit_does_no_harm_to_ranking"]
    assert worse.sentences[0].startswith(
        "Refused: The refitted recipe ranks worse than the champion: average precision"
    )


def test_a_refit_whose_probabilities_are_shown_to_be_worse_is_refused() -> None:
    g = refit_gate((0.5, 2.0))
    decision = replace(g, log_loss_gain=Interval(-0.02, -0.03, -0.01, 0.95, 28)).decide()
    assert decision.outcome == "refused"
    assert [one.name for one in decision.unmet] == ["refit_does_no_harm_to_probabilities"]
    unmeasured = replace(g, log_loss_gain=None).decide()
    assert unmeasured.outcome == "not_enough_evidence"
    assert unmeasured.sentences[0].startswith("Not enough evidence: The log loss of the refitted recipe was not")


def test_what_a_refit_need_not_meet_is_reported() -> None:
    g = replace(refit_gate((2.0, 2.0)), calibration=replace(CALIBRATION, slope_lower=0.1))
    strong = on_examples(g.examples, "panel", gate(noise=(0.1, 2.0)).challenger.scores)
    decision = replace(g, human=strong).decide()
    assert decision.is_promoted
    assert [c.against for c in decision.comparisons] == ["human", "champion", "random"]
    for what in ("against panel average", "against a random ranking average", "the calibration slope 1.00 (0.10"):
        assert any(s.startswith(f"Not required of a refit: {what}") for s in decision.sentences)
    assert not any(one.name.startswith(("beats_", "is_calibrated")) for one in decision.conditions)


def test_a_refit_keeps_every_condition_that_makes_a_comparison_valid() -> None:
    g = refit_gate((0.5, 2.0))
    unmet = [[one.name for one in plant(g).decide().unmet] for plant in (stale, itself, immature)]
    assert [names[0] for names in unmet] == ["champion_scores_are_current", "is_another_model", "labels_are_mature"]
    few = replace(g, policy=replace(POLICY, minimum_users_with_positives=5_000))
    assert few.decide().outcome == "not_enough_evidence"


def test_a_refit_of_nothing_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="without a champion"):
        replace(refit_gate((0.5, 2.0)), champion=None).decide()


def test_the_margin_holds_for_a_pool_of_rows_and_not_against_chance() -> None:
    g = gate()
    lower = g.decide().comparisons[0].delta.lower
    at_bound = replace(g, policy=replace(POLICY, minimum_delta_map=lower)).decide()
    assert {one.against: one.margin for one in at_bound.comparisons} == {"champion": lower, "random": 0.0}
    assert [one.name for one in at_bound.unmet] == ["beats_champion"]
    assert replace(g, policy=replace(POLICY, minimum_delta_map=lower - 1e-9)).decide().is_promoted
