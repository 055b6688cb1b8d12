"""The verdict: outcome and first sentence follow from the conditions."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.statistics import Interval
from mlife_assets.core.training.gate.verdict import (
    COMPARED_PREFIXES,
    Comparison,
    has_right_level,
    is_better,
    is_calibrated,
    outcome_of,
    refit_keeps_probabilities,
    refit_keeps_ranking,
    remarks_on_refit,
    sentences_of,
)
from mlife_assets.core.training.gate_examples import Condition
from mlife_assets.core.training.reliability import Calibration, calibration

MET = Condition("beats_champion", True, "It beats the champion.")
UNMET = Condition("beats_human", False, "It does not beat the human.")
THIN = Condition("enough_days", False, "3 days, 14 needed.")


def comparison(lower: float, estimate: float, upper: float, margin: float = 0.0) -> Comparison:
    return Comparison("champion", "mdl", 0.4 + estimate, 0.4, Interval(estimate, lower, upper, 0.95, 500), margin)


def test_thin_evidence_comes_first_whatever_else_fails() -> None:
    conditions = [MET, UNMET, THIN]
    assert outcome_of(conditions) == "not_enough_evidence"
    assert sentences_of("not_enough_evidence", conditions, has_human=True) == (
        "Not enough evidence: 3 days, 14 needed.",
        "It does not beat the human.",
        "It beats the champion.",
    )
    assert outcome_of([MET, UNMET]) == "refused"
    assert outcome_of([MET]) == "promoted"


def test_a_missing_human_is_reported_only_when_it_is_missing() -> None:
    given = Condition("human_baseline_given", True, "Not given.")
    assert "Not given." in sentences_of("promoted", [given, MET], has_human=False)
    assert "Not given." not in sentences_of("promoted", [given, MET], has_human=True)


@pytest.mark.parametrize(
    ("found", "is_met", "verb"),
    [
        (comparison(0.001, 0.01, 0.02), True, "beats the champion: AP"),
        (comparison(0.0, 0.01, 0.02), False, "does not beat the champion: AP"),
        (comparison(0.0, 0.0, 0.0), False, "ties with and so does not beat the champion: AP"),
        (comparison(0.001, 0.01, 0.02, margin=0.001), False, "does not beat the champion: AP"),
    ],
)
def test_only_a_lower_bound_above_the_margin_wins(found: Comparison, is_met: bool, verb: str) -> None:
    condition = is_better(found, "AP")
    assert condition.is_met is is_met
    assert condition.sentence.startswith(f"The challenger {verb}")


def slope(estimate: float, lower: float, upper: float) -> Calibration:
    return Calibration(estimate, lower, upper, 0.0, -0.1, 0.1, 0.01, 500, 5_000, ())


@pytest.mark.parametrize(
    ("measured", "gain", "is_met", "words"),
    [
        (slope(1.0, 0.8, 1.25), None, True, "lies within 0.8 to 1.25."),
        (slope(1.0, 0.8, 1.25), Interval(-0.1, -0.2, -0.01, 0.95, 50), True, "lies within 0.8 to 1.25."),
        (slope(0.93, 0.75, 1.11), None, False, "does not lie within 0.8 to 1.25."),
        (slope(1.1, 0.9, 1.26), None, False, "does not lie within 0.8 to 1.25."),
        (slope(0.93, 0.75, 1.11), Interval(0.02, 0.001, 0.04, 0.95, 50), True, "better than the champion's: log loss"),
        (
            slope(0.93, 0.75, 1.11),
            Interval(0.02, 0.0, 0.04, 0.95, 50),
            False,
            "nor are its probabilities shown to beat",
        ),
        (None, Interval(0.02, 0.001, 0.04, 0.95, 50), False, "No calibration was measured"),
    ],
)
def test_probabilities_are_believed_within_the_bounds_or_when_shown_to_be_better_than_those_in_use(
    measured: Calibration | None, gain: Interval | None, is_met: bool, words: str
) -> None:
    condition = is_calibrated(measured, gain, PromotionPolicy())
    assert condition.is_met is is_met
    assert words in condition.sentence


def level(estimate: float, lower: float, upper: float) -> Calibration:
    """A calibration whose odds of what happened over odds of what was said are these."""
    bounds = (math.log(one) for one in (estimate, lower, upper))
    return Calibration(1.0, 0.9, 1.1, *bounds, 0.01, 500, 5_000, ())


BETTER, UNCLEAR = Interval(0.02, 0.001, 0.04, 0.95, 50), Interval(0.02, 0.0, 0.04, 0.95, 50)


@pytest.mark.parametrize(
    ("measured", "gain", "nearer", "is_met", "words"),
    [
        (level(1.0, 0.68, 1.49), None, None, True, "said) lies within 0.67 to 1.5."),
        (level(0.48, 0.43, 0.54), None, None, False, "0.48 (0.43 to 0.54; odds of what happened over odds of what was"),
        (level(0.8, 0.66, 0.97), None, None, False, "does not lie within 0.67 to 1.5."),
        (level(1.3, 1.12, 1.51), None, None, False, "does not lie within 0.67 to 1.5."),
        (level(0.48, 0.43, 0.54), BETTER, UNCLEAR, False, "nor is the champion shown to be worse in both"),
        (level(0.48, 0.43, 0.54), UNCLEAR, BETTER, False, "nor is the champion shown to be worse in both"),
        (level(0.48, 0.43, 0.54), BETTER, None, False, "does not lie within 0.67 to 1.5."),
        (level(0.48, 0.43, 0.54), BETTER, BETTER, True, "but the champion is worse in level too"),
    ],
)
def test_a_wrong_level_is_refused_unless_the_champion_is_shown_to_be_worse_in_level_too(
    measured: Calibration, gain: Interval | None, nearer: Interval | None, is_met: bool, words: str
) -> None:
    condition = has_right_level(measured, gain, nearer, PromotionPolicy())
    assert condition.is_met is is_met
    assert words in condition.sentence
    assert condition.name.startswith(COMPARED_PREFIXES)


def repeated(true_level: float, worlds: int = 120) -> int:
    """Return how often a level of this size passes: 1,000 people with 6 rows each, who differ in what they do."""
    passed = 0
    for seed in range(worlds):
        rng = np.random.default_rng(seed)
        who = np.repeat(np.arange(1_000), 6)
        odds = rng.normal(-1.5, 0.8, len(who))
        own = rng.normal(0.0, 0.4, 1_000)[who]
        wanted, marginal = math.log(true_level), math.sqrt(1 + 0.346 * 0.4**2)
        happened = rng.random(len(who)) < 1 / (1 + np.exp(-(odds * marginal + wanted * marginal + own)))
        said = 1 / (1 + np.exp(-odds))
        measured = calibration(said, happened, cluster_ids=who.astype(str))
        passed += has_right_level(measured, None, None, PromotionPolicy()).is_met
    return passed


def test_a_right_level_passes_and_a_wrong_one_does_not_however_often_one_looks() -> None:
    """At a bound itself one bound of a 95 % interval has to be crossed by luck: 2.5 % of 120 are 3, 9 are rare."""
    assert repeated(1.0) >= 118
    assert repeated(0.67) <= 9
    assert repeated(1.5) <= 9
    assert repeated(0.48, worlds=20) == 0


@pytest.mark.parametrize(
    ("found", "is_met", "verb"),
    [
        (comparison(-0.05, -0.02, 0.001), True, "is not shown to rank worse than the champion: AP"),
        (comparison(0.0, 0.0, 0.0), True, "is not shown to rank worse than the champion: AP"),
        (comparison(-0.05, -0.02, -0.001), False, "ranks worse than the champion: AP"),
    ],
)
def test_a_refit_is_refused_where_its_whole_interval_says_worse(found: Comparison, is_met: bool, verb: str) -> None:
    condition = refit_keeps_ranking(found, "AP")
    assert condition == Condition("refit_does_no_harm_to_ranking", is_met, condition.sentence)
    assert condition.sentence.startswith(f"The refitted recipe {verb}")


@pytest.mark.parametrize(
    ("gain", "is_met", "words"),
    [
        (Interval(-0.01, -0.02, 0.0, 0.95, 50), True, "are not shown to be worse than the champion's: log loss lower"),
        (Interval(-0.01, -0.02, -0.001, 0.95, 50), False, "are worse than the champion's: log loss lower by -0.0100"),
    ],
)
def test_a_refit_is_refused_where_its_probabilities_are_shown_to_be_worse(
    gain: Interval, is_met: bool, words: str
) -> None:
    condition = refit_keeps_probabilities(gain)
    assert (condition.name, condition.is_met) == ("refit_does_no_harm_to_probabilities", is_met)
    assert words in condition.sentence


def test_probabilities_of_a_refit_that_nobody_measured_are_a_want_of_evidence_and_no_harm() -> None:
    condition = refit_keeps_probabilities(None)
    assert outcome_of([MET, condition]) == "not_enough_evidence"
    assert not condition.name.startswith(COMPARED_PREFIXES)
    assert "was not measured; evaluate probabilities on more examples" in condition.sentence


def test_what_a_refit_need_not_meet_is_reported_with_its_numbers() -> None:
    against = comparison(-0.02, -0.01, 0.003)
    others = [replace(against, against=name, model_version=name) for name in ("human", "champion", "random")]
    numbers = "AP 0.390 against 0.400, difference -0.0100 (-0.0200 to +0.0030)."
    assert remarks_on_refit(others, "AP", slope(0.93, 0.75, 1.11)) == (
        f"Not required of a refit: against human {numbers}",
        f"Not required of a refit: against a random ranking {numbers}",
        "Not required of a refit: the calibration slope 0.93 (0.75 to 1.11).",
        "Not required of a refit: the calibration level 1.00 (0.90 to 1.11; odds of what happened over odds of what "
        "was said).",
    )
    assert remarks_on_refit([], "AP", None) == ()
