"""Ready estimators: each may take LightGBM's place, and a name outside of the list is refused."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.scoring.scorer import scorer_of
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.ready_estimators import READY, ready_estimator
from mlife_assets.core.training.training_set import TrainingSet


@pytest.mark.parametrize("name", READY)
def test_each_is_fitted_stored_and_scores_a_row_alone_as_in_a_batch(
    name: str, training_set: TrainingSet, job_pairs: ModuleType
) -> None:
    made = fit_model(training_set, job_pairs.POLICY, estimator=ready_estimator(name))
    artifact = ModelArtifact.from_files(made.model_version, made.files())
    scorer = scorer_of(artifact, threads=1)
    matrix = examples_matrix(training_set.examples.slice(0, 300), artifact.feature_spec)
    scores, parts = scorer.score(matrix), scorer.contributions(matrix)
    assert len(set(scores.raw.tolist())) > 50
    assert np.sum(parts, axis=1) == pytest.approx(scores.raw, abs=1e-9)
    alone = [scorer.score(matrix[row : row + 1]).raw[0] for row in range(50)]
    assert np.array(alone).tobytes() == scores.raw[:50].tobytes()


@pytest.mark.parametrize("name", ["forest", "", None, ["logistic_regression"]])
def test_a_name_that_is_not_on_the_list_is_refused_with_the_list(name: object) -> None:
    with pytest.raises(InvalidInputError, match="known are logistic_regression, histogram_boosting"):
        ready_estimator(name)


def test_a_spec_is_read_without_scikit_learn() -> None:
    """The command line answers at once, also to who misspelled a key."""
    code = "import sys, mlife_assets.core.study; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
