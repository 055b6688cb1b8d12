"""Estimators of one's own: the same bytes, no untrusted type, a row alone as in a batch, and scores taken apart."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_selection import SelectFromModel, SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from threadpoolctl import ThreadpoolController

from mlife_assets.core.errors import IntegrityError, InvalidInputError
from mlife_assets.core.scoring.estimators import StoredEstimator, parameters, require_usable, usable

ODD = np.array([[np.nan] * 4, [np.inf, -np.inf, 1e308, -1e308], [0.0, -0.0, 5e-324, 1e30]])


def linear() -> Any:
    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression())


def boosting() -> Any:
    return HistGradientBoostingClassifier(random_state=1, max_iter=15)


def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(1_500, 4))
    matrix[rng.random(matrix.shape) < 0.1] = np.nan
    return matrix, rng.random(1_500) < 1 / (1 + np.exp(-np.nan_to_num(matrix[:, 0])))


def stored(make: Callable[[], Any]) -> StoredEstimator:
    matrix, outcome = rows()
    return StoredEstimator.fitted_on(make().fit(matrix, outcome), matrix)


BOTH = pytest.mark.parametrize("make", [linear, boosting])


@BOTH
def test_a_file_has_the_same_bytes_in_another_process_and_scores_the_same_bits(make: Callable[[], Any]) -> None:
    one = stored(make)
    data = one.to_bytes()
    code = (
        "import sys, importlib.util as u; s = u.spec_from_file_location('m', sys.argv[1]); m = u.module_from_spec(s); "
        "s.loader.exec_module(m); sys.stdout.buffer.write(m.stored(getattr(m, sys.argv[2])).to_bytes())"
    )
    command = [sys.executable, "-c", code, __file__, make.__name__]
    environment = {**os.environ, "OMP_NUM_THREADS": "3"}
    assert subprocess.run(command, capture_output=True, check=True, env=environment).stdout == data
    again, matrix = StoredEstimator.from_bytes(data), rows()[0]
    assert again.to_bytes() == data
    assert again.raw(matrix).tobytes() == one.raw(matrix).tobytes()
    assert again.contributions(matrix).tobytes() == one.contributions(matrix).tobytes()


@BOTH
def test_a_row_alone_scores_as_in_a_batch_whatever_it_holds(make: Callable[[], Any]) -> None:
    one, matrix = stored(make), np.concatenate([rows()[0][:200], ODD])
    for found in (one.raw, one.contributions):
        batch = found(matrix)
        assert np.all(np.isfinite(batch))
        alone = np.concatenate([found(matrix[row : row + 1]) for row in range(len(matrix))])
        assert alone.tobytes() == batch.tobytes()


@BOTH
def test_scores_are_the_estimators_own_log_odds_and_contributions_sum_to_them(make: Callable[[], Any]) -> None:
    one, matrix = stored(make), rows()[0]
    raw = one.raw(matrix)
    assert raw == pytest.approx(one.estimator.decision_function(matrix), abs=1e-12)
    parts = one.contributions(matrix)
    assert parts.shape == (len(matrix), 5)
    assert np.sum(parts, axis=1) == pytest.approx(raw, abs=1e-9)
    assert np.ptp(parts[:, -1]) == 0
    assert np.argmax(np.mean(np.abs(parts[:, :-1]), axis=0)) == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (LogisticRegression, "LogisticRegression takes no missing value"),
        (lambda: make_pipeline(StandardScaler(), LogisticRegression()), "begins with SimpleImputer"),
        (RandomForestClassifier, "ends with RandomForestClassifier, whose log-odds cannot be taken apart"),
        (lambda: HistGradientBoostingClassifier(categorical_features=[0]), "leave categorical_features out"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        require_usable(make())


def test_a_column_that_a_step_drops_is_refused() -> None:
    matrix, outcome = rows()
    dropping = make_pipeline(SimpleImputer(), SelectKBest(k=3), LogisticRegression()).fit(matrix, outcome)
    with pytest.raises(InvalidInputError, match="make 3 columns of 4; keep each column in its place"):
        StoredEstimator.fitted_on(dropping, matrix)


def test_a_function_of_ones_own_is_no_trusted_type() -> None:
    matrix, outcome = rows()
    own = make_pipeline(FunctionTransformer(usable), SimpleImputer(), LogisticRegression()).fit(matrix, outcome)
    with pytest.raises(InvalidInputError, match=r"estimators\.usable, which is stored by no trusted type"):
        StoredEstimator.fitted_on(own, matrix).to_bytes()


def test_a_file_that_asks_for_another_type_is_refused_before_any_is_made() -> None:
    parts = {}
    with zipfile.ZipFile(io.BytesIO(stored(linear).to_bytes())) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in parts.items():
            changed = content.replace(b'"StandardScaler"', b'"Popen"').replace(
                b"sklearn.preprocessing._data", b"subprocess"
            )
            archive.writestr(name, changed)
    with pytest.raises(IntegrityError, match=r"subprocess\.Popen, which is not trusted"):
        StoredEstimator.from_bytes(target.getvalue())
    with pytest.raises(IntegrityError, match="cannot be read"):
        StoredEstimator.from_bytes(b"no archive")


@pytest.fixture(scope="module")
def files() -> list[bytes]:
    return [stored(make).to_bytes() for make in (linear, boosting)]


@settings(max_examples=60, deadline=None)
@given(which=st.integers(0, 1), place=st.floats(0, 1, exclude_max=True), value=st.binary(min_size=1, max_size=8))
def test_a_damaged_file_is_an_integrity_error_or_the_same_kind(
    files: list[bytes], which: int, place: float, value: bytes
) -> None:
    """A changed byte may still be a number of the model; the registry's hash finds that one."""
    start = int(place * len(files[which]))
    damaged = files[which][:start] + value + files[which][start + len(value) :]
    with suppress(IntegrityError):
        assert isinstance(StoredEstimator.from_bytes(damaged), StoredEstimator)


def test_a_row_is_scored_by_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a pool of threads for each tree; on a busy machine two that wait for each other take seconds."""
    one, seen = stored(boosting), []
    final = one.estimator
    pools = ThreadpoolController().select(user_api="openmp")

    def watched(matrix: np.ndarray) -> np.ndarray:
        seen.append({pool["num_threads"] for pool in pools.info()})
        return type(final).decision_function(final, matrix)

    monkeypatch.setattr(final, "decision_function", watched, raising=False)
    before = pools.info()
    one.raw(rows()[0][:1])
    assert seen == [{1}]
    assert pools.info() == before


def test_parameters_are_json_and_the_same_of_equal_estimators() -> None:
    found = parameters(linear())
    assert list(found) == ["SimpleImputer", "StandardScaler", "LogisticRegression"]
    assert found["SimpleImputer"]["missing_values"] == "nan"
    assert found["LogisticRegression"]["C"] == 1.0
    assert json.loads(json.dumps(found, allow_nan=False)) == found == parameters(linear())
    assert parameters(linear().set_params(logisticregression__C=0.5)) != found
    odd = make_pipeline(FunctionTransformer(usable), FunctionTransformer(kw_args={"a": np.arange(2)}), boosting())
    named = parameters(odd)
    assert named["FunctionTransformer"]["func"] == "mlife_assets.core.scoring.estimators.usable"
    assert named["FunctionTransformer_2"]["kw_args"] == {"a": [0, 1]}
    assert named["HistGradientBoostingClassifier"]["max_iter"] == 15
    nested = parameters(SelectFromModel(LogisticRegression(C=np.float64(3.0))))
    assert nested["SelectFromModel"]["estimator"]["LogisticRegression"]["C"] == 3.0
    assert parameters(boosting().set_params(random_state=np.random.RandomState(1)))["HistGradientBoostingClassifier"][
        "random_state"
    ].endswith("RandomState")
