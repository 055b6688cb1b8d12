"""Policies as stated in files: a few changed fields, defaults for the rest."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, TypeVar

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.quoting import quoted

Policy = TypeVar("Policy")
"""A frozen record of numbers, strings, and tuples of them."""
Made = TypeVar("Made")
NOTHING: Mapping[str, str] = MappingProxyType({})


def is_said(value: Any) -> bool:
    """Return whether a value is a non-empty text."""
    return isinstance(value, str) and bool(value.strip())


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_of_kind(value: Any, expected: Any) -> bool:
    """Return whether a value of a file has the kind of the default `expected`; a list stands for a tuple."""
    if isinstance(expected, bool):
        return isinstance(value, bool)
    if isinstance(expected, tuple):
        is_one = _is_whole if expected and isinstance(expected[0], int) else is_said
        return isinstance(value, list) and all(map(is_one, value))
    if isinstance(expected, str):
        return is_said(value)
    return _is_whole(value) or (isinstance(expected, float) and isinstance(value, float))


def stated_policy(
    default: Policy,
    name: str,
    given: Mapping[str, Any],
    renamed: Mapping[str, str] = NOTHING,
    *,
    where: str = "the spec's ",
) -> Policy:
    """Return a policy with the stated changes; lists become tuples, and whole numbers stay whole.

    Args:
        default: the policy to change; its `RETIRED` lists fields of earlier releases with their replacement; these load
            with a warning.
        name: its name in the file of changes.
        given: fields and values.
        renamed: earlier names of fields.
        where: what messages say before the name.

    Raises:
        InvalidInputError: a field is unknown, or a value is of another kind or out of bounds; names it and the remedy.
    """
    if not isinstance(given, Mapping):
        raise InvalidInputError(f"{where}{name} is {quoted(given)}; write fields and their values")
    known = {field.name for field in fields(default)}  # type: ignore[arg-type]
    renamed = {old: new for old, new in renamed.items() if new in known}
    if both := [old for old, new in renamed.items() if old in given and new in given]:
        raise InvalidInputError(f"{where}{name} has {both[0]} and its new name {renamed[both[0]]}; keep the new one")
    retired: Mapping[str, str] = getattr(default, "RETIRED", NOTHING)
    for key in retired.keys() & given.keys():
        warnings.warn(
            f"{where}{name}.{key} does nothing any more: {retired[key]}; remove it", FutureWarning, stacklevel=2
        )
    changes = {renamed.get(key, key): value for key, value in given.items() if key not in retired}
    for key, value in changes.items():
        if key not in known:
            close = get_close_matches(str(key), known, n=1)
            meant = f"did you mean {close[0]}? Known" if close else "known"
            raise InvalidInputError(
                f"{where}{name} has an unknown key {quoted(key)}; {meant} are {', '.join(sorted(known))}"
            )
        expected = getattr(default, key)
        if not is_of_kind(value, expected):
            raise InvalidInputError(f"{where}{name}.{key} is {quoted(value)}; the default is {quoted(expected)}")
    values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in changes.items()}
    try:
        return replace(default, **values)  # type: ignore[type-var]
    except InvalidInputError as error:  # which names the class, and a file has none
        raise InvalidInputError(str(error).replace(f"{type(default).__name__}.", f"{name}.")) from error


def stated_attribute(name: str, default: Policy, given: Mapping[str, Any]) -> Policy:
    """Return a policy with the changes of a component's attribute; errors begin with the attribute's name."""
    return named(name, lambda: stated_policy(default, name, given, where=""))


def named(attribute: str, make: Callable[[], Made]) -> Made:
    """Call `make`; an InvalidInputError begins with the attribute's name, once."""
    try:
        return make()
    except InvalidInputError as error:
        said = str(error)
        is_named = said.startswith((f"{attribute}.", f"{attribute} "))
        raise InvalidInputError(said if is_named else f"{attribute}: {said}") from error
