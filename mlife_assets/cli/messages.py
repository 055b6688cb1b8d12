"""`mlife messages`: the kill switches of sending.

Concept: the ledger commits first, so a pause holds before the next text, also for rows already leased; then the outbox
publishes it, so that the event log says who did it and why. Repeating the command changes nothing, but publishes what
an earlier attempt could not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlife_assets.cli.options import OPERATOR, Actor, AsJson, Home, Reason, open_platform, settings_of
from mlife_assets.cli.output import answer_console, moment, print_json
from mlife_assets.recruiting.kept_words import kept_words

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
