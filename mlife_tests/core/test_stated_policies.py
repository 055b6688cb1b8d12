"""Fields of policies that people state (`core/test_study.py` states them in spec files)."""

from __future__ import annotations

from typing import Any

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import PromotionPolicy, TrainingPolicy
from mlife_assets.core.stated_policies import stated_policy


def test_what_is_stated_is_taken_and_the_rest_stays() -> None:
    default = TrainingPolicy()
    stated = stated_policy(default, "training", {"leaves": 15, "rising": ["price"]})
    assert (stated.leaves, stated.rising, stated.seed) == (15, ("price",), default.seed)
    assert stated_policy(default, "training", {}) == default


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"leavs": 15}, "the attribute promotion has an unknown key 'leavs'; known are .*gate_weeks"),
        ({"gate_weeks": "four"}, "the attribute promotion.gate_weeks is 'four'; the default is 4"),
        ({"gate_weeks": 2.5}, "the attribute promotion.gate_weeks is 2.5; the default is 4"),
        ({"gate_weeks": True}, "the attribute promotion.gate_weeks is True"),
        ({"gate_weeks": 99}, "PromotionPolicy.gate_weeks is 99; set it between 1 and 26"),
    ],
)
def test_what_cannot_be_is_named_with_its_bound(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        stated_policy(PromotionPolicy(), "promotion", given, where="the attribute")


def test_a_field_under_two_names_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="has old and its new name leaves"):
        stated_policy(TrainingPolicy(), "training", {"old": 3, "leaves": 4}, {"old": "leaves"})
