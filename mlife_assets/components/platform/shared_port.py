"""A port that all views of one platform share.

Concept: a view is the platform as one of its models sees it. Adapters remember (the end of the log, open databases, a
worker process, a whole simulated market), so a view makes none of its own: it asks the platform that it is a view of.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, TypeVar

T = TypeVar("T")
WHOLE = "_whole"
"""In the dictionary of a view: the platform that it is a view of."""


class shared_port(cached_property[T]):  # noqa: N801  # used as the decorator that it extends
    """`cached_property` that is made on, and kept by, the platform of which the instance is a view."""

    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
        """Return the port of the whole platform."""
        return super().__get__(instance if instance is None else vars(instance).get(WHOLE, instance), owner)
