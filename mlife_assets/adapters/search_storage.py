"""Where a hyper-parameter search keeps its trials, so that it can be resumed."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def open_search_storage(path: Path) -> Any:
    """Return an Optuna storage in the file `path`, which is made when there is none; one search per file at a time."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    path.parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(path)))
