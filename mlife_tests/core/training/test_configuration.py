"""What two fits have in common: the configuration, or not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mlife_assets.core.training.configuration import changed_configuration


def artifact(
    names: tuple[str, ...] = ("pay", "distance_km"), policy: dict[str, Any] | None = None, **manifest: Any
) -> Any:
    said = {
        "label": "is_applied",
        "declaration": {"training": {"recipes": ("recent",)}},
        "policy": {"leaves": 7, "half_life_days": 14.0, "seed": 7, **(policy or {})},
    }
    return SimpleNamespace(feature_spec=SimpleNamespace(names=names), manifest=said | manifest)


@pytest.mark.parametrize(
    "other",
    [
        artifact(names=("distance_km", "pay")),
        artifact(policy={"half_life_days": 3.5, "recipes": ["recent"], "validation_days": 9, "threads": 2}),
        artifact(policy={"patience": 20}, training_end_date="2026-06-01", trees=12),
    ],
    ids=["in another order", "in a drift, on another machine", "of a release that knew another field"],
)
def test_a_fit_of_newer_rows_changes_no_configuration(other: Any) -> None:
    assert changed_configuration(artifact(), other) == changed_configuration(other, artifact()) == ()


@pytest.mark.parametrize(
    ("challenger", "says"),
    [
        (artifact(names=("pay",)), "features was distance_km, pay and is pay"),
        (
            artifact(declaration={"training": {"recipes": ["plain"]}}),
            "training.recipes was ['recent'] and is ['plain']",
        ),
        (artifact(label="is_hired"), "label was is_applied and is is_hired"),
        (artifact(policy={"leaves": 31}), "training.leaves was 7 and is 31"),
        (artifact(estimator={"LogisticRegression.C": 1}), "estimator was LightGBM and is {'LogisticRegression.C': 1}"),
    ],
)
def test_what_a_person_changed_is_named(challenger: Any, says: str) -> None:
    assert changed_configuration(challenger, artifact()) == (says,)
