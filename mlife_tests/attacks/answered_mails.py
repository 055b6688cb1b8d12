"""Answers to a mail of ours, as programs of several languages write them."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from datetime import date
from email.message import EmailMessage
from typing import Any

from mlife_assets.recruiting.mail.letterhead import Letterhead
from mlife_assets.recruiting.mail.mime import Stationery
from mlife_assets.recruiting.messaging.email_digest.digest import DigestJob, Offer, render_digest

KEY, USER, MESSAGE, SENDER = b"k" * 32, "usr_0000001", "msg_" + "a" * 24, "ann@home.example"
OURS = render_digest(
    [DigestJob(Offer("job_1", "Line Cook", "$21/hr", "Blue Diner", "Mesa, AZ"))], message_id=MESSAGE, user_id=USER,
    application="email_digest", as_of=date(2026, 6, 1), letterhead=Letterhead(), link_key=KEY, mail_key=KEY,
)  # fmt: skip
STATIONERY = Stationery(Letterhead(), KEY)
WHO = "Northstar Jobs <jobs@mail.jobs.example>"
QUOTED = "\n".join(f"> {line}".rstrip() for line in OURS.text.splitlines())
COPIED = (
    f"________________________________\nVon: {WHO}\nGesendet: Montag, 1. Juni 2026 15:00\nBetreff: {OURS.subject}\n\n"
)
_OURS_IN = re.compile(r"(?:^([> ]*))?\[OURS\]", re.MULTILINE)
Form = Callable[[EmailMessage, str], None]


def _above(mail: EmailMessage, said: str) -> None:
    mail.set_content(f"{said}\n\nOn Mon, Jun 1, 2026 at 3:00 PM {WHO} wrote:\n\n{QUOTED}\n")


def _below(mail: EmailMessage, said: str) -> None:
    mail.set_content(f"Am 01.06.2026 um 15:00 schrieb {WHO}:\n{QUOTED}\n\n{said}\n", cte="base64")


def _copied(mail: EmailMessage, said: str) -> None:
    mail.set_content(f"{said}\n\n{COPIED}{OURS.text}")


def _new(mail: EmailMessage, said: str) -> None:
    mail.set_content(f"{said}\n")
    del mail["In-Reply-To"]


def _paragraphs(said: str) -> str:
    return "".join(f"<div>{html.escape(line) or '<br>'}</div>" for line in said.split("\n"))


def _html(mail: EmailMessage, said: str) -> None:
    quote = f"<blockquote class='gmail_quote'>{OURS.html}</blockquote>"
    intro = f"<div class='gmail_attr'>El lun, 1 jun 2026 a las 15:00, {html.escape(WHO)} escribió:<br></div>"
    mail.set_content(f"<html><body>{_paragraphs(said)}{intro}{quote}</body></html>", subtype="html")


def _html_below(mail: EmailMessage, said: str) -> None:
    mail.set_content("")
    mail.add_alternative(f"<blockquote>{OURS.html}</blockquote>{_paragraphs(said)}", subtype="html")


FORMS: dict[str, Form] = {
    "above a quote": _above, "below a German quote": _below, "above a copied header": _copied, "a new mail": _new,
    "html alone": _html, "html below the quote": _html_below,
}  # fmt: skip


def answer(subject: str, said: str, form: str, **headers: str) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = f"Ann <{SENDER}>", "help@jobs.example", subject
    mail["In-Reply-To"] = f"<{STATIONERY.wire_id(MESSAGE)}>"
    FORMS[form](mail, said)
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    return mail.as_bytes()


def as_sent(mail: Mapping[str, Any]) -> bytes:
    """Return a mail of `mails_as_sent.jsonl`, in its program's form, with our mail for `[OURS]` where it quotes it."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = f"Ann <{SENDER}>", "help@jobs.example", mail["subject"]
    if mail["answers"]:
        message["In-Reply-To"] = f"<{STATIONERY.wire_id(MESSAGE)}>"
    for name, value in mail["headers"].items():
        del message[name]
        message[name] = value
    ours = OURS.text.strip().splitlines()
    text, markup = mail["text"], mail["html"]
    message.set_content(
        "" if text is None else _OURS_IN.sub(lambda at: "\n".join((at[1] or "") + line for line in ours), text)
    )
    if markup is not None:
        message.add_alternative(markup.replace("[OURS]", OURS.html), subtype="html")
    return message.as_bytes()
