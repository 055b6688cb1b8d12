"""Alerts: what a person has to look at, kept as files below `alerts/`.

Belongs here: keeping one, which were not sent yet, sending those. Does not belong here: when there is one (`sensors`,
`retrain_sensor`), when they are sent (`alert_delivery`), their words (`core.alerts`).

Concept: an alert is kept first and sent later, so none is lost with a chat that is down. It was sent when a file of its
name lies below `alert_deliveries/`, written after the channel took it: what crashed between the two is sent again.
"""

from collections.abc import Mapping, Sequence

from mlife_assets.components.platform.model_platform import ModelPlatform
from mlife_assets.core.alerts import Alert
from mlife_assets.core.errors import InvalidInputError

ALERTS, DELIVERIES = "alerts", "alert_deliveries"
PARTITION_TAG = "dagster/partition"
INTERVAL_SECONDS = 30
"""Between two looks of a sensor."""


def alert(platform: ModelPlatform, name: str, facts: Mapping[str, str | None]) -> None:
    """Keep one alert for people; writing it again changes nothing."""
    import orjson

    platform.lake.replace(_key(name), orjson.dumps(dict(facts), option=orjson.OPT_SORT_KEYS))


def is_alerted(platform: ModelPlatform, name: str) -> bool:
    """Return whether an alert of that name was kept."""
    return platform.lake.exists(_key(name))


def undelivered(platform: ModelPlatform) -> list[str]:
    """Return the names of alerts that were not sent, in order."""
    kept, sent = (
        {key.removeprefix(f"{folder}/").removesuffix(".json") for key in platform.lake.list(folder)}
        for folder in (ALERTS, DELIVERIES)
    )
    return sorted(kept - sent)


def deliver_alerts(platform: ModelPlatform) -> Sequence[Alert]:
    """Send all alerts that were not sent, as one message, and return them.

    Raises:
        InvalidInputError: there is nobody to send them to.
        TransientError: the channel did not take them; they stay unsent.
        PermanentError: it refuses them.
    """
    import orjson

    if platform.alert_channel is None:
        raise InvalidInputError("nobody is told of alerts; set MLIFE_ALERT_WEBHOOK")
    names = undelivered(platform)
    alerts = [Alert(name, orjson.loads(platform.lake.get(_key(name)))) for name in names]
    if alerts:
        platform.alert_channel.deliver(alerts)
    for name in names:
        sent = {"channel": platform.alert_channel.name, "sent_at": platform.clock.now().isoformat()}
        platform.lake.replace(f"{DELIVERIES}/{name}.json", orjson.dumps(sent, option=orjson.OPT_SORT_KEYS))
    return alerts


def _key(name: str) -> str:
    return f"{ALERTS}/{name}.json"
