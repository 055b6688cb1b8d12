"""The record of a deployment: the adapters of the ports that differ between deployments.

Concept: a port is a function that makes its adapter, so that reading the record opens no file and no connection. A home
calls each once and keeps the adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlife_assets.adapters.keyring import Keyring, Keys
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.warehouse import WarehouseCopy
from mlife_assets.core.checkup import Finding
from mlife_assets.core.ports import AlertChannel, EventSource, Measures, ObjectStore, SendingStop
from mlife_assets.deployments.keys import LogHeads, heads_in_folder
from mlife_assets.deployments.times import Times
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.mail.letterhead import Letterhead
from mlife_assets.recruiting.mail.mime import Stationery
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.ports import AddressBook, AuditAttributes, ContactBook, MessageGateway, TextsRecord
from mlife_assets.settings import Settings

if TYPE_CHECKING:
    from mlife_assets.adapters.aws.athena_marts import AthenaMarts
    from mlife_assets.adapters.send_ledger import SqlLedger
    from mlife_assets.deployments.embedded_world import EmbeddedWorld, Story


class Home(Protocol):
    """A home as its deployment sees it: settings, keys, and sent messages."""

    @property
    def settings(self) -> Settings:
        """Values from the environment."""

    @property
    def policies(self) -> Policies:
        """Business and scientific choices."""

    @property
    def story(self) -> Story | None:
        """Events of a simulated world; None for those of the settings."""

    @property
    def private_folder(self) -> Path:
        """Folder of personal data, readable to the owner only."""

    @property
    def keyring(self) -> Keys:
        """Keys of this home."""

    @property
    def number_key(self) -> bytes:
        """The key of number hashes."""

    @property
    def letterhead(self) -> Letterhead:
        """Sender of mails."""

    @property
    def stationery(self) -> Stationery:
        """Maker of mails."""

    @property
    def landing(self) -> ObjectStore:
        """Place for exporters' files."""

    @property
    def ledger(self) -> SqlLedger:
        """Record of every send."""

    @property
    def world(self) -> EmbeddedWorld:
        """The simulated market. Raises InvalidInputError without one."""

    def planned_items(self, day: date) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return message id -> items, of a day's plans that are sent."""


@dataclass(frozen=True)
class Services:
    """Storage of a home: files of its own, or services if the home ends with its task.

    Attributes:
        database: returns the address of the ledger's database, which holds no password; None for a file of the home.
        keyring, number_key: make the keys of the deployment, and that of number hashes.
        heads: makes signed heads of the event log.
        alert_channel: makes the destination of alerts; None if they are only stored.
        warehouse: makes the transfer that fetches the warehouse and puts it back; None if it lasts.
        marts: makes the publisher of marts to Athena; None without one.
        measures: makes the publisher of metrics for alarms; None if gauges show them.
        sending_stop: makes the switch that stops every send; None without one.
    """

    lake: Callable[[], ObstoreObjectStore]
    database: Callable[[], str | None]
    keyring: Callable[[], Keys]
    number_key: Callable[[], bytes]
    heads: Callable[[], LogHeads]
    alert_channel: Callable[[], AlertChannel | None]
    warehouse: Callable[[], WarehouseCopy] | None = None
    marts: Callable[[], AthenaMarts] | None = None
    measures: Callable[[], Measures] | None = None
    sending_stop: Callable[[], SendingStop] | None = None

    def measure(self, name: str, value: float) -> None:
        if self.measures is not None:
            self.measures().report(name, value)

    def is_sending_stopped(self) -> bool:
        return self.sending_stop is not None and self.sending_stop().is_stopped()


@dataclass(frozen=True)
class Deployment:
    """The adapter behind each port, and the source of time.

    Attributes:
        times: times of sends and people's acts.
        market: makes the simulated market; None in a real world.
        event_source: makes the source of landing files; None if others deliver them.
        contacts: makes the directory of phone numbers.
        address_books: makes the directories of the addresses of other channels.
        audit_attributes: makes the restricted table of protected attributes.
        texts, mails: make the providers of the two sending channels.
        texts_record: makes the provider's record of texts; None if it is not accessible.
        former_texts_record: the same of an earlier rehearsal, whose numbers are still erased.
        providers: channel -> name of its provider, known without opening it.
        former_providers: the same for providers at the time of earlier events.
        silent: channel -> why this process cannot send by it; replies and receipts are still read.
        services: replacement of the home's files; None if the home lasts.
        look: returns findings on the owner's inputs, for `mlife doctor`; None without checks.
        require: raises if a named input is unusable: TransientError if it may work later.
        looks: checks of its services by setting; they write nothing.
        is_simulated: whether the people are made up, as in our embedded deployment alone.
    """

    times: Times
    market: Callable[[], EmbeddedWorld] | None
    event_source: Callable[[], EventSource] | None
    contacts: Callable[[], ContactBook]
    address_books: Callable[[], Mapping[Channel, AddressBook]]
    audit_attributes: Callable[[], AuditAttributes]
    texts: Callable[[], MessageGateway]
    mails: Callable[[], MessageGateway]
    texts_record: Callable[[], TextsRecord] | None
    providers: Mapping[Channel, str]
    former_providers: tuple[Mapping[Channel, str], ...] = ()
    former_texts_record: Callable[[], TextsRecord] | None = None
    silent: Mapping[Channel, str] = field(default_factory=dict)
    services: Services | None = None
    look: Callable[[], Sequence[Finding]] | None = None
    require: Callable[[], object] = lambda: None
    looks: Sequence[tuple[str, Callable[[], object]]] = ()
    is_simulated: bool = False


def services_of(home: Home) -> Services:
    """Return the storage of a home, without creating anything."""
    settings = home.settings

    def number_key() -> bytes:
        key = settings.owner.hash_key
        return home.keyring.key("numbers") if key is None else key.get_secret_value().encode()

    def alert_channel() -> AlertChannel | None:
        if settings.owner.alert_webhook is None:
            return None
        from mlife_assets.adapters.alert_webhook import AlertWebhook

        return AlertWebhook(settings.owner.alert_webhook)

    return Services(
        lake=lambda: ObstoreObjectStore.at(settings.places.lake),
        database=lambda: None if settings.owner.database is None else settings.owner.database.get_secret_value(),
        keyring=lambda: Keyring(home.private_folder / "keys", seed=settings.key_seed),
        number_key=number_key,
        heads=lambda: heads_in_folder(settings.private_folder, lambda: home.keyring),
        alert_channel=alert_channel,
    )
