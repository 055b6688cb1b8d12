"""`mlife messages`: the kill switches of sending; replies and names of employers that wait for a person.

Concept: the ledger commits first, so a pause holds before the next text, also for rows already leased; then the outbox
publishes it, so that the event log says who did it and why. Repeating the command changes nothing, but publishes what
an earlier attempt could not.

A body is personal data that is never stored. The provider has it, so it is asked at the moment of reading, and only the
verdict is kept. Replies are shown under the user id, never under a number.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mlife_assets.cli.options import OPERATOR, Actor, AsJson, Home, Reason, open_platform, seal, settings_of
from mlife_assets.cli.output import answer_console, moment, one_line, print_json
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.kept_words import kept_words
from mlife_assets.recruiting.messaging import employer_review, replies

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

    reason, actor = kept_words("--reason", reason), kept_words("--actor", actor)
    platform = open_platform(settings_of(home))
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
    answer_console().print(f"{what} is {state} {how}")


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

    platform = open_platform(settings_of(home))
    waiting = platform.ledger.unclear_replies()
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
    console = answer_console()
    for reply in waiting:
        body = one_line(bodies.get(reply.inbound_id, GONE))
        console.print(f"{reply.inbound_id}  {reply.user_id}  {moment(reply.received_at)}  {body}", soft_wrap=True)
    console.print(f"{len(rows)} replies wait; `mlife messages review ID --as harmless|opt_out` answers one")


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
    """Say what an unclear reply meant; recorded as `reply_reviewed`. Saying the same again changes nothing.

    Exit codes: 0 recorded, 1 failed.
    """
    from mlife_assets.components.shown.present import operator_time
    from mlife_assets.recruiting.messaging.events import reply_review_event

    reason, actor = kept_words("--reason", reason), kept_words("--actor", actor)
    platform = open_platform(settings_of(home))
    now = operator_time(platform.of_model())
    user_id = platform.ledger.review_reply(inbound_id, verdict.value, actor=actor, now=now, also_of=user)
    event = reply_review_event(inbound_id, user_id, verdict.value, actor=actor, reason=reason, now=now)
    platform.event_log.append("reply_reviewed", event, writer=WRITER)
    platform.home.messengers.outbox.publish()
    seal(platform.of_model())
    if as_json:
        print_json({"inbound_id": inbound_id, "user_id": user_id, "verdict": verdict.value, "actor": actor, "at": now})
        return
    effect = "is never texted again" if verdict is ReplyVerdict.OPT_OUT else "may be texted again"
    answer_console().print(f"{inbound_id} is {verdict.value} by {actor}: {user_id} {effect}", markup=False)


def employers(home: Home = None, as_json: AsJson = False) -> None:
    """List the employers that nobody approved. Jobs of new ones are offered by labels, of refused ones not at all.

    Each with its name and the title of its newest job.

    Exit codes: 0 listed, 1 failed.
    """
    from mlife_assets.adapters.employer_reviews import unapproved_employers
    from mlife_assets.components.shown.present import newest_day

    platform = open_platform(settings_of(home))
    day = add_days(newest_day(platform.of_model()) or platform.settings.first_lived_date, 1)
    rows = unapproved_employers(platform.event_log, day)
    if as_json:
        print_json({"employers": rows})
        return
    console = answer_console()
    for row in rows:
        words = "  ".join(one_line(str(row.get(name))) for name in ("employer_name", "newest_title"))
        line = f"{row['employer_id']}  {row['reason']}  newest job {row['newest_job_seen']}  {words}"
        console.print(line, soft_wrap=True)
    console.print(f"{len(rows)} employers are not approved; `mlife messages vet ID... --as approved|refused`")


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

    reason, actor = kept_words("--reason", reason), kept_words("--actor", actor)
    platform = open_platform(settings_of(home))
    now = operator_time(platform.of_model())
    day = add_days(newest_day(platform.of_model()) or platform.settings.first_lived_date, 1)
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
        answer_console().print(f"{one}{called} is {verdict.value} {change}", markup=False)
