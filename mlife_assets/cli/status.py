"""`mlife status`: where things stand.

Concept: the first lines answer the first questions of a person on call: the day, the champion, the decision, the
sends. An unreadable fact is an error; a fact that does not exist yet says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlife_assets.cli.homes import (
    any_settings,
    board_settings,
    first_steps,
    has_event_log,
    opened_board,
    opened_project,
    project_settings,
)
from mlife_assets.cli.options import AsJson, Home
from mlife_assets.cli.output import moment, print_json, progress, say, say_field
from mlife_assets.cli.project_status import print_standings, standings, standings_document

if TYPE_CHECKING:
    from mlife_assets.core.model_events import Reign
    from mlife_assets.deployments.board_ports import BoardPorts
    from mlife_assets.deployments.ports import ModelPorts


VERDICT_STYLES = {"retrain": "yellow", "wait": "green", "block": "bold red"}
BODY_WIDTH = 90
LAST_TEXTS = 5
ALERTS = "alerts/"


def status(
    home: Home = None,
    as_json: AsJson = False,
    for_prometheus: Annotated[
        bool, typer.Option("--prometheus", help="Print gauges in the text format of Prometheus, nothing else.")
    ] = False,
) -> None:
    """Show where things stand: newest day, champion, verdict, sending, last texts, alarms, one text to trace.

    In the folder of another Dagster project: newest day, verdict, champion and alarms of each of its models.

    Exit codes: 0 done, also when nothing has run yet or a restore has not ended; 1 failed, or --prometheus before
    anything has run, 2 wrong usage.
    """
    if for_prometheus:
        if as_json:
            raise typer.BadParameter("--json and --prometheus are two formats; ask for one")
        from mlife_assets.cli.home_pages import pages_of

        typer.echo(pages_of(any_settings(home)).metrics(), nl=False)
        return
    if (project := project_settings(home)) is not None:
        models = standings(opened_project(project)) if has_event_log(project) else []
        if as_json:
            print_json(standings_document(project.home, models))
        else:
            print_standings(project.home, models)
        return
    from mlife_assets.adapters.home_files import unfinished_restore

    settings = board_settings(home)
    unfinished = unfinished_restore(settings.private_folder)
    if unfinished is not None or not has_event_log(settings):
        hint = unfinished or first_steps(settings)
        if as_json:
            print_json({"home": str(settings.home), "is_lived": False, "hint": hint})
        else:
            words = f"{settings.home} is not whole" if unfinished else f"Nothing has run in {settings.home} yet"
            say(f"{words}: {hint}.")
        return
    platform = opened_board(settings)

    with progress("reading the event log"):
        standing = standing_of(platform)
    if as_json:
        print_json(asdict(standing) | {"home": str(standing.home), "is_lived": True})
        return
    _print_standing(standing)


def _print_standing(standing: Standing) -> None:
    say_field("home", standing.home)
    say_field("newest day", standing.newest_day or "none has run yet")
    say_field("next day", f"{standing.next_day}  (`mlife day`)")
    say_field("verdict", standing.verdict or "none yet", VERDICT_STYLES.get(standing.verdict or "", ""))
    for reason in standing.reasons:
        say_field("", f"- {reason}")
    champion = standing.champion
    if champion is None:
        say_field("champion", "none: no model was promoted yet")
    else:
        change = champion.kind.replace("_", " ")
        say_field("champion", f"{champion.model_version}, {change} by {champion.actor} at {moment(champion.since)}")
        say_field("", f"- {champion.reason}")
    if standing.promotion is not None:
        promotion = standing.promotion
        say_field("gate", f"{promotion['outcome'].replace('_', ' ')} on {promotion['as_of_date']}")
    for other in standing.others:
        serves = f"{other.champion_version} serves" if other.champion_version else "no model was promoted yet"
        say_field("also", f"{other.model_name}: {other.verdict or 'no verdict yet'}, {serves}")
    _print_sending(standing)
    for alarm in standing.alarms:
        say_field("alarm", f"{alarm.source} of {alarm.day}: {alarm.sentence}", "red")
    if not standing.alarms:
        say_field("alarms", "none")
    if standing.sample_message_id:
        say_field("try", f"mlife trace {standing.sample_message_id}")


def _print_sending(standing: Standing) -> None:
    from mlife_assets.recruiting.mail.body import body_line

    switch = standing.switch
    why = f" by {switch['actor']} at {moment(switch['at'])}: {switch['reason']}" if switch else ""
    style = "bold yellow" if standing.is_paused else ""
    say_field("sending", f"{'PAUSED' if standing.is_paused else 'allowed'}{why}", style)
    say_field("messages", f"{standing.planned:,} planned; {_counts(standing.sends)}")
    say_field("suppressed", _counts(standing.suppressed))
    twice = "" if standing.duplicate_sends is None else f", {standing.duplicate_sends} sent twice"
    say_field("all days", f"{_counts(standing.unsettled)} still open{twice}")
    if standing.unread_replies:
        ages = ", ".join(f"{count:,} for {days} days" for days, count in Counter(standing.unread_replies).items())
        says = f"{len(standing.unread_replies):,} unread, their senders paused: {ages}; `mlife messages inbox`"
        say_field("inbox", says, "bold yellow")
    for text in standing.last_texts:
        body = body_line(text["body"])
        body = body if len(body) <= BODY_WIDTH else body[: BODY_WIDTH - 3] + "..."
        say_field("", f"{text['message_id']}  {text['as_of_date']}  {text['state']:<11}  {body}")


def _counts(counted: object) -> str:
    items = dict(counted).items()  # type: ignore[call-overload]
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in items) or "none"


@dataclass(frozen=True)
class Alarm:
    """An alarm for a person: its source, its day and its message."""

    source: str
    day: str
    sentence: str


@dataclass(frozen=True)
class OtherModel:
    """A model beside the first.

    Attributes:
        model_name: which.
        champion_version: who serves, None before the first promotion.
        verdict: of its governor on its newest day, None before the first.
    """

    model_name: str
    champion_version: str | None
    verdict: str | None


@dataclass(frozen=True)
class Standing:
    """Where a deployment stands.

    Attributes:
        home: its folder.
        present: when an act of a person would happen now.
        newest_day: last day that the governor decided, None before the first.
        next_day: what `mlife day` would run.
        verdict: of the governor on the newest day, None before the first.
        reasons: of that verdict.
        champion: who serves, None before the first promotion.
        promotion: last verdict of the gate, as its event.
        is_paused: whether sending is paused.
        switch: last pause or resumption (actor, reason, at), None when there was none.
        planned: texts of the newest day's plan.
        suppressed: texts of the newest day that a rule stopped, by reason.
        sends: rows of the ledger of the newest day, by state.
        last_texts: newest texts that were handed to the provider, newest first.
        unsettled: rows of all days that are leased, submitting or ambiguous, by state.
        unread_replies: for how many days each unclear reply has waited for a person, oldest first.
        duplicate_sends: texts that the provider accepted beyond the first of their message; None where it does not say.
        sample_message_id: a text worth tracing.
        alarms: of the newest day's reports, and of failed runs.
        others: the models beside the first; champion, verdict and alarms above are those of the first.
    """

    home: Path
    present: datetime
    newest_day: date | None
    next_day: date
    verdict: str | None
    reasons: tuple[str, ...]
    champion: Reign | None
    promotion: Mapping[str, Any] | None
    is_paused: bool
    switch: Mapping[str, Any] | None
    planned: int
    suppressed: Mapping[str, int]
    sends: Mapping[str, int]
    last_texts: tuple[Mapping[str, Any], ...]
    unsettled: Mapping[str, int]
    unread_replies: tuple[int, ...]
    duplicate_sends: int | None
    sample_message_id: str | None
    alarms: tuple[Alarm, ...]
    others: tuple[OtherModel, ...]


def standing_of(platform: BoardPorts) -> Standing:
    """Gather where the deployment stands."""
    from mlife_assets.components.shown.present import newest_day, newest_event, next_day, operator_time, sample_message

    log, ledger, newest = platform.event_log, platform.ledger, newest_day(platform.of_model())
    record, present = platform.home.messengers.texts_record, operator_time(platform.of_model())
    unread = (max(0, (present - one.received_at).days) for one in ledger.replies.unclear())
    decision = newest_event(platform.of_model(), "retrain_decided")
    reigns = platform.of_model().registry.history()
    switches = ledger.switches.rows().to_pylist()
    suppressed: Counter[str] = Counter()
    sends: Counter[str] = Counter()
    planned = 0
    if newest is not None:
        rows = log.read("message_suppressed", start=newest, end=newest, columns=["reason", "as_of_date"]).to_pylist()
        suppressed.update(row["reason"] for row in rows if row["as_of_date"] == newest)
        for (_, state), count in ledger.sends.state_counts(newest).items():
            sends[state] += count
        planned = log.read("message_planned", start=newest, end=newest, columns=["event_id"]).num_rows
    unsettled = {state: len(ledger.sends.rows(state=state)) for state in ("leased", "submitting", "ambiguous")}
    return Standing(
        home=platform.settings.home,
        present=present,
        newest_day=newest,
        next_day=next_day(platform.of_model()),
        verdict=decision["verdict"] if decision else None,
        reasons=tuple(decision["sentences"]) if decision else (),
        champion=reigns[-1] if reigns else None,
        promotion=newest_event(platform.of_model(), "promotion_decided"),
        is_paused=ledger.switches.is_paused(),
        switch=switches[-1] if switches else None,
        planned=planned,
        suppressed=dict(sorted(suppressed.items())),
        sends=dict(sorted(sends.items())),
        last_texts=_last_texts(platform),
        unsettled={state: count for state, count in unsettled.items() if count},
        unread_replies=tuple(unread),
        duplicate_sends=None if record is None else record.duplicate_sends(),
        sample_message_id=sample_message(platform, platform.settings.days.first_lived_date),
        alarms=(*_report_alarms(platform, newest), *_run_alarms(platform)),
        others=tuple(_other(platform.of_model(model.name)) for model in platform.home.models[1:]),
    )


def _other(view: ModelPorts) -> OtherModel:
    from mlife_assets.components.shown.present import newest_event

    decision = newest_event(view, "retrain_decided")
    return OtherModel(view.model_name, view.registry.champion(), decision["verdict"] if decision else None)


def _last_texts(platform: BoardPorts) -> tuple[Mapping[str, Any], ...]:
    """Return the newest texts that were handed to the provider; the ledger's rows know their state and words."""
    rows = [row for row in platform.ledger.sends.rows() if row.attempts > 0]
    rows.sort(key=lambda row: (row.as_of_date, row.updated_at, row.message_id), reverse=True)
    names = ("message_id", "as_of_date", "user_id", "job_id", "state", "body")
    return tuple({name: getattr(row, name) for name in names} for row in rows[:LAST_TEXTS])


def _report_alarms(platform: BoardPorts, day: date | None) -> list[Alarm]:
    """Return the alarming reports of a day; a report that was not written, say on a blocked day, alarms nothing."""
    reports = {} if day is None else platform.of_model().reports.of_day(day)
    return [Alarm(name, str(day), report.sentence) for name, report in reports.items() if report.status == "alarm"]


def _run_alarms(platform: BoardPorts) -> list[Alarm]:
    """Return the failed runs that the failure sensor wrote down."""
    import orjson

    alerts = [orjson.loads(platform.lake.get(key)) for key in platform.lake.list(ALERTS)]
    found = [Alarm(str(alert["job"]), str(alert["partition"]), str(alert["message"])) for alert in alerts]
    return sorted(found, key=lambda alarm: (alarm.day, alarm.source))
