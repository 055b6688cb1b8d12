"""What is published to Athena answers as the warehouse does, to the bit: each question, each data set of QuickSight.

Shown: rows and columns of files and catalogue, read as Athena reads them: the files of the folder that a table names,
by the names and types of the catalogue. Not shown: Athena itself, whose Hive tables have times to the millisecond.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
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

pytestmark = pytest.mark.aws
REGION = "eu-west-1"
OF_THE_WAREHOUSE_ALONE = {"freshness"}
"""It counts the rows of all marts, training's among them, which are not published (ADR 45)."""
_MART = re.compile(r"\bmarts\.(\w+)")


def questions() -> dict[str, str]:
    """Return what is asked on Athena, by the question or data set that asks it; without those that read no mart."""
    asked = {name: read_query(name).text for name in query_names() if name not in OF_THE_WAREHOUSE_ALONE}
    for name, resource in read(TEMPLATE)["Resources"].items():
        if resource["Type"] == "AWS::QuickSight::DataSet":
            asked[name] = resource["Properties"]["PhysicalTableMap"]["answer"]["CustomSql"]["SqlQuery"]
    return {name: text for name, text in asked.items() if _MART.search(text)}


@pytest.fixture
def catalogue(aws: Any) -> Any:
    client = aws.client("glue")
    client.create_database(DatabaseInput={"Name": "marts"})
    return client


@pytest.fixture
def athena(catalogue: Any, full: Any, s3_place: Any, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Return a DuckDB that sees what was published, as the catalogue says it."""
    found = AthenaMarts(s3_place, REGION).publish(full.warehouse, [key.path[-1] for key in PUBLISHED])
    assert all(one.rows for one in found), "a mart without rows shows nothing"
    store = ObstoreObjectStore.in_bucket(s3_place)
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'; create schema marts")
        for table in catalogue.get_tables(DatabaseName="marts")["TableList"]:
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
