"""The lives that are compared: the demo, a standalone home, somebody else's project. Run by the code of one revision.

Run: python lives.py demo|standalone|project FOLDER. Inputs of the life lie in FOLDER/inputs; it leaves FOLDER/home.

Concept: one program drives revisions that differ, so it asks for released things alone: commands, variables,
declarations, names of jobs, sensors and assets, and Dagster.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg

DEMO = {
    "MLIFE_MARKET_USERS": "3000",
    "MLIFE_MARKET_JOBS": "375",
    "MLIFE_GATE_USERS": "150",
    "MLIFE_DEMO_DAYS": "3",
    "MLIFE_DEMO_EVENT_DAYS": "[1,2,3]",
}
"""A market whose first champion the gate lets serve."""
STANDALONE_FIRST, STANDALONE_HISTORY_DAYS, STANDALONE_DAYS = date(2025, 9, 5), 42, 2
PROJECT_FIRST, PROJECT_HISTORY_DAYS, PROJECT_DAYS = date(2013, 1, 3), 30, 2
MODEL = "late_flights"
SKIPS = {"mlife/skips_earlier_days": "true"}
"""Lets the first day run that has enough history, without those before it."""
RUN_TIME = time(18, 0, tzinfo=UTC)
"""When a partition runs."""
KEYS = ("links", "log_heads", "log_manifests", "mail", "numbers")
"""Keys that a home makes by chance; here each has its own, the same in each run."""
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def demo(folder: Path) -> None:
    """Live the demo of a small market."""
    os.environ.update(DEMO)
    mlife("demo", "--home", folder / "home")
    answers(folder / "home")


def standalone(folder: Path) -> None:
    """Live days on files that others deliver: history, a first model, and days whose plans a person approves."""
    home, inputs = folder / "home", folder / "inputs"
    os.environ.update({"MLIFE_HOME": str(home), "MLIFE_CLOCK_FILE": str(folder / "present"), "MLIFE_GATE_USERS": "30"})
    mlife("init", home, "--first-day", STANDALONE_FIRST, "--history-days", STANDALONE_HISTORY_DAYS)
    fill(home, inputs)
    first = STANDALONE_FIRST + timedelta(days=STANDALONE_HISTORY_DAYS)
    for number in range(STANDALONE_HISTORY_DAYS - 1):
        deliver(inputs, home, STANDALONE_FIRST + timedelta(days=number))
    set_clock(folder, first - timedelta(days=1), minutes=7)
    apart("tick_twice", home)  # history, the first model
    begin_serving(home, first - timedelta(days=1))
    for number in range(STANDALONE_DAYS):
        live_standalone_day(folder, first + timedelta(days=number))
    apart("rebuild_metrics", home)
    answers(home)


def live_standalone_day(folder: Path, day: date) -> None:
    """Deliver what a day decides on, run it when it is due, and approve its plan of texts as a person does."""
    home = folder / "home"
    deliver(folder / "inputs", home, day - timedelta(days=1))
    set_clock(folder, day, minutes=7)
    apart("tick", home)
    set_clock(folder, day, minutes=30)
    plan = mlife("plan", "show", "--json")
    keep(home, f"plan_{day}", plan)
    mlife("plan", "approve", "--digest", json.loads(plan)["plan_digest"], "--reason", "read it")


def project(folder: Path) -> None:
    """Live days of a model that is declared over two tables of a project that knows nothing else of mlife."""
    import dagster as dg

    root = folder / "inputs"
    os.chdir(root)
    sys.path.insert(0, str(root))
    definitions = dg.load_from_defs_folder(path_within_project=root / "airport")
    own = [f"{MODEL}/examples", f"{MODEL}/rows", "expected_flights", "flight_outcomes"]
    retrained = PROJECT_FIRST + timedelta(days=PROJECT_HISTORY_DAYS)
    with dg.DagsterInstance.local_temp(str(folder)) as instance:
        for number in range(PROJECT_HISTORY_DAYS + PROJECT_DAYS + 1):
            day = PROJECT_FIRST + timedelta(days=number)
            materialize(definitions, instance, own, day)
            if day < retrained:
                continue
            execute(definitions, instance, f"{MODEL}_daily_job", day, SKIPS if day == retrained else None)
            if day == retrained:
                execute(definitions, instance, f"{MODEL}_retraining_job", day)
    shutil.move(root / "var" / "mlife", folder / "home")
    os.environ["MLIFE_HOME"] = str(folder / "home")
    answers(folder / "home")


def mlife(*words: object) -> str:
    """Return what a command of this revision prints. Raises SystemExit where it fails."""
    command = [sys.executable, "-c", "from mlife_assets.cli import main; main()", *map(str, words)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"mlife {' '.join(map(str, words))} ended with {done.returncode}: {done.stdout}")
    return done.stdout


def apart(act: str, home: Path, *words: str) -> None:
    """Do something in a process of its own: none holds the ledger open while a command writes to it."""
    subprocess.run([sys.executable, __file__, act, str(home), *words], check=True)


def answers(home: Path) -> None:
    """Keep what commands say of the home: whether its log is intact, where it stands, which models it has."""
    for words in (("log", "verify"), ("status",), ("models", "list")):
        keep(home, "_".join(words), mlife(*words, "--home", home, "--json"))


def keep(home: Path, name: str, said: str) -> None:
    """Keep what a command said."""
    (home / "answers").mkdir(exist_ok=True)
    (home / "answers" / f"{name}.json").write_text(said.replace(str(home), "HOME"))


def deliver(inputs: Path, home: Path, day: date) -> None:
    """Copy the files of a day to the landing folder of a home."""
    for file in sorted(inputs.glob(f"landing/*/dt={day}/*")):
        target = home / file.relative_to(inputs)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def fill(home: Path, inputs: Path) -> None:
    """Fill in what a person would, and keys that a home else makes by chance."""
    import pyarrow.parquet as pq

    for name, filled in (("contacts.parquet", "contacts.csv"), ("audit_attributes.parquet", "audit.csv")):
        with (home / "private" / filled).open("r+", encoding="utf-8", newline="") as file:
            columns = file.readline().strip().split(",")
            rows = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
            rows.writerows(pq.read_table(inputs / "private" / name).to_pylist())
    keys = home / "private" / "keys"
    keys.mkdir(mode=0o700)
    for number, name in enumerate(KEYS, start=1):
        path = keys / f"{name}.key"
        path.touch(mode=0o600)
        path.write_text(f"{number:02x}" * 32 + "\n")


def set_clock(folder: Path, day: date, *, minutes: int) -> None:
    """Move the clock of a home to some time after a day's partition runs."""
    present = datetime.combine(day, RUN_TIME) + timedelta(minutes=minutes)
    (folder / "present").write_text(present.isoformat(), encoding="utf-8")


def location(home: Path) -> tuple[dg.Definitions, Path]:
    """Return what the home loads, and where Dagster keeps its records."""
    from mlife_assets import definitions

    dagster = home / "dagster"
    dagster.mkdir(exist_ok=True)
    return definitions.defs(), dagster


def tick_twice(home: Path) -> None:
    """Run what is due, and what is due then."""
    tick(home)
    tick(home)


def tick(home: Path, sensor: str = "due_days_sensor") -> None:
    """Evaluate a sensor once and run what it asks for."""
    import dagster as dg

    definitions, dagster = location(home)
    repository = definitions.get_repository_def()
    found = repository.get_sensor_def(sensor)
    resources = {key: (definitions.resources or {})[key] for key in sorted(found.required_resource_keys)}
    with dg.DagsterInstance.local_temp(str(dagster)) as instance:
        with dg.build_sensor_context(
            instance=instance, repository_def=repository, sensor_name=sensor, resources=resources
        ) as context:
            asked = found.evaluate_tick(context)
        if not asked.run_requests:
            raise SystemExit(f"{sensor} asked for nothing: {asked.skip_message}")
        for request in asked.run_requests:
            day = None if request.partition_key is None else date.fromisoformat(request.partition_key)
            execute(definitions, instance, str(request.job_name), day, request.tags)


def rebuild_metrics(home: Path) -> None:
    """Build what is made of all days."""
    import dagster as dg

    definitions, dagster = location(home)
    with dg.DagsterInstance.local_temp(str(dagster)) as instance:
        execute(definitions, instance, "metrics_job", None)


def begin_serving(home: Path, day: date) -> None:
    """Promote the first model where the gate of so small a market did not, and make what it is watched by."""
    models = json.loads(mlife("models", "list", "--json"))
    if models["champion"]:
        return
    (version,) = (one["model_version"] for one in models["models"])
    mlife("models", "promote", version, "--against-the-gate", "--reason", "so small a market")
    apart("make_reference", home, day.isoformat())


def make_reference(home: Path, day: str) -> None:
    """Make what the data of later days is held against."""
    import dagster as dg

    definitions, dagster = location(home)
    with dg.DagsterInstance.local_temp(str(dagster)) as instance:
        materialize(definitions, instance, ["model/monitoring_reference"], date.fromisoformat(day))


def materialize(definitions: dg.Definitions, instance: dg.DagsterInstance, keys: list[str], day: date) -> None:
    """Materialize assets of a day."""
    import dagster as dg

    selection = dg.AssetSelection.assets(*(dg.AssetKey(key.split("/")) for key in keys))
    chosen = dg.Definitions(
        assets=definitions.assets,
        asset_checks=definitions.asset_checks,
        jobs=[dg.define_asset_job("chosen", selection)],
        resources=definitions.resources,
    )
    execute(chosen, instance, "chosen", day)


def execute(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    job: str,
    day: date | None,
    tags: Mapping[str, Any] | None = None,
) -> None:
    """Run a job in this process. A day whose data is not sound blocks its own later steps; all else is an error."""
    found = definitions.resolve_job_def(job)
    found.execute_in_process(
        instance=instance,
        partition_key=None if day is None else day.isoformat(),
        tags=dict(tags or {}),
        run_config=QUIET,
    )


if __name__ == "__main__":
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    acts = {one.__name__: one for one in (demo, standalone, project, tick, tick_twice, rebuild_metrics, make_reference)}
    with redirect_stdout(sys.stderr):
        acts[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
