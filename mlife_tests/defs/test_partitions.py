from datetime import date

import dagster as dg
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.defs.partitions import (
    DAILY,
    FIRST_PARTITION,
    RANGE_IN_ONE_RUN,
    days,
    only_day,
    range_tags,
    run_days,
)
from mlife_assets.settings import Settings

FIRST, LAST = date(2026, 4, 29), date(2026, 5, 2)
RANGE = ["2026-04-29", "2026-04-30", "2026-05-01", "2026-05-02"]


@pytest.fixture
def run(instance):
    """Run a range-capable asset with a check, and return what asset and check were told."""
    seen: dict[str, list] = {}

    @dg.asset(partitions_def=DAILY, backfill_policy=RANGE_IN_ONE_RUN)
    def ranged(context: dg.AssetExecutionContext) -> None:
        seen["asset"] = days(context)
        seen["only"] = only_day(context) if len(seen["asset"]) == 1 else None

    @dg.asset_check(asset=ranged)
    def checked(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        seen["check"] = run_days(context.run)
        return dg.AssetCheckResult(passed=True)

    @dg.asset(partitions_def=DAILY, backfill_policy=RANGE_IN_ONE_RUN)
    def deciding(context: dg.AssetExecutionContext) -> None:
        only_day(context)

    def execute(*names: str, **arguments) -> dict[str, list]:
        job = dg.define_asset_job("job", dg.AssetSelection.assets(*names))
        definitions = dg.Definitions(assets=[ranged, deciding], asset_checks=[checked], jobs=[job])
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


def test_the_first_partition_is_the_day_after_the_first_raw_events(tmp_path) -> None:
    assert (FIRST_PARTITION - Settings(home=tmp_path).start_date).days == 1
    assert DAILY.get_first_partition_key() == FIRST_PARTITION.isoformat()
