"""`mlife day` and `mlife demo`: running days.

Concept: a day is the real daily job, then the real sensors. Days run in order: the one after the newest decided, or
that one once more, say after a failed run or when its plan still waits for approval. Progress and prose go to stderr
when the summary itself is asked for as JSON.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlife_assets.cli.homes import board_settings, opened_board, require_event_log
from mlife_assets.cli.options import A_DAY, AsJson, Home
from mlife_assets.cli.output import ExitCode, answer_console, print_json, progress, say, side_console, staged_progress
from mlife_assets.core.errors import InvalidInputError, NotFoundError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from mlife_assets.components.running.demo_summary import DayResult
    from mlife_assets.deployments.board_ports import BoardPorts
    from mlife_assets.settings import Settings

VERDICT_STYLES = {"retrain": "bold yellow", "wait": "green", "block": "bold red"}
REASONS_OF_A_QUIET_DAY = 2
"""A day that waits again shows its first reasons; all are in the summary and on the dashboard."""
COLUMNS = "{day:>3}  {date:<10} {verdict:<8} {texts:>6} {delivered:>9} {earned:>8}  "
BLOCK = "block"


def day(
    chosen: Annotated[
        date | None,
        typer.Option(
            "--date",
            **A_DAY,
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
    settings = board_settings(home, approves_sends=approves_sends)
    chosen_day = day_to_run(opened_board(settings), chosen)
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
    console = side_console() if as_json else answer_console()
    summary = run_demo(board_settings(home, approves_sends=True, is_new_world=True), console)
    if as_json:
        print_json(summary)


def day_to_run(platform: BoardPorts, chosen: date | None) -> date:
    """Return the day to run.

    Raises:
        NotFoundError: no champion serves yet.
        InvalidInputError: the chosen day would skip days or decide again about a day that others followed.
    """
    from mlife_assets.components.shown.present import newest_day, next_day

    if platform.of_model().registry.champion() is None:
        raise NotFoundError(
            f"no model serves in {platform.settings.home} yet, so no day can run; {_first_model_by(platform.settings)}"
        )
    following, newest = next_day(platform.of_model()), newest_day(platform.of_model())
    if chosen is not None and chosen not in (following, newest):
        allowed = f"{following}" if newest is None else f"{following}, or {newest} once more"
        raise InvalidInputError(
            f"{chosen} cannot run: decisions and sends belong to their day, and days run in order; choose {allowed}"
        )
    return chosen or following


def _first_model_by(settings: Settings) -> str:
    """Return a sentence on how a deployment gets its first model."""
    if settings.is_simulated:
        return "`mlife demo` trains one"
    days = settings.days
    on = "it is on" if days.run_in(settings.environment) else "it is off: set MLIFE_DAYS_RUN_BY_THEMSELVES to true"
    return (
        f"due_days_sensor trains the first once files of {days.history_days} days from {days.start_date} on "
        f"were delivered to {settings.places.named['MLIFE_LANDING']}, while Dagster's daemon runs; {on}"
    )


def run(settings: Settings, chosen_day: date, rebuilds_metrics: bool) -> DayResult:
    """Run the daily job of a day and whatever the sensors then ask for.

    Raises:
        PermanentError: a run failed for another reason than a quality fault.
        InvalidInputError: the day has no partition yet, or something that lies elsewhere cannot be worked with.
    """
    from mlife_assets.components.graph.partitions import DAILY
    from mlife_assets.deployments.places import require_sound_places

    require_sound_places(settings)
    require_event_log(settings)
    last = DAILY.get_last_partition_key()
    if last is not None and chosen_day.isoformat() > last:
        raise InvalidInputError(
            f"{chosen_day} has no partition before the machine's clock reaches it; the last is {last}"
        )
    from mlife_assets.components.running.demo_summary import Demo
    from mlife_assets.components.running.instance import instance_of
    from mlife_assets.definitions import build_definitions

    definitions = build_definitions(settings)
    number = (chosen_day - settings.days.first_lived_date).days + 1
    with instance_of(settings) as instance:
        story = Demo(definitions, instance, definitions.resources["platform"])  # type: ignore[index]
        result = story.run_day(number, chosen_day)
        if rebuilds_metrics:
            story.driver.run_unpartitioned("metrics_job").require_success()
    return result


def _print_day(result: DayResult) -> None:
    say(f"{result.day} (day {result.number}): {result.verdict}", style="bold")
    say(*(f"  {reason}" for reason in result.reasons))
    if result.retrained_by:
        say(f"  {result.retrained_by} launched a retraining")
    if result.promotion:
        outcome = "promoted" if result.is_promoted else "not promoted"
        say(f"  gate: {outcome}. {result.promotion}")
    say(
        f"  texts: {result.planned:,} planned, {result.submitted:,} submitted, {result.delivered:,} delivered; "
        f"${result.earned_usd:,.2f} bid for the applications after texts that were reported today"
    )
    if result.planned and not result.submitted:
        say("  The plan was not sent. If it waits for approval: `mlife plan show`.")


def run_demo(settings: Settings, console: Console) -> dict[str, Any]:
    """Run the demo in `settings.home`, print it on `console` and return the summary."""
    from mlife_assets.components.running.demo_summary import (
        SUMMARY_FILE,
        Demo,
        prepare_home,
        require_empty_lake,
        summarise,
        write_summary,
    )
    from mlife_assets.components.running.instance import instance_of
    from mlife_assets.definitions import build_definitions
    from mlife_assets.deployments.board_ports import board_ports
    from mlife_assets.deployments.places import require_sound_places

    started = time.perf_counter()
    if not settings.is_simulated:
        raise InvalidInputError(
            f"MLIFE_DEPLOYMENT is {settings.deployment}, and a demo is of a simulated market; unset it"
        )
    require_sound_places(settings)
    require_empty_lake(settings.home, settings.places.lake)
    if settings.owner.database is not None and board_ports(settings).home.ledger_if(is_made=False) is not None:
        raise InvalidInputError(
            "the database of MLIFE_DATABASE holds a ledger, which a demo never replaces; name an empty database, or "
            "unset MLIFE_DATABASE for a demo in files"
        )
    definitions = build_definitions(settings)
    prepare_home(settings.home)
    settings.memory.keep_world()
    platform: BoardPorts = definitions.resources["platform"]  # type: ignore[index]
    with instance_of(settings) as instance:
        demo = Demo(definitions, instance, platform)
        _print_start(console, settings)
        with staged_progress(stages(settings.market.demo_days), console) as begin_next:
            begin_next()
            demo.simulate_history()
            begin_next()
            demo.land_history()
            begin_next()
            _print_promotion(console, demo.train_first_champion())
            _print_header(console)
            last = settings.days.first_lived_date
            begin_next()
            for result in demo.run_days():
                _print_row(console, result)
                last = result.day
                begin_next()
            with demo.stopwatch.measure("summary"):
                summary = summarise(platform, last, demo.stopwatch.seconds)
    summary["seconds"] = {stage: round(seconds, 2) for stage, seconds in demo.stopwatch.seconds.items()}
    summary["seconds"]["total"] = round(time.perf_counter() - started, 2)
    write_summary(platform, summary)
    _print_end(console, summary, settings.home / SUMMARY_FILE)
    return summary


def stages(days: int) -> list[tuple[str, float]]:
    """Return the stages of a demo of `days` days, each with its duration in CPU seconds."""
    return [
        ("simulating the market's history", 8.0),
        ("landing it and building features", 50.0),
        ("training the first champion and asking the gate", 50.0),
        *((f"running day {number} of {days}", 20.0) for number in range(1, days + 1)),
        ("adding it up", 5.0),
    ]


def _print_start(console: Console, settings: Settings) -> None:
    market = settings.market
    console.print(
        f"mlife demo: {market.market_users:,} people, about {market.market_jobs:,} open jobs, "
        f"{settings.days.history_days} days of history texted by recruiters, then {market.demo_days} days run by the "
        f"model (simulated, seed {market.seed}).",
        style="bold",
    )
    elsewhere = "" if settings.lake is None else f", events, models and reports to {settings.places.lake_name}"
    console.print(f"Everything is written to {settings.home}{elsewhere}.\n", style="dim")


def _print_promotion(console: Console, verdict: dict[str, Any]) -> None:
    console.print(f"The first champion is {verdict['model_version']}.", style="bold")
    for sentence in verdict["sentences"]:
        console.print(f"  {sentence}", style="dim", highlight=False)
    console.print()


def _print_header(console: Console) -> None:
    line = COLUMNS.format(day="day", date="", verdict="verdict", texts="texts", delivered="delivered", earned="bids*")
    console.print(line + "why", style="bold", highlight=False)


def _print_row(console: Console, result: DayResult) -> None:
    from rich.text import Text

    if result.event:
        console.print(Text(f"     in the world: {result.event}", style="italic cyan"))
    line = COLUMNS.format(
        day=result.number,
        date=f"{result.day:%a} {result.day.day} {result.day:%b}",
        verdict=result.verdict,
        texts=f"{result.submitted:,}",
        delivered=f"{result.delivered:,}",
        earned=f"${result.earned_usd:,.0f}",
    )
    text = Text(line)
    text.highlight_regex(rf"\b{result.verdict}\b", VERDICT_STYLES[result.verdict])
    indent = " " * len(line)
    shown = REASONS_OF_A_QUIET_DAY if result.verdict == "wait" else len(result.reasons)
    reasons = list(result.reasons[:shown])
    _wrapped(console, text, reasons, indent)
    if result.promotion:
        style = "bold green" if result.is_promoted else "yellow"
        _wrapped(console, Text(indent), [f"gate: {result.promotion}"], indent, style)


def _wrapped(console: Console, first: Text, sentences: list[str], indent: str, style: str = "") -> None:
    """Print sentences behind `first`, the later lines indented below."""
    from rich.text import Text

    width = max(30, console.width - len(indent))
    lines = [line for sentence in sentences for line in Text(sentence, style=style).wrap(console, width)]
    for place, line in enumerate(lines):
        console.print((first if place == 0 else Text(indent)) + line, soft_wrap=True)


def _application_line(one: Mapping[str, Any]) -> str:
    """Return the figures of an application that are known, in a line."""
    reached = {"sms": "texts delivered", "email": "mails delivered", "call": "people on call lists"}[one["channel"]]
    parts = [f"{one['reached']:,} {reached}"]
    parts += [f"{one[name]:.1%} {name}" for name in ("clicked", "applied") if one[name] is not None]
    if one["earned_usd"] is not None:
        parts.append(f"${one['earned_usd']:,.0f}")
    if one["lift_in_words"] is not None:
        parts.append(f"applies over its holdout {one['lift_in_words']}")
    return f"{one['title']}: {', '.join(parts)}"


def _print_end(console: Console, summary: dict[str, Any], path: object) -> None:
    ranked, kpi, messages = summary["map_at_10"], summary["kpi"], summary["messages"]
    console.print("\n* bids of the applications after texts that the export of the day before reported\n", style="dim")
    console.print("Results", style="bold")
    lines = [
        _ranking_line(ranked),
        f"texts: {messages['planned']:,} planned, {messages['submitted']:,} submitted, "
        f"{messages['delivered']:,} delivered, {messages['ambiguous']:,} ambiguous; "
        f"{summary['duplicate_sends']} sent twice, {summary['holdout_sends']} to the holdout",
        _withheld_line(summary["withheld"]),
        f"revenue ${kpi['revenue']:,.0f}",
        f"{summary['events']:,} events in the log, {summary['rejected_rows']:,} rows rejected",
        f"{summary['seconds']['total']:.0f} seconds",
    ]
    if summary["true_map_at_10"] is not None:
        lines.insert(1, _truth_line(summary["true_map_at_10"]))
    lines += [
        f"promoted on {one['date']}: {one['won_since']}"
        for one in summary["promotions"]
        if one["won_since"] is not None
    ]
    lines += [_application_line(one) for one in summary["applications"].values()]
    lines += [line for name, model in summary["models"].items() for line in _model_lines(name, model)]
    for line in lines:
        console.print(f"  {line}", highlight=False, soft_wrap=True)
    console.print("\nWhere to look next", style="bold")
    for command, why in (
        (f"mlife trace {summary['sample_message_id']}", "one text from raw event to conversion"),
        ("mlife status", "where things stand"),
        ("mlife open", "the dashboard, model cards, runbooks and each message's trace, in the browser"),
        ("make dev", "the same graph, runs and checks in the Dagster UI, and these pages beside it"),
        (str(path), "all numbers above"),
    ):
        console.print(f"  {command}", style="bold", highlight=False, soft_wrap=True, end="")
        console.print(f"  {why}", style="dim", highlight=False, soft_wrap=True)


def _model_lines(name: str, model: dict[str, Any]) -> list[str]:
    """Return champion and gate verdict of a model beside the first."""
    serves = f"{model['champion_version']} serves" if model["champion_version"] else "no model serves yet"
    lines = [f"{name}: {serves}, {model['scored']:,} rows scored on the last day"]
    if model["outcome"] is not None:
        lines.append(f"{name}, gate: {model['outcome'].replace('_', ' ')}")
    if model["delta"] is not None:
        low, high = model["interval"]
        measured = f"{model['objective']} minus {model['rule']} {model['delta']:+.3f} ({low:+.3f} to {high:+.3f})"
        lines[-1] += f", {measured}"
    return lines


def _withheld_line(withheld: dict[str, Any]) -> str:
    reasons = [f"{count:,} {reason}" for reason, count in withheld["job_days"].items()]
    labels = sum(withheld["labelled_job_days"].values())
    return (
        f"kept back: {sum(withheld['job_days'].values()):,} job-days by the rules on wording and employers "
        f"({', '.join(reasons) or 'none'}), {labels:,} under a label instead of their title; senders of "
        f"{withheld['unclear_replies']:,} unclear replies paused"
    )


def _ranking_line(ranked: dict[str, Any] | None) -> str:
    if ranked is None:
        return "MAP@10: no week of the demo is mature yet"
    gain = ranked["champion_minus_human"]
    return (
        f"MAP@10 among the jobs that {ranked['cohort_users']:,} applicants were shown: {_rungs(ranked)}; champion "
        f"minus human {gain['delta']:+.3f} ({gain['lower']:+.3f} to {gain['upper']:+.3f})"
    )


def _truth_line(ranked: dict[str, Any]) -> str:
    share = (
        "" if ranked["share"] is None else f": the champion goes {ranked['share']:.0%} of the way from human to oracle"
    )
    return f"MAP@10 on the true probabilities, which only a simulator knows: {_rungs(ranked)}{share}"


def _rungs(ranked: dict[str, Any]) -> str:
    rungs = {"random": "random", "human": "human", "simple": "simple rule", "champion": "champion", "oracle": "oracle"}
    return ", ".join(f"{words} {ranked[name]:.3f}" for name, words in rungs.items() if name in ranked)
