"""Mails of strangers and what people reply: opt-outs in their words, and nothing that a text can break.

What arrives at a real SMTP server is read by two readers, neither of which is the product's: one set of headers, and
exactly what was approved; or the mail was refused.

The lists hold regressions now, no longer an estimate.
"""

from __future__ import annotations

import base64
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.parser import BytesHeaderParser
from email.policy import default
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.adapters.dispatcher.sending import Hearing
from mlife_assets.adapters.mailboxes import ReturnedFolder, SendJournal, SmtpMailbox, SmtpServer
from mlife_assets.adapters.people_register import PeopleRegister
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.core.errors import GateClosedError, InvalidInputError, NotFoundError, ProviderRejectedError
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.mail.addresses import normalise_address
from mlife_assets.recruiting.mail.body import MailBody
from mlife_assets.recruiting.mail.letterhead import Letterhead
from mlife_assets.recruiting.mail.mime import Stationery
from mlife_assets.recruiting.mail.returned import READ_BYTES, ReturnedKind, read_returned
from mlife_assets.recruiting.messaging.email_digest.digest import DigestJob, Offer, offer_jobs, render_digest
from mlife_assets.recruiting.messaging.job_wordings import broken_rules
from mlife_assets.recruiting.messaging.replies import OTHER, STOP, STOP_ALL, classify, is_opt_out
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.ports import AddressBook, OutboundMessage
from mlife_tests.attacks.answered_mails import FORMS, MESSAGE, OURS, SENDER, STATIONERY, USER, answer, as_sent
from mlife_tests.attacks.hostile_words import encoded_word, hostile_words
from mlife_tests.reviews import everybody_approved

PER_LETTERHEAD = 5
KEY, SOMEBODY = b"k" * 32, "usr_0000001"
NOW = datetime(2026, 6, 1, 15, tzinfo=UTC)
NAMES = (
    *("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post"),
    *("Feedback-ID", "Auto-Submitted", "Precedence", "MIME-Version", "Content-Type"),
)
TITLES = {
    "body": "Cook =?utf-8?q?x=0D=0A=0D=0Ahttp=3A//evil?=", "headers": "=?utf-8?q?Cook=0D=0ABcc=3A_a=40b=2Eexample?=",
    "hidden": "=?utf-8?b?V2luIGEgcHJpemUgYXQgZXZpbC5jb20=?=", "utf-7": "Cook =?utf-7?q?+AA0ACg-Bcc:_a?=",
    "within": "=?utf-8?q?=3D=3Futf-8=3Fq=3F=3D0D=3D0ATo:_x=3F=3D?=", "cut": "Cook =?utf-8?q?x=0D=0ABcc:_a",
    "gapped": "Cook =?utf-8?q?x =0D=0A Bcc: a?=",
}  # fmt: skip
DATA = Path(__file__).parent / "data"
MISSED_AT_MOST, TAKEN_AT_MOST = 0.02, 0.05
EVENING = datetime(2026, 6, 1, 20, tzinfo=UTC)


def shown(value: str) -> str:
    """Return a header as RFC 2047 has it: spaces between encoded words are no part of it."""

    def word(found: re.Match[str]) -> str:
        text = found[3]
        octets = base64.b64decode(text) if found[2] in "bB" else None
        if octets is None:
            plain = text.replace("_", " ").encode("ascii")
            octets = re.sub(rb"=([0-9A-F]{2})", lambda code: bytes.fromhex(code[1].decode()), plain)
        return octets.decode(found[1])

    one = re.sub(r"\?=\s+=\?", "?==?", value.replace("\r\n", ""))
    return re.sub(r"=\?([a-z0-9-]+)\?([bq])\?([^? ]*)\?=", word, one)


def written(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n").split("\n")


class Post:
    """A relay, and what goes to it under any letterhead."""

    def __init__(self, relay: Any, folder: Path) -> None:
        self.relay, self.folder, self.count = relay, folder, 0
        self.box: SmtpMailbox | None = None

    def write_under(self, letterhead: Letterhead) -> None:
        self.letterhead, stationery = letterhead, Stationery(letterhead, KEY)
        journal, returned = SendJournal(self.folder / "journal"), ReturnedFolder(self.folder / "returned", stationery)
        self.hang_up()
        self.box = SmtpMailbox(SmtpServer("127.0.0.1", self.relay.port, "plain"), stationery, journal, returned)

    def hang_up(self) -> None:
        if self.box is not None:
            self.box.close()

    def send(self, title: str, employer: str = "Blue Diner") -> MailBody | None:
        """Send the mail of a job past the rules of wording; returns what was approved, None if it was refused."""
        assert self.box is not None
        self.count += 1
        message_id = f"msg_{self.count:024d}"
        try:
            mail = render_digest(
                [DigestJob(Offer("job_1", title, "$21/hr", employer))], message_id=message_id, user_id=SOMEBODY,
                application="email_digest", as_of=date(2026, 6, 1), letterhead=self.letterhead, link_key=KEY,
                mail_key=KEY,
            )  # fmt: skip
            self.box.send(OutboundMessage(message_id, SOMEBODY, "ann@home.example", mail.canonical()), now=NOW)
        except (InvalidInputError, ProviderRejectedError):
            return None
        return mail

    def require_arrived(self, mail: MailBody) -> None:
        """Hold the newest mail of the relay against what was approved."""
        got = self.relay.mails[-1]
        content = got.content
        assert got.rcpt_tos == ["ann@home.example"]
        assert len(content.split(b"\r\n")) == content.count(b"\n") + 1 == content.count(b"\r") + 1
        assert max(map(len, content.split(b"\r\n"))) <= 998
        raw, read = message_from_bytes(content), BytesHeaderParser(policy=default).parsebytes(content)
        assert tuple(raw.keys()) == NAMES
        assert shown(raw["Subject"]) == mail.subject
        assert str(read["Subject"]).strip() == mail.subject.strip()
        for name, address in (("From", self.letterhead.sender), ("Reply-To", self.letterhead.reply_to)):
            phrase, _, rest = raw[name].rpartition(" <")
            unquoted = re.sub(r"\\(.)", r"\1", phrase[1:-1]) if phrase.startswith('"') else shown(phrase)
            assert (unquoted, rest) == (self.letterhead.brand, f"{address}>")
            assert [one.addr_spec for one in read[name].addresses] == [address]
        plain, html = raw.get_payload()
        assert (plain.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
        for part, approved in ((plain, mail.text), (html, mail.html)):
            assert written(part.get_payload(decode=True).decode()) == written(approved)


@pytest.fixture
def post(start_relay: Callable[..., Any], tmp_path: Path) -> Iterator[Post]:
    made = Post(start_relay(), tmp_path)
    made.write_under(Letterhead())
    yield made
    made.hang_up()


@pytest.mark.parametrize("trick", TITLES)
def test_a_title_writes_no_header_and_no_body(post: Post, trick: str) -> None:
    mail = post.send(TITLES[trick])
    assert mail is not None
    post.require_arrived(mail)
    assert str(message_from_bytes(post.relay.mails[0].content, policy=default)["Subject"]).startswith(TITLES[trick])


@pytest.mark.parametrize("brand", [*TITLES.values(), "Acme  Jobs", '=?utf-8?q?=22x=22_<evil=40x.example>=2C?= "y"'])
def test_nor_does_a_letterhead(post: Post, brand: str) -> None:
    """The table names titles alone; the name of the sender went the same way into `From` and `Reply-To`."""
    post.write_under(Letterhead(brand=brand))
    mail = post.send("Cook")
    assert mail is not None
    post.require_arrived(mail)


@pytest.mark.parametrize("trick", TITLES)
@pytest.mark.parametrize("field", ["title", "employer_name"])
def test_the_rules_read_what_a_mail_program_shows(trick: str, field: str) -> None:
    job = {"job_id": "j", "title": "Cook", "employer_name": "Blue Diner", "pay_usd_per_hour": 21.0}
    table = pa.Table.from_pylist([job | {field: TITLES[trick]}])
    offers, refused = offer_jobs(table, MessagingPolicy(), reviews=everybody_approved(table))
    assert offers == {}
    assert [one.job_id for one in refused] == ["j"]
    if trick == "hidden":
        assert broken_rules(TITLES[trick], "Northstar Jobs", ("win a",)) == (
            "web_address",
            "refused_phrase",
            "encoded_word",
        )


def test_no_encoded_word_passes_the_rules() -> None:
    rng = Random(1)
    words = [encoded_word(rng) for _ in range(2_000)]
    whole = [word for word in words if re.fullmatch(r"=\?[^?]*\?[bq]\?[^?]+\?=", word, re.IGNORECASE)]
    assert len(whole) > 1_500
    assert [word for word in whole if not broken_rules(f"Cook {word}", "Northstar Jobs", ())] == []


def letterhead_of(words: list[str]) -> Letterhead:
    try:
        return Letterhead(brand=words[0], office_address=words[1])
    except InvalidInputError:
        return Letterhead()


def fuzz(post: Post, count: int, *, seed: int) -> Counter[str]:
    """Send so many mails and read each that arrived; returns how many were sent and refused."""
    words, found = hostile_words(Random(seed)), Counter[str]()
    for number in range(count):
        if number % PER_LETTERHEAD == 0:
            post.write_under(letterhead_of(list(islice(words, 2))))
        before = len(post.relay.seen)
        mail = post.send(*islice(words, 2))
        assert len(post.relay.seen) == before + (mail is not None)
        found["refused" if mail is None else "sent"] += 1
        found["under a hostile letterhead"] += mail is not None and post.letterhead != Letterhead()
        if mail is not None:
            post.require_arrived(mail)
            post.relay.seen.clear()
            post.relay.mails.clear()
    return found


def test_what_arrives_is_what_was_approved_or_nothing(post: Post) -> None:
    found = fuzz(post, 150, seed=36)
    assert min(found["sent"], found["refused"]) >= 20
    assert found["under a hostile letterhead"] >= 20


@pytest.mark.proof
def test_ten_thousand_hostile_titles_employers_and_letterheads(post: Post) -> None:
    found = fuzz(post, 10_000, seed=2036)
    assert found["sent"] + found["refused"] == 10_000
    assert min(found["sent"], found["refused"]) >= 1_000


def replies(name: str) -> dict[str, list[str]]:
    r"""Return the lists of a file by their titles (`## ...`), a reply a line; `\n` is a line break within one."""
    lists: dict[str, list[str]] = {}
    for line in (DATA / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            lists[line] = []
        else:
            lists[list(lists)[-1]].append(line.replace("\\n", "\n"))
    return lists


CLEAR, HARMLESS = replies("clear_replies"), replies("harmless_replies")


@pytest.mark.parametrize("title", CLEAR)
def test_at_most_two_in_a_hundred_opt_outs_are_missed_and_five_in_a_hundred_others_taken(title: str) -> None:
    missed = [body for body in CLEAR[title] if classify(body) not in {STOP, STOP_ALL}]
    taken = [body for body in HARMLESS[title] if classify(body) in {STOP, STOP_ALL}]
    assert len(missed) <= MISSED_AT_MOST * len(CLEAR[title]), missed
    assert len(taken) <= TAKEN_AT_MOST * len(HARMLESS[title]), taken


def test_the_lists_are_of_both_kinds_and_disjoint() -> None:
    assert CLEAR.keys() == HARMLESS.keys()
    assert {body for one in CLEAR.values() for body in one}.isdisjoint(b for one in HARMLESS.values() for b in one)


@pytest.mark.parametrize(
    "body",
    [
        "when does the job stop hiring", "I don't text and drive, call me", "Did the texts stop?",
        "No dejen de mandarme trabajos", "Tengo que cancelar mi entrevista", "ok",
        "Loved \u201cCook. Reply STOP to end\u201d",
    ],
)  # fmt: skip
def test_what_is_no_clear_opt_out_waits_for_somebody_to_look(body: str) -> None:
    assert classify(body) == OTHER


@pytest.mark.parametrize("body", replies("refusals")["## alone"])
def test_a_bare_no_and_the_stops_of_other_languages_are_opt_outs_as_the_whole_reply(body: str) -> None:
    assert classify(body) == STOP


@pytest.mark.parametrize("body", replies("refusals")["## words that say more or name something"])
def test_a_word_that_says_more_or_names_something_is_none(body: str) -> None:
    """The table has `alto voltaje` alone; `baja` was taken the same way."""
    assert classify(body) == OTHER


def mails(name: str) -> Iterator[tuple[str, str]]:
    r"""Yield subject and body of a list, one mail a line; `\n` is a line break within one."""
    for line in (DATA / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        subject, _, body = line.partition(" |")
        yield subject, body.strip().replace("\\n", "\n")


def asks_to_stop(raw: bytes) -> bool:
    found = read_returned(raw, STATIONERY, is_opt_out)
    return found.kind is ReturnedKind.UNSUBSCRIBE or is_opt_out(found.text)


@pytest.mark.parametrize("form", FORMS)
def test_by_mail_two_in_a_hundred_opt_outs_are_missed_and_five_in_a_hundred_others_taken(form: str) -> None:
    meant, harmless = list(mails("unseen_mail_opt_outs")), list(mails("unseen_mail_harmless"))
    missed = [mail for mail in meant if not asks_to_stop(answer(*mail, form))]
    taken = [mail for mail in harmless if asks_to_stop(answer(*mail, form))]
    assert len(missed) <= MISSED_AT_MOST * len(meant), missed
    assert len(taken) <= TAKEN_AT_MOST * len(harmless), taken


@pytest.mark.parametrize(
    ("name", "missed_at_most"), [("mails_as_sent", MISSED_AT_MOST), ("mails_looked_at_once", 0.12)]
)
def test_mails_as_programs_send_them_are_missed_and_taken_no_oftener_than_measured(
    name: str, missed_at_most: float
) -> None:
    """Quotes in each program's form and language, signatures, notices. What was looked at once is as ADR 19 says."""
    sent = [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    missed, taken = (
        [mail for mail in sent if mail["clear"] == clear and asks_to_stop(as_sent(mail)) != clear]
        for clear in (True, False)
    )
    assert len(missed) <= missed_at_most * sum(mail["clear"] for mail in sent), missed
    assert len(taken) <= TAKEN_AT_MOST * sum(not mail["clear"] for mail in sent), taken


@pytest.mark.parametrize("form", FORMS)
def test_a_machine_is_heard_if_it_says_so_and_pauses_nobody_else(form: str) -> None:
    for headers in ({"Auto_Submitted": "auto-replied"}, {"Precedence": "bulk"}, {"X_Autoreply": "yes"}):
        assert asks_to_stop(answer("Re: Cook", "please unsubscribe me", form, **headers))
        away = read_returned(answer("Re: Cook", "I am away until Monday", form, **headers), STATIONERY, is_opt_out)
        assert away.kind is ReturnedKind.NOTHING


@pytest.mark.parametrize(
    ("subject", "headers"),
    [
        ("Re: Cook", {"List_Id": "<home.example>"}), ("Re: Cook", {"List_Unsubscribe": "<mailto:x@home.example>"}),
        ("Re: Cook", {"X_Auto_Response_Suppress": "DR, OOF"}), ("Absence on Monday", {}), ("Auto: Cook", {}),
    ],
)  # fmt: skip
def test_an_answer_to_our_mail_is_a_persons_unless_it_says_that_a_machine_wrote_it(
    letterbox: Letterbox, subject: str, headers: dict[str, str]
) -> None:
    assert letterbox.receive(answer(subject, "Is it open?", "a new mail", **headers)) == {}
    assert letterbox.receive(answer(subject, "Is it open?", "above a quote", **headers)) == {"OTHER": 1}
    assert letterbox.receive(answer(subject, "Remove me", "html below the quote", **headers)) == {"STOP": 1}
    assert letterbox.receive(answer(subject, "I am away", "html alone", Auto_Submitted="auto-replied", **headers)) == {}


@pytest.mark.parametrize("form", ["a new mail", "above a quote"])
def test_an_opt_out_from_an_address_of_machines_is_heard_and_a_mail_servers_is_not(form: str) -> None:
    raw = answer("Jobs", "please unsubscribe me", form)
    for mailbox in (b"noreply@ann.example", b"bounces@ann.example"):
        assert asks_to_stop(raw.replace(SENDER.encode(), mailbox))
    servers = [raw.replace(SENDER.encode(), name) for name in (b"MAILER-DAEMON@ann.example", b"postmaster@ann.example")]
    for server in (*servers, raw.replace(f"<{SENDER}>".encode(), b"<MAILER-DAEMON>"), b"Return-Path: <>\n" + raw):
        assert read_returned(server, STATIONERY, is_opt_out).kind is ReturnedKind.NOTHING


@pytest.mark.parametrize(
    "written",
    [
        f"{SENDER} (Ann Miller)", f"{SENDER}, bob@work.example", f"Ann <{SENDER}> (mobile)",
        f'"Ann <old@work.example>" <{SENDER}>', f'Ann "Annie <{SENDER}>', f"{'(' * 900} <{SENDER}>",
        f"Ann @ home <{SENDER}>",
    ],
)  # fmt: skip
def test_an_address_is_found_however_it_is_written(letterbox: Letterbox, written: str) -> None:
    raw = answer("Jobs", "STOP", "a new mail").replace(f"Ann <{SENDER}>".encode(), written.encode())
    assert letterbox.receive(raw) == {"STOP": 1}
    assert letterbox.is_silent(USER)


@pytest.mark.parametrize(
    "written", ['"ann m"@home.example', "Ann <ann@m\u00fcnchen.example>", "Ann Miller", "a@b@c.example"]
)
def test_a_mail_without_a_usable_address_is_in_the_inbox(letterbox: Letterbox, written: str) -> None:
    raw = answer("Jobs", "STOP", "a new mail").replace(f"Ann <{SENDER}>".encode(), written.encode())
    assert letterbox.receive(raw) == {"OTHER": 1}
    assert letterbox.ledger.replies.unclear()[0].user_id.startswith("stranger_")


@pytest.mark.parametrize(
    "subject",
    ["STOP", "Re: unsubscribe", "REMOVE Re: $9", "=?utf-8?q?st=6Fp?=", "=?nonsense?q?stop?=", "RE: AW[2]: remove me"],
)
def test_a_subject_above_a_signature_is_read_as_a_mail_program_shows_it(subject: str) -> None:
    assert asks_to_stop(answer(subject, "Best regards,\nJane Roe\n+1 212 555 0100", "a new mail"))
    assert not asks_to_stop(answer(f"Re: {OURS.subject}", "Best regards,\nJane Roe", "above a quote"))


@pytest.mark.parametrize("charset", ["nonsense", "utf-8", "us-ascii"])
def test_words_in_a_charset_that_nobody_knows_are_read(charset: str) -> None:
    """A second way: an unknown charset in the body or the subject was an error, which dropped the mail."""
    head = f"From: {SENDER}\r\nSubject: =?{charset}?q?Jobs?=\r\nContent-Type: text/plain; charset={charset}"
    assert asks_to_stop(f"{head}\r\n\r\nSTOP\r\n".encode())


class Letterbox:
    """A ledger, a contact book of mail addresses, and the folder that mails come back to."""

    def __init__(self, folder: Path, addresses: Mapping[str, str] | None) -> None:
        self.folder, self.addresses = folder / "returned", addresses
        self.folder.mkdir()
        self.ledger = SqlLedger(f"sqlite:///{folder}/ledger.sqlite", survives_power_cut=False)
        self.journal = SendJournal(folder / "journal")
        self.mailbox = SmtpMailbox(None, STATIONERY, self.journal, ReturnedFolder(self.folder, STATIONERY))

    def phone_numbers(self, user_ids: Sequence[str]) -> dict[str, str | None]:
        return dict.fromkeys(user_ids)

    def accounts_with(self, phone_number: str) -> Sequence[str]:
        return []

    def mail_addresses(self, user_ids: Sequence[str]) -> dict[str, str | None]:
        if self.addresses is None:
            raise OSError("ann@home.example is in a damaged row")
        return {user: self.addresses.get(user) for user in user_ids}

    @property
    def people(self) -> PeopleRegister:
        books = {Channel.EMAIL: AddressBook(self.mail_addresses, normalise_address)}
        return PeopleRegister(self.ledger, self, key=b"k" * 32, books=books)

    def receive(self, raw: bytes) -> dict[str, int]:
        path = self.folder / f"{len(list(self.folder.iterdir()))}.eml"
        path.write_bytes(raw)
        os.utime(path, (EVENING.timestamp(), EVENING.timestamp()))
        hearing = Hearing(self.ledger, self.mailbox, self.people, MessagingPolicy(), SimulatedClock(EVENING))
        return dict(hearing.read(EVENING + timedelta(hours=1)).keywords)

    def is_silent(self, user: str, channel: Channel = Channel.EMAIL) -> bool:
        return self.ledger.people.is_suppressed(user, at=EVENING + timedelta(days=400), channel=channel)


@pytest.fixture
def letterbox(tmp_path: Path) -> Iterator[Letterbox]:
    box = Letterbox(tmp_path, {USER: SENDER, "usr_0000002": "Bob.Roe@home.example"})
    box.people.register([USER, "usr_0000002", "usr_0000003"], now=EVENING, channel=Channel.EMAIL)
    yield box
    box.ledger.close()


def test_a_new_mail_is_of_whoever_has_the_address_in_whatever_case(letterbox: Letterbox) -> None:
    assert letterbox.receive(answer("Jobs", "please stop", "a new mail")) == {"STOP": 1}
    bob = answer("Jobs", "remove me", "a new mail").replace(SENDER.encode(), b"bob.roe@HOME.example")
    assert letterbox.receive(bob) == {"STOP": 1}
    assert [letterbox.is_silent(f"usr_000000{number}") for number in (1, 2, 3)] == [True, True, False]
    assert not letterbox.is_silent(USER, Channel.SMS)


def test_an_answer_to_a_message_that_the_journal_lost_is_of_whoever_has_the_address(letterbox: Letterbox) -> None:
    assert letterbox.receive(answer("Re: Cook", "STOP", "above a quote")) == {"STOP": 1}
    assert letterbox.is_silent(USER)


def test_the_message_says_whose_an_answer_is_before_the_address_does(letterbox: Letterbox) -> None:
    letterbox.journal.begin(MESSAGE, "usr_0000003", EVENING)
    assert letterbox.receive(answer("Re: Cook", "STOP", "html alone")) == {"STOP": 1}
    assert (letterbox.is_silent("usr_0000003"), letterbox.is_silent(USER)) == (True, False)


def test_an_address_alone_begins_no_mails_again(letterbox: Letterbox) -> None:
    """A second way: anybody can write anybody's address, so START by it would have undone a STOP."""
    letterbox.receive(answer("Jobs", "STOP", "a new mail"))
    assert letterbox.receive(answer("Jobs", "START", "a new mail")) == {"OTHER": 1}
    assert letterbox.is_silent(USER)
    (waiting,) = letterbox.ledger.replies.unclear()
    letterbox.ledger.replies.review(waiting.inbound_id, "harmless", actor="ann", now=EVENING)
    assert letterbox.is_silent(USER)


def test_what_nobody_can_be_matched_to_is_in_the_inbox_whatever_it_says(letterbox: Letterbox) -> None:
    unknown = answer("STOP", "", "a new mail").replace(SENDER.encode(), b"jane@work.example")
    assert letterbox.receive(unknown) == {"OTHER": 1}
    (waiting,) = letterbox.ledger.replies.unclear()
    assert waiting.user_id.startswith("stranger_")
    (inbound,) = letterbox.mailbox.inbound(until=EVENING)
    assert (inbound.inbound_id, inbound.body) == (waiting.inbound_id, "STOP")
    assert "jane" not in repr(inbound)
    for _ in range(2):
        letterbox.ledger.replies.review(waiting.inbound_id, "opt_out", actor="ann", now=EVENING, also_of="usr_0000003")
    assert letterbox.is_silent("usr_0000003")
    assert letterbox.is_silent(waiting.user_id)
    assert letterbox.ledger.replies.rows()["keyword"].to_pylist() == ["OTHER", "STOP", "STOP"]
    letterbox.people.register(["usr_0000004"], now=EVENING, channel=Channel.EMAIL)
    letterbox.addresses = {"usr_0000004": "jane@work.example"}
    letterbox.people.register(["usr_0000004"], now=EVENING, channel=Channel.EMAIL)
    assert letterbox.is_silent("usr_0000004"), "whoever has the address later is the same person"


def test_a_stop_is_put_on_nobody_by_mistake(letterbox: Letterbox) -> None:
    letterbox.receive(answer("Jobs", "hm", "a new mail"))
    (waiting,) = letterbox.ledger.replies.unclear()
    for user, kind in (("usr_0000003", InvalidInputError), ("usr_9", InvalidInputError)):
        with pytest.raises(kind, match="leave the user out"):
            letterbox.ledger.replies.review(waiting.inbound_id, "opt_out", actor="ann", now=EVENING, also_of=user)
    letterbox.receive(answer("Jobs", "hm", "a new mail").replace(SENDER.encode(), b"jane@work.example"))
    stranger = letterbox.ledger.replies.unclear()[-1]
    with pytest.raises(NotFoundError, match="usr_9"):
        letterbox.ledger.replies.review(stranger.inbound_id, "opt_out", actor="ann", now=EVENING, also_of="usr_9")
    assert len(letterbox.ledger.replies.unclear()) == 2


def test_a_book_that_cannot_be_read_is_nobodys_silence(letterbox: Letterbox) -> None:
    letterbox.addresses = None
    unknown = answer("Jobs", "STOP", "a new mail").replace(SENDER.encode(), b"jane@work.example")
    with pytest.raises(GateClosedError) as error:
        letterbox.receive(unknown)
    assert "ann@" not in str(error.value)
    assert letterbox.ledger.replies.rows().num_rows == 0


_HEAD = f"From: {SENDER}\r\nSubject: hi\r\n".encode()
_PARTS = _HEAD + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n'
_REPORT = _HEAD + b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n"


def _nested(depth: int) -> bytes:
    """Return parts within parts, whose lines end as feedparser takes them, too: in a bare CR."""
    parts = (b"Content-Type: multipart/mixed; boundary=%d\r\r--%d\r" % (n, n) for n in range(depth))
    return b"From: ann@home.example\r" + b"".join(parts) + b"\r"


HOSTILE = {
    "nested": b"".join(b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n' % (n, n) for n in range(9_000)),
    "parts": _PARTS + b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n" * 20_000,
    "empty parts": _PARTS + b"--b\r\n\r\n" * 100_000,
    "parameters": _HEAD + b"Content-Type: text/plain" + b"; a*0=b" * 90_000 + b"\r\n\r\nhi",
    "folded parameters": _HEAD + b"Content-Type: text/plain" + b";\r\n a*0=b" * 60_000 + b"\r\n\r\nhi",
    "blocks": _REPORT + b"Content-Type: message/delivery-status\r\n\r\n" + b"A: b\r\n\r\n" * 70_000,
    "fields": _REPORT
    + b"Content-Type: message/delivery-status\r\n\r\n"
    + b"A: msg_1.aaaaaaaaa@mail.jobs.example\n" * 15_000,
    "tokens": _HEAD + b"\r\n" + (b"a" * 30 + b" ") * 20_000,
    "signs": _HEAD + b"\r\n" + b"!" * 3 * READ_BYTES,
    "lines": _HEAD + b"\r\n" + b"On a wrote\r\n" * 50_000,
    "tags": _HEAD + b"Content-Type: text/html\r\n\r\n" + b"<b>x</b>" * 80_000,
    "headers": b"".join(b"X-%d: a\r\n" % n for n in range(50_000)) + _HEAD + b"\r\nhi",
    "bare CR": _nested(300) + b"a\r" * READ_BYTES,
    "as deep as is read": _nested(49) + b"a\r" * 7_800 + b"a" * 2 * READ_BYTES,
    "address": b"From: " + b"(<a@b," * 100_000 + b"\r\n\r\nhi",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_mail_takes_little_time(name: str) -> None:
    """Row 11: it cost .2 to .9 CPU-s, again in each process for 31 days."""
    assert len(HOSTILE[name]) > 2 * READ_BYTES
    best = min(_seconds(HOSTILE[name]) for _ in range(3))
    assert best < 0.1


def _seconds(raw: bytes) -> float:
    began = time.process_time()
    read_returned(raw, STATIONERY, is_opt_out)
    return time.process_time() - began


@pytest.mark.parametrize("name", ["parts", "parameters", "blocks"])
def test_what_is_too_costly_to_read_is_in_the_inbox(letterbox: Letterbox, name: str) -> None:
    assert letterbox.receive(HOSTILE[name]) == {"OTHER": 1}
    assert [waiting.user_id for waiting in letterbox.ledger.replies.unclear()] == [USER]
