"""The monitoring reference of the champion: its normal rows and outcomes.

Concept: keyed by model version and made once, before the promotion: no champion of the gate is without one. Without a
promotion the present reference stays, so drift is always measured against the serving model's own data. After a
promotion during a drift it has only days since the drift: earlier days would make both worlds normal.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date

import pyarrow as pa

from mlife_assets.components.graph.model_graph import DayRun, Metadata, model_asset
from mlife_assets.components.model.challengers import PROMOTION_REPORT, challenger_version
from mlife_assets.components.model.out_of_sample import folds_of
from mlife_assets.components.model.retrain_decision import decisions_until
from mlife_assets.components.monitoring.computed import badges
from mlife_assets.components.monitoring.inputs import (
    explained_pairs,
    is_funnel,
    sampled_examples,
    sound_samples,
    write_reference,
)
from mlife_assets.components.shown.metadata import table
from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.monitoring.columns import LABEL
from mlife_assets.core.monitoring.open_drift import days_of_normality, drift_start, first_normal_outcome
from mlife_assets.core.monitoring.reference import build_reference
from mlife_assets.core.monitoring.sampling import DaySample
from mlife_assets.core.training.folds import Fold, rows_by_fold, since
from mlife_assets.core.windows import last_mature_exposure_day
from mlife_assets.deployments.ports import ModelPorts

GROUP = "model"


def reference_samples(platform: ModelPorts, day: date) -> tuple[dict[date, DaySample], date | None]:
    """Return the samples of the reference days, and the start of the drift that bounds them; None without one.

    During an open drift no day before its first alarm counts, except up to the minimum of a reference.
    """
    policy = platform.model.monitoring
    began = drift_start(decisions_until(platform, day), day, platform.model.retrain)
    return sound_samples(platform, day, days_of_normality(began, day, policy.reference_days)), began


def unseen_outcomes(
    platform: ModelPorts, version: str, day: date, outcome: str, began: date | None
) -> tuple[pa.Table, tuple[Fold, ...]]:
    """Return a sample of mature outcomes of the gate's weeks, scored out of sample, with the scoring folds.

    A fit's scores of its own training rows do not resemble its later scores, so its folds score them, as in the gate
    (`lifecycle.backtest.watching`). An earlier step is scored only by models that have it. If a drift began within
    these weeks, only the days since then count, at least the newest week.
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
    """Return the number of examples scored by each model of the folds, version -> rows, without zeros."""
    counts: dict[str, int] = {}
    for fold, places in rows_by_fold(folds, examples["exposure_date"].to_numpy().astype("datetime64[D]")):
        counts[fold.model_version] = counts.get(fold.model_version, 0) + len(places)
    return counts


@model_asset(
    GROUP,
    deps=lambda graph: [graph.key(GROUP, "evaluation"), *graph.tables, *graph.examples],
    kinds=lambda _: badges(),
    description="What normal looks like to a newly promoted champion: out-of-sample pairs, outcomes and limits.",
)
def monitoring_reference(run: DayRun) -> Metadata:
    """Build the reference of the model that the gate promotes today; without one the present reference stays."""
    from mlife_assets.adapters.nannyml_calculators import with_learned_thresholds

    ports, day = run.kept, run.day
    version = challenger_version(ports, day)
    served = {reign.model_version for reign in ports.registry.history()}
    if version not in served and ports.model_tables.read_report(PROMOTION_REPORT, day)["outcome"] != "promoted":
        return {"changed": False, "why": "no promotion today; the present reference stays"}
    samples, began = reference_samples(ports, day)
    if not samples:
        raise NotEnoughEvidenceError(f"no day until {day} has sound rows to score, so none is normal; deliver them")
    columns = ports.model.watched
    unseen = {
        outcome: unseen_outcomes(ports, version, day, outcome, began)
        for outcome in ports.model.outcomes
        if outcome == LABEL or is_funnel(ports, version)
    }
    pairs = [explained_pairs(ports, version, sample.pairs, columns) for sample in samples.values()]
    examples = {outcome: rows for outcome, (rows, _) in unseen.items()}
    scored_by = {outcome: rows_scored(folds, rows) for outcome, (rows, folds) in unseen.items()}
    reference = build_reference(
        model_version=version,
        as_of=day,
        sample=pa.concat_tables(pairs),
        pair_rows={one: sample.population_rows for one, sample in samples.items()},
        examples=examples.pop(LABEL),
        columns=columns,
        ids=ports.model.roles.ids,
        steps=examples,
    )
    reference = with_learned_thresholds(replace(reference, scored_by=scored_by), ports.model.monitoring)
    write_reference(ports, day, reference)
    limits = [asdict(threshold) for threshold in reference.thresholds]
    return {
        "dagster/row_count": reference.sample.num_rows,
        "changed": True,
        "model_version": version,
        "days": f"{min(samples)} to {max(samples)}",
        "drift_began": "no drift is open" if began is None else str(began),
        "mature_examples": reference.examples.num_rows,
        **{f"mature_{step}_examples": rows.num_rows for step, rows in reference.steps.items()},
        "limits": table(limits),
    }
