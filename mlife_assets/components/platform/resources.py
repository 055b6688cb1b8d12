"""The platform as one resource: every port wired to its adapter.

Belongs here: which adapter stands behind which port in this deployment, and where it keeps its files. Does not belong
here: what assets do with them.

Concept: assets ask for `platform` and use ports. The embedded world (market, console gateway, simulated clock) is wired
here and nowhere else, so a production deployment replaces this wiring only. In the embedded world the present is
the evening of the partition that runs, so a day can run again with the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

import pyarrow as pa

from mlife_assets.adapters.cage import DecodingCage
from mlife_assets.adapters.clock import SimulatedClock, SystemClock
from mlife_assets.adapters.dispatcher import Dispatcher, Verify
from mlife_assets.adapters.event_log import ChainEnd, ParquetEventLog
from mlife_assets.adapters.landing import Ingest
from mlife_assets.adapters.landing_folder import LandingFolder
from mlife_assets.adapters.ledger_outbox import LedgerOutbox
from mlife_assets.adapters.log_heads import newest_head
from mlife_assets.adapters.model_events import events_of
from mlife_assets.adapters.model_registry import ModelRegistry
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.panel_store import PanelStore
from mlife_assets.adapters.people_register import PeopleRegister
from mlife_assets.adapters.tables import TableStore
from mlife_assets.adapters.warehouse import DuckDBWarehouse, marts_of
from mlife_assets.components.events.ingest import ingest_of_day
from mlife_assets.components.messages.recipients import recheck_of
from mlife_assets.components.platform.embedded_world import EmbeddedWorld, Story, demo_story
from mlife_assets.components.platform.private_parts import MANIFEST_KEY, PrivateParts
from mlife_assets.components.platform.shared_port import WHOLE, shared_port
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.model import Model
from mlife_assets.core.monitoring.reports import MonitoringReport
from mlife_assets.core.ports import Clock, EventSource
from mlife_assets.core.scoring.scorer import StagedScorer, scorer_of
from mlife_assets.core.windows import run_time
from mlife_assets.recruiting.events import JOB_APPLICATIONS
from mlife_assets.recruiting.messaging.binding import nothing_approved
from mlife_assets.recruiting.messaging.cohorts import is_holdout
from mlife_assets.recruiting.models import MODELS, Declaration, model_named, models_of
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.ports import AuditAttributes, ContactBook

SEND_DELAY = timedelta(minutes=5)
RETRAIN_DELAY = timedelta(hours=1)
OUTCOMES_DELAY = timedelta(hours=3)
INGEST_REPORT = "ingest"


@dataclass(frozen=True)
class Platform(PrivateParts):
    """All ports of one deployment, as one model sees it; adapters are made when first asked for.

    `declared` are the models of the deployment, `story` is what happens in its market, by default that of the settings.
    """

    policies: Policies
    model_name: str = JOB_APPLICATIONS
    declared: Sequence[Declaration] = MODELS
    story: Story | None = None

    def of_model(self, name: str) -> Platform:
        """Return this platform as a model sees it: record, versions, decisions, tables and reports are its own.

        Ports are shared.
        """
        if name not in self._views:
            view = replace(self, model_name=name)
            vars(view)[WHOLE] = vars(self).get(WHOLE, self)
            self._views[name] = view
        return self._views[name]

    @shared_port
    def _views(self) -> dict[str, Platform]:
        return {self.model_name: self}

    @shared_port
    def models(self) -> tuple[Model, ...]:
        """All models, the first one before the others."""
        return models_of(self.policies, self.declared)

    @cached_property
    def model(self) -> Model:
        """The model whose view this is. Raises InvalidInputError naming the known ones."""
        return model_named(self.policies, self.model_name, self.declared)

    @cached_property
    def model_tables(self) -> TableStore:
        """Daily tables and reports of the model; those of the first are where they were when there was one."""
        if self.model_name == JOB_APPLICATIONS:
            return self.tables
        return TableStore(self.lake, f"of_models/{self.model_name}/")

    @shared_port
    def lake(self) -> ObstoreObjectStore:
        """The bucket of events, artifacts, tables and reports."""
        return ObstoreObjectStore.local(self.settings.lake_folder)

    @shared_port
    def landing(self) -> ObstoreObjectStore:
        """Where exporters put their files."""
        return ObstoreObjectStore.local(self.settings.landing_folder)

    @shared_port
    def landed(self) -> LandingFolder:
        """What exporters left, for those who read it."""
        return LandingFolder(self.landing.root or self.settings.landing_folder)

    @shared_port
    def cage(self) -> DecodingCage:
        """The process that decodes what exporters left."""
        return DecodingCage(self.policies.landing)

    @shared_port
    def event_log(self) -> ParquetEventLog:
        """The source of truth."""
        return ParquetEventLog(self.lake, key=lambda: self.keyring.key(MANIFEST_KEY), pinned=self._pinned_end)

    def _pinned_end(self) -> ChainEnd | None:
        stores = [self.head_store]
        if (self.settings.private_folder / "ledger.sqlite").exists():
            stores.append(self.ledger.heads)
        newest = newest_head(stores, self.head_pins)
        return None if newest is None else newest.head.chain

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

    @shared_port
    def panels(self) -> PanelStore:
        """Rankings by recruiters."""
        return PanelStore(self.lake, self.event_log)

    @shared_port
    def warehouse(self) -> DuckDBWarehouse:
        """The marts."""
        return DuckDBWarehouse(self.settings.warehouse_path, marts=marts_of(self.models))

    @property
    def people(self) -> PeopleRegister:
        """Who is behind an account, by the present key."""
        return PeopleRegister(self.ledger, self.contacts, key=self.number_key)

    @shared_port
    def outbox(self) -> LedgerOutbox:
        """From the ledger to the event log."""
        return LedgerOutbox(self.ledger, self.event_log, self.lake, provider=self.gateway.name)

    @shared_port
    def world(self) -> EmbeddedWorld:
        """The simulated market."""
        settings = self.settings
        days = settings.demo_event_days if settings.demo_faults else None
        return EmbeddedWorld(
            seed=settings.seed,
            users=settings.market_users,
            jobs=settings.market_jobs,
            start_date=settings.start_date,
            history_days=settings.history_days,
            story=self.story or demo_story(days),
            home=settings.home,
            private_folder=self.private_folder,
        )

    @shared_port
    def contacts(self) -> ContactBook:
        """Phone numbers."""
        return self.world.contact_book()

    @shared_port
    def audit_attributes(self) -> AuditAttributes:
        """Protected attributes; `components.model.fairness` alone may ask for them."""
        return self.world.audit_attributes()

    @shared_port
    def event_source(self) -> EventSource:
        """Where raw events come from."""
        return self.world.event_source(self.landing, self._delivered_messages, self._is_holdout)

    @shared_port
    def clock(self) -> Clock:
        """The time of the machine, by which a failed run waits for its next attempt; days have a time of their own."""
        return SystemClock()

    @property
    def is_simulated(self) -> bool:
        """Whether the people are: true in this wiring, which is the embedded world's."""
        return True

    def run_time(self, day: date) -> datetime:
        """Return when partition `day` decides."""
        return run_time(day)

    def sending_time(self, day: date) -> datetime:
        """Return when partition `day` starts to send."""
        return run_time(day) + SEND_DELAY

    def retraining_time(self, day: date) -> datetime:
        """Return when a retraining of partition `day` is decided."""
        return run_time(day) + RETRAIN_DELAY

    def outcomes_time(self, day: date) -> datetime:
        """Return until when replies and receipts of partition `day` are read."""
        return run_time(day) + OUTCOMES_DELAY

    def ingest_at(self, day: date) -> Ingest:
        """Return the ingest of partition `day`."""
        return ingest_of_day(self, day, max(self.tables.report_days(INGEST_REPORT), default=day))

    def champion_version(self, day: date) -> str:
        """Return who is champion when partition `day` runs. Raises NotFoundError before the first promotion."""
        version = self.registry.champion_at(run_time(day))
        if version is None:
            raise NotFoundError(
                f"no model serves on {day} yet; run retraining_job for the day before, and see model/evaluation if the "
                "gate refused its challenger"
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

    def dispatcher(self, day: date, *, verify: Verify = nothing_approved) -> Dispatcher:
        """Return the dispatcher of partition `day`; its clock starts at the time of sending, moved only by pacing.

        It can send only what `verify` finds approved; without, it reads receipts and replies.
        """
        clock = SimulatedClock(self.sending_time(day))
        return Dispatcher(
            self.ledger,
            self.gateway,
            self.people,
            self.policies.messaging,
            recheck=recheck_of(self, day),
            clock=clock,
            sleep=lambda seconds: clock.set(clock.now() + timedelta(seconds=seconds)),
            verify=verify,
        )

    def _delivered_messages(self, day: date) -> pa.Table:
        """Return the texts that reached people on `day`, with the job that each was about."""
        sent = self.gateway.sent_messages(day)
        sent = sent.filter(sent["is_delivered"])
        jobs = {row.message_id: row.job_id for row in self.ledger.rows(as_of_date=day)}
        job_ids = pa.array([jobs[message_id] for message_id in sent["message_id"].to_pylist()], pa.string())
        return sent.append_column("job_id", job_ids).select(["message_id", "user_id", "job_id", "sent_at"])

    def _is_holdout(self, user_id: str) -> bool:
        policy = self.policies.messaging
        return is_holdout(user_id, salt=policy.assignment_salt, share=policy.holdout_share)
