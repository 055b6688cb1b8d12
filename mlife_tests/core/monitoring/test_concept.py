"""Concept drift and what outcomes say of performance."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

from mlife_assets.core.errors import InvalidInputError, UpstreamMismatchError
from mlife_assets.core.monitoring import concept
from mlife_assets.core.monitoring import outcomes as outcome_statistics
from mlife_assets.core.monitoring.columns import LABEL, Wording
from mlife_assets.core.monitoring.lateness import LateFeedback
from mlife_assets.core.monitoring.outcomes import METRICS, learn_concept_thresholds, scored_outcomes, standardised_ranks
from mlife_assets.core.monitoring.thresholds import Statistic
from mlife_assets.core.policies import MonitoringPolicy

POLICY = MonitoringPolicy()
WORDS = {LABEL: Wording("applies", "converts"), "click": Wording("clicks", "is clicked")}
AGREED = [Statistic(method, metric, 0.7) for method in ("estimated", "realised") for metric in METRICS]
BOTH = {"positives": 400, "reference_positives": 100}


@pytest.fixture(scope="module")
def limited(reference):
    return reference.with_thresholds(learn_concept_thresholds(reference, POLICY))


@pytest.fixture
def week(pairs_world):
    """Return what makes a window of the week that is judged 34 days after the start."""
    return partial(pairs_world.scored_examples, first=pairs_world.START + timedelta(days=20), days=7)


@pytest.fixture
def judged(pairs_world, limited):
    def run(window, statistics=AGREED, reference=limited):
        return concept.concept_drift_report(
            as_of=pairs_world.START + timedelta(days=34), reference=reference, examples={LABEL: window},
            statistics={LABEL: statistics}, policy=POLICY,
        )  # fmt: skip

    return run


@pytest.fixture
def report(week, judged):
    def run(seed: int = 2, statistics=AGREED, per_day: int = 800, **change: float):
        return judged(week(seed, per_day=per_day, **change), statistics)

    return run


def test_without_drift_alarms_are_rare(report) -> None:
    alarms = [seed for seed in range(100, 140) if report(seed).status == "alarm"]
    assert len(alarms) <= 2, alarms


@pytest.mark.parametrize(
    ("change", "method", "words"),
    [
        ({"pay": 1.0}, outcome_statistics.RESIDUAL, "Higher log_pay_ratio converts more often than the model expects"),
        ({"pay": -1.0}, outcome_statistics.RESIDUAL, "Higher log_pay_ratio converts less often"),
        ({"slope": 0.4}, outcome_statistics.SLOPE, "Outcomes separate less along the score"),
        ({"shift": 0.5}, outcome_statistics.LEVEL, "times as frequent as the model expects"),
    ],
)
def test_a_shift_of_the_concept_alarms_and_is_named(report, change: dict[str, float], method: str, words: str) -> None:
    result = report(**change)
    assert method in {finding.method for finding in result.alarms}
    assert words in result.sentence


def test_a_realised_performance_below_the_estimate_alarms(report) -> None:
    realised = [Statistic("realised", metric, 0.5) for metric in METRICS]
    result = report(statistics=[*AGREED[:2], *realised])
    assert {finding.column for finding in result.alarms} == set(METRICS)
    better = [Statistic("realised", metric, 0.9) for metric in METRICS]
    assert report(statistics=[*AGREED[:2], *better]).status == "ok"


def test_too_few_positives_say_so_with_counts(report, reference) -> None:
    result = report(per_day=50, statistics=())
    assert result.status == "not_enough_evidence"
    assert result.findings == ()
    assert "positives in 350 exposures, 100 needed" in result.sentence
    strict = MonitoringPolicy(minimum_mature_positives=10**6)
    assert learn_concept_thresholds(reference, strict) == ()


def test_an_empty_window_of_late_feedback_says_why(pairs_world, limited) -> None:
    as_of = pairs_world.START + timedelta(days=40)
    days = frozenset(as_of - timedelta(days=back) for back in (2, 1))
    late = {LABEL: LateFeedback(days, as_of + timedelta(days=14), "replies")}
    words = (
        f"Replies came late on 2 days from {min(days)} to {max(days)}: outcomes are judged again from 2026-05-25 if no "
        "other day is late."
    )
    shortfall = "Not enough mature labels: the window has 0 positives in 0 exposures, 100 needed."
    for told, expected in ((late, words), (None, shortfall)):
        result = concept.concept_drift_report(
            as_of=as_of, reference=limited, examples={LABEL: limited.examples.slice(0, 0)}, statistics={},
            policy=POLICY, late=told,
        )  # fmt: skip
        assert result.status == "not_enough_evidence"
        assert result.sentence == expected


def test_a_window_in_which_a_feature_hardly_varies_is_no_drift(pairs_world, week, judged) -> None:
    """Limits of the reference know how far steps scatter where the feature varies as usual."""
    found: list[bool] = []
    for seed in range(200, 240):
        window = week(seed, per_day=800)
        distance = window["distance_km"].to_numpy()
        narrow = np.median(distance) + (distance - np.median(distance)) / 8
        drawn = np.random.default_rng(seed).random(window.num_rows) < window["probability"].to_numpy()
        result = judged(pairs_world.replaced(window, distance_km=narrow, is_positive=drawn))
        found += [finding.is_alarm for finding in result.findings if finding.column == "distance_km"]
    assert len(found) == 40
    assert sum(found) <= 1


def test_what_hangs_on_few_positives_or_one_score_is_reported_and_not_judged(
    pairs_world, limited, week, judged
) -> None:
    window = week(2, per_day=800)
    usual = limited.examples
    few, constant = np.where(np.arange(window.num_rows) < 10, 90.0, 8.0), np.full(usual.num_rows, 8.0)
    bare = replace(limited, examples=pairs_world.replaced(usual, distance_km=constant))
    bare = bare.with_thresholds(learn_concept_thresholds(bare, POLICY))

    def told(reference, examples) -> str:
        result = judged(examples, reference=reference)
        is_judged = "distance_km" in {finding.column for finding in result.findings}
        assert is_judged == ("not judged" not in result.sentence)
        return result.sentence

    words = (
        "Outcomes are not judged along distance_km: hardly anything varies in the {} (fewer than 5 expected positives"
    )
    assert words.format("window") in told(limited, pairs_world.replaced(window, distance_km=few))
    assert words.format("reference") in told(bare, window)
    assert "not judged" not in told(limited, window)
    result = judged(pairs_world.replaced(window, probability=np.full(window.num_rows, 0.05)))
    assert outcome_statistics.SLOPE not in {finding.method for finding in result.findings}
    assert "Outcomes are not judged along the score: hardly anything varies in the window" in result.sentence


def test_the_window_is_mature_after_the_reference_and_recent(pairs_world, limited) -> None:
    examples = pairs_world.scored_examples(2, first=pairs_world.START + timedelta(days=10), days=20, per_day=5)
    as_of = pairs_world.START + timedelta(days=33)
    window = concept.concept_window(examples, reference=limited, as_of=as_of)
    days = sorted(set(window["exposure_date"].to_pylist()))
    assert (days[0], days[-1]) == (as_of - timedelta(days=8 + 6), as_of - timedelta(days=8))
    early = concept.concept_window(examples, reference=limited, as_of=pairs_world.START + timedelta(days=21))
    assert early.num_rows == 0


def test_statistics_that_are_missing_are_asked_for(report) -> None:
    with pytest.raises(UpstreamMismatchError, match="compute performance_statistics on the window"):
        report(statistics=())


@pytest.fixture(scope="module")
def funnel(pairs_world, reference):
    """A reference of a model with an earlier step, of which there are as many as of the label."""
    clicks = pairs_world.scored_examples(11, first=pairs_world.START, days=14, per_day=800)
    with_clicks = replace(reference, steps={"click": clicks})
    return with_clicks.with_thresholds(learn_concept_thresholds(with_clicks, POLICY))


@pytest.fixture
def two_step_report(pairs_world, funnel, week):
    def run(*, per_day: int = 800, clicks_per_day: int = 800, statistics=AGREED, click_statistics=AGREED, **change):
        applies, clicks = week(2, per_day=per_day), week(12, per_day=clicks_per_day, **change)
        return concept.concept_drift_report(
            as_of=pairs_world.START + timedelta(days=34), reference=funnel, examples={LABEL: applies, "click": clicks},
            statistics={LABEL: statistics, "click": click_statistics}, policy=POLICY, words=WORDS,
        )  # fmt: skip

    return run


def test_both_steps_of_a_funnel_are_judged_and_named_apart(two_step_report) -> None:
    quiet = two_step_report()
    assert quiet.status == "ok"
    assert {finding.method.startswith("click_") for finding in quiet.findings} == {True, False}
    assert "clicks in 5,600 exposures" in quiet.sentence
    moved = two_step_report(pay=1.0)
    assert {f.method for f in moved.alarms} == {"click_residual_score"}
    assert moved.moved_columns == ("log_pay_ratio",)
    assert "Higher log_pay_ratio is clicked more often than the model expects" in moved.sentence
    rarer = two_step_report(shift=-0.5)
    assert "Clicks are 0.6" in rarer.sentence
    flat = two_step_report(slope=0.3)
    assert "Clicks separate less along the score" in flat.sentence
    worse = [*AGREED[:2], *(Statistic("realised", metric, 0.5) for metric in METRICS)]
    short = two_step_report(click_statistics=worse)
    assert {f.method for f in short.alarms} == {"click_performance_shortfall"}
    assert "Realised ROC AUC of clicks 0.500 falls short of the estimate 0.700" in short.sentence


def test_clicks_are_judged_while_applies_are_too_few(two_step_report) -> None:
    result = two_step_report(per_day=30, statistics=(), pay=1.0)
    assert result.status == "alarm"
    assert {f.method.startswith("click_") for f in result.findings} == {True}
    assert result.sentence.endswith("positives in 210 exposures, 100 needed.")
    assert "Not enough mature labels: the window has" in result.sentence
    neither = two_step_report(per_day=30, statistics=(), clicks_per_day=30, click_statistics=())
    assert neither.status == "not_enough_evidence"
    assert "positives in 210 exposures" in neither.sentence
    assert "clicks in 210 exposures" in neither.sentence


def test_each_late_outcome_says_when_it_is_judged_again(pairs_world, funnel, two_step_report) -> None:
    as_of = pairs_world.START + timedelta(days=34)
    late = {
        LABEL: LateFeedback(frozenset({as_of - timedelta(days=9), as_of}), as_of + timedelta(days=16), "clicks"),
        "click": LateFeedback(frozenset({as_of}), as_of + timedelta(days=11), "clicks"),
    }
    nothing = funnel.examples.slice(0, 0)
    common = {"as_of": as_of, "reference": funnel, "policy": POLICY, "words": WORDS}
    windows = {LABEL: nothing, "click": nothing}
    neither = concept.concept_drift_report(**common, examples=windows, statistics={}, late=late)
    assert neither.sentence == (
        "Clicks came late on 2 days from 2026-04-26 to 2026-05-05: clicks are judged again from 2026-05-16 and applies "
        "from 2026-05-21 if no other day is late."
    )
    clicks = pairs_world.scored_examples(12, first=pairs_world.START + timedelta(days=20), days=7, per_day=800)
    judged = concept.concept_drift_report(
        **common, examples=windows | {"click": clicks}, statistics={"click": AGREED}, late={LABEL: late[LABEL]}
    )
    assert judged.status == "ok"
    assert judged.sentence.endswith("applies are judged again from 2026-05-21 if no other day is late.")


@pytest.mark.parametrize("immature", [LABEL, "click"])
def test_an_immature_label_never_alarms(pairs_world, funnel, immature) -> None:
    first = pairs_world.START + timedelta(days=20)
    early = pairs_world.scored_examples(2, first=first - timedelta(days=2), days=7, per_day=800)
    late = pairs_world.scored_examples(12, first=first, days=7, per_day=800)
    with pytest.raises(InvalidInputError, match="label_mature_date of example"):
        concept.concept_drift_report(
            as_of=first + timedelta(days=13), reference=funnel,
            examples={name: late if name == immature else early for name in (LABEL, "click")},
            statistics={LABEL: AGREED, "click": AGREED}, policy=POLICY, words=WORDS,
        )  # fmt: skip


def test_the_window_of_clicks_begins_after_the_clicks_of_the_reference(pairs_world, reference) -> None:
    later = pairs_world.scored_examples(11, first=pairs_world.START, days=18, per_day=10)
    known = replace(reference, steps={"click": later})
    examples = pairs_world.scored_examples(2, first=pairs_world.START + timedelta(days=10), days=20, per_day=5)
    as_of = pairs_world.START + timedelta(days=30)
    for outcome, days in ((LABEL, 16), ("click", 18)):
        window = concept.concept_window(examples, reference=known, as_of=as_of, outcome=outcome)
        assert min(window["exposure_date"].to_pylist()) == pairs_world.START + timedelta(days=days)


def test_what_an_estimate_usually_promises_too_much_is_no_shortfall(reference, week, judged, report) -> None:
    key, gaps, window = (outcome_statistics.SHORTFALL, "roc_auc"), (0.0, 0.05, -0.05), week(2, per_day=800)
    known = {gap: reference.with_thresholds(learn_concept_thresholds(reference, POLICY, {key: gap})) for gap in gaps}

    def alarms(usual: float, gap: float) -> set[str]:
        estimated = [Statistic("estimated", "roc_auc", 0.7 + gap), Statistic("estimated", "average_precision", 0.7)]
        realised = [one for one in AGREED if one.method == "realised"]
        return {finding.method for finding in judged(window, [*estimated, *realised], known[usual]).alarms}

    limit = {(one.method, one.column): one.threshold for one in report().findings}[key]
    assert alarms(0.0, limit + 0.01) == {outcome_statistics.SHORTFALL}
    assert alarms(0.05, limit + 0.01) == set()
    assert alarms(0.05, limit + 0.06) == {outcome_statistics.SHORTFALL}
    assert alarms(-0.05, limit - 0.01) == set()


def test_an_estimate_that_is_none_is_left_out_in_words_and_the_rest_is_judged(report) -> None:
    nothing = [replace(one, value=np.nan) if one.method == "estimated" else one for one in AGREED]
    found = report(statistics=nothing)
    assert {(one.method, one.column) for one in report().findings} - {
        (one.method, one.column) for one in found.findings
    } == {(outcome_statistics.SHORTFALL, metric) for metric in METRICS}
    assert all(words in found.sentence for words in METRICS.values())


def test_the_statistics_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(0)
    outcome, probability = (rng.random(500) < 0.2).astype(float), rng.integers(1, 40, 500) / 50
    groups = np.unique(probability, return_inverse=True)[1]
    outcomes = outcome_statistics.ScoredOutcomes(outcome, probability, groups, np.zeros((500, 0)), ())
    weights = rng.integers(0, 4, 500).astype(float)
    auc, precision, level, _ = outcomes.statistics(weights)
    assert auc == pytest.approx(roc_auc_score(outcome, probability, sample_weight=weights))
    assert precision == pytest.approx(average_precision_score(outcome, probability, sample_weight=weights))
    assert level == pytest.approx(np.log((weights * outcome).sum() / (weights * probability).sum()))


def test_a_residual_is_the_newton_step_of_a_logistic_regression(pairs_world, reference) -> None:
    """One step from the rescaled expectation, feature by feature, each beside its own weighted mean."""
    examples = pairs_world.scored_examples(4, first=pairs_world.START, days=14, per_day=400, pay=0.5)
    scored = scored_outcomes(reference, examples)
    _, _, level, _, *steps = scored.statistics()
    expected = np.clip(scored.probability * np.exp(level), 1e-6, 1 - 1e-6)
    variance = expected * (1 - expected)
    for name, column, step in zip(scored.names, scored.features.T, steps, strict=True):
        centred = column - np.average(column, weights=variance)
        score = ((scored.outcome - expected) * centred).sum()
        assert step == pytest.approx(score / (variance * centred**2).sum()), name
    assert steps[scored.names.index("log_pay_ratio")] > 0.1


def test_a_weight_counts_as_so_many_rows(pairs_world, reference) -> None:
    """What limits are learned from are such weights."""
    examples = pairs_world.scored_examples(4, first=pairs_world.START, days=7, per_day=200, pay=0.5)
    weights = np.random.default_rng(2).poisson(1.0, examples.num_rows)
    repeated = examples.take(np.repeat(np.arange(examples.num_rows), weights))
    found = scored_outcomes(reference, examples).statistics(weights.astype(float))
    assert found == pytest.approx(scored_outcomes(reference, repeated).statistics())


VALUES = arrays(np.float64, st.integers(2, 60), elements=st.integers(-100, 100).map(float))


@given(VALUES, VALUES)
def test_ranks_of_what_is_usual_are_standardised_and_rise_with_the_value(usual, values) -> None:
    ranks = standardised_ranks(usual, usual)
    if len(set(usual)) == 1:
        assert not ranks.any()
        return
    assert (ranks.mean(), ranks.std()) == (pytest.approx(0, abs=1e-9), pytest.approx(1))
    order = np.argsort(values)
    assert (np.diff(standardised_ranks(values, usual)[order]) >= 0).all()
    scaled = standardised_ranks(values * 8 + 1024, usual * 8 + 1024)
    assert np.array_equal(scaled, standardised_ranks(values, usual))


def test_ranks_against_hand_worked_ones_and_missing_values_say_nothing() -> None:
    usual = np.array([1.0, 2.0, 2.0, np.nan, 9.0])
    middle = np.array([-1.5, 0.0, 0.0, 1.5])
    asked = np.array([-np.inf, 0.0, 1.0, 1.5, 2.0, 9.0, np.inf, np.nan])
    places = np.array([-2.0, -2.0, -1.5, -1.0, 0.0, 1.5, 2.0, 0.0])
    assert standardised_ranks(asked, usual) == pytest.approx(places / middle.std())
    rare = np.arange(100) == 0
    assert standardised_ranks(np.ones(1), rare * 1.0) == pytest.approx(np.sqrt(99)), "as any binary column"


def test_a_window_is_ranked_among_the_reference_and_not_among_itself(pairs_world, reference) -> None:
    window = pairs_world.scored_examples(4, first=pairs_world.START, days=7, per_day=100)
    farther = pairs_world.replaced(window, distance_km=window["distance_km"].to_numpy() + 30)
    place = reference.columns.residual.index("distance_km")
    usual = reference.examples["distance_km"].to_numpy()
    found = scored_outcomes(reference, farther).features[:, place]
    assert np.array_equal(found, standardised_ranks(farther["distance_km"].to_numpy(), usual))
    assert found.mean() > scored_outcomes(reference, window).features[:, place].mean() + 0.5


def test_evidence_is_what_the_probabilities_imply_where_nothing_came() -> None:
    """Of 60 rare rows three positives are expected, and none came: resampling rows shows no scatter."""
    rows = 20_000
    rare = np.arange(rows) < 60
    outcome = ((np.arange(rows) % 10 == 0) & ~rare).astype(float)
    probability = np.where(rare, 0.05, outcome.sum() / rows)
    scored = outcome_statistics.ScoredOutcomes(
        outcome, probability, np.where(rare, 0, 1), rare[:, None] * 1.0, ("rare",)
    )
    evidence, information = scored.evidence(), 60 * 0.05 * 0.95
    assert evidence.least_deviation[-1] == pytest.approx(1 / np.sqrt(information), rel=0.03)
    assert evidence.expected_positives[-1] == pytest.approx(information, rel=0.03)
    resampled = np.random.default_rng(3).poisson(1.0, (200, rows)).astype(float)
    assert np.std([scored.statistics(weights)[-1] for weights in resampled]) < evidence.least_deviation[-1] / 5


def test_evidence_of_the_slope_is_that_of_its_information_and_a_wrong_level_changes_nothing(
    pairs_world, reference
) -> None:
    table = pairs_world.scored_examples(4, first=pairs_world.START, days=14, per_day=400)
    scored = scored_outcomes(reference, table)
    evidence = scored.evidence()
    expected = scored.probability * scored.outcome.sum() / scored.probability.sum()
    variance, logit = expected * (1 - expected), np.log(expected / (1 - expected))
    centred = logit - np.average(logit, weights=variance)
    assert evidence.least_deviation[3] == pytest.approx((variance * centred**2).sum() ** -0.5)
    effective = (variance * centred**2).sum() ** 2 / (variance * centred**4).sum()
    assert evidence.expected_positives[3] == pytest.approx(effective)
    assert list(evidence.least_deviation[:3]) == [0, 0, 0]
    assert np.isinf(evidence.expected_positives[:3]).all()
    halved = pairs_world.replaced(table, probability=scored.probability / 2)
    assert scored_outcomes(reference, halved).evidence().least_deviation == pytest.approx(evidence.least_deviation)


def test_a_feature_without_spread_has_no_evidence_and_no_step(pairs_world, reference) -> None:
    table = pairs_world.scored_examples(4, first=pairs_world.START, days=7, per_day=100)
    constant = pairs_world.replaced(table, distance_km=np.full(table.num_rows, 8.0))
    scored = scored_outcomes(reference, constant)
    place = 4 + scored.names.index("distance_km")
    assert scored.statistics()[place] == 0
    assert np.array_equal(scored.statistics(), scored.statistics(np.ones(table.num_rows)))
    assert (scored.evidence().least_deviation[place], scored.evidence().expected_positives[place]) == (0, 0)


def test_a_missing_feature_and_a_missing_step_are_named(pairs_world, reference) -> None:
    examples = pairs_world.scored_examples(4, first=pairs_world.START, days=2, per_day=40)
    with pytest.raises(InvalidInputError, match="lack feature distance_km"):
        scored_outcomes(reference, examples.drop_columns(["distance_km"]))
    with pytest.raises(InvalidInputError, match="no scored examples of click"):
        scored_outcomes(reference, examples, "click")
    assert outcome_statistics.positives_of(None) == 0
    assert not outcome_statistics.has_enough_positives(None, POLICY)


def test_the_family_counts_every_statistic_of_every_outcome_with_enough_positives(reference, limited) -> None:
    alone = limited.thresholds
    both = learn_concept_thresholds(replace(reference, steps={"click": reference.examples}), POLICY)
    assert len(both) == 2 * len(alone)
    assert sum(threshold.error_rate for threshold in alone) == pytest.approx(POLICY.false_alarm_rate_per_day)
    assert sum(threshold.error_rate for threshold in both) == pytest.approx(POLICY.false_alarm_rate_per_day)
    assert {t.method for t in both} == {t.method for t in alone} | {f"click_{t.method}" for t in alone}
    few = replace(reference, steps={"click": reference.examples.slice(0, 50)})
    assert {t.method for t in learn_concept_thresholds(few, POLICY)} == {t.method for t in alone}


def test_jobs_with_an_appeal_of_their_own_widen_the_limits_and_labels_without_meaning_do_not(reference) -> None:
    """The next week's jobs are others, so what differs between jobs is not drift."""
    examples = reference.examples
    rows = examples.num_rows
    jobs = np.random.default_rng(5).integers(0, 60, rows)
    appeal = np.random.default_rng(6).normal(0, 1.5, 60)[jobs]
    logit = np.log(examples["probability"].to_numpy()) + appeal - 1.0
    outcome = np.random.default_rng(7).random(rows) < 1 / (1 + np.exp(-logit))
    place = examples.column_names.index("is_positive")
    appealing = examples.set_column(place, "is_positive", pa.array(outcome))
    shuffled = np.random.default_rng(8).permutation(jobs)

    def deviation(labels: np.ndarray | None) -> float:
        names = pa.array([f"j{label}" for label in labels]) if labels is not None else None
        table = appealing if names is None else appealing.append_column("job_id", names)
        learned = learn_concept_thresholds(replace(reference, examples=table), POLICY)
        return next(t.standard_deviation for t in learned if t.method == outcome_statistics.LEVEL)

    assert deviation(jobs) > 2 * deviation(None)
    assert deviation(shuffled) < 1.3 * deviation(None)


def test_a_shortfall_is_one_sided_and_everything_else_two_sided() -> None:
    spread = 2.0 * np.sqrt(1 / 400 + 1 / 100)
    limit, rate = outcome_statistics.limit_for("click_calibration_level", 2.0, 5, POLICY, **BOTH)
    assert (limit, rate) == (pytest.approx(norm.ppf(1 - 0.001) * spread), pytest.approx(0.002))
    limit, rate = outcome_statistics.limit_for("click_performance_shortfall", 2.0, 5, POLICY, **BOTH)
    assert (limit, rate) == (pytest.approx(norm.ppf(1 - 0.002) * spread), pytest.approx(0.002))


def test_the_scatter_of_a_window_is_at_least_what_its_own_probabilities_imply() -> None:
    limit, _ = outcome_statistics.limit_for("residual_score", 2.0, 5, POLICY, **BOTH, least_deviation=0.5)
    assert limit == pytest.approx(norm.ppf(1 - 0.001) * np.sqrt(2.0**2 / 100 + 0.5**2))
    informed, _ = outcome_statistics.limit_for("residual_score", 2.0, 5, POLICY, **BOTH, least_deviation=0.01)
    assert informed == outcome_statistics.limit_for("residual_score", 2.0, 5, POLICY, **BOTH)[0]


def test_what_hangs_on_few_expected_positives_has_no_limit_and_takes_no_share_of_the_error(
    pairs_world, reference
) -> None:
    table = pairs_world.scored_examples(22, first=pairs_world.START, days=14, per_day=800)
    every = learn_concept_thresholds(replace(reference, examples=table), POLICY)
    for values in (np.full(table.num_rows, 8.0), np.where(np.arange(table.num_rows) < 10, 90.0, 8.0)):
        changed = replace(reference, examples=pairs_world.replaced(table, distance_km=values))
        learned = learn_concept_thresholds(changed, POLICY)
        missing = {(t.method, t.column) for t in every} - {(t.method, t.column) for t in learned}
        assert missing == {(outcome_statistics.RESIDUAL, "distance_km")}
        assert sum(t.error_rate for t in learned) == pytest.approx(POLICY.false_alarm_rate_per_day)


def test_limits_are_never_narrower_than_the_probabilities_imply(pairs_world, reference) -> None:
    table = pairs_world.scored_examples(22, first=pairs_world.START, days=14, per_day=800)
    rare = np.arange(table.num_rows) % 56 == 0
    changed = pairs_world.replaced(
        table,
        log_pay_ratio=rare.astype(float),
        probability=np.where(rare, 0.05, table["probability"].to_numpy()),
        is_positive=table["is_positive"].to_numpy() & ~rare,
    )
    known = replace(reference, examples=changed)
    scored = scored_outcomes(known, changed)
    least = dict(zip(outcome_statistics.keys_of(scored.names), scored.evidence().least_deviation, strict=True))
    key = (outcome_statistics.RESIDUAL, "log_pay_ratio")
    (limit,) = [one for one in learn_concept_thresholds(known, POLICY) if (one.method, one.column) == key]
    assert limit.standard_deviation == pytest.approx(least[key] * np.sqrt(scored.outcome.sum()))
