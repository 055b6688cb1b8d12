"""A mart on Athena is replaced as a whole, and by what the warehouse holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import obstore
import pytest

from mlife_assets.adapters.aws import athena_marts
from mlife_assets.adapters.aws.athena_marts import AthenaMarts
from mlife_assets.adapters.s3_bucket import open_bucket
from mlife_assets.adapters.warehouse import DuckDBWarehouse
from mlife_assets.core.errors import NotFoundError, PermanentError
from mlife_assets.core.storage_places import Credentials

pytestmark = pytest.mark.aws
REGION = "eu-west-1"
Build = Callable[[str], DuckDBWarehouse]


@pytest.fixture
def glue(aws: Any) -> Any:
    """Return the catalogue, with the database that the template makes."""
    client = aws.client("glue")
    client.create_database(DatabaseInput={"Name": "marts"})
    return client


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Return what builds the mart `kpi_daily` of a query."""
    path = tmp_path / "warehouse.duckdb"

    def builds(query: str) -> DuckDBWarehouse:
        with duckdb.connect(str(path)) as connection:
            connection.execute(f"create schema if not exists marts; create or replace table marts.kpi_daily as {query}")
        return DuckDBWarehouse(path, attempts=1)

    return builds


def files(place: Any) -> list[str]:
    """Return the files of the mart."""
    return sorted(item["path"] for batch in obstore.list(open_bucket(place)) for item in batch)


def named(glue: Any, place: Any) -> str:
    """Return the file in the folder that the table names, by its key."""
    location = glue.get_table(DatabaseName="marts", Name="kpi_daily")["Table"]["StorageDescriptor"]["Location"]
    (file,) = [key for key in files(place) if f"{place.url}/{key}".startswith(location)]
    return file


def test_a_table_names_the_file_and_its_columns(glue: Any, build: Build, s3_place: Any) -> None:
    query = """select date '2026-06-10' as kpi_date, 1::bigint as clicks, 0.5::double as ctr, true as is_final,
        'sms' as channel, timestamptz '2026-06-10 18:00:00+00' as seen_at"""
    (one,) = AthenaMarts(s3_place, REGION).publish(build(query), ["kpi_daily"])
    table = glue.get_table(DatabaseName="marts", Name="kpi_daily")["Table"]
    columns = {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]}
    assert columns == {
        "kpi_date": "date", "clicks": "bigint", "ctr": "double", "is_final": "boolean", "channel": "string",
        "seen_at": "timestamp",
    }  # fmt: skip
    assert table["StorageDescriptor"]["Location"] == one.location
    assert (one.mart, one.rows) == ("kpi_daily", 1)
    assert one.bytes == obstore.head(open_bucket(s3_place), named(glue, s3_place))["size"]
    assert one.location.startswith(f"{s3_place.url}/athena/tables/marts/kpi_daily/"), "where the dashboard may read"


def test_what_a_query_reads_is_there_until_the_publication_after_next(glue: Any, build: Build, s3_place: Any) -> None:
    marts, seen = AthenaMarts(s3_place, REGION), []
    for number in range(3):
        marts.publish(build(f"select {number}::bigint as clicks"), ["kpi_daily"])
        seen.append(named(glue, s3_place))
        assert files(s3_place) == sorted(seen[-2:])
    assert len(set(seen)) == 3


def test_publishing_again_changes_nothing(glue: Any, build: Build, s3_place: Any) -> None:
    marts = AthenaMarts(s3_place, REGION)
    marts.publish(build("select 1::bigint as clicks"), ["kpi_daily"])
    marts.publish(build("select 2::bigint as clicks"), ["kpi_daily"])
    before, table = files(s3_place), named(glue, s3_place)
    (one,) = marts.publish(build("select 2::bigint as clicks"), ["kpi_daily"])
    assert (files(s3_place), named(glue, s3_place)) == (before, table)
    assert one.rows == 1


def test_a_new_column_comes_with_its_rows(glue: Any, build: Build, s3_place: Any) -> None:
    marts = AthenaMarts(s3_place, REGION)
    marts.publish(build("select 1::bigint as clicks"), ["kpi_daily"])
    marts.publish(build("select 1::bigint as clicks, 0.5::double as ctr"), ["kpi_daily"])
    table = glue.get_table(DatabaseName="marts", Name="kpi_daily")["Table"]
    assert [one["Name"] for one in table["StorageDescriptor"]["Columns"]] == ["clicks", "ctr"]


def test_a_table_names_the_old_mart_until_the_new_one_is_whole(
    glue: Any, build: Build, s3_place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that ends between the file and the table leaves the old mart, and the next one cleans up."""
    from botocore.exceptions import ClientError

    def denied(**_: Any) -> Any:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "UpdateTable")

    marts = AthenaMarts(s3_place, REGION)
    marts.publish(build("select 1::bigint as clicks"), ["kpi_daily"])
    old = named(glue, s3_place)
    with monkeypatch.context() as patch:
        patch.setattr(athena_marts.client("glue", REGION), "update_table", denied, raising=False)
        with pytest.raises(PermanentError, match=r"table marts\.kpi_daily: the task's role may not glue:UpdateTable"):
            marts.publish(build("select 2::bigint as clicks"), ["kpi_daily"])
    assert named(glue, s3_place) == old
    assert len(files(s3_place)) == 2, "the file without a table"
    marts.publish(build("select 3::bigint as clicks"), ["kpi_daily"])
    assert files(s3_place) == sorted([old, named(glue, s3_place)])


def test_a_mart_that_was_not_built_is_no_empty_table(glue: Any, build: Build, s3_place: Any) -> None:
    with pytest.raises(NotFoundError, match=r"marts\.lift has not been built; run metrics_job"):
        AthenaMarts(s3_place, REGION).publish(build("select 1 as clicks"), ["lift"])
    assert files(s3_place) == []
    assert glue.get_tables(DatabaseName="marts")["TableList"] == []


def test_without_the_database_of_the_template_nothing_is_named(aws: Any, build: Build, s3_place: Any) -> None:
    with pytest.raises(NotFoundError, match=r"table marts\.kpi_daily: there is no such thing .*glue:CreateTable"):
        AthenaMarts(s3_place, REGION).publish(build("select 1::bigint as clicks"), ["kpi_daily"])


def test_a_mart_that_cannot_be_written_is_not_named(glue: Any, build: Build, s3: Any) -> None:
    stranger = s3.bucket("lake", "w", credentials=Credentials("NOBODY", "x"))
    with pytest.raises(PermanentError, match="AWS_ACCESS_KEY_ID"):
        AthenaMarts(stranger, REGION).publish(build("select 1::bigint as clicks"), ["kpi_daily"])
    assert glue.get_tables(DatabaseName="marts")["TableList"] == []
