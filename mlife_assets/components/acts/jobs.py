"""Jobs of people: acts that somebody launches in the UI, with their name and their reason.

Concept: the identity is config without a default, so the launchpad asks for it and the run keeps it.
"""

import dagster as dg
from pydantic import Field

from mlife_assets.components.acts.acts import approve_plan, reject_plan, switch_sending
from mlife_assets.components.acts.rollback import roll_back
from mlife_assets.components.graph.application_graph import ApplicationGraph
from mlife_assets.components.messages.delivery import deliver, delivery_metadata, require_sent
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.deployments.board_ports import BoardPorts

APPROVE_JOB, APPROVE_OP = "approve_plan_job", "approve_plan_and_send"


class Identity(dg.Config):
    """Who acts, and why; both are kept in the event log for ever."""

    actor: str = Field(min_length=1, description="Who you are: a name, no phone number.")
    reason: str = Field(min_length=1, description="Why, in a few words; no phone number.")


class SwitchIdentity(Identity):
    """Who pauses or resumes what, and why."""

    application: str = Field(default="", description="One application alone; empty: all sending.")


class PlanIdentity(Identity):
    """Who decides about which plan, and why."""

    application: str = Field(default="", description="Whose plan; empty: the first application's.")

    plan_digest: str = Field(
        description="The plan that you looked at: plan_digest of messages/message_plan, 12 characters or more."
    )


class RollbackIdentity(Identity):
    """Who returns from which model to which, and why."""

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
    context.log.info("%s approved %s: %s", config.actor, approval.plan_id, delivery.report or delivery.why_not)
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
