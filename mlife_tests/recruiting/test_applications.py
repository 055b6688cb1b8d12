"""The list of applications: each has a name of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.application import Application, Audience, Channel
from mlife_assets.recruiting.applications import application_named, applications_of, job_of_the_day, within_budget
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.policies import Policies


def test_the_first_is_the_one_that_was_there_before_and_has_the_deployments_policy() -> None:
    policies = Policies(messaging=MessagingPolicy(brand="Other Jobs"))
    first = applications_of(policies, (job_of_the_day,))[0]
    assert (first.name, first.policy.brand, first.holdout_share) == ("job_of_the_day", "Other Jobs", 0.0)


def test_an_application_is_found_by_name_and_an_unknown_one_names_the_known() -> None:
    assert application_named([job_of_the_day(Policies())], "job_of_the_day").channel == "sms"
    with pytest.raises(InvalidInputError, match="no application is called 'letters'; known are job_of_the_day"):
        application_named([job_of_the_day(Policies())], "letters")


def test_two_applications_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="two applications are called job_of_the_day"):
        applications_of(Policies(), (job_of_the_day, job_of_the_day))


def test_no_application_plans_more_texts_than_all_may_send() -> None:
    texts = job_of_the_day(Policies())
    assert within_budget(texts, None) is texts
    assert within_budget(texts, 40).policy == replace(texts.policy, maximum_messages_per_day=40)
    assert within_budget(texts, 1_000_000) == texts
    mails = replace(texts, name="mails", channel=Channel.EMAIL)
    assert within_budget(mails, 40) is mails


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
