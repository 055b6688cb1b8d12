"""How a standalone deployment mails: through a relay to people, or into a folder to nobody.

Belongs here: which of the two it is, what each is made of, what `mlife doctor` says of it. Does not belong here: mails
(`recruiting.mail`), the rest of the deployment (`standalone`).

Concept: without a relay mails are rehearsed. A home that has mailed people is no place for a rehearsal any more: in a
shell that lacks the variable mails would be taken for sent, and what people answered would be nobody's. So there what
came back is read, and a plan waits for a process that has the variable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from mlife_assets.adapters.mailboxes import (
    FolderMailbox,
    MailFaults,
    ReturnedFolder,
    SendJournal,
    SmtpMailbox,
    SmtpServer,
)
from mlife_assets.adapters.mailboxes.journal import has_entries
from mlife_assets.adapters.mailboxes.relay_checkup import SETTING as RELAY
from mlife_assets.adapters.mailboxes.relay_checkup import look_at_relay
from mlife_assets.adapters.private_files import private_folder
from mlife_assets.core.checkup import Finding, faults_found
from mlife_assets.core.errors import NotGivenError
from mlife_assets.deployments.record import Home
from mlife_assets.recruiting.mail.letterhead_file import SETTING as LETTERHEAD
from mlife_assets.recruiting.ports import MessageGateway
from mlife_assets.settings import Settings

NO_RELAY = (
    f"{RELAY}: it is not set, and mails of this home went out through a relay; set it, or rehearse in another home"
)
REHEARSED = "mails are rehearsed: a folder takes them, and nobody gets one"
MAILS, JOURNAL, RETURNED = "mail", "journal", "returned"
MAILS_NOBODY = MailFaults(
    throttled_share=0, rejected_share=0, timeout_share=0, delivered_share=0, unsubscribe_share=0, complaint_share=0
)
"""Real people's records must hold no receipt, unsubscription or complaint that was made up."""


@dataclass(frozen=True)
class Mails:
    """How a home mails.

    Attributes:
        mailbox: makes the provider; opens no connection.
        names: that of the provider, and of the one which may have been it before.
        silent: why nothing can be sent from this process; empty where something can.
    """

    mailbox: Callable[[], MessageGateway]
    names: tuple[str, str]
    silent: str


def mails_of(home: Home) -> Mails:
    """Return how a home mails; opens nothing. Settings that name a relay name the owner's letterhead, too."""
    relay, folder = home.settings.relay, home.settings.private_folder / MAILS
    has_mailed = has_entries(folder / JOURNAL)

    def rehearsal() -> MessageGateway:
        return FolderMailbox(private_folder(folder), home.stationery, seed=home.settings.seed, faults=MAILS_NOBODY)

    def to_people() -> MessageGateway:
        server = None if relay is None else SmtpServer(**asdict(relay))
        returned = ReturnedFolder(private_folder(folder) / RETURNED, home.stationery)
        return SmtpMailbox(server, home.stationery, SendJournal(folder / JOURNAL), returned)

    names = FolderMailbox.name, SmtpMailbox.name
    if relay is None and not has_mailed:
        return Mails(rehearsal, names, "")
    return Mails(to_people, names[::-1], NO_RELAY if relay is None else "")


def look_at_mails(settings: Settings) -> list[Finding]:
    """Return what was found of the letterhead and of the relay, which is greeted."""
    found: list[Finding] = []
    with faults_found(LETTERHEAD, found):
        letterhead = settings.own_letterhead()
        if letterhead is not None:
            found.append(Finding(LETTERHEAD, f"mails are from {letterhead.brand}, {letterhead.sender}"))
    with faults_found(RELAY, found):
        if settings.relay is not None:
            found += look_at_relay(SmtpServer(**asdict(settings.relay)))
        elif has_entries(settings.private_folder / MAILS / JOURNAL):
            raise NotGivenError(NO_RELAY)
        else:
            found.append(Finding(RELAY, REHEARSED))
    return found
