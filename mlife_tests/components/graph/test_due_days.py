"""The sensor that runs days by a clock: what it asks for, what it waits for, where it is and is not."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin

from mlife_assets.adapters.clock import SystemClock
from mlife_assets.components.graph import due_days
from mlife_assets.components.graph.due_days import (
    DAILY_EVENT_TYPES,
    NAME,
    build_next_day_sensor,
    find_due_work,
    last_partition,
)
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


def test_a_clock_and_a_lake_are_looked_at_less_often_than_whether_a_day_ran(definitions: dg.Definitions) -> None:
    assert definitions.get_repository_def().get_sensor_def(NAME).minimum_interval_seconds == 30
    assert sensor_of(None).minimum_interval_seconds == 10


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


def platform_of(home: Path, **settings: Any) -> Platform:
    found = Settings(home=home, **settings)
    return Platform(settings=found, policies=found.policies())


def test_a_home_without_a_model_ends_with_history(tmp_path: Path) -> None:
    platform = platform_of(tmp_path / "home")
    assert last_partition(platform) == add_days(platform.settings.first_lived_date, -1)
    assert not (tmp_path / "home").exists()


def test_a_home_ends_with_the_day_that_can_run_next(lived) -> None:
    assert last_partition(lived.home.platform) == lived.home.day(len(lived.days) + 1)


def test_in_production_partitions_follow_the_machine_s_clock(tmp_path: Path) -> None:
    assert last_partition(platform_of(tmp_path, environment="prod")) is None


def test_a_damaged_log_does_not_keep_the_ui_from_loading(copied_home, caplog: pytest.LogCaptureFixture) -> None:
    events = copied_home.settings.lake_place / "events" / "event_type=retrain_decided"
    for file in events.rglob("*.parquet"):
        file.write_bytes(b"nothing")
    assert last_partition(copied_home.platform) is None
    assert "cannot be read" in caplog.text


@pytest.fixture
def copied_home(lived, tmp_path: Path) -> Any:
    return lived.home.copy_to(tmp_path / "home")


def sensor_of(loaded: date | None, loaded_on: date | None = None) -> dg.SensorDefinition:
    return build_next_day_sensor(loaded, loaded_on=loaded_on or SystemClock().now().date())


def ticked(platform: Platform, sensor: dg.SensorDefinition, origin: Any = None) -> str:
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.SensorEvaluationContext(
            instance_ref=None, last_tick_completion_time=None, last_run_key=None, cursor=None, repository_name=None,
            instance=instance, resources={"platform": platform}, code_location_origin=origin,
        )  # fmt: skip
        with context:
            return sensor.evaluate_tick(context).skip_message


def test_the_location_is_loaded_again_when_a_day_has_run_and_only_then(lived, monkeypatch) -> None:
    asked: list[int] = []

    class Client:
        def reload_code(self, timeout: int) -> None:
            asked.append(timeout)

    class AtOnce:
        def __init__(self, seconds: float, function: Any, arguments: Any) -> None:
            self.start = lambda: function(*arguments)

    monkeypatch.setattr(GrpcServerCodeLocationOrigin, "create_client", lambda self: Client())
    monkeypatch.setattr(due_days.threading, "Timer", AtOnce)
    origin = GrpcServerCodeLocationOrigin(host="localhost", socket="/nowhere", location_name="mlife")
    platform, newest = lived.home.platform, lived.home.day(len(lived.days))
    following = add_days(newest, 1)
    assert "is loaded again" in ticked(platform, sensor_of(None), origin), "what could not be read can be read again"
    asked.clear()
    assert "it is the last partition" in ticked(platform, sensor_of(following), origin)
    assert "no server holds" in ticked(platform, sensor_of(newest))
    assert asked == []
    sensor = sensor_of(newest)
    for _ in range(2):
        told = ticked(platform, sensor, origin)
        assert told == f"{following} can run next; the code location is loaded again"
    assert len(asked) == 1, "a reload that takes longer than a tick is asked for once"
    yesterday = add_days(SystemClock().now().date(), -1)
    told = ticked(platform, sensor_of(following, yesterday), origin)
    assert "is loaded again" in told, "the end moved at midnight"
    assert len(asked) == 2

    def fail(self: Client, timeout: int) -> None:
        asked.append(timeout)
        raise ConnectionError("the server is gone")

    monkeypatch.setattr(Client, "reload_code", fail)
    sensor = sensor_of(newest)
    for _ in range(2):
        ticked(platform, sensor, origin)
    assert len(asked) == 4, "what failed is tried again"
