from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.contributions import (
    contributing,
    explained_matrix,
    feature_of,
    importance_shares,
    share_of,
    with_contributions,
)

PAIRS = pa.table({"user_id": ["a", "b", "c"], "distance_km": [1.0, 2.0, 3.0]})
NAMES = ("distance_km", "openings")


def test_contributions_lie_beside_the_features_without_the_expected_value() -> None:
    values = np.array([[0.1, 0.0, 9.0], [0.2, 0.0, 9.0], [0.3, 0.0, 9.0]])
    explained = with_contributions(PAIRS, values, NAMES)
    assert explained.column_names == ["user_id", "distance_km", "shap_distance_km", "shap_openings"]
    assert explained["shap_distance_km"].to_pylist() == [0.1, 0.2, 0.3]
    again = with_contributions(explained, 2 * values, NAMES)
    assert again.column_names == explained.column_names
    assert again["shap_distance_km"].to_pylist() == [0.2, 0.4, 0.6]


def test_rows_that_were_not_explained_have_none() -> None:
    few = with_contributions(PAIRS, np.array([[0.1, 0.5, 9.0]]), NAMES)
    assert few["shap_distance_km"].to_pylist() == [0.1, None, None]
    assert contributing(few, ()) == ()


@pytest.mark.parametrize("shape", [(3, 2), (4, 3), (3,)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInputError, match="contributions have shape"):
        with_contributions(PAIRS, np.zeros(shape), NAMES)


def test_what_is_constant_or_never_alarms_is_not_watched() -> None:
    values = np.array([[0.1, 0.0, 1.0, 9.0], [0.2, 0.0, 2.0, 9.0], [0.3, 0.0, 3.0, 9.0]])
    explained = with_contributions(PAIRS, values, (*NAMES, "user_clicks_7d"))
    assert contributing(explained, ["user_clicks_7d", "tenure_days"]) == ("shap_distance_km",)


def test_shares_add_up_and_count_a_feature_once() -> None:
    shares = importance_shares({"distance_km": 3.0, "openings": 1.0})
    assert shares == {"distance_km": 0.75, "openings": 0.25}
    assert share_of(["openings", "shap_openings", "not_a_feature"], shares) == 0.25
    assert share_of(["distance_km", "openings"], shares) == 1.0
    assert share_of([], shares) == 0.0
    assert (feature_of("shap_openings"), feature_of("openings")) == ("openings", "openings")


def test_importance_that_is_not_known_has_no_share() -> None:
    assert importance_shares(None) is None
    assert importance_shares({"openings": 0.0}) is None
    assert share_of(["openings"], None) is None
    with pytest.raises(InvalidInputError, match="importance of openings is -1"):
        importance_shares({"openings": -1.0})


def test_what_never_alarms_is_missing_from_what_is_explained() -> None:
    matrix = np.arange(6.0).reshape(2, 3)
    blind = explained_matrix(matrix, ["distance_km", "user_clicks_7d", "openings"], ["user_clicks_7d", "tenure_days"])
    assert np.isnan(blind[:, 1]).all()
    assert blind[:, [0, 2]].tolist() == [[0.0, 2.0], [3.0, 5.0]]
    assert matrix[0, 1] == 1.0
