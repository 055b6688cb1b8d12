"""The evaluation: challenger against champion and human, the gate's verdict, the model card.

Belongs here: gathering what the gate judges, and showing its verdict. Does not belong here: the verdict
(`core.training.gate`), acting on it (`promotion`).

Concept: one run judges one challenger; a refusal is a result, not a failure: the run is green and the verdict is an
event. The gate reads its window once per challenger.
"""

from collections.abc import Mapping
from dataclasses import asdict

import dagster as dg

from mlife_assets.components.graph import keys
from mlife_assets.components.graph.ownership import OWNERS
from mlife_assets.components.graph.partitions import DAILY, RANGE_IN_ONE_RUN, only_day
from mlife_assets.components.model.challengers import challenger_version
from mlife_assets.components.model.contenders import gate_day
from mlife_assets.components.model.fairness import day_fairness_conditions
from mlife_assets.components.model.judging import gate_window, judge_challenger
from mlife_assets.components.model.ranking_card import write_card
from mlife_assets.components.model.verdict_check import PROMOTION_REPORT
from mlife_assets.components.platform.model_platform import in_run
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.shown.figures import verdict_figures, verdict_glance
from mlife_assets.components.shown.links import worded_link
from mlife_assets.components.shown.metadata import sentences, table, wide_table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.training.evaluate import evaluate_rankings
from mlife_assets.core.training.gate import Contender, GateExamples
from mlife_assets.core.training.judgement import Human
from mlife_assets.recruiting.panel.baseline import HumanBaseline, panel_agreement

GROUP = "model"


def _agreement(human: HumanBaseline, policy: PromotionPolicy) -> str:
    """Return how far the recruiters behind the baseline agree, in words."""
    if not human.is_panel:
        return "A rule stands in for people, so there is nothing to agree on."
    try:
        return panel_agreement(human.panels, policy).sentence
    except NotEnoughEvidenceError as error:
        return f"No agreement: {error}."


def _rankings(
    examples: GateExamples, contenders: Mapping[str, Contender], policy: PromotionPolicy
) -> list[dict[str, object]]:
    """Return NDCG and recall of each side on the gate's rows; no row where nobody applied."""
    scores = {role: one.scores for role, one in contenders.items()}
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
        keys.FOLD_MODELS,
        keys.FAIRNESS_AUDIT,
        keys.EXPLANATION,
        keys.USER_FEATURES,
        keys.JOB_FEATURES,
        keys.APPLIES,
        keys.EXPOSURES,
        keys.LABELLED_EXAMPLES,
    ],
    kinds={"numpy"},
    description="Challenger against champion and human: who ranks what people were shown by what they applied to.",
    group_name=GROUP,
    partitions_def=DAILY,
    backfill_policy=RANGE_IN_ONE_RUN,
    owners=OWNERS[GROUP],
    tags={"layer": "model"},
)
@says_why
def evaluation(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Run the gate once for the challenger of this day."""
    platform = in_run(platform, context.run.run_id)
    day = only_day(context, platform)
    window = gate_window(platform, day)
    policy, gate = platform.model.promotion, gate_day(platform, day, window.first_day)
    examples, human = gate.rows.examples, gate.human
    version = challenger_version(platform, day)
    judged = judge_challenger(
        platform,
        day,
        window,
        gate.rows,
        Human(human.name, human.scores),
        also_required=day_fairness_conditions(platform, day, version),
    )
    decision, measured = judged.decision, judged.calibration
    platform.tables.write_report(PROMOTION_REPORT, day, asdict(decision) | window.facts)
    card = write_card(platform, day, version, decision, measured, window, gate.days)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(examples.user_ids),
            "outcome": decision.outcome,
            **verdict_glance(decision.comparisons, decision.objective),
            "sentences": sentences(decision.sentences),
            "card": worded_link(platform, card, "the card of this challenger"),
            "model_version": version,
            "champion_version": decision.champion_version or "none",
            "folds": table(window.facts["folds"]),
            "served": table(window.facts["served"]),
            "cohort_users": gate.cohort_users,
            "users_with_positives": decision.users_with_positives,
            "human_baseline": human.sentence,
            "agreement_of_recruiters": _agreement(human, policy),
            "rankings": wide_table(_rankings(examples, judged.contenders, policy)),
            **verdict_figures(decision.comparisons, decision.depth, measured, decision.log_loss_gain),
            "conditions": wide_table([asdict(one) for one in sorted(decision.conditions, key=lambda one: one.is_met)]),
        },
    )


ASSETS = [evaluation]
