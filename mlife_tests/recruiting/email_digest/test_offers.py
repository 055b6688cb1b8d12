from __future__ import annotations

import pyarrow as pa

from mlife_assets.recruiting.email_digest.offers import Offer, offer_jobs
from mlife_assets.recruiting.messaging_policy import MessagingPolicy


def table(*rows: tuple[str, str, str]) -> pa.Table:
    names = ("job_id", "title", "employer_name")
    whole = [dict(zip(names, row, strict=True)) for row in rows]
    return pa.Table.from_pylist(
        [
            row
            | {
                "employer_id": f"e_{row['job_id']}",
                "metro_name": "Chicago, IL",
                "pay_usd_per_hour": 18.5,
                "openings": 1,
            }
            for row in whole
        ]
    )


def test_the_rules_of_texts_hold_for_mails():
    rows = table(
        ("j1", "Line  Cook", "Blue Diner"),
        ("j2", "Cook", "evil.example"),
        ("j3", "Reply YES", "Diner"),
        ("j4", "Nurse \U0001f600", "Clinic"),
        ("j5", "Baker", "Newcomer"),
        ("j6", "C\u043e\u043ek", "Diner"),
        ("j7", "Cook, gift card", "Diner"),
        ("j8", " ", "Diner"),
    )
    offers, refused = offer_jobs(rows, MessagingPolicy(), withheld_employers={"e_j5": "employer_in_review"})
    assert offers == {"j1": Offer("j1", "Line Cook", "$18.50/hr", "Blue Diner", "Chicago, IL")}
    assert [(job.job_id, job.reason) for job in refused] == [
        ("j2", "web_address"),
        ("j3", "call_to_action"),
        ("j4", "unwritable"),
        ("j5", "employer_in_review"),
        ("j6", "look_alike_letters"),
        ("j7", "refused_phrase"),
        ("j8", "unwritable"),
    ]


def test_accents_stay_and_what_is_unknown_is_empty():
    rows = table(("j1", "Pâtissier", "Café Ünal")).drop_columns(["metro_name", "employer_id"])
    offers, refused = offer_jobs(rows, MessagingPolicy())
    assert offers["j1"] == Offer("j1", "Pâtissier", "$18.50/hr", "Café Ünal", "")
    assert refused == ()


def test_a_job_without_pay_is_not_offered():
    rows = table(("j1", "Cook", "Diner")).drop_columns("pay_usd_per_hour")
    rows = rows.append_column("pay_usd_per_hour", pa.array([None], pa.float64()))
    offers, (refused,) = offer_jobs(rows, MessagingPolicy())
    assert offers == {}
    assert "pay_usd_per_hour" in refused.why
