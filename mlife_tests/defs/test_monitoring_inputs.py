from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.policies import Policies
from mlife_assets.core.windows import add_days
from mlife_assets.defs import monitoring_inputs
from mlife_assets.defs.monitoring_inputs import landed_counts, landed_history, sampled_pairs, scored_examples
from mlife_assets.defs.resources import INGEST_REPORT, Platform
from mlife_assets.settings import Settings

DAY = date(2026, 6, 2)


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    return Platform(settings=Settings(home=tmp_path), policies=Policies())


def ingested(platform: Platform, day: date, **accepted: int) -> None:
    types = [{"event_type": name, "accepted": count} for name, count in accepted.items()]
    platform.tables.write_report(INGEST_REPORT, day, {"types": types})


def test_a_type_that_did_not_land_landed_nothing(platform) -> None:
    """Once taken as absent: a city's 150 sign-ups of one day were 'usual', and their end blocked the next day."""
    for back, counts in enumerate(({"click": 5}, {"click": 7, "consent": 150}, {"click": 6}), 1):
        ingested(platform, add_days(DAY, -back), **counts)
    assert landed_history(platform, DAY, 14) == {"click": [5, 7, 6], "consent": [0, 150, 0]}
    assert landed_history(platform, DAY, 2) == {"click": [5, 7], "consent": [0, 150]}
    assert landed_history(platform, add_days(DAY, 5), 14) == {}
    assert landed_counts(platform, add_days(DAY, -1)) == {"click": 5}
    with pytest.raises(NotFoundError, match="ingest of 2026-06-02 does not exist"):
        landed_counts(platform, DAY)


def test_the_sample_of_a_day_is_fixed_in_size_and_the_same_again(lived) -> None:
    platform, day = lived.home.platform, lived.home.day(1)
    first, again = sampled_pairs(platform, day), sampled_pairs(platform, day)
    assert first.pairs.equals(again.pairs)
    assert first.pairs.num_rows == platform.policies.monitoring.sample_rows_per_day
    assert first.population_rows > 10 * first.pairs.num_rows
    assert first.duplicate_pairs == 0


def test_outcomes_are_judged_where_no_policy_of_ours_exploited(lived) -> None:
    platform = lived.home.platform
    version = platform.champion_version(lived.home.day(1))
    scored = scored_examples(platform, version, add_days(lived.home.day(1), -20), lived.home.day(4))
    assert set(scored["slice"].to_pylist()) <= {"organic", "explore"}
    assert scored.num_rows > 1_000
    assert 0 < min(scored["probability"].to_pylist()) < max(scored["probability"].to_pylist()) < 1


def test_outcomes_of_days_with_faulty_features_are_not_judged(lived, monkeypatch) -> None:
    platform = lived.home.platform
    version, last = platform.champion_version(lived.home.day(1)), add_days(lived.home.day(1), -9)
    faulty = add_days(last, -3)
    before = scored_examples(platform, version, add_days(last, -6), last)
    assert faulty in before["exposure_date"].to_pylist()
    monkeypatch.setattr(monitoring_inputs, "quarantined_days", lambda _: [faulty])
    after = scored_examples(platform, version, add_days(last, -6), last)
    assert set(before["exposure_date"].to_pylist()) - set(after["exposure_date"].to_pylist()) == {faulty}
