"""Processes of the benchmark: one makes a home, one does an act on a copy of it.

Concept: the product's first day is moved before anything of it is imported, and peak memory is a process's own, so each
home and each act has a process. A copy shares with its home, by hard links, what is never written twice.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aged.world import Size, begin

ROOT = Path(__file__).resolve().parents[2]
BENCHMARKS = ROOT / "benchmarks"
YOUNG, PAST, ACT = "young", "past", "act"
LINKED = ("lake", "landing", "private/heads")
_RUN_FILE = re.compile(r"dagster/history/runs/[0-9a-f-]{36}\.db")
_CODE = "import sys; sys.path.insert(0, sys.argv.pop(1)); from aged.process import main; main(sys.argv[1])"


@dataclass(frozen=True)
class Task:
    """What a process is to do.

    Attributes:
        kind: make a young home, put a past before one, or do an act.
        home: the folder that is made, or acted on.
        size: of the young home.
        blocks: repetitions before the young home's days.
        young: the young home that gets a past.
        acts: names of acts, one after the other.
        repeats: of an act, after once that is not counted.
    """

    kind: str
    home: Path
    size: Size
    blocks: int = 0
    young: Path | None = None
    acts: Sequence[str] = ()
    repeats: int = 1


def run(task: Task) -> dict[str, Any]:
    """Do a task in a process of its own; returns what it gives back.

    Raises CalledProcessError when it fails, whose reason is on standard error.
    """
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    given = json.dumps(asdict(task), default=str)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _CODE, str(BENCHMARKS), given],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(given: str) -> None:
    """Do the task of this process and print what it gives back as the last line."""
    raw = json.loads(given)
    young = None if raw["young"] is None else Path(raw["young"])
    task = Task(**{**raw, "home": Path(raw["home"]), "young": young, "size": Size(**raw["size"])})
    begin(task.blocks * task.size.block_days)
    print(json.dumps(_done(task)))


def _done(task: Task) -> Mapping[str, Any]:
    from aged.acts import ACTS, Bench

    if task.kind == YOUNG:
        from aged.young import live

        live(task.home, task.size)
        return {}
    if task.kind == PAST:
        from aged.past import Past

        assert task.young is not None
        Past(task.young, task.home, task.size, task.blocks).build()
        return {}
    bench, found = Bench(task.home, task.size, task.repeats), {}
    for act in task.acts:
        seconds = ACTS[act](bench)
        found[act] = {"seconds": {name: list(values) for name, values in seconds.items()}, "peak_mb": peak_mb()}
    return found


def peak_mb() -> float:
    """Return the peak memory of this process, in MB of a million bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1_024 / 1e6


def copy_home(home: Path, to: Path) -> None:
    """Copy a home to a folder that does not exist yet."""

    def copy(source: str, target: str) -> None:
        relative = os.path.relpath(source, home)
        if relative.startswith(tuple(f"{name}/" for name in LINKED)) or _RUN_FILE.fullmatch(relative):
            os.link(source, target)
        else:
            shutil.copyfile(source, target)
            shutil.copymode(source, target)

    shutil.copytree(home, to, copy_function=copy, ignore=lambda folder, _: _left_out(Path(folder), home))


def _left_out(folder: Path, home: Path) -> Sequence[str]:
    return ["dbt", "truth"] if folder == home else []
