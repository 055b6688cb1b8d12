"""Old pairs and scores are removed; everything else stays."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.pruned_tables import old_tables, prune
from mlife_assets.adapters.tables import TableStore
from mlife_assets.components.monitoring.reports import SAMPLE_TABLE
from mlife_assets.components.predictions import entity_scores, scores
from mlife_assets.recruiting.retention_policy import PRUNED, RetentionPolicy

NEWEST, TODAY = date(2026, 6, 30), date(2026, 9, 1)
POLICY = RetentionPolicy(table_days=90)
BEFORE, FIRST, GONE = (NEWEST - timedelta(days=days) for days in (91, 90, 400))


@pytest.fixture(params=["folder", "bucket"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> ObstoreObjectStore:
    """A lake with a table of the first model, one of another whose newest day is older, a plan and what is recorded."""
    place = tmp_path / "lake" if request.param == "folder" else request.getfixturevalue("s3_place")
    store = ObstoreObjectStore.at(place)
    rows = pa.table({"user_id": ["u1"]})
    for day in (GONE, BEFORE, FIRST, NEWEST):
        for name in ("user_job_scores", "message_plan"):
            TableStore(store).write(name, day, rows)
    for day in (GONE, BEFORE):
        TableStore(store, "of_models/churn_risk/").write("scores", day, rows)
    TableStore(store, "of_applications/email_digest/").write("scores", GONE, rows)
    TableStore(store).write_report("scores", GONE, {"day": GONE})
    store.put_if_absent("events/event_type=click/dt=2020-01-01/hour=00/x.parquet", b"1")
    return store


def test_what_is_older_than_the_policy_says_is_removed_and_nothing_else(lake: ObstoreObjectStore) -> None:
    before = lake.list("")
    old = [f"tables/user_job_scores/as_of_date={day}/part.parquet" for day in (GONE, BEFORE)]
    other = f"of_models/churn_risk/tables/scores/as_of_date={GONE}/part.parquet"
    found = {"user_job_scores": old, "of_models/churn_risk/scores": [other]}
    assert old_tables(lake, POLICY, TODAY) == found
    assert lake.list("") == before
    assert prune(lake, POLICY, TODAY) == found
    assert set(before) - set(lake.list("")) == {*old, other}
    assert prune(lake, POLICY, TODAY) == {}
    assert TableStore(lake).days("user_job_scores") == [FIRST, NEWEST]
    if lake.root is not None:  # this server of buckets still names a folder for a while that holds nothing
        assert f"as_of_date={GONE}" not in lake.folders("tables/user_job_scores")


def test_a_table_whose_days_have_ended_keeps_its_last_ones(lake: ObstoreObjectStore) -> None:
    prune(lake, POLICY, TODAY)
    assert TableStore(lake, "of_models/churn_risk/").days("scores") == [BEFORE]


def test_a_day_that_a_wrong_clock_left_takes_nothing_away(lake: ObstoreObjectStore) -> None:
    found = old_tables(lake, POLICY, TODAY)
    TableStore(lake).write("user_job_scores", NEWEST + timedelta(days=700), pa.table({"user_id": ["u1"]}))
    assert old_tables(lake, POLICY, NEWEST) == found


def test_a_lake_without_tables_has_none_that_are_old(tmp_path: Path) -> None:
    assert prune(ObstoreObjectStore.local(tmp_path), POLICY, TODAY) == {}


def test_the_names_are_those_of_the_assets() -> None:
    assert set(PRUNED) == {scores.CANDIDATES_TABLE, scores.SCORES_TABLE, entity_scores.SCORES_TABLE, SAMPLE_TABLE}
