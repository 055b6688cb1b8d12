"""Artifacts: addressed by what decides scores, sealed against any change."""

from __future__ import annotations

import json
from dataclasses import replace

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


def test_everything_is_text_and_nothing_is_code(artifact: ModelArtifact) -> None:
    for name, data in artifact.files().items():
        data.decode()
        assert name.endswith(".model.txt") or json.loads(data)


def test_texts_that_join_alike_are_other_models(artifact: ModelArtifact) -> None:
    first, *rest = artifact.stages
    moved = replace(first, step=first.step + first.model_text[:1], model_text=first.model_text[1:])
    assert replace(artifact, stages=(moved, *rest)).model_version != artifact.model_version
