"""Sealing: signing the present state of the event log.

Concept: only manifests of this home are signed: each manifest since the head before must follow the one before it and
carry the home's keyed hash. The outside store is written first, then the ledger; whichever lacks a head or holds a
damaged one gets it from the other. How far the ledger had come never goes back, so that an older ledger shows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path

from mlife_assets.adapters.event_log.chain import Chain, ChainEnd
from mlife_assets.adapters.event_log.manifests import Link, Manifest, parse_data_key, parse_hour_manifest_key
from mlife_assets.adapters.log_heads.head import (
    Head,
    History,
    ManifestKey,
    Note,
    SignedHead,
    key_id,
    read_head,
    sign_head,
)
from mlife_assets.adapters.private_files import locked
from mlife_assets.core.errors import ContentConflictError, IntegrityError, InvalidInputError, NotFoundError
from mlife_assets.core.ports import HeadPins, HeadSigner, HeadStore
from mlife_assets.core.windows import FIRST_EVENT_DAY

RACES_MAXIMUM = 100
ADOPTED, KEY_ROTATED, KEYS_REPLACED = "adopted", "key_rotated", "keys_replaced"


@dataclass(frozen=True)
class Sealer:
    """Signs heads into `stores`, the first one first; `signer` is by generation of the key."""

    stores: Sequence[HeadStore]
    pins: HeadPins
    signer: Callable[[int], HeadSigner]

    def seal(
        self,
        chain: Chain,
        *,
        now: datetime,
        ledger: Mapping[str, int],
        note: Note | None = None,
        next_key: bytes | None = None,
        manifest_key: ManifestKey | None = None,
    ) -> Head | None:
        """Sign what `chain` holds; None when there is nothing new and no `note`.

        `next_key` signs the next head, `manifest_key` names the key of the next manifests. Raises IntegrityError if a
        manifest or the newest head is damaged, or somebody else wrote it.
        """
        for _ in range(RACES_MAXIMUM):
            held = _held(self.stores)
            before = _newest_of(held, self.pins)
            self._level(before, held, now)
            if before is not None and before.head.next_key is not None:
                self.pins.pin(bytes.fromhex(before.head.next_key))
            last = before.head.chain.sequence if before is not None else -1
            new = chain.since(last)
            if not new and note is None:
                return None
            if not new and before is None:
                raise InvalidInputError("the event log holds nothing to sign; run a day first")
            signed = self._signed(before, new, ledger, note, next_key, manifest_key)
            try:
                self.stores[0].put(signed.head.sequence, signed.body, at=now)
            except ContentConflictError:
                continue
            if next_key is not None:
                self.pins.pin(next_key)
            held[self.stores[0]].add(signed.head.sequence)
            self._level(signed, held, now)
            return signed.head
        raise ContentConflictError(f"{RACES_MAXIMUM} others sealed meanwhile; seal again")

    def _signed(
        self,
        before: SignedHead | None,
        new: Sequence[tuple[Link, Manifest]],
        ledger: Mapping[str, int],
        note: Note | None,
        next_key: bytes | None,
        manifest_key: ManifestKey | None,
    ) -> SignedHead:
        signer = self._signer()
        head = None if before is None else before.head
        was = {} if head is None else head.ledger
        files = [parse_data_key(entry.key) for _, manifest in new for entry in manifest.entries]
        days = [file.day for file in files if file is not None]
        rows: dict[str, int] = {}
        for _, manifest in new:
            for entry in manifest.entries:
                event_type = entry.key.split("/")[1].partition("=")[2]
                rows[event_type] = rows.get(event_type, 0) + entry.rows
        newest_day = max((*days, *([head.day] if head is not None else _anchored_days(new))), default=FIRST_EVENT_DAY)
        return sign_head(
            Head(
                sequence=0 if head is None else head.sequence + 1,
                day=newest_day,
                chain=_end(new) if new or head is None else head.chain,
                manifests=tuple(link for link, _ in new),
                rows=rows,
                ledger={name: max(ledger.get(name, 0), was.get(name, 0)) for name in sorted({*ledger, *was})},
                previous=None if before is None else before.sha256,
                history=_history(head, new, note),
                note=note,
                next_key=None if next_key is None else next_key.hex(),
                manifest_key=manifest_key or (None if head is None else head.manifest_key),
            ),
            signer,
        )

    def _signer(self) -> HeadSigner:
        """Return the present signer. The first key is pinned by its use; any later one must be pinned already."""
        pinned = self.pins.keys()
        signer = self.signer(max(len(pinned) - 1, 0))
        if not pinned:
            self.pins.pin(signer.public_key)
        elif signer.public_key != pinned[-1]:
            raise IntegrityError("the key at hand is not the one that is pinned to sign; restore the folder of keys")
        return signer

    def _level(self, newest: SignedHead | None, held: Mapping[HeadStore, set[int]], now: datetime) -> None:
        """Give each store the heads that it lacks, and the newest where it is damaged; `held` knows of them then."""
        if newest is None:
            return
        for sequence in sorted(set().union(*held.values())):
            for store in self.stores:
                if sequence not in held[store]:
                    store.put(sequence, self._any(sequence, held), at=now)
                    held[store].add(sequence)
        for store in self.stores:
            if store.get(newest.head.sequence) != newest.body:
                self._require_damaged(store, newest)
                store.put(newest.head.sequence, newest.body, at=now, replaces=True)

    def _any(self, sequence: int, held: Mapping[HeadStore, set[int]]) -> bytes:
        for store, found in held.items():
            if sequence in found:
                return store.get(sequence)
        raise NotFoundError(f"head {sequence} is in no store")

    def _require_damaged(self, store: HeadStore, newest: SignedHead) -> None:
        """Raise IntegrityError if the other store's bytes are a valid head, too: then two histories were signed."""
        sequence = newest.head.sequence
        try:
            read_head(sequence, store.get(sequence), self.pins.by_id(), store.name)
        except IntegrityError:
            return
        raise IntegrityError(f"{store.name} holds another signed head {sequence}; run `mlife log verify`")


@contextmanager
def alone_in_log(
    lock: Path, stores: Callable[[], Sequence[HeadStore]], pins: HeadPins, *, rotates: bool = False
) -> Iterator[None]:
    """Keep every other process that adds manifests or rotates their key waiting; a rotation that dies leaves a mark."""
    with locked(lock) as file:
        if file.read(1):
            newest = newest_head(stores(), pins)
            if newest is not None and newest.head.next_key is not None:
                pins.pin(bytes.fromhex(newest.head.next_key))
        if rotates:
            file.write(b"rotating")
            os.fsync(file.fileno())
        yield
        file.truncate(0)


def newest_head(stores: Sequence[HeadStore], pins: HeadPins) -> SignedHead | None:
    """Return the newest head of any store, None if nothing was ever signed. Raises IntegrityError if none is whole."""
    return _newest_of(_held(stores), pins)


def _held(stores: Sequence[HeadStore]) -> dict[HeadStore, set[int]]:
    return {store: set(store.sequences()) for store in stores}


def _newest_of(held: Mapping[HeadStore, set[int]], pins: HeadPins) -> SignedHead | None:
    sequence = max((max(found, default=-1) for found in held.values()), default=-1)
    if sequence < 0:
        return None
    pinned = pins.keys()
    newest = _first_that_reads(sequence, held, lambda body, where: read_head(sequence, body, pins.by_id(), where))
    if newest.key == key_id(pinned[-1]):
        return newest
    # Nothing was sealed since a rotation, or somebody goes on under a key that was rotated.
    present = pinned[0]
    for number in range(sequence + 1):
        newest = _first_that_reads(number, held, partial(read_in_turn, number, present, pinned))
        present = signs_next(newest, present, pinned)
    return newest


def _first_that_reads(
    sequence: int, held: Mapping[HeadStore, set[int]], read: Callable[[bytes, str], SignedHead]
) -> SignedHead:
    problem = IntegrityError(f"head {sequence} is gone; restore it from a backup")
    for store in (store for store, found in held.items() if sequence in found):
        try:
            return read(store.get(sequence), f"{store.name}/{sequence}")
        except IntegrityError as error:
            problem = error
    raise problem


def read_in_turn(sequence: int, present: bytes, pinned: Sequence[bytes], body: bytes, where: str) -> SignedHead:
    """Return a head that the present key signed, or, where it says that this one was lost, a key pinned later."""
    later = pinned[pinned.index(present) + 1 :] if present in pinned else ()
    one = read_head(sequence, body, {key_id(key): key for key in (present, *later)}, where)
    if one.key != key_id(present) and (one.head.note is None or one.head.note.kind != KEYS_REPLACED):
        raise IntegrityError(f"{where} is signed by a key that no head introduced; restore it from a copy")
    return one


def signs_next(one: SignedHead, present: bytes, pinned: Sequence[bytes]) -> bytes:
    """Return the public key that signs the head after one that was read in its turn."""
    if one.head.next_key is not None:
        return bytes.fromhex(one.head.next_key)
    return next((key for key in pinned if key_id(key) == one.key), present)


def _end(new: Sequence[tuple[Link, Manifest]]) -> ChainEnd:
    link, manifest = new[-1]
    return ChainEnd(manifest.sequence, link.sha256)


def _anchored_days(new: Sequence[tuple[Link, Manifest]]) -> list[date]:
    places = [parse_hour_manifest_key(anchor.key) for _, manifest in new for anchor in manifest.anchors]
    return [date.fromisoformat(place[0][len("dt=") : len("dt=YYYY-MM-DD")]) for place in places if place is not None]


def _history(head: Head | None, new: Sequence[tuple[Link, Manifest]], note: Note | None) -> History:
    if note is not None and note.kind == ADOPTED:
        return "adopted"
    if head is not None:
        return head.history
    return "unsigned" if any(manifest.anchors for _, manifest in new) else "none"
