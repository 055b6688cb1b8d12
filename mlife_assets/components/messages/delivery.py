"""Sending an application's plan of a day, shared by the asset, the approval job and the command.

Concept: a plan is sent when the policy or a person approved it. An approval ends with its plan, its limits and the day:
everything is checked again before the first text.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote

import dagster as dg

from mlife_assets.adapters.clock import SystemClock
from mlife_assets.adapters.dispatcher.reports import CLOSED_AFTER, DispatchReport
from mlife_assets.adapters.object_store import clocks_apart
from mlife_assets.components.messages.sending import (
    WRITER,
    read_plan,
    require_bound,
    require_known_ledger,
    require_memory,
    unknown_days,
)
from mlife_assets.components.monitoring.quality_gate import quality_report
from mlife_assets.components.shown.figures import sending_figures
from mlife_assets.components.shown.metadata import table
from mlife_assets.components.shown.present import operator_time
from mlife_assets.core.checkup import SKEW_WHILE_SENDING
from mlife_assets.core.errors import GateClosedError, NotFoundError
from mlife_assets.core.ports import Clock
from mlife_assets.core.windows import add_days, day_start, run_time
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.deployments.sealing import seal
from mlife_assets.recruiting.messaging.approve import (
    APPROVED_BY_POLICY,
    WITHIN_LIMITS,
    Approval,
    ApprovedTexts,
    Rejection,
    approve,
    broken_limits,
    plan_digest,
    refusals,
)
from mlife_assets.recruiting.messaging.eligibility import recent_since
from mlife_assets.recruiting.messaging.employer_review import EMPLOYER_REFUSED
from mlife_assets.recruiting.messaging.events import approval_events, rejection_events
from mlife_assets.recruiting.messaging.plan import MessagePlan
from mlife_assets.recruiting.messaging.states import SendState
from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY
from mlife_assets.recruiting.ports import LedgerRow

SET_CLOCK = "set this machine's clock by NTP, then materialize message_deliveries of the day"
APPROVE_JOB, APPROVE_OP = "approve_plan_job", "approve_plan_and_send"
WORKER = "daily"
"""Worker of the first application; each other has its own, whose crash is cleaned up without touching another's."""


@dataclass(frozen=True)
class Delivery:
    """Result of a day's plan.

    Attributes:
        plan: the stored plan.
        why_not: reasons why nothing was sent; empty if it was.
        report: of the dispatch, None when nothing was sent.
        found_at_provider: texts that an earlier, lost attempt had submitted.
        published: rows published by the ledger, by event type.
    """

    plan: MessagePlan
    why_not: tuple[str, ...]
    report: DispatchReport | None
    found_at_provider: int
    published: Mapping[str, int]


def require_present_day(platform: BoardPorts, day: date) -> None:
    """Refuse to plan or send for a day with a later one: its texts would be late and outside the caps."""
    newest = platform.days.newest()
    if newest is not None and day < newest:
        raise GateClosedError(f"{day} is over, {newest} has landed; texts are planned and sent for the newest day only")


def require_true_clock(platform: BoardPorts, day: date) -> None:
    """Refuse to send if the clock is behind the newest send, or minutes off that of the database or bucket.

    Caps, quiet hours and the end of a day depend on it. Only clocks of current writes are compared, since there may be
    no writes for a weekend. A clock other than the machine's belongs to a trial.
    """
    clock = platform.deployment.times.clock
    if clock is None:
        return
    since = recent_since(day, platform.application.policy, platform.policies.contact)
    newest, now = platform.ledger.sends.newest_submission(since), clock.now()
    if now < (newest or day_start(day)) - SKEW_WHILE_SENDING:
        what = f"the last message was sent at {newest:%Y-%m-%d %H:%M} UTC" if newest else f"partition {day} has landed"
        raise GateClosedError(f"the clock says {now:%Y-%m-%d %H:%M} UTC and {what}, so nothing is sent; {SET_CLOCK}")
    apart = _clocks_apart(platform, clock) if isinstance(clock, SystemClock) else timedelta(0)
    if apart > SKEW_WHILE_SENDING:
        raise GateClosedError(
            f"this machine's clock and the one of the database or bucket are {apart.total_seconds() / 60:.0f} minutes "
            f"apart, so nothing is sent; {SET_CLOCK}"
        )


def _clocks_apart(platform: BoardPorts, clock: Clock) -> timedelta:
    """Return the minimum difference to the database's clock, else the bucket's; files have no clock of their own."""
    if platform.home.services.database() is not None:
        from mlife_assets.adapters.database_checkup import clocks_apart as apart_from_server

        with platform.ledger.engine.connect() as connection:
            return apart_from_server(connection, clock.now)
    return timedelta(0) if platform.lake.root is not None else clocks_apart(platform.lake, clock.now)


def why_over(platform: BoardPorts, day: date) -> str | None:
    """Return why it is too late to send a plan of a day; None if it is not, by the clock of real time."""
    if not platform.deployment.times.is_over(day):
        return None
    end = day_start(add_days(day, 1))
    return f"it expired at {end:%Y-%m-%d %H:%M} UTC, when its day was over, and nothing more of it is sent"


def why_outdated(platform: BoardPorts, day: date) -> str | None:
    """Return why a plan must not be sent any more: a person rolled back its model.

    A simulated home sends before any act. In real time an act may be stamped after the day's retraining, which is
    stamped ahead, so every recorded act counts, whatever its time.
    """
    registry = platform.of_model(platform.application.model_name).registry
    reigns = registry.history(platform.times.sending(day) if platform.days.is_simulated else None)
    left = [one for one in reigns if one.kind == "rolled_back" and one.since > run_time(day)]
    if not left or reigns[-1].model_version == registry.champion_at(run_time(day)):
        return None
    return f"{left[-1].actor} rolled its model back after it was made, so nothing more of it is sent"


def quality_verdict(platform: BoardPorts, day: date) -> bool | None:
    """Return whether the day's quality report passed; None if unknown."""
    try:
        return quality_report(platform.of_model(), day).status == "ok"
    except NotFoundError:
        return None


def approved_by_person(platform: BoardPorts, plan: MessagePlan) -> Approval | None:
    """Return a person's approval for the campaign day of a plan; None without one."""
    known = platform.ledger.approvals.of_day(plan.campaign, plan.as_of_date)
    if known is None or known.approved_by == APPROVED_BY_POLICY:
        return None
    return Approval(
        known.plan_id,
        known.campaign,
        known.as_of_date,
        known.planned_count,
        known.approved_by,
        plan.policy_version,
        known.plan_digest,
        known.reason or WITHIN_LIMITS,
    )


def why_it_waits(platform: BoardPorts, plan: MessagePlan) -> tuple[str, ...]:
    """Return every reason why a plan is not sent now; empty if it is."""
    rejection = platform.ledger.approvals.rejection(plan_digest(plan.planned))
    if rejection is not None:
        return (f"{rejection.actor} rejected it: {rejection.reason}",)
    found = (why_over(platform, plan.as_of_date), why_outdated(platform, plan.as_of_date))
    if never := tuple(why for why in found if why is not None):
        return never
    application, contact = platform.application, platform.policies.contact
    if silent := platform.deployment.silent.get(application.channel):
        return (silent,)
    is_quality_ok = quality_verdict(platform, plan.as_of_date)
    if approved_by_person(platform, plan) is not None:
        return broken_limits(plan, application, contact, is_quality_ok=is_quality_ok)
    gateway = platform.home.messengers.gateways[application.channel]
    return refusals(plan, application, contact, gateway, is_quality_ok=is_quality_ok)


def publish_rejection(platform: BoardPorts, rejection: Rejection) -> None:
    """Publish a recorded rejection if the event log lacks it: a restored ledger learns it from there."""
    log, day = platform.event_log, rejection.as_of_date
    logged = log.read("plan_rejected", start=day, columns=["plan_digest"])["plan_digest"].to_pylist()
    if rejection.plan_digest not in logged:
        now = max(operator_time(platform.of_model()), platform.times.sending(day))
        log.append("plan_rejected", rejection_events(rejection, now=now), writer=WRITER)


def deliver(platform: BoardPorts, day: date) -> Delivery:
    """Send the plan of a day, or return why it waits.

    Raises:
        GateClosedError: the day is over, or plan, approval and ledger do not match; nothing was sent.
    """
    require_present_day(platform, day)
    require_true_clock(platform, day)
    now = platform.times.sending(day)
    require_known_ledger(platform, day)
    plan = read_plan(platform, day)
    why_not = why_it_waits(platform, plan)
    if why_not:
        rejection = platform.ledger.approvals.rejection(plan_digest(plan.planned))
        if rejection is not None:
            publish_rejection(platform, rejection)
            seal(platform.home)
        return Delivery(plan, why_not, None, 0, _expired(platform, day, now))
    refused = require_bound(platform, plan)
    approval = approved_by_person(platform, plan)
    if approval is None:
        approval = approve(
            plan,
            platform.application,
            platform.policies.contact,
            platform.home.messengers.gateways[platform.application.channel],
            is_quality_ok=quality_verdict(platform, day),
        )
    require_memory(platform, day, reason=approval.reason)
    earlier = unknown_days(platform, day)
    is_first = record_approval(platform, approval, now=now)
    platform.ledger.plan(_ledger_rows(plan, now), now=now)
    platform.ledger.approve(plan.campaign, day, now=now)
    platform.settings.memory.keep_providers()
    dispatcher = platform.dispatcher(day, verify=ApprovedTexts.of(plan).require)
    from mlife_assets.adapters.restored_backups import RESTORED

    asks = (platform.settings.private_folder / RESTORED).exists() or not is_first or earlier
    found = dispatcher.find_forgotten(plan.campaign, day, now, earlier) if asks else 0
    dispatcher.process_inbound(now)  # an unread STOP counts, too
    held = sum(platform.ledger.suppress_send(one, now=now, reason=EMPLOYER_REFUSED) for one in refused)
    worker = WORKER if plan.campaign == JOB_OF_THE_DAY else f"{WORKER}_{plan.campaign}"
    report = dispatcher.dispatch(day, worker=worker)
    if held:
        report = replace(report, suppressed=(*report.suppressed, (EMPLOYER_REFUSED, held)))
    published = platform.home.messengers.outbox.publish()
    seal(platform.home)
    return Delivery(plan, (), report, found, published)


def record_approval(platform: BoardPorts, approval: Approval, *, now: datetime) -> bool:
    """Put an approval into the ledger, then into the log with the time of its first record."""
    is_first = platform.ledger.approvals.record(approval, now=now)
    known = platform.ledger.approvals.of_day(approval.campaign, approval.as_of_date)
    at = now if known is None else known.at
    platform.event_log.append("plan_approved", approval_events(approval, now=at), writer=WRITER)
    return is_first


def _expired(platform: BoardPorts, day: date, now: datetime) -> Mapping[str, int]:
    """Close the unsent messages of a day that is long over; returns the published rows by event type."""
    if why_over(platform, day) is None:
        return {}
    platform.ledger.expire(platform.application.name, min(add_days(day, 1), (now - CLOSED_AFTER).date()), now=now)
    published = platform.home.messengers.outbox.publish()
    seal(platform.home)
    return published


def require_sent(delivery: Delivery) -> None:
    """Raise GateClosedError if every text of an approved delivery was held back, since its approver expects sends."""
    report = delivery.report
    why = "; ".join(delivery.why_not) if report is None else report.stopped_by
    if why and (report is None or not report.accepted):
        plan = delivery.plan
        raise GateClosedError(
            f"plan {plan.plan_id} is approved, but none of its texts was sent: {why.replace('_', ' ')}; once that is "
            f"over, materialize message_deliveries of {plan.as_of_date}"
        )


def delivery_metadata(platform: BoardPorts, delivery: Delivery) -> dict[str, Any]:
    """Return the UI's metadata of a delivery."""
    report = delivery.report
    if report is None:
        return {
            "dagster/row_count": 0,
            "approved": False,
            "why_not": "; ".join(delivery.why_not),
            "plan_digest": plan_digest(delivery.plan.planned),
            "approve": approval_link(delivery.plan),
        }
    return {
        "dagster/row_count": report.accepted,
        "approved": True,
        **sending_figures(
            platform.ledger.sends.rows(campaign=delivery.plan.campaign, as_of_date=delivery.plan.as_of_date),
            platform.policies.price,
        ),
        **{name: value for name, value in asdict(report).items() if isinstance(value, int)},
        "found_at_provider": delivery.found_at_provider,
        "stopped_by": report.stopped_by or "nothing",
        "suppressed_at_send": table([{"reason": r, "texts": n} for r, n in report.suppressed]),
        "events": table([{"event_type": name, "rows": count} for name, count in delivery.published.items()]),
    }


def approval_link(plan: MessagePlan) -> dg.MarkdownMetadataValue:
    """Return the link to the Launchpad with the config of an approval; only a name and a reason are missing."""
    named = {"application": plan.campaign, "plan_digest": plan_digest(plan.planned), "actor": "''", "reason": "''"}
    lines = [f"      {name}: {value}" for name, value in named.items()]
    config = "\n".join(["ops:", f"  {APPROVE_OP}:", "    config:", *lines])
    place = f"/locations/mlife/jobs/{APPROVE_JOB}/playground/setup?config={quote(config, safe='')}"
    return dg.MetadataValue.md(f"[approve this plan: fill in your name and a reason]({place})")


def _ledger_rows(plan: MessagePlan, now: datetime) -> list[LedgerRow]:
    return [
        LedgerRow(
            message_id=row["message_id"],
            user_id=row["user_id"],
            job_id=row["job_id"],
            campaign=row["campaign"],
            as_of_date=row["as_of_date"],
            body=row["body"],
            state=SendState.PLANNED,
            attempts=0,
            provider_message_id=None,
            updated_at=now,
            channel=plan.channel,
        )
        for row in plan.planned.to_pylist()
    ]
