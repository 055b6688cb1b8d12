"""Event types that a model brings with it: a module each, with its `EVENT_TYPE`. The others are in `events`."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from importlib import import_module

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.event_columns import EventType


def with_added(known: Iterable[EventType], package: str = __name__) -> tuple[EventType, ...]:
    """Return `known`, then the event type of each module of a package in order of their names.

    Raises:
        InvalidInputError: a module has no `EVENT_TYPE`, or one whose name is taken or is not the module's.
    """
    found = list(known)
    for name in sorted(one.name for one in pkgutil.iter_modules(import_module(package).__path__)):
        added = getattr(import_module(f"{package}.{name}"), "EVENT_TYPE", None)
        if not isinstance(added, EventType) or added.name != name:
            raise InvalidInputError(f"{package}.{name} declares no event type of its name; set EVENT_TYPE to one")
        if name in {one.name for one in found}:
            raise InvalidInputError(f"{package}.{name} declares an event type that there is already; rename it")
        found.append(added)
    return tuple(found)
