"""Sealing and auditing the event log of a platform.

Belongs here: wiring heads, keys, ledger and records of one deployment. Does not belong here: what a head is and what is
checked (`adapters.log_heads`).

Concept: whoever appends seals when done, so that each run and each command leaves a signed head behind. Asking whether
the log is intact makes nothing: a ledger that is gone is a finding and not an empty one.
"""

from __future__ import annotations

from collections.abc import Iterable

from mlife_assets.adapters.event_log.manifests import Link
from mlife_assets.adapters.log_heads import Audit, Head, Note, Records, Sealer, audit
from mlife_assets.adapters.log_heads.sealing import ADOPTED, KEY_ROTATED
from mlife_assets.components.platform.home_keys import MANIFEST_KEY
from mlife_assets.components.platform.model_platform import INGEST_REPORT, ModelPlatform
from mlife_assets.core.errors import GateClosedError, IntegrityError, InvalidInputError
from mlife_assets.core.head_ports import HeadSigner
from mlife_assets.core.ports import ObjectStore


def seal(platform: ModelPlatform) -> Head | None:
    """Sign what was appended since the newest head; None when nothing was."""
    return _seal(platform, note=None, next_key=None)


def present_signer(platform: ModelPlatform) -> HeadSigner:
    """Return who signs heads now. Raises InvalidInputError before the first, IntegrityError for another key."""
    pinned = platform.head_pins.keys()
    if not pinned:
        raise InvalidInputError("nothing was signed here yet, so nobody knows this home's key; run a day first")
    signer = platform.head_signer(len(pinned) - 1)
    if signer.public_key != pinned[-1]:
        raise IntegrityError("the key at hand is not the one that is pinned to sign; restore the folder of keys")
    return signer


def adopt(platform: ModelPlatform, *, actor: str, reason: str, despite_findings: bool = False) -> Head:
    """Sign a log of release 0.1.0 after verifying it.

    Raises:
        GateClosedError: it is damaged, and nobody said that it is to be signed as it is.
        InvalidInputError: there is nothing of release 0.1.0 that is not signed already.
    """
    found = audit_log(platform)
    if not found.verification.hashes:
        raise InvalidInputError("there is no event log to adopt; run a day first")
    if found.is_signed:
        raise InvalidInputError("the event log is signed already; there is nothing to adopt")
    findings = found.verification.findings
    if [one.kind for one in findings] == ["missing_head"] and _is_adoption_cut_short(platform):
        findings = ()
    if findings and not despite_findings:
        raise GateClosedError(
            f"the event log has {len(findings)} finding(s), the first at {findings[0].key}; see `mlife log verify`, "
            "restore it, or say --despite-findings to sign it as it is"
        )
    platform.event_log.chain.start()
    head = _seal(platform, note=Note(ADOPTED, actor, reason), next_key=None)
    if head is None:
        raise InvalidInputError("there was nothing to sign")
    return head


def rotate_key(platform: ModelPlatform, *, actor: str, reason: str) -> Head:
    """Introduce the next signing key by a head that the present one signs."""
    present = platform.head_pins.keys()
    if not present:
        raise InvalidInputError("nothing was signed yet, so there is no key to rotate; run a day first")
    following = platform.head_signer(len(present)).public_key
    head = _seal(platform, note=Note(KEY_ROTATED, actor, reason), next_key=following)
    if head is None:
        raise InvalidInputError("there was nothing to sign")
    return head


def audit_log(platform: ModelPlatform, *, lake: ObjectStore | None = None, witnessed: Iterable[Link] = ()) -> Audit:
    """Check the event log against signed heads, ledger, registry and reports; `lake` may report each read."""
    ledger, providers = platform.ledger_on_record()
    records = Records(
        ledger=ledger,
        providers=providers,
        tables=platform.tables,
        ingest_report=INGEST_REPORT,
    )
    return audit(
        lake or platform.lake,
        platform.event_log,
        platform.pinned_heads(),
        platform.head_pins,
        records,
        key=platform.keyring.key(MANIFEST_KEY),
        witnessed=witnessed,
    )


def _is_adoption_cut_short(platform: ModelPlatform) -> bool:
    """Return whether an adoption died before it signed: the chain was begun, lists nothing, and no key was used."""
    begun = platform.event_log.chain.since(-1)
    return not platform.head_pins.keys() and not any(manifest.entries for _, manifest in begun)


def _seal(platform: ModelPlatform, *, note: Note | None, next_key: bytes | None) -> Head | None:
    sealer = Sealer(platform.head_stores, platform.head_pins, platform.head_signer)
    return sealer.seal(
        platform.event_log.chain,
        now=platform.sealing_time(platform.newest_landed_day() or platform.start_date),
        ledger=platform.ledger_positions(),
        note=note,
        next_key=next_key,
    )
