"""A landing area in a bucket: what lies there, looked at without trust.

Concept: a bucket has no folders and no links, so what stands between slashes is taken for folders, and an object that
was replaced while it is read is the old or the new one whole. One key that obstore cannot list, such as one with a
line break, hides all others, so it is named and nothing lands before it is removed.

Only listing and reading are asked of the bucket: the key needs no right to write. For many days it is listed from the
first of them on, one event type at a time.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import date

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
from mlife_assets.core.errors import InvalidInputError, PermanentError, TransientError
from mlife_assets.core.landed_names import (
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
from mlife_assets.core.validation import FileFault
from mlife_assets.core.windows import add_days

_UNLISTED = re.compile(r'Path "(.*?)"(?::| contained)', re.DOTALL)
FIRST_DAY, LAST_DAY = date(1970, 1, 2), date(9999, 12, 31)


class LandingBucket:
    """`landed_names.Landing` over objects `<event_type>/dt=<day>/<file>` below the prefix of a bucket."""

    def __init__(self, bucket: Bucket, *, retries: int = RETRIES) -> None:
        self._store = open_bucket(bucket, retries=retries)

    def look(self, day: date) -> LandedDay:
        """Return what lies there for `day`, and what belongs to no day.

        Raises:
            TransientError: the bucket does not answer.
            PermanentError: it is not there, or does not take the key.
            InvalidInputError: a key in it cannot be listed.
        """
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
        """Return the sources of the deliveries of those of `days` that have some; older days are not listed."""
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
        """Return the bytes of a delivery without a fault, or why it cannot be read.

        Raises:
            TransientError: it was there and is gone, or the bucket fails.
            PermanentError: the key may not read it.
        """
        with self._answers(source):
            try:
                found = obstore.get(self._store, source)
            except (ObstoreNotFoundError, FileNotFoundError) as error:
                if is_bucket_missing(error):
                    raise missing_bucket() from None
                raise TransientError(f"landing file {source} was there and is gone; run again") from None
            except BaseError as error:
                if is_object_denied(error):  # the key's fault more likely than one file's: the day waits
                    raise PermanentError(
                        f"landing file {source} may not be read; grant s3:GetObject on landing, or remove it"
                    ) from None
                raise
            return too_large(maximum_bytes) if found.meta["size"] > maximum_bytes else bytes(found.bytes())

    def first_source(self) -> str | None:
        """Return a file that lies there, once it could be read; None where there is none yet.

        Raises:
            PermanentError: the bucket is not there, or the key may not list or read it.
            TransientError: the bucket does not answer.
        """
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
        """Raise what the bucket's failure means to people. Its own words never go on: they may repeat a token."""
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
