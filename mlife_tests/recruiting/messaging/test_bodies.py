"""What a message says, by channel; texts as they are in plans are tested in `test_plan`."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pyarrow as pa
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.applications import job_of_the_day
from mlife_assets.recruiting.mail.body import read_mail_body
from mlife_assets.recruiting.messaging.bodies import RENDERERS, Message, OfferedJobs, Stamps, bodies_of, offers_of
from mlife_assets.recruiting.messaging.templates import Wording
from mlife_assets.recruiting.policies import Policies
from mlife_tests.reviews import everybody_approved

KEY = b"k" * 32
TEXTS = job_of_the_day(Policies())
WORDED = {"j0": Wording("Cook. x/", " Reply STOP", KEY)}
DAY = date(2026, 6, 1)
OFFERED = OfferedJobs(
    TEXTS, DAY, pa.table({"user_id": ["u"]}), pa.table({"job_id": ["j0"]}), WORDED, Stamps(KEY, mail_key=KEY)
)


def test_a_text_is_the_wording_of_its_one_job() -> None:
    assert bodies_of(OFFERED)([Message("m", "u", ("j0",))]) == [WORDED["j0"].body("m")]
    with pytest.raises(ValueError, match="unpack"):
        bodies_of(OFFERED)([Message("m", "u", ("j0", "j0"))])


def test_a_channel_that_nothing_writes_for_is_refused_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(RENDERERS, "email")
    mails = replace(OFFERED, application=replace(TEXTS, name="mails", channel="email"))
    with pytest.raises(InvalidInputError, match=r"nothing writes what mails sends by email; add a renderer"):
        bodies_of(mails)


def test_a_mail_says_of_each_job_what_suits_its_reader() -> None:
    mails = replace(TEXTS, name="mails", channel="email", items=2)
    people = pa.table({"user_id": ["u"], "latitude": [30.0], "longitude": [-97.0], **people_traits(1)})
    titles = ["Registered Nurse", "Cook", "Act now"]
    jobs = pa.table({"job_id": ["j0", "j1", "j2"], "title": titles, "employer_name": ["Mercy", "Diner", "X"],
                     "pay_usd_per_hour": [30.0, 18.0, 20.0], "openings": [9, 1, 1], **job_facts(3)})  # fmt: skip
    offers, refused = offers_of(jobs, mails, OFFERED.stamps, everybody_approved(jobs))
    assert [one.job_id for one in refused] == ["j2"]
    offered = OfferedJobs(mails, DAY, people, jobs, offers, OFFERED.stamps)
    messages = [Message(f"msg_{place}", "u", ("j0", "j1")[: 2 - place]) for place in range(2)]
    both, one = (read_mail_body(body) for body in bodies_of(offered)(messages))
    assert "1. Registered Nurse\n   $30/hr, Mercy, about 2 miles away\n   Why: the kind of work you do" in both.text
    assert "2. Cook" in both.text
    assert "Cook" not in one.text
    assert bodies_of(offered)([messages[1]]) == [one.canonical()], "whom it is written beside changes nothing"


def people_traits(count: int) -> dict[str, list[object]]:
    traits = {"user_occupation_group": "29", "user_shift": "day", "user_seniority": 1, "as_of_date": DAY,
              "reservation_pay_usd_per_hour": 25.0, **{f"taste_{k}": 0.1 for k in range(1, 9)}}  # fmt: skip
    return {name: [value] * count for name, value in traits.items()}


def job_facts(count: int) -> dict[str, list[object]]:
    facts = {"job_latitude": 30.02, "job_longitude": -97.02, "job_occupation_group": "29", "job_shift": "day",
             "job_seniority": 3, "as_of_date": DAY, "job_age_days": 20,
             **{f"text_{k}": 0.1 for k in range(1, 9)}}  # fmt: skip
    return {name: [value] * count for name, value in facts.items()}


def test_the_key_of_links_is_never_shown() -> None:
    assert "kkk" not in repr(OFFERED)
