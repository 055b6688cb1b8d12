"""Backing up, losing, restoring and catching up from the command line."""

from __future__ import annotations

import shutil
from datetime import date

from mlife_assets.components.running import lost_warehouse
from mlife_assets.core.errors import PermanentError


def lose_ledger(home) -> None:
    for path in (home.path / "private").glob("ledger.sqlite*"):
        path.unlink()


def states(home) -> dict[str, str]:
    return {row.message_id: row.state for row in home.platform.ledger.rows()}


def test_a_lost_ledger_comes_back_from_a_backup(run_json, home, tmp_path):
    before = states(home)
    made = run_json("backup", "create", "--to", tmp_path / "backup", "--home", home.path)
    assert made["rows"]["sends"] == 1
    lose_ledger(home)
    restored = run_json("backup", "restore", "--from", tmp_path / "backup", "--home", home.path)
    assert (restored["sends"], restored["moved_aside"]) == (0, [])
    assert states(home) == before == {home.message_id: "delivered"}


def test_without_a_backup_the_log_tells(run, run_json, home):
    lose_ledger(home)
    told = run_json("backup", "catch-up", "--home", home.path)
    assert (told["sends"], told["found_at_provider"]) == (1, 0)
    assert states(home) == {home.message_id: "delivered"}
    again = run("backup", "catch-up", "--home", home.path)
    assert "The ledger agrees with the event log: 0 sends" in again.stdout


def test_a_newer_ledger_and_a_damaged_log_are_refused(run, run_json, home, tmp_path):
    run("backup", "create", "--to", tmp_path / "backup", "--home", home.path)
    run("messages", "pause", "--reason", "doubt", "--home", home.path)
    ledger = home.platform.ledger
    ledger.suppress("u9", now=ledger.rows()[0].updated_at, reason="asked by post")
    ledger.close()
    again = run("backup", "create", "--to", tmp_path / "backup", "--home", home.path)
    assert (again.exit_code, "not empty" in again.output) == (1, True)
    log = home.platform.event_log
    file = log.files("message_submitted")[0]
    (home.path / "lake" / file.key).write_bytes(b"")
    refused = run("backup", "catch-up", "--home", home.path)
    assert refused.exit_code == 1
    assert "mlife log verify" in refused.output


def test_a_backup_that_the_lake_cannot_note_is_one_and_its_restore_says_what_it_moved_aside(
    run, home, tmp_path, caplog
):
    (in_the_way := home.path / "lake" / "backups").write_text("no folder for `newest.json`")
    made = run("backup", "create", "--to", tmp_path / "backup", "--home", home.path)
    assert (made.exit_code, "1 sends" in made.stdout) == (0, True), made.output
    assert "the lake does not know of it, so a restore takes an older one, too" in caplog.text
    in_the_way.unlink()
    told = run("backup", "restore", "--from", tmp_path / "backup", "--replace", "--home", home.path)
    assert told.exit_code == 0, told.output
    assert "moved aside:" in told.stdout
    assert "replaced-1" in told.stdout
    assert states(home) == {home.message_id: "delivered"}


def lose_everything(home) -> None:
    """Remove lake, private folder and warehouse; what the provider of texts knows stays."""
    home.platform.ledger.close()
    shutil.rmtree(home.path / "lake")
    (home.path / "warehouse.duckdb").unlink(missing_ok=True)
    for path in (home.path / "private").iterdir():
        if not path.name.startswith("gateway"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_a_home_that_was_lost_comes_back_from_a_backup(run, run_json, home, tmp_path):
    before = run_json("status", "--home", home.path)
    objects = len(home.platform.lake.list(""))
    made = run_json("backup", "create", "--to", tmp_path / "backup", "--home", home.path)
    assert made["lake_objects"] == objects
    lose_everything(home)
    restored = run_json("backup", "restore", "--from", tmp_path / "backup", "--home", home.path)
    assert (restored["filled"], restored["has_ledger"]) == (made["lake_objects"], True)
    assert restored["features_until"] is None, "no day landed here"
    assert run("log", "verify", "--home", home.path).exit_code == 0
    assert run_json("status", "--home", home.path) == before
    assert states(home) == {home.message_id: "delivered"}


def test_features_are_built_again_until_a_restore_came_to_its_end(run, run_json, home, tmp_path, monkeypatch):
    """The next day would decide on features of too few days, and say so to nobody."""
    run("backup", "create", "--to", tmp_path / "backup", "--home", home.path)
    restore = ("backup", "restore", "--from", tmp_path / "backup", "--home", home.path)
    (home.path / "warehouse.duckdb").touch()
    assert run_json(*restore)["features_until"] is None
    monkeypatch.setattr(lost_warehouse, "rebuild_features", lambda *_: date(2026, 6, 2))
    assert run_json(*restore)["features_until"] is None, "nothing was lost"
    lose_everything(home)
    monkeypatch.setattr(lost_warehouse, "rebuild_features", dies)
    assert run(*restore).exit_code == 1
    (home.path / "warehouse.duckdb").touch()
    monkeypatch.setattr(lost_warehouse, "rebuild_features", lambda *_: date(2026, 6, 2))
    again = run_json(*restore)
    assert (again["filled"], again["features_until"]) == (0, "2026-06-02")


def dies(*_) -> None:
    raise PermanentError("the disk is full")


def test_without_the_lake_a_backup_is_of_the_ledger_and_asks_for_an_intact_log(run, run_json, home, tmp_path):
    made = run_json("backup", "create", "--without-lake", "--to", tmp_path / "backup", "--home", home.path)
    assert made["lake_objects"] == 0
    lose_everything(home)
    refused = run("backup", "restore", "--from", tmp_path / "backup", "--home", home.path)
    assert refused.exit_code == 1
    assert not (home.path / "private" / "ledger.sqlite").exists()


def test_a_private_folder_that_was_lost_comes_back_from_a_backup_without_the_lake(run, run_json, home, tmp_path):
    """With it went the heads and the keys that the log is held against."""
    run("backup", "create", "--without-lake", "--to", tmp_path / "backup", "--home", home.path)
    shutil.copytree(home.path / "lake", tmp_path / "lake")
    lose_everything(home)
    shutil.copytree(tmp_path / "lake", home.path / "lake")
    restored = run_json("backup", "restore", "--from", tmp_path / "backup", "--home", home.path)
    assert (restored["filled"], restored["features_until"]) == (0, None)
    assert run("log", "verify", "--home", home.path).exit_code == 0
    assert states(home) == {home.message_id: "delivered"}


def test_a_backup_that_was_cut_off_and_one_in_its_own_lake_are_refused(run, home, tmp_path):
    inside = run("backup", "create", "--to", home.path / "lake" / "backup", "--home", home.path)
    assert (inside.exit_code, "lies in the lake" in inside.output) == (1, True)
    assert not (home.path / "lake" / "backup").exists()
    run("backup", "create", "--to", tmp_path / "backup", "--home", home.path)
    (tmp_path / "backup" / "manifest.json").unlink()
    cut = run("backup", "restore", "--from", tmp_path / "backup", "--home", home.path)
    assert (cut.exit_code, "no whole backup" in cut.output) == (1, True)


def test_a_ledger_that_knows_more_stays_where_there_is_a_lake_to_fill_up(run, home, tmp_path):
    run("backup", "create", "--to", tmp_path / "backup", "--home", home.path)
    ledger = home.platform.ledger
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE send_transitions SET sequence = sequence + 1000")
    ledger.close()
    shown = run("backup", "restore", "--from", tmp_path / "backup", "--home", home.path)
    assert "knows more than the backup's and stays" in shown.output
    assert "The lake has all objects of the backup." in shown.output
