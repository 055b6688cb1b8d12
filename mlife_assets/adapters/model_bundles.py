"""A model on its way from one environment to another: a folder of files, named by their content and signed.

Concept: hashes show that a file is unchanged, and nothing of its exporter: a writer to the place
can write a verdict of the gate as well. So the list of hashes is signed, with the key that signs heads of the event
log, and read under the one public key that the reader names; no file is read before. The list is written last: a folder
without one is not whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import orjson

from mlife_assets.adapters.event_log.manifests import content_hash
from mlife_assets.adapters.log_heads.head import is_signed, key_id
from mlife_assets.adapters.model_registry import CARD_FILE, VERSIONS
from mlife_assets.adapters.object_store import ObstoreObjectStore, require_plain
from mlife_assets.core.errors import (
    GateClosedError,
    IntegrityError,
    InvalidInputError,
    NewerVersionError,
    NotFoundError,
)
from mlife_assets.core.ports import HeadSigner, ObjectStore

FORM = 1
CONTEXT = b"mlife hash of a bundle of a model\n"
"""Signed with every bundle, so that no other signature of the key can stand for one."""
BUNDLE_FILE = "bundle.json"
FILE_BYTES = 256 * 1024**2
"""At most, of a file: a model has a few million. It is read before anything says whose it is."""
ID_LENGTH = 20


@dataclass(frozen=True)
class Bundle:
    """A version with its records: files by plain name, public key and signature of the environment it is from."""

    model_name: str
    model_version: str
    environment: str
    exported_by: str
    exported_at: datetime
    signed_by: str
    files: Mapping[str, bytes] = field(repr=False)
    signature: bytes = field(default=b"", repr=False)

    @property
    def bundle_id(self) -> str:
        """Hash of content and origin, without exporter, time of export, and the card, which is derived."""
        facts = {name: said for name, said in self._content.items() if name not in ("exported_by", "exported_at")}
        facts["files"] = {name: digest for name, digest in facts["files"].items() if name != CARD_FILE}
        return "bdl_" + content_hash(_dumped(facts))[:ID_LENGTH]

    @property
    def folder(self) -> str:
        return f"{VERSIONS}/{self.model_version}/{self.bundle_id}"

    @property
    def listing(self) -> bytes:
        return _dumped({"bundle": self._content, "signature": self.signature.hex()}) + b"\n"

    @property
    def _content(self) -> dict[str, Any]:
        return {
            "environment": self.environment,
            "exported_at": self.exported_at.isoformat(),
            "exported_by": self.exported_by,
            "files": {name: content_hash(data) for name, data in self.files.items()},
            "form": FORM,
            "model_name": self.model_name,
            "model_version": self.model_version,
            "signed_by": self.signed_by,
        }


def imported_folder(model_version: str, bundle_id: str) -> str:
    return f"{VERSIONS}/{model_version}/imported/{bundle_id}/"


def write_bundle(store: ObstoreObjectStore, bundle: Bundle, signer: HeadSigner) -> tuple[Bundle, bool]:
    """Sign and write a bundle, or end one cut short; returns it as it lies there, and whether it is new.

    Raises ContentConflictError, IntegrityError or GateClosedError naming a file that differs.
    """
    if store.exists(f"{bundle.folder}/{BUNDLE_FILE}"):
        return read_bundle(store, bundle.folder, signer.public_key), False
    signed = replace(bundle, signature=signer.sign(_message(bundle._content)))
    for name, data in sorted(signed.files.items()):
        store.put_if_absent(f"{signed.folder}/{name}", data)
    store.put_if_absent(f"{signed.folder}/{BUNDLE_FILE}", signed.listing)
    return signed, True


def find_bundle(store: ObjectStore, wanted: str) -> str:
    """Return the folder of the one bundle that begins with `wanted`. Raises NotFoundError or InvalidInputError.

    Bundles differ in their verdicts, and which one counts is never guessed: whoever writes there could decide it.
    """
    found = [
        f"{version}/{bundle}"
        for version in store.folders(VERSIONS)
        for bundle in store.folders(f"{VERSIONS}/{version}")
        if f"{version}/{bundle}".startswith(wanted)
    ]
    whole = [name for name in found if store.exists(f"{VERSIONS}/{name}/{BUNDLE_FILE}")]
    if len(whole) > 1:
        raise InvalidInputError(f"there are {len(whole)} bundles ({', '.join(whole)}); name one of them")
    if not whole and found:
        raise NotFoundError(f"{found[0]} has no {BUNDLE_FILE}, so its export was cut short; export it again")
    if not whole:
        raise NotFoundError(f"there is no bundle {wanted or 'of a model'} at this place; export one to it")
    return f"{VERSIONS}/{whole[0]}"


def read_bundle(store: ObstoreObjectStore, folder: str, public_key: bytes) -> Bundle:
    """Return the bundle in a folder, every byte checked; errors name the file.

    Raises GateClosedError unless signed by `public_key`, IntegrityError if a file was changed, InvalidInputError on a
    name that is not plain, NewerVersionError on a form of a newer mlife.
    """
    where = f"{folder}/{BUNDLE_FILE}"
    body = store.get(where, at_most=FILE_BYTES)
    try:
        raw = orjson.loads(body)
        said, signature = raw["bundle"], bytes.fromhex(raw["signature"])
        form = int(said["form"])
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"{where} does not list a bundle; export it again") from error
    if not is_signed(_message(said), signature, public_key):
        raise GateClosedError(
            f"{where} is not signed by the key that was named ({key_id(public_key)}), so nothing of it is taken; ask "
            "who exported it for their public key, or for another export"
        )
    if form > FORM:
        raise NewerVersionError(f"{where} has form {form} and this mlife reads {FORM}; upgrade mlife")
    for name in said["files"]:
        require_plain(name)
    files = {}
    for name, digest in said["files"].items():
        try:
            files[name] = store.get(f"{folder}/{name}", at_most=FILE_BYTES)
        except NotFoundError as error:
            raise IntegrityError(f"{folder}/{name} is missing; remove {folder} and export the version again") from error
        if content_hash(files[name]) != digest:
            raise IntegrityError(f"{folder}/{name} was changed; remove {folder} and export the version again")
    bundle = Bundle(
        model_name=said["model_name"],
        model_version=said["model_version"],
        environment=said["environment"],
        exported_by=said["exported_by"],
        exported_at=datetime.fromisoformat(said["exported_at"]),
        signed_by=public_key.hex(),
        files=files,
        signature=signature,
    )
    if bundle.listing != body or bundle.folder != folder:
        raise IntegrityError(
            f"{where} is another bundle than its place or its signer says; remove {folder} and export it again"
        )
    return bundle


def _message(content: Mapping[str, Any]) -> bytes:
    return CONTEXT + content_hash(_dumped(content)).encode()


def _dumped(content: Mapping[str, Any]) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
