"""`mlife tables prune`: old tables are named first and removed when somebody says so."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.tables import TableStore

OLD, NEWEST = (date(2026, 1, 1), date(2026, 1, 2)), date(2026, 6, 10)


def _filled(lake: ObstoreObjectStore, folder: str, name: str) -> TableStore:
    tables = TableStore(lake, folder)
    for day in (*OLD, NEWEST):
        tables.write(name, day, pa.table({"user_id": ["u1"]}))
    return tables


def test_old_tables_are_named_and_removed_when_asked_for(run, run_json, home) -> None:
    tables = _filled(home.platform.lake, "", "candidate_pairs")
    asked = run("tables", "prune", "--home", home.path)
    assert asked.stdout.splitlines() == [
        "candidate_pairs: 2 days, 2026-01-01 to 2026-01-02",
        "2 tables would be removed; --apply removes them.",
    ]
    assert tables.days("candidate_pairs") == [*OLD, NEWEST]
    kept = run_json("tables", "prune", "--keep-days", 365, "--apply", "--home", home.path)
    assert kept == {"is_applied": True, "keep_days": 365, "tables": {}}
    done = run_json("tables", "prune", "--apply", "--home", home.path)
    keys = [tables.key("candidate_pairs", day) for day in OLD]
    assert done == {"is_applied": True, "keep_days": 120, "tables": {"candidate_pairs": keys}}
    assert tables.days("candidate_pairs") == [NEWEST]
    assert run("tables", "prune", "--apply", "--home", home.path).stdout == "0 tables were removed.\n"


def test_in_a_project_those_of_its_models_are_pruned(run, project) -> None:
    lake = ObstoreObjectStore.local(project / "var" / "mlife" / "lake")
    tables = _filled(lake, "of_models/late_flights/", "scores")
    said = run("tables", "prune", "--apply").stdout
    assert "of_models/late_flights/scores: 3 days, 2013-02-10 to 2026-01-02" in said
    assert tables.days("scores") == [NEWEST]


def test_too_few_days_are_refused_and_a_home_without_days_is_named(run, home, empty) -> None:
    refused = run("tables", "prune", "--keep-days", 7, "--apply", "--home", home.path)
    assert refused.exit_code == 1
    assert "RetentionPolicy.table_days is 7; set it between 90 and" in refused.output
    nothing = run("tables", "prune", "--home", empty)
    assert nothing.exit_code == 1
    assert "nothing has run in" in nothing.output
    assert not empty.exists()
