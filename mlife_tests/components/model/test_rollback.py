"""Refits that lost for weeks are rolled back by the gate, on a deployment of one small model."""

from __future__ import annotations

import shutil
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlife_assets.components.model.challengers import PROMOTION_REPORT
from mlife_assets.components.model.out_of_sample import stored_folds
from mlife_assets.components.model.promotion import record_verdict
from mlife_assets.core.scoring.artifact import MANIFEST_FILE
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.training.gate import Condition
from mlife_assets.core.training.gate.comparing import average_precision
from mlife_assets.core.training.insurance import Week, standing
from mlife_assets.core.windows import add_days, run_time
from mlife_assets.lifecycle import rollback
from mlife_assets.lifecycle.rollback import NAME, REPORT, Insured

LOSS = Week(-0.2, 0.02)


@pytest.fixture(scope="module")
def once_refitted(changed: Any, last_day: date, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Return the folder, to be copied, of a model that won five weeks ago and a refit that serves for a week."""
    folder, versions = tmp_path_factory.mktemp("refitted"), []
    returns = changed(folder, None)
    for back in (35, 7):
        versions.append(returns.train(add_days(last_day, -back)))
        returns.promote(versions[-1], add_days(last_day, -back))
    returns.train(last_day)
    return folder, versions


@pytest.fixture
def refitted(once_refitted: tuple[Path, list[str]], changed: Any, tmp_path: Path) -> Any:
    folder, versions = once_refitted
    returns = changed(shutil.copytree(folder, tmp_path / "refitted"), None)
    returns.retraining_time = lambda day: run_time(day) + timedelta(hours=1)
    return returns, list(versions)


def left_behind(returns: Any, versions: list[str], day: date, weeks: list[Week]) -> None:
    """Write the report of a week ago: the refit was promoted, and these weeks were known of refits."""
    monday = add_days(day, -day.weekday() - 35)
    known = {add_days(monday, -7 * (len(weeks) - place)): week for place, week in enumerate(weeks)}
    decided = {"outcome": "promoted", "kind": "refit", "model_version": versions[1], "champion_version": versions[0]}
    report = decided | Insured(versions[0], known, max(known)).facts
    returns.model_tables.write_report(PROMOTION_REPORT, add_days(day, -7), report)


def lost(returns: Any, versions: list[str], day: date) -> None:
    """Leave as many losing weeks as roll back."""
    weeks = [LOSS]
    while not standing(weeks).is_rolled_back:
        weeks.append(LOSS)
    left_behind(returns, versions, day, weeks)


def written(returns: Any, day: date, **options: Any) -> dict[str, Any]:
    """Judge a day and write its report, as the asset does."""
    window, judged = returns.judge(day, **options)
    report = asdict(judged.decision) | window.facts | dict(judged.facts)
    returns.model_tables.write_report(PROMOTION_REPORT, day, report)
    found: dict[str, Any] = returns.model_tables.read_report(PROMOTION_REPORT, day)
    return found


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
    lost(returns, versions, last_day)
    report = written(returns, last_day)
    assert report["outcome"] == "refused"
    (unmet,) = [one for one in report["conditions"] if not one["is_met"]]
    assert unmet["name"] == NAME
    assert f"they ranked worse than {versions[0]}, which they are held against and which serves" in unmet["sentence"]
    for _ in range(2):
        assert record_verdict(returns, last_day, report) is False
        assert returns.registry.champion() == versions[0]
        assert [one.kind for one in returns.registry.history()] == ["promoted", "promoted", "rolled_back"]
    newest = returns.registry.history()[-1]
    assert newest.reason == unmet["sentence"]
    assert Insured.of_report(report, newest, returns.registry.load).standing.is_rolled_back

    at = run_time(last_day) + timedelta(hours=5)
    returns.registry.promote(versions[1], actor="gate", reason="of another decision", now=at)
    record_verdict(returns, last_day, report)
    assert returns.registry.champion() == versions[1], "this decision was carried out"
    returns.registry.rollback(actor="ann", reason="a mistake", now=at)
    returns.registry.promote(versions[1], actor="ann", reason="against the gate", now=at + timedelta(hours=1))
    record_verdict(returns, last_day, report)
    assert returns.registry.champion() == versions[1], "a person decided since, and the same partition runs again"
    later = add_days(last_day, 1)
    returns.train(later)
    report = written(returns, later)
    assert report[REPORT] == Insured(versions[1], {}, date.fromisoformat(report[REPORT]["judged_to"])).facts[REPORT]
    record_verdict(returns, later, report)
    assert returns.registry.history()[-1].kind == "promoted", "the next decision begins anew with that champion"


def test_a_table_that_is_wrong_feeds_nothing_and_rolls_nothing_back(refitted: Any, last_day: date) -> None:
    returns, versions = refitted
    lost(returns, versions, last_day)
    before = returns.model_tables.read_report(PROMOTION_REPORT, add_days(last_day, -7))[REPORT]
    report = written(returns, last_day, also_required=[Condition("table_gives_the_scores", False, "It was rewritten.")])
    assert report["outcome"] == "refused"
    assert report[REPORT] == before
    assert NAME not in {one["name"] for one in report["conditions"]}
    record_verdict(returns, last_day, report)
    assert returns.registry.champion() == versions[1]
    assert written(returns, last_day)[REPORT]["weeks"] != before["weeks"], "once it is mended its weeks count"


def test_a_champion_of_before_the_window_may_be_damaged(returns: Any, last_day: date) -> None:
    versions = []
    for back in (63, 49):
        versions.append(returns.train(add_days(last_day, -back)))
        returns.promote(versions[-1], add_days(last_day, -back))
    returns.train(last_day)
    left_behind(returns, versions, last_day, [LOSS])
    returns.store.replace(f"models/{versions[0]}/{MANIFEST_FILE}", b"{}")
    returns.registry._loaded.clear()
    report = written(returns, last_day)
    assert report["outcome"] == "promoted", report["sentences"]
    (said,) = [one["sentence"] for one in report["conditions"] if one["name"] == NAME]
    assert f"They were held against {versions[0]}, which cannot be loaded" in said
    assert report[REPORT]["anchor"] == versions[1]


def test_who_was_promoted_meanwhile_is_not_rolled_back(refitted: Any, last_day: date) -> None:
    returns, versions = refitted
    other = returns.train(add_days(last_day, -14))
    decided = {"outcome": "refused", "model_version": "new", "champion_version": versions[1], "kind": "refit"}
    figures = {"comparisons": [], "users_with_positives": 1, "sentences": ["Refused."], "policy_version": "pol_1"}
    kept = {REPORT: {"anchor": versions[0]}, "conditions": [{"name": NAME, "is_met": False, "sentence": "worse"}]}
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
