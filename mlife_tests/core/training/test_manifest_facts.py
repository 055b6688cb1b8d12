"""Facts of a manifest for people: what was fitted, and whether that was a limit."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.manifest_facts import fitted_words, manifest_facts, section_of, trees_at_limit
from mlife_assets.core.training.training_set import TrainingSet

POLICY = {"trees_maximum": 600, "early_stopping_rounds": 40}


@pytest.mark.parametrize(
    ("trees", "limit"),
    [(1, "first tree"), (2, None), (560, None), (561, "maximum of trees"), (600, "maximum of trees")],
)
def test_a_number_of_trees_that_validation_did_not_choose_is_a_limit(trees: int, limit: str | None) -> None:
    """A best tree among the last 40 of 600 was the best one so far when the trees ran out."""
    assert trees_at_limit({"step": trees}, 600, 40) == ({"step": limit} if limit else {})


def test_one_tree_of_one_is_the_maximum_rather_than_a_choice() -> None:
    assert trees_at_limit({"step": 1}, 1, 40) == {"step": "maximum of trees"}


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({"trees": 250, "trees_by_step": {"a": 50, "b": 200}, "policy": POLICY}, "250 trees"),
        (
            {"trees": 590, "trees_by_step": {"a": 589, "b": 1}, "policy": POLICY},
            "590 trees (a reached the maximum of trees before it could stop early; b stopped at its first tree)",
        ),
        ({"trees": 250, "trees_by_step": {"a": 250}}, "250 trees"),
        ({"trees": 1, "trees_by_step": {"a": 1}, "policy": {"leaves": 7}}, "1 trees"),
        ({"estimator": {"StandardScaler": {}, "LogisticRegression": {}}}, "StandardScaler, LogisticRegression"),
    ],
)
def test_what_was_fitted_says_where_it_came_to_a_limit(manifest: dict[str, Any], words: str) -> None:
    assert fitted_words(manifest) == words


def test_real_fits_come_to_both_limits(job_pairs: ModuleType, training_set: TrainingSet) -> None:
    """With 3 trees at most nothing stops early; whole steps of 200 leaves learn the rows by heart at the first tree."""
    binary = replace(job_pairs.POLICY, formulations=("binary",))
    short = fit_model(training_set, replace(binary, trees_maximum=3))
    assert short.manifest["trees_at_limit"] == {"is_applied": "maximum of trees"}
    steep = fit_model(
        training_set, replace(binary, learning_rate=1.0, leaves=200, minimum_child_examples=1, l2_penalty=0)
    )
    assert steep.manifest["trees_by_step"] == {"is_applied": 1}
    assert steep.manifest["trees_at_limit"] == {"is_applied": "first tree"}
    assert "is_applied stopped at its first tree" in fitted_words(steep.manifest)
    facts = manifest_facts(steep.manifest)
    assert facts["trees_at_limit.is_applied"] == "first tree"
    assert section_of("trees_at_limit.is_applied", "first tree") == "method"
