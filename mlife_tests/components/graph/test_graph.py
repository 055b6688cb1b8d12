"""Parts of the graph: partitions, schedules, names of models, alerts, the sensor that runs days by a clock."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin

from mlife_assets.adapters.clock import SimulatedClock, SystemClock
from mlife_assets.components.graph import due_days
from mlife_assets.components.graph.alerts import (
    ALERTS_PER_MESSAGE,
    MESSAGE_CHARACTERS,
    alert,
    deliver_alerts,
    is_alerted,
    sentence_of,
    undelivered,
)
from mlife_assets.components.graph.due_days import (
    DAILY_EVENT_TYPES,
    NAME,
    build_next_day_sensor,
    find_due_work,
    last_partition,
)
from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.graph.partitions import (
    DAILY,
    RANGE_END_TAG,
    RANGE_IN_ONE_RUN,
    RANGE_START_TAG,
    checked_days,
    days,
    only_day,
    range_tags,
    with_days,
)
from mlife_assets.components.graph.sensors import build_schedules, pruning_job
from mlife_assets.core.alerts import Alert
from mlife_assets.core.due_days import DueWork
from mlife_assets.core.errors import InvalidInputError, NotFoundError, TransientError
from mlife_assets.core.windows import FIRST_PARTITION, RUN_HOUR_UTC, add_days, run_time
from mlife_assets.definitions import build_definitions, build_location
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.deployments.landed_days import require_landed
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings

FIRST, LAST = date(2026, 4, 29), date(2026, 5, 2)
RANGE = ["2026-04-29", "2026-04-30", "2026-05-01", "2026-05-02"]
OLD, NEWEST = date(2026, 1, 1), date(2026, 6, 10)
FIRST_GRAPH = ModelGraph(job_applications(Policies()))
OTHER = ModelGraph(replace(FIRST_GRAPH.model, name="loan_risk"))
FIRST_DAY = date(2025, 9, 5)


def landed_until(day: date) -> Any:
    settings = SimpleNamespace(days=SimpleNamespace(first_lived_date=date(2026, 6, 2)), private_folder=Path("none"))
    newest = max(FIRST, day)
    landed = SimpleNamespace(newest=lambda: newest, require=partial(require_landed, settings.days, newest))
    return SimpleNamespace(settings=settings, days=landed)


@pytest.fixture
def run(instance):
    """Run a range-capable asset with a check, and return what asset and check were told."""
    seen: dict[str, list] = {}

    @dg.asset(partitions_def=DAILY, backfill_policy=RANGE_IN_ONE_RUN)
    def ranged(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Any]) -> None:
        seen["asset"] = days(context, platform)
        seen["only"] = only_day(context, platform) if len(seen["asset"]) == 1 else None

    @dg.asset_check(asset=ranged)
    def checked(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        seen["check"] = checked_days(context)
        return dg.AssetCheckResult(passed=True)

    @dg.asset(partitions_def=DAILY, backfill_policy=RANGE_IN_ONE_RUN)
    def deciding(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Any]) -> None:
        only_day(context, platform)

    def execute(*names: str, **arguments) -> dict[str, list]:
        selection = dg.AssetSelection.checks(checked) if names == ("checked",) else dg.AssetSelection.assets(*names)
        job = dg.define_asset_job("job", selection)
        definitions = dg.Definitions(
            assets=[ranged, deciding], asset_checks=[checked], jobs=[job], resources={"platform": landed_until(LAST)}
        )
        definitions.resolve_job_def("job").execute_in_process(instance=instance, **arguments)
        return seen

    return execute


def test_asset_and_check_agree_on_the_days_of_a_run(run) -> None:
    wanted = [date.fromisoformat(key) for key in RANGE]
    assert run("ranged", tags=range_tags(FIRST, LAST)) == {"asset": wanted, "check": wanted, "only": None}
    assert run("ranged", partition_key="2026-05-01") == {
        "asset": [date(2026, 5, 1)],
        "check": [date(2026, 5, 1)],
        "only": date(2026, 5, 1),
    }


def test_what_decides_for_one_day_refuses_a_range_and_says_what_to_do(run) -> None:
    run("deciding", partition_key="2026-05-01")
    with pytest.raises(InvalidInputError, match="deciding decides for one day, but this run covers 2026-04-29 to 2026"):
        run("deciding", tags=range_tags(FIRST, LAST))


def test_a_day_that_has_not_landed_is_refused_with_the_day_that_can_run(run) -> None:
    with pytest.raises(NotFoundError, match="2026-05-04 has not landed yet: the next day that can run is 2026-05-03"):
        run("ranged", partition_key="2026-05-04")


def test_a_check_that_is_executed_alone_looks_at_the_newest_partition_or_the_chosen_one(run) -> None:
    with pytest.raises(NotFoundError, match="nothing to check: ranged was never materialized; materialize it first"):
        run("checked")
    run("ranged", tags=range_tags(FIRST, LAST))
    run("ranged", partition_key="2026-04-30")
    assert run("checked")["check"] == [LAST], "the newest day, not the one that was materialized last"
    assert run("checked", tags={"dagster/partition": "2026-04-30"})["check"] == [date(2026, 4, 30)]


def test_partitions_begin_and_end_with_days_of_the_home() -> None:
    @dg.asset(partitions_def=DAILY, backfill_policy=RANGE_IN_ONE_RUN)
    def daily() -> None: ...

    @dg.asset
    def plain() -> None: ...

    days = (add_days(LAST, -9), LAST, add_days(LAST, 200))
    for today, first in product(days, (FIRST_PARTITION, add_days(FIRST_PARTITION, -500))):
        ended, same = with_days([daily, plain], first=first, last=LAST, today=today)
        with dg.partition_loading_context(effective_dt=datetime.combine(today, time(12), UTC)) as context:
            partitions = ended.partitions_def
            assert partitions.get_last_partition_key() == LAST.isoformat()
            assert partitions.get_first_partition_key() == first.isoformat()
            assert partitions.has_partition_key(LAST.isoformat())
            assert not partitions.has_partition_key(add_days(LAST, 1).isoformat())
            newest = partitions.get_paginated_partition_keys(context, limit=3, ascending=False).results
            assert newest == [add_days(LAST, -back).isoformat() for back in range(3)], "what the UI plots"
    assert ended.backfill_policy == RANGE_IN_ONE_RUN
    assert same.partitions_def is None
    assert daily.partitions_def == DAILY


def test_the_day_runs_its_own_partition_once(definitions) -> None:
    """Partition D runs during D: late ticks of the same evening ask for the same run."""
    repository = definitions.get_repository_def()
    daily = repository.get_schedule_def("daily_lifecycle_schedule")
    requests = []
    for minute in (0, 7):
        with dg.build_schedule_context(
            scheduled_execution_time=datetime(2026, 6, 2, RUN_HOUR_UTC, minute, tzinfo=UTC), repository_def=repository
        ) as context:
            (request,) = daily.evaluate_tick(context).run_requests
            requests.append((request.run_key, request.partition_key))
    assert requests == [("lifecycle-2026-06-02", "2026-06-02")] * 2


def test_a_run_removes_what_is_old_and_says_so(platform: BoardPorts) -> None:
    for day in (OLD, NEWEST):
        platform.tables.write("candidate_pairs", day, pa.table({"user_id": ["u1"]}))
    with dg.DagsterInstance.ephemeral() as instance:
        result = pruning_job.execute_in_process(instance=instance, resources={"platform": platform})
        said = [entry.user_message for entry in instance.all_logs(result.run_id)]
    key = platform.tables.key("candidate_pairs", OLD)
    assert f"removed partitions over 120 days older than their newest: 1 tables from {key} to {key}" in said
    assert platform.tables.days("candidate_pairs") == [NEWEST]


def test_a_person_turns_it_on() -> None:
    (schedule,) = (one for one in build_schedules(dg.DefaultScheduleStatus.RUNNING) if one.job_name == pruning_job.name)
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_names_of_the_first_model_are_what_they_were_and_those_of_another_begin_with_its_own() -> None:
    assert FIRST_GRAPH.key("model", "evaluation").path == ["model", "evaluation"]
    assert FIRST_GRAPH.group("monitoring") == "monitoring"
    assert FIRST_GRAPH.named("retraining_job") == "retraining_job"
    assert OTHER.key("model", "evaluation").path == ["loan_risk", "evaluation"]
    assert OTHER.group("monitoring") == "loan_risk"
    assert OTHER.named("retraining_job") == "loan_risk_retraining_job"
    assert not {*OTHER.retrained} & {*FIRST_GRAPH.retrained}


def test_marts_follow_from_steps_and_rows() -> None:
    assert FIRST_GRAPH.label_examples.path == ["features", "labelled_examples"]
    assert [key.path[-1] for key in FIRST_GRAPH.examples] == ["click_examples", "labelled_examples"]
    assert [key.path[-1] for key in FIRST_GRAPH.tables] == ["user_features", "job_features"]


def test_a_model_sees_its_own_record(tmp_path) -> None:
    def loan_risk(policies: Policies):
        return replace(job_applications(policies), name="loan_risk")

    platform = board_ports(
        settings=Settings(home=tmp_path),
        policies=Policies(),
        declared=(job_applications, loan_risk),
        declared_applications=(job_of_the_day,),
    )
    assert FIRST_GRAPH.view(platform) is platform.of_model()
    assert OTHER.view(platform).model.name == "loan_risk"
    assert OTHER.view(platform) is OTHER.view(platform)
    assert OTHER.view(platform).event_log is platform.event_log, "there is one log"


class Channel:
    """Whom alerts go to; it may take a few messages only."""

    name = "test"

    def __init__(self) -> None:
        self.takes, self.taken = 1_000, list[list[str]]()

    def deliver(self, alerts: Sequence[Alert]) -> None:
        if len(self.taken) >= self.takes:
            raise TransientError("down")
        self.taken.append([one.name for one in alerts])


@pytest.fixture
def channel() -> Channel:
    return Channel()


@pytest.fixture
def alerting(platform: BoardPorts, channel: Channel) -> BoardPorts:
    vars(platform.home.messengers)["alert_channel"] = channel
    vars(platform.home)["clock"] = SimulatedClock(datetime(2026, 6, 2, tzinfo=UTC))
    return platform


def test_each_alert_is_sent_once_and_stays_on_record(alerting, channel) -> None:
    assert list(deliver_alerts(alerting)) == []
    alert(alerting, "b", {"job": "metrics_job"})
    alert(alerting, "a", {})
    assert undelivered(alerting) == ["a", "b"]
    raised = {"raised_at": "2026-06-02T00:00:00+00:00"}
    assert [one.facts for one in deliver_alerts(alerting)] == [raised, {"job": "metrics_job", **raised}]
    alert(alerting, "b", {"job": "metrics_job"})
    alert(alerting, "c", {})
    deliver_alerts(alerting)
    assert channel.taken == [["a", "b"], ["c"]]
    assert undelivered(alerting) == []
    assert is_alerted(alerting, "a")


def test_the_webhook_of_the_settings_is_the_channel_without_which_sending_is_refused(platform, tmp_path: Path) -> None:
    assert platform.home.messengers.alert_channel is None
    with pytest.raises(InvalidInputError, match="MLIFE_ALERT_WEBHOOK"):
        deliver_alerts(platform)
    settings = Settings(home=tmp_path, alert_webhook="https://hooks.example/x")
    assert board_ports(settings).home.messengers.alert_channel.name == "webhook"
    assert "hooks.example" not in repr(settings)


def test_the_oldest_come_first_and_a_message_holds_some(alerting, channel) -> None:
    for number in range(ALERTS_PER_MESSAGE + 2):
        alerting.home.clock.set(alerting.home.clock.now() + timedelta(minutes=1))
        alert(alerting, f"alert-{99 - number}", {})
    deliver_alerts(alerting)
    assert [len(names) for names in channel.taken] == [ALERTS_PER_MESSAGE, 2]
    assert channel.taken[0][0] == "alert-99"
    assert channel.taken[1] == ["alert-79", "alert-78"]


def test_what_a_channel_did_not_take_is_sent_later_and_what_it_took_before_not_again(alerting, channel) -> None:
    for number in range(ALERTS_PER_MESSAGE + 1):
        alert(alerting, f"alert-{number:02d}", {})
    channel.takes = 1
    with pytest.raises(TransientError):
        deliver_alerts(alerting)
    assert undelivered(alerting) == [f"alert-{ALERTS_PER_MESSAGE}"]
    channel.takes = 2
    deliver_alerts(alerting)
    assert channel.taken[1:] == [[f"alert-{ALERTS_PER_MESSAGE}"]]


def test_what_is_older_than_a_week_is_no_news(alerting, channel) -> None:
    alerting.lake.replace("alerts/of-0.1.0.json", b"{}")
    alert(alerting, "a", {})
    alerting.home.clock.set(alerting.home.clock.now() + timedelta(days=6))
    alert(alerting, "b", {})
    alerting.home.clock.set(alerting.home.clock.now() + timedelta(days=2))
    assert [one.name for one in deliver_alerts(alerting)] == ["b"]
    assert channel.taken == [["b"]]
    assert undelivered(alerting) == []


def test_a_damaged_alert_and_a_strange_file_hold_up_nothing(alerting, channel) -> None:
    alerting.lake.replace("alerts/cut.json", b"")
    alerting.lake.replace("alerts/list.json", b"[]")
    alerting.lake.replace("alerts/readme.txt", b"hello")
    alert(alerting, "a", {})
    sent = {one.name: one.facts.get("message") for one in deliver_alerts(alerting)}
    assert sent == {
        "a": None,
        "cut": "alerts/cut.json cannot be read; see the runs in the UI",
        "list": "alerts/list.json cannot be read; see the runs in the UI",
    }
    assert undelivered(alerting) == []


def test_an_alert_that_is_kept_again_keeps_its_time(alerting) -> None:
    alert(alerting, "a", {"x": "1"})
    before = alerting.lake.get("alerts/a.json")
    alerting.home.clock.set(alerting.home.clock.now() + timedelta(days=1))
    alert(alerting, "a", {"x": "1"})
    assert alerting.lake.get("alerts/a.json") == before


def test_a_failed_run_says_which_day_why_and_what_to_do() -> None:
    """What is not known is left out, and what is long is cut."""
    facts = {"job": "daily_lifecycle_job", "partition": "2026-06-02", "message": "no row landed\nTraceback ..."}
    said = "daily_lifecycle_job failed for 2026-06-02: no row landed (docs/runbooks/failed_run.md)"
    assert sentence_of("run-1", facts | {"runbook": "docs/runbooks/failed_run.md"}) == said
    assert sentence_of("retraining-2026-06-02", {}) == "retraining-2026-06-02"
    assert sentence_of("x", {"job": "metrics_job", "partition": None, "message": ""}) == "metrics_job failed"
    assert len(sentence_of("x", {"job": "j", "message": "m" * 5_000})) == len("j failed: ") + MESSAGE_CHARACTERS


@pytest.fixture(scope="module")
def clocked(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    """Return the graph of a standalone home whose clock stands in the evening of its fifth day."""
    folder = tmp_path_factory.mktemp("due")
    present = folder / "present"
    present.write_text((run_time(add_days(FIRST_DAY, 4)) + timedelta(minutes=1)).isoformat())
    settings = Settings(home=folder / "home", deployment="standalone", first_day=FIRST_DAY, clock_file=present)
    return build_location(settings)


def deliver(platform: BoardPorts, day: date, *types: str) -> None:
    for event_type in types or DAILY_EVENT_TYPES:
        folder = platform.settings.places.landing_folder / event_type / f"dt={day}"
        folder.mkdir(parents=True)
        (folder / "export.parquet").write_bytes(b"whatever")


def tick(definitions: dg.Definitions, instance: dg.DagsterInstance) -> Any:
    sensor = definitions.get_repository_def().get_sensor_def(NAME)
    platform = definitions.resources["platform"]
    with dg.build_sensor_context(
        instance=instance, repository_def=definitions.get_repository_def(), resources={"platform": platform}
    ) as context:
        return sensor.evaluate_tick(context)


def test_a_clock_and_a_lake_are_looked_at_less_often_than_whether_a_day_ran(clocked: dg.Definitions) -> None:
    assert clocked.get_repository_def().get_sensor_def(NAME).minimum_interval_seconds == 30
    assert sensor_of(None).minimum_interval_seconds == 10


def test_history_is_asked_for_as_one_range_as_far_as_it_was_delivered(clocked: dg.Definitions, instance: Any) -> None:
    platform = clocked.resources["platform"]
    assert "nothing was delivered for 2025-09-05" in tick(clocked, instance).skip_message
    deliver(platform, FIRST_DAY, "click")
    assert "no file of apply, impression, user_snapshot yet" in tick(clocked, instance).skip_message
    deliver(platform, FIRST_DAY, *(DAILY_EVENT_TYPES - {"click"}))
    for number in (1, 3):
        deliver(platform, add_days(FIRST_DAY, number))
    (request,) = tick(clocked, instance).run_requests
    assert (request.job_name, request.partition_key) == ("history_job", None)
    assert (request.tags[RANGE_START_TAG], request.tags[RANGE_END_TAG]) == ("2025-09-06", "2025-09-07")
    work = find_due_work(platform, instance)
    assert (work.kind, work.first, work.last) == ("history", date(2025, 9, 6), date(2025, 9, 7))


def test_a_day_that_the_location_does_not_know_yet_is_asked_for_later(
    clocked: dg.Definitions, instance: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock in a file was moved, and the running location was loaded before."""
    tomorrow = add_days(FIRST_DAY, 5)
    due = DueWork("day", tomorrow, tomorrow, f"{tomorrow} runs.")
    monkeypatch.setattr("mlife_assets.components.graph.due_days.find_due_work", lambda *_: due)
    assert "once the code location was loaded again" in tick(clocked, instance).skip_message
    today = add_days(FIRST_DAY, 4)
    due = DueWork("day", today, today, f"{today} runs.")
    (request,) = tick(clocked, instance).run_requests
    assert request.partition_key == today.isoformat()


def test_nothing_is_asked_for_while_something_runs(clocked: dg.Definitions, instance: Any) -> None:
    instance.create_run_for_job(clocked.resolve_job_def("metrics_job"), status=dg.DagsterRunStatus.STARTED)
    assert "A run is in progress" in tick(clocked, instance).skip_message


def test_days_of_the_graph_begin_with_the_home_and_end_with_its_clock(clocked: dg.Definitions) -> None:
    graph = clocked.get_repository_def().asset_graph
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
    settings = Settings(home=tmp_path, deployment="standalone", first_day=FIRST_DAY, **fields)
    repository = build_definitions(settings).get_repository_def()
    assert repository.get_sensor_def(NAME).default_status == status
    assert not repository.has_schedule_def("daily_lifecycle_schedule")
    assert repository.get_schedule_def("daily_metrics_schedule").default_status.value == status.value


def test_a_home_without_a_model_ends_with_history_and_production_with_the_machine_s_clock(tmp_path: Path) -> None:
    platform = board_ports(Settings(home=tmp_path / "home"))
    assert last_partition(platform) == add_days(platform.settings.days.first_lived_date, -1)
    assert not (tmp_path / "home").exists()
    assert last_partition(board_ports(Settings(home=tmp_path, environment="prod"))) is None


def test_a_home_ends_with_the_day_that_can_run_next(lived) -> None:
    assert last_partition(lived.home.platform) == lived.home.day(len(lived.days) + 1)


def test_a_damaged_log_does_not_keep_the_ui_from_loading(copied_home, caplog: pytest.LogCaptureFixture) -> None:
    events = copied_home.settings.places.lake / "events" / "event_type=retrain_decided"
    for file in events.rglob("*.parquet"):
        file.write_bytes(b"nothing")
    assert last_partition(copied_home.platform) is None
    assert "cannot be read" in caplog.text


@pytest.fixture
def copied_home(lived, tmp_path: Path) -> Any:
    return lived.home.copy_to(tmp_path / "home")


def sensor_of(loaded: date | None, loaded_on: date | None = None) -> dg.SensorDefinition:
    return build_next_day_sensor(loaded, loaded_on=loaded_on or SystemClock().now().date())


def ticked(platform: BoardPorts, sensor: dg.SensorDefinition, origin: Any = None) -> str:
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
