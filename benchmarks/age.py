"""What a deployment costs after a month, a year and three: a tick, a look-up, a request, a STOP, features, a day.

Run: python benchmarks/age.py [--ages 30 365 1095] [--people 1000] [--folder FOLDER] [--acts tick day] [--again]
[--json FILE] [--quick]

A young home of so many people is made by the product itself: 21 days of history, a first model, nine days that the
daily job ran, with texts sent. An older one is the young one with a past before it, so that all homes have the same
last days, and the same next day can run in all of them. Ages are those that whole repetitions of 28 days give: 30, 366
and 1,094 days. Measured are CPU seconds, user and system with children, and the peak memory of the process:

- *tick*: every sensor once, with the cursor of its first tick.
- *champion look-up*, *look of the endpoint*: who serves, asked of the registry and of the endpoint's watch.
- *request*: one row scored by the endpoint's application.
- *STOP*: a reply arrives, and the job that reads it suppresses the person.
- *features of a day*: dbt's tables of the next day, whose events landed before.
- *whole day*: the next days with sensors, metrics and dashboard, each a process of its own, like `mlife day`.
- *verify*: every byte of the event log, its chain, heads, ledger, registry and reports; with its reads, and how many
  of them one after the other a bucket that is far away would be waited for.

The claims are that each costs at most 1.5 times as much at the last age as at the first, in seconds and in memory, and
that verifying three years takes less than a minute. They are judged when the first age is at most 31 and the last at
least 1,000 days.

What a past repeats, each under ids of its own, while people, employers and the model that scored stay the same:

- events that landed and events that the platform wrote, through the real log, chain and signed heads;
- files in landing, reports and tables of each day (tables and landing files as hard links);
- sends, moves, plans, approvals and replies in the ledger, all final, and requests and receipts at the provider;
- a registration, a verdict and a promotion every 14 days;
- rows of all marts;
- runs, materializations, checks and their tags of Dagster, on every day; metrics were rebuilt on every day, too.

On days that were history in the young home, what the platform wrote is that of a day that ran, by weekday, beside what
recruiters texted, which is of a campaign of its own there. Not repeated are alerts, ticks and compute logs of Dagster,
the events inside old runs (hard links to those of the run that is repeated), truth tables of the market, other models
and applications. So the platform writes on each old day, and nobody ever leaves: a past has a little more in it than a
life would.

The young home trains on labels of three days and is promoted by hand where the gate refuses; nothing retrains. Before
anything is measured, features of the newest day and metrics are built once more, so that what this code keeps of a past
is there. Homes and numbers are kept in --folder, numbers by the commit that last changed what is measured, so a run
that was stopped goes on; --again measures anew, as after a change that was not committed, or one of the benchmark.
--quick takes 150 people, ages of 22 and 43 days, one repeat and one process for the lesser acts, and judges no claim.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from aged.process import ACT, PAST, ROOT, YOUNG, Task, copy_home, run
from aged.world import FULL, QUICK, Size, sized

AGES = (30, 365, 1_095)
GROWTH_CLAIM = 1.5
"""At the last age, as a multiple of the first."""
VERIFY_SECONDS_CLAIM = 60.0
"""Wall seconds of verifying the log at the last age, on folders."""
JUDGED_FROM, JUDGED_TO = 31, 1_000
"""Days: claims are judged from an age of at most the first to one of at least the second."""
REPEATS = {"verify": 1, "champion": 5, "request": 5, "tick": 5, "stop": 3, "features": 3, "day": 3}
"""Acts in the order in which they are done, on one copy of the home: those that change nothing come first."""
QUICK_ACTS = ("verify", "champion", "request", "tick", "stop")
ANEW = ("day", "verify")
"""Acts of which each repeat has a process of its own; days follow each other."""
CLAIMED = (
    "tick",
    "champion look-up",
    "look of the endpoint",
    "request",
    "STOP",
    "features of a day",
    "whole day",
)
MEMORY = "memory of {}"
VERIFY = "verify, wall"
Numbers = dict[str, dict[str, Any]]


def blocks_of(age: int, size: Size) -> int:
    """Return how many repetitions come nearest to an age in days."""
    return max(0, round((age - size.days) / size.block_days))


def age_of(blocks: int, size: Size) -> int:
    """Return the age of a home in days."""
    return size.days + blocks * size.block_days


def made_home(folder: Path, size: Size, blocks: int) -> Path:
    """Return the folder of a home, made where it is not there yet."""
    young = folder / f"home-{size.people}-{size.days}"
    run(Task(YOUNG, young, size))
    if not blocks:
        return young
    home = folder / f"home-{size.people}-{age_of(blocks, size)}"
    run(Task(PAST, home, size, blocks, young))
    return home


def measured(work: Path, size: Size, blocks: int, act: str, repeats: int) -> dict[str, Any]:
    """Return the seconds and the peak memory of an act, medians of repeats, on a home that may be changed."""
    processes = repeats if act in ANEW else 1
    task = Task(ACT, work, size, blocks, acts=(act,), repeats=1 if act in ANEW else repeats)
    return medians([run(task)[act] for _ in range(processes)])


def measured_together(work: Path, size: Size, blocks: int, acts: Sequence[str]) -> Numbers:
    """Return one look at several acts, one after the other in one process: quick, and memory is that of all so far."""
    found = run(Task(ACT, work, size, blocks, acts=acts))
    return {act: medians([one]) for act, one in found.items()}


def medians(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the medians of what processes found of an act, and every value."""
    names = dict.fromkeys(name for one in found for name in one["seconds"])
    each = {name: [value for one in found for value in one["seconds"].get(name, ())] for name in names}
    return {
        "seconds": {name: median(values) for name, values in each.items()},
        "each": each,
        "peak_mb": median(one["peak_mb"] for one in found),
    }


def kept_numbers(path: Path, commit: str) -> Numbers:
    """Return what an earlier run measured at this commit, by act."""
    return dict(json.loads(path.read_text()).get(commit, {})) if path.is_file() else {}


def keep_numbers(path: Path, commit: str, numbers: Numbers) -> None:
    """Write down what was measured at a commit, beside other acts and what other commits had."""
    every = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(every | {commit: every.get(commit, {}) | numbers}, indent=1) + "\n")


def lines_of(by_age: Mapping[int, Numbers]) -> dict[str, dict[int, float]]:
    """Return measure -> age -> CPU seconds, MB or, where the name says so, wall seconds and reads."""
    lines: dict[str, dict[int, float]] = {}
    for age, numbers in by_age.items():
        for act, one in numbers.items():
            for name, value in one["seconds"].items():
                lines.setdefault(name, {})[age] = value
            lines.setdefault(MEMORY.format(act), {})[age] = one["peak_mb"]
    return lines


def is_claimed(name: str) -> bool:
    """Return whether a measure may not grow."""
    return name in CLAIMED or (name.startswith(MEMORY.format("")) and name != MEMORY.format("verify"))


def growth(values: Mapping[int, float]) -> float | None:
    """Return the last age's value as a multiple of the first's; None of one age."""
    first, last = min(values), max(values)
    return None if first == last or values[first] <= 0 else values[last] / values[first]


def broken_claims(lines: Mapping[str, Mapping[int, float]]) -> list[str]:
    """Return what does not hold; between other ages than those of the claim nothing is judged."""
    broken = []
    for name, values in lines.items():
        if min(values) > JUDGED_FROM or max(values) < JUDGED_TO:
            continue
        grown = growth(values)
        if is_claimed(name) and grown is not None and grown > GROWTH_CLAIM:
            broken.append(f"{name} grew {grown:.2f} times, at most {GROWTH_CLAIM:g} claimed")
        if name == VERIFY and values[max(values)] > VERIFY_SECONDS_CLAIM:
            broken.append(f"verifying took {values[max(values)]:.0f} s, at most {VERIFY_SECONDS_CLAIM:g} claimed")
    return broken


def print_table(lines: Mapping[str, Mapping[int, float]], *, with_parts: bool) -> None:
    """Print each measure by age; parts of others only where asked for."""
    ages = sorted({age for values in lines.values() for age in values})
    heads = "".join(f"{f'{age:,} days':>14}" for age in ages)
    print(f"{'measure':<44}{heads}{'growth':>9}{'claim':>9}")
    for name, values in lines.items():
        if not with_parts and name.startswith(("day, wall", "tick of")):
            continue
        grown, claim = growth(values), f"<= {GROWTH_CLAIM:g}" if is_claimed(name) else ""
        shown = "".join(f"{_shown(name, values[age]) if age in values else '':>14}" for age in ages)
        print(f"{name:<44}{shown}{'' if grown is None else f'{grown:.2f}':>9}{claim:>9}")


def _shown(name: str, value: float) -> str:
    if name.startswith("memory"):
        return f"{value:,.0f} MB"
    if name.endswith("reads"):
        return f"{value:,.0f}"
    return f"{1e3 * value:,.3f} ms" if value < 0.01 else f"{value:,.3f} s"


def commit_of(root: Path) -> str:
    """Return the newest commit that changed what is measured, marked when the checkout differs from it."""
    newest, changed = (
        subprocess.run(
            ["git", *command, "--", "mlife_assets", "dbt_project"], cwd=root, capture_output=True, text=True, check=True
        ).stdout.strip()
        for command in (("log", "-1", "--format=%H"), ("status", "--porcelain"))
    )
    return newest + ("-changed" if changed else "")


def record_of(
    commit: str, size: Size, by_age: Mapping[int, Numbers], lines: Mapping[str, Mapping[int, float]]
) -> dict[str, Any]:
    """Return what is written to a file: commit, seed, machine, every measure by age."""
    from mlife_assets.settings import MarketSettings

    spent = sum(
        sum(values)
        for numbers in by_age.values()
        for one in numbers.values()
        for name, values in one["each"].items()
        if "wall" not in name and "reads" not in name and not name.startswith(("tick of", "day:"))
    )
    return {
        "commit": commit,
        "seeds": [MarketSettings().seed],
        "people": size.people,
        "claims": {"growth": GROWTH_CLAIM, "verify_wall_seconds": VERIFY_SECONDS_CLAIM},
        "machine": {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()},
        "cpu_seconds": round(spent, 1),
        "measures": {
            name: {
                "by_age": {str(age): float(f"{value:.4g}") for age, value in sorted(values.items())},
                "growth": None if (grown := growth(values)) is None else round(grown, 3),
            }
            for name, values in lines.items()
        },
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Make homes, measure and print; returns 1 when a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ages", type=int, nargs="+", default=list(AGES), metavar="DAYS")
    parser.add_argument("--people", type=int, default=FULL.people)
    parser.add_argument("--folder", type=Path, default=ROOT / "var" / "age", help="where homes and numbers are kept")
    parser.add_argument("--acts", nargs="+", choices=list(REPEATS), metavar="ACT", help="by default all")
    parser.add_argument("--repeats", type=int, help="of each act; by default three or five, and one of verify")
    parser.add_argument("--again", action="store_true", help="measure what was measured at this commit, too")
    parser.add_argument("--parts", action="store_true", help="print each sensor and each step of the day, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file")
    parser.add_argument("--quick", action="store_true", help="small homes, one repeat, no claim: does it run")
    given = parser.parse_args(arguments)
    size = QUICK if given.quick else sized(given.people)
    blocks = [0, 1] if given.quick else sorted({blocks_of(age, size) for age in given.ages})
    folder = given.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    commit = commit_of(ROOT)
    acts = [act for act in REPEATS if act in (given.acts or (QUICK_ACTS if given.quick else REPEATS))]
    homes = {number: made_home(folder, size, number) for number in blocks}
    files = {number: folder / f"numbers-{size.people}-{age_of(number, size)}.json" for number in blocks}
    numbers = {number: {} if given.again else kept_numbers(files[number], commit) for number in blocks}
    with TemporaryDirectory(prefix="work-", dir=folder) as work:
        copies = {number: Path(work, str(age_of(number, size))) for number in blocks}
        if given.quick:
            for number in blocks:
                copy_home(homes[number], copies[number])
                numbers[number] = measured_together(copies[number], size, number, acts)
        for act in acts:
            for number in blocks:  # one age after the other, so that a busy hour of the machine is in all of them
                if act in numbers[number]:
                    continue
                print(f"{act} after {age_of(number, size):,} days", file=sys.stderr, flush=True)
                if not copies[number].exists():
                    copy_home(homes[number], copies[number])
                    run(Task(ACT, copies[number], size, number, acts=("settled",)))
                repeats = given.repeats or REPEATS[act]
                numbers[number][act] = measured(copies[number], size, number, act, repeats)
                keep_numbers(files[number], commit, {act: numbers[number][act]})
    by_age = {age_of(n, size): {act: one for act, one in numbers[n].items() if act in acts} for n in blocks}
    lines = lines_of(by_age)
    print(f"{size.people:,} people at {commit[:12]}")
    print_table(lines, with_parts=given.parts)
    broken = [] if given.quick else broken_claims(lines)
    if given.json:
        given.json.write_text(json.dumps(record_of(commit, size, by_age, lines), indent=1) + "\n")
    if broken:
        print("claims that do not hold: " + "; ".join(broken))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
