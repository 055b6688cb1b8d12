"""A home whose ledger is in PostgreSQL, from the command line."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
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

NOW = datetime(2026, 6, 11, tzinfo=UTC)


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


def suppress(home, user: str) -> None:
    """List somebody for a reason that no event log knows."""
    ledger = home.platform.ledger
    ledger.suppress(user, now=NOW, reason="asked by post")
    ledger.close()


def is_suppressed(home, user: str) -> bool:
    ledger = home.platform.ledger
    try:
        return ledger.is_suppressed(user, at=NOW)
    finally:
        ledger.close()


def lose_schema(database: str) -> None:
    engine = sa.create_engine(database, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP SCHEMA mlife CASCADE")


def test_a_ledger_of_a_database_that_was_lost_comes_back_from_a_backup(run, run_json, home, database, tmp_path) -> None:
    run_json("backup", "catch-up", "--home", home.path)
    suppress(home, "u7")
    made = run_json("backup", "create", "--to", tmp_path / "backup", "--home", home.path)
    assert (made["rows"]["sends"], made["rows"]["suppressions"]) == (1, 1)
    lose_schema(database)
    restored = run_json("backup", "restore", "--from", tmp_path / "backup", "--home", home.path)
    assert (restored["has_ledger"], restored["filled"], restored["moved_aside"]) == (True, 0, [])
    assert restored["sends"] == 0, "the log knows nothing that the backup does not"
    assert run_json("status", "--home", home.path)["sends"] == {"delivered": 1}
    assert is_suppressed(home, "u7")
    assert run_json("log", "verify", "--home", home.path)["is_intact"]
    again = run("backup", "restore", "--from", tmp_path / "backup", "--home", home.path)
    assert f"moved aside: {home.path / 'private' / 'replaced-1' / 'ledger.sqlite'}" in again.output


def test_a_home_that_was_lost_with_its_database_comes_back_from_a_backup(
    run, run_json, home, database, tmp_path
) -> None:
    run_json("backup", "catch-up", "--home", home.path)
    suppress(home, "u7")
    before = run_json("status", "--home", home.path)
    run_json("backup", "create", "--to", tmp_path / "backup", "--home", home.path)
    lose_schema(database)
    for name in ("lake", "private"):
        (home.path / name).rename(tmp_path / f"lost {name}")
    restored = run_json("backup", "restore", "--from", tmp_path / "backup", "--home", home.path)
    assert (restored["has_ledger"], restored["filled"] > 0) == (True, True)
    assert run_json("log", "verify", "--home", home.path)["is_intact"]
    assert run_json("status", "--home", home.path) == before
    assert is_suppressed(home, "u7")
    assert not list(home.path.rglob("ledger.sqlite*"))


def test_a_home_whose_database_and_lake_survived_gets_its_keys_and_heads_back(
    run, run_json, home, database, tmp_path
) -> None:
    run_json("backup", "catch-up", "--home", home.path)
    run_json("backup", "create", "--without-lake", "--to", tmp_path / "backup", "--home", home.path)
    run("messages", "pause", "--reason", "doubt", "--home", home.path)
    suppress(home, "u7")
    ledger = home.platform.ledger
    ledger.plan([replace(ledger.rows()[0], message_id="m2", user_id="u2", state="planned")], now=NOW)
    ledger.close()
    (home.path / "private").rename(tmp_path / "lost")
    restored = run("backup", "restore", "--from", tmp_path / "backup", "--home", home.path)
    assert restored.exit_code == 0, restored.output
    assert "knows more than the backup's and stays" in restored.output
    assert is_suppressed(home, "u7")
    assert run_json("log", "verify", "--home", home.path)["is_intact"]


def test_a_home_moves_into_a_database_with_all_that_its_ledger_knows_and_back(
    run, run_json, home, database, tmp_path, monkeypatch
) -> None:
    def back_up(name: str) -> None:
        run_json("backup", "create", "--without-lake", "--to", tmp_path / name, "--home", home.path)

    def restore(name: str) -> None:
        moved = run_json("backup", "restore", "--from", tmp_path / name, "--home", home.path)
        assert (moved["has_ledger"], moved["sends"], moved["switches"]) == (True, 0, 0), "catching up finds nothing"
        assert is_suppressed(home, "u7")
        assert run_json("log", "verify", "--home", home.path)["is_intact"]

    monkeypatch.delenv("MLIFE_DATABASE")
    suppress(home, "u7")
    back_up("of files")
    monkeypatch.setenv("MLIFE_DATABASE", database)
    restore("of files")
    assert run("messages", "pause", "--reason", "doubt", "--home", home.path).exit_code == 0
    back_up("of a database")
    monkeypatch.delenv("MLIFE_DATABASE")
    restore("of a database")
    assert run_json("status", "--home", home.path)["is_paused"]


def test_a_backup_is_not_restored_while_the_database_is_away(
    run, run_json, home, database, tmp_path, monkeypatch
) -> None:
    run_json("backup", "create", "--to", tmp_path / "backup", "--home", home.path)
    monkeypatch.setenv("MLIFE_DATABASE", "postgresql://u:hidden@127.0.0.1:1/mlife")
    before = {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file()}
    for command in (("restore", "--from", tmp_path / "backup"), ("create", "--to", tmp_path / "second")):
        result = run("backup", *command, "--home", home.path)
        assert (result.exit_code, "MLIFE_DATABASE cannot be reached" in result.output) == (1, True)
        assert "hidden" not in result.output
    assert {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "second").exists()


def test_a_demo_never_replaces_the_ledger_of_a_database(run, run_json, home, database, tmp_path) -> None:
    run_json("backup", "catch-up", "--home", home.path)
    result = run("demo", "--home", tmp_path / "other")
    assert result.exit_code == 1
    assert "holds a ledger, which a demo never replaces" in result.output
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("day",), ("status",), ("demo",), ("log", "verify"), ("messages", "pause", "--reason", "r"),
        ("backup", "catch-up"),
    ],
    ids=" ".join,
)  # fmt: skip
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
