"""`mlife database`, `backup` and `log`."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa

from mlife_assets import definitions
from mlife_assets.adapters.postgresql import holds_tables
from mlife_assets.cli import backup, day, messages
from mlife_assets.components.running import driver, instance
from mlife_assets.core.errors import NotFoundError, PermanentError
from mlife_assets.core.windows import run_time
from mlife_assets.settings import Settings

NOW = datetime(2026, 6, 11, tzinfo=UTC)


def test_a_home_moves_into_a_database_by_catching_up(run, run_json, home, database) -> None:
    missed = run_json("log", "verify", code=1)
    assert {one["key"].split("/")[0] for one in missed["findings"]} == {"ledger"}
    caught_up = run_json("backup", "catch-up")
    assert (caught_up["sends"], caught_up["found_at_provider"]) == (1, 0)
    for file in (home.path / "private").glob("ledger.sqlite*"):  # with its journals
        file.unlink()
    assert run_json("status")["sends"] == {"delivered": 1}
    verified = run_json("log", "verify")
    assert verified["is_intact"], verified["findings"]
    assert run("messages", "pause", "--reason", "doubt").exit_code == 0
    assert run_json("status")["is_paused"]
    assert not list(home.path.rglob("ledger.sqlite*"))


def test_a_look_at_a_home_whose_database_is_empty_makes_nothing(run, refusal_of, home, empty, database) -> None:
    verified = run("log", "verify")
    assert (verified.exit_code, "ledger" in verified.stdout) == (1, True), "the head says that there was one"
    assert "nothing has run" in refusal_of("log", "verify", "--home", empty)
    assert run("status", "--home", empty).exit_code == 0
    assert not empty.exists()
    assert not holds_tables(database, "mlife")


def test_a_log_that_is_gone_beside_a_ledger_is_missed(run, run_json, home, database) -> None:
    run_json("backup", "catch-up")
    for path in (home.path / "lake", home.path / "private" / "heads"):
        path.rename(home.path / f"{path.name}-aside")
    result = run("log", "verify")
    assert result.exit_code == 1
    assert "missing_manifest" in result.stdout


def suppress(home, user: str) -> None:
    """List somebody for a reason that no event log knows."""
    ledger = home.platform.ledger
    ledger.people.suppress(user, now=NOW, reason="asked by post")
    ledger.close()


def is_suppressed(home, user: str) -> bool:
    ledger = home.platform.ledger
    try:
        return ledger.people.is_suppressed(user, at=NOW)
    finally:
        ledger.close()


def lose_schema(database: str) -> None:
    engine = sa.create_engine(database, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP SCHEMA mlife CASCADE")


def test_a_lost_ledger_comes_back_from_a_backup(run, run_json, home, tmp_path) -> None:
    suppress(home, "u7")
    made = run_json("backup", "create", "--to", tmp_path / "backup")
    assert (made["rows"]["sends"], made["rows"]["suppressions"]) == (1, 1)
    lose_ledger(home)
    restored = run_json("backup", "restore", "--from", tmp_path / "backup")
    assert (restored["has_ledger"], restored["filled"], restored["moved_aside"]) == (True, 0, [])
    assert restored["sends"] == 0, "the log knows nothing that the backup does not"
    assert is_suppressed(home, "u7")
    again = run("backup", "restore", "--from", tmp_path / "backup")
    assert f"moved aside: {home.path / 'private' / 'replaced-1' / 'ledger.sqlite'}" in again.output


def test_a_home_whose_database_and_lake_survived_gets_its_keys_and_heads_back(
    run, run_json, home, database, tmp_path
) -> None:
    run_json("backup", "catch-up")
    run_json("backup", "create", "--without-lake", "--to", tmp_path / "backup")
    run("messages", "pause", "--reason", "doubt")
    suppress(home, "u7")
    ledger = home.platform.ledger
    ledger.plan([replace(ledger.sends.rows()[0], message_id="m2", user_id="u2", state="planned")], now=NOW)
    ledger.close()
    (home.path / "private").rename(tmp_path / "lost")
    restored = run("backup", "restore", "--from", tmp_path / "backup")
    assert restored.exit_code == 0, restored.output
    assert "knows more than the backup's and stays" in restored.output
    assert is_suppressed(home, "u7")
    assert run_json("log", "verify")["is_intact"]


def test_a_home_moves_into_a_database_with_all_that_its_ledger_knows_and_back(
    run, run_json, home, database, tmp_path, monkeypatch
) -> None:
    def back_up(name: str) -> None:
        run_json("backup", "create", "--without-lake", "--to", tmp_path / name)

    def restore(name: str) -> None:
        moved = run_json("backup", "restore", "--from", tmp_path / name)
        assert (moved["has_ledger"], moved["sends"], moved["switches"]) == (True, 0, 0), "catching up finds nothing"
        assert is_suppressed(home, "u7")
        assert run_json("log", "verify")["is_intact"]

    monkeypatch.delenv("MLIFE_DATABASE")
    suppress(home, "u7")
    back_up("of files")
    monkeypatch.setenv("MLIFE_DATABASE", database)
    restore("of files")
    assert run("messages", "pause", "--reason", "doubt").exit_code == 0
    back_up("of a database")
    monkeypatch.delenv("MLIFE_DATABASE")
    restore("of a database")
    assert run_json("status")["is_paused"]


def test_a_backup_is_not_restored_while_the_database_is_away(
    run, run_json, home, database, tmp_path, monkeypatch
) -> None:
    run_json("backup", "create", "--to", tmp_path / "backup")
    monkeypatch.setenv("MLIFE_DATABASE", "postgresql://u:hidden@127.0.0.1:1/mlife")
    before = {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file()}
    for command in (("restore", "--from", tmp_path / "backup"), ("create", "--to", tmp_path / "second")):
        result = run("backup", *command)
        assert (result.exit_code, "MLIFE_DATABASE cannot be reached" in result.output) == (1, True)
        assert "hidden" not in result.output
    assert {path: path.read_bytes() for path in home.path.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "second").exists()


def test_a_demo_never_replaces_the_ledger_of_a_database(refusal_of, run_json, home, database, tmp_path) -> None:
    run_json("backup", "catch-up")
    assert "holds a ledger, which a demo never replaces" in refusal_of("demo", "--home", tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    "command",
    [
        ("day",), ("status",), ("demo",), ("log", "verify"), ("messages", "pause", "--reason", "r"),
        ("backup", "catch-up"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_a_database_that_cannot_be_reached_ends_a_command_in_one_sentence(
    refusal_of, home, monkeypatch, command
) -> None:
    monkeypatch.setenv("MLIFE_DATABASE", "postgresql://u:hidden@127.0.0.1:1/mlife")
    before = sorted(home.path.rglob("*.*"))
    result = refusal_of(*command)
    assert "MLIFE_DATABASE cannot be reached" in result
    assert "hidden" not in result
    assert "Traceback" not in result
    added = set(home.path.rglob("*.*")) - set(before)
    assert {path.name for path in added} <= {"dagster.yaml"}


def approve(run: Callable[..., object], home: Path) -> None:
    with pytest.raises(NotFoundError):
        messages._run(Settings(home=home), "job", "op", {})


def rebuild(run: Callable[..., object], home: Path) -> None:
    with pytest.raises(NotFoundError):
        backup._rebuild(Settings(home=home))


def run_day(run: Callable[..., object], home: Path) -> None:
    (home / "lake" / "events").mkdir(parents=True)
    with pytest.raises(NotFoundError):
        day.run(Settings(home=home), date(2026, 6, 2), rebuilds_metrics=False)


OPENERS = {
    "backup restore": rebuild, "day": run_day, "demo": lambda run, home: run("demo", "--home", home),
    "dev": lambda run, home: run("dev", "--port", 0, "--pages-port", 0, "--home", home), "plan approve": approve,
}  # fmt: skip


@pytest.mark.parametrize(
    ("opens", "is_in_database"), [*((one, True) for one in OPENERS.values()), (run_day, False)], ids=[*OPENERS, "files"]
)
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


def lose_ledger(home) -> None:
    for path in (home.path / "private").glob("ledger.sqlite*"):
        path.unlink()


def states(home) -> dict[str, str]:
    return {row.message_id: row.state for row in home.platform.ledger.sends.rows()}


def test_without_a_backup_the_log_tells(run, run_json, home):
    lose_ledger(home)
    told = run_json("backup", "catch-up")
    assert (told["sends"], told["found_at_provider"]) == (1, 0)
    assert states(home) == {home.message_id: "delivered"}
    again = run("backup", "catch-up")
    assert "The ledger agrees with the event log: 0 sends" in again.stdout


def test_a_newer_ledger_and_a_damaged_log_are_refused(run, refusal_of, run_json, home, tmp_path):
    run("backup", "create", "--to", tmp_path / "backup")
    run("messages", "pause", "--reason", "doubt")
    ledger = home.platform.ledger
    ledger.people.suppress("u9", now=ledger.sends.rows()[0].updated_at, reason="asked by post")
    ledger.close()
    assert "not empty" in refusal_of("backup", "create", "--to", tmp_path / "backup")
    log = home.platform.event_log
    file = log.files("message_submitted")[0]
    (home.path / "lake" / file.key).write_bytes(b"")
    assert "mlife log verify" in refusal_of("backup", "catch-up")


def test_a_backup_that_the_lake_cannot_note_is_one_and_its_restore_says_what_it_moved_aside(
    run, answer_of, home, tmp_path, caplog
):
    (in_the_way := home.path / "lake" / "backups").write_text("no folder for `newest.json`")
    made = run("backup", "create", "--to", tmp_path / "backup")
    assert (made.exit_code, "1 sends" in made.stdout) == (0, True), made.output
    assert "the lake does not know of it, so a restore takes an older one, too" in caplog.text
    in_the_way.unlink()
    told = answer_of("backup", "restore", "--from", tmp_path / "backup", "--replace")
    assert "moved aside:" in told
    assert "replaced-1" in told
    assert states(home) == {home.message_id: "delivered"}


def lose_everything(home) -> None:
    """Remove lake, private folder and warehouse; what the provider of texts knows stays."""
    home.platform.ledger.close()
    shutil.rmtree(home.path / "lake")
    (home.path / "warehouse.duckdb").unlink(missing_ok=True)
    for path in (home.path / "private").iterdir():
        if not path.name.startswith("gateway"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize("is_in_database", [False, True])
def test_a_home_that_was_lost_comes_back_from_a_backup(run, run_json, request, home, tmp_path, is_in_database):
    if is_in_database:
        database = request.getfixturevalue("database")
        run_json("backup", "catch-up")
    suppress(home, "u7")
    before = run_json("status")
    objects = len(home.platform.lake.list(""))
    made = run_json("backup", "create", "--to", tmp_path / "backup")
    assert made["lake_objects"] == objects
    lose_everything(home)
    if is_in_database:
        lose_schema(database)
    restored = run_json("backup", "restore", "--from", tmp_path / "backup")
    assert (restored["filled"], restored["has_ledger"]) == (made["lake_objects"], True)
    assert restored["features_until"] is None, "no day landed here"
    assert run("log", "verify").exit_code == 0
    assert run_json("status") == before
    assert is_suppressed(home, "u7")
    assert states(home) == {home.message_id: "delivered"}
    assert bool(list(home.path.rglob("ledger.sqlite*"))) is not is_in_database


def test_features_are_built_again_until_a_restore_came_to_its_end(run, run_json, home, tmp_path, monkeypatch):
    """The next day would decide on features of too few days, and say so to nobody."""
    run("backup", "create", "--to", tmp_path / "backup")
    restore = ("backup", "restore", "--from", tmp_path / "backup")
    (home.path / "warehouse.duckdb").touch()
    assert run_json(*restore)["features_until"] is None
    monkeypatch.setattr(driver, "rebuild_features", lambda *_: date(2026, 6, 2))
    assert run_json(*restore)["features_until"] is None, "nothing was lost"
    lose_everything(home)
    monkeypatch.setattr(driver, "rebuild_features", dies)
    assert run(*restore).exit_code == 1
    (home.path / "warehouse.duckdb").touch()
    monkeypatch.setattr(driver, "rebuild_features", lambda *_: date(2026, 6, 2))
    again = run_json(*restore)
    assert (again["filled"], again["features_until"]) == (0, "2026-06-02")


def dies(*_) -> None:
    raise PermanentError("the disk is full")


def test_without_the_lake_a_backup_is_of_the_ledger_and_asks_for_an_intact_log(run, run_json, home, tmp_path):
    made = run_json("backup", "create", "--without-lake", "--to", tmp_path / "backup")
    assert made["lake_objects"] == 0
    shutil.copytree(home.path / "lake", tmp_path / "lake")
    lose_everything(home)
    assert run("backup", "restore", "--from", tmp_path / "backup").exit_code == 1
    assert not (home.path / "private" / "ledger.sqlite").exists()
    shutil.copytree(tmp_path / "lake", home.path / "lake", dirs_exist_ok=True)
    restored = run_json("backup", "restore", "--from", tmp_path / "backup")
    assert (restored["filled"], restored["features_until"]) == (0, None)
    assert run("log", "verify").exit_code == 0
    assert states(home) == {home.message_id: "delivered"}


def test_a_backup_that_was_cut_off_and_one_in_its_own_lake_are_refused(run, refusal_of, home, tmp_path):
    assert "lies in the lake" in refusal_of("backup", "create", "--to", home.path / "lake" / "backup")
    assert not (home.path / "lake" / "backup").exists()
    run("backup", "create", "--to", tmp_path / "backup")
    (tmp_path / "backup" / "manifest.json").unlink()
    assert "no whole backup" in refusal_of("backup", "restore", "--from", tmp_path / "backup")


def test_a_ledger_that_knows_more_stays_where_there_is_a_lake_to_fill_up(run, home, tmp_path):
    run("backup", "create", "--to", tmp_path / "backup")
    ledger = home.platform.ledger
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE send_transitions SET sequence = sequence + 1000")
    ledger.close()
    shown = run("backup", "restore", "--from", tmp_path / "backup")
    assert "knows more than the backup's and stays" in shown.output
    assert "The lake has all objects of the backup." in shown.output


def test_one_flipped_byte_names_the_file(run, run_json, home):
    intact, document = run("log", "verify"), run_json("log", "verify")
    assert (intact.exit_code, intact.stdout[:8], intact.stderr) == (0, "intact: ", "")
    assert (document["is_intact"], document["findings"]) == (True, [])
    assert document["files"] > 10
    path = sorted((home.path / "lake" / "events").rglob("*.parquet"))[3]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    key = path.relative_to(home.path / "lake").as_posix()
    result = run("log", "verify")
    assert result.exit_code == 1
    assert f"altered_file  {key}" in result.stdout
    assert "1 finding: " in result.stdout
    document = run_json("log", "verify", code=1)
    assert [(one["kind"], one["key"]) for one in document["findings"]] == [("altered_file", key)]


def test_a_witness_shows_an_end_that_was_cut_off(run, home, tmp_path):
    later = run_time(home.newest_day) + timedelta(days=1)
    home.add("sending_paused", {"actor": "a", "reason": "r"}, later)
    witness = tmp_path / "witness.json"
    witness.write_text(run("log", "verify", "--json").stdout)
    manifest = sorted((home.path / "lake" / "manifests").rglob("*.json"))[-1]
    manifest.unlink()
    shutil.rmtree(home.path / "lake" / "events" / "event_type=sending_paused")
    assert run("log", "verify").exit_code == 0
    result = run("log", "verify", "--witness", witness)
    assert result.exit_code == 1
    assert f"missing_manifest  {manifest.relative_to(home.path / 'lake').as_posix()}" in result.stdout


def test_a_witness_that_is_none_is_refused(refusal_of, lived_home, tmp_path):
    for content in (b"{}", b"no json", b'{"heads": [1]}'):
        (tmp_path / "witness.json").write_bytes(content)
        assert "mlife log verify --json" in refusal_of(
            "log", "verify", "--witness", tmp_path / "witness.json", "--home", lived_home.path
        )


def test_a_key_is_rotated_and_the_old_heads_stay_valid(run, run_json, home):
    document = run_json("log", "rotate-key", "--reason", "yearly")
    assert document["sequence"] == 1
    home.add("sending_paused", {"actor": "a", "reason": "r"}, run_time(home.newest_day) + timedelta(days=1))
    assert run("messages", "pause", "--reason", "signed by the new key").exit_code == 0
    document = run_json("log", "verify")
    assert (document["findings"], document["signed_head"]["sequence"]) == ([], 2)


def test_a_signed_log_has_nothing_to_adopt(refusal_of, home):
    assert "signed already" in refusal_of("log", "adopt", "--reason", "again")
