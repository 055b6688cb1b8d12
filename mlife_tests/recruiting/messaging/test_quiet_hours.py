from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.messaging.quiet_hours import ZONES_OF_STATE, window_verdict, window_verdicts
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

POLICY = MessagingPolicy()
TUESDAY = datetime(2026, 6, 2, 18, tzinfo=UTC)
ZONES = sorted({zone for zones in ZONES_OF_STATE.values() for zone in zones})


@given(
    state=st.sampled_from(sorted(ZONES_OF_STATE)), zone=st.sampled_from(ZONES), minutes=st.integers(0, 60 * 24 * 400)
)
def test_an_allowed_text_is_in_the_window_in_every_possible_zone(state, zone, minutes):
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    verdict = window_verdict(state, zone, now, POLICY)
    local = [now.astimezone(ZoneInfo(name)) for name in (zone, *ZONES_OF_STATE[state])]
    is_open = all(10 <= t.hour < 17 and t.weekday() != 6 for t in local)
    assert (verdict == "allowed") is is_open


@pytest.mark.parametrize(
    ("state", "zone", "verdict"),
    [
        ("NY", "America/New_York", "allowed"),
        ("CA", "America/Los_Angeles", "allowed"),
        ("NY", None, "unknown_time_zone"),
        ("NY", "", "unknown_time_zone"),
        ("NY", "Mars/Olympus", "unknown_time_zone"),
        ("NY", "../etc/passwd", "unknown_time_zone"),
        (None, "America/New_York", "unknown_state"),
        ("ZZ", "America/New_York", "unknown_state"),
        ("HI", "Pacific/Honolulu", "quiet_hours"),
        ("AK", "America/Anchorage", "quiet_hours"),
    ],
)
def test_the_daily_run(state, zone, verdict):
    assert window_verdict(state, zone, TUESDAY, POLICY) == verdict
    assert window_verdicts([state], [zone], TUESDAY, POLICY).tolist() == [verdict]


def test_no_texts_on_sundays_unless_allowed():
    sunday = datetime(2026, 6, 7, 18, tzinfo=UTC)
    assert window_verdict("TX", "America/Chicago", sunday, POLICY) == "quiet_hours"
    assert window_verdict("TX", "America/Chicago", sunday, MessagingPolicy(allow_sunday=True)) == "allowed"


def test_a_state_of_two_zones_uses_the_intersection():
    at_ten_eastern = datetime(2026, 6, 2, 14, 30, tzinfo=UTC)
    assert window_verdict("GA", "America/New_York", at_ten_eastern, POLICY) == "allowed"
    assert window_verdict("TN", "America/New_York", at_ten_eastern, POLICY) == "quiet_hours"


def test_a_naive_instant_is_refused():
    with pytest.raises(InvalidInputError, match="aware"):
        window_verdict("TX", "America/Chicago", datetime(2026, 6, 2, 18), POLICY)  # noqa: DTZ001


def test_all_fifty_states_and_the_district_are_known():
    states = {state for state in ZONES_OF_STATE if state not in {"PR", "VI", "GU", "MP", "AS"}}
    assert len(states) == 51
