"""The Glue tables of the event log, from the one declaration of event types.

Belongs here: an event type -> a table with projected partitions, and writing them into `30-catalog.yaml`. Does not
belong here: the database and the workgroup, which the template says by hand.

Concept: a catalogue that is written by hand is wrong after the next release. A test compares the template with this.
Places of partitions are not said: Athena's default, `<Location>/dt=.../hour=.../`, is the layout of the log.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import yaml

from infra.gate.environments import INFRA
from infra.gate.yaml_tags import MAXIMUM_BYTES
from mlife_assets.adapters.event_log.layout import EVENTS
from mlife_assets.recruiting.events import EVENT_TYPES, EventType

TEMPLATE = INFRA / "templates" / "30-catalog.yaml"
MARK = "  # Below: `python -m infra.gate.catalog` writes it from mlife_assets/recruiting/events.py.\n"
_SIMPLE = {
    pa.string(): "string",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.bool_(): "boolean",
    pa.date32(): "date",
}


def glue_type(kind: pa.DataType) -> str:
    """Return the name that Glue and Athena have for an Arrow type. Raises ValueError where there is none."""
    if pa.types.is_timestamp(kind):
        return "timestamp"
    if pa.types.is_list(kind):
        return f"array<{glue_type(kind.value_type)}>"
    if pa.types.is_struct(kind):
        fields = (f"{field.name}:{glue_type(field.type)}" for field in kind)
        return f"struct<{','.join(fields)}>"
    if kind not in _SIMPLE:
        raise ValueError(f"Athena has no type for {kind}; add it to infra/gate/catalog.py")
    return _SIMPLE[kind]


def columns(event_type: EventType) -> list[tuple[str, str]]:
    """Return name and type of each column that a file of any version may hold, in the order of the newest."""
    newest = {column.name: column for column in event_type.all_columns}
    older = {column.name: column for column in event_type.columns_of_all_versions}
    return [(name, glue_type(column.type)) for name, column in {**newest, **older}.items()]


def table(event_type: EventType) -> list[str]:
    """Return the lines of one table."""
    lines = [
        f"  {''.join(word.title() for word in event_type.name.split('_'))}Table:",
        "    Type: AWS::Glue::Table",
        "    Properties:",
        "      CatalogId: !Ref AWS::AccountId",
        "      DatabaseName: !Ref Events",
        "      TableInput:",
        f"        Name: {event_type.name}",
        "        TableType: EXTERNAL_TABLE",
        "        Parameters:",
        "          classification: parquet",
        f'          mlife.version: "{event_type.version}"',
        '          projection.enabled: "true"',
        "          projection.dt.type: date",
        "          projection.dt.format: yyyy-MM-dd",
        '          projection.dt.range: !Sub "${FirstDay},NOW+1DAYS"',
        "          projection.hour.type: integer",
        "          projection.hour.range: 0,23",
        '          projection.hour.digits: "2"',
        "        PartitionKeys: [{Name: dt, Type: string}, {Name: hour, Type: int}]",
        "        StorageDescriptor:",
        f'          Location: !Sub "s3://${{EventLogBucketName}}/{EVENTS}/event_type={event_type.name}/"',
        "          InputFormat: org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
        "          OutputFormat: org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
        "          SerdeInfo: {SerializationLibrary: org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe}",
        "          Columns:",
    ]
    return lines + [f"          - {_flow({'Name': name, 'Type': kind})}" for name, kind in columns(event_type)]


def _flow(value: dict[str, Any]) -> str:
    return str(yaml.safe_dump(value, default_flow_style=True, width=1_000, sort_keys=False)).strip()


def with_tables(template: str) -> str:
    """Return the text of the template with the tables of today. Raises ValueError where it has no mark."""
    head, mark, _ = template.partition(MARK)
    if not mark:
        raise ValueError(f"{TEMPLATE.name} lacks the line: {MARK.strip()}")
    tables = "\n".join("\n".join(table(event_type)) + "\n" for event_type in EVENT_TYPES.values())
    text = head + mark + tables
    if len(text.encode()) > MAXIMUM_BYTES:
        raise ValueError(f"{TEMPLATE.name} would have {len(text.encode())} bytes; CloudFormation takes {MAXIMUM_BYTES}")
    return text


if __name__ == "__main__":
    TEMPLATE.write_text(with_tables(TEMPLATE.read_text(encoding="utf-8")), encoding="utf-8")
