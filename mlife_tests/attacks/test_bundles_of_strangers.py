"""`mlife models import` from a place to which strangers write: what is no file, or too large, is never read.

Forged verdicts, names that lead out, a bundle in another's place: `adapters/test_model_bundles.py`. What an estimator's
file may name: `core/scoring/test_artifact.py`. A page of theirs runs no script: `serving/site/test_app.py`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mlife_assets.adapters import model_bundles
from mlife_assets.adapters.log_heads.signing import Ed25519Signer
from mlife_assets.adapters.model_bundles import BUNDLE_FILE, Bundle, read_bundle, write_bundle
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.errors import IntegrityError, PermanentError

SIGNER = Ed25519Signer(b"s" * 32)
HONEST = Bundle(
    "m", "mdl_1", "dev", "ann", datetime(2026, 6, 2, tzinfo=UTC), SIGNER.public_key.hex(), {"card.html": b"<p>card</p>"}
)


@pytest.fixture(autouse=True)
def not_for_ever() -> Iterator[None]:
    """End a read that waits."""

    def wake(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, wake)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", [BUNDLE_FILE, "card.html"])
@pytest.mark.parametrize("lay", [os.mkfifo, lambda path: path.symlink_to("/dev/null")], ids=["pipe", "device"])
def test_what_ends_never_is_not_read(tmp_path: Path, name: str, lay: Any) -> None:
    store = ObstoreObjectStore.local(tmp_path)
    written, _ = write_bundle(store, HONEST, SIGNER)
    (place := tmp_path / written.folder / name).unlink()
    lay(place)
    with pytest.raises(PermanentError, match=f"{name} is no file"):
        read_bundle(store, written.folder, SIGNER.public_key)


@pytest.mark.parametrize("name", [BUNDLE_FILE, "card.html"])
@pytest.mark.parametrize("in_bucket", [False, True])
def test_what_is_too_large_is_not_read(tmp_path, s3_place, monkeypatch, name: str, in_bucket: bool) -> None:
    store = ObstoreObjectStore.at(s3_place if in_bucket else tmp_path)
    written, _ = write_bundle(store, HONEST, SIGNER)
    monkeypatch.setattr(model_bundles, "FILE_BYTES", 2_000)
    store.replace(f"{written.folder}/{name}", b" " * 2_001)
    with pytest.raises(IntegrityError, match=f"{name} has 2,001 bytes, of which at most 2,000 are read"):
        read_bundle(store, written.folder, SIGNER.public_key)
