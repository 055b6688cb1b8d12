"""The ports of a job board: its home, and each application's view.

Concept: differences between deployments (delivery, providers, clock) are one record (`record.Deployment`); all else is
wired here, alike in each. A view names an application, and shares the home.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, cast

from mlife_assets.adapters.cage import DecodingCage
from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.adapters.dispatcher.reports import Verify
from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.instance_files import read_declared
from mlife_assets.adapters.landing import Ingest
from mlife_assets.adapters.landing_areas import LandingBucket, LandingFolder
from mlife_assets.adapters.ledger_outbox import LedgerOutbox
from mlife_assets.adapters.marts import DatedMarts, KeptMarts
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.panel_store import PanelStore
from mlife_assets.adapters.people_register import PeopleRegister
from mlife_assets.adapters.private_files import private_file
from mlife_assets.adapters.tables import OF_MODELS, TableStore
from mlife_assets.adapters.warehouse import DuckDBWarehouse, marts_of
from mlife_assets.core.errors import IntegrityError, InvalidInputError, NotFoundError
from mlife_assets.core.landed_names import LandingArea
from mlife_assets.core.model import Model
from mlife_assets.core.ports import AlertChannel, EventSource, HeadStore
from mlife_assets.core.storage_places import Bucket
from mlife_assets.core.windows import day_start, run_time
from mlife_assets.deployment_settings import holds_market
from mlife_assets.deployments.chosen import deployment_of
from mlife_assets.deployments.landed_days import PLAN_REPORT, BoardDays
from mlife_assets.deployments.ports import HomePorts, ModelPorts, PrivateThings
from mlife_assets.deployments.recipients import recheck_of
from mlife_assets.deployments.record import Deployment, Services, services_of
from mlife_assets.deployments.times import DayTimes
from mlife_assets.recruiting.application import Application, Channel
from mlife_assets.recruiting.events import JOB_APPLICATIONS
from mlife_assets.recruiting.instances import (
    ApplicationDeclaration,
    Declaration,
    application_named,
    applications_of,
    model_named,
    models_of,
    within_budget,
)
from mlife_assets.recruiting.mail.letterhead import Letterhead
from mlife_assets.recruiting.mail.mime import Stationery
from mlife_assets.recruiting.messaging.approve import nothing_approved
from mlife_assets.recruiting.messaging.bodies import Stamps
from mlife_assets.recruiting.messaging.plan import with_items
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.ports import AddressBook, AuditAttributes, ContactBook, MessageGateway, TextsRecord
from mlife_assets.settings import DEFS_FOLDER, Settings, own_letterhead

if TYPE_CHECKING:
    from mlife_assets.adapters.dispatcher.sending import Dispatcher
    from mlife_assets.adapters.send_ledger import SqlLedger
    from mlife_assets.deployments.embedded_world import EmbeddedWorld, Story


@dataclass(frozen=True)
class BoardThings(PrivateThings):
    """The private parts of a job board; also an input of its deployment (`record.Home`)."""

    settings: Settings
    policies: Policies
    story: Story | None
    home: BoardHome

    @property
    def number_key(self) -> bytes:
        return self.home.services.number_key()

    @property
    def link_key(self) -> bytes:
        return self.keyring.key("links")

    @property
    def mail_key(self) -> bytes:
        return self.keyring.key("mail")

    @cached_property
    def letterhead(self) -> Letterhead:
        """Sender of mails: the owner's, else the policies'. Raises NotFoundError or InvalidInputError on a bad file."""
        return own_letterhead(self.settings) or self.policies.letterhead

    @property
    def stamps(self) -> Stamps:
        return Stamps(self.link_key, mail_key=self.mail_key, letterhead=self.letterhead)

    @property
    def stationery(self) -> Stationery:
        return Stationery(self.letterhead, self.mail_key)

    @property
    def landing(self) -> ObstoreObjectStore:
        return self.home.intake.folder

    @cached_property
    def audit_attributes(self) -> AuditAttributes:
        """Protected attributes; only `components.model.fairness` may use them."""
        return self.home.deployment.audit_attributes()

    @property
    def ledger(self) -> SqlLedger:
        return self.home.ledger

    @property
    def world(self) -> EmbeddedWorld:
        return self.home.intake.world

    def planned_items(self, day: date) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        sent = [one.name for one in self.home.applications if one.channel.is_sent]
        stored = [application_tables(self.home, name) for name in sent]
        plans = [tables.read(PLAN_REPORT, day) for tables in stored if day in tables.days(PLAN_REPORT)]
        rows = [row for plan in plans for row in with_items(plan).select(["message_id", "items"]).to_pylist()]
        return {row["message_id"]: row["items"] for row in rows}


@dataclass(frozen=True)
class Intake:
    """Deliveries: their source, place and decoder."""

    home: BoardHome

    @cached_property
    def folder(self) -> ObstoreObjectStore:
        return ObstoreObjectStore.local(self.home.settings.places.landing_folder)

    @cached_property
    def area(self) -> LandingArea:
        """Port of the exporters' files for readers."""
        place = self.home.settings.places.landing
        if isinstance(place, Bucket):
            return LandingBucket(place)
        return LandingFolder(place if self.home.settings.owner.landing else self.folder.root or place)

    @cached_property
    def cage(self) -> DecodingCage:
        return DecodingCage(self.home.policies.landing)

    @cached_property
    def source(self) -> EventSource | None:
        make = self.home.deployment.event_source
        return None if make is None else make()

    @cached_property
    def world(self) -> EmbeddedWorld:
        """The simulated market. Raises InvalidInputError without one."""
        make = self.home.deployment.market
        if make is None:
            raise InvalidInputError(
                f"MLIFE_DEPLOYMENT is {self.home.settings.deployment}, which has no market; unset it to simulate one"
            )
        return make()

    def event_of_day(self, number: int) -> str:
        return "" if self.home.deployment.market is None else self.world.story.events.get(number, "")

    def deliver(self, day: date) -> None:
        """Ensure that the landing files of `day` exist, if this deployment delivers them."""
        settings = self.home.settings
        settings.memory.keep_deployment()
        if self.source is not None:
            if not holds_market(settings.home):  # another process, or another release, continues this world
                settings.memory.keep_world()
            self.source.deliver(day)

    def ingest_at(self, day: date) -> Ingest:
        """Return the ingest of partition `day`.

        Files that arrive after later days landed count only from then on, and files that arrive after the day was
        scored only from its run on: its logged feature rows lack them.
        """
        newest = self.home.days.newest() or day
        now = run_time(newest)
        not_before: datetime | None = now
        if newest <= day:
            was_scored = bool(self.home.event_log.files("prediction", start=day, end=day))
            now, not_before = day_start(day), run_time(day) if was_scored else None
        return Ingest(
            self.area,
            self.home.lake,
            SimulatedClock(now),
            cage=self.cage,
            policy=self.home.policies.landing,
            not_before=not_before,
            log=self.home.event_log,
        )


@dataclass(frozen=True)
class Messengers:
    """Providers, recipients and the record of messages."""

    home: BoardHome

    @cached_property
    def gateways(self) -> Mapping[Channel, MessageGateway]:
        return {Channel.SMS: self.texts, Channel.EMAIL: self.mails}

    @cached_property
    def texts(self) -> MessageGateway:
        return self.home.deployment.texts()

    @cached_property
    def mails(self) -> MessageGateway:
        return self.home.deployment.mails()

    @property
    def texts_record(self) -> TextsRecord | None:
        record = self.home.deployment.texts_record
        return None if record is None else record()

    @cached_property
    def contacts(self) -> ContactBook:
        return self.home.deployment.contacts()

    @cached_property
    def address_books(self) -> Mapping[Channel, AddressBook]:
        return self.home.deployment.address_books()

    @cached_property
    def alert_channel(self) -> AlertChannel | None:
        return self.home.services.alert_channel()

    @property
    def people(self) -> PeopleRegister:
        key = self.home.private.number_key
        return PeopleRegister(self.home.ledger, self.contacts, key=key, books=self.address_books)

    @cached_property
    def outbox(self) -> LedgerOutbox:
        """Publisher from the ledger to the event log."""
        home = self.home
        former = [_by_name(one) for one in home.deployment.former_providers]
        return LedgerOutbox(home.ledger, home.event_log, home.lake, providers=home.providers, former=former)


@dataclass(frozen=True)
class BoardHome(HomePorts):
    """The ports of one job board, made on first use; models and applications are those of `defs.yaml` files."""

    settings: Settings
    policies: Policies
    declared: Sequence[Declaration] = field(default_factory=lambda: read_declared(DEFS_FOLDER).models)
    declared_applications: Sequence[ApplicationDeclaration] = field(
        default_factory=lambda: read_declared(DEFS_FOLDER).applications
    )
    story: Story | None = None

    @cached_property
    def private(self) -> BoardThings:
        """The private parts of the home, whose deployment is recorded before the first is made."""
        return BoardThings(
            settings=self.settings,
            prepare=self.settings.memory.keep_deployment,
            make_keyring=lambda: self.services.keyring(),
            make_heads=lambda: self.services.heads(),
            policies=self.policies,
            story=self.story,
            home=self,
        )

    @cached_property
    def deployment(self) -> Deployment:
        return deployment_of(self.private)

    @cached_property
    def services(self) -> Services:
        return self.deployment.services or services_of(self.private)

    @cached_property
    def lake(self) -> ObstoreObjectStore:
        return self.services.lake()

    @property
    def times(self) -> DayTimes:
        return DayTimes(self.deployment.times)

    @property
    def days(self) -> BoardDays:
        simulated = self.deployment.is_simulated
        return BoardDays(self.settings, simulated, lambda: self.tables, lambda: self.event_log, self._switches)

    def _switches(self) -> Sequence[datetime]:
        return [at for at in self.ledger.switches.rows()["at"].to_pylist() if at is not None]

    @cached_property
    def intake(self) -> Intake:
        return Intake(self)

    @cached_property
    def messengers(self) -> Messengers:
        return Messengers(self)

    @property
    def providers(self) -> Mapping[str, str]:
        return _by_name(self.deployment.providers)

    @cached_property
    def ledger(self) -> SqlLedger:
        """Record of every send: in the deployment's database, else in a file of the home."""
        from mlife_assets.adapters.backups import LEDGER_FILE
        from mlife_assets.adapters.postgresql import LEDGER_SCHEMA, open_schema
        from mlife_assets.adapters.send_ledger import SqlLedger

        if (database := self.services.database()) is not None:
            ledger = SqlLedger(open_schema(database, LEDGER_SCHEMA))
            if self.deployment.services is None:  # a deployment with services has one ledger, by address
                require_our_ledger(ledger, self.private.heads.store, self.settings)
            return ledger
        path = private_file(self.private.private_folder / LEDGER_FILE)
        # A real person says STOP once; in a simulated world the console forgets with the ledger.
        return SqlLedger(f"sqlite:///{path}", survives_power_cut=self.settings.key_seed is None)

    def _has_ledger(self) -> bool:
        from mlife_assets.adapters.backups import LEDGER_FILE
        from mlife_assets.adapters.postgresql import LEDGER_SCHEMA, holds_tables

        if (database := self.services.database()) is not None:
            return holds_tables(database, LEDGER_SCHEMA)
        return (self.settings.private_folder / LEDGER_FILE).exists()

    def ledger_if(self, *, is_made: bool) -> SqlLedger | None:
        return self.ledger if is_made or self._has_ledger() else None

    @cached_property
    def models(self) -> tuple[Model, ...]:
        return models_of(self.policies, self.declared)

    @property
    def model_names(self) -> Sequence[str]:
        return [model.name for model in self.models]

    @cached_property
    def applications(self) -> tuple[Application, ...]:
        budget = self.settings.messages.texts_per_day
        return tuple(within_budget(one, budget) for one in applications_of(self.policies, self.declared_applications))

    @cached_property
    def warehouse(self) -> DuckDBWarehouse:
        """The marts; for a home that ends with its task, fetched from the previous task if missing."""
        if self.services.warehouse is not None:
            self.services.warehouse().fetch()
        return DuckDBWarehouse(self.settings.places.warehouse, marts=marts_of(self.models))

    @cached_property
    def _views(self) -> dict[str, ModelPorts]:
        return {}

    def of_model(self, name: str = "") -> ModelPorts:
        name = name or JOB_APPLICATIONS
        if name not in self._views:
            is_first = name == JOB_APPLICATIONS  # its files stay where they were before there were several
            place = f"{OF_MODELS}/{name}/"
            self._views[name] = ModelPorts(
                self,
                name,
                self.days,
                declared=cache(lambda: model_named(self.policies, name, self.declared)),
                make_tables=lambda: self.tables if is_first else TableStore(self.lake, place),
                make_marts=lambda: self.warehouse,
                is_unnamed=is_first,
            )
        return self._views[name]


def _by_name(providers: Mapping[Channel, str]) -> Mapping[str, str]:
    return {channel.value: name for channel, name in providers.items()}


def application_tables(home: BoardHome, name: str) -> TableStore:
    """Return the table store of an application's plans; the first's stay where they were before there were several."""
    if name == JOB_OF_THE_DAY:
        return home.tables
    return TableStore(home.lake, f"of_applications/{name}/", f"{name}/")


def require_our_ledger(ledger: SqlLedger, store: HeadStore, settings: Settings) -> None:
    """Close a ledger and raise IntegrityError if it is another home's: the first signed heads differ."""
    first = {head for one in (store, ledger.heads) if (head := _first_head(one)) is not None}
    if len(first) > 1:
        ledger.close()
        raise IntegrityError(
            "the ledger in the database of MLIFE_DATABASE is another home's, or its first head was rewritten; name "
            f"the database of {settings.home} in MLIFE_DATABASE: no two homes share one"
        )


def _first_head(store: HeadStore) -> bytes | None:
    try:
        return store.get(0)
    except NotFoundError:
        return None


@dataclass(frozen=True)
class BoardPorts:
    """The ports of one job board, as one application sees it; a run reads each row of marts once."""

    home: BoardHome
    application_name: str = ""
    run_id: str = ""

    @property
    def settings(self) -> Settings:
        return self.home.settings

    @property
    def policies(self) -> Policies:
        return self.home.policies

    @property
    def deployment(self) -> Deployment:
        return self.home.deployment

    @property
    def lake(self) -> ObstoreObjectStore:
        return self.home.lake

    @property
    def event_log(self) -> ParquetEventLog:
        return self.home.event_log

    @property
    def ledger(self) -> SqlLedger:
        return self.home.ledger

    @property
    def tables(self) -> TableStore:
        return self.home.tables

    @property
    def warehouse(self) -> DatedMarts | KeptMarts:
        return self.of_model().warehouse

    @property
    def times(self) -> DayTimes:
        return self.home.times

    @property
    def days(self) -> BoardDays:
        return self.home.days

    def of_application(self, name: str) -> BoardPorts:
        return replace(self, application_name=name or self.application_name)

    def of_model(self, name: str = "") -> ModelPorts:
        ports = self.home.of_model(name)
        return replace(ports, run_id=self.run_id) if self.run_id else ports

    def in_run(self, run_id: str) -> BoardPorts:
        self.of_model().in_run(run_id)
        return replace(self, run_id=run_id)

    @property
    def application(self) -> Application:
        """The application of this view. Raises InvalidInputError naming the known ones."""
        if not self.application_name:
            return self.home.applications[0]
        return application_named(self.home.applications, self.application_name)

    @property
    def application_tables(self) -> TableStore:
        return application_tables(self.home, self.application.name)

    @property
    def panels(self) -> PanelStore:
        return PanelStore(self.lake, self.event_log)

    def dispatcher(self, day: date, *, verify: Verify = nothing_approved) -> Dispatcher:
        """Return the application's dispatcher of a day; without `verify` it only reads receipts and replies."""
        from mlife_assets.adapters.dispatcher.reports import Checks
        from mlife_assets.adapters.dispatcher.sending import Dispatcher

        channel, pace = self.application.channel, self.deployment.times.pace(self.times.sending(day))
        checks = Checks(
            recheck_of(self.of_model(), channel, day),
            verify,
            self.settings.messages.texts_per_day,
            self.home.services.is_sending_stopped,
        )
        return Dispatcher(
            self.ledger,
            self.home.messengers.gateways[channel],
            self.home.messengers.people,
            self.application,
            self.policies.contact,
            checks,
            clock=pace.clock,
            sleep=pace.sleep,
        )


def board_ports(settings: Settings, policies: Policies | None = None, **stated: Any) -> BoardPorts:
    """Return the ports of a job board; `stated` as in `BoardHome`."""
    return BoardPorts(BoardHome(settings, policies or settings.policies(), **stated))


def board_of(model: ModelPorts) -> BoardPorts:
    return BoardPorts(cast(BoardHome, model.home))
