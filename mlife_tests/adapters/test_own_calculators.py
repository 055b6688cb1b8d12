"""Each of our own calculators gives the number that NannyML gives, to the bit: limits and replays use them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest

from mlife_assets.adapters.nannyml_calculators.engine import NannyMLEngine
from mlife_assets.adapters.nannyml_calculators.session import quiet_nannyml
from mlife_assets.adapters.own_calculators import KOLMOGOROV_EXACT_BELOW, KOLMOGOROV_STEPS_UP_TO, OwnEngine

OWN = OwnEngine()
SETTINGS = {"n_estimators": 20, "min_child_samples": 20, "deterministic": True, "n_jobs": 1, "verbose": -1}


@pytest.fixture
def nannyml() -> Iterator[NannyMLEngine]:
    with quiet_nannyml() as nml:
        yield NannyMLEngine(nml)


def rows(count: int, *, seed: int, moved: float = 0.0) -> pd.DataFrame:
    """Numbers, of which some are missing and some tied, and words, of which one is new where rows moved."""
    rng = np.random.default_rng(seed)
    wind = rng.normal(moved, 1.0, count)
    frame = pd.DataFrame(
        {
            "wind": np.where(rng.random(count) < 0.05, np.nan, wind),
            "carrier": rng.choice(["AA", "UA", "missing", "new" if moved else "DL"], count),
            "hour": rng.integers(5, 23, count).astype(np.float64),
            "fuel": 0.7 * wind + rng.normal(size=count),
            "plane": rng.choice(["a", "b"], count),
        }
    )
    frame["carrier"], frame["plane"] = frame["carrier"].astype(object), frame["plane"].astype(object)
    return frame


@pytest.mark.parametrize("moved", [0.0, 0.6])
@pytest.mark.parametrize(
    ("usual_rows", "rows_today"),
    [
        (900, 400),
        (KOLMOGOROV_EXACT_BELOW - 1, 400),
        (KOLMOGOROV_EXACT_BELOW + 500, 400),
        (900, KOLMOGOROV_STEPS_UP_TO + 1),
    ],
)
def test_distances_of_columns_are_those_of_nannyml(nannyml, usual_rows: int, rows_today: int, moved: float) -> None:
    usual, today = rows(usual_rows, seed=1), rows(rows_today, seed=2, moved=moved)
    expected = nannyml.columns(usual.copy())(today.copy())
    assert dict(OWN.columns(usual)(today)) == dict(expected)
    assert (expected["wind"] > 0.2) is bool(moved)


def test_a_column_without_a_value_has_no_distance(nannyml) -> None:
    today = rows(50, seed=3).assign(wind=np.nan)
    assert np.isnan(OWN.columns(rows(300, seed=1))(today)["wind"])
    assert np.isnan(nannyml.columns(rows(300, seed=1))(today)["wind"])


@pytest.mark.parametrize("moved", [0.0, 0.6])
def test_the_domain_classifier_is_that_of_nannyml(nannyml, moved: float) -> None:
    usual, today = rows(900, seed=1), rows(600, seed=2, moved=moved)
    expected = nannyml.classifier(usual.copy(), folds=3, settings=SETTINGS)(today.copy())
    assert OWN.classifier(usual, folds=3, settings=SETTINGS)(today) == expected
    assert (expected > 0.6) is bool(moved)


@pytest.mark.parametrize("moved", [0.0, 0.6])
def test_the_reconstruction_error_is_that_of_nannyml(nannyml, moved: float) -> None:
    usual, today = rows(900, seed=1), rows(600, seed=2, moved=moved)
    expected, own = (one.reconstruction(usual.copy(), variance_share=0.65) for one in (nannyml, OWN))
    assert own.sampling_error == expected.sampling_error
    assert own.error(today) == expected.error(today.copy())


def examples(count: int, *, seed: int, too_sure: float) -> pd.DataFrame:
    """Scores of which some are tied; `too_sure` pulls them away from the truth."""
    rng = np.random.default_rng(seed)
    logits = np.round(rng.normal(-1, 1, count), 2)
    happened = rng.random(count) < 1 / (1 + np.exp(-logits))
    return pd.DataFrame({"probability": 1 / (1 + np.exp(-too_sure * logits)), "is_positive": happened.astype(np.int64)})


@pytest.mark.parametrize("too_sure", [1.0, 3.0])
@pytest.mark.parametrize("count", [15, 2_000])
def test_performance_is_that_of_nannyml(nannyml, count: int, too_sure: float) -> None:
    known, asked = (examples(count, seed=seed, too_sure=too_sure) for seed in (1, 2))
    expected = nannyml.performance(known.copy())(asked.copy())
    assert set(expected) == {(a, b) for a in ("estimated", "realised") for b in ("roc_auc", "average_precision")}
    assert dict(OWN.performance(known)(asked)) == expected


def test_scores_that_separate_the_classes_are_left_as_they_are(nannyml) -> None:
    known = pd.DataFrame({"probability": np.linspace(0, 1, 100), "is_positive": np.arange(100) // 50})
    assert dict(OWN.performance(known)(known)) == nannyml.performance(known)(known.copy())
