"""Bounds of policies: a number that nobody can mean is refused where it is written.

Belongs here: the check that every policy shares. Does not belong here: the bounds themselves (`policies`).
"""

from __future__ import annotations

from mlife_assets.core.errors import InvalidInputError


def require_bounded(owner: object, **bounds: tuple[float, float]) -> None:
    """Raise InvalidInputError naming the first field of `owner` that lies outside its (low, high), both included."""
    for name, (low, high) in bounds.items():
        value = getattr(owner, name)
        if not low <= value <= high:
            raise InvalidInputError(f"{type(owner).__name__}.{name} is {value}; set it between {low} and {high}")
