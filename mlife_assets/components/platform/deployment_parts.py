"""The ports that differ by deployment: exporters, directories of people, providers, time.

Concept: whoever asks for a file of the ledger has the whole folder narrowed first, so that no part of it is
opened while another is still readable to others. A database is one home's: another would count and publish its sends.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlife_assets.adapters.keyring import Keys
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.private_files import private_file, private_tree
from mlife_assets.components.platform.home_keys import HomeKeys
from mlife_assets.components.platform.model_platform import OPERATOR_DELAY
from mlife_assets.components.platform.shared_port import shared_port
from mlife_assets.core.errors import IntegrityError, InvalidInputError, NotFoundError
from mlife_assets.core.ports import AlertChannel, EventSource, HeadPins, HeadSigner, HeadStore
from mlife_assets.core.windows import run_time
from mlife_assets.deployments.chosen import deployment_of
from mlife_assets.deployments.record import Deployment, Services
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.mail.letterhead import Letterhead
from mlife_assets.recruiting.mail.mime import Stationery
from mlife_assets.recruiting.messaging.bodies import Stamps
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.ports import (
    AddressBook,
    AuditAttributes,
    ContactBook,
    MessageGateway,
    TextsRecord,
)
from mlife_assets.settings import Settings

if TYPE_CHECKING:
    from mlife_assets.adapters.aws.athena_marts import PublishedMart
    from mlife_assets.adapters.send_ledger import SqlLedger
    from mlife_assets.adapters.warehouse import DuckDBWarehouse
    from mlife_assets.deployments.embedded_world import EmbeddedWorld, Story

MAIL_KEY = "mail"
SEND_DELAY = timedelta(minutes=5)
OUTCOMES_DELAY = timedelta(hours=3)


@dataclass(frozen=True)
class PrivateParts(HomeKeys):
    """The private ports of one job board; adapters are made when first asked for."""

    settings: Settings

    @shared_port
    def private_folder(self) -> Path:
        """Where people's data and keys are; the home says which deployment it is of before the first is made."""
        self.settings.remember_deployment()
        return private_tree(self.settings.private_folder)

    @property
    def link_key(self) -> bytes:
        """The key of link tokens."""
        return self.keyring.key("links")

    @property
    def number_key(self) -> bytes:
        """The key of number hashes, on which nothing else depends: the setting's, else this home's own."""
        key = self.settings.hash_key
        return self.keyring.key("numbers") if key is None else key.get_secret_value().encode()

    @property
    def is_put_back(self) -> bool:
        """Whether the home was restored: days since its backup may have been sent by one that is gone."""
        from mlife_assets.adapters.restored_backups import RESTORED

        return (self.settings.private_folder / RESTORED).exists()

    @property
    def database(self) -> str | None:
        """The address of the database, None where the ledger is a file of the home."""
        address = self.settings.database
        return None if address is None else address.get_secret_value()

    @shared_port
    def ledger(self) -> SqlLedger:
        """Every send: in the database of the settings, else in a file of the home."""
        from mlife_assets.adapters.ledger_file import LEDGER_FILE
        from mlife_assets.adapters.postgresql import LEDGER_SCHEMA, open_schema
        from mlife_assets.adapters.send_ledger import SqlLedger

        if self.database is not None:
            ledger = SqlLedger(open_schema(self.database, LEDGER_SCHEMA))
            self.require_our_ledger(ledger)
            return ledger
        path = private_file(self.private_folder / LEDGER_FILE)
        # A real person says STOP once; in a simulated world the console forgets as much as the ledger.
        return SqlLedger(f"sqlite:///{path}", survives_power_cut=self.settings.key_seed is None)

    def require_our_ledger(self, ledger: SqlLedger) -> None:
        """Close a ledger and raise IntegrityError when it is another home's: the first signed heads differ."""
        first = {head for store in (self.head_store, ledger.heads) if (head := _first_head(store)) is not None}
        if len(first) > 1:
            ledger.close()
            raise IntegrityError(
                "the ledger in the database of MLIFE_DATABASE is another home's, or its first head was rewritten; name "
                f"the database of {self.settings.home} in MLIFE_DATABASE: no two homes share one"
            )

    @property
    def has_ledger(self) -> bool:
        """Whether there is a ledger; asking makes none."""
        from mlife_assets.adapters.ledger_file import LEDGER_FILE
        from mlife_assets.adapters.postgresql import LEDGER_SCHEMA, holds_tables

        if self.database is not None:
            return holds_tables(self.database, LEDGER_SCHEMA)
        return (self.settings.private_folder / LEDGER_FILE).exists()


def _first_head(store: HeadStore) -> bytes | None:
    try:
        return store.get(0)
    except NotFoundError:
        return None


class MailParts(PrivateParts):
    """What mails are made with."""

    policies: Policies

    @property
    def mail_key(self) -> bytes:
        """The key of unsubscribe tokens and of the ids of mails."""
        return self.keyring.key(MAIL_KEY)

    @shared_port
    def letterhead(self) -> Letterhead:
        """Who sends mails: whom the owner named, else whom the policies name.

        Raises:
            NotFoundError, InvalidInputError: the owner's file is not there, or not as it must be.
        """
        return self.settings.own_letterhead() or self.policies.letterhead

    @property
    def stamps(self) -> Stamps:
        """What all messages bear: who sends, and the keys of what leads back."""
        return Stamps(self.link_key, mail_key=self.mail_key, letterhead=self.letterhead)

    @property
    def stationery(self) -> Stationery:
        """What makes mails."""
        return Stationery(self.letterhead, self.mail_key)


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
                f"MLIFE_DEPLOYMENT is {self.settings.deployment}, which has no market; unset it to simulate one"
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
