"""The ledger on both databases, its schema, and rows carried between files and databases.

`mlife_assets.adapters.send_ledger.schema` is what `begin_submit` runs.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlife_assets.adapters.send_ledger import SqlLedger, Transition, restoring, schema
from mlife_assets.adapters.send_ledger.restoring import continue_numbering, holds_rows, last_number, replace_rows
from mlife_assets.adapters.send_ledger.schema import metadata, open_engine, send_transitions, sends, write
from mlife_assets.core.errors import InvalidInputError, NotFoundError, PermanentError
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.messaging.states import EDGES
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.ports import LedgerRow
from mlife_tests.rows import planned_row

CONTACT = ContactPolicy()
DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)
POLICY = MessagingPolicy()
PLACES = ("first.sqlite", "postgresql")
OTHERS = ("second.sqlite", "postgresql 2")


def row(user: str, campaign: str = "c", day: date = DAY, job: str = "j1") -> LedgerRow:
    return planned_row(user, campaign, day, NOW, job_id=job)


def ready(ledger: SqlLedger, *rows: LedgerRow) -> None:
    ledger.plan(rows, now=NOW)
    for campaign, day in {(r.campaign, r.as_of_date) for r in rows}:
        ledger.approve(campaign, day, now=NOW)


def lease(
    ledger: SqlLedger, worker: str = "w", campaign: str = "c", day: date = DAY, limit: int = 10
) -> list[LedgerRow]:
    return ledger.lease(campaign, day, worker=worker, limit=limit, now=NOW, until=LATER)


def submit(ledger: SqlLedger, key: str, worker: str = "w", day: date = DAY) -> str | None:
    return ledger.begin_submit(key, worker=worker, now=NOW, policy=POLICY, contact=CONTACT, day=day)


def state_of(ledger: SqlLedger, key: str) -> str:
    return next(r.state for r in ledger.sends.rows() if r.message_id == key)


def test_planning_again_adds_nothing_and_keeps_the_first_row(ledger):
    assert ledger.plan([row("a"), row("b")], now=NOW) == 2
    assert ledger.plan([row("a", job="j2"), row("c")], now=NOW) == 1
    assert {r.user_id: r.job_id for r in ledger.sends.rows()} == {"a": "j1", "b": "j1", "c": "j1"}
    assert ledger.sends.transitions()["to_state"].to_pylist() == ["planned"] * 3


def test_sends_of_a_day_are_counted_by_campaign_and_state(ledger):
    ledger.plan([row("a"), row("b"), row("c", campaign="other")], now=NOW)
    ledger.approve("other", DAY, now=NOW)
    assert ledger.sends.state_counts(DAY) == {("c", "planned"): 2, ("other", "approved"): 1}
    assert ledger.sends.state_counts(DAY + timedelta(days=1)) == {}


def test_the_database_itself_forbids_a_second_send_of_a_user_campaign_day(ledger):
    ledger.plan([row("a")], now=NOW)
    copy = {**row("a").__dict__, "message_id": "msg_other"}
    with pytest.raises(sa.exc.IntegrityError), ledger.engine.begin() as connection:
        connection.execute(sa.insert(sends).values(**copy))


def test_the_way_of_a_delivered_text_and_its_outbox(ledger):
    ready(ledger, row("a"))
    (leased,) = lease(ledger)
    assert (leased.state, leased.user_id, leased.body) == ("leased", "a", "hi")
    assert lease(ledger, worker="w2") == []
    assert submit(ledger, leased.message_id) is None
    ledger.transition_many([Transition(leased.message_id, "accepted", provider_message_id="p1")], now=NOW)
    ledger.transition_many([Transition(leased.message_id, "delivered")], now=LATER)
    (final,) = ledger.sends.rows(campaign="c", as_of_date=DAY, state="delivered")
    assert (final.attempts, final.provider_message_id, final.updated_at) == (1, "p1", LATER)
    log = ledger.sends.transitions()
    assert log["to_state"].to_pylist() == ["planned", "approved", "leased", "submitting", "accepted", "delivered"]
    assert log["attempt"].to_pylist() == [0, 0, 0, 1, 1, 1]
    since = log["sequence"][3].as_py()
    assert ledger.sends.transitions(since)["to_state"].to_pylist() == ["accepted", "delivered"]
    assert ledger.sends.transitions(log["sequence"][-1].as_py()).num_rows == 0


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(walk=st.lists(st.sampled_from(sorted(EDGES)), min_size=1, max_size=6))
def test_only_allowed_edges_can_be_walked(ledger, walk):
    day = date(2026, 1, 1) + timedelta(days=len(ledger.sends.rows()))
    ledger.plan([row("walker", "walk", day)], now=NOW)
    key, state = message_id("walker", "walk", day), "planned"
    for step in walk:
        if step in EDGES[state]:
            ledger.transition_many([Transition(key, step)], now=NOW)
            state = step
        else:
            with pytest.raises(PermanentError):
                ledger.transition_many([Transition(key, step)], now=NOW)
    assert state_of(ledger, key) == state


def test_a_batch_is_all_or_nothing(ledger):
    ready(ledger, row("a"), row("b"))
    first, second = (r.message_id for r in ledger.sends.rows())
    with pytest.raises(PermanentError):
        ledger.transition_many([Transition(first, "leased"), Transition(second, "delivered")], now=NOW)
    assert {r.state for r in ledger.sends.rows()} == {"approved"}
    with pytest.raises(NotFoundError):
        ledger.transition_many([Transition("msg_none", "approved")], now=NOW)


def test_moves_on_one_connection_are_each_committed_alone(ledger):
    ready(ledger, row("a"), row("b"))
    first, second = (leased.message_id for leased in lease(ledger))
    with ledger.on_one_connection():
        assert submit(ledger, first) is None
        assert state_of(ledger, first) == "submitting", "another connection sees it before the provider is called"
        with pytest.raises(PermanentError):
            ledger.transition_many([Transition(first, "accepted"), Transition(second, "delivered")], now=NOW)
        assert {r.message_id: r.state for r in ledger.sends.rows()} == {first: "submitting", second: "leased"}
        ledger.switches.pause(actor="ops", reason="wait", now=NOW, campaign="c")
        assert submit(ledger, second) == "paused", "what another connection committed counts at once"
        ledger.transition_many([Transition(first, "accepted")], now=NOW)
    assert {r.message_id: r.state for r in ledger.sends.rows()} == {first: "accepted", second: "leased"}
    ledger.switches.resume(actor="ops", reason="go on", now=NOW, campaign="c")
    assert submit(ledger, second) is None, "a connection is opened again"


def test_leases_are_ordered_limited_and_run_out(ledger):
    ready(ledger, *(row(f"u{i}") for i in range(5)))
    got = lease(ledger, limit=3)
    assert [r.message_id for r in got] == [r.message_id for r in ledger.sends.rows()][:3]
    assert len(lease(ledger, worker="w2")) == 2
    late = ledger.lease("c", DAY, worker="w3", limit=9, now=LATER, until=LATER + timedelta(minutes=5))
    assert len(late) == 5
    assert submit(ledger, got[0].message_id, worker="w") == "not_leased"
    assert submit(ledger, got[0].message_id, worker="w3") is None
    assert submit(ledger, got[0].message_id, worker="w3") == "not_leased"


def test_stop_suppresses_waiting_rows_leased_ones_too_and_blocks_submission(ledger):
    ready(ledger, row("a"), row("a", "d"), row("b"))
    leased = {r.user_id: r.message_id for r in lease(ledger)}
    ledger.plan([row("a", "e")], now=NOW)
    assert ledger.people.suppress("a", now=NOW, reason="inbound_stop") == 3
    assert ledger.people.suppress("a", now=LATER, reason="again") == 0
    assert ledger.people.is_suppressed("a", at=NOW)
    assert not ledger.people.is_suppressed("b", at=NOW)
    assert submit(ledger, leased["a"]) == "not_leased"
    assert submit(ledger, leased["b"]) is None
    assert ledger.people.suppressed_people(at=NOW) == ("a",)
    assert ledger.people.suppressed_people(at=NOW - timedelta(seconds=1)) == ()
    ledger.plan([row("a", "f")], now=LATER)
    assert ledger.approve("f", DAY, now=LATER) == 0
    assert state_of(ledger, message_id("a", "f", DAY)) == "suppressed"


@pytest.mark.parametrize(
    ("days_ago", "reason"),
    [([0], "frequency_gap"), ([2], "frequency_gap"), ([3], None), ([3, 6], "frequency_7_days"), ([3, 7], None)],
)
def test_caps_are_kept_at_submission_across_campaigns(ledger, days_ago, reason):
    for days in days_ago:
        day = DAY - timedelta(days=days)
        ready(ledger, row("a", "other", day))
        lease(ledger, campaign="other", day=day)
        ledger.transition_many([Transition(message_id("a", "other", day), "submitting")], now=NOW)
    ready(ledger, row("a"))
    lease(ledger)
    key = row("a").message_id
    free = MessagingPolicy(maximum_messages_per_7_days=7, minimum_days_between_messages=0)
    tight = ContactPolicy(maximum_messages_per_7_days=2, minimum_days_between_messages=3)
    assert ledger.begin_submit(key, worker="w", now=NOW, policy=free, contact=tight, day=DAY) == reason


@pytest.mark.parametrize(
    ("days_ago", "reason"),
    [([0], None), ([2], "frequency_gap"), ([3], None), ([3, 6], "frequency_7_days"), ([3, 7], None)],
)
@pytest.mark.parametrize("campaign", ["c", "other"])
def test_the_caps_of_an_application_count_it_alone(ledger, days_ago, reason, campaign):
    for days in (one for one in days_ago if one or campaign != "c"):
        day = DAY - timedelta(days=days)
        ready(ledger, row("a", campaign, day))
        lease(ledger, campaign=campaign, day=day)
        ledger.transition_many([Transition(message_id("a", campaign, day), "submitting")], now=NOW)
    ready(ledger, row("a"))
    lease(ledger)
    free = ContactPolicy(maximum_messages_per_7_days=70, minimum_days_between_messages=0)
    found = ledger.begin_submit(row("a").message_id, worker="w", now=NOW, policy=POLICY, contact=free, day=DAY)
    assert found == (reason if campaign == "c" else None)


def test_recover_makes_submitting_ambiguous_and_frees_leases_of_the_same_worker_or_that_ran_out(ledger):
    ready(ledger, row("a"), row("b"))
    first, second = (r.message_id for r in lease(ledger))
    submit(ledger, first)
    assert ledger.recover(worker="other", now=NOW) == 0
    assert ledger.recover(worker="w", now=NOW) == 1
    assert state_of(ledger, first) == "ambiguous"
    assert [r.message_id for r in lease(ledger, worker="w2")] == [second]
    assert submit(ledger, second, worker="w2") is None
    assert [ledger.recover(worker="w", now=now) for now in (NOW, LATER, LATER)] == [0, 1, 0], "its lease ran out"


def test_recent_sends_hold_what_was_and_may_be_sent(ledger):
    ready(ledger, row("a"), row("b", day=DAY - timedelta(days=9)), row("c"))
    ledger.people.suppress("c", now=NOW, reason="x")
    recent = ledger.sends.recent(DAY - timedelta(days=7))
    assert recent.to_pylist() == [{"person_id": "a", "as_of_date": DAY, "campaign": "c"}]


def test_the_first_submitted_day_is_none_on_which_something_was_only_planned(ledger):
    ready(ledger, row("a"), row("b", day=DAY - timedelta(days=9)))
    assert ledger.sends.first_submitted() is None
    submit(ledger, lease(ledger)[0].message_id)
    assert [ledger.sends.first_submitted(*since) for since in ((), (DAY + timedelta(days=1),))] == [DAY, None]


def test_workers_in_parallel_never_submit_one_row_twice(open_ledger):
    ready(open_ledger(), *(row(f"u{i:02d}") for i in range(24)))

    def work(worker: str, ledger: SqlLedger) -> list[str]:
        done: list[str] = []
        while rows := ledger.lease("c", DAY, worker=worker, limit=3, now=NOW, until=LATER):
            done += [r.message_id for r in rows if submit(ledger, r.message_id, worker) is None]
        return done

    with ThreadPoolExecutor(3) as pool:
        submitted = [key for keys in pool.map(work, "abc", [open_ledger() for _ in "abc"]) for key in keys]
    assert len(submitted) == len(set(submitted)) == 24
    sequences = open_ledger().sends.transitions()["sequence"].to_pylist()
    assert sequences == sorted(set(sequences))


def test_awaited_are_accepted_and_ambiguous_sends_since_a_day(ledger):
    old, ambiguous, accepted, delivered, waiting = (
        row(f"u{number}", day=DAY - timedelta(days=number == 0)) for number in range(5)
    )
    ready(ledger, old, ambiguous, accepted, delivered, waiting)
    for one in (old, ambiguous, accepted, delivered):
        lease(ledger, day=one.as_of_date)
        submit(ledger, one.message_id, day=one.as_of_date)
    ledger.transition_many([Transition(ambiguous.message_id, "ambiguous")], now=NOW)
    for one in (old, accepted, delivered):
        ledger.transition_many(
            [Transition(one.message_id, "accepted", provider_message_id=f"p_{one.user_id}")], now=NOW
        )
    ledger.transition_many([Transition(delivered.message_id, "delivered")], now=NOW)
    assert ledger.sends.awaited(DAY) == {ambiguous.message_id: DAY, accepted.message_id: DAY}
    assert ledger.sends.awaited(DAY - timedelta(days=1))[old.message_id] == DAY - timedelta(days=1)
    ledger.transition_many([Transition(ambiguous.message_id, "unknown")], now=NOW)
    found = {
        one.message_id: (state, one.as_of_date)
        for one, state in ((old, "accepted"), (ambiguous, "unknown"), (accepted, "accepted"))
    }
    assert ledger.sends.unsettled("sms") == found
    assert list(ledger.sends.unsettled("sms")) == sorted(found)
    assert ledger.sends.unsettled("email") == {}


def test_awaited_sends_are_found_by_their_day(ledger):
    """By their state, what nobody ever reports on is looked at for ever."""
    asked = []
    sa.event.listen(ledger.engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
    ledger.sends.awaited(DAY)
    (query,) = [one for one in asked if "FROM sends" in one[0]]
    is_sqlite = ledger.engine.dialect.name == "sqlite"
    with ledger.engine.begin() as connection:
        if not is_sqlite:  # a planner that counts rows reads a small table as a whole
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        explain = "EXPLAIN QUERY PLAN" if is_sqlite else "EXPLAIN"
        plan = connection.exec_driver_sql(f"{explain} {query[0]}", query[1]).all()
    assert "sends_by_day" in str(plan)


def carry(source: SqlLedger, target: SqlLedger) -> None:
    with source.engine.connect() as reader, write(target.engine) as connection:
        replace_rows(reader, connection)


@pytest.mark.parametrize("source", PLACES)
@pytest.mark.parametrize("target", OTHERS)
def test_a_ledger_holds_what_another_held_and_numbers_go_on_alike(
    open_at, fill, contents, next_numbers, source, target
):
    first, second = open_at(source), open_at(target)
    fill(first)
    for _ in range(20):
        next_numbers(second)
    carry(first, second)
    held = contents(first)
    assert contents(second) == held
    assert {name: len(found) for name, found in held.items()} == dict.fromkeys(metadata.tables, 7) | {"switches": 6}
    assert next_numbers(second) == next_numbers(first) == [8, 8, 8]


@pytest.mark.parametrize("target", OTHERS)
def test_an_empty_ledger_makes_another_empty_and_numbering_begins_anew(open_at, contents, next_numbers, target):
    first, second = open_at("first.sqlite"), open_at(target)
    next_numbers(second)
    carry(first, second)
    assert contents(second) == contents(first)
    assert next_numbers(second) == [1, 1, 1]


@pytest.mark.parametrize("source", PLACES)
def test_values_are_stored_as_they_were(open_at, fill, source):
    """To the microsecond and on both sides the same number: nothing between reads them as local times or floats."""
    first, second = open_at(source), open_at("second.sqlite")
    fill(first)
    carry(first, second)
    query = "SELECT at, until FROM suppressions ORDER BY person_id"
    with first.engine.connect() as one, second.engine.connect() as other:
        found = one.exec_driver_sql(query).all()
        assert other.exec_driver_sql(query).all() == found
    assert found[:2] == [(-1, -1), (253_402_300_799_999_999, None)]


@pytest.mark.parametrize("source", PLACES)
def test_rows_pass_in_batches_and_a_server_keeps_the_rest(open_at, fill, contents, monkeypatch, source):
    monkeypatch.setattr(restoring, "ROWS_AT_ONCE", 2)
    first, second = open_at(source), open_at("second.sqlite")
    fill(first)
    written: list[int] = []
    cursors: list[Any] = []

    def writes(_: Any, __: Any, statement: str, parameters: Any, ___: Any, is_many: bool) -> None:
        if statement.startswith("INSERT INTO send_transitions"):
            written.append(len(parameters) if is_many else 1)

    def reads(_: Any, cursor: Any, statement: str, *__: Any) -> None:
        if statement.startswith("SELECT send_transitions"):
            cursors.append(getattr(cursor, "name", None))

    sa.event.listen(second.engine, "before_cursor_execute", writes)
    sa.event.listen(first.engine, "before_cursor_execute", reads)
    carry(first, second)
    assert (sum(written), max(written)) == (7, 2)
    assert [name is not None for name in cursors] == [source == "postgresql"], "a cursor of the server has a name"
    assert contents(second) == contents(first)


def test_a_ledger_holds_something_whatever_it_is(ledger, fill):
    with ledger.engine.connect() as connection:
        assert not holds_rows(connection)
    fill(ledger)
    for kept in metadata.sorted_tables:
        with ledger.engine.connect() as connection:
            for table in metadata.sorted_tables:
                if table is not kept:
                    connection.execute(sa.delete(table))
            assert holds_rows(connection), kept.name
            connection.rollback()


def test_a_number_that_was_written_by_hand_is_not_given_again(ledger, next_numbers):
    """PostgreSQL counts only what it numbered itself."""
    next_numbers(ledger)
    with write(ledger.engine) as connection:
        connection.execute(sa.update(send_transitions).values(sequence=41))
        assert [last_number(connection, one) for one in (send_transitions, schema.switches)] == [41, 1]
        continue_numbering(connection, send_transitions, last_number(connection, send_transitions))
    assert next_numbers(ledger)[2] == 42


@pytest.mark.parametrize(("is_safe", "level"), [(True, 2), (False, 1)])
def test_sqlite_waits_for_the_disk_unless_asked_otherwise_and_another_database_is_refused(tmp_path, is_safe, level):
    engine = open_engine(f"sqlite:///{tmp_path}/l.sqlite", survives_power_cut=is_safe)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    engine.dispose()
    engine = sa.create_mock_engine("mysql://", lambda *_: None)
    with pytest.raises(InvalidInputError, match="sqlite or postgresql"):
        open_engine(engine)


def test_times_without_a_zone_are_refused(ledger: SqlLedger):
    with pytest.raises(Exception, match="no time zone"):
        ledger.switches.pause(actor="a", reason="b", now=datetime(2026, 6, 2))  # noqa: DTZ001
    assert not ledger.switches.is_paused()
