"""Tiny real models: LightGBM on a few hundred random rows, with a real calibrator and the real feature spec."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa

from mlife_assets.core.scoring.artifact import ModelArtifact, ModelStage
from mlife_assets.core.scoring.feature_spec import FeatureSpec, SmoothedRate
from mlife_assets.core.training.calibrate import fit_calibrator
from mlife_assets.core.training.training_set import TrainingSet
from mlife_assets.recruiting.features import CATEGORICAL_FEATURES, CLOSED_VOCABULARIES, MODEL_FEATURES

METROS = ("12060", "16980", "19100", "33100")
KNOWN = {**CLOSED_VOCABULARIES, "metro_code": METROS, "exposure_kind": ("impression", "message")}
RATES = (SmoothedRate("job_click_rate", "job_clicks_7d", "job_impressions_7d", 0.1, 20.0),)
SPEC = FeatureSpec(MODEL_FEATURES, tuple((name, KNOWN[name]) for name in CATEGORICAL_FEATURES), RATES)


def random_matrix(seed: int, rows: int, missing: float = 0.05) -> np.ndarray:
    """Return a matrix of SPEC: normal numbers, valid codes, some missing."""
    rng = np.random.default_rng(seed)
    matrix = 3.0 * rng.standard_normal((rows, len(SPEC.names)))
    for name, values in SPEC.vocabularies:
        matrix[:, SPEC.names.index(name)] = rng.integers(0, len(values), rows)
    matrix[rng.random(matrix.shape) < missing] = np.nan
    return matrix


def row_record(spec: FeatureSpec, row: np.ndarray) -> dict[str, float | str | None]:
    """Return the request row of a matrix row, the inverse of `rows_matrix` (an unseen category becomes null)."""
    vocabularies = dict(spec.vocabularies)
    record: dict[str, float | str | None] = {}
    for name, value in zip(spec.names, row.tolist(), strict=True):
        if math.isnan(value):
            record[name] = None
        elif name in vocabularies:
            record[name] = vocabularies[name][int(value)]
        elif math.isinf(value):
            record[name] = "Infinity" if value > 0 else "-Infinity"
        else:
            record[name] = value
    return record


def tiny_artifact(
    seed: int, *, isotonic: bool = True, trees: int = 12, is_funnel: bool = False, **manifest: object
) -> ModelArtifact:
    """Return a model of random outcomes that depend on a number and on a category. Same arguments, same artifact.

    A funnel has two steps: the first is the model, the second the model of another seed.
    """
    stages = [tiny_stage("is_applied", seed, isotonic, trees)]
    if is_funnel:
        stages = [tiny_stage("is_clicked", seed, isotonic, trees), tiny_stage("is_applied", seed + 1, isotonic, trees)]
    return ModelArtifact(
        stages=tuple(stages),
        feature_spec=SPEC,
        training_data_hash=f"data-{seed}",
        manifest={
            "training_start_date": "2026-04-03", "training_end_date": "2026-05-10", "examples": 600, "positives": 300,
            **manifest,
        },
    )  # fmt: skip


@cache
def tiny_stage(step: str, seed: int, isotonic: bool, trees: int) -> ModelStage:
    """Return the model of one step."""
    import lightgbm

    rng = np.random.default_rng(seed)
    matrix = random_matrix(seed, 600)
    signal = np.nan_to_num(matrix[:, 3]) + (np.nan_to_num(matrix[:, SPEC.names.index("metro_code")]) == 1)
    outcome = rng.random(len(matrix)) < 1 / (1 + np.exp(-signal))
    parameters = {
        "objective": "binary", "num_leaves": 7, "min_child_samples": 10, "min_data_per_group": 10, "num_threads": 1,
        "deterministic": True, "force_row_wise": True, "verbosity": -1,
    }  # fmt: skip
    expanded = SPEC.expanded(matrix)
    data = lightgbm.Dataset(
        expanded, label=outcome.astype(float), feature_name=list(SPEC.model_names),
        categorical_feature=list(SPEC.categorical), params=parameters,
    )  # fmt: skip
    booster = lightgbm.train(parameters, data, num_boost_round=trees)
    raw = np.asarray(booster.predict(expanded, raw_score=True))
    calibrator = fit_calibrator(raw, outcome, isotonic_minimum_positives=50 if isotonic else 10_000)
    return ModelStage(step, booster.model_to_string(), calibrator)


def with_column(training: TrainingSet, name: str, values: np.ndarray) -> TrainingSet:
    place = training.examples.column_names.index(name)
    return replace(training, examples=training.examples.set_column(place, name, pa.array(values)))


def told(training: TrainingSet, step: str) -> np.ndarray:
    """Return the outcomes of a step, None where one is not known."""
    return np.array(training.examples[step].to_pylist(), dtype=object)
