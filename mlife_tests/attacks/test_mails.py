"""Row 1 of the second attack: a stranger's words became headers and body of our mails.

What arrives at a real SMTP server is read by two readers, neither of which is the product's: one set of headers, and
exactly what was approved; or the mail was refused.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from email import message_from_bytes
from email.parser import BytesHeaderParser
from email.policy import default
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest

from mlife_assets.adapters.mailboxes import ReturnedFolder, SendJournal, SmtpMailbox, SmtpServer
from mlife_assets.core.errors import InvalidInputError, ProviderRejectedError
from mlife_assets.recruiting.mail.body import MailBody
from mlife_assets.recruiting.mail.letterhead import Letterhead
from mlife_assets.recruiting.mail.mime import Stationery
from mlife_assets.recruiting.messaging.email_digest.digest import DigestJob, Offer, offer_jobs, render_digest
from mlife_assets.recruiting.messaging.job_wordings import broken_rules
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.ports import OutboundMessage
from mlife_tests.attacks.hostile_words import encoded_word, hostile_words
from mlife_tests.reviews import everybody_approved

PER_LETTERHEAD = 5
KEY, USER = b"k" * 32, "usr_0000001"
NOW = datetime(2026, 6, 1, 15, tzinfo=UTC)
NAMES = (
    *("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post"),
    *("Feedback-ID", "Auto-Submitted", "Precedence", "MIME-Version", "Content-Type"),
)
TITLES = {
    "body": "Cook =?utf-8?q?x=0D=0A=0D=0Ahttp=3A//evil?=",
    "headers": "=?utf-8?q?Cook=0D=0ABcc=3A_a=40b=2Eexample?=",
    "hidden": "=?utf-8?b?V2luIGEgcHJpemUgYXQgZXZpbC5jb20=?=",
    "utf-7": "Cook =?utf-7?q?+AA0ACg-Bcc:_a?=",
    "within": "=?utf-8?q?=3D=3Futf-8=3Fq=3F=3D0D=3D0ATo:_x=3F=3D?=",
    "cut": "Cook =?utf-8?q?x=0D=0ABcc:_a",
    "gapped": "Cook =?utf-8?q?x =0D=0A Bcc: a?=",
}


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
    """Return the lines of a text as a mail has them."""
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
                [DigestJob(Offer("job_1", title, "$21/hr", employer))], message_id=message_id, user_id=USER,
                application="email_digest", as_of=date(2026, 6, 1), letterhead=self.letterhead, link_key=KEY,
                mail_key=KEY,
            )  # fmt: skip
            self.box.send(OutboundMessage(message_id, USER, "ann@home.example", mail.canonical()), now=NOW)
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
    """Return a letterhead of hostile words, the usual one where they are refused."""
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
