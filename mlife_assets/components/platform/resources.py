"""The platform as one resource: every port wired to its adapter.

Concept: assets ask for `platform` and use ports. What differs by deployment (who delivers, who sends, whose time
counts) is a record that `deployment_parts` asks; all else is wired here and is the same in each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mlife_assets.adapters.cage import DecodingCage
from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.adapters.dispatcher import Verify
from mlife_assets.adapters.feedback_arrivals import FEEDBACK, late_feedback_days
from mlife_assets.adapters.instance_files import read_declared
from mlife_assets.adapters.landing import Ingest
from mlife_assets.adapters.landing_bucket import LandingBucket
from mlife_assets.adapters.landing_folder import LandingFolder
from mlife_assets.adapters.ledger_outbox import LedgerOutbox
from mlife_assets.adapters.panel_store import PanelStore
from mlife_assets.adapters.people_register import PeopleRegister
from mlife_assets.adapters.tables import OF_MODELS, TableStore
from mlife_assets.adapters.warehouse import DuckDBWarehouse, marts_of
from mlife_assets.components.platform.deployment_parts import DeploymentParts
from mlife_assets.components.platform.landed_days import require_landed
from mlife_assets.components.platform.model_platform import ModelPlatform
from mlife_assets.components.platform.recipients import recheck_of
from mlife_assets.components.platform.shared_port import WHOLE, shared_port
from mlife_assets.core.landed_names import LandingArea
from mlife_assets.core.model import Model
from mlife_assets.core.ports import HeadStore
from mlife_assets.core.storage_places import Bucket
from mlife_assets.core.windows import day_start, run_time
from mlife_assets.recruiting.application import Application
from mlife_assets.recruiting.applications import (
    ApplicationDeclaration,
    application_named,
    applications_of,
    within_budget,
)
from mlife_assets.recruiting.events import JOB_APPLICATIONS, LABEL_EVENT_TYPES, OWN_EVENT_TYPES
from mlife_assets.recruiting.instances import Declaration, model_named, models_of
from mlife_assets.recruiting.messaging.binding import nothing_approved
from mlife_assets.recruiting.messaging.plan import with_items
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import DEFS_FOLDER

if TYPE_CHECKING:
    from mlife_assets.adapters.dispatcher import Dispatcher
    from mlife_assets.adapters.send_ledger import SqlLedger
    from mlife_assets.deployments.embedded_world import Story

PLAN_REPORT = "message_plan"


def models_in_files() -> Sequence[Declaration]:
    """Return the models that the files of this deployment declare."""
    return read_declared(DEFS_FOLDER).models


def applications_in_files() -> Sequence[ApplicationDeclaration]:
    """Return the applications that the files of this deployment declare."""
    return read_declared(DEFS_FOLDER).applications


@dataclass(frozen=True)
class Platform(DeploymentParts, ModelPlatform):
    """All ports of one job board, as one model and one application see it; adapters are made when first asked for.

    `declared` are the models of the deployment and `declared_applications` its applications, by default those of its
    `defs.yaml` files; no `application_name` is the first one. `story` is what happens in its market, by default that of
    the settings.
    """

    policies: Policies
    model_name: str = JOB_APPLICATIONS
    declared: Sequence[Declaration] = field(default_factory=models_in_files)
    application_name: str = ""
    declared_applications: Sequence[ApplicationDeclaration] = field(default_factory=applications_in_files)
    story: Story | None = None

    own_types = OWN_EVENT_TYPES
    label_types = LABEL_EVENT_TYPES
    feedback = FEEDBACK
    _unnamed_model = JOB_APPLICATIONS

    def of_model(self, name: str) -> Platform:
        """Return this platform as a model sees it: record, versions, decisions, tables and reports are its own.

        Ports are shared.
        """
        return self._view(name, self.application_name)

    def of_application(self, name: str) -> Platform:
        """Return this platform as an application sees it: plans are its own. Ports are shared."""
        if name in ("", self.application.name):
            return self
        return self._view(self.model_name, name)

    def _view(self, model_name: str, application_name: str) -> Platform:
        key = (model_name, application_name)
        if key not in self._views:
            view = replace(self, model_name=model_name, application_name=application_name)
            vars(view)[WHOLE] = vars(self).get(WHOLE, self)
            self._views[key] = view
        return self._views[key]

    @shared_port
    def _views(self) -> dict[tuple[str, str], Platform]:
        return {(self.model_name, self.application_name): self}

    @shared_port
    def applications(self) -> tuple[Application, ...]:
        """All applications, the first one before the others."""
        budget = self.settings.texts_per_day
        return tuple(within_budget(one, budget) for one in applications_of(self.policies, self.declared_applications))

    @cached_property
    def application(self) -> Application:
        """The application whose view this is. Raises InvalidInputError naming the known ones."""
        if not self.application_name:
            return self.applications[0]
        return application_named(self.applications, self.application_name)

    @cached_property
    def application_tables(self) -> TableStore:
        """Plans of the application; those of the first are where they were when there was one."""
        if self.application.name == JOB_OF_THE_DAY:
            return self.tables
        return TableStore(self.lake, f"of_applications/{self.application.name}/", f"{self.application.name}/")

    @shared_port
    def models(self) -> tuple[Model, ...]:
        """All models, the first one before the others."""
        return models_of(self.policies, self.declared)

    @cached_property
    def model(self) -> Model:
        """The model whose view this is. Raises InvalidInputError naming the known ones."""
        return model_named(self.policies, self.model_name, self.declared)

    @property
    def declared_names(self) -> Sequence[str]:
        """The models of the deployment, the first one first."""
        return [model.name for model in self.models]

    @property
    def environment(self) -> str:  # type: ignore[override]
        """What a model that leaves this home says of where it comes from."""
        return self.settings.environment

    @cached_property
    def model_tables(self) -> TableStore:
        """Daily tables and reports of the model; those of the first are where they were when there was one."""
        if self.model_name == JOB_APPLICATIONS:
            return self.tables
        return TableStore(self.lake, f"{OF_MODELS}/{self.model_name}/")

    @property
    def start_date(self) -> date:
        """The first day of history."""
        return self.settings.start_date

    @property
    def first_run_day(self) -> date:
        """The day after history."""
        return self.settings.first_lived_date

    def has_ended(self, day: date) -> bool:
        """Return whether messages were planned for a day."""
        return self.tables.has_report(PLAN_REPORT, day)

    def act_times(self) -> Sequence[datetime]:
        """Return when sending was paused or resumed: the ledger knows before the log does."""
        return [at for at in self.ledger.switches()["at"].to_pylist() if at is not None]

    def require_landed(self, day: date | None = None) -> None:
        """Raise NotFoundError unless `day` has landed; None asks whether any day has."""
        require_landed(self.settings, self.newest_landed_day(), day)

    def late_feedback_days(self, first: date, last: date) -> frozenset[date]:
        """Return the days of [first, last] on which clicks were late."""
        return late_feedback_days(self.event_log, self.tables, first, last)

    @property
    def head_stores(self) -> Sequence[HeadStore]:
        """Where heads are kept: outside the lake, then in the ledger."""
        return (self.head_store, self.ledger.heads)

    def ledger_positions(self) -> Mapping[str, int]:
        """Return how far the ledger's sequences have come."""
        return self.ledger.positions()

    def ledger_on_record(self) -> tuple[SqlLedger | None, Mapping[str, str]]:
        """Return the ledger, if there is one, and the provider of each channel: asking makes none."""
        return (self.ledger if self.has_ledger else None), self.providers

    def _record_files(self, keys: Sequence[str]) -> None:
        self.ledger.record_files(keys)

    def pinned_heads(self) -> Sequence[HeadStore]:
        """Return the stores of heads that exist: asking makes no ledger."""
        return self.head_stores if self.has_ledger else (self.head_store,)

    @shared_port
    def landed(self) -> LandingArea:
        """What exporters left, for those who read it."""
        place = self.settings.landing_place
        if isinstance(place, Bucket):
            return LandingBucket(place)
        return LandingFolder(place if self.settings.landing else self.landing.root or place)

    @shared_port
    def cage(self) -> DecodingCage:
        """The process that decodes what exporters left."""
        return DecodingCage(self.policies.landing)

    @shared_port
    def panels(self) -> PanelStore:
        """Rankings by recruiters."""
        return PanelStore(self.lake, self.event_log)

    @shared_port
    def warehouse(self) -> DuckDBWarehouse:
        """The marts."""
        self.fetch_warehouse()
        return DuckDBWarehouse(self.settings.warehouse_path, marts=marts_of(self.models))

    @property
    def people(self) -> PeopleRegister:
        """Who is behind an account, by the present key."""
        return PeopleRegister(self.ledger, self.contacts, key=self.number_key, books=self.address_books)

    @shared_port
    def outbox(self) -> LedgerOutbox:
        """From the ledger to the event log."""
        former = self.deployment.former_providers
        return LedgerOutbox(self.ledger, self.event_log, self.lake, providers=self.providers, former=former)

    def retraining_time(self, day: date) -> datetime:
        """Return when a retraining of partition `day` is decided: after every day that ran with the champion before.

        In real time a day may run while an earlier one still trains; what it was decided by stays what it was.
        """
        newest = day if self.is_simulated else max(day, self.newest_landed_day() or day)
        return super().retraining_time(newest)

    def ingest_at(self, day: date) -> Ingest:
        """Return the ingest of partition `day`.

        What arrives after later days were landed is known only since then, and what arrives after the day itself was
        scored only since it ran: its logged feature rows hold without it.
        """
        newest = self.newest_landed_day() or day
        now = run_time(newest)
        not_before: datetime | None = now
        if newest <= day:
            was_scored = bool(self.event_log.files("prediction", start=day, end=day))
            now, not_before = day_start(day), run_time(day) if was_scored else None
        return Ingest(
            self.landed,
            self.lake,
            SimulatedClock(now),
            cage=self.cage,
            policy=self.policies.landing,
            not_before=not_before,
            log=self.event_log,
        )

    def planned_items(self, day: date) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return message id -> items, of the plans of a day that are sent: those that are stored."""
        stored = [self.of_application(one.name).application_tables for one in self.applications if one.channel.is_sent]
        plans = [tables.read(PLAN_REPORT, day) for tables in stored if day in tables.days(PLAN_REPORT)]
        rows = [row for plan in plans for row in with_items(plan).select(["message_id", "items"]).to_pylist()]
        return {row["message_id"]: row["items"] for row in rows}

    def dispatcher(self, day: date, *, verify: Verify = nothing_approved) -> Dispatcher:
        """Return the application's dispatcher of a day, which begins at the time of sending.

        It can send only what `verify` finds approved; without, it reads receipts and replies.
        """
        pace = self.deployment.times.pace(self.sending_time(day))
        from mlife_assets.adapters.dispatcher import Checks, Dispatcher

        return Dispatcher(
            self.ledger,
            self.gateways[self.application.channel],
            self.people,
            self.application,
            self.policies.contact,
            Checks(
                recheck_of(self, self.application.channel, day),
                verify,
                self.settings.texts_per_day,
                self.is_sending_stopped,
            ),
            clock=pace.clock,
            sleep=pace.sleep,
        )
