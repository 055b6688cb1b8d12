"""dbt's DuckDB reads a lake in a bucket: with the key that it is given, on an extension that nobody downloaded."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from mlife_assets.adapters import duckdb_bucket
from mlife_assets.adapters.dbt_bucket import Plugin
from mlife_assets.adapters.duckdb_bucket import SECRET
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.parquet_bytes import encode_table
from mlife_assets.core.storage_places import Bucket, Credentials

KEY = "events/event_type=apply/dt=2026-01-05/hour=10/part.parquet"
FILES = "events/event_type=apply/*/*/*.parquet"


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch):
    """Return a function that makes the plugin as dbt does, in the environment that settings give it."""

    def make(lake: str, bucket: Bucket | None = None) -> Plugin:
        variables = {"MLIFE_LAKE_ROOT": lake}
        if bucket is not None:
            variables |= {
                "MLIFE_LAKE_ENDPOINT": bucket.endpoint or "",
                "MLIFE_LAKE_REGION": bucket.region,
                "MLIFE_LAKE_KEY_ID": bucket.credentials.access_key_id,
                "MLIFE_LAKE_SECRET": bucket.credentials.secret_access_key,
            }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return Plugin("dbt_bucket", {})

    return make


@pytest.fixture
def connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a DuckDB whose home has no extension, and gets none."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as opened:
        yield opened
    assert not (tmp_path / "home").exists()


def test_files_of_the_bucket_are_listed_and_read(connection, plugin, s3_place: Bucket) -> None:
    ObstoreObjectStore.in_bucket(s3_place).put_if_absent(KEY, encode_table(pa.table({"n": [1, 2]})))
    plugin(s3_place.url, s3_place).configure_connection(connection)
    files = f"{s3_place.url}/{FILES}"
    assert connection.sql(f"select count(*) from glob('{files}')").fetchall() == [(1,)]
    read = connection.sql(f"select sum(n), any_value(dt)::varchar from read_parquet('{files}')")
    assert read.fetchall() == [(3, "2026-01-05")]


def test_a_key_opens_its_lake_alone_and_does_not_print(connection, plugin, s3_place: Bucket) -> None:
    beside = replace(s3_place, prefix=f"beside-{s3_place.prefix}")
    ObstoreObjectStore.in_bucket(beside).put_if_absent(KEY, encode_table(pa.table({"n": [1]})))
    plugin(s3_place.url, s3_place).configure_connection(connection)
    shown = str(connection.sql(f"select * from duckdb_secrets() where name = '{SECRET}'").fetchall())
    assert s3_place.url in shown
    assert s3_place.credentials.secret_access_key not in shown
    with pytest.raises(duckdb.Error):
        connection.sql(f"from read_parquet('{beside.url}/{KEY}')").fetchall()


def test_a_key_with_a_quote_stays_a_text(connection, plugin) -> None:
    place = Bucket("lake", "", Credentials("a'b", "c', endpoint 'elsewhere"), endpoint="https://s3.test/base")
    plugin(place.url, place).configure_connection(connection)
    (shown,) = connection.sql("select secret_string from duckdb_secrets()").fetchall()[0]
    assert "key_id=a'b" in shown
    assert "endpoint=s3.test/base" in shown
    assert "use_ssl=false" not in shown


def test_a_folder_needs_no_extension(connection, plugin, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(duckdb_bucket, "extension_path", lambda: pytest.fail("asked for the extension"))
    plugin(str(tmp_path)).configure_connection(connection)
    assert connection.sql("select * from duckdb_secrets()").fetchall() == []


def test_dbt_prints_no_key(plugin, s3_place: Bucket, repository: Path, tmp_path: Path) -> None:
    secret = Credentials("a-hidden-id", "a-hidden-secret", "a-hidden-token")
    plugin("s3://lake/x", replace(s3_place, credentials=secret))
    environment = {**os.environ, "MLIFE_LAKE_TOKEN": "a-hidden-token", "MLIFE_WAREHOUSE_PATH": str(tmp_path / "w")}
    project = str(repository / "dbt_project")
    command = [str(Path(sys.executable).parent / "dbt"), "--log-path", str(tmp_path / "logs"), "--log-level", "debug"]
    command += ["debug", "--project-dir", project, "--profiles-dir", project]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "mlife_assets.adapters.dbt_bucket" in done.stdout
    written = "".join(path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())
    assert "hidden" not in done.stdout + done.stderr + written
