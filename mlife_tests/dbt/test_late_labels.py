"""What is reported of late rows is what the SQL of the labels makes of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.event_log.layout import parse_data_key
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.components.events.event_history import late_labels
from mlife_assets.core.windows import run_time
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.policies import LabelPolicy

Rows = list[dict[str, Any]]
KNOWN, LAST = 9, 18
"""Days of the simulated log: on which late rows became known, and as of which all labels of then are mature."""
LATE = {
    "impression": "marts.exposures where exposure_id",
    "click": "staging.stg_events__click where event_id",
    "apply": "staging.stg_events__apply where event_id",
}
"""Where the SQL of the labels reads the types of which some rows are late."""


def _parted(rows: dict[str, Rows], known: date) -> tuple[dict[str, Rows], dict[str, Rows]]:
    """Return what was known before a day, and, of some types, three tenths of that as known since the day ran."""
    rng = np.random.default_rng(3)
    in_time = {name: [row for row in group if row["observed_at"].date() < known] for name, group in rows.items()}
    late: dict[str, Rows] = {}
    for name in LATE:
        events = {row["event_id"]: {**row, "observed_at": run_time(known)} for row in in_time[name]}
        late[name] = [event for event in events.values() if rng.random() < 0.3]
        chosen = {event["event_id"] for event in late[name]}
        in_time[name] = [row for row in in_time[name] if row["event_id"] not in chosen]
    return in_time, late


def test_late_rows_move_the_labels_that_their_sql_makes_otherwise_without_them(
    rows: dict[str, Rows], tmp_path: Path, day_of: Callable[[int], date], dbt_built: Any, dbt_run: Callable[..., str]
) -> None:
    log = ParquetEventLog(ObstoreObjectStore.local(tmp_path / "lake"))

    def append(name: str, group: Rows) -> tuple[str, ...]:
        return log.append(name, pa.Table.from_pylist(group, EVENT_TYPES[name].schema), writer="landing").keys

    in_time, late = _parted(rows, day_of(KNOWN))
    for name, group in in_time.items():
        append(name, group)
    files = [parse_data_key(key) for name, group in late.items() for key in append(name, group)]
    reported = late_labels(log, [file for file in files if file is not None], LabelPolicy())

    target, days = tmp_path / "target", {"first": day_of(1), "last": day_of(LAST)}
    dbt_built(target, tmp_path / "lake", "+int_exposures_labelled", **days)
    dbt_run(target, tmp_path / "lake", "compile", "--select", "int_exposures_labelled", **days)
    (compiled,) = (target / "target").rglob("compiled/**/int_exposures_labelled.sql")
    labels = f"select exposure_id, exposure_date, true, is_clicked, is_applied from ({compiled.read_text()})"
    with duckdb.connect(str(target / "warehouse.duckdb")) as warehouse:
        warehouse.execute("set TimeZone = 'UTC'")
        after = {label[0]: label[1:] for label in warehouse.sql(labels).fetchall()}
        for place, (name, table) in enumerate(LATE.items(), start=1):
            warehouse.begin()
            ids = [row["event_id"] for row in late[name]]
            warehouse.execute(f"delete from {table} in (select unnest(?))", [ids])
            had = {label[0] for label in warehouse.sql(labels).fetchall() if label[place + 1]}
            warehouse.rollback()
            moved = [label[0] for exposure, label in after.items() if label[place] and exposure not in had]
            one = next(one for one in reported if one.event_type == name)
            assert (one.rows, one.moved) == (len(ids), len(moved))
            assert (one.first_exposure_day, one.last_exposure_day) == (min(moved), max(moved))
            assert one.too_late, "labels that are final stay as they are in both"
            assert 20 < len(moved) < len(ids)
