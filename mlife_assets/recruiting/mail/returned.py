"""Mails that come back: what became of ours, and what their readers say.

Concept: anybody can write to these addresses. A report or complaint counts only with an id or a token of ours, whose
check only we can make. Whatever else a person writes is a reply: of whoever got the message that it answers, else of
whoever has the address that it came from, which proves less. Subject, text and HTML are read, and an opt-out in one of
them is enough. Answers of machines say nothing, unless they have the words of an opt-out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.utils import getaddresses
from enum import StrEnum

from mlife_assets.core.encoded_words import shown
from mlife_assets.recruiting.mail.addresses import normalise_address
from mlife_assets.recruiting.mail.mime import Stationery
from mlife_assets.recruiting.mail.own_words import html_lines, own_words

READ_BYTES = 128 * 1024
"""So much of a mail is read; reports and people say what they have to say at its beginning."""
LINES_MOST, BLOCKS_MOST, PARTS_MOST = 8_000, 2_000, 50
_CONTENT_TYPE = re.compile(rb"^content-type:(?:[^\n]|\n[ \t])*", re.MULTILINE | re.IGNORECASE)
_FIELDS_LONGEST, _CONTENT_TYPE_LONGEST, _HEADER_LONGEST = 20_000, 2_000, 1_000
_ANSWERS = "re|aw|fwd?|wg|sv|vs|antw|rv|res|enc|tr|odp|回复|答复|转发"
_ANSWERING = re.compile(rf"(?:\b(?:{_ANSWERS})(?:\[\d+\])?\s*[:\uff1a]\s*)+", re.IGNORECASE)
_AUTOMATIC = re.compile(
    r"auto(?:[- ]?(?:reply|response|antwort|svar))?\s*:|autom[aá]ti\w*\s+(?:reply|response|antwort|svar)|"
    r"(?:réponse|respuesta|resposta|risposta) autom[aá]ti\w*|out of (?:the )?office|abwesen|absence|"
    r"fuera de la oficina|undeliver|delivery (?:status|failure)|failure notice|returned mail|mail delivery",
    re.IGNORECASE,
)
_MACHINES = ("noreply", "no-reply", "donotreply", "do-not-reply", "bounce", "bounces")
_BRACKETED = re.compile(r"<\s*([^<>\s]{3,254})\s*>")


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
        kind: what it is; `nothing` is delayed mail, and answers of machines.
        message_id: the message that it is about, None when it does not say.
        user_id: the account that it is from, None when only the message or the address says it.
        status: the code of a report, as `5.1.1`.
        text: what a reply says, without what it quotes. Personal data: classify it, never store it.
        sender: the address that a reply came from, or what stands there. Personal data, too, and anybody can write it.
    """

    kind: ReturnedKind
    message_id: str | None = None
    user_id: str | None = None
    status: str = ""
    text: str = field(default="", repr=False)
    sender: str | None = field(default=None, repr=False)


_NOTHING = ReturnedMail(ReturnedKind.NOTHING)


def read_returned(raw: bytes, stationery: Stationery, is_opt_out: Callable[[str], bool]) -> ReturnedMail:
    """Return what a mail that came back says, whatever it is made of; `is_opt_out` knows the words of an opt-out."""
    raw = raw[:READ_BYTES].replace(b"\r\n", b"\n").replace(b"\r", b"\n")  # as the parser ends lines
    if not _is_costly(raw):
        with suppress(RecursionError, ValueError, LookupError, AttributeError, TypeError):  # built to break its reader
            return _read(message_from_bytes(raw), stationery, is_opt_out)
    return _reply_without_words(raw)


def _is_costly(raw: bytes) -> bool:
    """Return whether a mail has more lines, parts or parameters than anybody writes: each costs its reader time."""
    most = {b"\n": LINES_MOST, b"\n--": PARTS_MOST, b"\n\n": BLOCKS_MOST}
    if any(raw.count(mark) > count for mark, count in most.items()):
        return True
    return any(len(found[0]) > _CONTENT_TYPE_LONGEST for found in _CONTENT_TYPE.finditer(raw))


def _reply_without_words(raw: bytes) -> ReturnedMail:
    """Return an unreadable mail as a reply that somebody has to look at, if an address says whose it is."""
    written = re.search(rb"^From:[^\n]{1,998}", raw, re.MULTILINE | re.IGNORECASE)
    sender = None if written is None else _address(written[0][5:].decode("utf-8", errors="replace"))
    return _NOTHING if sender is None else ReturnedMail(ReturnedKind.REPLY, sender=sender)


def _read(message: Message, stationery: Stationery, is_opt_out: Callable[[str], bool]) -> ReturnedMail:
    kind = str(message.get_param("report-type", "")).lower() if message.get_content_type() == "multipart/report" else ""
    if kind == "delivery-status":
        return _delivery(message, stationery)
    if kind == "feedback-report":
        return _complaint(message, stationery)
    subject = shown(_header(message, "Subject")[:_HEADER_LONGEST])
    said = [words for text in _texts(message) if (words := own_words(text)[:_FIELDS_LONGEST])]
    sender = _address(_header(message, "From"))
    answers = f"{_header(message, 'In-Reply-To')} {_header(message, 'References')}"
    answered = next(stationery.message_ids_in(answers), None)
    mailbox = (sender or "").partition("@")[0].lower()
    is_automatic = _is_automatic(message, subject, mailbox, is_answer=answered is not None)
    for words in (subject, *(() if is_automatic else said)):
        if (asked := stationery.unsubscription_in(words)) is not None:
            return ReturnedMail(ReturnedKind.UNSUBSCRIBE, user_id=asked.user_id)
    is_daemon = mailbox in ("mailer-daemon", "postmaster") or _header(message, "Return-Path").strip() == "<>"
    if is_daemon or (answered is None and sender is None):
        return _NOTHING
    opt_out = next((words for words in (*said, *_own_subjects(subject)) if is_opt_out(words)), None)
    if opt_out is None and is_automatic:
        return _NOTHING
    return ReturnedMail(ReturnedKind.REPLY, answered, text=opt_out or next(iter(said), subject), sender=sender)


def _own_subjects(subject: str) -> list[str]:
    """Return what a subject says before and after `Re:`, of a mail of ours, which names a pay, what is before."""
    before, *answered = _ANSWERING.split(subject, maxsplit=1)
    return [before, *(one for one in answered if "$" not in one)]


def _is_automatic(message: Message, subject: str, mailbox: str, *, is_answer: bool) -> bool:
    """Return whether a machine answers or sends to many (RFC 3834, and what programs write instead).

    An answer to a mail of ours has to say so: mails of people have the weaker marks, too.
    """
    if _header(message, "Auto-Submitted").partition(";")[0].strip().lower() not in ("", "no"):
        return True
    if _header(message, "Precedence").strip().lower() in {"bulk", "list", "junk", "auto_reply"}:
        return True
    weaker = () if is_answer else ("X-Auto-Response-Suppress", "List-Id", "List-Unsubscribe")
    if any(message.get(name) is not None for name in ("X-Autoreply", "X-Autorespond", *weaker)):
        return True
    return not is_answer and (mailbox in _MACHINES or _AUTOMATIC.match(subject.strip()) is not None)


def _address(written: str) -> str | None:
    """Return the first address of a header, else what stands there instead of one; None if nothing does."""
    written, found = written[:_HEADER_LONGEST].strip(), []
    with suppress(RecursionError):  # comments within comments
        found = [address for _, address in getaddresses([written])]
    found += [*_BRACKETED.findall(written), written]
    return next(filter(None, (*map(normalise_address, found), *found)), None)


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


def _texts(message: Message) -> Iterator[str]:
    """Yield the texts of a mail as lines: what it says in itself, not what is attached to it."""
    kind = message.get_content_type()
    if message.is_multipart():
        for part in message.get_payload() if kind != "message/rfc822" else ():
            if isinstance(part, Message):
                yield from _texts(part)
    elif message.get_content_disposition() != "attachment":
        if kind == "text/plain":
            yield _decoded(message)
        elif kind == "text/html":
            yield html_lines(_decoded(message))


def _decoded(part: Message) -> str:
    octets = part.get_payload(decode=True)
    if not isinstance(octets, bytes):
        return ""
    try:
        return octets.decode(part.get_content_charset("utf-8"), errors="replace")
    except LookupError:  # nobody knows the charset, but an opt-out is mostly ASCII
        return octets.decode("utf-8", errors="replace")
