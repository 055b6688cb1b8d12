from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.recruiting.messaging.effects import effect_of_reply
from mlife_assets.recruiting.messaging.events import inbound_events
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

NOW = datetime(2026, 6, 1, 20, tzinfo=UTC)
DAY = date(2026, 6, 1)
POLICY = MessagingPolicy(unclear_reply_pause_days=14)


def hear(ledger, inbound_id, keyword, user="u", minutes=0):
    at = NOW + timedelta(minutes=minutes)
    effect = effect_of_reply(keyword, at, POLICY)
    return ledger.record_inbound(inbound_id, user, keyword, received_at=at, now=at, effect=effect)


def is_suppressed(ledger, days=0.0, user="u"):
    return ledger.is_suppressed(user, at=NOW + timedelta(days=days))


def test_an_unclear_reply_pauses_until_the_days_are_over(ledger):
    assert hear(ledger, "i1", "OTHER")
    assert not hear(ledger, "i1", "OTHER"), "reading it again does nothing"
    assert is_suppressed(ledger, 13.9)
    assert not is_suppressed(ledger, 14.0)
    assert [reply.inbound_id for reply in ledger.unclear_replies()] == ["i1"]


def test_an_old_unclear_reply_that_is_heard_late_pauses_nobody(ledger):
    effect = effect_of_reply("OTHER", NOW - timedelta(days=20), POLICY)
    ledger.record_inbound("i1", "u", "OTHER", received_at=NOW - timedelta(days=20), now=NOW, effect=effect)
    assert not is_suppressed(ledger)


def test_harmless_ends_the_pause_once_all_replies_are_read(ledger):
    hear(ledger, "i1", "OTHER")
    hear(ledger, "i2", "OTHER", minutes=1)
    assert ledger.review_reply("i1", "harmless", actor="ann", now=NOW) == "u"
    assert is_suppressed(ledger, 0.5)
    ledger.review_reply("i2", "harmless", actor="ann", now=NOW)
    assert not is_suppressed(ledger, 0.5)
    assert ledger.unclear_replies() == ()


def test_a_reply_found_to_be_an_opt_out_is_a_stop_for_ever(ledger):
    hear(ledger, "i1", "OTHER")
    for _ in range(2):
        ledger.review_reply("i1", "opt_out", actor="ann", now=NOW + timedelta(hours=1))
    assert is_suppressed(ledger, 3650)
    events = inbound_events(ledger.inbound())
    assert events["inbound_message"]["keyword"].to_pylist() == ["OTHER", "STOP"]
    assert events["consent"]["is_granted"].to_pylist() == [False]


def test_harmless_never_lifts_a_stop(ledger):
    hear(ledger, "i1", "STOP")
    hear(ledger, "i2", "OTHER", minutes=1)
    ledger.review_reply("i2", "harmless", actor="ann", now=NOW)
    assert is_suppressed(ledger, 3650)


@pytest.mark.parametrize(("start_at", "lifted"), [(5, True), (0, False), (-5, False)])
def test_start_lifts_what_came_before_it_and_nothing_of_an_administrator(ledger, start_at, lifted):
    ledger.suppress("other", now=NOW, reason="administrator")
    for user in ("u", "other"):
        hear(ledger, f"{user}1", "STOP", user)
        hear(ledger, f"{user}2", "OTHER", user, minutes=-1)
        hear(ledger, f"{user}3", "START", user, minutes=start_at)
    assert is_suppressed(ledger, 1) != lifted
    assert is_suppressed(ledger, 1, "other")


def test_start_ends_a_pause_that_no_stop_preceded(ledger):
    hear(ledger, "i1", "OTHER")
    hear(ledger, "i2", "START", minutes=5)
    assert not is_suppressed(ledger, 1)


def test_only_unclear_replies_are_reviewed_and_once(ledger):
    hear(ledger, "i1", "STOP")
    hear(ledger, "i2", "OTHER")
    ledger.review_reply("i2", "harmless", actor="ann", now=NOW)
    with pytest.raises(InvalidInputError, match="i1 is STOP already"):
        ledger.review_reply("i1", "harmless", actor="ann", now=NOW)
    with pytest.raises(InvalidInputError, match="found harmless already"):
        ledger.review_reply("i2", "opt_out", actor="ann", now=NOW)
    with pytest.raises(NotFoundError, match="'i9'"):
        ledger.review_reply("i9", "harmless", actor="ann", now=NOW)


def test_known_replies_can_be_asked_for_since_an_instant(ledger):
    hear(ledger, "i1", "HELP")
    hear(ledger, "i2", "HELP", minutes=10)
    assert ledger.known_inbound() == {"i1", "i2"}
    assert ledger.known_inbound(since=NOW + timedelta(minutes=10)) == {"i2"}
