"""Partitions and what a run covers.

Belongs here: the daily partitions and how an asset reads its range. Does not belong here: date arithmetic
(`core.windows`).

Concept: partition D is the UTC day during which it runs. History is one run over a range, so every partitioned asset
takes a range; assets that decide something take exactly one day.
"""

from datetime import date

import dagster as dg

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.windows import FIRST_EVENT_DAY, add_days, days_between

FIRST_PARTITION = add_days(FIRST_EVENT_DAY, 1)
"""The day after the first day of raw events: the first with anything to ingest."""

DAILY = dg.DailyPartitionsDefinition(start_date=FIRST_PARTITION.isoformat(), end_offset=1)
RANGE_IN_ONE_RUN = dg.BackfillPolicy.single_run()

PARTITION_TAG = "dagster/partition"
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"


def range_tags(first: date, last: date) -> dict[str, str]:
    """Return the run tags that make one run cover the partitions from `first` to `last`, both included."""
    return {RANGE_START_TAG: first.isoformat(), RANGE_END_TAG: last.isoformat()}


def days(context: dg.AssetExecutionContext) -> list[date]:
    """Return the days that this run covers, in order."""
    return [date.fromisoformat(key) for key in context.partition_keys]


def only_day(context: dg.AssetExecutionContext) -> date:
    """Return the one day of this run; decisions are taken for one day at a time.

    Raises:
        InvalidInputError: the run covers a range of days.
    """
    covered = days(context)
    if len(covered) != 1:
        raise InvalidInputError(
            f"{context.asset_key.to_user_string()} decides for one day, but this run covers {covered[0]} to "
            f"{covered[-1]}; launch it for one partition, or backfill the raw events and features only"
        )
    return covered[0]


def run_days(run: dg.DagsterRun) -> list[date]:
    """Return the days that `run` covers, in order: for checks, whose context does not know the range."""
    tags = run.tags
    if PARTITION_TAG in tags:
        return [date.fromisoformat(tags[PARTITION_TAG])]
    return list(days_between(date.fromisoformat(tags[RANGE_START_TAG]), date.fromisoformat(tags[RANGE_END_TAG])))
