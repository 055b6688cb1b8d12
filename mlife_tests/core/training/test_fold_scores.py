"""Scores by folds: each row by the model of its day, and none by one that has seen it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.training.fold_scores import (
    anchor_side,
    first_unlearned_day,
    itself,
    scored_parts,
    side_of_folds,
    simple_of_folds,
)
from mlife_assets.core.training.folds import Fold
from mlife_assets.core.training.judgement import GateRows
from mlife_assets.core.training.simple_rule import SIMPLE_RULE
from mlife_assets.core.windows import add_days, last_mature_exposure_day, mature_day
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies

DAY = date(2026, 6, 2)
WINDOW = 7
MODEL = job_applications(Policies())
WEEKS = (add_days(DAY, -21), add_days(DAY, -14), DAY)


@pytest.fixture(scope="module")
def artifacts(tiny_models: ModuleType) -> dict[date, ModelArtifact]:
    """Return a model per first day of a fold; what it learned from was complete on that morning."""
    return {
        first: tiny_models.tiny_artifact(
            seed, trees=3, training_end_date=last_mature_exposure_day(first, WINDOW).isoformat()
        )
        for seed, first in enumerate(WEEKS, 1)
    }


@pytest.fixture(scope="module")
def folds(artifacts: dict[date, ModelArtifact]) -> list[Fold]:
    return [
        Fold(first, artifact.model_version, last_mature_exposure_day(first, WINDOW))
        for first, artifact in artifacts.items()
    ]


@pytest.fixture(scope="module")
def scorers(artifacts: dict[date, ModelArtifact]) -> Callable[[str], LightGBMScorer]:
    held = {artifact.model_version: LightGBMScorer(artifact, threads=1) for artifact in artifacts.values()}
    return held.__getitem__


def gate_rows(days: list[date], models: Any) -> GateRows:
    """Return rows with the columns of the tiny models, one user and one item each."""
    rng = np.random.default_rng(3)
    count = len(days)
    vocabularies = dict(models.SPEC.vocabularies)
    columns: dict[str, Any] = {
        name: rng.choice(vocabularies[name], count) if name in vocabularies else rng.normal(size=count)
        for name in models.SPEC.names
    }
    roles = MODEL.roles
    columns |= {
        roles.entity: [f"u{row}" for row in range(count)],
        roles.item: [f"i{row}" for row in range(count)],
        roles.time: pa.array(days, pa.date32()),
        roles.label_time: pa.array([mature_day(day, WINDOW) for day in days], pa.date32()),
        roles.label: pa.array([row % 2 == 0 for row in range(count)]),
    }
    return GateRows.of_examples(pa.table(columns), roles)


def test_a_model_is_asked_itself_once_all_that_it_learned_was_complete(artifacts: dict[date, ModelArtifact]) -> None:
    found = itself(artifacts[DAY], MODEL)
    assert found == Fold(DAY, artifacts[DAY].model_version, last_mature_exposure_day(DAY, WINDOW))


@pytest.mark.parametrize(
    ("is_funnel", "manifest", "first"),
    [
        (True, {"trained_to": {"is_clicked": "2026-05-30", "is_applied": "2026-05-25"}}, date(2026, 5, 31)),
        (False, {"trained_to": {"is_applied": "2026-05-25"}}, date(2026, 5, 26)),
        (
            False,
            {
                "trained_to": {"is_applied": "2026-05-25"},
                "early_label": {"last_day": "2026-05-30"},
                "label": "is_applied",
            },
            date(2026, 5, 31),
        ),
        (True, {}, date(2026, 5, 31)),
    ],
    ids=["funnel", "the label alone, beside rows without one", "taught early", "of 0.1.0"],
)
def test_a_day_is_unlearned_once_no_step_learned_from_it(
    tiny_models: ModuleType, is_funnel: bool, manifest: dict[str, object], first: date
) -> None:
    """`training_end_date` counts rows of steps, too, that a model of the label alone does not have."""
    artifact = tiny_models.tiny_artifact(1, trees=1, is_funnel=is_funnel, training_end_date="2026-05-30", **manifest)
    assert first_unlearned_day(artifact) == first


def test_each_row_is_scored_by_the_model_of_its_day_to_the_bit(
    tiny_models: ModuleType, folds: list[Fold], scorers: Any
) -> None:
    days = [WEEKS[1], WEEKS[0], DAY, add_days(WEEKS[0], 6)]
    gate = gate_rows(days, tiny_models)
    side = side_of_folds("mdl_x", folds, gate, MODEL.roles, scorers)
    assert (side.model_version, side.trained_to) == ("mdl_x", folds[0].trained_to)
    matrix = gate.matrix(tiny_models.SPEC)
    for row, fold in enumerate((folds[1], folds[0], folds[2], folds[0])):
        assert side.probability[row] == scorers(fold.model_version).score(matrix[row : row + 1]).probability[0]
    assert side.ranking is side.probability


def test_a_model_is_not_asked_again_about_a_row(tiny_models: ModuleType, folds: list[Fold], scorers: Any) -> None:
    gate = gate_rows([WEEKS[0], WEEKS[1], add_days(WEEKS[1], 1), DAY], tiny_models)
    days = gate.exposures[MODEL.roles.time].to_numpy().astype("datetime64[D]")
    expected = side_of_folds("mdl_x", folds, gate, MODEL.roles, scorers).probability
    known = list(scored_parts(folds[:2], gate.exposures.slice(0, 2), days[:2], {}, scorers))
    asked = list[int]()

    def scorer(version: str) -> Any:
        def score(matrix: np.ndarray) -> Any:
            asked.append(len(matrix))
            return scorers(version).score(matrix)

        return SimpleNamespace(feature_spec=scorers(version).feature_spec, score=score)

    ranked = replace(gate, exposures=gate.exposures.slice(0))
    found = side_of_folds("mdl_x", folds, ranked, MODEL.roles, scorer, known).probability
    assert found.tobytes() == expected.tobytes()
    assert asked[:2] == [1, 1], "the second row of the second fold, and that of the third"


def test_what_is_ranked_and_what_was_shown_are_scored_apart(
    tiny_models: ModuleType, folds: list[Fold], scorers: Any
) -> None:
    shown, ranked = (gate_rows(days, tiny_models) for days in ([WEEKS[0], DAY], [DAY]))
    gate = replace(shown, examples=ranked.examples, ranked=ranked.ranked)
    side = side_of_folds("mdl_x", folds, gate, MODEL.roles, scorers)
    assert (len(side.ranking), len(side.probability)) == (1, 2)
    assert side.ranking[0] == side_of_folds("mdl_x", folds, ranked, MODEL.roles, scorers).probability[0]


def test_a_row_that_a_model_learned_from_is_refused(tiny_models: ModuleType, folds: list[Fold], scorers: Any) -> None:
    """Somebody calls the fit on everything a fold of days that it has seen."""
    seen = replace(folds[-1], first_day=folds[-1].trained_to)
    with pytest.raises(InvalidInputError, match="ask a model that has not seen it"):
        side_of_folds("mdl_x", [seen], gate_rows([seen.trained_to], tiny_models), MODEL.roles, scorers)


def test_an_anchor_says_nothing_of_days_before_its_folds(
    tiny_models: ModuleType, folds: list[Fold], scorers: Any
) -> None:
    gate = gate_rows([WEEKS[0], WEEKS[1], DAY], tiny_models)
    side = anchor_side("mdl_x", folds[1:], gate, scorers)
    assert side.trained_to == add_days(WEEKS[1], -1)
    own = side_of_folds("mdl_x", folds, gate, MODEL.roles, scorers)
    assert side.ranking.tolist() == [0.0, *own.probability[1:]]


def test_simple_rules_speak_where_every_fold_has_one(
    tiny_models: ModuleType, folds: list[Fold], artifacts: dict[date, ModelArtifact]
) -> None:
    gate = gate_rows([WEEKS[0], WEEKS[1], DAY], tiny_models)
    numeric = next(one for one in tiny_models.SPEC.names if one not in dict(tiny_models.SPEC.vocabularies))
    ruled = {}
    for weight, (first, artifact) in enumerate(artifacts.items(), 1):
        rule = {"columns": [numeric], "missing": [0.0], "weights": [float(weight)], "intercept": 0.0}
        named = next(fold.model_version for fold in folds if fold.first_day == first)
        ruled[named] = replace(artifact, manifest={**artifact.manifest, SIMPLE_RULE: rule})
    found = simple_of_folds(folds, gate, ruled.__getitem__)
    assert found is not None
    assert found.tolist() == pytest.approx((gate.ranked[numeric].to_numpy() * [1, 2, 3]).tolist())
    bare = {artifact.model_version: artifact for artifact in artifacts.values()}
    assert simple_of_folds(folds, gate, {**ruled, folds[1].model_version: bare[folds[1].model_version]}.get) is None
