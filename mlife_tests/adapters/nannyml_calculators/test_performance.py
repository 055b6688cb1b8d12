from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from mlife_assets.adapters.nannyml_calculators import performance
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.columns import LABEL


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


def test_clicks_are_estimated_by_what_was_learned_of_clicks(reference, window, pairs_world) -> None:
    clicks = pairs_world.scored_examples(9, first=pairs_world.START, days=14, per_day=1_000, shift=1.0)
    funnel = replace(reference, steps={"click": clicks})
    applies = performance.performance_statistics(funnel, window())
    assert applies == performance.performance_statistics(reference, window())
    of_clicks = performance.performance_statistics(funnel, window(), outcome="click")
    assert [s.value for s in of_clicks if s.method == "realised"] == [
        s.value for s in applies if s.method == "realised"
    ]
    precision = {s.column: s.value for s in of_clicks if s.method == "estimated"}["average_precision"]
    # Clicks of the reference are more frequent than their scores say, which is what CBPE then expects.
    assert precision > 0.05 + {s.column: s.value for s in applies if s.method == "estimated"}["average_precision"]
    with pytest.raises(InvalidInputError, match="no scored examples of click"):
        performance.performance_statistics(reference, window(), outcome="click")


def test_the_usual_shortfall_is_measured_on_days_that_the_estimator_does_not_know(reference, pairs_world) -> None:
    usual = performance.usual_shortfalls(reference, LABEL)
    assert set(usual) == {"roc_auc", "average_precision"}
    assert abs(usual["roc_auc"]) < 0.02
    first = pairs_world.scored_examples(1, first=pairs_world.START, days=7, per_day=1_000)
    later = pairs_world.scored_examples(
        2, first=pairs_world.START + timedelta(days=7), days=7, per_day=1_000, slope=0.2
    )
    torn = replace(reference, examples=pa.concat_tables([first, later]))
    gaps = {}
    for known, asked in ((first, later), (later, first)):
        values = performance.performance_statistics(replace(reference, examples=known), asked)
        for metric in usual:
            found = {s.method: s.value for s in values if s.column == metric}
            gaps.setdefault(metric, []).append(found["estimated"] - found["realised"])
    halves = performance.usual_shortfalls(torn, LABEL)
    assert halves == {metric: pytest.approx(np.mean(values)) for metric, values in gaps.items()}


def test_no_usual_shortfall_is_reported_of_a_half_with_one_class(reference, pairs_world) -> None:
    days = reference.examples["exposure_date"].to_numpy().astype("datetime64[D]").astype(int)
    late_only = reference.examples["is_positive"].to_numpy(zero_copy_only=False) & (days > np.median(days))
    torn = replace(reference, examples=pairs_world.replaced(reference.examples, is_positive=late_only))
    assert performance.usual_shortfalls(torn, LABEL) == {}
