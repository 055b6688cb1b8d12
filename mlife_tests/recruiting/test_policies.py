from __future__ import annotations

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.policies import CallPolicy


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"recruiters": ()}, "recruiters"),
        ({"recruiters": ("Ann", "Ann")}, "name each who calls once"),
        ({"recruiters": ("",)}, "recruiters"),
        ({"calls_per_recruiter": 0}, "calls_per_recruiter"),
        ({"calls_per_opening": 0}, "calls_per_opening"),
        ({"minimum_probability": 1.5}, "minimum_probability"),
        ({"minimum_days_between_calls": 0}, "minimum_days_between_calls"),
    ],
)
def test_a_policy_that_cannot_be_is_refused_by_its_field(values, message) -> None:
    with pytest.raises(InvalidInputError, match=message):
        CallPolicy(**values)
