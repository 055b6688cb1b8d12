"""Quiet hours: when a recipient may be texted, on the recipient's own clock.

Concept: the recorded zone may be wrong (people move, numbers do not), so a text must be allowed in the recorded zone
*and* in every zone of the recipient's state: the intersection. An unknown zone or state is never allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

_EASTERN, _CENTRAL, _MOUNTAIN, _PACIFIC = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
)

_STATES_OF_ZONES: dict[tuple[str, ...], str] = {
    (_EASTERN,): "CT DC DE GA MA MD ME NC NH NJ NY OH PA RI SC VA VT WV",
    (_CENTRAL,): "AL AR IA IL LA MN MO MS OK WI",
    (_MOUNTAIN,): "CO MT NM UT WY",
    (_PACIFIC,): "CA WA",
    (_EASTERN, _CENTRAL): "FL IN KY MI TN",
    (_CENTRAL, _MOUNTAIN): "KS ND NE SD TX",
    (_MOUNTAIN, _PACIFIC): "ID NV OR",
    ("America/Phoenix", _MOUNTAIN): "AZ",
    ("America/Anchorage", "America/Adak"): "AK",
    ("Pacific/Honolulu",): "HI",
    ("America/Puerto_Rico",): "PR VI",
    ("Pacific/Guam",): "GU MP",
    ("Pacific/Pago_Pago",): "AS",
}

ZONES_OF_STATE: dict[str, tuple[str, ...]] = {
    state: zones
    for zones, states in sorted(_STATES_OF_ZONES.items(), key=lambda item: item[1])
    for state in states.split()
}
"""Zones that occur in each state or territory."""

ALLOWED = "allowed"
UNKNOWN_STATE = "unknown_state"
UNKNOWN_TIME_ZONE = "unknown_time_zone"
QUIET_HOURS = "quiet_hours"


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _is_open(zone: ZoneInfo, now: datetime, policy: MessagingPolicy) -> bool:
    local = now.astimezone(zone)
    if local.weekday() == 6 and not policy.allow_sunday:
        return False
    return policy.quiet_before_local_hour <= local.hour < policy.quiet_from_local_hour


def window_verdict(state_code: str | None, time_zone: str | None, now: datetime, policy: MessagingPolicy) -> str:
    """Return `allowed` or the reason why a recipient must not be texted at `now`.

    Args:
        state_code: two-letter code of the recipient's state.
        time_zone: IANA name of the recipient's zone.
        now: aware instant.
        policy: hours in which texts are allowed, and whether Sundays are.

    Raises:
        InvalidInputError: when `now` has no zone.
    """
    if now.tzinfo is None:
        raise InvalidInputError("now has no time zone; pass an aware datetime")
    state_zones = ZONES_OF_STATE.get(state_code) if state_code else None
    if state_zones is None:
        return UNKNOWN_STATE
    recorded = _zone(time_zone) if time_zone else None
    if recorded is None:
        return UNKNOWN_TIME_ZONE
    zones = [recorded, *(_zone(name) for name in state_zones)]
    if not all(zone is not None and _is_open(zone, now, policy) for zone in zones):
        return QUIET_HOURS
    return ALLOWED


def window_verdicts(
    state_codes: Sequence[str | None], time_zones: Sequence[str | None], now: datetime, policy: MessagingPolicy
) -> np.ndarray:
    """Return `window_verdict` of n recipients, an object array of shape (n,); each distinct place is decided once."""
    places = list(zip(state_codes, time_zones, strict=True))
    verdict_of = {place: window_verdict(*place, now, policy) for place in set(places)}
    return np.array([verdict_of[place] for place in places], dtype=object)
