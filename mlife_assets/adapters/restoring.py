"""Whether a restore began here and has not ended.

Concept: a home that is restored in part looks like a young one and would decide on features of too few days. So the
file is written before anything changes and removed once the ledger agrees with the log and features are built. A
restore that was killed leaves it behind, and the next one removes it.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from mlife_assets.adapters.private_files import write_private
from mlife_assets.core.errors import GateClosedError

UNFINISHED = "restore_unfinished"


def begin_restore(private: Path, source: Path, *options: str) -> None:
    """Say in a private folder that a restore from a backup began, and with which options."""
    write_private(private / UNFINISHED, f"{source}\n{shlex.join(options)}\n".encode())


def end_restore(private: Path) -> None:
    """Say that nothing is missing any more."""
    (private / UNFINISHED).unlink(missing_ok=True)


def unfinished_restore(private: Path) -> str | None:
    """Return why a home is not whole, as a sentence; None where it is."""
    try:
        source, _, options = (private / UNFINISHED).read_text(encoding="utf-8").strip().partition("\n")
    except FileNotFoundError:
        return None
    command = f"mlife backup restore --from {shlex.quote(source)} {options}".strip()
    return f"a restore from {source} has not ended; run it again: {command}"


def require_restored(private: Path) -> None:
    """Raise GateClosedError while a restore has not ended."""
    if (sentence := unfinished_restore(private)) is not None:
        raise GateClosedError(f"nothing runs, is sent or decided here: {sentence}")
