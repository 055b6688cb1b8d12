from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from mlife_assets.core.monitoring.quality import REPORT
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport
from mlife_assets.core.policies import Policies
from mlife_assets.core.windows import add_days
from mlife_assets.defs.quality_gate import quarantined_days
from mlife_assets.defs.resources import Platform
from mlife_assets.settings import Settings

FIRST = date(2026, 6, 2)
DAYS = 40
FAULTY = {3, 4, 30}


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    """A platform with a quality report of each of 40 days, three of which failed."""
    platform = Platform(settings=Settings(home=tmp_path), policies=Policies())
    for number in range(DAYS):
        day, is_faulty = add_days(FIRST, number), number in FAULTY
        finding = Finding("quality", "latitude", "m", 1.0, 0.5, is_faulty, "latitude: moved.")
        report = MonitoringReport(REPORT, day, "mdl", 1, "alarm" if is_faulty else "ok", (finding,), "s")
        platform.write_monitoring_report(REPORT, day, report)
    return platform


def test_faulty_days_are_found_among_those_that_are_asked_for(platform) -> None:
    def found(*numbers: int) -> list[int]:
        return [(day - FIRST).days for day in quarantined_days(platform, (add_days(FIRST, n) for n in numbers))]

    assert found(*range(-10, DAYS + 10)) == [3, 4, 30]
    assert found(30, 4, 4, 29) == [4, 30]
    assert found(5, 6) == []
    assert found() == []
    assert found(DAYS) == [], "a day without a report is not known to be faulty"


def test_only_the_reports_of_these_days_are_read(platform, monkeypatch) -> None:
    read, asked = platform.tables.read_report, list[date]()
    monkeypatch.setattr(platform.tables, "read_report", lambda name, day: (asked.append(day), read(name, day))[1])
    assert quarantined_days(platform, [add_days(FIRST, 4), add_days(FIRST, 9)]) == [add_days(FIRST, 4)]
    assert asked == [add_days(FIRST, 4), add_days(FIRST, 9)]
