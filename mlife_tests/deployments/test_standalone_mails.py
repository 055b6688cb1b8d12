"""Whether a standalone deployment mails people is said by two variables, and whatever does not fit is refused."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from mlife_assets.adapters.mailboxes import SendJournal, SmtpMailbox
from mlife_assets.cli.app import app
from mlife_assets.cli.output import faults_named
from mlife_assets.core.errors import InvalidInputError, MlifeError
from mlife_assets.core.windows import run_time
from mlife_assets.deployments.backup import back_up, put_back
from mlife_assets.deployments.board_ports import board_ports
from mlife_assets.deployments.new_home import begin_home
from mlife_assets.deployments.places import (
    deployment_in,
    look_at_deployment,
    require_places_are_there,
    require_sound_places,
)
from mlife_assets.recruiting.mail.letterhead import EXAMPLE
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings, own_letterhead

FIRST = date(2025, 1, 15)
STANDALONE = {"DEPLOYMENT": "standalone", "FIRST_DAY": "2025-01-15"}
SECRET = "a-hidden-secret"
RELAY = f"smtp://mlife:{SECRET}@127.0.0.1:1"
NOWHERE = "127.0.0.1:1, by STARTTLS"
RENAMED = EXAMPLE.replace("your-company.example", "elmstreet.work").replace("Your Company", "Elm Street Staffing")
OWN = RENAMED.replace("Street and number, city, state and ZIP", "1 Elm Street, Austin, TX 78701")


def settings_of(home: Path, letterhead: str = OWN, relay: str | None = RELAY, **fields: Any) -> Settings:
    home.mkdir(parents=True, exist_ok=True)
    (home / "letterhead.toml").write_text(letterhead, encoding="utf-8")
    return Settings(
        home=home, deployment="standalone", first_day=FIRST, letterhead=Path("letterhead.toml"),
        mail_relay=None if relay is None else SecretStr(relay), **fields,
    )  # fmt: skip


def said_of(settings: Settings) -> dict[str, list[tuple[str, bool]]]:
    found = look_at_deployment(settings)
    parts = ("MLIFE_LETTERHEAD", "MLIFE_MAIL_RELAY")
    return {part: [(one.says, one.is_fault) for one in found if one.part == part] for part in parts}


def test_the_letterhead_is_that_of_the_file_and_without_one_policies_are_what_they_were(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    assert own_letterhead(settings).sender == "jobs@mail.elmstreet.work"
    assert own_letterhead(settings_of(tmp_path, relay=None)).brand == "Elm Street Staffing", "a rehearsal"
    elsewhere = tmp_path / "elsewhere.toml"
    elsewhere.write_text(OWN.replace("Elm Street", "Oak Street"), encoding="utf-8")
    named = settings.model_copy(update={"messages": settings.messages.model_copy(update={"letterhead": elsewhere})})
    assert own_letterhead(named).brand == "Oak Street Staffing"
    assert own_letterhead(Settings(home=tmp_path / "new", deployment="standalone", first_day=FIRST)) is None
    assert settings.policies() == Policies()


def test_the_relay_is_no_part_of_what_a_home_keeps_and_no_repr_has_its_password(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    settings.memory.keep_deployment()
    kept = (tmp_path / "deployment.json").read_text()
    assert json.loads(kept)["letterhead"] == "letterhead.toml"
    assert SECRET not in kept + repr(settings) + repr(settings.messages.relay) + str(settings.model_dump())
    assert settings.messages.relay.password == SECRET
    again = Settings(home=tmp_path)
    kept = again.messages
    assert (kept.letterhead, kept.relay) == (Path("letterhead.toml"), None), "nobody is mailed without the variable"


def test_a_home_that_was_begun_without_a_relay_may_have_one_later(tmp_path: Path, monkeypatch) -> None:
    settings_of(tmp_path, relay=None).memory.keep_deployment()
    monkeypatch.setenv("MLIFE_MAIL_RELAY", RELAY)
    settings = Settings(home=tmp_path)
    settings.memory.keep_deployment()
    platform = board_ports(settings)
    assert isinstance(platform.home.messengers.mails, SmtpMailbox)
    assert platform.home.providers == {"sms": "console", "email": "smtp"}


def test_a_lost_home_comes_back_under_its_letterhead(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "home", relay=None)
    lost = board_ports(settings)
    backup = back_up(lost.home, tmp_path / "backup", now=run_time(FIRST), has_lake=False)
    lost.ledger.close()
    new = Settings(home=tmp_path / "new")
    put_back(board_ports(new).home, backup)
    assert own_letterhead(Settings(home=new.home)) == own_letterhead(settings)
    (new.home / "letterhead.toml").write_text(RENAMED, encoding="utf-8")
    again = Settings(home=new.home)
    put_back(board_ports(again).home, backup)
    assert own_letterhead(again).office_address.startswith("Street and number"), "one that is there is newer, and stays"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"MAIL_RELAY": RELAY}, "MLIFE_MAIL_RELAY is set and nobody in a simulated market is sent anything"),
        ({"LETTERHEAD": "l.toml"}, "MLIFE_LETTERHEAD is set and nobody in a simulated market is sent anything"),
        ({"DEPLOYMENT": "sandbox"}, "MLIFE_DEPLOYMENT: it is none of embedded, standalone, aws and no name of Python"),
        ({"TEXTS": "acme:Texts"}, "MLIFE_TEXTS is set and nobody in a simulated market is sent anything"),
        ({**STANDALONE, "TEXTS": "acme.Texts"}, "MLIFE_TEXTS: it is no name of Python; write package.module:name"),
        ({**STANDALONE, "MAILS": "acme:Mails"}, "MLIFE_MAILS is set and nothing says who sends"),
        (
            {**STANDALONE, "MAILS": "acme:Mails", "MAIL_RELAY": RELAY, "LETTERHEAD": "l.toml"},
            "MLIFE_MAIL_RELAY and MLIFE_MAILS both say who takes mails; unset one of them",
        ),
        (
            {**STANDALONE, "TEXTS": "acme:Texts", "CLOCK_FILE": "/now"},
            "MLIFE_CLOCK_FILE tries days out and MLIFE_TEXTS sends to people",
        ),
        ({**STANDALONE, "MAIL_RELAY": RELAY}, "write your own and name its file in MLIFE_LETTERHEAD"),
        ({**STANDALONE, "LETTERHEAD": ""}, "MLIFE_CONTACTS, MLIFE_AUDIT_TABLE or MLIFE_LETTERHEAD is set to nothing"),
        ({**STANDALONE, "MAIL_RELAY": ""}, "MLIFE_MAIL_RELAY: the address begins with none of smtp://"),
        ({**STANDALONE, "MAIL_RELAY": f"http://u:{SECRET}@h"}, "MLIFE_MAIL_RELAY: the address begins with none of"),
        ({**STANDALONE, "MAIL_RELAY": f"smtp://{SECRET}@h"}, "MLIFE_MAIL_RELAY: the address has a user without a"),
        ({**STANDALONE, "MAIL_RELY": RELAY}, "MLIFE_MAIL_RELY is no setting, and MLIFE_MAIL_RELAY is; correct it"),
        (
            {**STANDALONE, "MAIL_RELAY": RELAY, "LETTERHEAD": "l.toml", "CLOCK_FILE": "/now"},
            "MLIFE_CLOCK_FILE tries days out and MLIFE_MAIL_RELAY sends to people, at the hours of that clock; ",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_variable_and_remedy(tmp_path: Path, monkeypatch, fields, sentence) -> None:
    for name, value in fields.items():
        monkeypatch.setenv(f"MLIFE_{name}", value)
    with pytest.raises(InvalidInputError, match=re.escape(sentence)) as caught, faults_named():
        Settings(home=tmp_path)
    assert SECRET not in f"{caught.value}{caught.value.__cause__}"


@pytest.mark.parametrize(
    ("letterhead", "sentence"),
    [
        (None, r"MLIFE_LETTERHEAD: there is no file .*letterhead\.toml; write it, or correct the setting"),
        ("brand = 1", r"MLIFE_LETTERHEAD: letterhead\.toml has no text in brand"),
        (EXAMPLE, "MLIFE_LETTERHEAD: brand is the example's, and mails go out to people"),
        (RENAMED, "MLIFE_LETTERHEAD: office_address is the example's"),
        (OWN.replace("elmstreet.work", "jobs.example"), "MLIFE_LETTERHEAD: sender is at a domain for examples"),
    ],
)
def test_a_letterhead_that_is_missing_or_wrong_stops_the_start(tmp_path: Path, letterhead, sentence) -> None:
    settings = settings_of(tmp_path, letterhead or "")
    if letterhead is None:
        (tmp_path / "letterhead.toml").unlink()
    for start in (own_letterhead, require_sound_places, require_places_are_there):
        with pytest.raises(MlifeError, match=sentence):
            start(settings)
    (fault,) = (one for one in look_at_deployment(settings) if one.part == "MLIFE_LETTERHEAD")
    assert fault.is_fault
    assert not fault.says.startswith("MLIFE_LETTERHEAD"), "the part is named once"
    assert len(said_of(settings)["MLIFE_MAIL_RELAY"]) == 2, "the relay is looked at all the same"


def test_a_folder_in_the_letterheads_place_is_named(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    (tmp_path / "letterhead.toml").unlink()
    (tmp_path / "letterhead.toml").mkdir()
    with pytest.raises(InvalidInputError, match=r"letterhead\.toml cannot be read \(Is a directory\); grant read"):
        own_letterhead(settings)


def test_no_relay_is_asked_at_the_start(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    deployment_in(settings).require()
    require_places_are_there(settings)


def test_the_doctor_says_whether_people_get_mails(tmp_path: Path, start_relay) -> None:
    people = "mails are from Elm Street Staffing, jobs@mail.elmstreet.work"
    rehearsed = ("mails are rehearsed: a folder takes them, and nobody gets one", False)
    assert said_of(settings_of(tmp_path, relay=None)) == {
        "MLIFE_LETTERHEAD": [(people, False)],
        "MLIFE_MAIL_RELAY": [rehearsed],
    }
    without = said_of(Settings(home=tmp_path, deployment="standalone", first_day=FIRST))
    assert without == {"MLIFE_LETTERHEAD": [], "MLIFE_MAIL_RELAY": [rehearsed]}
    relay = start_relay()
    good = settings_of(tmp_path, relay=f"smtp+plain://127.0.0.1:{relay.port}")
    through = f"approved mails go out to people through 127.0.0.1:{relay.port}, in the clear, on this machine"
    assert said_of(good)["MLIFE_MAIL_RELAY"] == [
        (through, False),
        ("it greets and reports deliveries; no mail was sent", False),
    ]
    assert relay.seen == []
    assert said_of(settings_of(tmp_path))["MLIFE_MAIL_RELAY"] == [
        (f"approved mails go out to people through {NOWHERE}", False),
        ("nobody listens there", True),
    ]


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_mlife_doctor_logs_in_by_the_settings_alone(
    tmp_path: Path, start_relay, certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings_of(tmp_path, relay=None).memory.keep_deployment()
    password = f"{SECRET}@/:%"
    relay = start_relay("starttls", password=password)
    quoted = f"{SECRET}%40%2F%3A%25"
    monkeypatch.setenv("MLIFE_MAIL_RELAY", f"smtp://ann%40elmstreet.work:{quoted}@127.0.0.1:{relay.port}")

    def said() -> list[str]:
        result = CliRunner().invoke(app, ["doctor", "--home", str(tmp_path)])
        assert SECRET not in result.output
        return [line for line in result.stdout.splitlines() if "MLIFE_MAIL_RELAY" in line]

    assert said()[1] == ("FAULT MLIFE_MAIL_RELAY: its certificate is not trusted (self-signed certificate)")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    assert said()[1] == "ok    MLIFE_MAIL_RELAY: it takes our login and reports deliveries; no mail was sent"
    assert relay.logins == [("ann@elmstreet.work", password)]
    monkeypatch.setenv("MLIFE_MAIL_RELAY", f"smtp://ann:{SECRET}@127.0.0.1:{relay.port}")
    assert said()[1] == "FAULT MLIFE_MAIL_RELAY: it refuses the login with 535"
    assert relay.seen == []


def test_the_doctor_says_that_a_home_which_mailed_lacks_its_relay(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, relay=None)
    SendJournal(settings.private_folder / "mail" / "journal").begin("msg_1", "usr_1", run_time(FIRST))
    says = "it is not set, and mails of this home went out through a relay"
    assert said_of(settings)["MLIFE_MAIL_RELAY"] == [(says, True)]


def test_a_new_home_rehearses_under_an_example_that_no_relay_takes(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MLIFE_MAIL_RELAY", RELAY)
    written = begin_home(tmp_path / "home", first_day=FIRST, history_days=60)
    assert tmp_path / "home" / "letterhead.toml" in written
    settings = Settings(home=tmp_path / "home")
    with pytest.raises(InvalidInputError, match="brand is the example's"):
        deployment_in(settings).require()
    (tmp_path / "home" / "letterhead.toml").write_text(OWN, encoding="utf-8")
    deployment_in(settings).require()
    (tmp_path / "home" / "letterhead.toml").write_text(EXAMPLE, encoding="utf-8")
    monkeypatch.delenv("MLIFE_MAIL_RELAY")
    assert own_letterhead(Settings(home=tmp_path / "home")).brand == "Your Company"
