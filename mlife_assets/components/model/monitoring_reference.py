"""The monitoring reference: what normal looks like to the champion.

Belongs here: the asset that builds it when a model is promoted. Does not belong here: what a reference is
(`core.monitoring.reference`), reading it (`monitoring_inputs`).

Concept: keyed by model version and made once. Without a promotion the present reference stays, so drift is always
measured against what the serving model knows.
"""

from collections.abc import Collection
from dataclasses import asdict
from datetime import date
from itertools import islice

import dagster as dg
import pyarrow as pa

from mlife_assets.components.graph import keys
from mlife_assets.components.graph.ownership import OWNERS
from mlife_assets.components.graph.partitions import DAILY, RANGE_IN_ONE_RUN, only_day
from mlife_assets.components.model.contenders import challenger_version
from mlife_assets.components.monitoring.inputs import (
    explained_pairs,
    is_funnel,
    sampled_examples,
    sampled_pairs,
    write_reference,
)
from mlife_assets.components.monitoring.quality_gate import quarantined_days
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.shown.metadata import table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.monitoring.reference import build_reference
from mlife_assets.core.windows import add_days, last_mature_exposure_day
from mlife_assets.recruiting.watched_columns import PAIR_COLUMNS

GROUP = "model"
LOOKED_AT_TIMES = 3


def sound_days(day: date, count: int, quarantined: Collection[date]) -> list[date]:
    """Return the newest `count` days until `day` that were not faulty, oldest first; faults move the reference back.

    It reaches back at most three times as far: what was usual longer ago need not be usual now.
    """
    wanted = (add_days(day, -back) for back in range(LOOKED_AT_TIMES * count))
    return sorted(islice((one for one in wanted if one not in quarantined), count))


@dg.asset(
    key=keys.MONITORING_REFERENCE,
    deps=[
        keys.CHAMPION_MODEL,
        keys.USER_FEATURES,
        keys.JOB_FEATURES,
        keys.LABELLED_EXAMPLES,
        keys.CLICK_EXAMPLES,
    ],
    kinds={"nannyml"},
    description="What normal looks like to a newly promoted champion: out-of-sample pairs, outcomes and limits.",
    group_name=GROUP,
    partitions_def=DAILY,
    backfill_policy=RANGE_IN_ONE_RUN,
    owners=OWNERS[GROUP],
    tags={"layer": "model"},
)
@says_why
def monitoring_reference(
    context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult:
    """Build the reference of the model that was promoted today; without a promotion the present one stays."""
    from mlife_assets.adapters.nannyml_calculators import with_learned_thresholds

    day = only_day(context, platform)
    version = challenger_version(platform, day)
    if version not in {reign.model_version for reign in platform.registry.history()}:
        return dg.MaterializeResult(
            metadata={"changed": False, "why": "no promotion today; the present reference stays"}
        )
    policy = platform.policies.monitoring
    wanted = [add_days(day, -back) for back in range(LOOKED_AT_TIMES * policy.reference_days)]
    days = sound_days(day, policy.reference_days, quarantined_days(platform, wanted))
    samples = [sampled_pairs(platform, one) for one in days]
    columns = PAIR_COLUMNS
    trained = date.fromisoformat(platform.registry.load(version).manifest["training_end_date"])
    last = last_mature_exposure_day(day, platform.policies.label.apply_window_days)
    clicked = last_mature_exposure_day(day, platform.policies.label.click_window_days)
    first = add_days(trained, 1)
    reference = build_reference(
        model_version=version,
        as_of=day,
        sample=pa.concat_tables([explained_pairs(platform, version, sample.pairs, columns) for sample in samples]),
        pair_rows={one: sample.population_rows for one, sample in zip(days, samples, strict=True)},
        examples=sampled_examples(platform, version, first, last),
        columns=columns,
        clicks=sampled_examples(platform, version, first, clicked, outcome="click")
        if is_funnel(platform, version)
        else None,
    )
    reference = with_learned_thresholds(reference, policy)
    write_reference(platform, day, reference)
    limits = [asdict(threshold) for threshold in reference.thresholds]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": reference.sample.num_rows,
            "changed": True,
            "model_version": version,
            "days": f"{days[0]} to {days[-1]}",
            "mature_examples": reference.examples.num_rows,
            "mature_click_examples": 0 if reference.clicks is None else reference.clicks.num_rows,
            "limits": table(limits),
        }
    )


ASSETS = [monitoring_reference]
