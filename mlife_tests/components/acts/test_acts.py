"""What people decide: bound to what they saw, kept with who and why, the same however it is asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mlife_assets.components.acts.acts import approve_plan, newest_plan, plan_standing, reject_plan, switch_sending
from mlife_assets.components.acts.rollback import roll_back
from mlife_assets.components.messages.sending import require_known_ledger
from mlife_assets.components.platform.deployment_backup import bring_forward
from mlife_assets.components.platform.sealing import seal
from mlife_assets.components.shown.present import operator_time
from mlife_assets.core.errors import GateClosedError, IntegrityError, InvalidInputError, NotFoundError
from mlife_assets.core.monitoring.quality import REPORT as QUALITY_REPORT
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.messaging.approve import APPROVED_BY_POLICY, Rejection
from mlife_assets.recruiting.messaging.events import rejection_events

WHO = {"actor": "ann", "reason": "read all of it"}


@pytest.fixture
def waiting(open_home, sending_home) -> Any:
    """Return a home whose plan waits for a person."""
    home = open_home(policy=replace(sending_home.POLICY, auto_approve_within_limits=False))
    home.prepare(sending_home.DAY)
    home.plan()
    return home


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
    approve_plan(waiting.platform, digest(waiting), **WHO)
    approve_plan(waiting.platform, digest(waiting), **WHO)
    assert len(waiting.platform.event_log.read("plan_approved")) == 1
    with pytest.raises(GateClosedError, match="was approved by ann already"):
        approve_plan(waiting.platform, digest(waiting), actor="bob", reason="me too")


def test_only_the_plan_that_was_looked_at_is_decided_about(waiting) -> None:
    for act in (approve_plan, reject_plan):
        with pytest.raises(GateClosedError, match="look at it again"):
            act(waiting.platform, "0" * 64, **WHO)
        with pytest.raises(InvalidInputError, match="is too short; give 12 characters or more"):
            act(waiting.platform, digest(waiting)[:11], **WHO)
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
    report = platform.read_monitoring_report(QUALITY_REPORT, sending_home.DAY)
    platform.write_monitoring_report(QUALITY_REPORT, sending_home.DAY, replace(report, status="not_enough_evidence"))
    with pytest.raises(GateClosedError, match="data quality failed"):
        approve_plan(platform, named, **WHO)
    platform.write_monitoring_report(QUALITY_REPORT, sending_home.DAY, report)
    approve_plan(platform, named, **WHO)
    platform.write_monitoring_report(QUALITY_REPORT, sending_home.DAY, replace(report, status="not_enough_evidence"))
    assert "data quality failed" in waiting.send().metadata["why_not"], "limits hold after the approval, too"
    assert not waiting.requests()


def test_nobody_approves_under_the_policy_s_name_or_without_saying_why(waiting) -> None:
    with pytest.raises(InvalidInputError, match="only the policy is called so"):
        approve_plan(waiting.platform, digest(waiting), actor=APPROVED_BY_POLICY, reason="r")
    for words in ({"actor": " ", "reason": "r"}, {"actor": "ann", "reason": ""}):
        with pytest.raises(InvalidInputError, match="is empty"):
            approve_plan(waiting.platform, digest(waiting), **words)
        with pytest.raises(InvalidInputError, match="is empty"):
            reject_plan(waiting.platform, digest(waiting), **words)


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
    assert bring_forward(waiting.platform, now=operator_time(waiting.platform)).approvals == 1
    require_known_ledger(waiting.platform, sending_home.DAY)
    assert waiting.platform.ledger.rejection(first.plan_digest) == first


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
    platform.event_log.append("plan_rejected", rejection_events(rejection, now=operator_time(platform)), writer="test")
    seal(platform)
    waiting.sql("DELETE FROM approvals")
    assert bring_forward(platform, now=operator_time(platform)).approvals == 1
    require_known_ledger(platform, sending_home.DAY)
    assert platform.ledger.approval(plan.campaign, plan.as_of_date).plan_digest == approval.plan_digest
    assert platform.ledger.rejection(digest(waiting)) is None


def test_the_first_words_of_an_approval_stay(waiting) -> None:
    approve_plan(waiting.platform, digest(waiting), **WHO)
    again = approve_plan(waiting.platform, digest(waiting), actor="ann", reason="other words")
    assert again.reason == WHO["reason"]
    assert [row["reason"] for row in waiting.platform.event_log.read("plan_approved").to_pylist()] == [WHO["reason"]]


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
    at = operator_time(platform)
    assert switch_sending(platform, pauses=True, **WHO).at == at
    assert platform.ledger.is_paused()
    assert switch_sending(platform, pauses=True, **WHO).at is None
    assert [(row["actor"], row["reason"]) for row in home.events("sending_paused")] == [("ann", "read all of it")]
    assert switch_sending(platform, pauses=False, **WHO).at is not None
    assert not platform.ledger.is_paused()


def test_a_rollback_says_who_served_and_who_does(home) -> None:
    done = roll_back(home.platform, **WHO)
    assert (done.model_version, done.previous_version) == home.champions
    assert home.platform.registry.champion() == home.champions[0]
    assert [(row["actor"], row["reason"]) for row in home.events("model_rolled_back")] == [("ann", "read all of it")]


def test_who_saw_another_model_serve_changes_nothing(home) -> None:
    with pytest.raises(GateClosedError, match="look at it again"):
        roll_back(home.platform, serving="mdl_other", **WHO)
    assert home.events("model_rolled_back") == []
