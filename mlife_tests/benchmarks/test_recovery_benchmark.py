"""The benchmark of recovery: nobody knows tomorrow, all policies start alike, claims are judged as they are worded."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.monitoring.columns import LABEL
from mlife_assets.core.training.fold_scores import itself
from mlife_assets.core.training.folds import fold_starts
from mlife_assets.core.training.gate import Condition
from mlife_assets.core.training.manifest_facts import last_trained_day
from mlife_assets.core.windows import add_days, last_mature_exposure_day
from mlife_assets.recruiting.features import feature_matrix
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import CandidatePolicy

SEED = 1


@pytest.fixture(scope="module")
def plan(recovery_bench: ModuleType) -> Any:
    return recovery_bench.quick_plan()


@pytest.fixture(scope="module")
def history(recovery_bench: ModuleType, plan: Any) -> Any:
    return recovery_bench.lived(SEED, plan)


@pytest.fixture(scope="module")
def runs(recovery_bench: ModuleType, history: Any, plan: Any) -> dict[str, Any]:
    kinds = {kind.name: kind for kind in recovery_bench.KINDS}
    return {
        name: recovery_bench.recovered(history, kinds[name], plan, SEED, has_daily=True)
        for name in recovery_bench.QUICK_KINDS
    }


def tables() -> ModuleType:
    return sys.modules["monitored_market.recovery_tables"]


def test_folds_of_the_first_champion_know_nothing_of_their_weeks(history: Any, plan: Any) -> None:
    market, models = history.market, history.models
    *folds, (serves, first) = history.served
    starts = fold_starts(market.day, 7, plan.policies.promotion.gate_weeks)
    assert [day for day, _ in folds] == starts[-len(folds) :]
    assert len(folds) >= 2
    assert all(last_trained_day(one.manifest) < day for day, one in history.served)
    assert (serves, itself(first, job_applications(plan.policies)).first_day) == (market.day, market.day)
    reference = history.watch.champion.reference
    assert pc.min(reference.examples["exposure_date"]).as_py() == folds[0][0]
    scored = reference.examples.filter(pc.less(reference.examples["exposure_date"], pa.scalar(folds[1][0])))
    rows = pa.concat_tables([rows for day, rows in sorted(market.examples[LABEL].items()) if day < folds[1][0]])
    said = {}
    for one in (folds[0][1].model_version, first.model_version):
        scorer = models.scorer(one)
        said[one] = scorer.score(feature_matrix(rows, scorer.feature_spec)).probability
    known = scored["probability"].to_numpy()
    assert len(known)
    assert np.isin(known, said[folds[0][1].model_version]).all()
    assert not np.isin(known, said[first.model_version]).any()
    asked = history.watch.champion.scored_by[LABEL]
    by_fold = {one.scorer.model_version: one.rows for one in asked}
    assert set(by_fold) <= {one.model_version for _, one in folds}, "windows are scored by who scored the reference"
    assert by_fold[folds[0][1].model_version] == scored.num_rows


def test_what_was_known_before_the_branch_is_fitted_once_and_what_comes_after_is_not_shared(
    history: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    governed, market = sys.modules["monitored_market.governed"], history.market
    first, asked = history.served[-1][1], []

    def learned(*given: Any, **others: Any) -> None:
        asked.append((given[2], others["faulty"]))
        raise RuntimeError("fitted")

    monkeypatch.setattr(governed, "learned_from", learned)
    one, other = history.models.branch(market.day), history.models.branch(market.day)
    assert one.fitted(market, market.day) is other.fitted(market, market.day) is first
    usual = history.models.policies.training.half_life_days
    one._own[add_days(market.day, 7), frozenset(), usual] = first.model_version
    assert one.fitted(market, add_days(market.day, 7)) is first
    with pytest.raises(RuntimeError, match="fitted"):
        other.fitted(market, add_days(market.day, 7))
    faulty = add_days(market.day, -3)
    with pytest.raises(RuntimeError, match="fitted"):
        one.fitted(market, market.day, [faulty, add_days(market.day, 1)])
    assert asked == [(add_days(market.day, 7), frozenset()), (market.day, frozenset({faulty}))]


def at_work(history: Any, monkeypatch: pytest.MonkeyPatch, faults: tuple[str, ...] = ()) -> tuple[Any, Any]:
    """Return the product on a morning on which a fit is due, and what it fits; `faults` keep that from serving."""
    governed, market = sys.modules["monitored_market.governed"], history.market
    other, decision = history.served[0][1], SimpleNamespace(verdict="retrain")
    monkeypatch.setattr(governed, "looked", lambda *_: None)
    monkeypatch.setattr(governed, "decided", lambda *_: SimpleNamespace(alarms=("data", "concept"), decision=decision))
    monkeypatch.setattr(governed, "vetoes", lambda *_: [Condition(name, False, "no") for name in faults])
    models = history.models.branch(market.day)
    monkeypatch.setattr(models, "fitted", lambda *_, **__: other)
    return governed.Governed(history.watch.branch(), models, list(history.served)), other


def test_what_is_fitted_serves_from_the_next_day_on_and_what_was_served_scores_its_reference(
    history: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    market, first = history.market, history.served[-1][1]
    product, other = at_work(history, monkeypatch)
    asked: list[Any] = []
    monkeypatch.setattr(sys.modules["monitored_market.governed"], "promote", lambda *given: asked.append(given[2:]))
    facts = product.facts(market)
    assert (facts.new_mature_positives, facts.fit_dates) == (0, (market.day,))
    product.evening(market)
    assert not asked, "nothing was fitted"
    product.morning(market)
    assert (product.serving, product.alarms) == (first.model_version, ["dc"])
    assert product.fits == {market.day: ("installed", [])}
    product.evening(market)
    [(fit, until, judged_by)] = asked
    assert (fit, until) == (other, last_trained_day(other.manifest))
    last = last_mature_exposure_day(market.day, 7)
    weeks = product.models.policies.promotion.gate_weeks
    assert judged_by[0] == (max(history.served[0][0], add_days(last, 1 - 7 * weeks)), history.served[0][1])
    assert judged_by[1:] == history.served[1:]
    assert product.served == [*history.served, (add_days(market.day, 1), other)]
    assert product.facts(market).new_mature_positives > 0, "the newest fit knew less than the first"


def test_what_something_speaks_against_does_not_serve(history: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    product, _ = at_work(history, monkeypatch, ("serving_probabilities_vary",))
    product.morning(history.market)
    product.evening(history.market)
    assert product.fits == {history.market.day: ("refused", ["serving_probabilities_vary"])}
    assert product.served == history.served
    assert product.serving == history.served[-1][1].model_version

    def too_little(*_: Any, **__: Any) -> None:
        raise NotEnoughEvidenceError("too little")

    monkeypatch.setattr(product.models, "fitted", too_little)
    product.morning(history.market)
    assert product.fits == {history.market.day: ("not_enough_evidence", [])}


@pytest.mark.proof
def test_policies_start_alike_and_the_new_world_is_worth_knowing(runs: dict[str, Any], plan: Any) -> None:
    drifted, quiet = runs["pay 5"], runs["none"]
    assert drifted["days"] == [1, 4, 7, 10]
    for run in (drifted, quiet):
        maps = run["maps"]
        assert maps["never"][:3] == maps["weekly"][:3]
        assert maps["never"][3] != maps["weekly"][3]
        assert all(maps[name][0] < maps["oracle"][0] for name in ("never", "human", "simple"))
        assert len(run["alarms"]) == len(run["codes"]) == plan.days
    assert np.mean(drifted["maps"]["born"]) > np.mean(drifted["maps"]["never"]) + 0.01
    assert drifted["maps"]["daily"][0] == drifted["maps"]["never"][0], "nobody learned anything yet"
    assert drifted["maps"]["daily"][1] != drifted["maps"]["weekly"][1]
    assert not {"born", "daily"} & set(quiet["maps"])


@pytest.mark.proof
def test_fits_are_those_that_the_governor_asked_for(recovery_bench: ModuleType, runs: dict[str, Any]) -> None:
    for run in runs.values():
        asked = {day for day, verdict in enumerate(run["verdicts"], 1) if verdict == "retrain"}
        assert {fit["day"] for fit in run["fits"]} == asked
        assert min(asked) <= 8, "a week after the first, or sooner in a drift"
        assert run["fits"][-1] == {"day": max(asked), "outcome": "installed", "unmet": []}
    assert [fit["day"] for fit in runs["none"]["fits"]] == [8], "a week after the first"
    assert runs["none"]["maps"]["governed"] == runs["none"]["maps"]["weekly"], "fitted on the same days"
    kept = json.loads(json.dumps(list(runs.values())))
    assert recovery_bench.report(kept, recovery_bench.KINDS) == recovery_bench.report(
        [*runs.values()], recovery_bench.KINDS
    )


def made_up(kind: str, never: float, **others: Any) -> dict[str, Any]:
    """Return a run of 60 days in which each policy keeps one value; `governed` and `born` may be given."""
    days = list(range(1, 61, 3))
    maps = {"never": [never] * 20, "weekly": [never] * 20, "governed": [never] * 20}
    maps |= {name: [value] * 20 for name, value in others.items() if name in ("governed", "born", "weekly", "daily")}
    run = {"seed": 1, "kind": kind, "days": days, "maps": maps, "fits": [], "alarms": [""] * 60}
    run |= {"codes": [["no_drift"]] * 60, "verdicts": ["wait"] * 60}
    return run | {name: value for name, value in others.items() if name in run}


def fit(day: int, outcome: str = "installed") -> dict[str, Any]:
    return {"day": day, "outcome": outcome, "unmet": []}


def unmet(runs: list[dict[str, Any]]) -> list[str]:
    told = tables()
    kinds = dict.fromkeys(run["kind"] for run in runs)
    figures = [told.figures_of(kind, [run for run in runs if run["kind"] == kind]) for kind in kinds]
    return [one["claim"] for one in told.claims_of(figures, "none") if not one["holds"]]


def test_shares_are_pooled_over_markets(recovery_bench: ModuleType) -> None:
    runs = [made_up("pay 5", 0.3, governed=0.36, born=0.4), made_up("pay 5", 0.3, governed=0.5, born=0.6)]
    found = tables().figures_of("pay 5", runs)
    assert found["damage"]["mean"] == pytest.approx(0.2)
    assert found["governed"]["share"] == pytest.approx(0.26 / 0.4)
    assert found["weekly"]["share"] == 0.0
    late = {**runs[0], "maps": {**runs[0]["maps"], "governed": [0.3] * 9 + [0.4] * 11}}
    found = tables().figures_of("pay 5", [late])
    assert found["governed"]["late_share"] == pytest.approx(1.0)
    assert found["governed"]["share"] == pytest.approx(6 / 15)
    assert found["governed"]["gain_over_part_of_damage"] is None


def test_the_most_that_refits_win_stands_beside_what_the_product_won_in_the_same_markets(
    recovery_bench: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [made_up("pay 5", 0.3, governed=0.36, born=0.4, daily=0.38), made_up("pay 5", 0.3, governed=0.5, born=0.6)]
    found = tables().figures_of("pay 5", runs)
    assert found["daily"] == {"markets": 1, "daily": pytest.approx(0.8), "governed": pytest.approx(0.6)}
    assert "daily" not in found["maps"], "no mean over other markets than the rest"
    tables().print_figures([found])
    assert "pay 5          1 of 2 markets     daily 80%  governed 60%" in capsys.readouterr().out


def test_a_material_damage_has_to_be_won_back(recovery_bench: ModuleType) -> None:
    good = [made_up("pay 5", 0.3 + shift, governed=0.395 + shift, born=0.4 + shift) for shift in (0, 0.01, 0.02)]
    assert unmet(good) == []
    poor = [made_up("pay 5", 0.3, governed=0.37, born=0.4)] * 3
    assert unmet(poor) == ["pay 5: 75% won back over days 1-45", "pay 5: 90% won back from day 28 on"]
    half = [made_up("pay 5", 0.3, governed=0.35, born=0.4)] * 3
    assert "pay 5: lower bound of gain - 0.6 x damage above 0" in unmet(half)
    uneven = [made_up("pay 5", 0.3, governed=value, born=0.4) for value in (0.3, 0.4, 0.5)]
    assert "pay 5: lower bound of gain - 0.6 x damage above 0" in unmet(uneven)
    spent = [{**one, "fits": [fit(8), fit(15, "refused"), fit(46)]} for one in good]
    found = tables().figures_of("pay 5", spent)
    assert found["fits"] == {"all": 2.0, "installed": 1.0, "refused": 1.0}


def test_shares_are_held_against_weekly_in_each_market_and_drift(recovery_bench: ModuleType) -> None:
    def both(governed: float, weekly: float = 0.395, seed: int = 1) -> dict[str, Any]:
        return made_up("pay 1.5", 0.3, governed=governed, weekly=weekly, born=0.4, seed=seed)

    mean, cell = (
        "mean share won back not below weekly's",
        "in no market and drift more than 3 points less won back than",
    )
    good = [both(0.395), both(0.396), both(0.394)]
    assert unmet(good) == []
    assert unmet([both(0.394), both(0.394), both(0.394)]) == [mean]
    assert unmet([*good, both(0.4), both(0.391)]) == [f"{cell} by weekly"]
    small = made_up("new city", 0.3, governed=0.3, weekly=0.3015, born=0.3015)
    assert unmet([*good, small]) == [], "what is won back of so little is noise"


def test_without_drift_cost_and_its_bound_are_claimed(recovery_bench: ModuleType) -> None:
    def quiet(*costs: float) -> list[dict[str, Any]]:
        return [made_up("none", 0.4, governed=0.4 - cost) for cost in costs]

    assert unmet(quiet(0.0005, 0.0006, 0.0004)) == []
    assert unmet(quiet(0.0015, 0.0016, 0.0014)) == ["none: costs at most 0.001 MAP"]
    assert unmet(quiet(-0.006, 0.0, 0.006)) == ["none: upper bound of the cost at most 0.003"]
    assert unmet(quiet(0.0)) == ["none: upper bound of the cost at most 0.003"]


def test_false_alarms_count_by_market_and_by_morning(recovery_bench, capsys) -> None:
    confirmed = ["concept_drift_confirmed", "concept_alarm"]
    codes = [["no_drift"]] * 10 + [confirmed, confirmed, ["new_labels"], confirmed] + [["no_drift"]] * 46
    alarms = [""] * 9 + ["c", "dc"] + [""] * 49
    runs = [made_up("none", 0.4, codes=codes, alarms=alarms), made_up("none", 0.4)]
    found = tables().false_alarms(runs)
    assert found["false_drifts"] == 2, "on mornings in a row it is one"
    assert found["counts"]["concept drift confirmed"] == {"markets": 1, "mornings": 3}
    assert found["counts"]["data drift confirmed"] == {"markets": 0, "mornings": 0}
    assert found["counts"]["alarm of the concept report"] == {"markets": 1, "mornings": 2}
    assert found["counts"]["alarm of the data report"] == {"markets": 1, "mornings": 1}
    assert tables().confirmed_on(runs[0]) == 11
    assert tables().confirmed_on(runs[1]) is None
    recovery_bench.report([*runs, made_up("pay 5", 0.3, born=0.4, codes=codes)], recovery_bench.KINDS)
    told = capsys.readouterr().out
    assert "2 markets, 120 mornings, 2 drifts confirmed" in told
    assert "concept drift confirmed              1 of 2 markets" in told
    claims = {
        count: tables().claims_of([], "none", {"markets": count, "false_drifts": 1})[-1]["holds"] for count in (19, 20)
    }
    assert claims == {19: False, 20: True}
    assert not tables().claims_of([], "none", {"markets": 20, "false_drifts": 2})[-1]["holds"]
    assert told.index("0.8     1/2") < told.index("     5     1/1")


def test_a_finished_run_is_kept_and_never_run_again(recovery_bench, plan, tmp_path, monkeypatch, capsys) -> None:
    lived: list[str] = []
    monkeypatch.setattr(recovery_bench, "lived", lambda *_: lived.append("history"))
    monkeypatch.setattr(
        recovery_bench, "recovered", lambda _, kind, *__, **___: (lived.append(kind.name), made_up(kind.name, 0.3))[1]
    )
    monkeypatch.setattr(sys, "argv", ["recovery", "--quick", "--work", str(tmp_path)])
    assert recovery_bench.main() == 0
    assert sorted(lived) == ["history", "none", "pay 5"]
    assert recovery_bench.main() == 0
    assert len(lived) == 3
    (tmp_path / "1-none.json").unlink()
    assert recovery_bench.main() == 0
    assert lived[3:] == ["history", "none"]
    assert "quick: one tiny market, no claim is judged" in capsys.readouterr().out
    assert not list(tmp_path.glob("*.part"))
    other = replace(plan, policies=replace(plan.policies, candidates=CandidatePolicy(candidates_per_user=20)))
    with pytest.raises(InvalidInputError, match="is of another plan"):
        recovery_bench.run_market(SEED, [kind for kind in recovery_bench.KINDS if kind.name == "none"], other, tmp_path)


def test_results_name_what_they_come_from(recovery_bench: ModuleType, plan: Any, tmp_path: Path) -> None:
    rows = [
        made_up("none", 0.4) | {"seed": seed, "cpu_seconds": 10.0, "history_cpu_seconds": 5.0, "commit": "abc"}
        for seed in (1, 1, 2)
    ]
    recovery_bench.write_results(tmp_path / "out.json", {"claims": [{"claim": "x", "holds": True}]}, rows, plan)
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["cpu_seconds"] == 40
    assert written["commits"] == ["abc"]
    assert written["seeds"] == [1, 2]
    assert written["plan"]["users"] == plan.users


def test_runs_of_the_earlier_rule_are_told_apart_and_those_that_are_kept_are_of_the_plan_as_it_is(
    recovery_bench: ModuleType,
) -> None:
    """Else a run of hours would begin anew: say in `identity` what changes no run."""
    [none] = [kind for kind in recovery_bench.KINDS if kind.name == "none"]
    with pytest.raises(InvalidInputError, match="is of another plan"):
        recovery_bench.done(recovery_bench.RESULTS.with_name("recovery"), 7_103, none, recovery_bench.Plan())
    for seed in (*recovery_bench.SEEDS, *recovery_bench.QUIET_SEEDS):
        for kind in recovery_bench.lived_by(seed, recovery_bench.KINDS):
            recovery_bench.done(recovery_bench.WORK, seed, kind, recovery_bench.Plan())
    assert len(recovery_bench.lived_by(recovery_bench.QUIET_SEEDS[0], recovery_bench.KINDS)) == 1
