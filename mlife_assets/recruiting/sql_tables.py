"""What can be asked in SQL beside what dbt builds: the event log as it is stored, and tables of the lake.

Concept: the same names stand in the embedded DuckDB and in the catalogue of Athena: `events.<event type>`,
`lake.<table>`, `staging.*` and `marts.*`. Folders are columns: `dt` and `hour` of the log, `as_of_date` of the lake.
"""

from __future__ import annotations

import pyarrow as pa

MAP_OF_SHOWN = "map_of_shown"
"""How champion, recruiters, simple rule and chance ranked what people were shown, by day (`components.metrics`)."""

EVENT_CATALOG = "event_catalog"
"""Content of the event log when the asset of that name was materialized: a row per event type and day."""

LAKE_TABLES: dict[str, pa.Schema] = {
    EVENT_CATALOG: pa.schema(
        [
            pa.field("event_type", pa.string()),
            pa.field("version", pa.int64()),
            pa.field("dt", pa.date32()),
            pa.field("files", pa.int64()),
            pa.field("rows", pa.int64()),
        ]
    ),
    MAP_OF_SHOWN: pa.schema(
        [
            pa.field("model_version", pa.string()),
            pa.field("users_with_positives", pa.int64()),
            pa.field("champion_map", pa.float64()),
            pa.field("human_map", pa.float64()),
            pa.field("random_map", pa.float64()),
            pa.field("simple_rule_map", pa.float64()),
            pa.field("replaced_map", pa.float64()),
            pa.field("replaced_version", pa.string()),
        ]
    ),
}
"""Table -> its columns, one file a day below `tables/<table>/as_of_date=YYYY-MM-DD/`."""
