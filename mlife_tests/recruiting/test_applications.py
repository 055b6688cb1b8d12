"""The list of applications: each has a name of its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.application import Channel
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
