from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from mlife_assets.core.errors import InvalidInputError, UpstreamMismatchError
from mlife_assets.core.monitoring import concept
from mlife_assets.core.monitoring.thresholds import Statistic
from mlife_assets.core.policies import MonitoringPolicy

POLICY = MonitoringPolicy()
AGREED = [Statistic(method, metric, 0.7) for method in ("estimated", "realised") for metric in concept.METRICS]


@pytest.fixture(scope="module")
def limited(reference):
    return reference.with_thresholds(concept.learn_concept_thresholds(reference, POLICY))


@pytest.fixture
def report(pairs_world, limited):
    def run(seed: int = 2, statistics=AGREED, per_day: int = 800, **change: float):
        first = pairs_world.START + timedelta(days=20)
        window = pairs_world.scored_examples(seed, first=first, days=7, per_day=per_day, **change)
        as_of = first + timedelta(days=6 + 8)
        return concept.concept_drift_report(
            as_of=as_of, reference=limited, examples=window, statistics=statistics, policy=POLICY
        )

    return run


def test_the_statistics_are_those_of_scikit_learn(reference) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(0)
    outcome, probability = (rng.random(500) < 0.2).astype(float), rng.integers(1, 40, 500) / 50
    groups = np.unique(probability, return_inverse=True)[1]
    outcomes = concept._Outcomes(outcome, probability, groups, np.zeros((500, 0)), ())
    weights = rng.integers(0, 4, 500).astype(float)
    auc, precision, level, _ = outcomes.statistics(weights)
    assert auc == pytest.approx(roc_auc_score(outcome, probability, sample_weight=weights))
    assert precision == pytest.approx(average_precision_score(outcome, probability, sample_weight=weights))
    assert level == pytest.approx(np.log((weights * outcome).sum() / (weights * probability).sum()))


def test_without_drift_alarms_are_rare(report) -> None:
    alarms = [seed for seed in range(100, 140) if report(seed).status == "alarm"]
    assert len(alarms) <= 2, alarms


@pytest.mark.parametrize(
    ("change", "method", "words"),
    [
        ({"pay": 1.0}, concept.RESIDUAL, "Higher log_pay_ratio converts more often than the model expects"),
        ({"pay": -1.0}, concept.RESIDUAL, "Higher log_pay_ratio converts less often"),
        ({"slope": 0.4}, concept.SLOPE, "Outcomes separate less along the score"),
        ({"shift": 0.5}, concept.LEVEL, "times as frequent as the model expects"),
    ],
)
def test_a_shift_of_the_concept_alarms_and_is_named(report, change: dict[str, float], method: str, words: str) -> None:
    result = report(**change)
    assert method in {finding.method for finding in result.alarms}
    assert words in result.sentence


def test_a_realised_performance_below_the_estimate_alarms(report) -> None:
    realised = [Statistic("realised", metric, 0.5) for metric in concept.METRICS]
    result = report(statistics=[*AGREED[:2], *realised])
    assert {finding.column for finding in result.alarms} == set(concept.METRICS)
    better = [Statistic("realised", metric, 0.9) for metric in concept.METRICS]
    assert report(statistics=[*AGREED[:2], *better]).status == "ok"


def test_too_few_positives_say_so_with_counts(report, reference) -> None:
    result = report(per_day=50, statistics=())
    assert result.status == "not_enough_evidence"
    assert result.findings == ()
    assert "positives in 350 exposures, 100 needed" in result.sentence
    strict = MonitoringPolicy(minimum_mature_positives=10**6)
    assert concept.learn_concept_thresholds(reference, strict) == ()


def test_limits_widen_as_positives_get_fewer(report) -> None:
    many = {(f.method, f.column): f.threshold for f in report().findings}
    few = {(f.method, f.column): f.threshold for f in report(per_day=250).findings}
    assert all(few[key] > 1.2 * many[key] for key in many)


def test_an_immature_label_never_alarms(pairs_world, limited) -> None:
    window = pairs_world.scored_examples(2, first=pairs_world.START + timedelta(days=20), days=7, per_day=800)
    with pytest.raises(InvalidInputError, match="label_mature_date of example"):
        concept.concept_drift_report(
            as_of=pairs_world.START + timedelta(days=33),
            reference=limited,
            examples=window,
            statistics=AGREED,
            policy=POLICY,
        )


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
            as_of=first + timedelta(days=14), reference=limited, examples=window, statistics=AGREED, policy=POLICY
        )
