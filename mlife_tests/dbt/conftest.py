"""A small event log, written by hand in the layout of the lake, and the warehouses that dbt builds from it.

dbt costs seconds a call, so each warehouse is a world that is built once; each process of a run reads a copy of it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlife_assets.adapters.instance_files import read_declared
from mlife_assets.adapters.warehouse import DuckDBWarehouse, marts_of
from mlife_assets.components.features.dbt import build
from mlife_assets.recruiting.events import EVENT_TYPES, OCCUPATION_GROUPS, SHIFTS
from mlife_assets.recruiting.instances import models_of
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import DEFS_FOLDER

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
FIRST_DAY = date(2026, 4, 3)
DAYS = 16
USERS = 40
USERS_LOST = 12
JOBS_PER_DAY = 6
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class World:
    """Raw rows by event type as stored, duplicates included; `lake` holds them as files."""

    rows: dict[str, Rows]
    lake: Path


@dataclass(frozen=True)
class Built:
    """A warehouse and what dbt printed while building it."""

    warehouse: DuckDBWarehouse
    path: Path
    output: str


def day(offset: int) -> date:
    return FIRST_DAY + timedelta(days=offset)


def moment(offset: int, hours: float) -> datetime:
    return datetime(FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, tzinfo=UTC) + timedelta(days=offset, hours=hours)


def write_events(lake: Path, event_type: str, rows: Rows) -> None:
    """Write rows as the log does: one file per day and hour of observed_at."""
    schema = EVENT_TYPES[event_type].schema
    groups: dict[tuple[date, int], Rows] = {}
    for row in rows:
        groups.setdefault((row["observed_at"].date(), row["observed_at"].hour), []).append(row)
    for (dt, hour), group in groups.items():
        folder = lake / "events" / f"event_type={event_type}" / f"dt={dt}" / f"hour={hour:02d}"
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(group, schema=schema), folder / "hand-0.parquet")


class Simulation:
    """Random events with late ones, duplicates, ties, opt-outs and messages of every fate."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.rows: dict[str, Rows] = {}
        self.count = 0
        self.users = [f"usr_{k:03d}" for k in range(USERS)]
        self.jobs: list[str] = []

    def add(self, event_type: str, occurred: datetime, observed: datetime, **payload: Any) -> str:
        self.count += 1
        event_id = f"{int(self.rng.integers(16**8)):08x}{self.count:06d}"
        row = {"event_id": event_id, "occurred_at": occurred, "observed_at": observed, **payload}
        stored = self.rows.setdefault(event_type, [])
        stored.append(row)
        if self.rng.random() < 0.03:
            stored.append({**row, "observed_at": observed + timedelta(days=int(self.rng.integers(0, 3)))})
        return event_id

    def observed(self, offset: int, late_share: float = 0.1) -> datetime:
        late = int(self.rng.integers(1, 6)) if self.rng.random() < late_share else 0
        return moment(offset + late, 23.5)

    def profile(self) -> dict[str, Any]:
        return {
            "occupation_group": str(self.rng.choice(OCCUPATION_GROUPS)),
            "seniority": int(self.rng.integers(0, 4)),
            "shift": str(self.rng.choice(SHIFTS)),
            "metro_code": f"m{int(self.rng.integers(3))}",
            "latitude": float(self.rng.uniform(30, 40)),
            "longitude": float(self.rng.uniform(-100, -90)),
        }

    def snapshot(self, offset: int, user: str) -> None:
        self.add(
            "user_snapshot",
            moment(offset, 20),
            self.observed(offset),
            user_id=user,
            state_code=None if self.rng.random() < 0.1 else "TX",
            time_zone="America/Chicago",
            reservation_pay_usd_per_hour=float(self.rng.uniform(10, 40)),
            taste_embedding=[float(x) for x in self.rng.normal(size=8)],
            signed_up_at=moment(-5, 12),
            **self.profile(),
        )

    def post_job(self, offset: int) -> None:
        job = f"job_{len(self.jobs):03d}"
        self.jobs.append(job)
        self.add(
            "job_posted", moment(offset, 9), moment(offset, 23.5), job_id=job, employer_id="emp_1",
            employer_name="Acme", title="Nurse", occupation_code="29-1141",
            pay_usd_per_hour=float(self.rng.uniform(10, 60)), openings=int(self.rng.integers(1, 4)),
            expires_at=moment(offset + int(self.rng.integers(3, 12)), 0),
            bid_usd_per_apply=float(np.round(self.rng.uniform(5, 20), 2)),
            text_embedding=[float(x) for x in self.rng.normal(size=8)], **self.profile(),
        )  # fmt: skip
        if self.rng.random() < 0.3:
            closed = offset + int(self.rng.integers(1, 8))
            self.add("job_closed", moment(closed, 12), moment(closed, 23.5), job_id=job, reason="withdrawn")

    def convert(self, offset: int, hour: float, user: str, job: str, source: str, exposure: str) -> None:
        pair = {"user_id": user, "job_id": job, "source": source, "exposure_id": exposure}
        if self.rng.random() < 0.5:
            self.add("click", moment(offset, hour + 0.1), self.observed(offset), **pair)
        if self.rng.random() < 0.4:
            delay = int(self.rng.integers(0, 10))
            applied = self.add("apply", moment(offset + delay, hour + 0.2), self.observed(offset + delay), **pair)
            if self.rng.random() < 0.4:
                self.add(
                    "hire",
                    moment(offset + delay + 2, 10),
                    moment(offset + delay + 2, 23.5),
                    apply_event_id=applied,
                    **pair,
                )

    def prediction(self, offset: int, number: int, user: str, job: str, application: str) -> None:
        """Log the scored pair behind a message, as each of two applications that looked at it did."""
        at = moment(offset, 17)
        for position, by in enumerate((application, "recruiter_call_list")):
            self.add(
                "prediction", at, at, prediction_id=f"prd_{offset:02d}_{number:02d}", user_id=user, job_id=job,
                as_of_date=day(offset), model_version=f"mdl_{offset // 6}", feature_hash="f", features=[0.5],
                raw_score=number / 7 - 1, probability=(number + 1) / 13,
                click_probability=None if number % 3 else 0.25, rank=position + 1, propensity=0.5,
                exploration_propensity=0.1, exploration_salt="salt", candidate_set_hash="c", policy_version="pol",
                reasons=[], application=by, slice="explore",
            )  # fmt: skip

    def message(self, offset: int, number: int, user: str, job: str) -> None:
        message = f"msg_{offset:02d}_{number:02d}"
        sent = moment(offset, 18)
        campaign, channel = ("job_of_the_day", "sms") if number % 4 else ("email_digest", "email")
        if number % 2:
            self.prediction(offset, number, user, job, campaign)
        self.add(
            "message_planned", sent, sent, message_id=message, user_id=user, job_id=job, campaign=campaign,
            as_of_date=day(offset), prediction_id=f"prd_{offset:02d}_{number:02d}" if number % 2 else None,
            slice="explore" if number % 2 else "recruiter_rule", propensity=0.5, plan_id=f"plan_{offset}", cohort="c",
            body="A job for you", segments=1, policy_version="pol", channel=channel,
            items=[{"position": 1, "job_id": job, "prediction_id": None}],
        )  # fmt: skip
        fate = str(self.rng.choice(["delivered", "delivered", "delivered", "undelivered", "ambiguous", "suppressed"]))
        common = {"message_id": message, "user_id": user}
        if fate == "suppressed":
            extra = {"campaign": campaign, "as_of_date": day(offset), "reason": "cap", "stage": "send"}
            extra["channel"] = None if channel == "sms" and number % 3 == 0 else channel  # as rows of version 1
            self.add("message_suppressed", sent, sent, **common, **extra)
            return
        self.add("message_submitted", sent, sent, attempt=1, provider="console", **common)
        statuses = ["ambiguous"] if fate == "ambiguous" else ["accepted", fate]
        for step, status in enumerate(statuses):
            at = sent + timedelta(minutes=5 * (step + 1))
            self.add("message_status", at, at, status=status, provider_message_id="p", detail=None, **common)
        if fate == "delivered":
            self.convert(offset, 19, user, job, "message", message)

    def run(self) -> dict[str, Rows]:
        for user in self.users:
            if self.rng.random() < 0.9:
                self.snapshot(0, user)
            self.add(
                "consent", moment(0, 1), moment(0, 23.5), user_id=user, channel="sms",
                is_granted=bool(self.rng.random() < 0.8), source="signup",
            )  # fmt: skip
        for offset in range(DAYS):
            open_jobs = self.jobs[-30:]
            for _ in range(JOBS_PER_DAY):
                self.post_job(offset)
            for user in self.users:
                if self.rng.random() < 0.2:
                    self.snapshot(offset, user)
            for user in self.rng.choice(self.users, 3):
                granted = bool(self.rng.random() < 0.3)
                self.add(
                    "consent", moment(offset, float(self.rng.uniform(2, 20))), self.observed(offset, 0.3),
                    user_id=str(user), channel="sms", is_granted=granted,
                    source="inbound_start" if granted else "inbound_stop",
                )  # fmt: skip
            for _ in range(50 if open_jobs else 0):
                user, job = str(self.rng.choice(self.users)), str(self.rng.choice(open_jobs))
                hour = float(self.rng.uniform(0, 22))
                shown = self.add(
                    "impression", moment(offset, hour), self.observed(offset), user_id=user, job_id=job,
                    surface="feed", position=int(self.rng.integers(1, 20)),
                )  # fmt: skip
                self.convert(offset, hour, user, job, "organic", shown)
            receivers = self.rng.choice(self.users, 10, replace=False)
            for number, user in enumerate(receivers if open_jobs else []):
                self.message(offset, number, str(user), str(self.rng.choice(open_jobs)))
            for number, user in enumerate(self.users[:30]):
                arm = "holdout" if number % 5 == 0 else "treated"
                extra = {"experiment": "salt", "arm": arm, "as_of_date": day(offset)}
                self.add("experiment_exposed", moment(offset, 18), moment(offset, 18), user_id=user, **extra)
        self.visit_once()
        self.agree_to_mails()
        self.hire_late()
        return self.rows

    def visit_once(self) -> None:
        """Add people who look at one job on the first day and are not seen again."""
        for number in range(USERS_LOST):
            user = f"usr_lost_{number:03d}"
            self.snapshot(0, user)
            where = {"job_id": self.jobs[0], "surface": "feed", "position": 1}
            self.add("impression", moment(0, 12), moment(0, 23.5), user_id=user, **where)

    def agree_to_mails(self) -> None:
        """Add what some say about mails, whatever they say about texts."""
        for number, user in enumerate(self.users[::2]):
            agreement = {"user_id": user, "channel": "email", "is_granted": number % 3 > 0, "source": "signup"}
            self.add("consent", moment(number % 5, 2), moment(number % 5, 23.5), **agreement)

    def hire_late(self) -> None:
        """Add hires more than thirty days after the messages that led to their applications."""
        hired = {row["exposure_id"] for row in self.rows["hire"]}
        for row in self.rows["apply"]:
            if row["source"] == "message" and row["exposure_id"] < "msg_06" and row["exposure_id"] not in hired:
                pair = {name: row[name] for name in ("user_id", "job_id", "source", "exposure_id")}
                self.add("hire", moment(37, 10), moment(37, 23.5), apply_event_id=row["event_id"], **pair)


def write_world(lake: Path, rows: dict[str, Rows], *, until: date | None = None) -> World:
    kept = {
        event_type: [row for row in group if until is None or row["observed_at"].date() < until]
        for event_type, group in rows.items()
    }
    for event_type, group in kept.items():
        write_events(lake, event_type, group)
    return World(kept, lake)


def build_days(
    target: Path, lake: Path, *selection: str, first: date, last: date, indirect_selection: str = "eager"
) -> None:
    """Build a selection of some days in this process, as a day does."""
    target.mkdir(parents=True, exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLIFE_WAREHOUSE_PATH", str(target / "warehouse.duckdb"))
        patch.setenv("MLIFE_LAKE_ROOT", str(lake))
        patch.setenv("DBT_INDIRECT_SELECTION", indirect_selection)
        list(build(PROJECT, selection, {"start_date": str(first), "end_date": str(last)}, target / "dbt"))


def built(target: Path, output: str) -> Built:
    path = target / "warehouse.duckdb"
    return Built(
        DuckDBWarehouse(
            path, marts=marts_of(models_of(Policies(), read_declared(DEFS_FOLDER).models)), sleep=lambda _: None
        ),
        path,
        output,
    )


MadeOnce = Callable[[str, Callable[[Path], Any]], Any]


@pytest.fixture(scope="session")
def dbt_run(loaded_module: Callable[[str, str], ModuleType]) -> Callable[..., str]:
    """Return what runs any command of dbt and returns what it said; the test fails when dbt fails."""
    call = loaded_module("mlife_dbt_calls", "dbt_calls.py").call_dbt

    def run(target: Path, lake: Path, *command: str, first: date | None = None, last: date | None = None) -> str:
        variables = {"start_date": str(first), "end_date": str(last)} if first and last else {}
        succeeded, said = call(PROJECT, target, lake, *command, "--vars", json.dumps(variables))
        assert succeeded, said
        return said

    return run


@pytest.fixture(scope="session")
def rows(made_once: MadeOnce) -> dict[str, Rows]:
    return made_once("dbt_rows", lambda _: Simulation(seed=5).run()).result


@pytest.fixture(scope="session")
def world(rows: dict[str, Rows], made_once: MadeOnce) -> World:
    return World(rows, made_once("dbt_lake", lambda folder: write_world(folder, rows).rows).folder)


@pytest.fixture(scope="session")
def warehouse(made_once: MadeOnce, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Built]:
    """Return what opens a copy of a warehouse that `build(target)` builds once; it returns what dbt printed."""

    def opened(name: str, build: Callable[[Path], str]) -> Built:
        folder, output = made_once(f"dbt_{name}", build)
        return built(Path(shutil.copytree(folder, tmp_path_factory.mktemp(name) / "target")), output)

    return opened


REPEATS: dict[str, tuple[timedelta, dict[str, Any]]] = {
    "message_planned": (timedelta(hours=1), {"cohort": "later", "propensity": 0.25}),
    "message_status": (timedelta(hours=3), {"detail": "again"}),
    "message_suppressed": (timedelta(hours=1), {"reason": "later"}),
    "job_posted": (timedelta(minutes=10), {"pay_usd_per_hour": 11.0, "bid_usd_per_apply": 1.25, "openings": 4}),
    "experiment_exposed": (timedelta(hours=1), {"arm": "treated"}),
    "user_snapshot": (timedelta(0), {"seniority": 1}),
    "consent": (timedelta(0), {"is_granted": False}),
}
"""Event type -> how much later a fact is stated again under another id, and what it says then."""


def repeat(rows: dict[str, Rows]) -> dict[str, Rows]:
    """Return the log with every third fact stated again, otherwise, under an id of its own: which one counts shows."""
    stored = {name: [*group] for name, group in rows.items()}
    for name, (later, changes) in REPEATS.items():
        for number, row in enumerate(rows[name]):
            if number % 3 == 0:
                times = {time: row[time] + later for time in ("occurred_at", "observed_at")}
                mark = "a" if number % 2 else "z"  # before and after any other id, where times are the same
                stored[name].append({**row, **times, **changes, "event_id": f"{mark}{row['event_id']}"})
    return stored


@pytest.fixture(scope="session")
def repeated(
    rows: dict[str, Rows], made_once: MadeOnce, warehouse: Callable[..., Built], dbt_run: Callable[..., str]
) -> tuple[World, Built]:
    """The log of `repeat`, and what is built from it."""
    lake, stored = made_once("dbt_repeated_lake", lambda folder: write_world(folder, repeat(rows)).rows)
    return World(stored, lake), warehouse("repeated", lambda target: dbt_run(target, lake, "run"))


@pytest.fixture(scope="session")
def full(world: World, warehouse: Callable[..., Built], dbt_run: Callable[..., str]) -> Built:
    """The whole log, every day in one run, with unit tests: what a person gets from `dbt build`."""
    return warehouse("full", lambda target: dbt_run(target, world.lake, "build"))


@pytest.fixture(scope="session")
def daily(rows: dict[str, Rows], warehouse: Callable[..., Built]) -> Built:
    """The log as it was on day 10, built over a range; then days 11 and 12 one by one as their data arrive."""

    def grown(target: Path) -> str:
        for first, last in ((1, 10), (11, 11), (12, 12)):
            write_world(target / "growing_lake", rows, until=day(last))
            build_days(target, target / "growing_lake", "tag:features", first=day(first), last=day(last))
        return ""

    return warehouse("daily", grown)


@pytest.fixture(scope="session")
def dbt_built() -> Callable[..., Built]:
    """Return what builds a selection of some days into a folder."""

    def made(target: Path, lake: Path, *selection: str, first: date, last: date) -> Built:
        build_days(target, lake, *selection, first=first, last=last, indirect_selection="cautious")
        return built(target, "")

    return made


@pytest.fixture(scope="session")
def lake_of() -> Callable[..., World]:
    """Return what writes rows, or those known by a day, into a lake."""
    return write_world


@pytest.fixture(scope="session")
def empty(warehouse: Callable[..., Built], dbt_run: Callable[..., str]) -> Built:
    """A lake without a single file."""
    arguments = ["--exclude-resource-type", "unit_test", "test"]

    def nothing(target: Path) -> str:
        return dbt_run(target, target / "no_lake", "build", *arguments, first=day(1), last=day(2))

    return warehouse("empty", nothing)


@pytest.fixture(scope="session")
def trino_reading(loaded_module) -> ModuleType:
    """Return the module `trino_reading`: SQL as Athena's engine reads it."""
    return loaded_module("mlife_trino_reading", "dbt/trino_reading.py")


@pytest.fixture(scope="session")
def aws_answers(loaded_module) -> ModuleType:
    """Return the module `aws_answers`: what AWS answers dbt."""
    return loaded_module("mlife_aws_answers", "dbt/aws_answers.py")


@pytest.fixture(scope="session")
def project() -> Path:
    return PROJECT


@pytest.fixture(scope="session")
def day_of() -> Callable[[int], date]:
    return day
