"""The warehouse of a task, which the next task goes on with.

Concept: the log gives the warehouse again, but not in the time that a day has. So its file lies in the lake between two
tasks. It is put back when a build went well, so what is there is always whole. A run that was ended by force gives up
the pool before its task ends, so an older file never goes over one that came since it was fetched.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import obstore
from obstore.exceptions import BaseError
from obstore.exceptions import NotFoundError as ObstoreNotFoundError

from mlife_assets.adapters.s3_bucket import bucket_fault, is_bucket_missing, missing_bucket, open_bucket
from mlife_assets.core.errors import ContentConflictError
from mlife_assets.core.storage_places import Bucket

KEY = "warehouse/warehouse.duckdb"


class WarehouseCopy:
    """The file of a warehouse, in the lake and in this task."""

    def __init__(self, lake: Bucket, path: Path) -> None:
        self._store, self._path = open_bucket(lake), path
        self._version = path.with_suffix(".version")
        """Which one of the lake the file was made from; outlives this object, as the file does."""

    def fetch(self) -> None:
        """Fetch the file unless this task has one; where none was ever put back there is none.

        Raises:
            PermanentError, TransientError: the bucket cannot be read.
        """
        if self._path.exists():
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self._path.parent) as folder:
            partial = Path(folder) / self._path.name
            try:
                found = obstore.get(self._store, KEY)
                with partial.open("wb") as file:
                    for chunk in found.stream():
                        file.write(chunk)
            except (ObstoreNotFoundError, FileNotFoundError) as error:
                if is_bucket_missing(error):
                    raise missing_bucket() from None
                return
            except BaseError as error:
                raise bucket_fault(KEY, error) from None
            self._version.write_text(str(found.meta["e_tag"]))
            os.replace(partial, self._path)

    def put_back(self) -> None:
        """Put the file into the lake, in parts where it is large.

        Raises:
            ContentConflictError: another task has put one there since this one fetched its own.
            PermanentError, TransientError: the bucket cannot be written.
        """
        made_from = self._version.read_text() if self._version.exists() else None
        try:
            if self._version_there() != made_from:
                raise ContentConflictError(
                    f"another run has put {KEY} back since this one fetched it; run this one again"
                )
            self._version.write_text(str(obstore.put(self._store, KEY, self._path)["e_tag"]))
        except BaseError as error:
            raise bucket_fault(KEY, error) from None

    def _version_there(self) -> str | None:
        try:
            return str(obstore.head(self._store, KEY)["e_tag"])
        except (ObstoreNotFoundError, FileNotFoundError):
            return None
