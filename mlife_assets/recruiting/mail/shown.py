"""Bodies as people are shown them, whatever the channel.

Belongs here: whether a body is a mail, one line of it. Does not belong here: pages and terminals.

Concept: a body is one string. That of a mail begins as no text can: the words of a text begin with the brand.
"""

from __future__ import annotations

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.mail.body import MailBody, read_mail_body

_MAIL_BEGINS = '{"html":"'


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
