"""The catalogue: tables are those of the log, queries cannot run away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.gate.catalog import LAKE_DATABASE, LOG_DATABASE, OF_THE_LAKE, OF_THE_LOG, columns, databases, lake_columns
from infra.gate.environments import Environment
from infra.gate.findings import holds
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.sql_tables import LAKE_TABLES

LONGEST_KEPT_DAYS = 7
LARGEST_SCAN = 1_000_000_000_000
"""Bytes of one query: at five dollars a terabyte, what a mistake may cost."""


def _tables(environment: Environment) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for _, table in environment.of("AWS::Glue::Table"):
        yield table.properties["DatabaseName"], table.properties["TableInput"]


@holds
def databases_are_those_that_dbt_names(environment: Environment) -> Iterator[str]:
    """Glue's databases are those that dbt builds in and that questions name."""
    found = {one.properties["DatabaseInput"]["Name"] for _, one in environment.of("AWS::Glue::Database")}
    for name in sorted(found ^ databases()):
        yield f"{name} is {'named by nobody' if name in found else 'in no template'}"


@holds
def every_event_type_has_its_table(environment: Environment) -> Iterator[str]:
    """Each event type and each table of the lake has its table, with the columns of all versions, in order, of the
    types that files have.
    """
    wanted = {(LOG_DATABASE, name): columns(event_type) for name, event_type in EVENT_TYPES.items()}
    wanted |= {(LAKE_DATABASE, name): lake_columns(name) for name in LAKE_TABLES}
    found = {(database, given["Name"]): given for database, given in _tables(environment)}
    for key in sorted(found.keys() ^ wanted.keys()):
        yield f"{'.'.join(key)} is {'declared nowhere' if key in found else 'in no template'}"
    for key in sorted(found.keys() & wanted.keys()):
        if [(one["Name"], one["Type"]) for one in found[key]["StorageDescriptor"]["Columns"]] != wanted[key]:
            yield f"{'.'.join(key)} has other columns: run python -m infra.gate.catalog"


@holds
def tables_lie_where_the_log_writes(environment: Environment) -> Iterator[str]:
    """Each table reads the folder of its type in the log's bucket, or its folder in the lake."""
    (log,) = environment.stack("20-event-log").of("AWS::S3::Bucket")
    lake = next(one for one in environment.stack("25-lake").of("AWS::S3::Bucket") if one.name == "LakeBucket")
    places = {
        LOG_DATABASE: f"s3://{log.properties['BucketName']}/events/event_type=",
        LAKE_DATABASE: f"s3://{lake.properties['BucketName']}/tables/",
    }
    for database, given in _tables(environment):
        if given["StorageDescriptor"]["Location"] != f"{places[database]}{given['Name']}/":
            yield f"{given['Name']} reads {given['StorageDescriptor']['Location']}"


@holds
def partitions_are_projected(environment: Environment) -> Iterator[str]:
    """Days and hours are projected from their names, hours with two digits as the log writes them, so no crawler
    runs; they have the types that questions compare them by.
    """
    hours = {"projection.hour.type": "integer", "projection.hour.range": "0,23", "projection.hour.digits": "2"}
    for database, given in _tables(environment):
        folders = OF_THE_LOG if database == LOG_DATABASE else OF_THE_LAKE
        day = f"projection.{folders[0][0]}"
        wanted = {"projection.enabled": "true", f"{day}.type": "date", f"{day}.format": "yyyy-MM-dd"}
        parameters = given["Parameters"]
        expected = wanted | (hours if len(folders) > 1 else {})
        wrong = [key for key, value in expected.items() if parameters.get(key) != value]
        if wrong or "storage.location.template" in parameters:
            yield f"{given['Name']}: {wrong or 'it names places'}"
        first, _, last = parameters[f"{day}.range"].partition(",")
        if last != "NOW+1DAYS" or first != environment.stack("30-catalog").parameters["FirstDay"]:
            yield f"{given['Name']}: days are {parameters[f'{day}.range']}"
        if tuple((key["Name"], key["Type"]) for key in given["PartitionKeys"]) != folders:
            yield f"{given['Name']} is partitioned otherwise"


@holds
def no_query_runs_away(environment: Environment) -> Iterator[str]:
    """Every query is cut off, writes encrypted results, and no client can set that aside."""
    workgroups = list(environment.of("AWS::Athena::WorkGroup"))
    if not workgroups:
        yield "there is no workgroup"
    for _, workgroup in workgroups:
        given = workgroup.properties["WorkGroupConfiguration"]
        if given.get("EnforceWorkGroupConfiguration") is not True:
            yield f"{workgroup.name} lets clients choose"
        if not 0 < given.get("BytesScannedCutoffPerQuery", 0) <= LARGEST_SCAN:
            yield f"{workgroup.name} is cut off at {given.get('BytesScannedCutoffPerQuery')}"
        if given["ResultConfiguration"].get("EncryptionConfiguration", {}).get("EncryptionOption") != "SSE_KMS":
            yield f"{workgroup.name} writes plain results"


@holds
def answers_of_queries_do_not_stay(environment: Environment) -> Iterator[str]:
    """The lake removes within a week what queries answered: it may be about people, and nobody reads it later."""
    lake = next(one for one in environment.stack("25-lake").of("AWS::S3::Bucket") if one.name == "LakeBucket")
    rules = lake.properties["LifecycleConfiguration"]["Rules"]
    kept = {rule["Prefix"]: rule["ExpirationInDays"] for rule in rules if {"Prefix", "ExpirationInDays"} <= rule.keys()}
    for _, workgroup in environment.of("AWS::Athena::WorkGroup"):
        place = workgroup.properties["WorkGroupConfiguration"]["ResultConfiguration"]["OutputLocation"]
        if kept.get(place.removeprefix(f"s3://{lake.properties['BucketName']}/"), 10_000) > LONGEST_KEPT_DAYS:
            yield f"{place} is kept"
