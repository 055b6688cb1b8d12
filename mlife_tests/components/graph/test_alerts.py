"""Alerts are kept, and sent once each to whom the settings name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.components.graph.alerts import (
    ALERTS_PER_MESSAGE,
    MESSAGE_CHARACTERS,
    alert,
    deliver_alerts,
    is_alerted,
    sentence_of,
    undelivered,
)
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.alerts import Alert
from mlife_assets.core.errors import InvalidInputError, TransientError
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings


class Channel:
    """Whom alerts go to; it may be down."""

    name = "test"

    def __init__(self) -> None:
        self.is_down, self.takes, self.taken = False, 1_000, list[list[str]]()

    def deliver(self, alerts: Sequence[Alert]) -> None:
        if self.is_down or len(self.taken) >= self.takes:
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
    raised = {"raised_at": "2026-06-02T00:00:00+00:00"}
    assert [one.facts for one in deliver_alerts(platform)] == [raised, {"job": "metrics_job", **raised}]
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


def test_the_oldest_come_first_and_a_message_holds_some(platform, channel) -> None:
    for number in range(ALERTS_PER_MESSAGE + 2):
        platform.clock.set(platform.clock.now() + timedelta(minutes=1))
        alert(platform, f"alert-{99 - number}", {})
    deliver_alerts(platform)
    assert [len(names) for names in channel.taken] == [ALERTS_PER_MESSAGE, 2]
    assert channel.taken[0][0] == "alert-99"
    assert channel.taken[1] == ["alert-79", "alert-78"]


def test_messages_that_were_taken_before_a_failure_are_not_sent_again(platform, channel) -> None:
    for number in range(ALERTS_PER_MESSAGE + 1):
        alert(platform, f"alert-{number:02d}", {})
    channel.takes = 1
    with pytest.raises(TransientError):
        deliver_alerts(platform)
    assert undelivered(platform) == [f"alert-{ALERTS_PER_MESSAGE}"]


def test_what_is_older_than_a_week_is_no_news(platform, channel) -> None:
    platform.lake.replace("alerts/of-0.1.0.json", b"{}")
    alert(platform, "a", {})
    platform.clock.set(platform.clock.now() + timedelta(days=6))
    alert(platform, "b", {})
    platform.clock.set(platform.clock.now() + timedelta(days=2))
    assert [one.name for one in deliver_alerts(platform)] == ["b"]
    assert channel.taken == [["b"]]
    assert undelivered(platform) == []


def test_a_damaged_alert_and_a_strange_file_hold_up_nothing(platform, channel) -> None:
    platform.lake.replace("alerts/cut.json", b"")
    platform.lake.replace("alerts/list.json", b"[]")
    platform.lake.replace("alerts/readme.txt", b"hello")
    alert(platform, "a", {})
    sent = {one.name: one.facts.get("message") for one in deliver_alerts(platform)}
    assert sent == {
        "a": None,
        "cut": "alerts/cut.json cannot be read; see the runs in the UI",
        "list": "alerts/list.json cannot be read; see the runs in the UI",
    }
    assert undelivered(platform) == []


def test_an_alert_that_is_kept_again_keeps_its_time(platform) -> None:
    alert(platform, "a", {"x": "1"})
    before = platform.lake.get("alerts/a.json")
    platform.clock.set(platform.clock.now() + timedelta(days=1))
    alert(platform, "a", {"x": "1"})
    assert platform.lake.get("alerts/a.json") == before


def test_a_failed_run_says_which_day_why_and_what_to_do() -> None:
    facts = {
        "job": "daily_lifecycle_job",
        "partition": "2026-06-02",
        "message": "no row landed\nTraceback ...",
        "runbook": "docs/runbooks/failed_run.md",
    }
    assert sentence_of("run-1", facts) == (
        "daily_lifecycle_job failed for 2026-06-02: no row landed (docs/runbooks/failed_run.md)"
    )


def test_what_is_not_known_is_left_out_and_what_is_long_is_cut() -> None:
    assert sentence_of("retraining-2026-06-02", {}) == "retraining-2026-06-02"
    assert sentence_of("x", {"job": "metrics_job", "partition": None, "message": ""}) == "metrics_job failed"
    assert len(sentence_of("x", {"job": "j", "message": "m" * 5_000})) == len("j failed: ") + MESSAGE_CHARACTERS
