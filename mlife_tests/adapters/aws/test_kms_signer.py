"""Heads that KMS signs: anybody verifies them with the public half, and no other key is trusted."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from mlife_assets.adapters.aws.kms_signer import MESSAGE_BYTES_MAXIMUM, KmsPins, KmsSigner
from mlife_assets.adapters.event_log import ChainEnd
from mlife_assets.adapters.event_log.manifests import Link
from mlife_assets.adapters.log_heads.head import Head, read_head, sign_head
from mlife_assets.adapters.log_heads.signing import Ed25519Signer, is_signed
from mlife_assets.core.errors import GateClosedError, IntegrityError, NotFoundError, PermanentError

pytestmark = pytest.mark.aws
REGION = "eu-west-1"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/11111111-2222-3333-4444-555555555555"
HEAD = Head(sequence=0, day=date(2026, 6, 10), chain=ChainEnd(0, "c" * 64), manifests=(), rows={"click": 7}, ledger={})


def test_a_signature_of_kms_is_verified_without_it(aws: Any) -> None:
    signer = KmsSigner(KEY, REGION)
    signature = signer.sign(b"words")
    assert is_signed(b"words", signature, signer.public_key)
    assert not is_signed(b"other words", signature, signer.public_key)
    assert signer.public_key == aws.kms.key.public_key().public_bytes_raw()


@pytest.mark.parametrize("manifests", [0, 1, 400])
def test_a_head_of_any_length_is_signed_and_read(aws: Any, manifests: int) -> None:
    """A day of history has hundreds of manifests, and KMS takes 4,096 bytes."""
    links = tuple(Link(f"manifests/chain/000000000/{number:012d}.json", "c" * 64) for number in range(manifests))
    signer = KmsSigner(KEY, REGION)
    signed = sign_head(replace(HEAD, manifests=links), signer)
    assert (len(signed.body) > MESSAGE_BYTES_MAXIMUM) == (manifests == 400)
    assert read_head(0, signed.body, KmsPins(signer).by_id(), "witness/0") == signed
    forged = signed.body.replace(b'"click":7', b'"click":8')
    with pytest.raises(IntegrityError, match="not signed by a key that is pinned"):
        read_head(0, forged, KmsPins(signer).by_id(), "witness/0")
    other = sign_head(HEAD, Ed25519Signer(b"o" * 32))
    with pytest.raises(IntegrityError, match="not signed"):
        read_head(0, other.body, KmsPins(signer).by_id(), "witness/0")


def test_no_other_key_can_be_pinned(aws: Any) -> None:
    signer = KmsSigner(KEY, REGION)
    pins = KmsPins(signer)
    pins.pin(signer.public_key)
    with pytest.raises(GateClosedError, match="MLIFE_HEAD_SIGNING_KEY alone"):
        pins.pin(b"o" * 32)
    assert pins.keys() == [signer.public_key]
    assert not pins.says_signed


def test_what_kms_refuses_names_setting_and_right(aws: Any) -> None:
    with pytest.raises(NotFoundError, match="MLIFE_HEAD_SIGNING_KEY: there is no such thing here"):
        _ = KmsSigner(KEY.replace("1111", "2222"), REGION).public_key
    aws.kms.denies |= {"Sign", "GetPublicKey"}
    with pytest.raises(PermanentError, match="MLIFE_HEAD_SIGNING_KEY: the task's role may not kms:Sign; grant it"):
        KmsSigner(KEY, REGION).sign(b"words")
    with pytest.raises(PermanentError, match="may not kms:GetPublicKey"):
        _ = KmsSigner(KEY, REGION).public_key


def test_a_key_of_another_kind_is_refused(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moto's KMS has keys of NIST's curves, and none of ours."""
    from mlife_assets.adapters import aws_clients as clients

    monkeypatch.delenv("AWS_ENDPOINT_URL_KMS")
    clients.client.cache_clear()
    made = aws.client("kms").create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    with pytest.raises(PermanentError, match="no Ed25519 key; name one of the kind ECC_NIST_EDWARDS25519"):
        _ = KmsSigner(made, REGION).public_key
