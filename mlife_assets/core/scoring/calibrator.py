"""The calibrator: from a raw score to a probability.

Belongs here: what a fitted calibrator makes of scores, its JSON. Does not belong here: fitting one
(`core.training.calibrate`), judging calibration (`core.training.reliability`).

Concept: a handful of numbers in JSON and one vectorised function, so one row alone gets the same bits.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Method = Literal["isotonic", "sigmoid"]
FLOOR = 1e-6
"""Probabilities stay off 0 and 1: no finite sample proves impossibility."""
LOG_ODDS_MAXIMUM = 30.0
"""Beyond the floor; keeps the exponential from overflowing."""


@dataclass(frozen=True)
class Calibrator:
    """A fitted calibrator.

    Attributes:
        method: `isotonic` (knots of a step-linear curve over raw scores) or `sigmoid` (slope and intercept).
        raw: knots, ascending; for `sigmoid` (slope, intercept).
        probability: values at the knots; empty for `sigmoid`.
    """

    method: Method
    raw: tuple[float, ...]
    probability: tuple[float, ...]

    def probabilities(self, raw: Array) -> Array:
        """Return probabilities of raw scores, both of shape (n,)."""
        if self.method == "isotonic":
            values = np.interp(raw, np.array(self.raw), np.array(self.probability))
        else:
            slope, intercept = self.raw
            values = 1.0 / (1.0 + np.exp(-np.clip(slope * raw + intercept, -LOG_ODDS_MAXIMUM, LOG_ODDS_MAXIMUM)))
        clipped: Array = np.clip(values, FLOOR, 1.0 - FLOOR)
        return clipped

    def to_json(self) -> str:
        """Return canonical JSON; floats survive to the bit."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Calibrator:
        """Return the calibrator that `to_json` wrote."""
        record = json.loads(text)
        return cls(record["method"], tuple(record["raw"]), tuple(record["probability"]))
