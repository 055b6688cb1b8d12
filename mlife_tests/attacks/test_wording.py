"""Rows 5 and 7: strangers' words under the brand, and a title that is too long to shorten."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from mlife_assets.recruiting.applications import job_of_the_day
from mlife_assets.recruiting.messaging.bodies import Stamps
from mlife_assets.recruiting.messaging.job_wordings import refusal_counts
from mlife_assets.recruiting.messaging.plan import CANDIDATE_COLUMNS, MessagePlan, build_plan
from mlife_assets.recruiting.messaging.templates import wording
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.policies import Policies

NOW, DAY = datetime(2026, 6, 3, 18, tzinfo=UTC), date(2026, 6, 3)
POLICY = MessagingPolicy(exploration_share=0.0)
KEY = b"k" * 32
TRICKS = {
    "evil.example/x claim now": ("web_address", "evil.example"),
    "Call +1 900 555 0199": ("phone_number", "900"),
    "Reply YES": ("call_to_action", "Reply YES"),
    "Cook evil dot com": ("web_address", "evil"),
    "C\u043e\u043ek": ("look_alike_letters", "C\u043e\u043ek"),
    "Send STOP to win": ("command_word", "to win"),
}


def plan(titles: list[str], employer: str = "Blue Diner") -> MessagePlan:
    """Plan a day on which each of n users could be texted about one job of n."""
    count = range(len(titles))
    candidates = pa.Table.from_pylist(
        [
            {
                "user_id": f"u{i}",
                "job_id": f"j{i}",
                "probability": 0.5,
                "propensity": 1.0,
                "slice": "exploit",
                "prediction_id": f"p{i}",
                "candidate_set_hash": "c",
                "is_exploration": False,
                "expected_value_usd": 1.0,
            }
            for i in count
        ]
    ).select(list(CANDIDATE_COLUMNS))
    users = [
        {"user_id": f"u{i}", "person_id": f"u{i}", "is_consented": True, "state_code": "IL",
         "time_zone": "America/Chicago"}
        for i in count
    ]  # fmt: skip
    jobs = [
        {"job_id": f"j{i}", "title": titles[i], "employer_name": employer, "pay_usd_per_hour": 18.5, "openings": 3}
        for i in count
    ]
    recent = pa.schema(
        [("user_id", pa.string()), ("person_id", pa.string()), ("as_of_date", pa.date32()), ("campaign", pa.string())]
    ).empty_table()
    return build_plan(
        candidates,
        pa.Table.from_pylist(users),
        pa.Table.from_pylist(jobs),
        recent,
        (),
        application=job_of_the_day(Policies(messaging=POLICY)),
        contact=ContactPolicy(holdout_share=0.0),
        as_of=DAY,
        now=NOW,
        stamps=Stamps(KEY),
    )


def test_no_strangers_trick_goes_out_under_the_brand() -> None:
    honest = ["Line Cook", "Forklift Operator, 2nd shift", "Help Desk Technician", "CDL-A Driver 2024"]
    made = plan([*TRICKS, *honest])
    bodies = made.planned["body"].to_pylist()
    assert len(bodies) == len(honest)
    assert not any(trace in body for body in bodies for _, trace in TRICKS.values())
    assert {job.reason for job in made.refused_jobs} == {rule for rule, _ in TRICKS.values()}
    assert sum(refusal_counts(made.refused_jobs).values()) == len(TRICKS)


@pytest.mark.parametrize("employer", list(TRICKS))
def test_nor_as_the_name_of_an_employer(employer: str) -> None:
    made = plan(["Line Cook"], employer)
    assert made.planned.num_rows == 0
    assert [job.job_id for job in made.refused_jobs] == ["j0"]


def test_a_title_of_a_hundred_thousand_letters_takes_no_time() -> None:
    began = time.process_time()
    body = wording(brand="Northstar Jobs", title="ab " * 33_333, pay_usd_per_hour=18.5, link_key=KEY).body("m1")
    assert len(body) <= 160
    assert plan(["ab " * 33_333]).planned.num_rows == 0
    assert time.process_time() - began < 2.0
