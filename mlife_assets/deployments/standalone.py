"""The standalone deployment: delivered data, the owner's people, real time.

Concept: there is no market, so no data is made up. The console accepts every message and hands it to nobody: its
receipt says so, and there are no replies. A wrong value is refused and never replaced by the embedded deployment's.

Without a relay mails are rehearsed, except in a home that has mailed people: a shell without the variable would count
mails as sent, and miss the replies. There replies are read, and a plan waits for a process with the variable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from mlife_assets.adapters.clock import FileClock, SystemClock
from mlife_assets.adapters.console_gateway import ConsoleGateway, GatewayFaults
from mlife_assets.adapters.landing_areas import LandingBucket
from mlife_assets.adapters.mailboxes import (
    FolderMailbox,
    MailFaults,
    ReturnedFolder,
    SendJournal,
    SmtpMailbox,
    SmtpServer,
)
from mlife_assets.adapters.mailboxes.smtp import SETTING as RELAY
from mlife_assets.adapters.mailboxes.smtp import has_entries, look_at_relay
from mlife_assets.adapters.owners_table import AUDIT_TABLE, CONTACTS, OwnersAuditTable, OwnersContacts
from mlife_assets.adapters.private_files import private_file, private_folder
from mlife_assets.adapters.s3_bucket import FEW_RETRIES
from mlife_assets.core.checkup import Finding, faults_found
from mlife_assets.core.errors import NotGivenError
from mlife_assets.core.ports import Clock
from mlife_assets.core.storage_places import Bucket
from mlife_assets.deployments.record import Deployment, Home
from mlife_assets.deployments.times import RealTimes
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.mail.addresses import normalise_address
from mlife_assets.recruiting.mail.letterhead import SETTING as LETTERHEAD
from mlife_assets.recruiting.ports import AddressBook, MessageGateway
from mlife_assets.settings import BoardPlaces, Settings, own_letterhead

CLOCK_FILE = "MLIFE_CLOCK_FILE"
LANDING = "MLIFE_LANDING"
CORRECT_NUMBERS = "write them as +12125550123, or leave the field empty where somebody has none"
UNNAMED = {
    CONTACTS: (
        "there is no contact book, so nobody is sent anything",
        f"write user_id and phone_number to a file in the private folder, or in a bucket, and name it in {CONTACTS}",
    ),
    AUDIT_TABLE: (
        "there is no audit table, so no impact ratio can be judged and the gate promotes no model",
        "write user_id, sex and race_ethnicity to a file in the private folder, or in a bucket, and name it in "
        f"{AUDIT_TABLE}",
    ),
}
_NO_SHARES: dict[str, Any] = {one.name: 0 for one in fields(GatewayFaults) if "share" in one.name}
TEXTS_NOBODY = GatewayFaults(**_NO_SHARES)
"""Real people's records must hold no made-up receipt or STOP."""
NO_RELAY = (
    f"{RELAY}: it is not set, and mails of this home went out through a relay; set it, or rehearse in another home"
)
REHEARSED = "mails are rehearsed: a folder takes them, and nobody gets one"
MAILS, JOURNAL, RETURNED = "mail", "journal", "returned"
MAILS_NOBODY = MailFaults(**dict.fromkeys((one.name for one in fields(MailFaults)), 0))
"""Real people's records must hold no made-up receipt, unsubscription or complaint."""


def standalone(home: Home) -> Deployment:
    """Return the standalone deployment of a home, without creating anything."""
    settings = home.settings

    @cache
    def texts() -> ConsoleGateway:
        return ConsoleGateway(
            private_file(home.private_folder / "gateway.sqlite"),
            seed=settings.market.seed,
            hash_key=home.number_key,
            faults=TEXTS_NOBODY,
        )

    mails = mails_of(home)
    providers, former = ({Channel.SMS: ConsoleGateway.name, Channel.EMAIL: name} for name in mails.names)
    return Deployment(
        times=RealTimes(clock_of(settings.days.clock_file)),
        market=None,
        event_source=None,
        contacts=lambda: OwnersContacts(settings.places.contacts),
        address_books=lambda: {
            Channel.EMAIL: AddressBook(OwnersContacts(settings.places.contacts).mail_addresses, normalise_address)
        },
        audit_attributes=lambda: OwnersAuditTable(settings.places.audit_table),
        texts=texts,
        texts_record=texts,
        mails=mails.mailbox,
        providers=providers,
        former_providers=(former,),
        silent={Channel.EMAIL: mails.silent} if mails.silent else {},
        look=lambda: look_at(settings),
        require=lambda: require_readable(settings),
    )


def look_at(settings: Settings) -> list[Finding]:
    """Return the findings on the owner's tables, the relay and the clock."""
    found = look_at_people(settings.places)
    found += look_at_mails(settings)
    with faults_found(CLOCK_FILE, found):
        now = clock_of(settings.days.clock_file).now()
        if settings.days.clock_file is not None:
            found.append(Finding(CLOCK_FILE, f"the present is {now:%Y-%m-%d %H:%M} UTC, as the file says"))
    with faults_found(LANDING, found):
        found.append(_look_at_landing(settings.places.landing))
    return found


def look_at_people(places: BoardPlaces, unnamed: Mapping[str, tuple[str, str]] = UNNAMED) -> list[Finding]:
    """Return findings on the owner's tables; `unnamed` has consequence and remedy of a missing setting."""
    found: list[Finding] = []
    with faults_found(CONTACTS, found):
        place = places.contacts
        contacts = OwnersContacts(place)
        found.append(_counted(CONTACTS, place, contacts.count(), unnamed))
        unusable, first = contacts.unusable()
        if unusable:
            says = f"{unusable:,} of its numbers are no phone number and reach nobody, the first in {first}"
            found.append(Finding(CONTACTS, says, CORRECT_NUMBERS))
    with faults_found(AUDIT_TABLE, found):
        place = places.audit_table
        people = OwnersAuditTable(place).count()
        found.append(_counted(AUDIT_TABLE, place, people, unnamed))
    return found


def _counted(setting: str, place: Path | Bucket | None, people: int, unnamed: Mapping[str, tuple[str, str]]) -> Finding:
    if place is None:
        return Finding(setting, *unnamed[setting])
    if people:
        return Finding(setting, f"people in it: {people:,}")
    name, whole = (place.url, place.url) if isinstance(place, Bucket) else (place.name, place)
    return Finding(setting, f"{name} holds nobody yet", f"fill {whole}")


def _look_at_landing(place: Path | Bucket) -> Finding:
    """Return the finding on the landing place. Raises the errors of opening a bucket."""
    if isinstance(place, Bucket):
        first = LandingBucket(place, retries=FEW_RETRIES).first_source()
        lies = "nothing lies there yet" if first is None else f"{first} can be read"
        return Finding(LANDING, f"files are delivered to {place.url}; {lies}")
    if not place.is_dir():
        remedy = f"make {place} and deliver files to it (docs/landing.md)"
        return Finding(LANDING, "there is no landing folder, so no day can run", remedy)
    return Finding(LANDING, f"files are delivered to {place}")


def require_readable(settings: Settings) -> None:
    """Raise if a named input is unusable: TransientError if it may work later."""
    own_letterhead(settings)
    clock_of(settings.days.clock_file).now()
    OwnersContacts(settings.places.contacts).count()
    OwnersAuditTable(settings.places.audit_table).count()


def clock_of(file: Path | None) -> Clock:
    return SystemClock() if file is None else FileClock(file)


@dataclass(frozen=True)
class Mails:
    """Mailing of a home: its provider, present and former name, and why this process cannot send, if so."""

    mailbox: Callable[[], MessageGateway]
    names: tuple[str, str]
    silent: str


def mails_of(home: Home) -> Mails:
    """Return a home's mailing without opening it. Settings that name a relay name the owner's letterhead, too."""
    relay, seed = home.settings.messages.relay, home.settings.market.seed
    folder = home.settings.private_folder / MAILS
    has_mailed = has_entries(folder / JOURNAL)

    def rehearsal() -> MessageGateway:
        return FolderMailbox(private_folder(folder), home.stationery, seed=seed, faults=MAILS_NOBODY)

    def to_people() -> MessageGateway:
        server = None if relay is None else SmtpServer(**asdict(relay))
        returned = ReturnedFolder(private_folder(folder) / RETURNED, home.stationery)
        return SmtpMailbox(server, home.stationery, SendJournal(folder / JOURNAL), returned)

    names = FolderMailbox.name, SmtpMailbox.name
    if relay is None and not has_mailed:
        return Mails(rehearsal, names, "")
    return Mails(to_people, names[::-1], NO_RELAY if relay is None else "")


def look_at_mails(settings: Settings) -> list[Finding]:
    """Return the findings on the letterhead and the relay, which is greeted."""
    found: list[Finding] = []
    with faults_found(LETTERHEAD, found):
        letterhead = own_letterhead(settings)
        if letterhead is not None:
            found.append(Finding(LETTERHEAD, f"mails are from {letterhead.brand}, {letterhead.sender}"))
    with faults_found(RELAY, found):
        if settings.messages.relay is not None:
            found += look_at_relay(SmtpServer(**asdict(settings.messages.relay)))
        elif settings.messages.mails is None and has_entries(settings.private_folder / MAILS / JOURNAL):
            raise NotGivenError(NO_RELAY)
        elif settings.messages.mails is None:
            found.append(Finding(RELAY, REHEARSED))
    return found
