"""The platform as the assets of any model see it: marts, versions, decisions, reports, and what landed.

Concept: what is made of every model is typed against this and against nothing that knows a job or a text, so the same
assets run in a project that has neither.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from copy import copy
from datetime import date, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from mlife_assets.adapters.clock import SystemClock
from mlife_assets.adapters.event_log import ChainEnd, ParquetEventLog
from mlife_assets.adapters.kept_marts import DatedMarts, KeptMarts
from mlife_assets.adapters.log_heads import Head, alone_in_log, newest_head
from mlife_assets.adapters.model_bundles import imported_folder
from mlife_assets.adapters.model_events import events_of
from mlife_assets.adapters.model_registry import ModelRegistry
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.tables import TableStore
from mlife_assets.components.platform.home_keys import HomeKeys, manifest_key
from mlife_assets.components.platform.shared_port import WHOLE, shared_port
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.model import Model
from mlife_assets.core.model_events import IMPORTED
from mlife_assets.core.monitoring.reports import MonitoringReport
from mlife_assets.core.ports import Clock, HeadStore
from mlife_assets.core.scoring.scorer import StagedScorer, scorer_of
from mlife_assets.core.windows import run_time

if TYPE_CHECKING:
    from mlife_assets.adapters.send_ledger import SqlLedger

RETRAIN_DELAY = timedelta(hours=1)
OPERATOR_DELAY = timedelta(hours=4)
MONITORING_REPORTS = ("data_quality_report", "data_drift_report", "latent_drift_report", "concept_drift_report")
"""What is watched each day, in the order in which it is looked at."""
IN_RUNS = "_in_runs"
"""In the dictionary of a whole platform: its views by run and model."""
INGEST_REPORT = "ingest"
"""Report of what became of what was delivered for a day."""


class ModelPlatform(HomeKeys, ABC):
    """What the chain of any model asks for; adapters are made when first asked for."""

    model_name: str
    """Whose view this is."""

    own_types: Collection[str] = ()
    """Types of rows that we write ourselves, which need not land."""
    label_types: Collection[str] = ()
    """Types of rows that are labels, which may be late."""
    feedback: str = "labels"
    """What is late where feedback is, in words."""
    _unnamed_model: str = ""
    """The model whose jobs and assets do not have its name: the one that was there when there was one."""
    environment: str = "project"
    """What a model that leaves this home says of where it comes from."""

    @property
    def retraining_job(self) -> str:
        """Job that makes a model."""
        return "retraining_job" if self.model_name == self._unnamed_model else f"{self.model_name}_retraining_job"

    @property
    def evaluation(self) -> str:
        """Asset that holds the gate's verdict."""
        return f"{self._group}/evaluation"

    @property
    def reference(self) -> str:
        """Asset that holds what normal looks like."""
        return f"{self._group}/monitoring_reference"

    @property
    def _group(self) -> str:
        return "model" if self.model_name == self._unnamed_model else self.model_name

    @abstractmethod
    def of_model(self, name: str) -> ModelPlatform:
        """Return this platform as a model sees it: record, versions, decisions, tables and reports are its own."""

    @property
    @abstractmethod
    def model(self) -> Model:
        """The model whose view this is."""

    @property
    @abstractmethod
    def declared_names(self) -> Sequence[str]:
        """The models that were declared, the first one first."""

    @property
    @abstractmethod
    def model_tables(self) -> TableStore:
        """Daily tables and reports of the model."""

    @property
    @abstractmethod
    def warehouse(self) -> DatedMarts:
        """The marts."""

    @property
    @abstractmethod
    def start_date(self) -> date:
        """The first day that examples are of."""

    @property
    @abstractmethod
    def is_simulated(self) -> bool:
        """Whether those whom rows are about are made up."""

    @property
    @abstractmethod
    def first_run_day(self) -> date:
        """The first day that the governor decides."""

    def has_ended(self, day: date) -> bool:  # noqa: ARG002  a day ends with its decision, unless a platform says more
        """Return whether a day on which the governor decided was brought to its end."""
        return True

    def act_times(self) -> Sequence[datetime]:
        """Return when people acted, where no event of the log says it."""
        return ()

    @abstractmethod
    def require_landed(self, day: date | None = None) -> None:
        """Raise NotFoundError unless `day` has landed; None asks whether any day has."""

    @abstractmethod
    def late_feedback_days(self, first: date, last: date) -> frozenset[date]:
        """Return the days of [first, last], all of them over, on which outcomes came late."""

    def landed_days(self) -> Sequence[date]:
        """Return the days that have landed, ascending."""
        return self.tables.report_days(INGEST_REPORT)

    def newest_landed_day(self) -> date | None:
        """Return the newest day that has landed, None before the first."""
        return max(self.tables.newest_report_days(INGEST_REPORT, 1), default=None)

    def ingest_report(self, day: date) -> Mapping[str, Any]:
        """Return what became of what was delivered for a day. Raises NotFoundError when it never landed."""
        return self.tables.read_report(INGEST_REPORT, day)

    @property
    def head_stores(self) -> Sequence[HeadStore]:
        """Where signed heads of the event log are kept; the first is written first."""
        return (self.head_store,)

    def ledger_positions(self) -> Mapping[str, int]:
        """Return how far the sequences of a ledger have come; none where there is no ledger."""
        return {}

    def ledger_on_record(self) -> tuple[SqlLedger | None, Mapping[str, str]]:
        """Return the ledger, if there is one, and the provider of each channel: asking makes none."""
        return None, {}

    def pinned_heads(self) -> Sequence[HeadStore]:
        """Return the stores of heads that exist."""
        return self.head_stores

    @shared_port
    def lake(self) -> ObstoreObjectStore:
        """Events, artifacts, tables and reports, in a folder or a bucket."""
        return ObstoreObjectStore.at(self.settings.lake_place)

    @shared_port
    def event_log(self) -> ParquetEventLog:
        """The source of truth."""
        known: dict[int, bytes] = {}

        def key() -> bytes:  # asked before each manifest, so it looks for another only once one was rotated
            pinned = len(self.head_pins.keys())
            if pinned not in known:
                known[pinned] = manifest_key(self.keyring, self._newest_head())
            return known[pinned]

        lock = self.settings.private_folder / "log.lock"
        return ParquetEventLog(
            self.lake,
            key=key,
            pinned=self._pinned_end,
            alone=partial(alone_in_log, lock, self.pinned_heads, self.head_pins),
            record=self._record_files,
        )

    def _record_files(self, keys: Sequence[str]) -> None:
        """Remember files of the log outside the lake; without a ledger there are no types that need it."""

    def _newest_head(self) -> Head | None:
        newest = newest_head(self.pinned_heads(), self.head_pins)
        return None if newest is None else newest.head

    def _pinned_end(self) -> ChainEnd | None:
        newest = self._newest_head()
        return None if newest is None else newest.chain

    @shared_port
    def tables(self) -> TableStore:
        """Daily tables and reports."""
        return TableStore(self.lake)

    @cached_property
    def registry(self) -> ModelRegistry:
        """Versions of the model, and who is champion."""
        return ModelRegistry(self.lake, self.event_log, self.model_name)

    def model_events(
        self, event_type: str, *, start: date | None = None, end: date | None = None
    ) -> list[dict[str, Any]]:
        """Return the rows of a type of `core.model_events` that are about the model, oldest first."""
        return events_of(self.event_log, self.model_name, event_type, start=start, end=end)

    def imported_tables(self, model_version: str) -> list[TableStore]:
        """Return the reports and tables that came with a version from other environments, the newest first."""
        rows = reversed(self.model_events(IMPORTED))
        return [
            TableStore(self.lake, imported_folder(model_version, row["bundle_id"]))
            for row in rows
            if row["model_version"] == model_version
        ]

    @shared_port
    def clock(self) -> Clock:
        """The time of the machine, by which a failed run waits for its next attempt; days have a time of their own."""
        return SystemClock()

    def run_time(self, day: date) -> datetime:
        """Return when partition `day` decides."""
        return run_time(day)

    def retraining_time(self, day: date) -> datetime:
        """Return when a retraining of partition `day` is decided."""
        return run_time(day) + RETRAIN_DELAY

    def act_time(self, newest: date) -> datetime:
        """Return when a person's act happens, `newest` being the newest day that was decided."""
        return run_time(newest) + OPERATOR_DELAY

    def sealing_time(self, newest: date) -> datetime:
        """Return when a head is signed, `newest` being the newest day that landed."""
        return run_time(newest)

    def champion_version(self, day: date) -> str:
        """Return who is champion when partition `day` runs. Raises NotFoundError before the first promotion."""
        version = self.registry.champion_at(run_time(day))
        if version is None:
            raise NotFoundError(
                f"no model serves on {day} yet; run {self.retraining_job} for the day before, and see "
                f"{self.evaluation} if the gate refused its challenger"
            )
        return version

    @shared_port
    def _scorers(self) -> dict[str, StagedScorer]:
        return {}

    def scorer(self, model_version: str) -> StagedScorer:
        """Return the scorer of a version, verified when it is loaded first."""
        if model_version not in self._scorers:
            artifact = self.registry.load(model_version)
            self._scorers[model_version] = scorer_of(artifact, threads=self.settings.cores)
        return self._scorers[model_version]

    def champion_scorer(self, day: date) -> StagedScorer:
        """Return the scorer of the champion when partition `day` runs."""
        return self.scorer(self.champion_version(day))

    def importance(self, model_version: str) -> Mapping[str, float]:
        """Return mean |SHAP| per feature as measured at training."""
        importance: Mapping[str, float] = self.registry.load(model_version).manifest["importance"]
        return importance

    def write_monitoring_report(self, name: str, day: date, report: MonitoringReport) -> None:
        """Store a report of a day."""
        self.model_tables.write_report(name, day, {"report": report.to_json()})

    def read_monitoring_report(self, name: str, day: date) -> MonitoringReport:
        """Return a report of a day. Raises NotFoundError naming the asset to materialize."""
        return MonitoringReport.from_json(self.model_tables.read_report(name, day)["report"])

    def monitoring_reports(self, day: date) -> dict[str, MonitoringReport]:
        """Return the reports of a day by name; on a blocked day some were not written."""
        found = {}
        for name in MONITORING_REPORTS:
            with suppress(NotFoundError):
                found[name] = self.read_monitoring_report(name, day)
        return found


def in_run(platform: P, run_id: str) -> P:
    """Return the platform as one run sees it: rows of marts are read once, and kept until the run ends or another asks.

    Each step begins here, so the memory of the steps before it is given back here.
    """
    whole = vars(platform).get(WHOLE, platform)
    runs: dict[tuple[str, str], P] = vars(whole).setdefault(IN_RUNS, {})
    key = (run_id, platform.model_name)
    if key not in runs:
        if any(run != run_id for run, _ in runs):
            forget_runs(whole)
        runs[key] = copy(platform)
        vars(runs[key]).update({WHOLE: whole, "warehouse": KeptMarts(platform.warehouse, platform.settings.home)})
    vars(runs[key])["warehouse"].rest()
    return runs[key]


def forget_runs(platform: ModelPlatform) -> None:
    """Free the rows that runs have read."""
    runs = vars(platform).get(IN_RUNS, {})
    while runs:
        vars(runs.popitem()[1])["warehouse"].forget()


def rest(platform: ModelPlatform) -> None:
    """In a run, give the memory back that reading took; rows are there to be read further."""
    if isinstance(platform.warehouse, KeptMarts):
        platform.warehouse.rest()


P = TypeVar("P", bound=ModelPlatform)
