"""What keeps a refit from serving."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.core.scoring.calibrator import Calibrator
from mlife_assets.core.study import Study
from mlife_assets.core.training.example_training import canonical
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.training_set import hash_examples, split_examples
from mlife_assets.lifecycle.refits import vetoes

MODEL = Study.from_json(
    """{"roles": {"entity": "who", "time": "day", "label": "won", "label_time": "known", "features": ["strength"]},
    "training": {"formulations": ["binary"], "trees_maximum": 10, "minimum_child_examples": 20,
    "minimum_examples": 200}}"""
).model


@pytest.mark.parametrize("fault", ["none", "a column that tells", "probabilities of nothing"])
def test_a_refit_serves_unless_something_speaks_against_it(fault: str) -> None:
    rng, count = np.random.default_rng(3), 1_500
    day = np.datetime64(date(2026, 1, 1)) + np.arange(count) // 50
    strength = rng.normal(size=count)
    won = rng.random(count) < 1 / (1 + np.exp(1.0 - 1.5 * strength))
    table = canonical(
        pa.table(
            {
                "who": [f"w{row}" for row in range(count)], "day": pa.array(day), "won": pa.array(won),
                "known": pa.array(day + 1), "strength": won * 1.0 if fault == "a column that tells" else strength,
            }
        ), MODEL.roles,
    )  # fmt: skip
    known_on = date(2026, 1, 1) + timedelta(days=31)
    training = split_examples(
        table, MODEL.roles, known_on=known_on, policy=MODEL.training, data_hash=hash_examples(table)
    )
    artifact = fit_model(training, MODEL.training)
    if fault == "probabilities of nothing":
        flat = Calibrator("base_rate", (-1.0, 1.0), log_odds=(-2.001, -1.999))
        artifact = replace(artifact, stages=tuple(replace(stage, calibrator=flat) for stage in artifact.stages))
    expected = ["no_feature_tells_the_outcome"] if fault == "a column that tells" else []
    for newest in (350, 1):
        assert [one.name for one in vetoes(artifact, training, table.slice(count - newest), MODEL)] == expected
