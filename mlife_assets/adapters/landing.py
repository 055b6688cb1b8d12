"""Landing: from exporters' files to rows of the event log, and to rejected rows with reasons.

Concept: bad input never stops a day, and nothing is dropped. Good rows of a landing file become one batch whose name
carries the file's hash, so the log itself records the file of each row: ingesting a day again finds them, repairs
remnants of a crash, and adds nothing. Refused rows go to `rejected/` as text, refused files unchanged; anything but a
plain file with a safe name is refused unread. This process decodes no stranger's bytes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from enum import Enum

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.adapters.cage import DecodingCage
from mlife_assets.adapters.event_log import LogFile, ParquetEventLog, upcast
from mlife_assets.adapters.event_log.manifests import DIGEST_LENGTH, content_hash, parse_data_key
from mlife_assets.adapters.ingest_report import (
    NO_IDS,
    IngestReport,
    Outcome,
    RejectedFolder,
    RejectedRows,
    Replayed,
    never_read,
    type_report,
)
from mlife_assets.adapters.parquet_bytes import decode_table
from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.event_columns import known_since
from mlife_assets.core.landed_names import Delivery, Landing
from mlife_assets.core.policies import LandingPolicy
from mlife_assets.core.ports import Clock, ObjectStore
from mlife_assets.core.validation import (
    REJECTED_SCHEMA,
    WHOLE_FILE,
    FileFault,
    Reason,
    Validated,
    json_as_table,
    rejected_file,
    validate,
)
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.events import EVENT_TYPES, MARKET_EVENT_TYPES

WRITER, REPLAY_WRITER = "landing", "landing_replay"
"""A replay has its own name: no report counts its rows, and a repeated ingest of the day finds them."""
DUPLICATE_LOOKBACK_DAYS = 7


class Act(Enum):
    """Modes: accept rows, accept earlier refused rows, or only judge these."""

    INGEST = "ingest"
    REPLAY = "replay"
    REHEARSAL = "rehearsal"


class Ingest:
    """Takes landing days into the event log; rows of its `late_files` count only from a later day on."""

    def __init__(
        self,
        landing: Landing,
        lake: ObjectStore,
        clock: Clock,
        *,
        cage: DecodingCage,
        policy: LandingPolicy | None = None,
        lookback_days: int = DUPLICATE_LOOKBACK_DAYS,
        not_before: datetime | None = None,
        log: ParquetEventLog | None = None,
    ) -> None:
        """Read from `landing`, write to `lake`; look for duplicates `lookback_days` back from the landing day.

        `cage` decodes every file. `not_before` is the arrival of a late file: rows that claim an earlier observation
        get this time, so that tables built meanwhile stay valid. `log` is the event log of `lake`; by default it is
        opened anew.
        """
        self._not_before = not_before
        self._landing = landing
        self._cage = cage
        self._policy = policy or LandingPolicy()
        self.rejected = RejectedRows(lake)
        self._log = log or ParquetEventLog(lake)
        self._clock = clock
        self._lookback_days = lookback_days
        self._ids: dict[str, pa.Array] = {}
        self._taken: dict[str, pa.Array] = {}
        """By event type, the ids that replays accepted or would accept, for later ones of the same ingest."""
        self.late_files: set[LogFile] = set()

    def ingest(self, day: date) -> IngestReport:
        """Ingest the landing files `<event_type>/dt=<day>/*` and report on all entries there."""
        landed = self._landing.look(day)
        types = tuple(type_report(name, outcomes) for name, outcomes in self.outcomes(day, landed.deliveries))
        return IngestReport(day, types, landed.ignored)

    def outcomes(self, day: date, deliveries: Sequence[Delivery]) -> Iterator[tuple[str, list[tuple[str, Outcome]]]]:
        """Ingest deliveries of a day; yield the outcome of each by its source, one event type after the other."""
        folders: dict[str, list[Delivery]] = {}
        for delivery in deliveries:
            folders.setdefault(delivery.event_type, []).append(delivery)
        for name, found in sorted(folders.items()):
            yield name, self._ingest_type(day, name, found)

    def replay(self, folder: RejectedFolder, *, applies: bool) -> Replayed:
        """Judge stored rejections again, after a fix; with `applies` good rows enter the log.

        Rejections stay stored. A file that was never read stays refused: its bytes are missing.
        """
        outcomes, act = [], Act.REPLAY if applies else Act.REHEARSAL
        before = taken = self._taken.get(folder.name, NO_IDS)
        whole, kept = [], 0
        for key, data in self.rejected.objects(folder):
            if not key.endswith(".parquet"):
                kept += 1
                source, outcome = key, self._judge(folder.day, folder.name, data, act, seen=taken)
            else:
                table = decode_table(data)
                whole.append(table.filter(pc.equal(pc.field("row"), WHOLE_FILE)))
                stored = table.filter(pc.not_equal(pc.field("row"), WHOLE_FILE))
                if not stored.num_rows:
                    continue
                source = stored["source"][0].as_py()
                outcome = self._judge_again(folder, stored, _batch(data), act, taken)
            taken = pa.concat_arrays([taken, outcome.appended])
            outcomes.append((source, outcome))
        outcomes += [(source, Outcome(0, rejected)) for source, rejected in never_read(whole, kept)]
        self._taken[folder.name] = taken
        return Replayed(folder.day, type_report(folder.name, outcomes), len(taken) - len(before))

    def _ingest_type(self, day: date, event_type: str, deliveries: Sequence[Delivery]) -> list[tuple[str, Outcome]]:
        outcomes, taken = [], set[str]()
        unread: list[tuple[str, pa.Table]] = []
        size, began = 0, self._cpu_seconds()
        for place, delivery in enumerate(deliveries):
            fault = delivery.fault or self._crowded(place, size, self._cpu_seconds() - began)
            data = fault or self._landing.read(delivery.source, self._policy.maximum_file_bytes)
            if isinstance(data, FileFault):
                outcome = Outcome(0, rejected_file(data.reason, data.detail))
                unread.append((delivery.source, outcome.rejected))
            else:
                size += len(data)
                outcome = self._judge(day, event_type, data, comes_again=_batch(data) in taken)
                taken.add(_batch(data))
                self.rejected.store(day, event_type, [(delivery.source, outcome.rejected)], data)
            outcomes.append((delivery.source, outcome))
        self.rejected.store(day, event_type, unread)
        return outcomes

    def _crowded(self, files: int, size: int, cpu_seconds: float) -> FileFault | None:
        """Return why no more of a type and day is read after so many files, bytes and CPU seconds, if so."""
        policy = self._policy
        if files >= policy.maximum_files:
            taken = f"{policy.maximum_files} files"
        elif size >= policy.maximum_bytes:
            taken = f"{policy.maximum_bytes:,} bytes"
        elif cpu_seconds >= policy.maximum_cpu_seconds:
            taken = f"what {policy.maximum_cpu_seconds} CPU seconds read"
        else:
            return None
        return FileFault(Reason.TOO_MANY_FILES, f"{taken} of a type and day are taken; export fewer, larger ones")

    def _cpu_seconds(self) -> float:
        return time.process_time() + self._cage.cpu_seconds

    def _judge(
        self,
        day: date,
        event_type: str,
        data: bytes,
        act: Act = Act.INGEST,
        *,
        comes_again: bool = False,
        seen: pa.Array = NO_IDS,
    ) -> Outcome:
        """Accept the good rows of one landing file; if the same bytes come again, all rows are repeats."""
        if event_type not in MARKET_EVENT_TYPES:
            detail = f"exporters deliver {', '.join(MARKET_EVENT_TYPES)}; rename the folder or remove it"
            return Outcome(0, rejected_file(Reason.UNKNOWN_EVENT_TYPE, detail))
        if not data:
            return Outcome(0, rejected_file(Reason.EMPTY_FILE, "the file has no bytes; export it again"))
        kind = EVENT_TYPES[event_type]
        decoded = self._cage.decode(data, kind.columns_of_all_versions)
        if isinstance(decoded, FileFault):
            return Outcome(0, rejected_file(decoded.reason, decoded.detail))
        table = decoded.table
        if table.num_rows == 0 and kind.delivered(table.column_names).missing(table.column_names):
            detail = f"the file has no rows with columns of {event_type}; export it again"
            return Outcome(0, rejected_file(Reason.EMPTY_FILE, detail))
        if comes_again:
            outcome = self._refuse_again(day, event_type, table, _batch(data))
        else:
            outcome = self._take(day, event_type, table, _batch(data), act, seen)
        return replace(outcome, extra_columns=(*outcome.extra_columns, *decoded.extra_columns))

    def _judge_again(self, folder: RejectedFolder, stored: pa.Table, batch: str, act: Act, seen: pa.Array) -> Outcome:
        """Accept rows that are good now in stored rejections; a row without `raw` must land again."""
        has_raw = pc.is_valid(stored.column("raw"))
        rest = stored.filter(pc.invert(has_raw)).drop_columns(["source"])
        known = stored.filter(has_raw)
        if not known.num_rows:
            return Outcome(0, rest)
        table = json_as_table(known.column("raw").to_pylist())
        outcome = self._take(folder.day, folder.name, table, batch, act, seen)
        rows = known.column("row").combine_chunks().take(outcome.rejected.column("row"))
        rejected = outcome.rejected.set_column(0, REJECTED_SCHEMA.field(0), rows)
        return replace(outcome, rejected=pa.concat_tables([rejected, rest]))

    def _take(
        self, day: date, event_type: str, table: pa.Table, batch: str, act: Act, seen: pa.Array = NO_IDS
    ) -> Outcome:
        """Validate and append rows from the bytes named `batch`; events with ids in `seen` are duplicates.

        Before a replay later days may have brought the same events, so it looks for duplicates up to the present. Only
        an ingest skips a damaged file of the day, which its own landing file then repairs.
        """
        own, others = self._files(event_type, day, batch, until=day if act is Act.INGEST else date.max)
        damaged = [file for file in own if not self._log.is_whole(file)]
        unsure = [*damaged, *(file for file in own if file not in damaged and not self._log.is_listed(file))]
        if unsure and act is not Act.REHEARSAL:
            sure = [file for file in own if file not in unsure]
            healed = self._heal(event_type, table, sure, others, unsure)
            self._log.relist(healed)
            own = [*sure, *healed]
        own_ids = self._event_ids(own)
        other_ids = pa.concat_arrays([self._event_ids(others, passed_over=day if act is Act.INGEST else None), seen])
        known = other_ids.filter(pc.invert(pc.is_in(other_ids, value_set=own_ids)))
        result: Validated = validate(EVENT_TYPES[event_type], table, now=self._clock.now(), known_ids=known)
        accepted = upcast(EVENT_TYPES[event_type], result.contract.version, result.accepted)
        is_new = pc.invert(pc.is_in(accepted.column("event_id"), value_set=own_ids))
        new = self._as_known(accepted.filter(is_new))
        keys = {file.key for file in own if act is Act.INGEST}
        if act is not Act.REHEARSAL:
            writer = WRITER if act is Act.INGEST else REPLAY_WRITER
            keys.update(self._log.append(event_type, new, writer=writer, batch=batch).keys)
        self.late_files.update(file for key in keys if (file := parse_data_key(key)) is not None and file.day > day)
        appended = new.column("event_id").combine_chunks()
        return Outcome(accepted.num_rows, result.rejected, result.extra_columns, appended)

    def _refuse_again(self, day: date, event_type: str, table: pa.Table, batch: str) -> Outcome:
        """Return the outcome of rows from the bytes named `batch` that were accepted under another name."""
        own, others = self._files(event_type, day, batch, until=day)
        known = pa.concat_arrays([self._event_ids(own), self._event_ids(others)])
        result: Validated = validate(EVENT_TYPES[event_type], table, now=self._clock.now(), known_ids=known)
        return Outcome(result.accepted.num_rows, result.rejected, result.extra_columns)

    def _heal(
        self,
        event_type: str,
        table: pa.Table,
        sure: Sequence[LogFile],
        others: Sequence[LogFile],
        unsure: Sequence[LogFile],
    ) -> list[LogFile]:
        """Rewrite lost or unlisted files from their rows; returns those that match. Raises IntegrityError."""
        known = [file for file in others if self._log.is_whole(file)]
        ids = self._event_ids([*sure, *known])
        result: Validated = validate(EVENT_TYPES[event_type], table, now=self._clock.now(), known_ids=ids)
        accepted = upcast(EVENT_TYPES[event_type], result.contract.version, result.accepted)
        left = self._log.restore(event_type, accepted, unsure)
        left = self._log.restore(event_type, self._as_known(accepted), left) if left else left
        left = [file for file in left if self._log.restore(event_type, known_since(accepted, file.begin), [file])]
        damaged = [file for file in left if not self._log.is_whole(file)]
        if damaged:
            raise IntegrityError(
                f"{damaged[0].key} is damaged and the landed files no longer give its rows; restore it from a copy"
            )
        return [file for file in unsure if file not in left]

    def _as_known(self, rows: pa.Table) -> pa.Table:
        return rows if self._not_before is None else known_since(rows, self._not_before)

    def _files(self, event_type: str, day: date, batch: str, *, until: date) -> tuple[list[LogFile], list[LogFile]]:
        """Return the log files from the same bytes, and the others within reach of the duplicate search."""
        first = add_days(day, -self._lookback_days)
        files = self._log.files(event_type)
        own = [file for file in files if file.writer in (WRITER, REPLAY_WRITER) and file.batch == batch]
        others = [
            file
            for file in files
            if file not in own and first <= file.day and (file.day <= until or file.writer == REPLAY_WRITER)
        ]
        reach = {file.key for file in (*own, *others)}
        prefix = f"events/event_type={event_type}/"
        for key in [k for k in self._ids if k.startswith(prefix) and k not in reach]:
            del self._ids[key]
        return own, others

    def _event_ids(self, files: Sequence[LogFile], *, passed_over: date | None = None) -> pa.Array:
        """Return the event ids of files, cached; a damaged one of the day `passed_over` is left to its landing file."""
        for file in files:
            if file.key not in self._ids:
                try:
                    self._ids[file.key] = self._log.read_file(file, ("event_id",)).column("event_id").combine_chunks()
                except IntegrityError:
                    if file.day != passed_over:
                        raise
        ids = (self._ids[file.key] for file in files if file.key in self._ids)
        return pa.concat_arrays([NO_IDS, *ids])


def _batch(data: bytes) -> str:
    return content_hash(data)[:DIGEST_LENGTH]
