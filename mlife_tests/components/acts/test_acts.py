"""What people decide, their jobs and their calls: bound to what they saw, kept with who and why."""

from __future__ import annotations

import csv
import io
import shutil
from dataclasses import replace
from datetime import timedelta
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import dagster as dg
import pyarrow as pa
import pytest
import yaml

from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.adapters.employer_reviews import review_employers
from mlife_assets.adapters.model_registry import ModelRegistry
from mlife_assets.adapters.owners_table import OwnersContacts
from mlife_assets.components.acts.acts import (
    ACT_JOBS,
    approve_plan,
    newest_plan,
    plan_standing,
    reject_plan,
    switch_sending,
)
from mlife_assets.components.acts.rollback import roll_back
from mlife_assets.components.graph import keys
from mlife_assets.components.graph.application_graph import ApplicationGraph
from mlife_assets.components.messages import calls as module
from mlife_assets.components.messages import planning
from mlife_assets.components.messages.calls import CALLS_TABLE, build_call_assets, build_call_checks, call_day
from mlife_assets.components.messages.delivery import APPROVE_JOB, APPROVE_OP, deliver, delivery_metadata
from mlife_assets.components.messages.sending import require_known_ledger
from mlife_assets.components.predictions.entity_scores import SCORES_TABLE
from mlife_assets.components.shown.present import operator_time
from mlife_assets.core.errors import GateClosedError, IntegrityError, InvalidInputError, NotFoundError
from mlife_assets.core.monitoring.quality import REPORT as QUALITY_REPORT
from mlife_assets.core.monitoring.reports import MonitoringReport
from mlife_assets.core.windows import add_days, run_time
from mlife_assets.deployments.backup import bring_forward
from mlife_assets.deployments.sealing import seal
from mlife_assets.deployments.times import RealTimes
from mlife_assets.recruiting.application import Application, Audience, Channel
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.messaging.approve import APPROVED_BY_POLICY, Rejection
from mlife_assets.recruiting.messaging.events import rejection_events
from mlife_assets.recruiting.messaging.replies import STOP, STOP_ALL
from mlife_assets.recruiting.places import call_list_key
from mlife_assets.recruiting.policies import CallPolicy, Policies
from mlife_assets.recruiting.ports import Inbound
from mlife_assets.recruiting.recruiter_call_list.call_list import CallList, build_call_list

WHO = {"actor": "ann", "reason": "read all of it"}
NAME = "calls"
FEW = CallPolicy(recruiters=("Ann", "Bob"), calls_per_recruiter=7, minimum_days_between_calls=1)


@pytest.fixture(scope="module")
def planned(sending_home, tmp_path_factory) -> Path:
    """Return the folder, to be copied, of a home whose plan waits for a person."""
    folder = tmp_path_factory.mktemp("planned")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "log_predictions", lambda *_, **__: 0)
        home = sending_home.SendingHome(folder, policy=replace(sending_home.POLICY, auto_approve_within_limits=False))
        home.prepare(sending_home.DAY)
        home.plan()
        home.platform.ledger.close()
    return folder


@pytest.fixture
def waiting(open_home, sending_home, planned, tmp_path) -> Any:
    shutil.copytree(planned, tmp_path / "waiting")
    return open_home("waiting", policy=replace(sending_home.POLICY, auto_approve_within_limits=False))


def digest(home: Any) -> str:
    return plan_standing(home.platform).digest


def test_a_plan_waits_until_a_person_approves_it_and_is_then_sent_by_materializing(waiting) -> None:
    standing = plan_standing(waiting.platform)
    assert (standing.state, standing.actor, standing.sends) == ("waits", None, {})
    assert standing.why_not == (
        "auto_approve_within_limits is off, so a person decides: `mlife plan show`, or approve_plan_job in the UI",
    )
    assert waiting.send().metadata["why_not"].startswith("auto_approve_within_limits is off")
    assert not waiting.requests()
    approval = approve_plan(waiting.platform, standing.digest[:12], **WHO)
    assert not waiting.requests(), "an approval sends nothing by itself"
    (event,) = waiting.platform.event_log.read("plan_approved").to_pylist()
    assert (event["approved_by"], event["reason"], event["plan_digest"]) == ("ann", "read all of it", standing.digest)
    assert waiting.send().metadata["approved"] is True
    assert set(waiting.requests().values()) == {1}
    assert len(waiting.requests()) == approval.planned_count == standing.plan.planned.num_rows
    after = plan_standing(waiting.platform)
    assert (after.state, after.actor, after.reason) == ("approved", "ann", "read all of it")
    assert sum(after.sends.values()) == approval.planned_count
    waiting.send()
    assert set(waiting.requests().values()) == {1}
    assert len(waiting.platform.event_log.read("plan_approved")) == 1


def test_approving_again_changes_nothing_and_by_another_says_who_did(waiting) -> None:
    for words in ("read all of it", "read all of it", "other words"):
        approval = approve_plan(waiting.platform, digest(waiting), actor="ann", reason=words)
        assert approval.reason == WHO["reason"], "the first words stay"
    assert [row["reason"] for row in waiting.platform.event_log.read("plan_approved").to_pylist()] == [WHO["reason"]]
    with pytest.raises(GateClosedError, match="was approved by ann already"):
        approve_plan(waiting.platform, digest(waiting), actor="bob", reason="me too")


def test_only_the_plan_that_was_looked_at_is_decided_about_by_somebody_who_says_why(waiting) -> None:
    for act in (approve_plan, reject_plan):
        with pytest.raises(GateClosedError, match="look at it again"):
            act(waiting.platform, "0" * 64, **WHO)
        with pytest.raises(InvalidInputError, match="is too short; give 12 characters or more"):
            act(waiting.platform, digest(waiting)[:11], **WHO)
        for words in ({"actor": " ", "reason": "r"}, {"actor": "ann", "reason": ""}):
            with pytest.raises(InvalidInputError, match="is empty"):
                act(waiting.platform, digest(waiting), **words)
    with pytest.raises(InvalidInputError, match="only the policy is called so"):
        approve_plan(waiting.platform, digest(waiting), actor=APPROVED_BY_POLICY, reason="r")
    assert plan_standing(waiting.platform).state == "waits"


def test_a_rejected_plan_is_never_sent(waiting, sending_home) -> None:
    named = digest(waiting)
    first = reject_plan(waiting.platform, named, actor="ann", reason="the wording is off")
    assert reject_plan(waiting.platform, named, actor="bob", reason="late") == first, "the first rejection holds"
    (event,) = waiting.platform.event_log.read("plan_rejected").to_pylist()
    assert (event["actor"], event["reason"], event["plan_digest"]) == ("ann", "the wording is off", named)
    standing = plan_standing(waiting.platform)
    assert (standing.state, standing.actor, standing.reason) == ("rejected", "ann", "the wording is off")
    with pytest.raises(GateClosedError, match="was rejected by ann: the wording is off"):
        approve_plan(waiting.platform, named, **WHO)
    waiting.policy = sending_home.POLICY  # the policy would approve it
    waiting.reopen()
    waiting.plan()
    assert "ann rejected it: the wording is off" in waiting.send().metadata["why_not"]
    assert not waiting.requests()


def test_another_plan_of_the_day_can_be_approved_after_a_rejection(waiting, sending_home) -> None:
    reject_plan(waiting.platform, digest(waiting), actor="ann", reason="too many")
    waiting.policy = replace(waiting.policy, maximum_messages_per_day=5)
    waiting.reopen()
    waiting.plan()
    approve_plan(waiting.platform, digest(waiting), **WHO)
    waiting.send()
    assert len(waiting.requests()) == 5


def test_no_person_approves_what_breaks_a_limit(waiting, sending_home) -> None:
    platform, named = waiting.platform, digest(waiting)
    report = platform.of_model().reports.read(QUALITY_REPORT, sending_home.DAY)
    platform.of_model().reports.write(QUALITY_REPORT, sending_home.DAY, replace(report, status="not_enough_evidence"))
    with pytest.raises(GateClosedError, match="data quality failed"):
        approve_plan(platform, named, **WHO)
    platform.of_model().reports.write(QUALITY_REPORT, sending_home.DAY, report)
    approve_plan(platform, named, **WHO)
    platform.of_model().reports.write(QUALITY_REPORT, sending_home.DAY, replace(report, status="not_enough_evidence"))
    assert "data quality failed" in waiting.send().metadata["why_not"], "limits hold after the approval, too"
    assert not waiting.requests()


def test_a_plan_of_a_day_that_is_over_is_not_approved(waiting, sending_home) -> None:
    named = digest(waiting)
    waiting.platform.tables.write_report("ingest", add_days(sending_home.DAY, 1), {"types": []})
    assert plan_standing(waiting.platform).state == "over"
    with pytest.raises(GateClosedError, match=f"{sending_home.DAY} is over"):
        approve_plan(waiting.platform, named, **WHO)


def test_a_ledger_that_lost_a_decision_sends_nothing_and_is_brought_forward(waiting, sending_home) -> None:
    """Rejections are known to the log, so neither a lost nor an older ledger forgets one."""
    first = reject_plan(waiting.platform, digest(waiting), actor="ann", reason="the wording is off")
    waiting.sql("DELETE FROM rejections")
    with pytest.raises(IntegrityError, match=r"the rejection of pln_[0-9a-f]+ is unknown to it"):
        require_known_ledger(waiting.platform, sending_home.DAY)
    assert bring_forward(waiting.platform.home, now=operator_time(waiting.platform.of_model())).approvals == 1
    require_known_ledger(waiting.platform, sending_home.DAY)
    assert waiting.platform.ledger.approvals.rejection(first.plan_digest) == first


def test_a_ledger_that_forgot_an_approval_takes_no_rejection(waiting, sending_home) -> None:
    approve_plan(waiting.platform, digest(waiting), **WHO)
    waiting.sql("DELETE FROM approvals")
    with pytest.raises(IntegrityError, match=r"the approval of pln_[0-9a-f]+ .* is unknown to it"):
        reject_plan(waiting.platform, digest(waiting), **WHO)
    assert len(waiting.platform.event_log.read("plan_rejected")) == 0


def test_a_log_that_holds_both_keeps_the_approval_and_the_ledger_is_brought_forward(waiting, sending_home) -> None:
    """A rejection that an earlier version took on a ledger that had lost the approval."""
    platform, plan = waiting.platform, newest_plan(waiting.platform)
    approval = approve_plan(platform, digest(waiting), **WHO)
    rejection = Rejection(plan.plan_id, plan.campaign, plan.as_of_date, digest(waiting), "bob", "no")
    platform.event_log.append(
        "plan_rejected", rejection_events(rejection, now=operator_time(platform.of_model())), writer="test"
    )
    seal(platform.home)
    waiting.sql("DELETE FROM approvals")
    assert bring_forward(platform.home, now=operator_time(platform.of_model())).approvals == 1
    require_known_ledger(platform, sending_home.DAY)
    assert platform.ledger.approvals.of_day(plan.campaign, plan.as_of_date).plan_digest == approval.plan_digest
    assert platform.ledger.approvals.rejection(digest(waiting)) is None


def test_a_rejection_that_could_not_be_published_is_published_by_the_next_look(waiting, monkeypatch) -> None:
    platform = waiting.platform
    with monkeypatch.context() as broken:
        broken.setattr(
            "mlife_assets.components.acts.acts.publish_rejection", lambda *_: (_ for _ in ()).throw(OSError("full"))
        )
        with pytest.raises(OSError, match="full"):
            reject_plan(platform, digest(waiting), **WHO)
    assert len(platform.event_log.read("plan_rejected")) == 0
    for _ in range(2):
        assert "ann rejected it" in waiting.send().metadata["why_not"]
    (event,) = platform.event_log.read("plan_rejected").to_pylist()
    assert (event["actor"], event["plan_digest"]) == ("ann", digest(waiting))


def test_a_plan_without_texts_is_not_rejected(waiting) -> None:
    """All empty plans have one digest, so its rejection would be that of every later one."""
    waiting.policy = replace(waiting.policy, maximum_messages_per_day=0)
    waiting.reopen()
    waiting.plan()
    with pytest.raises(InvalidInputError, match="has no texts, so there is nothing to reject"):
        reject_plan(waiting.platform, digest(waiting), **WHO)


def test_without_a_plan_there_is_nothing_to_decide(home) -> None:
    for file in (home.path / "lake/reports/message_plan").rglob("report.json"):
        file.unlink()
    with pytest.raises(NotFoundError, match="no plan was made yet"):
        newest_plan(home.platform)


def test_sending_is_switched_once_and_asking_again_changes_nothing(home) -> None:
    platform = home.platform
    at = operator_time(platform.of_model())
    assert switch_sending(platform, pauses=True, **WHO).at == at
    assert platform.ledger.switches.is_paused()
    assert switch_sending(platform, pauses=True, **WHO).at is None
    assert [(row["actor"], row["reason"]) for row in home.events("sending_paused")] == [("ann", "read all of it")]
    assert switch_sending(platform, pauses=False, **WHO).at is not None
    assert not platform.ledger.switches.is_paused()


def test_a_rollback_says_who_served_and_who_does(home) -> None:
    with pytest.raises(GateClosedError, match="look at it again"):
        roll_back(home.platform.of_model(), serving="mdl_other", **WHO)
    assert home.events("model_rolled_back") == []
    done = roll_back(home.platform.of_model(), **WHO)
    assert (done.model_version, done.previous_version) == home.champions
    assert home.platform.of_model().registry.champion() == home.champions[0]
    assert [(row["actor"], row["reason"]) for row in home.events("model_rolled_back")] == [("ann", "read all of it")]
    with pytest.raises(GateClosedError, match=f"{home.champions[0]} is the only champion so far"):
        roll_back(home.platform.of_model(), **WHO)


def run(instance: dg.DagsterInstance, platform: Any, job: str, op: str, **config: str) -> dg.ExecuteInProcessResult:
    definitions = dg.Definitions(jobs=ACT_JOBS, resources={"platform": platform})
    return definitions.resolve_job_def(job).execute_in_process(
        instance=instance, run_config={"ops": {op: {"config": {**WHO, **config}}}}, raise_on_error=False
    )


def test_no_job_runs_without_somebody_s_name_and_reason() -> None:
    for job, missing in product(ACT_JOBS, ("actor", "reason")):
        config = {"plan_digest": "d" * 64} if "plan" in job.name else {}
        config |= {"serving": "mdl_1234"} if job.name == "rollback_job" else {}
        config |= {name: value for name, value in WHO.items() if name != missing}
        (op,) = job.graph.node_names()
        with pytest.raises(dg.DagsterInvalidConfigError, match=missing):
            dg.validate_run_config(job, {"ops": {op: {"config": config}}})


def test_approving_records_the_deliveries_of_the_day_as_the_asset_does(instance, waiting, sending_home) -> None:
    digest = plan_standing(waiting.platform).digest
    refused = run(instance, waiting.platform, APPROVE_JOB, APPROVE_OP, plan_digest="0" * 64)
    assert not refused.success
    assert instance.get_latest_materialization_event(keys.MESSAGE_DELIVERIES) is None
    link = delivery_metadata(waiting.platform, deliver(waiting.platform, sending_home.DAY))["approve"].value
    filled = yaml.safe_load(unquote(link.split("config=")[1].rstrip(")")))
    given = filled["ops"][APPROVE_OP]["config"]
    assert (given.pop("actor"), given.pop("reason")) == ("", ""), "a name and a reason are a person's"
    assert given == {"application": "job_of_the_day", "plan_digest": digest}
    assert run(instance, waiting.platform, APPROVE_JOB, APPROVE_OP, plan_digest=digest).success
    made = instance.get_latest_materialization_event(keys.MESSAGE_DELIVERIES).asset_materialization
    assert made.partition == sending_home.DAY.isoformat()
    shown = {name: value.value for name, value in made.metadata.items()}
    assert (shown["approved"], shown["approved_by"], shown["reason"]) == (True, *WHO.values())
    assert shown["dagster/row_count"] == len(waiting.requests()) > 10


def test_each_of_the_other_jobs_acts(instance, waiting, home) -> None:
    digest = plan_standing(waiting.platform).digest
    assert run(instance, waiting.platform, "reject_plan_job", "reject_plan", plan_digest=digest).success
    assert plan_standing(waiting.platform).state == "rejected"
    platform = home.platform
    assert run(instance, platform, "pause_sending_job", "pause_sending").success
    assert platform.ledger.switches.is_paused()
    assert run(instance, platform, "resume_sending_job", "resume_sending").success
    assert not platform.ledger.switches.is_paused()
    serving = {"serving": home.champions[1][:8]}
    assert run(instance, platform, "rollback_job", "roll_back_model", **serving).success
    assert platform.of_model().registry.champion() == home.champions[0]
    again = run(instance, platform, "rollback_job", "roll_back_model", **serving)
    assert not again.success, "launched again, it would go one further back"
    assert platform.of_model().registry.champion() == home.champions[0]


def test_an_approval_whose_texts_are_all_held_back_is_a_failed_run(instance, waiting) -> None:
    switch_sending(waiting.platform, pauses=True, actor="bob", reason="storm")
    digest = plan_standing(waiting.platform).digest
    failed = run(instance, waiting.platform, APPROVE_JOB, APPROVE_OP, plan_digest=digest)
    (failure,) = [event for event in failed.all_events if event.is_step_failure]
    assert "none of its texts was sent: paused" in failure.step_failure_data.error.message
    assert plan_standing(waiting.platform).state == "approved"
    assert not waiting.requests()
    made = instance.get_latest_materialization_event(keys.MESSAGE_DELIVERIES).asset_materialization
    assert made.metadata["stopped_by"].value == "paused"


def calls(policies: Policies) -> Application:
    return replace(job_of_the_day(policies), name=NAME, title="Calls", channel=Channel.CALL, weekdays=(1, 2), calls=FEW)


@pytest.fixture
def list_home(open_home, sending_home) -> Any:
    found = open_home(declared=(job_of_the_day, calls), contact=replace(sending_home.CONTACT, holdout_share=0.2))
    found.prepare(sending_home.DAY)
    return found


def listed(home: Any, day: Any) -> list[dict[str, str]]:
    content = home.platform.lake.get(call_list_key(NAME, day, "csv")).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(content)))


def test_the_list_is_logged_and_kept_as_table_file_and_page(list_home, sending_home) -> None:
    day, made = sending_home.DAY, list_home.plan(application=NAME)
    rows = listed(list_home, day)
    assert made.metadata["dagster/row_count"] == len(rows) == 14
    assert {row["recruiter"] for row in rows} == {"Ann", "Bob"}
    assert all(row["why"].startswith("the kind of work they do, close to them") for row in rows)
    logged = list_home.platform.event_log.read("call_planned").to_pylist()
    in_order = sorted(logged, key=lambda row: (row["recruiter"], row["position"]))
    assert [(row["user_id"], row["job_id"]) for row in in_order] == [(row["user_id"], row["job_id"]) for row in rows]
    assert {row["prediction_id"] for row in logged} == {f"prd_{row['user_id']}_{row['job_id']}" for row in rows}
    page = list_home.platform.lake.get(call_list_key(NAME, day, "html")).decode()
    assert all(row["user_id"] in page for row in rows)
    numbers = list_home.platform.home.messengers.contacts.phone_numbers([row["user_id"] for row in rows]).values()
    assert not any(number in page for number in numbers if number)
    assert list_home.plan(application=NAME).metadata["dagster/row_count"] == 14
    assert list_home.platform.event_log.read("call_planned").num_rows == 14, "making it again adds nothing"


@pytest.mark.parametrize("word", [STOP, STOP_ALL])
def test_nobody_who_said_stop_by_text_or_to_everything_is_called(list_home, sending_home, word) -> None:
    day, following = sending_home.DAY, sending_home.DAY + timedelta(days=1)
    list_home.plan(application=NAME)
    before = {row["user_id"] for row in listed(list_home, day)}
    for user in before:
        list_home.say(user, word)
    list_home.prepare(following)
    made = list_home.plan(following, NAME)
    after = {row["user_id"] for row in listed(list_home, following)}
    assert after
    assert before.isdisjoint(after)
    reasons = not_called(made)
    assert reasons["opted_out"] == len(before)
    assert reasons["holdout"] > 0


@pytest.mark.parametrize("is_real", [False, True])
def test_a_stop_that_nobody_has_read_yet_counts(list_home, sending_home, is_real) -> None:
    """Also one that is said after the nominal time of the list, where time is real."""
    day = sending_home.DAY
    list_home.plan(application=NAME)
    (first, *_) = listed(list_home, day)
    at = list_home.platform.home.times.sending(day)
    if is_real:
        at = list_home.platform.home.times.planning(day) + timedelta(minutes=30)
        times = RealTimes(SimulatedClock(at))
        vars(list_home.platform.home)["deployment"] = replace(list_home.platform.deployment, times=times)
    said = [Inbound("in-1", first["user_id"], "stop", at - timedelta(minutes=1))]
    list_home.platform.home.messengers.texts.inbound = lambda *, until, since=None: said
    list_home.plan(application=NAME)
    assert first["user_id"] not in {row["user_id"] for row in listed(list_home, day)}


def test_without_a_contact_book_there_is_no_list(list_home, sending_home) -> None:
    vars(list_home.platform.home.messengers)["contacts"] = OwnersContacts(None)
    with pytest.raises(GateClosedError, match="MLIFE_CONTACTS names no contact book"):
        call_day(list_home.platform.of_application(NAME), sending_home.DAY)


def test_a_lost_ledger_makes_no_list(list_home, sending_home) -> None:
    list_home.plan()
    list_home.send()
    list_home.say(list_home.platform.ledger.sends.rows()[0].user_id, STOP_ALL)
    list_home.lose_ledger()
    with pytest.raises(IntegrityError):
        list_home.plan(application=NAME)


def test_a_day_that_is_made_again_logs_the_other_list_beside_the_first(list_home, sending_home) -> None:
    day = sending_home.DAY
    list_home.plan(application=NAME)
    first = [row["user_id"] for row in listed(list_home, day)]
    list_home.say(first[0], STOP_ALL, day - timedelta(days=1))
    list_home.plan(application=NAME)
    second = [row["user_id"] for row in listed(list_home, day)]
    assert first[0] not in second
    logged = list_home.platform.event_log.read("call_planned").to_pylist()
    by_list: dict[str, set[str]] = {}
    for row in logged:
        by_list.setdefault(row["list_id"], set()).add(row["user_id"])
    assert sorted(map(sorted, by_list.values())) == sorted([sorted(first), sorted(second)])
    assert len({row["event_id"] for row in logged}) == len(logged) == len(first) + len(second)
    kept = list_home.platform.of_application(NAME).application_tables.read(CALLS_TABLE, day)["user_id"].to_pylist()
    assert sorted(kept) == sorted(second)


def test_who_was_on_a_list_is_left_alone_for_a_while(open_home, sending_home) -> None:
    for gap, again in ((1, True), (2, False)):
        apart = replace(FEW, calls_per_recruiter=20, minimum_days_between_calls=gap)
        declared = (job_of_the_day, lambda policies, apart=apart: replace(calls(policies), calls=apart))
        home = open_home(f"gap_{gap}", declared=declared)
        for day in (sending_home.DAY, sending_home.DAY + timedelta(days=1)):
            home.prepare(day)
            made = home.plan(day, NAME)
        assert bool(listed(home, day)) is again
        assert not_called(made) == ({} if again else {"called_recently": sending_home.USERS})


def test_only_who_agreed_and_has_a_number_is_called(list_home, sending_home) -> None:
    day = sending_home.DAY
    users = list_home.platform.warehouse.read("user_features", as_of=day)["user_id"].to_pylist()
    refused, unreachable = users[:10], users[10:20]
    list_home.change_users("is_consented", False, refused)
    numbers = list_home.platform.home.messengers.contacts.phone_numbers
    list_home.platform.home.messengers.contacts.phone_numbers = lambda ids: {
        user: None if user in unreachable else number for user, number in numbers(ids).items()
    }
    made = list_home.plan(application=NAME)
    on_list = {row["user_id"] for row in listed(list_home, day)}
    assert on_list
    assert on_list.isdisjoint({*refused, *unreachable})
    assert not_called(made)["no_call_consent"] == len(refused)


def test_a_job_that_may_not_be_spoken_of_gives_way_to_the_next_best(list_home, sending_home) -> None:
    day = sending_home.DAY
    list_home.change_job("j1", "Cook at evil.example")
    list_home.plan(application=NAME)
    rows = listed(list_home, day)
    assert rows
    assert "j1" not in {row["job_id"] for row in rows}
    assert "j2" in {row["job_id"] for row in rows}, "of whom j1 suited best and j2 next"


def test_a_refused_employer_is_on_no_list(list_home, sending_home) -> None:
    decision = {"day": sending_home.DAY, "actor": "ann", "reason": "a trick", "now": run_time(sending_home.DAY)}
    review_employers(list_home.platform.event_log, [sending_home.EMPLOYER], "refused", **decision)
    assert list_home.plan(application=NAME).metadata["dagster/row_count"] == 0


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
def test_a_list_with_a_person_of_the_holdout_does_not_pass_its_check(
    list_home, sending_home, monkeypatch, forgets
) -> None:
    graph = ApplicationGraph(list_home.platform.of_application(NAME).application)
    if forgets:
        monkeypatch.setattr(module, "build_call_list", without_holdout)
    run = dg.materialize(
        [*build_call_assets(graph), *build_call_checks(graph)], partition_key=sending_home.DAY.isoformat(),
        resources={"platform": list_home.platform}, selection=[graph.calls], raise_on_error=False,
    )  # fmt: skip
    (verdict,) = run.get_asset_check_evaluations()
    assert verdict.passed is not forgets
    assert (verdict.metadata["called_holdout_users"].value > 0) is forgets


def test_no_list_is_made_on_other_days_or_of_a_day_that_is_not_sound(list_home, sending_home, monkeypatch) -> None:
    other = sending_home.DAY + timedelta(days=2)
    list_home.prepare(other)
    assert list_home.plan(other, NAME).metadata == {"dagster/row_count": 0, "planned_on": "Tuesday, Wednesday"}
    with pytest.raises(GateClosedError, match="is over"):
        list_home.plan(application=NAME)
    third = sending_home.DAY + timedelta(days=8)
    list_home.prepare(third)
    fault = MonitoringReport("data_quality_report", third, None, 1, "not_enough_evidence", (), "Not sound.")
    list_home.platform.of_model().reports.write("data_quality_report", third, fault)
    monkeypatch.setattr(ModelRegistry, "champion_at", lambda *_: "mdl_1")
    with pytest.raises(GateClosedError, match=f"data quality of {third} is not sound"):
        list_home.plan(third, NAME)
