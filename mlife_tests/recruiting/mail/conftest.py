"""A letterhead, its keys, and a mail that may be sent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mlife_assets.recruiting.mail.body import MailBody
from mlife_assets.recruiting.mail.letterhead import Letterhead
from mlife_assets.recruiting.mail.mime import Envelope, Stationery, unsubscribe_token

KEY = b"k" * 32
USER, APPLICATION, MESSAGE = "usr_0000001", "email_digest", "msg_" + "a" * 24
NOW = datetime(2026, 6, 1, 15, 0, 7, 123, tzinfo=UTC)


@pytest.fixture
def stationery() -> Stationery:
    return Stationery(Letterhead(), KEY)


@pytest.fixture
def token() -> str:
    return unsubscribe_token(USER, APPLICATION, KEY)


@pytest.fixture
def body(stationery: Stationery, token: str) -> str:
    leave = stationery.letterhead.unsubscribe_base + token
    return MailBody(
        "Café, $21/hr", f"A job\n\nUnsubscribe: {leave}\n", f'<p>A job</p><a href="{leave}">no</a>'
    ).canonical()


@pytest.fixture
def envelope(stationery: Stationery, body: str) -> Envelope:
    return stationery.envelope(message_id=MESSAGE, user_id=USER, address="Ann@Home.example", body=body, now=NOW)
