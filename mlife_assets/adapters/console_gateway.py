"""The embedded SMS provider: behaves like a real one, but sends nothing.

Concept: every request is one committed row of the provider's own SQLite file before `send` returns, so whatever crashes
on our side, accepted messages can be counted here. Outcomes are a hash of seed, message and request number.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import NormalDist

import pyarrow as pa

from mlife_assets.core.disk_faults import disk_errors_explained
from mlife_assets.core.errors import (
    AmbiguousSendError,
    InvalidInputError,
    ProviderRejectedError,
    ProviderThrottledError,
)
from mlife_assets.core.ids import digest, keyed_hash, unit_interval
from mlife_assets.core.windows import add_days, day_start
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.events import TIMESTAMP
from mlife_assets.recruiting.ports import Accepted, Inbound, OutboundMessage, Receipt

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FATIGUE_DAYS = 28
_DAY_MICROS = 86_400_000_000

STOP_BODIES = ("STOP", "Stop", "stop.", "STOP!", "Please stop", "unsubscribe", "ALTO", "stop texting me")
OTHER_BODIES = ("Thanks!", "Is this still open?", "who is this", "Call me", "ok")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    request INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    phone_hash TEXT NOT NULL,
    outcome TEXT NOT NULL,
    is_accepted INTEGER NOT NULL,
    provider_message_id TEXT,
    sent_at INTEGER NOT NULL,
    is_delivered INTEGER,
    receipt_at INTEGER,
    inbound_body TEXT,
    inbound_at INTEGER
);
CREATE INDEX IF NOT EXISTS requests_by_message ON requests (message_id);
CREATE INDEX IF NOT EXISTS requests_by_user ON requests (user_id, sent_at);
CREATE INDEX IF NOT EXISTS requests_by_receipt ON requests (receipt_at);
CREATE INDEX IF NOT EXISTS requests_by_sent ON requests (sent_at);
CREATE INDEX IF NOT EXISTS requests_by_inbound ON requests (inbound_at) WHERE inbound_at IS NOT NULL;
"""


@dataclass(frozen=True)
class GatewayFaults:
    """Rates of faults as shares of requests or delivered texts; in `timeout_from`..`timeout_until` all time out."""

    throttled_share: float = 0.003
    rejected_share: float = 0.001
    timeout_share: float = 0.002
    delivered_share: float = 0.965
    stop_share: float = 0.004
    stop_share_per_recent_text: float = 0.002
    stop_share_maximum: float = 0.012
    help_share: float = 0.0005
    other_share: float = 0.003
    timeout_from: datetime | None = None
    timeout_until: datetime | None = None

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self) if "share" in f.name):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInputError(f"GatewayFaults.{name} is {getattr(self, name)}; set it between 0 and 1")

    def is_outage(self, now: datetime) -> bool:
        """Return whether every request at `now` times out."""
        if self.timeout_from is None or self.timeout_until is None:
            return False
        return self.timeout_from <= now < self.timeout_until


def _micros(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND


def _instant(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


class ConsoleGateway:
    """Implements `ports.MessageGateway` for texts, without a network; `path` is its SQLite log, with hashed numbers."""

    name, channel, reaches_nobody = "console", Channel.SMS, True

    def __init__(self, path: Path | str, *, seed: int, hash_key: bytes, faults: GatewayFaults | None = None) -> None:
        self._seed, self._hash_key, self._ids = seed, hash_key, dict[str, str]()
        self._faults = faults or GatewayFaults()
        with disk_errors_explained(path):
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
            # The log stands for another machine: it must survive our process, not a power cut.
            self._connection.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;" + _SCHEMA)
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version == 0:  # 0.1.0 hashed with a publicly known key
                self.forget_numbers()
                self._connection.execute("PRAGMA user_version = 1")

    def close(self) -> None:
        self._connection.close()

    def forget_numbers(self) -> None:
        """Erase the number hashes of earlier requests: a thief of the key could reverse them."""
        self._connection.execute("UPDATE requests SET phone_hash = '' WHERE phone_hash <> ''")

    def send(self, message: OutboundMessage, *, now: datetime) -> Accepted:
        execute = self._connection.execute
        (earlier,) = execute("SELECT count(*) FROM requests WHERE message_id = ?", (message.message_id,)).fetchone()
        outcome, is_accepted = self._outcome(message.message_id, earlier, now)
        provider_id = delivered = receipt_at = body = inbound_at = None
        if is_accepted:
            provider_id = "con_" + digest((self._seed, message.message_id, earlier), 20)
            is_delivered = self._draw("delivered", message.message_id, earlier) < self._faults.delivered_share
            delivered = int(is_delivered)
            spread = NormalDist().inv_cdf(max(1e-9, self._draw("delay", message.message_id, earlier)))
            receipt = now + timedelta(seconds=min(6.0 * math.exp(1.1 * spread), 3_600.0))
            receipt_at = _micros(receipt)
            if is_delivered:
                body, seconds = self._reply(message, now)
                inbound_at = None if body is None else receipt_at + int(seconds * 1e6)
        execute(
            "INSERT INTO requests (message_id, user_id, phone_hash, outcome, is_accepted, provider_message_id, sent_at,"
            " is_delivered, receipt_at, inbound_body, inbound_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                message.message_id,
                message.user_id,
                keyed_hash(self._hash_key, message.address),
                outcome,
                int(is_accepted),
                provider_id,
                _micros(now),
                delivered,
                receipt_at,
                body,
                inbound_at,
            ),
        )
        if outcome == "throttled":
            raise ProviderThrottledError(f"the provider throttled {message.message_id}; try again later")
        if outcome == "rejected":
            raise ProviderRejectedError(f"the provider rejected {message.message_id}")
        if provider_id is None or outcome == "timeout":
            raise AmbiguousSendError(f"the provider timed out on {message.message_id}; reconcile it, do not resend it")
        return Accepted(provider_id)

    def _draw(self, what: str, message_id: str, earlier: int = 0) -> float:
        return unit_interval(self._seed, what, message_id, earlier)

    def _outcome(self, message_id: str, earlier: int, now: datetime) -> tuple[str, bool]:
        """Return the outcome of a request, and whether it was accepted."""
        faults, draw = self._faults, self._draw("outcome", message_id, earlier)
        is_lost = self._draw("lost", message_id, earlier) < 0.5
        if faults.is_outage(now):
            return "timeout", not is_lost
        for name, share in (("throttled", faults.throttled_share), ("rejected", faults.rejected_share)):
            if draw < share:
                return name, False
            draw -= share
        return ("timeout", not is_lost) if draw < faults.timeout_share else ("accepted", True)

    def _reply(self, message: OutboundMessage, now: datetime) -> tuple[str | None, float]:
        faults = self._faults
        since = _micros(now - timedelta(days=_FATIGUE_DAYS))
        (recent,) = self._connection.execute(
            "SELECT count(*) FROM requests WHERE user_id = ? AND sent_at >= ? AND sent_at < ? AND is_accepted = 1",
            (message.user_id, since, _micros(now)),
        ).fetchone()
        stop = min(faults.stop_share + faults.stop_share_per_recent_text * recent, faults.stop_share_maximum)
        draw = self._draw("reply", message.message_id)
        seconds = -600.0 * math.log(1.0 - self._draw("reply_delay", message.message_id))
        choice = self._draw("reply_body", message.message_id)
        if draw < stop:
            return STOP_BODIES[int(choice * len(STOP_BODIES))], seconds
        if draw < stop + faults.help_share:
            return "HELP", seconds
        if draw < stop + faults.help_share + faults.other_share:
            return OTHER_BODIES[int(choice * len(OTHER_BODIES))], seconds
        return None, seconds

    def find(self, message_id: str) -> Accepted | None:
        row = self._connection.execute(
            "SELECT provider_message_id FROM requests WHERE message_id = ? AND is_accepted = 1"
            " ORDER BY request LIMIT 1",
            (message_id,),
        ).fetchone()
        return None if row is None else Accepted(row[0])

    def receipts(self, *, until: datetime, since: datetime | None = None, of: Collection[str] = ()) -> list[Receipt]:
        rows = self._connection.execute(
            "SELECT message_id, provider_message_id, is_delivered, receipt_at FROM requests WHERE is_accepted = 1"
            " AND receipt_at <= ? AND (receipt_at >= ? OR message_id IN (SELECT value FROM json_each(?)))"
            " ORDER BY receipt_at, request",
            (_micros(until), _micros(since or _EPOCH), json.dumps(sorted(of))),
        )
        return [Receipt(message, provider, bool(flag), _instant(at)) for message, provider, flag, at in rows]

    def inbound(self, *, until: datetime, since: datetime | None = None) -> list[Inbound]:
        rows = self._connection.execute(
            "SELECT provider_message_id, user_id, inbound_body, inbound_at FROM requests"
            " WHERE inbound_at <= ? AND inbound_at >= ? ORDER BY inbound_at, request",
            (_micros(until), _micros(since or _EPOCH)),
        )
        ids = self._ids  # made once for each text: readers scan all replies at each call
        found = [(ids.get(key) or ids.setdefault(key, "in_" + digest(("inbound", key))), *rest) for key, *rest in rows]
        return [Inbound(key, user, body, _instant(at)) for key, user, body, at in found]

    def sent_messages(self, day: date) -> pa.Table:
        """Return the texts that reached the network on a UTC day: `message_id`, `user_id`, `sent_at`, `is_delivered`.

        Accepted texts, including those that timed out after acceptance, ordered by request; `sent_at` is the send time.
        """
        rows = self._connection.execute(
            "SELECT message_id, user_id, sent_at, is_delivered FROM requests"
            " WHERE is_accepted = 1 AND sent_at >= ? AND sent_at < ? ORDER BY request",
            (_micros(day_start(day)), _micros(day_start(add_days(day, 1)))),
        ).fetchall()
        return pa.table(
            {
                "message_id": pa.array([row[0] for row in rows], pa.string()),
                "user_id": pa.array([row[1] for row in rows], pa.string()),
                "sent_at": pa.array([_instant(row[2]) for row in rows], TIMESTAMP),
                "is_delivered": pa.array([bool(row[3]) for row in rows], pa.bool_()),
            }
        )

    def request_counts(self) -> pa.Table:
        rows = self._connection.execute(
            "SELECT message_id, min(user_id), count(*), sum(is_accepted) FROM requests"
            " GROUP BY message_id ORDER BY message_id"
        ).fetchall()
        columns = list(zip(*rows, strict=True)) or [(), (), (), ()]
        types = {"message_id": pa.string(), "user_id": pa.string(), "requests": pa.int64(), "accepted": pa.int64()}
        return pa.table([pa.array(c, t) for c, t in zip(columns, types.values(), strict=True)], names=list(types))

    def numbers_texted_twice(self) -> int:
        found = self._connection.execute(
            "SELECT 1 FROM requests WHERE is_accepted = 1 AND phone_hash <> ''"
            f" GROUP BY phone_hash, sent_at / {_DAY_MICROS} HAVING count(*) > 1"
        )
        return len(found.fetchall())

    def duplicate_sends(self) -> int:
        counts = self.request_counts()["accepted"].to_pylist()
        return sum(max(0, accepted - 1) for accepted in counts)
