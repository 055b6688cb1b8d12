"""Refits that lost for weeks are rolled back by the gate, on a deployment of one small model."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest

from mlife_assets.components.model.challengers import PROMOTION_REPORT
from mlife_assets.components.model.out_of_sample import stored_folds
from mlife_assets.components.model.promotion import record_verdict
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.training.gate.comparing import average_precision
from mlife_assets.core.training.insurance import Week, standing
from mlife_assets.core.windows import add_days, run_time
from mlife_assets.lifecycle import rollback
from mlife_assets.lifecycle.rollback import NAME, REPORT, Insured

LOSS = Week(-0.2, 0.02)


@pytest.fixture
def refitted(returns: Any, last_day: date) -> Any:
    """A model that won five weeks ago, and a refit of it that serves for a week."""
    versions = []
    for back in (35, 7):
        versions.append(returns.train(add_days(last_day, -back)))
        returns.promote(versions[-1], add_days(last_day, -back))
    returns.train(last_day)
    returns.retraining_time = lambda day: run_time(day) + timedelta(hours=1)
    return returns, versions


def left_behind(returns: Any, versions: list[str], day: date, weeks: list[Week]) -> None:
    """Write the report of a week ago: the refit was promoted, and these weeks were known of refits."""
    monday = add_days(day, -day.weekday() - 35)
    known = {add_days(monday, -7 * (len(weeks) - place)): week for place, week in enumerate(weeks)}
    decided = {"outcome": "promoted", "kind": "refit", "model_version": versions[1], "champion_version": versions[0]}
    report = decided | Insured(versions[0], known).facts
    returns.model_tables.write_report(PROMOTION_REPORT, add_days(day, -7), report)


def test_new_weeks_are_what_folds_gain_over_the_model_that_won(refitted: Any, last_day: date) -> None:
    returns, versions = refitted
    left_behind(returns, versions, last_day, [Week(0.01, 0.02)])
    _, judged = returns.judge(last_day)
    kept = judged.facts[REPORT]
    assert kept["anchor"] == versions[0]
    assert judged.decision.outcome == "promoted", judged.decision.sentences
    folds, new = stored_folds(returns, last_day, judged.decision.model_version), kept["weeks"][1:]
    mondays = [date.fromisoformat(one["monday"]) for one in new]
    assert len(mondays) >= 3
    assert all(add_days(last_day, -35) < one <= add_days(last_day, -14) and one.weekday() == 0 for one in mondays)
    for monday, week in zip(mondays, new, strict=True):
        rows = returns.rows(monday, add_days(monday, 6))
        (fold,) = [one.model_version for one in folds if one.first_day == monday]

        def said(version: str, rows: Any = rows) -> float:
            scorer = returns.scorers.of(version)
            scores = scorer.score(examples_matrix(rows, scorer.feature_spec)).probability
            return average_precision(scores, np.asarray(rows["won"]))

        assert week["gain"] == pytest.approx(said(fold) - said(versions[0]), abs=1e-12)
        assert week["error"] > 0
    assert returns.judge(last_day)[1].facts == judged.facts, "a day again says the same"


def test_refits_that_lost_are_rolled_back_once_and_stay_in_the_shadow(refitted: Any, last_day: date) -> None:
    returns, versions = refitted
    weeks = [LOSS]
    while not standing(weeks).is_rolled_back:
        weeks.append(LOSS)
    left_behind(returns, versions, last_day, weeks)
    window, judged = returns.judge(last_day)
    assert judged.decision.outcome == "refused"
    (unmet,) = [one for one in judged.decision.conditions if not one.is_met]
    assert unmet.name == NAME
    assert f"they ranked worse than {versions[0]}, the model that last won, which serves" in unmet.sentence
    returns.model_tables.write_report(
        PROMOTION_REPORT, last_day, asdict(judged.decision) | window.facts | dict(judged.facts)
    )
    report = returns.model_tables.read_report(PROMOTION_REPORT, last_day)
    for _ in range(2):
        assert record_verdict(returns, last_day, report) is False
        assert returns.registry.champion() == versions[0]
        assert [one.kind for one in returns.registry.history()] == ["promoted", "promoted", "rolled_back"]
    assert returns.registry.history()[-1].reason == unmet.sentence
    assert Insured.of_report(report, versions[0]).standing.is_rolled_back


def test_who_was_promoted_meanwhile_is_not_rolled_back(refitted: Any, last_day: date) -> None:
    returns, versions = refitted
    other = returns.train(add_days(last_day, -14))
    decided = {"outcome": "refused", "model_version": "new", "champion_version": versions[1], "kind": "refit"}
    figures = {"comparisons": [], "users_with_positives": 1, "sentences": ["Refused."], "policy_version": "pol_1"}
    kept = {REPORT: {"anchor": versions[0], "weeks": [], "is_rolled_back": True, "sentence": "worse"}}
    returns.promote(other, last_day)
    record_verdict(returns, last_day, decided | figures | kept)
    assert returns.registry.champion() == other


def test_refits_that_are_shown_to_be_better_become_what_later_ones_are_held_against(
    refitted: Any, last_day: date, monkeypatch: pytest.MonkeyPatch
) -> None:
    returns, versions = refitted
    weeks = [Week(-LOSS.gain, LOSS.error)]
    while not standing([*weeks, weeks[0]]).won:
        weeks.append(weeks[0])
    left_behind(returns, versions, last_day, weeks)
    monkeypatch.setattr(rollback, "gain_of_week", lambda *_: weeks[0])
    kept = returns.judge(last_day)[1].facts[REPORT]
    assert (kept["anchor"], kept["weeks"]) == (versions[1], [])
