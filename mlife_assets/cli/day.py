"""`mlife day` and `mlife demo`: running days.

Belongs here: which day is run, what is printed about it, the exit code. Does not belong here: what a day does
(`components`).

Concept: a day is the real daily job, then the real sensors. Days run in order: the one after the newest decided,
or that one once more, say after a failed run or when its plan still waits for approval.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from mlife_assets.cli.exits import ExitCode
from mlife_assets.cli.options import AsJson, Home, open_platform, parse_day, require_event_log, settings_of
from mlife_assets.cli.output import answer_console, print_json, progress, side_console
from mlife_assets.core.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from mlife_assets.components.platform.resources import Platform
    from mlife_assets.components.running.demo import DayResult
    from mlife_assets.settings import Settings

BLOCK = "block"


def day(
    chosen: Annotated[
        date | None,
        typer.Option(
            "--date",
            parser=parse_day,
            metavar="YYYY-MM-DD",
            help="The day to run: the next one, or the newest once more.",
            show_default="the day after the newest decided day",
        ),
    ] = None,
    approves_sends: Annotated[
        bool,
        typer.Option(
            "--approve",
            help="Approve the day's plan within its limits (console gateway only). Otherwise the plan waits.",
        ),
    ] = False,
    rebuilds_metrics: Annotated[
        bool, typer.Option("--metrics/--no-metrics", help="Rebuild the metrics and the dashboard afterwards.")
    ] = True,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Run the next day: land, monitor, decide, score, plan, text; then let the sensors react.

    Exit codes: 0 done, 1 a run failed, 3 the governor blocked the day, so nothing was scored or sent.
    """
    settings = settings_of(home, approves_sends=approves_sends)
    chosen_day = day_to_run(open_platform(settings), chosen)
    with progress(f"running {chosen_day}"):
        result = run(settings, chosen_day, rebuilds_metrics)
    if as_json:
        print_json(asdict(result))
    else:
        _print_day(result)
    if result.verdict == BLOCK:
        raise typer.Exit(ExitCode.BLOCKED)


def demo(home: Home = None, as_json: AsJson = False) -> None:
    """Run the first days of a production model in an empty home; an earlier demo there is replaced.

    Sends go to the console gateway, which texts nobody, and are approved within their limits.

    Exit codes: 0 done, 1 failed.
    """
    from mlife_assets.cli.demo import run_demo

    console = side_console() if as_json else answer_console()
    summary = run_demo(settings_of(home, approves_sends=True, is_new_world=True), console)
    if as_json:
        print_json(summary)


def day_to_run(platform: Platform, chosen: date | None) -> date:
    """Return the day to run.

    Raises:
        NotFoundError: no champion serves yet.
        InvalidInputError: the chosen day would skip days or decide again about a day that others followed.
    """
    from mlife_assets.components.shown.present import newest_day, next_day

    if platform.registry.champion() is None:
        raise NotFoundError(
            f"no model serves in {platform.settings.home} yet, so no day can run; {_first_model_by(platform.settings)}"
        )
    following, newest = next_day(platform), newest_day(platform)
    if chosen is not None and chosen not in (following, newest):
        allowed = f"{following}" if newest is None else f"{following}, or {newest} once more"
        raise InvalidInputError(
            f"{chosen} cannot run: decisions and sends belong to their day, and days run in order; choose {allowed}"
        )
    return chosen or following


def _first_model_by(settings: Settings) -> str:
    """Return how the first model comes about in a deployment."""
    if settings.deployment == "embedded":
        return "`mlife demo` trains one"
    on = "it is on" if settings.runs_days else "it is off: set MLIFE_DAYS_RUN_BY_THEMSELVES to true"
    return (
        f"due_days_sensor trains the first once files of {settings.history_days} days from {settings.start_date} on "
        f"were delivered to {settings.named_places['MLIFE_LANDING']}, while Dagster's daemon runs; {on}"
    )


def run(settings: Settings, chosen_day: date, rebuilds_metrics: bool) -> DayResult:
    """Run the daily job of a day and whatever the sensors then ask for.

    Raises:
        PermanentError: a run failed for another reason than a quality fault.
        InvalidInputError: the day has no partition yet, or something that lies elsewhere cannot be worked with.
    """
    from mlife_assets.components.graph.partitions import DAILY
    from mlife_assets.components.platform.places import require_sound_places

    require_sound_places(settings)
    require_event_log(settings)
    last = DAILY.get_last_partition_key()
    if last is not None and chosen_day.isoformat() > last:
        raise InvalidInputError(
            f"{chosen_day} has no partition before the machine's clock reaches it; the last is {last}"
        )
    from mlife_assets.components.running.demo import Demo
    from mlife_assets.components.running.instance import instance_of
    from mlife_assets.definitions import build_definitions

    definitions = build_definitions(settings)
    number = (chosen_day - settings.first_lived_date).days + 1
    with instance_of(settings) as instance:
        story = Demo(definitions, instance, definitions.resources["platform"])  # type: ignore[index]
        result = story.run_day(number, chosen_day)
        if rebuilds_metrics:
            story.driver.run_unpartitioned("metrics_job").require_success()
    return result


def _print_day(result: DayResult) -> None:
    console = answer_console()
    console.print(f"{result.day} (day {result.number}): {result.verdict}", style="bold")
    for reason in result.reasons:
        console.print(f"  {reason}", soft_wrap=True)
    if result.retrained_by:
        console.print(f"  {result.retrained_by} launched a retraining", soft_wrap=True)
    if result.promotion:
        outcome = "promoted" if result.is_promoted else "not promoted"
        console.print(f"  gate: {outcome}. {result.promotion}", soft_wrap=True)
    console.print(
        f"  texts: {result.planned:,} planned, {result.submitted:,} submitted, {result.delivered:,} delivered; "
        f"${result.earned_usd:,.2f} earned by the applications that were reported today",
        soft_wrap=True,
    )
    if result.planned and not result.submitted:
        console.print(
            "  The plan was not sent. If it waits for approval: `mlife plan show`.",
            soft_wrap=True,
        )
