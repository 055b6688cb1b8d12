"""Two daily assets of an airport over its own table: flights that left New York in 2013. It knows nothing of mlife.

Rows to score are the flights of a day once they have left. What became of a day is exported in the night after the
next, so a partition delivers the outcomes of two days before.
"""

from datetime import date, timedelta
from functools import cache
from pathlib import Path

import dagster as dg
import pandas as pd

TABLES = Path(__file__).parents[3] / "tables"
DAILY = dg.DailyPartitionsDefinition(start_date="2013-01-03", end_offset=1)
FEATURES = ["dep_delay", "minute_of_day", "distance", "wind_speed", "temp", "carrier", "origin"]


@cache
def flown() -> pd.DataFrame:
    flights = pd.read_csv(TABLES / "flights.csv.zip").query("month <= 4").dropna(subset=["dep_delay", "arr_delay"])
    weather = pd.read_csv(TABLES / "weather.csv")[["origin", "time_hour", "wind_speed", "temp"]]
    table = flights.merge(weather, how="left", on=["origin", "time_hour"])
    table["day"] = pd.to_datetime(table[["year", "month", "day"]]).dt.date
    table["minute_of_day"] = table["sched_dep_time"] // 100 * 60 + table["sched_dep_time"] % 100
    names = ["carrier", "flight", "origin", "dest", "sched_dep_time"]
    table["leg"] = table[names].astype(str).agg("-".join, axis=1)
    table["is_late"] = table["arr_delay"] > 15
    return table.drop_duplicates(["day", "leg"])


def departed(day: date) -> pd.DataFrame:
    table = flown()
    return table.loc[table["day"] == day, ["leg", "day", *FEATURES, "is_late"]].reset_index(drop=True)


@dg.asset(partitions_def=DAILY)
def departed_flights(context: dg.AssetExecutionContext) -> pd.DataFrame:
    return departed(date.fromisoformat(context.partition_key)).drop(columns=["is_late", "day"])


@dg.asset(partitions_def=DAILY)
def flight_outcomes(context: dg.AssetExecutionContext) -> pd.DataFrame:
    return departed(date.fromisoformat(context.partition_key) - timedelta(days=2))
