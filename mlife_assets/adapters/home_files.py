"""The files that identify a home, also in backups.

Concept: a home without its file counts as a simulated market's, so a restore writes it first. An existing file is
newer, and stays.

A partly restored home looks young and would decide on features of too few days. So a file marks a restore in progress,
until the ledger agrees with the log and features are built.
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
"""Files of a simulated market, and of an owner's deployment."""
LETTERHEAD = "letterhead.toml"
"""Sender of mails, written by `mlife init`."""


def home_files(home: Path | None) -> dict[str, Path]:
    names = (*HOME_FILES, LETTERHEAD)
    return {name: home / name for name in names if (home / name).is_file()} if home is not None else {}


def require_same_world(home: Path | None, files: Collection[str], read: Callable[[str], bytes]) -> None:
    """Raise ContentConflictError if a home and a backup's `files` are identified as different."""
    says = {name: _begun(read(name)) for name in HOME_FILES if name in files}
    for name, path in home_files(home).items():
        if name in HOME_FILES and says and _begun(path.read_bytes()) != says.get(name):
            raise ContentConflictError(f"{path} is of another world than the backup's; restore into a home of its own")


def put_home_files(home: Path | None, files: Collection[str], read: Callable[[str], bytes]) -> None:
    """Copy the files of a backup into a home without such files, each completely or not at all."""
    for name in (*HOME_FILES, LETTERHEAD):
        if home is not None and name in files and not (home / name).exists():
            home.mkdir(parents=True, exist_ok=True)
            partial = home / f"{name}.partial"
            partial.write_bytes(read(name))
            partial.replace(home / name)


def _begun(data: bytes) -> object:
    """Return the identifying part of a file: provider names may change, a market's parameters may not."""
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
    """Return why a home is incomplete, as a sentence; None if it is complete."""
    try:
        source, _, options = (private / UNFINISHED).read_text(encoding="utf-8").strip().partition("\n")
    except FileNotFoundError:
        return None
    command = f"mlife backup restore --from {shlex.quote(source)} {options}".strip()
    return f"a restore from {source} has not ended; run it again: {command}"


def require_restored(private: Path) -> None:
    if (sentence := unfinished_restore(private)) is not None:
        raise GateClosedError(f"nothing runs, is sent or decided here: {sentence}")
