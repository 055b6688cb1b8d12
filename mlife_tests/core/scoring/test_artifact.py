"""Artifacts: addressed by what decides scores, sealed against any change."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.scoring.artifact import BaseCurve, LinearBase, ModelArtifact, file_names
from mlife_assets.core.scoring.calibrator import Calibrator
from mlife_assets.core.scoring.feature_spec import FeatureSpec

NAMES = ("pay", "city", "km")
BASE = LinearBase(
    -1.25, (BaseCurve("pay", (-1.0, 0.0, 2.0), (-0.3, 0.1, 0.7)), BaseCurve("km", (0.0, 1 / 3, 40.0), (0.2, 0.1, -1.1)))
)
VALUES = st.floats(allow_nan=True, allow_infinity=True, width=64)


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


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_noticed(artifact: ModelArtifact, name: str) -> None:
    files = artifact.files()
    text = files[name].decode()
    place = next(i for i in range(len(text) // 2, len(text)) if text[i].isdigit())
    files[name] = (text[:place] + ("1" if text[place] != "1" else "2") + text[place + 1 :]).encode()
    with pytest.raises(IntegrityError, match=artifact.model_version):
        ModelArtifact.from_files(artifact.model_version, files)


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


def test_a_base_decides_the_version_and_one_changed_byte_of_it_is_noticed(based_artifact: ModelArtifact) -> None:
    first, *rest = based_artifact.stages
    assert first.base is not None
    moved = replace(first, base=replace(first.base, intercept=np.nextafter(first.base.intercept, 9.0)))
    assert replace(based_artifact, stages=(moved, *rest)).model_version != based_artifact.model_version
    files = based_artifact.files()
    text = files["stage_1.base.json"].decode()
    place = next(at for at in range(len(text) // 2, len(text)) if text[at].isdigit())
    files["stage_1.base.json"] = (text[:place] + ("1" if text[place] != "1" else "2") + text[place + 1 :]).encode()
    with pytest.raises(IntegrityError, match=based_artifact.model_version):
        ModelArtifact.from_files(based_artifact.model_version, files)
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


def test_what_nothing_is_known_of_gets_the_intercept() -> None:
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


def test_no_rows_have_no_scores() -> None:
    assert BASE.raw(np.zeros((0, 3)), NAMES).shape == (0,)
    assert BASE.contributions(np.zeros((0, 3)), NAMES).shape == (0, 4)


def test_json_keeps_every_bit() -> None:
    text = BASE.to_json()
    assert LinearBase.from_json(text) == BASE
    assert LinearBase.from_json(text).to_json() == text
    assert json.loads(text)["curves"][1]["knots"][1] == 1 / 3
