"""The calibrator: from a raw score to a probability.

Concept: a handful of numbers in JSON and one vectorised function, so one row alone gets the same bits. The function is
strictly increasing: different scores get different probabilities in the same order, so probabilities rank as well as
raw scores. Release 0.1.0 wrote step curves and clipped curves, which tie; they still score as before.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import InvalidInputError, NewerVersionError

Array = npt.NDArray[np.float64]
Method = Literal["centred_isotonic", "logistic", "base_rate", "isotonic", "sigmoid"]
CURVES = ("centred_isotonic", "logistic", "base_rate")
RELEASED = ("isotonic", "sigmoid")
"""Methods of release 0.1.0: read and used, no longer fitted."""
FLOOR = 1e-6
"""Probability at which a curve bends, and where those of release 0.1.0 are cut off."""
FLOOR_OF_ALL = 1e-8
"""Probability that a curve approaches and never reaches: no finite sample proves impossibility."""
LOG_ODDS_MAXIMUM = 30.0
"""Limit in release 0.1.0, beyond its floor; keeps the exponential from overflowing."""

_BEND = float(np.log(1 / FLOOR - 1))
_ROOM = float(np.log(1 / FLOOR_OF_ALL - 1)) - _BEND


@dataclass(frozen=True)
class Calibrator:
    """A fitted calibrator.

    Attributes:
        method: method of the fit. `centred_isotonic`, `logistic` and `base_rate` are curves: straight lines between
            knots in log-odds, extrapolated beyond the ends. A `base_rate` is nearly flat, because scores were
            uninformative when it was fitted. `isotonic` (straight lines between knots in probability, level beyond the
            ends) and `sigmoid` (slope and intercept) are of release 0.1.0.
        raw: knots, ascending; for `sigmoid` (slope, intercept).
        probability: values at the knots of an `isotonic`; else empty.
        log_odds: values at the knots of a curve, ascending; else empty.

    Raises:
        InvalidInputError: knots or values of a curve do not rise.
    """

    method: Method
    raw: tuple[float, ...]
    probability: tuple[float, ...] = ()
    log_odds: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.method in RELEASED:
            return
        knots, values = np.array(self.raw), np.array(self.log_odds)
        if len(knots) < 2 or len(knots) != len(values):
            raise InvalidInputError(
                f"a {self.method} calibrator has {len(knots)} knots and {len(values)} values; give as many, 2 or more"
            )
        with np.errstate(all="ignore"):
            slopes = np.diff(values) / np.diff(knots)
        wrong = np.flatnonzero(~(np.isfinite(slopes) & (slopes > 0) & (np.diff(knots) > 0)))
        if len(wrong):
            place = int(wrong[0])
            raise InvalidInputError(
                f"a {self.method} calibrator does not rise from knot {place} {(self.raw[place], self.log_odds[place])} "
                f"to {(self.raw[place + 1], self.log_odds[place + 1])}; fit it again"
            )

    def probabilities(self, raw: Array) -> Array:
        """Return probabilities of raw scores, both of shape (n,)."""
        if self.method in RELEASED:
            return self._released(raw)
        probability: Array = 1.0 / (1.0 + np.exp(-_bent(self._along(raw))))
        return probability

    def _along(self, raw: Array) -> Array:
        """Return the log-odds of the curve; rounding never passes the next knot, so order is kept."""
        knots, values, slopes, next_values = self._curve
        place = np.minimum(np.maximum(np.searchsorted(knots, raw, side="right") - 1, 0), len(slopes) - 1)
        with np.errstate(over="ignore"):
            found: Array = np.minimum(values[place] + slopes[place] * (raw - knots[place]), next_values[place])
        return found

    @cached_property
    def _curve(self) -> tuple[Array, Array, Array, Array]:
        knots, values = np.array(self.raw), np.array(self.log_odds)
        return knots, values, np.diff(values) / np.diff(knots), np.append(values[1:-1], np.inf)

    def _released(self, raw: Array) -> Array:
        if self.method == "isotonic":
            values = np.interp(raw, np.array(self.raw), np.array(self.probability))
        else:
            slope, intercept = self.raw
            values = 1.0 / (1.0 + np.exp(-np.clip(slope * raw + intercept, -LOG_ODDS_MAXIMUM, LOG_ODDS_MAXIMUM)))
        clipped: Array = np.clip(values, FLOOR, 1.0 - FLOOR)
        return clipped

    def to_json(self) -> str:
        """Return canonical JSON; floats survive to the bit."""
        record = asdict(self)
        del record["log_odds" if self.method in RELEASED else "probability"]
        return json.dumps(record, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Calibrator:
        """Return the calibrator that `to_json` wrote, in this release or in an earlier one.

        Raises:
            NewerVersionError: a method that this release does not know.
            InvalidInputError: knots or values of a curve do not rise.
        """
        record = json.loads(text)
        if record["method"] not in (*CURVES, *RELEASED):
            raise NewerVersionError(f"a calibrator is {record['method']!r}, unknown to this mlife; upgrade mlife")
        values = {name: tuple(record[name]) for name in ("probability", "log_odds") if name in record}
        return cls(record["method"], tuple(record["raw"]), **values)


def _bent(log_odds: Array) -> Array:
    """Return log-odds that rise ever more slowly beyond the floor: floats near 0 and 1 could not keep the order."""
    size = np.abs(log_odds)
    beyond = np.maximum(size - _BEND, 0.0) / _ROOM
    return np.copysign(np.minimum(size, _BEND) + _ROOM * (1.0 - 1.0 / (1.0 + beyond)), log_odds)
