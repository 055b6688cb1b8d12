"""What was approved is what is sent: whoever can write the lake cannot put words into a text.

The attack of row 3 (`tables/message_plan` overwritten after approval under the old plan id) and ways that the row does
not name: the report rewritten with it, a forged decision in the log, texts or jobs swapped between people, a title
changed after planning, a row of the ledger changed, a plan made again after its approval.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from mlife_assets.adapters.dispatcher import sending
from mlife_assets.components.messages.sending import PLAN_REPORT, PLANNED_TABLE, read_plan
from mlife_assets.core.errors import GateClosedError
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.ids import plan_id_of
from mlife_assets.recruiting.messaging.approve import approve
from mlife_assets.recruiting.messaging.binding import plan_digest
from mlife_assets.recruiting.messaging.job_wordings import word_jobs
from mlife_assets.recruiting.messaging.plan import MessagePlan
from mlife_tests.reviews import everybody_approved

DAY = date(2026, 6, 2)
EVIL = "Your parcel: evil.example/pay"


def with_columns(table: pa.Table, **columns: list[Any]) -> pa.Table:
    for name, values in columns.items():
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), pa.array(values, table.schema.field(name).type))
    return table


def evil(plan: MessagePlan) -> pa.Table:
    return with_columns(plan.planned, body=[EVIL] * plan.planned.num_rows)


def store(home: Any, plan: MessagePlan, planned: pa.Table, *, forges_id: bool, forges_log: bool) -> MessagePlan:
    """Overwrite the stored plan, as whoever can write the lake can; optionally make its id and the log fit."""
    platform, plan_id = home.platform, plan.plan_id
    if forges_id:
        names = {"messages": "message_id", "job_ids": "job_id", "bodies": "body"}
        columns = {key: planned[name].to_pylist() for key, name in names.items()}
        plan_id = plan_id_of(plan.campaign, DAY, plan.policy_version, **columns)
        planned = with_columns(planned, plan_id=[plan_id] * planned.num_rows)
        report = platform.tables.read_report(PLAN_REPORT, DAY)
        platform.tables.write_report(PLAN_REPORT, DAY, {**report, "plan_id": plan_id})
    platform.tables.write(PLANNED_TABLE, DAY, planned)
    if forges_log:
        log = platform.event_log
        (file,) = log.files("message_planned", start=DAY, end=DAY)
        rows = log.read_file(file)
        shared = [name for name in rows.column_names if name in planned.column_names]
        forged = with_columns(rows, **{name: planned[name].to_pylist() for name in shared})
        (home.folder / "lake" / file.key).unlink()
        log.append("message_planned", forged.cast(EVENT_TYPES["message_planned"].schema), writer="planner")
    return replace(plan, plan_id=plan_id, planned=planned)


def refused(home: Any) -> str:
    with pytest.raises(GateClosedError) as caught:
        home.send()
    return str(caught.value)


@pytest.fixture
def planned(home) -> MessagePlan:
    """Return the honest plan of a day that waits for approval in `home`."""
    home.prepare(DAY)
    home.plan()
    return read_plan(home.platform, DAY)


@pytest.mark.parametrize("forges_id", [False, True])
@pytest.mark.parametrize("forges_log", [False, True])
def test_a_plan_that_was_overwritten_before_approval_is_not_sent(home, planned, forges_id, forges_log):
    store(home, planned, evil(planned), forges_id=forges_id, forges_log=forges_log)
    assert "worded otherwise" in refused(home)
    assert not home.requests()
    assert home.platform.ledger.approval(planned.campaign, DAY) is None


def test_jobs_swapped_between_people_with_fitting_words_are_not_sent(home, planned):
    """Every text is one that the jobs give, plan id and log fit: only what the ledger noted tells."""
    jobs = list(reversed(planned.planned["job_id"].to_pylist()))
    platform = home.platform
    facts = platform.warehouse.read("job_features", as_of=DAY)
    worded, _ = word_jobs(
        facts, platform.policies.messaging, link_key=platform.link_key, reviews=everybody_approved(facts)
    )
    keys = planned.planned["message_id"].to_pylist()
    bodies = [worded[job].body(key) for job, key in zip(jobs, keys, strict=True)]
    items = [[{"position": 1, "job_id": job, "prediction_id": None}] for job in jobs]
    forged = with_columns(planned.planned, job_id=jobs, body=bodies, items=items)
    store(home, planned, forged, forges_id=True, forges_log=True)
    why = refused(home)
    assert "the ledger noted another plan" in why
    assert "worded otherwise" not in why
    assert not home.requests()


def test_a_plan_that_the_ledger_never_noted_is_not_sent_until_it_is_made_again(home, planned):
    """As release 0.1.0 leaves one that waits."""
    home.sql("DELETE FROM plans")
    assert "noted no plan of the day" in refused(home)
    assert not home.requests()
    assert home.refusal() == ""
    assert len(home.requests()) == planned.planned.num_rows


def test_a_plan_moved_to_another_channel_is_not_sent(home, planned):
    """Where people stopped texts and no mails, rows that claim to be mails would pass their STOP."""
    moved = with_columns(planned.planned, channel=["email"] * planned.planned.num_rows)
    store(home, planned, moved, forges_id=True, forges_log=True)
    assert "of another plan, campaign, day, policy or channel" in refused(home)
    assert not home.requests()


def test_a_title_changed_after_planning_is_not_sent(home, planned):
    home.change_job(planned.planned["job_id"][0].as_py(), "Parcel agent")
    assert "worded otherwise" in refused(home)
    assert not home.requests()


def test_a_decision_that_the_log_says_twice_is_not_sent(home, planned):
    log = home.platform.event_log
    rows = log.read("message_planned")
    forged = with_columns(rows, body=[EVIL] * rows.num_rows)
    log.append("message_planned", forged, writer="aaa")
    assert "not what the event log says" in refused(home)
    assert not home.requests()


@pytest.fixture
def cut_off(home, planned, sending_home) -> None:
    home.die_after(sends=7)
    with pytest.raises(sending_home.Killed):
        home.send()
    home.reopen()


@pytest.mark.parametrize("forges_id", [False, True])
def test_a_plan_that_was_overwritten_after_approval_sends_nothing_more(home, planned, cut_off, forges_id):
    store(home, planned, evil(planned), forges_id=forges_id, forges_log=forges_id)
    assert f"{planned.plan_id} was approved" in refused(home)
    assert len(home.requests()) == 7


def test_a_plan_that_was_overwritten_is_made_again_as_it_was_approved(home, planned, cut_off):
    store(home, planned, evil(planned), forges_id=False, forges_log=False)
    assert home.refusal() == ""
    assert max(home.requests().values()) == 1
    bodies = {row.body for row in home.platform.ledger.rows()}
    assert bodies == set(planned.planned["body"].to_pylist())


@pytest.mark.parametrize(
    "change",
    [
        f"UPDATE sends SET body = '{EVIL}' WHERE state = 'leased'",
        "UPDATE sends SET job_id = 'j0x' WHERE state = 'leased'",
        "UPDATE sends SET message_id = 'msg_' || message_id WHERE state = 'leased'",
    ],
)
def test_a_row_of_the_ledger_that_is_not_of_the_plan_closes_the_gate_for_all(
    home, planned, sending_home, change, monkeypatch
):
    """Also when its turn would come only after others were sent."""
    home.die_after(sends=7)
    with pytest.raises(sending_home.Killed):
        home.send()
    home.reopen()
    monkeypatch.setattr(sending, "CHUNK", 5)
    home.sql(f"{change} AND message_id = (SELECT max(message_id) FROM sends WHERE state = 'leased')")
    assert "not in the approved plan" in home.refusal()
    assert len(home.requests()) == 7


def test_planning_again_after_approval_keeps_what_was_approved(home, planned):
    home.send()
    texted = planned.planned["user_id"][0].as_py()
    ledger = home.platform.ledger
    ledger.suppress(texted, now=home.platform.run_time(DAY), reason="asked by post")
    home.change_job(planned.planned["job_id"][1].as_py(), "Parcel agent")
    again = home.plan()
    assert again.metadata["is_kept"] is True
    assert read_plan(home.platform, DAY).planned.equals(planned.planned)
    before = home.requests()
    assert home.refusal() == ""
    assert home.requests() == before
    assert home.platform.event_log.read("plan_approved")["plan_id"].to_pylist() == [planned.plan_id]


def test_planning_again_over_an_exchanged_plan_is_refused(home, planned):
    home.send()
    home.change_job(planned.planned["job_id"][1].as_py(), "Parcel agent")
    store(home, planned, evil(planned), forges_id=True, forges_log=False)
    with pytest.raises(GateClosedError, match="was approved"):
        home.plan()


def test_a_second_plan_of_an_approved_day_is_refused_and_the_log_carries_the_digest(home, planned):
    home.send()
    platform = home.platform
    approval = approve(planned, platform.application, platform.policies.contact, platform.gateway, is_quality_ok=True)
    assert not platform.ledger.record_approval(approval, now=platform.run_time(DAY))
    for other in (replace(approval, plan_id="pln_other"), replace(approval, plan_digest="0" * 64)):
        with pytest.raises(GateClosedError, match="a day has one plan"):
            platform.ledger.record_approval(other, now=platform.run_time(DAY))
    (row,) = platform.event_log.read("plan_approved").to_pylist()
    assert row["plan_digest"] == approval.plan_digest == plan_digest(planned.planned)
    recorded = platform.ledger.approval(planned.campaign, DAY)
    assert (recorded.plan_digest, recorded.planned_count) == (approval.plan_digest, planned.planned.num_rows)
