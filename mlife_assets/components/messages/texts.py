"""Texts: planned, sent, answered.

Belongs here: the assets of the group `messages`. Does not belong here: who may be texted (`recruiting.messaging`), how
a send survives a crash (`adapters.dispatcher`).

Concept: planning and sending are separate assets. Sending has an effect outside, so it verifies its own gates again
and trusts no check of an earlier run.
"""

from datetime import date, datetime

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.components.graph import keys
from mlife_assets.components.graph.ownership import OWNERS
from mlife_assets.components.graph.partitions import DAILY, RANGE_IN_ONE_RUN, checked_days, only_day
from mlife_assets.components.messages.delivery import deliver, delivery_metadata, require_present_day
from mlife_assets.components.messages.employers import withheld_on
from mlife_assets.components.messages.preview import preview
from mlife_assets.components.messages.sending import (
    EXPOSED_TABLE,
    PLAN_REPORT,
    PLANNED_TABLE,
    SUPPRESSED_TABLE,
    WRITER,
    approved_plan,
    note_plan,
    read_plan,
    require_known_ledger,
)
from mlife_assets.components.monitoring.quality_gate import require_sound_day
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.platform.sealing import seal
from mlife_assets.components.predictions.decision_log import log_predictions
from mlife_assets.components.predictions.scores import SCORES_TABLE
from mlife_assets.components.shown.figures import plan_figures
from mlife_assets.components.shown.metadata import table
from mlife_assets.components.shown.says_why import blocks_and_says_why, says_why
from mlife_assets.core.windows import days_between
from mlife_assets.recruiting.messaging.audience import application_candidates
from mlife_assets.recruiting.messaging.binding import plan_digest
from mlife_assets.recruiting.messaging.cohorts import HOLDOUT
from mlife_assets.recruiting.messaging.eligibility import recent_since
from mlife_assets.recruiting.messaging.events import plan_events
from mlife_assets.recruiting.messaging.job_wordings import refusal_counts
from mlife_assets.recruiting.messaging.plan import MessagePlan, build_plan

GROUP = "messages"
RECENT_SCHEMA = pa.schema([("person_id", pa.string()), ("as_of_date", pa.date32()), ("campaign", pa.string())])


@dg.asset(
    key=keys.MESSAGE_PLAN,
    deps=[keys.USER_JOB_SCORES],
    group_name=GROUP,
    partitions_def=DAILY,
    backfill_policy=RANGE_IN_ONE_RUN,
    owners=OWNERS[GROUP],
    kinds={"parquet"},
    tags={"layer": "decision"},
    description="Who is to be texted which job today, who is not and why. Decides; sends nothing.",
)
@says_why
def message_plan(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Plan the day, log the decision and everything it was chosen from."""
    day = only_day(context, platform)
    require_present_day(platform, day)
    require_sound_day(platform, day)
    require_known_ledger(platform, day)
    policy, now = platform.policies.messaging, platform.sending_time(day)
    users = _with_people(platform, platform.warehouse.read("user_features", as_of=day), now)
    jobs = platform.warehouse.read("job_features", as_of=day)
    scores = platform.tables.read(SCORES_TABLE, day)
    candidates = application_candidates(scores, users, jobs, policy=policy, as_of=day)
    recent = pa.concat_tables(
        [
            platform.ledger.recent_sends(recent_since(day, policy)).select(RECENT_SCHEMA.names).cast(RECENT_SCHEMA),
            _texts_before_the_ledger(platform, recent_since(day, policy), day),
        ]
    )
    plan = build_plan(
        candidates,
        users,
        jobs,
        recent,
        platform.ledger.suppressed_people(at=now),
        policy=policy,
        as_of=day,
        now=now,
        link_key=platform.link_key,
        withheld_employers=withheld_on(platform, day),
    )
    kept = approved_plan(platform, plan)
    logged = _log_and_store(platform, plan, candidates, now) if kept is None else 0
    plan = kept or plan
    note_plan(platform, plan)
    reasons = [{"reason": name, "users": count} for name, count in plan.suppressed_counts.items()]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": plan.planned.num_rows,
            "plan_id": plan.plan_id,
            "plan_digest": plan_digest(plan.planned),
            "is_kept": kept is not None,
            **plan_figures(plan, platform.policies.price),
            "predictions_logged": logged,
            "exploration_users": int(pc.sum(candidates["is_exploration"]).as_py() or 0),
            "not_texted": table(reasons),
            **preview(platform, plan),
        },
    )


@dg.asset_check(asset=keys.MESSAGE_PLAN, blocking=True, description="Green when no holdout user is planned.")
@blocks_and_says_why
def holdout_is_not_planned(
    context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.AssetCheckResult:
    """Look for users of the holdout in the plans as they are stored."""
    planned_holdout = 0
    for plan in (read_plan(platform, day) for day in checked_days(context)):
        holdout = plan.exposed.filter(pc.equal(plan.exposed["arm"], HOLDOUT))["user_id"].combine_chunks()
        planned_holdout += int(pc.sum(pc.is_in(plan.planned["user_id"], value_set=holdout)).as_py() or 0)
    return dg.AssetCheckResult(
        passed=planned_holdout == 0,
        metadata={"planned_holdout_users": planned_holdout},
        description=f"{planned_holdout} users of the holdout are planned." if planned_holdout else None,
    )


def _with_people(platform: Platform, users: pa.Table, now: datetime) -> pa.Table:
    """Register the accounts and append who is behind each."""
    user_ids = users["user_id"].to_pylist()
    contacts = platform.people.register(user_ids, now=now)
    return users.append_column("person_id", pa.array([contacts[user].person_id for user in user_ids], pa.string()))


def _log_and_store(platform: Platform, plan: MessagePlan, candidates: pa.Table, now: datetime) -> int:
    """Log the decision, store it and note its digest; return how many predictions were logged with it."""
    day, texted = plan.as_of_date, pc.unique(plan.planned["user_id"])
    logged = log_predictions(
        platform,
        day,
        candidates.filter(pc.is_in(candidates["user_id"], value_set=texted)),
        plan.planned["prediction_id"],
        now,
        application=plan.campaign,
        policy_version=plan.policy_version,
    )
    for event_type, rows in plan_events(plan, experiment=plan.campaign, now=now).items():
        if rows.num_rows:
            platform.event_log.append(event_type, rows, writer=WRITER)
    seal(platform)
    platform.tables.write(PLANNED_TABLE, day, plan.planned)
    platform.tables.write(SUPPRESSED_TABLE, day, plan.suppressed)
    platform.tables.write(EXPOSED_TABLE, day, plan.exposed)
    platform.tables.write_report(
        PLAN_REPORT,
        day,
        {
            "plan_id": plan.plan_id,
            "policy_version": plan.policy_version,
            "campaign": plan.campaign,
            "refused_jobs": refusal_counts(plan.refused_jobs),
        },
    )
    return logged


def _texts_before_the_ledger(platform: Platform, since: date, until: date) -> pa.Table:
    """Return texts that the event log knows of and the ledger does not: those of other applications and tools."""
    columns = ["user_id", "as_of_date", "campaign"]
    planned = platform.event_log.read("message_planned", start=since, end=until, columns=[*columns, "message_id"])
    own = [row.message_id for day in days_between(since, until) for row in platform.ledger.rows(as_of_date=day)]
    for day in (one for one in platform.tables.days(PLANNED_TABLE) if since <= one <= until):
        own += platform.tables.read(PLANNED_TABLE, day)["message_id"].to_pylist()
    is_own = pc.is_in(planned["message_id"], value_set=pa.array(own, pa.string()))
    others = planned.filter(pc.invert(is_own))
    user_ids = others["user_id"].to_pylist()
    people = platform.ledger.people_of(user_ids)
    person_ids = pa.array([people[user_id] for user_id in user_ids], pa.string())
    return others.append_column("person_id", person_ids).select(RECENT_SCHEMA.names).cast(RECENT_SCHEMA)


@dg.asset(
    key=keys.MESSAGE_DELIVERIES,
    deps=[keys.MESSAGE_PLAN],
    group_name=GROUP,
    partitions_def=DAILY,
    backfill_policy=RANGE_IN_ONE_RUN,
    owners=OWNERS[GROUP],
    kinds={"sqlite"},
    tags={"layer": "effect"},
    description="Texts handed to the gateway through the ledger, each at most once, after approval and re-checks.",
)
@says_why
def message_deliveries(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Send the plan if policy or a person approved it. Without approval nothing is sent and the plan waits."""
    delivery = deliver(platform, only_day(context, platform))
    if delivery.why_not:
        context.log.warning("plan %s is not sent: %s", delivery.plan.plan_id, "; ".join(delivery.why_not))
    return dg.MaterializeResult(metadata=delivery_metadata(platform, delivery))


@dg.asset(
    key=keys.INBOUND_MESSAGES,
    deps=[keys.MESSAGE_DELIVERIES],
    group_name=GROUP,
    partitions_def=DAILY,
    backfill_policy=RANGE_IN_ONE_RUN,
    owners=OWNERS[GROUP],
    kinds={"sqlite"},
    tags={"layer": "raw"},
    description="Receipts and replies of the evening; STOP suppresses at once, ambiguous sends are reconciled.",
)
@says_why
def inbound_messages(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
    """Read what the provider has for us up to the evening of the partition."""
    day = only_day(context, platform)
    require_known_ledger(platform, day)
    now = platform.outcomes_time(day)
    dispatcher = platform.dispatcher(day)
    reconciled = dispatcher.reconcile(now)
    settled = dispatcher.collect_receipts(now)
    inbound = dispatcher.process_inbound(now)
    published = platform.outbox.publish()
    seal(platform)
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": inbound.new,
            "receipts": settled,
            "stops": inbound.stops,
            "reconciled": reconciled.accepted,
            "closed_as_unknown": reconciled.unknown,
            "still_ambiguous": reconciled.still_ambiguous,
            "unreadable_at_the_provider": reconciled.unreadable,
            "keywords": table([{"keyword": name, "texts": count} for name, count in inbound.keywords]),
            "events": table([{"event_type": name, "rows": count} for name, count in published.items()]),
        }
    )


ASSETS = [message_plan, message_deliveries, inbound_messages]
CHECKS = [holdout_is_not_planned]
