"""Alerts to a topic of SNS, which mails, texts or calls whoever subscribed."""

from __future__ import annotations

from collections.abc import Sequence

from mlife_assets.adapters.aws_clients import aws_errors_explained, client
from mlife_assets.core.alerts import Alert, message_of


class SnsAlerts:
    """Implements `ports.AlertChannel` by SNS."""

    name = "sns"

    def __init__(self, topic: str, region: str) -> None:
        self._topic, self._region = topic, region

    def deliver(self, alerts: Sequence[Alert]) -> None:
        """Publish alerts as one message. Raises TransientError or PermanentError naming the topic."""
        count = "1 alert" if len(alerts) == 1 else f"{len(alerts)} alerts"
        with aws_errors_explained(f"topic {self._topic.rpartition(':')[2]}", "sns:Publish"):
            client("sns", self._region).publish(
                TopicArn=self._topic, Subject=f"mlife: {count}", Message=message_of(alerts)
            )
