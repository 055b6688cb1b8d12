"""Mails over SMTP, with a real server that cuts the line, defers and refuses at each point of the dialogue."""

from __future__ import annotations

import logging
import os
import smtplib
import socket
import ssl
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from mlife_assets.adapters.mailboxes import ReturnedFolder, SendJournal, SmtpMailbox, SmtpServer, smtp
from mlife_assets.adapters.mailboxes.smtp import has_entries, look_at_relay
from mlife_assets.core import errors
from mlife_assets.core.checkup import Finding
from mlife_assets.core.errors import AmbiguousSendError, ProviderRejectedError, ProviderThrottledError, TransientError
from mlife_assets.recruiting.ports import Accepted
from mlife_assets.testing.gateways import LOSES_ANSWER, LOSES_REQUEST, REJECTS, THROTTLES, GatewayContract

NOW = datetime(2026, 6, 1, 15, tzinfo=UTC)
AUTH_IN_THE_CLEAR = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
BEFORE_THE_DOT = ("EHLO", "MAIL", "RCPT", "DATA")
SECRET = "a-hidden-secret"


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


@pytest.fixture
def relay(start_relay):
    return start_relay()


@pytest.fixture
def box(relay, open_box):
    return open_box(relay.port)


def test_a_mail_arrives_as_it_was_made(relay, open_box, mail_to, stationery):
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


class TestContract(GatewayContract):
    """A relay remembers nothing, so only a report that comes back proves a mail whose answer was lost."""

    can_be_asked = False

    @pytest.fixture(autouse=True)
    def _relay(self, start_relay, open_box, mail_to, bounce):
        self.relay, self.message, self.open_box, self.bounce = start_relay(), mail_to, open_box, bounce

    def opened(self, folder, fault=""):
        self.relay.answers = {THROTTLES: {"RCPT": "450 4.2.1 later"}, REJECTS: {"RCPT": "550 5.1.1 no"}}.get(fault, {})
        self.relay.drop_at = {LOSES_REQUEST: "DATA", LOSES_ANSWER: "DOT"}.get(fault)
        box = self.open_box(self.relay.port)
        assert not hasattr(box, "reaches_nobody"), "a plan for people is approved by a person"
        return box

    def answer(self, folder, messages):
        (folder / "returned").mkdir()
        for number, message in enumerate(messages, 1):
            report = self.bounce(message.message_id, "delivered")
            for name, said in (("report", report), ("reply", f"From: {message.address}\n\nSTOP\n")):
                path = folder / "returned" / f"{name}{number}.eml"
                path.write_text(said)
                os.utime(path, (NOW.timestamp() + number, NOW.timestamp() + number))


def test_many_mails_take_one_connection(relay, open_box, mail_to):
    box = open_box(relay.port, mails_per_connection=3)
    for number in range(1, 8):
        box.send(mail_to(number), now=NOW)
    assert len(relay.mails) == 7
    assert relay.connections == 3


def test_a_mail_goes_out_once_even_for_another_process(relay, open_box, mail_to):
    first, second = open_box(relay.port), open_box(relay.port)
    assert first.send(mail_to(), now=NOW) == second.send(mail_to(), now=NOW) == second.find(mail_to().message_id)
    assert len(relay.mails) == 1


@pytest.mark.parametrize("point", BEFORE_THE_DOT)
def test_a_line_cut_before_the_final_dot_is_safe_to_try_again(relay, box, mail_to, point):
    relay.drop_at = point
    with pytest.raises(ProviderThrottledError) as error:
        box.send(mail_to(), now=NOW)
    assert isinstance(error.value, TransientError)
    assert box.find(mail_to().message_id) is None
    relay.drop_at = None
    box.send(mail_to(), now=NOW)
    assert len(relay.mails) == len(relay.seen) == 1


def test_a_line_cut_after_the_final_dot_is_ambiguous_for_ever(relay, open_box, mail_to):
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


def test_a_late_answer_is_ambiguous_too(relay, box, mail_to, monkeypatch):
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


def test_a_mail_that_was_cut_within_was_not_sent(relay, box, mail_to, monkeypatch):
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


def test_without_a_journal_nothing_goes_out(relay, box, mail_to, monkeypatch):

    def full(*_):
        raise TransientError("no space is left")

    with monkeypatch.context() as patched:
        patched.setattr(SendJournal, "begin", full)
        with pytest.raises(ProviderThrottledError):
            box.send(mail_to(), now=NOW)
    assert relay.seen == []
    box.send(mail_to(), now=NOW)
    assert len(relay.mails) == 1


def test_what_was_accepted_stays_accepted_when_the_journal_cannot_say_so(relay, box, mail_to, monkeypatch, caplog):

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
def test_a_deferral_is_tried_later(relay, box, mail_to, point, answer):
    relay.answers[point] = answer
    with pytest.raises(ProviderThrottledError, match=answer[:3]) as error:
        box.send(mail_to(), now=NOW)
    assert "person1" not in str(error.value)
    relay.answers.clear()
    box.send(mail_to(), now=NOW)
    assert len(relay.mails) == 1


@pytest.mark.parametrize("point", ["MAIL", "RCPT", "DATA", "DOT"])
def test_a_refusal_is_for_good_and_the_next_mail_goes_on(relay, box, mail_to, point):
    relay.answers[point] = "550 5.1.1 <person1@home.example> unknown"
    with pytest.raises(ProviderRejectedError, match=r"with 550 5\.1\.1$") as error:
        box.send(mail_to(), now=NOW)
    assert "home.example" not in str(error.value)
    relay.answers.clear()
    box.send(mail_to(2), now=NOW)
    assert relay.connections == 1
    assert [one.rcpt_tos for one in relay.mails] == [["person2@home.example"]]


@pytest.mark.parametrize("answer", ["250 OK", "200 hm", "399 what"])
def test_a_relay_that_loses_count_gets_no_mail(relay, open_box, mail_to, answer):
    relay.answers["DATA"] = answer
    with pytest.raises(ProviderThrottledError):
        open_box(relay.port).send(mail_to(), now=NOW)
    assert relay.seen == []


@pytest.mark.parametrize("answer", ["354 more", "100 hm", "nonsense"])
def test_an_answer_that_says_nothing_is_ambiguous(relay, open_box, mail_to, answer):
    relay.answers["DOT"] = answer
    with pytest.raises(AmbiguousSendError):
        open_box(relay.port).send(mail_to(), now=NOW)


def test_a_relay_that_is_down_has_nothing(open_box, mail_to):
    with pytest.raises(ProviderThrottledError, match="ConnectionRefusedError"):
        open_box(1).send(mail_to(), now=NOW)


def test_a_connection_that_idled_is_renewed(relay, box, mail_to):
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


def test_a_relay_without_starttls_gets_no_mail(relay, open_box, mail_to):
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
def test_what_is_no_address_never_reaches_the_relay(relay, open_box, mail_to, address):
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


def test_a_report_that_came_back_proves_an_ambiguous_mail(relay, box, mail_to, stationery, bounce, tmp_path):
    relay.drop_at = "DOT"
    with pytest.raises(AmbiguousSendError):
        box.send(mail_to(), now=NOW)
    (tmp_path / "returned").mkdir()
    (tmp_path / "returned" / "1.eml").write_text(bounce(mail_to().message_id, "delivered"))
    assert box.find(mail_to().message_id) == Accepted(stationery.wire_id(mail_to().message_id))
    (receipt,) = box.receipts(until=datetime.max.replace(tzinfo=UTC))
    assert (receipt.message_id, receipt.is_delivered) == (mail_to().message_id, True)


def fault(port: int, security: str = "plain", **other: Any) -> Finding:
    """Return what is wrong with a relay; it is the last thing that is said, and what was tried the first."""
    found = look_at_relay(SmtpServer("127.0.0.1", port, security, **other))
    first, last = found
    assert first.says.startswith(f"approved mails go out to people through 127.0.0.1:{port}, ")
    assert (first.is_fault, last.is_fault) == (False, True)
    assert SECRET not in f"{found}"
    return last


@pytest.fixture
def answering() -> Any:
    """Return what starts a server that says some bytes to whoever comes, and no more."""
    listeners = []

    def start(words: bytes) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def answer() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(words)
                    connection.recv(100)

        Thread(target=answer, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in listeners:
        listener.close()


@AUTH_IN_THE_CLEAR
@pytest.mark.parametrize(
    ("security", "secured"),
    [("starttls", "by STARTTLS"), ("tls", "by TLS"), ("plain", "in the clear, on this machine")],
)
@pytest.mark.parametrize("has_reports", [True, False])
def test_a_relay_that_takes_us_says_whether_it_reports(
    start_relay: Callable[..., Any], certificate: Any, security: str, secured: str, has_reports: bool
) -> None:
    relay = start_relay(security, password=SECRET)
    relay.has_reports = has_reports
    server = SmtpServer("127.0.0.1", relay.port, security, "mlife", SECRET, certificates=certificate[0])
    says = (
        "reports deliveries" if has_reports else "offers no report of deliveries (DSN): only what comes back is known"
    )
    assert look_at_relay(server) == [
        Finding("MLIFE_MAIL_RELAY", f"approved mails go out to people through 127.0.0.1:{relay.port}, {secured}"),
        Finding("MLIFE_MAIL_RELAY", f"it takes our login and {says}; no mail was sent"),
    ]
    assert (relay.logins, relay.seen) == ([("mlife", SECRET)], [])


@AUTH_IN_THE_CLEAR
def test_what_it_refuses_is_said_with_the_remedy(start_relay: Callable[..., Any], certificate: Any) -> None:
    secured = start_relay("starttls", password=SECRET)
    wrong = fault(secured.port, "starttls", user_name="u", password=SECRET + "x", certificates=certificate[0])
    assert wrong.says == "it refuses the login with 535"
    assert wrong.remedy.startswith("correct user and password in MLIFE_MAIL_RELAY, with @ as %40")
    for security in ("starttls", "tls"):
        found = fault(start_relay(security).port, security)
        assert found.says.startswith("its certificate is not trusted (self-signed certificate")
        assert "SSL_CERT_FILE" in found.remedy
    found = fault(start_relay().port, "starttls")
    assert (found.says, "write smtps://" in found.remedy) == ("it offers no STARTTLS", True)
    assert fault(start_relay().port, "tls").says == "it speaks no TLS at this port"
    found = fault(start_relay().port, user_name="u", password=SECRET)
    assert (found.says, "leave user and password out" in found.remedy) == (
        "it offers no login that is known here",
        True,
    )


def test_who_does_not_answer_is_named_too(answering: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = fault(1)
    assert (found.says, found.remedy) == (
        "nobody listens there",
        "start it, or correct host and port in MLIFE_MAIL_RELAY",
    )
    found = fault(answering(b"554 5.7.1 <person1@home.example> no\r\n"))
    assert (found.says, found.remedy) == ("it answers 554", "ask who runs it why this machine is refused")
    found = fault(answering(b"220 elm\r\n250 elm AUTH\r\n"), user_name="u", password=SECRET)
    assert found.says == "it offers no login that is known here"
    monkeypatch.setattr(smtp, "LOOK_SECONDS", 0.2)
    found = fault(answering(b""))
    assert (found.says, "write smtps://" in found.remedy) == ("it gives no answer, or hangs up", True)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (socket.gaierror(8, "nodename"), "nobody knows its host"),
        (OSError(101, "Network is unreachable"), "it cannot be reached (OSError)"),
        (ConnectionResetError(), "it gives no answer, or hangs up"),
        (ssl.SSLError(1, "handshake failure"), "it speaks no TLS at this port"),
    ],
)
def test_a_network_that_leads_nowhere_is_named(monkeypatch: pytest.MonkeyPatch, error: OSError, says: str) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(socket, "create_connection", fails)
    assert fault(25).says == says


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"security": "ssl"}, "use one of starttls, tls, plain"), ({"security": "plain"}, "in the clear"),
        ({"user_name": "u"}, "set both or none"), ({"password": "p"}, "set both or none"), ({"port": 0}, "port is 0"),
        ({"timeout_seconds": 0.0}, "timeout_seconds"), ({"mails_per_connection": 0}, "mails_per_connection"),
    ],
)  # fmt: skip
def test_a_relay_that_cannot_be_is_refused(other, words):
    with pytest.raises(errors.InvalidInputError, match=words):
        SmtpServer("mail.example.com", **other)
    assert SmtpServer("localhost", security="plain").port == 587, "this machine may be spoken to in the clear"


def test_asking_whether_anything_was_handed_over_makes_no_journal(tmp_path):
    folder = tmp_path / "journal"
    assert not has_entries(folder)
    assert not folder.exists()
    journal = SendJournal(folder)
    assert not has_entries(folder)
    journal.begin("msg_1", "usr_1", NOW)
    assert has_entries(folder)
    journal.take_back("msg_1")
    assert not has_entries(folder)


def test_it_is_private(tmp_path):
    journal = SendJournal(tmp_path / "journal")
    journal.begin("msg_1", "usr_1", NOW)
    (file,) = (tmp_path / "journal").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"user_id":"u","at":"x","is_accepted":true,"b":1}'])
def test_a_damaged_entry_is_no_answer(tmp_path, content):
    journal = SendJournal(tmp_path)
    (tmp_path / "msg_1.json").write_bytes(content)
    with pytest.raises(errors.IntegrityError, match="msg_1"):
        journal.look_up("msg_1")
