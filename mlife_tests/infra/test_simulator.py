"""The simulator decides as AWS says that it does."""

from __future__ import annotations

from typing import Any

import pytest

from infra.gate.conditions import holds_for
from infra.gate.errors import PolicyError
from infra.gate.simulator import Principal, Request, Target, verdict

OURS, THEIRS = "111111111111", "222222222222"
ROLE = f"arn:aws:iam::{OURS}:role/mlife/r"
THING = "arn:aws:s3:::bucket/key"


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: str = "s3:GetObject", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": "*", **more}


def deny(**more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": "s3:*", "Resource": "*", **more}


def decided(
    *own: dict[str, Any],
    boundary: dict[str, Any] | None = None,
    at: dict[str, Any] | None = None,
    account: str = OURS,
    is_key: bool = False,
    **context: str,
) -> str:
    who = Principal(ROLE, OURS, (document(*own),), boundary)
    return verdict(Request(who, "s3:GetObject", Target(THING, account, at, is_key=is_key), context))


def test_nothing_is_allowed_that_nobody_allows() -> None:
    assert decided() == "not allowed"
    assert decided(allow("s3:PutObject")) == "not allowed"
    assert decided(allow("S3:getobject")) == "allowed", "names of actions have no case"
    assert decided(allow(Resource="arn:aws:s3:::bucket/k?y")) == "allowed"
    assert decided(allow(Resource="arn:aws:s3:::other/*")) == "not allowed"


def test_no_wildcard_stands_for_the_type_of_a_resource() -> None:
    who = "arn:aws:ecs:us-east-1:111111111111"
    for pattern, is_allowed in [("*/mlife*", False), ("task/mlife/*", True), ("*", True), ("t*/mlife/1", False)]:
        role = Principal(ROLE, OURS, (document(allow("ecs:StopTask", Resource=f"{who}:{pattern}")),))
        asked = Request(role, "ecs:StopTask", Target(f"{who}:task/mlife/1", OURS))
        assert (verdict(asked) == "allowed") is is_allowed, pattern


def test_a_denial_ends_it_wherever_it_stands() -> None:
    everybody = {"Principal": "*"}
    assert decided(allow(), deny()) == "denied explicitly"
    assert decided(allow(), at=document(deny(**everybody))) == "denied explicitly"
    assert decided(allow(), boundary=document(allow("*"), deny())) == "denied explicitly"
    assert decided(allow(), at=document(deny(Principal={"AWS": f"arn:aws:iam::{THEIRS}:root"}))) == "allowed"


def test_a_boundary_gives_nothing_and_takes_much() -> None:
    assert decided(boundary=document(allow())) == "not allowed"
    assert decided(allow(), boundary=document(allow("s3:PutObject"))) == "not allowed"
    assert decided(allow(), boundary=document(allow())) == "allowed"


def test_within_an_account_either_side_allows_across_accounts_both() -> None:
    named, account = {"Principal": {"AWS": ROLE}}, {"Principal": {"AWS": f"arn:aws:iam::{OURS}:root"}}
    assert decided(at=document(allow(**named))) == "allowed"
    assert decided(at=document(allow(**account))) == "not allowed", "it is left to the account"
    assert decided(allow(), account=THEIRS) == "not allowed"
    assert decided(at=document(allow(**named)), account=THEIRS) == "not allowed"
    assert decided(allow(), at=document(allow(**account)), account=THEIRS) == "allowed"


def test_a_key_belongs_to_its_policy() -> None:
    account = {"Principal": {"AWS": f"arn:aws:iam::{OURS}:root"}}
    assert decided(allow(), is_key=True) == "not allowed"
    assert decided(allow(), at=document(allow(**account)), is_key=True) == "allowed"
    assert decided(at=document(allow(**account)), is_key=True) == "not allowed"
    bound = {"Condition": {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{OURS}:role/mlife/other"}}}
    assert decided(allow(), at=document(allow(**account, **bound)), is_key=True) == "not allowed"


def test_all_but_something() -> None:
    assert decided(allow(NotAction=["s3:PutObject"], Action=[])) == "allowed"
    assert decided(allow(), deny(NotResource="arn:aws:s3:::bucket/*")) == "allowed"


@pytest.mark.parametrize(
    ("condition", "context", "expected"),
    [
        ({"StringEquals": {"k": ["a", "b"]}}, {"K": "b"}, True), ({"StringEquals": {"k": "a"}}, {}, False),
        ({"StringEqualsIfExists": {"k": "a"}}, {}, True), ({"StringNotEquals": {"k": "a"}}, {}, True),
        ({"StringNotEquals": {"k": ["a", "b"]}}, {"k": "b"}, False),
        ({"StringLike": {"k": "a*"}}, {"k": "abc"}, True), ({"Null": {"k": "true"}}, {}, True),
        ({"Null": {"k": "true"}}, {"k": "a"}, False), ({"Null": {"k": "false"}}, {"k": "a"}, True),
        ({"Bool": {"k": "false"}}, {"k": "False"}, True), ({"NumericLessThan": {"k": "1.2"}}, {"k": "1.1"}, True),
        ({"NumericLessThan": {"k": "1.2"}}, {"k": "1.2"}, False),
        ({"ArnEquals": {"k": "arn:aws:iam::*:role/x"}}, {"k": "arn:aws:iam::1:role/x"}, True),
        ({"ArnEquals": {"k": "arn:aws:*:role/x"}}, {"k": "arn:aws:iam::1:role/x"}, False),
        ({"StringEquals": {"k": "a"}, "Bool": {"l": "true"}}, {"k": "a", "l": "false"}, False),
    ],
)  # fmt: skip
def test_conditions(condition: dict[str, Any], context: dict[str, str], expected: bool) -> None:
    assert holds_for(condition, context) is expected


def test_what_is_not_known_is_an_error() -> None:
    with pytest.raises(PolicyError, match="DateLessThan"):
        decided(allow(Condition={"DateLessThan": {"aws:CurrentTime": "2026-01-01"}}))
    with pytest.raises(PolicyError, match="NotPrincipal"):
        decided(allow(), at=document(deny(NotPrincipal="*")))
