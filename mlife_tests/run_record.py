"""What a run of the tests cost, by file, beside what it cost when that was written down; and what it left out.

Concept: CPU seconds are those of the process that runs a test and of the children that ended in it. What making a world
cost is the world's and not that of the file that needed it first. Machines differ, so a run is compared after division
by the median ratio to the record: a file that grew stands out, a slow machine does not.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import statistics
import subprocess
import tomllib
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

GROWN, GROWN_SECONDS = 1.5, 3.0
"""By how much a file has to grow, as a share and in seconds, to be named."""
BOUND = 30.0
"""CPU seconds that a file of `make test` may cost, unless it is permitted more; proofs have no bound."""
COMPARABLE, COMPARABLE_SECONDS = 20, 1.0
"""How many files of how many seconds say how fast a machine is."""
COLLECTION = "(collection)"
WORLD = "lived_world"
"""The fixture of what needs the world that takes longest."""
LONG_SECONDS = 5.0
KINDS = {"not proof and not aws": "test", "proof": "proof", "aws": "aws"}
Seconds = Mapping[str, float]


@dataclass(frozen=True)
class Comparison:
    """A run beside the record: how slow the machine is, what grew (before, now), which files are beyond the bound."""

    slowness: float
    grown: dict[str, tuple[float, float]]
    beyond: dict[str, float]

    def lines(self) -> list[str]:
        """Return what is said of it at the end of a run, in CPU seconds of the machine of the record."""
        told = [f"this machine takes {self.slowness:.2f} times what the record says"] if self.slowness != 1 else []
        for name, (before, now) in sorted(self.grown.items(), key=lambda one: one[1][0] - one[1][1]):
            told.append(f"grew: {name}: {before:.1f} -> {now:.1f} s")
        for name, now in sorted(self.beyond.items()):
            told.append(f"TOO HEAVY: {name} takes {now:.1f} CPU-s, more than a file may take: share a world, or cut it")
        return told


def compared(now: Seconds, before: Seconds, *, bound: float, heavier: Seconds | None = None) -> Comparison:
    """Compare a run with the record; worlds and collection have no bound, a file may have its own."""
    ratios = [
        seconds / before[name]
        for name, seconds in now.items()
        if min(seconds, before.get(name, 0.0)) >= COMPARABLE_SECONDS
    ]
    slowness = statistics.median(ratios) if len(ratios) >= COMPARABLE else 1.0
    fair = {name: seconds / slowness for name, seconds in now.items()}
    grown = {
        name: (before[name], seconds)
        for name, seconds in fair.items()
        if name in before and seconds > before[name] * GROWN and seconds > before[name] + GROWN_SECONDS
    }
    files = {name: seconds for name, seconds in fair.items() if name.endswith(".py")}
    return Comparison(slowness, grown, {n: s for n, s in files.items() if s > (heavier or {}).get(n, bound)})


@dataclass(frozen=True)
class PermittedSkip:
    """A test, as a pattern of its id, that CI may leave out when it says this (a regular expression)."""

    test: str
    says: str
    reason: str


@dataclass(frozen=True)
class PermittedSeconds:
    """A file that may cost more than others."""

    file: str
    seconds: float
    reason: str


@dataclass(frozen=True)
class Permitted:
    """What a run may do that it may not otherwise."""

    skips: tuple[PermittedSkip, ...]
    seconds: tuple[PermittedSeconds, ...]

    @property
    def heavier(self) -> dict[str, float]:
        """Return the bound of each file that has one of its own."""
        return {one.file: one.seconds for one in self.seconds}


def read_permitted(path: Path) -> Permitted:
    """Return what a file permits."""
    given = tomllib.loads(path.read_text(encoding="utf-8"))
    return Permitted(
        tuple(PermittedSkip(**one) for one in given.get("skip", [])),
        tuple(PermittedSeconds(**one) for one in given.get("heavy", [])),
    )


def not_permitted(skipped: Iterable[tuple[str, str]], permitted: Iterable[PermittedSkip]) -> list[tuple[str, str]]:
    """Return the tests, each with what it says, that were left out and stand on no list."""
    known = tuple(permitted)
    return [
        (test, says)
        for test, says in skipped
        if not any(fnmatch.fnmatchcase(test, one.test) and re.search(one.says, says) for one in known)
    ]


def in_order(files: Mapping[str, bool], seconds: Seconds) -> list[str]:
    """Return files in the order in which processes get them; `files` says of each whether it needs `WORLD`.

    One that needs it is first, so that it is made while others test what needs none. What takes long comes next, the
    longest first, so that no process is left alone with it. The rest stays in its random order.
    """
    waiting = [file for file, needs in files.items() if needs]

    def place(file: str) -> tuple[int, float]:
        if file in waiting[:1]:
            return 0, 0.0
        long = seconds.get(file, 0.0) if file in waiting or seconds.get(file, 0.0) >= LONG_SECONDS else None
        return (3, 0.0) if long is None else (2 if file in waiting else 1, -long)

    return sorted(files, key=place)


def commit_of(root: Path) -> str:
    """Return the commit of the checkout."""
    git = ["git", "-C", str(root), "rev-parse", "HEAD"]
    return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()


def updated(
    record: dict[str, Any], kind: str, seconds: Seconds, *, commit: str, root: Path, is_whole: bool
) -> dict[str, Any]:
    """Return the record with what a run measured in place of what it said of the same; files that are gone leave it,
    and after a whole run those whose tests are of another kind now.
    """
    kept = {
        name: cost
        for name, cost in record.get(kind, {}).get("cpu_seconds", {}).items()
        if not name.endswith(".py") or (not is_whole and (root / name).is_file())
    }
    costs = {**kept, **{name: round(cost, 1) for name, cost in seconds.items() if cost >= 0.05}}
    total = round(sum(costs.values()), 1)
    machine = {"cpus": os.cpu_count(), "machine": os.uname().machine}
    entry = {"commit": commit, "machine": machine, "total": total, "cpu_seconds": dict(sorted(costs.items()))}
    return dict(sorted({**record, kind: entry}.items()))


@dataclass(eq=False)
class RunRecord:
    """The plugin: measures in the processes that run tests, adds up and judges in the one that was started."""

    config: pytest.Config
    worlds: Any
    cpu_seconds: Any
    path: Path
    permitted: Path
    seconds: Counter[str] = field(default_factory=Counter)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    _mark: float = 0.0
    _worlds_mark: dict[str, float] = field(default_factory=dict)

    @property
    def is_worker(self) -> bool:
        """Whether another process was started by hand and this one runs tests for it."""
        return hasattr(self.config, "workerinput")

    @property
    def kind(self) -> str | None:
        """Which of the parts of the suite runs; None for a choice of one's own."""
        return KINDS.get(self.config.option.markexpr)

    @property
    def before(self) -> dict[str, float]:
        """What the same cost when it was recorded."""
        return self.record.get(self.kind, {}).get("cpu_seconds", {})

    @cached_property
    def record(self) -> dict[str, Any]:
        """What was recorded."""
        return json.loads(self.path.read_text(encoding="utf-8")) if self.path.is_file() else {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        files: dict[str, bool] = {}
        for item in items:
            file = item.nodeid.partition("::")[0]
            files[file] = files.get(file, False) or WORLD in getattr(item, "fixturenames", ())
        places = {file: place for place, file in enumerate(in_order(files, self.before))}
        items.sort(key=lambda item: places[item.nodeid.partition("::")[0]])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self) -> Generator[None, Any, Any]:
        self._mark, self._worlds_mark = self.cpu_seconds(), dict(self.worlds.made)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, Any, Any]:
        report = yield
        now, made = self.cpu_seconds(), self.worlds.made
        costs = {f"world {name}": cost - self._worlds_mark.get(name, 0.0) for name, cost in made.items()}
        report.cpu_seconds = {name: cost for name, cost in costs.items() if cost > 0}
        file = report.nodeid.partition("::")[0]
        report.cpu_seconds[file] = now - self._mark - sum(report.cpu_seconds.values())
        self._mark, self._worlds_mark = now, dict(made)
        return report

    def pytest_collection_finish(self) -> None:
        if self.is_worker:
            self.config.workeroutput["collection_cpu_seconds"] = self.cpu_seconds()
        elif not self.config.pluginmanager.hasplugin("dsession"):
            self.seconds[COLLECTION] += self.cpu_seconds()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.seconds[COLLECTION] += getattr(node, "workeroutput", {}).get("collection_cpu_seconds", 0.0)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if not self.is_worker:
            self.seconds.update(getattr(report, "cpu_seconds", {}))
            if report.skipped and not hasattr(report, "wasxfail"):
                self.skipped.append((report.nodeid, str(report.longrepr[2])))

    def pytest_collectreport(self, report: Any) -> None:
        if not self.is_worker and report.skipped:
            self.skipped.append((report.nodeid, str(report.longrepr[2])))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.is_worker or self.kind is None or self.config.option.collectonly:
            return
        before = self.before
        permitted = read_permitted(self.permitted)
        bounds = (BOUND, permitted.heavier) if self.kind == "test" else (float("inf"), {})
        comparison = compared(self.seconds, before, bound=bounds[0], heavier=bounds[1])
        self.told = [f"{sum(self.seconds.values()):.0f} CPU-s in all", *comparison.lines()]
        is_bad = bool(comparison.beyond) and bool(before)  # the first record says what has to be cut or permitted
        if os.environ.get("CI") == "true":
            for test, says in not_permitted(dict.fromkeys(self.skipped), permitted.skips):
                is_bad = True
                self.told.append(f"FAILED: {test} was left out ({says}) and is not in {self.permitted.name}")
        if self.config.option.record_cpu:
            root, chosen = self.config.rootpath, self.config.args_source is pytest.Config.ArgsSource.ARGS
            given = (self.record, self.kind, self.seconds)
            option = self.config.option
            ended = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not session.shouldfail
            left_out = option.keyword or option.deselect or option.ignore or getattr(option, "lf", False)
            is_whole = ended and not chosen and not left_out
            new = updated(*given, commit=commit_of(root), root=root, is_whole=is_whole)
            self.path.write_text(json.dumps(new, indent=1) + "\n", encoding="utf-8")
        if is_bad and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.told:
            terminalreporter.section("CPU seconds")
            for line in self.told:
                terminalreporter.line(line)
