"""Plans of several applications of one home: each its own, on real parts; the first as it was when there was one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mlife_assets.components.acts.acts import approve_plan, newest_plan, plan_standing, switch_sending
from mlife_assets.components.graph.application_graph import ApplicationGraph
from mlife_assets.components.messages.planning import is_planned_on
from mlife_assets.components.messages.sending import read_plan
from mlife_assets.core.errors import GateClosedError, InvalidInputError
from mlife_assets.recruiting.application import Application, Audience, Channel
from mlife_assets.recruiting.applications import job_of_the_day
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
    vars(platform)["gateways"] = {Channel.SMS: platform.gateway, Channel.EMAIL: box}
    book = AddressBook(lambda users: {user: f"{user}@example.com" for user in users}, str)
    vars(platform)["address_books"] = {Channel.EMAIL: book}
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
    rows = home.platform.ledger.rows(campaign="mails")
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
    from mlife_assets.components.platform.deployment_backup import bring_forward

    for application in ("", "mails"):
        home.plan(application=application)
        home.send(application=application)
    before = {(row.message_id, row.channel, row.campaign) for row in home.platform.ledger.rows()}
    wired = {name: vars(home.platform)[name] for name in ("gateways", "address_books")}
    home.lose_ledger()
    vars(home.platform).update(wired)
    bring_forward(home.platform, now=home.platform.sending_time(newest_plan(home.platform).as_of_date))
    assert {(row.message_id, row.channel, row.campaign) for row in home.platform.ledger.rows()} == before


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
