"""Mails as they go over the wire: headers around a body.

Belongs here: building the message, the ids that lead back to it. Does not belong here: what it says (`email_digest`),
handing it over (`adapters.mailboxes`), DKIM: the relay signs, as it alone has the key of the domain.

Concept: the same mail is the same bytes. Message id and return path hold our own id and a keyed check, so a bounce
leads to its message without a lookup and nobody can make one up. The way out in the headers (RFC 8058) is the one in
the body, and a body whose way out is not that of its reader is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.header import Header
from email.headerregistry import Address
from email.policy import SMTP, EmailPolicy
from email.quoprimime import body_encode
from email.utils import format_datetime
from functools import cached_property

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ids import digest
from mlife_assets.recruiting.link_tokens import link_token
from mlife_assets.recruiting.mail.addresses import normalise_address
from mlife_assets.recruiting.mail.body import read_mail_body
from mlife_assets.recruiting.mail.letterhead import Letterhead
from mlife_assets.recruiting.mail.unsubscribe import (
    LONGEST_TOKEN,
    Unsubscription,
    mail_secret,
    read_unsubscribe_token,
)

ONE_CLICK = "List-Unsubscribe=One-Click"
_IN_ONE_LINE = {"List-Unsubscribe", "Message-ID"}
_TOKEN = rf"[A-Za-z0-9_-]{{1,{LONGEST_TOKEN}}}"
_MESSAGE_ID = r"[A-Za-z0-9_]{1,60}"
_LOCAL_LONGEST = 64
LINE = 78
_HEADERS = (
    *("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post"),
    *("Feedback-ID", "Auto-Submitted", "Precedence", "MIME-Version"),
)


class _Wire(EmailPolicy):
    """Folds no header that holds an address: tokens would become encoded words, which no mail program looks into.

    A subject beyond ASCII is encoded by `email.header`: the folding of the policy loses spaces between encoded words.
    """

    def fold_binary(self, name: str, value: str) -> bytes:
        if name in _IN_ONE_LINE or (name == "Subject" and value.isascii()):
            return f"{name}: {value}{self.linesep}".encode("ascii")
        if name == "Subject":
            encoded = Header(str(value), "utf-8", maxlinelen=75, header_name=name).encode(linesep=self.linesep)
            return f"{name}: {encoded}{self.linesep}".encode("ascii")
        return super().fold_binary(name, value)


_WIRE = _Wire(linesep=SMTP.linesep)


@dataclass(frozen=True)
class Envelope:
    """One mail, ready to be handed over.

    Attributes:
        return_path: where a bounce goes.
        recipient: the reader's address; never logged.
        mime: the message, lines ended by CRLF.
    """

    return_path: str
    recipient: str = field(repr=False)
    mime: bytes = field(repr=False)


class Stationery:
    """Makes mails under one letterhead, and recognises what comes back of them.

    Args:
        letterhead: who sends.
        key: of message ids and unsubscribe tokens.
    """

    def __init__(self, letterhead: Letterhead, key: bytes) -> None:
        """Keep both. Raises InvalidInputError on a short key."""
        self.letterhead, self._key = letterhead, key
        self._checks = mail_secret(key, "message ids")
        domain = re.escape(letterhead.domain)
        self._ids = re.compile(rf"\b({_MESSAGE_ID})\.([a-z0-9]{{9}})@(?i:{domain})\b")
        self._links = re.compile(rf"{re.escape(letterhead.unsubscribe_base)}({_TOKEN})")
        self._lone_token = re.compile(rf"(?<![A-Za-z0-9_-]){_TOKEN}(?![A-Za-z0-9_-])")

    def wire_id(self, message_id: str) -> str:
        """Return the `Message-ID` of a message, without its brackets. Raises InvalidInputError on an odd id."""
        local = f"{message_id}.{link_token(message_id, self._checks)}"
        if not re.fullmatch(_MESSAGE_ID, message_id) or len(f"bounces+{local}") > _LOCAL_LONGEST:
            raise InvalidInputError(f"message id {message_id!r} cannot be in a mail address; use letters, digits and _")
        return f"{local}@{self.letterhead.domain}"

    def message_ids_in(self, text: str) -> Iterator[str]:
        """Yield the ids of our messages that a text names, in ids or return paths, each with a check that is right."""
        for found in self._ids.finditer(text):
            message_id, check = found[1].removeprefix("bounces+"), found[2]
            if link_token(message_id, self._checks) == check:
                yield message_id

    def unsubscription_in(self, text: str) -> Unsubscription | None:
        """Return what the first link or word with a token of ours says, None without one."""
        words = [*self._links.findall(text), *self._lone_token.findall(text)]
        return next((read for word in words if (read := read_unsubscribe_token(word, self._key))), None)

    def envelope(self, *, message_id: str, user_id: str, address: str, body: str, now: datetime) -> Envelope:
        """Return a mail ready to be handed over.

        Args:
            message_id: of the send.
            user_id: the account that it is for.
            address: of the reader.
            body: `MailBody.canonical`.
            now: for the date, aware.

        Raises:
            InvalidInputError: the address is none, the body is no mail, or it has no way out for this account.
        """
        mail, letterhead = read_mail_body(body), self.letterhead
        recipient = normalise_address(address)
        if recipient is None:
            raise InvalidInputError(f"the address of {message_id} is no mail address; correct it in the mail book")
        tokens = {token for part in (mail.text, mail.html) for token in self._links.findall(part)}
        says = read_unsubscribe_token(next(iter(tokens)), self._key) if len(tokens) == 1 else None
        if says is None or says.user_id != user_id or not all(self._links.search(p) for p in (mail.text, mail.html)):
            raise InvalidInputError(
                f"the mail {message_id} does not let its reader unsubscribe; plan it again with the present key"
            )
        token, wire_id = tokens.pop(), self.wire_id(message_id)
        day = now.astimezone(UTC)
        own: dict[str, str | Address] = {
            "To": Address(addr_spec=recipient),
            "Subject": mail.subject,
            "Date": format_datetime(day.replace(microsecond=0)),
            "Message-ID": f"<{wire_id}>",
            "List-Unsubscribe": f"<{letterhead.unsubscribe_base}{token}>, "
            f"<mailto:{letterhead.unsubscribe_address}?subject=unsubscribe%20{token}>",
            "Feedback-ID": f"{says.application}:{day:%Y%m%d}:mail:{letterhead.domain}",
        }
        headers = self._shared | {name: _folded(name, value) for name, value in own.items()}
        parts = (_part("plain", mail.text), _part("html", mail.html, b"MIME-Version: 1.0\r\n"))
        # The bytes of `email.message.EmailMessage`, which parses and folds 21 headers a mail.
        ends = b"\r\n--mlife_" + digest((message_id, body), 32).encode("ascii")
        head = (*(headers[name] for name in _HEADERS), b' boundary="', ends[4:], b'"\r\n', ends, b"\r\n")
        mime = b"".join((*head, (ends + b"\r\n").join(parts), ends, b"--\r\n"))
        return Envelope(f"bounces+{wire_id}", recipient, mime)

    @cached_property
    def _shared(self) -> dict[str, bytes]:
        """The headers that all mails have alike."""
        brand, sender, reply_to = self.letterhead.brand, self.letterhead.sender, self.letterhead.reply_to
        alike: dict[str, str | Address] = {
            "From": Address(brand, addr_spec=sender),
            "Reply-To": Address(brand, addr_spec=reply_to),
            "List-Unsubscribe-Post": ONE_CLICK,
            "Auto-Submitted": "auto-generated",
            "Precedence": "bulk",
        }
        folded = {name: _folded(name, value) for name, value in alike.items()}
        return folded | {"MIME-Version": b"MIME-Version: 1.0\r\nContent-Type: multipart/alternative;\r\n"}


def _folded(name: str, value: str | Address) -> bytes:
    """Return a header as it goes over the wire. Raises ValueError on a value of several lines."""
    return _WIRE.fold_binary(*_WIRE.header_store_parse(name, value))


def _part(subtype: str, text: str, further: bytes = b"") -> bytes:
    """Return one form of a mail, with its headers."""
    lines = b"\n".join(text.encode().splitlines()) + b"\n"
    content = body_encode(lines.decode("latin-1"), LINE).replace("\n", "\r\n").encode("ascii")
    kind = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n'
    return kind.encode("ascii") + further + b"\r\n" + content
