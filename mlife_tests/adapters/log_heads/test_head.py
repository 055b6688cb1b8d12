"""A head: one form, signed, and refused in any other form, place or under any other key."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import orjson
import pytest

from mlife_assets.adapters.event_log import ChainEnd
from mlife_assets.adapters.event_log.layout import content_hash
from mlife_assets.adapters.event_log.manifests import Link
from mlife_assets.adapters.log_heads.head import Head, Note, read_head, sign_head
from mlife_assets.adapters.log_heads.signing import Ed25519Signer, is_signed, key_id
from mlife_assets.core.errors import IntegrityError

SIGNER, OTHER = Ed25519Signer(b"a" * 32), Ed25519Signer(b"b" * 32)
KEYS = {key_id(SIGNER.public_key): SIGNER.public_key}
HEAD = Head(
    sequence=3, day=date(2026, 6, 10), chain=ChainEnd(41, "c" * 64),
    manifests=(Link("manifests/chain/000000000/000000000041.json", "c" * 64),), rows={"click": 7, "apply": 2},
    ledger={"transitions": 5, "inbound": 0, "switches": 1}, previous="d" * 64, history="adopted",
    note=Note("adopted", "anna", "checked"), next_key="e" * 64,
)  # fmt: skip


@pytest.mark.parametrize("head", [HEAD, replace(HEAD, previous=None, note=None, next_key=None, manifests=())])
def test_a_head_is_read_as_it_was_signed(head: Head) -> None:
    signed = sign_head(head, SIGNER)
    assert read_head(3, signed.body, KEYS, "here") == signed
    assert signed.head == head
    assert signed.sha256 == content_hash(signed.body)
    assert sign_head(head, Ed25519Signer(b"a" * 32)).body == signed.body, "same head, same key, same bytes"


@pytest.mark.parametrize("field", ["sequence", "day", "chain", "manifests", "rows", "ledger", "previous", "history"])
def test_no_field_can_be_changed_under_the_signature(field: str) -> None:
    body = orjson.loads(sign_head(HEAD, SIGNER).body)
    others = sign_head(
        Head(
            sequence=4, day=date(2026, 6, 11), chain=ChainEnd(42, "f" * 64), manifests=(), rows={"click": 8},
            ledger={"transitions": 4}, previous="0" * 64, history="none",
        ),
        SIGNER,
    )  # fmt: skip
    body["head"][field] = orjson.loads(others.body)["head"][field]
    changed = orjson.dumps(body, option=orjson.OPT_SORT_KEYS) + b"\n"
    with pytest.raises(
        IntegrityError, match=r"is not signed by a key that is pinned|is not the head that its place says"
    ):
        read_head(3, changed, KEYS, "here")


def test_a_signature_of_another_key_or_about_something_else_does_not_count() -> None:
    with pytest.raises(IntegrityError, match="not signed by a key that is pinned"):
        read_head(3, sign_head(HEAD, OTHER).body, KEYS, "here")
    body = orjson.loads(sign_head(HEAD, OTHER).body)
    posing = orjson.dumps({**body, "key": key_id(SIGNER.public_key)}, option=orjson.OPT_SORT_KEYS) + b"\n"
    with pytest.raises(IntegrityError, match="not signed by a key that is pinned"):
        read_head(3, posing, KEYS, "here")
    bare = SIGNER.sign(orjson.dumps(body["head"], option=orjson.OPT_SORT_KEYS)).hex()
    plain = orjson.dumps({**body, "key": key_id(SIGNER.public_key), "signature": bare}, option=orjson.OPT_SORT_KEYS)
    with pytest.raises(IntegrityError, match="not signed by a key that is pinned"):
        read_head(3, plain + b"\n", KEYS, "here")


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"\xff", b'{"head":{},"key":"","signature":"zz"}'])
def test_what_is_no_head_is_refused(body: bytes) -> None:
    with pytest.raises(IntegrityError, match="here is no head of the event log; restore"):
        read_head(3, body, KEYS, "here")


def test_a_head_in_another_place_or_form_is_refused() -> None:
    body = sign_head(HEAD, SIGNER).body
    for sequence, changed in ((4, body), (3, body + b"\n"), (3, body.replace(b",", b", "))):
        with pytest.raises(IntegrityError, match="is not the head that its place says"):
            read_head(sequence, changed, KEYS, "here")


def test_a_wrong_signature_or_key_is_no_error_but_no() -> None:
    assert is_signed(b"m", SIGNER.sign(b"m"), SIGNER.public_key)
    assert not is_signed(b"n", SIGNER.sign(b"m"), SIGNER.public_key)
    assert not is_signed(b"m", b"short", SIGNER.public_key)
    assert not is_signed(b"m", SIGNER.sign(b"m"), b"short")


class Short(Ed25519Signer):
    """A signer that takes few bytes, as a key service does."""

    message_bytes_maximum = 900

    def sign(self, message: bytes) -> bytes:
        assert len(message) <= 900
        return super().sign(message)


def test_of_a_head_that_is_longer_than_its_signer_takes_the_hash_is_signed() -> None:
    links = tuple(Link(f"manifests/chain/000000000/{number:012d}.json", "c" * 64) for number in range(60))
    long, signer = replace(HEAD, manifests=links), Short(b"a" * 32)
    signed = sign_head(long, signer)
    assert signed.body != sign_head(long, SIGNER).body
    assert read_head(3, signed.body, KEYS, "here") == signed
    assert sign_head(HEAD, signer).body == sign_head(HEAD, SIGNER).body, "a short one is signed itself"
    changed = signed.body.replace(b"000000000007.json", b"000000000077.json")
    with pytest.raises(IntegrityError, match="not signed by a key that is pinned"):
        read_head(3, changed, KEYS, "here")
