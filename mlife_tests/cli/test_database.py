"""A home whose ledger is in PostgreSQL, from the command line."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from mlife_assets import definitions
from mlife_assets.adapters.postgresql import holds_tables
from mlife_assets.cli import backup, day, plan
from mlife_assets.components.running import instance
from mlife_assets.core.errors import NotFoundError
from mlife_assets.settings import Settings


@pytest.fixture
def database(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of an empty database, which the environment names, with a password."""
    url = sa.make_url(postgres_url).set(password="hidden-pass-word").render_as_string(hide_password=False)
    monkeypatch.setenv("MLIFE_DATABASE", url)
    return url


def test_a_home_moves_into_a_database_by_catching_up(run, run_json, home, database) -> None:
    missed = run_json("log", "verify", "--home", home.path, code=1)
    assert {one["key"].split("/")[0] for one in missed["findings"]} == {"ledger"}
    caught_up = run_json("backup", "catch-up", "--home", home.path)
    assert (caught_up["sends"], caught_up["found_at_provider"]) == (1, 0)
    (home.path / "private" / "ledger.sqlite").unlink()
    assert run_json("status", "--home", home.path)["sends"] == {"delivered": 1}
    verified = run_json("log", "verify", "--home", home.path)
    assert verified["is_intact"], verified["findings"]
    assert run("messages", "pause", "--reason", "doubt", "--home", home.path).exit_code == 0
    assert run_json("status", "--home", home.path)["is_paused"]
    assert not list(home.path.rglob("ledger.sqlite*"))


def test_a_look_at_a_home_whose_database_is_empty_makes_nothing(run, home, empty, database) -> None:
    verified = run("log", "verify", "--home", home.path)
    assert (verified.exit_code, "ledger" in verified.stdout) == (1, True), "the head says that there was one"
    nothing = run("log", "verify", "--home", empty)
    assert (nothing.exit_code, "nothing has run" in nothing.output) == (1, True)
    assert run("status", "--home", empty).exit_code == 0
    assert not empty.exists()
    assert not holds_tables(database, "mlife")


def test_a_log_that_is_gone_beside_a_ledger_is_missed(run, run_json, home, database) -> None:
    run_json("backup", "catch-up", "--home", home.path)
    for path in (home.path / "lake", home.path / "private" / "heads"):
        path.rename(home.path / f"{path.name}-aside")
    result = run("log", "verify", "--home", home.path)
    assert result.exit_code == 1
    assert "missing_manifest" in result.stdout


def test_a_backup_leaves_the_ledger_to_its_database(run_json, home, database, tmp_path) -> None:
    run_json("backup", "catch-up", "--home", home.path)
    made = run_json("backup", "create", "--to", tmp_path / "backup", "--home", home.path)
    assert (made["has_ledger"], made["lake_objects"] > 0) == (False, True)
    assert not list((tmp_path / "backup").rglob("ledger.sqlite*"))
    restored = run_json("backup", "restore", "--from", tmp_path / "backup", "--home", home.path)
    assert (restored["has_ledger"], restored["filled"]) == (False, 0)
    assert run_json("status", "--home", home.path)["sends"] == {"delivered": 1}


def test_a_ledger_of_files_is_not_restored_beside_a_database(
    run, run_json, home, database, tmp_path, monkeypatch
) -> None:
    monkeypatch.delenv("MLIFE_DATABASE")
    run_json("backup", "create", "--to", tmp_path / "backup", "--home", home.path)
    monkeypatch.setenv("MLIFE_DATABASE", database)
    ledger = home.path / "private" / "ledger.sqlite"
    before = ledger.read_bytes()
    result = run("backup", "restore", "--from", tmp_path / "backup", "--home", home.path)
    assert result.exit_code == 1
    assert "unset the variable to restore into files" in result.output
    assert ledger.read_bytes() == before


def test_a_demo_never_replaces_the_ledger_of_a_database(run, run_json, home, database, tmp_path) -> None:
    run_json("backup", "catch-up", "--home", home.path)
    result = run("demo", "--home", tmp_path / "other")
    assert result.exit_code == 1
    assert "holds a ledger, which a demo never replaces" in result.output
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("day",),
        ("status",),
        ("demo",),
        ("log", "verify"),
        ("messages", "pause", "--reason", "r"),
        ("backup", "catch-up"),
    ],
    ids=" ".join,
)
def test_a_database_that_cannot_be_reached_ends_a_command_in_one_sentence(run, home, monkeypatch, command) -> None:
    monkeypatch.setenv("MLIFE_DATABASE", "postgresql://u:hidden@127.0.0.1:1/mlife")
    before = sorted(home.path.rglob("*.*"))
    result = run(*command, "--home", home.path)
    assert result.exit_code == 1
    assert "MLIFE_DATABASE cannot be reached" in result.output
    assert "hidden" not in result.output
    assert "Traceback" not in result.output
    added = set(home.path.rglob("*.*")) - set(before)
    assert {path.name for path in added} <= {"dagster.yaml"}


def approve(run: Callable[..., object], home: Path) -> None:
    with pytest.raises(NotFoundError):
        plan._run(Settings(home=home), "job", "op", {})


def rebuild(run: Callable[..., object], home: Path) -> None:
    with pytest.raises(NotFoundError):
        backup._rebuild(Settings(home=home))


def run_day(run: Callable[..., object], home: Path) -> None:
    (home / "lake" / "events").mkdir(parents=True)
    with pytest.raises(NotFoundError):
        day.run(Settings(home=home), date(2026, 6, 2), rebuilds_metrics=False)


OPENERS = {
    "backup restore": rebuild,
    "day": run_day,
    "demo": lambda run, home: run("demo", "--home", home),
    "dev": lambda run, home: run("dev", "--port", 0, "--pages-port", 0, "--home", home),
    "plan approve": approve,
}


@pytest.mark.parametrize("is_in_database", [True, False])
@pytest.mark.parametrize("opens", OPENERS.values(), ids=OPENERS)
def test_whoever_opens_the_records_of_dagster_looks_where_they_are(
    run, request, monkeypatch, tmp_path, opens, is_in_database
) -> None:
    asked = []

    def opened(home: Path, **given: bool) -> None:
        asked.append(given)
        raise NotFoundError("the end of this test")

    monkeypatch.setattr("os.environ", {})
    if is_in_database:
        monkeypatch.setenv("MLIFE_DATABASE", request.getfixturevalue("postgres_url"))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(instance, "open_instance", opened)
    monkeypatch.setattr(definitions, "build_definitions", lambda _: SimpleNamespace(resources={"platform": None}))
    opens(run, tmp_path / "home")
    assert asked == [{"is_in_database": is_in_database, "logs_json": False}]
