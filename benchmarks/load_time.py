"""What it costs to load a project that declares a ConversionModel, against a plain project of the same size.

Run: python benchmarks/load_time.py [--repeats 5] [--json FILE]

Each project lies in a temporary folder and has two daily assets of its own. `plain` has beside them as many assets,
checks, jobs, schedules and sensors as a ConversionModel brings, written by hand, where mlife is not installed; `one`
declares a ConversionModel instead; `five` declares five; `bystander` is `plain` where mlife is installed, since Dagster
imports every registered package when any project loads. Each is loaded in a process of its own, turn by turn, and asked
for its repository, as every process of Dagster does. What counts is CPU seconds, user and system, of the whole process.
That a package is not installed is had by hiding its entry point, and dagster-dbt's is hidden from all. The claims are
that loading `one` costs at most 1.6 times what loading `plain` does, that each further instance adds at most a tenth of
that, and that no library of the model is imported.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

CLAIM_ONE, CLAIM_FURTHER = 1.6, 0.1
HEAVY = ("lightgbm", "sklearn", "shap", "nannyml", "matplotlib", "dagster_dbt", "duckdb", "scipy.stats")
ASSETS, CHECKS, JOBS = 16, 9, 3
OWN = """
import dagster as dg

DAILY = dg.DailyPartitionsDefinition(start_date="2026-01-03", end_offset=1)


@dg.asset(partitions_def=DAILY)
def expected_flights():
    return None


@dg.asset(partitions_def=DAILY)
def flight_outcomes():
    return None
"""
PLAIN = f"""
import dagster as dg

DAILY = dg.DailyPartitionsDefinition(start_date="2026-01-03", end_offset=1)


def asset(number):
    @dg.asset(name=f"table_{{number}}", deps=["flight_outcomes"], partitions_def=DAILY, group_name="plain")
    def made():
        return None

    return made


def check(number):
    @dg.asset_check(asset=f"table_{{number}}", name=f"is_sound_{{number}}")
    def judged():
        return dg.AssetCheckResult(passed=True)

    return judged


ASSETS = [asset(number) for number in range({ASSETS})]
CHECKS = [check(number) for number in range({CHECKS})]
JOBS = [dg.define_asset_job(f"job_{{number}}", selection=dg.AssetSelection.groups("plain")) for number in range({JOBS})]


@dg.sensor(job=JOBS[0])
def watches():
    return dg.SkipReason("nothing")


SCHEDULE = dg.ScheduleDefinition(name="daily", job=JOBS[0], cron_schedule="0 18 * * *")
"""
DECLARED = """
type: mlife_assets.components.ConversionModel
attributes:
  name: {name}
  title: Which flights arrive late
  outcome: a flight is late
  examples: flight_outcomes
  rows: expected_flights
  start_date: "2026-01-03"
  end_offset: 1
  maturity_days: 1
  columns: {{entity: flight, time: day, label: is_late, features: [wind, hour]}}
"""
LOAD = """
import importlib.metadata, json, sys
from pathlib import Path
hidden, found = sys.argv[2].split(","), importlib.metadata.entry_points
importlib.metadata.entry_points = lambda **wanted: [
    one for one in found(**wanted) if one.value.split(".")[0] not in hidden
]
import dagster as dg
definitions = dg.load_from_defs_folder(path_within_project=Path(sys.argv[1]))
repository = definitions.get_repository_def()
print(json.dumps([len(definitions.resolve_all_asset_specs()), [name for name in sys.argv[3:] if name in sys.modules]]))
"""
MODELS = {"plain": 0, "bystander": 0, "one": 1, "five": 5}
OURS = "mlife_assets"


@dataclass(frozen=True)
class Load:
    """A load: CPU seconds of its process, how many assets there are, which heavy libraries were imported."""

    cpu_seconds: float
    assets: int
    heavy: tuple[str, ...]


@dataclass(frozen=True)
class Cost:
    """What was found: median CPU seconds by project, and ratios to `plain`."""

    seconds: dict[str, float]
    bystander: float
    one: float
    further: float
    heavy: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Return whether all claims hold."""
        return self.one <= CLAIM_ONE and self.further <= CLAIM_FURTHER and not self.heavy


def write_project(root: Path, kind: str) -> Path:
    """Write a project of a kind of `MODELS`; returns its package."""
    package = root / kind / f"{kind}_project"
    defs = package / "defs"
    defs.mkdir(parents=True)
    settings = f'[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "{package.name}"\n'
    (root / kind / "pyproject.toml").write_text(settings, encoding="utf-8")
    for folder in (package, defs):
        (folder / "__init__.py").touch()
    (defs / "own.py").write_text(OWN, encoding="utf-8")
    if not MODELS[kind]:
        (defs / "plain.py").write_text(PLAIN, encoding="utf-8")
    for number in range(MODELS[kind]):
        place = defs / f"model_{number}"
        place.mkdir()
        (place / "defs.yaml").write_text(DECLARED.format(name=place.name), encoding="utf-8")
    return package


def load(package: Path, asked: Sequence[str] = HEAVY) -> Load:
    """Load a project in a process of its own, and ask which modules are there.

    Raises CalledProcessError when it does not load.
    """
    hidden = f"dagster_dbt,{OURS}" if package.name.startswith("plain") else "dagster_dbt"
    before = os.times()
    path = os.pathsep.join(filter(None, (str(package.parent), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LOAD, str(package), hidden, *asked],
        env=os.environ | {"PYTHONPATH": path, "DAGSTER_DISABLE_TELEMETRY": "1", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    after = os.times()
    assets, heavy = json.loads(done.stdout.splitlines()[-1])
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return Load(spent, assets, tuple(heavy))


def measured(repeats: int) -> Cost:
    """Load each project `repeats` times, turn by turn, after once that fills caches of byte code."""
    with tempfile.TemporaryDirectory() as folder:
        packages = {kind: write_project(Path(folder), kind) for kind in MODELS}
        first = {kind: load(package) for kind, package in packages.items()}
        if first["plain"].assets != first["one"].assets:
            raise SystemExit(f"plain has {first['plain'].assets} assets and one {first['one'].assets}: not alike")
        rounds = [{kind: load(package).cpu_seconds for kind, package in packages.items()} for _ in range(repeats)]
    ratio, bystander = (median(one[kind] / one["plain"] for one in rounds) for kind in ("one", "bystander"))
    further = median((one["five"] - one["one"]) / 4 / one["plain"] for one in rounds)
    seconds = {kind: median(one[kind] for one in rounds) for kind in MODELS}
    return Cost(seconds, bystander, ratio, further, first["five"].heavy)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; exit code 1 when a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE")
    given = parser.parse_args(arguments)
    cost = measured(given.repeats)
    for kind, seconds in cost.seconds.items():
        print(f"{kind:<10}{seconds:.2f} CPU-s")
    print(f"bystander to plain {cost.bystander:.2f}")
    print(f"one to plain      {cost.one:.2f}  (at most {CLAIM_ONE})")
    print(f"each further one  {cost.further:.3f}  (at most {CLAIM_FURTHER})")
    print(f"heavy libraries   {', '.join(cost.heavy) or 'none'}")
    if given.json:
        given.json.write_text(json.dumps(asdict(cost), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return 0 if cost.holds else 1


if __name__ == "__main__":
    raise SystemExit(main())
