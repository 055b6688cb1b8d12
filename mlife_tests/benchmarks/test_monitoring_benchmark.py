"""The benchmark of monitoring counts what it says it counts; what it measures is in its own output."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from concurrent.futures import Future
from datetime import date
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.core.monitoring import lateness
from mlife_assets.core.monitoring.columns import LABEL
from mlife_assets.core.monitoring.retrain_decisions import RetrainDecision
from mlife_assets.core.windows import add_days
from mlife_assets.market.behaviour import CLICK
from mlife_assets.market.world import Injection, MarketConfig
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS
from mlife_assets.recruiting.policies import CandidatePolicy

DAYS = 12


@pytest.fixture(scope="module")
def marts(monitoring_bench: ModuleType) -> ModuleType:
    return sys.modules["monitored_market.marts"]


@pytest.fixture(scope="module")
def tables(monitoring_bench: ModuleType) -> ModuleType:
    return sys.modules["monitored_market.tables"]


@pytest.fixture(scope="module")
def lived(marts: ModuleType):
    """A small market after some days, with the records of these days."""
    market = marts.MonitoredMarket(MarketConfig(seed=4, users=300, jobs=60, metros=3))
    return market, [market.live() for _ in range(DAYS)]


def run(tables: ModuleType, row: str, verdicts: str, alarms: tuple[str, ...] = (), seed: int = 1):
    mornings = len(verdicts)
    return tables.Run(row, seed, verdicts, alarms or ("",) * mornings, ({"apply": 0, "click": 0},) * mornings, ())


def row(tables: ModuleType, expected: str, within: int = 4):
    return tables.Row("x", "new_city", 1.0, 5, expected, within, "told")


def test_windows_count_what_was_exported_by_the_eve_and_closed_jobs_are_not_listed(lived) -> None:
    market, records = lived
    users, jobs = market.user_features(), market.job_features()
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
    listed = set(market.job_features()["job_id"].to_pylist())
    closed = {f"job_{job:07d}" for record in records for job in record.closings.job.tolist()}
    assert closed
    assert not listed & closed


def test_labels_are_those_that_were_known_when_they_matured(marts: ModuleType, lived) -> None:
    market, records = lived
    shown = add_days(market.day, -8)
    examples = market.mature_examples(shown, shown)
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
    with pytest.raises(ValueError, match="at least one"):
        market.mature_examples(add_days(shown, 1), market.day)


def test_a_branch_lives_the_same_days_but_for_what_is_injected(lived) -> None:
    market, _ = lived
    quiet, fault = market.branch(), market.branch(Injection("pay_in_cents", market.day, size=1.0))
    first, second = quiet.live(), fault.live()
    assert first.impressions.job.tolist() == second.impressions.job.tolist()
    honest, wrong = (one.user_features()["reservation_pay_usd_per_hour"].to_numpy() for one in (quiet, fault))
    assert np.allclose(wrong, 100 * honest)
    assert market.day == add_days(quiet.day, -1)
    assert market.day not in market.snapshots


def test_feedback_that_comes_late_moves_no_column_that_counts_as_drift(marts: ModuleType) -> None:
    market = marts.MonitoredMarket(MarketConfig(seed=4, users=2_000, jobs=100, metros=2))
    for _ in range(DAYS):
        market.live()
    quiet, late = market.branch(), market.branch(Injection("labels_late", market.day, size=3.0))
    for branch in (quiet, late):
        for _ in range(6):
            branch.live()
    usual, moved = (one.sample(rows=100_000, seed=1, policy=CandidatePolicy()).pairs for one in (quiet, late))
    columns = PAIR_COLUMNS
    differing = {name for name in usual.column_names if not usual[name].equals(moved[name])}
    assert {"user_clicks_7d", "job_applies_7d", "openings"} <= differing
    assert not differing & {*columns.alarming, *columns.embedding}


def test_a_delay_counts_from_the_first_wrong_day(tables: ModuleType) -> None:
    found = run(tables, "x", "wwr")
    assert found.delay("r") == 3
    assert found.delay("b") is None
    assert run(tables, "x", "ww", ("dl", "c")).mornings("lc") == 2
    assert run(tables, "x", "ww", ("q", "")).mornings("dlc") == 0


def test_drift_must_be_found_in_19_of_20_markets_in_time(tables: ModuleType) -> None:
    retrain = row(tables, "retrain")
    runs = [run(tables, "x", "wr")] * 19
    assert tables.line_of(retrain, [*runs, run(tables, "x", "wwwww")], {}).holds
    late = tables.line_of(retrain, [*runs[1:], run(tables, "x", "wwwwr"), run(tables, "x", "wwwww")], {})
    assert not late.holds
    assert (late.found, late.of) == (18, 20)
    hidden = row(tables, "undetectable")
    assert tables.line_of(hidden, [run(tables, "x", "wwwww")] * 20, {}).holds
    assert not tables.line_of(hidden, [run(tables, "x", "wr")] * 20, {}).holds


def test_a_fault_must_block_always_and_never_retrain(tables: ModuleType) -> None:
    fault = row(tables, "block", within=1)
    assert tables.line_of(fault, [run(tables, "x", "bbbbb")] * 20, {}).holds
    assert not tables.line_of(fault, [*[run(tables, "x", "bbbbb")] * 19, run(tables, "x", "wbbbb")], {}).holds
    assert not tables.line_of(fault, [run(tables, "x", "bbbbr")] * 20, {}).holds


def test_late_labels_are_held_against_the_quiet_branch(tables: ModuleType) -> None:
    late = row(tables, "quiet")
    usual = ("",) * (tables.QUIET_DAYS + 1)
    control = {1: run(tables, tables.CONTROL, "w" * 17 + "rww", (*usual, "d", "", "lc", "", ""))}
    for verdicts, alarms, holds in (
        ("www", ("d", "", "ql"), True),
        ("wwb", ("d", "", "ql"), False),
        ("wwr", ("d", "", "l"), True),
        ("wwr", ("d", "", ""), False),
        ("www", ("", "", "l"), False),
        ("www", ("d", "d", "l"), False),
        ("www", ("d", "", "lc"), False),
        ("wrr", ("d", "", "l"), False),
    ):
        assert tables.line_of(late, [run(tables, "x", verdicts, alarms)], control).holds is holds, (verdicts, alarms)


@pytest.mark.parametrize(("late", "judged"), [(None, 7), (12, 0), (2, 0), (1, 7)])
def test_a_week_with_late_feedback_is_not_judged_as_in_production(
    monitoring_bench: ModuleType, monkeypatch: pytest.MonkeyPatch, late: int | None, judged: int
) -> None:
    monitored = sys.modules["monitored_market.monitored"]
    first, day = date(2026, 6, 3), date(2026, 6, 18)
    names = ("exposure_date", "label_mature_date")
    known = {add_days(first, one): pa.table({key: [add_days(first, one)] for key in names}) for one in range(7)}
    usual = {add_days(first, back): lateness.Arrivals(100, 90) for back in range(-20, 15)}
    if late is not None:
        usual[date(2026, 6, late)] = lateness.Arrivals(100, 10)
    market = SimpleNamespace(
        day=day, arrivals=usual, examples={LABEL: known}, label_what_matures=lambda: monitored.WINDOW_DAYS
    )
    scored = pa.table({key: [add_days(first, -5)] for key in names})
    reference = SimpleNamespace(outcomes=(LABEL,), scored=lambda _: scored)
    champion = SimpleNamespace(reference=reference, scored_by={LABEL: (SimpleNamespace(unlearned_from=first),)})
    watch = SimpleNamespace(champion=champion, faulty=set())
    monkeypatch.setattr(monitored, "WINDOW_DAYS", {LABEL: 8})
    monkeypatch.setattr(monitored, "scored_examples", lambda *_: pa.concat_tables(known.values()))
    windows = monitored.concept_windows(watch, market)
    assert {outcome: rows.num_rows for outcome, rows in windows.items()} == {LABEL: judged}


def test_days_that_a_step_learned_are_not_judged(monitoring_bench: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step of clicks learns from days after the newest of the reference's labels."""
    monitored = sys.modules["monitored_market.monitored"]
    day, newest, unlearned = date(2026, 6, 18), date(2026, 6, 3), date(2026, 6, 8)
    names = ("exposure_date", "label_mature_date")
    reference = SimpleNamespace(
        outcomes=(LABEL,), scored=lambda _: pa.table({"exposure_date": [newest], "label_mature_date": [newest]})
    )
    asked = tuple(SimpleNamespace(unlearned_from=one) for one in (newest, unlearned))
    champion = SimpleNamespace(reference=reference, scored_by={LABEL: asked})
    known = {add_days(newest, one): None for one in range(1, 8)}
    market = SimpleNamespace(day=day, arrivals={}, examples={LABEL: known}, label_what_matures=lambda: None)

    def scored(_: object, asked: object, __: object, first: date, last: date, ___: str) -> pa.Table:
        days = [one for one in known if first <= one <= last]
        return pa.table(dict.fromkeys(names, days))

    monkeypatch.setattr(monitored, "WINDOW_DAYS", {LABEL: 7})
    monkeypatch.setattr(monitored, "scored_examples", scored)
    windows = monitored.concept_windows(SimpleNamespace(champion=champion, faulty=set()), market)
    assert windows[LABEL]["exposure_date"].to_pylist() == [unlearned, add_days(unlearned, 1), add_days(unlearned, 2)]


def test_false_retrains_are_counted_per_morning(tables: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    control = [run(tables, tables.CONTROL, "w" * 99 + "r", seed=1), run(tables, tables.CONTROL, "w" * 100, seed=2)]
    retrains, seeds, _ = tables.false_alarms(control)
    assert (retrains.estimate, retrains.n) == (0.005, 200)
    assert seeds.estimate == 0.5
    assert tables.report_rows((), control) == []
    assert tables.report_rows((), [run(tables, tables.CONTROL, "w" * 90 + "r" * 10)]) == ["false retrains"]
    assert "10.0 [" in capsys.readouterr().out


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
    monitored = sys.modules["monitored_market.monitored"]
    assert monitored.verdict_letter(RetrainDecision(date(2026, 6, 18), verdict, codes, (), "mdl_a")) == letter


class AtOnce:
    """A pool that does its work at once, in this process."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> AtOnce:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, work: Callable[..., object], *given: object) -> Future:
        future: Future = Future()
        try:
            future.set_result(work(*given))
        except ValueError as error:
            future.set_exception(error)
        return future


def test_what_is_expected_is_reported_first_and_a_market_that_fails_does_not_hide_the_others(
    monitoring_bench: ModuleType,
    tables: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    failing = monitoring_bench.FIRST_SEED + 1

    def one_market(seed: int, wanted: tuple[str, ...]):
        print("measuring")
        if seed == failing:
            raise ValueError("no jobs")
        return [
            run(tables, tables.CONTROL, "w" * 40, seed=seed),
            *(run(tables, name, "wr", seed=seed) for name in wanted),
        ]

    monkeypatch.setattr(monitoring_bench, "ProcessPoolExecutor", AtOnce)
    monkeypatch.setattr(monitoring_bench, "seed_runs", one_market)
    given = ["monitoring", "--seeds", "3", "--only", "new city", "--json", str(tmp_path / "out.json")]
    monkeypatch.setattr(sys, "argv", given)
    assert monitoring_bench.main() == 1
    told, error = capsys.readouterr()
    assert told.index("new city (8 % of users, postings of their own): retrain within 7 days") < told.index("measuring")
    assert "2 markets, 6,000 users; 80 drift-free mornings" in told
    assert "2/2" in told
    assert told.rstrip().endswith(f"expectations that are not met: runs of seed {failing} failed")
    assert "no jobs" in error
    written = json.loads((tmp_path / "out.json").read_text())
    first = monitoring_bench.FIRST_SEED
    assert [one["seed"] for one in written["runs"]] == [first, first, first + 2, first + 2]
    monkeypatch.setattr(monitoring_bench, "FIRST_SEED", first + 10)
    monkeypatch.setattr(sys, "argv", given)
    assert monitoring_bench.main() == 0


def test_growth_with_traffic_is_broken_only_beyond_chance(tables, capsys) -> None:
    def runs(*alarms: int):
        sizes = (5_000, 500_000)
        return [tables.TrafficRun(1, n, n, 700, a, 100, a, {"data": a}) for n, a in zip(sizes, alarms, strict=True)]

    assert tables.report_traffic(runs(2, 4)) == []
    assert tables.report_traffic(runs(2, 40)) == ["traffic: alarms grow with n"]
    least = int(capsys.readouterr().out.split("told from chance would be ")[1].split()[0])
    assert tables.report_traffic(runs(2, least)) == ["traffic: alarms grow with n"]
    assert tables.report_traffic(runs(2, least - 1)) == []
    of_weeks = sys.modules["monitored_market.traffic"].alarming_weeks
    assert of_weeks([set()] * 6 + [{"data"}, {"data"}] + [set()] * 20) == 2
    assert of_weeks([{"data"}] * 7 + [set()] * 21) == 1


def test_policies_of_the_storm(tables: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    storm = sys.modules["monitored_market.storm"]
    assert storm.n_of_m(1, 1)([False, True])
    assert not storm.n_of_m(1, 1)([True, False])
    assert storm.n_of_m(2, 5)([True, False, False, False, True])
    assert not storm.n_of_m(2, 5)([True, False, False, False, False, True])
    assert not storm.never([True])
    felt = storm.injections(type("market", (), {"day": date(2026, 6, 1)}))
    assert {one.duration_days for one in felt} == {5}
    assert len(felt) == 12
    lost = [
        tables.StormRun(name, 1, count, 0.4, lost, 1.0)
        for name, count, lost in (("mlife", 3, 0.1), ("1 of 1", 9, 0.1), ("never", 0, 0.11))
    ]
    other = [tables.StormRun(run.policy, 2, run.trainings + 2, 0.4, run.map_lost + 0.02, 1.0) for run in lost]
    assert tables.report_storm([*lost, *other]) == []
    told = capsys.readouterr().out
    assert "4.0 (3 to 5)" in told
    assert "0.1100 (0.1000 to 0.1200)" in told
    as_often = tables.StormRun("mlife", 1, 9, 0.4, 0.09, 1.0)
    assert tables.report_storm([*lost[1:], as_often]) == [
        "storm: the governor trains as often as a policy without memory in market 1"
    ]
    assert "MAP won against never training: +0.0200 (+0.0200 to +0.0200)" in capsys.readouterr().out
    in_vain = tables.StormRun("mlife", 1, 3, 0.4, 0.11, 1.0)
    assert tables.report_storm([*lost[1:], in_vain]) == ["storm: the governor's trainings win nothing"]
