"""The Dagster instance of a deployment.

Belongs here: where the instance is, its settings file, starting `dagster dev` on it. Does not belong here: what runs
on it.

Concept: the driver, the CLI and `dagster dev` share one instance, so what the demo ran is what the UI shows.
"""

from __future__ import annotations

import runpy
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import yaml
from dagster._core.instance import InstanceRef

from mlife_assets.adapters import json_logs
from mlife_assets.components.running import run_history

if TYPE_CHECKING:
    from mlife_assets.settings import Settings

SETTINGS_FILE = Path(__file__).parent / "dagster.yaml"
JSON_LOGS = {
    "python_logs": {
        "managed_python_loggers": ["mlife_assets"],
        "dagster_handler_config": {"handlers": {"json": {"class": f"{json_logs.__name__}.JsonHandler"}}},
    }
}


def open_instance(home: Path, *, is_in_database: bool = False, logs_json: bool = False) -> dg.DagsterInstance:
    """Return the instance in `home`/dagster, made with the project's settings when it is new.

    Args:
        home: folder of the deployment.
        is_in_database: its records are in the database that the variable MLIFE_DATABASE names, not in files.
        logs_json: runs write what they log to stderr, too, as lines of JSON.

    Raises:
        PermanentError, TransientError: the database cannot be used; names the remedy.
    """
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    settings, overrides = SETTINGS_FILE.read_text(encoding="utf-8"), run_history.settings(folder)
    if is_in_database:
        from mlife_assets.components.running import run_database

        settings, overrides = f"{settings}\n{yaml.safe_dump(run_database.SETTINGS)}", {}
    if logs_json:
        settings = f"{settings}\n{yaml.safe_dump(JSON_LOGS)}"
    (folder / "dagster.yaml").write_text(settings, encoding="utf-8")
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=overrides))


def instance_of(settings: Settings) -> dg.DagsterInstance:
    """Return the instance of a deployment. Raises what `open_instance` raises."""
    is_in_database, logs_json = settings.database is not None, settings.log_format == "json"
    return open_instance(settings.home, is_in_database=is_in_database, logs_json=logs_json)


def run_dagster_dev(settings: Settings, workspace: Path, host: str, port: int) -> None:
    """Run `dagster dev` in this process, on the instance of a deployment, until interrupted; ends in SystemExit."""
    with instance_of(settings):
        pass  # two processes that start on a fresh instance would both make its tables
    form = ["--log-format", "json"] if settings.log_format == "json" else []
    warnings.filterwarnings("ignore", message=r"Function `dev_command` is superseded")  # `mlife dev` was asked for
    sys.argv = ["dagster", "dev", "-w", str(workspace), "-h", host, "-p", str(port), *form]
    runpy.run_module("dagster", run_name="__main__", alter_sys=True)
