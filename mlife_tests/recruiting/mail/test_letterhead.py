"""The owner's letterhead: all of it is said, nothing else is, and nobody gets mail from an example."""

from __future__ import annotations

import tomllib
from dataclasses import fields, replace

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.mail.letterhead import EXAMPLE, Letterhead, read_letterhead, require_own_letterhead

OWN = Letterhead(
    brand="Elm Street Staffing",
    sender="jobs@mail.elmstreet.work",
    reply_to="help@elmstreet.work",
    office_address="Elm Street Staffing, 1 Elm Street, Austin, TX 78701",
    domain="mail.elmstreet.work",
    link_base="https://elmstreet.work/",
    unsubscribe_base="https://elmstreet.work/unsubscribe/",
)
NAMES = [one.name for one in fields(Letterhead)]


def test_unsubscriptions_by_mail_go_to_our_domain():
    assert Letterhead().unsubscribe_address == "unsubscribe@mail.jobs.example"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("brand", " "),
        ("office_address", ""),
        ("office_address", "100 Main Street\nBcc: x"),
        ("sender", "jobs"),
        ("reply_to", "help@Jobs.example"),
        ("domain", "jobs"),
        ("link_base", "http://jobs.example/"),
        ("unsubscribe_base", "https://jobs.example/unsubscribe"),
        ("unsubscribe_base", 'https://jobs.example/"><script>/'),
    ],
)
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
    with pytest.raises(
        InvalidInputError, match=f"{name} is the example's, and MLIFE_MAIL_RELAY sends to people; write"
    ):
        require_own_letterhead(replace(OWN, **{name: tomllib.loads(EXAMPLE)[name]}))
    assert getattr(example, name) != getattr(Letterhead(), name)


def test_the_simulated_company_mails_nobody() -> None:
    with pytest.raises(InvalidInputError, match="sender is at a domain for examples"):
        require_own_letterhead(Letterhead())
