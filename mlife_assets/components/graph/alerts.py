"""Alerts: what a person has to look at, kept as files below `alerts/`.

Belongs here: writing one, asking whether it was written. Does not belong here: when there is one (`sensors`,
`retrain_sensor`).
"""

from collections.abc import Mapping

from mlife_assets.components.platform.model_platform import ModelPlatform

ALERTS = "alerts"
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


def _key(name: str) -> str:
    return f"{ALERTS}/{name}.json"
