"""How a standalone deployment mails: through a relay to people, or into a folder to nobody.

Belongs here: which of the two it is, what each is made of, what `mlife doctor` says of it. Does not belong here: mails
(`recruiting.mail`), the rest of the deployment (`standalone`).

Concept: without a relay mails are rehearsed. A home that has mailed people is no place for a rehearsal any more: in a
shell that lacks the variable mails would be taken for sent, and what people answered would be nobody's. So there the
mailbox is refused, and whatever needs it waits for a process that has the variable.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

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
from mlife_assets.recruiting.mail.letterhead_file import require_own_letterhead
from mlife_assets.recruiting.ports import MessageGateway
from mlife_assets.settings import Settings

REHEARSED = "mails are rehearsed: a folder takes them, and nobody gets one"
MAILS, JOURNAL, RETURNED = "mail", "journal", "returned"
MAILS_NOBODY = MailFaults(
    throttled_share=0, rejected_share=0, timeout_share=0, delivered_share=0, unsubscribe_share=0, complaint_share=0
)
"""Real people's records must hold no receipt, unsubscription or complaint that was made up."""


def names_of_mailbox(settings: Settings) -> tuple[str, str]:
    """Return the name of the provider of mails, and that of the one which may have been it before."""
    names = FolderMailbox.name, SmtpMailbox.name
    return names if settings.relay is None else names[::-1]


def mailbox_of(home: Home) -> MessageGateway:
    """Return the provider of mails; opens no connection.

    Raises:
        NotGivenError: the home has mailed people, and no relay is named.
        InvalidInputError: mails would go out under a letterhead that is nobody's.
    """
    relay, folder = home.settings.relay, private_folder(home.private_folder / MAILS)
    if relay is None:
        _require_unsent(folder)
        return FolderMailbox(folder, home.stationery, seed=home.settings.seed, faults=MAILS_NOBODY)
    require_own_letterhead(home.policies.letterhead)  # whoever made the policies
    returned = ReturnedFolder(folder / RETURNED, home.stationery)
    return SmtpMailbox(SmtpServer(**asdict(relay)), home.stationery, SendJournal(folder / JOURNAL), returned)


def look_at_mails(settings: Settings) -> list[Finding]:
    """Return what was found of the letterhead and of the relay, which is greeted."""
    found: list[Finding] = []
    with faults_found(LETTERHEAD, found):
        letterhead = settings.policies().letterhead
        if settings.letterhead is not None:
            found.append(Finding(LETTERHEAD, f"mails are from {letterhead.brand}, {letterhead.sender}"))
    with faults_found(RELAY, found):
        if settings.relay is not None:
            found += look_at_relay(SmtpServer(**asdict(settings.relay)))
        else:
            _require_unsent(settings.private_folder / MAILS)
            found.append(Finding(RELAY, REHEARSED))
    return found


def _require_unsent(folder: Path) -> None:
    """Raise NotGivenError where a mail was handed to a relay."""
    if has_entries(folder / JOURNAL):
        raise NotGivenError(
            f"{RELAY}: it is not set, and mails of this home went out through a relay; set it, or rehearse in another "
            "home"
        )
