"""Five jobs, some of them hard to lay out, as one mail."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from mlife_assets.recruiting.email_digest.digest import DigestJob, Offer, render_digest
from mlife_assets.recruiting.mail.body import MailBody
from mlife_assets.recruiting.mail.letterhead import Letterhead

LONG = "Senior Warehouse Associate & Inventory Control Specialist (Second Shift, Overtime Available Every Weekend)"


def job(number: int, title: str, pay: str, employer: str, place: str, km: float | None, *why: str) -> DigestJob:
    return DigestJob(Offer(f"job_{number}", title, pay, employer, place), km, why)


@pytest.fixture
def jobs() -> list[DigestJob]:
    return [
        job(1, "Forklift Operator", "$21.50/hr", "Lakeside Logistics", "Chicago, IL", 4.2, "the shift you work"),
        job(2, LONG, "$19/hr", "Great Lakes Distribution and Fulfillment Company of Illinois", "Chicago, IL", 18.0),
        job(3, "Supercalifragilistic" * 4, "$23.75/hr", "Acme", "Chicago, IL", 0.4, "new this week", "close to you"),
        job(4, "Cook", "$18/hr", "", "", None),
        job(5, "Dock <b>Worker</b> {{ 7 * 7 }}", "$20.10/hr", 'Müller & "Söhne"', "", 80.0, "fits your experience"),
    ]


@pytest.fixture
def rendered(jobs: list[DigestJob]) -> Callable[..., MailBody]:
    """Return what renders jobs, the five unless others are given."""

    def render(chosen: list[DigestJob] | None = None, **other: object) -> MailBody:
        arguments = {
            "message_id": "msg_" + "a" * 24,
            "user_id": "usr_0000001",
            "application": "email_digest",
            "as_of": date(2026, 6, 1),
            "letterhead": Letterhead(),
            "link_key": b"l" * 32,
            "mail_key": b"m" * 32,
        }
        return render_digest(jobs if chosen is None else chosen, **{**arguments, **other})

    return render
