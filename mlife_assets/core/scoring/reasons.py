"""Reasons: why one row scores as it does in plain words, and what matters over all rows.

Belongs here: words and summaries of SHAP values. Does not belong here: pictures (`core.training.explain`), the values
themselves (`Scorer.contributions`).

Concept: contributions of a row and the expected value sum to its raw score, so an explanation is the score, taken
apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.scoring.feature_spec import FeatureSpec

Array = npt.NDArray[np.float64]
REASONS_MAXIMUM = 5

WORDS: dict[str, str] = {
    "same_occupation_group": "same occupation group",
    "same_shift": "same shift",
    "seniority_gap": "seniority gap",
    "distance_km": "distance in km",
    "log_pay_ratio": "pay against expected pay (log ratio)",
    "taste_match": "match of interests",
    "user_click_rate": "how often the person clicks",
    "job_click_rate": "how often the job is clicked",
    "user_impressions_7d": "jobs the person looked at in 7 days",
    "job_impressions_7d": "times the job was looked at in 7 days",
    "job_clicks_7d": "clicks on the job in 7 days",
    "job_applies_7d": "applications to the job in 7 days",
    "job_apply_rate": "how often clicks on the job become applications",
    "days_since_last_click": "days since the person's last click",
    "job_age_days": "age of the posting in days",
    "exposure_kind": "how it is shown",
}


@dataclass(frozen=True)
class ScoreParts:
    """A raw score taken apart: what is expected of any row, and what each feature adds for this one.

    Attributes:
        expected: the expected value; with all contributions it sums to the score.
        contributions: SHAP value by feature, in the order of the model.
        values: what the model saw of each feature, as people write it.
    """

    expected: float
    contributions: Mapping[str, float]
    values: Mapping[str, str]


def score_parts(contributions: Array, values: Array, spec: FeatureSpec) -> ScoreParts:
    """Return the score of one row taken apart; the arguments are those of `reasons`."""
    _require_fit(contributions, values, spec)
    names, vocabularies = spec.model_names, dict(spec.vocabularies)
    seen = {name: value_words(float(value), vocabularies.get(name)) for name, value in zip(names, values, strict=True)}
    parts = dict(zip(names, contributions[:-1].tolist(), strict=True))
    return ScoreParts(float(contributions[-1]), parts, seen)


def reasons(contributions: Array, values: Array, spec: FeatureSpec, limit: int = REASONS_MAXIMUM) -> list[str]:
    """Return why one row scores as it does, strongest first.

    Args:
        contributions: one row of `Scorer.contributions`, shape (model_names + 1,).
        values: what the model sees of the row, shape (model_names,): `FeatureSpec.expanded`.
        spec: names and vocabularies.
        limit: at most so many reasons.

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
        lines.append(f"{words_of(name)} = {value} {verb} the score by {abs(effect):.2f}")
    return lines


def _require_fit(contributions: Array, values: Array, spec: FeatureSpec) -> None:
    if contributions.shape != (len(spec.model_names) + 1,) or values.shape != (len(spec.model_names),):
        raise InvalidInputError(
            f"contributions {contributions.shape} and values {values.shape} do not fit {len(spec.model_names)} features"
        )


def words_of(name: str) -> str:
    """Return what a feature means in words."""
    return WORDS.get(name, name.replace("_", " "))


def value_words(value: float, vocabulary: Sequence[str] | None) -> str:
    """Return a value that the model sees as people write it; `vocabulary` is that of a category, else None."""
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
