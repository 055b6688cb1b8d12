"""`mlife day` and `mlife demo`: living days.

Belongs here: which day is lived, what is told of it, the exit code. Does not belong here: what a day does (`defs`).

Concept: a day is the real daily job, then the real sensors. Days are lived in order: the one after the newest decided,
or that one once more, say after a failed run or when its plan still waits for approval.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from mlife_assets.cli.exits import ExitCode
from mlife_assets.cli.options import AsJson, Home, open_platform, parse_day, require_lived, settings_of
from mlife_assets.cli.output import answer_console, print_json, progress, side_console
from mlife_assets.core.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from mlife_assets.defs.demo import LivedDay
    from mlife_assets.defs.resources import Platform
    from mlife_assets.settings import Settings

BLOCK = "block"


def day(
    chosen: Annotated[
        date | None,
        typer.Option(
            "--date",
            parser=parse_day,
            metavar="YYYY-MM-DD",
            help="The day to live: the next one, or the newest once more.",
            show_default="the day after the newest decided day",
        ),
    ] = None,
    approves_sends: Annotated[
        bool,
        typer.Option(
            "--approve",
            help="Approve the day's plan within its limits; the console gateway only. Without, the plan waits.",
        ),
    ] = False,
    rebuilds_metrics: Annotated[
        bool, typer.Option("--metrics/--no-metrics", help="Rebuild the metrics and the dashboard afterwards.")
    ] = True,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Live the next day: land, monitor, decide, score, plan, text; then let the sensors react.

    Exit codes: 0 done, 1 a run failed, 3 the governor blocked the day, so nothing was scored or sent.
    """
    settings = settings_of(home, approves_sends=approves_sends)
    lived_on = day_to_live(open_platform(settings), chosen)
    with progress(f"living {lived_on}"):
        lived = live(settings, lived_on, rebuilds_metrics)
    if as_json:
        print_json(asdict(lived))
    else:
        _tell(lived)
    if lived.verdict == BLOCK:
        raise typer.Exit(ExitCode.BLOCKED)


def demo(home: Home = None, as_json: AsJson = False) -> None:
    """Live three weeks of a production model in an empty home; an earlier demo there is replaced.

    Sends go to the console gateway, which texts nobody, and are approved within their limits.

    Exit codes: 0 done, 1 failed.
    """
    from mlife_assets.cli.demo import run_demo

    console = side_console() if as_json else answer_console()
    summary = run_demo(settings_of(home, approves_sends=True, is_new_world=True), console)
    if as_json:
        print_json(summary)


def day_to_live(platform: Platform, chosen: date | None) -> date:
    """Return the day to live.

    Raises:
        NotFoundError: no champion serves yet.
        InvalidInputError: the chosen day would skip days or decide again about a day that others followed.
    """
    from mlife_assets.defs.present import newest_day, next_day

    if platform.registry.champion() is None:
        raise NotFoundError(
            f"no model serves in {platform.settings.home} yet, so no day can be lived; `mlife demo` trains one"
        )
    following, newest = next_day(platform), newest_day(platform)
    if chosen is not None and chosen not in (following, newest):
        allowed = f"{following}" if newest is None else f"{following}, or {newest} once more"
        raise InvalidInputError(
            f"{chosen} cannot be lived: decisions and sends belong to their day, and days are lived in order; "
            f"choose {allowed}"
        )
    return chosen or following


def live(settings: Settings, lived_on: date, rebuilds_metrics: bool) -> LivedDay:
    """Run the daily job of a day and whatever the sensors then ask for.

    Raises:
        PermanentError: a run failed for another reason than a quality fault.
        InvalidInputError: the day has no partition yet.
    """
    from mlife_assets.defs.partitions import DAILY

    require_lived(settings)
    last = DAILY.get_last_partition_key()
    if last is not None and lived_on.isoformat() > last:
        raise InvalidInputError(
            f"{lived_on} has no partition before the machine's clock reaches it; the last is {last}"
        )
    from mlife_assets.definitions import build_definitions
    from mlife_assets.defs.demo import Demo
    from mlife_assets.defs.instance import open_instance

    definitions = build_definitions(settings)
    number = (lived_on - settings.first_lived_date).days + 1
    with open_instance(settings.home) as instance:
        story = Demo(definitions, instance, definitions.resources["platform"])  # type: ignore[index]
        lived = story.live_day(number, lived_on)
        if rebuilds_metrics:
            story.driver.run_unpartitioned("metrics_job").require_success()
    return lived


def _tell(lived: LivedDay) -> None:
    console = answer_console()
    console.print(f"{lived.day} (day {lived.number}): {lived.verdict}", style="bold")
    for reason in lived.reasons:
        console.print(f"  {reason}", soft_wrap=True)
    if lived.retrained_by:
        console.print(f"  {lived.retrained_by} launched a retraining", soft_wrap=True)
    if lived.promotion:
        outcome = "promoted" if lived.is_promoted else "not promoted"
        console.print(f"  gate: {outcome}. {lived.promotion}", soft_wrap=True)
    console.print(
        f"  texts: {lived.planned:,} planned, {lived.submitted:,} submitted, {lived.delivered:,} delivered; "
        f"${lived.earned_usd:,.2f} earned by the applications that were reported today",
        soft_wrap=True,
    )
    if lived.planned and not lived.submitted:
        console.print(
            "  The plan was not sent. If it waits for approval: `mlife plan show`.",
            soft_wrap=True,
        )
