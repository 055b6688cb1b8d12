"""A log that is sealed: a lake, two places for heads, keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlife_assets.adapters.event_log import ChainEnd, ParquetEventLog
from mlife_assets.adapters.log_heads.head import Ed25519Signer, FolderHeadStore, Head, KeyPins, Note
from mlife_assets.adapters.log_heads.sealing import Sealer, newest_head
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_tests.rows import events

START = datetime(2026, 6, 1, tzinfo=UTC)
KEY = b"k" * 32


@dataclass
class Sealed:
    """A lake and what lies outside it."""

    folder: Path
    ledger: dict[str, int] = field(default_factory=lambda: {"transitions": 0})

    @property
    def lake(self) -> ObstoreObjectStore:
        return ObstoreObjectStore.local(self.folder / "lake", survives_power_cut=False)

    @property
    def heads(self) -> tuple[FolderHeadStore, FolderHeadStore]:
        return FolderHeadStore(self.folder / "heads"), FolderHeadStore(self.folder / "second")

    @property
    def pins(self) -> KeyPins:
        return KeyPins(self.folder / "keys" / "log_heads.pub")

    @property
    def sealer(self) -> Sealer:
        return Sealer(self.heads, self.pins, lambda generation: Ed25519Signer(bytes([generation]) * 32))

    @property
    def log(self) -> ParquetEventLog:
        """A fresh process."""
        return ParquetEventLog(self.lake, key=lambda: KEY, pinned=self._pinned)

    def _pinned(self) -> ChainEnd | None:
        newest = newest_head(self.heads, self.pins)
        return None if newest is None else newest.head.chain

    def append(self, *names: str, days: float = 0) -> None:
        at = START + timedelta(days=days)
        self.log.append("click", events("click", *({"event_id": name} for name in names), at=at), writer="w")

    def sign(self, *names: str) -> Head | None:
        self.append(*names)
        return self.seal()

    def seal(self, note: Note | None = None, next_key: bytes | None = None) -> Head | None:
        return self.sealer.seal(self.log.chain, now=START, ledger=self.ledger, note=note, next_key=next_key)


@pytest.fixture
def open_sealed(tmp_path: Path) -> Callable[[], Sealed]:
    return lambda: Sealed(tmp_path)


@pytest.fixture
def sealed(open_sealed: Callable[[], Sealed]) -> Sealed:
    return open_sealed()
