from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from mlife_assets.core.errors import InvalidInputError, UpstreamMismatchError
from mlife_assets.core.monitoring import concept
from mlife_assets.core.monitoring.columns import LABEL, Wording
from mlife_assets.core.monitoring.lateness import LateFeedback
from mlife_assets.core.monitoring.outcomes import LEVEL, METRICS, RESIDUAL, SHORTFALL, SLOPE, learn_concept_thresholds
from mlife_assets.core.monitoring.thresholds import Statistic
from mlife_assets.core.policies import MonitoringPolicy

POLICY = MonitoringPolicy()
WORDS = {LABEL: Wording("applies", "converts"), "click": Wording("clicks", "is clicked")}
AGREED = [Statistic(method, metric, 0.7) for method in ("estimated", "realised") for metric in METRICS]


@pytest.fixture(scope="module")
def limited(reference):
    return reference.with_thresholds(learn_concept_thresholds(reference, POLICY))


@pytest.fixture
def report(pairs_world, limited):
    def run(seed: int = 2, statistics=AGREED, per_day: int = 800, **change: float):
        first = pairs_world.START + timedelta(days=20)
        window = pairs_world.scored_examples(seed, first=first, days=7, per_day=per_day, **change)
        as_of = first + timedelta(days=6 + 8)
        return concept.concept_drift_report(
            as_of=as_of, reference=limited, examples={LABEL: window}, statistics={LABEL: statistics}, policy=POLICY
        )

    return run


def test_without_drift_alarms_are_rare(report) -> None:
    alarms = [seed for seed in range(100, 140) if report(seed).status == "alarm"]
    assert len(alarms) <= 2, alarms


@pytest.mark.parametrize(
    ("change", "method", "words"),
    [
        ({"pay": 1.0}, RESIDUAL, "Higher log_pay_ratio converts more often than the model expects"),
        ({"pay": -1.0}, RESIDUAL, "Higher log_pay_ratio converts less often"),
        ({"slope": 0.4}, SLOPE, "Outcomes separate less along the score"),
        ({"shift": 0.5}, LEVEL, "times as frequent as the model expects"),
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


def test_limits_widen_as_positives_get_fewer(report) -> None:
    many = {(f.method, f.column): f.threshold for f in report().findings}
    few = {(f.method, f.column): f.threshold for f in report(per_day=250).findings}
    assert all(few[key] > 1.2 * many[key] for key in many)


def test_a_window_in_which_a_feature_hardly_varies_is_no_drift(pairs_world, limited) -> None:
    """Limits of the reference know how far steps scatter where the feature varies as usual."""
    first, judged, alarms = pairs_world.START + timedelta(days=20), 0, 0
    for seed in range(200, 240):
        window = pairs_world.scored_examples(seed, first=first, days=7, per_day=800)
        distance = window["distance_km"].to_numpy()
        narrow = np.median(distance) + (distance - np.median(distance)) / 8
        drawn = np.random.default_rng(seed).random(window.num_rows) < window["probability"].to_numpy()
        window = pairs_world.replaced(window, distance_km=narrow, is_positive=drawn)
        result = concept.concept_drift_report(
            as_of=first + timedelta(days=14),
            reference=limited,
            examples={LABEL: window},
            statistics={LABEL: AGREED},
            policy=POLICY,
        )
        found = [finding.is_alarm for finding in result.findings if finding.column == "distance_km"]
        judged, alarms = judged + len(found), alarms + sum(found)
    assert judged == 40
    assert alarms <= 1


def test_what_hangs_on_few_positives_is_reported_and_not_judged(pairs_world, limited) -> None:
    first = pairs_world.START + timedelta(days=20)
    window = pairs_world.scored_examples(2, first=first, days=7, per_day=800)
    usual = limited.examples
    few, constant = np.where(np.arange(window.num_rows) < 10, 90.0, 8.0), np.full(usual.num_rows, 8.0)
    bare = replace(limited, examples=pairs_world.replaced(usual, distance_km=constant))
    bare = bare.with_thresholds(learn_concept_thresholds(bare, POLICY))

    def told(reference, examples) -> str:
        result = concept.concept_drift_report(
            as_of=first + timedelta(days=14),
            reference=reference,
            examples={LABEL: examples},
            statistics={LABEL: AGREED},
            policy=POLICY,
        )
        is_judged = "distance_km" in {finding.column for finding in result.findings}
        assert is_judged == ("not judged" not in result.sentence)
        return result.sentence

    words = (
        "Outcomes are not judged along distance_km: hardly anything varies in the {} (fewer than 5 expected positives"
    )
    assert words.format("window") in told(limited, pairs_world.replaced(window, distance_km=few))
    assert words.format("reference") in told(bare, window)
    assert "not judged" not in told(limited, window)


def test_a_window_of_one_score_is_not_judged_along_it(pairs_world, limited) -> None:
    first = pairs_world.START + timedelta(days=20)
    window = pairs_world.scored_examples(2, first=first, days=7, per_day=800)
    flat = pairs_world.replaced(window, probability=np.full(window.num_rows, 0.05))
    result = concept.concept_drift_report(
        as_of=first + timedelta(days=14),
        reference=limited,
        examples={LABEL: flat},
        statistics={LABEL: AGREED},
        policy=POLICY,
    )
    assert SLOPE not in {finding.method for finding in result.findings}
    assert "Outcomes are not judged along the score: hardly anything varies in the window" in result.sentence


def test_the_window_is_mature_after_the_reference_and_recent(pairs_world, limited) -> None:
    examples = pairs_world.scored_examples(2, first=pairs_world.START + timedelta(days=10), days=20, per_day=5)
    as_of = pairs_world.START + timedelta(days=33)
    window = concept.concept_window(examples, reference=limited, as_of=as_of)
    days = sorted(set(window["exposure_date"].to_pylist()))
    assert (days[0], days[-1]) == (as_of - timedelta(days=8 + 6), as_of - timedelta(days=8))
    early = concept.concept_window(examples, reference=limited, as_of=pairs_world.START + timedelta(days=21))
    assert early.num_rows == 0


def test_missing_parts_are_named(report, pairs_world, limited) -> None:
    with pytest.raises(UpstreamMismatchError, match="compute performance_statistics on the window"):
        report(statistics=())
    first = pairs_world.START + timedelta(days=20)
    window = pairs_world.scored_examples(2, first=first, days=7, per_day=800).drop_columns(["distance_km"])
    with pytest.raises(InvalidInputError, match="lack feature distance_km"):
        concept.concept_drift_report(
            as_of=first + timedelta(days=14),
            reference=limited,
            examples={LABEL: window},
            statistics={LABEL: AGREED},
            policy=POLICY,
        )


@pytest.fixture(scope="module")
def funnel(pairs_world, reference):
    """A reference of a model with an earlier step, of which there are as many as of the label."""
    clicks = pairs_world.scored_examples(11, first=pairs_world.START, days=14, per_day=800)
    with_clicks = replace(reference, steps={"click": clicks})
    return with_clicks.with_thresholds(learn_concept_thresholds(with_clicks, POLICY))


@pytest.fixture
def two_step_report(pairs_world, funnel):
    def run(*, per_day: int = 800, clicks_per_day: int = 800, statistics=AGREED, click_statistics=AGREED, **change):
        first = pairs_world.START + timedelta(days=20)
        applies = pairs_world.scored_examples(2, first=first, days=7, per_day=per_day)
        clicks = pairs_world.scored_examples(12, first=first, days=7, per_day=clicks_per_day, **change)
        return concept.concept_drift_report(
            as_of=first + timedelta(days=14), reference=funnel, examples={LABEL: applies, "click": clicks},
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


def test_a_second_outcome_makes_every_limit_wider(two_step_report, report) -> None:
    alone = {(f.method, f.column): f.threshold for f in report().findings}
    both = {(f.method, f.column): f.threshold for f in two_step_report().findings}
    assert len(both) == 2 * len(alone)
    assert all(1.0 < both[key] / alone[key] < 1.2 for key in alone)


@pytest.mark.parametrize("immature", [LABEL, "click"])
def test_an_immature_label_never_alarms(pairs_world, funnel, immature) -> None:
    first = pairs_world.START + timedelta(days=20)
    early = pairs_world.scored_examples(2, first=first - timedelta(days=2), days=7, per_day=800)
    late = pairs_world.scored_examples(12, first=first, days=7, per_day=800)
    with pytest.raises(InvalidInputError, match="label_mature_date of example"):
        concept.concept_drift_report(
            as_of=first + timedelta(days=13),
            reference=funnel,
            examples={name: late if name == immature else early for name in (LABEL, "click")},
            statistics={LABEL: AGREED, "click": AGREED},
            policy=POLICY,
            words=WORDS,
        )


def test_the_window_of_clicks_begins_after_the_clicks_of_the_reference(pairs_world, reference) -> None:
    later = pairs_world.scored_examples(11, first=pairs_world.START, days=18, per_day=10)
    known = replace(reference, steps={"click": later})
    examples = pairs_world.scored_examples(2, first=pairs_world.START + timedelta(days=10), days=20, per_day=5)
    as_of = pairs_world.START + timedelta(days=30)
    first = {
        outcome: min(
            concept.concept_window(examples, reference=known, as_of=as_of, outcome=outcome)["exposure_date"].to_pylist()
        )
        for outcome in (LABEL, "click")
    }
    assert first == {LABEL: pairs_world.START + timedelta(days=16), "click": pairs_world.START + timedelta(days=18)}


def test_what_an_estimate_usually_promises_too_much_is_no_shortfall(pairs_world, reference, report) -> None:
    first = pairs_world.START + timedelta(days=20)
    window = pairs_world.scored_examples(2, first=first, days=7, per_day=800)

    def alarms(usual: float, gap: float) -> set[str]:
        key = (SHORTFALL, "roc_auc")
        limited = reference.with_thresholds(learn_concept_thresholds(reference, POLICY, {key: usual}))
        estimated = [Statistic("estimated", "roc_auc", 0.7 + gap), Statistic("estimated", "average_precision", 0.7)]
        result = concept.concept_drift_report(
            as_of=first + timedelta(days=14),
            reference=limited,
            examples={LABEL: window},
            statistics={LABEL: [*estimated, *(one for one in AGREED if one.method == "realised")]},
            policy=POLICY,
        )
        return {finding.method for finding in result.alarms}

    limit = next(f.threshold for f in report().findings if (f.method, f.column) == (SHORTFALL, "roc_auc"))
    assert alarms(0.0, limit + 0.01) == {SHORTFALL}
    assert alarms(0.05, limit + 0.01) == set()
    assert alarms(0.05, limit + 0.06) == {SHORTFALL}
    assert alarms(-0.05, limit - 0.01) == set()
