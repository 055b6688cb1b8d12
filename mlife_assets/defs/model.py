"""The model: trained, judged, explained, promoted or refused.

Belongs here: the assets of the group `model`. Does not belong here: how a model is fitted or judged
(`core.training`), who serves (`adapters.model_registry`).

Concept: one run makes a challenger and decides about it. A refusal is a result, not a failure: the run is green and the
verdict is an event. The gate reads its window once per challenger.
"""

from dataclasses import asdict, replace
from datetime import date
from typing import Any

import dagster as dg
import numpy as np

from mlife_assets import __version__
from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.inference.features import feature_matrix
from mlife_assets.core.inference.recruiter_rule import RULE_NAME, recruiter_scores
from mlife_assets.core.training.explain import global_importance, plot_beeswarm, plot_importance
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.gate import (
    decide_promotion,
    on_examples,
)
from mlife_assets.core.training.training_set import build_training_set, gate_days, last_training_day
from mlife_assets.core.windows import last_mature_exposure_day
from mlife_assets.defs import keys
from mlife_assets.defs.contenders import (
    CHALLENGER_REPORT,
    challenger_version,
    cohort_days,
    gate_examples,
    judged_calibration,
    model_contender,
)
from mlife_assets.defs.metadata import plot, sentences, table
from mlife_assets.defs.monitoring_inputs import sampled_pairs, scored_examples
from mlife_assets.defs.ownership import OWNERS
from mlife_assets.defs.partitions import DAILY, RANGE_IN_ONE_RUN, only_day
from mlife_assets.defs.quality_gate import quality_check, quarantined_days, require_sound_day
from mlife_assets.defs.resources import Platform

GROUP = "model"
PROMOTION_REPORT = "promotion"
EXPLAINED_ROWS = 2_000
TREES_PER_LOG_LINE = 50
WRITER = "gate"
_COMMON: dict[str, Any] = {
    "group_name": GROUP,
    "partitions_def": DAILY,
    "backfill_policy": RANGE_IN_ONE_RUN,
    "owners": OWNERS[GROUP],
    "tags": {"layer": "model"},
}


def _training_set(platform: Platform, day: date) -> Any:
    policies = platform.policies
    gate_start = gate_days(day, policies.label, policies.promotion)[0]
    examples = platform.warehouse.read(
        "labelled_examples", start=platform.settings.start_date, end=last_training_day(gate_start, policies.label)
    )
    return build_training_set(
        examples,
        as_of=day,
        gate_start=gate_start,
        quarantined=quarantined_days(platform),
        label=policies.label,
        policy=policies.training,
    )


@dg.asset(
    key=keys.TRAINING_SET,
    deps=[keys.LABELLED_EXAMPLES],
    kinds={"duckdb"},
    description="Mature examples that a challenger of this day may learn from, split in time, faulty days left out.",
    **_COMMON,
)
def training_set(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Select and describe the training set; the rows stay in the mart, their hash is kept."""
    training = _training_set(platform, only_day(context))
    days = training.examples.group_by("exposure_date").aggregate([("is_applied", "sum"), ([], "count_all")])
    rows = [
        {"exposure_date": str(row["exposure_date"]), "examples": row["count_all"], "applies": row["is_applied_sum"]}
        for row in days.sort_by("exposure_date").to_pylist()
    ]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": training.examples.num_rows,
            "positives": training.positives,
            "fit_rows": int(training.is_fit.sum()),
            "validation_rows": int(training.is_validation.sum()),
            "quarantined_rows": training.quarantined_rows,
            "first_exposure_date": str(training.first_day),
            "last_exposure_date": str(training.last_day),
            "training_data_hash": training.data_hash,
            "by_day": table(rows),
        }
    )


@dg.asset(
    key=keys.CANDIDATE_MODEL,
    deps=[keys.TRAINING_SET],
    kinds={"lightgbm"},
    description="A challenger: LightGBM with its calibrator and feature spec, registered by content.",
    **_COMMON,
)
def candidate_model(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Fit and register the challenger of this day."""
    day = only_day(context)
    require_sound_day(platform, day)

    def log_progress(trees: int, at_most: int) -> None:
        if trees % TREES_PER_LOG_LINE == 0:
            context.log.info("%d of at most %d trees", trees, at_most)

    fitted = fit_model(_training_set(platform, day), platform.policies.training, log_progress)
    artifact = replace(fitted, manifest={**fitted.manifest, "code_version": __version__})
    version = platform.registry.register(artifact, as_of=day, now=platform.retraining_time(day))
    platform.tables.write_report(CHALLENGER_REPORT, day, {"model_version": version})
    facts = {name: value for name, value in artifact.manifest.items() if isinstance(value, int | float | str)}
    return dg.MaterializeResult(
        metadata={
            "model_version": version,
            **facts,
            "importance": plot(plot_importance(_ranked(artifact.manifest["importance"])), "mean |SHAP|"),
        }
    )


def _ranked(importance: dict[str, float]) -> dict[str, float]:
    return dict(sorted(importance.items(), key=lambda item: (-item[1], item[0])))


@dg.asset(
    key=keys.EVALUATION,
    deps=[keys.CANDIDATE_MODEL, keys.USER_FEATURES, keys.JOB_FEATURES, keys.APPLIES],
    kinds={"numpy"},
    description="Challenger against champion and human on the same mature, unprompted applies; the gate's verdict.",
    check_specs=[
        dg.AssetCheckSpec(
            "challenger_may_be_promoted",
            asset=keys.EVALUATION,
            description="Green when every condition of the gate is met; a refusal is a warning, not an error.",
        )
    ],
    **_COMMON,
)
def evaluation(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Run the gate once for the challenger of this day."""
    day = only_day(context)
    policies = platform.policies
    faulty = quarantined_days(platform)
    days = [one for one in gate_days(day, policies.label, policies.promotion) if one not in faulty]
    if not days:
        raise NotEnoughEvidenceError(f"every gate day of {day} had faulty features; wait for a sound week")
    cohorts = cohort_days(platform, days)
    examples, pairs = gate_examples(cohorts)
    version = challenger_version(platform, day)
    champion = platform.registry.champion_at(platform.run_time(day))
    judged = scored_examples(
        platform, version, days[0], last_mature_exposure_day(day, policies.label.apply_window_days)
    )
    decision = decide_promotion(
        examples,
        model_contender(platform, version, examples, pairs),
        None if champion is None else model_contender(platform, champion, examples, pairs),
        on_examples(examples, RULE_NAME, recruiter_scores(pairs)),
        policies.promotion,
        as_of=day,
        calibration=judged_calibration(judged),
    )
    platform.tables.write_report(PROMOTION_REPORT, day, asdict(decision))
    comparisons = [
        {
            "against": comparison.against,
            "challenger_map": comparison.challenger_map,
            "other_map": comparison.other_map,
            "delta": comparison.delta.estimate,
            "lower": comparison.delta.lower,
            "upper": comparison.delta.upper,
        }
        for comparison in decision.comparisons
    ]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(examples.user_ids),
            "outcome": decision.outcome,
            "model_version": version,
            "champion_version": champion or "none",
            "cohort_users": sum(cohort.cohort_users for cohort in cohorts),
            "users_with_positives": decision.users_with_positives,
            "comparisons": table(comparisons),
            "sentences": sentences(decision.sentences),
            "conditions": table([asdict(condition) for condition in decision.conditions]),
        },
        check_results=[
            dg.AssetCheckResult(
                check_name="challenger_may_be_promoted",
                passed=decision.is_promoted,
                severity=dg.AssetCheckSeverity.WARN,
                description=" ".join(decision.sentences),
            )
        ],
    )


@dg.asset(
    key=keys.EXPLANATION,
    deps=[keys.CANDIDATE_MODEL],
    kinds={"shap"},
    description="Why the challenger scores as it does: SHAP values over a sample of candidate pairs.",
    **_COMMON,
)
def explanation(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Plot the contributions of the challenger on today's candidate pairs."""
    day = only_day(context)
    scorer = platform.scorer(challenger_version(platform, day))
    pairs = sampled_pairs(platform, day).pairs.slice(0, EXPLAINED_ROWS)
    matrix = feature_matrix(pairs, scorer.feature_spec, exposure_kind="message")
    contributions = scorer.contributions(matrix)
    gap = float(np.abs(contributions.sum(axis=1) - scorer.score(matrix).raw).max())
    importance = global_importance(contributions, scorer.feature_names)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": pairs.num_rows,
            "model_version": scorer.model_version,
            "largest_gap_to_raw_score": gap,
            "importance": plot(plot_importance(importance), "mean |SHAP|"),
            "beeswarm": plot(plot_beeswarm(contributions, matrix, scorer.feature_names), "SHAP values"),
        }
    )


ASSETS = [training_set, candidate_model, evaluation, explanation]
CHECKS = [
    quality_check(
        keys.TRAINING_SET,
        "training_set_comes_from_a_sound_day",
        "Green when the data quality of the day passed. Red stops the retraining.",
    )
]
