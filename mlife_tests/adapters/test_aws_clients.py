"""Clients by the role of a task, and what each refusal means to people."""

from __future__ import annotations

from typing import Any

import pytest

from mlife_assets.adapters import aws_clients as clients
from mlife_assets.adapters.aws_clients import read_secret
from mlife_assets.core.errors import MlifeError, NotFoundError, PermanentError, TransientError

pytestmark = pytest.mark.aws
REGION = "eu-west-1"


def refused(code: str, status: int = 400) -> Exception:
    from botocore.exceptions import ClientError

    answer = {"Error": {"Code": code, "Message": "secret words"}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "GetThing")


@pytest.mark.parametrize(
    ("code", "status", "kind", "says"),
    [
        ("AccessDeniedException", 400, PermanentError, "MLIFE_X: the task's role may not kms:Sign; grant it there"),
        ("AuthorizationError", 403, PermanentError, "may not kms:Sign"),
        ("ResourceNotFoundException", 400, NotFoundError, "there is no such thing here .*; correct it, or AWS_REGION"),
        ("UnrecognizedClientException", 400, PermanentError, "does not take the key of the task's role"),
        ("ThrottlingException", 400, TransientError, "could not answer kms:Sign now .*; try again"),
        ("InternalFailure", 500, TransientError, "try again"),
        ("ValidationException", 400, PermanentError, "refused kms:Sign .*; correct it"),
    ],
)
def test_an_answer_says_what_to_do_and_repeats_nothing(
    code: str, status: int, kind: type[MlifeError], says: str
) -> None:
    with pytest.raises(kind, match=says) as caught, clients.aws_errors_explained("MLIFE_X", "kms:Sign"):
        raise refused(code, status)
    assert type(caught.value) is kind
    assert "secret words" not in str(caught.value)


def test_a_region_where_nobody_answers_is_worth_another_try() -> None:
    from botocore.exceptions import EndpointConnectionError

    with (
        pytest.raises(TransientError, match=r"AWS does not answer kms:Sign .*; check AWS_REGION and the network"),
        clients.aws_errors_explained("MLIFE_X", "kms:Sign"),
    ):
        raise EndpointConnectionError(endpoint_url="https://kms.nowhere.amazonaws.com")


def test_the_key_is_that_of_the_role_and_is_asked_for_again(aws: Any, s3: Any) -> None:
    assert clients.role_key().access_key_id == s3.bucket("lake").credentials.access_key_id
    renewed = clients.renewed_role_key()
    assert renewed["secret_access_key"] == s3.bucket("lake").credentials.secret_access_key
    assert renewed["expires_at"].tzinfo is not None
    assert clients.client("kms", "eu-west-1") is clients.client("kms", "eu-west-1")


def test_without_a_role_nothing_is_guessed(aws: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.delenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    clients._session.cache_clear()
    with pytest.raises(PermanentError, match=r"the task has no role, .*start it with the role"):
        clients.role_key()


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
