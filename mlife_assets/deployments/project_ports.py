"""The ports of a user project: a home folder, and marts from its own tables.

Concept: there is no market, no landing folder and no dbt. The deliveries of the project's assets are daily tables in
the lake, a pair per model, each with a report on refused rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

from mlife_assets.adapters.keyring import Keyring
from mlife_assets.adapters.marts import DailyMart, TableMarts
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.private_files import made_and_ignored
from mlife_assets.adapters.tables import OF_MODELS, TableStore
from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.monitoring.lateness import NONE_ARRIVED, NONE_TO_COME, Arrivals, late_days_between
from mlife_assets.core.own_model import OwnModel
from mlife_assets.core.own_rows import DAY, EXAMPLES, ROWS
from mlife_assets.core.quoting import quoted
from mlife_assets.core.windows import FIRST_EVENT_DAY, add_days
from mlife_assets.deployments.keys import heads_in_folder
from mlife_assets.deployments.landed_days import LandedDays
from mlife_assets.deployments.ports import HomePorts, ModelPorts, PrivateThings
from mlife_assets.deployments.times import DayTimes, SimulatedTimes
from mlife_assets.home_settings import HomeSettings

TABLES = (EXAMPLES, ROWS)


def ingest_report_of(table: str) -> str:
    return f"ingest_{table}"


@dataclass(frozen=True)
class ProjectDays(LandedDays):
    """The days of a model's accepted tables; without a name, of any model's."""

    home: ProjectHome
    model_name: str
    own_types: Sequence[str] = ()
    label_types: Sequence[str] = (EXAMPLES,)
    feedback: str = "labels"
    is_simulated: bool = False
    """Whether entities are made up: mlife does not know, so no card says so."""

    @property
    def _tables(self) -> TableStore:
        return self.home.of_model(self.model_name).model_tables

    @property
    def start(self) -> date:
        own = self.home.own(self.model_name)
        return add_days(own.start_date, -own.rows.maturity_days - 1)

    @property
    def first_run(self) -> date:
        """The day after the newest decided one, at first the first accepted day: history may never be decided."""
        decided = [row["as_of_date"] for row in self.home.of_model(self.model_name).registry.events("retrain_decided")]
        return add_days(max(decided), 1) if decided else min(self.landed(), default=FIRST_EVENT_DAY)

    def landed(self) -> Sequence[date]:
        """Return the days with an accepted table, ascending; without a model name, of any model."""
        if not self.model_name:
            names = self.home.lake.folders(OF_MODELS)
            return sorted({day for name in names for day in ProjectDays(self.home, name).landed()})
        return sorted({day for table in TABLES for day in self._tables.report_days(ingest_report_of(table))})

    def report(self, day: date) -> Mapping[str, Any]:
        found = []
        for table in TABLES:
            with suppress(NotFoundError):
                found.append(self._tables.read_report(ingest_report_of(table), day))
        if not found:
            raise NotFoundError(f"nothing was taken in for {day}; {self._remedy(day)}")
        return {"day": day.isoformat(), "types": [entry for report in found for entry in report["types"]]}

    def require(self, day: date | None = None) -> None:
        landed = self.landed()
        if not landed:
            raise NotFoundError(f"nothing was taken in yet; {self._remedy(day)}")
        if day is not None and day not in landed:
            raise NotFoundError(
                f"nothing was taken in for {day}, and the newest day is {landed[-1]}; {self._remedy(day)}"
            )

    def _remedy(self, day: date | None) -> str:
        which = "the days that there are" if day is None else str(day)
        name = self.model_name
        return f"materialize {name}/{EXAMPLES} and {name}/{ROWS} for {which}, or run {name}_daily_job"

    def late_feedback(self, first: date, last: date) -> frozenset[date]:
        """Return the days of [first, last] without new labels although there are usually many.

        Observations of a day are in the next partition. Late rows are refused, so accepted ones came in time. An empty
        delivery states that there are no labels: a business is closed on Sundays. A missing partition, or one with all
        rows refused, states nothing.
        """
        taken_in = set(self._tables.report_days(ingest_report_of(EXAMPLES)))

        def arrived_on(day: date) -> Arrivals:
            partition = add_days(day, 1)
            if partition not in taken_in:
                return NONE_ARRIVED
            report = self._tables.read_report(ingest_report_of(EXAMPLES), partition)
            count = sum(entry["accepted"] for entry in report["types"])
            if not count:
                return NONE_ARRIVED if any(entry["rejected"] for entry in report["types"]) else NONE_TO_COME
            return Arrivals(count, count)

        return late_days_between(first, last, arrived_on, oldest=add_days(min(taken_in, default=first), -1))


@dataclass(frozen=True)
class ProjectHome(HomePorts):
    """The ports of one project, made on first use: its models by name, and the files that declare them."""

    settings: HomeSettings
    declared: dict[str, OwnModel] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    def declare(self, own: OwnModel, place: str) -> None:
        """Add a model, or replace the declaration of the same place. Raises InvalidInputError if its name is taken."""
        name = own.model.name
        if (other := self.places.setdefault(name, place)) != place:
            raise InvalidInputError(f"name: {other} declares a model {name}, too; give each a name of its own")
        self.declared[name] = own
        self._views.pop(name, None)

    def own(self, name: str) -> OwnModel:
        """Return the declaration of a model. Raises InvalidInputError naming the known models."""
        if name not in self.declared:
            raise InvalidInputError(f"there is no model {quoted(name)}; there are {', '.join(sorted(self.declared))}")
        return self.declared[name]

    @cached_property
    def private(self) -> PrivateThings:
        """The keys, in a folder that git ignores."""
        private = self.settings.private_folder
        return PrivateThings(
            settings=self.settings,
            prepare=lambda: made_and_ignored(self.settings.home),
            make_keyring=lambda: Keyring(self.private.private_folder / "keys", seed=self.settings.key_seed),
            make_heads=lambda: heads_in_folder(private, lambda: self.private.keyring),
        )

    @cached_property
    def lake(self) -> ObstoreObjectStore:
        made_and_ignored(self.settings.home)
        return ObstoreObjectStore.at(self.settings.places.lake)

    @property
    def times(self) -> DayTimes:
        return DayTimes(SimulatedTimes())

    @cached_property
    def days(self) -> ProjectDays:
        return ProjectDays(self, "")

    @property
    def model_names(self) -> Sequence[str]:
        return sorted(self.declared)

    def ledger_if(self, *, is_made: bool) -> None:
        """Return None."""

    @cached_property
    def _views(self) -> dict[str, ModelPorts]:
        return {}

    def of_model(self, name: str = "") -> ModelPorts:
        if name not in self._views:
            self._views[name] = ModelPorts(
                self,
                name,
                ProjectDays(self, name),
                declared=lambda: self.own(name).model,
                make_tables=lambda: TableStore(self.lake, f"{OF_MODELS}/{name}/", assets=f"{name}/"),
                make_marts=lambda: self._marts(name),
            )
        return self._views[name]

    def _marts(self, name: str) -> TableMarts:
        """Return the marts: examples by day and id, rows to score by day and entity."""
        own = self.own(name).rows
        examples = DailyMart(
            own.examples,
            (own.roles.time, own.row_id),
            own.roles.time,
            own.partitions_after,
            f"{name}/{EXAMPLES}",
            own.terms(EXAMPLES),
        )
        rows = DailyMart(own.rows, (DAY, own.roles.entity), DAY, (0, 0), f"{name}/{ROWS}", own.terms(ROWS))
        return TableMarts(self.of_model(name).model_tables, {EXAMPLES: examples, ROWS: rows})
