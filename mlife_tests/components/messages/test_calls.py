"""The list of calls on real parts: who is on it, who is not, what is kept of it."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.adapters.employer_reviews import review_employers
from mlife_assets.adapters.model_registry import ModelRegistry
from mlife_assets.adapters.people_file import OwnersContacts
from mlife_assets.components.graph.application_graph import ApplicationGraph
from mlife_assets.components.messages import calls as module
from mlife_assets.components.messages.calls import CALLS_TABLE, build_call_assets, build_call_checks, call_day
from mlife_assets.components.predictions.entity_scores import SCORES_TABLE
from mlife_assets.core.errors import GateClosedError, IntegrityError
from mlife_assets.core.monitoring.reports import MonitoringReport
from mlife_assets.core.windows import run_time
from mlife_assets.deployments.times import RealTimes
from mlife_assets.recruiting.application import Application, Audience, Channel
from mlife_assets.recruiting.applications import job_of_the_day
from mlife_assets.recruiting.messaging.keywords import STOP, STOP_ALL
from mlife_assets.recruiting.places import call_list_key
from mlife_assets.recruiting.policies import CallPolicy, Policies
from mlife_assets.recruiting.ports import Inbound
from mlife_assets.recruiting.recruiter_call_list.call_list import CallList, build_call_list

NAME = "calls"
FEW = CallPolicy(recruiters=("Ann", "Bob"), calls_per_recruiter=7, minimum_days_between_calls=1)


def calls(policies: Policies) -> Application:
    return replace(job_of_the_day(policies), name=NAME, title="Calls", channel=Channel.CALL, weekdays=(1, 2), calls=FEW)


def with_calls(policies: Policies, policy: CallPolicy) -> Application:
    return replace(calls(policies), calls=policy)


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


@pytest.mark.parametrize("word", [STOP, STOP_ALL])
def test_nobody_who_said_stop_by_text_or_to_everything_is_called(home, sending_home, word) -> None:
    day, following = sending_home.DAY, sending_home.DAY + timedelta(days=1)
    home.plan(application=NAME)
    before = {row["user_id"] for row in listed(home, day)}
    for user in before:
        home.say(user, word)
    home.prepare(following)
    made = home.plan(following, NAME)
    after = {row["user_id"] for row in listed(home, following)}
    assert after
    assert before.isdisjoint(after)
    reasons = not_called(made)
    assert reasons["opted_out"] == len(before)
    assert reasons["holdout"] > 0


def test_a_stop_that_nobody_has_read_yet_counts(home, sending_home) -> None:
    day = sending_home.DAY
    home.plan(application=NAME)
    (first, *_) = listed(home, day)
    at = home.platform.sending_time(day)
    said = [Inbound("in-1", first["user_id"], "stop", at - timedelta(minutes=1))]
    home.platform.gateway.inbound = lambda *, until, since=None: said
    home.plan(application=NAME)
    assert first["user_id"] not in {row["user_id"] for row in listed(home, day)}


def test_a_stop_that_is_said_after_the_nominal_time_of_a_list_counts_where_time_is_real(home, sending_home) -> None:
    day = sending_home.DAY
    home.plan(application=NAME)
    (first, *_) = listed(home, day)
    clock = SimulatedClock(home.platform.planning_time(day) + timedelta(minutes=30))
    vars(home.platform)["deployment"] = replace(home.platform.deployment, times=RealTimes(clock))
    said = [Inbound("in-1", first["user_id"], "stop", clock.now() - timedelta(minutes=1))]
    home.platform.gateway.inbound = lambda *, until, since=None: said
    home.plan(application=NAME)
    assert first["user_id"] not in {row["user_id"] for row in listed(home, day)}


def test_without_a_contact_book_there_is_no_list(home, sending_home) -> None:
    vars(home.platform)["contacts"] = OwnersContacts(None)
    with pytest.raises(GateClosedError, match="MLIFE_CONTACTS names no contact book"):
        call_day(home.platform.of_application(NAME), sending_home.DAY)


def test_a_lost_ledger_makes_no_list(home, sending_home) -> None:
    home.plan()
    home.send()
    (one, *_) = listed_after(home)
    home.say(one, STOP_ALL)
    home.lose_ledger()
    with pytest.raises(IntegrityError):
        home.plan(application=NAME)


def listed_after(home: Any) -> list[str]:
    return [row.user_id for row in home.platform.ledger.rows()]


def test_a_day_that_is_made_again_logs_the_other_list_beside_the_first(home, sending_home) -> None:
    day = sending_home.DAY
    home.plan(application=NAME)
    first = [row["user_id"] for row in listed(home, day)]
    home.say(first[0], STOP_ALL, day - timedelta(days=1))
    home.plan(application=NAME)
    second = [row["user_id"] for row in listed(home, day)]
    assert first[0] not in second
    logged = home.platform.event_log.read("call_planned").to_pylist()
    by_list: dict[str, set[str]] = {}
    for row in logged:
        by_list.setdefault(row["list_id"], set()).add(row["user_id"])
    assert sorted(map(sorted, by_list.values())) == sorted([sorted(first), sorted(second)])
    assert len({row["event_id"] for row in logged}) == len(logged) == len(first) + len(second)
    kept = home.platform.of_application(NAME).application_tables.read(CALLS_TABLE, day)["user_id"].to_pylist()
    assert sorted(kept) == sorted(second)


def test_who_was_on_a_list_is_left_alone_for_a_while(open_home, sending_home) -> None:
    for gap, again in ((1, True), (2, False)):
        apart = replace(FEW, calls_per_recruiter=20, minimum_days_between_calls=gap)
        seldom = partial(with_calls, policy=apart)
        home = open_home(f"gap_{gap}", declared=(job_of_the_day, seldom))
        for day in (sending_home.DAY, sending_home.DAY + timedelta(days=1)):
            home.prepare(day)
            made = home.plan(day, NAME)
        assert bool(listed(home, day)) is again
        assert not_called(made) == ({} if again else {"called_recently": sending_home.USERS})


def test_only_who_agreed_and_has_a_number_is_called(home, sending_home) -> None:
    day = sending_home.DAY
    users = home.platform.warehouse.read("user_features", as_of=day)["user_id"].to_pylist()
    refused, unreachable = users[:10], users[10:20]
    home.change_users("is_consented", False, refused)
    numbers = home.platform.contacts.phone_numbers
    home.platform.contacts.phone_numbers = lambda ids: {
        user: None if user in unreachable else number for user, number in numbers(ids).items()
    }
    made = home.plan(application=NAME)
    on_list = {row["user_id"] for row in listed(home, day)}
    assert on_list
    assert on_list.isdisjoint({*refused, *unreachable})
    assert not_called(made)["no_call_consent"] == len(refused)


def test_a_job_that_may_not_be_spoken_of_gives_way_to_the_next_best(home, sending_home) -> None:
    day = sending_home.DAY
    home.change_job("j1", "Cook at evil.example")
    home.plan(application=NAME)
    rows = listed(home, day)
    assert rows
    assert "j1" not in {row["job_id"] for row in rows}
    assert "j2" in {row["job_id"] for row in rows}, "of whom j1 suited best and j2 next"


def test_a_refused_employer_is_on_no_list(home, sending_home) -> None:
    decision = {"day": sending_home.DAY, "actor": "ann", "reason": "a trick", "now": run_time(sending_home.DAY)}
    review_employers(home.platform.event_log, [sending_home.EMPLOYER], "refused", **decision)
    assert home.plan(application=NAME).metadata["dagster/row_count"] == 0


def test_an_audience_is_chosen_by_its_newest_scores_that_are_not_too_old(open_home, sending_home, monkeypatch) -> None:
    asked = Audience("churn_risk", 0.5, maximum_age_days=2)
    home = open_home(declared=(job_of_the_day, lambda policies: replace(calls(policies), audience=asked)))
    day, view = sending_home.DAY, home.platform.of_model("churn_risk")
    home.prepare(day)
    users = home.platform.warehouse.read("user_features", as_of=day)["user_id"].to_pylist()
    away = pa.table({"user_id": users, "days_since_last_seen": [float(place) for place in range(len(users))]})
    monkeypatch.setattr(module, "rows_to_score", lambda *_: SimpleNamespace(rows=lambda _: away))

    def scored(ago: int, chosen: list[str]) -> None:
        probability = [0.5 if user in chosen else 0.49 for user in users]
        scores = pa.table({"user_id": users, "probability": probability})
        view.model_tables.write(SCORES_TABLE, day - timedelta(days=ago), scores if chosen else scores.slice(0, 0))

    def chosen_today() -> set[str]:
        home.plan(application=NAME)
        return {row["user_id"] for row in listed(home, day)}

    scored(3, users)
    assert chosen_today() == set(), "three days are too old"
    scored(2, users[:4])
    scored(1, users[4:8])
    scored(0, [])
    assert chosen_today() == set(users[4:8]), "the newest that scored somebody"
    absences = {row["user_id"]: row["absence"] for row in listed(home, day)}
    assert absences == {user: f"last seen {place} days ago" for place, user in enumerate(users[4:8], 4)}
    said = home.plan(application=NAME).metadata["audience"]
    assert said == f"4 of 30 people with at least 50% by churn_risk on {day - timedelta(days=1)}."


def not_called(made: Any) -> dict[str, int]:
    found = made.metadata["not_called"]
    return (
        {}
        if not hasattr(found, "value") or isinstance(found.value, str)
        else {one.data["reason"]: one.data["users"] for one in found.value.records}
    )


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


def test_no_list_is_made_on_other_days_or_of_a_day_that_is_not_sound(home, sending_home, monkeypatch) -> None:
    other = sending_home.DAY + timedelta(days=2)
    home.prepare(other)
    assert home.plan(other, NAME).metadata == {"dagster/row_count": 0, "planned_on": "Tuesday, Wednesday"}
    with pytest.raises(GateClosedError, match="is over"):
        home.plan(application=NAME)
    third = sending_home.DAY + timedelta(days=8)
    home.prepare(third)
    fault = MonitoringReport("data_quality_report", third, None, 1, "not_enough_evidence", (), "Not sound.")
    home.platform.write_monitoring_report("data_quality_report", third, fault)
    monkeypatch.setattr(ModelRegistry, "champion_at", lambda *_: "mdl_1")
    with pytest.raises(GateClosedError, match=f"data quality of {third} is not sound"):
        home.plan(third, NAME)
