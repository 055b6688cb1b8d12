from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import policy_version
from mlife_assets.recruiting.application import Audience
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.policies import CallPolicy
from mlife_assets.recruiting.retention_policy import AUDIENCE_DAYS, RetentionPolicy, is_pruned

NEWEST, LATER = date(2026, 6, 30), date(2027, 1, 1)


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


def test_the_safe_side_is_the_default():
    policy = MessagingPolicy()
    assert not policy.auto_approve_within_limits
    assert policy.unclear_reply_pause_days > 0
    assert policy.inbound_read_seconds <= 3
    assert all(phrase == phrase.lower() for phrase in policy.refused_phrases)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("unclear_reply_pause_days", 366),
        ("inbound_read_seconds", 61),
        ("title_words", ("evil.com",)),
        ("title_words", ("a-b-c",)),
    ],
)
def test_what_nobody_can_mean_is_refused(field, value):
    with pytest.raises(InvalidInputError, match=field):
        MessagingPolicy(**{field: value})


def test_a_declaration_of_0_1_0_is_read_and_says_what_has_no_effect_any_more():
    with pytest.warns(FutureWarning, match=r"first_seen_employer_days has no effect.*mlife messages vet") as found:
        policy = MessagingPolicy(first_seen_employer_days=3)
    assert policy == MessagingPolicy()
    assert policy_version(replace(policy, brand="x")) == policy_version(MessagingPolicy(brand="x"))
    assert policy_version(policy) == "pol_1f0b8cf97862" != policy_version(replace(policy, title_words=("mall",)))
    assert found[0].filename == __file__


def test_as_many_days_before_the_newest_stay() -> None:
    assert RetentionPolicy(table_days=90).first_kept(NEWEST, LATER) == date(2026, 4, 1)


def test_a_day_that_lies_ahead_takes_nothing_away() -> None:
    assert RetentionPolicy(table_days=90).first_kept(LATER, NEWEST) == date(2026, 4, 1)


@pytest.mark.parametrize(
    ("key", "is_one"),
    [
        ("tables/scores/as_of_date=2026-06-01/part.parquet", True),
        ("of_models/tables/tables/monitoring_sample/as_of_date=2026-06-01/part.parquet", True),
        ("tables/message_plan/as_of_date=2026-06-01/part.parquet", False),
        ("of_models/m/tables/examples/as_of_date=2026-06-01/part.parquet", False),
        ("of_applications/a/tables/scores/as_of_date=2026-06-01/part.parquet", False),
        ("reports/scores/as_of_date=2026-06-01/report.json", False),
        ("tables/scores/as_of_date=2026-06-01/../../../events/part.parquet", False),
        ("tables/scores", False),
    ],
)
def test_a_key_says_whether_it_may_be_removed(key: str, is_one: bool) -> None:
    assert is_pruned(key) is is_one


def test_what_an_audience_may_still_read_cannot_be_pruned() -> None:
    with pytest.raises(InvalidInputError, match=r"RetentionPolicy\.table_days is 89"):
        RetentionPolicy(table_days=89)
    assert Audience("m", minimum_probability=0.1, maximum_age_days=AUDIENCE_DAYS).maximum_age_days == 90
    with pytest.raises(InvalidInputError, match="maximum_age_days is 91"):
        Audience("m", minimum_probability=0.1, maximum_age_days=91)
