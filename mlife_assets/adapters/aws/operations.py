"""Operations on AWS: the flag that stops every send, metrics in CloudWatch, alerts to a topic of SNS.

Concept: a flag that was never set permits sending. A set flag permits it only as the word `false`. Any other answer,
errors included, stops it.

A metric that CloudWatch refuses stops no day: it is logged, and the alarm on ended days notices the gap.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from mlife_assets.adapters.aws_clients import aws_errors_explained, client, code_of
from mlife_assets.core.alerts import Alert, message_of
from mlife_assets.core.errors import MlifeError

NAMESPACE = "mlife"
PARAMETER = "/mlife/sending/stopped"
_LOGGER = logging.getLogger(__name__)


class ParameterStop:
    """Implements `ports.SendingStop` by a parameter of Parameter Store."""

    def __init__(self, region: str) -> None:
        self._region = region

    def is_stopped(self) -> bool:
        try:
            answer = client("ssm", self._region).get_parameter(Name=PARAMETER)
            return bool(answer["Parameter"]["Value"] != "false")
        except Exception as error:  # noqa: BLE001  whatever went wrong, nobody said that sending may go on
            if code_of(error) == "ParameterNotFound":
                return False
            _LOGGER.error(
                "%s cannot be read (%s), so nothing is sent", PARAMETER, code_of(error) or type(error).__name__
            )
            return True


class CloudWatchMeasures:
    """Implements `ports.Measures` by CloudWatch."""

    def __init__(self, environment: str, region: str) -> None:
        self._dimensions, self._region = [{"Name": "environment", "Value": environment}], region

    def report(self, name: str, value: float) -> None:
        datum = {"MetricName": name, "Dimensions": self._dimensions, "Value": float(value), "Unit": "Count"}
        try:
            with aws_errors_explained(f"measure {name}", "cloudwatch:PutMetricData"):
                client("cloudwatch", self._region).put_metric_data(Namespace=NAMESPACE, MetricData=[datum])
        except MlifeError as error:
            _LOGGER.warning("%s was not reported: %s", name, error)


class SnsAlerts:
    """Implements `ports.AlertChannel` by SNS."""

    name = "sns"

    def __init__(self, topic: str, region: str) -> None:
        self._topic, self._region = topic, region

    def deliver(self, alerts: Sequence[Alert]) -> None:
        count = "1 alert" if len(alerts) == 1 else f"{len(alerts)} alerts"
        with aws_errors_explained(f"topic {self._topic.rpartition(':')[2]}", "sns:Publish"):
            client("sns", self._region).publish(
                TopicArn=self._topic, Subject=f"mlife: {count}", Message=message_of(alerts)
            )
