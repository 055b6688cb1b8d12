"""Artifacts: addressed by what decides scores, sealed against any change."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.scoring.artifact import ModelArtifact, file_names
from mlife_assets.core.scoring.calibrator import Calibrator
from mlife_assets.core.scoring.feature_spec import FeatureSpec


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
    "stage_1.model.txt",
    "stage_1.calibrator.json",
    "stage_2.model.txt",
    "stage_2.calibrator.json",
    "feature_spec.json",
    "manifest.json",
)


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
