"""Fitting: better than chance, the same bytes from the same data, in any process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa

from mlife_assets.core.inference.features import feature_matrix, pair_features
from mlife_assets.core.inference.recruiter_rule import recruiter_scores
from mlife_assets.core.inference.scoring import LightGBMScorer
from mlife_assets.core.policies import LabelPolicy, TrainingPolicy
from mlife_assets.core.training.artifact import ModelArtifact
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.training_set import TrainingSet, build_training_set

POLICY = TrainingPolicy(trees_maximum=60, minimum_child_examples=20, early_stopping_rounds=10, threads=1)
FOLDER = Path(__file__).resolve().parents[1]
PROGRAM = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("job_pairs", sys.argv[1])
world = importlib.util.module_from_spec(spec); spec.loader.exec_module(world)
from mlife_assets.core.policies import LabelPolicy, TrainingPolicy
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.training_set import build_training_set
policy = TrainingPolicy(trees_maximum=60, minimum_child_examples=20, early_stopping_rounds=10, threads=1)
training = build_training_set(world.labelled_examples(12_000), as_of=world.DAY, gate_start=world.date(2026, 5, 15),
                              quarantined=[], label=LabelPolicy(), policy=policy)
sys.stdout.write(fit_model(training, policy).model_version)
"""


def auc(scores: np.ndarray, outcome: np.ndarray) -> float:
    ranks = np.argsort(np.argsort(scores))
    positives = outcome.sum()
    return float((ranks[outcome].sum() - positives * (positives - 1) / 2) / (positives * (len(outcome) - positives)))


def test_a_model_ranks_better_than_the_recruiters_on_new_people(job_pairs: ModuleType, artifact: ModelArtifact) -> None:
    fresh = pair_features(job_pairs.labelled_examples(8_000, seed=99))
    outcome = np.asarray(fresh["is_applied"].to_numpy(zero_copy_only=False), dtype=bool)
    model = LightGBMScorer(artifact, threads=1).score(feature_matrix(fresh, artifact.feature_spec)).raw
    found, human, best = (auc(s, outcome) for s in (model, recruiter_scores(fresh), job_pairs.true_probability(fresh)))
    assert human + 0.02 < found <= best + 0.01


def test_same_data_and_code_give_the_same_version_in_fresh_processes(artifact: ModelArtifact) -> None:
    command = [sys.executable, "-c", PROGRAM, str(FOLDER.parent / "job_pairs.py")]
    for hash_seed in ("1", "2"):
        run = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
            cwd=FOLDER.parents[1],
            env={"PYTHONHASHSEED": hash_seed},
        )
        assert run.stdout == artifact.model_version


def test_order_of_rows_does_not_change_the_version(job_pairs: ModuleType, artifact: ModelArtifact) -> None:
    examples = job_pairs.labelled_examples(12_000)
    order = np.random.default_rng(8).permutation(examples.num_rows)
    training = build_training_set(
        examples.take(pa.array(order)),
        as_of=job_pairs.DAY,
        gate_start=job_pairs.date(2026, 5, 15),
        quarantined=[],
        label=LabelPolicy(),
        policy=POLICY,
    )
    assert fit_model(training, POLICY).model_version == artifact.model_version


def test_the_manifest_says_what_it_was_trained_on(training_set: TrainingSet, artifact: ModelArtifact) -> None:
    manifest = artifact.manifest
    assert manifest["training_start_date"] == training_set.first_day.isoformat()
    assert manifest["training_end_date"] == training_set.last_day.isoformat()
    assert manifest["examples"] == training_set.examples.num_rows
    assert manifest["positives"] == training_set.positives
    assert 1 <= manifest["trees"] <= POLICY.trees_maximum
    assert artifact.model_text.count("\nTree=") == manifest["trees"]
    assert set(manifest["importance"]) == set(artifact.feature_spec.names)
    assert max(manifest["importance"], key=manifest["importance"].get) == "taste_match"


def test_the_text_holds_nothing_but_the_model(artifact: ModelArtifact) -> None:
    assert "num_threads" not in artifact.model_text
    assert "pandas_categorical" not in artifact.model_text


def test_progress_is_told(training_set: TrainingSet) -> None:
    seen: list[tuple[int, int]] = []
    fit_model(training_set, TrainingPolicy(trees_maximum=5, threads=1), lambda done, most: seen.append((done, most)))
    assert seen[0] == (1, 5)
    assert all(1 <= done <= most <= 5 for done, most in seen)
