"""What a job board needs to send mails: the mailbox, the letterhead, the key of links that end them.

Belongs here: which adapter mails, where it keeps its files. Does not belong here: what a mail says (`email_digest`),
texts (`private_parts`).
"""

from __future__ import annotations

from collections.abc import Mapping

from mlife_assets.adapters.console_gateway import ConsoleGateway
from mlife_assets.adapters.mailboxes.folder import FolderMailbox
from mlife_assets.components.platform.private_parts import PrivateParts
from mlife_assets.components.platform.shared_port import shared_port
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.mail.mime import Stationery
from mlife_assets.recruiting.messaging.bodies import Stamps
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.ports import MessageGateway

MAIL_KEY = "mail"


class MailParts(PrivateParts):
    """The ports by which mails go out."""

    policies: Policies

    @property
    def mail_key(self) -> bytes:
        """The key of unsubscribe tokens and of the ids of mails."""
        return self.keyring.key(MAIL_KEY)

    @property
    def stamps(self) -> Stamps:
        """What all messages bear: who sends, and the keys of what leads back."""
        return Stamps(self.link_key, mail_key=self.mail_key, letterhead=self.policies.letterhead)

    @shared_port
    def mailbox(self) -> FolderMailbox:
        """The provider of mails: a folder of files."""
        stationery = Stationery(self.policies.letterhead, self.mail_key)
        return FolderMailbox(self.private_folder / "mail", stationery, seed=self.settings.seed)

    @shared_port
    def gateways(self) -> Mapping[Channel, MessageGateway]:
        """The provider of each channel by which something is sent."""
        return {Channel.SMS: self.gateway, Channel.EMAIL: self.mailbox}

    @property
    def providers(self) -> Mapping[str, str]:
        """Channel -> name of its provider; asking opens none."""
        return {Channel.SMS: ConsoleGateway.name, Channel.EMAIL: FolderMailbox.name}
