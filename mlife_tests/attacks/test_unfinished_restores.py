"""Row 5 of the second attack: a restore that was killed is no restore, and nothing goes on as if it were one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import sleep
from types import ModuleType
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from mlife_assets.adapters import restored_backups
from mlife_assets.adapters.backups import Backup
from mlife_assets.adapters.home_files import UNFINISHED, begin_restore, end_restore, unfinished_restore
from mlife_assets.cli import app
from mlife_assets.cli import backup as command
from mlife_assets.components.acts.acts import switch_sending
from mlife_assets.components.acts.rollback import roll_back
from mlife_assets.components.graph.partitions import only_day
from mlife_assets.core.errors import GateClosedError
from mlife_assets.deployments.backup import back_up
from mlife_tests.stores import Killed

SCRIPT = Path(__file__).parent / "killed_restores.py"


@pytest.fixture(autouse=True)
def staging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLIFE_ENVIRONMENT", "staging")


@pytest.fixture(scope="module")
def backed_up(backed_up_home: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("backed_up")
    platform = backed_up_home.live(folder / "lived")
    made = back_up(platform.home, folder / "backup", now=backed_up_home.NOW)
    platform.ledger.close()
    return folder, str(made.signed_by)


@pytest.fixture
def backup(backed_up: tuple[Path, str], tmp_path: Path) -> tuple[Path, str]:
    for name in ("lived", "backup"):
        shutil.copytree(backed_up[0] / name, tmp_path / name)
    return tmp_path / "backup", backed_up[1]


def mlife(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)


def restoring(backup: tuple[Path, str], home: Path) -> Result:
    return mlife("backup", "restore", "--from", backup[0], "--signed-by", backup[1], "--home", home)


def refused(home: Path) -> str:
    for act in (["day"], ["plan", "approve", "--reason", "r"], ["models", "rollback", "--reason", "r"]):
        result = mlife(*act, "--home", home)
        assert result.exit_code in (1, 2), act
        assert result.exit_code == 2 or "has not ended" in result.output.replace("\n", " "), result.output
    told = mlife("status", "--home", home)
    assert told.exit_code == 0
    assert orjson.loads(mlife("status", "--home", home, "--json").stdout)["is_lived"] is False
    return told.output.replace("\n", " ")


@pytest.mark.parametrize("has_lake", [False, True], ids=["all was lost", "the lake survived"])
def test_a_restore_that_died_while_it_built_features_stops_what_follows(backup, tmp_path, monkeypatch, has_lake):
    """As it was seen: lake, ledger and keys are there, and the warehouse knows one day."""

    def dies(settings: Any) -> None:
        settings.places.warehouse.parent.mkdir(parents=True, exist_ok=True)
        settings.places.warehouse.write_bytes(b"half")
        raise Killed

    home, built = tmp_path / "home", list[object]()
    if has_lake:
        shutil.copytree(tmp_path / "lived" / "lake", home / "lake")
    monkeypatch.setattr(command, "_rebuild", dies)
    with pytest.raises(Killed):
        restoring(backup, home)
    assert f"run it again: mlife backup restore --from {backup[0]} --signed-by {backup[1]}" in refused(home)
    monkeypatch.setattr(command, "_rebuild", built.append)
    assert restoring(backup, home).exit_code == 0
    assert len(built) == 1
    assert "has not ended" not in mlife("status", "--home", home).output


def test_a_restore_that_died_before_its_ledger_was_there_makes_none(backup, tmp_path, monkeypatch):
    """Not in the issue's table: a look at the status made an empty ledger, and the next day texted everybody again."""
    home = tmp_path / "home"

    def dies(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(restored_backups, "put_home_files", dies)
    with pytest.raises(Killed):
        restoring(backup, home)
    assert "has not ended" in refused(home)
    assert [path.name for path in (home / "private").iterdir()] == [UNFINISHED]


def test_a_restore_that_moved_the_ledger_aside_and_died_has_said_so(backup, tmp_path, monkeypatch):
    """A day on an empty ledger would text people again."""
    home, real = tmp_path / "lived", restored_backups.move_aside

    def dies(paths: Any, *given: Any) -> Any:
        moved = real(paths, *given)
        if paths:
            raise Killed
        return moved

    monkeypatch.setattr(restored_backups, "move_aside", dies)
    with pytest.raises(Killed):
        restoring(backup, home)
    assert not (home / "private" / "ledger.sqlite").exists()
    assert "has not ended" in refused(home)


@pytest.mark.parametrize("at", ["the first", "the last"])
def test_a_share_that_cannot_be_read_stops_no_home_that_it_did_not_change(backup, tmp_path, monkeypatch, at):
    """The home is whole, but for what is derived and was pruned."""
    home, real = tmp_path / "lived", Backup.read
    lake = home / "lake"
    first, last = (next(path for path in (lake / name).rglob("*.json")) for name in ("outbox", "reports"))
    first.unlink()
    last.unlink()
    before = (home / "private" / "ledger.sqlite").read_bytes()

    def breaks(made: Backup, name: str) -> bytes:
        if name.startswith("lake/reports") or (name.startswith("lake/") and at == "the first"):
            while at == "the last" and not first.exists():
                sleep(0.01)  # several are read at once
            raise OSError(5, "Input/output error")
        return real(made, name)

    monkeypatch.setattr(Backup, "read", breaks)
    result = restoring(backup, home)
    assert (result.exit_code, "Input/output error" in result.output) == (1, True)
    assert (home / "private" / "ledger.sqlite").read_bytes() == before
    assert (unfinished_restore(home / "private") is not None) == (at == "the last")
    monkeypatch.undo()
    monkeypatch.setenv("MLIFE_ENVIRONMENT", "staging")
    monkeypatch.setattr(command, "_rebuild", lambda _: None)
    assert restoring(backup, home).exit_code == 0
    assert first.exists()
    assert last.exists()
    assert unfinished_restore(home / "private") is None


def test_whatever_decides_sends_or_switches_in_a_run_asks_first(home):
    begin_restore(home.private, Path("/mnt/backup"))
    platform = home.platform
    acts: tuple[Callable[[], object], ...] = (
        lambda: home.plan(), lambda: home.send(), lambda: home.evening(),
        lambda: switch_sending(platform, pauses=True, actor="ann", reason="r"),
        lambda: roll_back(platform.of_model(), actor="ann", reason="r"), lambda: only_day(None, platform.of_model()),
    )  # fmt: skip
    for act in acts:
        with pytest.raises(GateClosedError, match="a restore from /mnt/backup has not ended"):
            act()
    end_restore(home.private)
    assert unfinished_restore(home.private) is None
    home.live()


def run_killed(backup: tuple[Path, str], folder: Path, **environment: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(backup[0]), str(folder), backup[1]],
        env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told: list[dict[str, Any]] = orjson.loads(done.stdout.splitlines()[-1])
    assert {place: one["again"] for place, one in enumerate(told) if one["again"] != 0} == {}, done.stderr
    return told


def require_whole(told: list[dict[str, Any]]) -> None:
    for number, one in enumerate(told):
        assert one["is_untouched"] or one["is_said"] or one["code"] == 0, (number, one)
        left = {"findings": [], "sends": 1, "suppressed": 2, "unfinished": None, "is_built": True}
        assert one["left"] == left, (number, one)


@pytest.mark.proof
@pytest.mark.parametrize("place", ["disk", "bucket"])
def test_a_restore_killed_at_each_write_is_done_by_restoring_again(backup, s3_settings, tmp_path, place):
    names = {"s3_endpoint": "MLIFE_S3_ENDPOINT", "lake": "MLIFE_LAKE"}
    in_bucket = {names.get(name, f"MLIFE_{name.upper()}"): str(value) for name, value in s3_settings.items()}
    told = run_killed(backup, tmp_path / "killed", **(in_bucket if place == "bucket" else {}))
    assert len(told) > (20 if place == "disk" else 10)
    require_whole(told)
