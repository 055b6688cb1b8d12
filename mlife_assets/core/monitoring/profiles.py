"""Plain facts of a column of the reference: what quality rules hold a day against.

Belongs here: profiles, the most frequent value of a column. Does not belong here: the rules (`quality`), the reference
that keeps the profiles (`reference`).

Concept: they are counted once, when the reference is built. A day of monitoring reads numbers and sorts no reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


@dataclass(frozen=True)
class Profile:
    """Plain facts of one column of the reference; shares are those of the worst day.

    Attributes:
        column: its name.
        minimum, maximum, median, mean, standard_deviation: of its numbers; None for text.
        missing_share, zero_share: of all rows.
        most_frequent_share: of the rows that hold the most frequent value.
        values: of text, sorted; empty for numbers.
    """

    column: str
    minimum: float | None
    maximum: float | None
    median: float | None
    mean: float | None
    standard_deviation: float | None
    missing_share: float
    zero_share: float
    most_frequent_share: float
    values: tuple[str, ...]


def profile(column: str, values: pa.ChunkedArray, days: npt.NDArray[np.datetime64]) -> Profile:
    """Return the profile of a column whose n rows, float64 with NaN for missing or text, are in the order of `days`."""
    starts = np.flatnonzero(np.r_[True, days[1:] != days[:-1]])
    sizes = np.diff(np.r_[starts, len(days)])
    plain = plain_values(values)
    most_frequent_share = max(most_frequent(part)[1] for part in np.split(plain, starts[1:]))

    def worst(flags: npt.NDArray[np.bool_]) -> float:
        return float((np.add.reduceat(flags.astype(np.int64), starts) / sizes).max())

    if not pa.types.is_floating(values.type):
        known = tuple(sorted(value for value in pc.unique(values).to_pylist() if value is not None))
        missing_share = worst(np.asarray(values.is_null()))
        return Profile(
            column,
            minimum=None,
            maximum=None,
            median=None,
            mean=None,
            standard_deviation=None,
            missing_share=missing_share,
            zero_share=0.0,
            most_frequent_share=most_frequent_share,
            values=known,
        )
    return Profile(
        column,
        minimum=float(np.nanmin(plain)),
        maximum=float(np.nanmax(plain)),
        median=float(np.nanmedian(plain)),
        mean=float(np.nanmean(plain)),
        standard_deviation=float(np.nanstd(plain)),
        missing_share=worst(np.isnan(plain)),
        zero_share=worst(plain == 0),
        most_frequent_share=most_frequent_share,
        values=(),
    )


def plain_values(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Return the values of a column in the order of its rows: float64 with NaN, or text with "" for missing."""
    if pa.types.is_floating(column.type):
        values: npt.NDArray[Any] = column.to_numpy()
        return values
    return np.asarray(pc.fill_null(column, "").to_pylist(), dtype=str)


def most_frequent(values: npt.NDArray[Any]) -> tuple[str, float]:
    """Return the most frequent of `plain_values` and its share of all rows; missing values are none."""
    is_number = np.issubdtype(values.dtype, np.floating)
    there = values[~np.isnan(values)] if is_number else values[values != ""]
    if len(there) == 0:
        return "none", 0.0
    found, counts = np.unique(there, return_counts=True)
    top = int(np.argmax(counts))
    return (f"{found[top]:.4g}" if is_number else str(found[top])), float(counts[top] / len(values))
