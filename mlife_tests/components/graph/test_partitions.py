from datetime import UTC, date, datetime, time
from functools import partial
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from mlife_assets.components.graph.partitions import (
    DAILY,
    RANGE_IN_ONE_RUN,
    checked_days,
    days,
    only_day,
    range_tags,
    with_days,
)
from mlife_assets.components.platform.landed_days import require_landed
from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.windows import FIRST_PARTITION, add_days
from mlife_assets.settings import Settings

FIRST, LAST = date(2026, 4, 29), date(2026, 5, 2)
RANGE = ["2026-04-29", "2026-04-30", "2026-05-01", "2026-05-02"]


def landed_until(day: date) -> Any:
    settings = SimpleNamespace(first_lived_date=date(2026, 6, 2), private_folder=Path("none"))
    platform = SimpleNamespace(settings=settings, newest_landed_day=lambda: max(FIRST, day))
    platform.require_landed = partial(require_landed, settings, max(FIRST, day))
    return platform


@pytest.fixture
def run(instance):
    """Run a range-capable asset with a check, and return what asset and check were told."""
    seen: dict[str, list] = {}

    @dg.asset(partitions_def=DAILY, backfill_policy=RANGE_IN_ONE_RUN)
    def ranged(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Any]) -> None:
        seen["asset"] = days(context, platform)
        seen["only"] = only_day(context, platform) if len(seen["asset"]) == 1 else None

    @dg.asset_check(asset=ranged)
    def checked(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        seen["check"] = checked_days(context)
        return dg.AssetCheckResult(passed=True)

    @dg.asset(partitions_def=DAILY, backfill_policy=RANGE_IN_ONE_RUN)
    def deciding(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Any]) -> None:
        only_day(context, platform)

    def execute(*names: str, **arguments) -> dict[str, list]:
        selection = dg.AssetSelection.checks(checked) if names == ("checked",) else dg.AssetSelection.assets(*names)
        job = dg.define_asset_job("job", selection)
        definitions = dg.Definitions(
            assets=[ranged, deciding], asset_checks=[checked], jobs=[job], resources={"platform": landed_until(LAST)}
        )
        definitions.resolve_job_def("job").execute_in_process(instance=instance, **arguments)
        return seen

    return execute


def test_asset_and_check_agree_on_the_days_of_a_run(run) -> None:
    wanted = [date.fromisoformat(key) for key in RANGE]
    assert run("ranged", tags=range_tags(FIRST, LAST)) == {"asset": wanted, "check": wanted, "only": None}
    assert run("ranged", partition_key="2026-05-01") == {
        "asset": [date(2026, 5, 1)],
        "check": [date(2026, 5, 1)],
        "only": date(2026, 5, 1),
    }


def test_what_decides_for_one_day_refuses_a_range_and_says_what_to_do(run) -> None:
    run("deciding", partition_key="2026-05-01")
    with pytest.raises(InvalidInputError, match="deciding decides for one day, but this run covers 2026-04-29 to 2026"):
        run("deciding", tags=range_tags(FIRST, LAST))


def test_a_day_that_has_not_landed_is_refused_with_the_day_that_can_run(run) -> None:
    with pytest.raises(NotFoundError, match="2026-05-04 has not landed yet: the next day that can run is 2026-05-03"):
        run("ranged", partition_key="2026-05-04")


def test_the_first_partition_is_the_day_after_the_first_raw_events(tmp_path) -> None:
    settings = Settings(home=tmp_path)
    assert (settings.first_partition - settings.start_date).days == 1
    assert settings.first_partition == FIRST_PARTITION
    assert DAILY.get_first_partition_key() == FIRST_PARTITION.isoformat()


def test_a_check_that_is_executed_alone_looks_at_the_newest_partition_or_the_chosen_one(run) -> None:
    with pytest.raises(NotFoundError, match="nothing to check: ranged was never materialized; materialize it first"):
        run("checked")
    run("ranged", tags=range_tags(FIRST, LAST))
    run("ranged", partition_key="2026-04-30")
    assert run("checked")["check"] == [LAST], "the newest day, not the one that was materialized last"
    assert run("checked", tags={"dagster/partition": "2026-04-30"})["check"] == [date(2026, 4, 30)]


def test_partitions_begin_and_end_with_days_of_the_home() -> None:
    @dg.asset(partitions_def=DAILY, backfill_policy=RANGE_IN_ONE_RUN)
    def daily() -> None: ...

    @dg.asset
    def plain() -> None: ...

    days = (add_days(LAST, -9), LAST, add_days(LAST, 200))
    for today, first in product(days, (FIRST_PARTITION, add_days(FIRST_PARTITION, -500))):
        ended, same = with_days([daily, plain], first=first, last=LAST, today=today)
        with dg.partition_loading_context(effective_dt=datetime.combine(today, time(12), UTC)) as context:
            partitions = ended.partitions_def
            assert partitions.get_last_partition_key() == LAST.isoformat()
            assert partitions.get_first_partition_key() == first.isoformat()
            assert partitions.has_partition_key(LAST.isoformat())
            assert not partitions.has_partition_key(add_days(LAST, 1).isoformat())
            newest = partitions.get_paginated_partition_keys(context, limit=3, ascending=False).results
            assert newest == [add_days(LAST, -back).isoformat() for back in range(3)], "what the UI plots"
    assert ended.backfill_policy == RANGE_IN_ONE_RUN
    assert same.partitions_def is None
    assert daily.partitions_def == DAILY
