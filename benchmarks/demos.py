"""What the demo promises, and how often it answers its drift by itself: five seeds, with default policies.

Run: python benchmarks/demos.py [--processes 2] [--work var/demos] [--json benchmarks/results/demos.json]

Each seed is another market of the demo's size. On day 2 people begin to weigh pay more than before, for good. A demo
answers that when a challenger that could know of it, since clicks of day 2 are complete from day 6 on, is promoted by
its last day: by a win, or as not inferior while drift is confirmed. Every demo has to show besides that the champion
ranks better than recruiters, that a day is blocked, that nobody got two texts of a day and the holdout none, and that
each application reached somebody. The default seed is the first one; the others follow it, and were committed before
the first run.

Each demo runs `mlife demo` in a home of its own. Its summary is kept below --work by commit, its home is deleted; a run
that was stopped goes on with the seeds that are missing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DIRTY = "-dirty"
"""Ends the name of a commit from which files differ."""
SEEDS = (20_260_403, 20_260_404, 20_260_405, 20_260_406, 20_260_407)
DRIFT_DAY, KNOWN_DAY, DAYS = 2, 6, 12
WORK, RESULT = ROOT / "var" / "demos", ROOT / "benchmarks" / "results" / "demos.json"


def demo(
    seed: int, work: Path, *, days: int = DAYS, name: str | None = None, variables: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the summary of the demo of a seed with what it took, lived if it is not there yet.

    Args:
        seed: of its market.
        work: where it is kept, as `name`, by default the seed.
        days: that it lives.
        name: of one that is not the demo of its seed alone.
        variables: further ones of its environment.

    Raises:
        SystemExit: it failed; its home is left to be looked at.
    """
    name = name or str(seed)
    kept, home = work / f"{name}.json", work / f"home-{name}"
    if not kept.is_file():
        shutil.rmtree(home, ignore_errors=True)
        others = {name: value for name, value in os.environ.items() if not name.startswith("MLIFE_")}
        environment = {"MLIFE_HOME": str(home), "MLIFE_SEED": str(seed), "MLIFE_DEMO_DAYS": str(days)}
        mlife = Path(sys.executable).with_name("mlife")
        process = subprocess.Popen(
            [mlife, "demo"], env={**others, **environment, **(variables or {})}, stdout=subprocess.DEVNULL
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"the demo of seed {seed} failed; look at {home}")
        lived = {**json.loads((home / "summary.json").read_text()), "cpu_seconds": used.ru_utime + used.ru_stime}
        partial = kept.with_suffix(".part")
        partial.write_text(json.dumps(lived))
        partial.rename(kept)
        shutil.rmtree(home)
    found: dict[str, Any] = json.loads(kept.read_text())
    return found


def answer(summary: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a demo did about its drift: the gates that could know of it, and the first promotion or None."""
    first = date.fromisoformat(summary["decisions"][0]["date"])
    gates = [
        {
            "day": (date.fromisoformat(one["date"]) - first).days + 1,
            "outcome": one["outcome"],
            "said": one["sentences"][0],
        }
        for one in summary["promotions"]
    ]
    asked = [one for one in gates if one["day"] >= KNOWN_DAY]
    promoted = next((one for one in asked if one["outcome"] == "promoted"), None)
    spent = round(summary["cpu_seconds"])
    return {
        "seed": summary["seed"],
        "cpu_seconds": spent,
        "answered": promoted,
        "gates": asked,
        "broken": broken_promises(summary),
    }


def broken_promises(summary: Mapping[str, Any]) -> list[str]:
    """Return what a demo has to show and did not."""
    ranked, people = summary["map_at_10"], "numbers_texted_twice"
    reached = {name: one["reached"] for name, one in summary["applications"].items()}
    promises = {
        "the champion ranks better than recruiters": bool(ranked) and ranked["champion_minus_human"]["lower"] > 0,
        "a day is blocked": any(one["verdict"] == "block" for one in summary["decisions"]),
        "nobody is texted twice for a day": summary["duplicate_sends"] == summary[people] == 0,
        "the holdout gets nothing": summary["holdout_sends"] == 0,
        "three applications reach somebody": len(reached) == 3 and all(reached.values()),
    }
    return [promise for promise, holds in promises.items() if not holds]


def checked_out() -> str:
    """Return the commit that is checked out, marked when files differ from it."""
    command = ["git", "describe", "--always", f"--dirty={DIRTY}", "--abbrev=40", "--exclude=*"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def record(answers: Sequence[Mapping[str, Any]], commit: str) -> dict[str, Any]:
    """Return what a run leaves."""
    return {
        "commit": commit,
        "machine": {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()},
        "cpu_seconds": sum(one["cpu_seconds"] for one in answers),
        "days": DAYS,
        "drift_day": DRIFT_DAY,
        "answered": sum(one["answered"] is not None for one in answers),
        "demos": list(answers),
    }


def main() -> int:
    """Live what is missing, print and record all; returns 1 on a broken promise or a default seed without an answer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=WORK, help="where summaries are kept")
    parser.add_argument("--json", type=Path, default=RESULT, help="write the record to this file")
    parser.add_argument("--processes", type=int, default=1, help="demos at a time")
    asked = parser.parse_args()
    work = asked.work / checked_out()
    work.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(asked.processes) as pool:
        answers = [answer(one) for one in pool.map(lambda seed: demo(seed, work), SEEDS)]
    found = record(answers, work.name)
    asked.json.write_text(json.dumps(found, indent=1) + "\n")
    for one in answers:
        promoted = one["answered"]
        said = "not answered" if promoted is None else f"day {promoted['day']}: {promoted['said']}"
        print(f"{one['seed']}: {len(one['gates'])} gates since it could be known; {said}")
        for promise in one["broken"]:
            print(f"{one['seed']}: BROKEN: {promise}")
    print(f"{found['answered']} of {len(SEEDS)} demos answer the drift of day {DRIFT_DAY} by day {DAYS}")
    return 1 if answers[0]["answered"] is None or any(one["broken"] for one in answers) else 0


if __name__ == "__main__":
    sys.exit(main())
