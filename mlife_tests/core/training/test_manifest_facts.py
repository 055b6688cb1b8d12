"""Facts of a manifest for people: what was fitted, and whether that was a limit."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from types import ModuleType
from typing import Any

import pytest

from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.manifest_facts import (
    early_label_words,
    fitted_words,
    learned_to,
    manifest_facts,
    section_of,
    trained_to,
    trees_at_limit,
)
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


TAUGHT = {
    "share_of_positives": 0.9567, "rows": 5_432, "positives": 21, "first_day": "2026-05-26", "last_day": "2026-05-30",
}  # fmt: skip


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({}, ""),
        ({"early_label": {"share_of_positives": 0.95}}, ""),
        (
            {"early_label": TAUGHT},
            "5,432 rows of 2026-05-26 to 2026-05-30, too young for their label, taught it by what had come early, as "
            "95.7% of positives do",
        ),
        (
            {"early_label": {**TAUGHT, "silent_days": "2026-05-27"}},
            "5,432 rows of 2026-05-26 to 2026-05-30, too young for their label, taught it by what had come early, as "
            "95.7% of positives do; next to nothing came of 2026-05-27, which taught nothing",
        ),
        (
            {"early_label": {"share_of_positives": 0.95, "silent_days": "2026-05-27"}},
            "next to nothing came of 2026-05-27, which taught nothing",
        ),
        (
            {"early_label": {"refused": "60.0% of 200 positives came early, 90.0% needed"}},
            "rows too young for their label taught it nothing: 60.0% of 200 positives came early, 90.0% needed",
        ),
    ],
)
def test_what_an_early_label_taught_is_said(manifest: dict[str, Any], words: str) -> None:
    assert early_label_words(manifest) == words


def test_a_step_learned_to_the_last_day_that_taught_it_anything() -> None:
    manifest = {
        "label": "is_applied",
        "training_end_date": "2026-05-30",
        "trained_to": {"is_clicked": "2026-05-29", "is_applied": "2026-05-25"},
    }
    assert learned_to(manifest, "is_applied") == trained_to(manifest, "is_applied") == date(2026, 5, 25)
    taught = {**manifest, "early_label": TAUGHT}
    assert learned_to(taught, "is_applied") == date(2026, 5, 30)
    assert learned_to(taught, "is_clicked") == date(2026, 5, 29)
    assert trained_to(taught, "is_applied") == date(2026, 5, 25)
    assert learned_to({"training_end_date": "2026-05-30"}, "is_applied") == date(2026, 5, 30)
    assert section_of("early_label.share_of_positives", 0.95) == "data"


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
