"""`mlife init`: a home that doctor, check and settings take as it is, and nothing that is there is touched."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from mlife_assets.adapters.landing_templates import EXAMPLE_DAY
from mlife_assets.cli.app import app
from mlife_assets.recruiting.events import MARKET_EVENT_TYPES

DAY = "2026-01-05"


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    result = run("init", str(folder), "--first-day", DAY, "--history-days", "40")
    assert result.exit_code == 0, result.output
    assert f"A home was begun in {folder}" in " ".join(result.stdout.split())
    monkeypatch.setenv("MLIFE_HOME", str(folder))
    return folder


def test_a_new_home_is_a_standalone_one_by_its_folder_alone(home: Path) -> None:
    from mlife_assets.settings import Settings

    settings = Settings()
    assert (settings.deployment, str(settings.first_day), settings.history_days) == ("standalone", DAY, 40)
    result = run("doctor", "--json")
    found = {one["part"]: one for one in json.loads(result.stdout)["found"]}
    assert found["MLIFE_CONTACTS"]["says"] == "contacts.csv holds nobody yet"
    assert found["MLIFE_AUDIT_TABLE"]["remedy"] == f"fill {home / 'private' / 'audit.csv'}"
    assert (result.exit_code, json.loads(result.stdout)["faults"]) == (1, 2)


def test_its_status_says_how_to_go_on_and_writes_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (home / "deployment.json").read_bytes()
    monkeypatch.setenv("MLIFE_CONTACTS", "elsewhere.csv")
    result = run("status")
    assert "`mlife doctor` says what is missing" in " ".join(result.stdout.split())
    assert (home / "deployment.json").read_bytes() == before
    for command, words in (("day", "turn due_days_sensor on in `mlife dev`"), ("demo", "name another folder")):
        result = run(command)
        assert result.exit_code == 1
        assert words in " ".join(result.output.split())
    assert not (home / "market").exists()


def test_a_place_with_a_blank_can_be_exported(tmp_path: Path) -> None:
    folder = tmp_path / "my home"
    assert run("init", str(folder), "--first-day", DAY).exit_code == 0
    assert f"export MLIFE_HOME='{folder}'" in (folder / "README.md").read_text()


def test_what_is_about_people_is_private_and_holds_nobody(home: Path) -> None:
    headers = {"contacts.csv": "user_id,phone_number,mail_address\n", "audit.csv": "user_id,sex,race_ethnicity\n"}
    for name, header in headers.items():
        path = home / "private" / name
        assert path.read_text() == header
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (home / "private" / "contacts.csv").write_text(headers["contacts.csv"] + "u1,+12125550123,\n")
    (home / "private" / "audit.csv").write_text(headers["audit.csv"] + "u1,Female,Asian\n")
    result = run("doctor", "--json")
    parts = {one["part"]: one["says"] for one in json.loads(result.stdout)["found"]}
    assert parts["MLIFE_CONTACTS"] == parts["MLIFE_AUDIT_TABLE"] == "people in it: 1"
    assert result.exit_code == 0, result.output


def test_every_example_would_be_taken(home: Path) -> None:
    examples = sorted((home / "templates" / "example").rglob("*.parquet"))
    assert {path.parent.parent.name for path in examples} == set(MARKET_EVENT_TYPES)
    assert {path.parent.name for path in examples} == {f"dt={EXAMPLE_DAY}"}
    result = run("landing", "check", *map(str, examples))
    assert result.exit_code == 0, result.output


def test_the_instructions_name_commands_and_files_that_are_there(home: Path) -> None:
    text = (home / "README.md").read_text()
    assert f"export MLIFE_HOME={home}" in text
    for command in ("landing check", "doctor", "dev", "plan show", "plan approve"):
        assert f"mlife {command}" in text
        assert run(*command.split(), "--help").exit_code == 0
    for name in ("private/contacts.csv", "private/audit.csv", "templates", "landing"):
        assert name in text
        assert (home / name).exists()


def test_where_others_deliver_elsewhere_there_is_no_second_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLIFE_LANDING", str(tmp_path / "exports"))
    result = run("init", str(tmp_path / "home"), "--first-day", DAY, "--json")
    assert result.exit_code == 0, result.output
    assert not (tmp_path / "home" / "landing").exists()
    assert not [path for path in json.loads(result.stdout)["written"] if path.endswith("landing")]
    assert f"{tmp_path}/exports/click/dt={DAY}/export.parquet" in (tmp_path / "home" / "README.md").read_text()


def test_a_folder_that_holds_anything_is_left_alone(home: Path, tmp_path: Path) -> None:
    before = sorted(path.relative_to(home) for path in home.rglob("*"))
    for folder in (home, home / "README.md"):
        result = run("init", str(folder), "--first-day", DAY)
        assert result.exit_code == 1
        assert "is not an empty folder; name a new one" in " ".join(result.output.split())
    assert sorted(path.relative_to(home) for path in home.rglob("*")) == before
    empty = tmp_path / "empty"
    empty.mkdir()
    result = run("init", str(empty), "--first-day", DAY, "--json")
    assert result.exit_code == 0
    assert all(Path(path).exists() for path in json.loads(result.stdout)["written"])


def test_a_day_that_is_none_and_an_environment_that_says_otherwise_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("init", str(tmp_path / "home"), "--first-day", "5 January").exit_code == 2
    result = run("init", str(tmp_path / "home"), "--first-day", DAY, "--history-days", "20")
    assert (result.exit_code, (tmp_path / "home").exists()) == (1, False)
    assert "the first model needs 38; give 38 or more" in " ".join(result.output.split())
    monkeypatch.setenv("MLIFE_CONTACTS", "elsewhere.csv")
    monkeypatch.setenv("MLIFE_SEED", "seven")
    result = run("init", str(tmp_path / "home"), "--first-day", DAY)
    assert result.exit_code == 1
    assert "MLIFE_SEED" in result.output
    assert not (tmp_path / "home").exists()
