"""The demo: the first days of a production model, run by the real jobs and sensors.

Concept: history is one run over a range, the first champion is trained and gated, then each day is a run of the daily
job followed by a tick of the sensors, which is where retraining comes from.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.adapters.object_store import has_folder
from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.graph.retrain_sensor import SENSOR
from mlife_assets.components.graph.run_requests import RETRAINING_JOB
from mlife_assets.components.model.retrain_decision import decision_rows
from mlife_assets.components.running.driver import LifecycleDriver, SensorRun
from mlife_assets.core.errors import InvalidInputError, PermanentError
from mlife_assets.core.ports import EventLog
from mlife_assets.core.storage_places import Bucket
from mlife_assets.core.windows import add_days, days_between
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.recruiting.application import Channel

MARKER = ".mlife-demo"
FIRST_SENSOR, LAST_SENSOR = "inbound_texts_sensor", "landed_files_sensor"
METRICS_EVERY_DAYS = 7
LOOKED_BACK_DAYS = 28
BLOCKING_CHECK = "candidate_pairs_come_from_a_sound_day"


@dataclass(frozen=True)
class DayResult:
    """What one day brought.

    Attributes:
        number: 1 for the first day of the demo.
        day: the partition.
        event: what happened in the world, if anything; the platform does not know it.
        verdict: of the governor.
        reasons: of the verdict, for people.
        promotion: sentence of the gate if a challenger was trained today.
        is_promoted: whether that challenger serves from tomorrow.
        planned, submitted, delivered: texts.
        earned_usd: bids of the applications after texts that were learned of today, which are those of the day before.
        retrained_by: the sensor that launched the retraining, if any.
    """

    number: int
    day: date
    event: str
    verdict: str
    reasons: tuple[str, ...]
    promotion: str
    is_promoted: bool
    planned: int
    submitted: int
    delivered: int
    earned_usd: float
    retrained_by: str


@dataclass
class Stopwatch:
    """Seconds by stage, measured around the work; the only thing in a summary that differs between runs."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time spent inside to `stage`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


def require_empty_lake(home: Path, lake: Path | Bucket) -> None:
    """Raise InvalidInputError where a lake outside the home of a demo holds anything: it is somebody's record."""
    is_elsewhere = isinstance(lake, Bucket) or not lake.resolve().is_relative_to(home.resolve())
    if is_elsewhere and has_folder(lake):
        raise InvalidInputError("MLIFE_LAKE: the lake already holds something; name an empty place for a demo")


def prepare_home(home: Path) -> None:
    """Make an empty home for a demo, removing an earlier demo's.

    Raises:
        InvalidInputError: the folder holds something else.
    """
    if home.exists() and any(home.iterdir()):
        if not (home / MARKER).exists():
            raise InvalidInputError(f"{home} is not empty and no earlier demo; choose another folder with --home")
        shutil.rmtree(home)
    home.mkdir(parents=True, exist_ok=True)
    (home / MARKER).write_text("an mlife demo; `mlife demo` replaces this folder\n")


class Demo:
    """Runs the story on one platform."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance, platform: BoardPorts) -> None:
        self.driver = LifecycleDriver(definitions, instance)
        self.platform = platform
        self.graphs = [ModelGraph(model) for model in platform.home.models]
        self.stopwatch = Stopwatch()

    def run_history(self) -> None:
        """Simulate the history of the market, then land it."""
        self.simulate_history()
        self.land_history()

    def simulate_history(self) -> None:
        """Simulate the history of the market."""
        settings = self.platform.settings
        with self.stopwatch.measure("market"):
            for day in days_between(settings.start_date, add_days(settings.first_lived_date, -2)):
                self.platform.home.intake.deliver(day)

    def land_history(self) -> None:
        """Land the history and build its features, in one run."""
        settings = self.platform.settings
        last = add_days(settings.first_lived_date, -1)
        with self.stopwatch.measure("history"):
            self.driver.run_range("history_job", settings.first_partition, last).require_success()

    def train_first_champion(self) -> dict[str, Any]:
        """Train the first challenger on history and let the gate decide; returns the verdict's event.

        Other models are trained once their governors say so, on the first day that they have enough to learn from.

        Raises:
            PermanentError: the gate refused, so there is no model to serve.
        """
        day = add_days(self.platform.settings.first_lived_date, -1)
        with self.stopwatch.measure("first_champion"):
            self.driver.run_day(RETRAINING_JOB, day).require_success()
        verdict = self._promotion(day)
        if verdict is None or verdict["outcome"] != "promoted":
            reasons = " ".join(verdict["sentences"]) if verdict else "no verdict was recorded"
            raise PermanentError(f"the first challenger may not serve: {reasons}")
        return verdict

    def run_days(self) -> Iterator[DayResult]:
        """Run each day in order; metrics are rebuilt weekly and after the last day."""
        settings = self.platform.settings
        for number in range(1, settings.demo_days + 1):
            day = add_days(settings.first_lived_date, number - 1)
            yield self.run_day(number, day)
            if number % METRICS_EVERY_DAYS == 0 or number == settings.demo_days:
                with self.stopwatch.measure("metrics"):
                    self.driver.run_unpartitioned("metrics_job").require_success()

    def run_day(self, number: int, day: date) -> DayResult:
        """Run the daily job and whatever the sensors then ask for.

        Raises:
            PermanentError: a run failed for another reason than a quality fault.
        """
        with self.stopwatch.measure("days"):
            run = self.driver.run_day("daily_lifecycle_job", day)
            decision = next((row for row in decision_rows(self.platform.of_model()) if row["as_of_date"] == day), None)
            is_blocked = decision is not None and decision["verdict"] == "block"
            if not is_blocked or not all(step.endswith(BLOCKING_CHECK) for step in run.failed_steps):
                run.require_success()
        with self.stopwatch.measure("sensors_and_retraining"):
            retraining = [graph.named(SENSOR) for graph in self.graphs]
            sensed = self.driver.tick_sensors([FIRST_SENSOR, *retraining, LAST_SENSOR])
            for last in {one.sensor_name: one for one in sensed}.values():
                last.run.require_success()
        if decision is None:
            raise PermanentError(f"no decision was recorded for {day}, although the daily run succeeded")
        return self._day_result(number, day, decision, sensed)

    def _day_result(self, number: int, day: date, decision: dict[str, Any], sensed: list[SensorRun]) -> DayResult:
        log = self.platform.event_log
        promotion = self._promotion(day)
        planned = log.read("message_planned", start=day, end=day, columns=["message_id", "channel"])
        texts = planned.filter(pc.equal(planned["channel"], Channel.SMS))["message_id"].combine_chunks()
        submitted, statuses = (log.read(name, start=day, end=day) for name in ("message_submitted", "message_status"))
        delivered = statuses.filter(pc.equal(statuses["status"], "delivered"))
        return DayResult(
            number=number,
            day=day,
            event=self.platform.home.intake.event_of_day(number),
            verdict=decision["verdict"],
            reasons=tuple(decision["sentences"]),
            promotion=promotion["sentences"][0] if promotion else "",
            is_promoted=bool(promotion and promotion["outcome"] == "promoted"),
            planned=len(texts),
            submitted=_distinct(submitted["message_id"], texts),
            delivered=_distinct(delivered["message_id"], texts),
            earned_usd=earned_usd(
                self.platform.event_log,
                add_days(day, -1),
                start_date=self.platform.settings.start_date,
                first_lived_date=self.platform.settings.first_lived_date,
            ),
            retrained_by=next((one.sensor_name for one in sensed if one.run.job_name == "retraining_job"), ""),
        )

    def _promotion(self, day: date) -> dict[str, Any] | None:
        return _of_day(self.platform, "promotion_decided", day)


def earned_usd(log: EventLog, exported: date, *, start_date: date, first_lived_date: date) -> float:
    """Return the bids of applications after our own texts that the export of `exported` reported, in US dollars.

    Postings go back to `start_date`. Texts before `first_lived_date` are the recruiters'.
    """
    applies = log.read("apply", start=exported, end=exported, columns=["job_id", "exposure_id", "source"])
    applies = applies.filter(pc.equal(applies["source"], "message")).to_pylist()
    planned = {row["exposure_id"] for row in applies}
    channels = _newest(log, "message_planned", ("message_id", "channel"), planned, first_lived_date, exported)
    jobs = [row["job_id"] for row in applies if channels.get(row["exposure_id"]) == Channel.SMS]
    bids = _newest(log, "job_posted", ("job_id", "bid_usd_per_apply"), set(jobs), start_date, exported)
    return float(sum(bids.get(job, 0.0) for job in jobs))


def _newest(
    log: EventLog, event_type: str, columns: tuple[str, str], ids: set[str], first: date, last: date
) -> dict[str, Any]:
    """Return id -> what its newest event of [first, last] says, going back only as far as an id is not found."""
    found = dict[str, Any]()
    while ids - found.keys() and last >= first:
        start = max(first, add_days(last, 1 - LOOKED_BACK_DAYS))
        rows = log.read(event_type, start=start, end=last, columns=columns)
        rows = rows.filter(pc.is_in(rows[columns[0]], value_set=pa.array(ids, pa.string())))
        found = dict(zip(*(rows[name].to_pylist() for name in columns), strict=True)) | found
        last = add_days(start, -1)
    return found


def _distinct(found: pa.ChunkedArray, wanted: pa.Array) -> int:
    return len(pc.unique(found.filter(pc.is_in(found, value_set=wanted))))


def _of_day(platform: BoardPorts, event_type: str, day: date) -> dict[str, Any] | None:
    rows = platform.of_model().registry.events(event_type, start=day, end=day)
    return next((row for row in reversed(rows) if row["as_of_date"] == day), None)
