"""Measures arrive where the alarms of the template look for them."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlife_assets.adapters.aws.cloudwatch_measures import NAMESPACE, CloudWatchMeasures

pytestmark = pytest.mark.aws
REGION = "eu-west-1"


def alarms(repository: Path) -> list[dict[str, Any]]:
    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda loader, suffix, node: "prod")
    template = yaml.load((repository / "infra/templates/80-observability.yaml").read_text(), Loader)
    found = [one["Properties"] for one in template["Resources"].values() if one["Type"] == "AWS::CloudWatch::Alarm"]
    return [one for one in found if one["Namespace"] == NAMESPACE]


def test_each_alarm_on_our_measures_sees_what_is_reported(aws: Any, repository: Path) -> None:
    ours = alarms(repository)
    assert {one["MetricName"] for one in ours} == {"days_ended", "log_findings", "opt_outs_per_thousand"}
    measures, cloudwatch, now = CloudWatchMeasures("prod", REGION), aws.client("cloudwatch"), datetime.now(UTC)
    for alarm in ours:
        measures.report(alarm["MetricName"], 3)
        found = cloudwatch.get_metric_statistics(
            Namespace=alarm["Namespace"], MetricName=alarm["MetricName"], Dimensions=alarm["Dimensions"],
            StartTime=now - timedelta(hours=1), EndTime=now + timedelta(hours=1), Period=60,
            Statistics=[alarm["Statistic"]],
        )  # fmt: skip
        assert [point[alarm["Statistic"]] for point in found["Datapoints"]] == [3.0], alarm["AlarmName"]


def test_a_measure_that_nobody_takes_is_logged_and_stops_nothing(
    aws: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from botocore.exceptions import ClientError

    from mlife_assets.adapters.aws import cloudwatch_measures

    def denied(*_: Any, **__: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "PutMetricData")

    monkeypatch.setattr(cloudwatch_measures.client("cloudwatch", REGION), "put_metric_data", denied, raising=False)
    with caplog.at_level(logging.WARNING):
        CloudWatchMeasures("dev", REGION).report("days_ended", 1)
    assert (
        "days_ended was not reported: measure days_ended: the task's role may not cloudwatch:PutMetricData"
        in caplog.text
    )
