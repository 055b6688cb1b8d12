"""The ports that differ by deployment: exporters, directories of people, providers, time.

Belongs here: asking the deployment's record for each. Does not belong here: filling the record (`deployments`), every
other port (`resources`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlife_assets.adapters.keyring import Keys
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.components.platform.mail_parts import MailParts
from mlife_assets.components.platform.model_platform import OPERATOR_DELAY
from mlife_assets.components.platform.shared_port import shared_port
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ports import AlertChannel, EventSource, HeadPins, HeadSigner, HeadStore
from mlife_assets.core.windows import run_time
from mlife_assets.deployments.chosen import deployment_of
from mlife_assets.deployments.record import Deployment, Services
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.ports import (
    AddressBook,
    AuditAttributes,
    ContactBook,
    MessageGateway,
    TextsRecord,
)

if TYPE_CHECKING:
    from mlife_assets.adapters.aws.athena_marts import PublishedMart
    from mlife_assets.adapters.send_ledger import SqlLedger
    from mlife_assets.adapters.warehouse import DuckDBWarehouse
    from mlife_assets.deployments.embedded_world import EmbeddedWorld, Story

SEND_DELAY = timedelta(minutes=5)
OUTCOMES_DELAY = timedelta(hours=3)


class DeploymentParts(MailParts):
    """The ports whose adapters the deployment names."""

    story: Story | None

    @shared_port
    def deployment(self) -> Deployment:
        """Which adapter stands behind which port."""
        return deployment_of(self)

    @property
    def services(self) -> Services | None:
        """What takes the place of files of the home; None where the home lasts."""
        return self.deployment.services

    @shared_port
    def lake(self) -> ObstoreObjectStore:
        """Events, artifacts, tables and reports."""
        return ObstoreObjectStore.at(self.settings.lake_place) if self.services is None else self.services.lake()

    @property
    def database(self) -> str | None:
        """The address of the ledger's database, None where it is a file of the home."""
        return super().database if self.services is None else self.services.database()

    @shared_port
    def keyring(self) -> Keys:
        """Keys of this deployment."""
        return super().keyring if self.services is None else self.services.keyring()

    @property
    def number_key(self) -> bytes:
        """The key of number hashes."""
        return super().number_key if self.services is None else self.services.number_key()

    @shared_port
    def head_store(self) -> HeadStore:
        """Where signed heads of the event log are kept."""
        return super().head_store if self.services is None else self.services.head_store()

    @shared_port
    def head_pins(self) -> HeadPins:
        """The public keys that may sign heads."""
        return super().head_pins if self.services is None else self.services.head_pins()

    def head_signer(self, generation: int) -> HeadSigner:
        """Return who signs heads after so many rotations of the key."""
        return super().head_signer(generation) if self.services is None else self.services.head_signer(generation)

    def require_our_ledger(self, ledger: SqlLedger) -> None:
        """Raise IntegrityError where a ledger is another home's; a deployment with services has one, by its address."""
        if self.services is None:
            super().require_our_ledger(ledger)

    @shared_port
    def alert_channel(self) -> AlertChannel | None:
        """Whom alerts are sent to; None where they are only kept."""
        if self.services is not None:
            return self.services.alert_channel()
        url = self.settings.alert_webhook
        if url is None:
            return None
        from mlife_assets.adapters.alert_webhook import AlertWebhook

        return AlertWebhook(url)

    def fetch_warehouse(self) -> None:
        """Fetch the warehouse of the task before, where a home ends with its task and this one has none yet."""
        if self.services is not None:
            self.services.warehouse().fetch()

    def put_warehouse_back(self) -> None:
        """Put what was built where the next task finds it, where a home ends with its task."""
        if self.services is not None:
            self.services.warehouse().put_back()

    def publish_marts(self, warehouse: DuckDBWarehouse, names: Sequence[str]) -> list[PublishedMart]:
        """Let the catalogue of the deployment have marts of the warehouse, too; nothing where it has none."""
        return [] if self.services is None else self.services.marts().publish(warehouse, names)

    def measure(self, name: str, value: float) -> None:
        """Hand a number to whoever watches it; nobody does where the home lasts, which has gauges."""
        if self.services is not None:
            self.services.measures().report(name, value)

    def is_sending_stopped(self) -> bool:
        """Return whether a switch outside of everything that runs stops every send."""
        return self.services is not None and self.services.sending_stop().is_stopped()

    @shared_port
    def landing(self) -> ObstoreObjectStore:
        """Where exporters put their files."""
        return ObstoreObjectStore.local(self.settings.landing_folder)

    @shared_port
    def world(self) -> EmbeddedWorld:
        """The simulated market. Raises InvalidInputError where there is none."""
        if self.deployment.market is None:
            raise InvalidInputError(
                f"MLIFE_DEPLOYMENT is {self.deployment.name}, which has no simulated market; unset it to work in one"
            )
        return self.deployment.market()

    @shared_port
    def contacts(self) -> ContactBook:
        """Phone numbers."""
        return self.deployment.contacts()

    @shared_port
    def address_books(self) -> Mapping[Channel, AddressBook]:
        """Addresses of channels other than texts."""
        return self.deployment.address_books()

    @shared_port
    def audit_attributes(self) -> AuditAttributes:
        """Protected attributes; `components.model.fairness` alone may ask for them."""
        return self.deployment.audit_attributes()

    @shared_port
    def event_source(self) -> EventSource | None:
        """What delivers raw events when a day asks for them; None where others deliver them."""
        return None if self.deployment.event_source is None else self.deployment.event_source()

    def deliver(self, day: date) -> None:
        """Make sure that the landing files of `day` are there, where that is this deployment's to do."""
        self.settings.remember_deployment()
        if self.event_source is not None:
            if not self.settings.is_home_of_a_market:  # another process, or another release, goes on with this world
                self.settings.remember_world()
            self.event_source.deliver(day)

    def event_of_day(self, number: int) -> str:
        """Return what happens in the simulated world on a day, 1 being the first; nobody says it of a real one."""
        return "" if self.deployment.market is None else self.world.story.events.get(number, "")

    @shared_port
    def gateway(self) -> MessageGateway:
        """The provider of text messages."""
        return self.deployment.texts()

    @shared_port
    def mailbox(self) -> MessageGateway:
        """The provider of mails."""
        return self.deployment.mails()

    @property
    def texts_record(self) -> TextsRecord | None:
        """What the provider of texts has on record; None where it keeps that to itself."""
        return None if self.deployment.texts_record is None else self.deployment.texts_record()

    @shared_port
    def gateways(self) -> Mapping[Channel, MessageGateway]:
        """The provider of each channel by which something is sent."""
        return {Channel.SMS: self.gateway, Channel.EMAIL: self.mailbox}

    @property
    def providers(self) -> Mapping[str, str]:
        """Channel -> name of its provider; asking opens none."""
        return self.deployment.providers

    @property
    def is_simulated(self) -> bool:
        """Whether the people are made up."""
        return self.deployment.is_simulated

    @property
    def clock_day(self) -> date:
        """The UTC day of the present where time is real; a simulated world has no present of its own."""
        return self.deployment.times.moment(self.settings.start_date, timedelta(0)).date()

    def planning_time(self, day: date) -> datetime:
        """Return when the plan of partition `day` is decided: at its nominal time, so planning again gives the same."""
        return run_time(day) + SEND_DELAY

    def sending_time(self, day: date) -> datetime:
        """Return when partition `day` starts to send, if it does so now."""
        return self.deployment.times.moment(day, SEND_DELAY)

    def outcomes_time(self, day: date) -> datetime:
        """Return until when replies and receipts of partition `day` are read."""
        return self.deployment.times.moment(day, OUTCOMES_DELAY)

    def act_time(self, newest: date) -> datetime:
        """Return when a person's act happens, `newest` being the newest day that was decided."""
        return self.deployment.times.moment(newest, OPERATOR_DELAY)

    def sealing_time(self, newest: date) -> datetime:
        """Return when a head is signed, `newest` being the newest day that landed."""
        return self.deployment.times.moment(newest, timedelta(0))

    @abstractmethod
    def planned_items(self, day: date) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return message id -> items, of the plans of a day that are sent: those that are stored."""
