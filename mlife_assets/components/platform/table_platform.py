"""The platform of somebody else's project: a home folder, and marts that are made of its own tables.

Concept: there is no market, no landing folder and no dbt. What the project's own assets delivered for a day lies in the
lake as daily tables, one pair a model, and a report beside each says what of it was refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.own_folder import made_and_ignored
from mlife_assets.adapters.private_files import private_tree
from mlife_assets.adapters.table_marts import DailyMart, TableMarts
from mlife_assets.adapters.tables import OF_MODELS, TableStore
from mlife_assets.components.platform.model_platform import ModelPlatform
from mlife_assets.components.platform.shared_port import WHOLE, shared_port
from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.model import Model
from mlife_assets.core.monitoring.lateness import NONE_ARRIVED, NONE_TO_COME, Arrivals, late_days_between
from mlife_assets.core.own_model import OwnModel
from mlife_assets.core.own_rows import DAY, EXAMPLES, ROWS
from mlife_assets.core.quoting import quoted
from mlife_assets.core.windows import FIRST_EVENT_DAY, add_days

TABLES = (EXAMPLES, ROWS)


def ingest_report_of(table: str) -> str:
    """Return the name of the report of what became of a table of a day."""
    return f"ingest_{table}"


@dataclass(frozen=True)
class TablePlatform(ModelPlatform):
    """All ports of one project, as one of its models sees it.

    `declared` are its models by name, `places` the files that declare them.
    """

    model_name: str = ""
    declared: dict[str, OwnModel] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)

    label_types = (EXAMPLES,)
    feedback = "labels"

    def declare(self, own: OwnModel, place: str) -> None:
        """Add a model, or replace what the same place declared. Raises InvalidInputError when another has its name."""
        name = own.model.name
        if (other := self.places.setdefault(name, place)) != place:
            raise InvalidInputError(f"name: {other} declares a model {name}, too; give each a name of its own")
        self.declared[name] = own

    def of_model(self, name: str) -> TablePlatform:
        """Return this platform as a model sees it; ports are shared, marts, versions and reports are its own."""
        if name not in self._views:
            view = replace(self, model_name=name)
            vars(view)[WHOLE] = vars(self).get(WHOLE, self)
            self._views[name] = view
        return self._views[name]

    @shared_port
    def _views(self) -> dict[str, TablePlatform]:
        return {self.model_name: self}

    @property
    def own(self) -> OwnModel:
        """What was declared. Raises InvalidInputError naming the known models."""
        if self.model_name not in self.declared:
            raise InvalidInputError(
                f"there is no model {quoted(self.model_name)}; there are {', '.join(sorted(self.declared))}"
            )
        return self.declared[self.model_name]

    @property
    def model(self) -> Model:
        """The model whose view this is."""
        return self.own.model

    @shared_port
    def lake(self) -> ObstoreObjectStore:
        """The bucket of events, artifacts, tables and reports; a folder of the home is one that git ignores."""
        made_and_ignored(self.settings.home)
        return ObstoreObjectStore.at(self.settings.lake_place)

    @shared_port
    def private_folder(self) -> Path:
        """Where keys are, in a folder that git ignores."""
        made_and_ignored(self.settings.home)
        return private_tree(self.settings.private_folder)

    @property
    def declared_names(self) -> Sequence[str]:
        """The models that the project declares; none where a home is read by itself."""
        return sorted(self.declared)

    @cached_property
    def model_tables(self) -> TableStore:
        """Daily tables and reports of the model."""
        return TableStore(self.lake, f"{OF_MODELS}/{self.model_name}/", assets=f"{self.model_name}/")

    @cached_property
    def warehouse(self) -> TableMarts:
        """Examples by day and id, rows to score by day and entity."""
        own, roles = self.own.rows, self.own.rows.roles
        examples = DailyMart(
            own.examples,
            (roles.time, own.row_id),
            roles.time,
            own.partitions_after,
            f"{self.model_name}/{EXAMPLES}",
            own.terms(EXAMPLES),
        )
        rows = DailyMart(own.rows, (DAY, roles.entity), DAY, (0, 0), f"{self.model_name}/{ROWS}", own.terms(ROWS))
        return TableMarts(self.model_tables, {EXAMPLES: examples, ROWS: rows})

    @property
    def start_date(self) -> date:
        """The first day that examples are of: no day before the first partition is learned from by accident."""
        return add_days(self.own.start_date, -self.own.rows.maturity_days - 1)

    @property
    def first_run_day(self) -> date:
        """The first day that was taken in: until the governor decided one, nothing else is known of a home."""
        return min(self.landed_days(), default=FIRST_EVENT_DAY)

    @property
    def is_simulated(self) -> bool:
        """Whether those whom rows are about are made up: mlife does not know, so no card says so."""
        return False

    def landed_days(self) -> Sequence[date]:
        """Return the days for which a table was taken in, ascending; where no model is asked about, of any."""
        if not self.model_name:
            kept = {key.split("/")[1] for key in self.lake.list(OF_MODELS)}
            return sorted({day for name in kept for day in self.of_model(name).landed_days()})
        return sorted({day for table in TABLES for day in self.model_tables.report_days(ingest_report_of(table))})

    def newest_landed_day(self) -> date | None:
        """Return the newest day for which a table was taken in, None before the first."""
        return max(self.landed_days(), default=None)

    def ingest_report(self, day: date) -> Mapping[str, Any]:
        """Return what became of what was delivered for a day. Raises NotFoundError when nothing was."""
        found = [one for table in TABLES if (one := self._taken_in(table, day)) is not None]
        if not found:
            raise NotFoundError(f"nothing was taken in for {day}; {self._remedy(day)}")
        return {"day": day.isoformat(), "types": [entry for report in found for entry in report["types"]]}

    def _taken_in(self, table: str, day: date) -> dict[str, Any] | None:
        try:
            return self.model_tables.read_report(ingest_report_of(table), day)
        except NotFoundError:
            return None

    def require_landed(self, day: date | None = None) -> None:
        """Raise NotFoundError unless something was taken in for `day`; None asks for any day."""
        landed = self.landed_days()
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

    def late_feedback_days(self, first: date, last: date) -> frozenset[date]:
        """Return the days of [first, last] on which no label became known although usually many do.

        What was observed on a day is the partition of the next. A row that comes too late is refused, so what there is
        came in time. A partition that was delivered empty says that there is nothing to come: a business is closed on
        Sundays. One that is missing, or of which every row was refused, says nothing.
        """
        taken_in = set(self.model_tables.report_days(ingest_report_of(EXAMPLES)))

        def arrived_on(day: date) -> Arrivals:
            partition = add_days(day, 1)
            if partition not in taken_in:
                return NONE_ARRIVED
            report = self.model_tables.read_report(ingest_report_of(EXAMPLES), partition)
            count = sum(entry["accepted"] for entry in report["types"])
            if not count:
                return NONE_ARRIVED if any(entry["rejected"] for entry in report["types"]) else NONE_TO_COME
            return Arrivals(count, count)

        return late_days_between(first, last, arrived_on, oldest=add_days(min(taken_in, default=first), -1))
