"""The Dagster instance of a deployment.

Belongs here: where the instance lives and its settings file. Does not belong here: what runs on it.

Concept: the driver, the CLI and `dagster dev` share one instance, so what the demo lived is what the UI shows.
"""

import shutil
from pathlib import Path

import dagster as dg

SETTINGS_FILE = Path(__file__).parent / "dagster.yaml"


def open_instance(home: Path) -> dg.DagsterInstance:
    """Return the instance in `home`/dagster, made with the project's settings when it is new."""
    folder = home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(SETTINGS_FILE, folder / "dagster.yaml")
    return dg.DagsterInstance.from_config(str(folder))
