"""From the ledger to the event log: everything once, in every order of crashes, on both databases."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pyarrow as pa
import pytest

from mlife_assets.adapters.event_log import ParquetEventLog, verify
from mlife_assets.adapters.event_log.manifests import manifest_key
from mlife_assets.adapters.ledger_outbox import POSITION_KEY, LedgerOutbox
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.send_ledger import SqlLedger, Transition
from mlife_assets.core.errors import IntegrityError
from mlife_tests.rows import submit
from mlife_tests.stores import Counting, CrashError, CrashingStore

DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 18, tzinfo=UTC)
TYPES = (
    "message_submitted", "message_status", "message_suppressed", "inbound_message", "consent", "sending_paused",
    "sending_resumed",
)  # fmt: skip


@pytest.fixture
def ledger(file_ledger) -> SqlLedger:
    return file_ledger


@pytest.fixture
def store(tmp_path: Path) -> ObstoreObjectStore:
    return ObstoreObjectStore.local(tmp_path / "lake")


@pytest.fixture
def log(store: ObstoreObjectStore) -> ParquetEventLog:
    return ParquetEventLog(store)


def outbox(ledger: SqlLedger, log: ParquetEventLog, store: ObstoreObjectStore) -> LedgerOutbox:
    return LedgerOutbox(ledger, log, store, providers={"sms": "console"})


def send(ledger: SqlLedger, user: str, minute: int = 0, campaign: str = "c") -> str:
    """Take one message from plan to delivery."""
    now = NOW + timedelta(minutes=minute)
    (key,) = submit(ledger, [user], campaign, DAY, now)
    ledger.transition_many(
        [
            Transition(key, "accepted", f"p-{user}"),
            Transition(key, "delivered", occurred_at=now + timedelta(seconds=3)),
        ],
        now=now + timedelta(minutes=1),
    )
    return key


def logged(log: ParquetEventLog) -> dict[str, int]:
    return {name: log.read(name).num_rows for name in TYPES if log.read(name).num_rows}


def test_a_send_becomes_its_events_with_the_times_of_the_ledger_once_and_new_rows_follow(open_ledger, log, store):
    ledger = open_ledger()
    key = send(ledger, "a")
    published = outbox(ledger, log, store).publish()
    assert {name: count for name, count in published.items() if count} == {"message_submitted": 1, "message_status": 2}
    submitted = log.read("message_submitted").to_pylist()[0]
    assert (submitted["message_id"], submitted["user_id"], submitted["attempt"]) == (key, "a", 1)
    assert (submitted["provider"], submitted["observed_at"]) == ("console", NOW)
    delivered = next(row for row in log.read("message_status").to_pylist() if row["status"] == "delivered")
    assert delivered["provider_message_id"] == "p-a"
    assert delivered["occurred_at"] == NOW + timedelta(seconds=3)
    assert delivered["observed_at"] == NOW + timedelta(minutes=1)
    files = store.list("events")
    assert set(outbox(ledger, log, store).publish().values()) == {0}
    assert store.list("events") == files
    send(ledger, "b", minute=10)
    assert outbox(ledger, log, store).publish()["message_submitted"] == 1
    assert logged(log) == {"message_submitted": 2, "message_status": 4}


def test_texts_from_people_and_the_kill_switch_are_published(open_ledger, log, store):
    ledger = open_ledger()
    ledger.replies.record("in-1", "a", "STOP", received_at=NOW, now=NOW)
    ledger.replies.record("in-2", "b", "HELP", received_at=NOW, now=NOW)
    ledger.replies.record("in-3", "a", "START", received_at=NOW + timedelta(hours=1), now=NOW + timedelta(hours=2))
    ledger.switches.pause(actor="me", reason="check", now=NOW)
    ledger.switches.resume(actor="me", reason="fine", now=NOW + timedelta(hours=1))
    outbox(ledger, log, store).publish()
    assert logged(log) == {"inbound_message": 3, "consent": 2, "sending_paused": 1, "sending_resumed": 1}
    names = ["user_id", "is_granted", "source", "occurred_at", "observed_at"]
    assert [tuple(row.values()) for row in log.read("consent", columns=names).to_pylist()] == [
        ("a", False, "inbound_stop", NOW, NOW),
        ("a", True, "inbound_start", NOW + timedelta(hours=1), NOW + timedelta(hours=2)),
    ]


def test_each_single_new_row_is_published_by_the_next_call(ledger, log, store):
    for hour in range(3):
        moment = NOW + timedelta(hours=hour)
        ledger.replies.record(f"in-{hour}", "a", "HELP", received_at=moment, now=moment)
        ledger.switches.pause(actor="me", reason="check", now=moment)
        published = outbox(ledger, log, store).publish()
        assert (published["inbound_message"], published["sending_paused"]) == (1, 1)
    assert logged(log) == {"inbound_message": 3, "sending_paused": 3}


def test_a_crash_before_the_position_is_remembered_publishes_again_and_counts_once(ledger, log, store, monkeypatch):
    send(ledger, "a")
    ledger.replies.record("in-1", "a", "STOP", received_at=NOW, now=NOW)
    with monkeypatch.context() as patch:
        patch.setattr(store, "replace", Mock(side_effect=CrashError))
        with pytest.raises(CrashError):
            outbox(ledger, log, store).publish()
    expected = logged(log)
    assert expected["message_status"] == 2
    send(ledger, "b", minute=10, campaign="d")
    outbox(ledger, log, store).publish()
    assert logged(log) == {**expected, "message_submitted": 2, "message_status": 4}
    assert verify(store).is_intact


def test_a_ledger_that_never_reached_the_position_is_refused(ledger, log, store, tmp_path):
    """A new or restored ledger counts from 1 again: its first rows would be skipped in silence."""
    send(ledger, "a")
    send(ledger, "b", minute=10, campaign="d")
    outbox(ledger, log, store).publish()
    other = SqlLedger(f"sqlite:///{tmp_path}/other.sqlite")
    try:
        send(other, "c")
        with pytest.raises(IntegrityError, match=POSITION_KEY):
            outbox(other, log, store).publish()
    finally:
        other.close()
    assert log.read("message_submitted")["user_id"].to_pylist() == ["a", "b"]


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b'{"transitions": 1}', b'{"transitions": null}'])
def test_an_unreadable_position_is_not_an_empty_one(ledger, log, store, broken):
    store.replace(POSITION_KEY, broken)
    with pytest.raises(IntegrityError, match="cannot be read"):
        outbox(ledger, log, store).publish()


def publish_and_die(ledger: SqlLedger, store: ObstoreObjectStore, manifests: int = 0) -> None:
    """Publish in a process that dies between a file and its manifest."""
    dying = CrashingStore(store, manifests + 1, below="manifests/")
    with pytest.raises(CrashError):
        outbox(ledger, ParquetEventLog(dying), dying).publish()


@pytest.mark.parametrize("manifests", [0, 1])
@pytest.mark.parametrize("published_before", [False, True])
def test_what_was_half_published_is_whole_although_the_ledger_went_on(ledger, log, store, manifests, published_before):
    """A process dies between a file and its manifest, twice; more is recorded before anybody publishes again."""
    if published_before:
        send(ledger, "a", minute=-10)
        outbox(ledger, log, store).publish()
    for minute, user in enumerate(("b", "c")):
        send(ledger, user, minute=minute)
        publish_and_die(ledger, store, manifests)
        assert not verify(store).is_intact
    send(ledger, "d", minute=5)
    outbox(ledger, log, store).publish()
    assert verify(store).findings == ()
    count = 3 + published_before
    assert logged(log) == {"message_submitted": count, "message_status": 2 * count}
    files = store.list("events")
    assert set(outbox(ledger, log, store).publish().values()) == {0}
    assert store.list("events") == files


@pytest.mark.parametrize("damage", [b"", b"PAR1"])
def test_what_a_power_cut_emptied_comes_back_although_the_ledger_went_on(ledger, log, store, damage):
    """More is recorded in the same hour, at the same instant even, before anybody publishes again."""
    for count, user in enumerate("abc"):
        send(ledger, user)
        publish_and_die(ledger, store)
        (key,) = set(store.list("events")) - {one for one in store.list("events") if verify(store).entries.get(one)}
        whole = store.get(key)
        (store.root / key).write_bytes(damage)
        send(ledger, f"later{count}")
        outbox(ledger, ParquetEventLog(store), store).publish()
        assert store.get(key) == whole
        assert verify(store).findings == ()
    assert logged(log) == {"message_submitted": 6, "message_status": 12}


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize("damage", [None, b"", b"PAR1"])
def test_what_was_published_under_another_provider_is_whole_after_the_provider_changed(
    ledger, log, store, is_listed, damage
):
    """Each file names who the provider was then; the ledger went on in the hour of both."""
    send(ledger, "a")
    if is_listed:
        outbox(ledger, log, store).publish()
    else:
        publish_and_die(ledger, store)
    (key,) = store.list("events/event_type=message_submitted")
    whole = store.get(key)
    if damage is not None:
        (store.root / key).write_bytes(damage)
    send(ledger, "b", minute=1)
    named = {"providers": {"sms": "carrier"}, "former": ({"sms": "console"},)}
    LedgerOutbox(ledger, ParquetEventLog(store), store, **named).publish()
    assert store.get(key) == whole
    assert verify(store).findings == ()
    assert logged(log) == {"message_submitted": 2, "message_status": 4}
    providers = {row["user_id"]: row["provider"] for row in log.read("message_submitted").to_pylist()}
    assert providers["b"] == "carrier"
    if is_listed:
        assert providers["a"] == "console"
    (later,) = set(store.list("events/event_type=message_submitted")) - {key}
    whole = store.get(later)
    (store.root / later).write_bytes(b"")
    LedgerOutbox(ledger, ParquetEventLog(store), store, **named).heal()
    assert store.get(later) == whole


def test_a_name_that_no_provider_had_gives_no_file(ledger, log, store):
    send(ledger, "a")
    outbox(ledger, log, store).publish()
    (key,) = store.list("events/event_type=message_submitted")
    (store.root / key).write_bytes(b"")
    with pytest.raises(IntegrityError, match="no longer gives its rows"):
        LedgerOutbox(ledger, ParquetEventLog(store), store, providers={"sms": "carrier"}).heal()


def test_healing_reads_no_further_back_than_the_newest_days(ledger, log, store):
    """A type that was last written long ago must not make every process read the chain back to it."""
    ledger.switches.pause(actor="me", reason="check", now=NOW - timedelta(days=200))
    ledger.switches.resume(actor="me", reason="fine", now=NOW - timedelta(days=199))
    outbox(ledger, log, store).publish()
    for number in range(4):
        send(ledger, str(number), minute=number, campaign=f"c{number}")
        outbox(ledger, log, store).publish()
    counting = Counting(store)
    outbox(ledger, ParquetEventLog(counting), counting).heal()
    assert manifest_key(0) not in counting.keys
    folders = {key.rpartition("/")[2] for key in counting.keys}
    assert folders & {f"dt={DAY - timedelta(days=age)}" for age in (0, 199, 200)} == {
        f"dt={DAY}",
        f"dt={DAY - timedelta(days=199)}",
    }, "the newest two days on which the ledger wrote, and no other"


@pytest.mark.parametrize("days", [1, 40])
def test_what_others_wrote_since_hides_no_damage_of_the_newest_days_of_the_ledger(ledger, log, store, days):
    """People change their consent every day; the ledger publishes only when something was sent or said."""
    send(ledger, "a")
    ledger.switches.pause(actor="me", reason="check", now=NOW - timedelta(days=3))
    outbox(ledger, log, store).publish()
    told = log.read("consent").schema
    for day in range(1, days + 1):
        at = NOW + timedelta(days=day)
        row = dict.fromkeys(told.names, "x") | {"event_id": f"e{day}", "is_granted": True}
        times = {field.name: at for field in told if pa.types.is_timestamp(field.type)}
        log.append("consent", pa.Table.from_pylist([{**row, **times}], schema=told), writer="ingest")
    ours = [key for key in store.list("events") if "/ledger-" in key]
    whole = {key: store.get(key) for key in ours}
    assert len(ours) == 3
    for key in ours:
        (store.root / key).write_bytes(b"")
    outbox(ledger, ParquetEventLog(store), store).heal()
    assert {key: store.get(key) for key in ours} == whole
