"""Alerts reach whoever subscribed to the topic."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mlife_assets.adapters.aws.sns_alerts import SnsAlerts
from mlife_assets.core.alerts import Alert
from mlife_assets.core.errors import NotFoundError

pytestmark = pytest.mark.aws
REGION = "eu-west-1"
ALERTS = [Alert(f"failed-{number}", f"run {number} failed", {}) for number in range(2)]


def test_a_subscriber_gets_one_message_of_all(aws: Any) -> None:
    topic = aws.client("sns").create_topic(Name="mlife-alerts")["TopicArn"]
    queue = aws.client("sqs").create_queue(QueueName="somebody")["QueueUrl"]
    arn = aws.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    SnsAlerts(topic, REGION).deliver(ALERTS)
    (message,) = aws.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    got = json.loads(message["Body"])
    assert got["Subject"] == "mlife: 2 alerts"
    assert got["Message"] == "mlife: 2 alerts\nrun 0 failed\nrun 1 failed"


def test_a_topic_that_is_gone_is_named(aws: Any) -> None:
    with pytest.raises(NotFoundError, match=r"topic mlife-alerts: there is no such thing here .sns:Publish"):
        SnsAlerts(f"arn:aws:sns:{REGION}:123456789012:mlife-alerts", REGION).deliver(ALERTS[:1])
