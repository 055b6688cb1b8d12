"""An artifact's models as machine code: what they add up to is the same to the bit, or LightGBM scores.

Concept: LightGBM and numpy are the reference. Before compiled models score anything they have to give the bits of the
reference on a probe: rows of the very values at which splits and curves turn, of their neighbours, and of all that is
no ordinary number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mlife_assets.core.ranking.kernels import read_only
from mlife_assets.core.scoring.artifact import LinearBase, ModelArtifact
from mlife_assets.core.scoring.forest import UnsupportedTreesError, read_forest

Array = npt.NDArray[np.float64]
PROBE_ROWS = 512
ODD = (np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, -1e-36, 1e308, -1.0, 0.5, 254.0, 1e10)
"""Values of any column that a probe asks for, besides those at which its models turn."""


class CompiledModels:
    """The models of an artifact as machine code: their bases and trees."""

    def __init__(self, artifact: ModelArtifact, reference: Callable[[Array], Sequence[Array]]) -> None:
        """Read the models, and compare them with `reference`: model inputs to the log-odds of each stage.

        Raises:
            UnsupportedTreesError: they cannot be had to the bit.
        """
        names = artifact.feature_spec.model_names
        self._spec = artifact.feature_spec
        self._forests = [read_forest(stage.model_text) for stage in artifact.stages]
        self._bases = [stage.base for stage in artifact.stages]
        self._curves = [None if base is None else _curve_arrays(base, names) for base in self._bases]
        self._require(reference)

    def raws(self, matrix: Array) -> list[Array]:
        """Return the log-odds of each stage for n rows of model inputs, each (n,)."""
        from mlife_assets.core.scoring.forest_kernel import add_curves, raw

        # One kind of array, as another would be compiled anew.
        matrix, found = read_only(np.require(matrix, requirements=["C", "ALIGNED"])), []
        for forest, base, curves in zip(self._forests, self._bases, self._curves, strict=True):
            grown = np.zeros(len(matrix))
            raw(matrix, grown, forest)
            if base is not None and curves is not None:
                total = np.full(len(matrix), base.intercept)
                add_curves(matrix, total, curves)
                grown = total + grown
            found.append(grown)
        return found

    def _require(self, reference: Callable[[Array], Sequence[Array]]) -> None:
        probe = self._spec.expanded(self._probe())
        expected = list(reference(probe))
        together = self.raws(probe)
        by_few = [
            np.concatenate(parts) for parts in zip(*map(self.raws, np.split(probe, PROBE_ROWS // 4)), strict=True)
        ]
        if any(
            one.tobytes() != seen.tobytes()
            for found in (together, by_few)
            for one, seen in zip(expected, found, strict=True)
        ):
            raise UnsupportedTreesError("the compiled models differ from the reference on their probe")

    def _probe(self) -> Array:
        """Return rows of values at which the models turn, (n, names): seeded, so each start asks the same."""
        rng = np.random.default_rng(0)
        width = len(self._spec.names)
        turns: list[list[float]] = [[] for _ in self._spec.model_names]
        for forest in self._forests:
            for feature, kind, start, size in zip(
                forest.features, forest.kinds, forest.starts, forest.sizes, strict=True
            ):
                ladder = np.arange(size) if kind == 3 else forest.thresholds[start : start + size]
                turns[feature] += ladder[np.isfinite(ladder)].tolist()
        for base in self._bases:
            for curve in () if base is None else base.curves:
                turns[self._spec.model_names.index(curve.name)] += curve.knots
        probe = np.empty((PROBE_ROWS, width))
        for column in range(width):
            values = np.array(turns[column] or [0.0])
            near = np.concatenate(
                [values, np.nextafter(values, np.inf), np.nextafter(values, -np.inf), rng.normal(size=9)]
            )
            chosen = rng.permutation(np.resize(rng.permutation(near), PROBE_ROWS))
            probe[:, column] = np.where(rng.random(PROBE_ROWS) < 0.2, rng.choice(ODD, PROBE_ROWS), chosen)
        return probe


class Curves(NamedTuple):
    """Curves of a base as arrays, in order.

    Attributes:
        columns: column of each curve, int32 (curves,).
        starts: its first place in `knots`, `values` and `slopes`, and the end of the last, int32 (curves + 1,).
        sizes: number of its knots, int32 (curves,).
        knots: ascending, then infinity up to a power of two, float64.
        values: at the knots, float64.
        slopes: from there to the next knot; 0 at the last, float64.
        absent: value of each curve for a missing number, float64 (curves,).
    """

    columns: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int32]
    sizes: npt.NDArray[np.int32]
    knots: Array
    values: Array
    slopes: Array
    absent: Array


def _curve_arrays(base: LinearBase, names: Sequence[str]) -> Curves:
    """Return the curves of a base for `add_curves`. Raises UnsupportedTreesError for knots that do not ascend."""
    knots, values, slopes, starts = [], [], [], [0]
    for curve in base.curves:
        at, level = np.array(curve.knots, dtype=np.float64), np.array(curve.log_odds, dtype=np.float64)
        with np.errstate(all="ignore"):
            slope = np.diff(level) / np.diff(at)
        if not (np.diff(at) > 0).all() or not np.isfinite(slope).all():
            raise UnsupportedTreesError(f"the knots of {curve.name} do not ascend")
        room = (1 << len(at).bit_length()) - len(at)
        knots.append(np.append(at, np.full(room, np.inf)))
        values.append(np.append(level, np.zeros(room)))
        slopes.append(np.append(slope, np.zeros(room + 1)))
        starts.append(starts[-1] + len(knots[-1]))
    places = {name: place for place, name in enumerate(names)}
    nothing = np.zeros(0)
    return Curves(
        np.array([places[curve.name] for curve in base.curves], dtype=np.int32),
        np.array(starts, dtype=np.int32),
        np.array([len(curve.knots) for curve in base.curves], dtype=np.int32),
        np.concatenate([nothing, *knots]),
        np.concatenate([nothing, *values]),
        np.concatenate([nothing, *slopes]),
        np.array([curve.missing for curve in base.curves], dtype=np.float64),
    )
