"""The body of a mail: subject, plain text and HTML as one string.

Concept: whatever a channel sends is one string, so that approval binds all of it. For a mail it is JSON with sorted
keys and no spaces: the same mail is the same bytes. It begins as no text can: the words of a text begin with the brand.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.pages.markup import writable

HTML_MAXIMUM_BYTES = 100_000
"""Gmail shows the first 102 kB of a mail and hides the rest, the way to unsubscribe with it."""
SUBJECT_MAXIMUM = 150
_PARTS = ("html", "subject", "text")

_MAIL_BEGINS = '{"html":"'


@dataclass(frozen=True)
class MailBody:
    """What one mail says. Raises InvalidInputError when a part is empty, too long or cannot be sent."""

    subject: str
    text: str
    html: str

    def __post_init__(self) -> None:
        for name in _PARTS:
            part = getattr(self, name)
            if not part.strip():
                raise InvalidInputError(f"MailBody.{name} is empty; a mail has subject, text and HTML")
            if writable(part) != part:
                raise InvalidInputError(f"MailBody.{name} holds a control character; leave it out")
        if len(self.subject) > SUBJECT_MAXIMUM or len(self.subject.splitlines()) > 1:
            raise InvalidInputError(
                f"MailBody.subject has {len(self.subject)} characters in {len(self.subject.splitlines())} lines; "
                f"use at most {SUBJECT_MAXIMUM} in one line"
            )
        size = max(len(self.html.encode()), len(self.text.encode()))
        if size > HTML_MAXIMUM_BYTES:
            raise InvalidInputError(
                f"a part of the mail has {size} bytes; mail programs cut it, so keep it at {HTML_MAXIMUM_BYTES} or less"
            )

    def canonical(self) -> str:
        parts = {name: getattr(self, name) for name in _PARTS}
        return json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def read_mail_body(body: str) -> MailBody:
    """Return the mail that `MailBody.canonical` wrote. Raises InvalidInputError on any other string."""
    try:
        parts = json.loads(body)
    except ValueError:
        parts = None
    if (
        not isinstance(parts, dict)
        or sorted(parts) != list(_PARTS)
        or not all(isinstance(p, str) for p in parts.values())
    ):
        raise InvalidInputError("the body is no mail; plan it again, as JSON of html, subject and text")
    mail = MailBody(**parts)
    if mail.canonical() != body:
        raise InvalidInputError("the body is a mail in another form; write it with MailBody.canonical")
    return mail


def mail_of(body: str) -> MailBody | None:
    """Return the mail that a body is, None when it is a text."""
    if not body.startswith(_MAIL_BEGINS):
        return None
    try:
        return read_mail_body(body)
    except InvalidInputError:
        return None


def body_line(body: str) -> str:
    """Return a body in one line: a text as it is, a mail by its subject."""
    mail = mail_of(body)
    return body if mail is None else f"Mail: {mail.subject}"
