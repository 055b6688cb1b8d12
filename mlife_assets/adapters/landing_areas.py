"""Landing areas, a folder or a bucket, read without trust.

Concept: exporters may write anything. Each folder is opened below the one before without following links, so no name
and no link leads out of the landing folder, even if it changes during reading. Only plain files are read. Other entries
are reported, and never stop the rest.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path

import obstore
from obstore.exceptions import BaseError, InvalidPathError
from obstore.exceptions import NotFoundError as ObstoreNotFoundError

from mlife_assets.adapters.s3_bucket import (
    RETRIES,
    bucket_fault,
    is_bucket_missing,
    is_object_denied,
    missing_bucket,
    open_bucket,
)
from mlife_assets.core.errors import InvalidInputError, NotFoundError, PermanentError, TransientError
from mlife_assets.core.landed_names import (
    IGNORED_MAXIMUM,
    NESTED,
    NO_DAY,
    NO_EVENT_TYPE,
    Delivery,
    IgnoredFile,
    LandedDay,
    bounded,
    day_of_folder,
    folder_of_day,
    hidden_reason,
    ignored_file,
    name_fault,
    shown_name,
    too_large,
)
from mlife_assets.core.storage_places import Bucket
from mlife_assets.core.validation import FileFault, Reason
from mlife_assets.core.windows import add_days

_UNLISTED = re.compile(r'Path "(.*?)"(?::| contained)', re.DOTALL)
FIRST_DAY, LAST_DAY = date(1970, 1, 2), date(9999, 12, 31)
NESTED_DEPTH_MAXIMUM = 4

LINK = FileFault(Reason.NOT_A_FILE, "it is a link, which is never followed; deliver the file itself")
_SPECIAL = FileFault(Reason.NOT_A_FILE, "it is neither a file nor a folder; remove it")
_NO_FOLDER = FileFault(Reason.NOT_A_FILE, "it should be a folder of files; remove it")
_DENIED = FileFault(Reason.UNREADABLE_FILE, "it cannot be opened; grant read and run again")
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""Opening a pipe must not block."""


class LandingFolder:
    """`landed_names.Landing` over a folder `<event_type>/dt=<day>/<file>`."""

    def __init__(self, root: Path | str) -> None:
        """Read from `root`, which may be a link, since the owner chose it."""
        self._root = Path(root).absolute()

    def look(self, day: date) -> LandedDay:
        deliveries: list[Delivery] = []
        ignored: list[IgnoredFile] = []
        with self._open_root() as root:
            for event_type, folder in _event_types(root, ignored):
                for name in _names(folder):
                    found = day_of_folder(name)
                    if found == day:
                        _look_at_day(folder, name, event_type, deliveries, ignored)
                    elif found is None:
                        source = f"{shown_name(event_type)}/{shown_name(name)}"
                        ignored.append(ignored_file(source, name, NO_DAY))
        return LandedDay(
            tuple(sorted(deliveries, key=lambda found: found.source)),
            bounded(sorted(ignored, key=lambda entry: (entry.is_expected, entry.source))),
        )

    def delivered(self, days: Collection[date]) -> dict[date, list[str]]:
        """Return deliveries by day, for those of `days` that have any, in one pass; no other folder is opened."""
        by_day: dict[date, list[str]] = {}
        named = {folder_of_day(day): day for day in days}
        with self._open_root() as root:
            for event_type, folder in _event_types(root, []):
                for name in sorted(name for name in named if _is_there(folder, name)):
                    found = list[Delivery]()
                    _look_at_day(folder, name, event_type, found, [])
                    by_day.setdefault(named[name], []).extend(delivery.source for delivery in found)
        return {day: sorted(sources) for day, sources in by_day.items() if sources}

    def read(self, source: str, maximum_bytes: int) -> bytes | FileFault:
        *folders, name = source.split("/")
        with ExitStack() as stack:
            place = stack.enter_context(self._open_root())
            try:
                for folder in folders:
                    place = os.open(folder, _FOLDER_FLAGS, dir_fd=place)
                    stack.callback(os.close, place)
                file = os.open(name, _FILE_FLAGS, dir_fd=place)
                stack.callback(os.close, file)
                found = os.fstat(file)
                if not stat.S_ISREG(found.st_mode):
                    return _SPECIAL
                if found.st_size > maximum_bytes:
                    return too_large(maximum_bytes)
                data = _read_up_to(file, maximum_bytes + 1)
            except PermissionError:
                return _DENIED
            except OSError as error:
                if error.errno in {errno.ELOOP, errno.ENOTDIR}:
                    return LINK
                raise TransientError(f"landing file {source} cannot be read: {error.strerror}; run again") from error
        return data if len(data) <= maximum_bytes else too_large(maximum_bytes)

    @contextmanager
    def _open_root(self) -> Iterator[int]:
        try:
            root = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise NotFoundError(f"the landing folder {self._root} is gone; restore it") from error
        except OSError as error:
            raise TransientError(f"the landing folder cannot be read: {error.strerror}; run again") from error
        try:
            yield root
        finally:
            os.close(root)


def _event_types(root: int, ignored: list[IgnoredFile]) -> Iterator[tuple[str, int]]:
    """Yield name and open folder of each event type; other entries are added to `ignored`."""
    for name in _names(root):
        if hidden_reason(name) is not None:
            ignored.append(ignored_file(shown_name(name), name, ""))
            continue
        mode = _mode(root, name)
        if not stat.S_ISDIR(mode):
            why = "links are never followed" if stat.S_ISLNK(mode) else NO_EVENT_TYPE
            ignored.append(IgnoredFile(shown_name(name), why, is_expected=False))
            continue
        with _opened_folder(root, name) as folder:
            if folder is None:
                ignored.append(IgnoredFile(shown_name(name), "it cannot be opened", is_expected=False))
            else:
                yield name, folder


def _look_at_day(
    parent: int, name: str, event_type: str, deliveries: list[Delivery], ignored: list[IgnoredFile]
) -> None:
    """Add the entries in the folder of a day."""
    shown = shown_name(event_type)
    source = f"{shown}/{name}"
    mode = _mode(parent, name)
    if not stat.S_ISDIR(mode):
        deliveries.append(Delivery(shown, source, LINK if stat.S_ISLNK(mode) else _NO_FOLDER))
        return
    with _opened_folder(parent, name) as folder:
        if folder is None:
            deliveries.append(Delivery(shown, source, _DENIED))
            return
        for file in _names(folder):
            found, left_alone = look_at_file(folder, file, event_type, source)
            deliveries += found
            ignored += left_alone


def look_at_file(folder: int, name: str, event_type: str, source: str) -> tuple[list[Delivery], list[IgnoredFile]]:
    """Classify one name in the open folder `source` of a day and type: a delivery, or an ignored entry."""
    key = f"{source}/{shown_name(name)}"
    if hidden_reason(name) is not None:  # its writer renames it when done, perhaps just now
        return [], [ignored_file(key, name, "")]
    mode = _mode(folder, name)
    if stat.S_ISDIR(mode):
        return [], _nested(folder, name, key, NESTED_DEPTH_MAXIMUM)
    fault = _kind_fault(mode) or name_fault(event_type) or name_fault(name)
    return [Delivery(shown_name(event_type), key, fault)], []


def _kind_fault(mode: int) -> FileFault | None:
    if stat.S_ISREG(mode):
        return None
    return LINK if stat.S_ISLNK(mode) else _SPECIAL


def _nested(parent: int, name: str, source: str, depth: int) -> list[IgnoredFile]:
    """Return the entries of a folder that is in the place of files."""
    with _opened_folder(parent, name) as folder:
        names = [] if folder is None else _names(folder)
        if folder is None or not names or depth == 0:
            return [IgnoredFile(source, NESTED, is_expected=False)]
        found: list[IgnoredFile] = []
        for inner in names:
            if len(found) > IGNORED_MAXIMUM:
                break
            key = f"{source}/{shown_name(inner)}"
            if stat.S_ISDIR(_mode(folder, inner)):
                found += _nested(folder, inner, key, depth - 1)
            else:
                found.append(IgnoredFile(key, NESTED, is_expected=False))
        return found


def _names(folder: int) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        raise TransientError(f"landing cannot be listed: {error.strerror}; run again") from error


def _is_there(folder: int, name: str) -> bool:
    """Return whether a folder has an entry `name`; faster for a few days than listing all."""
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise TransientError(f"landing cannot be listed: {error.strerror}; run again") from error
    return True


def _mode(folder: int, name: str) -> int:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except OSError as error:
        raise TransientError(f"{shown_name(name)} was there and is gone: {error.strerror}; run again") from error


@contextmanager
def _opened_folder(parent: int, name: str) -> Iterator[int | None]:
    """Open a folder that is no link; None if it may not be opened, or was replaced."""
    try:
        folder = os.open(name, _FOLDER_FLAGS, dir_fd=parent)
    except OSError:
        yield None
        return
    try:
        yield folder
    finally:
        os.close(folder)


def _read_up_to(file: int, size: int) -> bytes:
    parts: list[bytes] = []
    while size > 0 and (part := os.read(file, min(size, 2**24))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class LandingBucket:
    """`landed_names.Landing` over objects `<event_type>/dt=<day>/<file>` below the prefix of a bucket."""

    def __init__(self, bucket: Bucket, *, retries: int = RETRIES) -> None:
        self._store = open_bucket(bucket, retries=retries)

    def look(self, day: date) -> LandedDay:
        deliveries: list[Delivery] = []
        names, loose = self._below("")
        ignored = [ignored_file(shown_name(name), name, NO_EVENT_TYPE) for name in loose]
        for event_type in names:
            if hidden_reason(event_type) is not None:
                ignored.append(ignored_file(shown_name(event_type), event_type, ""))
                continue
            shown = shown_name(event_type)
            folders, loose = self._below(event_type)
            ignored += [
                ignored_file(f"{shown}/{shown_name(name)}", name, NO_DAY)
                for name in (*loose, *(name for name in folders if day_of_folder(name) is None))
            ]
            if folder_of_day(day) in folders:
                self._look_at_day(event_type, day, deliveries, ignored)
        return LandedDay(
            tuple(sorted(deliveries, key=lambda found: found.source)),
            bounded(sorted(ignored, key=lambda entry: (entry.is_expected, entry.source))),
        )

    def delivered(self, days: Collection[date]) -> dict[date, list[str]]:
        """Return deliveries by day, for those of `days` that have any; older days are not listed."""
        if not days:
            return {}
        wanted = {folder_of_day(day): day for day in days}
        by_day: dict[date, list[str]] = {}
        for event_type in self._below("")[0]:
            if hidden_reason(event_type) is not None:
                continue
            for folder, name in self._between(event_type, min(days), max(days)):
                if folder in wanted and hidden_reason(name) is None:
                    by_day.setdefault(wanted[folder], []).append(_delivery(event_type, folder, name).source)
        return {day: sorted(sources) for day, sources in by_day.items()}

    def read(self, source: str, maximum_bytes: int) -> bytes | FileFault:
        with self._answers(source):
            try:
                found = obstore.get(self._store, source)
            except (ObstoreNotFoundError, FileNotFoundError) as error:
                if is_bucket_missing(error):
                    raise missing_bucket() from None
                raise TransientError(f"landing file {source} was there and is gone; run again") from None
            except BaseError as error:
                if is_object_denied(error):  # the key's fault rather than one file's: the day waits
                    raise PermanentError(
                        f"landing file {source} may not be read; grant s3:GetObject on landing, or remove it"
                    ) from None
                raise
            return too_large(maximum_bytes) if found.meta["size"] > maximum_bytes else bytes(found.bytes())

    def first_source(self) -> str | None:
        """Return the first file after reading it as a check, None without one. Raises the errors of reading."""
        for event_type in self._below("")[0]:
            if hidden_reason(event_type) is None:
                for folder, name in self._between(event_type, FIRST_DAY, LAST_DAY):
                    source = f"{event_type}/{folder}/{name}"
                    self.read(source, 0)
                    return source
        return None

    def _look_at_day(self, event_type: str, day: date, deliveries: list[Delivery], ignored: list[IgnoredFile]) -> None:
        folder = folder_of_day(day)
        nested, names = self._below(f"{event_type}/{folder}")
        source = f"{shown_name(event_type)}/{folder}"
        for name in names:
            if hidden_reason(name) is None:
                deliveries.append(_delivery(event_type, folder, name))
            else:
                ignored.append(ignored_file(f"{source}/{shown_name(name)}", name, ""))
        ignored += [ignored_file(f"{source}/{shown_name(name)}", name, NESTED) for name in nested]

    def _below(self, place: str) -> tuple[list[str], list[str]]:
        """Return the names of folders and of objects directly below a place, sorted."""
        with self._answers(place):
            found = obstore.list_with_delimiter(self._store, place or None)
        start = f"{place}/" if place else ""
        folders = sorted(path.removeprefix(start) for path in found["common_prefixes"])
        paths = [item["path"] for item in found["objects"]]  # the marker of a folder is the place itself
        return folders, sorted(path.removeprefix(start) for path in paths if path.startswith(start) and path != "")

    def _between(self, event_type: str, first: date, last: date) -> Iterator[tuple[str, str]]:
        """Yield folder and name of the objects that lie directly in the folders of days, perhaps in those of others."""
        start = f"{event_type}/"
        after = f"{start}{folder_of_day(add_days(first, -1))}~"  # not of `first` itself: SeaweedFS would pass over it
        with self._answers(event_type):
            for batch in obstore.list(self._store, event_type, offset=after):
                for item in batch:
                    folder, _, name = item["path"].removeprefix(start).partition("/")
                    if f"{folder}/" > f"{folder_of_day(last)}/":  # S3 orders keys, so dt=D-old/ lies before dt=D/
                        return
                    if name and "/" not in name:
                        yield folder, name

    @contextmanager
    def _answers(self, place: str) -> Iterator[None]:
        """Turn failures of the bucket into errors of ours, without the bucket's own text: it may repeat a token."""
        try:
            yield
        except InvalidPathError as error:
            named = _UNLISTED.search(str(error))
            key = "a key that cannot be listed" if named is None else f"the key {shown_name(named[1])}"
            raise InvalidInputError(
                f"landing holds {key}: control characters, empty segments, . and .. name no file; remove that object"
            ) from None
        except (BaseError, OSError) as error:
            raise bucket_fault(shown_name(place) or "landing", error) from None


def _delivery(event_type: str, folder: str, name: str) -> Delivery:
    fault = name_fault(event_type) or name_fault(name)
    return Delivery(shown_name(event_type), f"{shown_name(event_type)}/{folder}/{shown_name(name)}", fault)
