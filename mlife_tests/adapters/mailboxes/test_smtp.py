"""Mails over SMTP, with a real server that cuts the line, defers and refuses at each point of the dialogue."""

from __future__ import annotations

import logging
import smtplib
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from mlife_assets.adapters.mailboxes import ReturnedFolder, SendJournal, SmtpMailbox, SmtpServer
from mlife_assets.core.errors import (
    AmbiguousSendError,
    ProviderRejectedError,
    ProviderThrottledError,
    TransientError,
)
from mlife_assets.recruiting.ports import Accepted

NOW = datetime(2026, 6, 1, 15, tzinfo=UTC)
AUTH_IN_THE_CLEAR = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
BEFORE_THE_DOT = ("EHLO", "MAIL", "RCPT", "DATA")


@pytest.fixture
def open_box(tmp_path: Path, stationery) -> Iterator[Callable[..., SmtpMailbox]]:
    opened: list[SmtpMailbox] = []

    def box(port: int, **other) -> SmtpMailbox:
        server = SmtpServer("127.0.0.1", port, **{"security": "plain", "timeout_seconds": 5.0, **other})
        journal, returned = SendJournal(tmp_path / "journal"), ReturnedFolder(tmp_path / "returned", stationery)
        opened.append(SmtpMailbox(server, stationery, journal, returned))
        return opened[-1]

    yield box
    for one in opened:
        one.close()


def test_a_mail_arrives_as_it_was_made(start_relay, open_box, mail_to, stationery):
    relay = start_relay()
    message = mail_to()
    accepted = open_box(relay.port).send(message, now=NOW)
    (got,) = relay.mails
    assert accepted == Accepted(stationery.wire_id(message.message_id))
    assert got.rcpt_tos == ["person1@home.example"]
    assert got.mail_from == f"bounces+{accepted.provider_message_id}"
    mail = message_from_bytes(got.content, policy=policy.default)
    assert "\n.\n.dots at the beginning\n" in mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert mail["Message-ID"] == f"<{accepted.provider_message_id}>"
    assert relay.mail_options == f"SIZE={len(got.content)} RET=HDRS ENVID={accepted.provider_message_id}"
    assert relay.rcpt_options.endswith(" NOTIFY=SUCCESS,FAILURE")


def test_many_mails_take_one_connection(start_relay, open_box, mail_to):
    relay = start_relay()
    box = open_box(relay.port, mails_per_connection=3)
    for number in range(1, 8):
        box.send(mail_to(number), now=NOW)
    assert len(relay.mails) == 7
    assert relay.connections == 3


def test_a_mail_goes_out_once_even_for_another_process(start_relay, open_box, mail_to):
    relay = start_relay()
    first, second = open_box(relay.port), open_box(relay.port)
    assert first.send(mail_to(), now=NOW) == second.send(mail_to(), now=NOW) == second.find(mail_to().message_id)
    assert len(relay.mails) == 1


@pytest.mark.parametrize("point", BEFORE_THE_DOT)
def test_a_line_cut_before_the_final_dot_is_safe_to_try_again(start_relay, open_box, mail_to, point):
    relay = start_relay()
    relay.drop_at = point
    box = open_box(relay.port)
    with pytest.raises(ProviderThrottledError) as error:
        box.send(mail_to(), now=NOW)
    assert isinstance(error.value, TransientError)
    assert box.find(mail_to().message_id) is None
    relay.drop_at = None
    box.send(mail_to(), now=NOW)
    assert len(relay.mails) == len(relay.seen) == 1


def test_a_line_cut_after_the_final_dot_is_ambiguous_for_ever(start_relay, open_box, mail_to):
    relay = start_relay()
    relay.drop_at = "DOT"
    box = open_box(relay.port)
    with pytest.raises(AmbiguousSendError, match="answer"):
        box.send(mail_to(), now=NOW)
    assert len(relay.seen) == 1
    relay.drop_at = None
    for again in (box, open_box(relay.port)):
        with pytest.raises(AmbiguousSendError, match="not handed over again"):
            again.send(mail_to(), now=NOW)
        assert again.find(mail_to().message_id) is None
    assert len(relay.seen) == 1
    box.send(mail_to(2), now=NOW)
    assert len(relay.mails) == 1


def test_a_late_answer_is_ambiguous_too(start_relay, open_box, mail_to, monkeypatch):
    relay = start_relay()
    box = open_box(relay.port)
    monkeypatch.setattr(smtplib.SMTP, "getreply", _silent_after_the_dot(smtplib.SMTP.getreply))
    with pytest.raises(AmbiguousSendError):
        box.send(mail_to(), now=NOW)


def _silent_after_the_dot(getreply):
    def reply(self):
        answer = getreply(self)
        if b"queued" in answer[1]:
            raise TimeoutError("timed out")
        return answer

    return reply


def test_a_mail_that_was_cut_within_was_not_sent(start_relay, open_box, mail_to, monkeypatch):
    relay = start_relay()
    box = open_box(relay.port)
    send = smtplib.SMTP.send

    def cut(self, data):
        if len(data) > 1_000:
            send(self, data[:500])
            self.close()
            raise smtplib.SMTPServerDisconnected("cut")
        send(self, data)

    with monkeypatch.context() as patched:
        patched.setattr(smtplib.SMTP, "send", cut)
        with pytest.raises(ProviderThrottledError):
            box.send(mail_to(), now=NOW)
    assert box.find(mail_to().message_id) is None
    box.send(mail_to(), now=NOW)
    assert len(relay.mails) == 1


def test_without_a_journal_nothing_goes_out(start_relay, open_box, mail_to, monkeypatch):
    relay = start_relay()
    box = open_box(relay.port)

    def full(*_):
        raise TransientError("no space is left")

    with monkeypatch.context() as patched:
        patched.setattr(SendJournal, "begin", full)
        with pytest.raises(ProviderThrottledError):
            box.send(mail_to(), now=NOW)
    assert relay.seen == []
    box.send(mail_to(), now=NOW)
    assert len(relay.mails) == 1


def test_what_was_accepted_stays_accepted_when_the_journal_cannot_say_so(
    start_relay, open_box, mail_to, monkeypatch, caplog
):
    relay = start_relay()
    box = open_box(relay.port)

    def full(*_):
        raise TransientError("no space is left")

    monkeypatch.setattr(SendJournal, "accept", full)
    assert box.send(mail_to(), now=NOW)
    with pytest.raises(AmbiguousSendError):
        box.send(mail_to(), now=NOW)
    assert len(relay.seen) == 1
    assert "person1" not in caplog.text


@pytest.mark.parametrize("point", ["MAIL", "RCPT", "DATA", "DOT"])
@pytest.mark.parametrize("answer", ["450 4.2.1 <person1@home.example> greylisted", "452 later", "421 4.3.2 closing"])
def test_a_deferral_is_tried_later(start_relay, open_box, mail_to, point, answer):
    relay = start_relay()
    relay.answers[point] = answer
    box = open_box(relay.port)
    with pytest.raises(ProviderThrottledError, match=answer[:3]) as error:
        box.send(mail_to(), now=NOW)
    assert "person1" not in str(error.value)
    relay.answers.clear()
    box.send(mail_to(), now=NOW)
    assert len(relay.mails) == 1


@pytest.mark.parametrize("point", ["MAIL", "RCPT", "DATA", "DOT"])
def test_a_refusal_is_for_good_and_the_next_mail_goes_on(start_relay, open_box, mail_to, point):
    relay = start_relay()
    relay.answers[point] = "550 5.1.1 <person1@home.example> unknown"
    box = open_box(relay.port)
    with pytest.raises(ProviderRejectedError, match=r"with 550 5\.1\.1$") as error:
        box.send(mail_to(), now=NOW)
    assert "home.example" not in str(error.value)
    relay.answers.clear()
    box.send(mail_to(2), now=NOW)
    assert relay.connections == 1
    assert [one.rcpt_tos for one in relay.mails] == [["person2@home.example"]]


@pytest.mark.parametrize("answer", ["250 OK", "200 hm", "399 what"])
def test_a_relay_that_loses_count_gets_no_mail(start_relay, open_box, mail_to, answer):
    relay = start_relay()
    relay.answers["DATA"] = answer
    with pytest.raises(ProviderThrottledError):
        open_box(relay.port).send(mail_to(), now=NOW)
    assert relay.seen == []


@pytest.mark.parametrize("answer", ["354 more", "100 hm", "nonsense"])
def test_an_answer_that_says_nothing_is_ambiguous(start_relay, open_box, mail_to, answer):
    relay = start_relay()
    relay.answers["DOT"] = answer
    with pytest.raises(AmbiguousSendError):
        open_box(relay.port).send(mail_to(), now=NOW)


def test_a_relay_that_is_down_has_nothing(open_box, mail_to):
    with pytest.raises(ProviderThrottledError, match="ConnectionRefusedError"):
        open_box(1).send(mail_to(), now=NOW)


def test_a_connection_that_idled_is_renewed(start_relay, open_box, mail_to):
    relay = start_relay()
    box = open_box(relay.port)
    box.send(mail_to(1), now=NOW)
    box._session._smtp.sock.shutdown(socket.SHUT_RDWR)
    box.send(mail_to(2), now=NOW)
    assert len(relay.mails) == 2


@AUTH_IN_THE_CLEAR
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_mails_cross_the_network_encrypted(start_relay, open_box, mail_to, certificate, security):
    relay = start_relay(security, password="secret")
    box = open_box(relay.port, security=security, certificates=certificate[0], user_name="mlife", password="secret")
    box.send(mail_to(), now=NOW)
    assert len(relay.mails) == 1
    assert relay.logins == [("mlife", "secret")]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_relay_that_nobody_vouches_for_gets_no_mail(start_relay, open_box, mail_to, security):
    relay = start_relay(security)
    with pytest.raises(ProviderThrottledError, match="SSL"):
        open_box(relay.port, security=security).send(mail_to(), now=NOW)
    assert relay.seen == []


def test_a_relay_without_starttls_gets_no_mail(start_relay, open_box, mail_to):
    relay = start_relay()
    with pytest.raises(ProviderThrottledError, match="SMTPNotSupportedError"):
        open_box(relay.port, security="starttls").send(mail_to(), now=NOW)
    assert relay.seen == []


@AUTH_IN_THE_CLEAR
def test_a_wrong_password_refuses_no_mail_for_good(start_relay, open_box, mail_to):
    relay = start_relay(password="secret")
    with pytest.raises(ProviderThrottledError, match="SMTPAuthenticationError"):
        open_box(relay.port, user_name="mlife", password="wrong").send(mail_to(), now=NOW)
    with pytest.raises(ProviderThrottledError, match="530"):
        open_box(relay.port).send(mail_to(), now=NOW)
    assert relay.seen == []


@pytest.mark.parametrize("address", ["person1@home", "a@b.example\r\nRCPT TO:<x@y.example>", ""])
def test_what_is_no_address_never_reaches_the_relay(start_relay, open_box, mail_to, address):
    relay = start_relay()
    message = mail_to()
    broken = type(message)(message.message_id, message.user_id, address or " ", message.body)
    with pytest.raises(ProviderRejectedError, match="no mail address"):
        open_box(relay.port).send(broken, now=NOW)
    assert relay.connections == 0


def test_nothing_logs_an_address(start_relay, open_box, mail_to, caplog):
    caplog.set_level(logging.DEBUG, logger="mlife_assets")
    relay = start_relay()
    box = open_box(relay.port)
    box.send(mail_to(), now=NOW)
    assert "person1" not in caplog.text + repr(mail_to()) + repr(SmtpServer("h", user_name="u", password="secret"))
    assert "secret" not in repr(SmtpServer("h", user_name="u", password="secret"))


def test_a_report_that_came_back_proves_an_ambiguous_mail(start_relay, open_box, mail_to, stationery, tmp_path):
    relay = start_relay()
    relay.drop_at = "DOT"
    box = open_box(relay.port)
    with pytest.raises(AmbiguousSendError):
        box.send(mail_to(), now=NOW)
    (tmp_path / "returned").mkdir()
    wire_id = stationery.wire_id(mail_to().message_id)
    (tmp_path / "returned" / "1.eml").write_text(
        f"To: bounces+{wire_id}\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n"
        "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\nAction: delivered\nStatus: 2.0.0\n\n--b--\n"
    )
    assert box.find(mail_to().message_id) == Accepted(wire_id)
    (receipt,) = box.receipts(until=datetime.max.replace(tzinfo=UTC))
    assert (receipt.message_id, receipt.is_delivered) == (mail_to().message_id, True)
    ever = datetime.max.replace(tzinfo=UTC)
    assert box.receipts(until=ever, since=ever) == []
    assert box.receipts(until=ever, since=ever, of={receipt.message_id}) == [receipt]
