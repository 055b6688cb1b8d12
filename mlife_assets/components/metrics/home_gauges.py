"""Gauges of a home for a monitoring system: reasons to wake a person on call.

Concept: gauges only repeat results of assets. Daily gauges are those of the newest decided day, so only
`mlife_newest_day_timestamp_seconds` shows that a home has stopped; alert on it first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING

from mlife_assets import __version__
from mlife_assets.components.graph.alerts import undelivered
from mlife_assets.components.shown.present import newest_day, newest_event
from mlife_assets.core.gauges import Gauge
from mlife_assets.core.windows import day_start
from mlife_assets.deployments.landed_days import INGEST_REPORT
from mlife_assets.recruiting.messaging.states import SendState

if TYPE_CHECKING:
    from mlife_assets.adapters.send_ledger import SqlLedger
    from mlife_assets.deployments.board_ports import BoardPorts
    from mlife_assets.deployments.ports import ModelPorts

UNSETTLED = (SendState.LEASED, SendState.SUBMITTING, SendState.AMBIGUOUS)
DAY_COLUMNS = ["campaign", "as_of_date"]


def home_gauges(platform: BoardPorts) -> Iterator[Gauge]:
    """Yield the gauges of a home."""
    views = [platform.of_model(model.name) for model in platform.home.models]
    newest, landed = newest_day(platform.of_model()), platform.days.newest()
    info = {"version": __version__, "deployment": platform.settings.deployment}
    yield Gauge("mlife_info", "Version and deployment, always 1", ((info, 1.0),))
    yield _days("mlife_newest_day_timestamp_seconds", "Begin of the newest day that was decided", newest)
    yield _days("mlife_newest_landed_day_timestamp_seconds", "Begin of the newest day that landed", landed)
    yield from model_gauges(views)
    yield _landed(platform, landed)
    yield from _planned(platform, newest)
    ledger = platform.home.ledger_if(is_made=False)
    yield _one("mlife_ledger_is_there", "Whether there is a send ledger; none is made by asking", ledger is not None)
    if ledger is not None:
        yield from _sends(ledger, newest)
        names = [application.name for application in platform.home.applications]
        paused = tuple(({"campaign": name}, float(ledger.switches.is_paused(name))) for name in names)
        yield Gauge("mlife_sending_is_paused", "Whether sending is paused, for all or for an application", paused)
        unclear = len(ledger.replies.unclear())
        yield _one("mlife_unclear_replies", "Replies that wait for a person", unclear)
    if platform.home.messengers.alert_channel is not None:
        yield _one("mlife_alerts_unsent", "Alerts that were kept and not sent", len(undelivered(platform)))


def model_gauges(views: Iterable[ModelPorts]) -> Iterator[Gauge]:
    """Yield the gauges of models: the champion and its start, the decision and alarming reports of the newest day."""
    serving, since, verdicts, alarms = [], [], [], []
    for view in views:
        model = {"model": view.model_name}
        if reigns := view.registry.history():
            serving.append(({**model, "model_version": reigns[-1].model_version}, 1.0))
            since.append((model, reigns[-1].since.timestamp()))
        decision = newest_event(view, "retrain_decided")
        if decision is None:
            continue
        verdicts.append(({**model, "verdict": decision["verdict"]}, 1.0))
        for name, report in view.reports.of_day(decision["as_of_date"]).items():
            alarms.append(({**model, "report": name}, float(report.status == "alarm")))
    yield Gauge("mlife_champion_info", "Which version serves, always 1", tuple(serving))
    yield Gauge("mlife_champion_since_timestamp_seconds", "Since when it serves", tuple(since))
    yield Gauge("mlife_verdict_info", "The verdict of the newest day, always 1", tuple(verdicts))
    yield Gauge("mlife_monitoring_alarm", "Whether a report of the newest day alarms", tuple(alarms))


def _landed(platform: BoardPorts, day: date | None) -> Gauge:
    """Return the rows of the newest landed day, by event type and outcome."""
    values = []
    for entry in [] if day is None else platform.tables.read_report(INGEST_REPORT, day)["types"]:
        for outcome, rows in (("accepted", entry["accepted"]), ("rejected", sum(entry["rejected"].values()))):
            values.append(({"event_type": entry["event_type"], "outcome": outcome}, float(rows)))
    return Gauge("mlife_landed_rows", "Rows of the newest landed day", tuple(values))


def _planned(platform: BoardPorts, day: date | None) -> Iterator[Gauge]:
    log = platform.event_log
    planned, left_out = Counter[str](), Counter[tuple[str, str]]()
    if day is not None:
        for row in log.read("message_planned", start=day, end=day, columns=DAY_COLUMNS).to_pylist():
            planned[row["campaign"]] += row["as_of_date"] == day
        for row in log.read("message_suppressed", start=day, end=day, columns=[*DAY_COLUMNS, "reason"]).to_pylist():
            left_out[row["campaign"], row["reason"]] += row["as_of_date"] == day
    yield Gauge(
        "mlife_messages_planned",
        "Messages of the newest day's plans",
        tuple(({"campaign": campaign}, float(count)) for campaign, count in sorted(planned.items())),
    )
    says = "People of the newest day who were left out, by rule"
    yield _by_campaign("mlife_messages_suppressed", says, "reason", left_out)


def _sends(ledger: SqlLedger, day: date | None) -> Iterator[Gauge]:
    states = {} if day is None else ledger.sends.state_counts(day)
    yield _by_campaign("mlife_messages", "Messages of the newest day in the ledger, by state", "state", states)
    unsettled = [({"state": str(state)}, float(len(ledger.sends.rows(state=state)))) for state in UNSETTLED]
    yield Gauge("mlife_messages_unsettled", "Messages of all days whose outcome is open", tuple(unsettled))


def _by_campaign(name: str, says: str, label: str, counts: Mapping[tuple[str, str], int]) -> Gauge:
    values = [
        ({"campaign": campaign, label: value}, float(count))
        for (campaign, value), count in sorted(counts.items())
        if count
    ]
    return Gauge(name, says, tuple(values))


def _days(name: str, says: str, day: date | None) -> Gauge:
    return Gauge(name, says, () if day is None else (({}, day_start(day).timestamp()),))


def _one(name: str, says: str, value: float) -> Gauge:
    return Gauge(name, says, (({}, float(value)),))
