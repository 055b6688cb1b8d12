"""Artifacts and estimators of one's own: addressed by what decides scores, sealed, and no untrusted type."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from types import ModuleType
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
from mlife_assets.core.scoring.artifact import BaseCurve, LinearBase, ModelArtifact, file_names
from mlife_assets.core.scoring.calibrator import Calibrator
from mlife_assets.core.scoring.estimators import StoredEstimator, parameters, require_usable, usable
from mlife_assets.core.scoring.feature_spec import FeatureSpec

NAMES = ("pay", "city", "km")
BASE = LinearBase(
    -1.25, (BaseCurve("pay", (-1.0, 0.0, 2.0), (-0.3, 0.1, 0.7)), BaseCurve("km", (0.0, 1 / 3, 40.0), (0.2, 0.1, -1.1)))
)
VALUES = st.floats(allow_nan=True, allow_infinity=True, width=64)
ODD = np.array([[np.nan] * 4, [np.inf, -np.inf, 1e308, -1e308], [0.0, -0.0, 5e-324, 1e30]])


def test_files_give_back_the_artifact(artifact: ModelArtifact) -> None:
    again = ModelArtifact.from_files(artifact.model_version, artifact.files())
    assert again == artifact
    assert again.files() == artifact.files()


def test_the_version_follows_the_content_and_not_the_manifest(artifact: ModelArtifact) -> None:
    version = artifact.model_version
    spec, (first, *rest) = artifact.feature_spec, artifact.stages
    assert replace(artifact, manifest={**artifact.manifest, "code_version": "abc"}).model_version == version
    for change in (
        {"stages": (replace(first, model_text=first.model_text + "\n"), *rest)},
        {"stages": (replace(first, calibrator=Calibrator("sigmoid", (1.0, 0.0), ())), *rest)},
        {"stages": (replace(first, step="other"), *rest)},
        {"stages": artifact.stages[::-1]},
        {"feature_spec": FeatureSpec(spec.names[::-1], spec.vocabularies)},
        {"training_data_hash": "other"},
    ):
        assert replace(artifact, **change).model_version != version


FILES = (
    "stage_1.model.txt", "stage_1.calibrator.json", "stage_2.model.txt", "stage_2.calibrator.json",
    "feature_spec.json", "manifest.json",
)  # fmt: skip


def test_the_manifest_names_the_files(artifact: ModelArtifact) -> None:
    assert len(artifact.stages) == 2
    assert file_names(artifact.files()["manifest.json"]) == FILES
    assert set(artifact.files()) == set(FILES)
    with pytest.raises(IntegrityError):
        file_names(b"{}")


@pytest.mark.parametrize("name", [*FILES, "stage_1.base.json"])
def test_one_changed_byte_is_noticed(artifact: ModelArtifact, based_artifact: ModelArtifact, name: str) -> None:
    made = artifact if name in FILES else based_artifact
    files = made.files()
    text = files[name].decode()
    place = next(i for i in range(len(text) // 2, len(text)) if text[i].isdigit())
    files[name] = (text[:place] + ("1" if text[place] != "1" else "2") + text[place + 1 :]).encode()
    with pytest.raises(IntegrityError, match=made.model_version):
        ModelArtifact.from_files(made.model_version, files)


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff\xfe", b"[1]"])
def test_an_unreadable_file_is_noticed(artifact: ModelArtifact, data: bytes) -> None:
    for name in ("stage_2.calibrator.json", "feature_spec.json", "manifest.json"):
        with pytest.raises(IntegrityError):
            ModelArtifact.from_files(artifact.model_version, {**artifact.files(), name: data})


def test_everything_is_text_and_nothing_is_code(artifact: ModelArtifact, based_artifact: ModelArtifact) -> None:
    for one in (artifact, based_artifact):
        for name, data in one.files().items():
            data.decode()
            assert name.endswith(".model.txt") or json.loads(data)


def test_a_base_is_a_file_of_its_stage_that_the_manifest_names(based_artifact: ModelArtifact) -> None:
    files, steps = based_artifact.files(), [stage.step for stage in based_artifact.stages]
    bases = [f"stage_{place + 1}.base.json" for place in range(len(steps))]
    assert [name for name in files if "base" in name] == bases
    assert set(file_names(files["manifest.json"])) == set(files)
    assert json.loads(files["manifest.json"])["manifest"]["steps_with_base"] == steps
    assert ModelArtifact.from_files(based_artifact.model_version, files) == based_artifact


def test_stages_with_and_without_a_base_live_in_one_artifact(based_artifact: ModelArtifact) -> None:
    first, *rest = based_artifact.stages
    mixed = replace(based_artifact, stages=(replace(first, base=None), *rest))
    files = mixed.files()
    assert "stage_1.base.json" not in files
    assert "stage_2.base.json" in files
    assert ModelArtifact.from_files(mixed.model_version, files) == mixed
    assert mixed.model_version != based_artifact.model_version


def test_a_base_decides_the_version_and_a_missing_one_is_noticed(based_artifact: ModelArtifact) -> None:
    first, *rest = based_artifact.stages
    assert first.base is not None
    moved = replace(first, base=replace(first.base, intercept=np.nextafter(first.base.intercept, 9.0)))
    assert replace(based_artifact, stages=(moved, *rest)).model_version != based_artifact.model_version
    files = based_artifact.files()
    del files["stage_1.base.json"]
    with pytest.raises(IntegrityError, match="stage_1"):
        ModelArtifact.from_files(based_artifact.model_version, files)


def test_an_artifact_without_a_base_has_the_version_and_the_files_that_it_always_had(tiny_models: ModuleType) -> None:
    """Models of release 0.1.0 keep their version, so they load."""
    digest = hashlib.sha256()
    made = tiny_models.tiny_artifact(3, is_funnel=True)
    parts = [
        part
        for stage in made.stages
        for part in (stage.step.encode(), stage.model_text.encode(), stage.calibrator.to_json().encode())
    ]
    for part in (*parts, made.feature_spec.to_json().encode(), made.training_data_hash.encode()):
        digest.update(len(part).to_bytes(8, "big") + part)
    assert made.model_version == "mdl_" + digest.hexdigest()[:20]
    assert set(made.files()) == set(FILES)
    assert "steps_with_base" not in json.loads(made.files()["manifest.json"])["manifest"]


def test_texts_that_join_alike_are_other_models(artifact: ModelArtifact) -> None:
    first, *rest = artifact.stages
    moved = replace(first, step=first.step + first.model_text[:1], model_text=first.model_text[1:])
    assert replace(artifact, stages=(moved, *rest)).model_version != artifact.model_version


def matrix(rows: int = 500, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = rng.normal(0, 20, (rows, 3))
    found[rng.random(found.shape) < 0.1] = np.nan
    return found


def test_a_curve_is_straight_between_knots_flat_beyond_and_silent_about_what_is_missing() -> None:
    asked = np.array([-9.0, -np.inf, -1.0, -0.5, 0.0, 1.0, 2.0, 99.0, np.inf, np.nan])
    assert BASE.curves[0].of(asked) == pytest.approx([-0.3, -0.3, -0.3, -0.1, 0.1, 0.4, 0.7, 0.7, 0.7, 0.0])
    assert BASE.raw(np.full((1, 3), np.nan), NAMES).tolist() == [-1.25]


def test_a_column_that_has_no_curve_adds_nothing() -> None:
    rows = matrix()
    other = rows.copy()
    other[:, 1] = 7.0
    assert BASE.raw(rows, NAMES).tobytes() == BASE.raw(other, NAMES).tobytes()
    assert not BASE.contributions(rows, NAMES)[:, 1].any()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 255])
def test_a_row_scores_the_same_bits_alone_and_among_others_in_any_layout(size: int) -> None:
    rows = matrix()
    every = BASE.raw(rows, NAMES)
    parts = [BASE.raw(rows[start : start + size], NAMES) for start in range(0, len(rows), size)]
    assert np.concatenate(parts).tobytes() == every.tobytes()
    assert BASE.raw(np.asfortranarray(rows), NAMES).tobytes() == every.tobytes()
    assert BASE.raw(rows[::-1], NAMES)[::-1].tobytes() == every.tobytes()


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=20))
def test_parts_of_any_row_sum_to_its_log_odds_and_are_finite(asked: list[tuple[float, float, float]]) -> None:
    rows = np.array(asked)
    raw, parts = BASE.raw(rows, NAMES), BASE.contributions(rows, NAMES)
    assert np.isfinite(parts).all()
    assert parts.shape == (len(rows), 4)
    assert np.sum(parts, axis=1) == pytest.approx(raw, abs=1e-12)
    assert (parts[:, -1] == -1.25).all()


def test_columns_are_found_by_name_whatever_their_place() -> None:
    rows = matrix()
    assert BASE.raw(rows[:, ::-1], NAMES[::-1]).tobytes() == BASE.raw(rows, NAMES).tobytes()


def linear() -> Any:
    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression())


def boosting() -> Any:
    return HistGradientBoostingClassifier(random_state=1, max_iter=15)


@cache
def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(1_500, 4))
    matrix[rng.random(matrix.shape) < 0.1] = np.nan
    return matrix, rng.random(1_500) < 1 / (1 + np.exp(-np.nan_to_num(matrix[:, 0])))


@cache
def stored(make: Callable[[], Any]) -> StoredEstimator:
    matrix, outcome = rows()
    return StoredEstimator.fitted_on(make().fit(matrix, outcome), matrix)


BOTH = pytest.mark.parametrize("make", [linear, boosting])


def test_a_file_has_the_same_bytes_in_another_process_and_scores_the_same_bits(files: list[bytes]) -> None:
    code = (
        "import sys, importlib.util as u; s = u.spec_from_file_location('m', sys.argv[1]); m = u.module_from_spec(s); "
        "s.loader.exec_module(m); [sys.stdout.buffer.write(m.stored(one).to_bytes()) for one in (m.linear, m.boosting)]"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "3"}
    command = [sys.executable, "-c", code, __file__]
    assert subprocess.run(command, capture_output=True, check=True, env=environment).stdout == b"".join(files)
    for data, make in zip(files, (linear, boosting), strict=True):
        one, again, matrix = stored(make), StoredEstimator.from_bytes(data), rows()[0]
        assert again.to_bytes() == data
        assert again.raw(matrix).tobytes() == one.raw(matrix).tobytes()
        assert again.contributions(matrix).tobytes() == one.contributions(matrix).tobytes()


@BOTH
def test_a_row_alone_scores_as_in_a_batch_whatever_it_holds(make: Callable[[], Any]) -> None:
    one, matrix = stored(make), np.concatenate([rows()[0][:40], ODD])
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


def test_a_column_that_a_step_drops_and_a_function_of_ones_own_are_refused() -> None:
    matrix, outcome = rows()
    dropping = make_pipeline(SimpleImputer(), SelectKBest(k=3), LogisticRegression()).fit(matrix, outcome)
    with pytest.raises(InvalidInputError, match="make 3 columns of 4; keep each column in its place"):
        StoredEstimator.fitted_on(dropping, matrix)
    own = make_pipeline(FunctionTransformer(usable), SimpleImputer(), LogisticRegression()).fit(matrix, outcome)
    with pytest.raises(InvalidInputError, match=r"estimators\.usable, which is stored by no trusted type"):
        StoredEstimator.fitted_on(own, matrix).to_bytes()


def test_a_file_that_asks_for_another_type_is_refused_before_any_is_made() -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(stored(linear).to_bytes())) as given, zipfile.ZipFile(target, "w") as changed:
        for name in given.namelist():
            content = given.read(name).replace(b'"StandardScaler"', b'"Popen"')
            changed.writestr(name, content.replace(b"sklearn.preprocessing._data", b"subprocess"))
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
