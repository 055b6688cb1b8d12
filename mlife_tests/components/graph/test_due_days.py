"""The sensor that runs days by a clock: what it asks for, what it waits for, where it is and is not."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mlife_assets.components.graph.due_days import DAILY_EVENT_TYPES, NAME, find_due_work
from mlife_assets.components.graph.partitions import RANGE_END_TAG, RANGE_START_TAG
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.due_days import DueWork
from mlife_assets.core.windows import add_days, run_time
from mlife_assets.definitions import build_definitions, build_location
from mlife_assets.settings import Settings

FIRST = date(2025, 9, 5)


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    """Return the graph of a standalone home whose clock stands in the evening of its fifth day."""
    folder = tmp_path_factory.mktemp("due")
    present = folder / "present"
    present.write_text((run_time(add_days(FIRST, 4)) + timedelta(minutes=1)).isoformat())
    settings = Settings(home=folder / "home", deployment="standalone", first_day=FIRST, clock_file=present)
    return build_location(settings)


def deliver(platform: Platform, day: date, *types: str) -> None:
    for event_type in types or DAILY_EVENT_TYPES:
        folder = platform.settings.landing_folder / event_type / f"dt={day}"
        folder.mkdir(parents=True)
        (folder / "export.parquet").write_bytes(b"whatever")


def tick(definitions: dg.Definitions, instance: dg.DagsterInstance) -> Any:
    sensor = definitions.get_repository_def().get_sensor_def(NAME)
    platform = definitions.resources["platform"]
    with dg.build_sensor_context(
        instance=instance, repository_def=definitions.get_repository_def(), resources={"platform": platform}
    ) as context:
        return sensor.evaluate_tick(context)


def test_history_is_asked_for_as_one_range_as_far_as_it_was_delivered(
    definitions: dg.Definitions, instance: Any
) -> None:
    platform = definitions.resources["platform"]
    assert "nothing was delivered for 2025-09-05" in tick(definitions, instance).skip_message
    deliver(platform, FIRST, "click")
    assert "no file of apply, impression, user_snapshot yet" in tick(definitions, instance).skip_message
    deliver(platform, FIRST, *(DAILY_EVENT_TYPES - {"click"}))
    for number in (1, 3):
        deliver(platform, add_days(FIRST, number))
    (request,) = tick(definitions, instance).run_requests
    assert (request.job_name, request.partition_key) == ("history_job", None)
    assert (request.tags[RANGE_START_TAG], request.tags[RANGE_END_TAG]) == ("2025-09-06", "2025-09-07")
    work = find_due_work(platform, instance)
    assert (work.kind, work.first, work.last) == ("history", date(2025, 9, 6), date(2025, 9, 7))


def test_a_day_that_the_location_does_not_know_yet_is_asked_for_later(
    definitions: dg.Definitions, instance: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock in a file was moved, and the running location was loaded before."""
    tomorrow = add_days(FIRST, 5)
    due = DueWork("day", tomorrow, tomorrow, f"{tomorrow} runs.")
    monkeypatch.setattr("mlife_assets.components.graph.due_days.find_due_work", lambda *_: due)
    assert "once the code location was loaded again" in tick(definitions, instance).skip_message
    today = add_days(FIRST, 4)
    due = DueWork("day", today, today, f"{today} runs.")
    (request,) = tick(definitions, instance).run_requests
    assert request.partition_key == today.isoformat()


def test_nothing_is_asked_for_while_something_runs(definitions: dg.Definitions, instance: Any) -> None:
    instance.create_run_for_job(definitions.resolve_job_def("metrics_job"), status=dg.DagsterRunStatus.STARTED)
    assert "A run is in progress" in tick(definitions, instance).skip_message


def test_days_of_the_graph_begin_with_the_home_and_end_with_its_clock(definitions: dg.Definitions) -> None:
    graph = definitions.get_repository_def().asset_graph
    partitions = graph.get(dg.AssetKey(["events", "market_events"])).partitions_def
    assert partitions.get_first_partition_key() == "2025-09-06"
    assert partitions.get_last_partition_key() == "2025-09-09"


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, dg.DefaultSensorStatus.STOPPED),
        ({"environment": "prod"}, dg.DefaultSensorStatus.RUNNING),
        ({"days_run_by_themselves": True}, dg.DefaultSensorStatus.RUNNING),
        ({"environment": "prod", "days_run_by_themselves": False}, dg.DefaultSensorStatus.STOPPED),
    ],
)
def test_the_sensor_takes_the_place_of_the_daily_schedule_and_is_on_in_production_or_where_it_is_said(
    tmp_path: Path, fields, status
) -> None:
    settings = Settings(home=tmp_path, deployment="standalone", first_day=FIRST, **fields)
    repository = build_definitions(settings).get_repository_def()
    assert repository.get_sensor_def(NAME).default_status == status
    assert not repository.has_schedule_def("daily_lifecycle_schedule")
    assert repository.get_schedule_def("daily_metrics_schedule").default_status.value == status.value
