"""The verdict and its comparison: outcome and first sentence follow from the conditions."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.statistics import Interval, day_multiplicities
from mlife_assets.core.training.gate import verdict
from mlife_assets.core.training.gate.comparing import average_precision, day_counts, weighted_average_precision
from mlife_assets.core.training.gate.decide import remark_on_alpha, remarks_on_a_refit, sentences_of
from mlife_assets.core.training.gate.verdict import COMPARED_PREFIXES, Comparison, outcome_of
from mlife_assets.core.training.gate_examples import Condition
from mlife_assets.core.training.reliability import Calibration

MET = Condition("beats_champion", True, "It beats the champion.")
UNMET = Condition("beats_human", False, "It does not beat the human.")
THIN = Condition("enough_days", False, "3 days, 14 needed.")


def comparison(
    lower: float, estimate: float, upper: float, margin: float = 0.0, win_bound: float | None = None
) -> Comparison:
    delta = Interval(estimate, lower, upper, 0.95, 500)
    return Comparison("champion", "mdl", 0.4 + estimate, 0.4, delta, margin, lower if win_bound is None else win_bound)


def test_thin_evidence_comes_first_whatever_else_fails() -> None:
    conditions = [MET, UNMET, THIN]
    assert outcome_of(conditions) == "not_enough_evidence"
    assert sentences_of("not_enough_evidence", conditions, "win", has_human=True) == (
        "Not enough evidence: 3 days, 14 needed. Next: wait for more outcomes, or let the gate judge more days.",
        "It does not beat the human. Next: keep the rule, and look for features that it does not know; more days "
        "narrow the bound.",
        "The other 1 conditions are met; docs/runbooks/refused.md has more on those that are not.",
        "It beats the champion.",
    )
    assert outcome_of([MET, UNMET]) == "refused"
    assert outcome_of([MET]) == "promoted"


@pytest.mark.parametrize(
    ("found", "is_met", "verb"),
    [
        (comparison(0.001, 0.01, 0.02), True, "beats the champion: AP"),
        (comparison(0.0, 0.01, 0.02), False, "does not beat the champion: AP"),
        (comparison(0.0, 0.0, 0.0), False, "ties with and so does not beat the champion: AP"),
        (comparison(0.001, 0.01, 0.02, margin=0.001), False, "does not beat the champion: AP"),
        (comparison(0.001, 0.01, 0.02, win_bound=-0.001), False, "does not beat the champion: AP"),
    ],
)
def test_only_a_bound_of_a_win_above_the_margin_wins(found: Comparison, is_met: bool, verb: str) -> None:
    condition = verdict.is_better(found, "AP")
    assert condition.is_met is is_met
    assert condition.sentence.startswith(f"The challenger {verb}")


def test_a_number_is_printed_on_the_side_of_its_bound_on_which_it_lies() -> None:
    cases = [(0.797, 0.8), (0.8, 0.8), (0.00001, 0.0), (-1e-9, 0.0), (0.79, 0.8), (1e-20, 0.0)]
    printed = ["0.797", "0.80", "0.00001", "-0.000000001", "0.79", "1e-20"]
    assert [verdict.beside(*one) for one in cases] == printed
    words = verdict.is_better(comparison(0.0, 0.01, 0.02, win_bound=0.00004), "AP").sentence
    assert words.endswith("the bound of a win is +0.00004 and must exceed 0.")


def slope(estimate: float, lower: float, upper: float) -> Calibration:
    return Calibration(estimate, lower, upper, 0.0, -0.1, 0.1, 0.01, 500, 5_000, ())


@pytest.mark.parametrize(
    ("measured", "is_met", "words"),
    [
        (slope(1.0, 0.8, 1.25), True, "lies within 0.8 to 1.25."),
        (
            slope(0.93, 0.75, 1.11),
            True,
            "is not shown to lie outside of 0.8 to 1.25, as its upper end, 1.11, is at least 0.8.",
        ),
        (slope(1.0, 0.5, 2.1), True, "its upper end, 2.10, is at least 0.8 and its lower end, 0.50, is at most 1.25."),
        (slope(0.7, 0.6, 0.8), True, "its upper end, 0.80, is at least 0.8."),
        (slope(0.7, 0.6, 0.7999), False, "lies outside of 0.8 to 1.25: its upper end, 0.7999, must be at least 0.8."),
        (slope(1.5, 1.26, 1.8), False, "lies outside of 0.8 to 1.25: its lower end, 1.26, must be at most 1.25."),
        (slope(1.0, -0.1, 2.1), False, "may mean nothing yet: its lower end, -0.10, must exceed 0."),
        (slope(1.0, 0.0, 2.1), False, "is not shown to be above 0"),
        (slope(-1.0, -1.5, -0.5), False, "lies outside of 0.8 to 1.25: its upper end, -0.50, must be"),
        (None, False, "No calibration was measured"),
    ],
)
def test_the_slope_of_a_first_model_is_above_0_and_not_shown_to_be_off(
    measured: Calibration | None, is_met: bool, words: str
) -> None:
    condition = verdict.is_calibrated(measured, PromotionPolicy())[0]
    assert condition.is_met is is_met
    assert words in condition.sentence


def level(estimate: float, lower: float, upper: float) -> Calibration:
    """A calibration whose odds of what happened over odds of what was said are these."""
    bounds = (math.log(one) for one in (estimate, lower, upper))
    return Calibration(1.0, 0.9, 1.1, *bounds, 0.01, 500, 5_000, ())


@pytest.mark.parametrize(
    ("measured", "is_met", "is_provisional", "words"),
    [
        (level(1.0, 0.68, 1.49), True, False, "said) lies within 0.67 to 1.5."),
        (level(0.8, 0.66, 0.97), True, True, "lie outside of 0.67 to 1.5, as its upper end, 0.97, is at least 0.67."),
        (level(1.3, 1.12, 1.51), True, True, "lie outside of 0.67 to 1.5, as its lower end, 1.12, is at most 1.5."),
        (level(0.48, 0.43, 0.54), False, True, "0.48 (0.43 to 0.54; odds of what happened over odds of what was said)"),
        (level(1.7, 1.51, 1.9), False, True, "said) lies outside of 0.67 to 1.5: its lower end, 1.51, must be"),
    ],
)
def test_the_level_of_a_first_model_is_not_shown_to_be_off(
    measured: Calibration, is_met: bool, is_provisional: bool, words: str
) -> None:
    condition = verdict.is_calibrated(measured, PromotionPolicy())[1]
    assert condition.is_met is is_met
    assert words in condition.sentence
    assert condition.name.startswith(COMPARED_PREFIXES)
    assert verdict.is_provisional(measured, PromotionPolicy()) is is_provisional


WORSE, UNSURE = Interval(-0.01, -0.02, -0.001, 0.95, 50), Interval(-0.01, -0.02, 0.0, 0.95, 50)


@pytest.mark.parametrize(
    ("measured", "gain", "is_met", "words"),
    [
        (slope(0.93, 0.75, 1.11), UNSURE, True, "are not shown to be worse than the champion's: log loss lower"),
        (slope(0.93, 0.75, 1.11), WORSE, False, "are worse than the champion's: log loss lower by -0.0100"),
        (None, UNSURE, True, "are not shown to be worse"),
        (slope(1.0, 0.8, 1.25), WORSE, True, "lies within 0.8 to 1.25."),
        (slope(1.0, 0.8, 1.25), None, True, "lies within 0.8 to 1.25."),
        (slope(0.93, 0.75, 1.11), None, True, "Too few outcomes are mature to compare probabilities."),
    ],
)
def test_probabilities_of_a_refit_are_calibrated_or_not_shown_to_be_worse(
    measured: Calibration | None, gain: Interval | None, is_met: bool, words: str
) -> None:
    condition = verdict.keeps_probabilities(measured, gain, PromotionPolicy())
    assert (condition.name, condition.is_met) == ("keeps_probabilities", is_met)
    assert words in condition.sentence


def test_what_a_refit_compares_is_reported_with_its_numbers() -> None:
    against = comparison(-0.02, -0.01, 0.003)
    others = [replace(against, against=name, model_version=name) for name in ("human", "champion", "random")]
    numbers = "AP 0.390 against 0.400, difference -0.0100 (-0.0200 to +0.0030)."
    assert remarks_on_a_refit(others, "AP", slope(0.93, 0.75, 1.11)) == (
        f"Reported: against the human {numbers}",
        f"Reported: against the champion {numbers}",
        f"Reported: against a random ranking {numbers}",
        "Reported: the calibration slope 0.93 (0.75 to 1.11).",
        "Reported: the calibration level 1.00 (0.90 to 1.11; odds of what happened over odds of what was said).",
    )
    assert remarks_on_a_refit([], "AP", None) == ()


def test_the_verdict_says_by_which_way_it_promotes_and_what_a_win_may_err() -> None:
    assert sentences_of("promoted", [MET], "win", has_human=True)[0] == "Promoted by a win: all 1 conditions are met."
    found = sentences_of("promoted", [MET], "refit", has_human=True)
    assert found[0] == "Promoted as a refit of the champion's configuration: all 1 conditions are met."
    assert remark_on_alpha(PromotionPolicy()) == (
        "The bound of a win errs at 0.09% of gates, so that in a year of 58 a challenger that is no better wins with a "
        "chance of 5% at most."
    )


def pooled(seed: int, rows: int = 600, days: int = 20) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores with many ties, outcomes and days."""
    rng = np.random.default_rng(seed)
    scores = np.round(rng.normal(size=rows), 1)
    positive = rng.random(rows) < 1 / (1 + np.exp(2 - scores))
    positive[0] = True
    return scores, positive, rng.integers(0, days, rows)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_agrees_with_scikit_learn_with_ties_and_weights(seed: int) -> None:
    scores, positive, day = pooled(seed)
    assert average_precision(scores, positive) == pytest.approx(average_precision_score(positive, scores), abs=1e-12)
    resamples = day_multiplicities(20, 2, 5, seed)
    found = weighted_average_precision(day_counts(scores, positive, day, 20), resamples)
    for value, weights in zip(found, resamples, strict=True):
        expected = average_precision_score(positive, scores, sample_weight=weights[day])
        assert value == pytest.approx(expected, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_order_of_rows_changes_no_bit(seed: int) -> None:
    scores, positive, day = pooled(seed)
    order = np.random.default_rng(seed).permutation(len(scores))
    resamples = day_multiplicities(20, 1, 50, 1)
    once = weighted_average_precision(day_counts(scores, positive, day, 20), resamples)
    again = weighted_average_precision(day_counts(scores[order], positive[order], day[order], 20), resamples)
    assert np.array_equal(once, again)


def test_chunks_do_not_show() -> None:
    scores, positive, day = pooled(4, rows=4_000)
    counts = day_counts(scores + np.arange(4_000) * 1e-9, positive, day, 20)
    resamples = day_multiplicities(20, 1, 3_000, 1)
    assert len(counts.rows) * len(resamples) > 1 << 20
    together = weighted_average_precision(counts, resamples)
    apart = np.concatenate([weighted_average_precision(counts, part) for part in np.array_split(resamples, 7)])
    assert together == pytest.approx(apart, abs=1e-14)


def test_a_resample_without_positives_is_zero() -> None:
    counts = day_counts(np.array([2.0, 1.0]), np.array([True, False]), np.array([0, 1]), 2)
    assert weighted_average_precision(counts, np.array([[0.0, 2.0], [1.0, 1.0]])).tolist() == [0.0, 1.0]
    none = day_counts(np.array([2.0]), np.array([False]), np.array([0]), 1)
    assert weighted_average_precision(none, np.ones((2, 1))).tolist() == [0.0, 0.0]


def test_what_cannot_be_ranked_is_refused() -> None:
    flags = np.array([True, False])
    with pytest.raises(NotEnoughEvidenceError, match="0 positives"):
        average_precision(np.zeros(2), ~flags & flags)
    with pytest.raises(InvalidInputError, match="score is nan in row 1"):
        average_precision(np.array([1.0, np.nan]), flags)
    with pytest.raises(InvalidInputError, match=r"\(3,\) scores"):
        average_precision(np.zeros(3), flags)
