"""How long working tables stay."""

from __future__ import annotations

from datetime import date

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.retention_policy import RetentionPolicy
from mlife_assets.recruiting.application import Audience


def test_as_many_days_before_the_newest_stay() -> None:
    assert RetentionPolicy(table_days=90).first_kept(date(2026, 6, 30)) == date(2026, 4, 1)


def test_what_an_audience_may_still_read_cannot_be_pruned() -> None:
    with pytest.raises(InvalidInputError, match=r"RetentionPolicy\.table_days is 89"):
        RetentionPolicy(table_days=89)
    oldest = Audience("m", minimum_probability=0.1, maximum_age_days=90).maximum_age_days
    with pytest.raises(InvalidInputError, match="maximum_age_days is 91"):
        Audience("m", minimum_probability=0.1, maximum_age_days=91)
    assert (
        RetentionPolicy(table_days=90).first_kept(date(2026, 6, 30)).toordinal() + oldest
        == date(2026, 6, 30).toordinal()
    )
