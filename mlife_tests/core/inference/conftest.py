"""The small job market, loaded by path: tests are no package."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from mlife_assets.core.policies import LabelPolicy, TrainingPolicy
from mlife_assets.core.training.artifact import ModelArtifact
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.training_set import TrainingSet, build_training_set

TESTS = next(folder for folder in Path(__file__).resolve().parents if folder.name == "mlife_tests")
POLICY = TrainingPolicy(trees_maximum=60, minimum_child_examples=20, early_stopping_rounds=10, threads=1)


@pytest.fixture(scope="session")
def job_pairs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("mlife_job_pairs", TESTS / "job_pairs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def training_set(job_pairs: ModuleType) -> TrainingSet:
    return build_training_set(
        job_pairs.labelled_examples(12_000),
        as_of=job_pairs.DAY,
        gate_start=job_pairs.date(2026, 5, 15),
        quarantined=[],
        label=LabelPolicy(),
        policy=POLICY,
    )


@pytest.fixture(scope="session")
def artifact(training_set: TrainingSet) -> ModelArtifact:
    return fit_model(training_set, POLICY)
