"""Days of a project's tables are decided in order.

Belongs here: refusing a day that comes too early, with the day to run first. Does not belong here: the order
(`core.own_order`).

Concept: Dagster launches the runs of a backfill side by side and in any order if it may, and a day decides on what the
days before decided. What the project's own asset has, as Dagster knows it, counts as well as what was taken in: the
first run of a backfill finds nothing taken in.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import date

import dagster as dg

from mlife_assets.components.graph.model_graph import Require
from mlife_assets.components.monitoring.retrain_decision import decision_rows
from mlife_assets.components.platform.model_platform import ModelPlatform
from mlife_assets.components.platform.table_platform import ingest_report_of
from mlife_assets.core.errors import UpstreamMismatchError
from mlife_assets.core.own_order import day_to_run_first
from mlife_assets.core.own_rows import EXAMPLES

SKIP_TAG, SAID = "mlife/skips_earlier_days", "true"
"""Tag of a run that decides although earlier days were not decided, and never will be."""


def in_order(upstream: dg.AssetKey, start_date: date) -> Require:
    """Return what refuses a day before its time; `upstream` delivers the examples, from `start_date` on."""

    def require(context: dg.AssetExecutionContext, platform: ModelPlatform, day: date) -> None:
        if context.run.tags.get(SKIP_TAG) == SAID:
            return
        theirs = _days(context.instance.get_materialized_partitions(upstream))
        taken_in = set(platform.model_tables.report_days(ingest_report_of(EXAMPLES)))
        delivered = [one for one in theirs | taken_in if one >= start_date]
        decided = [row["as_of_date"] for row in decision_rows(platform)]
        first = day_to_run_first(day, delivered, decided)
        if first is not None:
            name = platform.model_name
            raise UpstreamMismatchError(
                f"{day} cannot be decided: days run in order, and {first} was not decided yet; run {name}_daily_job "
                f"for {first} first, and for each day until {day}, or launch this run with the tag {SKIP_TAG}: {SAID} "
                "to begin here"
            )

    return require


def _days(keys: Iterable[str]) -> set[date]:
    """Return partitions as days; an asset that has others beside them says nothing by those."""
    found = set()
    for key in keys:
        with suppress(ValueError):
            found.add(date.fromisoformat(key))
    return found
