"""The Dagster instance of a deployment.

Belongs here: where the instance is, its settings file, starting `dagster dev` on it. Does not belong here: what runs
on it.

Concept: the driver, the CLI and `dagster dev` share one instance, so what the demo ran is what the UI shows.
"""

import runpy
import shutil
import sys
from pathlib import Path

import dagster as dg
from dagster._core.instance import InstanceRef

from mlife_assets.components.running import run_history

SETTINGS_FILE = Path(__file__).parent / "dagster.yaml"


def open_instance(home: Path) -> dg.DagsterInstance:
    """Return the instance in `home`/dagster, made with the project's settings when it is new."""
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(SETTINGS_FILE, folder / "dagster.yaml")
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=run_history.settings(folder)))


def run_dagster_dev(home: Path, workspace: Path, host: str, port: int) -> None:
    """Run `dagster dev` in this process, on the instance of `home`, until it is interrupted; ends in SystemExit."""
    with open_instance(home):
        pass  # two processes that start on a fresh instance would both make its tables
    sys.argv = ["dagster", "dev", "-w", str(workspace), "-h", host, "-p", str(port)]
    runpy.run_module("dagster", run_name="__main__", alter_sys=True)
