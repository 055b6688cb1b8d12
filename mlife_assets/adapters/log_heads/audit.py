"""The audit: whether the event log is what was signed, and what other records say.

Concept: the newest head decides, wherever it is kept; its manifests must be in the log with their hashes, so a tail
that was cut, a log that was deleted or computed anew and anything taken from its middle show. Nothing at all where
something was is a finding. What was written after the newest head is said, and is no finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from mlife_assets.adapters.event_log.layout import manifest_key, parse_manifest_key
from mlife_assets.adapters.event_log.log import ParquetEventLog
from mlife_assets.adapters.event_log.manifests import Link
from mlife_assets.adapters.event_log.verification import Finding, Verification, verify
from mlife_assets.adapters.log_heads.cross_checks import (
    Records,
    ingest_findings,
    ledger_findings,
    position_findings,
    registry_findings,
)
from mlife_assets.adapters.log_heads.head import Head
from mlife_assets.adapters.log_heads.sealing import read_in_turn, signs_next
from mlife_assets.core.errors import IntegrityError, MlifeError
from mlife_assets.core.ports import HeadPins, HeadStore, ObjectStore

ADOPT = "run `mlife log adopt`"


@dataclass(frozen=True)
class Audit:
    """What was found.

    Attributes:
        verification: of the bytes, with the findings of all checks.
        head: the newest signed head; None when nothing was signed.
        unsigned_manifests: written after it.
        notes: sentences for people that are no findings.
    """

    verification: Verification
    head: Head | None
    unsigned_manifests: int
    notes: tuple[str, ...]

    @property
    def is_signed(self) -> bool:
        """Return whether everything up to the newest head was signed or adopted."""
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
    """Check the log in `store` against the heads in `heads` (the first is the outside one) and other records.

    Args:
        store: the lake.
        log: reads its rows.
        heads: where heads are kept.
        pins: the keys that may sign them.
        records: ledger, reports.
        key_of: returns the key of the keyed hash of manifests after a head.
        witnessed: manifests kept from earlier verifications.
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
    """Return the heads whose signatures hold, and what is wrong with heads."""
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
