"""The letterhead: who sends mails, from where, and where answers go; and the TOML file in which an owner says so.

Concept: the law (CAN-SPAM) asks for a true sender, a postal address and a way out in every mail. They are one record,
so that no mail can be made without them.

No field of the file has a default, since it would be somebody else's: the default `Letterhead` is a simulated
company's. Domains that nobody can own (RFC 2606, RFC 6761) are fine for a rehearsal and never reach people: their
answers, bounces and unsubscriptions would lead nowhere.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields

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


SETTING = "MLIFE_LETTERHEAD"
EXAMPLE = """\
# Who sends your mails, and where answers go. Mails that go out through MLIFE_MAIL_RELAY keep none of these examples.

# The sender's name, as readers know it.
brand = "Your Company"
# The address in From, and where answers go.
sender = "jobs@mail.your-company.example"
reply_to = "help@your-company.example"
# Where the sender can be reached by post, in one line.
office_address = "Street and number, city, state and ZIP"
# Of message ids. Mail to bounces+<anything> and to unsubscribe at this domain has to reach this machine.
domain = "mail.your-company.example"
# What precedes the tokens of links, and of links that end mails: `mlife messages one-click` answers the second.
link_base = "https://your-company.example/"
unsubscribe_base = "https://your-company.example/unsubscribe/"
"""
_NAMES = tuple(one.name for one in fields(Letterhead))
_EXAMPLES = tomllib.loads(EXAMPLE)
_RESERVED = {"example", "test", "invalid", "localhost"}
_RESERVED_DOMAINS = {"example.com", "example.net", "example.org"}
_HOST = re.compile(r"(?:https://|.*@)?([^/:]+).*")


def read_letterhead(data: bytes, file: str) -> Letterhead:
    """Return the letterhead that a file says.

    Args:
        data: its bytes.
        file: its name, for errors.

    Raises:
        InvalidInputError: names file, field and remedy.
    """
    try:
        said = tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InvalidInputError(f"{SETTING}: {file} is not UTF-8; write it in UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidInputError(
            f"{SETTING}: {file} is no TOML ({error}); write lines like brand = 'Your Company'"
        ) from error
    if unknown := sorted(said.keys() - set(_NAMES)):
        raise InvalidInputError(
            f"{SETTING}: {file} has {quoted(unknown[0])}, which is no field; remove it, or correct it to one of "
            f"{', '.join(_NAMES)}"
        )
    for name in _NAMES:
        if name not in said:
            raise InvalidInputError(f"{SETTING}: {file} has no field {name}; add it")
        if not isinstance(said[name], str):
            raise InvalidInputError(f"{SETTING}: {file} has no text in {name}; write it between quotation marks")
    try:
        return Letterhead(**said)
    except InvalidInputError as error:
        raise InvalidInputError(f"{SETTING}: {file}: {error}") from None


def require_own_letterhead(letterhead: Letterhead) -> None:
    """Raise InvalidInputError unless people may get mails under a letterhead: no field is an example's, or nobody's."""
    for name in _NAMES:
        written = getattr(letterhead, name)
        if written == _EXAMPLES[name]:
            raise InvalidInputError(f"{SETTING}: {name} is the example's, and mails go out to people; write your own")
        if name not in ("brand", "office_address") and _is_nobodys(_HOST.sub(r"\1", written)):
            raise InvalidInputError(
                f"{SETTING}: {name} is at a domain for examples, which is nobody's, and mails go out to people; write "
                "one of your own"
            )


def _is_nobodys(domain: str) -> bool:
    """Return whether a domain is reserved, so that nobody can own it."""
    labels = domain.lower().rstrip(".").split(".")
    return labels[-1] in _RESERVED or ".".join(labels[-2:]) in _RESERVED_DOMAINS
