"""The catalogue: tables are those of the log, queries cannot run away.

Belongs here: Glue and Athena. Does not belong here: making the tables (`infra.gate.catalog`).
"""

from __future__ import annotations

from collections.abc import Iterator

from infra.gate.catalog import columns
from infra.gate.environments import Environment
from infra.gate.findings import holds
from mlife_assets.recruiting.events import EVENT_TYPES

LARGEST_SCAN = 1_000_000_000_000
"""Bytes of one query: at five dollars a terabyte, what a mistake may cost."""


@holds
def every_event_type_has_its_table(environment: Environment) -> Iterator[str]:
    """Each event type has one table, with the columns of all its versions, in order, of the types that files have."""
    found = {
        table.properties["TableInput"]["Name"]: table.properties["TableInput"]
        for _, table in environment.of("AWS::Glue::Table")
    }
    for name in sorted(found.keys() ^ EVENT_TYPES.keys()):
        yield f"{name} is {'no event type' if name in found else 'in no table'}"
    for name in sorted(found.keys() & EVENT_TYPES.keys()):
        given = [(one["Name"], one["Type"]) for one in found[name]["StorageDescriptor"]["Columns"]]
        if given != columns(EVENT_TYPES[name]):
            yield f"{name} has other columns: run python -m infra.gate.catalog"


@holds
def tables_lie_where_the_log_writes(environment: Environment) -> Iterator[str]:
    """Each table reads the folder of its type in the log's bucket."""
    (bucket,) = environment.stack("20-event-log").of("AWS::S3::Bucket")
    for _, table in environment.of("AWS::Glue::Table"):
        given = table.properties["TableInput"]
        wanted = f"s3://{bucket.properties['BucketName']}/events/event_type={given['Name']}/"
        if given["StorageDescriptor"]["Location"] != wanted:
            yield f"{given['Name']} reads {given['StorageDescriptor']['Location']}"


@holds
def partitions_are_projected(environment: Environment) -> Iterator[str]:
    """Days and hours are projected from their names, hours with two digits as the log writes them, so no crawler
    runs.
    """
    wanted = {
        "projection.enabled": "true",
        "projection.dt.type": "date",
        "projection.dt.format": "yyyy-MM-dd",
        "projection.hour.type": "integer",
        "projection.hour.range": "0,23",
        "projection.hour.digits": "2",
    }
    for _, table in environment.of("AWS::Glue::Table"):
        given = table.properties["TableInput"]
        parameters = given["Parameters"]
        wrong = [key for key, value in wanted.items() if parameters.get(key) != value]
        if wrong or "storage.location.template" in parameters:
            yield f"{given['Name']}: {wrong or 'it names places'}"
        first, _, last = parameters["projection.dt.range"].partition(",")
        if last != "NOW+1DAYS" or first != environment.stack("30-catalog").parameters["FirstDay"]:
            yield f"{given['Name']}: days are {parameters['projection.dt.range']}"
        if [key["Name"] for key in given["PartitionKeys"]] != ["dt", "hour"]:
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
