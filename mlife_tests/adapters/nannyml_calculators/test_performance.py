from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from mlife_assets.adapters.nannyml_calculators import performance
from mlife_assets.core.errors import InvalidInputError


@pytest.fixture
def window(pairs_world):
    def make(**change: float):
        return pairs_world.scored_examples(
            5, first=pairs_world.START + timedelta(days=20), days=7, per_day=1_000, **change
        )

    return make


def test_realised_is_exact_and_the_estimate_close_without_drift(reference, window) -> None:
    examples = window()
    values = {(s.method, s.column): s.value for s in performance.performance_statistics(reference, examples)}
    outcome, probability = examples["is_positive"].to_numpy(), examples["probability"].to_numpy()
    assert values["realised", "roc_auc"] == pytest.approx(roc_auc_score(outcome, probability))
    assert values["realised", "average_precision"] == pytest.approx(average_precision_score(outcome, probability))
    assert values["estimated", "roc_auc"] == pytest.approx(values["realised", "roc_auc"], abs=0.03)


def test_a_concept_shift_shows_in_realised_and_not_in_estimated(reference, window) -> None:
    before = {(s.method, s.column): s.value for s in performance.performance_statistics(reference, window())}
    after = {(s.method, s.column): s.value for s in performance.performance_statistics(reference, window(slope=0.2))}
    assert after["estimated", "roc_auc"] == pytest.approx(before["estimated", "roc_auc"], abs=1e-9)
    assert after["realised", "roc_auc"] < before["realised", "roc_auc"] - 0.08


def test_one_class_is_refused(reference, window, pairs_world) -> None:
    examples = window()
    nothing = pairs_world.replaced(examples, is_positive=np.zeros(examples.num_rows, dtype=bool))
    with pytest.raises(InvalidInputError, match="the analysed examples have 0 positives in 7000 rows"):
        performance.performance_statistics(reference, nothing)
