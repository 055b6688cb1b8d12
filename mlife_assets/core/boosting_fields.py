"""What of a training policy is about LightGBM alone, so that an estimator of one's own neither keeps nor needs it.

Belongs here: the fields, and who may set them. Does not belong here: the policy itself (`policies`), estimators
(`scoring.estimators`).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import TrainingPolicy

BOOSTING_FIELDS = (
    "base_pieces",
    "base_penalty",
    "negatives_per_kept",
    "negatives_minimum",
    "trees_maximum",
    "learning_rate",
    "leaves",
    "minimum_child_examples",
    "feature_fraction",
    "l2_penalty",
    "rising",
    "falling",
    "search_trials",
    "early_stopping_rounds",
)
"""What a training policy says of LightGBM alone."""


def fields_that_count(policy: TrainingPolicy, *, is_boosted: bool) -> dict[str, Any]:
    """Return what a policy says of how a model is fitted, by LightGBM or by an estimator of one's own."""
    return {name: value for name, value in asdict(policy).items() if is_boosted or name not in BOOSTING_FIELDS}


def require_no_boosting(policy: TrainingPolicy) -> None:
    """Refuse what an estimator of one's own would not keep: a direction of an effect, a search for parameters.

    Raises:
        InvalidInputError: the policy asks for one of them; names it.
    """
    for name in ("rising", "falling", "search_trials"):
        if value := getattr(policy, name):
            shown = value if isinstance(value, int) else ", ".join(value)
            raise InvalidInputError(
                f"TrainingPolicy.{name} is {shown}, which LightGBM alone keeps; leave {name} out, or the estimator"
            )
