"""Boosting: one LightGBM model from rows, the same bytes from the same rows.

Belongs here: LightGBM's parameters, early stopping, its text. Does not belong here: which rows and which outcome
(`fit`), calibration (`calibrate`).

Concept: deterministic to the byte: fixed threads, fixed seed, ordered rows. Two objectives: `binary` gives log-odds;
`lambdarank` orders the rows of an entity and needs a calibrator to become a probability. Classes are never weighted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.feature_spec import FeatureSpec

END_OF_TREES = "end of trees"
RANKING_DEPTH = 10
GROUP_ROWS_MAXIMUM = 10_000
"""LightGBM refuses larger groups to rank; an entity with more rows is split."""

_PLAIN = re.compile(r"[A-Za-z0-9_.-]+")

Objective = Literal["binary", "lambdarank"]
Progress = Callable[[int, int], None]
"""Called with (trees so far, trees at most)."""


@dataclass(frozen=True, eq=False)
class Rows:
    """What one model learns from: n rows.

    Attributes:
        matrix: float64 of shape (n, features).
        outcome: bool (n,).
        entity: code of whom each row is about, int64 (n,); needed to rank.
    """

    matrix: npt.NDArray[np.float64]
    outcome: npt.NDArray[np.bool_]
    entity: npt.NDArray[np.int64]

    def where(self, mask: npt.NDArray[np.bool_]) -> Rows:
        """Return the rows of a mask."""
        return Rows(self.matrix[mask], self.outcome[mask], self.entity[mask])


def boost(
    rows: Rows,
    spec: FeatureSpec,
    policy: TrainingPolicy,
    *,
    objective: Objective,
    trees: int,
    validation: Rows | None = None,
    progress: Progress | None = None,
) -> Any:
    """Return a booster of at most `trees` trees, stopped early on `validation` where given.

    Raises:
        InvalidInputError: the policy constrains a feature that does not exist.
    """
    import lightgbm

    parameters = {
        "objective": objective,
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
        "verbosity": -1,
        "metric": "binary_logloss" if objective == "binary" else "map",
        "eval_at": [RANKING_DEPTH],
    }
    ordered = _grouped(rows) if objective == "lambdarank" else rows

    def dataset(part: Rows, reference: Any = None) -> Any:
        return lightgbm.Dataset(
            part.matrix,
            label=part.outcome.astype(np.float64),
            group=_group_sizes(part.entity) if objective == "lambdarank" else None,
            reference=reference,
            feature_name=_column_names(spec),
            categorical_feature=[spec.model_names.index(name) for name in spec.categorical],
            params=parameters,
        )

    data = dataset(ordered)
    callbacks: list[Any] = []
    if progress is not None:
        callbacks.append(lambda environment: progress(environment.iteration + 1, trees))
    if validation is None:
        return lightgbm.train(parameters, data, num_boost_round=trees, callbacks=callbacks)
    held_out = _grouped(validation) if objective == "lambdarank" else validation
    callbacks.append(lightgbm.early_stopping(policy.early_stopping_rounds, verbose=False))
    return lightgbm.train(
        parameters,
        data,
        num_boost_round=trees,
        valid_sets=[dataset(held_out, data)],
        valid_names=["validation"],
        callbacks=callbacks,
    )


def monotone_constraints(spec: FeatureSpec, policy: TrainingPolicy) -> list[int]:
    """Return 1, -1 or 0 per column that a model sees.

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
    """Return LightGBM's text without what follows the trees: importances and run-time parameters decide no score."""
    text: str = booster.model_to_string()
    return text[: text.index(END_OF_TREES)] + END_OF_TREES + "\n"


def predict_raw(booster: Any, matrix: npt.NDArray[np.float64], policy: TrainingPolicy) -> npt.NDArray[np.float64]:
    """Return raw scores of n rows at the best iteration, float64 (n,)."""
    return np.asarray(
        booster.predict(matrix, raw_score=True, num_threads=policy.threads),
        dtype=np.float64,
    )


def _column_names(spec: FeatureSpec) -> list[str]:
    """Return the names of columns where LightGBM can write them into its text, else their places."""
    names = list(spec.model_names)
    return (
        names if all(_PLAIN.fullmatch(name) for name in names) else [f"column_{place}" for place in range(len(names))]
    )


def _grouped(rows: Rows) -> Rows:
    order = np.argsort(rows.entity, kind="stable")
    return Rows(rows.matrix[order], rows.outcome[order], rows.entity[order])


def _group_sizes(entity: npt.NDArray[np.int64]) -> list[int]:
    sizes: list[int] = []
    for size in np.unique(entity, return_counts=True)[1].tolist():
        whole, rest = divmod(size, GROUP_ROWS_MAXIMUM)
        sizes += [GROUP_ROWS_MAXIMUM] * whole + ([rest] if rest else [])
    return sizes
