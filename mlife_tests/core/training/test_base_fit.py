"""The base is the maximum it claims to be, bends where rows do, keeps its signs and does not depend on layout."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.feature_spec import FeatureSpec
from mlife_assets.core.scoring.linear_base import LinearBase
from mlife_assets.core.training import base_fit
from mlife_assets.core.training.base_fit import fit_linear_base
from mlife_assets.core.training.boosting import Rows

POLICY = TrainingPolicy(base_pieces=1, base_penalty=10.0)
SPEC = FeatureSpec(("pay", "km", "city"), (("city", ("a", "b", "c")),))


def drawn(count: int = 8_000, seed: int = 1) -> Rows:
    """Return rows whose log-odds rise with pay by .9 and fall with km by .05, up to 40 km."""
    rng = np.random.default_rng(seed)
    pay, km, city = rng.normal(size=count), rng.uniform(0, 80, count), rng.integers(0, 3, count)
    log_odds = -1 + 0.9 * pay - 0.05 * np.minimum(km, 40)
    outcome = rng.random(count) < 1 / (1 + np.exp(-log_odds))
    return Rows(np.column_stack([pay, km, city]), outcome, rng.integers(0, 50, count))


def standing(rows: Rows, base: LinearBase) -> np.ndarray:
    """Return each column of a base of one piece, standardised over the rows."""
    columns = []
    for curve in base.curves:
        capped = np.clip(rows.matrix[:, SPEC.names.index(curve.name)], curve.knots[0], curve.knots[-1])
        columns.append((capped - capped.mean()) / capped.std())
    return np.column_stack(columns)


def slopes(rows: Rows, base: LinearBase) -> np.ndarray:
    """Return the slope of each standardised column."""
    found = []
    for curve in base.curves:
        spread = np.clip(rows.matrix[:, SPEC.names.index(curve.name)], curve.knots[0], curve.knots[-1]).std()
        found.append((curve.log_odds[-1] - curve.log_odds[0]) / (curve.knots[-1] - curve.knots[0]) * spread)
    return np.array(found)


def test_it_is_the_ridge_regression_that_another_library_fits() -> None:
    rows = drawn()
    base = fit_linear_base(rows, SPEC, POLICY)
    assert [curve.name for curve in base.curves] == ["pay", "km"]
    model = LogisticRegression(C=1 / 10.0, tol=1e-10, max_iter=1_000).fit(standing(rows, base), rows.outcome)
    assert slopes(rows, base) == pytest.approx(model.coef_[0], abs=1e-5)
    assert base.intercept == pytest.approx(float(model.intercept_[0]), abs=1e-5)


def test_weights_count_as_so_many_rows() -> None:
    rows = drawn(3_000)
    twice = rows.outcome & (rows.matrix[:, 1] < 40)
    weighted = replace(rows, weight=np.where(twice, 2.0, 1.0))
    copied = rows.where(np.sort(np.r_[np.arange(3_000), np.flatnonzero(twice)]))
    policy = replace(POLICY, base_penalty=5.0)
    first, second = (fit_linear_base(one, SPEC, policy) for one in (weighted, copied))
    inner = rows.matrix[np.abs(rows.matrix[:, 0]) < 2]  # caps are quantiles of rows, whatever these weigh
    names = SPEC.model_names
    assert first.raw(inner, names) == pytest.approx(second.raw(inner, names), abs=0.03)
    unweighted = fit_linear_base(rows, SPEC, policy).raw(inner, names)
    assert np.abs(first.raw(inner, names) - unweighted).max() > 0.3


def test_it_adds_to_what_rows_start_from() -> None:
    """Started from the truth there is nothing left to learn; started from too much, the excess is taken back."""
    rows = drawn(40_000)
    pay, km, _ = rows.matrix.T
    truth = -1 + 0.9 * pay - 0.05 * np.minimum(km, 40)
    left = fit_linear_base(replace(rows, start=truth), SPEC, POLICY)
    assert np.abs(left.raw(rows.matrix, SPEC.model_names)).max() < 0.12
    taken = fit_linear_base(replace(rows, start=truth + 0.5), SPEC, POLICY)
    assert taken.intercept == pytest.approx(-0.5, abs=0.05)


def test_pieces_bend_where_the_rows_do() -> None:
    rows = drawn(40_000)
    straight, bent = (fit_linear_base(rows, SPEC, replace(POLICY, base_pieces=pieces)) for pieces in (1, 4))
    asked = np.array([[0.0, km, 0.0] for km in (5.0, 35.0, 45.0, 75.0)])
    first, second = (base.raw(asked, SPEC.model_names) for base in (straight, bent))
    assert second[1] - second[0] == pytest.approx(-1.5, abs=0.2)
    assert second[3] - second[2] == pytest.approx(0.0, abs=0.2)
    assert first[3] - first[2] < -0.5


@pytest.mark.parametrize("pieces", [1, 3])
def test_directions_of_the_policy_hold(pieces: int) -> None:
    rows = drawn()
    policy = replace(POLICY, base_pieces=pieces, falling=("pay",), rising=("km",))
    pay, km = fit_linear_base(rows, SPEC, policy).curves
    assert max(pay.log_odds) == min(pay.log_odds) == 0.0
    assert max(km.log_odds) == min(km.log_odds) == 0.0
    kept = fit_linear_base(rows, SPEC, replace(policy, falling=("km",), rising=("pay",)))
    assert np.diff(kept.curves[0].log_odds).min() >= 0.0 < kept.curves[0].log_odds[-1]
    assert np.diff(kept.curves[1].log_odds).max() <= 0.0 > kept.curves[1].log_odds[-1]


def test_a_mean_row_adds_nothing_and_a_missing_value_counts_as_one() -> None:
    rows = drawn()
    holed = rows.matrix.copy()
    holed[::5, 0] = np.nan
    base = fit_linear_base(replace(rows, matrix=holed), SPEC, replace(POLICY, base_pieces=3))
    parts = base.contributions(holed, SPEC.model_names)
    assert np.abs(parts[:, :-1].mean(axis=0)).max() < 1e-9
    assert not parts[::5, 0].any()


def test_odd_columns_have_no_curve_or_a_flat_one_and_break_nothing() -> None:
    rng = np.random.default_rng(4)
    count = 4_000
    columns = {
        "signal": rng.normal(size=count),
        "constant": np.full(count, 3.0),
        "missing": np.full(count, np.nan),
        "rare": np.where(np.arange(count) == 7, 5.0, 0.0),
        "endless": np.where(np.arange(count) % 2 == 0, np.inf, 1.0),
        "huge": 1e300 * rng.normal(size=count),
        "flag": (rng.random(count) < 0.3).astype(float),
    }
    outcome = rng.random(count) < 1 / (1 + np.exp(-columns["signal"]))
    spec = FeatureSpec(tuple(columns), ())
    rows = Rows(np.column_stack(list(columns.values())), outcome, np.zeros(count, dtype=np.int64))
    base = fit_linear_base(rows, spec, replace(POLICY, base_pieces=3))
    assert {"signal", "rare", "flag"} <= {curve.name for curve in base.curves}
    assert not {"constant", "missing"} & {curve.name for curve in base.curves}
    assert np.isfinite(base.raw(rows.matrix, spec.model_names)).all()


def test_rows_that_show_the_curvature_do_not_decide_where_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = drawn()
    exact = fit_linear_base(rows, SPEC, POLICY)
    monkeypatch.setattr(base_fit, "CURVATURE_ROWS", 700)
    rough = fit_linear_base(rows, SPEC, POLICY)
    names = SPEC.model_names
    assert rough.raw(rows.matrix, names) == pytest.approx(exact.raw(rows.matrix, names), abs=1e-5)


def test_the_same_rows_give_the_same_bits_in_any_layout() -> None:
    rows = drawn()
    other = replace(rows, matrix=np.asfortranarray(rows.matrix))
    assert fit_linear_base(rows, SPEC, POLICY).to_json() == fit_linear_base(other, SPEC, POLICY).to_json()


def test_separable_rows_have_a_finite_answer() -> None:
    values = np.linspace(-1, 1, 400)
    rows = Rows(values[:, None], values > 0, np.zeros(400, dtype=np.int64))
    base = fit_linear_base(rows, FeatureSpec(("x",), ()), replace(POLICY, base_penalty=0.1))
    assert np.isfinite(base.raw(rows.matrix, ("x",))).all()
    assert base.curves[0].log_odds[-1] > 2


def test_a_number_that_only_rows_of_no_weight_know_has_no_curve() -> None:
    """So it is of a column that was last filled very many half-lives ago, whose weights have come to 0."""
    rows = drawn(2_000)
    matrix, weight = rows.matrix.copy(), np.ones(2_000)
    matrix[1_000:, 0], weight[:1_000] = np.nan, 0.0
    base = fit_linear_base(replace(rows, matrix=matrix, weight=weight), SPEC, POLICY)
    assert [curve.name for curve in base.curves] == ["km"]
    assert np.isfinite(base.raw(matrix, SPEC.names)).all()
