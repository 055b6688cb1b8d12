"""`mlife plan`: a person looks at the plan that waits, and approves or rejects it.

Concept: who decides names the plan by its digest, so they decide about what they saw. Approving runs the job that the
UI offers, in the same instance: the run and the deliveries it made are seen there, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlife_assets.cli.options import (
    OPERATOR,
    Actor,
    ApplicationName,
    AsJson,
    Home,
    Reason,
    open_application,
    settings_of,
)
from mlife_assets.cli.output import answer_console, one_line, print_json, progress
from mlife_assets.recruiting.kept_words import kept_words

if TYPE_CHECKING:
    from mlife_assets.components.acts.acts import PlanStanding
    from mlife_assets.settings import Settings

SAMPLE = 3
NAMED_CHARACTERS = 12
"""Of a digest, as people copy it; the least that an act takes."""
CALLED = {"sms": "texts", "email": "mails"}

plan_app = typer.Typer(no_args_is_help=True, help="Look at the plan that waits; approve or reject it.")

Digest = Annotated[
    str,
    typer.Option(
        "--digest",
        metavar="DIGEST",
        help=f"The plan that you looked at, as `mlife plan show` names it; {NAMED_CHARACTERS} characters do.",
    ),
]


@plan_app.command()
def show(application: ApplicationName = "", home: Home = None, as_json: AsJson = False) -> None:
    """Show an application's newest plan: what would be sent to how many people, its digest, and any decision about it.

    Exit codes: 0 done, 1 failed or no plan was made yet.
    """
    from mlife_assets.components.acts.acts import plan_standing

    standing = plan_standing(open_application(settings_of(home), application))
    if as_json:
        print_json(_row(standing))
        return
    _print(standing)


@plan_app.command()
def approve(
    digest: Digest,
    reason: Reason,
    application: ApplicationName = "",
    actor: Actor = OPERATOR,
    new_home: Annotated[
        bool, typer.Option("--new-home", help="Vouch that nothing was sent lately from a home that was lost.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Approve the newest plan and send it; recorded as `plan_approved`. The limits apply whoever approves.

    Exit codes: 0 approved and sent, 1 failed, refused, or approved while something stops all sending.
    """
    from mlife_assets.components.acts.acts import newest_plan, plan_standing
    from mlife_assets.components.acts.jobs import APPROVE_JOB, APPROVE_OP
    from mlife_assets.components.messages.sending import NEW_HOME
    from mlife_assets.recruiting.messaging.approve import require_digest

    reason, actor = kept_words("--reason", reason), kept_words("--actor", actor)
    reason = NEW_HOME + reason if new_home else reason
    settings = settings_of(home)
    platform = open_application(settings, application)
    full = require_digest(newest_plan(platform), digest)
    config = {"plan_digest": full, "application": application, "actor": actor, "reason": reason}
    with progress("sending"):
        _run(settings, APPROVE_JOB, APPROVE_OP, config)
    standing = plan_standing(platform)
    if as_json:
        print_json(_row(standing))
    else:
        _print(standing)


@plan_app.command()
def reject(
    digest: Digest,
    reason: Reason,
    application: ApplicationName = "",
    actor: Actor = OPERATOR,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Reject the newest plan: it is never sent; recorded as `plan_rejected`.

    Exit codes: 0 rejected, 1 failed or it was approved.
    """
    from mlife_assets.components.acts.acts import plan_standing, reject_plan

    reason, actor = kept_words("--reason", reason), kept_words("--actor", actor)
    platform = open_application(settings_of(home), application)
    reject_plan(platform, digest, actor=actor, reason=reason)
    standing = plan_standing(platform)
    if as_json:
        print_json(_row(standing))
    else:
        _print(standing)


def _run(settings: Settings, job: str, op: str, config: Mapping[str, str]) -> None:
    """Run a job of a person, then read the receipts that there are, as the sensor does in the UI."""
    from mlife_assets.components.running.driver import LifecycleDriver
    from mlife_assets.components.running.instance import instance_of
    from mlife_assets.definitions import build_definitions

    with instance_of(settings) as instance:
        driver = LifecycleDriver(build_definitions(settings), instance)
        driver.run_unpartitioned(job, {op: config}).require_success()
        for sensed in driver.tick_sensors(["inbound_texts_sensor"]):
            sensed.run.require_success()


def _row(standing: PlanStanding) -> dict[str, Any]:
    plan = standing.plan
    return {
        "plan_id": plan.plan_id,
        "plan_digest": standing.digest,
        "campaign": plan.campaign,
        "as_of_date": plan.as_of_date,
        "state": standing.state,
        "why_not": list(standing.why_not),
        "actor": standing.actor,
        "reason": standing.reason,
        "texts": plan.planned.num_rows,
        "expected_value_usd": round(plan.expected_value_usd, 2),
        "not_texted": plan.suppressed_counts,
        "sends": dict(standing.sends),
        "sample": plan.planned.slice(0, SAMPLE).select(["message_id", "user_id", "job_id", "body"]).to_pylist(),
    }


def _print(standing: PlanStanding) -> None:
    from mlife_assets.recruiting.mail.body import body_line
    from mlife_assets.recruiting.messaging_policy import JOB_OF_THE_DAY

    console, plan = answer_console(), standing.plan
    messages = CALLED[plan.channel]

    def line(text: str) -> None:
        console.print(f"  {text}", soft_wrap=True, markup=False)

    console.print(f"{plan.plan_id}, the plan of {plan.as_of_date}: {standing.state}", style="bold", soft_wrap=True)
    line(f"{plan.planned.num_rows:,} {messages}, worth ${plan.expected_value_usd:,.2f}; digest {standing.digest}")
    if standing.actor is not None:
        line(f"{standing.state} by {standing.actor}: {standing.reason or 'no reason was kept'}")
    if standing.sends:
        line("sends: " + ", ".join(f"{count:,} {state}" for state, count in standing.sends.items()))
    if plan.suppressed_counts:
        line("left out: " + ", ".join(f"{count:,} {reason}" for reason, count in plan.suppressed_counts.items()))
    for row in plan.planned.slice(0, SAMPLE).to_pylist():
        line(f"{row['message_id']} to {row['user_id']}: {one_line(body_line(row['body']))}")
    if standing.state == "waits":
        for why in standing.why_not:
            line(f"It waits: {why}.")
        named = standing.digest[:NAMED_CHARACTERS]
        whose = "" if plan.campaign == JOB_OF_THE_DAY else f" --application {plan.campaign}"
        line(f'`mlife plan approve{whose} --digest {named} --reason "..."` sends it, `mlife plan reject` never does.')
    if standing.state == "over":
        line(f"It is never sent: {'; '.join(standing.why_not)}.")
