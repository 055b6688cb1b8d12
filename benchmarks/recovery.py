"""How much of what a drift costs is won back: the product beside never, weekly and a model of the new world.

Run: python benchmarks/recovery.py [--work FOLDER] [--only "pay 5" ...] [--processes 2] [--quick]

Three markets of 10,000 people each live 60 days of history, after 28 days that fill the windows of features. Then a
first champion serves, and on that morning a drift begins. Each market branches into every kind of drift, so that all
kinds and all policies of a market share its past and its luck. 17 more live without a drift, to count false alarms. For
60 days, these serve:

- *never*: the first champion.
- *weekly*: a refit on everything mature every seventh morning, from the next day on.
- *governed*: the product with default policies. Detectors look each morning, the governor asks for fits, and each
  serves from the next day on unless something speaks against it.
- *born*: a model that knows the new world alone, fitted on 50 further days of the drifted market.

Measured every third day is the expected MAP@10 on true probabilities, of the same 500 people for all. The damage of a
drift is born minus never, over days 1-45. What must hold stands in `monitored_market/tables.py` and was committed, with
the seeds, before the first run. Runs of markets 7101 to 7106 (`results/recovery`) are of an earlier rule, by which each
refit had to pass the gate; they are refused here.

Governed are the assets of the product in a home of its own (`monitored_market/home.py` says what is bypassed). The
second formulation and recipe never win here and are left out. The first champion is not judged: every policy starts
with it. It is fitted on a Monday, on which weekly refits and folds begin, too, and the drift begins on Tuesday.

One file per market and kind is written under --work when it is done; what is there is not run again. The figures are
written to benchmarks/results/recovery_of_refits.json when every market has every kind. --quick runs one tiny market for
nine days and judges no claim: it shows that the parts fit together.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent))

from monitored_market.recovered import Kind, Plan, begun, quick_plan, recovered
from monitored_market.tables import claims_of, false_alarms, figures_of, print_figures

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import policy_version

SEEDS, QUIET_SEEDS = (7_107, 7_108, 7_109), tuple(range(7_110, 7_127))
NONE = "none"
KINDS = (
    Kind("pay 1.5", (("pay_elasticity", 1.5),)),
    Kind("pay 2.5", (("pay_elasticity", 2.5),)),
    Kind("pay 5", (("pay_elasticity", 5.0),)),
    Kind("storm", (("new_taste_cluster", 0.5), ("pay_elasticity", 3.0))),
    Kind("new city", (("new_city", 1.0),)),
    Kind("slow drift", (("pay_elasticity", 5.0),), ramp_days=45),
    Kind(NONE, ()),
)
CPU_HOURS_CLAIM = 6
QUICK_SEED, QUICK_KINDS = 1, ("pay 5", NONE)
RESULTS = Path(__file__).resolve().parent / "results" / "recovery_of_refits.json"
WORK = RESULTS.with_suffix("")
"""Committed, so that a run of hours can go on elsewhere, at the commit that the runs name."""


def file_of(work: Path, seed: int, kind: Kind) -> Path:
    """Return where the run of a market and a kind is kept."""
    return work / f"{seed}-{kind.name.replace(' ', '-')}.json"


def lived_by(seed: int, kinds: Sequence[Kind]) -> list[Kind]:
    """Return the kinds that a market is asked about; quiet ones live without a drift."""
    return [kind for kind in kinds if kind.name == NONE or seed not in QUIET_SEEDS]


def identity(plan: Plan, kind: Kind) -> str:
    """Return what a run follows from besides its seed and the code."""
    facts = asdict(plan)
    for idle in ("retention", "landing", "messaging"):  # how long tables stay, budgets and texts change no run
        del facts["policies"][idle]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    return f"pol_{digest[:12]}/{policy_version(kind)}"


def done(work: Path, seed: int, kind: Kind, plan: Plan) -> dict[str, Any] | None:
    """Return the run of a market and a kind if it is there.

    Raises:
        InvalidInputError: it is there, of another plan.
    """
    path = file_of(work, seed, kind)
    if not path.is_file():
        return None
    run: dict[str, Any] = json.loads(path.read_text())
    if run["plan"] != identity(plan, kind):
        raise InvalidInputError(f"{path} is of another plan, {run['plan']}; give another --work, or delete it")
    return run


def run_market(seed: int, kinds: Sequence[Kind], plan: Plan, work: Path) -> None:
    """Run what is missing of one market, its history once, and keep each kind when it is done."""
    missing = [kind for kind in kinds if done(work, seed, kind, plan) is None]
    if not missing:
        return
    with tempfile.TemporaryDirectory() as folder:
        start, homes = time.process_time(), Path(folder)
        home = begun(seed, plan, homes / "begun")
        history = time.process_time() - start
        for kind in missing:
            run = recovered(home, kind, plan, homes / kind.name)
            run |= {"history_cpu_seconds": round(history, 1), "plan": identity(plan, kind), "commit": commit()}
            path = file_of(work, seed, kind)
            partial = path.with_suffix(".part")
            partial.write_text(json.dumps(run))
            partial.rename(path)
            shutil.rmtree(homes / kind.name, ignore_errors=True)


def report(runs: Sequence[Mapping[str, Any]], kinds: Sequence[Kind]) -> dict[str, Any]:
    """Print the tables of what is there; return figures, false alarms and claims."""
    by_kind = {kind.name: [run for run in runs if run["kind"] == kind.name] for kind in kinds}
    figures = [figures_of(name, ours) for name, ours in by_kind.items() if ours]
    quiet = false_alarms(by_kind[NONE]) if by_kind.get(NONE) else None
    print_figures(figures, quiet)
    return {"kinds": figures, "false_alarms": quiet, "claims": claims_of(figures, NONE, quiet)}


def commit() -> str:
    """Return the commit that is checked out."""
    told = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False, cwd=RESULTS.parent)
    return told.stdout.strip()


def cpu_seconds(runs: Sequence[Mapping[str, Any]]) -> float:
    """Return what runs took with their histories, each market's once."""
    histories = {run["seed"]: run["history_cpu_seconds"] for run in runs}
    return float(sum(run["cpu_seconds"] for run in runs) + sum(histories.values()))


def write_results(path: Path, found: Mapping[str, Any], runs: Sequence[Mapping[str, Any]], plan: Plan) -> None:
    """Write the figures with what they come from."""
    facts = {
        "commits": sorted({run["commit"] for run in runs}),
        "seeds": sorted({run["seed"] for run in runs}),
        "machine": {"machine": platform.machine(), "python": platform.python_version(), "cpus": os.cpu_count()},
        "cpu_seconds": round(cpu_seconds(runs)),
        "plan": {name: value for name, value in asdict(plan).items() if name != "policies"},
        "policies": policy_version(plan.policies),
        **found,
    }
    path.write_text(json.dumps(_rounded(facts), indent=1) + "\n")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else value


def main() -> int:
    """Run what is missing and print all; returns 1 when a claim does not hold or a run is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=WORK, help="where runs are kept, one file per market and kind")
    parser.add_argument("--only", nargs="*", choices=[kind.name for kind in KINDS], help="kinds of drift")
    parser.add_argument("--seeds", nargs="*", type=int, choices=SEEDS + QUIET_SEEDS, help="some of the markets")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="one tiny market, two kinds, nine days")
    parser.add_argument("--report", action="store_true", help="run nothing, print what is there")
    asked = parser.parse_args()
    plan, seeds = (quick_plan(), (QUICK_SEED,)) if asked.quick else (Plan(), tuple(asked.seeds or SEEDS + QUIET_SEEDS))
    names = QUICK_KINDS if asked.quick else tuple(asked.only or [kind.name for kind in KINDS])
    kinds = [kind for kind in KINDS if kind.name in names]
    asked.work.mkdir(parents=True, exist_ok=True)
    if asked.processes == 1 and not asked.report:
        for seed in seeds:
            run_market(seed, lived_by(seed, kinds), plan, asked.work)
    elif not asked.report:
        with ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn")) as pool:
            for future in [pool.submit(run_market, seed, lived_by(seed, kinds), plan, asked.work) for seed in seeds]:
                future.result()
    held = [done(asked.work, seed, kind, plan) for seed in seeds for kind in lived_by(seed, kinds)]
    runs = [run for run in held if run is not None]
    if not runs:
        print(f"nothing is there in {asked.work}")
        return 1
    found = report(runs, kinds)
    if asked.quick:
        print("\nquick: one tiny market, no claim is judged")
        return 0
    spent = cpu_seconds(runs) / 3600
    text = f"{len(runs)} runs take at most {CPU_HOURS_CLAIM} CPU-hours (they took {spent:.1f})"
    found["claims"].append({"claim": text, "holds": spent <= CPU_HOURS_CLAIM})
    for one in found["claims"]:
        print(f"{'holds ' if one['holds'] else 'BROKEN'}  {one['claim']}")
    if len(runs) < (needed := len(SEEDS) * len(KINDS) + len(QUIET_SEEDS)):
        print(f"{len(runs)} of {needed} runs are there; claims are about all of them")
        return 1
    write_results(RESULTS, found, runs, plan)
    return 0 if all(one["holds"] for one in found["claims"]) else 1


if __name__ == "__main__":
    sys.exit(main())
