"""Pair features: what a model sees of a (user, job) pair. One function for training, serving and monitoring.

Belongs here: derived columns, the feature spec, the matrix, row hashes. Does not belong here: windows and counts
(dbt), fitting (`training.fit`).

Concept: a pair is described the same way wherever it is looked at. What has to be fitted (category vocabularies)
lives in the `FeatureSpec` inside the artifact; everything else is a pure function of the row, so one row alone is a
batch.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.events import EMBEDDING_SIZE, OCCUPATION_GROUPS

EARTH_RADIUS_KM = 6371.0088
PRIOR_IMPRESSIONS = 20.0
PRIOR_CLICK_RATE = 0.1
PRIOR_CLICKS = 10.0
PRIOR_APPLY_RATE = 0.09

Array = npt.NDArray[np.float64]

DERIVED_FEATURES = (
    "same_occupation_group",
    "same_shift",
    "seniority_gap",
    "distance_km",
    "log_pay_ratio",
    "taste_match",
    "user_click_rate",
    "job_click_rate",
    "job_apply_rate",
)
PASSED_FEATURES = (
    "user_seniority",
    "job_seniority",
    "pay_usd_per_hour",
    "reservation_pay_usd_per_hour",
    "user_clicks_7d",
    "user_applies_28d",
    "user_messages_28d",
    "days_since_last_click",
    "tenure_days",
    "job_age_days",
    "job_messages_7d",
    "openings",
)
CATEGORICAL_FEATURES = ("user_occupation_group", "job_occupation_group", "metro_code", "exposure_kind")
EXPOSURE_KINDS = ("impression", "message")
MODEL_FEATURES = (*DERIVED_FEATURES, *PASSED_FEATURES, *CATEGORICAL_FEATURES)
CLOSED_VOCABULARIES = {
    "user_occupation_group": OCCUPATION_GROUPS,
    "job_occupation_group": OCCUPATION_GROUPS,
    "exposure_kind": EXPOSURE_KINDS,
}


@dataclass(frozen=True)
class FeatureSpec:
    """Order of the columns of a matrix, and the code of every category (its index).

    Attributes:
        names: all features in order.
        vocabularies: categorical feature -> values, in code order; a value that is not listed becomes NaN.
    """

    names: tuple[str, ...]
    vocabularies: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def categorical(self) -> tuple[str, ...]:
        """Names of the categorical features."""
        return tuple(name for name, _ in self.vocabularies)

    @property
    def version(self) -> str:
        """Content hash of the spec."""
        return "spec_" + hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    def to_json(self) -> str:
        """Return the spec as canonical JSON."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> FeatureSpec:
        """Return the spec that `to_json` wrote."""
        record: dict[str, Any] = json.loads(text)
        return cls(tuple(record["names"]), tuple((name, tuple(values)) for name, values in record["vocabularies"]))


def fit_feature_spec(pairs: pa.Table) -> FeatureSpec:
    """Return the spec of `pairs`: the closed vocabularies, and the metros that occur in them."""
    metros = tuple(sorted(value for value in pc.unique(pairs["metro_code"]).to_pylist() if value is not None))
    known = {**CLOSED_VOCABULARIES, "metro_code": metros}
    return FeatureSpec(MODEL_FEATURES, tuple((name, known[name]) for name in CATEGORICAL_FEATURES))


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
        "user_click_rate": _rate(
            _numbers(pairs, "user_clicks_7d"),
            _numbers(pairs, "user_impressions_7d"),
            PRIOR_CLICK_RATE,
            PRIOR_IMPRESSIONS,
        ),
        "job_click_rate": _rate(
            _numbers(pairs, "job_clicks_7d"), _numbers(pairs, "job_impressions_7d"), PRIOR_CLICK_RATE, PRIOR_IMPRESSIONS
        ),
        "job_apply_rate": _rate(
            _numbers(pairs, "job_applies_7d"), _numbers(pairs, "job_clicks_7d"), PRIOR_APPLY_RATE, PRIOR_CLICKS
        ),
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
        exposure_kind: how all pairs are (or would be) shown; None when `pairs` says so per row.

    Raises:
        InvalidInputError: a column is missing or `exposure_kind` is unknown.
    """
    if exposure_kind is not None and exposure_kind not in EXPOSURE_KINDS:
        raise InvalidInputError(f"exposure_kind is {exposure_kind!r}; use one of {', '.join(EXPOSURE_KINDS)}")
    matrix = np.empty((pairs.num_rows, len(spec.names)), dtype=np.float64)
    vocabularies = dict(spec.vocabularies)
    for place, name in enumerate(spec.names):
        if name == "exposure_kind" and exposure_kind is not None:
            kinds = vocabularies[name]
            matrix[:, place] = kinds.index(exposure_kind) if exposure_kind in kinds else np.nan
        elif name in vocabularies:
            codes = pc.index_in(
                _column(pairs, name).cast(pa.string()), value_set=pa.array(vocabularies[name], pa.string())
            )
            matrix[:, place] = codes.cast(pa.float64()).fill_null(float("nan")).to_numpy()
        else:
            matrix[:, place] = _numbers(pairs, name)
    return matrix


def feature_hashes(matrix: Array) -> list[str]:
    """Return one hash per row of a matrix, equal exactly when the rows are (NaN equals NaN, 0.0 equals -0.0)."""
    canonical = np.ascontiguousarray(matrix, dtype="<f8") + 0.0
    canonical[np.isnan(canonical)] = np.nan
    width = canonical.shape[1] * 8
    data = canonical.tobytes()
    return [
        hashlib.blake2b(data[start : start + width], digest_size=12).hexdigest() for start in range(0, len(data), width)
    ]


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


def _rate(hits: Array, trials: Array, prior: float, weight: float) -> Array:
    """Return a share shrunk to `prior` as by `weight` earlier trials, so that few trials say little."""
    rate: Array = (hits + prior * weight) / (trials + weight)
    return rate
