"""Mails as they go over the wire: headers around a body.

Concept: the same mail is the same bytes. Message id and return path hold our own id and a keyed check, so a bounce
leads to its message without a lookup and nobody can make one up. The way out in the headers (RFC 8058) is the one in
the body, and a body whose way out is not that of its reader is refused.

Strangers wrote a part of the subject, so words are encoded unless they are plain, nothing is decoded on the way out,
and a mail that does not read back as the approved text is refused. A header that holds an address is not folded:
no mail program looks for a token in a folded one.

An unsubscribe token proves by the link alone who asks for no more mails.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import Header, decode_header, make_header
from email.message import Message
from email.quoprimime import body_encode
from email.utils import format_datetime, parseaddr, quote
from functools import cached_property
from typing import TYPE_CHECKING

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ids import SEPARATOR, digest
from mlife_assets.recruiting.ids import MINIMUM_KEY_BYTES, link_token
from mlife_assets.recruiting.mail.addresses import normalise_address
from mlife_assets.recruiting.mail.body import read_mail_body
from mlife_assets.recruiting.mail.letterhead import Letterhead

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV


LONGEST_TOKEN = 400
_TAG_BYTES = 16
ONE_CLICK = "List-Unsubscribe=One-Click"
_TOKEN = rf"[A-Za-z0-9_-]{{26,{LONGEST_TOKEN}}}"
"""No token is shorter: a tag of 16 bytes, and at least three of an account and an application."""
_MESSAGE_ID = r"[A-Za-z0-9_]{1,60}"
_LOCAL_LONGEST = 64
LINE, LINE_LONGEST = 78, 998
_PRINTABLE = bytes(range(32, 127)) + b"\t"
_PLAIN = re.compile(r"(?! )(?:(?!=\?)[ -~])+(?<! )")
_HEADERS = (
    *("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post"),
    *("Feedback-ID", "Auto-Submitted", "Precedence", "MIME-Version"),
)
_ALIKE = {
    "List-Unsubscribe-Post": ONE_CLICK,
    "Auto-Submitted": "auto-generated",
    "Precedence": "bulk",
    "MIME-Version": "1.0",
}
_ATOMS = re.compile(r"(?!.*  )[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")


@dataclass(frozen=True)
class Unsubscription:
    """Content of a token: the account that wants no more mails, and the application whose mail held the token."""

    user_id: str
    application: str


def unsubscribe_token(user_id: str, application: str, key: bytes) -> str:
    """Return the token of an account in the mails of an application; letters, digits, `-` and `_`.

    Raises:
        InvalidInputError: a short key, an empty id or name, or one with a separator.
    """
    parts = (user_id, application)
    if not all(parts) or any(SEPARATOR in part for part in parts):
        raise InvalidInputError("an unsubscribe token needs an account and an application; pass both")
    sealed = _cipher(key).encrypt(SEPARATOR.join(parts).encode(), None)
    return base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def read_unsubscribe_token(token: str, key: bytes) -> Unsubscription | None:
    """Return the content of a token; None when it was not made with this key."""
    from cryptography.exceptions import InvalidTag

    if not token or len(token) > LONGEST_TOKEN or not token.isascii():
        return None
    try:
        sealed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(sealed) <= _TAG_BYTES:
        return None
    try:
        user_id, _, application = _cipher(key).decrypt(sealed, None).decode().partition(SEPARATOR)
    except InvalidTag:
        return None
    if unsubscribe_token(user_id, application, key) != token:
        return None  # the last characters of base64 have bits that nothing reads; there is one spelling
    return Unsubscription(user_id, application)


@dataclass(frozen=True)
class LinkUse:
    """A use of the unsubscribe link; the ledger records it as a STOP by mail of the account."""

    inbound_id: str
    user_id: str
    received_at: datetime


def use_of_link(asked: Unsubscription, token: str, at: datetime) -> LinkUse:
    """Return a use of the link. Those within a second are one, however often a mail program posts."""
    at = at.replace(microsecond=0)
    return LinkUse("link_" + digest(("one_click", token, at.isoformat())), asked.user_id, at)


def mail_secret(key: bytes, purpose: str) -> bytes:
    """Return the key of one purpose of mails, 32 bytes. Raises InvalidInputError on a short key."""
    if len(key) < MINIMUM_KEY_BYTES:
        raise InvalidInputError(f"the key of mails has {len(key)} bytes; use {MINIMUM_KEY_BYTES} or more")
    return hmac.new(key, f"mail|{purpose}".encode(), hashlib.sha256).digest()


def _cipher(key: bytes) -> AESSIV:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    return AESSIV(mail_secret(key, "unsubscribe"))


@dataclass(frozen=True)
class Envelope:
    """One mail, ready to be handed over.

    Attributes:
        return_path: where a bounce goes.
        recipient: the reader's address; never logged.
        mime: the message, lines ended by CRLF.

    Raises:
        InvalidInputError: its bytes are none that a mail server takes as they are.
    """

    return_path: str
    recipient: str = field(repr=False)
    mime: bytes = field(repr=False)

    def __post_init__(self) -> None:
        lines = self.mime.split(b"\r\n")
        if lines[-1] or b"".join(lines).translate(None, _PRINTABLE) or max(map(len, lines)) > LINE_LONGEST:
            raise InvalidInputError(
                f"the mail has a line that is no ASCII, longer than {LINE_LONGEST}, or not ended by CR LF alone; "
                "shorten the addresses of the letterhead, and plan it again"
            )


class Stationery:
    """Makes mails under one letterhead, and recognises answers to them.

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
        """Yield the ids of our messages in a text, from ids or return paths; those with a wrong check are skipped."""
        for found in self._ids.finditer(text):
            message_id, check = found[1].removeprefix("bounces+"), found[2]
            if link_token(message_id, self._checks) == check:
                yield message_id

    def unsubscription_in(self, text: str) -> Unsubscription | None:
        """Return the content of the first token in a text, alone or in a link; None without one."""
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
            InvalidInputError: the address or the body is malformed, the mail has no unsubscribe link for this account,
                or it would arrive changed.
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
        own = {
            "To": recipient,
            "Date": format_datetime(day.replace(microsecond=0)),
            "Message-ID": f"<{wire_id}>",
            "List-Unsubscribe": f"<{letterhead.unsubscribe_base}{token}>, "
            f"<mailto:unsubscribe@{letterhead.domain}?subject=unsubscribe%20{token}>",
            "Feedback-ID": f"{says.application}:{day:%Y%m%d}:mail:{letterhead.domain}",
        }
        headers = self._alike | {name: _header(name, value) for name, value in own.items()}
        headers["Subject"] = _header("Subject", mail.subject, _words(mail.subject, "Subject"))
        parts = (_part("plain", mail.text), _part("html", mail.html, b"MIME-Version: 1.0\r\n"))
        # The bytes of `email.message.EmailMessage`, which parses and folds 21 headers a mail.
        ends = b"\r\n--mlife_" + digest((message_id, body), 32).encode("ascii")
        kind = b'Content-Type: multipart/alternative;\r\n boundary="' + ends[4:] + b'"\r\n'
        head = (*(headers[name][1] for name in _HEADERS), kind, ends, b"\r\n")
        mime = b"".join((*head, (ends + b"\r\n").join(parts), ends, b"--\r\n"))
        envelope = Envelope(f"bounces+{wire_id}", recipient, mime)
        said = [("text/plain", _lines(mail.text)), ("text/html", _lines(mail.html))]
        if _as_read(message_from_bytes(mime)) != ([(name, headers[name][0]) for name in _HEADERS], said):
            raise InvalidInputError(f"the mail {message_id} does not read back as the approved text; plan it again")
        return envelope

    @cached_property
    def _alike(self) -> dict[str, tuple[str, bytes]]:
        """The headers that all mails have alike, as they are read and as they are written."""
        brand, alike = self.letterhead.brand, {name: _header(name, value) for name, value in _ALIKE.items()}
        for name, address in (("From", self.letterhead.sender), ("Reply-To", self.letterhead.reply_to)):
            written = f"{_words(brand, name, is_phrase=True)} <{address}>"
            alike[name] = _header(name, f"{brand} <{address}>", written)
        return alike


def _header(name: str, value: str, written: str | None = None) -> tuple[str, bytes]:
    return value, f"{name}: {value if written is None else written}\r\n".encode()


def _words(words: str, name: str, *, is_phrase: bool = False) -> str:
    """Return words as a header holds them: as they are if they are plain and in one line, encoded otherwise."""
    if _PLAIN.fullmatch(words) and len(words) <= LINE_LONGEST // 4:
        return f'"{quote(words)}"' if is_phrase and not _ATOMS.fullmatch(words) else words
    return Header(words, "utf-8", maxlinelen=75, header_name=name).encode(linesep="\r\n")


def _as_read(mail: Message) -> tuple[object, ...]:
    """Return headers and parts of a mail as its reader's program takes them; `MIME-Version` ends the headers."""
    headers = []
    for name, value in mail.items():
        written = str(value)
        if name in ("From", "Reply-To"):
            phrase, address = parseaddr(written.replace("\r\n", ""))
            written = f"{_decoded(phrase)} <{address}>"
        headers.append((name, _decoded(written) if name == "Subject" else written))
    return headers[:-1], [
        (part.get_content_type(), bytes(part.get_payload(decode=True) or b"").replace(b"\r\n", b"\n"))
        for part in mail.walk()
        if part is not mail
    ]


def _decoded(value: str) -> str:
    return str(make_header(decode_header(value)))


def _lines(text: str) -> bytes:
    return b"\n".join(text.encode().splitlines()) + b"\n"


def _part(subtype: str, text: str, further: bytes = b"") -> bytes:
    content = body_encode(_lines(text).decode("latin-1"), LINE).replace("\n", "\r\n").encode("ascii")
    kind = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n'
    return kind.encode("ascii") + further + b"\r\n" + content
