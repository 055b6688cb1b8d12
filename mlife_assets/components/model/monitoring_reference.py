"""The monitoring reference: what normal looks like to the champion.

Concept: keyed by model version and made once. Without a promotion the present reference stays, so drift is always
measured against what the serving model knows. After a promotion that answers a drift it is of the new world: days from
before the drift would make both worlds normal.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from datetime import date
from itertools import islice

import dagster as dg
import pyarrow as pa

from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.graph.partitions import only_day
from mlife_assets.components.model.challengers import challenger_version
from mlife_assets.components.model.out_of_sample import folds_of
from mlife_assets.components.model.retrain_decision import decisions_until
from mlife_assets.components.monitoring.computed import badges
from mlife_assets.components.monitoring.inputs import (
    explained_pairs,
    is_funnel,
    sampled_examples,
    sampled_pairs,
    write_reference,
)
from mlife_assets.components.monitoring.quality_gate import quarantined_days
from mlife_assets.components.shown.metadata import table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.monitoring.columns import LABEL
from mlife_assets.core.monitoring.open_drift import days_of_normality, drift_start, first_normal_outcome
from mlife_assets.core.monitoring.reference import build_reference
from mlife_assets.core.training.folds import Fold, rows_by_fold, since
from mlife_assets.core.windows import add_days, last_mature_exposure_day
from mlife_assets.deployments.ports import ModelPorts, Models

GROUP = "model"
LOOKED_AT_TIMES = 3


def sound_days(day: date, count: int, quarantined: Collection[date]) -> list[date]:
    """Return the newest `count` days until `day` that were not faulty, oldest first; faults move the reference back.

    It reaches back at most three times as far: what was usual longer ago need not be usual now.
    """
    wanted = (add_days(day, -back) for back in range(LOOKED_AT_TIMES * count))
    return sorted(islice((one for one in wanted if one not in quarantined), count))


def reference_days(platform: ModelPorts, day: date) -> tuple[list[date], date | None]:
    """Return the days whose rows stand for normality, and when the drift began that bounds them; None without one.

    While a drift is open nothing older than its first alarm counts, but for as few days as a reference needs.
    """
    policy = platform.model.monitoring
    began = drift_start(decisions_until(platform, day), day, platform.model.retrain)
    count = days_of_normality(began, day, policy.reference_days)
    wanted = [add_days(day, -back) for back in range(LOOKED_AT_TIMES * count)]
    return sound_days(day, count, quarantined_days(platform, wanted)), began


def unseen_outcomes(
    platform: ModelPorts, version: str, day: date, outcome: str, began: date | None
) -> tuple[pa.Table, tuple[Fold, ...]]:
    """Return a sample of mature outcomes of the gate's weeks, each scored by a model that had not seen it, and by whom.

    What a fit on everything says of rows that it learned from is not what its scores will look like, so its folds are
    asked, as the gate asked them (`lifecycle.backtest.watching`). Of an earlier step only those are that know it. Where
    a drift began within these weeks only the days since then count, the newest week at least.
    """
    asked = folds_of(platform, version)
    if outcome != LABEL:
        known = [is_funnel(platform, fold.model_version) for fold in asked]
        asked = asked[len(known) - known[::-1].index(False) if False in known else 0 :]
    last = last_mature_exposure_day(day, platform.model.outcomes[outcome].maturity_days)
    first = first_normal_outcome(began, asked[0].first_day, last)
    folds = since(asked, first)
    return sampled_examples(platform, folds, first, last, outcome=outcome), folds


def rows_scored(folds: Sequence[Fold], examples: pa.Table) -> dict[str, int]:
    """Return how many examples the models of the folds scored, model version -> rows; who scored none is left out."""
    counts: dict[str, int] = {}
    for fold, places in rows_by_fold(folds, examples["exposure_date"].to_numpy().astype("datetime64[D]")):
        counts[fold.model_version] = counts.get(fold.model_version, 0) + len(places)
    return counts


def build_assets(graph: ModelGraph) -> list[dg.AssetsDefinition]:
    """Return what the module makes of one model."""

    @dg.asset(
        key=graph.key("model", "monitoring_reference"),
        deps=[
            graph.key("model", "champion_model"),
            *graph.tables,
            *graph.examples,
        ],
        kinds=badges(),
        description="What normal looks like to a newly promoted champion: out-of-sample pairs, outcomes and limits.",
        **graph.daily(GROUP, "model"),
    )
    @says_why
    def monitoring_reference(
        context: dg.AssetExecutionContext, platform: dg.ResourceParam[Models]
    ) -> dg.MaterializeResult:
        """Build the reference of the model that was promoted today; without a promotion the present one stays."""
        from mlife_assets.adapters.nannyml_calculators import with_learned_thresholds

        ports = graph.view(platform).in_run(context.run.run_id)
        day = only_day(context, ports)
        version = challenger_version(ports, day)
        if version not in {reign.model_version for reign in ports.registry.history()}:
            return dg.MaterializeResult(
                metadata={"changed": False, "why": "no promotion today; the present reference stays"}
            )
        days, began = reference_days(ports, day)
        samples = [sampled_pairs(ports, one) for one in days]
        columns = ports.model.watched
        unseen = {
            outcome: unseen_outcomes(ports, version, day, outcome, began)
            for outcome in ports.model.outcomes
            if outcome == LABEL or is_funnel(ports, version)
        }
        examples = {outcome: rows for outcome, (rows, _) in unseen.items()}
        scored_by = {outcome: rows_scored(folds, rows) for outcome, (rows, folds) in unseen.items()}
        reference = build_reference(
            model_version=version,
            as_of=day,
            sample=pa.concat_tables([explained_pairs(ports, version, sample.pairs, columns) for sample in samples]),
            pair_rows={one: sample.population_rows for one, sample in zip(days, samples, strict=True)},
            examples=examples.pop(LABEL),
            columns=columns,
            ids=ports.model.roles.ids,
            steps=examples,
        )
        reference = with_learned_thresholds(replace(reference, scored_by=scored_by), ports.model.monitoring)
        write_reference(ports, day, reference)
        limits = [asdict(threshold) for threshold in reference.thresholds]
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": reference.sample.num_rows,
                "changed": True,
                "model_version": version,
                "days": f"{days[0]} to {days[-1]}",
                "drift_began": "no drift is open" if began is None else str(began),
                "mature_examples": reference.examples.num_rows,
                **{f"mature_{step}_examples": rows.num_rows for step, rows in reference.steps.items()},
                "limits": table(limits),
            }
        )

    return [monitoring_reference]
