"""Reasons: the explanation of one row's score in plain words, global importance, probability of the first step.

Concept: contributions of a row and the expected value sum to its raw score, so an explanation decomposes the score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ports import Scorer, Scores
from mlife_assets.core.scoring.feature_spec import FeatureSpec

REASONS_LOGGED = 3
Array = npt.NDArray[np.float64]
REASONS_MAXIMUM = 5
Words: TypeAlias = Mapping[str, str]
"""Descriptions of features, by name, if a model has them."""


class ExplainableScorer(Scorer, Protocol):
    """A scorer with names and vocabularies of its features."""

    @property
    def feature_spec(self) -> FeatureSpec:
        """Order of the features, codes of the categories, smoothed rates."""

    @property
    def is_quick(self) -> bool:
        """Whether a few rows take microseconds, so that nobody minds waiting for them."""


def first_step_probabilities(scores: Scores) -> npt.NDArray[np.float64]:
    """Return the calibrated probability of the first step of a funnel, float64 (n,); NaN for a model of one step."""
    steps = list(scores.steps.values())
    return np.full(len(scores.probability), np.nan) if len(steps) < 2 else np.asarray(steps[0], dtype=np.float64)


def strongest_reasons(scorer: ExplainableScorer, matrix: npt.NDArray[np.float64], words: Words) -> list[list[str]]:
    """Return the `REASONS_LOGGED` strongest reasons of each row of a matrix (n, feature_names), strongest first.

    A single row gives the same words as in a batch. A contribution of exactly 0 is no reason, so a row may have fewer.
    """
    spec = scorer.feature_spec
    rows = zip(scorer.contributions(matrix), spec.expanded(matrix), strict=True)
    return [reasons(contributions, values, spec, words, REASONS_LOGGED) for contributions, values in rows]


@dataclass(frozen=True)
class ScoreParts:
    """A raw score as a sum: the expected value, and the contribution of each feature of this row.

    Attributes:
        expected: the expected value; with all contributions it sums to the score.
        contributions: SHAP value by feature, in the order of the model.
        values: input by feature, formatted for people.
    """

    expected: float
    contributions: Mapping[str, float]
    values: Mapping[str, str]


def score_parts(contributions: Array, values: Array, spec: FeatureSpec) -> ScoreParts:
    """Return the parts of one row's score; the arguments are those of `reasons`."""
    _require_fit(contributions, values, spec)
    names, vocabularies = spec.model_names, dict(spec.vocabularies)
    seen = {name: value_words(float(value), vocabularies.get(name)) for name, value in zip(names, values, strict=True)}
    parts = dict(zip(names, contributions[:-1].tolist(), strict=True))
    return ScoreParts(float(contributions[-1]), parts, seen)


def reasons(
    contributions: Array, values: Array, spec: FeatureSpec, words: Words, limit: int = REASONS_MAXIMUM
) -> list[str]:
    """Return the reasons of one row's score, strongest first.

    Args:
        contributions: one row of `Scorer.contributions`, shape (model_names + 1,).
        values: model inputs of the row, shape (model_names,): `FeatureSpec.expanded`.
        spec: names and vocabularies.
        words: descriptions of features.
        limit: maximum of reasons.

    Raises:
        InvalidInputError: shapes do not fit the spec.
    """
    _require_fit(contributions, values, spec)
    order = np.argsort(-np.abs(contributions[:-1]), kind="stable")[:limit]
    vocabularies = dict(spec.vocabularies)
    lines = []
    for place in order:
        name, effect = spec.model_names[place], float(contributions[place])
        if effect == 0.0:
            continue
        value = value_words(float(values[place]), vocabularies.get(name))
        verb = "raises" if effect > 0 else "lowers"
        lines.append(f"{words_of(name, words)} = {value} {verb} the score by {abs(effect):.2f}")
    return lines


def _require_fit(contributions: Array, values: Array, spec: FeatureSpec) -> None:
    if contributions.shape != (len(spec.model_names) + 1,) or values.shape != (len(spec.model_names),):
        raise InvalidInputError(
            f"contributions {contributions.shape} and values {values.shape} do not fit {len(spec.model_names)} features"
        )


def words_of(name: str, words: Words) -> str:
    """Return the description of a feature: from `words`, else its name with spaces."""
    return words.get(name, name.replace("_", " "))


def value_words(value: float, vocabulary: Sequence[str] | None) -> str:
    """Return a model input formatted for people; `vocabulary` is that of a category, else None."""
    if np.isnan(value):
        return "unknown"
    if np.isinf(value):
        return "infinite"
    if vocabulary is not None:
        return vocabulary[int(value)] if 0 <= value < len(vocabulary) else "unknown"
    return f"{value:.0f}" if value == int(value) else f"{value:.2f}"


def global_importance(contributions: Array, names: Sequence[str]) -> dict[str, float]:
    """Return mean |SHAP| per feature of n rows, shape (n, features + 1), largest first."""
    values = np.abs(contributions[:, :-1]).mean(axis=0)
    ranked = sorted(zip(names, values.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))
    return dict(ranked)
