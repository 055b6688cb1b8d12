"""What a deployment is: what stands behind the ports that differ from one to the next.

Concept: a port is a function that makes its adapter, since asking which deployment this is opens no file and no
connection. A home calls each once and keeps what it made.
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
    """What a home offers to its deployment: settings, keys, and what was sent from it."""

    @property
    def settings(self) -> Settings:
        """What the environment says."""

    @property
    def policies(self) -> Policies:
        """Business and scientific choices."""

    @property
    def story(self) -> Story | None:
        """What happens in a simulated world; None is what the settings say."""

    @property
    def private_folder(self) -> Path:
        """Where people's data are, readable to nobody else."""

    @property
    def keyring(self) -> Keys:
        """Keys of this home."""

    @property
    def number_key(self) -> bytes:
        """The key of number hashes."""

    @property
    def letterhead(self) -> Letterhead:
        """Who sends mails."""

    @property
    def stationery(self) -> Stationery:
        """What makes mails."""

    @property
    def landing(self) -> ObjectStore:
        """Where exporters put their files."""

    @property
    def ledger(self) -> SqlLedger:
        """Every send."""

    @property
    def world(self) -> EmbeddedWorld:
        """The simulated market. Raises InvalidInputError where there is none."""

    def planned_items(self, day: date) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return message id -> items, of the plans of a day that are sent."""


@dataclass(frozen=True)
class Services:
    """What keeps things for a home: files of its own, or services where a home ends with its task.

    Attributes:
        lake: makes the store of everything that is written.
        database: returns the address of the ledger's database, which holds no password; None for a file of the home.
        keyring, number_key: make the keys of the deployment, and that of number hashes.
        heads: makes signed heads of the event log.
        alert_channel: makes whom alerts are sent to; None where they are only kept.
        warehouse: makes what fetches the warehouse of the task before, and puts it back; None where it lasts.
        marts: makes what lets Athena have marts of the warehouse, None where nothing does.
        measures: makes whom numbers are handed to that alarms watch; None where gauges show them.
        sending_stop: makes the switch that stops every send; None where there is none.
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
        """Hand a number to those who watch it."""
        if self.measures is not None:
            self.measures().report(name, value)

    def is_sending_stopped(self) -> bool:
        """Return whether a switch outside of everything that runs stops every send."""
        return self.sending_stop is not None and self.sending_stop().is_stopped()


@dataclass(frozen=True)
class Deployment:
    """Which adapter stands behind which port, and whose time counts.

    Attributes:
        times: when sends and people's acts happen.
        market: makes the simulated market; None where the world is real.
        event_source: makes what delivers landing files; None where others deliver them.
        contacts: makes the directory of phone numbers.
        address_books: makes the directories of the addresses of other channels.
        audit_attributes: makes the restricted table of protected attributes.
        texts, mails: make the providers of the two channels by which something is sent.
        texts_record: makes what the provider of texts has on record; None where it keeps that to itself.
        former_texts_record: the same of a rehearsal before somebody's provider, whose numbers are still erased.
        providers: channel -> name of its provider, which is known without opening it.
        former_providers: the same, of what may have stood there when earlier events were published.
        silent: channel -> why nothing can be sent by it from this process; what came back is read all the same.
        services: what takes the place of files of the home; None where the home lasts.
        look: returns what is found of what its owner gave to it, for `mlife doctor`; None where it cannot say.
        require: raises where something was named that it cannot work with: TransientError where it may be later.
        looks: what is tried of services that it is made of, by setting; nothing is written.
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
    """Return what keeps things for a home; makes nothing yet."""
    settings = home.settings

    def number_key() -> bytes:
        """Return the key of number hashes, on which nothing else depends: the setting's, else this home's own."""
        key = settings.hash_key
        return home.keyring.key("numbers") if key is None else key.get_secret_value().encode()

    def alert_channel() -> AlertChannel | None:
        if settings.alert_webhook is None:
            return None
        from mlife_assets.adapters.alert_webhook import AlertWebhook

        return AlertWebhook(settings.alert_webhook)

    return Services(
        lake=lambda: ObstoreObjectStore.at(settings.lake_place),
        database=lambda: None if settings.database is None else settings.database.get_secret_value(),
        keyring=lambda: Keyring(home.private_folder / "keys", seed=settings.key_seed),
        number_key=number_key,
        heads=lambda: heads_in_folder(settings.private_folder, lambda: home.keyring),
        alert_channel=alert_channel,
    )
