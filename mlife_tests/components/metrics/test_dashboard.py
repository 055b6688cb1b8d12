"""The applications of a home on the dashboard: figures of their marts, and people who were on lists."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import duckdb
import pyarrow as pa
import pytest

from mlife_assets.components.metrics.dashboard import applications
from mlife_assets.recruiting.application import Application, Channel
from mlife_assets.recruiting.applications import job_of_the_day
from mlife_assets.recruiting.policies import CallPolicy, Policies


def calls(policies: Policies) -> Application:
    every_day = CallPolicy(("Ann",), calls_per_recruiter=200, minimum_days_between_calls=1)
    return replace(job_of_the_day(policies), name="calls", title="Calls", channel=Channel.CALL, calls=every_day)


def test_messages_are_counted_by_their_mart_and_people_of_lists_once(open_home, sending_home) -> None:
    home, day = open_home(declared=(job_of_the_day, calls)), sending_home.DAY
    first = home.platform.settings.first_lived_date
    for one in (day, day + timedelta(days=1)):
        home.prepare(one)
        home.plan(one, "calls")
    row = {
        "application": "job_of_the_day",
        "kpi_date": first,
        "channel": "sms",
        **{f"messages_{name}": 10 for name in ("planned", "submitted", "delivered", "clicked", "applied", "hired")},
        "revenue_usd": 2.5,
    }
    before = row | {"kpi_date": first - timedelta(days=1)}
    with closing(duckdb.connect(str(home.folder / "warehouse.duckdb"))) as connection:
        connection.register("given", pa.Table.from_pylist([row, before]))
        connection.execute("CREATE TABLE marts.application_daily AS SELECT * FROM given")
    texts, listed = applications(home.platform, [], first + timedelta(days=30))
    assert (texts.title, texts.reached, texts.earned_usd) == ("Job of the day", 10, 2.5), "history was texted by others"
    assert (listed.title, listed.reached) == ("Calls", sending_home.USERS), "on two lists, and one person each"
    assert listed.clicked is None


def test_a_home_whose_marts_are_of_an_earlier_release_says_what_to_build(open_home) -> None:
    from mlife_assets.core.errors import NotFoundError

    with pytest.raises(NotFoundError, match="application_daily"):
        applications(open_home().platform, [], open_home("other").platform.settings.first_lived_date)
