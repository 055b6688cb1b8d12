"""Measures in CloudWatch, which alarms watch.

Concept: a number that CloudWatch does not take stops no day: it is logged, and the alarm on days that ended sees that
nothing came.
"""

from __future__ import annotations

import logging

from mlife_assets.adapters.aws_clients import aws_errors_explained, client
from mlife_assets.core.errors import MlifeError

NAMESPACE = "mlife"
_LOGGER = logging.getLogger(__name__)


class CloudWatchMeasures:
    """Implements `ports.Measures` by CloudWatch."""

    def __init__(self, environment: str, region: str) -> None:
        self._dimensions, self._region = [{"Name": "environment", "Value": environment}], region

    def report(self, name: str, value: float) -> None:
        """Hand a number over, of now."""
        datum = {"MetricName": name, "Dimensions": self._dimensions, "Value": float(value), "Unit": "Count"}
        try:
            with aws_errors_explained(f"measure {name}", "cloudwatch:PutMetricData"):
                client("cloudwatch", self._region).put_metric_data(Namespace=NAMESPACE, MetricData=[datum])
        except MlifeError as error:
            _LOGGER.warning("%s was not reported: %s", name, error)
