"""The evaluation: challenger against champion and human, the gate's verdict, the model card.

Concept: one run judges one challenger; a refusal is a result, not a failure: the run is green and the verdict is an
event. The gate reads its window once per challenger.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date

import dagster as dg

from mlife_assets.components.graph import keys
from mlife_assets.components.graph.partitions import daily_asset, only_day
from mlife_assets.components.model.cards import folds_of_window, limits_of
from mlife_assets.components.model.challengers import PROMOTION_REPORT, challenger_version
from mlife_assets.components.model.contenders import gate_day
from mlife_assets.components.model.explanation import stored_pictures
from mlife_assets.components.model.fairness import FAIRNESS_REPORT, day_fairness_conditions
from mlife_assets.components.model.judging import gate_window, judge_challenger
from mlife_assets.components.shown.figures import verdict_figures, verdict_glance
from mlife_assets.components.shown.metadata import sentences, table, wide_table, worded_link
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.errors import NotEnoughEvidenceError, NotFoundError
from mlife_assets.core.pages.document import card_key, nav
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.training.evaluate import evaluate_rankings
from mlife_assets.core.training.fairness.results import FairnessAudit
from mlife_assets.core.training.folds import GateWindow
from mlife_assets.core.training.gate import Contender, GateExamples, PromotionDecision
from mlife_assets.core.training.judgement import Human
from mlife_assets.core.training.model_card.describe import describe_model
from mlife_assets.core.training.model_card.facts import CardSubject, CardWindow
from mlife_assets.core.training.model_card.page import render_model_card
from mlife_assets.core.training.reliability import Calibration
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.recruiting.panel.baseline import HumanBaseline, panel_agreement

GROUP = "model"


def _agreement(human: HumanBaseline, policy: PromotionPolicy) -> str:
    if not human.is_panel:
        return "A rule stands in for people, so there is nothing to agree on."
    try:
        return panel_agreement(human.panels, policy).sentence
    except NotEnoughEvidenceError as error:
        return f"No agreement: {error}."


def _rankings(
    examples: GateExamples, contenders: Mapping[str, Contender], policy: PromotionPolicy
) -> list[dict[str, object]]:
    """Return NDCG and recall of each side on the gate's rows; empty without an apply."""
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
    description="Challenger against champion and human: whose ranking of the shown jobs fits the applications best.",
    **daily_asset(GROUP, "model"),
)
@says_why
def evaluation(context: dg.AssetExecutionContext, platform: dg.ResourceParam[BoardPorts]) -> dg.MaterializeResult:
    """Run the gate once for the challenger of this day."""
    platform = platform.in_run(context.run.run_id)
    day = only_day(context, platform.of_model())
    window = gate_window(platform.of_model(), day)
    policy, gate = platform.of_model().model.promotion, gate_day(platform, day, window.first_day)
    examples, human = gate.rows.examples, gate.human
    version = challenger_version(platform.of_model(), day)
    judged = judge_challenger(
        platform.of_model(),
        day,
        window,
        gate.rows,
        Human(human.name, human.scores, "the human"),
        also_required=day_fairness_conditions(platform, day, version),
    )
    decision, measured = judged.decision, judged.calibration
    platform.tables.write_report(PROMOTION_REPORT, day, asdict(decision) | window.facts | dict(judged.facts))
    card = write_card(platform, day, version, decision, measured, window, gate.days)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(examples.user_ids),
            "outcome": decision.outcome,
            **verdict_glance(decision.comparisons, decision.objective),
            "sentences": sentences(decision.sentences),
            "card": worded_link(platform.home, card, "the card of this challenger"),
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


def write_card(
    platform: BoardPorts,
    day: date,
    version: str,
    decision: PromotionDecision,
    calibration: Calibration | None,
    window: GateWindow,
    gate_days: Sequence[date],
) -> str:
    """Write the card of the challenger of `day`; returns its key in the lake."""
    gate = CardWindow("gate", gate_days[0], gate_days[-1], f"ranked on {len(gate_days)} days, a week apart")
    card = describe_model(
        platform.of_model().registry.load(version),
        _subject(platform),
        as_of=day,
        decision=decision,
        calibration=calibration,
        fairness=_audit(platform, day, version),
        pictures=stored_pictures(platform.of_model(), day, version),
        windows=(gate, *folds_of_window(window)),
    )
    return platform.of_model().registry.put_card(version, render_model_card(card, nav(card_key(version))))


def _subject(platform: BoardPorts) -> CardSubject:
    label = platform.policies.label
    return CardSubject(
        title="Who applies to which job",
        purpose=(
            "It ranks the open jobs near a person, to text one of them.",
            "It must not decide who is hired, what a person is paid, or who may see a job at all.",
        ),
        outcome_name="a person who is shown a job applies to it",
        data=(
            ("an apply counts", f"within {label.apply_window_days} days of the exposure"),
            ("a click counts", f"within {label.click_window_days} days"),
            ("a hire counts", f"within {label.hire_window_days} days"),
        ),
        limits=limits_of(platform.of_model()),
        feature_words=platform.of_model().model.words,
        measure_words={
            "selection": "Selection: who would be written to",
            "exposure": "Exposure: who is shown the well-paid",
        },
        policies={
            "promotion": platform.of_model().model.promotion,
            "label": label,
            "candidates": platform.policies.candidates,
        },
    )


def _audit(platform: BoardPorts, day: date, version: str) -> FairnessAudit | None:
    try:
        audit = FairnessAudit.from_report(platform.tables.read_report(FAIRNESS_REPORT, day))
    except NotFoundError:
        return None
    return audit if audit.model_version == version else None
