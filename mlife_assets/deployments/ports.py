"""The ports of any home and its models; differences between deployments are in `record`.

Concept: adapters remember (the end of the log, open databases, a worker process, a whole simulated market), so a home
makes each once, on first use, and its views share them. Assets of every model are typed against `ModelPorts` and not
against jobs or texts, so the same assets run in a project without these.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mlife_assets.adapters.clock import SystemClock
from mlife_assets.adapters.event_log import ChainEnd, ParquetEventLog
from mlife_assets.adapters.keyring import Keys
from mlife_assets.adapters.log_heads import Head, alone_in_log, newest_head
from mlife_assets.adapters.marts import DatedMarts, KeptMarts
from mlife_assets.adapters.model_bundles import imported_folder
from mlife_assets.adapters.model_registry import ModelRegistry
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.private_files import private_tree
from mlife_assets.adapters.tables import TableStore
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.model import Model
from mlife_assets.core.model_events import IMPORTED
from mlife_assets.core.monitoring.reports import MonitoringReport
from mlife_assets.core.ports import Clock, HeadStore
from mlife_assets.core.scoring.scorer import StagedScorer, scorer_of
from mlife_assets.core.windows import run_time
from mlife_assets.deployments.keys import LogHeads, manifest_key
from mlife_assets.deployments.landed_days import LandedDays
from mlife_assets.deployments.times import RETRAIN_DELAY, DayTimes
from mlife_assets.home_settings import HomeSettings

if TYPE_CHECKING:
    from mlife_assets.adapters.send_ledger import SqlLedger

MONITORING_REPORTS = ("data_quality_report", "data_drift_report", "latent_drift_report", "concept_drift_report")
"""Reports of each day, in the order of reading."""


T = TypeVar("T")


class Models(Protocol):
    """Source of each model's ports: a home, or a view of it."""

    def of_model(self, name: str = "") -> ModelPorts:
        """Return the ports of a model, by default of the first."""


@dataclass(frozen=True)
class PrivateThings:
    """Secrets of a home, made as `record.Services` says; a key narrows the whole folder, after `prepare`."""

    settings: HomeSettings
    prepare: Callable[[], object]
    make_keyring: Callable[[], Keys]
    make_heads: Callable[[], LogHeads]

    @cached_property
    def private_folder(self) -> Path:
        self.prepare()
        return private_tree(self.settings.private_folder)

    @cached_property
    def keyring(self) -> Keys:
        return self.make_keyring()

    @cached_property
    def heads(self) -> LogHeads:
        return self.make_heads()


@dataclass
class KeptRuns:
    """Marts of one run: rows are read once, and kept until the run ends or another begins."""

    _kept: dict[tuple[str, str], KeptMarts] = field(default_factory=dict)

    def marts(self, run_id: str, model_name: str, marts: DatedMarts, folder: Path) -> KeptMarts:
        """Return the marts of a model, with rows kept in a folder."""
        key = (run_id, model_name)
        if key not in self._kept:
            if any(run != run_id for run, _ in self._kept):
                self.forget()
            self._kept[key] = KeptMarts(marts, folder)
        return self._kept[key]

    def forget(self) -> None:
        while self._kept:
            self._kept.popitem()[1].forget()


class HomePorts(ABC):
    """The ports of any home; adapters are made on first use."""

    settings: HomeSettings

    @property
    @abstractmethod
    def private(self) -> PrivateThings:
        """The private parts of the home."""

    @property
    @abstractmethod
    def lake(self) -> ObstoreObjectStore:
        """Events, artifacts, tables and reports, in a folder or a bucket."""

    @property
    @abstractmethod
    def times(self) -> DayTimes:
        """Times of a day's events."""

    @property
    @abstractmethod
    def days(self) -> LandedDays:
        """The days of the home, for any model."""

    @property
    def providers(self) -> Mapping[str, str]:
        return {}

    @property
    @abstractmethod
    def model_names(self) -> Sequence[str]:
        """The declared models, the first one first."""

    @abstractmethod
    def ledger_if(self, *, is_made: bool) -> SqlLedger | None:
        """Return the ledger; None for homes that do not send, and for a missing one unless it `is_made`."""

    @cached_property
    def event_log(self) -> ParquetEventLog:
        """The source of truth."""
        known: dict[int, bytes] = {}
        pins = self.private.heads.pins

        def key() -> bytes:  # called before each manifest, so it looks for a new key only after a rotation
            pinned = len(pins.keys())
            if pinned not in known:
                known[pinned] = manifest_key(self.private.keyring, newest())
            return known[pinned]

        def newest() -> Head | None:
            found = newest_head(head_stores(self), pins)
            return None if found is None else found.head

        def pinned_end() -> ChainEnd | None:
            head = newest()
            return None if head is None else head.chain

        def record(keys: Sequence[str]) -> None:  # only homes with remembered types record them
            if (ledger := self.ledger_if(is_made=True)) is not None:
                ledger.log_files.record(keys)

        lock = self.settings.private_folder / "log.lock"
        alone = partial(alone_in_log, lock, partial(head_stores, self), pins)
        return ParquetEventLog(self.lake, key=key, pinned=pinned_end, alone=alone, record=record)

    @cached_property
    def tables(self) -> TableStore:
        return TableStore(self.lake)

    @cached_property
    def clock(self) -> Clock:
        return SystemClock()

    @abstractmethod
    def of_model(self, name: str = "") -> ModelPorts:
        """Return the ports of a model, by default of the first."""

    @cached_property
    def runs(self) -> KeptRuns:
        return KeptRuns()


def head_stores(home: HomePorts, *, is_made: bool = False) -> Sequence[HeadStore]:
    ledger = home.ledger_if(is_made=is_made)
    return (home.private.heads.store, *(() if ledger is None else (ledger.heads,)))


@dataclass(frozen=True)
class Scorers:
    """Versions of a model, verified on first load and ready to score; `remedy` says how to get a first champion."""

    registry: ModelRegistry
    threads: int
    remedy: str
    _made: dict[str, StagedScorer] = field(default_factory=dict)

    def of(self, model_version: str) -> StagedScorer:
        """Return the scorer of a version."""
        if model_version not in self._made:
            self._made[model_version] = scorer_of(self.registry.load(model_version), threads=self.threads)
        return self._made[model_version]

    def champion_version(self, day: date) -> str:
        """Return the champion when partition `day` runs. Raises NotFoundError before the first promotion."""
        version = self.registry.champion_at(run_time(day))
        if version is None:
            raise NotFoundError(f"no model serves on {day} yet; {self.remedy}")
        return version

    def champion(self, day: date) -> StagedScorer:
        return self.of(self.champion_version(day))

    def importance(self, model_version: str) -> Mapping[str, float]:
        importance: Mapping[str, float] = self.registry.load(model_version).manifest["importance"]
        return importance


@dataclass(frozen=True)
class MonitoringReports:
    """Monitoring reports of a model, by day."""

    tables: TableStore

    def write(self, name: str, day: date, report: MonitoringReport) -> None:
        self.tables.write_report(name, day, {"report": report.to_json()})

    def read(self, name: str, day: date) -> MonitoringReport:
        """Return a report of a day. Raises NotFoundError naming the asset to materialize."""
        return MonitoringReport.from_json(self.tables.read_report(name, day)["report"])

    def of_day(self, day: date) -> dict[str, MonitoringReport]:
        """Return the reports of a day by name; a blocked day lacks some."""
        found = {}
        for name in MONITORING_REPORTS:
            with suppress(NotFoundError):
                found[name] = self.read(name, day)
        return found


@dataclass(frozen=True)
class ModelPorts:
    """The ports of one model's chain, made on first use; in a run, each row of its marts is read once.

    Jobs and assets of the model from before there were several lack its name (`is_unnamed`).
    """

    home: HomePorts
    model_name: str
    days: LandedDays
    declared: Callable[[], Model]
    make_tables: Callable[[], TableStore]
    make_marts: Callable[[], DatedMarts]
    is_unnamed: bool = False
    run_id: str = ""
    _made: dict[str, Any] = field(default_factory=dict)

    def _once(self, name: str, make: Callable[[], T]) -> T:
        """Return an object made once per model, shared by runs."""
        if name not in self._made:
            self._made[name] = make()
        made: T = self._made[name]
        return made

    @property
    def settings(self) -> HomeSettings:
        return self.home.settings

    @property
    def lake(self) -> ObstoreObjectStore:
        return self.home.lake

    @property
    def event_log(self) -> ParquetEventLog:
        return self.home.event_log

    @property
    def model(self) -> Model:
        return self.declared()

    @property
    def warehouse(self) -> DatedMarts | KeptMarts:
        marts = self._once("warehouse", self.make_marts)
        return self.home.runs.marts(self.run_id, self.model_name, marts, self.settings.home) if self.run_id else marts

    @property
    def model_tables(self) -> TableStore:
        return self._once("model_tables", self.make_tables)

    @property
    def reports(self) -> MonitoringReports:
        return MonitoringReports(self.model_tables)

    @property
    def registry(self) -> ModelRegistry:
        return self._once("registry", lambda: ModelRegistry(self.lake, self.event_log, self.model_name))

    @property
    def scorers(self) -> Scorers:
        """Versions, ready to score."""
        remedy = (
            f"run {self.retraining_job} for the day before, and see {self.group}/evaluation if the gate refused its "
        )
        return self._once("scorers", lambda: Scorers(self.registry, self.settings.cores, f"{remedy}challenger"))

    @property
    def retraining_job(self) -> str:
        return "retraining_job" if self.is_unnamed else f"{self.model_name}_retraining_job"

    @property
    def group(self) -> str:
        return "model" if self.is_unnamed else self.model_name

    def imported_tables(self, model_version: str) -> list[TableStore]:
        """Return the reports and tables imported with a version, the newest first."""
        rows = reversed(self.registry.events(IMPORTED))
        return [
            TableStore(self.lake, imported_folder(model_version, row["bundle_id"]))
            for row in rows
            if row["model_version"] == model_version
        ]

    def retraining_time(self, day: date) -> datetime:
        return run_time(self.days.retrained_on(day)) + RETRAIN_DELAY

    def in_run(self, run_id: str) -> ModelPorts:
        """Return the view of one run, which reads rows of marts once; memory of earlier steps is released."""
        in_run = replace(self, run_id=run_id)
        in_run.rest()
        return in_run

    def rest(self) -> None:
        if self.run_id and isinstance(marts := self.warehouse, KeptMarts):
            marts.rest()
