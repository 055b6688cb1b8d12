"""The list of calls on real parts: who is on it, who is not, what is kept of it."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta
from typing import Any

import dagster as dg
import pytest

from mlife_assets.components.graph.application_graph import ApplicationGraph
from mlife_assets.components.messages import calls as module
from mlife_assets.components.messages.calls import build_call_assets, build_call_checks
from mlife_assets.core.errors import GateClosedError
from mlife_assets.recruiting.application import Application, Channel
from mlife_assets.recruiting.applications import job_of_the_day
from mlife_assets.recruiting.call_policy import CallPolicy
from mlife_assets.recruiting.messaging.keywords import STOP, STOP_ALL
from mlife_assets.recruiting.places import call_list_key
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.recruiter_call_list import CallList, build_call_list

NAME, FEW = "calls", CallPolicy(recruiters=("Ann", "Bob"), calls_per_recruiter=7)


def calls(policies: Policies) -> Application:
    return replace(job_of_the_day(policies), name=NAME, title="Calls", channel=Channel.CALL, weekdays=(1, 2), calls=FEW)


@pytest.fixture
def home(open_home, sending_home) -> Any:
    found = open_home(declared=(job_of_the_day, calls), contact=replace(sending_home.CONTACT, holdout_share=0.2))
    found.prepare(sending_home.DAY)
    return found


def listed(home: Any, day: Any) -> list[dict[str, str]]:
    content = home.platform.lake.get(call_list_key(NAME, day, "csv")).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(content)))


def test_the_list_is_logged_and_kept_as_table_file_and_page(home, sending_home) -> None:
    day, made = sending_home.DAY, home.plan(application=NAME)
    rows = listed(home, day)
    assert made.metadata["dagster/row_count"] == len(rows) == 14
    assert {row["recruiter"] for row in rows} == {"Ann", "Bob"}
    assert all(row["why"].startswith("the kind of work they do, close to them") for row in rows)
    logged = home.platform.event_log.read("call_planned").to_pylist()
    in_order = sorted(logged, key=lambda row: (row["recruiter"], row["position"]))
    assert [(row["user_id"], row["job_id"]) for row in in_order] == [(row["user_id"], row["job_id"]) for row in rows]
    assert {row["prediction_id"] for row in logged} == {f"prd_{row['user_id']}_{row['job_id']}" for row in rows}
    page = home.platform.lake.get(call_list_key(NAME, day, "html")).decode()
    assert all(row["user_id"] in page for row in rows)
    numbers = home.platform.contacts.phone_numbers([row["user_id"] for row in rows]).values()
    assert not any(number in page for number in numbers if number)
    assert home.plan(application=NAME).metadata["dagster/row_count"] == 14
    assert home.platform.event_log.read("call_planned").num_rows == 14, "making it again adds nothing"


def test_nobody_who_said_stop_to_everything_is_called(home, sending_home) -> None:
    day, following = sending_home.DAY, sending_home.DAY + timedelta(days=1)
    home.plan(application=NAME)
    before = [row["user_id"] for row in listed(home, day)]
    home.say(before[0], STOP_ALL)
    home.say(before[1], STOP)
    home.prepare(following)
    made = home.plan(following, NAME)
    after = [row["user_id"] for row in listed(home, following)]
    assert before[0] not in after
    reasons = {one.data["reason"]: one.data["users"] for one in made.metadata["not_called"].value.records}
    assert reasons["opted_out"] == 1, "a STOP by text ends texts"
    assert reasons["holdout"] > 0


def without_holdout(*given: Any, **named: Any) -> CallList:
    return build_call_list(*given, **named | {"holdout": set()})


@pytest.mark.parametrize("forgets", [False, True])
def test_a_list_with_a_person_of_the_holdout_does_not_pass_its_check(home, sending_home, monkeypatch, forgets) -> None:
    graph = ApplicationGraph(home.platform.of_application(NAME).application)
    if forgets:
        monkeypatch.setattr(module, "build_call_list", without_holdout)
    run = dg.materialize(
        [*build_call_assets(graph), *build_call_checks(graph)],
        partition_key=sending_home.DAY.isoformat(),
        resources={"platform": home.platform},
        selection=[graph.calls],
        raise_on_error=False,
    )
    (verdict,) = run.get_asset_check_evaluations()
    assert verdict.passed is not forgets
    assert (verdict.metadata["called_holdout_users"].value > 0) is forgets


def test_no_list_is_made_on_other_days_or_of_a_day_that_is_not_sound(home, sending_home) -> None:
    other = sending_home.DAY + timedelta(days=2)
    home.prepare(other)
    assert home.plan(other, NAME).metadata == {"dagster/row_count": 0, "planned_on": "Tuesday, Wednesday"}
    with pytest.raises(GateClosedError, match="is over"):
        home.plan(application=NAME)
