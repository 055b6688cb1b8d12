"""Alerts: findings that need a person, kept as files below `alerts/`.

Concept: an alert is stored first and sent later, so none is lost while a chat is down. A file of its name below
`alert_deliveries/`, written after the channel accepted it, marks it as sent: after a crash in between it is sent again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from mlife_assets.core.alerts import Alert
from mlife_assets.core.errors import IntegrityError, InvalidInputError
from mlife_assets.deployments.ports import ModelPorts

if TYPE_CHECKING:
    from mlife_assets.deployments.board_ports import BoardPorts

ALERTS, DELIVERIES, SUFFIX = "alerts", "alert_deliveries", ".json"
SENT_WITHIN = timedelta(days=7)
MESSAGE_CHARACTERS = 300
"""Maximum of an error's first line; the run has the rest."""
ALERTS_PER_MESSAGE = 20
"""Chats refuse a message of more than about 28 KB; an alert is below 1 KB."""
ALERT_BYTES = 8_000
"""A larger file is not one of our alerts."""
PARTITION_TAG = "dagster/partition"
INTERVAL_SECONDS = 30
"""Between two ticks of a sensor."""


def alert(platform: ModelPorts, name: str, facts: Mapping[str, str | None]) -> None:
    """Store one alert for people; a repeat changes nothing."""
    import orjson

    if not is_alerted(platform, name):
        raised = {"raised_at": platform.home.clock.now().isoformat()}
        platform.lake.replace(_key(name), orjson.dumps({**facts, **raised}, option=orjson.OPT_SORT_KEYS))


def is_alerted(platform: ModelPorts, name: str) -> bool:
    return platform.lake.exists(_key(name))


def undelivered(platform: BoardPorts) -> list[str]:
    """Return the names of unsent alerts, in order."""
    kept, sent = (
        {key.removeprefix(f"{folder}/")[: -len(SUFFIX)] for key in platform.lake.list(folder) if key.endswith(SUFFIX)}
        for folder in (ALERTS, DELIVERIES)
    )
    return sorted(kept - sent)


def deliver_alerts(platform: BoardPorts) -> Sequence[Alert]:
    """Send all unsent alerts, oldest first, several per message, and return them.

    Alerts older than a week are marked as not sent, so that a new channel begins with current ones.

    Raises:
        InvalidInputError: there is no channel.
        TransientError: the channel did not accept them; they stay unsent.
        PermanentError: it refuses them.
    """
    channel, now = platform.home.messengers.alert_channel, platform.home.clock.now()
    if channel is None:
        raise InvalidInputError("alerts are sent to nobody; set MLIFE_ALERT_WEBHOOK")
    alerts = [_kept(platform, name) for name in undelivered(platform)]  # sorted by name
    alerts.sort(key=_raised_at)
    old = [alert for alert in alerts if _raised_at(alert) < (now - SENT_WITHIN).isoformat()]
    for alert in old:
        _put_down(platform, alert, {"not_sent": "it was older than a week"})
    news = alerts[len(old) :]
    for start in range(0, len(news), ALERTS_PER_MESSAGE):
        batch = news[start : start + ALERTS_PER_MESSAGE]
        channel.deliver(batch)
        for alert in batch:
            _put_down(platform, alert, {"channel": channel.name, "sent_at": now.isoformat()})
    return news


def _kept(platform: BoardPorts, name: str) -> Alert:
    """Return an alert; a damaged or foreign file is sent as such, so that it blocks no other."""
    import orjson

    try:
        facts = orjson.loads(platform.lake.get(_key(name), at_most=ALERT_BYTES))
        if not all(said is None or isinstance(said, str) for said in facts.values()):
            raise ValueError(name)
        return Alert(name, sentence_of(name, facts), facts)
    except (ValueError, AttributeError, IntegrityError):
        sentence = f"{_key(name)} cannot be read; see the runs in the UI"
        return Alert(name, sentence, {"message": sentence, "raised_at": platform.home.clock.now().isoformat()})


def sentence_of(name: str, facts: Mapping[str, str | None]) -> str:
    """Return an alert as one line for people."""
    job, partition, runbook = facts.get("job"), facts.get("partition"), facts.get("runbook")
    what = f"{job} failed" if job else name
    when = f" for {partition}" if partition else ""
    lines = str(facts.get("message") or "").strip().splitlines()
    why = f": {lines[0][:MESSAGE_CHARACTERS]}" if lines else ""
    return f"{what}{when}{why}" + (f" ({runbook})" if runbook else "")


def _raised_at(alert: Alert) -> str:
    return alert.facts.get("raised_at") or ""


def _put_down(platform: BoardPorts, alert: Alert, facts: Mapping[str, str]) -> None:
    import orjson

    data = orjson.dumps(dict(facts), option=orjson.OPT_SORT_KEYS)
    platform.lake.replace(f"{DELIVERIES}/{alert.name}{SUFFIX}", data)


def _key(name: str) -> str:
    return f"{ALERTS}/{name}{SUFFIX}"
