"""The monitoring reference: what normal looks like to the champion.

Belongs here: the asset that builds it when a model is promoted. Does not belong here: what a reference is
(`core.monitoring.reference`), reading it (`monitoring.inputs`).

Concept: keyed by model version and made once. Without a promotion the present reference stays, so drift is always
measured against what the serving model knows.
"""

from collections.abc import Collection
from dataclasses import asdict
from datetime import date
from itertools import islice

import dagster as dg
import pyarrow as pa

from mlife_assets.components.graph.model_graph import ModelGraph
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
from mlife_assets.core.monitoring.named_outcomes import LABEL
from mlife_assets.core.monitoring.reference import build_reference
from mlife_assets.core.training.manifest_facts import last_trained_day
from mlife_assets.core.windows import add_days, last_mature_exposure_day

GROUP = "model"
LOOKED_AT_TIMES = 3


def sound_days(day: date, count: int, quarantined: Collection[date]) -> list[date]:
    """Return the newest `count` days until `day` that were not faulty, oldest first; faults move the reference back.

    It reaches back at most three times as far: what was usual longer ago need not be usual now.
    """
    wanted = (add_days(day, -back) for back in range(LOOKED_AT_TIMES * count))
    return sorted(islice((one for one in wanted if one not in quarantined), count))


def build_assets(graph: ModelGraph) -> list[dg.AssetsDefinition]:
    """Return what the module makes of one model."""

    @dg.asset(
        key=graph.key("model", "monitoring_reference"),
        deps=[
            graph.key("model", "champion_model"),
            *graph.tables,
            *graph.examples,
        ],
        kinds={"nannyml"},
        description="What normal looks like to a newly promoted champion: out-of-sample pairs, outcomes and limits.",
        group_name=graph.group(GROUP),
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

        platform = graph.view(platform)
        day = only_day(context, platform)
        version = challenger_version(platform, day)
        if version not in {reign.model_version for reign in platform.registry.history()}:
            return dg.MaterializeResult(
                metadata={"changed": False, "why": "no promotion today; the present reference stays"}
            )
        policy = platform.model.monitoring
        wanted = [add_days(day, -back) for back in range(LOOKED_AT_TIMES * policy.reference_days)]
        days = sound_days(day, policy.reference_days, quarantined_days(platform, wanted))
        samples = [sampled_pairs(platform, one) for one in days]
        columns = platform.model.watched
        trained = last_trained_day(platform.registry.load(version).manifest)
        examples = {
            outcome: sampled_examples(
                platform,
                version,
                add_days(trained, 1),
                last_mature_exposure_day(day, step.maturity_days),
                outcome=outcome,
            )
            for outcome, step in platform.model.outcomes.items()
            if outcome == LABEL or is_funnel(platform, version)
        }
        reference = build_reference(
            model_version=version,
            as_of=day,
            sample=pa.concat_tables([explained_pairs(platform, version, sample.pairs, columns) for sample in samples]),
            pair_rows={one: sample.population_rows for one, sample in zip(days, samples, strict=True)},
            examples=examples.pop(LABEL),
            columns=columns,
            ids=platform.model.roles.ids,
            steps=examples,
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
                **{f"mature_{step}_examples": rows.num_rows for step, rows in reference.steps.items()},
                "limits": table(limits),
            }
        )

    return [monitoring_reference]
