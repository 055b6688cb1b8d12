"""A measured state of a home: its description and its values by labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Gauge:
    """One measure.

    Attributes:
        name: in lower case, with its unit at the end.
        says: the meaning of a value, without a full stop.
        values: labels and value; a measure that does not exist yet has none.
    """

    name: str
    says: str
    values: tuple[tuple[Labels, float], ...]
