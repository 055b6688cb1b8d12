"""The best simple rule: a logistic regression on a few columns, fitted on a model's training rows.

Concept: a model that beats the rule in use may still be no better than a readable weighted sum. So the sum is fitted
beside each model, on the same rows, and compared everywhere: a model that is not shown to rank better is not needed. It
is a few numbers in the manifest and ranks any later row.

A category adds points by its value: its log-odds, shrunk towards those of all rows by the chance variation of values,
times the weight of the column. The weight is learned from points computed on other rows (target encoding with
cross-fitting; Micci-Barreca, SIGKDD Explorations 2001), so values with few rows are not overrated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.examples import RateRole
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.estimators import usable
from mlife_assets.core.scoring.feature_spec import Array, FeatureSpec, fit_rate
from mlife_assets.core.training.ready_estimators import logistic_regression

SIMPLE_RULE = "simple_rule"
"""Key in a manifest, and name in comparisons."""
COLUMNS_MAXIMUM = 8
"""The most columns that a person can grasp as simple."""


FOLDS = 5
"""Parts of the rows; each gets its points of a category from the others."""


@dataclass(frozen=True)
class Points:
    """Points of a category.

    Attributes:
        column: a model input.
        of_value: (value, log-odds), in the order of the vocabulary.
        otherwise: log-odds of a missing or other value.
    """

    column: str
    of_value: tuple[tuple[str, float], ...]
    otherwise: float


@dataclass(frozen=True)
class SimpleRule:
    """A weighted sum of columns.

    Attributes:
        columns: numeric model inputs.
        missing: replacement of a missing value of each column.
        weights: log-odds per unit of each column.
        intercept: log-odds where all columns are 0.
        points: of categories; rules of earlier releases have none.
    """

    columns: tuple[str, ...]
    missing: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    points: tuple[Points, ...] = ()

    def score(self, matrix: Array, spec: FeatureSpec) -> Array:
        """Return log-odds of rows, float64 (n,). A number too large for a sum counts as missing (`usable`).

        Args:
            matrix: of shape (n, spec.names).
            spec: of the model beside the rule.

        Raises:
            InvalidInputError: the spec lacks a column.
        """
        seen = usable(spec.expanded(matrix))
        total = np.full(len(matrix), self.intercept)
        for place, missing, weight in zip(_places(self.columns, spec), self.missing, self.weights, strict=True):
            values = seen[:, place]
            total += weight * np.where(np.isnan(values), missing, values)
        for one, place in zip(self.points, _places([one.column for one in self.points], spec), strict=True):
            known = dict(spec.vocabularies)[one.column]
            added = np.array([*(dict(one.of_value).get(value, one.otherwise) for value in known), one.otherwise])
            total += added[_value_places(seen[:, place], len(known))]
        return total

    def to_record(self) -> dict[str, Any]:
        """Return JSON-able values; floats survive to the bit."""
        return asdict(self)

    @classmethod
    def of_manifest(cls, manifest: Mapping[str, Any]) -> SimpleRule | None:
        """Return the rule beside a model; None for a model of a release without rules."""
        record = manifest.get(SIMPLE_RULE)
        if record is None:
            return None
        columns, missing, weights = (tuple(record[name]) for name in ("columns", "missing", "weights"))
        points = (
            Points(one["column"], tuple((value, added) for value, added in one["of_value"]), one["otherwise"])
            for one in record.get("points", ())
        )
        return cls(columns, missing, weights, record["intercept"], tuple(points))


def simple_scores(artifact: ModelArtifact, matrix: Array) -> Array | None:
    """Return the scores of a matrix by the rule beside a model, float64 (n,); None without one."""
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
        matrix: model inputs, of shape (n, spec.model_names).
        outcome: whether each converted, shape (n,).
        spec: of that matrix.
        columns: inputs of the rule; by default those with the largest weights, per standard deviation, in a regression
            on all columns.

    Raises:
        InvalidInputError: a column is not one of the spec.
        NotEnoughEvidenceError: only one class.
    """
    positives = int(outcome.sum())
    if not 0 < positives < len(outcome):
        raise NotEnoughEvidenceError(f"a rule has {positives} positives in {len(outcome)} rows; both classes needed")
    names = tuple(columns) or spec.model_names
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):  # finding the libraries takes milliseconds
        rule, per_deviation = _fitted(matrix, outcome, names, spec)
        if columns or len(names) <= COLUMNS_MAXIMUM:
            return rule
        heaviest = np.sort(np.argsort(-np.abs(per_deviation), kind="stable")[:COLUMNS_MAXIMUM])
        return _fitted(matrix, outcome, tuple(names[place] for place in heaviest), spec)[0]


def _places(columns: Sequence[str], spec: FeatureSpec) -> list[int]:
    for name in columns:
        if name not in spec.model_names:
            raise InvalidInputError(f"a simple rule looks at {name}, which is no feature; leave it out")
    return [spec.model_names.index(name) for name in columns]


def _fitted(
    matrix: Array, outcome: npt.NDArray[np.bool_], names: tuple[str, ...], spec: FeatureSpec
) -> tuple[SimpleRule, Array]:
    """Return the rule of these columns, and its weights per standard deviation."""
    _, scaling, regression = (step for _, step in logistic_regression().steps)
    columns, points, medians = [], dict[str, Array](), dict[str, float]()
    for name, place in zip(names, _places(names, spec), strict=True):
        values = matrix[:, place]
        if name in spec.categorical:
            values, points[name] = _encoded(values, outcome, len(dict(spec.vocabularies)[name]))
        else:
            values = usable(values)
            medians[name] = _median(values)  # `SimpleImputer` takes ten times as long
            values = np.where(np.isnan(values), medians[name], values)
        columns.append(values)
    seen = np.stack(columns).T  # by column, for a fixed order of sums
    regression.fit(scaling.fit_transform(seen), outcome.astype(np.int64))
    per_deviation = np.asarray(regression.coef_[0], dtype=np.float64)
    weights = per_deviation / scaling.scale_
    intercept = float(regression.intercept_[0]) - float(np.sum(weights * scaling.mean_))
    of = dict(zip(names, map(float, weights), strict=True))
    added = []
    for name, log_odds in points.items():
        *known, otherwise = (of[name] * float(one) for one in log_odds)
        added.append(Points(name, tuple(zip(dict(spec.vocabularies)[name], known, strict=True)), otherwise))
    weighted = tuple(of[name] for name in medians)
    return SimpleRule(tuple(medians), tuple(medians.values()), weighted, intercept, tuple(added)), per_deviation


def _value_places(codes: Array, count: int) -> npt.NDArray[np.int64]:
    """Return the index of each row's value, (n,): its code, or `count` if missing."""
    return np.where(np.isnan(codes), count, codes).astype(np.int64)


def _encoded(codes: Array, outcome: npt.NDArray[np.bool_], count: int) -> tuple[Array, Array]:
    """Return the log-odds of n rows' values from the rows of other folds, (n,), and of each value from all rows.

    The latter has shape (count + 1,), the last one being of a missing value.
    """
    place, fold = _value_places(codes, count), np.arange(len(codes)) % FOLDS

    def counts(rows: npt.NDArray[np.bool_] | slice) -> tuple[Array, Array]:
        hits, trials = (np.bincount(place[rows], one[rows], count + 1) for one in (outcome, np.ones(len(outcome))))
        return np.asarray(hits, dtype=np.float64), np.asarray(trials, dtype=np.float64)

    hits, trials = counts(slice(None))
    rate = fit_rate(RateRole("", "", ""), hits, trials)

    def log_odds(successes: Array, of: Array) -> Array:
        share = (successes + rate.prior_rate * rate.prior_strength) / (of + rate.prior_strength)
        return np.asarray(np.log(share / (1 - share)), dtype=np.float64)

    found = np.empty(len(codes))
    for held in range(FOLDS):
        inside = counts(fold == held)
        found[fold == held] = log_odds(hits - inside[0], trials - inside[1])[place[fold == held]]
    return found, log_odds(hits, trials)


def _median(values: Array) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else 0.0
