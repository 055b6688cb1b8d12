"""The words of a mail's writer: without what the mail quotes, and without the signature.

Concept: people write above a quote, below it and between its lines, so lines that begin with `>` are left out wherever
they stand. A quote without such signs, after a line that introduces it or a copied header, ends where our mail does, or
never. HTML becomes the same lines, those of a block quotation with `>`. Everything takes time in proportion to the
length: the writer may be hostile.
"""

from __future__ import annotations

import html
import re

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
"""Where a footer begins: who may read the mail, or how to end those of somebody else. It is nobody's request."""
_SPEAKS = re.compile(r"\bi\b|\bmy request\b|(?:mail|writ|send|bother|spamm)ing me\b|(?:e?mail|remove|take) me\b", re.I)
"""Somebody's own words are none, whatever they begin like."""

_MARKUP = re.compile(r"(<[^<>]*>)")
_TAG = re.compile(r"<(/?)([a-z0-9]+)", re.IGNORECASE)
_UNSEEN = frozenset({"style", "script", "head", "title"})
_ENDS_HEAD = frozenset({"body", "div", "p", "table"})
_IN_A_LINE = "a abbr b big code em font i img input ins label mark o q s small span strong sub sup tt u wbr"
_INLINE = frozenset(_IN_A_LINE.split())  # all others break


def own_words(text: str) -> str:
    """Return what the writer of a mail says in it, in one line."""
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
