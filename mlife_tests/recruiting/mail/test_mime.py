"""A mail as it is sent: addresses, body, letterhead, headers, and the way out of it."""

from __future__ import annotations

import json
import string
import tomllib
from dataclasses import fields, replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.headerregistry import Address
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.mail import mime as mails
from mlife_assets.recruiting.mail.addresses import (
    PLAIN,
    STARTTLS,
    TLS,
    RelayAddress,
    normalise_address,
    read_relay_address,
)
from mlife_assets.recruiting.mail.body import HTML_MAXIMUM_BYTES, MailBody, body_line, mail_of, read_mail_body
from mlife_assets.recruiting.mail.letterhead import EXAMPLE, Letterhead, read_letterhead, require_own_letterhead
from mlife_assets.recruiting.mail.mime import (
    Envelope,
    Stationery,
    mail_secret,
    read_unsubscribe_token,
    unsubscribe_token,
)

KEY = b"k" * 32
USER, MESSAGE = "usr_0000001", "msg_" + "a" * 24
MIDNIGHT = datetime(2026, 6, 1, tzinfo=UTC)
LEAVE = Letterhead().unsubscribe_base
MAIL = MailBody("5 jobs", "a", "<p>b</p>")
OWN = Letterhead(
    brand="Elm Street Staffing", sender="jobs@mail.elmstreet.work", reply_to="help@elmstreet.work",
    office_address="Elm Street Staffing, 1 Elm Street, Austin, TX 78701", domain="mail.elmstreet.work",
    link_base="https://elmstreet.work/", unsubscribe_base="https://elmstreet.work/unsubscribe/",
)  # fmt: skip
NAMES = [one.name for one in fields(Letterhead)]
UNSUBSCRIBE_KEY, OTHER = b"k" * 32, b"o" * 32
TOKEN = unsubscribe_token("usr_0000001", "email_digest", UNSUBSCRIBE_KEY)
CHARACTERS = string.ascii_letters + string.digits + "-_"
SECRET = "a-hidden-secret"


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


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("ann@home.example", "ann@home.example"),
        (" Ann.Lee+jobs@HOME.Example ", "Ann.Lee+jobs@home.example"),
        ("a" * 64 + "@b.example", "a" * 64 + "@b.example"),
    ],
)
def test_an_address_has_one_spelling(written, address):
    assert normalise_address(written) == address


@pytest.mark.parametrize(
    "written",
    [
        "", "ann", "@home.example", "ann@localhost", "ann@home.example\r\nRCPT TO:<bob@x.example>",
        "ann@home.example\n", "ann lee@home.example", '"ann"@home.example', "ann@bob@home.example",
        "ann@home..example", "ann@-home.example", ".ann@home.example", "ann@[127.0.0.1]", "änn@home.example",
        "a" * 65 + "@b.example", "a@" + "b" * 250 + ".example",
    ],
)  # fmt: skip
def test_what_no_mail_can_be_sent_to_is_none(written):
    assert normalise_address(written) is None


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
        "Cook at Diner. Reply STOP to opt out", "[]", '{"html":"a","subject":"b"}',
        '{"html":"a","subject":"b","text":1}', json.dumps({"html": "a", "subject": "b", "text": "c"}),
        '{"html":"a","html":"x","subject":"b","text":"c"}',
    ],
)  # fmt: skip
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


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("brand", " "), ("office_address", ""), ("office_address", "100 Main Street\nBcc: x"), ("sender", "jobs"),
        ("reply_to", "help@Jobs.example"), ("domain", "jobs"), ("link_base", "http://jobs.example/"),
        ("unsubscribe_base", "https://jobs.example/unsubscribe"),
        ("unsubscribe_base", 'https://jobs.example/"><script>/'),
    ],
)  # fmt: skip
def test_a_sender_who_cannot_be_found_is_refused(field, value):
    with pytest.raises(InvalidInputError, match=f"Letterhead.{field}"):
        Letterhead(**{field: value})


def written(letterhead: Letterhead, **changed: str | None) -> bytes:
    """Return a letterhead as a file, with some lines changed; None leaves one out."""
    lines = {name: f'{name} = "{getattr(letterhead, name)}"' for name in NAMES}
    lines |= {name: line or "" for name, line in changed.items()}
    return "\n".join(lines.values()).encode()


def test_a_file_says_all_of_a_letterhead() -> None:
    assert read_letterhead(written(OWN), "l.toml") == OWN
    assert read_letterhead(b"\xef\xbb\xbf" + written(OWN), "l.toml") == OWN, "as an editor of Windows saves it"
    umlaut = replace(OWN, brand="Müller & Söhne")
    assert read_letterhead(written(umlaut), "l.toml") == umlaut


@pytest.mark.parametrize("name", NAMES)
def test_no_field_has_a_default(name: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"^MLIFE_LETTERHEAD: l\.toml has no field {name}; add it$"):
        read_letterhead(written(OWN, **{name: None}), "l.toml")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            written(OWN, logo='logo = "x"'),
            "'logo', which is no field; remove it, or correct it to one of brand, sender",
        ),
        (written(OWN, brand="brand = 7"), "has no text in brand; write it between quotation marks"),
        (written(OWN, brand="brand = Elm"), r"l\.toml is no TOML \(.*line 1.*\); write lines like"),
        (written(OWN, again='brand = "twice"'), "is no TOML"),
        (b"\xff\xfe", "is not UTF-8; write it in UTF-8"),
        (b"", "has no field brand"),
        (written(OWN, sender='sender = "jobs"'), r"l\.toml: Letterhead\.sender is 'jobs'; use a mail address"),
        (written(OWN, link_base='link_base = "http://elmstreet.work/"'), "use an https address that ends in /"),
    ],
)
def test_what_is_wrong_is_named_with_file_field_and_remedy(data: bytes, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words) as caught:
        read_letterhead(data, "l.toml")
    assert str(caught.value).startswith("MLIFE_LETTERHEAD: l.toml")


def test_people_get_mail_from_a_company_of_its_own() -> None:
    require_own_letterhead(OWN)
    require_own_letterhead(replace(OWN, domain="example.elmstreet.work", reply_to="example.com@testing.work"))


@pytest.mark.parametrize("name", ["sender", "reply_to", "domain", "link_base", "unsubscribe_base"])
@pytest.mark.parametrize(
    "domain", ["jobs.example", "a.test", "a.invalid", "example.com", "mail.example.org", "a.localhost"]
)
def test_nobody_gets_mail_from_a_domain_that_nobody_owns(name: str, domain: str) -> None:
    shown = f"jobs@{domain}" if "@" in getattr(OWN, name) else domain
    shown = f"https://{domain}:8443/x/" if name.endswith("_base") else shown
    letterhead = replace(OWN, **{name: shown})
    with pytest.raises(InvalidInputError, match=f"^MLIFE_LETTERHEAD: {name} is at a domain for examples, .*; write"):
        require_own_letterhead(letterhead)
    assert read_letterhead(written(letterhead), "l.toml") == letterhead, "a rehearsal may"


@pytest.mark.parametrize("name", NAMES)
def test_the_example_can_be_rehearsed_with_and_none_of_it_reaches_people(name: str) -> None:
    example = read_letterhead(EXAMPLE.encode(), "l.toml")
    with pytest.raises(InvalidInputError, match=f"{name} is the example's, and mails go out to people; write"):
        require_own_letterhead(replace(OWN, **{name: tomllib.loads(EXAMPLE)[name]}))
    assert getattr(example, name) != getattr(Letterhead(), name)


def test_a_token_says_who_and_from_which_application():
    assert read_unsubscribe_token(TOKEN, UNSUBSCRIBE_KEY) == mails.Unsubscription("usr_0000001", "email_digest")
    assert unsubscribe_token("usr_0000001", "email_digest", UNSUBSCRIBE_KEY) == TOKEN


def test_a_token_shows_nothing_and_fits_a_link():
    assert set(TOKEN) <= set(CHARACTERS)
    assert "usr" not in TOKEN
    assert len(TOKEN) < 80
    others = {unsubscribe_token(f"usr_{n:07d}", "email_digest", UNSUBSCRIBE_KEY) for n in range(300)}
    assert len({one[:8] for one in others}) == 300


@pytest.mark.parametrize("place", range(len(TOKEN)))
def test_a_changed_character_makes_it_nothing(place):
    other = "A" if TOKEN[place] != "A" else "B"
    assert read_unsubscribe_token(TOKEN[:place] + other + TOKEN[place + 1 :], UNSUBSCRIBE_KEY) is None


def test_the_unread_bits_of_the_last_character_are_no_second_spelling():
    read = [c for c in CHARACTERS if read_unsubscribe_token(TOKEN[:-1] + c, UNSUBSCRIBE_KEY) is not None]
    assert read == [TOKEN[-1]]


@given(st.text(max_size=120))
def test_any_other_text_says_nothing(text):
    assert text == TOKEN or read_unsubscribe_token(text, UNSUBSCRIBE_KEY) is None


@pytest.mark.parametrize("token", ["", TOKEN + "=", TOKEN + "\n", TOKEN[:-4], "A" * 10_000, "é" * 60])
def test_odd_texts_say_nothing(token):
    assert read_unsubscribe_token(token, UNSUBSCRIBE_KEY) is None


def test_another_key_reads_nothing():
    assert read_unsubscribe_token(TOKEN, OTHER) is None


@pytest.mark.parametrize(("user_id", "application"), [("", "a"), ("u", ""), ("u\x1fv", "a")])
def test_parts_are_there_and_unambiguous(user_id, application):
    with pytest.raises(InvalidInputError):
        unsubscribe_token(user_id, application, UNSUBSCRIBE_KEY)


def test_each_purpose_has_its_own_key_and_a_short_one_is_refused():
    assert mail_secret(UNSUBSCRIBE_KEY, "a") != mail_secret(UNSUBSCRIBE_KEY, "b")
    with pytest.raises(InvalidInputError, match="3 bytes"):
        mail_secret(b"abc", "a")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("smtp://mail.elmstreet.work", RelayAddress("mail.elmstreet.work", 587, STARTTLS)),
        ("smtps://Mail.Elmstreet.work", RelayAddress("mail.elmstreet.work", 465, TLS)),
        ("smtp+plain://localhost", RelayAddress("localhost", 25, PLAIN)),
        ("smtp+plain://[::1]:2525", RelayAddress("::1", 2525, PLAIN)),
        ("smtp://u:p@h:2587", RelayAddress("h", 2587, STARTTLS, "u", "p")),
        ("smtps://me%40work:p%3A%2f%25%20%40@h", RelayAddress("h", 465, TLS, "me@work", "p:/% @")),
        ("smtp://key:a+b=c!$&'()*,;~@h", RelayAddress("h", 587, STARTTLS, "key", "a+b=c!$&'()*,;~")),
    ],
)
def test_an_address_says_where_how_and_as_whom(address: str, expected: RelayAddress) -> None:
    assert read_relay_address(address) == expected
    assert "p:/" not in repr(read_relay_address(address))


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("", "begins with none of smtp://"),
        (f"smtp:u:{SECRET}@h", "begins with none of smtp://"),
        (f"SMTP://u:{SECRET}@h", "begins with none of smtp://"),
        (f"http://u:{SECRET}@h", r"smtps:// \(TLS\) and smtp\+plain://"),
        (f"smtp://u:{SECRET}@", "it needs a host"),
        ("smtp://", "it needs a host"),
        ("smtp://:587", "it needs a host"),
        (f"smtp://u:{SECRET}@h/", "no path, query or fragment"),
        (f"smtp://u:{SECRET}@h?tls=no", "no path, query or fragment"),
        (f"smtp://u:{SECRET}@h#x", "no path, query or fragment"),
        (f"smtp://u:{SECRET}@h\n", "is not smtp://user:password@host:587"),
        (f"smtp://u:{SECRET}:x@h", "write @ as %40, / as %2F, : as %3A"),
        (f"smtp://u:{SECRET}@x@h", "write @ as %40"),
        (f"smtp://u:{SECRET}@a..b", "is not smtp://user"),
        (f"smtp://u:{SECRET}@{'a' * 64}", "is not smtp://user"),
        (f"smtp://u:{SECRET}@h:123456", "is not smtp://user"),
        (f"smtp://u:{SECRET}@h:0", "not between 1 and 65535"),
        (f"smtp://u:{SECRET}@h:65536", "not between 1 and 65535"),
        (f"smtp://{SECRET}@h", "a user without a password; write both"),
        ("smtp://u:@h", "is empty"),
        (f"smtp://:{SECRET}@h", "is empty"),
        (f"smtp://u:{SECRET}%zz@h", "no two hexadecimal digits follow"),
        (f"smtp://u:{SECRET}%00@h", "no printable ASCII"),
        (f"smtp://u:{SECRET}%0d%0a@h", "no printable ASCII"),
        (f"smtp://u:{SECRET}é@h", "no printable ASCII"),
        (f"smtp://u:{SECRET}%C3%A9@h", "no printable ASCII"),
        (f"smtp+plain://u:{SECRET}@mail.elmstreet.work", r"a relay on this machine alone \(127\.0\.0\.1\)"),
        (f"smtp+plain://u:{SECRET}@127.0.0.2", "write smtp:// or smtps://"),
    ],
)
def test_what_is_no_address_is_refused_with_the_remedy_and_without_the_secret(address: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words) as caught:
        read_relay_address(address)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
