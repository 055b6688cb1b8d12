"""Which day a day is compared with, and what usual nights were, on marts in memory."""

from __future__ import annotations

from collections import Counter
from datetime import date
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.components.monitoring.overnight_inputs import REACH_DAYS, USUAL_NIGHTS, overnight_day_findings
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.monitoring.quality import REPORT
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.overnight import CHANGED_METHOD, SNAPSHOT_COLUMNS, TASTE
from mlife_assets.recruiting.policies import Policies

DAY = date(2026, 6, 20)
USERS = 200


def users(day: date, moved: int = 0) -> pa.Table:
    """Return users of a day; the first `moved` of them live a little farther north."""
    latitude = np.full(USERS, 40.0)
    latitude[:moved] += 0.1
    table = {
        "as_of_date": pa.array([day] * USERS, pa.date32()),
        "user_id": [f"u{k}" for k in range(USERS)],
        "user_occupation_group": ["11"] * USERS,
        "user_shift": ["day"] * USERS,
        "user_seniority": [1] * USERS,
        "metro_code": ["12060"] * USERS,
        "latitude": latitude,
        "longitude": np.full(USERS, -90.0),
        "reservation_pay_usd_per_hour": np.full(USERS, 20.0),
        "tenure_days": np.full(USERS, (day - DAY).days + 100),
        "user_impressions_7d": np.full(USERS, 5),
        **{name: np.full(USERS, 0.5) for name in TASTE},
    }
    return pa.table({name: pa.array(table[name]) for name in SNAPSHOT_COLUMNS})


class Days:
    """A platform of which only marts and quality reports exist; counts what is read."""

    def __init__(self, tables: dict[date, pa.Table], reports: dict[date, MonitoringReport] | None = None) -> None:
        self.model, self.known, self.stored = job_applications(Policies()), tables, reports or {}
        self.read_days: Counter[date] = Counter()
        self.read_reports: Counter[date] = Counter()
        self.warehouse = SimpleNamespace(read=self.read)
        self.model_tables = SimpleNamespace(report_days=lambda _: sorted(self.stored))

    def read(self, mart: str, *, as_of: date, columns) -> pa.Table:
        assert (mart, columns) == ("user_features", SNAPSHOT_COLUMNS)
        self.read_days[as_of] += 1
        return self.known.get(as_of, users(as_of).slice(0, 0))

    def read_monitoring_report(self, name: str, day: date) -> MonitoringReport:
        if day not in self.stored:
            raise NotFoundError(f"{name} of {day} does not exist")
        self.read_reports[day] += 1
        return self.stored[day]


def report(day: date, share: float, *, is_fault: bool = False) -> MonitoringReport:
    finding = Finding("quality", "latitude", CHANGED_METHOD, share, 0.02, is_fault, "latitude: moved.")
    return MonitoringReport(REPORT, day, "mdl", 1, "alarm" if is_fault else "ok", (finding,), "s")


def days(moved: dict[int, int]) -> dict[date, pa.Table]:
    """Return users of the last 12 days; `moved` maps days back to users that live elsewhere on that day."""
    return {add_days(DAY, -back): users(add_days(DAY, -back), moved.get(back, 0)) for back in range(12)}


def latitude(platform: Days) -> Finding:
    (found,) = [
        f for f in overnight_day_findings(platform, DAY) if (f.column, f.method) == ("latitude", CHANGED_METHOD)
    ]
    return found


def test_a_fault_stays_a_fault_because_faulty_days_are_no_measure() -> None:
    faulty = {add_days(DAY, -back): report(add_days(DAY, -back), 0.3, is_fault=True) for back in (1, 2)}
    platform = Days(days({0: 60, 1: 60, 2: 60}), faulty)
    assert latitude(platform).is_alarm, "the eve shows the same homes, and the eve was faulty"
    assert not latitude(Days(days({0: 60, 1: 60, 2: 60}))).is_alarm, "unless it was sound"


def test_usual_nights_set_the_limit() -> None:
    """Three of a hundred move a night: seen on earlier nights it is usual, seen first today it is not."""
    steady = {back: 6 * (12 - back) for back in range(12)}
    assert latitude(Days(days(steady))).threshold == pytest.approx(3 * 0.03)
    assert not latitude(Days(days(steady))).is_alarm
    assert latitude(Days(days({0: 6}))).is_alarm


def test_what_a_report_found_is_not_computed_again() -> None:
    stored = {add_days(DAY, -back): report(add_days(DAY, -back), 0.04) for back in range(1, 9)}
    platform = Days(days({0: 6}), stored)
    assert latitude(platform).threshold == pytest.approx(3 * 0.04)
    assert set(platform.read_days) == {DAY, add_days(DAY, -1)}


def test_nights_beside_a_faulty_day_are_no_usual_nights() -> None:
    """The repair changes as many users as the fault did."""
    faulty = {add_days(DAY, -3): report(add_days(DAY, -3), 0.5, is_fault=True)}
    assert latitude(Days(days({3: 100, 0: 6}), faulty)).is_alarm


def test_without_an_earlier_day_there_is_nothing_to_say() -> None:
    assert overnight_day_findings(Days({DAY: users(DAY)}), DAY) == []


def test_only_reports_of_days_that_can_matter_are_read() -> None:
    """However many days were lived."""
    stored = {add_days(DAY, -back): report(add_days(DAY, -back), 0.04) for back in range(1, 400)}
    platform = Days(days({0: 6}), stored)
    assert latitude(platform).threshold == pytest.approx(3 * 0.04)
    assert min(platform.read_reports) == add_days(DAY, -REACH_DAYS)
    assert platform.read_reports.total() == REACH_DAYS + USUAL_NIGHTS
