"""Conditions of policy statements.

Concept: as AWS evaluates them. All operators of a block must hold, all keys of an operator, any of the values of a
key; of a negated operator none. A key that the request lacks fails the condition, but for `...IfExists`, `Null` and
negated operators. An operator that is not known is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from infra.gate.errors import PolicyError
from infra.gate.policies import many

Context = Mapping[str, str]


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def like(value: str, pattern: str) -> bool:
    """Return whether a value fits a pattern of `*` and `?`; everything else means itself."""
    return _compiled(pattern).fullmatch(value) is not None


def _equal(value: str, wanted: str) -> bool:
    return value == wanted


def _equal_ignoring_case(value: str, wanted: str) -> bool:
    return value.lower() == wanted.lower()


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _smaller(value: str, wanted: str) -> bool:
    return _version(value) < _version(wanted)


def _arn_like(value: str, pattern: str) -> bool:
    """Each of the six parts of an ARN is matched by itself, so that a `*` does not reach over colons."""
    given, wanted = value.split(":", 5), pattern.split(":", 5)
    return len(given) == len(wanted) and all(like(one, other) for one, other in zip(given, wanted, strict=True))


_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": _equal,
    "StringLike": like,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": _equal_ignoring_case,
    "NumericLessThan": _smaller,
}
_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}


def holds_for(block: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    """Return whether a condition block holds. Raises PolicyError for an operator that is not known."""
    keys = {key.lower(): value for key, value in context.items()}
    return all(
        _key_holds(operator, keys.get(key.lower()), tuple(str(one) for one in many(values)))
        for operator, by_key in block.items()
        for key, values in by_key.items()
    )


def _key_holds(operator: str, given: str | None, values: tuple[str, ...]) -> bool:
    if operator == "Null":
        return any((given is None) == (value.lower() == "true") for value in values)
    name = operator.removesuffix("IfExists")
    if name not in _OPERATORS and name not in _NEGATED:
        raise PolicyError(f"infra/gate/conditions.py does not know {operator}")
    if given is None:
        return name in _NEGATED or operator.endswith("IfExists")
    if name in _NEGATED:
        return not any(_OPERATORS[_NEGATED[name]](given, value) for value in values)
    return any(_OPERATORS[name](given, value) for value in values)
