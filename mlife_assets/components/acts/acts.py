"""Decisions of people: approving a plan, pausing all sending, rolling a model back.

Concept: an act is committed first and then published to the log. A repeated act on a plan or on sending changes
nothing, but is published if an earlier attempt failed. An act has the present time of its home (`present`); an approval
has the time at which the day starts to send, because texts must follow it.

The identity is config without a default, so the launchpad asks for it and the run keeps it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

import dagster as dg
from pydantic import Field

from mlife_assets.adapters.home_files import require_restored
from mlife_assets.components.acts.rollback import roll_back
from mlife_assets.components.graph.application_graph import ApplicationGraph
from mlife_assets.components.messages.delivery import (
    APPROVE_JOB,
    deliver,
    delivery_metadata,
    publish_rejection,
    quality_verdict,
    record_approval,
    require_present_day,
    require_sent,
    require_true_clock,
    why_it_waits,
    why_outdated,
    why_over,
)
from mlife_assets.components.messages.sending import (
    PLAN_REPORT,
    read_plan,
    require_bound,
    require_known_ledger,
    require_memory,
)
from mlife_assets.components.shown.present import operator_time
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.errors import GateClosedError, InvalidInputError, NotFoundError
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.deployments.sealing import seal
from mlife_assets.recruiting.application import EVERYTHING
from mlife_assets.recruiting.instances import application_named
from mlife_assets.recruiting.kept_words import kept_words
from mlife_assets.recruiting.messaging.approve import (
    Approval,
    Rejection,
    approve_by_person,
    plan_digest,
    require_digest,
    require_not_rejected,
)
from mlife_assets.recruiting.messaging.plan import MessagePlan

FOLLOWED = "other days followed before anybody approved it"


@dataclass(frozen=True)
class Switched:
    """State of sending after an act; `at` is None if nothing changed."""

    is_paused: bool
    at: datetime | None
    published: Mapping[str, int]


@dataclass(frozen=True)
class PlanStanding:
    """State of the newest plan.

    Attributes:
        plan: the stored plan.
        digest: of its texts; a decision names the plan by it.
        state: `waits`, `approved`, `rejected`, or `over` if its day ended before approval.
        why_not: reasons why it is not sent automatically; empty unless it waits or is over.
        actor, reason: of the approval or rejection; None without one.
        sends: rows of the ledger of its day, by state.
    """

    plan: MessagePlan
    digest: str
    state: Literal["waits", "approved", "rejected", "over"]
    why_not: tuple[str, ...]
    actor: str | None
    reason: str | None
    sends: Mapping[str, int]


def plan_standing(platform: BoardPorts) -> PlanStanding:
    """Return the state of the newest plan of the application of `platform`.

    Raises:
        NotFoundError: there is no plan.
    """
    plan = newest_plan(platform)
    digest, day = plan_digest(plan.planned), plan.as_of_date
    sends = platform.ledger.sends.state_counts(day)
    counts = {state: count for (campaign, state), count in sends.items() if campaign == plan.campaign}
    approvals = platform.ledger.approvals
    approval, rejection = approvals.of_day(plan.campaign, day), approvals.rejection(digest)
    if approval is not None and approval.plan_digest == digest:
        return PlanStanding(plan, digest, "approved", (), approval.approved_by, approval.reason, counts)
    if rejection is not None:
        return PlanStanding(plan, digest, "rejected", (), rejection.actor, rejection.reason, counts)
    if day < (platform.days.newest() or day):
        return PlanStanding(plan, digest, "over", (FOLLOWED,), None, None, counts)
    if (why := why_over(platform, day)) is not None:
        return PlanStanding(plan, digest, "over", (why,), None, None, counts)
    return PlanStanding(plan, digest, "waits", why_it_waits(platform, plan), None, None, counts)


def newest_plan(platform: BoardPorts) -> MessagePlan:
    """Return the application's newest plan. Raises NotFoundError if there is none."""
    days = platform.application_tables.report_days(PLAN_REPORT)
    if not days:
        raise NotFoundError("no plan was made yet; run daily_lifecycle_job (or `mlife day`) first")
    return read_plan(platform, days[-1])


def approve_plan(platform: BoardPorts, named: str, *, actor: str, reason: str) -> Approval:
    """Record that a person approves the newest plan, named by its digest; sends nothing yet.

    Raises:
        GateClosedError: another plan was named, or it breaks a limit, was changed or rejected, or is over.
    """
    actor, reason = kept_words("actor", actor), kept_words("reason", reason)
    plan = newest_plan(platform)
    require_not_rejected(platform.ledger.approvals.rejection(require_digest(plan, named)))
    require_present_day(platform, plan.as_of_date)
    require_true_clock(platform, plan.as_of_date)
    never = (why_over(platform, plan.as_of_date), why_outdated(platform, plan.as_of_date))
    if why := "; ".join(one for one in never if one is not None):
        raise GateClosedError(f"plan {plan.plan_id} of {plan.as_of_date} is not approved: {why}")
    require_known_ledger(platform, plan.as_of_date)
    require_bound(platform, plan)
    require_memory(platform, plan.as_of_date, reason=reason)
    approval = approve_by_person(
        plan,
        platform.application,
        platform.policies.contact,
        actor=actor,
        reason=reason,
        is_quality_ok=quality_verdict(platform, plan.as_of_date),
    )
    now = platform.times.sending(plan.as_of_date)
    known = platform.ledger.approvals.of_day(plan.campaign, plan.as_of_date)
    if known is not None and known.plan_digest == approval.plan_digest and known.approved_by != actor:
        raise GateClosedError(
            f"plan {plan.plan_id} was approved by {known.approved_by} already; materialize message_deliveries of "
            f"{plan.as_of_date} to send what waits"
        )
    if known is not None and known.plan_digest == approval.plan_digest:
        approval = replace(approval, reason=known.reason or reason)  # the first reason stays, in ledger and log alike
    record_approval(platform, approval, now=now)
    seal(platform.home)
    return approval


def reject_plan(platform: BoardPorts, named: str, *, actor: str, reason: str) -> Rejection:
    """Record that the newest plan, named by its digest, is never sent. Planning the day again may make another plan.

    Raises:
        GateClosedError: another plan was named, or it was approved.
        IntegrityError: the ledger does not match the event log, so an approval might be missing.
    """
    actor, reason = kept_words("actor", actor), kept_words("reason", reason)
    plan = newest_plan(platform)
    digest = require_digest(plan, named)
    if not plan.planned.num_rows:  # all empty plans have the same digest, on later days too
        raise InvalidInputError(f"plan {plan.plan_id} of {plan.as_of_date} has no texts, so there is nothing to reject")
    require_known_ledger(platform, plan.as_of_date)
    now = max(operator_time(platform.of_model()), platform.times.sending(plan.as_of_date))
    rejection = Rejection(plan.plan_id, plan.campaign, plan.as_of_date, digest, actor, reason)
    platform.ledger.approvals.record_rejection(rejection, now=now)
    first = platform.ledger.approvals.rejection(digest) or rejection
    publish_rejection(platform, first)
    seal(platform.home)
    return first


def switch_sending(
    platform: BoardPorts, *, pauses: bool, actor: str, reason: str, application: str = EVERYTHING
) -> Switched:
    """Pause or resume all sending or that of one application, including messages in flight.

    Raises:
        InvalidInputError: no such application.
        GateClosedError: one application is resumed while all sending is paused; or a restore of the home has not ended.
    """
    require_restored(platform.settings.private_folder)
    actor, reason = kept_words("actor", actor), kept_words("reason", reason)
    if application:
        application_named(platform.home.applications, application)
    ledger, now = platform.ledger, operator_time(platform.of_model())
    if application and not pauses and ledger.switches.is_paused():
        raise GateClosedError(f"all sending is paused, that of {application} with it; resume without an application")
    is_changed = ledger.switches.is_paused(application) != pauses
    if is_changed:
        change = ledger.switches.pause if pauses else ledger.switches.resume
        change(actor=actor, reason=reason, now=now, campaign=application)
    published = platform.home.messengers.outbox.publish()
    seal(platform.home)
    return Switched(pauses, now if is_changed else None, published)


class Identity(dg.Config):
    """Actor and reason; both are kept in the event log for ever."""

    actor: str = Field(min_length=1, description="Who you are: a name, no phone number.")
    reason: str = Field(min_length=1, description="Why, in a few words; no phone number.")


class SwitchIdentity(Identity):
    """Actor, reason and scope of pausing or resuming."""

    application: str = Field(default="", description="One application alone; empty: all sending.")


class PlanIdentity(Identity):
    """Actor, reason and plan of a decision."""

    application: str = Field(default="", description="Whose plan; empty: the first application's.")

    plan_digest: str = Field(
        description="The plan that you looked at: plan_digest of messages/message_plan, 12 characters or more."
    )


class RollbackIdentity(Identity):
    """Actor, reason and models of a rollback."""

    serving: str = Field(
        min_length=8, description="The model that serves now, as the dashboard names it; 8 characters or more."
    )
    to: str | None = Field(default=None, description="An earlier champion or its first letters; empty: the one before.")


@dg.op(description="Approves the newest plan and sends it, as materializing message_deliveries would.")
@says_why
def approve_plan_and_send(
    context: dg.OpExecutionContext, config: PlanIdentity, platform: dg.ResourceParam[BoardPorts]
) -> None:
    """Record the approval, send, and record that the day's deliveries were made."""
    view = platform.of_application(config.application)
    approval = approve_plan(view, config.plan_digest, actor=config.actor, reason=config.reason)
    delivery = deliver(view, approval.as_of_date)
    done = "; ".join(delivery.why_not)
    if delivery.report is not None:
        done = f"the provider accepted {delivery.report.accepted} of {delivery.plan.planned.num_rows} messages"
    context.log.info("%s approved %s: %s", config.actor, approval.plan_id, done)
    context.log_event(
        dg.AssetMaterialization(
            ApplicationGraph(view.application).deliveries,
            partition=approval.as_of_date.isoformat(),
            metadata={**delivery_metadata(view, delivery), "approved_by": config.actor, "reason": config.reason},
        )
    )
    require_sent(delivery)


@dg.op(name="reject_plan", description="Rejects the newest plan: it is never sent.")
@says_why
def reject_plan_op(
    context: dg.OpExecutionContext, config: PlanIdentity, platform: dg.ResourceParam[BoardPorts]
) -> None:
    """Record the rejection."""
    view = platform.of_application(config.application)
    rejection = reject_plan(view, config.plan_digest, actor=config.actor, reason=config.reason)
    context.log.info("%s rejected %s: %s", rejection.actor, rejection.plan_id, rejection.reason)


@dg.op(description="Stops all sending at once, texts in flight included.")
@says_why
def pause_sending(
    context: dg.OpExecutionContext, config: SwitchIdentity, platform: dg.ResourceParam[BoardPorts]
) -> None:
    """Pause."""
    _switch(context, config, platform, pauses=True)


@dg.op(description="Allows sending again.")
@says_why
def resume_sending(
    context: dg.OpExecutionContext, config: SwitchIdentity, platform: dg.ResourceParam[BoardPorts]
) -> None:
    """Resume."""
    _switch(context, config, platform, pauses=False)


def _switch(context: dg.OpExecutionContext, config: SwitchIdentity, platform: BoardPorts, *, pauses: bool) -> None:
    switched = switch_sending(
        platform, pauses=pauses, actor=config.actor, reason=config.reason, application=config.application
    )
    state = "paused" if switched.is_paused else "allowed"
    context.log.info(
        "sending%s is %s%s",
        f" of {config.application}" * bool(config.application),
        state,
        "" if switched.at else " already; nothing was changed",
    )


@dg.op(description="Returns to an earlier champion; the daily job uses it from the next day on.")
@says_why
def roll_back_model(
    context: dg.OpExecutionContext, config: RollbackIdentity, platform: dg.ResourceParam[BoardPorts]
) -> None:
    """Roll back."""
    done = roll_back(
        platform.of_model(), actor=config.actor, reason=config.reason, to=config.to, serving=config.serving
    )
    context.log.info("%s serves again, in place of %s", done.model_version, done.previous_version)


@dg.job(
    name=APPROVE_JOB,
    executor_def=dg.in_process_executor,
    description="A person approves the plan that waits, named by its digest, and sends it.",
)
def approve_plan_job() -> None:
    """Approve and send."""
    approve_plan_and_send()


@dg.job(
    executor_def=dg.in_process_executor,
    description="A person rejects the plan that waits, named by its digest: it is never sent.",
)
def reject_plan_job() -> None:
    """Reject."""
    reject_plan_op()


@dg.job(executor_def=dg.in_process_executor, description="A person stops all sending at once.")
def pause_sending_job() -> None:
    """Pause."""
    pause_sending()


@dg.job(executor_def=dg.in_process_executor, description="A person allows sending again.")
def resume_sending_job() -> None:
    """Resume."""
    resume_sending()


@dg.job(executor_def=dg.in_process_executor, description="A person returns to an earlier champion.")
def rollback_job() -> None:
    """Roll back."""
    roll_back_model()


ACT_JOBS = [approve_plan_job, reject_plan_job, pause_sending_job, resume_sending_job, rollback_job]
