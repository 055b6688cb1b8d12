from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.mail.body import MailBody
from mlife_assets.recruiting.mail.letterhead import Letterhead
from mlife_assets.recruiting.mail.mime import Envelope, Stationery
from mlife_assets.recruiting.mail.unsubscribe import unsubscribe_token

KEY = b"k" * 32
USER, MESSAGE = "usr_0000001", "msg_" + "a" * 24
MIDNIGHT = datetime(2026, 6, 1, tzinfo=UTC)
LEAVE = Letterhead().unsubscribe_base


def read(envelope):
    return message_from_bytes(envelope.mime, policy=policy.default)


def test_a_mail_reads_back_as_it_was_written(envelope, body, token):
    mail = read(envelope)
    assert mail["From"] == "Northstar Jobs <jobs@mail.jobs.example>"
    assert mail["To"] == envelope.recipient == "Ann@home.example"
    assert mail["Subject"] == "Café, $21/hr"
    assert mail["Date"] == "Mon, 01 Jun 2026 15:00:07 +0000"
    assert mail.get_body(("plain",)).get_content().split("\r\n") == ["A job", "", f"Unsubscribe: {LEAVE}{token}", ""]
    assert f'href="{LEAVE}{token}"' in mail.get_body(("html",)).get_content()
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert mail.defects == []


def test_one_click_is_in_the_headers_as_rfc_8058_asks(envelope, token):
    lines = envelope.mime.decode("ascii").split("\r\n")
    assert (
        f"List-Unsubscribe: <{LEAVE}{token}>, <mailto:unsubscribe@mail.jobs.example?subject=unsubscribe%20{token}>"
    ) in lines
    assert "List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines
    assert "Auto-Submitted: auto-generated" in lines
    assert "Precedence: bulk" in lines
    assert "Feedback-ID: email_digest:20260601:mail:mail.jobs.example" in lines


def test_the_wire_takes_it_anywhere(envelope):
    assert envelope.mime.isascii()
    assert b"\n" not in envelope.mime.replace(b"\r\n", b"")
    lines = envelope.mime.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert max(len(line) for line in lines if not line.startswith(b"List-Unsubscribe")) <= 78


def test_a_long_subject_is_folded_in_words_of_75(stationery, token):
    mail = MailBody("Café ünter " * 12, f"{LEAVE}{token}", f"{LEAVE}{token}").canonical()
    made = stationery.envelope(message_id=MESSAGE, user_id=USER, address="a@b.example", body=mail, now=MIDNIGHT)
    assert read(made)["Subject"].strip() == ("Café ünter " * 12).strip()
    words = [word for line in made.mime.split(b"\r\n") for word in line.split() if word.startswith(b"=?")]
    assert len(words) > 1
    assert max(map(len, words)) <= 75


@pytest.mark.parametrize("subject", ["Cook =?utf-8?q?x=0D=0ABcc:_a@b.example?=", " spaced ", "=?", "x" * 150, "a?=b"])
def test_a_subject_is_never_decoded_on_the_way_out(stationery, token, subject):
    mail = MailBody(subject, f"{LEAVE}{token}", f"{LEAVE}{token}").canonical()
    made = stationery.envelope(message_id=MESSAGE, user_id=USER, address="a@b.example", body=mail, now=MIDNIGHT)
    assert read(made)["Subject"] == subject
    assert read(made)["Bcc"] is None


@pytest.mark.parametrize("line", [b"A: b\n", b"A: b\r", b"A: \x00", b"A: \xc3", b"x" * 999])
def test_bytes_that_a_server_may_read_differently_are_no_mail(line):
    Envelope("bounces@b.example", "a@b.example", b"A: b\r\n")
    for mime in (line + b"\r\n", b"A: b"):
        with pytest.raises(InvalidInputError, match="CR LF"):
            Envelope("bounces@b.example", "a@b.example", mime)


@pytest.mark.parametrize("written", ["Other", "x\r\nBcc: a@b.example", "x\r\n\r\nhttp://evil.example"])
def test_a_mail_that_does_not_read_back_as_approved_is_refused(stationery, body, monkeypatch, written):
    monkeypatch.setattr("mlife_assets.recruiting.mail.mime._words", lambda *_, **__: written)
    with pytest.raises(InvalidInputError, match="does not read back"):
        stationery.envelope(message_id=MESSAGE, user_id=USER, address="a@b.example", body=body, now=MIDNIGHT)


def test_the_same_mail_is_the_same_bytes(stationery, body, envelope):
    again = stationery.envelope(message_id=MESSAGE, user_id=USER, address="Ann@home.example", body=body, now=MIDNIGHT)
    assert again.mime.replace(b"00:00:00", b"15:00:07") == envelope.mime


@pytest.mark.parametrize("words", ["A job", "Café 漢 = 1_?\n.\n--\n\n" * 9, "x" * 300, " trailing \r\n \n"])
def test_the_bytes_are_those_of_the_standard_library(stationery, token, words):
    mail = MailBody("Café 漢 " * 9, f"{words}{LEAVE}{token}", f"{LEAVE}{token}\n{words}")
    made = stationery.envelope(
        message_id=MESSAGE, user_id=USER, address="a@b.example", body=mail.canonical(), now=MIDNIGHT
    )
    known, message = read(made), EmailMessage(policy=policy.SMTP)
    message["From"], message["To"], message["Reply-To"], message["Subject"] = (
        Address("Northstar Jobs", addr_spec="jobs@mail.jobs.example"),
        Address(addr_spec="a@b.example"),
        Address("Northstar Jobs", addr_spec="help@jobs.example"),
        mail.subject,
    )
    for name in list(known.keys())[4:11]:
        message[name] = known[name]
    message.set_content(mail.text, cte="quoted-printable")
    message.add_alternative(mail.html, subtype="html", cte="quoted-printable")
    message.set_boundary(known.get_boundary())
    theirs = message.as_bytes(policy=policy.SMTP)
    assert made.mime.partition(b"\r\nMIME-Version:")[2] == theirs.partition(b"\r\nMIME-Version:")[2]
    assert known.items() == message.items()


def test_ids_lead_back_and_nobody_else_can_make_them(stationery, envelope):
    wire_id = stationery.wire_id(MESSAGE)
    assert read(envelope)["Message-ID"] == f"<{wire_id}>"
    assert envelope.return_path == f"bounces+{wire_id}"
    assert list(stationery.message_ids_in(f"to <{wire_id.replace('mail.jobs', 'MAIL.Jobs')}>")) == [MESSAGE]
    assert list(stationery.message_ids_in(envelope.return_path)) == [MESSAGE]
    assert list(stationery.message_ids_in(wire_id.replace("a.", "b."))) == []
    assert list(Stationery(Letterhead(), b"o" * 32).message_ids_in(wire_id)) == []
    assert list(stationery.message_ids_in(wire_id.replace("mail.jobs", "male.jobs"))) == []


@pytest.mark.parametrize("message_id", ["", "a b", "msg_\r\nBcc", "m" * 61])
def test_an_odd_id_gets_into_no_header(stationery, message_id):
    with pytest.raises(InvalidInputError, match="message id"):
        stationery.wire_id(message_id)


def test_a_mail_without_the_readers_own_way_out_is_refused(stationery, body, token):
    def send(body, user_id=USER, address="a@b.example"):
        return stationery.envelope(message_id=MESSAGE, user_id=user_id, address=address, body=body, now=MIDNIGHT)

    other = unsubscribe_token("usr_0000002", "email_digest", KEY)
    for wrong in (
        body.replace(token, "x" * len(token)),
        body.replace(token, other),
        body.replace(token, other, 1),
        MailBody("s", "t", f"{LEAVE}{token}").canonical(),
        MailBody("s", f"{LEAVE}{token}", "h").canonical(),
    ):
        with pytest.raises(InvalidInputError, match="unsubscribe"):
            send(wrong)
    with pytest.raises(InvalidInputError, match="unsubscribe"):
        send(body, user_id="usr_0000002")
    with pytest.raises(InvalidInputError, match="no mail address") as error:
        send(body, address="secret@localhost")
    assert "secret" not in str(error.value)


def test_addresses_are_in_no_representation(envelope):
    assert "Ann" not in repr(envelope)


def test_another_letterhead_shows_in_every_header(body, token):
    letterhead = replace(Letterhead(), brand='Süd, "Jobs"', domain="m.example.org")
    made = Stationery(letterhead, KEY).envelope(
        message_id=MESSAGE, user_id=USER, address="a@b.example", body=body, now=MIDNIGHT
    )
    assert read(made)["From"].addresses[0].display_name == 'Süd, "Jobs"'
    assert made.return_path.endswith("@m.example.org")
