"""Marts on Athena: tables of the warehouse as files of the lake, listed in the catalogue.

Concept: no mart is recomputed, so Athena's figures are the warehouse's. A file's folder is named by its content, and
one call points the table to it: a query reads the whole old or new mart. The previous folder is kept until the next
time, for running queries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import obstore
import pyarrow as pa
import pyarrow.parquet as pq
from obstore.exceptions import BaseError

from mlife_assets.adapters.aws_clients import aws_errors_explained, client
from mlife_assets.adapters.s3_bucket import bucket_fault, open_bucket
from mlife_assets.adapters.warehouse import DuckDBWarehouse
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.event_columns import hive_type
from mlife_assets.core.storage_places import Bucket

DATABASE = "marts"
FOLDER = "athena/tables/marts"
"""Folder of the lake; `infra/templates/70-bi.yaml` lets the dashboard read marts there."""
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


@dataclass(frozen=True)
class PublishedMart:
    """A mart's state on Athena."""

    mart: str
    rows: int
    bytes: int
    location: str


class AthenaMarts:
    """The database `marts` of the catalogue, and its files in the lake."""

    def __init__(self, lake: Bucket, region: str) -> None:
        self._store, self._lake, self._region = open_bucket(lake), lake.url, region

    def publish(self, warehouse: DuckDBWarehouse, names: Sequence[str]) -> list[PublishedMart]:
        """Replace each named mart that differs by the warehouse's. Raises NotFoundError without mart or catalogue."""
        import duckdb

        found = []
        with closing(warehouse.open()) as connection, TemporaryDirectory() as folder:
            for name in names:
                path = Path(folder) / f"{name}.parquet"
                try:
                    connection.execute(f"copy marts.\"{name}\" to '{path}' (format parquet, compression zstd)")
                except duckdb.CatalogException as error:
                    raise NotFoundError(f"marts.{name} has not been built; run metrics_job") from error
                found.append(self._replaced(name, path))
                path.unlink()
        return found

    def _replaced(self, name: str, path: Path) -> PublishedMart:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        key = f"{FOLDER}/{name}/{digest}/{path.name}"
        location = f"{self._lake}/{FOLDER}/{name}/{digest}/"
        described, before = pq.read_metadata(path), self._location(name)
        if before != location:
            try:
                obstore.put(self._store, key, path)
            except BaseError as error:
                raise bucket_fault(key, error) from None
            self._name(name, location, described.schema.to_arrow_schema(), is_new=before is None)
            self._drop_all_but(name, (location, before))
        return PublishedMart(name, described.num_rows, path.stat().st_size, location)

    def _location(self, name: str) -> str | None:
        """Return the folder of the table, None without a table."""
        try:
            with aws_errors_explained(f"table {DATABASE}.{name}", "glue:GetTable"):
                found = client("glue", self._region).get_table(DatabaseName=DATABASE, Name=name)
        except NotFoundError:
            return None
        return str(found["Table"]["StorageDescriptor"]["Location"])

    def _name(self, name: str, location: str, schema: pa.Schema, *, is_new: bool) -> None:
        """Point the table to a folder, with its file's columns."""
        table: dict[str, Any] = {
            "Name": name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"classification": "parquet"},
            "StorageDescriptor": {
                "Location": location,
                "InputFormat": f"{_PARQUET}.MapredParquetInputFormat",
                "OutputFormat": f"{_PARQUET}.MapredParquetOutputFormat",
                "SerdeInfo": {"SerializationLibrary": f"{_PARQUET}.serde.ParquetHiveSerDe"},
                "Columns": [{"Name": field.name, "Type": hive_type(field.type)} for field in schema],
            },
        }
        glue = client("glue", self._region)
        with aws_errors_explained(f"table {DATABASE}.{name}", f"glue:{'Create' if is_new else 'Update'}Table"):
            if is_new:
                glue.create_table(DatabaseName=DATABASE, TableInput=table)
            else:  # versions of a table would be kept for ever
                glue.update_table(DatabaseName=DATABASE, TableInput=table, SkipArchive=True)

    def _drop_all_but(self, name: str, kept: Sequence[str | None]) -> None:
        """Remove files of the mart that neither the present nor the previous table uses."""
        folder = f"{FOLDER}/{name}"
        try:
            keys = [item["path"] for batch in obstore.list(self._store, folder) for item in batch]
            old = [key for key in keys if f"{self._lake}/{key.rpartition('/')[0]}/" not in kept]
            if old:
                obstore.delete(self._store, old)
        except BaseError as error:
            raise bucket_fault(folder, error, deletes=True) from None
