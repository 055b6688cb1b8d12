"""Mails of an application on real parts: planned, approved, written as files, answered, told to the market."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest

from mlife_assets.adapters.mailboxes.folder import FolderMailbox, MailFaults
from mlife_assets.components.messages.sending import read_plan
from mlife_assets.core.errors import GateClosedError
from mlife_assets.deployments.embedded import delivered_messages
from mlife_assets.market.texts import POSITION
from mlife_assets.recruiting.application import Application, Channel
from mlife_assets.recruiting.applications import job_of_the_day
from mlife_assets.recruiting.mail.body import read_mail_body
from mlife_assets.recruiting.mail.mime import Stationery
from mlife_assets.recruiting.mail.unsubscribe import read_unsubscribe_token, unsubscribe_token, use_of_link
from mlife_assets.recruiting.messaging.keywords import STOP
from mlife_assets.recruiting.policies import Policies

NAME = "mails"


def mails(policies: Policies) -> Application:
    return replace(job_of_the_day(policies), name=NAME, title="Mails", channel=Channel.EMAIL, items=2)


def calls(policies: Policies) -> Application:
    return replace(job_of_the_day(policies), name="calls", title="Calls", channel=Channel.CALL)


@pytest.fixture
def home(open_home, sending_home) -> Any:
    contact = replace(sending_home.CONTACT, minimum_days_between_messages=0)
    found = open_home(declared=(job_of_the_day, mails), contact=contact)
    stationery = Stationery(found.platform.policies.letterhead, found.platform.mail_key)
    box = FolderMailbox(found.private / "mail", stationery, seed=1, faults=MailFaults(delivered_share=0.8))
    vars(found.platform)["mailbox"] = box
    found.prepare(sending_home.DAY)
    found.made = found.plan(application=NAME)
    return found


def test_a_mail_has_the_jobs_of_its_reader_and_goes_to_their_address(home, sending_home) -> None:
    platform, day = home.platform, sending_home.DAY
    plan = read_plan(platform.of_application(NAME), day).planned.to_pylist()
    shown = home.made.metadata["sample_texts"].value
    assert "Mail: Registered Nurse" in shown
    assert "html" not in shown
    assert home.made.metadata["audience"] == "Everybody who can be reached."
    assert home.made.metadata["planned_spend_usd"].value == 0
    home.send(application=NAME)
    files = {path.stem: path for path in (home.private / "mail" / "sent").glob("*.eml")}
    sent = {row.message_id: row for row in platform.ledger.rows(campaign=NAME)}
    # Some have no address and some mistyped it: nothing is sent to them, which the ledger says.
    assert {key for key, row in sent.items() if row.provider_message_id} == set(files)
    assert len(plan) == sending_home.USERS > len(files) > sending_home.USERS * 0.7
    book = platform.world.mail_book()
    for row in plan:
        if row["message_id"] not in files:
            continue
        mail = message_from_bytes(files[row["message_id"]].read_bytes(), policy=default)
        assert mail["To"] == book.mail_addresses([row["user_id"]])[row["user_id"]]
        said = read_mail_body(row["body"])
        assert mail.get_body(("html",)).get_content().split() == said.html.split()
        assert row["items"][0]["job_id"] == row["job_id"]
        assert said.text.count("about 3 miles away") == len(row["items"]) == 2
        token = unsubscribe_token(row["user_id"], NAME, platform.mail_key)
        assert token in mail["List-Unsubscribe"]
        assert read_unsubscribe_token(token, platform.mail_key).application == NAME


def test_the_market_is_told_of_each_job_in_a_mail_that_arrived(home, sending_home) -> None:
    home.plan()
    home.send()
    home.send(application=NAME)
    rows = delivered_messages(home.platform, sending_home.DAY, *home.platform.gateways.values()).to_pylist()
    in_mails = [row for row in rows if row[POSITION] is not None]
    texts = [row for row in rows if row[POSITION] is None]
    assert texts
    plan = {
        row["message_id"]: row
        for row in read_plan(home.platform.of_application(NAME), sending_home.DAY).planned.to_pylist()
    }
    arrived = {row["message_id"] for row in in_mails}
    sent = home.platform.mailbox.sent_messages(sending_home.DAY).to_pylist()
    assert arrived == {row["message_id"] for row in sent if row["is_delivered"]}
    assert len(arrived) < len(sent), "some did not arrive"
    expected = {(key, item["job_id"], item["position"]) for key in arrived for item in plan[key]["items"]}
    assert {(row["message_id"], row["job_id"], row[POSITION]) for row in in_mails} == expected


def test_the_market_is_told_of_the_plan_that_was_sent_and_not_of_an_earlier_one(home, sending_home) -> None:
    home.change_job("j1", "Cook at evil.example")
    home.plan(application=NAME)
    home.send(application=NAME)
    rows = delivered_messages(home.platform, sending_home.DAY, *home.platform.gateways.values()).to_pylist()
    assert rows
    assert "j1" not in {row["job_id"] for row in rows}


def test_a_mail_whose_words_were_changed_in_the_lake_is_not_sent(home, sending_home) -> None:
    home.change_job("j1", "Another Title")
    with pytest.raises(GateClosedError, match="worded otherwise than the facts of their jobs give"):
        home.send(application=NAME)
    assert not list((home.private / "mail" / "sent").glob("*.eml"))


def test_one_click_ends_mails_and_no_texts(home, sending_home) -> None:
    platform = home.platform
    home.send(application=NAME)
    first = platform.ledger.rows(campaign=NAME)[0]
    token = unsubscribe_token(first.user_id, NAME, platform.mail_key)
    at = platform.outcomes_time(sending_home.DAY)
    asked = use_of_link(read_unsubscribe_token(token, platform.mail_key), token, at)
    platform.ledger.record_inbound(asked.inbound_id, asked.user_id, STOP, received_at=at, now=at, channel=Channel.EMAIL)
    person = platform.people.register([first.user_id], now=at)[first.user_id].person_id
    later = at + timedelta(hours=1)
    assert person in platform.ledger.suppressed_people(at=later, channel=Channel.EMAIL)
    assert person not in platform.ledger.suppressed_people(at=later, channel=Channel.SMS)


def test_each_channel_has_a_provider_and_mails_a_key_of_their_own(home) -> None:
    platform = home.platform
    assert platform.providers == {"sms": "console", "email": "folder"}
    assert platform.mail_key != platform.link_key
    assert platform.stamps.mail_key == platform.mail_key
    assert platform.stamps.letterhead == platform.letterhead == platform.policies.letterhead


def test_two_homes_of_one_seed_mail_and_list_the_same_byte_for_byte(open_home, sending_home) -> None:
    found = []
    for name in ("one", "other"):
        home = open_home(name, declared=(job_of_the_day, mails, calls))
        home.prepare(sending_home.DAY)
        home.plan(application="calls")
        home.plan(application=NAME)
        home.send(application=NAME)
        home.evening(application=NAME)
        folders = (home.folder / "lake", home.private / "mail" / "sent")
        files = {path for folder in folders for path in folder.rglob("*") if path.is_file()}
        found.append({str(path.relative_to(home.folder)): path.read_bytes() for path in files})
    assert found[0] == found[1]
    assert any("calls/calls/" in name for name in found[0])
    assert sum(name.endswith(".eml") for name in found[0]) > 10
