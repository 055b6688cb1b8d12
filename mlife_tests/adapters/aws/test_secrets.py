"""Secrets are read by the role of the task; what cannot be read is named by its setting."""

from __future__ import annotations

from typing import Any

import pytest

from mlife_assets.adapters.aws.secrets import read_secret
from mlife_assets.core.errors import NotFoundError, PermanentError

pytestmark = pytest.mark.aws
REGION = "eu-west-1"


def test_a_secret_is_read_by_name_or_arn(aws: Any) -> None:
    made = aws.client("secretsmanager").create_secret(Name="mlife/number-hash-key", SecretString="abc")
    for name in ("mlife/number-hash-key", made["ARN"]):
        assert read_secret(name, REGION, setting="MLIFE_NUMBER_HASH_KEY") == "abc"


def test_one_that_is_missing_elsewhere_or_no_text_is_named(aws: Any) -> None:
    aws.client("secretsmanager").create_secret(Name="bytes", SecretBinary=b"abc")
    with pytest.raises(NotFoundError, match=r"MLIFE_X: there is no such thing here .*correct it, or AWS_REGION"):
        read_secret("none", REGION, setting="MLIFE_X")
    with pytest.raises(NotFoundError, match="MLIFE_X"):
        read_secret("bytes", "us-east-1", setting="MLIFE_X")
    with pytest.raises(PermanentError, match="MLIFE_X: the secret holds no text; name the one"):
        read_secret("bytes", REGION, setting="MLIFE_X")
