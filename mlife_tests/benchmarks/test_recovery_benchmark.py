"""The benchmark of recovery: nobody knows tomorrow, all policies start alike, claims are judged as they are worded."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest

from mlife_assets.components.model.out_of_sample import folds_of
from mlife_assets.components.monitoring.inputs import read_reference
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.columns import LABEL
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.policies import CandidatePolicy

SEED = 2


@pytest.fixture(scope="module")
def plan(recovery_bench: ModuleType) -> Any:
    return recovery_bench.quick_plan()


@pytest.fixture(scope="module")
def begun(recovery_bench: ModuleType, plan: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return recovery_bench.begun(SEED, plan, tmp_path_factory.mktemp("recovery") / "begun")


@pytest.fixture(scope="module")
def recovered(
    recovery_bench: ModuleType, begun: Any, plan: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], dict[str, Any]]:
    """Return the run of a kind by its name."""

    def of_kind(name: str) -> dict[str, Any]:
        kind = next(one for one in recovery_bench.KINDS if one.name == name)
        return recovery_bench.recovered(begun, kind, plan, tmp_path_factory.mktemp("runs") / "home")

    return of_kind


def tables() -> ModuleType:
    return sys.modules["monitored_market.tables"]


@pytest.mark.proof
def test_the_first_champion_serves_on_the_day_of_the_drift_and_its_folds_score_its_reference(begun: Any) -> None:
    ports, day = begun.of_model(), begun.market.day
    [reign] = ports.registry.history()
    assert (begun.serving(), reign.since.date()) == (reign.model_version, add_days(day, -1))
    *folds, champion = folds_of(ports, reign.model_version)
    assert len(folds) >= 2
    assert champion.first_day == add_days(day, -1), "it learned what was known then"
    reference = read_reference(ports, day)
    assert set(reference.scored_by[LABEL]) <= {fold.model_version for fold in folds}
    assert pc.min(reference.examples["exposure_date"]).as_py() >= folds[0].first_day


@pytest.mark.proof
def test_policies_start_alike_and_the_new_world_is_worth_knowing(recovered: Any, plan: Any) -> None:
    run = recovered("pay 5")
    maps = run["maps"]
    assert run["days"] == [1, 4, 7]
    assert maps["never"] == maps["weekly"], "the first refit serves on day 8"
    assert all(of < best for of, best in zip(maps["never"], maps["oracle"], strict=True))
    assert len(run["alarms"]) == len(run["codes"]) == plan.days
    assert np.mean(maps["born"]) > np.mean(maps["never"]) + 0.01


@pytest.mark.proof
def test_fits_are_those_that_the_governor_asked_for(
    recovery_bench: ModuleType, begun: Any, plan: Any, tmp_path: Path
) -> None:
    """A week after the first, as weekly: both serve the same."""
    none = next(one for one in recovery_bench.KINDS if one.name == "none")
    run = recovery_bench.recovered(begun, none, replace(plan, days=8, judged_every=7), tmp_path / "home")
    asked = [day for day, verdict in enumerate(run["verdicts"], 1) if verdict == "retrain"]
    assert [fit["day"] for fit in run["fits"]] == asked == [7]
    assert run["fits"] == [{"day": 7, "outcome": "promoted", "unmet": []}]
    assert run["maps"]["governed"] == run["maps"]["weekly"] != run["maps"]["never"]
    assert "born" not in run["maps"]
    kept = json.loads(json.dumps([run]))
    assert recovery_bench.report(kept, recovery_bench.KINDS) == recovery_bench.report([run], recovery_bench.KINDS)


def made_up(kind: str, never: float, **others: Any) -> dict[str, Any]:
    """Return a run of 60 days in which each policy keeps one value; `governed` and `born` may be given."""
    days = list(range(1, 61, 3))
    maps = {"never": [never] * 20, "weekly": [never] * 20, "governed": [never] * 20}
    maps |= {name: [value] * 20 for name, value in others.items() if name in ("governed", "born", "weekly")}
    run = {"seed": 1, "kind": kind, "days": days, "maps": maps, "fits": [], "alarms": [""] * 60}
    run |= {"codes": [["no_drift"]] * 60, "verdicts": ["wait"] * 60}
    return run | {name: value for name, value in others.items() if name in run}


def fit(day: int, outcome: str = "promoted") -> dict[str, Any]:
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
    assert found["fits"] == {"promoted": 1.0, "refused": 1.0, "failed": 0.0}


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
    assert found["alarms"]["concept"] == {"markets": 1, "mornings": 2}
    assert found["alarms"]["data"] == {"markets": 1, "mornings": 1}
    recovery_bench.report([*runs, made_up("pay 5", 0.3, born=0.4, codes=codes)], recovery_bench.KINDS)
    told = capsys.readouterr().out
    assert "2 markets, 120 mornings, 2 drifts confirmed" in told
    assert "the concept report alarmed in 1 markets, 2 mornings" in told
    assert ("1/2 [" in told, "1/1 [" in told) == (True, True)
    claims = {
        count: tables().claims_of([], "none", {"markets": count, "false_drifts": 1})[-1]["holds"] for count in (19, 20)
    }
    assert claims == {19: False, 20: True}
    assert not tables().claims_of([], "none", {"markets": 20, "false_drifts": 2})[-1]["holds"]


def test_a_finished_run_is_kept_and_never_run_again(recovery_bench, plan, tmp_path, monkeypatch, capsys) -> None:
    lived: list[str] = []
    monkeypatch.setattr(recovery_bench, "begun", lambda *_: lived.append("history"))
    monkeypatch.setattr(
        recovery_bench, "recovered", lambda _, kind, *__: (lived.append(kind.name), made_up(kind.name, 0.3))[1]
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
        recovery_bench.run_market(1, [kind for kind in recovery_bench.KINDS if kind.name == "none"], other, tmp_path)


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
