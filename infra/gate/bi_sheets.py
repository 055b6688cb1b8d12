"""What the dashboard of QuickSight shows: data sets, and visuals on two sheets.

Concept: no figure is defined here. A data set is a question of the query library as it stands, or columns of a mart,
and a visual draws columns of one: each mark is one row. All of them are aggregates, so nobody who looks at the
dashboard sees a person. What grows while applications arrive is drawn of days that are mature, as on the
embedded one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import duckdb
import yaml

from infra.gate.environments import INFRA
from infra.gate.yaml_tags import read
from mlife_assets.adapters.sql_session import read_query
from mlife_assets.core.event_columns import duckdb_type
from mlife_assets.recruiting.policies import LabelPolicy
from mlife_assets.recruiting.sql_tables import LAKE_TABLES, MAP_OF_SHOWN

MARTS = INFRA.parent / "dbt_project" / "models" / "marts" / "metrics"
TABLES = {
    "lake": (MAP_OF_SHOWN,),
    "marts": ("application_daily", "experiment_readout", "kpi_daily", "model_performance_daily"),
}
"""What data sets may read: tables without a row about one person."""
QUESTIONS = ("fill_rate", "lift", "map_over_time", "opt_outs", "revenue")
_FILE = read(INFRA / "dashboard.yaml")
COLUMNS_OF_MARTS: dict[str, tuple[str, ...]] = {
    name: tuple(chosen) for name, chosen in _FILE["columns_of_marts"].items()
}
REFRESHED_AT = "21:00"
"""In UTC: a day runs at 18:00, and its marts are built in the same evening."""


@dataclass(frozen=True)
class DataSet:
    """What SPICE holds: a text of SQL, and the types of its columns as DuckDB calls them."""

    name: str
    text: str
    columns: Mapping[str, str]


@dataclass(frozen=True)
class Visual:
    """One drawing.

    Attributes:
        name, title: its id, and what people read.
        data_set: whose rows are drawn.
        form: a line or a bar for each of `columns` by `day`; or a table of them.
        columns: what is drawn.
        day, colour: the column of the axis, and the one that tells series apart.
        only: a column and the one value of it that is drawn.
        window_days: how many days after `day` its figure still grows; None where it is known at once.
        may_lack: whether a line has days without a value while others of the drawing have one. It is drawn with a gap:
            QuickSight does not say what it does otherwise, and neither zero nor a guess was measured.
    """

    name: str
    title: str
    data_set: str
    form: Literal["line", "bar", "table"]
    columns: tuple[str, ...]
    day: str = ""
    colour: str = ""
    only: tuple[str, str] | None = None
    window_days: int | None = None
    may_lack: bool = False


def _visual(given: Mapping[str, Any]) -> Visual:
    days = given.get("window_days")
    return Visual(
        **{
            **given,
            "columns": tuple(given["columns"]),
            "only": tuple(given["only"]) if "only" in given else None,
            "window_days": getattr(LabelPolicy(), days) if isinstance(days, str) else days,
        }
    )


SHEETS: dict[str, tuple[Visual, ...]] = {name: tuple(map(_visual, rows)) for name, rows in _FILE["sheets"].items()}
VISUALS = {visual.name: visual for visuals in SHEETS.values() for visual in visuals}


def _statement(name: str) -> str:
    """Return a question without its head: QuickSight puts the text into a statement of its own."""
    lines = read_query(name).text.splitlines()
    first = next(number for number, line in enumerate(lines) if line and not line.startswith("--"))
    return "\n".join(lines[first:])


def declared_columns() -> dict[str, dict[str, str]]:
    """Return the columns and types of every table that data sets may read."""
    found = {f"lake.{MAP_OF_SHOWN}": {"as_of_date": "date"}}
    found[f"lake.{MAP_OF_SHOWN}"] |= {field.name: duckdb_type(field.type) for field in LAKE_TABLES[MAP_OF_SHOWN]}
    for name in TABLES["marts"]:
        (model,) = yaml.safe_load((MARTS / f"{name}.yml").read_text(encoding="utf-8"))["models"]
        found[f"marts.{name}"] = {column["name"]: column["data_type"] for column in model["columns"]}
    return found


@cache
def data_sets() -> tuple[DataSet, ...]:
    """Return all data sets, in order. Raises duckdb.Error for a question that reads another table."""
    texts = {name: _statement(name) for name in QUESTIONS}
    for name, chosen in COLUMNS_OF_MARTS.items():
        texts[name] = "select\n    " + ",\n    ".join(chosen) + f"\n\nfrom marts.{name}"
    with duckdb.connect() as connection:
        for schema in TABLES:
            connection.execute(f"create schema {schema}")
        for name, columns in declared_columns().items():
            connection.execute(f"create table {name} ({', '.join(f'{key} {kind}' for key, kind in columns.items())})")
        return tuple(
            DataSet(name, text, {row[0]: row[1] for row in connection.execute(f"describe {text}").fetchall()})
            for name, text in sorted(texts.items())
        )
