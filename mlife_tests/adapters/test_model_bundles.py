"""Bundles of models in a real folder and on a real S3 server: what is written, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import obstore
import orjson
import pytest

from mlife_assets.adapters.log_heads.signing import Ed25519Signer
from mlife_assets.adapters.model_bundles import BUNDLE_FILE, Bundle, _message, find_bundle, read_bundle, write_bundle
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.errors import (
    ContentConflictError,
    GateClosedError,
    IntegrityError,
    InvalidInputError,
    NewerVersionError,
    NotFoundError,
)

STAGING, STRANGER = Ed25519Signer(b"s" * 32), Ed25519Signer(b"x" * 32)
NOW = datetime(2026, 6, 2, 19, tzinfo=UTC)
FILES = {"artifact/manifest.json": b"{}", "card.html": b"<p>card</p>", "verdicts.json": b'[{"outcome":"refused"}]'}


def bundle(signer: Ed25519Signer = STAGING, **changed: Any) -> Bundle:
    return replace(
        Bundle("job_applications", "mdl_1", "staging", "ann", NOW, signer.public_key.hex(), FILES), **changed
    )


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Any) -> ObstoreObjectStore:
    if request.param == "folder":
        return ObstoreObjectStore.local(tmp_path)
    return ObstoreObjectStore.in_bucket(request.getfixturevalue("s3_place"))


def test_what_was_written_is_read_and_again_writes_nothing(store) -> None:
    written, is_new = write_bundle(store, bundle(), STAGING)
    assert is_new
    folder = find_bundle(store, "")
    read = read_bundle(store, folder, STAGING.public_key)
    assert read == written
    assert dict(read.files) == FILES
    keys = store.list("")
    assert keys == sorted(f"{folder}/{name}" for name in (*FILES, BUNDLE_FILE))
    later = bundle(exported_by="bob", exported_at=NOW + timedelta(days=1))
    assert write_bundle(store, later, STAGING) == (written, False)
    assert store.list("") == keys


def test_a_changed_byte_and_a_missing_file_are_named(store) -> None:
    written, _ = write_bundle(store, bundle(), STAGING)
    store.replace(f"{written.folder}/card.html", b"<p>cars</p>")
    for act in (
        lambda: read_bundle(store, written.folder, STAGING.public_key),
        lambda: write_bundle(store, bundle(), STAGING),
    ):
        with pytest.raises(IntegrityError, match=f"{written.folder}/card.html was changed"):
            act()
    obstore.delete(store._backend, f"{written.folder}/card.html")
    with pytest.raises(IntegrityError, match=f"{written.folder}/card.html is missing"):
        read_bundle(store, written.folder, STAGING.public_key)


def test_a_forged_verdict_with_right_hashes_is_refused(store) -> None:
    """Whoever can write to the place can make every hash right; the signature is what they lack."""
    forged = {**FILES, "verdicts.json": b'[{"outcome":"promoted"}]'}
    theirs, _ = write_bundle(store, bundle(STRANGER, files=forged), STRANGER)
    with pytest.raises(GateClosedError, match="not signed by the key that was named"):
        read_bundle(store, theirs.folder, STAGING.public_key)
    as_if = replace(bundle(files=forged), signature=STRANGER.sign(b"anything"))
    for name, data in {**forged, BUNDLE_FILE: as_if.listing}.items():
        store.put_if_absent(f"{as_if.folder}/{name}", data)
    with pytest.raises(GateClosedError, match="not signed by the key that was named"):
        read_bundle(store, as_if.folder, STAGING.public_key)


def test_no_file_is_read_before_the_signature_holds(store) -> None:
    theirs, _ = write_bundle(store, bundle(STRANGER), STRANGER)
    for name in FILES:
        obstore.delete(store._backend, f"{theirs.folder}/{name}")
    with pytest.raises(GateClosedError):
        read_bundle(store, theirs.folder, STAGING.public_key)


def test_a_bundle_in_the_place_of_another_is_refused(store) -> None:
    """An older verdict of the same signer must not stand where a newer one is asked for."""
    older, _ = write_bundle(store, bundle(), STAGING)
    newer, _ = write_bundle(store, bundle(files={**FILES, "verdicts.json": b"[]"}), STAGING)
    for name in (*FILES, BUNDLE_FILE):
        store.replace(f"{newer.folder}/{name}", store.get(f"{older.folder}/{name}"))
    with pytest.raises(IntegrityError, match="another bundle than its place or its signer says"):
        read_bundle(store, newer.folder, STAGING.public_key)


def test_a_bundle_that_says_another_signed_it_is_refused(store) -> None:
    claimed, _ = write_bundle(store, bundle(signed_by=STRANGER.public_key.hex()), STAGING)
    with pytest.raises(IntegrityError, match="another bundle than its place or its signer says"):
        read_bundle(store, claimed.folder, STAGING.public_key)


@pytest.mark.parametrize("name", ["../../events/x.parquet", "a//b", "a b", ""])
def test_a_name_that_is_not_plain_is_refused_before_a_file_is_read(store, name: str) -> None:
    odd = bundle(files={name: b"x"})
    odd = replace(odd, signature=STAGING.sign(_message(odd._content)))
    store.put_if_absent(f"{odd.folder}/{BUNDLE_FILE}", odd.listing)
    with pytest.raises(InvalidInputError, match="is not plain"):
        read_bundle(store, odd.folder, STAGING.public_key)


def test_a_card_that_was_written_again_makes_no_other_bundle(store) -> None:
    written, _ = write_bundle(store, bundle(), STAGING)
    again, is_new = write_bundle(store, bundle(files={**FILES, "card.html": b"<p>anew</p>"}), STAGING)
    assert (again, is_new) == (written, False)
    assert find_bundle(store, "mdl_1") == written.folder


def test_an_export_that_was_cut_short_counts_as_none_and_is_ended_by_the_next(store) -> None:
    half = bundle()
    store.put_if_absent(f"{half.folder}/card.html", FILES["card.html"])
    with pytest.raises(NotFoundError, match=f"{half.bundle_id} has no bundle.json, so its export was cut short"):
        find_bundle(store, "mdl_1")
    written, is_new = write_bundle(store, bundle(), STAGING)
    assert is_new
    assert find_bundle(store, "mdl_1") == written.folder


def test_an_export_does_not_write_over_what_lies_in_its_way(store) -> None:
    store.put_if_absent(f"{bundle().folder}/card.html", b"another")
    with pytest.raises(ContentConflictError, match=r"card\.html already holds other bytes"):
        write_bundle(store, bundle(), STAGING)
    assert not store.exists(f"{bundle().folder}/{BUNDLE_FILE}")


def test_several_of_a_version_have_to_be_named(store) -> None:
    one, _ = write_bundle(store, bundle(), STAGING)
    two, _ = write_bundle(store, bundle(files={**FILES, "verdicts.json": b"[]"}), STAGING)
    with pytest.raises(InvalidInputError, match="there are 2 bundles") as caught:
        find_bundle(store, "mdl_1")
    assert all(each.bundle_id in str(caught.value) for each in (one, two))
    assert find_bundle(store, f"mdl_1/{two.bundle_id}") == two.folder
    with pytest.raises(NotFoundError, match="there is no bundle mdl_2"):
        find_bundle(store, "mdl_2")


def test_what_is_no_listing_says_so(store) -> None:
    written, _ = write_bundle(store, bundle(), STAGING)
    for body in (b"{", b"[]", orjson.dumps({"bundle": {}, "signature": "zz"})):
        store.replace(f"{written.folder}/{BUNDLE_FILE}", body)
        with pytest.raises(IntegrityError, match="does not list a bundle"):
            read_bundle(store, written.folder, STAGING.public_key)


def test_a_form_of_a_newer_mlife_is_refused(store, monkeypatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("mlife_assets.adapters.model_bundles.FORM", 2)
        write_bundle(store, bundle(), STAGING)
    with pytest.raises(NewerVersionError, match="form 2 and this mlife reads 1"):
        read_bundle(store, find_bundle(store, ""), STAGING.public_key)
