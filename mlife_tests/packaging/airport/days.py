"""Run by the interpreter of the foreign project, in its folder: some days of it, and what there is afterwards.

`python days.py FIRST LAST` materializes the project's own assets and runs the daily job of each day of [FIRST, LAST] in
one process. It stops after a day on which the governor decided to retrain, since a retraining is the daemon's to run.
The last line of its output is JSON.
"""

import json
import sys
import warnings
from datetime import date, timedelta

import dagster as dg

warnings.simplefilter("ignore")

MODEL = "late_flights"
SEEN = ("mlife_assets", "airport", "dbt", "dagster_dbt", "nannyml", "duckdb", "ortools", "psutil")


def shown(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, object]:
    """Return the metadata of an asset of the model."""
    for event in result.get_asset_materialization_events():
        if event.asset_key == dg.AssetKey([MODEL, asset]):
            return {name: value.value for name, value in event.materialization.metadata.items()}
    raise LookupError(f"{asset} was not materialized")


def main(first: date, last: date) -> None:
    from airport.definitions import defs

    definitions = defs()
    assets = [one for one in definitions.assets or () if isinstance(one, dg.AssetsDefinition)]
    own = dg.AssetSelection.assets("departed_flights", "flight_outcomes")
    job = definitions.resolve_job_def(f"{MODEL}_daily_job")
    days = {}
    with dg.DagsterInstance.get() as instance:
        day = first
        while day <= last and "retrain" not in [found["verdict"] for found in days.values()]:
            key = day.isoformat()
            dg.materialize(assets, selection=own, partition_key=key, instance=instance, resources=definitions.resources)
            ran = job.execute_in_process(partition_key=key, instance=instance)
            drift = shown(ran, "data_drift_report")
            days[key] = {
                "verdict": shown(ran, "retrain_decision")["verdict"],
                "scored": shown(ran, "scores").get("dagster/row_count"),
                "drift": drift["status"],
                "latent": shown(ran, "latent_drift_report")["status"],
                "concept": shown(ran, "concept_drift_report")["status"],
                "computed_by": drift["computed_by"],
            }
            day += timedelta(days=1)
    answer = {
        "assets": sorted(spec.key.to_user_string() for spec in definitions.resolve_all_asset_specs()),
        "jobs": sorted(job.name for job in definitions.resolve_all_job_defs()),
        "sensors": [one.name for one in definitions.get_repository_def().sensor_defs],
        "days": days,
        "modules": sorted(name for name in sys.modules if name.split(".")[0] in SEEN),
        "files": [sys.modules[name].__file__ for name in ("mlife_assets", "dagster", "airport")],
        "path": sys.path,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*(date.fromisoformat(text) for text in sys.argv[1:3]))
