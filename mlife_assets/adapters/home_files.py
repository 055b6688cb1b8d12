"""The files by which a home says what it holds, in a backup and out of it.

Concept: without its file a home is taken for that of a simulated market, so a restored one has to have it before it has
anything else. One that is there is newer, and stays.

A home that is restored in part looks like a young one and would decide on features of too few days. So a file says that
a restore began, and goes once the ledger agrees with the log and features are built.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection
from pathlib import Path

import orjson

from mlife_assets.adapters.private_files import write_private
from mlife_assets.core.errors import ContentConflictError, GateClosedError

UNFINISHED = "restore_unfinished"
DEPLOYMENT = "deployment.json"
HOME_FILES = ("world.json", DEPLOYMENT)
"""Of a simulated market, and of a deployment of its owner's."""
LETTERHEAD = "letterhead.toml"
"""Who sends mails, where `mlife init` writes it."""


def home_files(home: Path | None) -> dict[str, Path]:
    """Return the files of a home that a backup holds, by name."""
    names = (*HOME_FILES, LETTERHEAD)
    return {name: home / name for name in names if (home / name).is_file()} if home is not None else {}


def require_same_world(home: Path | None, files: Collection[str], read: Callable[[str], bytes]) -> None:
    """Raise ContentConflictError where a home says that it holds something else than a backup that says what it holds.

    Args:
        home: into which the backup is restored.
        files: the names of what is in it.
        read: returns a file of the backup.
    """
    says = {name: _begun(read(name)) for name in HOME_FILES if name in files}
    for name, path in home_files(home).items():
        if name in HOME_FILES and says and _begun(path.read_bytes()) != says.get(name):
            raise ContentConflictError(f"{path} is of another world than the backup's; restore into a home of its own")


def put_home_files(home: Path | None, files: Collection[str], read: Callable[[str], bytes]) -> None:
    """Copy the files of a backup into a home that has none of their names, each whole or not at all."""
    for name in (*HOME_FILES, LETTERHEAD):
        if home is not None and name in files and not (home / name).exists():
            home.mkdir(parents=True, exist_ok=True)
            partial = home / f"{name}.partial"
            partial.write_bytes(read(name))
            partial.replace(home / name)


def _begun(data: bytes) -> object:
    """Return what of a file tells worlds apart: the names that a deployment keeps may change, a market's may not."""
    try:
        kept = orjson.loads(data)
        return kept["deployment"], kept["first_day"]
    except (ValueError, KeyError, TypeError):
        return data


def begin_restore(private: Path, source: Path, *options: str) -> None:
    write_private(private / UNFINISHED, f"{source}\n{shlex.join(options)}\n".encode())


def end_restore(private: Path) -> None:
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
