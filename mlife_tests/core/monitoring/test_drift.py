from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from mlife_assets.core.errors import UpstreamMismatchError
from mlife_assets.core.monitoring.drift import data_drift_report, describe
from mlife_assets.core.monitoring.reference import tidy
from mlife_assets.core.monitoring.thresholds import Statistic, Threshold


@pytest.fixture
def limited(reference):
    return reference.with_thresholds(
        [Threshold("ks", name, 0.02, 0.01, 0.1, 14, 0.01) for name in reference.columns.watched]
    )


def values(reference, **changes: float) -> list[Statistic]:
    return [Statistic("ks", name, changes.get(name, 0.05)) for name in reference.columns.watched]


def report(reference, day, statistics, **settings):
    as_of = reference.as_of_date + timedelta(days=3)
    return data_drift_report(as_of=as_of, reference=reference, pairs=day, statistics=statistics, **settings)


def test_a_column_alarms_when_it_exceeds_its_limit_and_not_at_it(limited, world) -> None:
    day = world.day(20, 600)
    quiet = report(limited, day, values(limited, distance_km=0.1))
    assert quiet.status == "ok"
    assert "None of" in quiet.sentence
    moved = report(limited, day, values(limited, distance_km=0.1000001, metro_code=0.3))
    assert [finding.column for finding in moved.alarms] == ["metro_code", "distance_km"]
    assert moved.sentence.startswith("2 of ")


def test_columns_of_the_calendar_are_shown_and_never_alarm(limited, world) -> None:
    result = report(limited, world.day(20, 600), values(limited, tenure_days=0.9))
    assert result.status == "ok"
    assert "no evidence of drift" in next(f.sentence for f in result.findings if f.column == "tenure_days")


def test_importance_orders_but_does_not_silence(limited, world) -> None:
    statistics = values(limited, job_seniority=0.5, distance_km=0.2)
    result = report(limited, world.day(20, 600), statistics, importance={"distance_km": 0.9, "job_seniority": 0.01})
    assert [finding.column for finding in result.findings[:2]] == ["distance_km", "job_seniority"]
    assert len(result.alarms) == 2
    assert result.findings[0].importance_share == pytest.approx(0.9 / 0.91)
    assert result.sentence.startswith("2 of 20 columns moved, which carry 100.0% of the model's importance.")
    assert "98.9% of importance" in result.findings[0].sentence


def test_without_importance_nothing_is_said_of_it(limited, world) -> None:
    result = report(limited, world.day(20, 600), values(limited, job_seniority=0.5))
    assert {finding.importance_share for finding in result.findings} == {None}
    assert result.sentence.startswith("1 of 20 columns moved. job_seniority: ")


def test_values_that_the_model_never_saw_weigh_their_rows(limited, world) -> None:
    """A new city is no unimportant one because the known ones hardly matter to the model."""
    importance = {"distance_km": 0.99, "metro_code": 0.01}
    day = world.day(20, 600, new_city=0.15)
    share = day["metro_code"].to_pylist().count("47900") / 600
    found = {
        f.column: f.importance_share for f in report(limited, day, values(limited), importance=importance).findings
    }
    assert found["metro_code"] == pytest.approx(share)
    assert found["distance_km"] == pytest.approx(0.99)
    known = report(limited, world.day(20, 600), values(limited), importance=importance).findings
    assert {f.column: f.importance_share for f in known}["metro_code"] == pytest.approx(0.01)


def test_the_report_states_how_often_it_alarms_without_drift(reference, world) -> None:
    limits = [Threshold("ks", name, 0.02, 0.01, 0.1, 14, 0.001) for name in reference.columns.watched]
    limited = reference.with_thresholds(limits)
    alarming = len(limited.columns.alarming)
    assert alarming < len(limited.columns.watched)
    sentence = report(limited, world.day(20, 600), values(limited)).sentence
    assert f"(by design {alarming / 1000:.1%} of drift-free days alarm; Bonferroni over {alarming})" in sentence


def test_a_statistic_without_a_limit_names_what_to_refresh(limited, world) -> None:
    with pytest.raises(UpstreamMismatchError, match="materialize monitoring_reference again"):
        report(limited, world.day(20, 600), [Statistic("wasserstein", "distance_km", 0.1)])


def test_words_say_what_moved_and_where_to(reference, world, pairs_world) -> None:
    plain = world.day(20, 600, new_city=0.15)
    columns = reference.columns
    day = tidy(pairs_world.replaced(plain, distance_km=plain["distance_km"].to_numpy() + 10), columns, columns.watched)
    assert describe(reference, day, "metro_code").startswith("47900 is new with 1")
    assert describe(reference, day, "distance_km").startswith("up to ")
    wider = np.nanmean(reference.sample["taste_match"].to_numpy()) + np.tile([-5.0, 5.0], 300)
    day = tidy(pairs_world.replaced(plain, taste_match=wider), columns, columns.watched)
    assert describe(reference, day, "taste_match").startswith("same mean")
    empty = tidy(pairs_world.replaced(plain, openings=np.full(600, np.nan)), columns, columns.watched)
    assert describe(reference, empty, "openings") == "no values"
