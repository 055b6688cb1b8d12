"""The benchmark of monitoring counts what it says it counts; what it measures is in its own output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow.compute as pc
import pytest

from mlife_assets.core.windows import add_days
from mlife_assets.market.injections import Injection
from mlife_assets.market.outcomes import CLICK
from mlife_assets.market.world import MarketConfig

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
DAYS = 12


@pytest.fixture(scope="module")
def bench(load_benchmark: Callable[[str], ModuleType]) -> Iterator[ModuleType]:
    known = list(sys.path)
    yield load_benchmark("monitoring")
    sys.path[:] = known


@pytest.fixture(scope="module")
def marts(bench: ModuleType) -> ModuleType:
    return sys.modules["monitored_market.marts"]


@pytest.fixture(scope="module")
def lived(marts: ModuleType):
    """A small market after some days, with the records of these days."""
    market = marts.MonitoredMarket(MarketConfig(seed=4, users=300, jobs=60, metros=3))
    return market, [market.live() for _ in range(DAYS)]


def run(bench: ModuleType, row: str, verdicts: str, alarms: tuple[str, ...] = (), seed: int = 1):
    mornings = len(verdicts)
    return bench.Run(row, seed, verdicts, alarms or ("",) * mornings, ({"apply": 0, "click": 0},) * mornings, ())


def row(bench: ModuleType, expected: str, within: int = 4):
    return bench.Row("x", "new_city", 1.0, 5, expected, within, "told")


def test_windows_count_what_was_exported_by_the_eve(lived) -> None:
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


def test_closed_and_expired_jobs_are_not_listed(lived) -> None:
    market, records = lived
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


def test_a_delay_counts_from_the_first_wrong_day(bench: ModuleType) -> None:
    found = run(bench, "x", "wwr")
    assert found.delay("r") == 3
    assert found.delay("b") is None
    assert run(bench, "x", "ww", ("dl", "c")).mornings("lc") == 2
    assert run(bench, "x", "ww", ("q", "")).mornings("dlc") == 0


def test_drift_must_be_found_in_19_of_20_markets_in_time(bench: ModuleType) -> None:
    retrain = row(bench, "retrain")
    runs = [run(bench, "x", "wr")] * 19
    assert bench.line_of(retrain, [*runs, run(bench, "x", "wwwww")], {}).holds
    late = bench.line_of(retrain, [*runs[1:], run(bench, "x", "wwwwr"), run(bench, "x", "wwwww")], {})
    assert not late.holds
    assert (late.found, late.of) == (18, 20)
    hidden = row(bench, "undetectable")
    assert bench.line_of(hidden, [run(bench, "x", "wwwww")] * 20, {}).holds
    assert not bench.line_of(hidden, [run(bench, "x", "wr")] * 20, {}).holds


def test_a_fault_must_block_always_and_never_retrain(bench: ModuleType) -> None:
    fault = row(bench, "block", within=1)
    assert bench.line_of(fault, [run(bench, "x", "bbbbb")] * 20, {}).holds
    assert not bench.line_of(fault, [*[run(bench, "x", "bbbbb")] * 19, run(bench, "x", "wbbbb")], {}).holds
    assert not bench.line_of(fault, [run(bench, "x", "bbbbr")] * 20, {}).holds


def test_late_labels_are_held_against_the_quiet_branch(bench: ModuleType) -> None:
    late = row(bench, "quiet")
    usual = ("",) * (bench.QUIET_DAYS + 1)
    control = {1: run(bench, bench.CONTROL, "w" * 20, (*usual, "d", "", "", "", ""))}
    assert bench.line_of(late, [run(bench, "x", "wwb", ("d", "", "q"))], control).holds
    assert not bench.line_of(late, [run(bench, "x", "www", ("d", "c", ""))], control).holds
    assert not bench.line_of(late, [run(bench, "x", "wwr", ("d", "", ""))], control).holds


def test_false_retrains_are_counted_per_morning(bench: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    control = [run(bench, bench.CONTROL, "w" * 99 + "r", seed=1), run(bench, bench.CONTROL, "w" * 100, seed=2)]
    retrains, seeds, _ = bench.false_alarms(control)
    assert (retrains.estimate, retrains.n) == (0.005, 200)
    assert seeds.estimate == 0.5
    assert bench.report_rows((), control) == []
    assert bench.report_rows((), [run(bench, bench.CONTROL, "w" * 90 + "r" * 10)]) == ["false retrains"]
    assert "10.0 [" in capsys.readouterr().out


def test_growth_with_traffic_is_broken_only_beyond_chance(bench: ModuleType) -> None:
    def runs(*alarms: int):
        sizes = (5_000, 500_000)
        return [bench.TrafficRun(1, n, n, 100, a, {"data": a}) for n, a in zip(sizes, alarms, strict=True)]

    assert bench.report_traffic(runs(2, 4)) == []
    assert bench.report_traffic(runs(2, 40)) == ["traffic: alarms grow with n"]


def test_policies_of_the_storm(bench: ModuleType) -> None:
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
        bench.StormRun(name, 1, count, 0.4, 0.1, 1.0) for name, count in (("mlife", 3), ("1 of 1", 9), ("never", 0))
    ]
    assert bench.report_storm(lost) == []
    assert bench.report_storm([*lost[1:], bench.StormRun("mlife", 1, 9, 0.4, 0.1, 1.0)]) != []
