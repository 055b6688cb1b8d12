"""Which deployment and providers a home has, ours or somebody's own, and what is said of one that is not there."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.deployments.places import look_at_deployment
from mlife_assets.deployments.standalone import standalone
from mlife_assets.recruiting.application import Channel
from mlife_assets.settings import Settings
from mlife_assets.testing.deployments import DeploymentContract

FIRST = date(2025, 1, 15)
ACME = """
from dataclasses import replace

from mlife_assets.adapters.console_gateway import ConsoleGateway
from mlife_assets.adapters.mailboxes.folder import AbsentMailbox
from mlife_assets.deployments.embedded import embedded
from mlife_assets.deployments.standalone import standalone
from mlife_assets.recruiting.application import Channel

SECRET = "a-hidden-secret"
no_home = lambda: None
market = lambda home: replace(embedded(home), is_simulated=False)
broken = lambda home: {}["a-hidden-secret"]
empty = lambda home: None

def careless(home):
    return replace(standalone(home), look=lambda: None, require=lambda: {}["a-hidden-secret"], contacts=lambda: 1 / 0)

class Texts(AbsentMailbox):
    name, channel, __init__ = "acme", Channel.SMS, lambda self, home: None
class Mails(Texts):
    name, channel, look = "acme_mail", Channel.EMAIL, lambda self: "all is open"
class Console(Texts):
    name = "console"
class Nameless(Texts):
    name = None
class Mute(Texts):
    find = None
"""


class TestEmbedded(DeploymentContract):
    named, stated = "embedded", {}


class TestStandalone(DeploymentContract):
    named = "standalone"


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., BoardPorts]]:
    """Return what opens a home where the package `acme` can be imported."""
    for name, body in (("__init__", ACME), ("needs", "import acme_of_nobody"), ("fails", "raise OSError('secret')")):
        (tmp_path / "acme").mkdir(exist_ok=True)
        (tmp_path / "acme" / f"{name}.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)

    def open_home(**stated: Any) -> BoardPorts:
        settings = Settings(**{"home": tmp_path / "home", "deployment": "standalone", "first_day": FIRST, **stated})
        return board_ports(settings)

    yield open_home
    for name in [one for one in sys.modules if one.partition(".")[0] == "acme"]:
        sys.modules.pop(name)


@pytest.mark.parametrize(
    ("field", "named", "says"),
    [
        ("deployment", "acmee:f", "there is no module acmee here; install the package that acmee:f is in"),
        ("deployment", "acme.gone:f", "there is no module acme.gone here; install"),
        ("deployment", "acme.needs:f", "acme.needs imports acme_of_nobody, which is not here; install it"),
        ("deployment", "acme.fails:f", "acme.fails cannot be imported (OSError); `python -c 'import acme.fails'`"),
        ("deployment", "acme:gone", "acme has no gone; correct the setting, or write it there"),
        ("deployment", "acme:SECRET", "acme can call no SECRET; correct"),
        ("deployment", "acme:no_home", "<lambda> failed (TypeError); raise an error of mlife_assets.core.errors"),
        ("deployment", "acme:broken", "<lambda> failed (KeyError); raise an error of"),
        ("deployment", "acme:empty", "acme:empty returned a NoneType; return a mlife_assets.deployments.record.Depl"),
        ("deployment", "acme:embedded", "acme:embedded may not make people up; take standalone's"),
        ("deployment", "acme:market", "acme:market may not make people up; take standalone's"),
        ("texts", "acmee:Texts", "there is no module acmee here"),
        ("texts", "acme:Nameless", "acme:Nameless does not say who it is; give the class a `name`"),
        ("texts", "acme:Mails", "and `channel = Channel.SMS`"),
        ("texts", "acme:Console", "acme:Console has the name console, which is one of ours; give it another"),
    ],
)
def test_what_is_not_there_is_named_with_setting_and_remedy(opened, field: str, named: str, says: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"^MLIFE_{field.upper()}: .*{re.escape(says)}") as caught:
        _ = opened(**{field: named}).deployment
    assert "secret" not in str(caught.value), "what went wrong in it may hold one"
    assert caught.value.__cause__ is None, "and so may its cause, which a run keeps"
    (fault,) = look_at_deployment(opened(**{field: named}).settings)
    assert (fault.part, fault.is_fault) == ("MLIFE_DEPLOYMENT", True)


def test_a_provider_takes_the_place_of_ours_and_nothing_else(opened) -> None:
    platform = opened(texts="acme:Texts")
    assert platform.home.providers == {Channel.SMS: "acme", Channel.EMAIL: "folder"}
    assert (
        platform.home.messengers.texts.name,
        platform.home.messengers.texts_record,
        platform.home.messengers.mails.name,
    ) == ("acme", None, "folder")
    former = [tuple(one.values()) for one in platform.deployment.former_providers]
    assert former == [("console", "folder"), ("console", "smtp"), ("acme", "smtp")], "what events of before may name"
    found = {one.part: one for one in look_at_deployment(platform.settings)}
    assert found["MLIFE_TEXTS"].says == "sms goes out by acme: it does not say whether it could send"
    assert found["MLIFE_CONTACTS"].is_fault, "and what the owner gives is looked at as ever"
    record = platform.deployment.former_texts_record
    assert record is not None
    assert record().name == "console", "its number hashes are still erased"
    mute = opened(texts="acme:Mute")
    with pytest.raises(InvalidInputError, match="MLIFE_TEXTS: acme:Mute has no find; write what MessageGateway asks"):
        _ = mute.home.messengers.texts


def test_mails_need_a_letterhead_and_end_what_kept_us_silent(opened, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("mlife_assets.deployments.standalone.has_entries", lambda _: True)
    platform = opened(mails="acme:Mails", letterhead="l.toml")
    assert set(standalone(platform).silent) == {Channel.EMAIL}, "a relay sent before, and is not named"
    assert platform.deployment.silent == {}
    found = {one.part: one.says for one in look_at_deployment(platform.settings)}
    assert found["MLIFE_MAILS"] == "email goes out by acme_mail: all is open"
    assert "MLIFE_MAIL_RELAY" not in found


def test_a_home_that_sends_by_a_provider_goes_on_with_it(opened, tmp_path: Path) -> None:
    """A shell that lacks the variable would hand texts to the console, and the ledger would say that they went out."""
    opened().settings.memory.keep_deployment()
    opened(texts="acme:Texts").settings.memory.keep_deployment()
    home = Settings(home=tmp_path / "home")
    assert home.messages.texts is None, "naming one in a shell is not sending"
    for provider in ("acme:Texts", "acme:Mute"):
        opened(texts=provider).settings.memory.keep_providers()
        home.memory.keep_providers()
        again = Settings(home=home.home)
        assert (again.messages.texts, again.deployment, again.days.first_day) == (provider, "standalone", FIRST)
    assert [one.name for one in home.home.iterdir()] == ["deployment.json"]


def test_a_remembered_provider_gives_way_to_a_relay_and_to_a_clock(opened) -> None:
    opened().settings.memory.keep_deployment()
    both = opened(texts="acme:Texts", mails="acme:Mails", letterhead="l.toml").settings
    both.memory.keep_providers()
    relay = opened(mail_relay="smtp://relay.example", letterhead="l.toml").settings
    assert (relay.messages.texts, relay.messages.mails) == ("acme:Texts", None)
    clocked = opened(clock_file=both.home / "now").settings
    assert (clocked.messages.texts, clocked.messages.mails) == (None, None)
    relay.memory.keep_providers()
    assert opened().settings.messages.mails is None, "a shell without the relay waits for it"


def test_a_deployment_of_somebodys_own_may_build_on_aws(opened) -> None:
    with pytest.raises(ValueError, match=r"MLIFE_DEPLOYMENT is acme:standalone and MLIFE_LOG_HEADS.* says nothing"):
        opened(deployment="acme:standalone", event_log="s3://log")
    assert opened(deployment="acme:standalone").settings.memory.lasts


def test_what_fails_in_somebodys_deployment_is_said_without_its_words(opened: Callable[..., BoardPorts]) -> None:
    made = opened(deployment="acme:careless").deployment
    for function, kind in ((made.look, "TypeError"), (made.require, "KeyError"), (made.contacts, "ZeroDivisionError")):
        with pytest.raises(
            InvalidInputError, match=rf"MLIFE_DEPLOYMENT: .* failed \({kind}\); raise an error"
        ) as found:
            function()
        assert "secret" not in str(found.value)
        assert found.value.__cause__ is None


def test_a_provider_that_is_set_to_nothing_is_none(opened: Callable[..., BoardPorts]) -> None:
    assert not opened(mails="", texts="").settings.messages.senders
