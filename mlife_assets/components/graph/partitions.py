"""Partitions, and the days of a run.

Concept: partition D is the UTC day during which it runs. History is one run over a range, so every partitioned asset
takes a range; assets that decide take exactly one day. Assets are declared with `DAILY`, which a home replaces by its
own days (`with_days`): they begin with its first day, and in a world with its own clock they end with the next day that
can run, since "Latest" in the UI is the last of them.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any

import dagster as dg

from mlife_assets.adapters.home_files import require_restored
from mlife_assets.components.graph.keys import OWNERS
from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.windows import FIRST_PARTITION, days_between
from mlife_assets.deployments.ports import ModelPorts

DAILY = dg.DailyPartitionsDefinition(start_date=FIRST_PARTITION.isoformat(), end_offset=1)
RANGE_IN_ONE_RUN = dg.BackfillPolicy.single_run()

PARTITION_TAG = "dagster/partition"
RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"


def daily_asset(
    group: str, layer: str, stands_in: str | None = None, policy: dg.BackfillPolicy | None = RANGE_IN_ONE_RUN
) -> dict[str, Any]:
    """Return the arguments of every daily asset; `stands_in` is the group for the UI, if another."""
    return {
        "group_name": stands_in or group,
        "partitions_def": DAILY,
        "backfill_policy": policy,
        "owners": OWNERS[group],
        "tags": {"layer": layer},
    }


def with_days(assets: Iterable[Any], *, first: date, last: date | None, today: date) -> list[Any]:
    """Return `assets` with our daily partitions replaced by days from `first` to `last`.

    Both are included; `last` defaults to the machine's date. The end is counted from `today`, so it holds until
    midnight UTC. A fixed end date would hold for ever, but the UI's plots over partitions ignore it: they show the
    newest partitions until today (Dagster 1.13.27).
    """
    offset = 1 if last is None else (last - today).days + 1
    days_of_home = dg.DailyPartitionsDefinition(start_date=first.isoformat(), end_offset=offset)

    def with_them(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(partitions_def=days_of_home) if spec.partitions_def == DAILY else spec

    return [asset.map_asset_specs(with_them) if isinstance(asset, dg.AssetsDefinition) else asset for asset in assets]


def range_tags(first: date, last: date) -> dict[str, str]:
    """Return the tags of one run over the partitions from `first` to `last`, both included."""
    return {RANGE_START_TAG: first.isoformat(), RANGE_END_TAG: last.isoformat()}


def days_to_land(context: dg.AssetExecutionContext) -> list[date]:
    """Return the days that this run covers, in order, whether or not they have landed."""
    return [date.fromisoformat(key) for key in context.partition_keys]


def days(context: dg.AssetExecutionContext, platform: ModelPorts) -> list[date]:
    """Return the days that this run covers, in order.

    Raises:
        NotFoundError: the last of them has not landed yet.
    """
    covered = days_to_land(context)
    platform.days.require(covered[-1])
    return covered


def only_day(context: dg.AssetExecutionContext, platform: ModelPorts) -> date:
    """Return the one day of this run; decisions take one day at a time.

    Raises:
        GateClosedError: a restore of the home has not ended.
        InvalidInputError: the run covers a range of days.
        NotFoundError: the day has not landed yet.
    """
    require_restored(platform.settings.private_folder)
    covered = days(context, platform)
    if len(covered) != 1:
        raise InvalidInputError(
            f"{context.asset_key.to_user_string()} decides for one day, but this run covers {covered[0]} to "
            f"{covered[-1]}; launch it for one partition, or backfill the raw events and features only"
        )
    return covered[0]


def checked_days(context: dg.AssetCheckExecutionContext) -> list[date]:
    """Return the days of a check, in order; a check's own context does not know a range."""
    (spec,) = context.check_specs
    return days_of_checks(context.run, context.instance, spec.asset_key)


def days_of_checks(run: dg.DagsterRun, instance: dg.DagsterInstance, checked: dg.AssetKey) -> list[date]:
    """Return the days of `run`, in order; without any, as for a check alone, the asset's newest.

    Raises:
        NotFoundError: the run names no day, and no partition of the asset was ever materialized.
    """
    tags = run.tags
    if PARTITION_TAG in tags:
        return [date.fromisoformat(tags[PARTITION_TAG])]
    if RANGE_START_TAG in tags:
        return list(days_between(date.fromisoformat(tags[RANGE_START_TAG]), date.fromisoformat(tags[RANGE_END_TAG])))
    materialized = instance.get_materialized_partitions(checked)
    if not materialized:
        name = checked.to_user_string()
        raise NotFoundError(f"there is nothing to check: {name} was never materialized; materialize it first")
    return [date.fromisoformat(max(materialized))]
