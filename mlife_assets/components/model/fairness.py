"""Fairness: the audit of the challenger, and the only reader of protected attributes.

Belongs here: the asset `fairness_audit` and the condition that the gate reads. Does not belong here: the measures and
the rule (`core.training.fairness`).

Concept: protected attributes are read here, joined with what the model does to each user in memory, and leave as
aggregates: no table, report, event or metadata holds them by user. Selection is approximated: the best
`maximum_messages_per_day` users by their best candidate, before eligibility, bids and openings, which are the same
whichever model is audited.
"""

from datetime import date
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from mlife_assets.components.graph import keys
from mlife_assets.components.graph.ownership import OWNERS
from mlife_assets.components.graph.partitions import DAILY, RANGE_IN_ONE_RUN, checked_days, only_day
from mlife_assets.components.model.contenders import challenger_version
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.predictions.scores import MESSAGE_EXPOSURE, reachable_pairs, reachable_users
from mlife_assets.components.shown.figures import impact_figures
from mlife_assets.components.shown.metadata import plot, sentences, wide_table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.training.fairness import (
    FairnessAudit,
    audit_fairness,
    fairness_condition,
    plot_impact_ratios,
    user_outcomes,
)
from mlife_assets.core.training.gate_examples import Condition
from mlife_assets.recruiting.features import feature_matrix

GROUP = "model"
FAIRNESS_REPORT = "fairness"


def audited_pairs(platform: Platform, day: date) -> pa.Table:
    """Return the pairs of who may be texted on a day, with features: those of the asset `candidate_pairs`.

    They are found again from the marts, because the first challenger is trained before any day was scored.
    """
    return reachable_pairs(platform, day, reachable_users(platform, day))


def audit_model(platform: Platform, model_version: str, day: date) -> FairnessAudit:
    """Return the audit of a model on the candidates of a day."""
    pairs = audited_pairs(platform, day)
    scorer, policy = platform.scorer(model_version), platform.policies.promotion
    scores = scorer.score(feature_matrix(pairs, scorer.feature_spec, exposure_kind=MESSAGE_EXPOSURE))
    outcomes = user_outcomes(
        pairs["user_id"],
        pairs["job_id"],
        scores.probability,
        pairs["pay_usd_per_hour"].to_numpy(),
        budget=platform.policies.messaging.maximum_messages_per_day,
        depth=policy.ranking_depth,
        seed=policy.seed,
    )
    groups = platform.audit_attributes.groups_of(outcomes.user_ids.tolist())
    return audit_fairness(
        model_version,
        outcomes,
        np.array(groups.sex, dtype=object),
        np.array(groups.race_ethnicity, dtype=object),
        policy,
    )


def day_fairness_condition(platform: Platform, day: date, model_version: str) -> Condition:
    """Return the gate's condition on a challenger from the day's report; no report is a refusal."""
    try:
        report: dict[str, Any] = platform.tables.read_report(FAIRNESS_REPORT, day)
    except NotFoundError:
        return fairness_condition(None, model_version)
    return fairness_condition(FairnessAudit.from_report(report), model_version)


@dg.asset(
    key=keys.FAIRNESS_AUDIT,
    deps=[keys.CANDIDATE_MODEL, keys.USER_FEATURES, keys.JOB_FEATURES],
    group_name=GROUP,
    partitions_def=DAILY,
    backfill_policy=RANGE_IN_ONE_RUN,
    owners=OWNERS[GROUP],
    kinds={"numpy"},
    tags={"layer": "model"},
    description="Impact ratios of the challenger by sex, race or ethnicity and both: selection, scoring and exposure.",
)
@says_why
def fairness_audit(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Audit the challenger of this day and leave aggregates only."""
    day = only_day(context, platform)
    version = challenger_version(platform, day)
    audit = audit_model(platform, version, day)
    platform.tables.write_report(FAIRNESS_REPORT, day, audit.to_report())
    condition = fairness_condition(audit, version)
    by_attribute = {
        f"impact_by_{name}": wide_table([row for row in audit.records() if row["attribute"] == name])
        for name in dict.fromkeys(one.attribute for one in audit.tables)
    }
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(audit.records()),
            "model_version": version,
            "users": audit.users,
            "selected_users": min(audit.users, platform.policies.messaging.maximum_messages_per_day),
            **impact_figures(audit),
            "sentences": sentences([condition.sentence, *audit.notes]),
            "impact_ratios": plot(plot_impact_ratios(audit), "impact ratios with intervals"),
            **by_attribute,
        },
    )


@dg.asset_check(
    asset=keys.FAIRNESS_AUDIT,
    description="Green unless the interval of an impact ratio lies below the minimum, or none can be judged.",
)
@says_why
def impact_ratios_are_not_proven_low(
    context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.AssetCheckResult:
    """Judge the audits that were left, as the gate does."""
    conditions = [
        day_fairness_condition(platform, day, challenger_version(platform, day)) for day in checked_days(context)
    ]
    return dg.AssetCheckResult(
        passed=all(condition.is_met for condition in conditions),
        severity=dg.AssetCheckSeverity.WARN,
        description=" ".join(condition.sentence for condition in conditions),
    )


ASSETS = [fairness_audit]
CHECKS = [impact_ratios_are_not_proven_low]
