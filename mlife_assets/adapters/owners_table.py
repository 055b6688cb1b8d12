"""Tables about people that the owner of a deployment keeps, Parquet or CSV: contact book and audit table.

Concept: the table is somebody's record about real people, so it is read and never written, and no error repeats a value
of it: it names column and row. An exception of a library may hold a whole row, so it is not chained to ours.

A reader remembers the state of the table it read, and gets bytes only after a change: time and size of a file,
the ETag of an object, which one request compares and hands over. A table that is gone or unreadable is an error, also
where it was read before: an old book would text people who have left it.

Without an audit table nobody has a known group, so no impact ratio can be judged and the gate refuses.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import obstore
import pyarrow as pa
import pyarrow.parquet
from obstore.exceptions import BaseError, NotModifiedError
from obstore.exceptions import NotFoundError as ObstoreNotFoundError

from mlife_assets.adapters.s3_bucket import FEW_RETRIES, bucket_fault, is_bucket_missing, is_object_denied, open_bucket
from mlife_assets.core.errors import InvalidInputError, MlifeError, NotFoundError, NotGivenError, PermanentError
from mlife_assets.core.storage_places import Bucket
from mlife_assets.core.training.fairness.results import ETHNICITIES, SEXES, UNKNOWN
from mlife_assets.recruiting.messaging.people import accounts_by_number, normalise
from mlife_assets.recruiting.ports import AuditGroups

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import S3Store


CONTACTS = "MLIFE_CONTACTS"
NUMBER, ADDRESS = "phone_number", "mail_address"
AUDIT_TABLE = "MLIFE_AUDIT_TABLE"
_KNOWN = {"sex": {*SEXES, UNKNOWN}, "race_ethnicity": {*ETHNICITIES, UNKNOWN}}
USER_ID = "user_id"
State = tuple[int, int] | str | None


def owners_table(file: OwnersFile, data: bytes, columns: Sequence[str], optional: Sequence[str] = ()) -> pa.Table:
    """Return `user_id`, `columns` and those of `optional` in a file, as text. Raises InvalidInputError on a fault."""
    required = (USER_ID, *columns)
    known = (*required, *optional)
    table = _from_csv(file, data, known) if file.name.endswith(".csv") else _from_parquet(file, data, known)
    if missing := [name for name in required if name not in table.column_names]:
        raise InvalidInputError(f"{file.setting}: {file.name} has no column {missing[0]}; add it")
    for field in table.schema:
        if not (pa.types.is_string(field.type) or pa.types.is_large_string(field.type) or pa.types.is_null(field.type)):
            raise InvalidInputError(
                f"{file.setting}: column {field.name} of {file.name} is {field.type}; write it as text, since a number "
                "loses its first zeros and its plus sign"
            )
    seen: dict[str, int] = {}
    for row, user_id in enumerate(table[USER_ID].to_pylist()):
        if not user_id:
            raise InvalidInputError(f"{file.setting}: {row_of(file, row)} has no {USER_ID}; add it or remove the row")
        if (first := seen.setdefault(user_id, row)) != row:
            raise InvalidInputError(
                f"{file.setting}: row {first + 1} and {row_of(file, row)} have one {USER_ID}; keep one of them"
            )
    return table


def row_of(file: OwnersFile, index: int) -> str:
    """Return the place of a row for people, `index` being 0 for the first: headers and empty lines do not count."""
    return f"row {index + 1} of {file.name} (the first of data is row 1)"


def _from_parquet(file: OwnersFile, data: bytes, known: Sequence[str]) -> pa.Table:
    """Return the columns of a Parquet file that are known."""
    try:
        with pa.parquet.ParquetFile(pa.BufferReader(data)) as parquet:
            names = parquet.schema_arrow.names
            _require_once(file, names, known)
            table = parquet.read(columns=[name for name in known if name in names])
            table.validate(full=True)  # also that text is UTF-8
            return table
    except (pa.ArrowException, OSError) as error:
        kind = type(error).__name__
    raise file.unreadable(kind)


def _from_csv(file: OwnersFile, data: bytes, known: Sequence[str]) -> pa.Table:
    """Return the columns of a CSV file that are known, as text, an empty field being none.

    Bytes that are no UTF-8 are let through until their row is known; a byte order mark, as Excel writes, is none of it.
    """
    lines = csv.reader(io.StringIO(data.decode("utf-8-sig", errors="surrogateescape"), newline=""), strict=True)
    names = _header(file, lines)
    _require_once(file, names, known)
    return _columns(file, lines, names, known)


def _header(file: OwnersFile, lines: Iterator[list[str]]) -> list[str]:
    try:
        names = next((fields for fields in lines if fields), [])
    except csv.Error:
        names = []
    if not names or not _is_utf8(names):
        raise InvalidInputError(
            f"{file.setting}: the header of {file.name} cannot be read; let the first line name the columns, in UTF-8 "
            "and with commas between"
        )
    return names


def _columns(file: OwnersFile, lines: Iterator[list[str]], names: Sequence[str], known: Sequence[str]) -> pa.Table:
    places = {name: names.index(name) for name in known if name in names}
    values: dict[str, list[str | None]] = {name: [] for name in places}
    row = 0
    while (fields := _next_row(file, lines, row)) is not None:
        if not fields:
            continue
        if len(fields) != len(names):
            raise InvalidInputError(
                f"{file.setting}: {row_of(file, row)} has {len(fields)} fields and the header {len(names)}; correct "
                "it, and put quotation marks around a field with a comma"
            )
        if not _is_utf8(fields):
            raise InvalidInputError(f"{file.setting}: {row_of(file, row)} is not UTF-8; write the file in UTF-8")
        for name, place in places.items():
            values[name].append(fields[place] or None)
        row += 1
    return pa.table({name: pa.array(column, pa.string()) for name, column in values.items()})


def _next_row(file: OwnersFile, lines: Iterator[list[str]], row: int) -> list[str] | None:
    """Return the fields of the next line, none of an empty one; None at the end."""
    try:
        return next(lines, None)
    except csv.Error:
        pass
    raise InvalidInputError(
        f"{file.setting}: {row_of(file, row)} cannot be read; look for a quotation mark that is never closed"
    )


def _is_utf8(fields: Sequence[str]) -> bool:
    try:
        "".join(fields).encode()
    except UnicodeEncodeError:  # it holds the fields
        return False
    return True


def _require_once(file: OwnersFile, names: Sequence[str], known: Sequence[str]) -> None:
    if twice := [name for name in known if names.count(name) > 1]:
        raise InvalidInputError(f"{file.setting}: {file.name} has the column {twice[0]} twice; keep one of them")


class OwnersFile:
    """A file, or an object: a `Bucket` whose prefix is the whole key. `setting`: the variable that says so."""

    def __init__(self, place: Path | Bucket, setting: str) -> None:
        self.setting = setting
        self._place = place
        self._store: S3Store | None = None

    @property
    def name(self) -> str:
        return self._place.url if isinstance(self._place, Bucket) else self._place.name

    def changed(self, seen: State) -> tuple[State, bytes] | None:
        """Return its state and bytes, None where the state was `seen`.

        Raises NotFoundError, InvalidInputError if others can read it or nobody can, PermanentError or TransientError.
        """
        place = self._place
        return self._of_object(place, seen) if isinstance(place, Bucket) else self._of_file(place, seen)

    def unreadable(self, kind: str) -> InvalidInputError:
        """Return the error of something that is no table."""
        return InvalidInputError(
            f"{self.setting}: {self.name} cannot be read ({kind}); write it as Parquet, or as CSV with a header and "
            "the ending .csv"
        )

    def _of_file(self, path: Path, seen: State) -> tuple[State, bytes] | None:
        try:
            found = path.stat()
        except FileNotFoundError:
            found = None
        except OSError as error:  # it names the file, and nothing in it
            raise InvalidInputError(
                f"{self.setting}: {path.name} cannot be looked at ({error.strerror}); grant read"
            ) from error
        if found is None:
            raise NotFoundError(f"{self.setting}: there is no file {path}; write it there, or correct the setting")
        if (state := (found.st_mtime_ns, found.st_size)) == seen:
            return None
        if found.st_mode & 0o077:
            raise InvalidInputError(f"{self.setting}: others can read or write {path.name}; run `chmod 600` on it")
        try:
            return state, path.read_bytes()
        except OSError as error:
            kind = type(error).__name__
        raise self.unreadable(kind)

    def _of_object(self, place: Bucket, seen: State) -> tuple[State, bytes] | None:
        options: GetOptions = {"if_none_match": seen} if isinstance(seen, str) else {}
        if self._store is None:
            self._store = open_bucket(replace(place, prefix=""), retries=FEW_RETRIES)
        try:
            found = obstore.get(self._store, place.prefix, options=options)
            return found.meta["e_tag"], bytes(found.bytes())
        except NotModifiedError:
            return None
        except (BaseError, OSError) as error:
            fault = self._fault(error)
        raise fault

    def _fault(self, error: Exception) -> MlifeError:
        """Return an error of ours for a failure of the bucket, without its text, which may repeat a token."""
        if is_bucket_missing(error):
            return PermanentError(f"{self.setting}: there is no bucket of {self.name}; make it, or correct the setting")
        if isinstance(error, ObstoreNotFoundError | FileNotFoundError):
            return NotFoundError(f"{self.setting}: there is no object {self.name}; upload it, or correct the setting")
        if is_object_denied(error):
            return PermanentError(
                f"{self.setting}: {self.name} may not be read; grant s3:GetObject on it, s3:ListBucket on its bucket "
                "and kms:Decrypt on its key"
            )
        fault = bucket_fault(self.name, error)
        return type(fault)(f"{self.setting}: {self.name} cannot be read: {fault}")


class OwnersAuditTable:
    """Implements `recruiting.ports.AuditAttributes` over `user_id`, `sex` and `race_ethnicity`; None: no table."""

    def __init__(self, place: Path | Bucket | None) -> None:
        self._file = None if place is None else OwnersFile(place, AUDIT_TABLE)
        self._state: State = None
        self._answers: dict[str, tuple[str, str]] = {}

    def _known_answers(self) -> Mapping[str, tuple[str, str]]:
        if self._file is not None and (found := self._file.changed(self._state)) is not None:
            state, data = found
            self._answers = self._read(self._file, data)
            self._state = state
        return self._answers

    @staticmethod
    def _read(file: OwnersFile, data: bytes) -> dict[str, tuple[str, str]]:
        table = owners_table(file, data, tuple(_KNOWN))
        columns = {name: [one or UNKNOWN for one in table[name].to_pylist()] for name in _KNOWN}
        for name, answers in columns.items():
            wrong = next((row for row, answer in enumerate(answers) if answer not in _KNOWN[name]), None)
            if wrong is not None:
                known = ", ".join(sorted(_KNOWN[name]))
                raise InvalidInputError(
                    f"{AUDIT_TABLE}: {row_of(file, wrong)}, {name}: no answer that is known; use one of {known}"
                )
        return dict(zip(table[USER_ID].to_pylist(), zip(*columns.values(), strict=True), strict=True))

    def count(self) -> int:
        return len(self._known_answers())

    def groups_of(self, user_ids: Sequence[str]) -> AuditGroups:
        answers = self._known_answers()
        found = [answers.get(user_id, (UNKNOWN, UNKNOWN)) for user_id in user_ids]
        return AuditGroups(tuple(one for one, _ in found), tuple(other for _, other in found))


class OwnersContacts:
    """Implements `recruiting.ports.ContactBook` over `user_id`, `phone_number` and, if there, `mail_address`."""

    def __init__(self, place: Path | Bucket | None) -> None:
        self._file = None if place is None else OwnersFile(place, CONTACTS)
        self._state: State = None
        self._columns: dict[str, dict[str, str | None]] = {}
        self._accounts: dict[str, list[str]] | None = None

    def phone_numbers(self, user_ids: Sequence[str]) -> dict[str, str | None]:
        return self._read(NUMBER, user_ids)

    def mail_addresses(self, user_ids: Sequence[str]) -> dict[str, str | None]:
        return self._read(ADDRESS, user_ids)

    def accounts_with(self, phone_number: str) -> list[str]:
        self._read(NUMBER, ())
        if self._accounts is None:
            self._accounts = accounts_by_number(self._columns[NUMBER])
        return self._accounts.get(phone_number, [])

    def count(self) -> int:
        self._load()
        return len(self._columns.get(NUMBER, {}))

    def unusable(self) -> tuple[int, str]:
        """Return how many numbers are none, and where the first is. Raises when the file cannot be read."""
        self._load()
        numbers = enumerate(self._columns.get(NUMBER, {}).values())
        wrong = [row for row, number in numbers if number is not None and normalise(number) is None]
        return len(wrong), row_of(self._file, wrong[0]) if self._file is not None and wrong else ""

    def _read(self, column: str, user_ids: Sequence[str]) -> dict[str, str | None]:
        if self._file is None:
            raise NotGivenError(
                f"{CONTACTS} names no contact book, so nobody can be reached; write user_id and phone_number to a file "
                "in the private folder and name it there"
            )
        self._load()
        if not self._columns[NUMBER]:
            raise NotGivenError(f"{CONTACTS}: {self._file.name} holds nobody yet; fill it")
        known = self._columns.get(column, {})
        return {user_id: known.get(user_id) for user_id in user_ids}

    def _load(self) -> None:
        if self._file is None or (found := self._file.changed(self._state)) is None:
            return
        state, data = found
        table = owners_table(self._file, data, (NUMBER,), optional=(ADDRESS,))
        users = table[USER_ID].to_pylist()
        self._columns = {
            name: dict(zip(users, table[name].to_pylist(), strict=True))
            for name in table.column_names
            if name != USER_ID
        }
        self._state, self._accounts = state, None
