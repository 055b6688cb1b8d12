"""The shape of the graph as data: who depends on whom, what runs when.

`python mlife_tests/components/graph_snapshot.py` rewrites `graph.json`, which the tests compare with, so that a
change of the graph is seen in review as a change of that file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg

FILE = Path(__file__).with_name("graph.json")


def snapshot(definitions: dg.Definitions) -> dict[str, Any]:
    """Return assets with dependencies and checks, jobs with assets, schedules and sensors."""
    repository = definitions.get_repository_def()
    graph = repository.asset_graph
    checks: dict[str, list[str]] = {}
    for key in sorted(graph.asset_check_keys):
        mark = " (blocking)" if graph.get(key).blocking else ""
        checks.setdefault(key.asset_key.to_user_string(), []).append(key.name + mark)
    assets = {
        key.to_user_string(): {
            "deps": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
            "checks": checks.get(key.to_user_string(), []),
        }
        for key in sorted(graph.get_all_asset_keys())
    }
    jobs = {
        job.name: sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys)
        for job in repository.get_all_jobs()
        if not job.name.startswith("__")
    }
    schedules = {
        schedule.name: f"{schedule.job_name}: {schedule.cron_schedule} {schedule.execution_timezone}"
        for schedule in repository.schedule_defs
    }
    sensors = {
        sensor.name: f"{', '.join(target.job_name for target in sensor.targets) or '-'}: {sensor.default_status.value}"
        for sensor in repository.sensor_defs
    }
    return {"assets": assets, "jobs": jobs, "schedules": schedules, "sensors": sensors}


def encoded(shape: dict[str, Any]) -> str:
    return json.dumps(shape, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    from mlife_assets.definitions import build_definitions
    from mlife_assets.settings import Settings

    FILE.write_text(encoded(snapshot(build_definitions(Settings()))), encoding="utf-8")
