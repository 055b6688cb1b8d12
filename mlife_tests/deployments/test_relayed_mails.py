"""Mails of an owner's deployment through a real relay: approved by a person, under their letterhead, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from mlife_assets.adapters.clock import SimulatedClock
from mlife_assets.adapters.mailboxes import FolderMailbox, SmtpMailbox
from mlife_assets.components.acts.acts import approve_plan, plan_standing, switch_sending
from mlife_assets.components.messages.delivery import deliver
from mlife_assets.core.errors import InvalidInputError, ProviderThrottledError
from mlife_assets.core.windows import run_time
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.deployments.sealing import audit_log
from mlife_assets.deployments.times import RealTimes
from mlife_assets.recruiting.application import Application, Channel
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.ports import OutboundMessage

NAME = "mails"
DAY = date(2026, 6, 2)
WHO = {"actor": "ann", "reason": "new home: read all of it"}
LETTERHEAD = """
brand = "Elm Street Staffing"
sender = "jobs@mail.elmstreet.work"
reply_to = "help@elmstreet.work"
office_address = "Elm Street Staffing, 1 Elm Street, Austin, TX 78701"
domain = "mail.elmstreet.work"
link_base = "https://elmstreet.work/"
unsubscribe_base = "https://elmstreet.work/unsubscribe/"
"""


def mails(policies: Policies) -> Application:
    return replace(job_of_the_day(policies), name=NAME, title="Mails", channel=Channel.EMAIL, items=2)


class Owners:
    """A standalone home with its owner's people and letterhead, whose present is the evening of `DAY`."""

    def __init__(self, home: Any) -> None:
        self.home, self.clock = home, SimulatedClock(run_time(DAY) + timedelta(minutes=40))
        self._in_its_present()

    def reopen(self, relay: str | None) -> BoardPorts:
        """Open the home in another process, with the variable or without."""
        self.hang_up()
        address = None if relay is None else SecretStr(relay)
        self.home.stated = {**self.home.stated, "mail_relay": address}
        self.home.reopen()
        return self._in_its_present()

    def _in_its_present(self) -> BoardPorts:
        platform = self.home.platform
        times = RealTimes(self.clock, lambda _: None)
        vars(platform.home)["deployment"] = replace(platform.deployment, times=times)
        return platform

    def hang_up(self) -> None:
        """End the connection to the relay, as the end of a process does."""
        if "mails" in vars(self.home.platform.home.messengers):
            self.home.platform.home.messengers.mails.close()

    @property
    def view(self) -> BoardPorts:
        """The home as the application sees it."""
        return self.home.platform.of_application(NAME)

    def plan(self) -> None:
        self.home.prepare(DAY)
        self.home.plan(DAY, NAME)

    def approve(self) -> None:
        approve_plan(self.view, plan_standing(self.view).digest, **WHO)

    def states(self) -> Counter[str]:
        return Counter(row.state for row in self.home.platform.ledger.sends.rows(campaign=NAME))


@pytest.fixture
def begin(open_home: Callable[..., Any], sending_home: Any, tmp_path: Path) -> Iterator[Callable[[str | None], Owners]]:
    """Return what begins the home of an owner, with a relay or without."""
    opened: list[Owners] = []

    def begun(relay: str | None) -> Owners:
        private = tmp_path / "home" / "private"
        private.mkdir(parents=True)
        (tmp_path / "home" / "letterhead.toml").write_text(LETTERHEAD, encoding="utf-8")
        people = [f"usr_{number:07d}" for number in range(sending_home.USERS)]
        book = {
            "user_id": people,
            "phone_number": [f"+1212555{number:04d}" for number in range(len(people))],
            "mail_address": [f"person{number}@home.example" for number in range(len(people))],
        }
        pq.write_table(pa.table(book), private / "contacts.parquet")
        (private / "contacts.parquet").chmod(0o600)
        stated = {
            "deployment": "standalone", "first_day": date(2026, 3, 1), "contacts": Path("contacts.parquet"),
            "letterhead": Path("letterhead.toml"), "mail_relay": None if relay is None else SecretStr(relay),
        }  # fmt: skip
        opened.append(Owners(open_home(declared=(job_of_the_day, mails), stated=stated)))
        return opened[-1]

    yield begun
    for owners in opened:
        owners.hang_up()


def address_of(relay: Any) -> str:
    return f"smtp+plain://127.0.0.1:{relay.port}"


def test_an_approved_plan_goes_through_the_relay_once_under_the_letterhead_of_the_owner(begin, start_relay) -> None:
    relay = start_relay()
    owners = begin(address_of(relay))
    owners.plan()
    owners.approve()
    assert deliver(owners.view, DAY).report.accepted == len(relay.mails) == 30
    deliver(owners.view, DAY)
    owners.reopen(address_of(relay))
    deliver(owners.view, DAY)
    assert Counter(one.rcpt_tos[0] for one in relay.seen) == {f"person{number}@home.example": 1 for number in range(30)}
    assert {str(one.mail_from).partition("@")[2] for one in relay.mails} == {"mail.elmstreet.work"}
    mail = message_from_bytes(relay.mails[0].content, policy=default)
    assert mail["From"] == "Elm Street Staffing <jobs@mail.elmstreet.work>"
    assert mail["List-Unsubscribe"].startswith("<https://elmstreet.work/unsubscribe/")
    for kind in ("plain", "html"):
        assert "1 Elm Street, Austin" in mail.get_body((kind,)).get_content()
    assert "jobs.example" not in relay.mails[0].content.decode()
    log = owners.home.platform.event_log.read("message_submitted")
    assert set(log["provider"].to_pylist()) == {SmtpMailbox.name}
    assert len(list((owners.home.private / "mail" / "journal").iterdir())) == 30


def test_without_a_relay_the_same_home_rehearses_under_the_same_letterhead(begin, tmp_path) -> None:
    owners = begin(None)
    owners.plan()
    assert deliver(owners.view, DAY).report.accepted == 30
    files = list((owners.home.private / "mail" / "sent").glob("*.eml"))
    assert len(files) == 30
    assert b"Elm Street Staffing" in files[0].read_bytes()
    assert (
        owners.home.platform.home.messengers.mails.receipts(until=run_time(date(2026, 7, 1)))[0].is_delivered is False
    )


def test_what_comes_back_reaches_the_ledger(begin, start_relay) -> None:
    relay = start_relay()
    owners = begin(address_of(relay))
    owners.plan()
    owners.approve()
    deliver(owners.view, DAY)
    platform = owners.home.platform
    first, second = platform.ledger.sends.rows(campaign=NAME)[:2]
    returned = owners.home.private / "mail" / "returned"
    (returned / "new").mkdir(parents=True)
    (returned / "bounce.eml").write_text(
        f"To: bounces+{platform.home.private.stationery.wire_id(first.message_id)}\nContent-Type: multipart/report;"
        " report-type=delivery-status; boundary=b\n\n--b\nContent-Type: message/delivery-status\n\nX: y\n\n"
        "Action: failed\nStatus: 5.1.1\n\n--b--\n"
    )
    reply = EmailMessage()
    reply["In-Reply-To"] = f"<{platform.home.private.stationery.wire_id(second.message_id)}>"
    reply.set_content("stop")
    (returned / "new" / "1.host").write_bytes(reply.as_bytes())
    owners.clock.set(platform.home.clock.now() + timedelta(days=400))  # files arrive by the machine's clock
    dispatcher = owners.view.dispatcher(DAY)
    assert dispatcher.collect_receipts(owners.clock.now()) == 1
    assert dispatcher.process_inbound(owners.clock.now()).stops == 1
    assert owners.states() == {"accepted": 29, "undelivered": 1}
    person = platform.home.messengers.people.register([second.user_id], now=owners.clock.now())[
        second.user_id
    ].person_id
    assert person in platform.ledger.people.suppressed_people(at=owners.clock.now(), channel=Channel.EMAIL)


def test_a_process_without_the_variable_neither_rehearses_in_a_home_that_mailed_nor_loses_an_answer(
    begin, start_relay
) -> None:
    """A folder would take the mails of a plan as sent, and know nobody who answers a mail of before."""
    relay = start_relay()
    owners = begin(address_of(relay))
    owners.plan()
    owners.approve()
    assert isinstance(owners.reopen(None).home.messengers.mails, FolderMailbox), "nothing went out yet"
    owners.reopen(address_of(relay))
    deliver(owners.view, DAY)
    platform = owners.reopen(None)
    (why,) = deliver(owners.view, DAY).why_not
    assert why.startswith("MLIFE_MAIL_RELAY: it is not set, and mails of this home went out through a relay")
    assert platform.home.providers["email"] == platform.home.messengers.mails.name == "smtp"
    row = platform.ledger.sends.rows(campaign=owners.view.application.name)[0]
    assert platform.home.messengers.mails.find(row.message_id) is not None
    with pytest.raises(ProviderThrottledError, match="has nothing of it"):
        platform.home.messengers.mails.send(
            OutboundMessage("m", row.user_id, "a@b.work", row.body), now=owners.clock.now()
        )
    owners.view.dispatcher(DAY).process_inbound(owners.clock.now())
    assert switch_sending(platform, pauses=True, **WHO).is_paused, "sending can be stopped"
    assert len(relay.seen) == 30


def test_a_mistake_in_the_letterhead_keeps_nobody_from_pausing(begin, start_relay) -> None:
    owners = begin(address_of(start_relay()))
    (owners.home.platform.settings.home / "letterhead.toml").write_text("brand = Elm", encoding="utf-8")
    platform = owners.reopen(address_of(start_relay()))
    assert switch_sending(platform, pauses=True, **WHO).is_paused
    with pytest.raises(InvalidInputError, match=r"letterhead\.toml is no TOML"):
        _ = platform.home.messengers.mails


def test_what_real_people_ask_for_is_on_the_disk_before_it_counts(begin) -> None:
    """Also in a shell without the relay: a mail program says STOP once."""
    with begin(None).home.platform.ledger.engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2


def test_the_letterhead_of_the_owner_counts_whoever_made_the_policies(begin, start_relay) -> None:
    owners = begin(address_of(start_relay()))
    platform = board_ports(owners.home.platform.settings, policies=Policies())
    assert platform.home.private.letterhead != Policies().letterhead
    assert platform.home.private.letterhead == owners.home.platform.home.private.letterhead
    platform.ledger.close()


@pytest.mark.parametrize("is_emptied", [True, False])
def test_what_was_published_of_a_rehearsal_comes_back_after_the_relay_was_named(
    begin, start_relay, is_emptied: bool
) -> None:
    """The events name the folder, and the present provider is the relay."""
    owners = begin(None)
    owners.plan()
    deliver(owners.view, DAY)
    lake = owners.home.platform.lake
    (key,) = (one for one in lake.list("events/event_type=message_submitted") if "/ledger-" in one)
    whole, path = lake.get(key), lake.root / key
    path.write_bytes(b"" if is_emptied else whole[:40])
    platform = owners.reopen(address_of(start_relay()))
    platform.home.messengers.outbox.heal()
    assert lake.get(key) == whole
    assert set(platform.event_log.read("message_submitted")["provider"].to_pylist()) == {FolderMailbox.name}
    assert audit_log(platform.home).verification.is_intact
