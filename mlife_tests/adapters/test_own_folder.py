"""The folder of mlife in somebody else's project."""

from __future__ import annotations

from pathlib import Path

from mlife_assets.adapters.own_folder import made_and_ignored


def test_a_new_folder_is_ignored_by_git_and_what_somebody_wrote_there_stays(tmp_path: Path) -> None:
    home = made_and_ignored(tmp_path / "var" / "mlife")
    ignored = home / ".gitignore"
    assert ignored.read_text(encoding="utf-8").splitlines()[-1] == "*"
    ignored.write_text("private\n", encoding="utf-8")
    assert made_and_ignored(home) == home
    assert ignored.read_text(encoding="utf-8") == "private\n"


def test_a_folder_that_was_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    assert not (made_and_ignored(tmp_path) / ".gitignore").exists()
