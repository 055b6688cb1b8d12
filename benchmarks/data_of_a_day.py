"""What a person leaves in log and lake on a day: bytes, rows and files by event type, texts and their segments.

Run: python benchmarks/data_of_a_day.py [--home FOLDER] [--json benchmarks/results/data_of_a_day.json]

The size of `make demo-quick`, 4,000 people and a week, unless a home of the demo is named. Only days that the model ran
are measured: history has no predictions. Nothing goes wrong on them; one is a Sunday, on which nobody is texted.
`infra/cost.py` reads the record. About 5 CPU-minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import pyarrow.parquet as pq
from demos import ROOT, checked_out

RESULT = ROOT / "benchmarks" / "results" / "data_of_a_day.json"
SIZE = {
    "MLIFE_MARKET_USERS": "4000",
    "MLIFE_MARKET_JOBS": "500",
    "MLIFE_DEMO_DAYS": "7",
    "MLIFE_DEMO_FAULTS": "false",
}
DIGITS = 4


def lived(home: Path) -> None:
    """Live the demo in `home`. Raises SystemExit where it fails."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("MLIFE_")}
    mlife = Path(sys.executable).with_name("mlife")
    done = subprocess.run(
        [mlife, "demo"],
        env={**others, **SIZE, "MLIFE_HOME": str(home)},
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"the demo failed; look at {home}")


def measured(home: Path) -> dict[str, Any]:
    """Return what a home of the demo holds of the days that its model ran, for each person and day."""
    summary = json.loads((home / "summary.json").read_text(encoding="utf-8"))
    first, days, people = summary["decisions"][0]["date"], summary["days"], summary["users"]
    person_days = people * days
    log: defaultdict[str, dict[str, float]] = defaultdict(lambda: {"bytes": 0, "rows": 0, "files": 0})
    newest: defaultdict[str, str] = defaultdict(str)
    segments: list[int] = []
    for path in (home / "lake" / "events").glob("event_type=*/dt=*/**/*.parquet"):
        parts = dict(part.split("=", 1) for part in path.parts if "=" in part)
        if parts["dt"] < first:
            continue
        found = log[parts["event_type"]]
        found["bytes"] += path.stat().st_size
        found["rows"] += pq.read_metadata(path).num_rows
        found["files"] += people
        newest[parts["event_type"]] = max(newest[parts["event_type"]], parts["dt"])
        if parts["event_type"] == "message_planned":
            rows = pq.read_table(path, columns=["channel", "segments"]).to_pylist()
            segments += [row["segments"] for row in rows if row["channel"] == "sms"]
    tables = [
        path.stat().st_size
        for path in (home / "lake" / "tables").glob("*/as_of_date=*/*")
        if path.parent.name.partition("=")[2] >= first
    ]
    last = max(newest.values())
    seen = {name: days - (day < last) for name, day in newest.items()}  # the export of the last day lands a day later
    return {
        "people": people,
        "days": days,
        "log_of_person_and_day": {
            name: {key: round(value / people / seen[name], DIGITS) for key, value in found.items()}
            for name, found in sorted(log.items())
        },
        "lake_bytes_of_person_and_day": round(sum(tables) / person_days, DIGITS),
        "texts_of_person_and_day": round(summary["messages"]["submitted"] / person_days, DIGITS),
        "segments_of_text": round(sum(segments) / len(segments), DIGITS),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure a home and write the record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, help="a home of the demo; by default one is lived")
    parser.add_argument("--json", type=Path, default=RESULT)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        home = given.home or Path(folder) / "home"
        if given.home is None:
            lived(home)
        machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
        record = {"commit": checked_out(), "machine": machine, **measured(home)}
    given.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    bytes_of_day = sum(one["bytes"] for one in record["log_of_person_and_day"].values())
    print(f"{bytes_of_day:.0f} bytes of log and {record['lake_bytes_of_person_and_day']:.0f} of lake a person and day")
    return 0


if __name__ == "__main__":
    sys.exit(main())
