"""A letterhead and mails."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mlife_assets.recruiting.mail.body import MailBody
from mlife_assets.recruiting.mail.letterhead import Letterhead
from mlife_assets.recruiting.mail.mime import Stationery, unsubscribe_token
from mlife_assets.recruiting.ports import OutboundMessage

KEY = b"k" * 32


@pytest.fixture
def stationery() -> Stationery:
    return Stationery(Letterhead(), KEY)


@pytest.fixture
def bounce(stationery: Stationery) -> Callable[..., str]:
    def report(message_id: str, action: str = "failed") -> str:
        return (
            f"To: bounces+{stationery.wire_id(message_id)}\nContent-Type: multipart/report;"
            " report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\n"
            f"Reporting-MTA: dns; x\n\nAction: {action}\nStatus: 5.1.1\n\n--b--\n"
        )

    return report


@pytest.fixture
def mail_to() -> Callable[..., OutboundMessage]:
    def make(number: int = 1, *, address: str | None = None, extra: str = "") -> OutboundMessage:
        user_id = f"usr_{number:07d}"
        leave = Letterhead().unsubscribe_base + unsubscribe_token(user_id, "email_digest", KEY)
        text = f"A job for {number}\n.\n.dots at the beginning\n{extra}\n{leave}\n"
        body = MailBody("A job", text, f"<p>{text}</p>").canonical()
        return OutboundMessage(f"msg_{number:024d}", user_id, address or f"person{number}@home.example", body)

    return make
