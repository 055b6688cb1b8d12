"""What other records say about the event log: the ledger, the registry, the reports of ingests.

Concept: these see what a chain cannot: a log that was deleted whole, or computed anew before anything was signed. The
ledger lies outside the lake; registry and reports lie on it, so they show loss and carelessness, not an attacker who
rewrites them as well. A home without a ledger (models of somebody else's project) is checked without importing one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa

from mlife_assets.adapters.event_log.layout import parse_data_key
from mlife_assets.adapters.event_log.log import ParquetEventLog
from mlife_assets.adapters.event_log.manifests import Entry
from mlife_assets.adapters.event_log.reading import read_at_once
from mlife_assets.adapters.event_log.verification import Finding
from mlife_assets.adapters.landing import WRITER as LANDING
from mlife_assets.adapters.model_events import model_names
from mlife_assets.adapters.model_registry import ModelRegistry
from mlife_assets.adapters.tables import TableStore
from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.ports import ObjectStore
from mlife_assets.core.scoring.artifact import MANIFEST_FILE

if TYPE_CHECKING:
    from mlife_assets.adapters.send_ledger import SqlLedger

LEDGER_KEY = "ledger"
NAMED_MAXIMUM = 3


@dataclass(frozen=True)
class Records:
    """What a deployment keeps beside the log. `ledger` is None when there is none, `providers` names its gateways."""

    ledger: SqlLedger | None
    providers: Mapping[str, str]
    tables: TableStore
    ingest_report: str


def ledger_findings(log: ParquetEventLog, ledger: SqlLedger | None, providers: Mapping[str, str]) -> Iterator[Finding]:
    """Yield what the ledger recorded and the log lacks, and the other way round."""
    from mlife_assets.adapters.ledger_cross_check import UNKNOWN_FILES, unknown_files
    from mlife_assets.adapters.ledger_outbox import SWITCHES
    from mlife_assets.adapters.ledger_outbox import WRITER as LEDGER

    recorded = _recorded(ledger, providers) if ledger is not None else {}
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
            detail = "is not what an ingest wrote; materialize market_events of that day again"
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


def _recorded(ledger: SqlLedger, providers: Mapping[str, str]) -> dict[str, pa.Table]:
    from mlife_assets.recruiting.messaging.events import inbound_events, switch_events, transition_events

    return {
        **transition_events(ledger.transitions(), providers=providers),
        **inbound_events(ledger.inbound()),
        **switch_events(ledger.switches()),
    }
