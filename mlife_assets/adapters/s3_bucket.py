"""A bucket as obstore opens it, and its failures as errors of ours with a remedy.

Concept: failures that a person must repair are distinguished from passing ones. The text of an answer is never shown:
it may repeat the request, token included.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from obstore.exceptions import PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from mlife_assets.core.errors import MlifeError, PermanentError, TransientError
from mlife_assets.core.storage_places import Bucket

RETRIES, FEW_RETRIES = 10, 2
"""Of a request that fails on the way; few where a person waits for the answer."""
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=0.2), timedelta(seconds=15)
_CONNECT, _REQUEST, _ALL_TRIES = timedelta(seconds=5), timedelta(seconds=120), timedelta(seconds=180)

_ANSWER = re.compile(r"status code: (\d{3})(?:.*?<Code>([\w.]+)</Code>)?", re.DOTALL)
_NO_KEY = re.compile(r".* credentials for path External AWS credential provider: (Permanent|Transient)Error: (.+)")
"""What obstore makes of an error of ours while it asks for the role's key; the words are ours."""
_REGION = "the bucket is in another region; set AWS_REGION to the one that it is in"
_KEY = "the store does not take the key; correct AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN"
_CLOCK = "the store refuses the time of this machine; set this machine's clock by NTP"
_STORE = "the store does not know a request that the event log needs; use one that honours If-None-Match, as S3 does"
_NO_KMS = "its key of KMS cannot be used; enable it, or cancel its deletion"
_ARCHIVED = "it lies in an archive; restore it, and take it out of what archives objects"
_NO_BUCKET = "the bucket does not exist; make it, or correct MLIFE_LAKE or MLIFE_LANDING"
_MEANINGS = {
    "NoSuchBucket": _NO_BUCKET,
    "PermanentRedirect": _REGION,
    "TemporaryRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "RequestTimeTooSkewed": _CLOCK,
    "RequestExpired": _CLOCK,
    "SignatureDoesNotMatch": _KEY,
    "InvalidAccessKeyId": _KEY,
    "InvalidToken": _KEY,
    "ExpiredToken": _KEY,
    "KMS.DisabledException": _NO_KMS,
    "KMS.KMSInvalidStateException": _NO_KMS,
    "InvalidObjectState": _ARCHIVED,
    "NotImplemented": _STORE,
    "501": _STORE,
}
"""Code of an answer, or its status where it has none, -> meaning and remedy."""
_DELETE_DENIED = "(code: AccessDenied)"
"""How obstore says that of the one object in an answer to a request for several, whose status says nothing."""
_PASSING = {"408", "409", "429"}
"""Statuses below 500 after which the same request may succeed."""


def open_bucket(bucket: Bucket, *, retries: int = RETRIES) -> S3Store:
    """Return obstore's view of a bucket; nothing is asked of it yet."""
    key = bucket.credentials
    optional: dict[str, Any] = {"prefix": bucket.prefix}
    if key is None:  # asked for again before it ends
        from mlife_assets.adapters.aws_clients import renewed_role_key

        optional["credential_provider"] = renewed_role_key
    else:
        optional |= {
            "access_key_id": key.access_key_id,
            "secret_access_key": key.secret_access_key,
            "session_token": key.session_token,
        }
    return S3Store(
        bucket.name,
        config={
            "endpoint": bucket.endpoint or _aws_endpoint(bucket),  # stated, or obstore takes that of the environment
            "region": bucket.region,
            "virtual_hosted_style_request": not bucket.is_in_path,
            "skip_signature": False,
        },
        client_options={
            "allow_http": (bucket.endpoint or "").startswith("http://"),
            "connect_timeout": _CONNECT,
            "timeout": _REQUEST,
        },
        retry_config={
            "max_retries": retries,
            "retry_timeout": _ALL_TRIES,
            "backoff": {"init_backoff": _FIRST_PAUSE, "max_backoff": _LONGEST_PAUSE, "base": 2},
        },
        **{name: value for name, value in optional.items() if value},
    )


def _aws_endpoint(bucket: Bucket) -> str:
    host = f"s3.{bucket.region}.amazonaws.com{'.cn' if bucket.region.startswith('cn-') else ''}"
    return f"https://{host}" if bucket.is_in_path else f"https://{bucket.name}.{host}"


def is_bucket_missing(error: BaseException) -> bool:
    """Return whether an answer says that there is no bucket, where a reader would see no object."""
    answer = _ANSWER.search(str(error))
    return answer is not None and answer[2] == "NoSuchBucket"


def is_object_denied(error: BaseException) -> bool:
    """Return whether an answer refuses one object, and not the key by which the bucket is opened."""
    answer = _ANSWER.search(str(error))
    return answer is not None and answer[1] == "403" and (answer[2] or "AccessDenied") not in _MEANINGS


def bucket_fault(key: str, error: BaseException, *, deletes: bool = False) -> MlifeError:
    """Return an error of ours for a failure on a key, or on a listing (`""`); `deletes` if the request was a delete."""
    what = key or "the store"
    if isinstance(error, UnauthenticatedError) and (found := _NO_KEY.match(str(error))):
        return (PermanentError if found[1] == "Permanent" else TransientError)(found[2])
    answer = _ANSWER.search(str(error))
    if deletes and (_DELETE_DENIED in str(error) or is_object_denied(error)):
        return PermanentError(f"{what} may not be deleted with this key; grant s3:DeleteObject on it")
    if deletes and answer is not None and answer[1] == "501":
        return PermanentError(f"the store knows no request that deletes {what}; remove it by the store's own tools")
    if answer is None and not isinstance(error, PermissionDeniedError | UnauthenticatedError):
        if "redirect" in str(error):  # 301 and 307, of which obstore says no status
            return PermanentError(_REGION)
        if "error sending request" in str(error):
            return TransientError("the store does not answer; check its address and the network, and try again")
        return TransientError(f"the store failed on {what} ({type(error).__name__}); try again")
    status, code = ("403", None) if answer is None else (answer[1], answer[2])
    meaning = _MEANINGS.get(code or status)
    if meaning is not None:
        return PermanentError(meaning)
    said = " ".join(part for part in (status, code) if part)
    if status in {"401", "403"}:
        return PermanentError(f"access to {what} was refused ({said}); grant read and write on the store")
    if status.startswith("4") and status not in _PASSING:
        return PermanentError(f"the store refused a request about {what} ({said}); check AWS_REGION and the key")
    return TransientError(f"the store failed on {what} ({said}); try again")


def missing_bucket() -> MlifeError:
    return PermanentError(_NO_BUCKET)
