"""Mails that come back: what became of ours, and what their readers say.

Belongs here: reading delivery reports (RFC 3464), complaints (RFC 5965), mails that unsubscribe, replies. Does not
belong here: fetching them (`adapters.mailboxes`), what a reply means (`messaging.keywords`).

Concept: anybody can write to these addresses. A mail counts only with an id or a token of ours, whose check only we can
make; what has none is nobody's. Reports about reports and answers of machines are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from enum import StrEnum

from mlife_assets.recruiting.mail.mime import Stationery

READ_BYTES = 512 * 1024
"""So much of a mail is read; reports say what they have to say at their beginning."""
_FIELDS_LONGEST = 20_000
_QUOTE_BEGINS = re.compile(
    r"^(?:>|-{2,}\s*Original Message|_{10,}|From:\s|On\b.{0,200}\bwrote:|El\b.{0,200}\bescribi)", re.IGNORECASE
)


class ReturnedKind(StrEnum):
    """What a mail that came back is."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINT = "complaint"
    UNSUBSCRIBE = "unsubscribe"
    REPLY = "reply"
    NOTHING = "nothing"


@dataclass(frozen=True)
class ReturnedMail:
    """One mail that came back.

    Attributes:
        kind: what it is; `nothing` is delayed mail, answers of machines, and what has no id or token of ours.
        message_id: the message that it is about, None when it does not say.
        user_id: the account that it is from, None when only the message says it.
        status: the code of a report, as `5.1.1`.
        text: what a reply says, without what it quotes. Personal data: classify it, never store it.
    """

    kind: ReturnedKind
    message_id: str | None = None
    user_id: str | None = None
    status: str = ""
    text: str = field(default="", repr=False)


_NOTHING = ReturnedMail(ReturnedKind.NOTHING)


def read_returned(raw: bytes, stationery: Stationery) -> ReturnedMail:
    """Return what a mail that came back says, whatever it is made of."""
    try:
        return _read(message_from_bytes(raw[:READ_BYTES]), stationery)
    except (RecursionError, ValueError, LookupError, AttributeError, TypeError):  # built to break its reader
        return _NOTHING


def _read(message: Message, stationery: Stationery) -> ReturnedMail:
    kind = str(message.get_param("report-type", "")).lower() if message.get_content_type() == "multipart/report" else ""
    if kind == "delivery-status":
        return _delivery(message, stationery)
    if kind == "feedback-report":
        return _complaint(message, stationery)
    subject = str(make_header(decode_header(_header(message, "Subject"))))
    asked = stationery.unsubscription_in(subject)
    if asked is not None:
        return ReturnedMail(ReturnedKind.UNSUBSCRIBE, user_id=asked.user_id)
    if _header(message, "Auto-Submitted").strip().lower() not in ("", "no"):
        return _NOTHING
    answered = next(
        stationery.message_ids_in(f"{_header(message, 'In-Reply-To')} {_header(message, 'References')}"), None
    )
    text = _own_words(_text(message))
    asked = stationery.unsubscription_in(text)
    if asked is not None:
        return ReturnedMail(ReturnedKind.UNSUBSCRIBE, user_id=asked.user_id)
    return _NOTHING if answered is None else ReturnedMail(ReturnedKind.REPLY, answered, text=text or subject)


def _delivery(message: Message, stationery: Stationery) -> ReturnedMail:
    """Read a report of one recipient: each of our mails has one."""
    fields = {name.lower(): value for block in _blocks(message, "message/delivery-status") for name, value in block}
    about = next(stationery.message_ids_in("\n".join(_fields(message))), None)
    action, status = fields.get("action", "").strip().lower(), fields.get("status", "").split(" ")[0][:12]
    kinds = {"failed": ReturnedKind.BOUNCED, "delivered": ReturnedKind.DELIVERED}
    if about is None or action not in kinds:
        return _NOTHING
    return ReturnedMail(kinds[action], about, status=status)


def _complaint(message: Message, stationery: Stationery) -> ReturnedMail:
    fields = {name.lower(): value for block in _blocks(message, "message/feedback-report") for name, value in block}
    if fields.get("feedback-type", "abuse").strip().lower() == "not-spam":
        return _NOTHING
    headers = "\n".join(_fields(message))
    asked, about = stationery.unsubscription_in(headers), next(stationery.message_ids_in(headers), None)
    if asked is None and about is None:
        return _NOTHING
    return ReturnedMail(ReturnedKind.COMPLAINT, about, None if asked is None else asked.user_id)


def _header(message: Message, name: str) -> str:
    return str(message.get(name, ""))[:_FIELDS_LONGEST]


def _blocks(message: Message, content_type: str) -> Iterator[list[tuple[str, str]]]:
    """Yield the groups of fields of the parts of a type, which the parser reads as messages within."""
    for part in message.walk():
        if part.get_content_type() == content_type:
            for block in part.get_payload() if part.is_multipart() else ():
                if isinstance(block, Message):
                    yield [(name, str(value)) for name, value in block.items()]


def _fields(message: Message) -> Iterator[str]:
    """Yield the values of all fields of a report and of what it quotes."""
    for part in message.walk():
        for value in part.values():
            yield re.sub(r"\r?\n[ \t]+", " ", str(value))[:_FIELDS_LONGEST]
        if part.get_content_type() == "text/rfc822-headers":
            yield re.sub(r"\r?\n[ \t]+", " ", _decoded(part))[:_FIELDS_LONGEST]


def _text(message: Message) -> str:
    return next((_decoded(part) for part in message.walk() if part.get_content_type() == "text/plain"), "")


def _decoded(part: Message) -> str:
    octets = part.get_payload(decode=True)
    if not isinstance(octets, bytes):
        return ""
    return octets.decode(part.get_content_charset("utf-8"), errors="replace")


def _own_words(text: str) -> str:
    kept = []
    for line in text.splitlines():
        if _QUOTE_BEGINS.match(line.strip()):
            break
        kept.append(line)
    return " ".join(" ".join(kept).split())[:_FIELDS_LONGEST]
