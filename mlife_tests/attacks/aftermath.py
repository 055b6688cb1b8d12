"""What an attacked day left: looked at from outside, with nothing of mlife in between, and compared with a quiet day.

The provider's own request log says what was accepted; ledger, event log, registry and warehouse must agree with it.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

ADMITS = {"accepted", "delivered", "undelivered", "ambiguous"}
"""States of the ledger that say of a text that it may have reached its person."""
UNFINISHED = {"planned", "approved", "leased", "submitting", "throttled"}
CALLED = {*ADMITS, "rejected", "unknown"}


@dataclass(frozen=True)
class Aftermath:
    """A home after the attacked day.

    Attributes:
        accepted: how often the provider accepted each message of the day.
        person_of: the phone hash that each accepted message of the day went to.
        states: of the ledger's rows of the day.
        ambiguous: messages of the day that were ambiguous at some time.
        submitted, settled: messages of the day that the event log knows as submitted, and as delivered or not.
        champion: who serves.
        derived: hashes of tables and artifacts.
        features: hashes of the marts that models read.
    """

    accepted: dict[str, int]
    person_of: dict[str, str]
    states: dict[str, str]
    ambiguous: frozenset[str]
    submitted: frozenset[str]
    settled: dict[str, str]
    champion: str
    derived: dict[str, str]
    features: str


def look(home: Path, day: date) -> Aftermath:
    """Look at a home after the day was lived."""
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1e6)
    requests = rows(
        home / "private" / "gateway.sqlite",
        "SELECT message_id, phone_hash FROM requests WHERE is_accepted = 1 AND sent_at >= ? AND sent_at < ?",
        (midnight, midnight + 86_400_000_000),
    )
    ledger = home / "private" / "ledger.sqlite"
    moves = rows(ledger, "SELECT message_id, to_state FROM send_transitions WHERE as_of_date = ?", (day.isoformat(),))
    states = dict(rows(ledger, "SELECT message_id, state FROM sends WHERE as_of_date = ?", (day.isoformat(),)))
    statuses = [row for row in events(home, "message_status") if row["message_id"] in states]
    promoted = sorted(events(home, "model_promoted"), key=lambda row: row["observed_at"])
    return Aftermath(
        accepted=dict(Counter(message for message, _ in requests)),
        person_of=dict(requests),
        states=states,
        ambiguous=frozenset(message for message, state in moves if state == "ambiguous"),
        submitted=frozenset(states.keys() & {row["message_id"] for row in events(home, "message_submitted")}),
        settled={row["message_id"]: row["status"] for row in statuses if row["status"] in ADMITS - {"accepted"}},
        champion=promoted[-1]["model_version"],
        derived={
            str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
            for folder in ("tables", "models")
            for path in sorted((home / "lake" / folder).rglob("*"))
            if path.is_file() and "#" not in path.name
        },
        features=mart(home, "user_features") + mart(home, "job_features") + mart(home, "labelled_examples"),
    )


def rows(path: Path, query: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query, parameters).fetchall()


def events(home: Path, event_type: str) -> list[dict[str, Any]]:
    files = sorted((home / "lake" / "events" / f"event_type={event_type}").glob("dt=*/hour=*/*.parquet"))
    return [row for file in files for row in pq.read_table(file, partitioning=None).to_pylist()]


def mart(home: Path, name: str) -> str:
    with closing(duckdb.connect(str(home / "warehouse.duckdb"), read_only=True)) as connection:
        found = connection.execute(f"SELECT * FROM marts.{name} ORDER BY ALL").fetchall()
    return hashlib.sha256(repr(found).encode()).hexdigest()


def wrongs(after: Aftermath, quiet: Aftermath) -> list[str]:
    """Return what is wrong after an attacked day, in words; `quiet` is the same day without an attack."""
    wrong = []
    if twice := sorted(message for message, count in after.accepted.items() if count > 1):
        wrong.append(f"{len(twice)} messages were accepted twice, first {twice[0]}")
    people = Counter(after.person_of.values())
    if repeated := [person for person, count in people.items() if count > 1]:
        wrong.append(f"{len(repeated)} people were texted twice")
    if denied := sorted(message for message in after.accepted if after.states.get(message) not in ADMITS):
        wrong.append(f"{len(denied)} accepted texts are not admitted, first {denied[0]}: {after.states.get(denied[0])}")
    if unfinished := Counter(state for state in after.states.values() if state in UNFINISHED):
        wrong.append(f"rows of the ledger are unfinished: {dict(unfinished)}")
    called = {message for message, state in after.states.items() if state in CALLED}
    if untold := sorted(called - after.submitted):
        wrong.append(f"{len(untold)} texts were submitted and are not in the event log, first {untold[0]}")
    final = {message: state for message, state in after.states.items() if state in {"delivered", "undelivered"}}
    if unsettled := sorted(message for message in final if after.settled.get(message) != final[message]):
        wrong.append(f"{len(unsettled)} receipts are not in the event log, first {unsettled[0]}")
    lost = quiet.accepted.keys() - after.accepted.keys() - after.ambiguous
    if lost:
        wrong.append(f"{len(lost)} texts of the quiet day were not sent and never ambiguous, first {sorted(lost)[0]}")
    if more := after.accepted.keys() - quiet.accepted.keys():
        wrong.append(f"{len(more)} texts were sent that the quiet day did not send: {sorted(more)[0]}")
    if after.states.keys() != quiet.states.keys():
        wrong.append(f"{len(after.states)} messages were planned, {len(quiet.states)} on the quiet day")
    if after.champion != quiet.champion:
        wrong.append(f"{after.champion} serves, {quiet.champion} after the quiet day")
    if other := sorted({name for name, _ in after.derived.items() ^ quiet.derived.items()}):
        wrong.append(f"{len(other)} tables and artifacts are other bytes: {', '.join(other[:3])}")
    if after.features != quiet.features:
        wrong.append("features or labels differ from those of the quiet day")
    return wrong


def counts(after: Aftermath) -> dict[str, int]:
    states = Counter(after.states.values())
    return {"accepted_by_provider": sum(after.accepted.values()), **dict(sorted(states.items()))}
