"""What a message says, by channel; texts as they are in plans are tested in `test_plan`."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pyarrow as pa
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.applications import job_of_the_day
from mlife_assets.recruiting.messaging.bodies import RENDERERS, Message, OfferedJobs, Stamps, bodies_of
from mlife_assets.recruiting.messaging.templates import Wording
from mlife_assets.recruiting.policies import Policies

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


def test_the_key_of_links_is_never_shown() -> None:
    assert "kkk" not in repr(OFFERED)
