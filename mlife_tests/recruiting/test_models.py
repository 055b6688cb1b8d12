"""Models by name: each has a name of its own."""

from __future__ import annotations

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.churn_risk import churn_risk
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.models import model_named, models_of
from mlife_assets.recruiting.policies import Policies

DECLARED = (job_applications, churn_risk)


def test_a_model_is_found_by_name_and_an_unknown_one_names_the_known() -> None:
    assert model_named(Policies(), "job_applications", DECLARED).name == "job_applications"
    with pytest.raises(InvalidInputError, match="no model is called 'churn'; known are job_applications, churn_risk"):
        model_named(Policies(), "churn", DECLARED)


def test_two_models_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="two models are called job_applications"):
        models_of(Policies(), (job_applications, job_applications))
