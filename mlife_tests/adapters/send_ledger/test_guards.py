"""`mlife_assets.adapters.send_ledger.guards` works in `test_ledger`; here its tables become events.

So does `mlife_assets.adapters.send_ledger.moves`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from mlife_assets.adapters.send_ledger import Transition
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.messaging.events import inbound_events, switch_events, transition_events
from mlife_assets.recruiting.ports import LedgerRow

DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)


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
