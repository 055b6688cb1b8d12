"""Fairness: the audit of the challenger, and the only reader of protected attributes.

Concept: two audits. The model to serve is audited on the people whom it would serve today: impact needs no outcome, so
its training data do not matter. And its recipe is audited as the gate judged it, on the gate's weeks: each user once,
in a week drawn by a hash, by the model of that week's fold, so that users stay independent and the bounds hold.
Protected attributes are read here, joined in memory with the model's effect on each user, and leave as aggregates: no
table, report, event or metadata holds them by user. Selection is approximated: the best `maximum_messages_per_day`
users by their best candidate, before eligibility, bids and openings, which are the same for every model.
"""

from collections.abc import Sequence
from dataclasses import fields
from datetime import date

import dagster as dg
import numpy as np
import pyarrow as pa

from mlife_assets.components.graph import keys
from mlife_assets.components.graph.partitions import checked_days, daily_asset, only_day
from mlife_assets.components.model.challengers import challenger_version
from mlife_assets.components.model.out_of_sample import stored_folds
from mlife_assets.components.model.training_inputs import is_by_folds
from mlife_assets.components.monitoring.inputs import scoring_matrix
from mlife_assets.components.monitoring.quality_gate import quarantined_days
from mlife_assets.components.shown.figures import condition_figures, impact_figures
from mlife_assets.components.shown.metadata import plot, sentences, wide_table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.ids import unit_interval
from mlife_assets.core.training.fairness.audit import UserOutcomes, audit_fairness, fairness_condition, user_outcomes
from mlife_assets.core.training.fairness.results import FairnessAudit, plot_impact_ratios
from mlife_assets.core.training.folds import Fold, until
from mlife_assets.core.training.gate_examples import Condition
from mlife_assets.core.training.training_set import gate_days
from mlife_assets.core.windows import add_days
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.recruiting.candidates import candidate_pairs
from mlife_assets.recruiting.features import pair_features
from mlife_assets.recruiting.messaging.audience import reachable_users

GROUP = "model"
FAIRNESS_REPORT, FOLDS_REPORT = "fairness", "fairness_by_folds"


def audited_users(platform: BoardPorts, day: date) -> pa.Table:
    """Return the users whom a day's texts can reach: everybody is scored, but only these are served."""
    return reachable_users(platform.warehouse.read("user_features", as_of=day))


def audited_pairs(platform: BoardPorts, day: date, users: pa.Table) -> pa.Table:
    """Return the pairs of `users` on a day, with features: their rows of the asset `candidate_pairs`.

    They are computed from the marts, because the first challenger is trained before any day was scored.
    """
    jobs = platform.warehouse.read("job_features", as_of=day)
    return pair_features(candidate_pairs(users, jobs, day, platform.policies.candidates))


def audit_model(platform: BoardPorts, model_version: str, day: date) -> FairnessAudit:
    """Return the audit of a model on the candidates of a day."""
    pairs = audited_pairs(platform, day, audited_users(platform, day))
    budget = platform.application.policy.maximum_messages_per_day
    return _audit(platform, model_version, [_outcomes(platform, model_version, pairs, budget)])


def audit_folds(platform: BoardPorts, model_version: str, day: date) -> FairnessAudit | None:
    """Return the audit of the folds of a day's challenger; None if no fold covers a sound day of the gate.

    Each user is drawn for one of the gate's sound ranking days and is a candidate there as on any other day; the number
    selected is proportional to their share of all candidates.
    """
    ranked = _ranked_days(platform, model_version, day)
    faulty = quarantined_days(platform.of_model(), [one for one, _ in ranked])
    asked = [(one, fold) for one, fold in ranked if one not in faulty]
    if not asked:
        return None
    budget, seed = platform.application.policy.maximum_messages_per_day, platform.of_model().model.promotion.seed
    found = []
    for place, (one, fold) in enumerate(asked):
        users = audited_users(platform, one)
        drawn = [int(unit_interval("fold", seed, user) * len(asked)) == place for user in users["user_id"].to_pylist()]
        own = users.filter(pa.array(drawn, pa.bool_()))
        share = own.num_rows / max(1, users.num_rows)
        pairs = audited_pairs(platform, one, own)
        found.append(_outcomes(platform, fold.model_version, pairs, round(budget * share)))
    return _audit(platform, model_version, found)


def _ranked_days(platform: BoardPorts, model_version: str, day: date) -> list[tuple[date, Fold]]:
    """Return the gate's ranking days, oldest first, each with its fold."""
    model, folds = platform.of_model().model, stored_folds(platform.of_model(), day, model_version)
    ranked = gate_days(day, model.label_step.maturity_days, model.promotion)
    return [(one, begun[-1]) for one in ranked if (begun := until(folds, add_days(one, 1)))]


def _without_sound_day(platform: BoardPorts, model_version: str, day: date) -> str | None:
    """Return why no audit by folds is possible, if every ranking day of the gate is quarantined; else None."""
    days = [one for one, _ in _ranked_days(platform, model_version, day)]
    if not days or set(quarantined_days(platform.of_model(), days)) != set(days):
        return None
    return (
        f"Nobody can be audited, since every day that the gate ranks is quarantined ({', '.join(map(str, days))}). "
        "Repair one of these days, materialize its data_quality_report, then fairness_audit and evaluation of this "
        "day; or train on another day of the week, whose gate ranks other days."
    )


def _outcomes(platform: BoardPorts, model_version: str, pairs: pa.Table, budget: int) -> UserOutcomes:
    scorer, policy = platform.of_model().scorers.of(model_version), platform.of_model().model.promotion
    scores = scorer.score(scoring_matrix(platform.of_model(), pairs, scorer.feature_spec))
    return user_outcomes(
        pairs["user_id"],
        pairs["job_id"],
        scores.probability,
        pairs["pay_usd_per_hour"].to_numpy(),
        budget=budget,
        depth=policy.ranking_depth,
        seed=policy.seed,
    )


def _audit(platform: BoardPorts, model_version: str, parts: Sequence[UserOutcomes]) -> FairnessAudit:
    names = [field.name for field in fields(UserOutcomes)]
    outcomes = UserOutcomes(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
    groups = platform.home.private.audit_attributes.groups_of(outcomes.user_ids.tolist())
    return audit_fairness(
        model_version,
        outcomes,
        np.array(groups.sex, dtype=object),
        np.array(groups.race_ethnicity, dtype=object),
        platform.of_model().model.promotion,
    )


def day_fairness_conditions(platform: BoardPorts, day: date, model_version: str) -> tuple[Condition, ...]:
    """Return the gate's conditions on a challenger from the day's reports; a missing report refuses."""
    found = [fairness_condition(_stored(platform, FAIRNESS_REPORT, day), model_version)]
    if is_by_folds(platform.of_model().model):
        audit = _stored(platform, FOLDS_REPORT, day)
        condition = fairness_condition(audit, model_version)
        why = None
        if audit is None or audit.model_version != model_version:  # another audit of the day would not help
            why = _without_sound_day(platform, model_version, day)
        name, sentence = f"{condition.name}_by_folds", f"On the weeks of the folds: {why or condition.sentence}"
        found.append(Condition(name, condition.is_met, sentence))
    return tuple(found)


def _stored(platform: BoardPorts, report: str, day: date) -> FairnessAudit | None:
    try:
        return FairnessAudit.from_report(platform.tables.read_report(report, day))
    except NotFoundError:
        return None


@dg.asset(
    key=keys.FAIRNESS_AUDIT,
    deps=[keys.CANDIDATE_MODEL, keys.FOLD_MODELS, keys.USER_FEATURES, keys.JOB_FEATURES],
    kinds={"numpy"},
    description="Impact ratios of the challenger by sex, race or ethnicity and both: selection, scoring and exposure.",
    **daily_asset(GROUP, "model"),
)
@says_why
def fairness_audit(context: dg.AssetExecutionContext, platform: dg.ResourceParam[BoardPorts]) -> dg.MaterializeResult:
    """Audit the challenger of this day and leave aggregates only."""
    platform = platform.in_run(context.run.run_id)
    day = only_day(context, platform.of_model())
    version = challenger_version(platform.of_model(), day)
    audit = audit_model(platform, version, day)
    platform.tables.write_report(FAIRNESS_REPORT, day, audit.to_report())
    by_folds = audit_folds(platform, version, day)
    if by_folds is not None:
        platform.tables.write_report(FOLDS_REPORT, day, by_folds.to_report())
    conditions = day_fairness_conditions(platform, day, version)
    by_attribute = {
        f"impact_by_{name}": wide_table([row for row in audit.records() if row["attribute"] == name])
        for name in dict.fromkeys(one.attribute for one in audit.tables)
    }
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(audit.records()),
            "model_version": version,
            "users": audit.users,
            "selected_users": min(audit.users, platform.application.policy.maximum_messages_per_day),
            **impact_figures(audit),
            "sentences": sentences([*(one.sentence for one in conditions), *audit.notes]),
            "impact_ratios": plot(plot_impact_ratios(audit), "impact ratios with intervals"),
            **(
                {}
                if by_folds is None
                else {"impact_ratios_by_folds": plot(plot_impact_ratios(by_folds), "impact ratios by folds")}
            ),
            **by_attribute,
        },
    )


@dg.asset_check(
    asset=keys.FAIRNESS_AUDIT,
    description="Green unless the interval of an impact ratio, of the challenger or of its folds, lies below the "
    "minimum, or none can be judged.",
)
@says_why
def impact_ratios_are_not_proven_low(
    context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[BoardPorts]
) -> dg.AssetCheckResult:
    """Judge the audits that were left, as the gate does."""
    conditions = [
        condition
        for day in checked_days(context)
        for condition in day_fairness_conditions(platform, day, challenger_version(platform.of_model(), day))
    ]
    return dg.AssetCheckResult(
        passed=all(condition.is_met for condition in conditions),
        severity=dg.AssetCheckSeverity.WARN,
        description=" ".join(condition.sentence for condition in conditions),
        metadata=condition_figures(condition.is_met for condition in conditions),
    )


ASSETS = [fairness_audit]
CHECKS = [impact_ratios_are_not_proven_low]
