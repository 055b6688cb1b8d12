"""What shared options stand for: settings, homes that hold nothing, words that are kept."""

from __future__ import annotations

import os

import pytest

from mlife_assets.cli.options import has_event_log, open_platform, settings_of
from mlife_assets.core.errors import NotFoundError

READERS = (
    ("trace", "msg_1"), ("log", "verify"), ("models", "list"), ("models", "history"),
    ("models", "rollback", "--reason", "r"), ("messages", "pause", "--reason", "r"),
    ("messages", "resume", "--reason", "r"), ("day",), ("serve",),
)  # fmt: skip


def test_home_overrides_one_field(tmp_path, monkeypatch):
    monkeypatch.setenv("MLIFE_HOME", "/nowhere")
    monkeypatch.setenv("MLIFE_MARKET_USERS", "123")
    settings = settings_of(tmp_path)
    assert (settings.home, settings.market_users, settings.approve_console_sends) == (tmp_path, 123, False)
    assert settings_of(None, approves_sends=True).approve_console_sends


def test_all_cores_that_the_process_may_use_are_used_unless_fewer_are_asked_for(monkeypatch):
    assert settings_of(None).cores == len(os.sched_getaffinity(0))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert settings_of(None).cores == 1
    monkeypatch.setenv("MLIFE_CORES", "2")
    assert settings_of(None).cores == 2


def test_a_wrong_environment_is_named_without_its_value(run, empty):
    result = run("status", "--home", empty, env={"MLIFE_MARKET_USERS": "s3cret"})
    assert result.exit_code == 1
    assert result.stderr.startswith("mlife: MLIFE_MARKET_USERS: ")
    assert "s3cret" not in result.output


@pytest.mark.parametrize("arguments", READERS, ids=" ".join)
def test_a_home_that_holds_nothing_is_reported_and_left_alone(run, empty, arguments):
    result = run(*arguments, "--home", empty)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nothing has run in" in result.stderr
    assert "mlife demo" in result.stderr
    assert not empty.exists()


def test_a_log_that_was_signed_and_is_gone_is_not_called_never_lived(run, tmp_path):
    (tmp_path / "private" / "heads").mkdir(parents=True)
    result = run("models", "list", "--home", tmp_path)
    assert result.exit_code == 1
    assert "was signed and is gone; restore" in result.stderr
    assert "mlife demo" not in result.stderr


def test_a_weak_secret_is_refused_in_words_for_people(run, empty):
    for name, told in (
        ("MLIFE_ENDPOINT_TOKEN", "a token has 32 or more"),
        ("MLIFE_HASH_KEY", "the key is easy to guess"),
    ):
        result = run("status", "--home", empty, env={name: "s3cret"})
        assert result.stderr.startswith(f"mlife: {name}: {told}")
        assert "s3cret" not in result.output


def test_a_lived_home_opens(lived_home, empty):
    assert has_event_log(settings_of(lived_home.path))
    assert not has_event_log(settings_of(empty))
    assert open_platform(settings_of(lived_home.path)).registry.champion() == lived_home.champions[-1]
    with pytest.raises(NotFoundError):
        open_platform(settings_of(empty))


@pytest.mark.parametrize("number", ["+1 202-456-1111", "(202) 456-1111", "2024561111"])
def test_phone_numbers_never_enter_the_log(run, home, number):
    result = run("messages", "pause", "--reason", f"{number} complained", "--home", home.path)
    assert result.exit_code == 1
    assert "phone number" in result.stderr
    assert number not in result.output
    assert not home.platform.ledger.is_paused()
    assert home.events("sending_paused") == []
