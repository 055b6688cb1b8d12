"""A lake whose log has a bucket of its own: keys of the log go there, all others do not."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from mlife_assets.adapters.log_apart import LOG, LakeWithLogApart
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.errors import ContentConflictError, NotFoundError

EVENT = "events/event_type=click/dt=2026-06-10/hour=18/run-1-0123456789abcdef.parquet"
MANIFEST, TABLE, VERSION = "manifests/chain/000000000/000000000001.json", "tables/kpi/a.parquet", "models/v1/model.txt"


@pytest.fixture
def both(tmp_path: Path) -> tuple[ObstoreObjectStore, ObstoreObjectStore, LakeWithLogApart]:
    lake, log = (ObstoreObjectStore.local(tmp_path / name) for name in ("lake", "log"))
    return lake, log, LakeWithLogApart(lake, log)


def test_each_key_lies_where_it_belongs_and_is_found_there(both) -> None:
    lake, log, store = both
    for key in (EVENT, MANIFEST, TABLE, VERSION):
        assert store.put_if_absent(key, key.encode())
        assert not store.put_if_absent(key, key.encode())
        assert (store.get(key), store.exists(key)) == (key.encode(), True)
        assert store.written_at(key).tzinfo is not None
        with pytest.raises(ContentConflictError):
            store.put_if_absent(key, b"other")
    store.replace(TABLE, b"anew")
    assert (log.list(""), lake.list("")) == ([EVENT, MANIFEST], [VERSION, TABLE])
    assert store.list("") == [EVENT, MANIFEST, VERSION, TABLE]
    assert store.folders("") == ["events", "manifests", "models", "tables"]
    assert store.folders("events") == ["event_type=click"]
    assert store.list("events/event_type=click") == [EVENT]
    assert not store.exists("tables/none")
    with pytest.raises(NotFoundError):
        store.get("events/none")


def test_no_way_to_ask_a_store_goes_to_the_lake_unseen() -> None:
    """What the class inherits knows the lake alone."""
    asked = {name for name in vars(ObstoreObjectStore) if not name.startswith("_")} - {
        "at",
        "in_bucket",
        "local",
        "root",
    }
    assert asked
    assert asked <= set(vars(LakeWithLogApart))


def test_a_table_that_may_be_pruned_is_removed_from_the_lake(both) -> None:
    lake, _, store = both
    key = "tables/candidate_pairs/as_of_date=2026-06-10/part.parquet"
    store.replace(key, b"old")
    store.delete(key)
    assert lake.list("") == []


def test_the_log_is_written_where_its_bucket_takes_it(repository: Path) -> None:
    """The policy of `20-event-log` takes keys below these folders and no others."""
    text = (repository / "infra/templates/20-event-log.yaml").read_text(encoding="utf-8")
    (line,) = (line for line in text.splitlines() if "NotResource" in line)
    named = yaml.safe_load(line.strip().partition(": ")[2].replace("!Sub ", ""))
    assert named == [f"${{EventLogBucket.Arn}}/{folder}/*" for folder in LOG]
