"""`mlife_assets.adapters.send_ledger.guards` works in `test_ledger`; here its tables become events.

So does `mlife_assets.adapters.send_ledger.moves`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from mlife_assets.adapters.send_ledger import Transition
from mlife_assets.adapters.send_ledger.schema import suppressions
from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.messaging.effects import effect_of_reply
from mlife_assets.recruiting.messaging.events import inbound_events, switch_events, transition_events
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.ports import LedgerRow

DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
RECEIVED_AT = datetime(2026, 6, 1, 20, tzinfo=UTC)
POLICY = MessagingPolicy(unclear_reply_pause_days=14)


def test_the_outbox_becomes_events_of_exact_schemas_with_ids_that_repeat(ledger):
    key = message_id("a", "c", DAY)
    rows = [LedgerRow(message_id(u, "c", DAY), u, "j", "c", DAY, "hi", "planned", 0, None, NOW) for u in ("a", "b")]
    ledger.plan(rows, now=NOW)
    ledger.approve("c", DAY, now=NOW)
    ledger.suppress("b", now=NOW, reason="inbound_stop")
    for state in ("leased", "submitting", "throttled", "approved", "leased", "submitting", "ambiguous", "accepted"):
        ledger.transition_many([Transition(key, state)], now=NOW)
    ledger.transition_many([Transition(key, "delivered")], now=NOW + timedelta(hours=1))
    events = transition_events(ledger.transitions(), providers={"sms": "console"})
    assert events["message_submitted"]["attempt"].to_pylist() == [1, 2]
    assert events["message_status"]["status"].to_pylist() == ["throttled", "ambiguous", "accepted", "delivered"]
    assert events["message_suppressed"].to_pylist()[0]["reason"] == "inbound_stop"
    assert events["message_suppressed"]["stage"].to_pylist() == ["send"]
    ids = [i for table in events.values() for i in table["event_id"].to_pylist()]
    assert len(set(ids)) == len(ids) == 7
    again = transition_events(ledger.transitions(), providers={"sms": "console"})
    for event_type, table in events.items():
        assert table.schema.equals(EVENT_TYPES[event_type].schema)
        assert table.equals(again[event_type])


def test_empty_tables_become_empty_events(ledger):
    found = transition_events(ledger.transitions(), providers={"sms": "console"})
    found |= inbound_events(ledger.inbound()) | switch_events(ledger.switches())
    for event_type, table in found.items():
        assert table.num_rows == 0
        assert table.schema.equals(EVENT_TYPES[event_type].schema)


def test_inbound_texts_and_switches_become_events(ledger):
    for number, keyword in enumerate(("STOP", "START", "HELP", "OTHER")):
        ledger.record_inbound(f"i{number}", "a", keyword, received_at=NOW, now=NOW + timedelta(minutes=1))
    events = inbound_events(ledger.inbound())
    assert events["inbound_message"]["keyword"].to_pylist() == ["STOP", "START", "HELP", "OTHER"]
    assert events["consent"]["is_granted"].to_pylist() == [False, True]
    assert events["consent"]["source"].to_pylist() == ["inbound_stop", "inbound_start"]
    assert events["consent"]["observed_at"].to_pylist() == [NOW + timedelta(minutes=1)] * 2
    ledger.pause(actor="ann", reason="x", now=NOW)
    ledger.resume(actor="ann", reason="y", now=NOW)
    switched = switch_events(ledger.switches())
    assert switched["sending_paused"]["reason"].to_pylist() == ["x"]
    assert switched["sending_resumed"]["reason"].to_pylist() == ["y"]
    for event_type, table in (events | switched).items():
        assert table.schema.equals(EVENT_TYPES[event_type].schema)


def hear(ledger, inbound_id, keyword, user="u", minutes=0):
    at = RECEIVED_AT + timedelta(minutes=minutes)
    effect = effect_of_reply(keyword, POLICY)
    return ledger.record_inbound(inbound_id, user, keyword, received_at=at, now=at, effect=effect)


def is_suppressed(ledger, days=0.0, user="u"):
    return ledger.is_suppressed(user, at=RECEIVED_AT + timedelta(days=days))


def test_an_unclear_reply_pauses_until_somebody_has_read_it(ledger):
    assert hear(ledger, "i1", "OTHER")
    assert not hear(ledger, "i1", "OTHER"), "reading it again does nothing"
    assert is_suppressed(ledger, 400.0)
    assert ledger.suppressed_people(at=RECEIVED_AT + timedelta(days=400)) == ("u",)
    assert [reply.inbound_id for reply in ledger.unclear_replies()] == ["i1"]


def test_a_pause_with_an_end_of_an_earlier_release_lasts_until_somebody_has_read_the_reply(ledger):
    hear(ledger, "i1", "OTHER")
    with ledger.engine.begin() as connection:
        connection.execute(sa.update(suppressions).values(until=RECEIVED_AT + timedelta(days=14)))
    assert is_suppressed(ledger, 15.0)
    ledger.review_reply("i1", "harmless", actor="ann", now=RECEIVED_AT + timedelta(days=15))
    assert not is_suppressed(ledger, 15.0)


def test_a_pause_is_no_list_of_a_stop_that_went_missing(ledger):
    hear(ledger, "i1", "STOP")
    hear(ledger, "i2", "OTHER", minutes=1)
    ledger.lift("u", reason="inbound_stop")
    assert ledger.unlisted_stops() == ["u"]


def test_harmless_ends_the_pause_once_all_replies_are_read(ledger):
    hear(ledger, "i1", "OTHER")
    hear(ledger, "i2", "OTHER", minutes=1)
    assert ledger.review_reply("i1", "harmless", actor="ann", now=RECEIVED_AT) == "u"
    assert is_suppressed(ledger, 0.5)
    ledger.review_reply("i2", "harmless", actor="ann", now=RECEIVED_AT)
    assert not is_suppressed(ledger, 0.5)
    assert ledger.unclear_replies() == ()


def test_a_reply_found_to_be_an_opt_out_is_a_stop_for_ever(ledger):
    hear(ledger, "i1", "OTHER")
    for _ in range(2):
        ledger.review_reply("i1", "opt_out", actor="ann", now=RECEIVED_AT + timedelta(hours=1))
    assert is_suppressed(ledger, 3650)
    events = inbound_events(ledger.inbound())
    assert events["inbound_message"]["keyword"].to_pylist() == ["OTHER", "STOP"]
    assert events["consent"]["is_granted"].to_pylist() == [False]


def test_harmless_never_lifts_a_stop(ledger):
    hear(ledger, "i1", "STOP")
    hear(ledger, "i2", "OTHER", minutes=1)
    ledger.review_reply("i2", "harmless", actor="ann", now=RECEIVED_AT)
    assert is_suppressed(ledger, 3650)


@pytest.mark.parametrize(("start_at", "lifted"), [(5, True), (0, False), (-5, False)])
def test_start_lifts_what_came_before_it_and_nothing_of_an_administrator(ledger, start_at, lifted):
    ledger.suppress("other", now=RECEIVED_AT, reason="administrator")
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
    ledger.review_reply("i2", "harmless", actor="ann", now=RECEIVED_AT)
    with pytest.raises(InvalidInputError, match="i1 is STOP already"):
        ledger.review_reply("i1", "harmless", actor="ann", now=RECEIVED_AT)
    with pytest.raises(InvalidInputError, match="found harmless already"):
        ledger.review_reply("i2", "opt_out", actor="ann", now=RECEIVED_AT)
    with pytest.raises(NotFoundError, match="'i9'"):
        ledger.review_reply("i9", "harmless", actor="ann", now=RECEIVED_AT)


def test_known_replies_can_be_asked_for_since_an_instant(ledger):
    hear(ledger, "i1", "HELP")
    hear(ledger, "i2", "HELP", minutes=10)
    assert ledger.known_inbound() == {"i1", "i2"}
    assert ledger.known_inbound(since=RECEIVED_AT + timedelta(minutes=10)) == {"i2"}
