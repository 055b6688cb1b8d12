"""What moto and the KMS of tests do otherwise than AWS, found by trying: `docs/infra_emulators.md` lists it.

Shown: each line of the page's table. Not shown: what of moto no test asks for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from mlife_assets.adapters.delivery.stacks import refused_with

pytestmark = pytest.mark.aws
NO_KEY = "alias/none"
DENIES_ALL = {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}


def tried(aws: Any, signing_key: str) -> dict[str, str]:
    """Return what becomes of calls; moto's own KMS is asked, too, past the one that tests have in its place."""
    import boto3

    key = {"aws_access_key_id": "a", "aws_secret_access_key": "a", "region_name": "eu-west-1"}
    sns, secrets, athena = (aws.client(name) for name in ("sns", "secretsmanager", "athena"))
    its_kms = aws.client("kms")
    kms = boto3.client("kms", endpoint_url=aws.kms_address, **key)
    topic = sns.create_topic(Name="closed", Attributes={"KmsMasterKeyId": NO_KEY})["TopicArn"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [DENIES_ALL]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    secrets.create_secret(Name="closed", SecretString="s", KmsKeyId=NO_KEY)
    secrets.put_resource_policy(SecretId="closed", ResourcePolicy=policy)
    head = {"KeyId": signing_key, "MessageType": "RAW", "SigningAlgorithm": "ED25519_SHA_512"}
    old = datetime.now(UTC) - timedelta(days=30)
    measure = {"MetricName": "m", "Value": 1.0, "Timestamp": old}
    attempts: Mapping[str, Callable[[], Any]] = {
        "moto: a message into a topic whose policy denies everything and whose key is not there": lambda: sns.publish(
            TopicArn=topic, Message="m"
        ),
        "moto: reading a secret whose policy denies everything and whose key is not there": lambda: (
            secrets.get_secret_value(SecretId="closed")
        ),
        "moto: a measure of a month ago": lambda: aws.client("cloudwatch").put_metric_data(
            Namespace="mlife", MetricData=[measure]
        ),
        "moto: a query that is no SQL": lambda: athena.start_query_execution(QueryString="no SQL", WorkGroup="primary"),
        "moto: a key that signs heads": lambda: its_kms.create_key(
            KeySpec="ECC_NIST_EDWARDS25519", KeyUsage="SIGN_VERIFY"
        ),
        "KMS of tests: signing 4,096 bytes": lambda: kms.sign(Message=b"a" * 4096, **head),
        "KMS of tests: signing 4,097 bytes": lambda: kms.sign(Message=b"a" * 4097, **head),
        "KMS of tests: verifying, which AWS does": lambda: kms.verify(Message=b"a", Signature=b"a", **head),
    }
    return {name: said(call) for name, call in attempts.items()}


def said(call: Callable[[], Any]) -> str:
    code = refused_with(call)
    return f"refused: {code}" if code else "goes through"


def test_the_page_lists_what_they_do_otherwise(aws: Any, aws_settings: dict[str, Any], repository: Path) -> None:
    page = (repository / "docs" / "infra_emulators.md").read_text(encoding="utf-8")
    section = page.partition("\n## moto and a KMS of tests\n")[2].partition("\n## ")[0]
    rows = [tuple(line.strip("| ").split(" | ")) for line in section.splitlines() if line.startswith("| ")]
    assert dict(rows[1:]) == tried(aws, aws_settings["head_signing_key"])
