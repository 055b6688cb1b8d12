"""Replay of the mutants: each change of `mutants.toml`, made alone, must fail the test that it names: `make mutants`.

Concept: importing costs more than most tests, so this process imports the packages of the list once and forks a child
for each mutant. Every child works in a copy of the checkout, so that subprocesses and dbt see the change as well. A
child imports nothing of the project before its change is made.
"""

from __future__ import annotations

import argparse
import compileall
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import tomllib
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIST = "mutants.toml"
WORKERS = 2
SECONDS_PER_TEST = 300
LEFT_OUT = (".git", ".venv*", "var", "build", "dist", "*.egg-info", ".*_cache", ".hypothesis")
NOT_ABOUT_BEHAVIOUR = (ImportError, NameError, SyntaxError)
"""A change that does not even run is a broken mutant. A test that fails because of it shows nothing."""
Outcomes = dict[str, str]
"""Test id -> "passed", "failed", or what else happened to it, in words."""


class MutantsError(Exception):
    """The list cannot be replayed."""


@dataclass(frozen=True)
class Mutant:
    """One change of one file.

    Attributes:
        what: what is wrong with the changed code.
        file: the changed file, below the root.
        text: stands once in the file.
        replacement: what takes its place.
        test: id of the test that must fail: of a function, or of one of its parameter sets.
    """

    what: str
    file: str
    text: str
    replacement: str
    test: str

    def applied(self, root: Path) -> str:
        """Return the changed content of the file.

        Raises:
            MutantsError: the text does not stand once in the file, the result is no Python, or there is no such test.
        """
        path = root / self.file
        content = path.read_text(encoding="utf-8") if path.is_file() else ""
        if (count := content.count(self.text)) != 1:
            raise MutantsError(f"{self.what}: the text stands {count} times in {self.file}, not once; correct {LIST}")
        test_file, _, name = self.test.partition("::")
        if f"def {name.partition('[')[0]}(" not in (root / test_file).read_text(encoding="utf-8"):
            raise MutantsError(f"{self.what}: there is no test {self.test}; correct {LIST}")
        changed = content.replace(self.text, self.replacement)
        if path.suffix == ".py":
            try:
                compile(changed, self.file, "exec")
            except SyntaxError as error:
                raise MutantsError(f"{self.what}: {self.file} is no Python with the replacement: {error}") from error
        return changed


def read_list(root: Path) -> tuple[list[str], list[Mutant]]:
    """Return the packages to import once, and the mutants; each is applied on trial.

    Raises:
        MutantsError: an entry cannot be applied.
    """
    listed = tomllib.loads((root / LIST).read_text(encoding="utf-8"))
    mutants = [Mutant(**entry) for entry in listed["mutant"]]
    for mutant in mutants:
        mutant.applied(root)
    return listed["imports"], mutants


class _Recorder:
    """A plugin of pytest that keeps what became of each test."""

    def __init__(self) -> None:
        self.outcomes: Outcomes = {}

    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> None:
        error = call.excinfo.value if call.excinfo else None
        if error is None:
            if call.when == "call":
                self.outcomes.setdefault(item.nodeid, "passed")
        elif call.when == "call" and not isinstance(error, (*NOT_ABOUT_BEHAVIOUR, pytest.skip.Exception)):
            self.outcomes[item.nodeid] = "failed"
        else:
            self.outcomes[item.nodeid] = f"{type(error).__name__} in its {call.when}: {error}"

    def of(self, test: str) -> str:
        """Return what became of a test, over all its parameter sets: failed if one failed, passed if all passed."""
        found = [said for name, said in self.outcomes.items() if name == test or name.startswith(f"{test}[")]
        others = [said for said in found if said not in ("passed", "failed")]
        return "failed" if "failed" in found else others[0] if others else "passed" if found else "it did not run"


@dataclass(frozen=True)
class _Task:
    """Some tests to run in a tree, and the mutant that is in it; None for the code as it is."""

    tests: Sequence[str]
    mutant: Mutant | None = None


def _run_tests(task: _Task, tree: Path, folder: Path) -> None:
    """Run the tests of a task in this process and write their outcomes."""
    os.setpgid(0, 0)
    signal.alarm(SECONDS_PER_TEST * len(task.tests))
    output = os.open(folder / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(tree)
    sys.path[0] = str(tree)
    sys.dont_write_bytecode = True
    os.environ |= {
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    recorder = _Recorder()
    arguments = ["-q", "-m", "", "-p", "no:cacheprovider", f"--basetemp={folder / 'pytest'}", *task.tests]
    pytest.main(arguments, plugins=[recorder])
    (folder / "outcomes.json").write_text(json.dumps({test: recorder.of(test) for test in task.tests}))


def _started(task: _Task, root: Path, tree: Path, folder: Path) -> int:
    """Make the change of a task in its tree and fork a child that runs the tests; return its process id."""
    if task.mutant is not None:
        path, original = tree / task.mutant.file, (root / task.mutant.file).stat()
        path.write_text(task.mutant.applied(root), encoding="utf-8")
        os.utime(path, ns=(original.st_atime_ns, original.st_mtime_ns + 2 * 10**9))  # its bytecode is out of date
    folder.mkdir()
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    try:
        _run_tests(task, tree, folder)
    finally:
        if sys.exc_info()[0] is not None:
            traceback.print_exc()
        os._exit(0)


def _end_group(child: int) -> None:
    """Kill a child and what it started, as far as it still runs."""
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)


def _ended(task: _Task, root: Path, tree: Path, folder: Path, child: int) -> Outcomes:
    """Take the change back, end what the child left running, and return the outcomes of its tests."""
    _end_group(child)
    if task.mutant is not None:
        shutil.copy2(root / task.mutant.file, tree / task.mutant.file)
    try:
        outcomes: Outcomes = json.loads((folder / "outcomes.json").read_text())
    except FileNotFoundError:
        outcomes = dict.fromkeys(task.tests, "it did not end")
    output = (folder / "output").read_text(encoding="utf-8", errors="replace")
    shutil.rmtree(folder, ignore_errors=True)
    last = "\n".join(["", *output.splitlines()[-25:]])
    return {test: said if said in ("passed", "failed") else said + last for test, said in outcomes.items()}


def _run_all(tasks: Sequence[_Task], root: Path) -> Iterator[tuple[_Task, Outcomes, float]]:
    """Run the tasks in copies of `root`; yield each as it ends, with its outcomes and the CPU seconds it took."""
    with tempfile.TemporaryDirectory(prefix="mlife-mutants-") as name:
        base = Path(name).resolve()
        trees = [base / f"tree_{number}" for number in range(WORKERS)]
        for tree in trees:
            shutil.copytree(root, tree, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
        waiting, free = list(enumerate(tasks)), list(trees)
        running: dict[int, tuple[_Task, Path, Path]] = {}
        try:
            while waiting or running:
                while waiting and free:
                    number, task = waiting.pop(0)
                    tree, folder = free.pop(), base / f"task_{number}"
                    running[_started(task, root, tree, folder)] = (task, tree, folder)
                child, _, used = os.wait3(0)
                task, tree, folder = running.pop(child)
                free.append(tree)
                yield task, _ended(task, root, tree, folder, child), used.ru_utime + used.ru_stime
        finally:
            for child in running:
                _end_group(child)


def replay(root: Path, only: str = "", say: Callable[[str], Any] = print) -> list[str]:
    """Replay the list of `root` and return what is wrong, a sentence each.

    Args:
        root: the folder of the checkout.
        only: words that stand in `what` of the mutants to replay; all without.
        say: hears of each mutant.

    Raises:
        MutantsError: the list cannot be replayed.
    """
    imports, mutants = read_list(root)
    chosen = [one for one in mutants if only in one.what]
    tests = sorted({one.test for one in chosen})
    compileall.compile_dir(root / "mlife_assets", quiet=2)
    _import_once(imports, root)
    tasks = [_Task(tests[number::WORKERS]) for number in range(min(WORKERS, len(tests)))]
    tasks += [_Task([one.test], one) for one in chosen]
    faults, done = [], 0
    for task, outcomes, seconds in _run_all(tasks, root):
        if task.mutant is None:
            faults += [f"{test}, with no mutant: {said}" for test, said in outcomes.items() if said != "passed"]
            say(f"{seconds:5.1f} s  {len(outcomes)} tests with no mutant")
            continue
        (said,) = outcomes.values()
        done += 1
        say(f"{seconds:5.1f} s  {done} of {len(chosen)}  {task.mutant.what}")
        if said != "failed":
            why = "passes" if said == "passed" else f"shows nothing: {said}"
            faults.append(f"NOT NOTICED: {task.mutant.what} ({task.mutant.file}); {task.mutant.test} {why}")
    return faults if chosen else [f"no mutant says {only!r}"]


def _import_once(names: Sequence[str], root: Path) -> None:
    """Import packages for all children, and forget what of the project came with them."""
    for name in names:
        importlib.import_module(name)
    own = {path.stem for path in root.iterdir()}
    for name in list(sys.modules):
        if name.partition(".")[0] in own:
            del sys.modules[name]


def main() -> int:
    """Replay what the command line asks for."""
    parser = argparse.ArgumentParser(description="Replay the list of mutants.")
    parser.add_argument("words", nargs="*", help="replay those whose description holds these words")
    parser.add_argument("--root", type=Path, default=ROOT, help="of another checkout")
    arguments, start = parser.parse_args(), time.monotonic()
    root = arguments.root.resolve()
    sys.path[0] = str(root)
    try:
        faults = replay(root, " ".join(arguments.words))
    except MutantsError as error:
        faults = [str(error)]
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{len(faults)} faults, {time.monotonic() - start:.0f} s", file=sys.stderr if faults else sys.stdout)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
