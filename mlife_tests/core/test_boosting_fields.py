"""What LightGBM alone keeps: fields of the policy, which an estimator of one's own neither hashes nor accepts."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from mlife_assets.core.boosting_fields import BOOSTING_FIELDS, fields_that_count, require_no_boosting
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import TrainingPolicy

POLICY = TrainingPolicy()


def test_every_field_is_one_of_the_policy() -> None:
    assert set(BOOSTING_FIELDS) <= set(asdict(POLICY))


def test_a_boosted_model_counts_all_and_another_what_is_left() -> None:
    assert fields_that_count(POLICY, is_boosted=True) == asdict(POLICY)
    rest = fields_that_count(POLICY, is_boosted=False)
    assert set(rest) == set(asdict(POLICY)) - set(BOOSTING_FIELDS)
    assert rest["seed"] == POLICY.seed


@pytest.mark.parametrize(("name", "value", "shown"), [("rising", ("a", "b"), "a, b"), ("search_trials", 5, "5")])
def test_what_an_estimator_would_not_keep_is_refused(name: str, value: object, shown: str) -> None:
    require_no_boosting(POLICY)
    with pytest.raises(InvalidInputError, match=f"TrainingPolicy.{name} is {shown}, which LightGBM alone keeps"):
        require_no_boosting(replace(POLICY, **{name: value}))  # type: ignore[arg-type]
