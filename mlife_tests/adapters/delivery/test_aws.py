"""What AWS refuses becomes an error that says whether another attempt helps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mlife_assets.adapters.aws_clients import code_of
from mlife_assets.adapters.delivery.aws import refusals_named, refused_with, require_account, waited
from mlife_assets.core.errors import GateClosedError, PermanentError, TransientError

pytestmark = pytest.mark.aws


def refusal(code: str) -> Exception:
    from botocore.exceptions import ClientError

    return ClientError({"Error": {"Code": code, "Message": "no"}}, "PutObject")


def raising(error: Exception) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


@pytest.fixture(autouse=True)
def packages(aws_packages: None) -> None:
    """Every test here needs botocore."""


@pytest.mark.parametrize(("code", "kind"), [("AccessDenied", PermanentError), ("Throttling", TransientError)])
def test_a_refusal_is_permanent_unless_it_passes(code: str, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=code), refusals_named():
        raise refusal(code)


def test_missing_credentials_are_an_error_on_purpose_and_a_defect_stays_one() -> None:
    from botocore.exceptions import NoCredentialsError

    with pytest.raises(PermanentError, match="credentials"), refusals_named():
        raise NoCredentialsError
    with pytest.raises(KeyError), refusals_named():
        raise KeyError("a")


def test_the_code_of_a_refusal_is_read_and_nothing_else() -> None:
    assert code_of(refusal("AccessDenied")) == "AccessDenied"
    assert code_of(ValueError("AccessDenied")) == ""
    assert refused_with(raising(refusal("PreconditionFailed"))) == "PreconditionFailed"
    assert refused_with(lambda: None) == ""
    with pytest.raises(KeyError):
        refused_with(raising(KeyError("a")))


def test_an_account_is_required(account: Callable[[str], Any]) -> None:
    require_account(account("111111111111"), "111111111111")
    with pytest.raises(GateClosedError, match="of account 111111111111"):
        require_account(account("111111111111"), "222222222222")


def test_waiting_ends() -> None:
    seen, slept = iter(range(10)), []
    assert waited(lambda: next(seen), lambda one: one == 3, "three", seconds=60, sleep=slept.append) == 3
    assert len(slept) == 3
    with pytest.raises(TransientError, match="never was not over after 4 seconds"):
        waited(lambda: 0, lambda _: False, "never", seconds=4, sleep=slept.append)
    assert len(slept) == 5
