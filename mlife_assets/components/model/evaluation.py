"""The evaluation: challenger against champion and human, the gate's verdict, the model card.

Belongs here: gathering what the gate judges, and showing its verdict. Does not belong here: the verdict
(`core.training.gate`), acting on it (`promotion`).

Concept: one run judges one challenger; a refusal is a result, not a failure: the run is green and the verdict is an
event. The gate reads its window once per challenger.
"""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import date

import dagster as dg
import numpy as np
import pyarrow as pa

from mlife_assets.components.graph import keys
from mlife_assets.components.graph.ownership import OWNERS
from mlife_assets.components.graph.partitions import DAILY, RANGE_IN_ONE_RUN, checked_days, only_day
from mlife_assets.components.model.cards import write_card
from mlife_assets.components.model.contenders import (
    ORGANIC_EXPOSURE,
    challenger_version,
    cohort_days,
    gate_examples,
    judged_calibration,
    judged_gain,
    model_contender,
)
from mlife_assets.components.model.fairness import day_fairness_condition
from mlife_assets.components.model.training_inputs import day_training_set
from mlife_assets.components.monitoring.inputs import scored_examples
from mlife_assets.components.monitoring.quality_gate import quarantined_days
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.shown.figures import verdict_figures, verdict_glance
from mlife_assets.components.shown.links import worded_link
from mlife_assets.components.shown.metadata import sentences, wide_table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.training.evaluate import evaluate_rankings
from mlife_assets.core.training.gate import Condition, Contender, GateExamples, decide_promotion, on_examples
from mlife_assets.core.training.leakage import feature_condition
from mlife_assets.core.training.parity import parity_condition
from mlife_assets.core.training.training_set import gate_days
from mlife_assets.core.windows import last_mature_exposure_day
from mlife_assets.recruiting.features import JOB_EXAMPLES, feature_matrix
from mlife_assets.recruiting.panel import HumanBaseline, human_baseline, panel_agreement
from mlife_assets.recruiting.recruiter_rule import recruiter_scores

GROUP = "model"
PROMOTION_REPORT = "promotion"


def required_elsewhere(platform: Platform, day: date, version: str, matrix: np.ndarray) -> tuple[Condition, ...]:
    """Return the conditions that need more than rankings: fairness, no leaking feature, scoring parity."""
    artifact = platform.registry.load(version)
    reloaded = LightGBMScorer(ModelArtifact.from_files(version, artifact.files()), threads=platform.settings.cores)
    training, spec, policy = day_training_set(platform, day), artifact.feature_spec, platform.policies.promotion
    return (
        day_fairness_condition(platform, day, version),
        feature_condition(examples_matrix(training.examples, spec), training.outcome(JOB_EXAMPLES.label), spec),
        parity_condition(platform.scorer(version), matrix, policy.parity_rows, policy.seed, reloaded=reloaded),
    )


def _agreement(human: HumanBaseline, policy: PromotionPolicy) -> str:
    """Return how far the recruiters behind the baseline agree, in words."""
    if not human.is_panel:
        return "A rule stands in for people, so there is nothing to agree on."
    try:
        return panel_agreement(human.panels, policy).sentence
    except NotEnoughEvidenceError as error:
        return f"No agreement: {error}."


def _rankings(
    examples: GateExamples, sides: Mapping[str, Contender | None], policy: PromotionPolicy
) -> list[dict[str, object]]:
    """Return NDCG and recall of each side on the gate's rows; no row where nobody applied."""
    scores = {name: one.scores for name, one in sides.items() if one is not None}
    try:
        found = evaluate_rankings(
            examples.user_ids, examples.items, examples.is_relevant, scores, policy, as_of_dates=examples.as_of_dates
        )
    except NotEnoughEvidenceError:
        return []
    return [
        {
            "ranking": ranker.name,
            f"ndcg_at_{found.depth}": ranker.ndcg,
            f"recall_at_{found.depth}": ranker.recall,
        }
        for ranker in found.rankers
    ]


@dg.asset(
    key=keys.EVALUATION,
    deps=[
        keys.CANDIDATE_MODEL,
        keys.FAIRNESS_AUDIT,
        keys.EXPLANATION,
        keys.USER_FEATURES,
        keys.JOB_FEATURES,
        keys.APPLIES,
        keys.LABELLED_EXAMPLES,
    ],
    kinds={"numpy"},
    description="Challenger against champion and human on the same mature applies, unprompted or after explored texts.",
    group_name=GROUP,
    partitions_def=DAILY,
    backfill_policy=RANGE_IN_ONE_RUN,
    owners=OWNERS[GROUP],
    tags={"layer": "model"},
)
@says_why
def evaluation(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Run the gate once for the challenger of this day."""
    day = only_day(context, platform)
    policies = platform.policies
    ranked = gate_days(day, policies.label.apply_window_days, policies.promotion)
    faulty = quarantined_days(platform, ranked)
    days = [one for one in ranked if one not in faulty]
    if not days:
        raise NotEnoughEvidenceError(f"every gate day of {day} had faulty features; wait for a sound week")
    cohorts = cohort_days(platform, days)
    possible, every_pair = gate_examples(cohorts)
    human = human_baseline(
        platform.panels.panels_of(days, until=platform.run_time(day)),
        possible,
        recruiter_scores(every_pair),
        policies.promotion,
    )
    examples, pairs = human.examples, every_pair.filter(pa.array(human.mask))
    version = challenger_version(platform, day)
    champion = platform.registry.champion_at(platform.run_time(day))
    last = last_mature_exposure_day(day, policies.label.apply_window_days)
    judged = scored_examples(platform, version, days[0], last)
    measured = judged_calibration(judged)
    gain = None if champion is None else judged_gain(judged, scored_examples(platform, champion, days[0], last))
    spec = platform.scorer(version).feature_spec
    challenger = model_contender(platform, version, examples, pairs)
    incumbent = None if champion is None else model_contender(platform, champion, examples, pairs)
    recruiters = on_examples(examples, human.name, human.scores)
    sides = {"challenger": challenger, "champion": incumbent, "human": recruiters}
    decision = decide_promotion(
        examples,
        challenger,
        incumbent,
        recruiters,
        policies.promotion,
        as_of=day,
        calibration=measured,
        log_loss_gain=gain,
        also_required=required_elsewhere(
            platform, day, version, feature_matrix(pairs, spec, exposure_kind=ORGANIC_EXPOSURE)
        ),
    )
    platform.tables.write_report(PROMOTION_REPORT, day, asdict(decision))
    card = write_card(platform, day, version, decision, measured, days)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(examples.user_ids),
            "outcome": decision.outcome,
            **verdict_glance(decision.comparisons, decision.objective),
            "sentences": sentences(decision.sentences),
            "card": worded_link(platform, card, "the card of this challenger"),
            "model_version": version,
            "champion_version": champion or "none",
            "cohort_users": sum(cohort.cohort_users for cohort in cohorts),
            "users_with_positives": decision.users_with_positives,
            "human_baseline": human.sentence,
            "agreement_of_recruiters": _agreement(human, policies.promotion),
            "rankings": wide_table(_rankings(examples, sides, policies.promotion)),
            **verdict_figures(decision.comparisons, decision.depth, measured, gain),
            "conditions": wide_table([asdict(one) for one in sorted(decision.conditions, key=lambda one: one.is_met)]),
        },
    )


@dg.asset_check(
    asset=keys.EVALUATION,
    description="Green when every condition of the gate is met; a refusal is a warning, not an error.",
)
@says_why
def challenger_may_be_promoted(
    context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.AssetCheckResult:
    """Repeat the verdicts that the gate left."""
    reports = [platform.tables.read_report(PROMOTION_REPORT, day) for day in checked_days(context)]
    return dg.AssetCheckResult(
        passed=all(report["outcome"] == "promoted" for report in reports),
        severity=dg.AssetCheckSeverity.WARN,
        description=" ".join(sentence for report in reports for sentence in report["sentences"]),
    )


ASSETS = [evaluation]
CHECKS = [challenger_may_be_promoted]
