from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from mlife_assets.components.graph.partitions import DAILY
from mlife_assets.components.monitoring.quality_gate import quality_check, quarantined_days, require_sound_day
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.errors import GateClosedError
from mlife_assets.core.monitoring.quality import REPORT
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.policies import Policies
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


def test_a_day_whose_quality_is_unknown_is_not_acted_on(tmp_path: Path) -> None:
    platform = Platform(settings=Settings(home=tmp_path), policies=Policies())
    require_sound_day(platform, FIRST)  # no model serves yet
    vars(platform)["registry"] = SimpleNamespace(champion_at=lambda _: "mdl")
    with pytest.raises(GateClosedError, match="is unknown"):
        require_sound_day(platform, FIRST)


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


def run_of(platform: Platform, day: date) -> dg.ExecuteInProcessResult:
    """Materialize an asset, its check and what follows it, as a run of one day does."""

    @dg.asset(partitions_def=DAILY)
    def pairs() -> None: ...

    @dg.asset(partitions_def=DAILY, deps=[pairs])
    def scores() -> None: ...

    check = quality_check(pairs.key, "pairs_come_from_a_sound_day", "Green when the day is sound.")
    definitions = dg.Definitions(
        assets=[pairs, scores],
        asset_checks=[check],
        jobs=[dg.define_asset_job("day", "*")],
        resources={"platform": platform},
    )
    with dg.DagsterInstance.ephemeral() as instance:
        return definitions.resolve_job_def("day").execute_in_process(
            instance=instance, partition_key=day.isoformat(), raise_on_error=False
        )


def test_a_blocked_run_says_why_before_it_says_where(platform) -> None:
    vars(platform)["registry"] = SimpleNamespace(champion_at=lambda _: "mdl")
    result = run_of(platform, add_days(FIRST, 4))
    (evaluation,) = result.get_asset_check_evaluations()
    assert (evaluation.passed, evaluation.blocking, evaluation.description) == (False, True, "s")
    assert evaluation.metadata["runbook"].value == "http://127.0.0.1:3001/runbooks/data_quality_fault"
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_key == "pairs_pairs_come_from_a_sound_day"
    assert failure.step_failure_data.error.message.strip().endswith("Failure: s")
    assert failure.step_failure_data.user_failure_data.metadata == evaluation.metadata
    assert result.asset_materializations_for_node("scores") == [], "what follows did not run"
    assert not result.success


def test_a_sound_day_goes_on(platform) -> None:
    vars(platform)["registry"] = SimpleNamespace(champion_at=lambda _: "mdl")
    result = run_of(platform, add_days(FIRST, 5))
    assert result.success
    (evaluation,) = result.get_asset_check_evaluations()
    assert (evaluation.passed, evaluation.description) == (True, None)


def test_without_a_model_there_is_nothing_to_judge_a_day_against(platform) -> None:
    result = run_of(platform, add_days(FIRST, 4))
    assert result.success
    (evaluation,) = result.get_asset_check_evaluations()
    assert evaluation.description.startswith("No model serves yet")
