"""The Dagster instance of a deployment.

Belongs here: where the instance is, its settings file, starting `dagster dev` on it. Does not belong here: what runs
on it.

Concept: the driver, the CLI and `dagster dev` share one instance, so what the demo ran is what the UI shows.
"""

import runpy
import sys
from pathlib import Path

import dagster as dg
import yaml
from dagster._core.instance import InstanceRef

from mlife_assets.components.running import run_history

SETTINGS_FILE = Path(__file__).parent / "dagster.yaml"


def open_instance(home: Path, *, is_in_database: bool = False) -> dg.DagsterInstance:
    """Return the instance in `home`/dagster, made with the project's settings when it is new.

    Args:
        home: folder of the deployment.
        is_in_database: its records are in the database that the variable MLIFE_DATABASE names, not in files.

    Raises:
        PermanentError, TransientError: the database cannot be used; names the remedy.
    """
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    settings, overrides = SETTINGS_FILE.read_text(encoding="utf-8"), run_history.settings(folder)
    if is_in_database:
        from mlife_assets.components.running import run_database

        settings, overrides = f"{settings}\n{yaml.safe_dump(run_database.SETTINGS)}", {}
    (folder / "dagster.yaml").write_text(settings, encoding="utf-8")
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=overrides))


def run_dagster_dev(home: Path, workspace: Path, host: str, port: int, *, is_in_database: bool = False) -> None:
    """Run `dagster dev` in this process, on the instance of `home`, until it is interrupted; ends in SystemExit."""
    with open_instance(home, is_in_database=is_in_database):
        pass  # two processes that start on a fresh instance would both make its tables
    sys.argv = ["dagster", "dev", "-w", str(workspace), "-h", host, "-p", str(port)]
    runpy.run_module("dagster", run_name="__main__", alter_sys=True)
