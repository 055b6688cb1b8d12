"""`mlife status`: where things stand.

Belongs here: printing it. Does not belong here: finding it out (`standing`).

Concept: the first lines answer what a person on call asks first: which day, who serves, what was decided, is anything
sent.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlife_assets.cli.options import AsJson, Home, has_event_log, open_platform, settings_of
from mlife_assets.cli.output import answer_console, moment, print_json, progress
from mlife_assets.cli.project_home import project_settings
from mlife_assets.cli.project_status import print_standings, standings, standings_document

if TYPE_CHECKING:
    from rich.console import Console

    from mlife_assets.cli.standing import Standing

HINTS = {
    "embedded": "`mlife demo` runs the first days of a production model; for another folder use --home",
    "standalone": "`mlife doctor` says what is missing, the README.md of the home how days run",
    "aws": "`mlife doctor` says what is missing; due_days_sensor runs days",
}
VERDICT_STYLES = {"retrain": "yellow", "wait": "green", "block": "bold red"}
BODY_WIDTH = 90


def status(
    home: Home = None,
    as_json: AsJson = False,
    for_prometheus: Annotated[
        bool, typer.Option("--prometheus", help="Print gauges in the text format of Prometheus, nothing else.")
    ] = False,
) -> None:
    """Show where things stand: newest day, champion, verdict, sending, last texts, alarms, one text to trace.

    In the folder of another Dagster project: newest day, verdict, champion and alarms of each of its models.

    Exit codes: 0 done, also when nothing has run yet; 1 failed, or --prometheus before anything has run, 2 wrong usage.
    """
    if for_prometheus:
        if as_json:
            raise typer.BadParameter("--json and --prometheus are two formats; ask for one")
        typer.echo(_gauges(home), nl=False)
        return
    if (project := project_settings(home)) is not None:
        models = standings(project) if has_event_log(project) else []
        if as_json:
            print_json(standings_document(project.home, models))
        else:
            print_standings(answer_console(), project.home, models)
        return
    settings = settings_of(home)
    if not has_event_log(settings):
        hint = HINTS[settings.deployment]
        if as_json:
            print_json({"home": str(settings.home), "is_lived": False, "hint": hint})
        else:
            answer_console().print(f"Nothing has run in {settings.home} yet: {hint}.", soft_wrap=True)
        return
    platform = open_platform(settings)
    from mlife_assets.cli.standing import standing_of

    with progress("reading the event log"):
        standing = standing_of(platform)
    if as_json:
        print_json(asdict(standing) | {"home": str(standing.home), "is_lived": True})
        return
    _print_standing(answer_console(), standing)


def _gauges(home: Path | None) -> str:
    """Return the gauges of a home, of the job board or of a project. Raises NotFoundError when nothing has run."""
    from mlife_assets.cli.home_pages import HomePages
    from mlife_assets.cli.project_pages import ProjectPages
    from mlife_assets.settings import RUNBOOKS_FOLDER

    project = project_settings(home)
    return (HomePages(settings_of(home), RUNBOOKS_FOLDER) if project is None else ProjectPages(project)).metrics()


def _print_standing(console: Console, standing: Standing) -> None:
    def line(name: str, value: object, style: str = "") -> None:
        console.print(f"{name:<11}{value}", style=style, soft_wrap=True)

    line("home", standing.home)
    line("newest day", standing.newest_day or "none has run yet")
    line("next day", f"{standing.next_day}  (`mlife day`)")
    line("verdict", standing.verdict or "none yet", VERDICT_STYLES.get(standing.verdict or "", ""))
    for reason in standing.reasons:
        line("", f"- {reason}")
    champion = standing.champion
    if champion is None:
        line("champion", "none: no model was promoted yet")
    else:
        change = champion.kind.replace("_", " ")
        line("champion", f"{champion.model_version}, {change} by {champion.actor} at {moment(champion.since)}")
        line("", f"- {champion.reason}")
    if standing.promotion is not None:
        promotion = standing.promotion
        line("gate", f"{promotion['outcome'].replace('_', ' ')} on {promotion['as_of_date']}")
    for other in standing.others:
        serves = f"{other.champion_version} serves" if other.champion_version else "no model was promoted yet"
        line("also", f"{other.model_name}: {other.verdict or 'no verdict yet'}, {serves}")
    _print_sending(console, standing)
    for alarm in standing.alarms:
        line("alarm", f"{alarm.source} of {alarm.day}: {alarm.sentence}", "red")
    if not standing.alarms:
        line("alarms", "none")
    if standing.sample_message_id:
        line("try", f"mlife trace {standing.sample_message_id}")


def _print_sending(console: Console, standing: Standing) -> None:
    from mlife_assets.recruiting.mail.shown import body_line

    switch = standing.switch
    why = f" by {switch['actor']} at {moment(switch['at'])}: {switch['reason']}" if switch else ""
    style = "bold yellow" if standing.is_paused else ""
    console.print(f"{'sending':<11}{'PAUSED' if standing.is_paused else 'allowed'}{why}", style=style, soft_wrap=True)
    console.print(f"{'messages':<11}{standing.planned:,} planned; {_counts(standing.sends)}", soft_wrap=True)
    console.print(f"{'suppressed':<11}{_counts(standing.suppressed)}", soft_wrap=True)
    twice = "" if standing.duplicate_sends is None else f", {standing.duplicate_sends} sent twice"
    console.print(f"{'all days':<11}{_counts(standing.unsettled)} still open{twice}", soft_wrap=True)
    for text in standing.last_texts:
        body = body_line(text["body"])
        body = body if len(body) <= BODY_WIDTH else body[: BODY_WIDTH - 3] + "..."
        console.print(
            f"{'':<11}{text['message_id']}  {text['as_of_date']}  {text['state']:<11}  {body}", soft_wrap=True
        )


def _counts(counted: object) -> str:
    """Return `1,200 delivered, 3 ambiguous`; `none` when empty."""
    items = dict(counted).items()  # type: ignore[call-overload]
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in items) or "none"
