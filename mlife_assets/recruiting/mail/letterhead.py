"""The letterhead: who sends mails, from where, and where answers go.

Belongs here: the sender's names and addresses. Does not belong here: keys, what a mail says, the server that sends it.

Concept: the law (CAN-SPAM) asks for a true sender, a postal address and a way out in every mail. They are one record,
so that no mail can be made without them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.quoting import quoted
from mlife_assets.recruiting.mail.addresses import normalise_address

_HTTPS = re.compile(r"https://[a-z0-9.-]+(?::\d{1,5})?/(?:[A-Za-z0-9._~-]+/)*")


@dataclass(frozen=True)
class Letterhead:
    """Who sends mails.

    Attributes:
        brand: the sender's name, as in texts.
        sender: address in `From`.
        reply_to: where people's answers go.
        office_address: of the sender, one line.
        domain: of message ids and of the addresses to which bounces and unsubscriptions go.
        link_base: what precedes link tokens.
        unsubscribe_base: what precedes unsubscribe tokens.

    Raises:
        InvalidInputError: a field that is empty, no address or no https address with a final slash.
    """

    brand: str = "Northstar Jobs"
    sender: str = "jobs@mail.jobs.example"
    reply_to: str = "help@jobs.example"
    office_address: str = "Northstar Jobs, 100 Main Street, Suite 200, Springfield, IL 62701"
    domain: str = "mail.jobs.example"
    link_base: str = "https://jobs.example/"
    unsubscribe_base: str = "https://jobs.example/unsubscribe/"

    def __post_init__(self) -> None:
        for name in ("brand", "office_address"):
            written = getattr(self, name)
            if not written.strip() or not written.isprintable():
                raise InvalidInputError(f"Letterhead.{name} is {quoted(written)}; write it in one line")
        for name, address in (("sender", self.sender), ("reply_to", self.reply_to), ("domain", f"x@{self.domain}")):
            if normalise_address(address) != address:
                raise InvalidInputError(
                    f"Letterhead.{name} is {quoted(getattr(self, name))}; use a mail address, its domain in lower case"
                )
        for name in ("link_base", "unsubscribe_base"):
            if not _HTTPS.fullmatch(getattr(self, name)):
                raise InvalidInputError(
                    f"Letterhead.{name} is {quoted(getattr(self, name))}; use an https address that ends in /"
                )

    @property
    def unsubscribe_address(self) -> str:
        """Where a mail whose subject holds an unsubscribe token ends mails."""
        return f"unsubscribe@{self.domain}"
