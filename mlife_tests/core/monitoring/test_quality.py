from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.quality import data_quality_report
from mlife_assets.core.policies import MonitoringPolicy

HISTORY = {
    "click": [900, 1_000, 1_100],
    "hire": [0, 3, 2],
    "user_snapshot": [10_000] * 3,
    "consent": [5, 4, 6],
    "message_status": [2_000] * 3,
}
LANDED = {"click": 600, "hire": 0, "user_snapshot": 10_050}


@pytest.fixture
def report(pairs_world, reference):
    def run(day, **changes):
        settings = {"pair_rows": 61_000, "landed": LANDED, "landed_history": HISTORY} | changes
        return data_quality_report(
            as_of=pairs_world.START + timedelta(days=40),
            reference=reference,
            pairs=day,
            policy=MonitoringPolicy(),
            **settings,
        )

    return run


def faults(report) -> set[tuple[str, str]]:
    return {(finding.column, finding.method) for finding in report.alarms}


def test_ordinary_days_have_no_fault(report, world) -> None:
    for offset in range(12, 55):
        result = report(world.day(offset, 600))
        assert result.status == "ok", result.sentence


def test_a_new_city_is_drift_and_no_fault(report, world) -> None:
    for share in (0.15, 0.4):
        result = report(world.day(20, 600, new_city=share), pair_rows=70_000)
        assert result.status == "ok", result.sentence


def test_reservation_pay_in_cents_for_one_day_is_a_fault(report, world, pairs_world) -> None:
    day = world.day(20, 600)
    hundredfold = day["reservation_pay_usd_per_hour"].to_numpy() * 100
    ratio = day["log_pay_ratio"].to_numpy() - np.log(100)
    result = report(pairs_world.replaced(day, reservation_pay_usd_per_hour=hundredfold, log_pay_ratio=ratio))
    assert faults(result) == {
        ("reservation_pay_usd_per_hour", "out_of_range_share"),
        ("log_pay_ratio", "out_of_range_share"),
    }
    assert "reservation_pay_usd_per_hour: 100.0% of rows are far outside the range" in result.sentence


@pytest.mark.parametrize("share", [0.05, 1.0])
def test_pay_in_cents_is_a_fault_even_for_few_rows(report, world, pairs_world, share: float) -> None:
    day = world.day(20, 600)
    pay = day["pay_usd_per_hour"].to_numpy().copy()
    pay[: int(share * len(pay))] *= 100
    assert ("pay_usd_per_hour", "out_of_range_share") in faults(report(pairs_world.replaced(day, pay_usd_per_hour=pay)))


def test_zero_distances_are_a_fault(report, world, pairs_world) -> None:
    day = world.day(20, 600)
    distance = np.where(np.random.default_rng(1).random(600) < 0.3, 0.0, day["distance_km"].to_numpy())
    assert faults(report(pairs_world.replaced(day, distance_km=distance))) == {("distance_km", "zero_share")}


def test_missing_values_are_a_fault_unless_missing_is_a_value(report, world, pairs_world) -> None:
    day = world.day(20, 600)
    pay = day["pay_usd_per_hour"].to_numpy().copy()
    pay[:60] = np.nan
    assert faults(report(pairs_world.replaced(day, pay_usd_per_hour=pay))) == {("pay_usd_per_hour", "missing_share")}
    lost = pairs_world.replaced(day, days_since_last_click=np.full(600, np.nan))
    assert faults(report(lost)) == {("days_since_last_click", "missing_share")}


def test_an_unknown_occupation_is_a_fault_and_a_rare_known_one_is_not(report, world, pairs_world) -> None:
    day = world.day(20, 600)
    group = np.array(day["job_occupation_group"].to_pylist())
    group[:60] = "21"
    assert report(pairs_world.replaced(day, job_occupation_group=group)).status == "ok"
    group[:60] = "99"
    assert faults(report(pairs_world.replaced(day, job_occupation_group=group))) == {
        ("job_occupation_group", "unseen_share")
    }
    shift = np.array(["nights"] * 60 + ["day"] * 540)
    assert faults(report(pairs_world.replaced(day, user_shift=shift))) == {("user_shift", "unseen_share")}


def test_volume_freshness_and_duplicates(report, world) -> None:
    day = world.day(20, 600)
    assert faults(report(day, pair_rows=20_000)) == {("", "volume")}
    assert faults(report(day, pair_rows=200_000)) == {("", "volume")}
    assert faults(report(day, landed=LANDED | {"click": 0})) == {("click", "freshness")}
    assert faults(report(day, landed={"click": 900})) == {("user_snapshot", "freshness")}
    assert faults(report(day, duplicate_pairs=1)) == {("", "duplicate_pairs")}
    assert faults(report(day, duplicate_events=5)) == set()
    assert faults(report(day, duplicate_events=5_000)) == {("", "duplicate_events")}


def test_an_empty_day_is_a_fault_and_not_an_empty_answer(report, world) -> None:
    result = report(world.day(20, 600).slice(0, 0), pair_rows=0)
    assert faults(result) == {("", "volume")}
    with pytest.raises(InvalidInputError, match="pair_rows is -1"):
        report(world.day(20, 600), pair_rows=-1)
