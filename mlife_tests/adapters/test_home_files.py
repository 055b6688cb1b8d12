"""What a home says that it holds: put back whole, and held against what is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from mlife_assets.adapters.home_files import home_files, put_home_files, require_same_world
from mlife_assets.core.errors import ContentConflictError

DEPLOYMENT, WORLD = "deployment.json", "world.json"


def folder_with(folder: Path, name: str, data: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(data)
    return folder


def reader(folder: Path) -> Callable[[str], bytes]:
    return lambda name: (folder / name).read_bytes()


def begun(first_day: str = "2025-01-15", **kept: str) -> bytes:
    return orjson.dumps({"deployment": "standalone", "first_day": first_day, **kept})


def test_what_is_there_stays_and_what_is_not_comes_back(tmp_path: Path) -> None:
    backup, home = folder_with(tmp_path / "backup", DEPLOYMENT, begun(contacts="c.csv")), tmp_path / "new"
    for _ in range(2):
        put_home_files(home, [DEPLOYMENT], reader(backup))
        assert home_files(home) == {DEPLOYMENT: home / DEPLOYMENT}
        assert (home / DEPLOYMENT).read_bytes() == begun(contacts="c.csv")
    (home / DEPLOYMENT).write_bytes(begun(contacts="moved.csv"))
    require_same_world(home, [DEPLOYMENT], reader(backup))
    put_home_files(home, [DEPLOYMENT], reader(backup))
    assert (home / DEPLOYMENT).read_bytes() == begun(contacts="moved.csv"), "a file of the owner's may have moved"
    assert [path.name for path in home.iterdir()] == [DEPLOYMENT]


@pytest.mark.parametrize(
    ("saved", "saved_data", "name", "data"),
    [
        (DEPLOYMENT, begun(), DEPLOYMENT, begun("2025-01-16")),
        (DEPLOYMENT, begun(), DEPLOYMENT, b"{"),
        (DEPLOYMENT, begun(), WORLD, b"{}"),
        (WORLD, b"{}", DEPLOYMENT, begun()),
        (WORLD, b"{}", WORLD, b'{"seed": 2}'),
    ],
)
def test_another_world_is_refused(tmp_path: Path, saved: str, saved_data: bytes, name: str, data: bytes) -> None:
    backup, home = folder_with(tmp_path / "backup", saved, saved_data), folder_with(tmp_path / "home", name, data)
    with pytest.raises(ContentConflictError, match=f"{name} is of another world"):
        require_same_world(home, [saved], reader(backup))


def test_a_backup_that_says_nothing_or_a_restore_without_a_home_asks_nothing(tmp_path: Path) -> None:
    home = folder_with(tmp_path / "home", DEPLOYMENT, begun())
    require_same_world(home, [], reader(tmp_path))
    backup = folder_with(tmp_path / "backup", WORLD, b"{}")
    require_same_world(None, [WORLD], reader(backup))
    put_home_files(None, [WORLD], reader(backup))
