"""Compiled trees: the bits of LightGBM, over models and rows that hypothesis makes, or a refusal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightgbm
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlife_assets.core.scoring.artifact import BaseCurve, LinearBase, ModelArtifact, ModelStage
from mlife_assets.core.scoring.calibrator import Calibrator
from mlife_assets.core.scoring.compiled import CompiledModels
from mlife_assets.core.scoring.feature_spec import FeatureSpec
from mlife_assets.core.scoring.forest import UnsupportedTreesError, read_forest
from mlife_assets.core.scoring.forest_kernel import BLOCK, FEW, raw
from mlife_assets.core.scoring.scorer import LightGBMScorer, Trees

COLUMNS, CATEGORICAL = 5, [3, 4]
ODD = [np.nan, np.inf, -np.inf, 0.0, -0.0, 5e-324, 1e-35, -1.0000000180025095e-35, 1e-36, 1e308]
ODD += [-1.0, -0.5, 2.7, 31.0, 1e10]
NUMBERS = st.one_of(st.sampled_from(ODD), st.floats(-50, 50), st.integers(-2, 40).map(float))
SETTINGS = st.fixed_dictionaries(
    {
        "num_leaves": st.sampled_from([2, 7, 31, 255]),
        "zero_as_missing": st.booleans(),
        "use_missing": st.booleans(),
        "max_cat_to_onehot": st.sampled_from([1, 4, 40]),
        "objective": st.sampled_from(["binary", "lambdarank"]),
        "seed": st.integers(0, 9),
    }
)


def trained(rounds: int = 8, *, has_categories: bool = True, rows: int = 1_500, **parameters: Any) -> str:
    rng = np.random.default_rng(parameters.get("seed", 0))
    matrix = np.round(rng.normal(size=(rows, COLUMNS)) * 4, 1)
    matrix[:, CATEGORICAL] = rng.integers(0, 35, (rows, 2))
    matrix[rng.random(matrix.shape) < 0.15] = np.nan
    effects = rng.normal(size=36)
    signal = np.nan_to_num(matrix[:, 0]) + 3 * effects[np.nan_to_num(matrix[:, 3], nan=35).astype(int)]
    label = (signal + rng.normal(size=rows) > 0).astype(int)
    asked = {"objective": "binary", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 2, "min_data_per_group": 2}
    asked |= {"cat_smooth": 1.0, **parameters}
    data = lightgbm.Dataset(
        matrix, label if "num_class" not in parameters else rng.integers(0, 3, rows),
        group=[50] * (rows // 50) if asked["objective"] == "lambdarank" else None,
        categorical_feature=CATEGORICAL if has_categories else [], params=asked,
    )  # fmt: skip
    return str(lightgbm.train(asked, data, rounds).model_to_string())


def scored(text: str, matrix: np.ndarray) -> np.ndarray:
    found = np.zeros(len(matrix))
    raw(matrix, found, read_forest(text))
    return found


LISTED_CATEGORIES = {
    "num_leaves": 7, "zero_as_missing": False, "use_missing": False,
    "max_cat_to_onehot": 1, "objective": "binary", "seed": 0,
}  # fmt: skip


@settings(max_examples=25, deadline=None, derandomize=True)
@example(LISTED_CATEGORIES, [[np.nan] * COLUMNS])
@given(SETTINGS, st.lists(st.lists(NUMBERS, min_size=COLUMNS, max_size=COLUMNS), min_size=1, max_size=BLOCK + 9))
def test_any_rows_have_the_bits_of_lightgbm_alone_and_among_others(
    asked: dict[str, Any], rows: Sequence[Sequence[float]]
) -> None:
    text = trained(**asked)
    forest, matrix = read_forest(text), np.array(rows)
    turns = np.concatenate([forest.thresholds[np.isfinite(forest.thresholds)], [0.0]])
    matrix = np.concatenate([matrix, np.resize(np.concatenate([turns, np.nextafter(turns, 99)]), (BLOCK + 2, COLUMNS))])
    expected = Trees(text).raw(matrix, threads=1)
    assert scored(text, matrix).tobytes() == expected.tobytes()
    alone = np.concatenate([scored(text, matrix[row : row + FEW]) for row in range(0, len(matrix), FEW)])
    assert alone.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"num_leaves": 300, "rows": 4_000}, "leaves, and a byte tells 255 apart"),
        ({"objective": "multiclass", "num_class": 3}, "sums no trees of one class"),
        ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "sums no trees of one class"),
        ({"linear_tree": True, "has_categories": False}, "linear leaves"),
    ],
)
def test_what_cannot_be_had_to_the_bit_is_refused(parameters: dict[str, Any], why: str) -> None:
    with pytest.raises(UnsupportedTreesError, match=why):
        read_forest(trained(**parameters))


def test_a_column_of_more_thresholds_than_a_byte_tells_apart_is_refused() -> None:
    values = np.random.default_rng(1).normal(size=(9_000, 1))
    asked = {"objective": "binary", "verbosity": -1, "max_bin": 1_000, "num_leaves": 200, "min_data_in_leaf": 2}
    text = lightgbm.train(asked, lightgbm.Dataset(values, np.sin(40 * values[:, 0]) > 0), 20).model_to_string()
    with pytest.raises(UnsupportedTreesError, match=r"column 0 is split at .* places, and a byte tells 254 apart"):
        read_forest(text)


CURVES = (
    BaseCurve("a", (-1.0, 0.5, 2.0), (0.3, -0.1, 0.7), missing=0.25),
    BaseCurve("d", (0.0, 1.0), (0.1, -0.2)),
    BaseCurve("b", (0.25,), (0.6,)),
)


def artifact(base: LinearBase | None, **parameters: Any) -> ModelArtifact:
    stage = ModelStage(
        "is_won", trained(**parameters), Calibrator("logistic", (-1.0, 1.0), log_odds=(-1.2, 0.8)), base=base
    )
    return ModelArtifact((stage,), FeatureSpec(("a", "b", "c", "d", "e"), ()), "of a test", {})


def test_a_warm_scorer_has_the_bits_of_lightgbm_and_of_numpy() -> None:
    made = artifact(LinearBase(-0.4, CURVES))
    rng = np.random.default_rng(2)
    matrix = np.where(
        rng.random((700, COLUMNS)) < 0.4, rng.choice(ODD, (700, COLUMNS)), rng.normal(size=(700, COLUMNS))
    )
    expected = LightGBMScorer(made, threads=1).score(matrix)
    warm = LightGBMScorer(made, threads=1)
    warm.warm()
    assert warm.uncompiled is None
    for rows in (slice(0, 1), slice(3, 9), slice(None)):
        found = warm.score(matrix[rows])
        assert found.raw.tobytes() == expected.raw[rows].tobytes()
        assert found.probability.tobytes() == expected.probability[rows].tobytes()


def test_models_that_differ_from_the_reference_are_not_used() -> None:
    made = artifact(LinearBase(-0.4, CURVES))
    scorer = LightGBMScorer(made, threads=1)
    with pytest.raises(UnsupportedTreesError, match="differ from the reference on their probe"):
        CompiledModels(made, lambda rows: [np.nextafter(one, 1) for one in scorer._raws(rows)])
    with pytest.raises(UnsupportedTreesError, match="knots of a do not ascend"):
        CompiledModels(artifact(LinearBase(0.0, (BaseCurve("a", (1.0, 1.0), (0.1, 0.2)),))), scorer._raws)
    refused = LightGBMScorer(artifact(None, num_leaves=300, rows=4_000), threads=1)
    refused.warm()
    assert refused.uncompiled == "a tree has 300 leaves, and a byte tells 255 apart"
    assert refused.score(np.zeros((3, COLUMNS))).raw.shape == (3,)
