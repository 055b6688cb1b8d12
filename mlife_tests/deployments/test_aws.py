"""The deployment on AWS, the story of the demo, and whose time counts."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import obstore
import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.s3_bucket import open_bucket
from mlife_assets.core.alerts import Alert
from mlife_assets.core.errors import GateClosedError, InvalidInputError, NotGivenError, PermanentError
from mlife_assets.core.windows import add_days, day_start, run_time
from mlife_assets.deployments.backup import back_up
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.deployments.places import look_at_places, require_places_are_there
from mlife_assets.deployments.sealing import audit_log, rotate_key, seal
from mlife_assets.deployments.times import RealTimes, SimulatedTimes
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.settings import Settings
from mlife_assets.testing.deployments import DeploymentContract

AT = datetime(2026, 6, 10, 18, tzinfo=UTC)
DAY = date(2026, 6, 2)


@pytest.fixture
def task(
    aws: Any, aws_settings: dict[str, Any], rds: Callable[[str], Path], s3: Any, tmp_path: Path
) -> Callable[[], BoardPorts]:
    aws.client("secretsmanager").create_secret(Name="mlife/number-hash-key", SecretString="h" * 64)
    given, number = {**aws_settings, "database_host": str(rds("a password"))}, iter(range(9))

    def start(**changed: Any) -> BoardPorts:
        settings = Settings(**{**given, "home": tmp_path / f"task-{next(number)}", **changed})
        return board_ports(settings)

    return start


@pytest.mark.aws
class TestContract(DeploymentContract):
    named = "aws"

    @pytest.fixture(autouse=True)
    def _task(self, task):
        self.opened = lambda home: task(home=home)


def keys_in(platform: BoardPorts, place: str) -> list[str]:
    store = open_bucket(getattr(platform.settings.places, place))
    return sorted(item["path"] for batch in obstore.list(store) for item in batch)


def append(platform: BoardPorts, number: int) -> None:
    row = {"event_id": f"e{number}", "occurred_at": AT, "observed_at": AT, "job_id": f"j{number}", "reason": "filled"}
    table = pa.Table.from_pylist([row], schema=EVENT_TYPES["job_closed"].schema)
    platform.event_log.append("job_closed", table, writer=f"run_{number}")


@pytest.mark.aws
def test_a_log_outlives_its_tasks_and_is_signed_by_kms_with_the_witness(
    task: Callable[..., BoardPorts], aws: Any
) -> None:
    first = task()
    assert audit_log(first.home).verification.is_intact, (
        "a new environment has a key, and nothing was signed with it yet"
    )
    append(first, 1)
    head = seal(first.home)
    assert head is not None
    second = task()
    assert second.event_log.read("job_closed")["job_id"].to_pylist() == ["j1"]
    append(second, 2)
    assert seal(second.home) is not None
    found = audit_log(task().home)
    assert (found.verification.findings, found.unsigned_manifests, found.is_signed) == ((), 0, True)
    assert {key.partition("/")[0] for key in keys_in(second, "event_log")} == {"events", "manifests"}
    assert not {"events", "manifests"} & {key.partition("/")[0] for key in keys_in(second, "lake")}
    assert keys_in(second, "log_heads") == ["00000000.json", "00000001.json"]
    assert second.ledger.heads.sequences() == [0, 1]
    assert second.home.private.heads.pins.keys() == [aws.kms.key.public_key().public_bytes_raw()]
    assert not (second.settings.private_folder / "keys").exists(), "no task makes a key of its own"


@pytest.mark.aws
def test_a_head_that_another_key_signed_is_a_finding_and_no_key_is_rotated(
    task: Callable[..., BoardPorts], aws: Any
) -> None:
    platform = task()
    append(platform, 1)
    seal(platform.home)
    aws.kms.key = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
    kinds = {finding.kind for finding in audit_log(task().home).verification.findings}
    assert kinds == {"altered_head"}
    with pytest.raises(GateClosedError, match="a key of KMS, which is for ever"):
        rotate_key(task().home, actor="ann", reason="a try")


@pytest.mark.aws
def test_keys_of_all_tasks_are_the_same_and_their_secret_is_read_when_needed(
    task: Callable[..., BoardPorts], aws: Any
) -> None:
    one, other = task(), task()
    assert (one.home.private.number_key, one.home.private.link_key, one.home.private.mail_key) == (
        other.home.private.number_key,
        other.home.private.link_key,
        other.home.private.mail_key,
    )
    assert one.home.private.number_key == b"h" * 64
    assert len({one.home.private.number_key, one.home.private.link_key, one.home.private.mail_key}) == 3
    aws.client("secretsmanager").delete_secret(SecretId="mlife/number-hash-key", ForceDeleteWithoutRecovery=True)
    code = task()
    assert code.home.messengers.gateways[Channel.SMS].name == "console", (
        "the code location may not read it, and looks for replies"
    )
    assert code.home.messengers.gateways[Channel.EMAIL].inbound(until=AT) == []
    with pytest.raises(PermanentError, match="MLIFE_NUMBER_HASH_KEY: there is no such thing here"):
        _ = code.home.private.number_key


@pytest.mark.aws
def test_a_home_that_ends_with_its_task_is_not_backed_up(task: Callable[..., BoardPorts], tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="the ledger is backed up by the stacks"):
        back_up(task().home, tmp_path / "backup", now=AT)
    assert not (tmp_path / "backup").exists()


@pytest.mark.aws
def test_the_warehouse_goes_from_task_to_task(task: Callable[..., BoardPorts]) -> None:
    import duckdb

    first, second = task(), task()
    first.settings.places.warehouse.parent.mkdir(parents=True)
    with duckdb.connect(str(first.settings.places.warehouse)) as connection:
        connection.execute("create schema marts; create table marts.kpi_daily as select date '2026-06-10' as kpi_date")
    first.home.services.warehouse().put_back()
    assert second.warehouse.read("kpi_daily")["kpi_date"].to_pylist() == [date(2026, 6, 10)]


@pytest.mark.aws
def test_alerts_measures_and_the_stop_are_those_of_the_account(task: Callable[..., BoardPorts], aws: Any) -> None:
    platform = task(environment="prod")
    topic = aws.client("sns").create_topic(Name="mlife-alerts")["TopicArn"]
    assert platform.home.messengers.alert_channel is not None
    platform.home.messengers.alert_channel.deliver([Alert("a", "a run failed", {})])
    assert topic.endswith(":123456789012:mlife-alerts")
    platform.home.services.measure("days_ended", 1)
    (metric,) = aws.client("cloudwatch").list_metrics(Namespace="mlife")["Metrics"]
    assert metric["Dimensions"] == [{"Name": "environment", "Value": "prod"}]
    assert not platform.home.services.is_sending_stopped()
    aws.client("ssm").put_parameter(Name="/mlife/sending/stopped", Type="String", Value="true")
    assert platform.home.services.is_sending_stopped()


@pytest.mark.aws
def test_sql_is_asked_over_two_buckets_with_the_key_of_the_role(task: Callable[..., BoardPorts]) -> None:
    import duckdb

    from mlife_assets.adapters.sql_session import SqlSession

    platform = task()
    append(platform, 1)
    duckdb.connect(str(platform.settings.places.warehouse)).close()
    session = SqlSession(platform.home.warehouse, platform.lake, platform.settings.exports.of_dbt())
    asked = session.ask("select job_id, dt from events.job_closed")
    assert asked.table.to_pylist() == [{"job_id": "j1", "dt": date(2026, 6, 10)}]
    assert session.ask("select count(*) as n from lake.map_of_shown").table["n"].to_pylist() == [0]


def owners_tables(s3: Any) -> dict[str, str]:
    """Upload what the owner uploads, to a bucket that is not the lake's, and return where it is."""
    place = s3.bucket("ready", f"people-{uuid.uuid4().hex}")
    store = ObstoreObjectStore.at(place)
    store.replace("contacts.csv", b"user_id,phone_number\nu1,+12125550100\nu2,\n")
    store.replace("audit.csv", b"user_id,sex,race_ethnicity\nu1,Female,Asian\n")
    return {"contacts": f"{place.url}/contacts.csv", "audit_table": f"{place.url}/audit.csv"}


@pytest.mark.aws
def test_runs_read_who_people_are_by_their_role_and_no_other_task_names_them(
    task: Callable[..., BoardPorts], s3: Any
) -> None:
    run = task(**owners_tables(s3))
    assert run.home.messengers.contacts.phone_numbers(["u1", "u2"]) == {"u1": "+12125550100", "u2": None}
    assert run.home.private.audit_attributes.groups_of(["u1"]).sex == ("Female",)
    said = {one.part: one.says for one in look_at_places(run.settings)}
    assert (said["MLIFE_CONTACTS"], said["MLIFE_AUDIT_TABLE"]) == ("people in it: 2", "people in it: 1")
    code = task()
    require_places_are_there(code.settings)
    with pytest.raises(NotGivenError, match="MLIFE_CONTACTS names no contact book"):
        code.home.messengers.contacts.phone_numbers(["u1"])
    found = {one.part: one for one in look_at_places(code.settings)}
    for part, what in (("MLIFE_CONTACTS", "contact book"), ("MLIFE_AUDIT_TABLE", "audit table")):
        assert found[part].says == f"this task names no {what}; that of runs does, as it alone may read one"
        assert not found[part].is_fault


def changed_in(settings: Settings, group: str, changed: Mapping[str, object]) -> Settings:
    return settings.model_copy(
        update={group: getattr(settings, group).model_copy(update=changed)} if group else changed
    )


@pytest.mark.aws
def test_all_places_are_looked_at_and_a_fault_of_each_is_named(
    task: Callable[..., BoardPorts], aws: Any, s3: Any
) -> None:
    settings = task(**owners_tables(s3)).settings
    key = settings.aws.head_signing_key
    require_places_are_there(settings)
    assert [found.part for found in look_at_places(settings) if found.is_fault] == []
    for group, changed, says in (
        ("", {"lake": "s3://no-such-bucket"}, "MLIFE_LAKE: the bucket does not exist"),
        ("aws", {"event_log": "s3://no-such-bucket"}, "MLIFE_EVENT_LOG: the bucket does not exist; make it"),
        ("owner", {"landing": "s3://no-such-bucket"}, "MLIFE_LANDING: the bucket does not exist; make it"),
        ("aws", {"head_signing_key": f"{key}0"}, "MLIFE_HEAD_SIGNING_KEY: .*correct it, or AWS_REGION"),
        ("aws", {"database_secret": "none"}, "MLIFE_DATABASE_SECRET: there is no such thing here .*correct it"),
    ):
        broken = changed_in(settings, group, changed)
        with pytest.raises(InvalidInputError, match=says):
            require_places_are_there(broken)
        assert len([found for found in look_at_places(broken) if found.is_fault]) >= 1, changed
    elsewhere = changed_in(settings, "aws", {"database_host": "/no/such/server"})
    (fault,) = [found for found in look_at_places(elsewhere) if found.is_fault]
    assert (fault.part, "MLIFE_DATABASE_HOST names its host" in fault.remedy) == ("MLIFE_DATABASE_HOST", True)
    aws.kms.denies.add("GetPublicKey")
    with pytest.raises(
        InvalidInputError, match="MLIFE_HEAD_SIGNING_KEY: the task's role may not kms:GetPublicKey; grant"
    ):
        require_places_are_there(settings)


@pytest.mark.aws
def test_days_land_and_features_go_on_in_another_task(
    task: Callable[..., BoardPorts], standalone_world: Any, tmp_path: Path
) -> None:
    """The real graph: landing, log, dbt over the log's own place, and the warehouse that the next task goes on with."""
    import dagster as dg

    from mlife_assets.components.running.driver import LifecycleDriver
    from mlife_assets.core.windows import add_days
    from mlife_assets.definitions import build_location

    first = standalone_world.FIRST
    standalone_world.record(tmp_path / "recorded", users=150, jobs=40, history_days=3, days=1)
    days = {"first_day": first, "history_days": standalone_world.HISTORY_DAYS}

    def run(start: date, end: date) -> BoardPorts:
        settings = task(**days).settings
        platform = standalone_world.open_platform(settings)
        definitions = build_location(settings, platform=platform)
        with dg.DagsterInstance.ephemeral() as instance:
            LifecycleDriver(definitions, instance).run_range("history_job", start, end).require_success()
        platform.ledger.close()
        return platform

    landing = open_bucket(task(**days).settings.places.landing)
    for path in sorted((tmp_path / "recorded" / "landing").rglob("*.parquet")):
        obstore.put(landing, path.relative_to(tmp_path / "recorded" / "landing").as_posix(), path.read_bytes())
    run(add_days(first, 1), add_days(first, 3))
    last = run(add_days(first, 4), add_days(first, 4))
    built = set(last.warehouse.read("user_features", columns=["as_of_date"])["as_of_date"].to_pylist())
    assert built == {add_days(first, number) for number in range(1, 5)}, "of the task before and of this one"
    assert {key.partition("/")[0] for key in keys_in(last, "event_log")} == {"events", "manifests"}
    assert "warehouse/warehouse.duckdb" in keys_in(last, "lake")
    found = audit_log(last.home)
    assert (found.verification.findings, found.is_signed) == ((), True)


def platform_of(folder, **fields) -> BoardPorts:
    settings = Settings(home=folder, **fields)
    return board_ports(settings)


def test_the_world_changes_on_the_days_that_are_said(tmp_path):
    for fields, days in ({}, (2, 7, 11)), ({"demo_event_days": (1, 4, 7)}, (1, 4, 7)):
        platform = platform_of(tmp_path, **fields)
        first = platform.settings.days.first_lived_date
        shift, city, fault = platform.home.intake.world.config.injections
        assert [one.name for one in (shift, city, fault)] == ["pay_elasticity", "new_city", "pay_in_cents"]
        assert [shift.day, city.day] == [first + timedelta(days=day - 1) for day in days[:2]]
        assert fault.day == first + timedelta(days=days[2] - 2), "its day lands the export of the eve"
        assert list(platform.home.intake.world.story.events) == list(days)


def test_a_world_that_no_demo_began_goes_on_as_it_was_in_the_next_process(tmp_path):
    begun = platform_of(tmp_path, market_users=60, market_jobs=25, history_days=3)
    begun.home.intake.deliver(begun.settings.days.start_date)
    following = platform_of(tmp_path)
    assert following.home.intake.world.config == begun.home.intake.world.config
    following.home.intake.deliver(begun.settings.days.start_date + timedelta(days=1))


def test_a_world_without_events_tells_none(tmp_path):
    platform = platform_of(tmp_path, demo_faults=False)
    assert platform.home.intake.world.config.injections == ()
    assert platform.home.intake.world.story.events == {}


@pytest.mark.parametrize("days", [(3, 3, 14), (0, 4, 7), (1, 2), (1, 2, 121)])
def test_days_that_cannot_be_are_refused(tmp_path, days):
    with pytest.raises(ValidationError):
        Settings(home=tmp_path, demo_event_days=days)


def test_mail_addresses_are_private_and_written_when_they_are_asked_for(tmp_path):
    world = platform_of(tmp_path, market_users=300, market_jobs=60).home.intake.world
    assert not list(tmp_path.rglob("mail_addresses*"))
    assert set(world.mail_book().mail_addresses(["usr_0000001", "nobody"])) == {"usr_0000001", "nobody"}
    (path,) = tmp_path.rglob("mail_addresses*")
    assert path.parent == world.private_folder
    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def test_in_a_simulated_world_everything_follows_the_run_of_its_day_and_waiting_takes_no_time() -> None:
    times, delay = SimulatedTimes(), timedelta(hours=3)
    assert times.moment(DAY, delay) == times.moment(DAY, delay) == run_time(DAY) + delay
    assert times.is_due(add_days(DAY, 900))
    assert not times.is_over(add_days(DAY, -900))
    pace = SimulatedTimes().pace(run_time(DAY))
    pace.sleep(3_600)
    assert pace.clock.now() == run_time(DAY) + timedelta(hours=1)


def test_in_real_time_everything_happens_now_and_a_day_is_due_from_its_run_on() -> None:
    slept: list[float] = []
    clock = SimulatedClock(run_time(DAY))
    times = RealTimes(clock, slept.append)
    assert times.moment(add_days(DAY, -3), timedelta(hours=3)) == clock.now()
    pace = times.pace(day_start(DAY))
    pace.sleep(0.5)
    assert (pace.clock, slept) == (clock, [0.5])
    second = timedelta(seconds=1)
    found = []
    for moment in (run_time(DAY) - second, run_time(DAY), day_start(add_days(DAY, 1))):
        times = RealTimes(SimulatedClock(moment))
        found.append((times.is_due(DAY), times.is_over(DAY)))
    assert found == [(False, False), (True, False), (True, True)]
