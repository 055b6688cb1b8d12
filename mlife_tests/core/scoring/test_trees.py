"""LightGBM's C library scores as its Python package does, to the bit, and says what it cannot read."""

from __future__ import annotations

import gc

import lightgbm
import numpy as np
import pytest

from mlife_assets.core.errors import PermanentError
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.scorer import Trees


@pytest.mark.parametrize("threads", [1, 2])
def test_scores_and_contributions_are_those_of_a_booster_to_the_bit(artifact: ModelArtifact, threads: int) -> None:
    random = np.random.default_rng(3)
    for stage in artifact.stages:
        booster = lightgbm.Booster(model_str=stage.model_text)
        matrix = random.normal(size=(300, booster.num_feature())) * 10.0 ** random.integers(-3, 4, (300, 1))
        matrix[random.random(matrix.shape) < 0.1] = np.nan
        ours = Trees(stage.model_text)
        for rows in (matrix, matrix[:1], matrix[::2], np.asfortranarray(matrix)):
            raw = booster.predict(rows, raw_score=True, num_threads=threads)
            assert ours.raw(rows, threads=threads).tobytes() == raw.tobytes()
            parts = booster.predict(rows, pred_contrib=True, num_threads=threads)
            found = ours.contributions(rows, threads=threads)
            assert (found.shape, found.tobytes()) == (parts.shape, parts.tobytes())


def test_text_that_is_no_model_is_refused_with_what_lightgbm_says() -> None:
    with pytest.raises(PermanentError, match="LightGBM cannot score: Model file"):
        Trees("no model")


def test_rows_of_another_width_are_refused(artifact: ModelArtifact) -> None:
    with pytest.raises(PermanentError, match="number of features"):
        Trees(artifact.stages[0].model_text).raw(np.zeros((1, 2)), threads=1)


def test_a_scorer_that_is_gone_frees_its_trees(artifact: ModelArtifact, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlife_assets.core.scoring import scorer

    freed: list[object] = []
    library = scorer._library()
    monkeypatch.setattr(library, "LGBM_BoosterFree", freed.append)
    one = Trees(artifact.stages[0].model_text)
    del one
    gc.collect()
    assert len(freed) == 1
