"""Invariant 2: a row alone, in a batch, in any order and with any number of threads scores the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.inference.features import MODEL_FEATURES, feature_matrix
from mlife_assets.core.inference.scoring import LightGBMScorer
from mlife_assets.core.training.artifact import ModelArtifact
from mlife_assets.core.training.calibrate import Calibrator
from mlife_assets.core.training.training_set import TrainingSet

WIDTH = len(MODEL_FEATURES)
SPECIAL = [
    np.nan,
    np.inf,
    -np.inf,
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    2.2e-308,
    1e-35,
    1e308,
    0.5,
    1.5,
    -1.0,
    99.0,
    2.0**31,
    2.0**63,
]


@pytest.fixture(scope="module")
def scorer(artifact: ModelArtifact) -> LightGBMScorer:
    return LightGBMScorer(artifact, threads=2)


@pytest.fixture(scope="module")
def matrix(training_set: TrainingSet, artifact: ModelArtifact) -> np.ndarray:
    return feature_matrix(training_set.examples, artifact.feature_spec)[:500]


def same_alone(scorer: LightGBMScorer, matrix: np.ndarray) -> None:
    batch = scorer.score(matrix)
    assert np.isfinite(batch.raw).all()
    assert ((batch.probability >= 0) & (batch.probability <= 1)).all()
    for row in range(len(matrix)):
        alone = scorer.score(matrix[row : row + 1])
        assert alone.raw.tobytes() == batch.raw[row : row + 1].tobytes()
        assert alone.probability.tobytes() == batch.probability[row : row + 1].tobytes()


def test_real_rows_alone_are_the_batch(scorer: LightGBMScorer, matrix: np.ndarray) -> None:
    same_alone(scorer, matrix)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(
            st.one_of(st.sampled_from(SPECIAL), st.floats(allow_nan=True, allow_infinity=True, allow_subnormal=True)),
            min_size=WIDTH,
            max_size=WIDTH,
        ),
        min_size=1,
        max_size=9,
    )
)
def test_any_doubles_alone_are_the_batch(scorer: LightGBMScorer, rows: list[list[float]]) -> None:
    same_alone(scorer, np.array(rows))


def test_thresholds_and_their_neighbours_alone_are_the_batch(scorer: LightGBMScorer, artifact: ModelArtifact) -> None:
    lines = [line for line in artifact.model_text.splitlines() if line.startswith("threshold=")]
    thresholds = np.unique([float(text) for line in lines for text in line.removeprefix("threshold=").split()])
    near = np.concatenate([thresholds, np.nextafter(thresholds, np.inf), np.nextafter(thresholds, -np.inf)])[:300]
    same_alone(scorer, np.repeat(near[:, None], WIDTH, axis=1))


def test_neither_threads_nor_layout_nor_order_matter(
    artifact: ModelArtifact, scorer: LightGBMScorer, matrix: np.ndarray
) -> None:
    expected = scorer.score(matrix)
    order = np.random.default_rng(0).permutation(len(matrix))
    for other, part in (
        (LightGBMScorer(artifact, threads=1), np.asfortranarray(matrix)),
        (scorer, matrix[order][np.argsort(order)]),
    ):
        found = other.score(part)
        assert found.raw.tobytes() == expected.raw.tobytes()
        assert found.probability.tobytes() == expected.probability.tobytes()


@pytest.mark.parametrize(
    "calibrator",
    [
        Calibrator("isotonic", (-6.0, -4.5, -3.1, -1.0), (0.001, 0.01, 0.04, 0.2)),
        Calibrator("sigmoid", (0.9, -0.1), ()),
    ],
    ids=["isotonic", "sigmoid"],
)
@settings(max_examples=100, deadline=None)
@given(raw=st.lists(st.floats(-40, 40), min_size=1, max_size=40))
def test_calibration_of_one_is_that_of_many(calibrator: Calibrator, raw: list[float]) -> None:
    many = calibrator.apply(np.array(raw))
    alone = np.concatenate([calibrator.apply(np.array([value])) for value in raw])
    assert alone.tobytes() == many.tobytes()


def test_contributions_sum_to_the_raw_score(scorer: LightGBMScorer, matrix: np.ndarray) -> None:
    contributions = scorer.contributions(matrix[:50])
    assert contributions.shape == (50, WIDTH + 1)
    assert contributions.sum(axis=1) == pytest.approx(scorer.score(matrix[:50]).raw)


def test_no_rows_have_no_scores(scorer: LightGBMScorer) -> None:
    found = scorer.score(np.zeros((0, WIDTH)))
    assert found.raw.shape == found.probability.shape == (0,)
    assert scorer.contributions(np.zeros((0, WIDTH))).shape == (0, WIDTH + 1)


@pytest.mark.parametrize("shape", [(WIDTH,), (3, WIDTH - 1), (3, WIDTH, 1)])
def test_another_shape_is_refused(scorer: LightGBMScorer, shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInputError, match="feature_names"):
        scorer.score(np.zeros(shape))
