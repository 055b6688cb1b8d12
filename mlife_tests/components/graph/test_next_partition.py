"""Where partitions end as a home moves on, and how a running UI learns of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin

from mlife_assets.adapters.clock import SystemClock
from mlife_assets.components.graph import next_partition
from mlife_assets.components.graph.next_partition import build_next_day_sensor, last_partition
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.windows import add_days
from mlife_assets.settings import Settings


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
            instance_ref=None,
            last_tick_completion_time=None,
            last_run_key=None,
            cursor=None,
            repository_name=None,
            instance=instance,
            resources={"platform": platform},
            code_location_origin=origin,
        )
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
    monkeypatch.setattr(next_partition.threading, "Timer", AtOnce)
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
