from __future__ import annotations

import json

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.mail.body import HTML_MAXIMUM_BYTES, MailBody, body_line, mail_of, read_mail_body

MAIL = MailBody("5 jobs", "a", "<p>b</p>")


def test_a_mail_is_one_string_and_the_same_bytes():
    mail = MailBody("Café", "a\nb", "<p>ü</p>")
    assert mail.canonical() == '{"html":"<p>ü</p>","subject":"Café","text":"a\\nb"}'
    assert read_mail_body(mail.canonical()) == mail


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (("", "a", "b"), "subject is empty"),
        (("a\r\nBcc: x@y.example", "a", "b"), "in 2 lines"),
        (("a" * 151, "a", "b"), "151 characters"),
        (("a", "\x00", "b"), "control character"),
        (("a", "a", "é" * (HTML_MAXIMUM_BYTES // 2 + 1)), "100002 bytes"),
    ],
)
def test_what_cannot_be_sent_is_refused(parts, words):
    with pytest.raises(InvalidInputError, match=words):
        MailBody(*parts)


@pytest.mark.parametrize(
    "body",
    [
        "Cook at Diner. Reply STOP to opt out",
        "[]",
        '{"html":"a","subject":"b"}',
        '{"html":"a","subject":"b","text":1}',
        json.dumps({"html": "a", "subject": "b", "text": "c"}),
        '{"html":"a","html":"x","subject":"b","text":"c"}',
    ],
)
def test_another_string_is_no_mail(body):
    with pytest.raises(InvalidInputError):
        read_mail_body(body)


def test_a_mail_is_shown_by_its_subject():
    assert mail_of(MAIL.canonical()) == MAIL
    assert body_line(MAIL.canonical()) == "Mail: 5 jobs"


@pytest.mark.parametrize("body", ["Northstar Jobs: Cook. Reply STOP", "", "{", '{"html":"x"}', MAIL.canonical()[:-1]])
def test_everything_else_is_shown_as_it_is(body):
    assert mail_of(body) is None
    assert body_line(body) == body
