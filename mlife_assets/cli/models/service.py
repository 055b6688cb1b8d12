"""`mlife models promote` and `mlife models rollback`: who serves, changed by a person.

Belongs here: promoting and rolling back by hand. Does not belong here: whether a model may serve
(`core.training.gate`), how the change is recorded (`adapters.model_registry`).

Concept: nothing is deleted and nothing is copied. A change is an event with actor and reason; the endpoint follows it
with its next request, the daily job with the next day that runs. The gate can be overruled, but not silently: the
reason on record then says so. It says so, too, where another environment's gate promoted an imported version and the
gate here has not judged it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlife_assets.cli.models.inspection import Version
from mlife_assets.cli.models.records import reference_fault
from mlife_assets.cli.options import OPERATOR, Actor, AsJson, Home, Model, Reason, open_model, seal
from mlife_assets.cli.output import answer_console, moment, print_json
from mlife_assets.components.shown.verdicts import last_verdict, outcome_words
from mlife_assets.core.errors import GateClosedError
from mlife_assets.recruiting.kept_words import kept_words

if TYPE_CHECKING:
    from datetime import datetime

    from mlife_assets.components.platform.model_platform import ModelPlatform

AGAINST = "against the gate"


def promote(
    version: Version,
    reason: Reason,
    actor: Actor = OPERATOR,
    against_the_gate: Annotated[
        bool,
        typer.Option(
            "--against-the-gate",
            help="Promote even though the gate did not; the recorded reason says so.",
        ),
    ] = False,
    model: Model = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make a version the champion by hand; recorded as `model_promoted`.

    The endpoint uses it from its next request on, the daily job from the next day that runs. Of an imported version
    that the gate here has not judged, what the gate said where it comes from counts, and the recorded reason says so.

    Exit codes: 0 done, 1 failed, it serves already, or the gate did not promote it.
    """
    from mlife_assets.components.shown.present import operator_time

    reason, actor = kept_words("--reason", reason), kept_words("--actor", actor)
    platform = open_model(home, model)
    name = platform.registry.resolve(version)
    previous = platform.registry.champion()
    if name == previous:
        raise GateClosedError(f"{name} serves already, so there is nothing to promote")
    verdict = last_verdict(platform, name)
    outcome = verdict["outcome"] if verdict else None
    if outcome != "promoted":
        if not against_the_gate:
            raise GateClosedError(
                f"the gate's last verdict on {name} is: {outcome_words(verdict)}; `mlife models show {name}` says "
                "why, and --against-the-gate promotes it anyway"
            )
        reason = f"{AGAINST} ({outcome_words(verdict)}): {reason}"
    elif verdict and verdict["environment"]:
        reason = f"{outcome_words(verdict)}, not judged here: {reason}"
    now = operator_time(platform)
    fault = reference_fault(platform, name)
    platform.registry.promote(name, actor=actor, reason=reason, now=now)
    seal(platform)
    if as_json:
        _print_change(
            platform, name, previous, actor, reason, now, gate=outcome, has_monitoring_reference=fault is None
        )
        return
    _show_change(platform, "serves", name, previous, actor, reason, now, fault=fault)


def rollback(
    reason: Reason,
    actor: Actor = OPERATOR,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="VERSION",
            help="An earlier champion, or its first letters.",
            show_default="the one before the champion",
        ),
    ] = None,
    model: Model = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Return to an earlier champion; recorded as `model_rolled_back`.

    The endpoint uses it from its next request on, the daily job from the next day that runs.

    Exit codes: 0 done, 1 failed or there is none to return to.
    """
    from mlife_assets.components.acts.rollback import roll_back

    reason, actor = kept_words("--reason", reason), kept_words("--actor", actor)
    platform = open_model(home, model)
    done = roll_back(platform, actor=actor, reason=reason, to=to)
    name, previous, now = done.model_version, done.previous_version, done.at
    fault = reference_fault(platform, name)
    if as_json:
        _print_change(platform, name, previous, actor, reason, now, has_monitoring_reference=fault is None)
    else:
        _show_change(platform, "serves again", name, previous, actor, reason, now, fault=fault)


def _print_change(
    platform: ModelPlatform, name: str, previous: str | None, actor: str, reason: str, now: datetime, **more: object
) -> None:
    from mlife_assets.components.shown.present import next_day

    print_json(
        {
            "model_version": name,
            "previous_version": previous,
            "actor": actor,
            "reason": reason,
            "at": now,
            "first_day": next_day(platform),
            **more,
        }
    )


def _show_change(
    platform: ModelPlatform,
    verb: str,
    name: str,
    previous: str | None,
    actor: str,
    reason: str,
    now: datetime,
    *,
    fault: str | None,
) -> None:
    from mlife_assets.components.shown.present import next_day

    console = answer_console()
    whom = f"in place of {previous}" if previous else "the first one"
    console.print(f"{name} {verb}, {whom}.", soft_wrap=True)
    console.print(f"  by {actor} at {moment(now)}: {reason}", soft_wrap=True)
    first = next_day(platform)
    console.print(f"  The endpoint uses it from its next request on, the daily job from {first} on.", soft_wrap=True)
    if fault is not None:
        console.print(
            f"  It has no monitoring reference that can be read, so the checks of {first} will stop that day: {fault}.",
            soft_wrap=True,
        )
