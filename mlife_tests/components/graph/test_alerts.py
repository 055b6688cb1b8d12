"""Alerts are kept, and sent once each to whom the settings name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.components.graph.alerts import alert, deliver_alerts, is_alerted, undelivered
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.alerts import Alert
from mlife_assets.core.errors import InvalidInputError, TransientError
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings


class Channel:
    """Whom alerts go to; it may be down."""

    name = "test"

    def __init__(self) -> None:
        self.is_down, self.taken = False, list[list[str]]()

    def deliver(self, alerts: Sequence[Alert]) -> None:
        if self.is_down:
            raise TransientError("down")
        self.taken.append([one.name for one in alerts])


@pytest.fixture
def channel() -> Channel:
    return Channel()


@pytest.fixture
def platform(tmp_path: Path, channel: Channel) -> Platform:
    platform = Platform(settings=Settings(home=tmp_path), policies=Policies())
    vars(platform).update(alert_channel=channel, clock=SimulatedClock(datetime(2026, 6, 2, tzinfo=UTC)))
    return platform


def test_each_alert_is_sent_once_and_stays_on_record(platform, channel) -> None:
    alert(platform, "b", {"job": "metrics_job"})
    alert(platform, "a", {})
    assert undelivered(platform) == ["a", "b"]
    assert [one.facts for one in deliver_alerts(platform)] == [{}, {"job": "metrics_job"}]
    alert(platform, "b", {"job": "metrics_job"})
    alert(platform, "c", {})
    deliver_alerts(platform)
    assert channel.taken == [["a", "b"], ["c"]]
    assert undelivered(platform) == []
    assert is_alerted(platform, "a")


def test_nothing_unsent_sends_nothing(platform, channel) -> None:
    assert list(deliver_alerts(platform)) == []
    assert channel.taken == []


def test_what_a_channel_did_not_take_is_sent_later(platform, channel) -> None:
    alert(platform, "a", {})
    channel.is_down = True
    with pytest.raises(TransientError):
        deliver_alerts(platform)
    assert undelivered(platform) == ["a"]
    channel.is_down = False
    deliver_alerts(platform)
    assert channel.taken == [["a"]]


def test_without_a_webhook_sending_is_refused_with_the_remedy(tmp_path: Path) -> None:
    platform = Platform(settings=Settings(home=tmp_path), policies=Policies())
    assert platform.alert_channel is None
    with pytest.raises(InvalidInputError, match="MLIFE_ALERT_WEBHOOK"):
        deliver_alerts(platform)


def test_the_webhook_of_the_settings_is_the_channel(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, alert_webhook="https://hooks.example/x")
    channel = Platform(settings=settings, policies=Policies()).alert_channel
    assert channel is not None
    assert channel.name == "webhook"
    assert "hooks.example" not in repr(settings)
