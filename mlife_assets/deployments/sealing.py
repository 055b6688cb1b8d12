"""Sealing and auditing the event log of a home.

Concept: a writer seals when done, so that each run and each command leaves a signed head behind. A check of the log
creates nothing: a missing ledger is a finding, not a new empty ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlife_assets.adapters.event_log.chain import Chain, ChainEnd
from mlife_assets.adapters.event_log.manifests import Link, Manifest
from mlife_assets.adapters.log_heads import Audit, Head, Note, Records, Sealer, audit, newest_head
from mlife_assets.adapters.log_heads.head import ManifestKey, SignedHead, key_id
from mlife_assets.adapters.log_heads.sealing import ADOPTED, KEY_ROTATED, KEYS_REPLACED
from mlife_assets.core.errors import GateClosedError, IntegrityError, InvalidInputError
from mlife_assets.core.ports import HeadSigner, ObjectStore
from mlife_assets.deployments.keys import (
    MANIFEST_KEY,
    head_key_name,
    manifest_key,
    new_manifest_key,
)
from mlife_assets.deployments.landed_days import INGEST_REPORT, LandedDays
from mlife_assets.deployments.ports import HomePorts, head_stores


def seal(
    home: HomePorts,
    days: LandedDays | None = None,
    *,
    note: Note | None = None,
    next_key: bytes | None = None,
    manifest_key: ManifestKey | None = None,
    chain: Chain | None = None,
) -> Head | None:
    """Sign everything appended since the newest head, at the time of `days`; None without an append or a `note`."""
    days = days or home.days
    ledger = home.ledger_if(is_made=True)
    sealer = Sealer(head_stores(home, is_made=True), home.private.heads.pins, home.private.heads.signer)
    return sealer.seal(
        chain or home.event_log.chain,
        now=home.times.sealing(days.newest() or days.start),
        ledger={} if ledger is None else ledger.positions(),
        note=note,
        next_key=next_key,
        manifest_key=manifest_key,
    )


def present_signer(home: HomePorts) -> HeadSigner:
    """Return the present signer of heads. Raises InvalidInputError before the first, IntegrityError for another key."""
    if not home.private.heads.pins.keys():
        raise InvalidInputError("nothing was signed here yet, so nobody knows this home's key; run a day first")
    return head_signer_at_hand(home)


def head_signer_at_hand(home: HomePorts) -> HeadSigner:
    """Return the present signer of heads, or the first. Raises IntegrityError if its key is not the pinned one."""
    pinned = home.private.heads.pins.keys()
    signer = home.private.heads.signer(max(len(pinned) - 1, 0))
    if pinned and signer.public_key != pinned[-1]:
        raise IntegrityError("the key at hand is not the one that is pinned to sign; restore the folder of keys")
    return signer


def adopt(home: HomePorts, *, actor: str, reason: str, despite_findings: bool = False) -> Head:
    """Verify and sign a log of release 0.1.0. Raises GateClosedError if damaged, InvalidInputError if signed."""
    found = audit_log(home)
    if not found.verification.hashes:
        raise InvalidInputError("there is no event log to adopt; run a day first")
    if found.is_signed:
        raise InvalidInputError("the event log is signed already; there is nothing to adopt")
    findings = found.verification.findings
    if [one.kind for one in findings] == ["missing_head"] and _is_adoption_cut_short(home):
        findings = ()
    if findings and not despite_findings:
        raise GateClosedError(
            f"the event log has {len(findings)} finding(s), the first at {findings[0].key}; see `mlife log verify`, "
            "restore it, or say --despite-findings to sign it as it is"
        )
    home.event_log.chain.start()
    head = seal(home, note=Note(ADOPTED, actor, reason))
    if head is None:
        raise InvalidInputError("there was nothing to sign")
    return head


def rotate_key(home: HomePorts, *, actor: str, reason: str) -> Head:
    """Introduce the next keys of heads and of manifests by a head signed with the present key."""
    if not home.private.heads.pins.keys():
        raise InvalidInputError("nothing was signed yet, so there is no key to rotate; run a day first")
    with home.event_log.chain.alone(rotates=True):
        generation = len(home.private.heads.pins.keys())
        following = home.private.heads.signer(generation).public_key
        key = new_manifest_key(home.private.keyring, generation)
        head = seal(home, note=Note(KEY_ROTATED, actor, reason), next_key=following, manifest_key=key)
    if head is None:
        raise InvalidInputError("there was nothing to sign")
    return head


def replace_lost_keys(
    home: HomePorts, *, actor: str, reason: str, vouched: Mapping[str, str] | None = None
) -> Head | None:
    """Replace lost signing keys of a home, as after a restore: no backup holds them.

    `vouched` are the hashes of valid manifests since the newest head, whose keyed hash cannot be checked any more;
    without it, `actor` vouches for all. Returns the new head, None if no key is lost.

    Raises GateClosedError if a manifest since the newest head is not vouched for.
    """
    with home.event_log.chain.alone():
        newest = newest_head(head_stores(home), home.private.heads.pins)
        if newest is None or _are_keys_at_hand(home, newest):
            return None
        chain = _VouchedChain(home.lake, newest.head.chain, vouched)
        chain.since(newest.head.chain.sequence)  # before a key is pinned: the lost ones may be restored
        generation = len(home.private.heads.pins.keys())
        home.private.heads.pins.pin(home.private.heads.signer(generation).public_key)
        return seal(
            home,
            note=Note(KEYS_REPLACED, actor, reason),
            manifest_key=new_manifest_key(home.private.keyring, generation),
            chain=chain,
        )


def _are_keys_at_hand(home: HomePorts, newest: SignedHead) -> bool:
    """Return whether the keys for the next head and manifest exist."""
    pinned, keys, named = home.private.heads.pins.keys(), home.private.keyring, newest.head.manifest_key
    generation = len(pinned) - 1
    hashed = MANIFEST_KEY if named is None else f"{MANIFEST_KEY}_{named.generation}"
    return (
        (newest.key == key_id(pinned[-1]) or newest.head.next_key == pinned[-1].hex())
        and all(map(keys.has, (head_key_name(generation), hashed)))
        and home.private.heads.signer(generation).public_key == pinned[-1]
        and (named is None or new_manifest_key(keys, named.generation) == named)
    )


class _VouchedChain(Chain):
    """A chain whose keyed hashes cannot be checked because the key is lost."""

    def __init__(self, store: ObjectStore, pinned: ChainEnd, vouched: Mapping[str, str] | None) -> None:
        super().__init__(store, pinned=lambda: pinned)
        self._vouched = vouched

    def since(self, sequence: int) -> list[tuple[Link, Manifest]]:
        found = super().since(sequence)
        for link, _ in found:
            if self._vouched is not None and self._vouched.get(link.key) != link.sha256:
                raise GateClosedError(
                    f"{link.key} was written after the newest signed head, and the key that says by whom is lost. Put "
                    "the keys of this home back, or read its rows and vouch for them: mlife log rotate-key --lost"
                )
        return found


def audit_log(home: HomePorts, *, lake: ObjectStore | None = None, witnessed: Iterable[Link] = ()) -> Audit:
    """Check the event log against signed heads, ledger, registry and reports; `lake` may report each read."""
    ledger = home.ledger_if(is_made=False)
    records = Records(ledger=ledger, providers=home.providers, tables=home.tables, ingest_report=INGEST_REPORT)
    return audit(
        lake or home.lake,
        home.event_log,
        head_stores(home),
        home.private.heads.pins,
        records,
        key_of=lambda head: manifest_key(home.private.keyring, head),
        witnessed=witnessed,
    )


def _is_adoption_cut_short(home: HomePorts) -> bool:
    """Return whether an adoption died before signing: the chain began, lists no file, and no key was used."""
    begun = home.event_log.chain.since(-1)
    return not home.private.heads.pins.keys() and not any(manifest.entries for _, manifest in begun)


def signed_positions(home: HomePorts) -> Mapping[str, int]:
    newest = newest_head(head_stores(home, is_made=True), home.private.heads.pins)
    return {} if newest is None else newest.head.ledger
