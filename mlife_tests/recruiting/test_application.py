"""The record of an application: what it refuses, and how it says so."""

from __future__ import annotations

from typing import Any

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.application import Application, Audience, Channel


def application(**changes: Any) -> Application:
    return Application(**{"name": "digest", "title": "Digest", "model_name": "job_applications", **changes})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "Digest!"}, "Application.name is 'Digest!'; use lower-case words"),
        ({"title": " "}, "Application.title of digest is empty"),
        ({"model_name": ""}, "Application.model_name of digest is empty"),
        ({"channel": "pigeon"}, "Application.channel of digest is 'pigeon'; use one of sms, email, call"),
        ({"channel": "email", "items": 11}, "Application.items is 11; set it between 1 and 10"),
        ({"items": 0}, "Application.items is 0; set it between 1 and 10"),
        ({"items": 2}, "Application.items of digest is 2; a text holds 1"),
        ({"weekdays": ()}, "Application.weekdays of digest is .*; list days from 0"),
        ({"weekdays": (7,)}, "list days from 0 .Monday. to 6"),
        ({"weekdays": (1, 1)}, "once each"),
        ({"holdout_share": 0.6}, "Application.holdout_share is 0.6; set it between 0.0 and 0.5"),
    ],
)
def test_an_impossible_value_names_field_bound_and_remedy(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        application(**changes)


def test_a_probability_needs_the_model_whose_it_is() -> None:
    assert Audience("churn_risk", 0.5).minimum_probability == 0.5
    with pytest.raises(InvalidInputError, match=r"Audience\.model_name is empty"):
        Audience(minimum_probability=0.5)
    with pytest.raises(InvalidInputError, match=r"Audience\.minimum_probability is 1.5"):
        Audience("churn_risk", 1.5)


def test_a_channel_may_be_given_by_its_name() -> None:
    assert application(channel="email", items=5).channel is Channel.EMAIL
    assert [channel for channel in Channel if channel.is_sent] == [Channel.SMS, Channel.EMAIL]


def test_each_application_draws_its_own_holdout_by_another_salt() -> None:
    one, other = application(), application(name="other")
    assert len({one.holdout_salt, other.holdout_salt, one.policy.assignment_salt}) == 3
