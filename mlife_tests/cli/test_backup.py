"""Backing up, losing, restoring and catching up from the command line."""

from __future__ import annotations


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


def test_restore_says_what_it_moved_aside(run, home, tmp_path):
    made = run("backup", "create", "--to", tmp_path / "backup", "--home", home.path)
    assert "1 sends" in made.stdout
    told = run("backup", "restore", "--from", tmp_path / "backup", "--replace", "--home", home.path)
    assert told.exit_code == 0, told.output
    assert "moved aside:" in told.stdout
    assert "replaced-1" in told.stdout
    assert states(home) == {home.message_id: "delivered"}
