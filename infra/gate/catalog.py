"""The Glue tables of the event log and of the lake, from the declarations that the package reads by.

Concept: a catalogue that is written by hand is wrong after the next release. A test compares the template with this.
Places of partitions are not said: Athena's default, `<Location>/dt=.../hour=.../`, is the layout of log and lake.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

import yaml

from infra.gate.environments import INFRA
from infra.gate.yaml_tags import MAXIMUM_BYTES, on_one_line
from mlife_assets.adapters.event_log.manifests import EVENTS
from mlife_assets.core.event_columns import hive_type
from mlife_assets.recruiting.events import EVENT_TYPES, EventType
from mlife_assets.recruiting.sql_tables import LAKE_TABLES

TEMPLATE = INFRA / "templates" / "30-catalog.yaml"
DBT = INFRA.parent / "dbt_project"
MARK = "  # Below: `python -m infra.gate.catalog` writes it from event types and tables of the lake.\n"
LOG_DATABASE, LAKE_DATABASE = "events", "lake"
"""What `recruiting.sql_tables` promises: the same names in the embedded DuckDB and in Athena."""
WIDTH, GLUE = 120, "\0"
"""Of lines of columns, and what holds a column together in them: with a line for each, the file would be too large."""
OF_THE_LOG, OF_THE_LAKE = (("dt", "date"), ("hour", "int")), (("as_of_date", "date"),)
"""Folders that are columns, and their types."""


def databases() -> set[str]:
    """Return every database that dbt's target `athena` builds in or reads, and those of the questions."""
    profile = yaml.safe_load((DBT / "profiles.yml").read_text(encoding="utf-8"))["mlife"]["outputs"]["athena"]
    layers = yaml.safe_load((DBT / "dbt_project.yml").read_text(encoding="utf-8"))["models"]["mlife"]
    sources = yaml.safe_load((DBT / "models" / "staging" / "_sources.yml").read_text(encoding="utf-8"))["sources"]
    built = {layer["+schema"] for layer in layers.values() if layer.get("+materialized") != "ephemeral"}
    read = {source.get("schema", source["name"]) for source in sources}
    return {profile["schema"], LOG_DATABASE, LAKE_DATABASE} | built | read


def columns(event_type: EventType) -> list[tuple[str, str]]:
    """Return name and type of each column that a file of any version may hold, in the order of the newest."""
    newest = {column.name: column for column in event_type.all_columns}
    older = {column.name: column for column in event_type.columns_of_all_versions}
    return [(name, hive_type(column.type)) for name, column in {**newest, **older}.items()]


def lake_columns(name: str) -> list[tuple[str, str]]:
    """Return name and type of each column of a table of the lake, but for the folder."""
    return [(field.name, hive_type(field.type)) for field in LAKE_TABLES[name]]


def _of_event(event_type: EventType) -> list[str]:
    place = f"${{EventLogBucketName}}/{EVENTS}/event_type={event_type.name}/"
    version = [f'          mlife.version: "{event_type.version}"']
    return _table(event_type.name, "Events", place, OF_THE_LOG, columns(event_type), version)


def _of_lake(name: str) -> list[str]:
    return _table(name, "Lake", f"${{LakeBucketName}}/tables/{name}/", OF_THE_LAKE, lake_columns(name))


def _table(
    name: str,
    database: str,
    place: str,
    folders: Sequence[tuple[str, str]],
    found: Sequence[tuple[str, str]],
    more: Sequence[str] = (),
) -> list[str]:
    """Return the lines of one table."""
    keys = ", ".join(f"{{Name: {key}, Type: {kind}}}" for key, kind in folders)
    lines = [
        f"  {''.join(word.title() for word in name.split('_'))}Table:",
        "    Type: AWS::Glue::Table",
        "    Properties:",
        "      CatalogId: !Ref AWS::AccountId",
        f"      DatabaseName: !Ref {database}",
        "      TableInput:",
        f"        Name: {name}",
        "        TableType: EXTERNAL_TABLE",
        "        Parameters:",
        "          classification: parquet",
        *more,
        '          projection.enabled: "true"',
        f"          projection.{folders[0][0]}.type: date",
        f"          projection.{folders[0][0]}.format: yyyy-MM-dd",
        f'          projection.{folders[0][0]}.range: !Sub "${{FirstDay}},NOW+1DAYS"',
    ]
    if len(folders) > 1:
        lines += [
            "          projection.hour.type: integer",
            "          projection.hour.range: 0,23",
            '          projection.hour.digits: "2"',
        ]
    lines += [
        f"        PartitionKeys: [{keys}]",
        "        StorageDescriptor:",
        f'          Location: !Sub "s3://{place}"',
        "          InputFormat: org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "          OutputFormat: org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        "          SerdeInfo: {SerializationLibrary: org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe}",
    ]
    said = [on_one_line({"Name": column, "Type": kind}).replace(" ", GLUE) for column, kind in found]
    listed = wrap(", ".join(said), WIDTH, break_long_words=False, break_on_hyphens=False)
    return [
        *lines,
        "          Columns: [",
        *(f"            {line.replace(GLUE, ' ')}" for line in listed),
        "          ]",
    ]


def with_tables(template: str) -> str:
    """Return the text of the template with the tables of today. Raises ValueError where it has no mark."""
    head, mark, _ = template.partition(MARK)
    if not mark:
        raise ValueError(f"{TEMPLATE.name} lacks the line: {MARK.strip()}")
    tables = [*map(_of_event, EVENT_TYPES.values()), *map(_of_lake, LAKE_TABLES)]
    text = head + mark + "\n".join("\n".join(lines) + "\n" for lines in tables)
    if len(text.encode()) > MAXIMUM_BYTES:
        raise ValueError(f"{TEMPLATE.name} would have {len(text.encode())} bytes; CloudFormation takes {MAXIMUM_BYTES}")
    return text


if __name__ == "__main__":
    TEMPLATE.write_text(with_tables(TEMPLATE.read_text(encoding="utf-8")), encoding="utf-8")
