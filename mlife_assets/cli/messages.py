"""`mlife messages` and `mlife plan`: kill switches of sending, the plan, replies and employers that wait for a person.

Concept: the ledger commits first, so a pause holds before the next text, also for rows already leased; then the outbox
publishes it, so that the event log says who did it and why. Repeating the command changes nothing, but publishes what
an earlier attempt could not.

A body is personal data that is never stored. The provider has it, so it is asked at the moment of reading, and only the
verdict is kept. Replies are shown under the user id, never under a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlife_assets.cli.homes import open_board, seal
from mlife_assets.cli.options import OPERATOR, Actor, ApplicationName, AsJson, Home, Reason
from mlife_assets.cli.output import answer_console, moment, one_line, print_json, progress, say
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.messaging import employer_review, replies

if TYPE_CHECKING:
    from rich.tree import Tree

    from mlife_assets.components.acts.acts import PlanStanding
    from mlife_assets.deployments.board_ports import BoardPorts
    from mlife_assets.recruiting.message_trace import Hop, MessageTrace
    from mlife_assets.settings import Settings


ALTERNATIVES = 5
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
WRITER = "reviewer"
GONE = "(the provider no longer has it)"
Only = Annotated[
    str, typer.Option("--application", metavar="NAME", help="One application alone.", show_default="all sending")
]

messages_app = typer.Typer(no_args_is_help=True, help="Pause and resume sending; look at what waits for somebody.")


@messages_app.command()
def pause(
    reason: Reason, application: Only = "", actor: Actor = OPERATOR, home: Home = None, as_json: AsJson = False
) -> None:
    """Stop all sending at once, or that of one application, texts in flight included; recorded as `sending_paused`.

    Exit codes: 0 sending is paused, 1 failed.
    """
    _switch(True, application, reason, actor, home, as_json)


@messages_app.command()
def resume(
    reason: Reason, application: Only = "", actor: Actor = OPERATOR, home: Home = None, as_json: AsJson = False
) -> None:
    """Allow sending again, or that of one application that was paused alone; recorded as `sending_resumed`.

    Exit codes: 0 sending is allowed, 1 failed.
    """
    _switch(False, application, reason, actor, home, as_json)


def _switch(pauses: bool, application: str, reason: str, actor: str, home: Path | None, as_json: bool) -> None:
    from mlife_assets.components.acts.acts import switch_sending

    platform = open_board(home)
    done = switch_sending(platform, pauses=pauses, actor=actor, reason=reason, application=application)
    if as_json:
        print_json(
            {
                "application": application or None,
                "is_paused": pauses,
                "is_changed": done.at is not None,
                "actor": actor if done.at else None,
                "reason": reason if done.at else None,
                "at": done.at,
                "published": {name: rows for name, rows in done.published.items() if rows},
            }
        )
        return
    state = "paused" if pauses else "allowed"
    how = f"by {actor} at {moment(done.at)}: {reason}" if done.at else "already; nothing was changed"
    what = f"Sending of {application}" if application else "Sending"
    say(f"{what} is {state} {how}")


class ReplyVerdict(StrEnum):
    """What somebody thought of an unclear reply."""

    HARMLESS = replies.HARMLESS
    OPT_OUT = replies.OPT_OUT


class EmployerVerdict(StrEnum):
    """Whether jobs of an employer may be texted."""

    APPROVED = employer_review.APPROVED
    REFUSED = employer_review.REFUSED


def inbox(home: Home = None, as_json: AsJson = False) -> None:
    """List the unclear replies that nobody has looked at; their senders are paused meanwhile.

    Exit codes: 0 listed, 1 failed.
    """
    from mlife_assets.components.shown.present import operator_time

    platform = open_board(home)
    waiting = platform.ledger.replies.unclear()
    bodies = {}
    if waiting:
        until, since = operator_time(platform.of_model()), waiting[0].received_at
        bodies = {
            reply.inbound_id: reply.body
            for gateway in platform.home.messengers.gateways.values()
            for reply in gateway.inbound(until=until, since=since)
        }
    rows = [
        {
            "inbound_id": reply.inbound_id,
            "user_id": reply.user_id,
            "received_at": reply.received_at,
            "body": bodies.get(reply.inbound_id),
        }
        for reply in waiting
    ]
    if as_json:
        print_json({"waiting": rows})
        return
    for reply in waiting:
        body = one_line(bodies.get(reply.inbound_id, GONE))
        say(f"{reply.inbound_id}  {reply.user_id}  {moment(reply.received_at)}  {body}")
    say(f"{len(rows)} replies wait; `mlife messages review ID --as harmless|opt_out` answers one")


def review(
    inbound_id: Annotated[str, typer.Argument(metavar="ID", help="Which reply, as `inbox` lists it.")],
    reason: Reason,
    verdict: Annotated[ReplyVerdict, typer.Option("--as", help="harmless ends the pause, opt_out is a STOP.")],
    user: Annotated[
        str | None, typer.Option("--user", help="Whom a stranger's opt-out is of, if you know them as this user id.")
    ] = None,
    actor: Actor = OPERATOR,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Record the meaning of an unclear reply, as `reply_reviewed`. Repeating it changes nothing.

    Exit codes: 0 recorded, 1 failed.
    """
    from mlife_assets.components.shown.present import operator_time
    from mlife_assets.recruiting.messaging.events import reply_review_event

    platform = open_board(home)
    now = operator_time(platform.of_model())
    user_id = platform.ledger.replies.review(inbound_id, verdict.value, actor=actor, now=now, also_of=user)
    event = reply_review_event(inbound_id, user_id, verdict.value, actor=actor, reason=reason, now=now)
    platform.event_log.append("reply_reviewed", event, writer=WRITER)
    platform.home.messengers.outbox.publish()
    seal(platform.of_model())
    if as_json:
        print_json({"inbound_id": inbound_id, "user_id": user_id, "verdict": verdict.value, "actor": actor, "at": now})
        return
    effect = "is never texted again" if verdict is ReplyVerdict.OPT_OUT else "may be texted again"
    say(f"{inbound_id} is {verdict.value} by {actor}: {user_id} {effect}")


def employers(home: Home = None, as_json: AsJson = False) -> None:
    """List the employers that nobody approved. Jobs of new ones are offered by labels, of refused ones not at all.

    Each with its name and the title of its newest job.

    Exit codes: 0 listed, 1 failed.
    """
    from mlife_assets.adapters.employer_reviews import unapproved_employers
    from mlife_assets.components.shown.present import newest_day

    platform = open_board(home)
    day = add_days(newest_day(platform.of_model()) or platform.settings.days.first_lived_date, 1)
    rows = unapproved_employers(platform.event_log, day)
    if as_json:
        print_json({"employers": rows})
        return
    for row in rows:
        words = "  ".join(one_line(str(row.get(name))) for name in ("employer_name", "newest_title"))
        line = f"{row['employer_id']}  {row['reason']}  newest job {row['newest_job_seen']}  {words}"
        say(line)
    say(f"{len(rows)} employers are not approved; `mlife messages vet ID... --as approved|refused`")


def vet(
    employer_ids: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Which employers, as `employers` lists them.")
    ],
    reason: Reason,
    verdict: Annotated[EmployerVerdict, typer.Option("--as", help="Whether people may be texted about its jobs.")],
    name: Annotated[
        str | None, typer.Option("--name", help="The name that you looked at, where several came since its approval.")
    ] = None,
    actor: Actor = OPERATOR,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Decide about employers. A refusal holds for all that is sent from now on, an approval from the next day on.

    An approval is of one name. Recorded as `employer_reviewed`.

    Exit codes: 0 recorded, 1 failed.
    """
    from mlife_assets.adapters.employer_reviews import review_employers
    from mlife_assets.components.shown.present import newest_day, operator_time

    platform = open_board(home)
    now = operator_time(platform.of_model())
    day = add_days(newest_day(platform.of_model()) or platform.settings.days.first_lived_date, 1)
    changed = review_employers(
        platform.event_log, employer_ids, verdict.value, day=day, actor=actor, reason=reason, now=now, name=name
    )
    seal(platform.of_model())
    if as_json:
        rows = [
            {"employer_id": one, "is_changed": one in changed, "employer_name": changed.get(one)}
            for one in employer_ids
        ]
        print_json({"verdict": verdict.value, "at": now, "employers": rows})
        return
    for one in employer_ids:
        called = f" ({one_line(changed[one])})" if one in changed else ""
        change = f"by {actor}: {reason}" if one in changed else "already; nothing was changed"
        say(f"{one}{called} is {verdict.value} {change}")


@plan_app.command()
def show(application: ApplicationName = "", home: Home = None, as_json: AsJson = False) -> None:
    """Show an application's newest plan: what would be sent to how many people, its digest, and any decision about it.

    Exit codes: 0 done, 1 failed or no plan was made yet.
    """
    from mlife_assets.components.acts.acts import plan_standing

    standing = plan_standing(_open(home, application))
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
    """Approve the newest plan and send it; recorded as `plan_approved`. The limits apply to every approver.

    Exit codes: 0 approved and sent, 1 failed, refused, or approved while something stops all sending.
    """
    from mlife_assets.components.acts.acts import newest_plan, plan_standing
    from mlife_assets.components.messages.delivery import APPROVE_JOB, APPROVE_OP
    from mlife_assets.components.messages.sending import NEW_HOME
    from mlife_assets.recruiting.messaging.approve import require_digest

    reason = NEW_HOME + reason if new_home else reason
    platform = _open(home, application)
    full = require_digest(newest_plan(platform), digest)
    config = {"plan_digest": full, "application": application, "actor": actor, "reason": reason}
    with progress("sending"):
        _run(platform.settings, APPROVE_JOB, APPROVE_OP, config)
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

    platform = _open(home, application)
    reject_plan(platform, digest, actor=actor, reason=reason)
    standing = plan_standing(platform)
    if as_json:
        print_json(_row(standing))
    else:
        _print(standing)


def _open(home: Path | None, application: str) -> BoardPorts:
    """Return the ports as an application sees them. Raises InvalidInputError on no such application."""
    view = open_board(home).of_application(application)
    _ = view.application
    return view


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

    plan = standing.plan
    messages = CALLED[plan.channel]

    def line(text: str) -> None:
        say(f"  {text}")

    say(f"{plan.plan_id}, the plan of {plan.as_of_date}: {standing.state}", style="bold")
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


def trace(
    message_id: Annotated[
        str,
        typer.Argument(metavar="MESSAGE_ID", help="The id of a text; `mlife status` shows one.", show_default=False),
    ],
    alternatives: Annotated[
        int, typer.Option("--alternatives", min=0, help="How many of the person's best-ranked jobs to show.")
    ] = ALTERNATIVES,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Follow one text through every hop, with ids and both times, and compute its score and reasons again.

    Exit codes: 0 every hop was found, score and reasons are as logged; 1 no such text, or one does not match.
    """
    from mlife_assets.adapters.message_trace import trace_message

    platform = open_board(home)
    with progress("following the event log"):
        found = trace_message(platform.event_log, message_id, platform.of_model().scorers.of)
    is_recomputed = any(hop.event_type == "prediction" for hop in found.hops)
    if as_json:
        document = asdict(found)
        document["alternatives"] = [dict(row) for row in found.alternatives[:alternatives]]
        print_json(document | {"is_recomputed": is_recomputed})
        return
    answer_console().print(_tree(found, alternatives, is_recomputed), soft_wrap=True)


def _tree(found: MessageTrace, alternatives: int, is_recomputed: bool) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    root = Tree(Text(found.message_id, style="bold"), guide_style="dim")
    branches: dict[str, Tree] = {}
    predictions = [hop.details["prediction_id"] for hop in found.hops if hop.event_type == "prediction"]
    first = predictions[0] if predictions else None
    for hop in found.hops:
        if hop.stage not in branches:
            branches[hop.stage] = root.add(Text(hop.stage, style="bold cyan"))
        _add_hop(branches[hop.stage], hop)
        if hop.event_type == "prediction" and hop.details["prediction_id"] == first:
            _add_prediction(branches[hop.stage], found, str(hop.details["prediction_id"]), alternatives)
    if not is_recomputed:
        root.add(Text("no model chose this text, so there is no score to compute again", style="dim"))
    return root


def _add_hop(branch: Tree, hop: Hop) -> None:
    from rich.text import Text

    title = Text(hop.event_type, style="bold").append(f"  event {hop.event_id}", style="dim")
    node = branch.add(title)
    node.add(Text(f"occurred {moment(hop.occurred_at)}, observed {moment(hop.observed_at)}", style="dim"))
    for name, value in hop.details.items():
        if isinstance(value, list):
            below = node.add(Text(f"{name}:"))
            for one in value:
                below.add(Text(str(one)))
        elif value is not None:
            node.add(Text(f"{name}: {value}"))


def _add_prediction(branch: Tree, found: MessageTrace, prediction_id: str, alternatives: int) -> None:
    """Add what belongs to the score: its features, that it holds, what else was ranked for the person."""
    from rich.text import Text

    features = branch.add(Text("features, as logged", style="bold"))
    features.add(Text(", ".join(f"{name} {value:.4g}" for name, value in found.features.items())))
    branch.add(
        Text("scores computed again from the logged features and the stored model: the same to the bit", style="green")
    )
    branch.add(Text("reasons computed again: the same words", style="green"))
    shown = found.alternatives[:alternatives]
    if shown:
        ranked = branch.add(Text(f"best-ranked jobs for this person, {len(shown)} of {len(found.alternatives)}"))
        for row in shown:
            mark = "  <- this text" if row["prediction_id"] == prediction_id else ""
            click = "" if row["click_probability"] is None else f", of a click {row['click_probability']:.4f}"
            ranked.add(Text(f"{row['rank']}. {row['job_id']}  probability {row['probability']:.4f}{click}{mark}"))
