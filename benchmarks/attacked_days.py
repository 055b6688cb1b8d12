"""A day that is killed 100 times, run twice at once and left without disk space 20 times: what was wrong afterwards.

Run: python benchmarks/attacked_days.py [--processes 2] [--json benchmarks/results/attacked_days.json]

A home of 1,000 people lives history and one day; its second day lands, monitors, texts, retrains and promotes. That day
runs once undisturbed, which counts what it does to the outside (puts, commits, statements, files, calls of the
provider). Each trial then takes a copy of the home, attacks the day at one effect drawn by seed, lives it once more
without an attack, and looks from outside: the provider's own request log, the ledger, the files of the event log,
tables and artifacts against those of the quiet day, and `mlife log verify`. The claim is that nothing is wrong in any
trial.

Every trial is kept as it ends (below `--work`, by commit), so a run that was stopped goes on where it was. Each says at
which commit it was made: trials of an earlier commit may be carried over while `mlife_assets` and `dbt_project` are the
same to the byte. See `mlife_tests/attacks/` for how a day is attacked.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SEED = 20_261_126
KILLS = {"landing": 14, "dbt": 14, "deciding": 10, "sending": 24, "training": 14, "promotion": 14, "clock": 10}
DISKS_EACH = 4
PAIRS = 4
WORK, RESULT = ROOT / "var" / "attacked_days", ROOT / "benchmarks" / "results" / "attacked_days.json"


def campaign_module() -> ModuleType:
    """Return the module that attacks days (loaded by path: tests are no package)."""
    name = "mlife_attacks_campaign"
    if name not in sys.modules:
        path = ROOT / "mlife_tests" / "attacks" / "campaign.py"
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def attacks_of(effects: Sequence[tuple[str, str]], kills: Mapping[str, int], disks_each: int, pairs: int) -> list[Any]:
    """Return all attacks of a run, in order."""
    module = campaign_module()
    together = [module.Attack("together", f"two processes, pair {number}") for number in range(1, pairs + 1)]
    return [
        *module.kills(effects, kills, seed=SEED),
        *together,
        *module.full_disks(effects, disks_each, seed=SEED),
    ]


def recorded(path: Path) -> list[dict[str, Any]]:
    """Return the trials that an earlier run kept; a line cut off by its end is not one."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def run(
    work: Path, kills: Mapping[str, int], disks_each: int, pairs: int, processes: int
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Carry out what is not recorded yet; return all trials and the effects of each stage of the quiet day."""
    kept = work / "trials.jsonl"
    campaigns = [campaign_module().Campaign(work, worker=number) for number in range(processes)]
    try:
        effects = campaigns[0].effects
        attacks = attacks_of(effects, kills, disks_each, pairs)
        done = {trial["name"]: trial for trial in recorded(kept)}
        kept.write_text("".join(json.dumps(trial) + "\n" for trial in done.values()))
        waiting = [attack for attack in attacks if attack.name not in done]
        print(f"{len(attacks)} attacks, {len(done)} recorded before", file=sys.stderr, flush=True)
        for trial in campaign_module().side_by_side(campaigns, waiting):
            trial["commit"] = work.name
            with kept.open("a") as file:
                file.write(json.dumps(trial) + "\n")
            done[trial["name"]] = trial
            shown = "; ".join(trial["wrong"]) or "nothing wrong"
            print(f"  {len(done)}/{len(attacks)} {trial['name']}: {shown}", file=sys.stderr, flush=True)
    finally:
        for campaign in campaigns:
            campaign.close()
    return [done[attack.name] for attack in attacks], dict(Counter(stage for stage, _ in effects))


def summary(trials: Sequence[Mapping[str, Any]], effects: Mapping[str, int], commit: str) -> dict[str, Any]:
    """Return the record: commit, seed, machine, figures, every trial."""

    def of(*hows: str) -> list[Mapping[str, Any]]:
        return [trial for trial in trials if trial["attack"]["how"] in hows]

    def figures(chosen: Sequence[Mapping[str, Any]]) -> dict[str, int]:
        return {
            "trials": len(chosen),
            "with_something_wrong": sum(bool(trial["wrong"]) for trial in chosen),
            "done_by_one_more_run": sum(trial["reruns"] == 1 and not trial["wrong"] for trial in chosen),
            "texts_accepted": sum(trial["texts"]["accepted_by_provider"] for trial in chosen),
            "texts_left_ambiguous": sum(trial["texts"].get("ambiguous", 0) for trial in chosen),
        }

    stages = sorted({trial["attack"]["stage"] or "any, by the clock" for trial in of("kill", "clock")})
    return {
        "commit": commit,
        "seed": SEED,
        "machine": {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()},
        "cpu_seconds": round(sum(trial["cpu_seconds"] for trial in trials)),
        "effects_of_a_quiet_day": dict(sorted(effects.items())),
        "kills": figures(of("kill", "clock")),
        "kills_by_stage": {
            stage: figures([t for t in of("kill", "clock") if (t["attack"]["stage"] or "any, by the clock") == stage])
            for stage in stages
        },
        "two_processes": figures(of("together")),
        "full_disks": figures(of("fill")),
        "trials": list(trials),
    }


def commit_of(root: Path) -> str:
    """Return the commit of the checkout, marked when its code differs from it."""
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True).stdout
    changed = subprocess.run(
        ["git", "status", "--porcelain", "--", "mlife_assets", "mlife_tests/attacks", "dbt_project"],
        cwd=root, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return head.strip() + ("-changed" if changed.strip() else "")


def main() -> int:
    """Write and print the record; returns 1 when anything was wrong in any trial."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2, help="trials at a time")
    parser.add_argument("--work", type=Path, default=WORK, help="where homes and ended trials are kept")
    parser.add_argument("--json", type=Path, default=RESULT, help="write the record to this file")
    asked = parser.parse_args()
    commit = commit_of(ROOT)
    trials, effects = run(asked.work / commit, KILLS, DISKS_EACH, PAIRS, asked.processes)
    record = summary(trials, effects, commit)
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    asked.json.write_text(json.dumps(record, indent=1) + "\n")
    for name in ("kills", "two_processes", "full_disks"):
        print(f"{name.replace('_', ' ')}: " + ", ".join(f"{value:,} {key}" for key, value in record[name].items()))
    wrong = [trial for trial in trials if trial["wrong"]]
    for trial in wrong:
        print(f"WRONG {trial['name']}: {'; '.join(trial['wrong'])}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
