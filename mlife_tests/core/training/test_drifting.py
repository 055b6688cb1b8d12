"""While a concept drift is open young rows count more, and the old world chooses no recipe."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from mlife_assets.core.monitoring.retrain_decisions import MODEL_TOO_OLD, RetrainDecision
from mlife_assets.core.policies import RetrainPolicy, TrainingPolicy
from mlife_assets.core.training.drifting import policy_as_of
from mlife_assets.core.windows import add_days

BEGAN, RETRAIN = date(2026, 6, 10), RetrainPolicy()
POLICY = TrainingPolicy(recipes=("recent_linear", "recent", "plain"), half_life_days=14.0, half_life_days_in_drift=3.5)
CONFIRMED = ("concept_drift_confirmed", "concept_alarm")


def decided(after: int, *codes: str) -> RetrainDecision:
    return RetrainDecision(add_days(BEGAN, after), "wait", codes, (), None)


DRIFT = (decided(0, "alarm_not_confirmed", "concept_alarm"), decided(1, *CONFIRMED))


@pytest.mark.parametrize(("age", "half_life"), [(1, 3.5), (7, 3.5), (8, 4.0), (14, 7.0), (27, 13.5)])
def test_the_half_life_grows_with_the_drift(age: int, half_life: float) -> None:
    found = policy_as_of(POLICY, DRIFT, add_days(BEGAN, age), RETRAIN)
    assert found == replace(POLICY, recipes=("recent_linear", "recent"), half_life_days=half_life)


@pytest.mark.parametrize("age", [-1, 0, 28, 60])
def test_before_it_is_confirmed_and_when_it_is_old_a_fit_is_as_usual(age: int) -> None:
    assert policy_as_of(POLICY, DRIFT, add_days(BEGAN, age), RETRAIN) is POLICY


@pytest.mark.parametrize(
    "decisions",
    [
        (),
        (decided(1, "data_drift_confirmed", "data_alarm"),),
        (decided(1, MODEL_TOO_OLD),),
        (decided(1, "data_drift_confirmed", "data_alarm", MODEL_TOO_OLD),),
    ],
)
def test_other_reasons_change_no_fit(decisions: tuple[RetrainDecision, ...]) -> None:
    assert policy_as_of(POLICY, decisions, add_days(BEGAN, 3), RETRAIN) is POLICY


@pytest.mark.parametrize(
    "policy",
    [replace(POLICY, recipes=("plain", "linear")), replace(POLICY, half_life_days=2.0)],
    ids=["plain", "short"],
)
def test_a_policy_that_weighs_no_row_by_age_or_by_a_shorter_half_life_is_kept(policy: TrainingPolicy) -> None:
    assert policy_as_of(policy, DRIFT, add_days(BEGAN, 3), RETRAIN) is policy
