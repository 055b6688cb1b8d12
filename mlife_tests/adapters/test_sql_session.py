"""Asking in SQL: marts, log and lake under the names that Athena has for them, and nothing that can be changed."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
import yaml

from mlife_assets.adapters import sql_session
from mlife_assets.adapters.event_log.log import ParquetEventLog
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.sql_session import MOST_SECONDS, Answer, SqlSession, read_query
from mlife_assets.adapters.tables import TableStore
from mlife_assets.adapters.warehouse import DuckDBWarehouse
from mlife_assets.core.errors import InvalidInputError, NotFoundError, TransientError
from mlife_assets.core.storage_places import Bucket
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.sql_tables import LAKE_TABLES, MAP_OF_SHOWN
from mlife_tests.rows import events

PROFILES = Path(__file__).resolve().parents[2] / "dbt_project" / "profiles.yml"
NOON = datetime(2026, 4, 4, 12, tzinfo=UTC)
TEXT = """-- How many?
--
-- day      the day,
--          in UTC
-- jobs     jobs, a count

-- not of the head: 1
select 1
"""


class Lake(ObstoreObjectStore):
    """A lake that notes which folders are asked for."""

    asked: list[str]

    def folders(self, prefix: str) -> list[str]:
        self.asked.append(prefix)
        return super().folders(prefix)


def closings(*days: int) -> pa.Table:
    return pa.concat_tables(events("job_closed", {"job_id": f"j{n}"}, at=NOON.replace(day=n)) for n in days)


def filled(lake: ObstoreObjectStore, path: Path) -> DuckDBWarehouse:
    """Fill a lake with three days of an event type and a table, and a warehouse with a mart."""
    ParquetEventLog(lake).append("job_closed", closings(4, 5, 6), writer="test")
    measured = pa.Table.from_pylist([{"model_version": "one", "champion_map": 0.5}], schema=LAKE_TABLES[MAP_OF_SHOWN])
    TableStore(lake).write(MAP_OF_SHOWN, date(2026, 4, 4), measured)
    with duckdb.connect(str(path)) as connection:
        connection.execute("create schema marts; create table marts.kpi_daily as select date '2026-04-05' as kpi_date")
    return DuckDBWarehouse(path, sleep=lambda _: None)


@pytest.fixture
def session(tmp_path: Path) -> SqlSession:
    warehouse = filled(ObstoreObjectStore.local(tmp_path / "a lake's"), tmp_path / "warehouse.duckdb")
    lake = Lake.local(tmp_path / "a lake's")
    lake.asked = []
    return SqlSession(warehouse, lake, {"MLIFE_LAKE_ROOT": str(tmp_path / "a lake's")})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of which every question leaves each file as it is."""
    folder = tmp_path_factory.mktemp("home")
    lake = ObstoreObjectStore.local(folder / "lake")
    filled(lake, folder / "w.duckdb")
    lake.put_if_absent("secret.txt", b"x")
    return folder


def answered(home: Path, text: str) -> Answer:
    """Answer in this process, as the process of a question does."""
    lake = ObstoreObjectStore.local(home / "lake")
    session = SqlSession(DuckDBWarehouse(home / "w.duckdb"), lake, {"MLIFE_LAKE_ROOT": str(home / "lake")})
    return sql_session._answered(session._request(text), io.BytesIO())


def test_one_text_may_ask_marts_log_and_lake(session: SqlSession) -> None:
    text = """
        select kpi_date, closed.job_id, closed.dt, closed.hour, ranked.champion_map
        from marts.kpi_daily
        inner join events.job_closed as closed on closed.dt = kpi_date
        cross join Lake."map_of_shown" as ranked
    """
    day = date(2026, 4, 5)
    assert [tuple(row.values()) for row in session.ask(text).table.to_pylist()] == [(day, "j5", day, 12, 0.5)]


def test_times_are_in_utc_and_a_type_without_files_has_all_columns(session: SqlSession) -> None:
    (row,) = session.ask(
        "select cast(occurred_at as varchar) as at from events.job_closed where job_id = 'j4'"
    ).table.to_pylist()
    assert row["at"] == "2026-04-04 12:00:00+00"
    answer = session.ask("select * from events.message_planned").table
    assert answer.num_rows == 0
    assert answer.column_names == [*EVENT_TYPES["message_planned"].schema.names, "dt", "hour"]


def test_only_what_a_text_names_is_looked_at(session: SqlSession) -> None:
    session.ask("select * from marts.kpi_daily")
    assert session._lake.asked == []
    session.ask("select * from events.job_closed")
    assert session._lake.asked == ["events/event_type=job_closed"]


def test_a_condition_on_the_day_opens_no_other_file_and_a_refusal_is_one_sentence(
    session: SqlSession, tmp_path: Path
) -> None:
    plan = session.ask(
        "explain analyze select job_id from events.job_closed where dt = date '2026-04-05'"
    ).table.to_pylist()
    assert "Scanning Files: 1/3" in str(plan) or "Total Files Read: 1" in str(plan), plan
    with pytest.raises(InvalidInputError, match="DELETE changes things") as refused:
        session.ask("delete from marts.kpi_daily")
    assert "\n" not in str(refused.value)
    assert session.ask("select count(*) as n from marts.kpi_daily").table.to_pylist() == [{"n": 1}]


@pytest.mark.parametrize(
    ("program", "said"),
    [("import time; time.sleep(60)", "not ready after 0.5 s"), ("1 / 0", "ended before it was ready")],
    ids=["late", "broken"],
)
def test_a_process_that_does_not_get_ready_is_not_one_that_needed_too_much_memory(
    session: SqlSession, monkeypatch: pytest.MonkeyPatch, program: str, said: str
) -> None:
    monkeypatch.setattr(sql_session, "_WORKER", program)
    monkeypatch.setattr(sql_session, "_START_SECONDS", 0.5 if "sleep" in program else 60)
    session._warehouse._wait_seconds = 0
    with pytest.raises(TransientError, match=f"{said}, so nothing was asked; try again"):
        session.ask("select 1 -- " + "a text that does not fit into the pipe " * 10_000)


@pytest.mark.parametrize("schema", ["events", '"events"', '"Events" ', "EVENTS"])
def test_a_name_may_stand_in_quotes(home: Path, schema: str) -> None:
    assert answered(home, f'select count(*) as n from {schema}."job_closed"').table.to_pylist() == [{"n": 3}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no statement"),
        ("-- nothing", "no statement"),
        ("delete from marts.kpi_daily", "DELETE changes things"),
        ("create table marts.more as select 1", "CREATE changes things"),
        ("selec 1", "Parser Error"),
        ("select x", "Binder Error"),
        (" ;; ", "no statement"),
        ("select 1; select 2", "2 statements"),
        ("pivot marts.kpi_daily on kpi_date", "give `pivot` its values"),
        ("set threads = 1", "SET changes things"),
        ("install httpfs", "LOAD changes things"),
        ("attach '{folder}/new.duckdb'", "ATTACH changes things"),
        ("copy (select 1) to '{file}'", "COPY changes things"),
        ("explain analyze copy (select 1) to '{file}'", "COPY changes things"),
        ("explain (analyze) copy (select 1) to '{file}'", "COPY changes things"),
        ("explain /* */ analyze /* */ copy (select 1) to '{file}'", "Parser Error"),
        ("/* */ explain analyze copy (select 1) to '{file}'", "begin an explanation"),
        ("-- x\nexplain\nanalyze -- y\ncopy (select 1) to '{file}'", "COPY changes things"),
        ("explain (analyze, format json) copy (select 1) to '{file}'", "COPY changes things"),
        ("select * from read_csv('/etc/passwd')", "Permission"),
        ("select * from glob('/etc/*')", "Permission"),
        ("select * from read_text('{folder}/lake/secret.txt')", "Permission"),
        ("select * from read_text('{folder}/lake/events/../secret.txt')", "Permission"),
        ("select * from read_csv('https://example.org/a.csv')", "Permission"),
        ("select * from duckdb_secrets(redact = false)", "unredacted secrets is disabled"),
        ("select * from statement", "no table"),
        ("from enable_logging(storage = 'file', storage_path = '{folder}/lake/events')", "enable_logging may change"),
        ("explain analyze from enable_profiling(save_location = '{folder}/lake/events/x')", "enable_profiling may"),
        ('select (select 1 from system.main."Enable_Logging"())', "enable_logging may change"),
        ("from query('from enable_log' || 'ging()')", "query may change"),
        (
            "from json_execute_serialized_sql(json_serialize_sql('from enable_logging()'))",
            "json_execute_serialized_sql",
        ),
    ],
)
def test_a_text_reads_its_tables_and_nothing_else(home: Path, text: str, said: str) -> None:
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    file = next(path for path in before if "event_type=job_closed" in str(path))
    with pytest.raises((InvalidInputError, NotFoundError), match=said) as refused:
        answered(home, text.format(folder=home, file=file))
    assert "\n" not in str(refused.value)
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def test_what_a_connection_may_do_stays_as_it_is_before_a_text_runs(session: SqlSession, tmp_path: Path) -> None:
    """A text cannot set anything; should one find a way, settings are locked."""
    with duckdb.connect(str(tmp_path / "warehouse.duckdb"), read_only=True) as connection:
        sql_session._close(connection, [])
        for setting in ("memory_limit = '9GB'", "allowed_directories = ['/']", "python_enable_replacements = true"):
            with pytest.raises(duckdb.InvalidInputException, match="the configuration has been locked"):
                connection.execute(f"set {setting}")


@pytest.mark.parametrize(
    "text",
    [
        "-- why\nexplain select 1", "explain (format json) select 1", "Explain Analyze -- x\n(select 1)",
        "describe marts.kpi_daily", "summarize marts.kpi_daily", "with one as (select 1) select * from one;",
        "values (1)", "from marts.kpi_daily",
    ],
)  # fmt: skip
def test_what_reads_may_be_asked(home: Path, text: str) -> None:
    assert answered(home, text).row_count > 0


def test_rows_beyond_the_asked_are_counted_and_not_kept(session: SqlSession) -> None:
    answer = session.ask("select range as n from range(10000) order by n", rows=3)
    assert answer.row_count == 10_000
    assert answer.table.column("n").to_pylist() == [0, 1, 2]


@pytest.mark.parametrize("text", ["select count(*) from {long}", "select * from {long}"])
def test_a_long_question_is_stopped_and_lets_go_of_the_warehouse(
    session: SqlSession, text: str, tmp_path: Path
) -> None:
    long = "range(3000000) as a, range(3000000) as b where a.range + b.range <> 3"
    with pytest.raises(TransientError, match=r"stopped after 0\.2 s"):
        session.ask(text.format(long=long), seconds=0.2)
    with duckdb.connect(str(tmp_path / "warehouse.duckdb")) as connection:
        connection.execute("create table marts.more as select 1")


def test_a_question_ends_before_dbt_gives_up_waiting() -> None:
    profile = yaml.safe_load(PROFILES.read_text(encoding="utf-8"))
    attempts = profile["mlife"]["outputs"]["duckdb"]["retries"]["connect_attempts"]
    assert sum(2**number for number in range(attempts - 1)) > MOST_SECONDS


@pytest.mark.parametrize("table", ["marts.fct_messages", "events.nothing", "lake.nothing"])
def test_a_table_that_is_not_there_is_named(home: Path, table: str) -> None:
    with pytest.raises(NotFoundError, match=f"no table {table.split('.')[1]}; ask marts"):
        answered(home, f"select * from {table}")


def test_without_a_warehouse_the_remedy_is_named(tmp_path: Path) -> None:
    lake = ObstoreObjectStore.local(tmp_path)
    with pytest.raises(NotFoundError, match="dbt build"):
        SqlSession(DuckDBWarehouse(tmp_path / "none.duckdb"), lake, {"MLIFE_LAKE_ROOT": ""}).ask("select 1")


def test_a_lake_in_a_bucket_is_asked_alike(tmp_path: Path, s3_place: Bucket) -> None:
    lake = ObstoreObjectStore.in_bucket(s3_place)
    warehouse = filled(lake, tmp_path / "warehouse.duckdb")
    environment = {
        "MLIFE_LAKE_ROOT": s3_place.url,
        "MLIFE_LAKE_ENDPOINT": s3_place.endpoint or "",
        "MLIFE_LAKE_REGION": s3_place.region,
        "MLIFE_LAKE_KEY_ID": s3_place.credentials.access_key_id,
        "MLIFE_LAKE_SECRET": s3_place.credentials.secret_access_key,
    }
    found = SqlSession(warehouse, lake, environment).ask("select job_id from events.job_closed order by job_id")
    assert found.table.column("job_id").to_pylist() == ["j4", "j5", "j6"]
    session = SqlSession(warehouse, lake, environment)
    assert environment["MLIFE_LAKE_SECRET"] not in str(session.ask("select * from duckdb_secrets()").table.to_pylist())
    assert environment["MLIFE_LAKE_SECRET"] not in str(session.ask("select * from duckdb_settings()").table.to_pylist())
    key = lake.list("events")
    for text in (f"copy (select 1) to '{s3_place.url}/events/x.parquet'", "select * from duckdb_secrets(redact=false)"):
        with pytest.raises(InvalidInputError):
            session.ask(text)
    assert list(lake.list("events")) == list(key)
    lake.put_if_absent("secret.txt", b"x")
    for url in (f"{s3_place.url}/secret.txt", f"{s3_place.endpoint}/x", "/etc/passwd"):
        with pytest.raises(InvalidInputError, match="Permission"):
            session.ask(f"select * from read_text('{url}')")


def test_a_head_says_the_question_and_each_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jobs.sql").write_text(TEXT)
    monkeypatch.setattr(sql_session, "FOLDER", tmp_path)
    query = read_query("jobs")
    assert (query.name, query.question, query.text) == ("jobs", "How many?", TEXT)
    assert query.columns == {"day": "the day, in UTC", "jobs": "jobs, a count"}


@pytest.mark.parametrize("name", ["jobs", "../secret", ""])
def test_an_unknown_name_is_refused_with_those_that_there_are(name: str) -> None:
    with pytest.raises(NotFoundError, match="use one of conversion, engagement"):
        read_query(name)
