"""The best simple rule: a logistic regression on a handful of columns, fitted on the rows that a model learns from.

Concept: a model that beats the rule in use may still be worth no more than a weighted sum that anybody can read. So the
sum is fitted beside each model, on the same rows, and stands wherever the two others do. It is a few numbers in the
manifest and ranks any later row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.estimators import usable
from mlife_assets.core.scoring.feature_spec import Array, FeatureSpec
from mlife_assets.core.training.ready_estimators import logistic_regression

SIMPLE_RULE = "simple_rule"
"""Its key in a manifest, and its name where it is compared."""
COLUMNS_MAXIMUM = 8
"""As many as a person can hold in mind and still call it simple."""


@dataclass(frozen=True)
class SimpleRule:
    """A weighted sum of columns.

    Attributes:
        columns: numeric columns of what a model sees.
        missing: value of each column where it is missing.
        weights: log-odds per unit of each column.
        intercept: log-odds where all columns are 0.
    """

    columns: tuple[str, ...]
    missing: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float

    def score(self, matrix: Array, spec: FeatureSpec) -> Array:
        """Return log-odds of rows, float64 (n,). A number too large for a sum counts as missing (`usable`).

        Args:
            matrix: of shape (n, spec.names).
            spec: of the model that it was fitted beside.

        Raises:
            InvalidInputError: the spec lacks a column.
        """
        places = _places(self.columns, spec)
        seen = usable(spec.expanded(matrix))
        total = np.full(len(matrix), self.intercept)
        for place, missing, weight in zip(places, self.missing, self.weights, strict=True):
            values = seen[:, place]
            total += weight * np.where(np.isnan(values), missing, values)
        return total

    def to_record(self) -> dict[str, Any]:
        """Return JSON-able values; floats survive to the bit."""
        return asdict(self)

    @classmethod
    def of_manifest(cls, manifest: Mapping[str, Any]) -> SimpleRule | None:
        """Return the rule beside a model; None for a model of a release that fitted none."""
        record = manifest.get(SIMPLE_RULE)
        if record is None:
            return None
        columns, missing, weights = (tuple(record[name]) for name in ("columns", "missing", "weights"))
        return cls(columns, missing, weights, record["intercept"])


def simple_scores(artifact: ModelArtifact, matrix: Array) -> Array | None:
    """Return what the rule beside a model says of a matrix of its spec, float64 (n,); None where it has none."""
    rule = SimpleRule.of_manifest(artifact.manifest)
    return None if rule is None else rule.score(matrix, artifact.feature_spec)


def fit_simple_rule(
    matrix: Array,
    outcome: npt.NDArray[np.bool_],
    spec: FeatureSpec,
    columns: Sequence[str] = (),
) -> SimpleRule:
    """Return the rule of rows.

    Args:
        matrix: what a model sees, of shape (n, spec.model_names).
        outcome: whether each converted, shape (n,).
        spec: of that matrix.
        columns: what the rule may look at; where none is given, the columns that weigh most, per standard deviation, in
            a regression on all of them. Categories alone leave the base rate, which ranks nothing.

    Raises:
        InvalidInputError: a column is no numeric column of the spec.
        NotEnoughEvidenceError: one class only.
    """
    positives = int(outcome.sum())
    if not 0 < positives < len(outcome):
        raise NotEnoughEvidenceError(f"a rule has {positives} positives in {len(outcome)} rows; both classes needed")
    numeric = tuple(columns) or tuple(name for name in spec.model_names if name not in spec.categorical)
    if not numeric:
        return SimpleRule((), (), (), float(np.log(positives / (len(outcome) - positives))))
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):  # finding the libraries whose threads it limits takes milliseconds
        rule, per_deviation = _fitted(matrix, outcome, numeric, _places(numeric, spec))
        if columns or len(numeric) <= COLUMNS_MAXIMUM:
            return rule
        heaviest = np.sort(np.argsort(-np.abs(per_deviation), kind="stable")[:COLUMNS_MAXIMUM])
        chosen = tuple(numeric[place] for place in heaviest)
        return _fitted(matrix, outcome, chosen, _places(chosen, spec))[0]


def _places(columns: Sequence[str], spec: FeatureSpec) -> list[int]:
    for name in columns:
        if name not in spec.model_names or name in spec.categorical:
            raise InvalidInputError(f"a simple rule looks at {name}, which is no numeric feature; leave it out")
    return [spec.model_names.index(name) for name in columns]


def _fitted(
    matrix: Array,
    outcome: npt.NDArray[np.bool_],
    columns: tuple[str, ...],
    places: list[int],
) -> tuple[SimpleRule, Array]:
    """Return the rule of these columns, and its weights per standard deviation."""
    _, scaling, regression = (step for _, step in logistic_regression().steps)
    seen = usable(np.stack([matrix[:, place] for place in places]).T)  # by column, which orders its sums
    medians = np.array([_median(column) for column in seen.T])  # `SimpleImputer` takes ten times as long
    regression.fit(scaling.fit_transform(np.where(np.isnan(seen), medians, seen)), outcome.astype(np.int64))
    per_deviation = np.asarray(regression.coef_[0], dtype=np.float64)
    weights = per_deviation / scaling.scale_
    intercept = float(regression.intercept_[0]) - float(np.sum(weights * scaling.mean_))
    rule = SimpleRule(columns, tuple(medians.tolist()), tuple(map(float, weights)), intercept)
    return rule, per_deviation


def _median(values: Array) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else 0.0
