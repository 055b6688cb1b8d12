from __future__ import annotations

import pytest

from mlife_assets.recruiting.mail.body import MailBody
from mlife_assets.recruiting.mail.shown import body_line, mail_of

MAIL = MailBody("5 jobs", "a", "<p>b</p>")


def test_a_mail_is_shown_by_its_subject():
    assert mail_of(MAIL.canonical()) == MAIL
    assert body_line(MAIL.canonical()) == "Mail: 5 jobs"


@pytest.mark.parametrize("body", ["Northstar Jobs: Cook. Reply STOP", "", "{", '{"html":"x"}', MAIL.canonical()[:-1]])
def test_everything_else_is_shown_as_it_is(body):
    assert mail_of(body) is None
    assert body_line(body) == body
