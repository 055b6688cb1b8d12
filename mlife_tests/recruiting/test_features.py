"""Pair features: one row alone is a batch, bit for bit, and what was not seen is missing."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.scoring.feature_spec import FeatureSpec, feature_hashes, fit_feature_spec
from mlife_assets.recruiting.candidates import candidate_pairs
from mlife_assets.recruiting.features import (
    DERIVED_FEATURES,
    JOB_EXAMPLES,
    MODEL_FEATURES,
    feature_matrix,
    pair_features,
)
from mlife_assets.recruiting.policies import CandidatePolicy


@pytest.fixture(scope="module")
def pairs(job_pairs: ModuleType) -> pa.Table:
    return candidate_pairs(job_pairs.user_features(40), job_pairs.job_features(60), job_pairs.DAY, CandidatePolicy())


def fitted(table: pa.Table, *kinds: str) -> FeatureSpec:
    """Return the spec of rows that were shown in these ways, one after the other."""
    shown = pa.array([kinds[row % len(kinds)] for row in range(table.num_rows)])
    return fit_feature_spec(table.append_column("exposure_kind", shown), JOB_EXAMPLES)


def changed(table: pa.Table, name: str, value: object) -> pa.Table:
    values = pa.array([value] * table.num_rows, table.schema.field(name).type)
    return table.set_column(table.column_names.index(name), name, values)


def test_derived_features_are_what_their_names_say(pairs: pa.Table) -> None:
    row = pair_features(pairs).slice(7, 1).to_pylist()[0]
    assert row["same_occupation_group"] == (row["user_occupation_group"] == row["job_occupation_group"])
    assert row["same_shift"] == (row["user_shift"] == row["job_shift"])
    assert row["seniority_gap"] == abs(row["user_seniority"] - row["job_seniority"])
    ratio = np.log(row["pay_usd_per_hour"] / row["reservation_pay_usd_per_hour"])
    assert row["log_pay_ratio"] == pytest.approx(ratio)
    match = sum(row[f"taste_{k}"] * row[f"text_{k}"] for k in range(1, 9)) / np.sqrt(8)
    assert row["taste_match"] == pytest.approx(match)


def test_distance_is_the_great_circle(pairs: pa.Table) -> None:
    new_york, london = (40.7128, -74.0060), (51.5074, -0.1278)
    table = pairs.slice(0, 1)
    for name, value in zip(
        ("latitude", "longitude", "job_latitude", "job_longitude"), (*new_york, *london), strict=True
    ):
        table = changed(table, name, value)
    assert pair_features(table)["distance_km"][0].as_py() == pytest.approx(5570.2, abs=0.5)


def test_one_row_alone_is_a_batch_to_the_bit(pairs: pa.Table) -> None:
    spec = fitted(pair_features(pairs), "impression", "message")
    batch = feature_matrix(pair_features(pairs), spec, exposure_kind="message")
    alone = [
        feature_matrix(pair_features(pairs.slice(row, 1)), spec, exposure_kind="message")
        for row in range(pairs.num_rows)
    ]
    assert np.concatenate(alone).tobytes() == batch.tobytes()


def test_deriving_again_changes_nothing(pairs: pa.Table) -> None:
    once = pair_features(pairs)
    assert pair_features(once).equals(once)
    assert set(DERIVED_FEATURES) <= set(once.column_names)


def test_an_unseen_category_and_a_null_are_missing(pairs: pa.Table) -> None:
    table = pair_features(pairs)
    spec = fitted(table, "impression", "message")
    place = spec.names.index("metro_code")
    assert not np.isnan(feature_matrix(table, spec, "message")[:, place]).any()
    assert np.isnan(feature_matrix(changed(table, "metro_code", "new city"), spec, "message")[:, place]).all()
    assert np.isnan(feature_matrix(changed(table, "metro_code", None), spec, "message")[:, place]).all()
    no_clicks = feature_matrix(changed(table, "days_since_last_click", None), spec, "message")
    assert np.isnan(no_clicks[:, spec.names.index("days_since_last_click")]).all()


def test_pay_of_zero_has_no_logarithm(pairs: pa.Table) -> None:
    assert np.isnan(pair_features(changed(pairs, "pay_usd_per_hour", 0.0))["log_pay_ratio"].to_numpy()).all()


def test_how_it_is_shown_is_whatever_the_training_rows_say(pairs: pa.Table) -> None:
    table = pair_features(pairs)
    spec = fitted(table, "impression", "message")
    place = spec.names.index("exposure_kind")
    codes = {kind: feature_matrix(table, spec, kind)[0, place] for kind in ("impression", "message")}
    assert codes == {"impression": 0.0, "message": 1.0}
    wider = fitted(table, "message", "email", "impression")
    assert dict(wider.vocabularies)["exposure_kind"] == ("email", "impression", "message")
    assert feature_matrix(table, wider, "email")[0, place] == 0.0


def test_a_kind_that_the_model_has_not_learned_from_is_missing(pairs: pa.Table) -> None:
    table = pair_features(pairs)
    spec = fitted(table, "impression", "message")
    matrix, place = feature_matrix(table, spec, "letter"), spec.names.index("exposure_kind")
    assert np.isnan(matrix[:, place]).all()
    others = [column for column in range(matrix.shape[1]) if column != place]
    assert np.array_equal(matrix[:, others], feature_matrix(table, spec, "message")[:, others], equal_nan=True)


def test_a_missing_column_is_named(pairs: pa.Table) -> None:
    with pytest.raises(InvalidInputError, match="user_shift"):
        pair_features(pairs.drop_columns(["user_shift"]))


def test_no_rows_are_a_typed_empty_matrix(pairs: pa.Table) -> None:
    spec = fitted(pair_features(pairs), "impression", "message")
    matrix = feature_matrix(pair_features(pairs.slice(0, 0)), spec, exposure_kind="message")
    assert matrix.shape == (0, len(MODEL_FEATURES))
    assert feature_hashes(matrix) == []


def test_a_spec_survives_json_and_its_version_follows_its_content(pairs: pa.Table) -> None:
    spec = fitted(pair_features(pairs), "impression", "message")
    assert FeatureSpec.from_json(spec.to_json()) == spec
    assert FeatureSpec.from_json(spec.to_json()).version == spec.version
    assert FeatureSpec(spec.names[::-1], spec.vocabularies).version != spec.version


values = st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(values, min_size=3, max_size=3), min_size=1, max_size=6))
def test_hashes_are_equal_exactly_when_rows_are(rows: list[list[float]]) -> None:
    matrix = np.array(rows)
    hashes = feature_hashes(matrix)
    assert hashes == [feature_hashes(matrix[[row]])[0] for row in range(len(matrix))]
    for left in range(len(matrix)):
        for right in range(len(matrix)):
            is_same = bool(np.array_equal(matrix[left], matrix[right], equal_nan=True))
            assert (hashes[left] == hashes[right]) == is_same


def test_a_nan_is_a_nan_whatever_its_bits() -> None:
    quiet, other = np.array([[np.nan]]), np.array([[0x7FF8000000000001]], dtype=np.uint64).view(np.float64)
    assert feature_hashes(quiet) == feature_hashes(other)
    assert feature_hashes(quiet) != feature_hashes(np.array([[0.0]]))
