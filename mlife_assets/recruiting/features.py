"""Pair features: the model's inputs for a (user, job) pair. One function for training, serving and monitoring.

Concept: the features of a pair are the same everywhere. Everything here is a pure function of the row, so
one row alone is a batch.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.examples import ExampleSpec, RateRole
from mlife_assets.core.scoring.feature_spec import Array, FeatureSpec, examples_matrix
from mlife_assets.recruiting.events import EMBEDDING_SIZE, OCCUPATION_GROUPS

EARTH_RADIUS_KM = 6371.0088

DERIVED_FEATURES = (
    "same_occupation_group",
    "same_shift",
    "seniority_gap",
    "distance_km",
    "log_pay_ratio",
    "taste_match",
)
PASSED_FEATURES = (
    "user_seniority",
    "job_seniority",
    "pay_usd_per_hour",
    "reservation_pay_usd_per_hour",
    "user_impressions_7d",
    "user_clicks_7d",
    "user_applies_28d",
    "user_messages_28d",
    "days_since_last_click",
    "tenure_days",
    "job_age_days",
    "job_impressions_7d",
    "job_clicks_7d",
    "job_applies_7d",
    "job_messages_7d",
    "openings",
)
CATEGORICAL_FEATURES = ("user_occupation_group", "job_occupation_group", "metro_code", "exposure_kind")
MODEL_FEATURES = (*DERIVED_FEATURES, *PASSED_FEATURES, *CATEGORICAL_FEATURES)
CLOSED_VOCABULARIES = {
    "user_occupation_group": OCCUPATION_GROUPS,
    "job_occupation_group": OCCUPATION_GROUPS,
}
"""Kinds of exposure are open: an application may show jobs in a new way. A kind that a model has not learned from is
missing to it, which `unseen_values` says where rows are scored."""
JOB_EXAMPLES = ExampleSpec(
    entity="user_id",
    item="job_id",
    time="exposure_date",
    label="is_applied",
    label_time="label_mature_date",
    funnel=("is_clicked",),
    funnel_times=("click_mature_date",),
    early_label="is_applied_early",
    features=(*DERIVED_FEATURES, *PASSED_FEATURES),
    categoricals=CATEGORICAL_FEATURES,
    vocabularies=tuple(CLOSED_VOCABULARIES.items()),
    rates=(
        RateRole("user_click_rate", "user_clicks_7d", "user_impressions_7d"),
        RateRole("job_click_rate", "job_clicks_7d", "job_impressions_7d"),
        RateRole("job_apply_rate", "job_applies_7d", "job_clicks_7d"),
    ),
)
"""Training data of an applications model: one row per exposure."""

PAIR_WORDS = {
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
"""What features mean, where a name does not say it. Logged reasons hold them, and a trace must give those again."""


def pair_features(pairs: pa.Table) -> pa.Table:
    """Return `pairs` with the derived features as float64 columns.

    Args:
        pairs: n rows with the columns of `user_features` and `job_features`; a derived column that is already there is
            replaced.

    Raises:
        InvalidInputError: a source column is missing.
    """
    embedded = [(f"taste_{k}", f"text_{k}") for k in range(1, EMBEDDING_SIZE + 1)]
    taste_match = sum(
        (_numbers(pairs, taste) * _numbers(pairs, text) for taste, text in embedded), np.zeros(pairs.num_rows)
    ) / np.sqrt(EMBEDDING_SIZE)
    derived: dict[str, Array] = {
        "same_occupation_group": _equal(pairs, "user_occupation_group", "job_occupation_group"),
        "same_shift": _equal(pairs, "user_shift", "job_shift"),
        "seniority_gap": np.abs(_numbers(pairs, "user_seniority") - _numbers(pairs, "job_seniority")),
        "distance_km": haversine_km(
            *(_numbers(pairs, name) for name in ("latitude", "longitude", "job_latitude", "job_longitude"))
        ),
        "log_pay_ratio": _log(_numbers(pairs, "pay_usd_per_hour"))
        - _log(_numbers(pairs, "reservation_pay_usd_per_hour")),
        "taste_match": taste_match,
    }
    kept = pairs.drop_columns([name for name in DERIVED_FEATURES if name in pairs.column_names])
    for name, values in derived.items():
        kept = kept.append_column(name, pa.array(values))
    return kept


def feature_matrix(pairs: pa.Table, spec: FeatureSpec, exposure_kind: str | None = None) -> Array:
    """Return the matrix of `spec`, float64 of shape (n, features), from pairs that have their derived features.

    Args:
        pairs: n rows with the columns of `spec`.
        spec: order and vocabularies.
        exposure_kind: how all pairs are (or would be) shown, missing where the model has not learned from such; None
            when `pairs` says so per row.

    Raises:
        InvalidInputError: a column is missing.
    """
    return examples_matrix(pairs, spec, None if exposure_kind is None else {"exposure_kind": exposure_kind})


def haversine_km(latitude: Array, longitude: Array, other_latitude: Array, other_longitude: Array) -> Array:
    """Return great-circle distances in km between points in degrees, all of shape (n,)."""
    first, second = np.radians(latitude), np.radians(other_latitude)
    half = np.sin((second - first) / 2) ** 2
    half = half + np.cos(first) * np.cos(second) * np.sin(np.radians(other_longitude - longitude) / 2) ** 2
    distance: Array = 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(half, 1.0)))
    return distance


def _column(pairs: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in pairs.column_names:
        raise InvalidInputError(f"pairs lack column {name}; join user_features and job_features before")
    return pairs[name]


def _numbers(pairs: pa.Table, name: str) -> Array:
    values: Array = pc.fill_null(_column(pairs, name).cast(pa.float64()), float("nan")).to_numpy()
    return values


def _equal(pairs: pa.Table, left: str, right: str) -> Array:
    same = pc.equal(_column(pairs, left), _column(pairs, right)).cast(pa.float64())
    values: Array = pc.fill_null(same, float("nan")).to_numpy()
    return values


def _log(values: Array) -> Array:
    """Return the logarithm of positive values, NaN of others."""
    result = np.full(len(values), np.nan)
    np.log(values, out=result, where=values > 0)
    return result
