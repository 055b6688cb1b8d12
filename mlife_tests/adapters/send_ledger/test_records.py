"""Approvals, replies, people, heads and restored sends of the ledger, on SQLite and PostgreSQL.

These are `mlife_assets.adapters.send_ledger.ledger`, `mlife_assets.adapters.send_ledger.people`,
`mlife_assets.adapters.send_ledger.records`, `mlife_assets.adapters.send_ledger.restoring`; tables become events by
`mlife_assets.adapters.send_ledger.people`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from mlife_assets.adapters.send_ledger import Move, RestoredSend, SqlLedger, Transition
from mlife_assets.adapters.send_ledger.schema import accounts, inbound_texts, numbers, sends, suppressions, write
from mlife_assets.core.errors import ContentConflictError, GateClosedError, InvalidInputError, NotFoundError
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.messaging.approve import Approval, Rejection
from mlife_assets.recruiting.messaging.events import inbound_events, transition_events
from mlife_assets.recruiting.messaging.replies import effect_of_reply
from mlife_assets.recruiting.messaging.states import SendState
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.ports import LedgerRow
from mlife_tests.rows import plan, planned_row

DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
RECEIVED_AT = datetime(2026, 6, 1, 20, tzinfo=UTC)
POLICY = MessagingPolicy(unclear_reply_pause_days=14)
APPROVAL = Approval("pln_1", "c", DAY, 3, "ann", "pol", "d" * 64, "looked at it")
REJECTION = Rejection("pln_1", "c", DAY, "d" * 64, "ann", "the wording is off")
CONTACT = ContactPolicy()
SUBMITTED = Move(SendState.SUBMITTING, 1, None, None, NOW, NOW)
ACCEPTED = Move(SendState.ACCEPTED, 1, "p-1", None, NOW, NOW + timedelta(minutes=1))
SEND = RestoredSend("m1", "a", "j", "c", DAY, "hi", (SUBMITTED, ACCEPTED))


def test_the_outbox_becomes_events_of_exact_schemas_with_ids_that_repeat(ledger):
    key, _ = plan(ledger, "ab", "c", DAY, NOW)
    ledger.people.suppress("b", now=NOW, reason="inbound_stop")
    for state in ("leased", "submitting", "throttled", "approved", "leased", "submitting", "ambiguous", "accepted"):
        ledger.transition_many([Transition(key, state)], now=NOW)
    ledger.transition_many([Transition(key, "delivered")], now=NOW + timedelta(hours=1))
    events = transition_events(ledger.sends.transitions(), providers={"sms": "console"})
    assert events["message_submitted"]["attempt"].to_pylist() == [1, 2]
    assert events["message_status"]["status"].to_pylist() == ["throttled", "ambiguous", "accepted", "delivered"]
    (row,) = events["message_suppressed"].to_pylist()
    assert [row[name] for name in ("reason", "stage", "campaign", "as_of_date")] == ["inbound_stop", "send", "c", DAY]
    ids = [i for table in events.values() for i in table["event_id"].to_pylist()]
    assert len(set(ids)) == len(ids) == 7
    again = transition_events(ledger.sends.transitions(), providers={"sms": "console"})
    for event_type, table in events.items():
        assert table.schema.equals(EVENT_TYPES[event_type].schema)
        assert table.equals(again[event_type])


def hear(ledger, inbound_id, keyword, user="u", minutes=0):
    at = RECEIVED_AT + timedelta(minutes=minutes)
    effect = effect_of_reply(keyword, POLICY)
    return ledger.replies.record(inbound_id, user, keyword, received_at=at, now=at, effect=effect)


def is_suppressed(ledger, days=0.0, user="u"):
    return ledger.people.is_suppressed(user, at=RECEIVED_AT + timedelta(days=days))


def test_an_unclear_reply_pauses_until_somebody_has_read_it(ledger):
    assert hear(ledger, "i1", "OTHER")
    assert not hear(ledger, "i1", "OTHER"), "reading it again does nothing"
    assert is_suppressed(ledger, 400.0)
    assert ledger.people.suppressed_people(at=RECEIVED_AT + timedelta(days=400)) == ("u",)
    assert [reply.inbound_id for reply in ledger.replies.unclear()] == ["i1"]


def test_a_pause_with_an_end_of_an_earlier_release_lasts_until_somebody_has_read_the_reply(ledger):
    hear(ledger, "i1", "OTHER")
    with ledger.engine.begin() as connection:
        connection.execute(sa.update(suppressions).values(until=RECEIVED_AT + timedelta(days=14)))
    assert is_suppressed(ledger, 15.0)
    ledger.replies.review("i1", "harmless", actor="ann", now=RECEIVED_AT + timedelta(days=15))
    assert not is_suppressed(ledger, 15.0)


def test_a_pause_is_no_list_of_a_stop_that_went_missing(ledger):
    hear(ledger, "i1", "STOP")
    hear(ledger, "i2", "OTHER", minutes=1)
    ledger.people.lift("u", reason="inbound_stop")
    assert ledger.people.unlisted_stops() == ["u"]


def test_harmless_ends_the_pause_once_all_replies_are_read(ledger):
    hear(ledger, "i1", "OTHER")
    hear(ledger, "i2", "OTHER", minutes=1)
    assert ledger.replies.review("i1", "harmless", actor="ann", now=RECEIVED_AT) == "u"
    assert is_suppressed(ledger, 0.5)
    ledger.replies.review("i2", "harmless", actor="ann", now=RECEIVED_AT)
    assert not is_suppressed(ledger, 0.5)
    assert ledger.replies.unclear() == ()
    hear(ledger, "i3", "OTHER", user="v")
    hear(ledger, "i4", "START", user="v", minutes=5)
    assert not is_suppressed(ledger, 1, user="v"), "START ends it too"


def test_a_reply_found_to_be_an_opt_out_is_a_stop_for_ever(ledger):
    hear(ledger, "i1", "OTHER")
    for _ in range(2):
        ledger.replies.review("i1", "opt_out", actor="ann", now=RECEIVED_AT + timedelta(hours=1))
    assert is_suppressed(ledger, 3650)
    events = inbound_events(ledger.replies.rows())
    assert events["inbound_message"]["keyword"].to_pylist() == ["OTHER", "STOP"]
    assert events["consent"]["is_granted"].to_pylist() == [False]


def test_harmless_never_lifts_a_stop(ledger):
    hear(ledger, "i1", "STOP")
    hear(ledger, "i2", "OTHER", minutes=1)
    ledger.replies.review("i2", "harmless", actor="ann", now=RECEIVED_AT)
    assert is_suppressed(ledger, 3650)


@pytest.mark.parametrize(("start_at", "lifted"), [(5, True), (0, False), (-5, False)])
def test_start_lifts_what_came_before_it_and_nothing_of_an_administrator(ledger, start_at, lifted):
    ledger.people.suppress("other", now=RECEIVED_AT, reason="administrator")
    for user in ("u", "other"):
        hear(ledger, f"{user}1", "STOP", user)
        hear(ledger, f"{user}2", "OTHER", user, minutes=-1)
        hear(ledger, f"{user}3", "START", user, minutes=start_at)
    assert is_suppressed(ledger, 1) != lifted
    assert is_suppressed(ledger, 1, "other")


def test_only_unclear_replies_are_reviewed_and_once(ledger):
    hear(ledger, "i1", "STOP")
    hear(ledger, "i2", "OTHER")
    ledger.replies.review("i2", "harmless", actor="ann", now=RECEIVED_AT)
    with pytest.raises(InvalidInputError, match="i1 is STOP already"):
        ledger.replies.review("i1", "harmless", actor="ann", now=RECEIVED_AT)
    with pytest.raises(InvalidInputError, match="found harmless already"):
        ledger.replies.review("i2", "opt_out", actor="ann", now=RECEIVED_AT)
    with pytest.raises(NotFoundError, match="'i9'"):
        ledger.replies.review("i9", "harmless", actor="ann", now=RECEIVED_AT)


def test_known_replies_can_be_asked_for_since_an_instant(ledger):
    hear(ledger, "i1", "HELP")
    hear(ledger, "i2", "HELP", minutes=10)
    assert ledger.replies.known() == {"i1", "i2"}
    assert ledger.replies.known(since=RECEIVED_AT + timedelta(minutes=10)) == {"i2"}


def test_a_day_is_approved_once(ledger):
    assert ledger.approvals.of_day("c", DAY) is None
    assert ledger.approvals.record(APPROVAL, now=NOW)
    assert not ledger.approvals.record(APPROVAL, now=NOW + timedelta(hours=1))
    recorded = ledger.approvals.of_day("c", DAY)
    assert (recorded.plan_id, recorded.plan_digest, recorded.at) == ("pln_1", "d" * 64, NOW)
    assert (recorded.approved_by, recorded.reason, recorded.planned_count) == ("ann", "looked at it", 3)
    for other in (replace(APPROVAL, plan_id="pln_2"), replace(APPROVAL, plan_digest="e" * 64)):
        with pytest.raises(GateClosedError, match="a day has one plan"):
            ledger.approvals.record(other, now=NOW)
    assert ledger.approvals.record(replace(APPROVAL, plan_id="pln_3", as_of_date=DAY + timedelta(days=1)), now=NOW)


def test_a_plan_is_rejected_once_and_never_approved(ledger):
    assert ledger.approvals.rejection(REJECTION.plan_digest) is None
    assert ledger.approvals.record_rejection(REJECTION, now=NOW)
    assert not ledger.approvals.record_rejection(replace(REJECTION, actor="bob"), now=NOW + timedelta(hours=1))
    assert ledger.approvals.rejection(REJECTION.plan_digest) == REJECTION, "the first one holds"
    with pytest.raises(GateClosedError, match="pln_1 was rejected by ann: the wording is off"):
        ledger.approvals.record(APPROVAL, now=NOW)
    assert ledger.approvals.of_day("c", DAY) is None
    assert ledger.approvals.record(replace(APPROVAL, plan_id="pln_2", plan_digest="e" * 64), now=NOW)


def test_an_approved_plan_is_not_rejected_and_another_of_the_day_may_be(ledger):
    assert ledger.approvals.record(APPROVAL, now=NOW)
    with pytest.raises(GateClosedError, match="was approved by ann, so it cannot be rejected any more"):
        ledger.approvals.record_rejection(REJECTION, now=NOW)
    assert ledger.approvals.record_rejection(replace(REJECTION, plan_id="pln_2", plan_digest="e" * 64), now=NOW)


def test_the_plan_that_was_made_last_is_noted(ledger):
    assert ledger.approvals.noted_plan("c", DAY) is None
    ledger.approvals.note_plan("c", DAY, plan_id="pln_1", plan_digest="a", now=NOW)
    ledger.approvals.note_plan("d", DAY, plan_id="pln_9", plan_digest="z", now=NOW)
    ledger.approvals.note_plan("c", DAY, plan_id="pln_2", plan_digest="b", now=NOW)
    assert ledger.approvals.noted_plan("c", DAY) == ("pln_2", "b")


def test_attempts_are_those_of_sends_that_there_are(ledger):
    rows = [LedgerRow(f"m{n:04d}", f"u{n}", "j", "c", DAY, "hi", "planned", 0, None, NOW) for n in range(600)]
    ledger.plan(rows, now=NOW)
    assert len(ledger.sends.attempts([row.message_id for row in rows])) == 600
    assert ledger.sends.attempts(["m0001", "other"]) == {"m0001": ("planned", 0)}
    assert ledger.sends.submitted(DAY) == {}


def test_a_stop_that_was_reviewed_is_settled(ledger):
    ledger.replies.record("in-1", "a", "STOP", received_at=NOW, now=NOW)
    assert ledger.people.unlisted_stops() == []
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM suppressions")
    assert ledger.people.unlisted_stops() == ["a"]
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE inbound_texts SET reviewed_at = 1, reviewed_by = 'ann', review = 'no'")
    assert ledger.people.unlisted_stops() == []


def test_looking_for_unlisted_stops_costs_as_much_as_there_are_stops_not_their_square(tmp_path):
    """It is looked for before every sending, and every STOP of history counts; half were lifted by a START."""

    def steps(count: int) -> int:
        ledger = SqlLedger(f"sqlite:///{tmp_path}/{count}.sqlite", survives_power_cut=False)
        texts = [
            {"inbound_id": f"{word}{n}", "user_id": f"u{n}", "keyword": word, "received_at": NOW + later, "at": NOW}
            for n in range(count)
            for word, later in (("STOP", timedelta()), ("START", timedelta(hours=1)))[: 1 + n % 2]
        ]
        with write(ledger.engine) as connection:
            people = [{"user_id": f"u{n}", "person_id": f"u{n}", "at": NOW} for n in range(count)]
            listed = [
                {"person_id": f"u{n}", "reason": "inbound_stop", "channel": "sms", "at": NOW}
                for n in range(0, count, 2)
            ]
            for table, rows in ((accounts, people), (inbound_texts, texts), (suppressions, listed)):
                connection.execute(sa.insert(table), rows)
        ticks = Counter()

        def tick() -> None:
            ticks["all"] += 1

        sa.event.listen(ledger.engine, "checkout", lambda raw, *_: raw.set_progress_handler(tick, 10))
        assert ledger.people.unlisted_stops() == []
        ledger.close()
        return ticks["all"]

    assert steps(1_600) < 6 * steps(400)


def test_a_pause_ends_by_itself_and_is_never_shortened(ledger: SqlLedger) -> None:
    day = timedelta(days=1)
    ledger.people.suppress("a", now=NOW, reason="pause", until=NOW + 2 * day)
    ledger.people.suppress("a", now=NOW, reason="pause", until=NOW + day)
    assert [ledger.people.is_suppressed("a", at=NOW + n * day) for n in (0, 1, 2)] == [True, True, False]
    assert ledger.people.suppressed_people(at=NOW + day) == ("a",)
    assert ledger.people.suppressed_people(at=NOW + 2 * day) == ()
    ledger.people.suppress("a", now=NOW, reason="pause")
    ledger.people.suppress("a", now=NOW, reason="pause", until=NOW + day)
    assert ledger.people.is_suppressed("a", at=NOW + 9_999 * day)


def row(user: str, campaign: str = "c") -> LedgerRow:
    return planned_row(user, campaign, DAY, NOW)


def test_accounts_are_registered_joined_and_found_again(open_ledger: Callable[[], SqlLedger]) -> None:
    ledger = open_ledger()
    assert ledger.people.register({"b": "1", "a": "2", "c": None}, now=NOW) == {"a": "a", "b": "b", "c": "c"}
    assert ledger.people.register({"a": "1", "d": "1"}, now=NOW) == {"a": "a", "d": "a"}
    again = open_ledger()
    assert again.people.people_of(["a", "b", "c", "d", "?"]) == {"?": "?", "a": "a", "b": "a", "c": "c", "d": "a"}
    assert again.people.accounts_of(["b", "c", "?"]) == {"b": ("a", "b", "d"), "c": ("c",)}
    assert again.people.user_ids() == ("a", "b", "c", "d")
    assert again.people.register({"d": "2", "b": "1"}, now=NOW) == {"b": "a", "d": "a"}


def test_many_accounts_are_registered_at_once(ledger: SqlLedger) -> None:
    seen = {f"u{place:04d}": f"{place // 2}" for place in range(1_200)}
    people = ledger.people.register(seen, now=NOW)
    assert people["u0000"] == people["u0001"] == "u0000"
    assert len(set(people.values())) == 600
    assert ledger.people.register(seen, now=NOW) == people
    few = dict(list(seen.items())[:9])
    assert {user: people[user] for user in few} == ledger.people.register(few, now=NOW)


def test_the_person_who_registered_first_gives_the_id(ledger: SqlLedger) -> None:
    ledger.people.register({"z": "1"}, now=NOW)
    ledger.people.register({"a": "2"}, now=NOW + timedelta(days=1))
    assert ledger.people.register({"a": "1"}, now=NOW + timedelta(days=2)) == {"a": "z"}


def test_rehashing_forgets_what_no_account_has_and_keeps_people(ledger: SqlLedger) -> None:
    ledger.people.register({"a": "1", "b": "1"}, now=NOW)
    ledger.people.register({"a": "2"}, now=NOW)
    assert ledger.people.rehash({"a": "x", "b": "y", "new": "x"}, now=NOW) == 2
    assert ledger.people.people_of(["a", "b", "new"]) == {"a": "a", "b": "a", "new": "a"}
    with ledger.engine.connect() as connection:
        assert sorted(connection.execute(sa.select(numbers.c.number_hash)).scalars()) == ["x", "y"]


def test_the_database_itself_refuses_a_second_row_of_a_person_and_day(ledger: SqlLedger) -> None:
    ledger.people.register({"a": "1", "b": "1"}, now=NOW)
    assert ledger.plan([row("b")], now=NOW) == 1
    assert ledger.plan([row("a")], now=NOW) == 0
    others = [column for column in sends.c if column.name != "message_id"]
    copy = sa.insert(sends).from_select(
        ["message_id", *(column.name for column in others)], sa.select(sa.literal("other"), *others)
    )
    with ledger.engine.connect() as connection, pytest.raises(sa.exc.IntegrityError):
        connection.execute(copy)


def test_recent_sends_name_the_person_as_known_now(ledger: SqlLedger) -> None:
    ledger.plan([row("a"), row("b", "d")], now=NOW)
    ledger.people.register({"a": "1", "b": "1"}, now=NOW)
    assert ledger.sends.recent(DAY)["person_id"].to_pylist() == ["a", "a"]


@pytest.mark.parametrize("reason", [None, "opted_out"])
def test_a_pause_is_over_at_submission_too(ledger: SqlLedger, reason: str | None) -> None:
    end = NOW + timedelta(hours=1)
    ledger.people.register({"a": "1", "b": "1"}, now=NOW)
    ledger.plan([row("a")], now=NOW)
    ledger.approve("c", DAY, now=NOW)
    at = end if reason is None else NOW
    ledger.lease("c", DAY, worker="w", limit=9, now=at, until=at + timedelta(minutes=5))
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO suppressions VALUES ('b', 'pause', 'sms', 0, {int(end.timestamp() * 1_000_000)})"
        )
    policy = MessagingPolicy()
    said = ledger.begin_submit(row("a").message_id, worker="w", now=at, policy=policy, contact=CONTACT, day=DAY)
    assert said == reason


def test_registering_in_parallel_joins_once(open_ledger: Callable[[], SqlLedger]) -> None:
    ledgers = [open_ledger() for _ in range(4)]
    seen = {"a": "1", "b": "1", "c": "2"}
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda one: one.people.register(seen, now=NOW), ledgers))
    assert found == [{"a": "a", "b": "a", "c": "c"}] * 4


def test_submitting_reads_the_texts_of_the_person_alone(tmp_path: Path) -> None:
    """Caps are asked for before every text: reading a day's or a state's texts instead costs seconds a day."""
    ledger = SqlLedger(f"sqlite:///{tmp_path}/ledger.sqlite", survives_power_cut=False)
    asked: list[tuple[str, object]] = []
    sa.event.listen(
        ledger.engine, "before_cursor_execute", lambda c, cursor, text, values, *_: asked.append((text, values))
    )
    ledger.plan([row("a")], now=NOW)
    ledger.begin_submit(row("a").message_id, worker="w", now=NOW, policy=MessagingPolicy(), contact=CONTACT, day=DAY)
    text, values = next(one for one in asked if one[0].startswith("UPDATE sends"))
    with ledger.engine.connect() as connection:
        steps = [step.detail for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)]
    assert [step for step in steps if " other " in step] == [
        "SEARCH other USING INDEX sends_by_user_day (user_id=?)"
    ] * 3
    ledger.close()


def test_a_head_is_kept_and_written_once(ledger: SqlLedger) -> None:
    heads = ledger.heads
    assert (heads.name, heads.sequences()) == ("ledger", [])
    for sequence in (1, 0):
        heads.put(sequence, f'{{"n":{sequence}}}\n'.encode(), at=NOW)
    heads.put(1, b'{"n":1}\n', at=NOW)
    assert heads.sequences() == [0, 1]
    assert heads.get(1) == b'{"n":1}\n'
    with pytest.raises(ContentConflictError, match="holds another head 1"):
        heads.put(1, b"other", at=NOW)
    heads.put(1, b"other", at=NOW, replaces=True)
    assert heads.get(1) == b"other"
    with pytest.raises(NotFoundError, match="head 2 is not in the ledger"):
        heads.get(2)


def test_a_send_is_added_with_its_moves_and_once(ledger):
    assert ledger.restoring.restore_sends([SEND]) == 1
    assert ledger.restoring.restore_sends([SEND]) == 0
    (row,) = ledger.sends.rows()
    assert (row.state, row.attempts, row.provider_message_id, row.body) == ("accepted", 1, "p-1", "hi")
    moves = ledger.sends.transitions().to_pylist()
    assert [(m["from_state"], m["to_state"], m["attempt"]) for m in moves] == [
        (None, "submitting", 1),
        ("submitting", "accepted", 1),
    ]


def test_a_send_that_waits_moves_on_and_one_that_is_further_stays(ledger):
    ledger.plan([LedgerRow("m1", "a", "j", "c", DAY, "hi", "planned", 0, None, NOW)], now=NOW)
    assert ledger.restoring.restore_sends([SEND]) == 1
    ledger.transition_many([Transition("m1", "delivered")], now=NOW)
    assert ledger.restoring.restore_sends([replace(SEND, moves=(SUBMITTED,))]) == 0
    assert ledger.sends.rows()[0].state == "delivered"
    assert ledger.sends.submitted(DAY) == {"m1": 1}


@pytest.mark.parametrize("first", ["a", "b"])
def test_two_accounts_of_one_person_whom_an_earlier_release_texted_both_come_back(ledger, first):
    """Whichever comes first: `a` gave the person its id."""
    ledger.people.register({"a": "hash", "b": "hash"}, now=NOW)
    both = [replace(SEND, user_id=first), replace(SEND, message_id="m2", user_id="ab".replace(first, ""))]
    assert ledger.restoring.restore_sends(both) == 2
    assert {row.user_id for row in ledger.sends.rows()} == {"a", "b"}


def test_switches_keep_their_numbers_and_new_rows_go_on_after_what_was_reached(ledger):
    ledger.restoring.restore_switch(7, is_paused=True, actor="me", reason="doubt", at=NOW)
    assert ledger.switches.is_paused()
    ledger.restoring.continue_after({"transitions": 100, "inbound": 30})
    ledger.switches.resume(actor="me", reason="fine", now=NOW)
    ledger.replies.record("in-1", "a", "HELP", received_at=NOW, now=NOW)
    ledger.restoring.restore_sends([SEND])
    assert ledger.switches.rows()["sequence"].to_pylist() == [7, 8]
    assert ledger.replies.rows()["sequence"].to_pylist() == [31]
    assert ledger.sends.transitions()["sequence"].to_pylist() == [101, 102]
    ledger.restoring.mark_caught_up(102, now=NOW)
    assert ledger.positions()["transitions"] == 102
    ledger.restoring.mark_caught_up(200, now=NOW)
    assert ledger.positions()["transitions"] == 200
    for reached in (100, 50):  # a restored ledger may be numbered further than its newest row and the newest head
        ledger.restoring.continue_after({"switches": reached})
    ledger.switches.pause(actor="me", reason="doubt", now=NOW)
    assert ledger.positions()["switches"] == 101
