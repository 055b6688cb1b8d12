"""`mlife messages`: the kill switch of sending.

Belongs here: pausing and resuming by hand. Does not belong here: sending.

Concept: the ledger commits first, so a pause holds before the next text, also for rows already leased; then the outbox
publishes it, so that the event log says who did it and why. Repeating the command changes nothing, but publishes what
an earlier attempt could not.
"""

from __future__ import annotations

from pathlib import Path

import typer

from mlife_assets.cli.options import OPERATOR, Actor, AsJson, Home, Reason, open_platform, settings_of
from mlife_assets.cli.output import answer_console, moment, print_json
from mlife_assets.recruiting.kept_words import kept_words

messages_app = typer.Typer(no_args_is_help=True, help="Pause and resume sending; look at what waits for somebody.")


@messages_app.command()
def pause(reason: Reason, actor: Actor = OPERATOR, home: Home = None, as_json: AsJson = False) -> None:
    """Stop all sending at once, texts in flight included; recorded as `sending_paused`.

    Exit codes: 0 sending is paused, 1 failed.
    """
    _switch(True, reason, actor, home, as_json)


@messages_app.command()
def resume(reason: Reason, actor: Actor = OPERATOR, home: Home = None, as_json: AsJson = False) -> None:
    """Allow sending again; recorded as `sending_resumed`.

    Exit codes: 0 sending is allowed, 1 failed.
    """
    _switch(False, reason, actor, home, as_json)


def _switch(pauses: bool, reason: str, actor: str, home: Path | None, as_json: bool) -> None:
    from mlife_assets.components.acts.acts import switch_sending

    reason, actor = kept_words("--reason", reason), kept_words("--actor", actor)
    done = switch_sending(open_platform(settings_of(home)), pauses=pauses, actor=actor, reason=reason)
    if as_json:
        print_json(
            {
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
    answer_console().print(f"Sending is {state} {how}")
