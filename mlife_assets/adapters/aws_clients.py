"""Clients of AWS by the task's role, and refusals of AWS as errors with a remedy.

Concept: no key is passed on, so none can leak: botocore gets the key of the task's role, and renews it. Errors never
repeat an answer's words, only its code and the call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from mlife_assets.core.errors import MlifeError, NotFoundError, PermanentError, TransientError
from mlife_assets.core.extras import missing_extra
from mlife_assets.core.storage_places import Credentials

CONNECT_SECONDS, READ_SECONDS, ATTEMPTS = 5, 20, 4
ASKED_AGAIN_AFTER = timedelta(minutes=5)
_PASSING = (
    "Throttling",
    "RequestLimitExceeded",
    "TooManyRequests",
    "LimitExceeded",
    "KMSInternal",
    "DependencyTimeout",
)
_MISSING = (
    "EntityNotFoundException",
    "ResourceNotFoundException",
    "NotFoundException",
    "ParameterNotFound",
    "NotFound",
)
_KEYS = ("UnrecognizedClientException", "InvalidClientTokenId", "ExpiredToken", "SignatureDoesNotMatch")


@cache
def client(service: str, region: str) -> Any:
    """Return a client of a service, the same one each time. Raises MissingExtraError without boto3."""
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
    )
    return _session().client(service, region_name=region, config=config)


def role_key() -> Credentials:
    """Return the present key of the task's role, valid for hours. Raises PermanentError without a role."""
    with aws_errors_explained("the role of the task", "its credentials"):
        found = _session().get_credentials()
        key = None if found is None else found.get_frozen_credentials()
    if key is None:
        raise PermanentError(NO_ROLE)
    return Credentials(key.access_key, key.secret_key, key.token)


def renewed_role_key() -> dict[str, Any]:
    """Return the role's key in obstore's form, with a time for renewal."""
    key = role_key()
    return {
        "access_key_id": key.access_key_id,
        "secret_access_key": key.secret_access_key,
        "token": key.session_token,
        "expires_at": datetime.now(UTC) + ASKED_AGAIN_AFTER,
    }


NO_ROLE = "the task has no role, or it gives no key; start it with the role that infra/templates/45-dagster.yaml names"


@contextmanager
def aws_errors_explained(what: str, call: str) -> Iterator[None]:
    """Raise errors of AWS as ours; `what` is the setting, `call` the needed right, such as `kms:Sign`."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        yield
    except ClientError as error:
        raise _refused(what, call, error) from None
    except NoCredentialsError:
        raise PermanentError(NO_ROLE) from None
    except BotoCoreError as error:
        kind = type(error).__name__
        raise TransientError(f"{what}: AWS does not answer {call} ({kind}); check AWS_REGION and the network") from None


def code_of(error: Exception) -> str:
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def _refused(what: str, call: str, error: Exception) -> MlifeError:
    code = code_of(error)
    status = getattr(error, "response", {}).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code.startswith("AccessDenied") or code in ("AuthorizationError", "UnauthorizedOperation"):
        return PermanentError(f"{what}: the task's role may not {call}; grant it there ({code})")
    if code in _KEYS:
        return PermanentError(f"{what}: AWS does not take the key of the task's role ({code}); start the task anew")
    if code in _MISSING:
        return NotFoundError(f"{what}: there is no such thing here ({call}, {code}); correct it, or AWS_REGION")
    if status >= 500 or any(code.startswith(one) for one in _PASSING):
        return TransientError(f"{what}: AWS could not answer {call} now ({code}); try again")
    return PermanentError(f"{what}: AWS refused {call} ({code}); correct it, or AWS_REGION")


@cache
def _session() -> Any:
    try:
        import boto3
    except ModuleNotFoundError as missing:
        raise missing_extra(missing) or missing from missing
    return boto3.Session()


def read_secret(name: str, region: str, *, setting: str) -> str:
    """Return a secret. Raises NotFoundError, PermanentError or TransientError naming `setting`."""
    with aws_errors_explained(setting, "secretsmanager:GetSecretValue"):
        answer = client("secretsmanager", region).get_secret_value(SecretId=name)
    if not (text := answer.get("SecretString")):
        raise PermanentError(f"{setting}: the secret holds no text; name the one that the stacks made")
    return str(text)
