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

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.columns import LABEL
from mlife_assets.core.training.folds import fold_starts
from mlife_assets.core.windows import add_days
from mlife_assets.lifecycle.day import asked_for, begins_to_serve
from mlife_assets.market.behaviour import APPLY, joined
from mlife_assets.recruiting.features import feature_matrix
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


def test_applications_of_a_morning_say_what_led_to_them(recovery_bench: ModuleType, history: Any) -> None:
    market, inputs = history.market, sys.modules["monitored_market.gate_inputs"]
    day = add_days(market.day, -10)
    rows = inputs.applies(market, day, day)
    happened = market.outcomes[day].take(market.outcomes[day].kind == APPLY)
    assert rows.num_rows == len(happened) > 0
    assert rows["user_id"].to_pylist() == [f"usr_{person:07d}" for person in happened.person]
    assert rows["exposure_id"].to_pylist() == happened.exposure_id.tolist()
    assert {moment.date() for moment in rows["observed_at"].to_pylist()} == {day}


def test_what_was_shown_is_what_the_market_showed_with_why(history: Any) -> None:
    market = history.market
    day = add_days(market.day, -8)
    rows = sys.modules["monitored_market.gate_inputs"].shown(market, day, add_days(day, 1))
    assert set(rows["exposure_date"].to_pylist()) == {day, add_days(day, 1)}
    assert all(
        one["observed_at"].date() == one["exposure_date"]
        for one in rows.select(["observed_at", "exposure_date"]).to_pylist()
    )
    ids = np.concatenate([market.exposures[one].ids for one in (day, add_days(day, 1))])
    assert rows["exposure_id"].to_pylist() == ids.tolist()
    assert {"organic", "recruiter_rule"} <= set(rows["slice"].to_pylist())


def test_a_gate_ranks_past_mornings_as_they_were(history: Any) -> None:
    market, models = history.market, history.models
    day = add_days(market.day, -8)
    cohort = models.cohort(market, day)
    assert cohort.label_mature_date == market.day
    assert set(cohort.pairs["as_of_date"].to_pylist()) == {day}
    users, _ = market.mornings[day]
    assert cohort.cohort_users == users.num_rows
    relevant = cohort.pairs.filter(pa.array(cohort.is_relevant))
    happened = joined([market.outcomes[add_days(day, ahead)] for ahead in range(8)])
    unprompted = happened.take((happened.kind == APPLY) & ~happened.is_text)
    pairs = {
        (f"usr_{one:07d}", f"job_{other:07d}") for one, other in zip(unprompted.person, unprompted.job, strict=True)
    }
    found = list(zip(relevant["user_id"].to_pylist(), relevant["job_id"].to_pylist(), strict=True))
    is_organic = cohort.slices[cohort.is_relevant] == "organic"
    assert is_organic.any()
    assert all((pair in pairs) >= organic for pair, organic in zip(found, is_organic, strict=True))


def test_folds_of_the_first_champion_know_nothing_of_their_weeks(history: Any, plan: Any) -> None:
    market, models = history.market, history.models
    version = history.first.model_version
    starts = fold_starts(market.day, 7, plan.policies.promotion.gate_weeks)
    folds = models.folds[version]
    assert [fold.first_day for fold in folds] == starts[-len(folds) :]
    assert len(folds) >= 2
    assert all(fold.trained_to < fold.first_day for fold in folds)
    assert asked_for(models, version)[-1].first_day == market.day
    reference = history.watch.champion.reference
    assert pc.min(reference.examples["exposure_date"]).as_py() == folds[0].first_day
    scored = reference.examples.filter(pc.less(reference.examples["exposure_date"], pa.scalar(folds[1].first_day)))
    rows = pa.concat_tables([rows for day, rows in sorted(market.examples[LABEL].items()) if day < folds[1].first_day])
    said = {}
    for one in (folds[0].model_version, version):
        scorer = models.scorer(one)
        said[one] = scorer.score(feature_matrix(rows, scorer.feature_spec)).probability
    known = scored["probability"].to_numpy()
    assert len(known)
    assert np.isin(known, said[folds[0].model_version]).all()
    assert not np.isin(known, said[version]).any()
    asked = history.watch.champion.scored_by[LABEL]
    by_fold = {one.scorer.model_version: one.rows for one in asked}
    assert set(by_fold) <= {fold.model_version for fold in folds}, "windows are scored by who scored the reference"
    assert by_fold[folds[0].model_version] == scored.num_rows


def test_what_was_known_before_the_branch_is_fitted_once_and_what_comes_after_is_not_shared(
    history: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gated, market = sys.modules["monitored_market.gated"], history.market
    asked: list[Any] = []

    def learned(*given: Any, **others: Any) -> None:
        asked.append((given[2], others["faulty"]))
        raise RuntimeError("fitted")

    monkeypatch.setattr(gated, "learned_from", learned)
    one, other = history.models.branch(market.day), history.models.branch(market.day)
    assert one.fitted(market, market.day) is other.fitted(market, market.day) is history.first
    usual = history.models.policies.training.half_life_days
    one._own[add_days(market.day, 7), frozenset(), usual] = history.first.model_version
    assert one.fitted(market, add_days(market.day, 7)) is history.first
    with pytest.raises(RuntimeError, match="fitted"):
        other.fitted(market, add_days(market.day, 7))
    faulty = add_days(market.day, -3)
    with pytest.raises(RuntimeError, match="fitted"):
        one.fitted(market, market.day, [faulty, add_days(market.day, 1)])
    assert asked == [(add_days(market.day, 7), frozenset()), (market.day, frozenset({faulty}))]


def test_what_is_promoted_serves_from_the_next_day_on(history: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    governed, market, first = sys.modules["monitored_market.governed"], history.market, history.first
    models = history.models.branch(market.day)
    other = models.artifacts[models.folds[first.model_version][-1].model_version]
    decision = SimpleNamespace(verdict="retrain")
    verdict = SimpleNamespace(decision=SimpleNamespace(kind="non_inferiority"))
    promoted: list[str] = []
    monkeypatch.setattr(governed, "looked", lambda *_: None)
    monkeypatch.setattr(governed, "decided", lambda *_: SimpleNamespace(alarms=("data", "concept"), decision=decision))
    monkeypatch.setattr(governed, "judged", lambda *_: SimpleNamespace(is_promoted=True, judgement=verdict))
    monkeypatch.setattr(governed, "promote_with_folds", lambda *given: promoted.append(given[-1].model_version))
    monkeypatch.setattr(models, "challenger", lambda *_: other)
    begins = governed.reign(first.model_version, None, market.day, after_run=False)
    product = governed.Governed(history.watch.branch(), models, [begins])
    facts = product.facts(market)
    assert (facts.new_mature_positives, facts.promotion_dates, facts.fit_dates) == (0, (), (market.day,))
    product.morning(market)
    assert product.serving == first.model_version
    assert product.alarms == ["dc"]
    product.evening(market)
    assert product.serving == other.model_version == promoted[0]
    served = [begins_to_serve(one) for one in product.reigns]
    assert served == [market.day, add_days(market.day, 1)]
    assert product.not_inferior == {other.model_version}
    facts = product.facts(market)
    assert facts.promotion_dates == (market.day,), "the first champion replaced nobody"
    assert facts.fit_dates == (market.day, market.day)
    assert facts.new_mature_positives > 0, "the newest fit knew less than the first"
    product.evening(market)
    assert len(product.reigns) == 2


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
def test_the_governor_and_the_gate_are_asked(recovery_bench: ModuleType, runs: dict[str, Any]) -> None:
    gates = [gate for run in runs.values() for gate in run["gates"]]
    asked = {
        name: {day for day, verdict in enumerate(run["verdicts"], 1) if verdict == "retrain"}
        for name, run in runs.items()
    }
    assert {name: {gate["day"] for gate in run["gates"]} for name, run in runs.items()} == asked
    assert gates
    assert all({"champion", "human", "simple"} <= set(gate["delta"]) for gate in gates if "delta" in gate)
    kept = json.loads(json.dumps(list(runs.values())))
    assert recovery_bench.report(kept, recovery_bench.KINDS) == recovery_bench.report(
        [*runs.values()], recovery_bench.KINDS
    )


def made_up(kind: str, never: float, **others: Any) -> dict[str, Any]:
    """Return a run of 60 days in which each policy keeps one value; `governed` and `born` may be given."""
    days = list(range(1, 61, 3))
    maps = {"never": [never] * 20, "weekly": [never] * 20, "governed": [never] * 20}
    maps |= {name: [value] * 20 for name, value in others.items() if name in ("governed", "born", "weekly", "daily")}
    run = {"seed": 1, "kind": kind, "days": days, "maps": maps, "gates": [], "alarms": [""] * 60}
    run |= {"codes": [["no_drift"]] * 60, "verdicts": ["wait"] * 60}
    return run | {name: value for name, value in others.items() if name in run}


def gate(day: int, by: str = "non-inferiority", outcome: str = "promoted") -> dict[str, Any]:
    return {"day": day, "outcome": outcome, "by": by}


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
    busy = [{**one, "gates": [gate(day) for day in range(1, 10)]} for one in good]
    assert unmet(busy) == ["pay 5: at most 8 promotions in 45 days in any market"]
    late = [{**one, "gates": [gate(day) for day in range(38, 47)]} for one in good]
    assert unmet(late) == []


def test_no_promotion_is_spent_on_what_is_immaterial(recovery_bench: ModuleType) -> None:
    small = [made_up("new city", 0.3, born=0.305 + shift) for shift in (0, 0.001)]
    assert unmet(small) == []
    allowed = [gate(10, "win"), gate(20, "age"), gate(30, outcome="refused")]
    assert unmet([{**one, "gates": allowed} for one in small]) == []
    spent = [{**small[0], "gates": [gate(58)]}, small[1]]
    assert unmet(spent) == ["new city: immaterial, no promotion but by a win or age"]


def test_without_drift_cost_and_its_bound_are_claimed(recovery_bench: ModuleType) -> None:
    def quiet(*costs: float) -> list[dict[str, Any]]:
        return [made_up("none", 0.4, governed=0.4 - cost) for cost in costs]

    assert unmet(quiet(0.0005, 0.0006, 0.0004)) == []
    assert unmet(quiet(0.0015, 0.0016, 0.0014)) == ["none: costs at most 0.001 MAP"]
    assert unmet(quiet(-0.006, 0.0, 0.006)) == ["none: upper bound of the cost at most 0.003"]
    assert unmet(quiet(0.0)) == ["none: upper bound of the cost at most 0.003"]


def test_false_alarms_count_by_market_and_by_morning(
    recovery_bench: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = (
        [["no_drift"]] * 10 + [["concept_drift_confirmed", "concept_alarm"]] + [["new_labels"]] + [["no_drift"]] * 48
    )
    verdicts = ["wait"] * 10 + ["retrain"] * 2 + ["wait"] * 48
    alarms = [""] * 9 + ["c", "dc"] + [""] * 49
    runs = [made_up("none", 0.4, codes=codes, verdicts=verdicts, alarms=alarms), made_up("none", 0.4)]
    found = tables().false_alarms(runs)
    assert found["openings_of_the_gate"] == {"markets": 1, "openings": 1, "mornings": 42}
    assert found["counts"]["retraining for drift or age"] == {"markets": 1, "mornings": 1}
    assert found["counts"]["alarm of the concept report"] == {"markets": 1, "mornings": 2}
    assert found["counts"]["alarm of the data report"] == {"markets": 1, "mornings": 1}
    assert tables().confirmed_on(runs[0]) == 11
    assert tables().confirmed_on(runs[1]) is None
    recovery_bench.report([*runs, made_up("pay 5", 0.3, born=0.4, codes=codes)], recovery_bench.KINDS)
    told = capsys.readouterr().out
    assert "gate held open by drift or age       1 of 2 markets" in told
    assert told.index("0.8     1/2") < told.index("     5     1/1")


def test_a_finished_run_is_kept_and_never_run_again(
    recovery_bench: ModuleType, plan: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
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


def test_the_runs_that_are_kept_are_of_the_plan_as_it_is(recovery_bench: ModuleType) -> None:
    """Else a run of hours would begin anew: say in `identity` what changes no run."""
    found = [
        recovery_bench.done(recovery_bench.WORK, seed, kind, recovery_bench.Plan())
        for seed in recovery_bench.SEEDS
        for kind in recovery_bench.KINDS
    ]
    assert any(run is not None for run in found)
