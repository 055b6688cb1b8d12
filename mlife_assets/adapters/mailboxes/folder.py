"""Mailboxes without a provider: a folder of `.eml` files that mails nobody, or none at all.

Concept: a mail is a file that is made once: handing the same message over again finds it. Any mail program opens it.
The fate of a mail is a hash of seed and message, so nothing else has to be kept. The time of a file is when it was
sent. Mails that really came back (`ReturnedFolder`) count before simulated ones.

A mail server delivers bounces, complaints, unsubscriptions and replies into a folder of their own (`*.eml`, or a
Maildir). Nothing is moved or deleted, so reading again is safe.
"""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from email.parser import BytesHeaderParser
from pathlib import Path
from statistics import NormalDist

import pyarrow as pa

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
from mlife_assets.recruiting.mail.returned import READ_BYTES, ReturnedKind, ReturnedMail, read_returned
from mlife_assets.recruiting.messaging.replies import is_opt_out
from mlife_assets.recruiting.ports import Accepted, Inbound, OutboundMessage, Receipt

UNSUBSCRIBE_BODY = "unsubscribe"
"""Text of a complaint and of a mail with a token, as a reply would word it."""
_REPORTS = {ReturnedKind.DELIVERED: True, ReturnedKind.BOUNCED: False}
_FROM_PEOPLE = {ReturnedKind.COMPLAINT, ReturnedKind.UNSUBSCRIBE, ReturnedKind.REPLY}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LONGEST_DELAY = timedelta(days=1)


@dataclass(frozen=True)
class MailFaults:
    """Rates of simulated faults, as shares of mails. `timeout_share`: half of them after the mail was taken."""

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
    """Implements `ports.MessageGateway` for mails in a private folder: `sent` gets them, `returned` is read."""

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
        wire_id = self._stationery.wire_id(message_id)
        with disk_errors_explained(self._sent):
            return Accepted(wire_id) if self._path(message_id).exists() else None

    def receipts(self, *, until: datetime, since: datetime | None = None, of: Collection[str] = ()) -> list[Receipt]:
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


@dataclass(frozen=True)
class _Arrived:
    key: str
    at: datetime
    mail: ReturnedMail


class ReturnedFolder:
    """The mails that came back to a folder, which need not exist; `stationery` recognises answers to our mails."""

    def __init__(self, path: Path, stationery: Stationery) -> None:
        self._path, self._stationery = path, stationery
        self._read: dict[tuple[str, int, int], _Arrived] = {}

    def receipts(self, *, until: datetime, since: datetime | None = None, of: Collection[str] = ()) -> list[Receipt]:
        """Return delivery reports from `since` up to `until`, and all of the messages `of` up to then, oldest first."""
        return [
            Receipt(one.mail.message_id, self._stationery.wire_id(one.mail.message_id), _REPORTS[one.mail.kind], one.at)
            for one in self._arrived(until)
            if one.mail.kind in _REPORTS
            and one.mail.message_id is not None
            and (since is None or one.at >= since or one.mail.message_id in of)
        ]

    def inbound(
        self, *, until: datetime, since: datetime | None, user_of: Callable[[str], str | None]
    ) -> list[Inbound]:
        """Return complaints, unsubscriptions and replies, oldest first, by account or by an unknown address."""
        found = []
        for one in self._arrived(until):
            if one.mail.kind not in _FROM_PEOPLE or (since is not None and one.at < since):
                continue
            user_id = one.mail.user_id
            if user_id is None and one.mail.message_id is not None:
                user_id = user_of(one.mail.message_id)
            body = one.mail.text if one.mail.kind is ReturnedKind.REPLY else UNSUBSCRIBE_BODY
            if user_id is not None:
                found.append(Inbound(f"mail_{one.key}", user_id, body, one.at))
            elif one.mail.sender is not None:
                found.append(Inbound(f"mail_{one.key}", None, body, one.at, mail_address=one.mail.sender))
        return found

    def _arrived(self, until: datetime) -> list[_Arrived]:
        """Return what arrived up to `until`, oldest first; each file is read once, whatever it is called later."""
        with disk_errors_explained(self._path):
            found = dict(self._files())
            for key, path in found.items():
                if key not in self._read:
                    self._read[key] = self._parsed(path, key[2])
        arrived = {self._read[key].key: self._read[key] for key in found}
        return sorted((one for one in arrived.values() if one.at <= until), key=lambda one: (one.at, one.key))

    def _files(self) -> Iterator[tuple[tuple[str, int, int], Path]]:
        for folder in (self._path, self._path / "new", self._path / "cur"):
            try:
                entries = list(os.scandir(folder))
            except FileNotFoundError:
                continue
            for entry in entries:
                # A Maildir adds flags after a colon when a mail is looked at; what begins with a dot is half written.
                is_mail = folder != self._path or entry.name.endswith(".eml")
                if is_mail and not entry.name.startswith(".") and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    yield (entry.name.split(":")[0], status.st_size, status.st_mtime_ns), Path(entry.path)

    def _parsed(self, path: Path, modified: int) -> _Arrived:
        with path.open("rb") as file:
            raw = file.read(READ_BYTES)
        key = digest(("returned", hashlib.sha256(raw).hexdigest()))
        at = datetime.fromtimestamp(modified // 1_000_000_000, UTC).replace(microsecond=modified // 1_000 % 1_000_000)
        return _Arrived(key, at, read_returned(raw, self._stationery, is_opt_out))


class AbsentMailbox:
    """`recruiting.ports.MessageGateway` of nobody."""

    name = "absent"
    channel = Channel.EMAIL

    def send(self, message: OutboundMessage, *, now: datetime) -> Accepted:  # noqa: ARG002
        raise ProviderRejectedError("there is no provider of mails")

    def find(self, message_id: str) -> Accepted | None:  # noqa: ARG002
        return None

    def receipts(
        self,
        *,
        until: datetime,  # noqa: ARG002
        since: datetime | None = None,  # noqa: ARG002
        of: Collection[str] = (),  # noqa: ARG002
    ) -> list[Receipt]:
        return []

    def inbound(self, *, until: datetime, since: datetime | None = None) -> list[Inbound]:  # noqa: ARG002
        return []
