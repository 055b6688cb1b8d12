"""Answers and mails that come back, as real programs write them, and as somebody who wants something writes them."""

from __future__ import annotations

import time

import pytest

from mlife_assets.recruiting.mail.returned import READ_BYTES, ReturnedKind, ReturnedMail, html_lines, own_words
from mlife_assets.recruiting.mail.returned import read_returned as read_by_rules
from mlife_assets.recruiting.messaging.replies import is_opt_out

OURS = "> Northstar Jobs\n> Your best job this week\n> Unsubscribe: https://jobs.example/unsubscribe/abc\n"
INTROS = (
    "On Mon, Jun 1, 2026 at 3:00 PM Northstar Jobs <jobs@mail.jobs.example> wrote:",
    "On Mon, Jun 1, 2026 at 3:00 PM Northstar Jobs <jobs@mail.jobs.example>\nwrote:",
    "Am 01.06.2026 um 15:00 schrieb Northstar Jobs <jobs@mail.jobs.example>:",
    "Am Mo., 1. Juni 2026 um 15:00 Uhr schrieb Northstar Jobs <\njobs@mail.jobs.example>:",
    "Le 1 juin 2026 \u00e0 15:00, Northstar Jobs <jobs@mail.jobs.example> a \u00e9crit :",
    "El 1 jun 2026, a las 15:00, Northstar Jobs escribi\u00f3:",
    "\u041f\u043d, 1 \u0438\u044e\u043d. 2026 \u0433. Northstar Jobs <jobs@mail.jobs.example>:",
    "2026\u5e746\u67081\u65e5 Northstar Jobs <jobs@mail.jobs.example>\uff1a",
    "Northstar Jobs said at 15:00:",
)
COPIES = (
    "-----Original Message-----\nFrom: Northstar Jobs <jobs@mail.jobs.example>\nSent: Monday\nSubject: Cook",
    "-----Urspr\u00fcngliche Nachricht-----\nVon: Northstar Jobs\nGesendet: Montag\nBetreff: Cook",
    "________________________________\nDe : Northstar Jobs <jobs@mail.jobs.example>\nEnvoy\u00e9 : lundi",
    'Gesendet: Montag, 1. Juni 2026\nVon: "Northstar Jobs" <jobs@mail.jobs.example>\nAn: ann@home.example',
    "*From:* Northstar Jobs <jobs@mail.jobs.example>\n*Sent:* Monday",
)


def read_returned(raw: bytes, stationery) -> ReturnedMail:
    return read_by_rules(raw, stationery, is_opt_out)


MESSAGE, USER = "msg_" + "a" * 24, "usr_0000001"


def report(kind: str, fields: str, original: str = "", *, to: str = "postmaster@mail.jobs.example") -> bytes:
    subtype = "feedback-report" if kind == "feedback-report" else "delivery-status"
    return f"""From: MAILER-DAEMON@mx.home.example
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type={kind}; boundary="b0"

--b0
Content-Type: text/plain

This is the mail system at host mx.home.example.

--b0
Content-Type: message/{subtype}

{fields}
--b0
Content-Type: message/rfc822

{original}

--b0--
""".replace("\n", "\r\n").encode()


def status(action: str, code: str, extra: str = "") -> str:
    return f"""Reporting-MTA: dns; mx.home.example
{extra}
Final-Recipient: rfc822; ann@home.example
Action: {action}
Status: {code}
Diagnostic-Code: smtp; 550 5.1.1 no such user
"""


@pytest.fixture
def original(envelope) -> str:
    return envelope.mime.decode("ascii").replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("action", "code", "kind"),
    [
        ("failed", "5.1.1", ReturnedKind.BOUNCED),
        ("Failed", "4.4.7", ReturnedKind.BOUNCED),
        ("delivered", "2.0.0", ReturnedKind.DELIVERED),
    ],
)
def test_a_report_says_what_became_of_a_mail(stationery, original, action, code, kind):
    found = read_returned(report("delivery-status", status(action, code), original), stationery)
    assert (found.kind, found.message_id, found.status) == (kind, MESSAGE, code)


@pytest.mark.parametrize("action", ["delayed", "relayed", "expanded", "", "lost"])
def test_what_is_not_final_says_nothing(stationery, original, action):
    found = read_returned(report("delivery-status", status(action, "4.0.0"), original), stationery)
    assert found.kind is ReturnedKind.NOTHING


def test_a_report_that_quotes_nothing_is_recognised_by_its_address_or_envelope_id(stationery):
    wire_id = stationery.wire_id(MESSAGE)
    for raw in (
        report("delivery-status", status("failed", "5.1.1"), to=f"bounces+{wire_id}"),
        report("delivery-status", status("failed", "5.1.1", f"Original-Envelope-Id: {wire_id}\n")),
    ):
        assert read_returned(raw, stationery).message_id == MESSAGE


def test_quoted_headers_alone_are_enough(stationery, original):
    raw = report("delivery-status", status("failed", "5.1.1"), original)
    headers = raw.replace(b"Content-Type: message/rfc822", b"Content-Type: text/rfc822-headers")
    assert read_returned(headers, stationery).message_id == MESSAGE


def test_nobody_makes_up_a_bounce(stationery, original):
    forged = original.replace(stationery.wire_id(MESSAGE), f"{MESSAGE}.aaaaaaaaa@mail.jobs.example")
    assert read_returned(report("delivery-status", status("failed", "5.1.1"), forged), stationery).kind == "nothing"


@pytest.mark.parametrize("kind", ["abuse", "fraud", "other"])
def test_a_complaint_names_the_account(stationery, original, kind):
    fields = f"Feedback-Type: {kind}\nUser-Agent: SomeGenerator/1.0\nVersion: 1\n"
    found = read_returned(report("feedback-report", fields, original), stationery)
    assert (found.kind, found.user_id, found.message_id) == (ReturnedKind.COMPLAINT, USER, MESSAGE)


def test_a_redacted_complaint_still_names_the_message(stationery):
    fields = "Feedback-Type: abuse\nVersion: 1\n"
    found = read_returned(
        report("feedback-report", fields, f"Message-ID: <{stationery.wire_id(MESSAGE)}>\n\nx"), stationery
    )
    assert (found.kind, found.user_id, found.message_id) == (ReturnedKind.COMPLAINT, None, MESSAGE)


def test_not_spam_is_no_complaint_and_one_about_others_is_not_ours(stationery, original):
    assert read_returned(report("feedback-report", "Feedback-Type: not-spam\n", original), stationery).kind == "nothing"
    assert (
        read_returned(report("feedback-report", "Feedback-Type: abuse\n", "Subject: x\n"), stationery).kind == "nothing"
    )


def plain(subject: str, body: str = "", **headers: str) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(["From: ann@home.example", f"Subject: {subject}", *lines, "", body]).encode()


@pytest.mark.parametrize("subject", ["unsubscribe {}", "{}", "Re: unsubscribe {} ", "=?utf-8?q?unsubscribe_{}?="])
def test_a_mail_with_our_token_unsubscribes(stationery, token, subject):
    written = subject.format(token.replace("_", "=5F") if "=?" in subject else token)
    found = read_returned(plain(written, Auto_Submitted="auto-generated"), stationery)
    assert (found.kind, found.user_id) == (ReturnedKind.UNSUBSCRIBE, USER)


def test_a_mail_with_a_token_of_nobody_is_of_whoever_has_its_address(stationery, token):
    for subject in (f"unsubscribe {token[:-3]}abc", "unsubscribe usr_0000001"):
        found = read_returned(plain(subject), stationery)
        assert (found.kind, found.user_id, found.message_id) == (ReturnedKind.REPLY, None, None)
        assert found.sender == "ann@home.example"


def test_a_reply_is_what_its_writer_says_and_not_what_it_quotes(stationery, token):
    quoted = f"On Mon, 1 Jun 2026, Northstar Jobs wrote:\r\n> Unsubscribe: https://jobs.example/unsubscribe/{token}\r\n"
    found = read_returned(
        plain("Re: Cook", f"stop everything\r\n\r\n{quoted}", In_Reply_To=f"<{stationery.wire_id(MESSAGE)}>"),
        stationery,
    )
    assert (found.kind, found.message_id, found.text) == (ReturnedKind.REPLY, MESSAGE, "stop everything")
    assert "stop" not in repr(found)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe\x00",
        b"Subject: =?utf-9?q?x?=\r\n\r\n",
        b"Subject: =?utf-8?b?!!!?=\r\n\r\n",
        b"Content-Type: text/plain; charset=nonsense\r\n\r\nhello",
        b"Content-Type: multipart/report; report-type=delivery-status\r\n\r\nno boundary",
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: message/delivery-status\r\n\r\n--b--",
        b"".join(b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (n, n) for n in range(5_000)),
        b"Subject: " + b"A" * (READ_BYTES * 2),
    ],
)
def test_what_is_built_to_break_its_reader_says_nothing(stationery, raw):
    assert read_returned(raw, stationery).kind is ReturnedKind.NOTHING


@pytest.mark.parametrize("intro", INTROS)
def test_above_below_and_between_the_lines_of_a_quote(intro: str) -> None:
    assert own_words(f"no\n\n{intro}\n\n{OURS}") == "no"
    assert own_words(f"{intro}\n\n{OURS}\nno\n") == "no"
    assert own_words(f"{intro}\n{OURS}no\n{OURS}") == "no"


@pytest.mark.parametrize("copy", COPIES)
def test_a_quote_without_signs_ends_where_our_mail_does_or_never(copy: str) -> None:
    ours = "Cook, $21\nYou get this mail because you asked Acme for jobs.\nUnsubscribe:\nhttps://x\nAcme, 1 Main St"
    for begin in (copy, INTROS[0], INTROS[1]):
        assert own_words(f"no\n\n{begin}\n\nCook, $21\nUnsubscribe: one click\nnever") == "no"
        assert own_words(f"no\n-- \nJoe\n{begin}\n\n{ours}\n\nNo more mails") == "no No more mails"
    assert own_words(f"great\n{ours}") == "great Cook, $21"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stop\n-- \nJoe\nreply STOP to end mails of Acme", "stop"), ("--\nJoe", "Joe"),
        ("hello\n--\nplease take me off your list", "hello please take me off your list"),
        ("stop\r\n-- \r\nJoe", "stop"), (f"{'no, ' * 150}stop", f"{'no, ' * 150}stop"),
        ("Hi team @ Northstar:\nplease stop", "Hi team @ Northstar: please stop"),
        ("Hi team <jobs@mail.jobs.example>:\nplease stop", "Hi team <jobs@mail.jobs.example>: please stop"),
        ("To whoever wrote:\nplease stop", "To whoever wrote: please stop"),
        ("unsubscribe ann@home.example\n\n" + INTROS[5] + "\n" + OURS, "unsubscribe ann@home.example"),
        ("no\n\nSent from my iPhone", "no"), ("no\n\nSkickat från min iPhone", "no"),
        ("nein\n\nVon meinem iPhone gesendet\n" + INTROS[2] + "\n" + OURS, "nein"),
        (f"-- \nJoe\n{INTROS[0]}\n{OURS}stop", "Joe stop"),
        ("thanks\n-- \nJoe\n" + INTROS[2] + "\n" + OURS + "\nstop", "thanks stop"),
        ("---- STOP ----", "---- STOP ----"),
        ("thanks\nTo unsubscribe from our newsletter visit cakes.example", "thanks"),
        ("hi\nTo stop these mails, answer STOP or call\n\nSTOP!\nDenise", "hi STOP!"),
        *((said, said) for said in ("I am not the intended recipient. Stop", "To stop, use this as my request")),
        *((said, said) for said in ("Private and confidential and mine: stop writing me", "To stop I use this mail")),
        ("This is not the intended recipient, stop", "This is not the intended recipient, stop"),
        ("stop\nThis mail is confidential and not for you\nplease delete it", "stop This mail is"),
        ("You get this mail because you asked Acme for jobs.\nUnsubscribe:\nhttps://x\nAcme, 1 Main St\nstop", "stop"),
        ("You can stop sending me mails, I use another site", "You can stop sending me mails, I use another site"),
        ("From: now on, stop", "From: now on, stop"), ("She wrote: stop", "She wrote: stop"),
        ("Reasons:\nnone, just stop", "Reasons: none, just stop"), ("", ""),
    ],
)  # fmt: skip
def test_signatures_go_and_whatever_only_looks_like_a_quote_stays(text: str, words: str) -> None:
    assert own_words(text) == words


def test_html_is_the_same_lines() -> None:
    markup = (
        "<html><head><title>Re</title><style>p{color:red}</style></head><body><!-- x --><div>St<b>o</b>p&nbsp;it</div>"
        "<div class=gmail_quote>On Monday Ann &lt;a@b.example&gt; wrote:<br><blockquote><p>Unsubscribe</p></blockquote>"
        "</div><p>please</p><script>stop()</script></body></html>"
    )
    assert own_words(html_lines(markup)) == "Stop it please"


@pytest.mark.parametrize(
    ("markup", "words"),
    [
        ("<html><head><meta charset=utf-8><title>Re</title><body><p>stop</p></body></html>", "stop"),
        ("<head><style>p{}</style><p>stop</p>", "stop"),
        ("<title/><p>stop</p>", "stop"),
        ("<div>stop</div><div>-- <br>Joe</div>", "stop"),
        ("<blockquote><p>stop</p></blockquote>", "stop"),
        ("<blockquote>stop<blockquote>Line Cook</blockquote></blockquote>", "stop"),
        ("<blockquote>Cook<br>You get this mail because you asked Acme for jobs<br>Unsubscribe</blockquote>", ""),
        ("<blockquote>Cook<br>You get this mail because you asked Acme<br>a@b.example<br>no</blockquote>", "no"),
        ("Thanks<br>If you no longer want mails of Acme, click here to unsubscribe", "Thanks"),
        ("&gt; Line Cook<br>stop", "stop"),
    ],
)
def test_words_are_found_wherever_html_hides_them(markup: str, words: str) -> None:
    assert own_words(html_lines(markup)) == words


@pytest.mark.parametrize(
    "piece",
    ["<", "<b>x</b>", "<style>", "&amp;", "<blockquote>x", "> \n", "From: a\n", "On a wrote\n", "-- \n", "--" * 40],
)
def test_time_follows_length(piece: str) -> None:
    began = time.process_time()
    own_words(html_lines(piece * (128_000 // len(piece))))
    own_words(piece * (128_000 // len(piece)))
    assert time.process_time() - began < 0.25
