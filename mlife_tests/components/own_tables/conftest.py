"""A project of somebody else: a folder with two daily assets of its own and models declared over them.

Its flights are made up: 200 a day from a seed, of which wind, hour and carrier say how likely they are late. What
became of them is known the morning after the day after.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from itertools import count
from pathlib import Path
from textwrap import dedent
from typing import Any

import dagster as dg
import pytest
import yaml

from mlife_assets.components.conversion_model import SKIP_TAG, delivered_table, take_in
from mlife_assets.core.windows import add_days
from mlife_assets.deployments.ports import ModelPorts

FIRST = date(2013, 1, 3)
FLIGHTS = '''
"""Two daily assets of an airport, which knows nothing of mlife."""

from datetime import date, timedelta

import dagster as dg
import numpy as np
import pandas as pd

DAILY = dg.DailyPartitionsDefinition(start_date="2013-01-03", end_offset=1)
FLIGHTS, STORM = 200, date(2013, 2, 20)


def schedule(day):
    """Return the flights of a day; from the storm on the hour decides the other way round."""
    rng = np.random.default_rng(day.toordinal())
    wind, hour = rng.normal(size=FLIGHTS), rng.integers(5, 23, size=FLIGHTS)
    carrier = rng.choice(["AA", "UA", "DL"], size=FLIGHTS)
    score = -1.6 + (1.2 if day < STORM else -1.2) * wind + 0.1 * (hour - 14) + 0.5 * (carrier == "UA")
    is_late = rng.random(FLIGHTS) < 1 / (1 + np.exp(-score))
    names = [f"F{number}" for number in range(FLIGHTS)]
    frame = pd.DataFrame({"flight": names, "day": [day] * FLIGHTS, "wind": wind, "hour": hour, "carrier": carrier})
    return frame, is_late


@dg.asset(partitions_def=DAILY)
def expected_flights(context):
    return schedule(date.fromisoformat(context.partition_key))[0]


@dg.asset(partitions_def=DAILY)
def flight_outcomes(context):
    frame, is_late = schedule(date.fromisoformat(context.partition_key) - timedelta(days=2))
    return frame.assign(is_late=is_late)
'''
ATTRIBUTES: Mapping[str, Any] = {
    "name": "late_flights",
    "title": "Which flights arrive late",
    "outcome": "a flight arrives more than 15 minutes late",
    "examples": "flight_outcomes",
    "rows": "expected_flights",
    "start_date": FIRST.isoformat(),
    "maturity_days": 1,
    "columns": {
        "entity": "flight", "time": "day", "label": "is_late", "features": ["wind", "hour"],
        "categoricals": ["carrier"], "rule": "hour",
    },
    "training": {
        "recipes": ["plain"], "trees_maximum": 40, "minimum_examples": 500, "validation_minimum_per_class": 50,
    },
    "promotion": {"gate_weeks": 2, "minimum_users_with_positives": 30, "bootstrap_resamples": 200},
    "monitoring": {"sample_rows_per_day": 200, "explained_rows_per_day": 100, "minimum_mature_positives": 50},
}  # fmt: skip
TYPE = "mlife_assets.components.ConversionModel"
_NUMBERS = count()


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested attributes with changes."""
    both = {**base, **changes}
    return {
        name: merged(base[name], value) if isinstance(value, Mapping) and isinstance(base.get(name), Mapping) else value
        for name, value in both.items()
    }


@dataclass
class ForeignProject:
    """A project's folder, and its days."""

    root: Path
    package: str
    instance: dg.DagsterInstance

    @property
    def defs_folder(self) -> Path:
        return self.root / self.package / "defs"

    def file(self, name: str) -> Path:
        return self.defs_folder / name / "defs.yaml"

    def declare(self, **changes: Any) -> None:
        """Write the file of an instance: flights, with changes of its attributes."""
        attributes = merged(ATTRIBUTES, changes)
        path = self.file(attributes["name"])
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump({"type": TYPE, "attributes": attributes}), encoding="utf-8")

    def load(self) -> dg.Definitions:
        """Return what Dagster loads of the folder."""
        return dg.load_from_defs_folder(path_within_project=self.root / self.package)

    def deliver(self, definitions: dg.Definitions, day: date, model: str | None = "late_flights") -> None:
        """Materialize the project's own assets of a day, and what takes them in."""
        keys = [dg.AssetKey(["expected_flights"]), dg.AssetKey(["flight_outcomes"])]
        keys += [] if model is None else [dg.AssetKey([model, name]) for name in ("examples", "rows")]
        assets = [one for one in definitions.assets if isinstance(one, dg.AssetsDefinition)]
        dg.materialize(
            assets, selection=dg.AssetSelection.assets(*keys), partition_key=day.isoformat(), instance=self.instance,
            resources=definitions.resources,
        )  # fmt: skip

    def run(self, definitions: dg.Definitions, job: str, day: date, **options: Any) -> dg.ExecuteInProcessResult:
        """Run a job for a day."""
        found = definitions.resolve_job_def(job)
        return found.execute_in_process(partition_key=day.isoformat(), instance=self.instance, **options)

    def take_in(self, definitions: dg.Definitions, day: date, *, has_rows: bool = True) -> None:
        """Take in what the project's assets would deliver for a day, without running them."""
        flights, view = import_module(f"{self.package}.defs.flights"), self.view(definitions)
        frame, is_late = flights.schedule(add_days(day, -2))
        tables = {"examples": frame.assign(is_late=is_late)} | ({"rows": flights.schedule(day)[0]} if has_rows else {})
        for name, table in tables.items():
            take_in(view, view.home.own(view.model_name).rows, name, day, delivered_table(table, name), name)

    @staticmethod
    def view(definitions: dg.Definitions, model: str = "late_flights") -> ModelPorts:
        return definitions.resources["platform"].of_model(model)

    @staticmethod
    def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
        """Return what an asset showed."""
        for event in result.get_asset_materialization_events():
            if event.asset_key is not None and event.asset_key.to_user_string() == asset:
                return {name: value.value for name, value in event.materialization.metadata.items()}
        raise LookupError(f"{asset} was not materialized")


@pytest.fixture(scope="session")
def make_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], ForeignProject]]:
    """Make projects, each importable under a name of its own."""
    made: list[str] = []
    with ExitStack() as opened:

        def make() -> ForeignProject:
            root, package = tmp_path_factory.mktemp("project"), f"airport_{next(_NUMBERS)}"
            settings = f"""
                [tool.dg]
                directory_type = "project"
                [tool.dg.project]
                root_module = "{package}"
            """
            (root / "pyproject.toml").write_text(dedent(settings), encoding="utf-8")
            for folder in (root / package, root / package / "defs"):
                folder.mkdir()
                (folder / "__init__.py").touch()
            (root / package / "defs" / "flights.py").write_text(FLIGHTS, encoding="utf-8")
            sys.path.insert(0, str(root))
            made.append(str(root))
            folder = tmp_path_factory.mktemp("dagster")
            instance = opened.enter_context(dg.DagsterInstance.ephemeral(tempdir=str(folder)))
            return ForeignProject(root, package, instance)

        yield make
    for place in made:
        sys.path.remove(place)


@pytest.fixture
def project(make_project: Callable[[], ForeignProject], monkeypatch: pytest.MonkeyPatch) -> ForeignProject:
    monkeypatch.delenv("MLIFE_HOME", raising=False)
    return make_project()


@dataclass
class Served:
    """A project whose first model serves since `retrained`, and the day after it."""

    project: ForeignProject
    definitions: dg.Definitions
    first_decision: dg.ExecuteInProcessResult
    retraining: dg.ExecuteInProcessResult
    day_after: dg.ExecuteInProcessResult
    retrained: date


@pytest.fixture(scope="session")
def served(make_project: Callable[[], ForeignProject]) -> Served:
    """A month that was taken in, the retraining that its governor asked for, and the day after."""
    with pytest.MonkeyPatch.context() as patched:
        patched.delenv("MLIFE_HOME", raising=False)
        project = make_project()
        project.declare()
        definitions = project.load()
    retrained = add_days(FIRST, 30)
    for number in range(30):
        project.take_in(definitions, add_days(FIRST, number))
    project.deliver(definitions, retrained)
    skips = {SKIP_TAG: "true"}
    decision = project.run(definitions, "late_flights_daily_job", retrained, tags=skips)
    retraining = project.run(definitions, "late_flights_retraining_job", retrained)
    project.deliver(definitions, add_days(retrained, 1), model=None)
    after = project.run(definitions, "late_flights_daily_job", add_days(retrained, 1))
    return Served(project, definitions, decision, retraining, after, retrained)
