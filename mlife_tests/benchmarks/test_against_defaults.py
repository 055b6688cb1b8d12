"""The comparison with defaults: its statistics, and a short run on the flights of two months."""

from __future__ import annotations

from datetime import date
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.metrics import average_precision_score, log_loss


def test_resamples_begin_with_the_rows_as_they_are_and_pair_both_sides(against_defaults_bench, monkeypatch) -> None:
    monkeypatch.setattr(against_defaults_bench, "RESAMPLES", 300)
    rng = np.random.default_rng(1)
    cluster, score = rng.integers(0, 20, 600), rng.normal(size=600).round(1)
    outcome = rng.random(600) < 1 / (1 + np.exp(-score))
    resamples = against_defaults_bench.Resamples(outcome, cluster)
    found = resamples.average_precisions(score)
    assert found[0] == pytest.approx(average_precision_score(outcome, score))
    weight = resamples.weights[7][cluster]
    assert found[7] == pytest.approx(average_precision_score(outcome, score, sample_weight=weight))
    losses = rng.random(600)
    assert resamples.mean_losses(losses)[7] == pytest.approx(np.average(losses, weights=weight))
    same = resamples.difference(found, found)
    assert (same["estimate"], same["lower"], same["upper"]) == (0.0, 0.0, 0.0)
    worse = resamples.difference(resamples.average_precisions(-score), found)
    assert worse["upper"] < 0.0
    assert worse["p_smaller"] < 0.001 < 0.999 < worse["p_larger"]


def test_a_recalibration_knows_no_row_that_it_judges(against_defaults_bench: ModuleType) -> None:
    rng = np.random.default_rng(2)
    truth = rng.normal(size=8_000)
    outcome = rng.random(8_000) < 1 / (1 + np.exp(-truth))
    days = np.arange(8_000) % 10
    honest = 1 / (1 + np.exp(-truth))
    twisted = 1 / (1 + np.exp(2 - 3 * truth))
    losses = [against_defaults_bench.recalibrated_losses(one, outcome, days).mean() for one in (honest, twisted)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    assert losses[0] == pytest.approx(log_loss(outcome, honest), abs=0.002)


def test_holm_rejects_in_order_until_one_is_not(against_defaults_bench: ModuleType) -> None:
    assert against_defaults_bench.holm({"a": 0.02, "b": 0.008, "c": 0.5}) == ["b"]
    assert against_defaults_bench.holm({"a": 0.012, "b": 0.008, "c": 0.5}) == ["b", "a"]
    assert against_defaults_bench.holm({"a": 0.03}) == []


@pytest.mark.filterwarnings("ignore:'force_all_finite' was renamed:FutureWarning")  # LightGBM's own wrapper asks for it
def test_a_short_run_says_what_was_served_and_holds_it_against_three_rivals(
    against_defaults_bench: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, study = against_defaults_bench.flights("nycflights13.json")
    few = rows.filter(pc.less(rows["flown_on"], pa.scalar(date(2013, 2, 20))))
    few = few.take(np.arange(0, few.num_rows, 4))
    monkeypatch.setattr(against_defaults_bench, "flights", lambda spec: (few, study))
    monkeypatch.setattr(against_defaults_bench, "RESAMPLES", 100)
    found = against_defaults_bench.measured("late flights")
    assert found["served"]["recipe"] in found["served"]["recipes"]
    assert set(found["served"]["recipes"]) == {"plain", "default", "logistic"}, "50 days are too few for the newest"
    said = against_defaults_bench.verdict({"late flights": found})
    assert said["hypotheses"] == 3
    assert said["shown_worse"] == {"average_precision": [], "log_loss": []}
    assert found["average_precision"]["mlife"] > found["positives"]["judged"] / found["rows"]["judged"]
