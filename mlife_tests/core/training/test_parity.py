"""Parity is of bits: each way in which a scorer can depend on who asks is found and named."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pytest

from mlife_assets.core.ports import Scores
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.training.parity import parity_condition

MATRIX = np.random.default_rng(1).normal(size=(60, 4))


@dataclass(frozen=True)
class Exact:
    """Scores row by row."""

    shift: float = 0.0

    def score(self, features: np.ndarray) -> Scores:
        raw = features[:, 0] * 0.3 + features[:, 1] + self.shift
        return Scores(raw, 1 / (1 + np.exp(-raw)))


class ByBatch(Exact):
    """Standardises with the batch it sees."""

    def score(self, features: np.ndarray) -> Scores:
        return super().score(features - features.mean(axis=0))


class ByPosition(Exact):
    """One row of a batch, the third, is off by the last bit."""

    def score(self, features: np.ndarray) -> Scores:
        scores = super().score(features)
        raw = scores.raw.copy()
        if len(raw) > 3:
            raw[3] = np.nextafter(raw[3], np.inf)
        return Scores(raw, scores.probability)


class OnlyProbability(Exact):
    """Another probability for the same raw score, only when rows come alone."""

    def score(self, features: np.ndarray) -> Scores:
        scores = super().score(features)
        return Scores(scores.raw, scores.probability + (0.25 if len(features) == 1 else 0.0))


class TooFew(Exact):
    """Loses the last row."""

    def score(self, features: np.ndarray) -> Scores:
        scores = super().score(features)
        return Scores(scores.raw[:-1], scores.probability[:-1])


def test_a_scorer_that_works_row_by_row_is_in_parity() -> None:
    condition = parity_condition(Exact(), MATRIX, 20, 7, reloaded=Exact())
    assert condition.is_met
    assert condition.name == "scoring_parity"
    assert condition.sentence == (
        "60 rows score the same bits in a batch, in another order and after a reload, 20 of them also alone."
    )


def test_a_real_model_is_in_parity_with_itself_read_back_from_its_files_and_not_with_another(
    models: ModuleType,
) -> None:
    artifact, matrix = models.tiny_artifact(1), models.random_matrix(2, 300)
    read_back = ModelArtifact.from_files(artifact.model_version, artifact.files())
    scorer = LightGBMScorer(artifact, threads=1)
    condition = parity_condition(scorer, matrix, 50, 7, reloaded=LightGBMScorer(read_back, threads=1))
    assert condition.is_met, condition.sentence
    other = LightGBMScorer(models.tiny_artifact(2), threads=1)
    assert not parity_condition(scorer, matrix, 50, 7, reloaded=other).is_met


def test_more_rows_than_there_are_means_all() -> None:
    assert "60 of them also alone" in parity_condition(Exact(), MATRIX, 500, 7, reloaded=Exact()).sentence


def test_of_very_many_rows_a_sample_is_compared_and_a_fault_names_the_row_of_the_caller() -> None:
    many = np.random.default_rng(3).normal(size=(12_000, 4))
    found = parity_condition(Exact(), many, 20, 7, reloaded=Exact())
    assert found.sentence.startswith("5,000 of 12,000 rows score the same bits")
    fault = parity_condition(Exact(), many, 20, 7, reloaded=Exact(shift=1.0)).sentence
    ((row, score),) = re.findall(r"^Row (\d+) scores (\S+) \(", fault)
    assert float(score) == Exact(shift=1.0).score(many[int(row)][None]).raw[0]
    assert "5,000 of 5,000 rows differ" in fault


class ByLargeBatch(Exact):
    """Takes another path for very many rows."""

    def score(self, features: np.ndarray) -> Scores:
        return Exact(1e-3 if len(features) > 8_192 else 0.0).score(features)


def test_a_path_that_only_a_large_batch_takes_is_found() -> None:
    many = np.random.default_rng(3).normal(size=(12_000, 4))
    assert not parity_condition(ByLargeBatch(), many, 20, 7, reloaded=ByLargeBatch()).is_met


def test_a_score_that_depends_on_the_batch_is_found_alone_with_row_and_size() -> None:
    condition = parity_condition(ByBatch(), MATRIX, 60, 7, reloaded=ByBatch())
    assert not condition.is_met
    expected = ByBatch().score(MATRIX)
    gap = max(
        float(np.abs(expected.raw).max()),
        float(np.abs(expected.probability - 0.5).max()),
    )
    assert condition.sentence.startswith("Row 0 scores 0.0 (probability 0.5) alone and ")
    assert f"{float(expected.raw[0])!r} (probability" in condition.sentence
    assert f"60 of 60 rows differ, by up to {gap:.3g}" in condition.sentence


def test_the_last_bit_counts() -> None:
    condition = parity_condition(ByPosition(), MATRIX, 1, 7, reloaded=ByPosition())
    assert not condition.is_met
    assert "Row 3 scores " in condition.sentence
    assert " in another order and " in condition.sentence


def test_a_probability_of_another_path_is_found() -> None:
    condition = parity_condition(OnlyProbability(), MATRIX, 5, 7, reloaded=OnlyProbability())
    assert "5 of 5 rows differ, by up to 0.25" in condition.sentence


def test_another_reloaded_model_is_found() -> None:
    condition = parity_condition(Exact(), MATRIX, 5, 7, reloaded=Exact(shift=1e-12))
    assert not condition.is_met
    assert "after a reload and" in condition.sentence
    assert "60 of 60 rows differ" in condition.sentence


@pytest.mark.parametrize(
    ("scorer", "reloaded", "matrix", "rows", "sentence"),
    [
        (Exact(), Exact(), MATRIX[:0], 5, "Parity was not checked: 0 rows, 5 to score alone"),
        (Exact(), Exact(), MATRIX, 0, "Parity was not checked: 60 rows, 0 to score alone"),
        (TooFew(), Exact(), MATRIX, 5, "60 rows got 59 scores"),
        (Exact(), TooFew(), MATRIX, 5, "60 rows scored after a reload got 59 scores"),
    ],
)
def test_what_cannot_be_checked_is_not_met(
    scorer: Exact, reloaded: Exact, matrix: np.ndarray, rows: int, sentence: str
) -> None:
    condition = parity_condition(scorer, matrix, rows, 7, reloaded=reloaded)
    assert not condition.is_met
    assert condition.sentence.startswith(sentence)
