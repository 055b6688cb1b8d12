"""What a job board needs to send mails: the letterhead, the key of links that end them.

Belongs here: what every mail bears, whoever carries it. Does not belong here: who does (`deployment_parts`), what a
mail says (`email_digest`), texts (`private_parts`).
"""

from __future__ import annotations

from mlife_assets.components.platform.private_parts import PrivateParts
from mlife_assets.components.platform.shared_port import shared_port
from mlife_assets.recruiting.mail.letterhead import Letterhead
from mlife_assets.recruiting.mail.mime import Stationery
from mlife_assets.recruiting.messaging.bodies import Stamps
from mlife_assets.recruiting.policies import Policies

MAIL_KEY = "mail"


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
