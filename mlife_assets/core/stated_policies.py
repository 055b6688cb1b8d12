"""Policies as people state them: a few fields of a file, the rest as it is.

Belongs here: checking stated values against a policy. Does not belong here: policies and their bounds (`policies`), the
files (`study`, the attributes of a component).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any, TypeVar

from mlife_assets.core.backtest_policy import BacktestPolicy
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import MonitoringPolicy, PromotionPolicy, RetrainPolicy, TrainingPolicy
from mlife_assets.core.quoting import quoted

Policy = TypeVar("Policy", TrainingPolicy, PromotionPolicy, MonitoringPolicy, RetrainPolicy, BacktestPolicy)
NOTHING: Mapping[str, str] = MappingProxyType({})


def is_said(value: Any) -> bool:
    """Return whether a value is a text that says something."""
    return isinstance(value, str) and bool(value.strip())


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def stated_policy(
    default: Policy,
    name: str,
    given: Mapping[str, Any],
    renamed: Mapping[str, str] = NOTHING,
    *,
    where: str = "the spec's",
) -> Policy:
    """Return a policy with the changes that somebody states; lists become tuples, and whole numbers stay whole.

    Args:
        default: the policy that is changed.
        name: what it is called where the changes are stated.
        given: fields and values.
        renamed: fields that may stand under an earlier name.
        where: whose it is, in sentences.

    Raises:
        InvalidInputError: a field is unknown, or a value is of another kind or out of bounds; names it and the remedy.
    """
    known = {field.name for field in fields(default)}
    renamed = {old: new for old, new in renamed.items() if new in known}
    if both := [old for old, new in renamed.items() if old in given and new in given]:
        raise InvalidInputError(f"{where} {name} has {both[0]} and its new name {renamed[both[0]]}; keep the new one")
    changes = {renamed.get(key, key): value for key, value in given.items()}
    for key, value in changes.items():
        if key not in known:
            raise InvalidInputError(
                f"{where} {name} has an unknown key {quoted(key)}; known are {', '.join(sorted(known))}"
            )
        expected = getattr(default, key)
        if isinstance(expected, bool):
            fits = isinstance(value, bool)
        elif isinstance(expected, tuple):
            is_of_kind = _is_whole if expected and isinstance(expected[0], int) else is_said
            fits = isinstance(value, list) and all(map(is_of_kind, value))
        else:
            kinds = int if isinstance(expected, int) else (int, float)
            fits = isinstance(value, kinds) and not isinstance(value, bool)
        if not fits:
            raise InvalidInputError(f"{where} {name}.{key} is {quoted(value)}; the default is {quoted(expected)}")
    values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in changes.items()}
    return replace(default, **values)
