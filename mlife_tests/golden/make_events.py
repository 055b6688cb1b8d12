"""Makes the golden events of the version that runs it: `python -m mlife_tests.golden.make_events 0.1.0`.

Writes `events_<version>.json`, what the version says of its event types, and `events_<version>/`, a small log with the
example rows of each type. Both are written once, when a version is released, and never changed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow as pa

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_tests.golden.event_examples import described, example_rows

if __name__ == "__main__":
    place = Path(__file__).with_name(f"events_{sys.argv[1]}")
    told = [described(event_type) for event_type in EVENT_TYPES.values()]
    lines = ",\n".join(json.dumps(one).replace('{"name"', '\n  {"name"') for one in told)
    Path(f"{place}.json").write_text(f"[{lines}\n]\n", encoding="utf-8")
    log = ParquetEventLog(ObstoreObjectStore.local(place))
    for one in told:
        schema = EVENT_TYPES[one["name"]].schema
        log.append(one["name"], pa.Table.from_pylist(example_rows(one), schema=schema), writer="golden")
