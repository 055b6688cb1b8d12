"""Models of dbt as Athena reads them, and marts that are published there.

Shown: Athena's variants of the models mean the same, and hold nothing that Trino has no words for. Not shown: that
Athena itself runs them, and what its own types do (times of raw files to the millisecond, sums of decimals).

Shown: rows and columns of files and catalogue, read as Athena reads them: the files of the folder that a table names,
by the names and types of the catalogue. Not shown: Athena itself, whose Hive tables have times to the millisecond.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from infra.gate.bi_sheets import data_sets
from infra.gate.bi_template import TEMPLATE
from infra.gate.yaml_tags import read
from mlife_assets.adapters.aws.athena_marts import DATABASE, FOLDER, AthenaMarts
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.sql_session import query_names, read_query
from mlife_assets.components.metrics.marts_on_athena import PUBLISHED
from mlife_assets.core.event_columns import duckdb_type, hive_type
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.sql_tables import LAKE_TABLES, MAP_OF_SHOWN

pytestmark = pytest.mark.aws
PYTHON = Path(__file__).resolve().parents[2] / ".venv-aws" / "bin" / "python"
CATALOGUE = "awsdatacatalog"
INCREMENTAL = ("user_features", "job_features", "exposures", "labelled_examples", "click_examples", "churn_features")
Nodes = dict[str, dict[str, Any]]
REGION = "eu-west-1"
OF_THE_WAREHOUSE_ALONE = {"freshness"}
"""It counts the rows of all marts, training's among them, which are not published (ADR 45)."""
_MART = re.compile(r"\bmarts\.(\w+)")


@pytest.fixture(scope="module")
def compiled(project: Path, aws_answers: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Nodes]:
    """Return what compiles all models for Athena; gives the nodes of dbt's manifest, in the order of building."""

    def compile_models(variables: dict[str, str] | None = None, tables: Sequence[str] = ()) -> Nodes:
        assert PYTHON.exists(), "`make aws` makes the environment of dbt-athena"
        target = tmp_path_factory.mktemp("athena")
        places = ["--project-dir", str(project), "--profiles-dir", str(project)]
        words = ["compile", "--target", "athena", "--no-populate-cache", *places, "--vars", json.dumps(variables or {})]
        with aws_answers.answered(tables) as address:
            environment = {
                **os.environ, "AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x",
                "MLIFE_ATHENA_RESULTS": "s3://results/", "MLIFE_ATHENA_TABLES": "s3://tables/",
                "DBT_TARGET_PATH": str(target / "target"), "DBT_LOG_PATH": str(target / "logs"),
            }  # fmt: skip
            done = subprocess.run(
                [str(PYTHON), "-m", "dbt.cli.main", "--no-use-colors", *words], env=environment, capture_output=True,
                text=True, check=False,
            )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        manifest = json.loads((target / "target" / "manifest.json").read_text())
        models = {name: node for name, node in manifest["nodes"].items() if node["resource_type"] == "model"}
        ordered: Nodes = {}

        def visit(name: str) -> None:
            if name in models and name not in ordered:
                for parent in manifest["parent_map"][name]:
                    visit(parent)
                ordered[name] = models[name]

        for name in sorted(models):
            visit(name)
        return ordered

    return compile_models


@pytest.fixture(scope="module")
def models(compiled) -> Nodes:
    return compiled()


@pytest.fixture(scope="module")
def engine(repeated) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB in place of Athena: the log as its catalogue shows it, and as `native` what dbt built."""
    world, native = repeated
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    connection.execute(f"attach '{native.path}' as native (read_only); attach ':memory:' as {CATALOGUE}")
    for schema in ("events", "staging", "marts", "lake"):
        connection.execute(f"create schema {CATALOGUE}.{schema}")
    for name, kind in EVENT_TYPES.items():
        connection.execute(f"create view {CATALOGUE}.events.{name} as {_catalogued(world.lake, name, kind.schema)}")
    columns = ", ".join(f"{one.name} {duckdb_type(one.type)}" for one in LAKE_TABLES[MAP_OF_SHOWN])
    connection.execute(f"create table {CATALOGUE}.lake.{MAP_OF_SHOWN} (as_of_date date, {columns})")
    connection.execute(
        f"insert into {CATALOGUE}.lake.{MAP_OF_SHOWN} by name select date '2026-04-05' as as_of_date, "
        "'one' as model_version, 40 as users_with_positives, 0.4 as champion_map, 0.3 as human_map"
    )
    return connection


def _catalogued(lake: Path, name: str, schema: Any) -> str:
    """Return the query of a table of the catalogue: times without a zone, null for what a file lacks, a row's file."""
    types = {field.name: duckdb_type(field.type) for field in schema}
    nothing = ", ".join(f"cast(null as {kind}) as {column}" for column, kind in types.items())
    nothing = f'select {nothing}, cast(null as varchar) as "$path" where false'
    if list((lake / "events" / f"event_type={name}").rglob("*.parquet")):
        files = f"'{lake}/events/event_type={name}/*/*/*.parquet'"
        stored = f'select *, filename as "$path" from read_parquet({files}, union_by_name = true, filename = true)'
        nothing = f"select * from ({stored}) union all by name {nothing}"
    zone = "timestamp with time zone"
    columns = [f"timezone('UTC', {one}) as {one}" if kind == zone else one for one, kind in types.items()]
    return f'select {", ".join(columns)}, "$path" from ({nothing})'


@pytest.fixture(scope="module")
def built(models, engine, trino_reading) -> duckdb.DuckDBPyConnection:
    """Run what dbt compiled for Athena, in order."""
    for node in models.values():
        if node["config"]["materialized"] != "ephemeral":
            query = trino_reading.in_duckdb(node["compiled_code"])
            engine.execute(f"create table {CATALOGUE}.{node['schema']}.{node['name']} as ({query})")
    return engine


def _columns(engine: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """Return column -> type, those that Athena has by other names as it calls them."""
    same = {"HUGEINT": "BIGINT", "INTEGER": "BIGINT", "TIMESTAMP WITH TIME ZONE": "TIMESTAMP"}
    return {row[0]: same.get(row[1], row[1]) for row in engine.sql(f"describe {table}").fetchall()}


def test_every_model_is_sql_of_trino(models, trino_reading) -> None:
    refused = {node["name"]: trino_reading.refusals(node["compiled_code"]) for node in models.values()}
    assert {name: found for name, found in refused.items() if found} == {}
    assert len(refused) >= 39


def test_every_mart_is_equal_to_the_row(models, built, capsys) -> None:
    """Doubles are equal to the bit: sums are exact (`exact_sum`), so no order of rows shows in them."""
    compared: dict[str, int] = {}
    for node in models.values():
        if node["schema"] != "marts":
            continue
        ours, native = f"{CATALOGUE}.marts.{node['name']}", f"native.marts.{node['name']}"
        columns = _columns(built, native)
        assert _columns(built, ours) == columns, node["name"]
        times = [name for name, kind in columns.items() if kind == "TIMESTAMP"]
        in_utc = ", ".join(f"timezone('UTC', {name}) as {name}" if name in times else name for name in columns)
        one, other = f"select {in_utc} from {native}", f"select {', '.join(columns)} from {ours}"
        for left, right in ((one, other), (other, one)):
            assert built.sql(f"({left}) except all ({right})").fetchmany(2) == [], node["name"]
        compared[node["name"]] = built.sql(f"select count(*) from {ours}").fetchall()[0][0]
    assert set(compared) == {path.stem for path in _marts(models)}
    assert all(compared.values()), "a mart without rows shows nothing"
    with capsys.disabled():
        print(f"\nparity of marts: {len(compared)} of {len(compared)} equal to the row: {compared}")


def _marts(models: Nodes) -> list[Path]:
    return [Path(node["path"]) for node in models.values() if node["original_file_path"].startswith("models/marts")]


def test_every_query_of_the_library_is_equal_to_the_row(built, trino_reading, capsys) -> None:
    compared: dict[str, int] = {}
    for name in query_names():
        text = read_query(name).text
        built.execute(f"set search_path = '{CATALOGUE}.marts,{CATALOGUE}.lake'")
        on_athena = built.sql(trino_reading.in_duckdb(text)).fetchall()
        built.execute(f"set search_path = 'native.marts,{CATALOGUE}.lake'")
        assert built.sql(text).fetchall() == on_athena, name
        compared[name] = len(on_athena)
    built.execute("set search_path = 'main'")
    assert all(compared.values())
    with capsys.disabled():
        print(f"\nparity of sql/: {len(compared)} of {len(query_names())} equal to the row: {compared}")


def test_a_range_of_days_and_tables_that_are_there_are_sql_of_trino_too(compiled, trino_reading, day_of) -> None:
    days = {"start_date": str(day_of(5)), "end_date": str(day_of(6))}
    for node in compiled(days, tables=INCREMENTAL).values():
        assert trino_reading.refusals(node["compiled_code"]) == [], node["name"]


def questions() -> dict[str, str]:
    """Return what is asked on Athena, by the question or data set that asks it; without those that read no mart."""
    asked = {name: read_query(name).text for name in query_names() if name not in OF_THE_WAREHOUSE_ALONE}
    for name, resource in read(TEMPLATE)["Resources"].items():
        if resource["Type"] == "AWS::QuickSight::DataSet":
            asked[name] = resource["Properties"]["PhysicalTableMap"]["answer"]["CustomSql"]["SqlQuery"]
    return {name: text for name, text in asked.items() if _MART.search(text)}


@pytest.fixture
def athena(glue: Any, full: Any, s3_place: Any, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a DuckDB that sees what was published, as the catalogue says it."""
    found = AthenaMarts(s3_place, REGION).publish(full.warehouse, [key.path[-1] for key in PUBLISHED])
    assert all(one.rows for one in found), "a mart without rows shows nothing"
    store = ObstoreObjectStore.in_bucket(s3_place)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'; create schema marts")
        for table in glue.get_tables(DatabaseName="marts")["TableList"]:
            storage = table["StorageDescriptor"]
            (key,) = store.list(storage["Location"].removeprefix(f"{s3_place.url}/").rstrip("/"))
            path = tmp_path / Path(key).name
            path.write_bytes(store.get(key))
            schema: pa.Schema = pq.read_schema(path)
            columns = [(one["Name"], one["Type"]) for one in storage["Columns"]]
            assert columns == [(field.name, hive_type(field.type)) for field in schema], table["Name"]
            typed = ", ".join(f'cast("{one.name}" as {duckdb_type(one.type)}) as "{one.name}"' for one in schema)
            connection.execute(f"create table marts.{table['Name']} as select {typed} from read_parquet('{path}')")
        yield connection


def test_what_is_published_is_what_is_asked() -> None:
    assert {name for text in questions().values() for name in _MART.findall(text)} == {
        key.path[-1] for key in PUBLISHED
    }
    assert len(questions()) > len(data_sets())


def test_each_question_has_the_rows_of_the_warehouse(athena: duckdb.DuckDBPyConnection, full: Any, capsys: Any) -> None:
    compared = {}
    with full.warehouse.open() as native:
        for name, text in questions().items():
            rows = athena.sql(text).fetchall()
            assert rows == native.sql(text).fetchall(), name
            compared[name] = len(rows)
    assert all(compared.values())
    with capsys.disabled():
        print(f"\nparity of what is published: {len(compared)} of {len(questions())} equal to the row: {compared}")


def test_the_dashboard_may_read_each_mart_that_it_draws() -> None:
    """By the template's role, at the places that a run writes."""
    statements = read(TEMPLATE)["Resources"]["SourceRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    readable = str(next(one["Resource"] for one in statements if one.get("Sid") == "ReadsTables"))
    drawn = {mart for one in data_sets() for mart in _MART.findall(one.text)}
    assert drawn
    assert [mart for mart in sorted(drawn) if f"}}/{FOLDER}/{mart}/*" not in readable] == []


def test_the_catalogue_keeps_marts_where_they_are_published() -> None:
    database = read(TEMPLATE.with_name("30-catalog.yaml"))["Resources"]["Marts"]["Properties"]["DatabaseInput"]
    assert str(database["LocationUri"]).endswith(f"/{FOLDER}/'}}")
    assert database["Name"] == DATABASE
