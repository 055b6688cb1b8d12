"""Sensors on instances with real records: runs, materializations, landed files, a ledger and a provider's log."""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.adapters.console_gateway import ConsoleGateway, GatewayFaults
from mlife_assets.adapters.send_ledger import Transition
from mlife_assets.components.graph import keys, sensors
from mlife_assets.components.graph.alerts import alert
from mlife_assets.components.graph.jobs import jobs_of_model
from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.graph.retrain_sensor import build_retrain_sensor
from mlife_assets.components.graph.run_requests import DECISION_TAG, DRIVER_TAG
from mlife_assets.components.graph.sensors import ALERT_JOB, alert_delivery_sensor
from mlife_assets.core.monitoring import drift
from mlife_assets.core.windows import add_days
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.deployments.landed_days import INGEST_REPORT
from mlife_assets.recruiting.churn_risk import churn_risk
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.messaging.states import SendState
from mlife_assets.recruiting.messaging_policy import ContactPolicy
from mlife_assets.recruiting.ports import LedgerRow, OutboundMessage

CONTACT = ContactPolicy()
DAY = date(2026, 6, 2)
RUN_KEY = "dagster/run_key"
GONE = 2**22 + 1
"""The id of no process: greater than the greatest."""
Status = dg.DagsterRunStatus


class Errors(logging.Handler):
    """Keeps what a sensor tells as an error."""

    def __init__(self, kept: list[str]) -> None:
        super().__init__(logging.ERROR)
        self.kept = kept

    def emit(self, record: logging.LogRecord) -> None:
        self.kept.append(record.getMessage())


class Daemon:
    """Does what the sensor daemon does, and keeps nothing but the cursor between ticks, as after a restart."""

    def __init__(
        self, definitions: dg.Definitions, instance: dg.DagsterInstance, sensor: dg.SensorDefinition, **resources: Any
    ) -> None:
        self.repository, self.instance, self.sensor = definitions.get_repository_def(), instance, sensor
        self.resources = resources
        self.launched: list[dg.DagsterRun] = []
        self.skip_message: str | None = None
        self.cursor: str | None = None
        self.errors: list[str] = []

    def tick(self, outcome: dg.DagsterRunStatus = Status.STARTED) -> list[str]:
        """Evaluate, launch what is asked for unless its key was used, and return the launched keys."""
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources=self.resources, repository_def=self.repository
        ) as context:
            handler = Errors(self.errors)
            context.log.addHandler(handler)
            evaluated = self.sensor.evaluate_tick(context)
        self.skip_message, self.cursor = evaluated.skip_message, evaluated.cursor
        launched = []
        for request in evaluated.run_requests:
            if not self.instance.get_runs(filters=dg.RunsFilter(tags={RUN_KEY: request.run_key}), limit=1):
                partition = {} if request.partition_key is None else {"dagster/partition": request.partition_key}
                tags = {**request.tags, RUN_KEY: request.run_key, **partition}
                self.launched.append(add_run(self.instance, self.sensor.job_name, outcome, tags))
                launched.append(request.run_key)
        return launched


def add_run(
    instance: dg.DagsterInstance, job: str, status: dg.DagsterRunStatus, tags: dict[str, str] | None = None
) -> dg.DagsterRun:
    number = len(instance.get_runs())
    return instance.add_run(dg.DagsterRun(job_name=job, run_id=f"run-{number}", status=status, tags=tags or {}))


def end(daemon: Daemon, run: dg.DagsterRun, event: dg.DagsterEventType) -> None:
    """Let a run end now, by the clock of the test."""
    now = daemon.resources["platform"].home.clock.now().timestamp()
    ended = dg.DagsterEvent(event.value, job_name=run.job_name)
    daemon.instance.report_dagster_event(ended, run_id=run.run_id, timestamp=now)


def decide(
    instance: dg.DagsterInstance,
    day: date,
    verdict: str,
    decision_id: str = "",
    key: dg.AssetKey = keys.RETRAIN_DECISION,
) -> None:
    decision_id = decision_id or f"dec_{day.isoformat()}"
    metadata = {"verdict": verdict, "decision_id": decision_id}
    instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=day.isoformat(), metadata=metadata))


@pytest.fixture
def platform(platform: BoardPorts) -> BoardPorts:
    """A platform whose machine clock stands still until a test moves it."""
    vars(platform.home)["clock"] = SimulatedClock(datetime.now(UTC))
    return platform


def wait(platform: BoardPorts, minutes: float) -> None:
    platform.home.clock.set(platform.home.clock.now() + timedelta(minutes=minutes))


def alerts(platform: BoardPorts) -> dict[str, dict[str, Any]]:
    """Return the facts of each alert, but for its time."""
    kept = {key: json.loads(platform.lake.get(key)) for key in platform.lake.list("alerts")}
    return {key: {name: fact for name, fact in facts.items() if name != "raised_at"} for key, facts in kept.items()}


@pytest.fixture
def retraining(definitions: dg.Definitions, instance: dg.DagsterInstance, platform: BoardPorts) -> Daemon:
    graph = ModelGraph(job_applications(platform.policies))
    job = next(job for job in jobs_of_model(graph) if job.name == "retraining_job")
    return Daemon(definitions, instance, build_retrain_sensor(graph, job), platform=platform)


def test_without_a_decision_to_retrain_nothing_runs(retraining) -> None:
    assert retraining.tick() == []
    assert retraining.skip_message == "No decision was recorded yet."
    decide(retraining.instance, DAY, "wait")
    decide(retraining.instance, add_days(DAY, 1), "block")
    assert retraining.tick() == []
    assert retraining.skip_message == "The newest verdict, of 2026-06-03, is block."
    decide(retraining.instance, add_days(DAY, 2), "retrain", "dec_first")
    decide(retraining.instance, add_days(DAY, 2), "wait", "dec_second")
    assert retraining.tick() == [], "of a day that was decided again the newest decision counts"


def test_a_decision_is_retrained_exactly_once_however_often_the_daemon_looks(retraining) -> None:
    decide(retraining.instance, DAY, "retrain")
    assert retraining.tick() == ["retrain-2026-06-02-attempt-1"]
    assert [retraining.tick() for _ in range(5)] == [[]] * 5
    (run,) = retraining.launched
    assert run.job_name == "retraining_job"
    assert run.tags["dagster/partition"] == "2026-06-02"
    assert run.tags[DECISION_TAG] == "dec_2026-06-02"
    end(retraining, run, dg.DagsterEventType.RUN_SUCCESS)
    assert [retraining.tick() for _ in range(3)] == [[]] * 3
    assert retraining.skip_message == "Every decision to retrain has its run; the newest is of 2026-06-02."


@pytest.mark.parametrize("event", [dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED])
def test_a_failed_run_is_tried_again_after_a_wait_and_then_a_person_is_alerted(retraining, platform, event) -> None:
    """A used key never runs again, so without the attempt in it a failed retraining would be the last."""
    decide(retraining.instance, DAY, "retrain")
    assert retraining.tick() == ["retrain-2026-06-02-attempt-1"]
    for number, minutes in ((2, 10), (3, 60)):
        end(retraining, retraining.launched[-1], event)
        for _ in range(3):
            assert retraining.tick() == []
        assert "is tried again at" in retraining.skip_message
        wait(platform, minutes - 1)
        assert retraining.tick() == [], "the wait is not over"
        wait(platform, 2)
        assert retraining.tick() == [f"retrain-2026-06-02-attempt-{number}"]
        assert retraining.launched[-1].tags["mlife/attempt"] == str(number)
    assert alerts(platform) == {}, "nobody is told before the last attempt has failed"
    end(retraining, retraining.launched[-1], event)
    wait(platform, 10_000)
    assert [retraining.tick() for _ in range(3)] == [[]] * 3
    assert retraining.skip_message == "Retraining failed 3 times for 2026-06-02; a person must look."
    assert alerts(platform) == {
        "alerts/retraining-2026-06-02.json": {
            "decision_id": "dec_2026-06-02",
            "job": "retraining_job",
            "message": "Retraining failed 3 times for 2026-06-02; nothing tries it again.",
            "partition": "2026-06-02",
            "runbook": "docs/runbooks/retraining_failed.md",
        }
    }
    decide(retraining.instance, add_days(DAY, 8), "retrain")
    assert retraining.tick() == ["retrain-2026-06-10-attempt-1"]


def test_a_run_that_was_made_and_never_submitted_holds_a_decision_for_a_day_only(retraining, platform) -> None:
    """For a day a restarted daemon takes it up itself; later nobody does, and the decision needs another run."""
    decide(retraining.instance, DAY, "retrain")
    assert retraining.tick(Status.NOT_STARTED) == ["retrain-2026-06-02-attempt-1"]
    wait(platform, 24 * 60)
    assert retraining.tick() == []
    wait(platform, 2 * 60)
    assert retraining.tick() == ["retrain-2026-06-02-attempt-2"]


def test_a_retraining_whose_process_is_gone_does_not_count_as_running_for_ever(definitions) -> None:
    """Run monitoring fails it after four hours, by this tag, whoever launched it; then the next attempt is due."""
    job = definitions.get_repository_def().get_job("retraining_job")
    assert job.run_tags["dagster/max_runtime"] == "14400"


def test_a_model_waits_for_a_retraining_of_its_own_and_for_no_other(definitions, instance, platform) -> None:
    graph = ModelGraph(churn_risk(platform.policies))
    job = next(job for job in jobs_of_model(graph) if job.name == "churn_risk_retraining_job")
    daemon = Daemon(definitions, instance, build_retrain_sensor(graph, job), platform=platform)
    decide(instance, DAY, "retrain", key=graph.key("monitoring", "retrain_decision"))
    by_hand = add_run(instance, job.name, Status.STARTED)
    assert daemon.tick() == []
    assert daemon.skip_message.startswith("A retraining is running")
    add_run(instance, "retraining_job", Status.STARTED)
    end(daemon, by_hand, dg.DagsterEventType.RUN_SUCCESS)
    assert daemon.tick() == ["churn_risk_retrain-2026-06-02-attempt-1"]


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.FAILURE])
def test_other_runs_of_the_day_are_no_attempts(retraining, status) -> None:
    """The day itself, and a model that a person trained for another reason."""
    for job in ("daily_lifecycle_job", "retraining_job"):
        add_run(retraining.instance, job, status, {"dagster/partition": DAY.isoformat()})
    decide(retraining.instance, DAY, "retrain")
    assert retraining.tick() == ["retrain-2026-06-02-attempt-1"]


def test_decisions_that_piled_up_are_retrained_one_at_a_time_oldest_first(retraining) -> None:
    for offset in (0, 9):
        decide(retraining.instance, add_days(DAY, offset), "retrain")
    assert retraining.tick() == ["retrain-2026-06-02-attempt-1"]
    assert retraining.tick() == []
    end(retraining, retraining.launched[0], dg.DagsterEventType.RUN_SUCCESS)
    assert retraining.tick(Status.SUCCESS) == ["retrain-2026-06-11-attempt-1"]
    assert retraining.tick() == []


@pytest.mark.parametrize("event", [dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE, None])
def test_a_day_that_is_decided_again_with_other_reasons_is_not_trained_twice(retraining, platform, event) -> None:
    """Other codes are another decision id, and the same partition: whether its run runs, succeeded or failed."""
    decide(retraining.instance, DAY, "retrain", "dec_data_drift")
    assert retraining.tick() == ["retrain-2026-06-02-attempt-1"]
    if event is not None:
        end(retraining, retraining.launched[0], event)
    decide(retraining.instance, DAY, "retrain", "dec_data_and_concept_drift")
    assert [retraining.tick() for _ in range(3)] == [[]] * 3
    decide(retraining.instance, DAY, "wait", "dec_none")
    decide(retraining.instance, DAY, "retrain", "dec_concept_drift")
    assert retraining.tick() == []
    wait(platform, 11)
    is_failed = event == dg.DagsterEventType.RUN_FAILURE
    assert retraining.tick(Status.SUCCESS) == (["retrain-2026-06-02-attempt-2"] if is_failed else [])
    wait(platform, 10_000)
    assert [retraining.tick() for _ in range(3)] == [[]] * 3
    assert {run.tags["dagster/partition"] for run in retraining.launched} == {"2026-06-02"}
    assert len(retraining.launched) == 1 + is_failed


def test_a_day_that_was_given_up_is_reported_once(retraining, platform, monkeypatch) -> None:
    """A sensor looks twice a minute: a line and a file each time bury what else is told. So does a decision that is
    made again, for other reasons, after the day was given up: nothing was tried for it.
    """
    decide(retraining.instance, DAY, "retrain")
    for _ in range(3):
        retraining.tick()
        end(retraining, retraining.launched[-1], dg.DagsterEventType.RUN_FAILURE)
        wait(platform, 61)
    written: list[str] = []
    replace = platform.lake.replace
    monkeypatch.setattr(platform.lake, "replace", lambda key, data: (written.append(key), replace(key, data)))
    for number in range(4):
        assert retraining.tick() == []
        decide(retraining.instance, DAY, "retrain", f"dec_again_{number}")
    assert written == ["alerts/retraining-2026-06-02.json"]
    assert retraining.errors == [
        "Retraining failed 3 times for 2026-06-02; nothing tries it again. See docs/runbooks/retraining_failed.md."
    ]


def test_a_materialization_that_was_reported_by_hand_is_no_decision(retraining) -> None:
    decide(retraining.instance, DAY, "retrain")
    event = dg.AssetMaterialization(keys.RETRAIN_DECISION, partition=add_days(DAY, 1).isoformat())
    retraining.instance.report_runless_asset_event(event)
    assert retraining.tick() == ["retrain-2026-06-02-attempt-1"]


def ingested(platform: BoardPorts, day: date, **files: int) -> None:
    types = [
        {"event_type": name, "files": count, "accepted": 1, "rejected": {}, "examples": []}
        for name, count in files.items()
    ]
    platform.tables.write_report(INGEST_REPORT, day, {"day": add_days(day, -1), "types": types})


def land(platform: BoardPorts, day: date, name: str, event_type: str = "click") -> None:
    platform.home.intake.folder.put_if_absent(f"{event_type}/dt={day.isoformat()}/{name}", b"x")


def test_files_that_land_late_are_ingested_once(definitions, instance, platform) -> None:
    daemon = Daemon(definitions, instance, sensors.landed_files_sensor, platform=platform)
    eve = add_days(DAY, -1)
    land(platform, eve, "a.parquet")
    assert daemon.tick() == [], "a day that did not run yet is the daily job's"
    ingested(platform, DAY, click=1)
    assert daemon.tick() == []
    assert daemon.skip_message == "every landed file was ingested, or its ingest runs, waits or was given up"
    land(platform, eve, "b.parquet", "apply")
    ((first,),) = [daemon.tick()]
    cause = first.removesuffix("-attempt-1")
    for number in (2, 3):
        end(daemon, daemon.launched[-1], dg.DagsterEventType.RUN_FAILURE)
        assert daemon.tick() == [], "a failed ingest waits"
        wait(platform, 61)
        assert daemon.tick() == [f"{cause}-attempt-{number}"]
    end(daemon, daemon.launched[-1], dg.DagsterEventType.RUN_FAILURE)
    wait(platform, 10_000)
    assert daemon.tick() == [], "what always fails is tried thrice"
    assert (daemon.launched[-1].job_name, daemon.launched[-1].tags["dagster/partition"]) == ("ingest_job", "2026-06-02")
    land(platform, eve, "c.parquet")
    (other,) = daemon.tick()
    assert not other.startswith(cause), "what landed since the failure is another reason to run"
    assert daemon.tick() == [], "it runs"
    ingested(platform, DAY, click=2, apply=1)
    assert daemon.tick() == []


def test_days_whose_files_were_ingested_are_not_looked_up_again(definitions, instance, platform, monkeypatch) -> None:
    """The sensor looks twice a minute for ever: what it reads must not grow with the days that were lived."""
    daemon = Daemon(definitions, instance, sensors.landed_files_sensor, platform=platform)
    days = [add_days(DAY, number) for number in range(30)]
    for day in days:
        land(platform, add_days(day, -1), "a.parquet")
        ingested(platform, day, click=1)
    read, asked = platform.tables.read_report, list[date]()
    monkeypatch.setattr(platform.tables, "read_report", lambda name, day: (asked.append(day), read(name, day))[1])

    def looked_up(expected: int) -> list[date]:
        asked.clear()
        assert len(daemon.tick()) == expected
        return list(asked)

    assert looked_up(0) == days
    assert [looked_up(0) for _ in range(3)] == [[]] * 3
    land(platform, add_days(days[4], -1), "late.parquet", "apply")
    assert looked_up(1) == days, "which day it is of is not kept"
    assert daemon.launched[-1].tags["dagster/partition"] == days[4].isoformat()
    for event in (dg.DagsterEventType.RUN_FAILURE,) * 3:
        end(daemon, daemon.launched[-1], event)
        wait(platform, 61)
        daemon.tick()
    assert [looked_up(0) for _ in range(2)] == [[days[4]]] * 2, "a day that was given up alone is looked up"
    next_day = add_days(days[-1], 1)
    land(platform, days[-1], "a.parquet")
    ingested(platform, next_day, click=1)
    assert looked_up(0) == [days[4], next_day]
    ingested(platform, days[4], click=1, apply=1)
    assert [looked_up(0) for _ in range(2)] == [[days[4]], []]


def test_a_tick_looks_at_the_newest_days_and_once_an_hour_at_all(definitions, instance, platform, monkeypatch) -> None:
    """What it lists and reads does not grow with age; a file of an older day is seen within the hour."""
    days = [add_days(DAY, number) for number in range(90)]
    for day in days:
        land(platform, add_days(day, -1), "a.parquet")
        ingested(platform, day, click=1)
    looked, read, listed = list[int](), list[date](), list[str]()
    delivered, read_report, listing = (
        platform.home.intake.area.delivered,
        platform.tables.read_report,
        platform.lake.list,
    )
    monkeypatch.setattr(
        platform.home.intake.area, "delivered", lambda days: (looked.append(len(days)), delivered(days))[1]
    )
    monkeypatch.setattr(platform.tables, "read_report", lambda name, day: (read.append(day), read_report(name, day))[1])
    monkeypatch.setattr(platform.lake, "list", lambda prefix: (listed.append(prefix), listing(prefix))[1])
    daemon = Daemon(definitions, instance, sensors.landed_files_sensor, platform=platform)

    def tick(*expected: date) -> None:
        for seen in (looked, read, listed):
            seen.clear()
        daemon.tick()
        asked = [run.tags["dagster/partition"] for run in daemon.launched]
        assert asked == [day.isoformat() for day in expected]

    tick()
    assert (looked, len(read), listed) == ([90], 90, ["reports/ingest"])
    tick()
    assert (looked, read, listed) == ([31], [], [])
    land(platform, add_days(days[-31], -1), "late.parquet")
    land(platform, add_days(days[-32], -1), "late.parquet")
    tick(days[-31])
    assert (looked, len(read), listed) == ([31], 31, [])
    wait(platform, 59)
    tick(days[-31])
    assert looked == [31]
    wait(platform, 1)
    tick(days[-31], days[-32])
    assert (looked, len(read), listed) == ([90], 59 + 1, ["reports/ingest"])
    end(daemon, daemon.launched[-1], dg.DagsterEventType.RUN_FAILURE)
    wait(platform, 11)
    tick(days[-31], days[-32], days[-32])
    assert looked == [32], "an older day that is open is looked at by each tick"
    assert daemon.launched[-1].tags["mlife/cause"] == daemon.launched[-2].tags["mlife/cause"]
    for number in (-31, -32):
        ingested(platform, days[number], click=2)
    wait(platform, 60)
    for expected in ([90], [31]):
        tick(days[-31], days[-32], days[-32])
        assert looked == expected
    assert read == []


def test_a_day_that_grew_old_unseen_is_seen_by_the_next_full_look(definitions, instance, platform) -> None:
    daemon = Daemon(definitions, instance, sensors.landed_files_sensor, platform=platform)
    for number in range(31):
        ingested(platform, add_days(DAY, number))
    assert daemon.tick() == []
    land(platform, add_days(DAY, -1), "late.parquet")
    ingested(platform, add_days(DAY, 31))
    assert daemon.tick() == []
    cursor = daemon.cursor
    wait(platform, 60)
    assert len(daemon.tick()) == 1
    land(platform, add_days(DAY, -1), "later.parquet")
    vars(platform.home)["clock"] = SimulatedClock(platform.home.clock.now() - timedelta(minutes=61))
    daemon.cursor = cursor
    assert len(daemon.tick()) == 1, "a clock that was put back hides no file"
    daemon.cursor = None
    assert daemon.tick() == [], "its run is on its way, whatever became of the cursor"


OF_ONE_LIST = '{"files": "x", "open": [], "until": "2026-06-02"}'
"""The cursor of before there were older days."""


@pytest.mark.parametrize(
    "cursor", ["", "nonsense", "{}", "[1]", '{"until": "x", "open": [], "files": "y"}', OF_ONE_LIST]
)
def test_without_a_cursor_that_can_be_read_every_day_is_looked_up(definitions, instance, platform, cursor) -> None:
    daemon = Daemon(definitions, instance, sensors.landed_files_sensor, platform=platform)
    for number in range(3):
        land(platform, add_days(DAY, number - 1), "a.parquet")
        ingested(platform, add_days(DAY, number), click=number % 2)
    daemon.cursor = cursor
    assert len(daemon.tick()) == 2
    assert daemon.tick() == []


def test_what_is_no_landed_file_of_a_day_wakes_nobody(definitions, instance, platform) -> None:
    daemon = Daemon(definitions, instance, sensors.landed_files_sensor, platform=platform)
    ingested(platform, DAY)
    eve = add_days(DAY, -1)
    land(platform, eve, "_SUCCESS")
    land(platform, eve, ".part")
    for key in ("click/dt=yesterday/a.parquet", "README", "click/a.parquet"):
        platform.home.intake.folder.put_if_absent(key, b"x")
    assert daemon.tick() == []


class Texts:
    """A platform that sent texts on DAY, and a provider that answers."""

    def __init__(self, platform: BoardPorts, users: int) -> None:
        self.platform, self.now = platform, platform.times.sending(DAY)
        platform.settings.private_folder.mkdir(parents=True, exist_ok=True)
        faults = GatewayFaults(throttled_share=0, rejected_share=0, timeout_share=0, stop_share=1, stop_share_maximum=1)
        self.gateway = ConsoleGateway(
            platform.settings.private_folder / "gateway.sqlite", seed=1, hash_key=b"k", faults=faults
        )
        rows = [self.row(number) for number in range(users)]
        platform.ledger.plan(rows, now=self.now)
        platform.ledger.approve("job_of_the_day", DAY, now=self.now)
        until = self.now + timedelta(minutes=5)
        platform.ledger.lease("job_of_the_day", DAY, worker="w", limit=users, now=self.now, until=until)
        for row in rows:
            policy = platform.policies.messaging
            platform.ledger.begin_submit(
                row.message_id, worker="w", now=self.now, policy=policy, contact=CONTACT, day=DAY
            )
            accepted = self.gateway.send(
                OutboundMessage(row.message_id, row.user_id, "+12125550142", "hi"), now=self.now
            )
            platform.ledger.transition_many(
                [Transition(row.message_id, SendState.ACCEPTED, provider_message_id=accepted.provider_message_id)],
                now=self.now,
            )

    def row(self, number: int) -> LedgerRow:
        name = f"{number:03d}"
        return LedgerRow(
            f"msg_{name}", f"usr_{name}", "job_1", "job_of_the_day", DAY, "hi", "planned", 0, None, self.now
        )


def test_replies_and_receipts_are_read_once_and_as_long_as_any_is_unread(definitions, instance, platform) -> None:
    daemon = Daemon(definitions, instance, sensors.inbound_texts_sensor, platform=platform)
    assert daemon.tick() == []
    assert daemon.skip_message == "no day has run yet"
    ingested(platform, DAY)
    assert daemon.tick() == []
    texts = Texts(platform, 40)
    (key,) = daemon.tick(Status.SUCCESS)
    assert key.startswith("inbound-2026-06-02-")
    assert daemon.launched[-1].job_name == "inbound_texts_job"
    assert daemon.tick() == [], "the same replies are one reason"
    evening = platform.home.times.outcomes(DAY)
    platform.dispatcher(DAY).collect_receipts(evening)
    platform.dispatcher(DAY).process_inbound(texts.now + timedelta(minutes=5))
    assert 0 < len(platform.ledger.replies.known()) < len(texts.gateway.inbound(until=evening))
    ingested(platform, add_days(DAY, 1))
    (key,) = daemon.tick(Status.SUCCESS)
    assert key.startswith("inbound-2026-06-03-"), "a STOP counts although every send is settled and no day sends"
    platform.dispatcher(DAY).process_inbound(evening)
    assert daemon.tick() == []
    assert daemon.skip_message == "0 sends await a receipt, none arrived; no reply is unread"


def test_a_reading_of_replies_that_failed_is_tried_again_at_once(definitions, instance, platform) -> None:
    """A STOP must not wait for ten minutes."""
    daemon = Daemon(definitions, instance, sensors.inbound_texts_sensor, platform=platform)
    ingested(platform, DAY)
    Texts(platform, 40)
    ((first,),) = [daemon.tick()]
    for number in (2, 3):
        end(daemon, daemon.launched[-1], dg.DagsterEventType.RUN_FAILURE)
        assert daemon.tick() == [first.replace("attempt-1", f"attempt-{number}")]
    end(daemon, daemon.launched[-1], dg.DagsterEventType.RUN_FAILURE)
    assert daemon.tick() == []
    assert "its reading was given up" in daemon.skip_message
    assert daemon.cursor is None, "older replies are looked at as long as any is unread"


def materialize(
    instance: dg.DagsterInstance, key: dg.AssetKey, tags: dict[str, str] | None = None, *, meanwhile: Any = None
) -> None:
    """Materialize an asset in a run of its own, as a click in the UI does; `meanwhile` is called inside."""

    @dg.asset(key=key)
    def made() -> None:
        if meanwhile is not None:
            meanwhile()

    dg.materialize([made], instance=instance, tags=tags)


def tags_of(pid: int) -> dict[str, str]:
    """Return what the driver of a process puts on its runs."""
    return {DRIVER_TAG: str(pid)}


@pytest.fixture
def refreshing(definitions, instance, platform) -> Daemon:
    """The sensor on a deployment whose newest day was decided by a command, dashboard included."""
    platform.tables.write_report(drift.REPORT, DAY, {})
    materialize(instance, keys.RETRAIN_DECISION, tags_of(GONE))
    materialize(instance, keys.DASHBOARD, tags_of(GONE))
    return Daemon(definitions, instance, sensors.dashboard_refresh_sensor, platform=platform)


@pytest.mark.parametrize(
    "key", [keys.RETRAIN_DECISION, keys.CHAMPION_MODEL, keys.MESSAGE_DELIVERIES, keys.INBOUND_MESSAGES]
)
def test_what_happened_in_the_ui_is_put_on_the_dashboard_once(refreshing, key) -> None:
    assert refreshing.tick() == []
    assert refreshing.skip_message.startswith("The dashboard is up to date")
    materialize(refreshing.instance, key)
    ((asked,),) = [refreshing.tick()]
    assert refreshing.launched[-1].job_name == "metrics_job"
    assert asked.startswith("metrics-")
    assert [refreshing.tick() for _ in range(3)] == [[]] * 3
    assert refreshing.skip_message == "A run is in progress; the dashboard is built after it."
    materialize(refreshing.instance, keys.DASHBOARD)
    end(refreshing, refreshing.launched[-1], dg.DagsterEventType.RUN_SUCCESS)
    assert [refreshing.tick() for _ in range(3)] == [[]] * 3
    assert refreshing.skip_message.startswith("The dashboard is up to date")
    materialize(refreshing.instance, key)
    assert refreshing.tick() not in ([], [asked])


def test_the_first_dashboard_is_asked_for_once_a_day_was_decided(definitions, instance, platform) -> None:
    daemon = Daemon(definitions, instance, sensors.dashboard_refresh_sensor, platform=platform)
    materialize(instance, keys.CHAMPION_MODEL)
    assert daemon.tick() == []
    assert daemon.skip_message == "No day was decided yet, so there is nothing to show."
    platform.tables.write_report(drift.REPORT, DAY, {})
    materialize(instance, keys.RETRAIN_DECISION)
    assert len(daemon.tick()) == 1


def test_a_command_at_work_builds_the_dashboard_itself_and_what_it_left_behind_is_built(refreshing) -> None:
    """`mlife plan approve` builds nothing, and `mlife day` may have been killed before it did."""
    materialize(refreshing.instance, keys.RETRAIN_DECISION, tags_of(os.getpid()))
    assert refreshing.tick() == []
    assert refreshing.skip_message.endswith("or a command that builds it is running.")
    materialize(refreshing.instance, keys.INBOUND_MESSAGES)
    materialize(refreshing.instance, keys.INBOUND_MESSAGES, tags_of(os.getpid()))
    assert len(refreshing.tick()) == 1, "a later run of the command does not hide what the UI did"
    end(refreshing, refreshing.launched[-1], dg.DagsterEventType.RUN_SUCCESS)
    materialize(refreshing.instance, keys.DASHBOARD, tags_of(GONE))
    assert refreshing.tick() == []
    materialize(refreshing.instance, keys.MESSAGE_DELIVERIES, tags_of(GONE))
    assert len(refreshing.tick()) == 1


def test_a_dashboard_that_shows_everything_reads_one_record_of_each_asset(refreshing, monkeypatch) -> None:
    """A tick of an old deployment costs what one of a young one costs: of a time, SQLite reads all records."""
    asked = list[tuple[str, int]]()
    fetch = refreshing.instance.fetch_materializations

    def counted(key: dg.AssetKey, limit: int) -> Any:
        asked.append((key.to_user_string(), limit))
        return fetch(key, limit=limit)

    for _ in range(3):
        materialize(refreshing.instance, keys.INBOUND_MESSAGES)
    materialize(refreshing.instance, keys.DASHBOARD)
    monkeypatch.setattr(refreshing.instance, "fetch_materializations", counted)
    assert refreshing.tick() == []
    assert {limit for name, limit in asked if name == "messages/inbound_messages"} == {1}
    materialize(refreshing.instance, keys.INBOUND_MESSAGES)
    asked.clear()
    assert len(refreshing.tick()) == 1
    assert ("messages/inbound_messages", 1) in asked
    assert all(limit <= 20 for _, limit in asked)


def test_the_dashboard_waits_for_what_runs_but_not_for_what_was_abandoned(refreshing, platform) -> None:
    materialize(refreshing.instance, keys.MESSAGE_DELIVERIES)
    add_run(refreshing.instance, "daily_lifecycle_job", Status.STARTED)
    assert refreshing.tick() == []
    assert refreshing.skip_message == "A run is in progress; the dashboard is built after it."
    wait(platform, 26 * 60)
    add_run(refreshing.instance, "daily_lifecycle_job", Status.STARTED, tags_of(GONE))
    assert len(refreshing.tick()) == 1


def test_what_came_during_a_build_is_built_again(refreshing) -> None:
    """The dashboard read the marts before the reply was there, and was recorded after it."""
    materialize(
        refreshing.instance, keys.DASHBOARD, meanwhile=lambda: materialize(refreshing.instance, keys.INBOUND_MESSAGES)
    )
    assert len(refreshing.tick()) == 1


def test_a_failed_build_is_tried_again_and_then_given_up(refreshing, platform) -> None:
    materialize(refreshing.instance, keys.INBOUND_MESSAGES)
    for number, minutes in ((1, 1), (2, 10), (3, 60)):
        (asked,) = refreshing.tick()
        assert asked.endswith(f"-attempt-{number}")
        end(refreshing, refreshing.launched[-1], dg.DagsterEventType.RUN_FAILURE)
        assert refreshing.tick() == []
        wait(platform, minutes + 1)
    assert refreshing.tick() == []
    assert "its build waits or was given up" in refreshing.skip_message


def test_a_failed_run_leaves_an_alert_unless_it_was_to_send_alerts(instance, platform) -> None:
    @dg.op
    def breaks() -> None:
        raise ValueError("the file is gone")

    for name in (ALERT_JOB, "breaking_job"):
        assert alerts(platform) == {}
        job = dg.GraphDefinition(name, node_defs=[breaks]).to_job()
        tags = {"dagster/partition": "2026-06-02"}
        result = job.execute_in_process(instance=instance, raise_on_error=False, tags=tags)
        with dg.build_run_status_sensor_context(
            sensor_name="run_failure_alert_sensor", dagster_instance=instance, dagster_run=result.dagster_run,
            dagster_event=result.get_run_failure_event(), resources={"platform": platform},
        ).for_run_failure() as context:  # fmt: skip
            sensors.run_failure_alert_sensor(context)
    (alert,) = alerts(platform).values()
    assert (alert["job"], alert["partition"], alert["run_id"]) == ("breaking_job", "2026-06-02", result.run_id)
    assert alert["runbook"] == "docs/runbooks/failed_run.md"
    assert "breaks" in alert["message"]


def test_unsent_alerts_are_sent_once_there_is_somebody_to_tell(definitions, instance, platform) -> None:
    vars(platform.home.messengers)["alert_channel"] = None
    daemon = Daemon(definitions, instance, alert_delivery_sensor, platform=platform)
    assert daemon.tick() == []
    assert daemon.skip_message == "Every alert was sent."
    alert(platform, "a", {})
    assert daemon.tick() == []
    assert daemon.skip_message == "1 alerts are kept and sent to nobody; set MLIFE_ALERT_WEBHOOK."
    vars(platform.home.messengers)["alert_channel"] = object()
    (first,) = daemon.tick()
    end(daemon, daemon.launched[-1], dg.DagsterEventType.RUN_FAILURE)
    day = platform.home.clock.now().date()
    assert daemon.tick() == [], "a failed attempt waits"
    wait(platform, 2)
    (second,) = daemon.tick(Status.FAILURE)
    is_same_day = platform.home.clock.now().date() == day  # it is not when midnight falls into this test
    assert (second[:-1] == first[:-1], second[-1]) == (is_same_day, "2" if is_same_day else "1")
    alert(platform, "b", {})
    (third,) = daemon.tick()
    assert third[:-1] != first[:-1], "a new alert does not wait for those before it"


def test_sensors_are_on_and_name_what_they_run(definitions) -> None:
    named = {sensor.name: sensor for sensor in definitions.get_repository_def().sensor_defs}
    assert Counter(sensor.default_status.value for sensor in named.values()) == {"RUNNING": 8}
    assert all(sensor.description for sensor in named.values())


def test_receipts_are_asked_since_the_oldest_open_send_of_a_month_and_older_replies_once_an_hour(
    definitions, instance, platform, monkeypatch
) -> None:
    daemon = Daemon(definitions, instance, sensors.inbound_texts_sensor, platform=platform)
    texts, asked = Texts(platform, 4), list[tuple[str, Any]]()
    monkeypatch.setattr(platform.lake, "list", lambda _: pytest.fail("all days are listed"))
    for name in ("receipts", "inbound"):
        monkeypatch.setattr(
            type(texts.gateway), name, lambda _, name=name, **given: (asked.append((name, given.get("since"))), [])[1]
        )

    def since_when(day: date) -> dict[str, Any]:
        asked.clear()
        ingested(platform, day)
        daemon.tick()
        return dict(asked)

    assert since_when(DAY) == {"receipts": datetime(2026, 6, 2, tzinfo=UTC), "inbound": None}
    wait(platform, 59)
    month = datetime(2026, 6, 2, tzinfo=UTC)
    assert since_when(add_days(DAY, 31)) == {"receipts": datetime(2026, 6, 2, tzinfo=UTC), "inbound": month}
    wait(platform, 1)
    assert since_when(add_days(DAY, 32)) == {"receipts": datetime(2026, 7, 4, tzinfo=UTC), "inbound": None}
    vars(platform.home)["clock"] = SimulatedClock(platform.home.clock.now() - timedelta(minutes=1))
    assert since_when(add_days(DAY, 33))["inbound"] is None, "the clock was put back"
    daemon.cursor = "lost"
    assert since_when(add_days(DAY, 34))["inbound"] is None
    assert daemon.skip_message == "0 sends await a receipt, none arrived; no reply is unread"


def test_decisions_and_runs_are_read_again_only_while_something_can_change(retraining, platform, monkeypatch) -> None:
    read, runs = list[int](), list[None]()
    fetch, find = retraining.instance.fetch_materializations, retraining.instance.get_run_records
    monkeypatch.setattr(
        retraining.instance,
        "fetch_materializations",
        lambda key, limit: (read.append(limit), fetch(key, limit=limit))[1],
    )
    monkeypatch.setattr(retraining.instance, "get_run_records", lambda **given: (runs.append(None), find(**given))[1])

    def is_read() -> bool:
        read.clear()
        runs.clear()
        said, launched = retraining.skip_message, retraining.tick()
        is_closed = read == [1]
        if is_closed:
            assert (launched, runs, retraining.skip_message) == ([], [], said)
        return not is_closed

    for number in range(3):
        decide(retraining.instance, add_days(DAY, number), "wait")
    assert [is_read() for _ in range(3)] == [True, False, False]
    decide(retraining.instance, add_days(DAY, 3), "retrain")
    assert [is_read() for _ in range(3)] == [True, True, True], "its run is on its way"
    for minutes in (10, 60):
        end(retraining, retraining.launched[-1], dg.DagsterEventType.RUN_FAILURE)
        assert [is_read() for _ in range(2)] == [True, True], "it waits for another attempt"
        wait(platform, minutes + 1)
        assert is_read()
    assert len(retraining.launched) == 3
    end(retraining, retraining.launched[-1], dg.DagsterEventType.RUN_FAILURE)
    assert [is_read() for _ in range(3)] == [True, False, False], "it was given up"
    assert len(alerts(platform)) == 1
    decide(retraining.instance, add_days(DAY, 4), "retrain")
    assert is_read()
    end(retraining, retraining.launched[-1], dg.DagsterEventType.RUN_SUCCESS)
    assert [is_read() for _ in range(3)] == [True, False, False]
    for cursor in (None, "", "nonsense", "[1]", '"x"', "{}", '{"newest": 1, "sentence": "old"}'):
        retraining.cursor = cursor
        assert [is_read() for _ in range(2)] == [True, False]
