"""Backups of a deployment, written and read back.

Concept: a backup is a folder: the ledger as one file, the signed heads of the log, the lake, keys, the home's world
file, and a manifest of hashes, written last and read back before it counts. The order keeps it consistent while others
write: a log copied after ledger and heads is never older than they are, and an older ledger is updated from it.

The holder of a backup may change it, so the home signs the manifest with the key of its heads, and a backup is valid
only under a public key that its reader knows from elsewhere. Backups hold no keys that sign the log: a thief could
continue it. Names come from a closed list, no link is followed, and each file is checked against its hash on every
read.

The contact book, a copy of another system's directory, is not included. Neither are warehouse and Dagster's records,
which are derived.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import date, datetime
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import orjson
import sqlalchemy as sa

from mlife_assets.adapters.home_files import HOME_FILES, LETTERHEAD, home_files
from mlife_assets.adapters.log_heads.head import is_signed
from mlife_assets.adapters.object_store import require_plain
from mlife_assets.adapters.private_files import private_file, private_folder, write_private
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.send_ledger.migrations import upgrade
from mlife_assets.adapters.send_ledger.migrations.revisions import revision_of
from mlife_assets.adapters.send_ledger.restoring import replace_rows
from mlife_assets.core.disk_faults import disk_errors_explained
from mlife_assets.core.errors import IntegrityError, InvalidInputError, NotFoundError, TransientError
from mlife_assets.core.ports import HeadSigner
from mlife_assets.core.quoting import quoted

LEDGER_FILE = "ledger.sqlite"
COUNTED = ("sends", "send_transitions", "inbound_texts", "suppressions", "switches", "approvals")
MANIFEST = "manifest.json"
HEADS, KEYS = "heads", "keys"
LAKE = "lake"
PRIVATE_KEYS = ".key"
"""Suffix of keys that must match the ledger."""
NAMED_MAXIMUM = 3
MANIFEST_BYTES_MAXIMUM = 512_000_000
"""Enough for three million objects of a lake."""
CONTEXT = b"mlife backup\n"
"""Signed with every manifest, so that no other signature of the key can replace one."""
_ALONE = (LEDGER_FILE, *HOME_FILES, LETTERHEAD)
_SIGNS_LOG = re.compile(rf"{KEYS}/log_.*\.key")
"""Private keys that no backup holds."""
_IN_FOLDERS = re.compile(rf"{HEADS}/[0-9]{{8}}\.json|{KEYS}/[a-z][a-z0-9_]*\.(key|pub)")


@dataclass(frozen=True)
class LedgerFacts:
    """Content of a ledger file: rows by table, the newest sequence of the outbox (0 if empty), the schema."""

    rows: dict[str, int]
    last_transition: int
    revision: str | None


def copy_ledger(ledger: SqlLedger, to: Path) -> None:
    """Write a ledger as one new private file, consistent while others write."""
    if ledger.engine.dialect.name == "sqlite":
        with closing(sqlite3.connect(str(ledger.engine.url.database))) as connection:
            connection.execute("VACUUM INTO ?", (str(private_file(to)),))
        return
    with ledger.engine.connect() as reader:
        reader.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        write_ledger_file(reader, to)


def write_ledger_file(source: sa.Connection, to: Path) -> None:
    """Write the ledger as seen by a transaction to one new private file of this release's schema."""
    # No write-ahead log, unlike the ledger's own file: a copy is one file, readable without write access.
    engine = sa.create_engine(f"sqlite:///{private_file(to)}")
    try:
        with disk_errors_explained(to):
            upgrade(engine)
            with engine.begin() as connection:
                replace_rows(source, connection)
    finally:
        engine.dispose()


@contextmanager
def ledger_as_it_is(path: Path, *, is_copy: bool = False) -> Iterator[sa.Connection]:
    """Open a ledger file of any released schema for reading; if it `is_copy`, ignoring any log beside it."""
    engine = sa.create_engine("sqlite://", creator=lambda: _connect(path, is_copy=is_copy), poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _connect(path: Path, *, is_copy: bool) -> sqlite3.Connection:
    if not is_copy:
        return sqlite3.connect(path)
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)


def ledger_facts(path: Path, *, is_copy: bool = False) -> LedgerFacts:
    """Return the facts of a ledger file. Raises IntegrityError if it is damaged or of an unknown schema."""
    try:
        with closing(_connect(path, is_copy=is_copy)) as connection:
            sound = [row[0] for row in connection.execute("PRAGMA integrity_check")]
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            rows = {
                name: int(connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0])
                for name in COUNTED
                if name in tables
            }
            last = connection.execute("SELECT max(sequence) FROM send_transitions").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise IntegrityError(f"{path} is no ledger ({error}); use another backup") from error
    if sound != ["ok"]:
        raise IntegrityError(f"{path} is damaged ({sound[0]}); use another backup")
    with ledger_as_it_is(path, is_copy=is_copy) as ledger:
        revision = revision_of(ledger)
    return LedgerFacts(rows, int(last or 0), revision)


@dataclass(frozen=True)
class Backup:
    """A verified backup: hashes of `files`, `rows` by table, and the public key that signed it, in hex digits."""

    folder: Path
    created_at: datetime
    files: Mapping[str, str]
    rows: Mapping[str, int]
    signed_by: str | None = None

    def read(self, name: str) -> bytes:
        """Return a file of it. Raises IntegrityError if it changed since the check."""
        data = b""
        with suppress(FileNotFoundError), _opened(self.folder, name) as file:
            data = file.read()
        if hashlib.sha256(data).hexdigest() != self.files[name]:
            raise IntegrityError(f"{name} in {self.folder} was changed after the backup; use another backup")
        return data

    @property
    def newest_day(self) -> date | None:
        """Return the day of the newest head in it; None for release 0.1.0. Raises IntegrityError if it is no head."""
        heads = sorted(name for name in self.files if name.startswith(f"{HEADS}/"))
        try:
            return date.fromisoformat(orjson.loads(self.read(heads[-1]))["head"]["day"]) if heads else None
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(f"{heads[-1]} in {self.folder} is no head of a log; use another backup") from error

    @property
    def lake(self) -> dict[str, str]:
        prefix = f"{LAKE}/"
        return {name.removeprefix(prefix): digest for name, digest in self.files.items() if name.startswith(prefix)}


def create_backup(
    ledger: SqlLedger,
    private: Path,
    to: Path,
    *,
    now: datetime,
    signer: HeadSigner,
    home: Path | None = None,
    copy_lake: Callable[[Path], Mapping[str, str]] | None = None,
) -> Backup:
    """Write a backup to an empty folder; `copy_lake` copies the lake into a folder and returns hashes by key.

    Raises InvalidInputError if `to` is not empty, IntegrityError if the backup does not read back, TransientError if a
    key was changed meanwhile.
    """
    if to.exists() and any(to.iterdir()):
        raise InvalidInputError(f"{to} is not empty; name a folder of its own for each backup")
    private_folder(to)
    keys = {name: _sha256(path) for name, path in _files(private, KEYS).items() if name.endswith(PRIVATE_KEYS)}
    copy_ledger(ledger, to / LEDGER_FILE)
    names = [LEDGER_FILE, *_copied(_files(private, HEADS) | home_files(home), to)]
    copied = copy_lake(to / LAKE) if copy_lake is not None else {}
    # Keys last, since a head or a message of this moment may be signed by one that was just made.
    names += _copied(_files(private, KEYS), to)
    if any(_sha256(to / name) != digest for name, digest in keys.items()):
        raise TransientError("a key was changed while the backup was made, so ledger and keys may not fit; try again")
    files = {name: _sha256(to / name) for name in names} | {f"{LAKE}/{key}": copied[key] for key in copied}
    content: dict[str, Any] = {
        "created_at": now.isoformat(),
        "files": files,
        "sizes": {name: (to / name).stat().st_size for name in files},
        **asdict(ledger_facts(to / LEDGER_FILE)),
    }
    signature = {"key": signer.public_key.hex(), "signature": signer.sign(_signed(content)).hex()}
    os.sync()  # before it looks complete: the lake's files were not synced yet
    whole = orjson.dumps({**content, "signed": signature}, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
    write_private(to / MANIFEST, whole)
    return read_backup(to, signed_by=signer.public_key)


def read_backup(folder: Path, *, signed_by: bytes | None) -> Backup:
    """Return a backup after reading every byte; `signed_by` is the required key, None takes only an unsigned one.

    Raises NotFoundError without a whole backup, InvalidInputError on a missing or needless key, else IntegrityError.
    """
    content, created_at = _manifest(folder, signed_by)
    files, sizes = content["files"], content.get("sizes", {})
    for name in files:
        _require_known(name, folder)
    if LEDGER_FILE not in files:
        raise IntegrityError(f"{folder} names no {LEDGER_FILE}, so it is no whole backup; use another backup")
    wrong = [name for name, sha256 in sorted(files.items()) if not _is_whole(folder, name, sha256, sizes.get(name))]
    if wrong:
        more = f" and {len(wrong) - NAMED_MAXIMUM} more" if len(wrong) > NAMED_MAXIMUM else ""
        raise IntegrityError(
            f"{', '.join(wrong[:NAMED_MAXIMUM])}{more} in {folder} was changed after the backup; use another backup"
        )
    facts = asdict(ledger_facts(folder / LEDGER_FILE, is_copy=True))
    if other := [name for name, value in facts.items() if content.get(name, value) != value]:
        raise IntegrityError(f"{LEDGER_FILE} in {folder} has other {', '.join(other)} than its {MANIFEST} says")
    return Backup(folder, created_at, files, facts["rows"], None if signed_by is None else signed_by.hex())


def _manifest(folder: Path, signed_by: bytes | None) -> tuple[dict[str, Any], datetime]:
    """Return the content of a backup's manifest and its time, after checking the signature."""
    try:
        with _opened(folder, MANIFEST) as file:
            if os.fstat(file.fileno()).st_size > MANIFEST_BYTES_MAXIMUM:
                raise ValueError(f"it has more than {MANIFEST_BYTES_MAXIMUM:,} bytes")
            content = orjson.loads(file.read())
        signed = content.pop("signed", None)
        if signed is not None:
            key, signature = bytes.fromhex(signed["key"]), bytes.fromhex(signed["signature"])
        created_at = datetime.fromisoformat(content["created_at"])
        if not all(isinstance(one, str) for pair in content["files"].items() for one in pair):
            raise ValueError("a hash is no text")
        if not all(isinstance(size, int) for size in content.get("sizes", {}).values()):
            raise ValueError("a size is no number")
    except FileNotFoundError as error:
        raise NotFoundError(
            f"{folder} holds no whole backup: its {MANIFEST}, which is written last, is not there; name a folder that "
            "`mlife backup create` finished"
        ) from error
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"{folder / MANIFEST} cannot be read ({error}); use another backup") from error
    if signed is None and signed_by is not None:
        raise InvalidInputError(
            f"{folder} is not signed. Either a release before 0.2.0 was finished made it, or somebody changed it: then "
            "suppressions may be missing. If you know where it was since, restore it with --unsigned"
        )
    if signed is None:
        return content, created_at
    if signed_by is None:
        raise InvalidInputError(f"{folder} is signed; say --signed-by with the key that `mlife backup create` printed")
    if key != signed_by:
        raise IntegrityError(
            f"{folder} is signed with the key {quoted(signed['key'])} and not with {signed_by.hex()}: it is another "
            "home's, from before a key was rotated, or forged. If you know the key from elsewhere, say --signed-by"
        )
    if not is_signed(_signed(content), signature, key):
        raise IntegrityError(f"the signature of {folder / MANIFEST} does not fit its content; use another backup")
    return content, created_at


def _signed(content: Mapping[str, Any]) -> bytes:
    whole = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return CONTEXT + hashlib.sha256(whole).hexdigest().encode()


def _require_known(name: str, folder: Path) -> None:
    """Raise IntegrityError unless a backup may hold a file of this name."""
    if name in _ALONE or _IN_FOLDERS.fullmatch(name):
        return
    with suppress(InvalidInputError):
        require_plain(name)
        if name.startswith(f"{LAKE}/"):
            return
    raise IntegrityError(f"{folder / MANIFEST} names {quoted(name)}, which no backup holds; use another backup")


def _opened(folder: Path, name: str) -> BufferedReader:
    """Open a plain file below a folder. Raises FileNotFoundError, and IntegrityError for anything else or a link."""
    path = folder / name
    above = [folder / one for one in PurePosixPath(name).parents if one.name]
    if any(one.is_symlink() for one in (path, *above)) or (path.exists() and not path.is_file()):
        raise IntegrityError(f"{path} is a link, or no plain file, which no backup holds; use another backup")
    try:
        return path.open("rb")
    except NotADirectoryError as error:
        raise FileNotFoundError(path) from error


def _is_whole(folder: Path, name: str, sha256: str, size: int | None) -> bool:
    try:
        with _opened(folder, name) as file:
            # The size first: a huge file is refused unread.
            if size is not None and os.fstat(file.fileno()).st_size != size:
                return False
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False
    except OSError as error:
        raise IntegrityError(
            f"{quoted(name)} in {folder} cannot be read ({error.strerror}); use another backup"
        ) from error


def _files(private: Path, folder: str) -> dict[str, Path]:
    found = {f"{folder}/{path.name}": path for path in sorted((private / folder).glob("*")) if path.is_file()}
    return {name: path for name, path in found.items() if _IN_FOLDERS.fullmatch(name) and not _SIGNS_LOG.match(name)}


def _copied(sources: Mapping[str, Path], to: Path) -> list[str]:
    for name, path in sources.items():
        write_private(to / name, path.read_bytes())
    return list(sources)


def _sha256(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None
