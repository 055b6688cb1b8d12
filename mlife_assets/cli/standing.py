"""Where a deployment stands: gathered from the event log, the ledger and the day's reports.

Belongs here: the facts that `mlife status` shows. Does not belong here: how they are printed (`status`).

Concept: nothing is computed that an asset already decided; an unreadable fact is an error, a fact that does not exist
yet says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlife_assets.components.platform.resources import Platform
    from mlife_assets.core.reigns import Reign

LAST_TEXTS = 5
ALERTS = "alerts/"


@dataclass(frozen=True)
class Alarm:
    """Something a person should look at: where it was raised, for which day, and what it says."""

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
    duplicate_sends: int | None
    sample_message_id: str | None
    alarms: tuple[Alarm, ...]
    others: tuple[OtherModel, ...]


def standing_of(platform: Platform) -> Standing:
    """Gather where the deployment stands."""
    from mlife_assets.components.shown.present import newest_day, newest_event, next_day, operator_time
    from mlife_assets.components.shown.sample_message import sample_message

    log, ledger, newest = platform.event_log, platform.ledger, newest_day(platform)
    record = platform.texts_record
    decision = newest_event(platform, "retrain_decided")
    reigns = platform.registry.history()
    switches = ledger.switches().to_pylist()
    suppressed: Counter[str] = Counter()
    sends: Counter[str] = Counter()
    planned = 0
    if newest is not None:
        rows = log.read("message_suppressed", start=newest, end=newest, columns=["reason", "as_of_date"]).to_pylist()
        suppressed.update(row["reason"] for row in rows if row["as_of_date"] == newest)
        for (_, state), count in ledger.state_counts(newest).items():
            sends[state] += count
        planned = log.read("message_planned", start=newest, end=newest, columns=["event_id"]).num_rows
    unsettled = {state: len(ledger.rows(state=state)) for state in ("leased", "submitting", "ambiguous")}
    return Standing(
        home=platform.settings.home,
        present=operator_time(platform),
        newest_day=newest,
        next_day=next_day(platform),
        verdict=decision["verdict"] if decision else None,
        reasons=tuple(decision["sentences"]) if decision else (),
        champion=reigns[-1] if reigns else None,
        promotion=newest_event(platform, "promotion_decided"),
        is_paused=ledger.is_paused(),
        switch=switches[-1] if switches else None,
        planned=planned,
        suppressed=dict(sorted(suppressed.items())),
        sends=dict(sorted(sends.items())),
        last_texts=_last_texts(platform),
        unsettled={state: count for state, count in unsettled.items() if count},
        duplicate_sends=None if record is None else record.duplicate_sends(),
        sample_message_id=sample_message(platform, platform.settings.first_lived_date),
        alarms=(*_report_alarms(platform, newest), *_run_alarms(platform)),
        others=tuple(_other(platform.of_model(model.name)) for model in platform.models[1:]),
    )


def _other(view: Platform) -> OtherModel:
    from mlife_assets.components.shown.present import newest_event

    decision = newest_event(view, "retrain_decided")
    return OtherModel(view.model_name, view.registry.champion(), decision["verdict"] if decision else None)


def _last_texts(platform: Platform) -> tuple[Mapping[str, Any], ...]:
    """Return the newest texts that were handed to the provider; the ledger's rows know their state and words."""
    rows = [row for row in platform.ledger.rows() if row.attempts > 0]
    rows.sort(key=lambda row: (row.as_of_date, row.updated_at, row.message_id), reverse=True)
    names = ("message_id", "as_of_date", "user_id", "job_id", "state", "body")
    return tuple({name: getattr(row, name) for name in names} for row in rows[:LAST_TEXTS])


def _report_alarms(platform: Platform, day: date | None) -> list[Alarm]:
    """Return the alarming reports of a day; a report that was not written, say on a blocked day, alarms nothing."""
    reports = {} if day is None else platform.monitoring_reports(day)
    return [Alarm(name, str(day), report.sentence) for name, report in reports.items() if report.status == "alarm"]


def _run_alarms(platform: Platform) -> list[Alarm]:
    """Return the failed runs that the failure sensor wrote down."""
    import orjson

    alerts = [orjson.loads(platform.lake.get(key)) for key in platform.lake.list(ALERTS)]
    found = [Alarm(str(alert["job"]), str(alert["partition"]), str(alert["message"])) for alert in alerts]
    return sorted(found, key=lambda alarm: (alarm.day, alarm.source))
