"""A measured state of a home: what a name says, and its values by labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Gauge:
    """One measure.

    Attributes:
        name: in lower case, with its unit at the end.
        says: what a value means, in a sentence without an end.
        values: labels and value; a measure that does not exist yet has none.
    """

    name: str
    says: str
    values: tuple[tuple[Labels, float], ...]
