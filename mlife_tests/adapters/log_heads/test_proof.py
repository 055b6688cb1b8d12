"""A proof: file, manifest and head suffice with the public key, offline; no step can be swapped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mlife_assets.adapters.log_heads.proof import Proof, check_proof, prove_file
from mlife_assets.adapters.log_heads.signing import Ed25519Signer
from mlife_assets.core.errors import IntegrityError, NotFoundError


@pytest.fixture
def proofs(sealed) -> list[Proof]:
    for number in range(4):
        sealed.append(f"e{number}", days=number)
        if number % 2:
            sealed.seal()
    return [prove_file(sealed.lake, sealed.heads[0], key) for key in sealed.lake.list("events")]


def test_every_file_is_proven_with_the_public_key_alone(sealed, proofs: list[Proof]) -> None:
    (key,) = sealed.pins.keys()
    assert [check_proof(proof, key).sequence for proof in proofs] == [0, 0, 1, 1]


def test_no_step_of_a_proof_can_be_another(sealed, proofs: list[Proof]) -> None:
    (key,) = sealed.pins.keys()
    one, other = proofs[0], proofs[3]
    for changed, told in (
        (replace(one, file=other.file), "does not list these bytes"),
        (replace(one, file_key=other.file_key), "does not list these bytes"),
        (replace(one, manifest=other.manifest, manifest_key=other.manifest_key), "does not name these bytes"),
        (replace(one, manifest=other.manifest), "does not name these bytes"),
        (replace(one, head=other.head), "is not the head that its place says"),
        (replace(one, head=other.head, head_sequence=1), "does not name these bytes"),
    ):
        with pytest.raises(IntegrityError, match=told):
            check_proof(changed, key)
    with pytest.raises(IntegrityError, match="not signed by a key that is pinned"):
        check_proof(one, Ed25519Signer(b"x" * 32).public_key)


def test_what_was_not_signed_cannot_be_proven(sealed, proofs: list[Proof]) -> None:
    sealed.append("late", days=9)
    key = sealed.lake.list("events")[-1]
    with pytest.raises(NotFoundError, match=f"no signed manifest lists {key}"):
        prove_file(sealed.lake, sealed.heads[0], key)
