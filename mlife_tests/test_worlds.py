"""A world is made once for all processes, kept while nothing changed, made again when something did."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MODULE = Path(__file__).with_name("worlds.py")
MAKER = """
import importlib.util, json, pathlib, sys, time

spec = importlib.util.spec_from_file_location("worlds", sys.argv[1])
worlds = importlib.util.module_from_spec(spec)
spec.loader.exec_module(worlds)
sys.path.insert(0, sys.argv[2])
import recipe

world = worlds.Worlds(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[2], "kept")).once("island", recipe.make)
print(json.dumps([world.result, (world.folder / "land").read_text(), str(world.folder)]))
"""
RECIPE = """
import os, time

def make(folder):
    time.sleep({seconds})
    (folder / "land").write_text("sand")
    return os.getpid()
"""


@pytest.fixture(scope="module")
def worlds() -> Any:
    return sys.modules["mlife_worlds"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return what looks like this repository."""
    for name in ("mlife_assets/core.py", "dbt_project/models/a.sql", "mlife_tests/shared.py", "mlife_tests/test_a.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    for name in ("constraints.txt", "pyproject.toml"):
        (tmp_path / name).write_text("1")
    (tmp_path / "recipe.py").write_text(RECIPE.format(seconds=0))
    return tmp_path


def makes(worlds: Any, checkout: Path) -> Callable[[], int]:
    """Return what asks for a world as a process that starts now, and says how often it was made since the last time."""

    def ask() -> int:
        spec = importlib.util.spec_from_file_location("recipe", checkout / "recipe.py")
        assert spec is not None
        assert spec.loader is not None
        recipe = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(recipe)
        asked = worlds.Worlds(checkout, checkout / "kept")
        for _ in range(2):
            assert (asked.once("island", recipe.make).folder / "land").read_text() == "sand"
        return len(asked.made)

    return ask


def test_a_world_is_kept_while_nothing_changed(worlds: Any, checkout: Path) -> None:
    ask = makes(worlds, checkout)
    assert ask() == 1
    (checkout / "mlife_tests" / "test_a.py").write_text("2")
    (checkout / "dbt_project" / "target").mkdir()
    (checkout / "dbt_project" / "target" / "manifest.json").write_text("{}")
    assert ask() == 0


@pytest.mark.parametrize(
    "changed",
    ["mlife_assets/core.py", "mlife_assets/new.csv", "dbt_project/models/a.sql", "constraints.txt", "pyproject.toml",
     "mlife_tests/shared.py", "recipe.py"],
)  # fmt: skip
def test_a_world_is_made_again_when_a_source_changed(worlds: Any, checkout: Path, changed: str) -> None:
    ask = makes(worlds, checkout)
    assert ask() == 1
    before = (checkout / changed).read_text() if (checkout / changed).exists() else ""
    (checkout / changed).write_text(f"{before}\n# 2")
    assert ask() == 1
    (checkout / changed).write_text(before)
    if before:
        assert ask() == 0, "the version before is kept, too"


def test_a_world_is_made_again_in_another_environment(
    worlds: Any, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = makes(worlds, checkout)
    assert ask() == 1
    monkeypatch.setenv("MLIFE_MARKET_USERS", "10")
    assert ask() == 1


def test_old_versions_are_removed(worlds: Any, checkout: Path) -> None:
    ask = makes(worlds, checkout)
    for number in range(4):
        (checkout / "constraints.txt").write_text(str(number))
        assert ask() == 1
    assert len(list((checkout / "kept" / "island").glob("*/world"))) == worlds.KEPT
    assert ask() == 0


def test_two_processes_make_one_world(checkout: Path) -> None:
    (checkout / "recipe.py").write_text(RECIPE.format(seconds=1.5))
    command = [sys.executable, "-c", MAKER, str(MODULE), str(checkout)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    told = [json.loads(process.communicate(timeout=60)[0]) for process in both]
    assert told[0] == told[1]
    assert told[0][0] in {process.pid for process in both}


def test_what_was_left_half_made_is_made_anew(worlds: Any, checkout: Path) -> None:
    def fails(folder: Path) -> None:
        (folder / "half").touch()
        raise RuntimeError("half")

    def recipe(folder: Path) -> list[str]:
        return [path.name for path in folder.iterdir()]

    kept = worlds.Worlds(checkout, checkout / "kept")
    with pytest.raises(RuntimeError, match="half"):
        kept.once("island", fails)
    assert kept.once("island", recipe) == (next((checkout / "kept" / "island").glob("*/world")), [])


def test_a_recipe_that_leaves_a_database_open_is_refused(worlds: Any, checkout: Path) -> None:
    def recipe(folder: Path) -> None:
        (folder / "log.sqlite-wal").touch()

    with pytest.raises(AssertionError, match="leaves databases open"):
        worlds.Worlds(checkout, checkout / "kept").once("island", recipe)


def test_a_world_that_was_changed_is_told_and_made_again(worlds: Any, checkout: Path) -> None:
    def recipe(folder: Path) -> None:
        (folder / "land").write_text("sand")

    kept, again = (worlds.Worlds(checkout, checkout / "kept") for _ in range(2))
    folder = kept.once("island", recipe).folder
    assert kept.changed() == []
    (folder / "sea").touch()
    (folder / "land").write_text("stone")
    assert kept.changed() == ["island: land", "island: sea"]
    again.once("island", recipe)
    assert list(again.made) == ["island"]
    assert [path.read_text() for path in folder.iterdir()] == ["sand"]


def test_a_world_within_a_world_has_a_cost_of_its_own(worlds: Any, checkout: Path) -> None:
    kept = worlds.Worlds(checkout, checkout / "kept")

    def busy(folder: Path) -> None:
        end = worlds.cpu_seconds() + 0.3
        while worlds.cpu_seconds() < end:
            pass

    kept.once("outer", lambda folder: kept.once("inner", busy).result)
    assert kept.made["inner"] >= 0.3
    assert kept.made["outer"] < kept.made["inner"]
