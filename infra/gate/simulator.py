"""Who may do what: AWS's evaluation of policies, for the rendered templates.

Concept: an explicit Deny anywhere ends it. Within an account the role's policies, bounded by its boundary, or the
resource's policy may allow; across accounts both must. A key is its policy's alone: what the policy leaves to the
account, roles' policies decide. Taking a role is decided by its trust. What cannot be evaluated is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from infra.gate.conditions import Context, holds_for, like
from infra.gate.errors import PolicyError
from infra.gate.policies import Statement, many, statements

Verdict = Literal["allowed", "denied explicitly", "not allowed"]
_NONE: Mapping[str, str] = MappingProxyType({})
_ELEMENTS = {"Sid", "Effect", "Principal", "Action", "NotAction", "Resource", "NotResource", "Condition"}


@dataclass(frozen=True)
class Principal:
    """Who asks: a role, with its policies, or a service or provider, which has none."""

    arn: str
    account: str
    policies: tuple[Mapping[str, Any], ...] = ()
    boundary: Mapping[str, Any] | None = None
    is_role: bool = True


@dataclass(frozen=True)
class Target:
    """What is asked for: a resource and the policy that stands at it."""

    arn: str
    account: str
    policy: Mapping[str, Any] | None = None
    is_key: bool = False


@dataclass(frozen=True)
class Request:
    """One call."""

    who: Principal
    action: str
    target: Target
    context: Context = field(default_factory=lambda: _NONE)

    @property
    def full_context(self) -> Context:
        """Return the context with what AWS adds to each request."""
        always = {
            "aws:PrincipalArn": self.who.arn,
            "aws:PrincipalAccount": self.who.account,
            "aws:SecureTransport": "true",
            "s3:TlsVersion": "1.3",
        }
        return {**always, **self.context}


def verdict(request: Request) -> Verdict:
    """Return whether a call goes through. Raises PolicyError where a policy cannot be evaluated."""
    own = [one for policy in request.who.policies for one in statements(policy)]
    bound = statements(request.who.boundary) if request.who.boundary else None
    at_target = statements(request.target.policy) if request.target.policy else ()
    if (
        _any(own, "Deny", request)
        or (bound is not None and _any(bound, "Deny", request))
        or _any(at_target, "Deny", request, at_resource=True)
    ):
        return "denied explicitly"
    by_role = _any(own, "Allow", request)
    is_within_bounds = bound is None or _any(bound, "Allow", request)
    named, left_to_account = _granted(at_target, request)
    same_account = request.who.account == request.target.account
    if not request.who.is_role:
        allowed = named
    elif request.target.is_key or not same_account:
        allowed = is_within_bounds and ((by_role and (named or left_to_account)) or (named and same_account))
    else:
        allowed = is_within_bounds and (by_role or named)
    return "allowed" if allowed else "not allowed"


def _granted(policy: Iterable[Statement], request: Request) -> tuple[bool, bool]:
    """Return whether a resource's policy allows the caller by name, and whether it leaves it to the caller's
    account.
    """
    named = left = False
    root = f"arn:aws:iam::{request.who.account}:root"
    for statement in policy:
        if statement["Effect"] == "Allow" and _matches(statement, request):
            who = _principals(statement)
            named = named or request.who.arn in who or "*" in who
            left = left or root in who or request.who.account in who
    return named, left


def _any(policy: Iterable[Statement], effect: str, request: Request, *, at_resource: bool = False) -> bool:
    return any(
        statement["Effect"] == effect
        and _matches(statement, request)
        and (not at_resource or _names(statement, request))
        for statement in policy
    )


def _names(statement: Statement, request: Request) -> bool:
    who = _principals(statement)
    account = {f"arn:aws:iam::{request.who.account}:root", request.who.account}
    return "*" in who or request.who.arn in who or bool(account & set(who))


def _principals(statement: Statement) -> tuple[str, ...]:
    principal = statement.get("Principal")
    if principal is None:
        raise PolicyError(f"{statement.get('Sid')}: a resource's policy says who")
    if isinstance(principal, Mapping):
        return tuple(str(one) for values in principal.values() for one in many(values))
    return (str(principal),)


def _matches(statement: Statement, request: Request) -> bool:
    if unknown := statement.keys() - _ELEMENTS:
        raise PolicyError(f"{statement.get('Sid')}: the simulator does not know {sorted(unknown)}")
    action = request.action.lower()
    acted = any(like(action, str(one).lower()) for one in many(statement.get("Action")))
    if "NotAction" in statement:
        acted = not any(like(action, str(one).lower()) for one in many(statement["NotAction"]))
    on = any(is_on(request.target.arn, str(one)) for one in many(statement.get("Resource", "*")))
    if "NotResource" in statement:
        on = not any(is_on(request.target.arn, str(one)) for one in many(statement["NotResource"]))
    return acted and on and holds_for(statement.get("Condition", {}), request.full_context)


def is_on(arn: str, pattern: str) -> bool:
    """Return whether an ARN is one that a statement names. No wildcard stands for a part of the type of a resource."""
    parts = pattern.split(":", 5)
    if len(parts) == 6 and parts[2] != "s3" and parts[5] != "*":
        kind = re.split("[:/]", parts[5], maxsplit=1)
        if len(kind) == 2 and "*" in kind[0]:
            return False
    return like(arn, pattern)
