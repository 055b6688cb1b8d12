"""The present time of a home, for a person's acts.

Concept: a simulated home stands still in the evening of its newest day, independent of the machine's clock. An act
happens four hours after that day ran (22:00 UTC): after its retraining and its replies, before the next day's run. In
real time it happens now. Each further act is a second later, so acts are in order of time, no write is older than an
observed event, and nobody promotes a model before it was registered.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from mlife_assets.core.monitoring.retrain_decisions import NO_CHAMPION
from mlife_assets.core.windows import add_days

if TYPE_CHECKING:
    from mlife_assets.deployments.board_ports import BoardPorts
    from mlife_assets.deployments.ports import ModelPorts

STEP = timedelta(seconds=1)
ACTS = (
    "sending_paused",
    "sending_resumed",
    "model_registered",
    "model_promoted",
    "model_rolled_back",
    "model_imported",
    "reply_reviewed",
    "employer_reviewed",
    "plan_rejected",
)


def newest_day(platform: ModelPorts) -> date | None:
    """Return the newest decided day with a serving model; None before the first.

    Without a serving model a day cannot end, so a click on a day of history changes nothing.
    """
    decided = platform.registry.events("retrain_decided")
    return max((row["as_of_date"] for row in decided if NO_CHAMPION not in row["codes"]), default=None)


def newest_event(platform: ModelPorts, event_type: str) -> dict[str, Any] | None:
    """Return the event of the newest day, the last observed of that day; None before the first."""
    rows = platform.registry.events(event_type)
    return max(rows, key=lambda row: (row["as_of_date"], row["observed_at"])) if rows else None


def next_day(platform: ModelPorts) -> date:
    """Return the day after the newest decided one, at first the platform's first day.

    A day that was decided and not blocked, but never planned, was interrupted and comes again.
    """
    newest = newest_day(platform)
    if newest is None:
        return platform.days.first_run
    decided = platform.registry.events("retrain_decided")
    is_blocked = any(row["as_of_date"] == newest and row["verdict"] == "block" for row in decided)
    return add_days(newest, 1) if is_blocked or platform.days.has_ended(newest) else newest


def operator_time(platform: ModelPorts) -> datetime:
    """Return the time of a person's act now."""
    import pyarrow.compute as pc

    newest = newest_day(platform) or add_days(platform.days.first_run, -1)
    evening = platform.home.times.act(newest)
    acts = [platform.event_log.read(name, columns=["observed_at"])["observed_at"] for name in ACTS]
    known = [pc.max(times).as_py() + STEP for times in acts if len(times)]
    return max([evening, *known, *(at + STEP for at in platform.days.act_times())])


def sample_message(platform: BoardPorts, first: date) -> str | None:
    """Return a text worth tracing: one that led to an apply, else to a click, else any; None without texts."""
    planned = platform.event_log.read("message_planned", start=first, columns=["message_id", "prediction_id"])
    own = planned.filter(pc.is_valid(planned["prediction_id"]))["message_id"].combine_chunks()
    for event_type in ("apply", "click"):
        caused = platform.event_log.read(event_type, start=first, columns=["exposure_id"])["exposure_id"]
        hits = sorted(pc.unique(caused.filter(pc.is_in(caused, value_set=own))).to_pylist())
        if hits:
            return str(hits[0])
    return str(min(own.to_pylist())) if len(own) else None
