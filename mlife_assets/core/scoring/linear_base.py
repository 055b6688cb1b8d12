"""The base of a step: what each number adds to the log-odds, below the trees that learn what it leaves over.

Belongs here: its curves, its scores and contributions, its JSON. Does not belong here: fitting one
(`core.training.recipes`), the trees (`scorer`).

Concept: a curve per number, straight between a few knots and flat beyond its ends, with a mean of 0 over the rows that
it was learned from. A missing value adds nothing. Columns are summed one by one: a product of matrices rounds a row
differently when it stands alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BaseCurve:
    """What one number adds.

    Attributes:
        name: of the column that a model sees.
        knots: values of the number, ascending.
        log_odds: what is added at the knots; in between it is interpolated, beyond them it is that of the end.
    """

    name: str
    knots: tuple[float, ...]
    log_odds: tuple[float, ...]

    def of(self, values: Array) -> Array:
        """Return what n values add, both (n,); 0 where one is missing."""
        added: Array = np.interp(values, *self._points)
        added[np.isnan(values)] = 0.0
        return added

    @cached_property
    def _points(self) -> tuple[Array, Array]:
        return np.array(self.knots), np.array(self.log_odds)


@dataclass(frozen=True)
class LinearBase:
    """A base: log-odds where nothing is known, and a curve per number."""

    intercept: float
    curves: tuple[BaseCurve, ...]

    def raw(self, matrix: Array, names: Sequence[str]) -> Array:
        """Return log-odds of n rows, (n,); a row has the same bits alone and among others.

        Args:
            matrix: what a model sees, (n, names).
            names: of its columns.
        """
        places = {name: place for place, name in enumerate(names)}
        total = np.full(len(matrix), self.intercept)
        for curve in self.curves:
            total += curve.of(matrix[:, places[curve.name]])
        return total

    def contributions(self, matrix: Array, names: Sequence[str]) -> Array:
        """Return what each column adds, (n, names + 1), the last being the intercept; rows sum to `raw`.

        As curves have a mean of 0, these are the SHAP values of an additive model (Lundberg and Lee 2017).
        """
        parts = np.zeros((len(matrix), len(names) + 1))
        parts[:, -1] = self.intercept
        places = {name: place for place, name in enumerate(names)}
        for curve in self.curves:
            place = places[curve.name]
            parts[:, place] = curve.of(matrix[:, place])
        return parts

    def to_json(self) -> str:
        """Return canonical JSON; floats survive to the bit."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> LinearBase:
        """Return the base that `to_json` wrote."""
        record = json.loads(text)
        curves = (BaseCurve(one["name"], tuple(one["knots"]), tuple(one["log_odds"])) for one in record["curves"])
        return cls(record["intercept"], tuple(curves))
