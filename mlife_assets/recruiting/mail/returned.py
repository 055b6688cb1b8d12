"""Mails that come back: what became of ours, and what their readers say.

Concept: anybody can write to these addresses. A report or complaint counts only with an id or a token of ours, whose
check only we can make. Anything else that a person writes is a reply: of the recipient of the message that it answers,
else of the owner of the address that it came from, which proves less. Subject, text and HTML are read, and an opt-out
in one of them is enough. Answers of machines say nothing, unless they have the words of an opt-out.

The words of a reply are those of its writer: people write above a quote, below it and between its lines, so lines that
begin with `>` are left out wherever they stand, and so is a signature. HTML becomes the same lines. Everything takes
time in proportion to the length: the writer may be hostile.
"""

from __future__ import annotations

import html
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

_LINES, _LINE = 4_000, 400
_WROTE = (
    "wrote|schrieb|écrit|escribi[oó]|escreveu|ha scritto|scrisse|schreef|skrev|napisał|napisal|написал|пише[тш]|"
    r"yazd\u0131|kirjoitti|đã viết|さんは|写道|寫道|작성|كتب"
)
_INTRO = re.compile(rf"(?:(?:{_WROTE})\b.{{0,100}}|<[^<>]*@[^@]{{1,100}})[:\uff1a]$", re.IGNORECASE)
_COPIED = re.compile(
    r"[\W_]*(?:from|von|de|da|van|fra|från|od|от|kimden|lähettäjä|发件人|寄件者|差出人|보낸 사람)[\W_]*?[:\uff1a]",
    re.IGNORECASE,
)
_HEADER = re.compile(r"[\W_]*[^\W\d_][^:\uff1a@]{0,30}[:\uff1a]")
_RULE = re.compile(r"[-_=*~]{2,}(?:[^-_=*~].{0,60}[-_=*~]{2,})?")
_STOP = re.compile(r"stop\W*", re.IGNORECASE)
"""A line of its own is a request wherever it stands: no signature or footer has it."""
_DEVICE = re.compile(
    r"(?:sent|gesendet|enviad[oa]|envoyé|inviato|verzonden|skickat|wysłan[eo]) (?:from|via|von|mit|desde|depuis|d[aeo]|"
    r"vanaf|från|z) |get outlook |(?:von mein|отправлено|.{0,9}iphone).*(?:gesendet|iphone|发送|送信|보냄|gönderildi)",
    re.I,
)

_OUR_END = re.compile(r"you get this mail because you asked ", re.IGNORECASE)
"""The end of our mails (`email_digest`), which says how to unsubscribe. Answers below an unmarked quote follow it."""

_NOT_SAID = re.compile(
    r"\bconfidential(?:ity)? (?:notice|and)|\bdisclaimer:|\bif .{1,60} not .{0,20}(?:intended recipient|addressee)|"
    r"sole use of the intended|"
    r"\bif .{0,40}\b(?:received|reached you)\b.{0,40}\b(?:in error|by mistake)\b|"
    r"\b(?:diese|cet?(?:te)?|este|esta|questo|questa|deze|dit) (?:e-?mail|courriel|correo|mensaje|mensagem|message|"
    r"messaggio|bericht)\b"
    r".{0,60}(?:vertraulich|confiden|riservat|vertrouwelijk)|"
    r"(?:^|[.!] )(?:(?:to|if you (?:want|wish) to) (?:stop|unsubscribe|opt out)|if you (?:would )?(?:no longer|do not|"
    r"don['\u2019]t|rather not|prefer))\b"
    r".{0,90}\b(?:reply|answer|visit|click|change|use|go to|send|unsubscribe|follow)\b|(?:^|[.!] )don['\u2019]t want "
    r"[^?]{1,60}\? (?:unsubscribe|click)|"
    r"\byou(?: are|['\u2019]re)? (?:receiv(?:ed|ing)|get(?:ting)?) this (?:e-?mail|message|newsletter)\b|\bclick "
    r"(?:here|below) to (?:unsubscribe|opt)|"
    r"\bunsubscribe (?:here|[|\u00b7\u2022])|[|\u00b7\u2022] ?unsubscribe\b|"
    r"^[\"\u201c][^\"\u201d]{10,}[\"\u201d]\W+[\w .]{2,40}$",
    re.IGNORECASE,
)
"""Start of a footer: a notice on confidentiality, or on unsubscribing from somebody else's mails. Never a request."""
_SPEAKS = re.compile(r"\bi\b|\bmy request\b|(?:mail|writ|send|bother|spamm)ing me\b|(?:e?mail|remove|take) me\b", re.I)
"""Words in the first person are no footer, even if they begin like one."""

_MARKUP = re.compile(r"(<[^<>]*>)")
_TAG = re.compile(r"<(/?)([a-z0-9]+)", re.IGNORECASE)
_UNSEEN = frozenset({"style", "script", "head", "title"})
_ENDS_HEAD = frozenset({"body", "div", "p", "table"})
_IN_A_LINE = "a abbr b big code em font i img input ins label mark o q s small span strong sub sup tt u wbr"
_INLINE = frozenset(_IN_A_LINE.split())  # all others break
READ_BYTES = 128 * 1024
"""Only this much of a mail is read: reports and replies have their message at the beginning."""
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
    """Kind of a returned mail."""

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
        kind: its kind; `nothing` covers delayed mail and automatic answers.
        message_id: the message that it is about; None when it names none.
        user_id: the account that it is from; None when only the message or the address identifies it.
        status: the code of a report, as `5.1.1`.
        text: the words of a reply without its quotations. Personal data: classify it, never store it.
        sender: the From of a reply, not validated. Personal data, too, and anybody can forge it.
    """

    kind: ReturnedKind
    message_id: str | None = None
    user_id: str | None = None
    status: str = ""
    text: str = field(default="", repr=False)
    sender: str | None = field(default=None, repr=False)


_NOTHING = ReturnedMail(ReturnedKind.NOTHING)


def read_returned(raw: bytes, stationery: Stationery, is_opt_out: Callable[[str], bool]) -> ReturnedMail:
    """Parse a returned mail; malformed input never raises. `is_opt_out` recognises the words of an opt-out."""
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
    """Return the parts of a subject around `Re:` without the quoted subject of ours, which names a pay."""
    before, *answered = _ANSWERING.split(subject, maxsplit=1)
    return [before, *(one for one in answered if "$" not in one)]


def _is_automatic(message: Message, subject: str, mailbox: str, *, is_answer: bool) -> bool:
    """Return whether a mail is automatic or bulk (by RFC 3834, and by headers of older programs).

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
    """Return the first address of a header, else its text; None if it is empty."""
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
    """Yield the values of all headers of a report and of the mail that it quotes."""
    for part in message.walk():
        for value in part.values():
            yield re.sub(r"\r?\n[ \t]+", " ", str(value))[:_FIELDS_LONGEST]
        if part.get_content_type() == "text/rfc822-headers":
            yield re.sub(r"\r?\n[ \t]+", " ", _decoded(part))[:_FIELDS_LONGEST]


def _texts(message: Message) -> Iterator[str]:
    """Yield the texts of a mail as lines, without attachments."""
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


def own_words(text: str) -> str:
    """Return the writer's own words, without quotations, in one line."""
    lines = [line.lstrip() for line in text.replace("\r\n", "\n").split("\n", _LINES)[:_LINES]]
    lines = [line if line == "-- " else line.rstrip() for line in lines if line]
    kept: list[str] = []
    is_signature, place = False, 0
    while place < len(lines):
        line, *after = (one[:_LINE] for one in lines[place : place + 3])
        intro = _length_of_intro(line, after)
        is_quoted = line.startswith(">")
        if intro and (lines[place + intro : place + intro + 1] or [""])[0].startswith(">"):
            place += intro
            continue
        if not is_quoted and (intro or _begins_a_copy(line, after) or _OUR_END.match(line)):
            place, is_signature = _after_our_end(lines, place), False
            continue
        if is_quoted:
            is_signature = False
        elif not is_signature and (footer := _NOT_SAID.search(line)) is not None and not _SPEAKS.search(line):
            kept.append(line[: footer.start()])
            is_signature = True
        elif line in ("--", "-- "):
            is_signature = bool(kept) and line == "-- "
        elif (not is_signature and not _DEVICE.match(line)) or _STOP.fullmatch(line):
            kept.append(lines[place])
        place += 1
    return " ".join(" ".join(kept).split())


def _length_of_intro(line: str, after: list[str]) -> int:
    """Return over how many lines a quote is introduced, 0 where it is not: `On Monday Ann <a@b.example> wrote:`."""
    if line.startswith(">"):
        return 0
    if _introduces(line) or (line[-1] in ":\uff1a" and after and after[0].startswith(">")):
        return 1
    # Of two lines the first has the date; where the second has it, the first may be the writer's.
    is_wrapped = re.search(r"[<\d]", line) and after and len(after[0]) <= 80 and not re.search(r"^>|\d", after[0])
    return 2 if is_wrapped and _introduces(f"{line} {after[0]}") else 0


def _after_our_end(lines: list[str], place: int) -> int:
    """Return where our mail ends that is quoted without signs: after the link, in one line or two, and our address."""
    end = next((n for n in range(place, len(lines)) if _OUR_END.match(lines[n])), len(lines)) + 1
    return next((n for n in range(end, len(lines)) if not re.match(r"unsubscribe|https?:", lines[n], re.I)), end) + 1


def _introduces(line: str) -> bool:
    """Return whether a line says when who wrote: a quote follows, with signs or without."""
    return re.search(r"\d", line) is not None and _INTRO.search(line) is not None


def _begins_a_copy(line: str, after: list[str]) -> bool:
    """Return whether a header of the mail that is answered was copied from here on."""
    if after and _COPIED.match(after[0]) is not None and (_RULE.fullmatch(line) or _HEADER.match(line)):
        return True
    return _COPIED.match(line) is not None and ("@" in line or (bool(after) and _HEADER.match(after[0]) is not None))


def html_lines(markup: str) -> str:
    """Return the text of HTML in lines, those of a block quotation with `>` before them."""
    lines, line = [], ""
    quotes, unseen = 0, ""
    for piece in [*_MARKUP.split(markup), "<br>"]:
        tag = _TAG.match(piece) if piece.endswith(">") else None
        if unseen:
            name = "" if tag is None else tag[2].lower()
            if name == unseen if tag and tag[1] else unseen == "head" and name in _ENDS_HEAD:
                unseen = ""
        elif tag is None:
            line += "" if piece.startswith("<!") else html.unescape(piece)
        elif (name := tag[2].lower()) in _UNSEEN and not tag[1] and not piece.endswith("/>"):
            unseen = name
        elif name not in _INLINE:
            lines.append("> " * min(quotes, 2) + re.sub(r"\s+", " ", line))
            line = ""
            if name == "blockquote":
                quotes = max(0, quotes + (-1 if tag[1] else 1))
    if not any(
        line.strip() and line[0] != ">" for line in lines
    ):  # a mail that is all quotation quotes ours, or nobody
        end = next((n for n, line in enumerate(lines) if _OUR_END.match(line, 2)), 0)
        lines[end:] = [line.removeprefix("> ") for line in lines[end:]]
    return "\n".join(lines)
