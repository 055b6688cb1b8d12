"""Proving one file of the event log without the log: file -> manifest -> head.

Belongs here: collecting a proof, checking one with a public key. Does not belong here: checking the log (`audit`).

Concept: a head names the manifests since the head before with their hashes, a manifest names its files with theirs, so
two steps suffice and no tree is needed. Who holds the public key needs nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from mlife_assets.adapters.event_log.layout import content_hash, parse_manifest_key
from mlife_assets.adapters.event_log.manifests import decode_manifest
from mlife_assets.adapters.log_heads.head import Head, read_head
from mlife_assets.adapters.log_heads.signing import key_id
from mlife_assets.core.errors import IntegrityError, NotFoundError
from mlife_assets.core.head_ports import HeadStore
from mlife_assets.core.ports import ObjectStore


@dataclass(frozen=True)
class Proof:
    """That `file_key` belongs to the log: the bytes of the file, of its manifest and of the head that names that."""

    file_key: str
    file: bytes
    manifest_key: str
    manifest: bytes
    head_sequence: int
    head: bytes


def prove_file(store: ObjectStore, heads: HeadStore, file_key: str) -> Proof:
    """Return the proof of a data file. Raises NotFoundError when no signed manifest lists it."""
    for sequence in reversed(heads.sequences()):
        body = heads.get(sequence)
        for key in _named_manifests(body):
            data = store.get(key)
            if any(entry.key == file_key for entry in decode_manifest(key, data).entries):
                return Proof(file_key, store.get(file_key), key, data, sequence, body)
    raise NotFoundError(f"no signed manifest lists {file_key}; a file of release 0.1.0 is proven by the whole chain")


def check_proof(proof: Proof, public_key: bytes) -> Head:
    """Return the head that proves the file. Raises IntegrityError naming the step that does not hold."""
    keys = {key_id(public_key): public_key}
    head = read_head(proof.head_sequence, proof.head, keys, f"head {proof.head_sequence}").head
    hashes = {link.key: link.sha256 for link in head.manifests}
    if hashes.get(proof.manifest_key) != content_hash(proof.manifest):
        raise IntegrityError(f"head {head.sequence} does not name these bytes of {proof.manifest_key}")
    entries = {entry.key: entry.sha256 for entry in decode_manifest(proof.manifest_key, proof.manifest).entries}
    if entries.get(proof.file_key) != content_hash(proof.file):
        raise IntegrityError(f"{proof.manifest_key} does not list these bytes of {proof.file_key}")
    return head


def _named_manifests(body: bytes) -> list[str]:
    keys = [link["key"] for link in orjson.loads(body)["head"]["manifests"]]
    return [key for key in keys if parse_manifest_key(key) is not None]
