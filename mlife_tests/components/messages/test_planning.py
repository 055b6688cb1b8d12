"""Plans and their delivery, by a day or by a clock: each application its own, and what waits leaves no trace."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.components.acts.acts import approve_plan, newest_plan, plan_standing, switch_sending
from mlife_assets.components.graph.application_graph import ApplicationGraph
from mlife_assets.components.messages.delivery import deliver, delivery_metadata, quality_verdict, require_present_day
from mlife_assets.components.messages.planning import is_planned_on
from mlife_assets.components.messages.sending import read_plan
from mlife_assets.core.errors import GateClosedError, InvalidInputError
from mlife_assets.core.model_events import Reign
from mlife_assets.core.windows import add_days, day_start, run_time
from mlife_assets.deployments.backup import bring_forward
from mlife_assets.deployments.times import RealTimes
from mlife_assets.recruiting.application import Application, Audience, Channel
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.messaging.bodies import RENDERERS, OfferedJobs, Renderer, text_offers
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.ports import Accepted, AddressBook, Inbound, OutboundMessage, Receipt

WHO = {"actor": "ann", "reason": "read all of it"}


def reminders(policies: Policies) -> Application:
    return replace(job_of_the_day(policies), name="reminders", title="Reminders", weekdays=(1,))


def mails(policies: Policies) -> Application:
    return replace(job_of_the_day(policies), name="mails", title="Mails", channel=Channel.EMAIL, items=2)


def asked(policies: Policies) -> Application:
    """Return an application for those whom a model chooses that has not scored anybody."""
    return replace(reminders(policies), name="asked", audience=Audience("churn_risk", 0.5))


class Mailbox:
    """Takes every mail and reaches nobody, so that policy may approve what it sends."""

    name, channel, reaches_nobody = "console", Channel.EMAIL, True

    def __init__(self) -> None:
        self.sent: list[OutboundMessage] = []

    def send(self, message: OutboundMessage, *, now: Any) -> Accepted:
        self.sent.append(message)
        return Accepted(f"mail_{message.message_id}")

    def find(self, message_id: str) -> Accepted | None:
        return next((Accepted(f"mail_{one.message_id}") for one in self.sent if one.message_id == message_id), None)

    def receipts(self, *, until: Any, since: Any = None, of: Any = ()) -> list[Receipt]:
        return [Receipt(one.message_id, f"mail_{one.message_id}", True, until) for one in self.sent]

    def inbound(self, *, until: Any, since: Any = None) -> list[Inbound]:
        return []


def listed(offered: OfferedJobs) -> Any:
    return lambda messages: [f"{m.message_id}: {', '.join(m.job_ids)}" for m in messages]


@pytest.fixture
def home(open_home, sending_home, monkeypatch) -> Any:
    """Return a home with the first application, another by text and one by mail; a day is prepared."""
    monkeypatch.setitem(RENDERERS, Channel.EMAIL, Renderer(text_offers, listed))
    contact = replace(sending_home.CONTACT, minimum_days_between_messages=0)
    found = open_home(declared=(job_of_the_day, reminders, mails, asked), contact=contact)
    platform, box = found.platform, Mailbox()
    vars(platform.home.messengers)["gateways"] = {Channel.SMS: platform.home.messengers.texts, Channel.EMAIL: box}
    book = AddressBook(lambda users: {user: f"{user}@example.com" for user in users}, str)
    vars(platform.home.messengers)["address_books"] = {Channel.EMAIL: book}
    found.prepare(sending_home.DAY)
    found.box = box
    return found


def test_each_has_a_plan_of_its_own_and_the_first_lies_where_it_did(home, sending_home) -> None:
    day = sending_home.DAY
    home.plan()
    before = read_plan(home.platform, day)
    home.plan(application="reminders")
    home.plan(application="mails")
    again = read_plan(home.platform, day)
    assert again.planned.equals(before.planned)
    assert home.platform.tables.days("message_plan") == [day]
    stored = sorted(path.name for path in (home.folder / "lake" / "of_applications").iterdir())
    assert stored == ["mails", "reminders"]
    other = newest_plan(home.platform.of_application("reminders"))
    assert (other.campaign, other.planned.num_rows) == ("reminders", before.planned.num_rows)
    assert other.planned["message_id"].to_pylist() != before.planned["message_id"].to_pylist()
    mail = newest_plan(home.platform.of_application("mails"))
    assert {len(items) for items in mail.planned["items"].to_pylist()} == {2}


def test_all_are_sent_answered_and_logged_by_channel(home, sending_home) -> None:
    for application in ("", "reminders", "mails"):
        home.plan(application=application)
    for application in ("", "reminders", "mails"):
        home.send(application=application)
    for application in ("", "reminders", "mails"):
        home.evening(application=application)
    rows = home.platform.ledger.sends.rows(campaign="mails")
    assert {(row.state, row.channel) for row in rows} == {("delivered", "email")}
    assert len(rows) == len(home.box.sent) == sending_home.USERS
    assert all(message.address.endswith("@example.com") for message in home.box.sent)
    approvals = home.platform.event_log.read("plan_approved")["campaign"].to_pylist()
    assert sorted(approvals) == ["job_of_the_day", "mails", "reminders"]
    planned = home.platform.event_log.read("message_planned").to_pylist()
    assert {(row["campaign"], row["channel"]) for row in planned} == {
        ("job_of_the_day", "sms"), ("reminders", "sms"), ("mails", "email"),
    }  # fmt: skip


def test_who_agreed_to_texts_alone_gets_no_mail_and_the_other_way_round(home, sending_home) -> None:
    """Planned by what they agreed to then, and sent by what they agree to now."""
    home.plan()
    texts_only, mails_only, neither_any_more, *others = (
        read_plan(home.platform, sending_home.DAY).planned["user_id"].to_pylist()
    )
    home.change_users("is_consented_email", False, [texts_only])
    home.change_users("is_consented", False, [mails_only])
    for application, wanted in (("", texts_only), ("mails", mails_only)):
        home.plan(application=application)
        planned = newest_plan(home.platform.of_application(application)).planned["user_id"].to_pylist()
        assert sorted(planned) == sorted([wanted, neither_any_more, *others])
    home.change_users("is_consented_email", False, [neither_any_more])
    home.change_users("is_consented", False, others)
    home.send(application="mails")
    assert sorted(one.user_id for one in home.box.sent) == sorted([mails_only, *others])


def test_a_lost_ledger_gets_the_sends_of_every_application_back(home) -> None:
    for application in ("", "mails"):
        home.plan(application=application)
        home.send(application=application)
    before = {(row.message_id, row.channel, row.campaign) for row in home.platform.ledger.sends.rows()}
    wired = {name: vars(home.platform.home.messengers)[name] for name in ("gateways", "address_books")}
    home.lose_ledger()
    vars(home.platform.home.messengers).update(wired)
    bring_forward(home.platform.home, now=home.platform.home.times.sending(newest_plan(home.platform).as_of_date))
    assert {(row.message_id, row.channel, row.campaign) for row in home.platform.ledger.sends.rows()} == before


def test_nothing_is_planned_or_sent_on_another_weekday(home, sending_home) -> None:
    following = sending_home.DAY + timedelta(days=1)
    home.prepare(following)
    for made in (home.plan(following, "reminders"), home.send(following, "reminders")):
        assert made.metadata["dagster/row_count"] == 0
        assert made.metadata["planned_on"] == "Tuesday"
    application = home.platform.of_application("reminders").application
    assert [is_planned_on(application, day) for day in (sending_home.DAY, following)] == [True, False]


def test_an_audience_that_nobody_scored_is_nobody(home) -> None:
    assert home.plan(application="asked").metadata["dagster/row_count"] == 0


def test_a_plan_is_approved_by_the_digest_of_its_own_application(open_home, sending_home) -> None:
    waits = replace(sending_home.POLICY, auto_approve_within_limits=False)
    home = open_home(policy=waits, declared=(job_of_the_day, reminders))
    home.prepare(sending_home.DAY)
    home.plan()
    home.plan(application="reminders")
    view = home.platform.of_application("reminders")
    with pytest.raises(GateClosedError, match="look at it again"):
        approve_plan(home.platform, plan_standing(view).digest, **WHO)
    approve_plan(view, plan_standing(view).digest, **WHO)
    assert (plan_standing(view).state, plan_standing(home.platform).state) == ("approved", "waits")


def test_an_application_is_paused_alone_by_its_name(home) -> None:
    home.plan()
    home.plan(application="reminders")
    assert switch_sending(home.platform, pauses=True, application="reminders", **WHO).at is not None
    assert switch_sending(home.platform, pauses=True, application="reminders", **WHO).at is None, "it is already"
    assert home.send(application="reminders").metadata["stopped_by"] == "paused"
    assert home.send().metadata["stopped_by"] == "nothing"
    (paused,) = home.platform.event_log.read("sending_paused").to_pylist()
    assert paused["campaign"] == "reminders"
    switch_sending(home.platform, pauses=True, **WHO)
    with pytest.raises(GateClosedError, match="all sending is paused"):
        switch_sending(home.platform, pauses=False, application="reminders", **WHO)
    with pytest.raises(InvalidInputError, match="no application is called 'letters'; known are job_of_the_day"):
        switch_sending(home.platform, pauses=True, application="letters", **WHO)


def test_the_names_in_the_graph_follow_from_the_application() -> None:
    first, other = (ApplicationGraph(one(Policies())) for one in (job_of_the_day, asked))
    assert [key.to_user_string() for key in (first.plan, first.deliveries, first.inbound)] == [
        "messages/message_plan", "messages/message_deliveries", "messages/inbound_messages",
    ]  # fmt: skip
    assert other.plan.to_user_string() == "asked/message_plan"
    assert [key.to_user_string() for key in first.scores] == ["predictions/user_job_scores"]
    assert [key.to_user_string() for key in other.scores] == ["predictions/user_job_scores", "churn_risk/scores"]


def test_a_plan_that_waits_touches_neither_ledger_nor_log(open_home, sending_home) -> None:
    home = open_home(policy=replace(sending_home.POLICY, auto_approve_within_limits=False))
    home.prepare(sending_home.DAY)
    home.plan()
    delivery = deliver(home.platform, sending_home.DAY)
    shown = delivery_metadata(home.platform, delivery)
    assert (shown["approved"], shown["dagster/row_count"]) == (False, 0)
    assert shown["plan_digest"] == home.platform.ledger.approvals.noted_plan("job_of_the_day", sending_home.DAY)[1]
    assert home.platform.ledger.sends.rows() == []
    assert len(home.platform.event_log.read("plan_approved")) == 0


def test_a_day_that_is_over_is_neither_planned_nor_sent(open_home, sending_home) -> None:
    home = open_home()
    home.prepare(sending_home.DAY)
    require_present_day(home.platform, sending_home.DAY)
    home.prepare(add_days(sending_home.DAY, 1))
    with pytest.raises(GateClosedError, match=f"{sending_home.DAY} is over"):
        require_present_day(home.platform, sending_home.DAY)


def test_quality_that_is_not_known_is_neither_good_nor_bad(open_home, sending_home) -> None:
    home = open_home()
    assert quality_verdict(home.platform, sending_home.DAY) is None
    home.prepare(sending_home.DAY)
    assert quality_verdict(home.platform, sending_home.DAY) is True


class Waiting:
    """A home in real time whose plan waits, its clock, and how long it slept."""

    def __init__(self, home: Any, day: Any) -> None:
        self.home, self.day, self.slept = home, day, list[float]()
        self.clock = SimulatedClock(run_time(day) + timedelta(minutes=40))
        deployment = home.platform.deployment
        vars(home.platform.home)["deployment"] = replace(
            deployment, is_simulated=False, times=RealTimes(self.clock, self.slept.append)
        )

    @property
    def platform(self) -> Any:
        return self.home.platform

    def approve(self) -> Any:
        return approve_plan(self.platform, plan_standing(self.platform).digest, **WHO)

    def times_of(self, event_type: str) -> set[datetime]:
        return set(self.platform.event_log.read(event_type)["observed_at"].to_pylist())


@pytest.fixture
def waiting(open_home, sending_home) -> Waiting:
    home = open_home(policy=replace(sending_home.POLICY, auto_approve_within_limits=False))
    home.prepare(sending_home.DAY)
    found = Waiting(home, sending_home.DAY)
    home.plan()
    return found


def test_a_plan_is_decided_at_its_nominal_time_and_sent_when_it_is_sent(waiting: Waiting) -> None:
    nominal = run_time(waiting.day) + timedelta(minutes=5)
    assert waiting.times_of("message_planned") == {nominal}
    approved_at = waiting.clock.now()
    approval = waiting.approve()
    waiting.clock.set(approved_at + timedelta(minutes=10))
    delivery = deliver(waiting.platform, waiting.day)
    deliver(waiting.platform, waiting.day)
    assert waiting.times_of("plan_approved") == {approved_at}, "once, when she did it"
    assert waiting.times_of("message_submitted") == {waiting.clock.now()}
    assert delivery.report is not None
    pace = waiting.platform.application.policy.provider_messages_per_second
    assert sum(waiting.slept) == pytest.approx((approval.planned_count - 1) / pace, abs=5 / pace)


def test_planning_late_gives_the_plan_that_planning_in_time_gave(waiting: Waiting) -> None:
    before = plan_standing(waiting.platform).digest
    waiting.clock.set(run_time(waiting.day) + timedelta(hours=5))
    waiting.home.plan()
    assert plan_standing(waiting.platform).digest == before


def test_a_plan_that_nobody_approved_expires_with_its_day_and_says_so(waiting: Waiting) -> None:
    assert plan_standing(waiting.platform).state == "waits"
    waiting.clock.set(day_start(add_days(waiting.day, 1)))
    standing = plan_standing(waiting.platform)
    assert standing.state == "over"
    (why,) = standing.why_not
    assert f"expired at {add_days(waiting.day, 1)} 00:00 UTC" in why
    with pytest.raises(GateClosedError, match="is not approved: it expired at"):
        waiting.approve()
    assert waiting.home.send().metadata["why_not"] == why
    assert not waiting.home.requests()


def test_what_was_approved_and_not_sent_by_midnight_is_closed_a_day_later(waiting: Waiting) -> None:
    approval = waiting.approve()
    switch_sending(waiting.platform, pauses=True, **WHO)
    deliver(waiting.platform, waiting.day)
    waiting.clock.set(day_start(add_days(waiting.day, 1)))
    switch_sending(waiting.platform, pauses=False, **WHO)
    delivery = deliver(waiting.platform, waiting.day)
    assert "expired" in delivery.why_not[0]
    assert {row.state for row in waiting.platform.ledger.sends.rows(as_of_date=waiting.day)} == {"approved"}
    waiting.clock.set(day_start(add_days(waiting.day, 2)))
    deliver(waiting.platform, waiting.day)
    rows = waiting.platform.ledger.sends.rows(as_of_date=waiting.day)
    assert {row.state for row in rows} == {"suppressed"}
    assert len(rows) == approval.planned_count
    assert not waiting.home.requests()


def reigns(waiting: Waiting, *, rolled_back_to: str, then: str | None = None) -> None:
    """Let mdl_b serve when the plan is made, and be left by an act that a retraining of the day stamped ahead."""
    begun, left = run_time(waiting.day) - timedelta(days=1), run_time(waiting.day) + timedelta(hours=1, seconds=1)
    known = [
        Reign("mdl_b", "mdl_a", begun, "promoted", "gate", "won"),
        Reign(rolled_back_to, "mdl_c", left, "rolled_back", "bob", "it ranks nonsense"),
    ]
    if then is not None:
        known.append(Reign(then, rolled_back_to, left + timedelta(seconds=1), "promoted", "gate", "won"))
    assert left > waiting.clock.now()
    view = waiting.platform.of_model(waiting.platform.application.model_name)
    view._made["registry"] = SimpleNamespace(
        history=lambda until=None: [one for one in known if until is None or one.since <= until],
        champion_at=lambda moment: [one.model_version for one in known if one.since <= moment][-1],
    )


def test_a_rollback_to_the_model_that_made_the_plan_does_not_stop_it(waiting: Waiting) -> None:
    reigns(waiting, rolled_back_to="mdl_b")
    waiting.approve()
    deliver(waiting.platform, waiting.day)
    assert waiting.home.requests()


def test_nothing_of_a_day_is_sent_after_its_end_though_its_sending_began_before(waiting: Waiting) -> None:
    end, paced = day_start(add_days(waiting.day, 1)), waiting.platform.deployment.times

    def sleep(seconds: float) -> None:
        if len(waiting.home.requests()) >= 2:
            waiting.clock.set(max(waiting.clock.now(), end + timedelta(hours=18)))

    vars(waiting.platform.home)["deployment"] = replace(waiting.platform.deployment, times=replace(paced, sleep=sleep))
    approval = waiting.approve()
    delivery = deliver(waiting.platform, waiting.day)
    assert delivery.report is not None
    assert delivery.report.stopped_by == "expired"
    states = Counter(row.state for row in waiting.platform.ledger.sends.rows(as_of_date=waiting.day))
    assert states["leased"] + states["approved"] == approval.planned_count - len(waiting.home.requests()) > 0
    assert max(waiting.times_of("message_submitted")) < end


@pytest.mark.parametrize("then", [None, "mdl_d"], ids=["who was before serves", "another was promoted since"])
def test_a_rollback_after_the_plan_was_made_stops_it(waiting: Waiting, then: str | None) -> None:
    reigns(waiting, rolled_back_to="mdl_a", then=then)
    with pytest.raises(GateClosedError, match="bob rolled its model back after it was made"):
        waiting.approve()
    assert "bob rolled its model back" in deliver(waiting.platform, waiting.day).why_not[0]
    assert not waiting.home.requests()


def test_a_pause_happens_now(waiting: Waiting) -> None:
    waiting.clock.set(run_time(waiting.day) + timedelta(hours=2))
    assert switch_sending(waiting.platform, pauses=True, **WHO).at == waiting.clock.now()
    assert switch_sending(waiting.platform, pauses=False, **WHO).at == waiting.clock.now() + timedelta(seconds=1)
