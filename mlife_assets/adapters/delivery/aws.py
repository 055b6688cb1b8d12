"""Clients of AWS, and what it means when AWS refuses.

Concept: credentials are boto3's affair: a role by OIDC in a pipeline, the task's role in a task. mlife takes no key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from mlife_assets.adapters.aws_clients import code_of
from mlife_assets.core.errors import GateClosedError, PermanentError, TransientError

T = TypeVar("T")
PAUSE_SECONDS = 2.0
_AGAIN = {
    "ConnectTimeoutError",
    "EndpointConnectionError",
    "InternalFailure",
    "ReadTimeoutError",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
}
"""Errors of AWS and of boto3 that pass."""


class Clients(Protocol):
    """Gives the client of a service, such as `cloudformation`."""

    def __call__(self, service: str) -> Any:
        """Return the client."""


def clients(region: str) -> Clients:
    """Return boto3's clients of a region. Raises ImportError where the extra `aws` is not installed."""
    import boto3  # type: ignore[import-not-found,unused-ignore]  # of the extra `aws`

    session = boto3.Session(region_name=region)
    return lambda service: session.client(service)


def refused_with(call: Callable[[], object]) -> str:
    """Make a call and return the code by which AWS refused it; empty where it went through."""
    from botocore.exceptions import ClientError  # type: ignore[import-not-found,unused-ignore]

    try:
        call()
    except ClientError as error:
        return code_of(error)
    return ""


@contextmanager
def refusals_named() -> Iterator[None]:
    """Raise PermanentError or, where another attempt may help, TransientError for what AWS or boto3 refuses inside."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in {"boto3", "botocore"}:
            raise
        code = code_of(error)
        kind = TransientError if code in _AGAIN or type(error).__name__ in _AGAIN else PermanentError
        raise kind(f"AWS: {error}") from error


def require_account(of: Clients, account: str) -> None:
    """Raise GateClosedError unless the credentials at hand are of an account."""
    at_hand = of("sts").get_caller_identity()["Account"]
    if at_hand != account:
        raise GateClosedError(f"these credentials are of account {at_hand}, and the stacks are of {account}")


def waited(
    look: Callable[[], T], is_over: Callable[[T], bool], what: str, *, seconds: float, sleep: Callable[[float], None]
) -> T:
    """Return what is seen once it is over. Raises TransientError after `seconds`, naming what was waited for."""
    for _ in range(max(1, int(seconds / PAUSE_SECONDS))):
        seen = look()
        if is_over(seen):
            return seen
        sleep(PAUSE_SECONDS)
    raise TransientError(f"{what} was not over after {seconds:.0f} seconds; look at it, then try again")
