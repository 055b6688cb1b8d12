"""How long working tables stay."""

from __future__ import annotations

from datetime import date

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.application import Audience
from mlife_assets.recruiting.retention_policy import AUDIENCE_DAYS, RetentionPolicy, is_pruned

NEWEST, LATER = date(2026, 6, 30), date(2027, 1, 1)


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
