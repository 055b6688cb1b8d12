"""The embedded mailbox: a folder of `.eml` files, mails nobody.

Concept: a mail is a file that is made once: handing the same message over again finds it. Any mail program opens it.
What becomes of a mail is a hash of seed and message, so nothing else has to be kept. The time of a file is when it was
sent. Mails that really came back (`ReturnedFolder`) count before what is made up.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from email.parser import BytesHeaderParser
from pathlib import Path
from statistics import NormalDist

import pyarrow as pa

from mlife_assets.adapters.mailboxes.returned_folder import UNSUBSCRIBE_BODY, ReturnedFolder
from mlife_assets.adapters.private_files import private_folder
from mlife_assets.core.disk_faults import disk_errors_explained
from mlife_assets.core.errors import (
    AmbiguousSendError,
    InvalidInputError,
    ProviderRejectedError,
    ProviderThrottledError,
)
from mlife_assets.core.ids import digest, unit_interval
from mlife_assets.core.windows import add_days, day_start
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.events import TIMESTAMP
from mlife_assets.recruiting.mail.mime import Stationery
from mlife_assets.recruiting.ports import Accepted, Inbound, OutboundMessage, Receipt

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LONGEST_DELAY = timedelta(days=1)


@dataclass(frozen=True)
class MailFaults:
    """How often what goes wrong; shares of mails. `timeout_share`: half of them after the mail was taken."""

    throttled_share: float = 0.003
    rejected_share: float = 0.001
    timeout_share: float = 0.002
    delivered_share: float = 0.985
    unsubscribe_share: float = 0.003
    complaint_share: float = 0.0003

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self)):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInputError(f"MailFaults.{name} is {getattr(self, name)}; set it between 0 and 1")


class FolderMailbox:
    """Implements `ports.MessageGateway` for mails without a network.

    Args:
        folder: private; `sent` in it gets the mails, `returned` is read.
        stationery: makes the mails.
        seed: makes outcomes reproducible.
        faults: how often what goes wrong.
    """

    name, channel, reaches_nobody = "folder", Channel.EMAIL, True

    def __init__(self, folder: Path, stationery: Stationery, *, seed: int, faults: MailFaults | None = None) -> None:
        self._sent = private_folder(folder) / "sent"
        private_folder(self._sent)
        self._stationery, self._seed, self._faults = stationery, seed, faults or MailFaults()
        self._returned = ReturnedFolder(folder / "returned", stationery)
        self._sent_at: dict[str, datetime] = {}
        self._leaving: dict[str, bool] = {}

    def close(self) -> None:
        """Nothing is open."""

    def send(self, message: OutboundMessage, *, now: datetime) -> Accepted:
        """Write a mail once; a mail that is there is accepted again.

        Raises:
            ProviderThrottledError: nothing was written; trying again is safe.
            ProviderRejectedError: refused for good, or no mail that may be sent.
            AmbiguousSendError: timed out, before or after the mail was written.
        """
        key = message.message_id
        try:
            envelope = self._stationery.envelope(
                message_id=key, user_id=message.user_id, address=message.address, body=message.body, now=now
            )
        except InvalidInputError as error:
            raise ProviderRejectedError(str(error)) from None
        found = self.find(key)
        if found is not None:
            return found
        # Another attempt is another draw: it comes at another time.
        draw = unit_interval(self._seed, "mail", key, (now - _EPOCH) // _MICROSECOND)
        faults = self._faults
        if draw < faults.throttled_share:
            raise ProviderThrottledError(f"the mailbox deferred {key}; try again later")
        if draw < faults.throttled_share + faults.rejected_share:
            raise ProviderRejectedError(f"the mailbox refused {key}")
        is_timeout = draw < faults.throttled_share + faults.rejected_share + faults.timeout_share
        if not is_timeout or self._draw("lost", key) >= 0.5:
            self._put(key, envelope.mime, now)
        if is_timeout:
            raise AmbiguousSendError(f"the mailbox timed out on {key}; reconcile it, do not resend it")
        return Accepted(self._stationery.wire_id(key))

    def find(self, message_id: str) -> Accepted | None:
        """Return the acceptance of a mail, None when it was never written."""
        wire_id = self._stationery.wire_id(message_id)
        with disk_errors_explained(self._sent):
            return Accepted(wire_id) if self._path(message_id).exists() else None

    def receipts(self, *, until: datetime, since: datetime | None = None, of: Collection[str] = ()) -> list[Receipt]:
        """Return what became of mails up to `until`, oldest first; safe to read again.

        What was before `since` is left out, unless it is of the mails `of`.
        """
        came_back = self._returned.receipts(until=until)
        known = {one.message_id for one in came_back}
        made_up = [
            Receipt(
                key,
                self._stationery.wire_id(key),
                self._draw("delivered", key) < self._faults.delivered_share,
                sent_at + self._delay("receipt", key, 4.0),
            )
            for key, sent_at in self._sent_mails().items()
            if key not in known and (since is None or sent_at + _LONGEST_DELAY >= since or key in of)
        ]
        found = [*came_back, *(one for one in made_up if one.received_at <= until)]
        found = [one for one in found if since is None or one.received_at >= since or one.message_id in of]
        return sorted(found, key=lambda one: (one.received_at, one.message_id))

    def inbound(self, *, until: datetime, since: datetime | None = None) -> list[Inbound]:
        """Return what people wrote, and complaints, from `since` up to `until`, oldest first; safe to read again."""
        found = self._returned.inbound(until=until, since=since, user_of=self._user_of)
        for key, sent_at in self._sent_mails().items():
            if sent_at > until or (since is not None and sent_at + _LONGEST_DELAY < since):
                continue
            if not self._leaves(key):
                continue
            at, user_id = sent_at + self._delay("leaves_at", key, 3_600.0), self._user_of(key)
            if user_id is not None and at <= until and (since is None or at >= since):
                found.append(Inbound("mail_" + digest(("leaves", key)), user_id, UNSUBSCRIBE_BODY, at))
        return sorted(found, key=lambda one: (one.received_at, one.inbound_id))

    def sent_messages(self, day: date) -> pa.Table:
        """Return the mails of a UTC day: `message_id`, `user_id`, `sent_at`, `is_delivered`, ordered by time."""
        start, end = day_start(day), day_start(add_days(day, 1))
        mails = sorted((at, key) for key, at in self._sent_mails().items() if start <= at < end)
        return pa.table(
            {
                "message_id": pa.array([key for _, key in mails], pa.string()),
                "user_id": pa.array([self._user_of(key) for _, key in mails], pa.string()),
                "sent_at": pa.array([at for at, _ in mails], TIMESTAMP),
                "is_delivered": pa.array(
                    [self._draw("delivered", key) < self._faults.delivered_share for _, key in mails], pa.bool_()
                ),
            }
        )

    def _leaves(self, key: str) -> bool:
        """Return whether who got a mail leaves, drawn once for each mail: readers look at all of them at each call."""
        if key not in self._leaving:
            share, delivered = (
                self._faults.unsubscribe_share + self._faults.complaint_share,
                self._faults.delivered_share,
            )
            self._leaving[key] = self._draw("leaves", key) < share and self._draw("delivered", key) < delivered
        return self._leaving[key]

    def _draw(self, what: str, key: str) -> float:
        return unit_interval(self._seed, f"mail_{what}", key)

    def _delay(self, what: str, key: str, median_seconds: float) -> timedelta:
        spread = NormalDist().inv_cdf(max(1e-9, self._draw(what, key)))
        return min(timedelta(seconds=round(median_seconds * math.exp(1.1 * spread), 6)), _LONGEST_DELAY)

    def _path(self, message_id: str) -> Path:
        return self._sent / f"{message_id}.eml"

    def _sent_mails(self) -> dict[str, datetime]:
        """Return message id -> when it was sent, of all mails, ordered by id; each file is asked about once."""
        found = {}
        with disk_errors_explained(self._sent):
            for entry in os.scandir(self._sent):
                if entry.name.endswith(".eml"):
                    key = entry.name.removesuffix(".eml")
                    if key not in self._sent_at:  # a file is made once, with its time
                        self._sent_at[key] = _EPOCH + timedelta(microseconds=entry.stat().st_mtime_ns // 1_000)
                    found[key] = self._sent_at[key]
        return dict(sorted(found.items()))

    def _user_of(self, message_id: str) -> str | None:
        path = self._path(message_id)
        with suppress(FileNotFoundError), disk_errors_explained(path), path.open("rb") as file:
            said = self._stationery.unsubscription_in(BytesHeaderParser().parse(file).get("List-Unsubscribe", ""))
            return None if said is None else said.user_id
        return None

    def _put(self, message_id: str, mime: bytes, now: datetime) -> None:
        """Make the file with its time, whole or not at all. It stands for another machine: nobody waits for disks."""
        path, micros = self._path(message_id), (now - _EPOCH) // _MICROSECOND
        with disk_errors_explained(path):
            descriptor, partial = tempfile.mkstemp(dir=self._sent, prefix=f".{message_id}.")
            with open(descriptor, "wb") as file:
                file.write(mime)
            os.utime(partial, ns=(micros * 1_000, micros * 1_000))
            try:
                os.link(partial, path)
            except FileExistsError:
                pass  # another process was quicker
            finally:
                Path(partial).unlink()
