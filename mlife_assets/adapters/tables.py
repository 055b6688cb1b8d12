"""Daily tables and reports in the lake: the output of an asset for the next one.

Concept: a table here is derived, so materializing its day again replaces it; the same rows give the same bytes.

Old working tables are removed by a command of their own: a day at 100,000 people leaves 286 MB of pairs and scores that
no later day reads. A day itself removes nothing, so its key needs no right to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from itertools import chain
from typing import Any

import orjson
import pyarrow as pa

from mlife_assets.adapters.object_store import ObstoreObjectStore, read_at_once
from mlife_assets.adapters.parquet_bytes import decode_table, encode_table
from mlife_assets.core.errors import IntegrityError, InvalidInputError, NotFoundError
from mlife_assets.core.ports import ObjectStore
from mlife_assets.recruiting.retention_policy import PRUNED, RetentionPolicy

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_REPORT_OPTIONS = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_INDENT_2
    | orjson.OPT_SERIALIZE_NUMPY
    | orjson.OPT_NON_STR_KEYS
    | orjson.OPT_APPEND_NEWLINE
)

OF_MODELS = "of_models"
"""The folder of the lake below which each further model has one of its own."""
MADE_BY: Mapping[str, str] = {
    "challenger": "candidate_model",
    "fairness": "fairness_audit",
    "fairness_by_folds": "fairness_audit",
    "folds": "fold_models",
    "ingest": "market_events",
    "ingest_examples": "examples",
    "ingest_rows": "rows",
    "message_plan_exposed": "message_plan",
    "message_plan_suppressed": "message_plan",
    "monitoring_sample": "data_quality_report",
    "promotion": "evaluation",
    "realised_performance": "concept_drift_report",
}
"""The asset to materialize for a table or a report that is not called like its asset."""


class TableStore:
    """Tables at `tables/<name>/as_of_date=D/part.parquet`, reports at `reports/<name>/as_of_date=D/report.json`."""

    def __init__(self, store: ObjectStore, folder: str = "", assets: str = "") -> None:
        """Keep tables and reports below `folder` of `store`, with a slash; `assets` begins asset keys in remedies."""
        self._store, self.folder, self._assets = store, folder, assets

    def write(self, name: str, as_of_date: date, table: pa.Table) -> str:
        """Write (or replace) the table of one day and return its key. Schema metadata is not kept."""
        key = self.key(name, as_of_date)
        self._store.replace(key, encode_table(table))
        return key

    def read(self, name: str, as_of_date: date, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a day's table, or `columns` of it, cached until others are read. Raises NotFoundError."""
        key = self.key(name, as_of_date)
        data = self._read(key, name, as_of_date)
        try:
            return decode_table(data) if columns is None else _decoded(data, tuple(dict.fromkeys(columns)))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise IntegrityError(f"{key} is not readable Parquet; {self._remedy(name, as_of_date)} again") from error

    def key(self, name: str, as_of_date: date) -> str:
        return self._key("tables", name, as_of_date)

    def report_key(self, name: str, as_of_date: date) -> str:
        return self._key("reports", name, as_of_date)

    def days(self, name: str) -> list[date]:
        return self._days("tables", name)

    def write_report(self, name: str, as_of_date: date, report: Mapping[str, Any]) -> str:
        """Write (or replace) a day's report as sorted JSON and return its key, by orjson's rules; NaN becomes null."""
        key = self.report_key(name, as_of_date)
        try:
            data = orjson.dumps(dict(report), option=_REPORT_OPTIONS)
        except TypeError as error:
            raise InvalidInputError(f"report {name} of {as_of_date} is not JSON: {error}; pass plain values") from error
        self._store.replace(key, data)
        return key

    def read_report(self, name: str, as_of_date: date) -> dict[str, Any]:
        """Return the report of one day. Raises `NotFoundError` naming the asset to materialize."""
        key = self.report_key(name, as_of_date)
        data = self._read(key, name, as_of_date)
        try:
            report: dict[str, Any] = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise IntegrityError(f"{key} is not JSON; {self._remedy(name, as_of_date)} again") from error
        return report

    def report_days(self, name: str) -> list[date]:
        return self._days("reports", name)

    def newest_report_days(self, name: str, count: int) -> list[date]:
        """Return the newest days that have a report, `count` at most, ascending; nothing in older ones is listed."""
        found = list[date]()
        for day in sorted(map(self._day, self._store.folders(f"{self.folder}reports/{_valid(name)}")), reverse=True):
            if len(found) == count:
                break
            if self.has_report(name, day):
                found.insert(0, day)
        return found

    def has_report(self, name: str, as_of_date: date) -> bool:
        return self._store.exists(self.report_key(name, as_of_date))

    def _read(self, key: str, name: str, as_of_date: date) -> bytes:
        try:
            return self._store.get(key)
        except NotFoundError as error:
            raise NotFoundError(f"{name} of {as_of_date} does not exist; {self._remedy(name, as_of_date)}") from error

    def _days(self, kind: str, name: str) -> list[date]:
        keys = self._store.list(f"{self.folder}{kind}/{_valid(name)}")
        return sorted({self._day(key.removeprefix(self.folder).split("/")[2], key) for key in keys})

    @staticmethod
    def _day(partition: str, key: str = "") -> date:
        try:
            return date.fromisoformat(partition.partition("=")[2])
        except ValueError as error:
            raise IntegrityError(f"{key or partition} is in no partition of a day; remove it") from error

    def _key(self, kind: str, name: str, as_of_date: date) -> str:
        leaf = "part.parquet" if kind == "tables" else "report.json"
        return f"{self.folder}{kind}/{_valid(name)}/as_of_date={as_of_date.isoformat()}/{leaf}"

    def _remedy(self, name: str, as_of_date: date) -> str:
        asset = f"{self._assets}{MADE_BY.get(name, name)}"
        return f"materialize the asset {asset} for partition {as_of_date.isoformat()}"


@lru_cache(maxsize=1)
def _decoded(data: bytes, columns: tuple[str, ...]) -> pa.Table:
    return decode_table(data, columns)


def _valid(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidInputError(f"table name {name!r} is not valid; use lower case letters, digits and _")
    return name


def old_tables(lake: ObjectStore, policy: RetentionPolicy, today: date) -> dict[str, list[str]]:
    """Return the keys of days that are too old, by folder and table, oldest first; tables without any are left out."""
    found = dict[str, list[str]]()
    for folder in ("", *(f"{OF_MODELS}/{model}/" for model in lake.folders(OF_MODELS))):
        tables = TableStore(lake, folder)
        for name in PRUNED:
            days = tables.days(name)
            first = policy.first_kept(days[-1], today) if days else date.min
            if old := [tables.key(name, day) for day in days if day < first]:
                found[f"{folder}{name}"] = old
    return found


def prune(lake: ObstoreObjectStore, policy: RetentionPolicy, today: date) -> dict[str, list[str]]:
    """Remove and return `old_tables`; safe to run again. Raises PermanentError if the key may not delete."""
    found = old_tables(lake, policy, today)
    for _ in read_at_once(lake.delete, list(chain.from_iterable(found.values()))):
        pass  # the loop raises the errors of deletions
    return found
