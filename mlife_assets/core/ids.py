"""Deterministic identifiers, which connect the records of a trace.

Concept: the same facts give the same id in every process and release, so a second write changes nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa

Column: TypeAlias = "pa.Array | pa.ChunkedArray"

SEPARATOR = "\x1f"
"""ASCII unit separator: validation keeps ids that contain it out of the log."""

_NO_TEXT = b"\xff"
"""A byte that UTF-8 never holds."""


def digest(parts: Iterable[object], length: int = 24) -> str:
    """Return the first `length` hex digits of SHA-256 over the parts joined by a separator.

    Parts that hold the separator are written as JSON instead, so that different parts never give one digest.
    """
    words = [str(part) for part in parts]
    joined = SEPARATOR.join(words)
    if joined.count(SEPARATOR) >= max(len(words), 1):
        return hashlib.sha256(_NO_TEXT + json.dumps(words).encode()).hexdigest()[:length]
    return hashlib.sha256(joined.encode()).hexdigest()[:length]


def digests(*parts: str | Column, length: int = 24) -> list[str]:
    """Return the `digest` of each row; a single value counts for all rows. Columns have no nulls."""
    import pyarrow.compute as pc

    constants = [part for part in parts if isinstance(part, str)]
    columns = [part for part in parts if not isinstance(part, str)]
    if any(SEPARATOR in part for part in constants) or any(_has_separator(column) for column in columns):
        rows = [[part] * len(columns[0]) if isinstance(part, str) else part.to_pylist() for part in parts]
        return [digest(row, length) for row in zip(*rows, strict=True)]
    joined = pc.binary_join_element_wise(*parts, SEPARATOR)
    return [hashlib.sha256(text.encode()).hexdigest()[:length] for text in joined.to_pylist()]


def _has_separator(column: Column) -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(pc.match_substring(column, SEPARATOR)).as_py())


def event_id(event_type: str, *parts: object) -> str:
    """Return the id of the event of `event_type` that is identified by `parts`."""
    return digest(("event", event_type, *parts))


def unit_interval(*parts: object) -> float:
    """Map `parts` to a uniform number in [0, 1) by hash, the same in every process and release."""
    return int(digest(parts, 13), 16) / 16**13


def keyed_hash(key: bytes, value: str) -> str:
    """Return the HMAC-SHA-256 of `value`, for identifiers of people that must not be stored in the clear."""
    return hmac.new(key, value.encode(), hashlib.sha256).hexdigest()[:32]
