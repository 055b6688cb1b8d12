"""A standalone deployment lives days by a clock: files that another process delivers, real sends, no market.

Files come late, twice and damaged. The home's clock is moved by the test, for every process of it; after a pause it
catches up. Nobody runs `mlife day`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from mlife_assets.cli import app
from mlife_assets.components.acts.acts import plan_standing
from mlife_assets.components.graph.due_days import NAME as DUE_DAYS
from mlife_assets.components.messages.delivery import APPROVE_JOB, APPROVE_OP
from mlife_assets.components.running.driver import LifecycleDriver, SensorRun
from mlife_assets.components.running.instance import open_instance
from mlife_assets.components.shown.present import next_day
from mlife_assets.core.windows import add_days, days_between, run_time
from mlife_assets.deployments.landed_days import INGEST_REPORT
from mlife_assets.deployments.sealing import audit_log

Begun = tuple[Path, list[str], list[str]]
"""A home, what was delivered to it, the jobs that ran."""
LATE, TWICE, DAMAGED = "job_closed", "apply", "job_closed"


@pytest.fixture(scope="module")
def recorded(standalone_world: ModuleType, made_once: Any) -> Path:
    folder, _ = made_once("standalone", lambda folder: standalone_world.record(folder))
    return folder


class Standalone:
    """A home that lives by a clock: opened anew for whatever is done, as each process does."""

    def __init__(self, world: ModuleType, recorded: Path, home: Path) -> None:
        self.world, self.recorded, self.home = world, recorded, home
        self.delivered: list[str] = []

    def day(self, number: int) -> date:
        """Return a day on which the daily job runs, 1 being the first."""
        return add_days(self.world.FIRST, self.world.HISTORY_DAYS + number - 1)

    def deliver(self, *days: date, without: str = "", **changed: str) -> None:
        """Deliver the files of days, but for a type, from another process; `changed` are types and how they come."""
        files = [path.as_posix() for day in days for path in self.world.files_of(self.recorded, day)]
        asked = [f"{name}{changed.get(name.split('/')[0], '')}" for name in files if not name.startswith(f"{without}/")]
        self.deliver_files(*asked)

    def deliver_files(self, *asked: str) -> None:
        program = [sys.executable, self.world.__file__, str(self.recorded), str(self.home / "landing"), *asked]
        subprocess.run(program, check=True, timeout=60)
        self.delivered += asked

    def rows_delivered(self) -> int:
        """Return the rows of all files that came, a damaged file counting as one."""
        rows = 0
        for asked in set(self.delivered):
            file = self.recorded / "landing" / asked.rstrip("!").partition(">")[0]
            rows += 1 if asked.endswith("!") else pq.ParquetFile(file).metadata.num_rows
        return rows

    def set_clock(self, now: datetime) -> None:
        self.world.set_clock(self.home, now)

    def opened(self) -> Any:
        """Return the definitions and the platform as a process finds them."""
        definitions = self.world.open_location()
        return definitions, definitions.resources["platform"]

    def tick(self, *sensors: str) -> list[SensorRun]:
        """Evaluate sensors until nothing more is asked for, as the daemon would; returns the runs."""
        definitions, platform = self.opened()
        with open_instance(self.home) as instance:
            runs = LifecycleDriver(definitions, instance).tick_sensors(sensors)
        platform.ledger.close()
        return runs

    def approve(self) -> None:
        """Approve the plan that waits and send it, by the job of the UI."""
        definitions, platform = self.opened()
        config = {"plan_digest": plan_standing(platform).digest, "actor": "ann", "reason": "read all of it"}
        with open_instance(self.home) as instance:
            driver = LifecycleDriver(definitions, instance)
            driver.run_unpartitioned(APPROVE_JOB, {APPROVE_OP: {"application": "", **config}}).require_success()


@pytest.fixture(scope="module")
def begun(standalone_world: ModuleType, recorded: Path, tmp_path_factory: Any) -> Begun:
    """Return a home whose history landed and whose first model serves, what was delivered to it and what ran."""
    folder = tmp_path_factory.mktemp("begun") / "home"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in standalone_world.environment(folder).items():
            patch.setenv(name, value)
        home = Standalone(standalone_world, recorded, folder)
        standalone_world.begin(recorded, folder)
        last = add_days(home.day(1), -1)
        home.deliver(*days_between(standalone_world.FIRST, add_days(last, -1)))
        home.set_clock(run_time(last) + timedelta(minutes=7))
        ran = jobs_of(home.tick(DUE_DAYS))
        assert home.opened()[1].of_model().registry.champion() is None, "so small a market lacks people for the gate"
        assert home.tick(DUE_DAYS) == [], "a first model is tried once"
        standalone_world.promote_by_hand(last)
    return folder, home.delivered, ran


@pytest.fixture
def home(standalone_world: ModuleType, recorded: Path, begun: Begun, tmp_path: Path, monkeypatch: Any) -> Standalone:
    """Return a copy of that home."""
    for name, value in standalone_world.environment(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    shutil.copytree(begun[0], tmp_path / "home")
    shutil.copy(begun[0].parent / "present", tmp_path / "present")
    found = Standalone(standalone_world, recorded, tmp_path / "home")
    found.delivered = list(begun[1])
    return found


def jobs_of(runs: list[SensorRun]) -> list[str]:
    for one in runs:
        one.run.require_success()
    return [one.run.job_name for one in runs]


def mlife(*words: object) -> str:
    """Return what a command answers in the home of the environment."""
    result = CliRunner().invoke(app, [str(one) for one in words])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.proof
def test_a_home_that_was_begun_by_init_takes_history_as_a_range_and_trains_a_first_model_on_it(
    home: Standalone, begun: Begun
) -> None:
    assert begun[2] == ["history_job", "retraining_job"]
    (clicks,) = [path for path in home.world.files_of(home.recorded, home.day(1)) if path.parts[0] == "click"]
    file = home.recorded / "landing" / clicks
    assert "would be accepted" in mlife("landing", "check", "--type", "click", "--day", home.day(1), file)
    found = {one["part"]: one for one in json.loads(mlife("doctor", "--json"))["found"]}
    people = pq.ParquetFile(home.recorded / "private" / home.world.CONTACTS).metadata.num_rows
    assert found["MLIFE_CONTACTS"]["says"] == f"people in it: {people:,}"
    assert not [one for one in found.values() if one["remedy"]]


@pytest.mark.proof
def test_days_are_lived_by_a_clock_on_files_that_others_deliver(home: Standalone) -> None:
    world, first = home.world, home.day(1)
    assert next_day(home.opened()[1].of_model()) == first

    home.deliver(add_days(first, -1), without=LATE)
    assert home.tick(DUE_DAYS) == [], "its files are there, its time has not come"
    started = run_time(first) + timedelta(minutes=31)
    home.set_clock(started)
    assert jobs_of(home.tick(DUE_DAYS)) == ["daily_lifecycle_job"]
    standing = plan_standing(home.opened()[1])
    assert (standing.state, standing.plan.as_of_date, standing.sends) == ("waits", first, {})
    assert standing.plan.planned.num_rows > 10
    assert home.opened()[1].home.messengers.texts.request_counts().num_rows == 0, "nobody approved it"

    approved = started + timedelta(minutes=20)
    home.set_clock(approved)
    home.approve()
    platform = home.opened()[1]
    requests = platform.home.messengers.texts.request_counts()
    assert set(requests["accepted"].to_pylist()) == {1}
    assert requests.num_rows > 0.8 * standing.plan.planned.num_rows
    log = platform.event_log
    assert set(log.read("plan_approved")["observed_at"].to_pylist()) == {approved}
    own = set(requests["message_id"].to_pylist())
    sent = {row["message_id"]: row["observed_at"] for row in log.read("message_submitted").to_pylist()}
    assert {sent[one] for one in own} == {approved}

    late = [path.as_posix() for path in world.files_of(home.recorded, add_days(first, -1)) if path.parts[0] == LATE]
    home.deliver_files(*late)
    home.set_clock(approved + timedelta(hours=2))
    assert jobs_of(home.tick("landed_files_sensor", "inbound_texts_sensor")) == ["ingest_job", "inbound_texts_job"]
    states = {row.state for row in home.opened()[1].ledger.sends.rows(as_of_date=first) if row.attempts}
    assert states == {"undelivered"}, "the console hands a text to nobody, and says so"

    home.deliver(first)
    home.deliver_files(*(f"{name}>again.parquet" for name in home.delivered if name.startswith(f"{TWICE}/dt={first}/")))
    home.deliver(home.day(2), **{DAMAGED: "!"})
    home.set_clock(run_time(home.day(3)) + timedelta(minutes=3))
    assert jobs_of(home.tick(DUE_DAYS)) == ["daily_lifecycle_job"] * 2, "it catches up, oldest first"
    platform = home.opened()[1]
    assert [row["as_of_date"] for row in platform.of_model().registry.events("retrain_decided")] == [
        home.day(n) for n in (1, 2, 3)
    ]
    assert plan_standing(platform).plan.as_of_date == home.day(3)
    assert platform.home.messengers.texts.request_counts().equals(requests), "of a day that is over nothing is sent"
    home.set_clock(run_time(home.day(3)) + timedelta(hours=6))
    assert plan_standing(platform).state == "over"

    again = json.loads(mlife("landing", "replay", "--json"))
    assert DAMAGED in {one["report"]["event_type"] for one in again["replayed"] if one["report"]["rejected"]}
    assert again["appended"] == 0, "half a file does not become a whole one"
    reports = [platform.tables.read_report(INGEST_REPORT, day) for day in platform.days.landed()]
    entries = [entry for report in reports for entry in report["types"]]
    accepted = sum(entry["accepted"] for entry in entries)
    rejected = sum(sum(entry["rejected"].values()) for entry in entries)
    assert accepted + rejected == home.rows_delivered()
    assert rejected > 1, "the damaged file, and the rows that came twice"
    (twice,) = {name.partition(">")[0] for name in home.delivered if ">" in name}
    rows = pq.ParquetFile(home.recorded / "landing" / twice).metadata.num_rows
    found = platform.event_log.read(TWICE, start=first, end=add_days(first, 1))
    days = [row["occurred_at"].date() for row in found.to_pylist()]
    assert 0 < days.count(first) <= rows, "what came twice is in the log once"
    assert audit_log(platform.home).verification.is_intact


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Return what arrives at the webhook of alerts that the environment names."""
    arrived = list[Any]()

    class Chat(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            arrived.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Chat) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("MLIFE_ALERT_WEBHOOK", f"http://127.0.0.1:{server.server_address[1]}/")
        yield arrived
        server.shutdown()
        thread.join()


@pytest.fixture
def daemon(
    home: Standalone, posted: list[Any], dev_process: ModuleType, repository: Path, tmp_path: Path
) -> Iterator[Any]:
    with open_instance(home.home):
        pass
    port = dev_process.free_port()
    location = repository / "mlife_tests" / "standalone_location.py"
    command = [sys.executable, "-m", "dagster", "dev", "-f", str(location), "-h", "127.0.0.1", "-p", str(port)]
    variables = {"DAGSTER_HOME": str(home.home / "dagster")}
    started = dev_process.DevProcess(command, port, variables, tmp_path / "dev.log")
    yield started
    started.stop()


@pytest.mark.proof
def test_the_daemon_runs_days_as_the_clock_is_moved_and_tells_what_failed(
    home: Standalone, daemon: Any, posted: list[Any]
) -> None:
    first = home.day(1)
    daemon.turn_on(DUE_DAYS)
    home.deliver(add_days(first, -1), first)
    home.set_clock(run_time(home.day(2)) + timedelta(minutes=2))
    for day in (first, home.day(2)):
        daemon.until(lambda day=day: daemon.has_run("daily_lifecycle_job", day.isoformat()))
    standing = plan_standing(home.opened()[1])
    assert (standing.state, standing.plan.as_of_date) == ("waits", home.day(2))
    assert home.opened()[1].home.messengers.texts.request_counts().num_rows == 0
    home.approve()
    platform = home.opened()[1]
    assert set(platform.home.messengers.texts.request_counts()["accepted"].to_pylist()) == {1}
    home.set_clock(run_time(home.day(2)) + timedelta(hours=2))
    sends = platform.ledger.sends
    daemon.until(lambda: {row.state for row in sends.rows() if row.attempts} == {"undelivered"}, seconds=120)

    daemon.launch("daily_lifecycle_job", home.day(3).isoformat())
    daemon.until(lambda: posted, seconds=120)
    (alert,) = posted[0]["alerts"]
    assert (alert["job"], alert["partition"]) == ("daily_lifecycle_job", home.day(3).isoformat())
