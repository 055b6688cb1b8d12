"""Worlds are made once and kept while nothing changed; what a run cost is measured, and a skip has to be permitted."""

from __future__ import annotations

import importlib.util
import json
import os
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
FOLDER = Path(__file__).parent
CONFTEST = """
import importlib.util, sys
from pathlib import Path

import pytest

def load(name):
    spec = importlib.util.spec_from_file_location(name, Path({folder!r}) / f"{{name}}.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

worlds, run_record = load("worlds"), load("run_record")
run_record.BOUND = 0.45

def busy(seconds):
    end = worlds.cpu_seconds() + seconds
    while worlds.cpu_seconds() < end:
        pass

run_record.commit_of = lambda root: "c0"

def pytest_addoption(parser):
    parser.addoption("--record-cpu", action="store_true")

def pytest_configure(config):
    root = config.rootpath
    config.worlds = worlds.Worlds(root, root / "kept")
    plugin = run_record.RunRecord(
        config, config.worlds, worlds.cpu_seconds, root / "tests.json", root / "permitted.toml"
    )
    config.pluginmanager.register(plugin)

@pytest.fixture(scope="session")
def island(request):
    return request.config.worlds.once("island", lambda folder: busy(0.35))
"""
BUSY = """
def test_world(island):
    pass

def test_own():
    sum(range(1_000_000))
"""
CHILD = """
import subprocess, sys

import pytest

def test_child(island):
    subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.5: pass"], check=True)

def test_left_out():
    pytest.skip("the moon is full")
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


def test_a_world_is_kept_while_neither_sources_nor_environment_change(
    worlds: Any, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = makes(worlds, checkout)
    assert ask() == 1
    (checkout / "mlife_tests" / "test_a.py").write_text("2")
    (checkout / "dbt_project" / "target").mkdir()
    (checkout / "dbt_project" / "target" / "manifest.json").write_text("{}")
    assert ask() == 0
    monkeypatch.setenv("MLIFE_MARKET_USERS", "10")
    assert ask() == 1


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
    assert kept.made["inner"] >= 0.29
    assert kept.made["outer"] < kept.made["inner"]


@pytest.fixture(scope="module")
def run_record() -> Any:
    return sys.modules["mlife_run_record"]


def run(folder: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "not proof and not aws", *arguments]
    given = {**os.environ, "CI": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment}
    done = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Return a small suite: two files that need one world, one of which has a child and leaves a test out."""
    for name in ("constraints.txt", "pyproject.toml"):
        (tmp_path / name).touch()
    (tmp_path / "conftest.py").write_text(CONFTEST.format(folder=str(FOLDER)))
    (tmp_path / "test_busy.py").write_text(BUSY)
    (tmp_path / "test_child.py").write_text(CHILD)
    (tmp_path / "permitted.toml").write_text('[[skip]]\ntest = "test_child.py::*"\nsays = "the moon"\nreason = "r"\n')
    return tmp_path


@pytest.mark.parametrize(
    "workers",
    [
        pytest.param((), id="alone"),
        pytest.param(("-p", "xdist", "-n", "2", "--dist", "loadfile"), id="workers", marks=pytest.mark.proof),
    ],
)
def test_seconds_are_those_of_file_world_and_children(suite: Path, workers: tuple[str, ...]) -> None:
    (suite / "permitted.toml").write_text("")
    code, told = run(suite, "--record-cpu", *workers)
    assert code == 0, told
    assert "TOO HEAVY: test_child.py takes" in told
    assert "TOO HEAVY: test_busy.py" not in told
    record = json.loads((suite / "tests.json").read_text())["test"]
    seconds = record["cpu_seconds"]
    assert seconds["test_child.py"] >= 0.5
    assert seconds["world island"] >= 0.3
    assert seconds.get("test_busy.py", 0) < 0.4
    assert record["total"] == pytest.approx(sum(seconds.values()), abs=0.11)
    assert record["commit"] == "c0"


def test_once_there_is_a_record_what_is_too_heavy_or_in_ci_left_out_fails_unless_it_is_permitted(suite: Path) -> None:
    permitted = (suite / "permitted.toml").read_text()
    (suite / "permitted.toml").write_text("")
    (suite / "tests.json").write_text('{"test": {"cpu_seconds": {"test_busy.py": 0.1, "conftest.py": 9.0}}}')
    code, told = run(suite, CI="true")
    assert code == 1, told
    assert "TOO HEAVY: test_child.py takes" in told
    assert "FAILED: test_child.py::test_left_out was left out (Skipped: the moon is full)" in told
    heavy = '[[heavy]]\nfile = "test_child.py"\nseconds = 60\nreason = "r"\n'
    (suite / "permitted.toml").write_text(permitted + heavy)
    assert run(suite, "--record-cpu", CI="true")[0] == 0
    kept = json.loads((suite / "tests.json").read_text())["test"]["cpu_seconds"]
    assert "conftest.py" not in kept, "a whole run measured all that there is"


def test_a_proof_has_no_bound_though_its_file_has_one_of_its_own(suite: Path) -> None:
    (suite / "test_child.py").write_text(f"import pytest\npytestmark = pytest.mark.proof\n{CHILD}")
    (suite / "tests.json").write_text('{"proof": {"cpu_seconds": {"test_child.py": 0.1}}}')
    (suite / "permitted.toml").write_text('[[heavy]]\nfile = "test_child.py"\nseconds = 0.1\nreason = "r"\n')
    code, told = run(suite, "-m", "proof")
    assert code == 0, told
    assert "TOO HEAVY" not in told


def test_a_file_that_grew_is_named(run_record: Any) -> None:
    before = {"a.py": 10.0, "b.py": 4.0, "world c": 20.0}
    now = {"a.py": 14.9, "b.py": 6.9, "world c": 31.0, "new.py": 25.0}
    assert run_record.compared(now, before, bound=30).grown == {"world c": (20.0, 31.0)}


def test_a_slow_machine_is_no_growth(run_record: Any) -> None:
    before = {f"{number}.py": 4.0 for number in range(20)} | {"large.py": 25.0}
    now = {name: 2 * seconds for name, seconds in before.items()}
    found = run_record.compared(now, before, bound=30)
    assert (found.slowness, found.grown, found.beyond) == (2.0, {}, {})
    found = run_record.compared(now | {"large.py": 62.0, "3.py": 30.0}, before, bound=30)
    assert found.grown == {"3.py": (4.0, 15.0)}
    assert found.beyond == {"large.py": 31.0}
    assert [line.split(":")[0] for line in found.lines()] == [
        "this machine takes 2.00 times what the record says", "grew", "TOO HEAVY",
    ]  # fmt: skip


def test_a_world_has_no_bound_and_a_file_may_have_its_own(run_record: Any) -> None:
    assert run_record.compared({"world lived": 99.0, "(collection)": 99.0}, {}, bound=30).beyond == {}
    heavy = {"a.py": 40.0, "b.py": 40.0}
    assert run_record.compared(heavy, {}, bound=30, heavier={"a.py": 50.0}).beyond == {"b.py": 40.0}
    assert run_record.compared({"a.py": 99.0}, {}, bound=float("inf")).beyond == {}


def test_one_makes_the_world_while_others_test_what_takes_long_and_needs_none(run_record: Any) -> None:
    files = {"short.py": False, "in_world.py": True, "long.py": False, "longer.py": False, "long_in_world.py": True,
             "also_in_world.py": True, "new.py": False}  # fmt: skip
    seconds = {"long.py": 10.0, "longer.py": 20.0, "long_in_world.py": 30.0, "short.py": 4.0}
    assert run_record.in_order(files, seconds) == [
        "in_world.py", "longer.py", "long.py", "long_in_world.py", "also_in_world.py", "short.py", "new.py",
    ]  # fmt: skip


def test_a_record_keeps_what_was_not_run_and_forgets_what_is_gone(run_record: Any, tmp_path: Path) -> None:
    (tmp_path / "kept.py").touch()
    old = {"proof": {"x": 1}, "test": {"cpu_seconds": {"kept.py": 2.0, "gone.py": 1.0, "world w": 3.0}}}
    given = (old, "test", {"a.py": 1.26, "b.py": 0.01})
    new = run_record.updated(*given, commit="c1", root=tmp_path, is_whole=False)
    assert new["proof"] == {"x": 1}
    assert new["test"]["cpu_seconds"] == {"a.py": 1.3, "kept.py": 2.0, "world w": 3.0}
    assert (new["test"]["total"], new["test"]["commit"]) == (6.3, "c1")
    whole = run_record.updated(*given, commit="c1", root=tmp_path, is_whole=True)
    assert whole["test"]["cpu_seconds"] == {"a.py": 1.3, "world w": 3.0}, "the tests of kept.py are proofs by now"


@pytest.mark.parametrize(
    ("test", "says", "is_permitted"),
    [
        ("a.py::test_x[1]", "no disk here", True),
        ("a.py::test_x[1]", "no moon", False),
        ("b.py::test_x", "no disk", False),
    ],
)
def test_a_test_is_left_out_by_name_and_reason(run_record: Any, test: str, says: str, *, is_permitted: bool) -> None:
    permitted = [run_record.PermittedSkip("a.py::test_x*", "no disk", "why")]
    assert (run_record.not_permitted([(test, says)], permitted) == []) is is_permitted


def test_what_is_permitted_is_there_and_has_a_reason(run_record: Any, repository: Path) -> None:
    permitted = run_record.read_permitted(FOLDER / "permitted.toml")
    for one in permitted.skips:
        file, _, name = one.test.partition("::")
        assert name.rstrip("*") in (repository / file).read_text(encoding="utf-8")
    for one in permitted.seconds:
        assert (repository / one.file).is_file()
        assert one.seconds > run_record.BOUND
    assert [one for one in (*permitted.skips, *permitted.seconds) if len(one.reason) < 40] == []
