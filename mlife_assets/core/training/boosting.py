"""Boosting: one LightGBM model from rows, the same bytes from the same rows.

Concept: deterministic to the byte: fixed threads, fixed seed, ordered rows. Trees add log-odds. Binning is a large
part of a fit, so fits on parts of the same rows may share bins.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.feature_spec import FeatureSpec

END_OF_TREES = "end of trees"

_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")

Progress = Callable[[int, int], None]
"""Called with (trees so far, trees at most)."""
Watch = Callable[[Any, int], bool]
"""Called with (booster, trees so far); returns whether to stop."""


@dataclass(frozen=True, eq=False)
class Rows:
    """The n training rows of one model.

    Attributes:
        matrix: float64 of shape (m, features); parts of the same rows share it.
        outcome: bool (n,).
        day: of exposure, counted in days, int64 (n,); None if no recipe needs it.
        weight: weight of each row, float64 (n,); None for 1.
        start: log-odds below the model, float64 (n,); None for 0.
        bins: a constructed `lightgbm.Dataset` of the matrix, if fits share it.
        places: of the rows in the matrix, ascending, int64 (n,); None for all.
    """

    matrix: npt.NDArray[np.float64]
    outcome: npt.NDArray[np.bool_]
    day: npt.NDArray[np.int64] | None = None
    weight: npt.NDArray[np.float64] | None = None
    start: npt.NDArray[np.float64] | None = None
    bins: Any = None
    places: npt.NDArray[np.int64] | None = None

    @property
    def inputs(self) -> npt.NDArray[np.float64]:
        """Model inputs, float64 (n, features); of a part of the matrix a copy."""
        return self.matrix if self.places is None else self.matrix[self.places]

    def where(self, mask: npt.NDArray[Any]) -> Rows:
        """Return the rows of a mask."""
        places = np.arange(len(self.outcome)) if self.places is None else self.places
        by_row = {name: getattr(self, name) for name in ("day", "weight", "start")}
        kept: dict[str, Any] = {name: None if values is None else values[mask] for name, values in by_row.items()}
        return replace(self, outcome=self.outcome[mask], places=places[mask], **kept)


def weighted(rows: Rows, weight: npt.NDArray[np.float64]) -> Rows:
    """Return rows with their weight multiplied by `weight`, float64 (n,)."""
    return replace(rows, weight=weight if rows.weight is None else rows.weight * weight)


def boost(
    rows: Rows,
    spec: FeatureSpec,
    policy: TrainingPolicy,
    *,
    trees: int,
    watch: Watch | None = None,
    progress: Progress | None = None,
) -> Any:
    """Return a booster of at most `trees` trees; fewer if no split is left, or `watch` stops.

    Raises:
        InvalidInputError: the policy constrains a feature that does not exist.
    """
    lightgbm = _lightgbm()
    parameters = _parameters(spec, policy) | {"objective": "binary", "metric": "None"}
    if rows.bins is not None:
        places = np.arange(len(rows.outcome)) if rows.places is None else rows.places
        data = rows.bins.subset(places, params=parameters).construct()
        data.set_label(rows.outcome.astype(np.float64))
        data.set_weight(rows.weight)
        data.set_init_score(rows.start)
    else:
        data = lightgbm.Dataset(
            rows.inputs,
            label=rows.outcome.astype(np.float64),
            weight=rows.weight,
            init_score=rows.start,
            params=parameters,
            **_columns(spec),
        )
    booster = lightgbm.Booster(parameters, data)
    for done in range(1, trees + 1):
        booster.update()
        if progress is not None:
            progress(done, trees)
        if watch is not None and watch(booster, done):
            break
    return booster


def binned(rows: Rows, spec: FeatureSpec, policy: TrainingPolicy) -> Rows:
    """Return rows that are all of their matrix with their bins, cut from themselves."""
    lightgbm = _lightgbm()
    data = lightgbm.Dataset(
        rows.matrix, label=rows.outcome.astype(np.float64), params=_parameters(spec, policy), **_columns(spec)
    )
    return replace(rows, bins=data.construct())


@cache
def _lightgbm() -> Any:
    """Return LightGBM, imported in a thread of its own.

    LightGBM imports matplotlib, whose parser keeps exceptions and thus their callers' frames. Frames of a fit hold all
    rows; a new thread has none.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(import_module, "lightgbm").result()


def _parameters(spec: FeatureSpec, policy: TrainingPolicy) -> dict[str, Any]:
    """Return the parameters of all fits.

    Raises:
        InvalidInputError: the policy constrains a feature that does not exist.
    """
    return {
        "learning_rate": policy.learning_rate,
        "num_leaves": policy.leaves,
        "min_child_samples": policy.minimum_child_examples,
        "feature_fraction": policy.feature_fraction,
        "lambda_l2": policy.l2_penalty,
        "monotone_constraints": monotone_constraints(spec, policy),
        "num_threads": policy.threads,
        "seed": policy.seed,
        "deterministic": True,
        "force_row_wise": True,
        "feature_pre_filter": False,
        "verbosity": -1,
    }


def _columns(spec: FeatureSpec) -> dict[str, Any]:
    """Return LightGBM's parameters of the columns."""
    return {
        "feature_name": _column_names(spec),
        "categorical_feature": [spec.model_names.index(name) for name in spec.categorical],
    }


def monotone_constraints(spec: FeatureSpec, policy: TrainingPolicy) -> list[int]:
    """Return 1, -1 or 0 per model input.

    Raises:
        InvalidInputError: the policy names a feature that does not exist or is a category.
    """
    for name in (*policy.rising, *policy.falling):
        if name not in spec.model_names or name in spec.categorical:
            raise InvalidInputError(
                f"TrainingPolicy constrains {name}, which is no numeric feature; take it out of rising and falling"
            )
    return [(name in policy.rising) - (name in policy.falling) for name in spec.model_names]


def model_text(booster: Any) -> str:
    """Return LightGBM's text up to the trees' end: importances and run-time parameters after it affect no score."""
    text: str = booster.model_to_string()
    return text[: text.index(END_OF_TREES)] + END_OF_TREES + "\n"


def predict_raw(
    booster: Any, matrix: npt.NDArray[np.float64], policy: TrainingPolicy, *, after: int = 0
) -> npt.NDArray[np.float64]:
    """Return the sum of the trees after the first `after` for n rows, in log-odds, float64 (n,)."""
    return np.asarray(
        booster.predict(matrix, raw_score=True, start_iteration=after, num_threads=policy.threads),
        dtype=np.float64,
    )


def _column_names(spec: FeatureSpec) -> list[str]:
    """Return column names if LightGBM can write them into its text, else positions."""
    names = list(spec.model_names)
    return (
        names if all(_PLAIN.fullmatch(name) for name in names) else [f"column_{place}" for place in range(len(names))]
    )
