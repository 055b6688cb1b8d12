"""The warehouse of a task, which the next task goes on with.

Belongs here: fetching the file from a bucket and putting it back. Does not belong here: building and reading it
(`warehouse`), who may build it when (the pool `warehouse` lets one run at a time).

Concept: the log gives the warehouse again, but not in the time that a day has. So its file lies in the lake between two
tasks. It is put back when a build went well, so what is there is always whole.
"""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import obstore
from obstore.exceptions import BaseError
from obstore.exceptions import NotFoundError as ObstoreNotFoundError

from mlife_assets.adapters.s3_bucket import bucket_fault, is_bucket_missing, missing_bucket, open_bucket
from mlife_assets.core.storage_places import Bucket

KEY = "warehouse/warehouse.duckdb"


class WarehouseCopy:
    """The file of a warehouse, in the lake and in this task."""

    def __init__(self, lake: Bucket, path: Path) -> None:
        """Remember both places; nothing is asked yet."""
        self._store, self._path = open_bucket(lake), path

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
                with partial.open("wb") as file:
                    for chunk in obstore.get(self._store, KEY).stream():
                        file.write(chunk)
            except (ObstoreNotFoundError, FileNotFoundError) as error:
                if is_bucket_missing(error):
                    raise missing_bucket() from None
                return
            except BaseError as error:
                raise bucket_fault(KEY, error) from None
            os.replace(partial, self._path)

    def put_back(self) -> None:
        """Put the file into the lake, in parts where it is large. Raises PermanentError or TransientError."""
        try:
            obstore.put(self._store, KEY, self._path)
        except BaseError as error:
            raise bucket_fault(KEY, error) from None
