"""The benchmark of monitoring counts what it says it counts; what it measures is in its own output."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.core.monitoring.retrain_decisions import RetrainDecision
from mlife_assets.core.windows import add_days
from mlife_assets.market.behaviour import CLICK
from mlife_assets.market.world import Injection, MarketConfig
from mlife_assets.recruiting.candidates import candidate_pairs
from mlife_assets.recruiting.features import pair_features
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS, job_applications
from mlife_assets.recruiting.policies import CandidatePolicy, Policies

DAYS, POLICY = 12, CandidatePolicy()


@pytest.fixture(scope="module")
def marts(monitoring_bench: ModuleType) -> ModuleType:
    return sys.modules["monitored_market.market"]


@pytest.fixture(scope="module")
def lived(marts: ModuleType):
    """A small market after some days, with the records of these days."""
    market = marts.MonitoredMarket(MarketConfig(seed=4, users=300, jobs=60, metros=3))
    return market, [market.live() for _ in range(DAYS)]


def test_windows_count_what_was_exported_by_the_eve_and_closed_jobs_are_not_listed(lived) -> None:
    market, records = lived
    users, jobs = market.read("user_features", as_of=market.day), market.read("job_features", as_of=market.day)
    views = np.concatenate([record.impressions.person for record in records[-7:]])
    counts = np.bincount(views, minlength=300)
    assert users["user_impressions_7d"].to_pylist() == counts[:300].tolist()
    clicked = np.concatenate([r.outcomes.job[r.outcomes.kind == CLICK] for r in records[-7:]])
    places = [int(job[4:]) for job in jobs["job_id"].to_pylist()]
    assert jobs["job_clicks_7d"].to_pylist() == np.bincount(clicked, minlength=10_000)[places].tolist()
    last = {
        int(person): record.day
        for record in records
        for person in record.outcomes.person[record.outcomes.kind == CLICK]
    }
    expected = [(market.day - last[person]).days if person in last else None for person in range(300)]
    assert users["days_since_last_click"].to_pylist() == expected
    listed = set(market.read("job_features", as_of=market.day)["job_id"].to_pylist())
    closed = {f"job_{job:07d}" for record in records for job in record.closings.job.tolist()}
    assert closed
    assert not listed & closed


def test_labels_are_those_that_were_known_when_they_matured(marts: ModuleType, lived) -> None:
    market, records = lived
    shown = add_days(market.day, -8)
    examples = market.read("labelled_examples", start=shown, end=shown)
    assert set(examples["label_mature_date"].to_pylist()) == {market.day}
    happened = {
        one: kind
        for record in records
        if record.day >= shown
        for one, kind in zip(record.outcomes.exposure_id.tolist(), record.outcomes.kind.tolist(), strict=True)
        if kind == CLICK
    }
    clicked = set(examples.filter(examples["is_clicked"])["exposure_id"].to_pylist())
    assert clicked
    assert clicked <= set(happened)
    assert not set(examples.filter(pc.invert(examples["is_clicked"]))["exposure_id"].to_pylist()) & set(happened)
    assert market.read("labelled_examples", start=add_days(shown, 1)).num_rows == 0
    assert market.read("user_features", as_of=market.config.start_date).num_rows == 0


def test_a_branch_lives_the_same_days_but_for_what_is_injected(lived) -> None:
    market, _ = lived
    quiet, fault = market.branch(), market.branch(Injection("pay_in_cents", market.day, size=1.0))
    first, second = quiet.live(), fault.live()
    assert first.impressions.job.tolist() == second.impressions.job.tolist()
    honest, wrong = (one.read("user_features", as_of=one.day) for one in (quiet, fault))
    pays = [one["reservation_pay_usd_per_hour"].to_numpy() for one in (honest, wrong)]
    assert np.allclose(pays[1], 100 * pays[0])
    assert market.day == add_days(quiet.day, -1)
    assert market.day not in market.landed


def test_feedback_that_comes_late_moves_no_column_that_counts_as_drift(marts: ModuleType) -> None:
    market = marts.MonitoredMarket(MarketConfig(seed=4, users=2_000, jobs=100, metros=2))
    for _ in range(DAYS):
        market.live()
    quiet, late = market.branch(), market.branch(Injection("labels_late", market.day, size=3.0))
    for branch in (quiet, late):
        for _ in range(6):
            branch.live()
    found = [
        candidate_pairs(*(one.read(mart, as_of=one.day) for mart in (marts.USERS, marts.JOBS)), one.day, POLICY)
        for one in (quiet, late)
    ]
    usual, moved = map(pair_features, found)
    columns = PAIR_COLUMNS
    differing = {name for name in usual.column_names if not usual[name].equals(moved[name])}
    assert {"user_clicks_7d", "job_applies_7d", "openings"} <= differing
    assert not differing & {*columns.alarming, *columns.embedding}


def test_what_is_expected_of_a_row_is_judged_as_it_is_worded(monitoring_bench: ModuleType) -> None:
    bench = monitoring_bench

    def run(verdicts: str, *alarms: str, row: str = "x"):
        return bench.Run(row, 1, verdicts, alarms or ("",) * len(verdicts))

    def holds(expected: str, *runs, within: int = 4, control=None) -> bool:
        return bench.judged(bench.Row("x", "new_city", 1.0, 5, expected, within, "told"), runs, control or {})[1]

    assert (run("wwr").delay("r"), run("wwr").delay("b")) == (3, None)
    assert (run("ww", "dl", "c").mornings("lc"), run("ww", "q", "").mornings("dlc")) == (2, 0)
    found, missed, late = run("wr"), run("wwwww"), run("wwwwr")
    assert holds(bench.RETRAIN, *[found] * 19, missed)
    assert not holds(bench.RETRAIN, *[found] * 18, late, missed)
    assert holds(bench.UNDETECTABLE, *[missed] * 20)
    assert not holds(bench.UNDETECTABLE, *[found] * 20)
    blocked = run("bbbbb")
    assert holds(bench.BLOCK, *[blocked] * 20, within=1)
    assert not holds(bench.BLOCK, *[blocked] * 19, run("wbbbb"), within=1)
    assert not holds(bench.BLOCK, *[run("bbbbr")] * 20, within=1)
    usual = ("",) * (bench.QUIET_DAYS + 1)
    control = {1: run("w" * 17 + "rww", *usual, "d", "", "lc", "", "", row=bench.CONTROL)}
    for verdicts, alarms, is_met in (
        ("www", ("d", "", "ql"), True),
        ("wwb", ("d", "", "ql"), False),
        ("wwr", ("d", "", "l"), True),
        ("wwr", ("d", "", ""), False),
        ("www", ("", "", "l"), False),
        ("www", ("d", "d", "l"), False),
        ("www", ("d", "", "lc"), False),
        ("wrr", ("d", "", "l"), False),
    ):
        assert holds(bench.QUIET, run(verdicts, *alarms), control=control) is is_met, (verdicts, alarms)


def test_a_market_that_fails_is_named_and_does_not_hide_the_others(
    monitoring_bench: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys, tmp_path: Path
) -> None:
    bench, failing = monitoring_bench, monitoring_bench.FIRST_SEED + 1

    def one_market(seed: int, wanted: tuple[str, ...]) -> list[Any]:
        if seed == failing:
            raise ValueError("no jobs")
        return [bench.Run(bench.CONTROL, seed, "w" * 20, ("",) * 20), bench.Run(*wanted, seed, "wr", ("", ""))]

    monkeypatch.setattr(bench, "ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))
    monkeypatch.setattr(bench, "seed_runs", one_market)
    given = ["monitoring", "--seeds", "3", "--only", "new city", "--json", str(tmp_path / "out.json")]
    monkeypatch.setattr(sys, "argv", given)
    assert bench.main() == 1
    told, error = capsys.readouterr()
    assert f"runs of seed {failing} failed" in told
    assert "no jobs" in error
    written = json.loads((tmp_path / "out.json").read_text())
    assert [one["seed"] for one in written["runs"]] == [bench.FIRST_SEED] * 2 + [bench.FIRST_SEED + 2] * 2


def test_false_retrains_are_counted_per_morning(monitoring_bench: ModuleType, capsys) -> None:
    def control(*verdicts: str):
        return [bench.Run(bench.CONTROL, seed, one, ("",) * len(one)) for seed, one in enumerate(verdicts)]

    bench = monitoring_bench
    assert bench.report((), control("w" * 99 + "r", "w" * 100)) == []
    assert "200 drift-free mornings: 0.5 [" in capsys.readouterr().out
    assert bench.report((), control("w" * 90 + "r" * 10)) == ["false retrains"]
    assert bench.report(["new city"], [*control("ww"), bench.Run("new city", 0, "wwwww", ("",) * 5)]) == ["new city"]


@pytest.mark.parametrize(
    ("verdict", "codes", "letter"),
    [
        ("retrain", ("concept_drift_confirmed", "concept_alarm"), "r"),
        ("retrain", ("new_labels", "data_alarm"), "w"),
        ("wait", ("fit_too_soon", "data_drift_confirmed"), "w"),
        ("block", ("quality_fault",), "b"),
    ],
)
def test_a_fit_that_is_due_anyway_is_no_alarm(
    monitoring_bench: ModuleType, verdict: str, codes: tuple[str, ...], letter: str
) -> None:
    assert monitoring_bench.verdict_letter(RetrainDecision(date(2026, 6, 18), verdict, codes, (), "mdl_a")) == letter


def test_a_pair_that_was_shown_twice_a_day_is_ranked_once_as_applied_to(monitoring_bench: ModuleType) -> None:
    home, day = sys.modules["monitored_market.home"], date(2026, 6, 1)
    shown = {"user_id": ["u", "u", "v"], "job_id": ["j"] * 3, "exposure_id": ["1", "2", "3"]}
    days = {"exposure_date": [day] * 3, "label_mature_date": [add_days(day, 8)] * 3}
    rows = pa.table(shown | days | {"is_applied": [False, True, False]})
    gate = home.shown_once(rows, job_applications(Policies()))
    assert (gate.ranked["exposure_id"].to_pylist(), gate.exposures.num_rows) == (["2", "3"], 3)


@pytest.mark.proof
def test_a_fault_blocks_a_branch_of_a_market_that_stays_quiet(monitoring_bench: ModuleType) -> None:
    """The whole of it on a tiny market: reports and governor are the product's."""
    plan = monitoring_bench.quick_plan()
    quiet, cents = monitoring_bench.seed_runs(1, ["pay in cents"], plan)
    assert set(quiet.verdicts) == {"w"}
    assert len(quiet.alarms) == monitoring_bench.QUIET_DAYS + plan.days
    assert cents.verdicts == "bbbbb"
    assert all("q" in one for one in cents.alarms)
