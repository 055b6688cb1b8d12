"""Lake, ledger and heads are gone and nobody restores: the day is run as if the home were new, and texts nobody twice.

The attack of the list (the same day again) and ways that it does not name: the day after under a cap of seven days,
the days after that, a provider that cannot be reached, a relay that remembers nothing, a backup of the day before.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from mlife_assets.adapters.home_files import end_restore
from mlife_assets.adapters.mailboxes.smtp import SendJournal, SmtpMailbox
from mlife_assets.components.acts.acts import approve_plan, plan_standing
from mlife_assets.components.messages.delivery import deliver
from mlife_assets.core.errors import GateClosedError
from mlife_assets.core.windows import add_days, day_start
from mlife_assets.deployments.backup import back_up, bring_forward, put_back, require_intact_log

DAY = date(2026, 6, 2)
NEXT = add_days(DAY, 1)


def lose_everything(home: Any) -> Any:
    """Remove whatever remembers a send, but for the provider's own record."""
    home.platform.ledger.close()
    shutil.rmtree(home.folder / "lake")
    for folder in ("keys", "heads"):
        shutil.rmtree(home.private / folder)
    for path in home.ledger_files:
        path.unlink()
    home.reopen()
    return home


@pytest.fixture
def capped(open_home, sending_home) -> Any:
    return open_home(
        policy=replace(sending_home.POLICY, maximum_messages_per_7_days=1),
        contact=replace(sending_home.CONTACT, maximum_messages_per_7_days=1),
    )


def test_the_same_day_is_sent_to_nobody_again(sent_home):
    before = sent_home.requests()
    assert len(before) == 30
    lose_everything(sent_home).live()
    assert sent_home.requests() == before
    assert sent_home.platform.home.messengers.texts.duplicate_sends() == 0
    sent = {row.message_id for row in sent_home.platform.ledger.sends.rows() if row.attempts}
    assert sent == set(before), "what the provider had taken counts"


@pytest.mark.parametrize("later", [1, 6])
def test_a_later_day_reaches_nobody_whom_the_caps_would_have_left_out(capped, later):
    capped.live()
    before = capped.requests()
    day = add_days(DAY, later)
    lose_everything(capped).live(day)
    assert capped.requests() == before
    assert {row.state for row in capped.platform.ledger.sends.rows(as_of_date=day)} == {"suppressed"}


def test_a_day_that_the_lost_home_sent_is_sent_to_nobody_again(sent_home, tmp_path):
    """It is put back from the backup of the day before, so ledger and log of the day are gone."""
    backup = back_up(sent_home.platform.home, tmp_path / "backup", now=sent_home.platform.home.times.outcomes(DAY))
    sent_home.live(NEXT)
    before = sent_home.requests()
    assert put_back(lose_everything(sent_home).platform.home, backup).filled > 0
    sent_home.reopen()
    require_intact_log(sent_home.platform.home)
    bring_forward(sent_home.platform.home, now=sent_home.platform.home.times.outcomes(DAY))
    end_restore(sent_home.private)
    assert not sent_home.platform.event_log.read("message_submitted", start=NEXT, end=NEXT).num_rows
    sent_home.live(NEXT)
    assert sent_home.requests() == before
    assert max(before.values()) == 1
    sent = {row.message_id for row in sent_home.platform.ledger.sends.rows(as_of_date=NEXT) if row.attempts}
    assert sent <= set(before)
    assert len(sent) > 20, "what the provider had taken counts"
    sent_home.live(add_days(NEXT, 1))
    assert len(sent_home.requests()) > len(before)
    assert sent_home.platform.home.messengers.texts.duplicate_sends() == 0


def test_one_new_person_does_not_make_the_ledger_believed_on_the_next_day(capped):
    """They are sent a text, so the ledger holds one within the caps; of the others it still knows nothing."""
    capped.users = 29
    capped.live()
    before = capped.requests()
    assert len(before) == 29
    capped.users = 30
    lose_everything(capped).live(NEXT)
    after = capped.requests()
    assert len(after) == 30
    capped.live(add_days(NEXT, 1))
    assert capped.requests() == after
    capped.live(add_days(DAY, 7))
    assert len(capped.requests()) > 50, "all but the new person are free again"


def test_a_provider_that_cannot_be_reached_closes_the_gate(sent_home, monkeypatch):
    before = sent_home.requests()
    lose_everything(sent_home).prepare(DAY)
    sent_home.plan()

    def unreachable(message_id: str) -> None:
        raise TimeoutError(message_id)

    monkeypatch.setattr(sent_home.platform.home.messengers.texts, "find", unreachable)
    with pytest.raises(GateClosedError, match="TimeoutError"):
        sent_home.send()
    assert sent_home.requests() == before


def test_a_ledger_that_has_sent_for_as_long_as_the_caps_look_back_is_not_asked_about(sent_home, monkeypatch):
    later = add_days(DAY, 7)
    sent_home.live(later)
    asked: list[str] = []
    monkeypatch.setattr(sent_home.platform.home.messengers.texts, "find", asked.append)
    sent_home.live(add_days(later, 1))
    assert not asked
    assert len(sent_home.requests()) > 80


@pytest.fixture
def forgetful(open_home, sending_home, monkeypatch) -> Any:
    home = open_home(policy=replace(sending_home.POLICY, auto_approve_within_limits=False))
    monkeypatch.setattr(type(home.platform.home.messengers.texts), "has_record_from", lambda *_: False, raising=False)
    home.prepare(DAY)
    home.plan()
    return home


def decide(home: Any, reason: str) -> Any:
    digest = plan_standing(home.platform).digest
    return approve_plan(home.platform, digest, actor="ann", reason=reason)


def test_a_provider_without_a_record_needs_somebody_to_vouch_which_is_kept(forgetful):
    with pytest.raises(GateClosedError, match=r"keeps no record that could be asked.*--new-home"):
        decide(forgetful, "read it")
    assert forgetful.platform.ledger.approvals.of_day(forgetful.platform.application.name, DAY) is None
    decide(forgetful, "new home: begun today")
    deliver(forgetful.platform, DAY)
    assert len(forgetful.requests()) == 30
    (approved,) = forgetful.platform.event_log.read("plan_approved").to_pylist()
    assert (approved["approved_by"], approved["reason"]) == ("ann", "new home: begun today")
    forgetful.prepare(NEXT)
    forgetful.plan(NEXT)
    decide(forgetful, "read it")  # somebody vouched for the days before the first
    deliver(forgetful.platform, NEXT)
    assert len(forgetful.requests()) > 50


def test_a_policy_vouches_for_nothing(home, monkeypatch):
    monkeypatch.setattr(type(home.platform.home.messengers.texts), "has_record_from", lambda *_: False, raising=False)
    home.prepare(DAY)
    home.plan()
    with pytest.raises(GateClosedError, match=r"keeps no record that could be asked.*--new-home"):
        home.send()
    assert not home.requests()


def test_what_was_vouched_for_is_lost_with_the_home(forgetful):
    decide(forgetful, "new home: begun today")
    deliver(forgetful.platform, DAY)
    before = forgetful.requests()
    lose_everything(forgetful).prepare(DAY)
    forgetful.plan()
    with pytest.raises(GateClosedError, match="people might get a message twice"):
        decide(forgetful, "read it")
    assert forgetful.requests() == before


def test_a_journal_of_mails_is_a_record_of_the_days_that_it_is_older_than(forgetful, monkeypatch, tmp_path):
    """It may have been lost as well, and begun again with one mail of any application."""
    journal = SendJournal(tmp_path / "journal")
    mailbox = SmtpMailbox(None, None, journal, None)
    asks = lambda _, day: mailbox.has_record_from(day)  # noqa: E731
    monkeypatch.setattr(type(forgetful.platform.home.messengers.texts), "has_record_from", asks)
    first = add_days(DAY, -6)  # that the caps of the day look at
    for number, begun in enumerate((DAY, add_days(DAY, -1), first)):
        journal.begin(f"mail_{number}", "usr_1", day_start(begun))
        with pytest.raises(GateClosedError, match="keeps no record that could be asked"):
            decide(forgetful, "read it")
    journal.begin("before", "usr_1", day_start(first) - timedelta(seconds=1))
    decide(forgetful, "read it")
    deliver(forgetful.platform, DAY)
    assert len(forgetful.requests()) == 30
