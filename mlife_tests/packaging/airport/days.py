"""Run in the environment of the foreign project, from its folder: lives some days of it and prints what there is.

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


def project() -> dg.Definitions:
    from airport.definitions import defs

    return defs()


def decided(result: dg.ExecuteInProcessResult) -> str:
    for event in result.get_asset_materialization_events():
        if event.asset_key is not None and event.asset_key.path[-1] == "retrain_decision":
            return str(event.materialization.metadata["verdict"].value)
    raise LookupError("nothing was decided")


def main(first: date, last: date) -> None:
    definitions, verdicts = project(), {}
    assets = [one for one in definitions.assets or () if isinstance(one, dg.AssetsDefinition)]
    own = dg.AssetSelection.assets("departed_flights", "flight_outcomes")
    job = definitions.resolve_job_def(f"{MODEL}_daily_job")
    specs = list(definitions.resolve_all_asset_specs())
    sensors = [one.name for one in definitions.get_repository_def().sensor_defs]
    with dg.DagsterInstance.get() as instance:
        day = first
        while day <= last and "retrain" not in verdicts.values():
            key = day.isoformat()
            dg.materialize(assets, selection=own, partition_key=key, instance=instance, resources=definitions.resources)
            verdicts[key] = decided(job.execute_in_process(partition_key=key, instance=instance))
            day += timedelta(days=1)
    print(
        json.dumps(
            {
                "assets": sorted(spec.key.to_user_string() for spec in specs),
                "sensors": sensors,
                "verdicts": verdicts,
                "modules": sorted(name for name in sys.modules if name.startswith(("mlife", "dbt", "dagster_dbt"))),
                "nannyml": "nannyml" in sys.modules,
                "mlife": sys.modules["mlife_assets"].__file__,
                "python": sys.version_info[:2],
            }
        )
    )


if __name__ == "__main__":
    main(*(date.fromisoformat(text) for text in sys.argv[1:3]))
