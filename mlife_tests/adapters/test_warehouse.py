"""The warehouse: marts read and waited for, carried by way of the lake, and dbt's DuckDB on a lake in a bucket."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from mlife_assets.adapters import duckdb_bucket
from mlife_assets.adapters.dbt_bucket import Plugin
from mlife_assets.adapters.duckdb_bucket import SECRET, extension_path
from mlife_assets.adapters.event_log.catalogue import StagedTable
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.parquet_bytes import encode_table
from mlife_assets.adapters.warehouse import MARTS, DuckDBWarehouse, Mart, WarehouseCopy, marts_of
from mlife_assets.core import errors
from mlife_assets.core.errors import ContentConflictError, InvalidInputError, NotFoundError, PermanentError
from mlife_assets.core.storage_places import Bucket, Credentials
from mlife_assets.recruiting.churn_risk import churn_risk
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies

DAYS = (date(2026, 4, 4), date(2026, 4, 5), date(2026, 4, 6))
KEY = "events/event_type=apply/dt=2026-01-05/hour=10/part.parquet"
FILES = "events/event_type=apply/*/*/*.parquet"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(file)) as connection:
        connection.execute("set TimeZone = 'America/New_York'")
        connection.execute("create schema marts; create schema staging; create table staging.user_features (i integer)")
        connection.execute(
            "create table marts.applies as select date '2026-04-06' - cast(i % 3 as integer) as apply_date, "
            "printf('a%02d', 29 - i) as apply_event_id, case when i % 4 = 0 then null else i end as number, "
            "timestamptz '2026-04-04 18:00:00+00' as occurred_at from range(30) t(i)"
        )
    return file


def never(_: float) -> None:
    pytest.fail("waited although nobody holds the file")


@pytest.fixture
def warehouse(path: Path) -> DuckDBWarehouse:
    return DuckDBWarehouse(path, sleep=never)


def test_staged_tables_tell_their_mark_and_newest_day(path: Path, warehouse: DuckDBWarehouse) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table staging.stg_events__click as select date '2026-04-06' as available_date")
        connection.execute("comment on table staging.stg_events__click is 'a mark'")
        connection.execute("create table staging.stg_events__hire (available_date date)")
        connection.execute("create view staging.stg_events__apply as select 1 as of_release_0_1_0")
    found = {"click": StagedTable("a mark", date(2026, 4, 5)), "hire": StagedTable(None, None)}
    assert warehouse.staged() == found
    assert DuckDBWarehouse(path.parent / "not_built.duckdb", sleep=never).staged() == {}


def test_rows_come_in_the_order_of_the_grain_with_timestamps_in_utc(warehouse: DuckDBWarehouse) -> None:
    keys = [(row["apply_date"], row["apply_event_id"]) for row in warehouse.read("applies").to_pylist()]
    assert len(keys) == 30
    assert keys == sorted(keys)
    table = warehouse.read("applies")
    assert table.schema.field("occurred_at").type == pa.timestamp("us", tz="UTC")
    assert table["occurred_at"][0].as_py() == datetime(2026, 4, 4, 18, tzinfo=UTC)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, set(DAYS)), ({"start": DAYS[1]}, set(DAYS[1:])), ({"end": DAYS[1]}, set(DAYS[:2])),
        ({"start": DAYS[1], "end": DAYS[1]}, {DAYS[1]}), ({"as_of": DAYS[2]}, {DAYS[2]}),
        ({"start": DAYS[2], "end": DAYS[0]}, set()),
    ],
)  # fmt: skip
def test_dates_select_both_ends_included(warehouse: DuckDBWarehouse, selection, expected) -> None:
    assert set(warehouse.read("applies", **selection)["apply_date"].to_pylist()) == expected


def test_columns_come_as_asked_in_order_and_nulls_stay_nulls(warehouse: DuckDBWarehouse) -> None:
    table = warehouse.read("applies", as_of=DAYS[0], columns=["number", "apply_event_id"])
    assert table.column_names == ["number", "apply_event_id"]
    assert table["apply_event_id"].to_pylist() == sorted(table["apply_event_id"].to_pylist())
    numbers = warehouse.read("applies", columns=["number"])["number"].chunk(0)
    values = pa.Array.from_buffers(pa.int64(), len(numbers), [None, numbers.buffers()[1]]).to_pylist()
    assert numbers.null_count == 8
    assert [value or 0 for value in numbers.to_pylist()] == values


@pytest.mark.parametrize("name", ["staging.user_features", "applies; drop table marts.applies", "sqlite_master", ""])
def test_only_marts_can_be_read(warehouse: DuckDBWarehouse, name: str) -> None:
    with pytest.raises(InvalidInputError, match="is not a mart; read one of"):
        warehouse.read(name)


def test_a_table_of_another_schema_is_no_mart_and_an_absent_one_says_what_to_build(
    warehouse: DuckDBWarehouse, tmp_path: Path
) -> None:
    with pytest.raises(NotFoundError, match=r"dbt build --select \+user_features"):
        warehouse.read("user_features")
    with pytest.raises(NotFoundError, match=r"no warehouse at .*dbt build --select \+kpi_daily"):
        DuckDBWarehouse(tmp_path / "none.duckdb", sleep=never).read("kpi_daily")


def test_what_cannot_be_read_is_named(path: Path, warehouse: DuckDBWarehouse) -> None:
    with pytest.raises(InvalidInputError, match="attempts is 0"):
        DuckDBWarehouse(path, attempts=0)
    with pytest.raises(InvalidInputError, match="leave out start and end"):
        warehouse.read("applies", as_of=DAYS[0], end=DAYS[1])
    with pytest.raises(InvalidInputError, match=r'marts\.applies has no column x"; select 1'):
        warehouse.read("applies", columns=["number", 'x"; select 1'])


def test_a_file_that_is_no_database_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "bad.duckdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(duckdb.Error, match="not a valid DuckDB database"):
        DuckDBWarehouse(tmp_path / "bad.duckdb", sleep=never).read("applies")


def test_a_writer_is_waited_for_and_the_wait_is_bounded(path: Path) -> None:
    """Another process holds the file; it lets go at the third wait."""
    hold = (
        f"import duckdb,sys; c = duckdb.connect({str(path)!r}); print('held', flush=True); sys.stdin.read(1); c.close()"
    )
    waits: list[float] = []
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"held\n"
        with pytest.raises(errors.TransientError, match="in use during 2 attempts"):
            DuckDBWarehouse(path, attempts=2, sleep=waits.append).read("applies")
        assert waits == [0.5]

        def release(_: float) -> None:
            waits.append(_)
            if len(waits) == 4:
                writer.communicate(b"x")

        assert DuckDBWarehouse(path, sleep=release).read("applies").num_rows == 30
    assert len(waits) == 4


def test_a_connection_of_this_process_with_other_settings_counts_as_held(path: Path) -> None:
    with duckdb.connect(str(path)), pytest.raises(errors.TransientError):
        DuckDBWarehouse(path, attempts=1, sleep=never).read("applies")


def test_reading_leaves_nothing_open(path: Path, warehouse: DuckDBWarehouse) -> None:
    warehouse.read("applies")
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table marts.kpi_daily as select date '2026-04-04' as kpi_date")
    assert warehouse.read("kpi_daily").num_rows == 1


def test_marts_of_a_model_follow_from_its_record() -> None:
    found = marts_of([churn_risk(Policies())])
    assert found == {
        "churn_examples": Mart(("as_of_date", "example_id"), "as_of_date"),
        "churn_features": Mart(("as_of_date", "user_id"), "as_of_date"),
    }
    of_jobs = marts_of([job_applications(Policies())])
    assert {*of_jobs} <= {*MARTS}
    assert of_jobs["labelled_examples"] == MARTS["labelled_examples"]


def test_what_one_task_built_the_next_one_has(s3_place: Any, tmp_path: Path) -> None:
    first, second = tmp_path / "one" / "warehouse.duckdb", tmp_path / "two" / "warehouse.duckdb"
    WarehouseCopy(s3_place, first).fetch()
    assert not first.exists(), "nobody built one yet"
    content = bytes(range(256)) * 50_000  # 12.8 MB: more than one part
    first.write_bytes(content)
    WarehouseCopy(s3_place, first).put_back()
    WarehouseCopy(s3_place, second).fetch()
    assert second.read_bytes() == content
    assert sorted(path.name for path in second.parent.iterdir()) == ["warehouse.duckdb", "warehouse.version"]


def test_a_task_that_has_one_keeps_it(s3_place: Any, tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(b"theirs")
    WarehouseCopy(s3_place, path).put_back()
    path.write_bytes(b"built since")
    WarehouseCopy(s3_place, path).fetch()
    assert path.read_bytes() == b"built since"


def test_an_older_one_is_not_put_over_one_that_came_since(s3_place: Any, tmp_path: Path) -> None:
    first, second = tmp_path / "one" / "warehouse.duckdb", tmp_path / "two" / "warehouse.duckdb"
    for path in (first, second):
        WarehouseCopy(s3_place, path).fetch()
        path.write_bytes(path.parent.name.encode())
    WarehouseCopy(s3_place, first).put_back()
    with pytest.raises(ContentConflictError, match=r"another run has put .* back since this one fetched it"):
        WarehouseCopy(s3_place, second).put_back()
    late = tmp_path / "late" / "warehouse.duckdb"
    WarehouseCopy(s3_place, late).fetch()
    first.write_bytes(b"built again")
    WarehouseCopy(s3_place, first).put_back()
    with pytest.raises(ContentConflictError):
        WarehouseCopy(s3_place, late).put_back()
    late.unlink()
    WarehouseCopy(s3_place, late).fetch()
    assert late.read_bytes() == b"built again"


def test_a_bucket_that_cannot_be_read_is_no_empty_warehouse(s3: Any, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="the bucket does not exist"):
        WarehouseCopy(s3.bucket("no-such-bucket"), tmp_path / "warehouse.duckdb").fetch()
    stranger = s3.bucket("lake", "w", credentials=type(s3.bucket("lake").credentials)("NOBODY", "x"))
    path = tmp_path / "other.duckdb"
    path.write_bytes(b"x")
    for act in (WarehouseCopy(stranger, tmp_path / "none.duckdb").fetch, WarehouseCopy(stranger, path).put_back):
        with pytest.raises(PermanentError, match=r"AWS_ACCESS_KEY_ID|grant read and write"):
            act()


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


def test_a_missing_extension_is_named_and_one_of_another_version_refused(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "duckdb_extension_httpfs", None)
    with pytest.raises(errors.MissingExtraError, match=r"pip install 'mlife\[server\]'"):
        extension_path()
    other = ModuleType("duckdb_extension_httpfs")
    other.__file__ = str(tmp_path / "__init__.py")
    (tmp_path / "extensions" / "v1.0.0").mkdir(parents=True)
    monkeypatch.setitem(sys.modules, "duckdb_extension_httpfs", other)
    with pytest.raises(InvalidInputError, match=r"is for 1\.0\.0; install the same version of both"):
        extension_path()
