"""The audit: compares the event log with its signed heads and with other records.

Concept: the newest head decides, wherever it is kept; its manifests must be in the log with their hashes, so a tail
that was cut, a log that was deleted or computed anew and anything taken from its middle show. Nothing at all where
something was is a finding. Rows after the newest head are mentioned, and are no finding.

Ledger, registry and reports of ingests show more than a chain: a log that was deleted whole, or computed anew before
anything was signed. Registry and reports lie in the lake, so they show loss, not an attacker who rewrites them as well.
A home without a ledger is checked without importing one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa

from mlife_assets.adapters.event_log.log import ParquetEventLog
from mlife_assets.adapters.event_log.manifests import Entry, Link, manifest_key, parse_data_key, parse_manifest_key
from mlife_assets.adapters.event_log.verification import Finding, Verification, verify
from mlife_assets.adapters.landing import WRITER as LANDING
from mlife_assets.adapters.log_heads.head import Head
from mlife_assets.adapters.log_heads.sealing import read_in_turn, signs_next
from mlife_assets.adapters.model_registry import ModelRegistry, model_names
from mlife_assets.adapters.object_store import read_at_once
from mlife_assets.adapters.tables import TableStore
from mlife_assets.core.errors import IntegrityError, MlifeError
from mlife_assets.core.ports import HeadPins, HeadStore, ObjectStore
from mlife_assets.core.scoring.artifact import MANIFEST_FILE

if TYPE_CHECKING:
    from mlife_assets.adapters.send_ledger import SqlLedger


LEDGER_KEY = "ledger"
NAMED_MAXIMUM = 3
ADOPT = "run `mlife log adopt`"


@dataclass(frozen=True)
class Audit:
    """The findings of an audit, the newest head, the number of manifests since, and `notes` that are no findings."""

    verification: Verification
    head: Head | None
    unsigned_manifests: int
    notes: tuple[str, ...]

    @property
    def is_signed(self) -> bool:
        return self.head is not None and self.head.history != "unsigned"


def audit(
    store: ObjectStore,
    log: ParquetEventLog,
    heads: Sequence[HeadStore],
    pins: HeadPins,
    records: Records,
    *,
    key_of: Callable[[Head | None], bytes | None],
    witnessed: Iterable[Link] = (),
) -> Audit:
    """Check the log in the lake `store` against heads, of which the first are outside, and other records.

    `key_of` returns the manifests' key after a head; `witnessed` manifests are of earlier verifications.
    """
    signed, head_findings = _heads(heads, pins)
    head = signed[-1] if signed else None
    pinned = [link for one in signed for link in one.manifests]
    trusted = -1 if head is None else head.chain.sequence
    if head is not None:
        pinned.append(Link(manifest_key(trusted), head.chain.sha256))
    bytes_checked = verify(store, witnessed=[*witnessed, *pinned], key=key_of(head), trusted_until=trusted)
    found = [*bytes_checked.findings, *head_findings]
    numbers = [n for n in map(parse_manifest_key, bytes_checked.hashes) if n is not None]
    if head is None and numbers and not head_findings:
        detail = "manifests are there and no head is; restore the heads, or run the day again if it just began"
        found.append(Finding("missing_head", heads[0].name, detail))
    notes = []
    checks: list[Callable[[], Iterator[Finding]]] = [
        lambda: ledger_findings(log, records.ledger, records.providers),
        lambda: position_findings(records.ledger, head.ledger if head is not None else {}),
        lambda: registry_findings(store, log),
        lambda: ingest_findings(bytes_checked.entries.values(), records.tables, records.ingest_report),
    ]
    for check in checks:
        try:
            found += check()
        except MlifeError as error:
            if not found:
                raise
            notes.append(f"Not everything could be compared: {error}.")
    unsigned = sum(1 for number in numbers if number > trusted)
    if head is not None:
        notes += _head_notes(head, unsigned)
    elif bytes_checked.hashes and not numbers and not head_findings:
        notes.append(f"The log is of release 0.1.0 and not signed; {ADOPT} to vouch for it.")
    elif not found:
        notes.append("Nothing was ever written.")
    return Audit(replace(bytes_checked, findings=tuple(sorted(set(found)))), head, unsigned, tuple(notes))


def _head_notes(head: Head, unsigned: int) -> list[str]:
    notes = [f"Signed by head {head.sequence} of {head.day}."]
    if unsigned:
        notes.append(f"{unsigned} {'manifest was' if unsigned == 1 else 'manifests were'} written since.")
    if head.history == "unsigned":
        notes.append(f"What release 0.1.0 wrote was never vouched for; {ADOPT}.")
    return notes


def _heads(stores: Sequence[HeadStore], pins: HeadPins) -> tuple[list[Head], list[Finding]]:
    """Return the heads with valid signatures, and the findings on heads."""
    findings: list[Finding] = []
    places = {store.name: set(store.sequences()) for store in stores}
    numbers = sorted(set().union(*places.values()))
    keys = pins.keys()
    if not numbers:
        if keys and pins.says_signed:
            findings.append(
                Finding("missing_head", stores[0].name, "a key is pinned and no head is there; restore the heads")
            )
        return [], findings
    present = keys[0] if keys else b""
    good: list[Head] = []
    before: str | None = None
    for sequence in range(numbers[-1] + 1):
        read = []
        for store in stores:
            where = f"{store.name}/{sequence}"
            if sequence not in places[store.name]:
                if sequence < numbers[-1] or store is stores[0]:
                    findings.append(Finding("missing_head", where, "is gone; the next run restores it from its copy"))
                continue
            try:
                read.append(read_in_turn(sequence, present, keys, store.get(sequence), where))
            except IntegrityError as error:
                findings.append(Finding("altered_head", where, str(error)))
        if not read:
            continue
        one = read[0]
        if len({other.sha256 for other in read}) > 1:
            findings.append(
                Finding("altered_head", f"{stores[0].name}/{sequence}", "another head was signed elsewhere")
            )
        if before is not None and one.head.previous != before:
            detail = "does not follow the head before it; restore them from a copy"
            findings.append(Finding("altered_head", f"{stores[0].name}/{sequence}", detail))
        before = one.sha256
        good.append(one.head)
        present = signs_next(one, present, keys)
    return good, findings


@dataclass(frozen=True)
class Records:
    """Records beside the log. `ledger` is None when there is none, `providers` names its gateways."""

    ledger: SqlLedger | None
    providers: Mapping[str, str]
    tables: TableStore
    ingest_report: str


def ledger_findings(log: ParquetEventLog, ledger: SqlLedger | None, providers: Mapping[str, str]) -> Iterator[Finding]:
    """Yield rows that the ledger recorded and the log lacks, and the reverse."""
    from mlife_assets.adapters.ledger_cross_check import UNKNOWN_FILES, unknown_files
    from mlife_assets.adapters.ledger_outbox import SWITCHES, events_of
    from mlife_assets.adapters.ledger_outbox import WRITER as LEDGER

    recorded: dict[str, pa.Table] = {}
    if ledger is not None:
        rows = {"inbound": ledger.replies.rows(), "switches": ledger.switches.rows()}
        recorded = events_of({"transitions": ledger.sends.transitions(), **rows}, providers)
    if ledger is not None and (unknown_keys := unknown_files(ledger, log)):
        yield Finding("ledger_mismatch", LEDGER_KEY, f"{len(unknown_keys)} {UNKNOWN_FILES} (such as {unknown_keys[0]})")
    for event_type in ("message_submitted", "message_status", "inbound_message", "consent", *SWITCHES):
        events = recorded.get(event_type)
        name = "occurred_at" if event_type in SWITCHES else "event_id"  # a caught-up ledger counts switches anew
        expected = set() if events is None else set(events[name].to_pylist())
        files = [file for file in log.files(event_type) if file.writer == LEDGER]
        read = read_at_once(lambda file, name=name: log.read_file(file, (name,)), files)  # type: ignore[misc]
        logged = {one for rows in read for one in rows[name].to_pylist()}
        if lost := expected - logged:
            detail = f"recorded {len(lost)} {event_type} that the log lacks; run the day again, or restore the log"
            yield Finding("ledger_mismatch", LEDGER_KEY, detail)
        elif unknown := logged - expected:
            detail = f"lacks {len(unknown)} {event_type} that the log holds: it is lost or older; restore it"
            yield Finding("ledger_mismatch", LEDGER_KEY, detail)


def position_findings(ledger: SqlLedger | None, signed: Mapping[str, int]) -> Iterator[Finding]:
    """Yield the streams of the ledger that have not come as far as a head says they had."""
    reached = ledger.positions() if ledger is not None else {}
    for stream, last in signed.items():
        if reached.get(stream, 0) < last:
            held = reached.get(stream, 0)
            detail = f"holds {stream} up to {held}, {last} were signed: it is lost or older; restore it"
            yield Finding("ledger_mismatch", f"{LEDGER_KEY}/{stream}", detail)


def registry_findings(store: ObjectStore, log: ParquetEventLog) -> Iterator[Finding]:
    """Yield versions without a registration, registrations without a version, and gaps between champions of a model."""
    log.forget()  # what lies there now is judged
    registries = [ModelRegistry(store, log, name) for name in model_names(log)]
    stored = {key.split("/")[1] for key in store.list("models") if key.endswith(f"/{MANIFEST_FILE}")}
    registered = {row["model_version"] for registry in registries for row in registry.versions()}
    for version in sorted(stored - registered):
        yield Finding("registry_mismatch", f"models/{version}", "the log lacks its registration; restore the log")
    for version in sorted(registered - stored):
        yield Finding("registry_mismatch", f"models/{version}", "is registered and gone; restore it from a copy")
    for registry in registries:
        yield from _gaps(registry, stored)


def _gaps(registry: ModelRegistry, stored: Collection[str]) -> Iterator[Finding]:
    before = None
    for reign in registry.history():
        if reign.previous_version != before:
            detail = f"followed {reign.previous_version} by its own event, {before} by the log; restore the log"
            yield Finding("registry_mismatch", f"models/{reign.model_version}", detail)
        before = reign.model_version
        if before not in stored:
            yield Finding("registry_mismatch", f"models/{before}", "was champion and is gone; restore it from a copy")


def ingest_findings(entries: Iterable[Entry], tables: TableStore, report: str) -> Iterator[Finding]:
    """Yield event types of which the log holds fewer landed rows than the ingests accepted."""

    def counts_of(day: date) -> list[tuple[str, int]] | None:
        try:
            return [(str(one["event_type"]), int(one["accepted"])) for one in tables.read_report(report, day)["types"]]
        except (IntegrityError, KeyError, TypeError, ValueError):
            return None

    accepted: dict[str, int] = {}
    days = tables.report_days(report)
    for day, counts in zip(days, read_at_once(counts_of, days), strict=True):
        if counts is None:
            detail = "was not written by an ingest; materialize market_events of that day again"
            yield Finding("ingest_mismatch", f"reports/{report}/as_of_date={day}", detail)
            continue
        for event_type, rows in counts:
            accepted[event_type] = accepted.get(event_type, 0) + rows
    landed: dict[str, int] = {}
    for entry in entries:
        file = parse_data_key(entry.key)
        if file is not None and file.writer == LANDING:
            landed[file.event_type] = landed.get(file.event_type, 0) + entry.rows
    for event_type, rows in sorted(accepted.items()):
        if landed.get(event_type, 0) < rows:
            detail = f"ingests accepted {rows} rows, manifests list {landed.get(event_type, 0)}; restore the log"
            yield Finding("ingest_mismatch", f"events/event_type={event_type}", detail)
