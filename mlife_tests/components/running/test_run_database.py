"""Dagster's records in PostgreSQL: of every process, apart from the ledger, without a password in files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from mlife_assets.adapters.postgresql import DAGSTER_SCHEMA, open_schema
from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.components.running.instance import SETTINGS_FILE, open_instance
from mlife_assets.core.errors import PermanentError, TransientError

READ = """
import json, dagster as dg
with dg.DagsterInstance.get() as instance:
    runs = [[run.run_id, run.status.value, len(instance.all_logs(run.run_id))] for run in instance.get_runs()]
    found = instance.get_latest_materialization_event(dg.AssetKey("a"))
    print(json.dumps([type(instance.event_log_storage).__name__, runs, found.run_id]))
"""


@dg.asset
def a() -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"rows": 1})


def run_once(instance: dg.DagsterInstance) -> str:
    job = dg.Definitions(assets=[a], jobs=[dg.define_asset_job("job", "*")]).resolve_job_def("job")
    result = job.execute_in_process(instance=instance)
    assert result.success
    return result.run_id


@pytest.fixture
def with_password(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of a database whose password is in the environment alone."""
    url = sa.make_url(postgres_url).set(password="hidden-pass-word").render_as_string(hide_password=False)
    monkeypatch.setenv("MLIFE_DATABASE", url)
    return url


def test_a_run_is_read_again_by_another_process(tmp_path: Path, with_password: str) -> None:
    with open_instance(tmp_path, is_in_database=True) as instance:
        run_id = run_once(instance)
        logged = len(instance.all_logs(run_id))
        assert instance.global_op_concurrency_default_limit == 1, "the other settings hold as well"
        assert "hidden" not in instance.info_str()
    environment = os.environ | {"DAGSTER_HOME": str(tmp_path / "dagster")}
    done = subprocess.run([sys.executable, "-c", READ], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["PostgresEventLogStorage", [[run_id, "SUCCESS", logged]], run_id]
    with open_instance(tmp_path, is_in_database=True) as again:
        assert [run.run_id for run in again.get_runs()] == [run_id]


def test_no_file_of_the_home_holds_records_or_the_password(tmp_path: Path, with_password: str) -> None:
    with open_instance(tmp_path, is_in_database=True) as instance:
        run_once(instance)
        assert "hidden" not in json.dumps(dg.serialize_value(instance.get_ref())), "other processes are given it"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path.name for path in files if path.suffix in (".db", ".sqlite") or b"hidden" in path.read_bytes()]
    assert (tmp_path / "dagster" / "dagster.yaml").read_text().startswith(SETTINGS_FILE.read_text())


def test_a_ledger_and_records_share_a_database_without_meeting(tmp_path: Path, with_password: str) -> None:
    ledger = SqlLedger(open_schema(with_password, "mlife"))
    with open_instance(tmp_path, is_in_database=True) as instance:
        run_once(instance)
    assert ledger.rows() == []
    ledger.close()
    inspector = sa.inspect(sa.create_engine(with_password, poolclass=sa.NullPool))
    ours, dagsters = (set(inspector.get_table_names(schema)) for schema in ("mlife", DAGSTER_SCHEMA))
    assert {"sends", "ledger_version"} <= ours
    assert {"runs", "event_logs", "job_ticks", "alembic_version"} <= dagsters
    assert ours.isdisjoint(dagsters)
    assert inspector.get_table_names("public") == []


def test_records_in_files_stay_where_a_home_has_no_database(tmp_path: Path, with_password: str) -> None:
    with open_instance(tmp_path) as instance:
        run_once(instance)
        assert type(instance.event_log_storage).__name__ == "Events"
    assert (tmp_path / "dagster" / "dagster.yaml").read_text() == SETTINGS_FILE.read_text()
    assert sa.inspect(sa.create_engine(with_password, poolclass=sa.NullPool)).get_schema_names() == [
        "information_schema",
        "public",
    ]


FAULTS = {
    "unreachable": ({"query": {"host": "/nowhere"}}, TransientError, "cannot be reached"),
    "wrong password": ({"username": "locked", "password": "not-hidden"}, PermanentError, "user or password"),
    "no such database": ({"database": "not_made"}, PermanentError, "no database of that name"),
    "no right to make a schema": ({"username": "locked"}, PermanentError, "GRANT CREATE ON DATABASE"),
}


@pytest.mark.parametrize(("parts", "kind", "remedy"), FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("has_schema", [False, True], ids=["new", "made"])
def test_a_database_that_cannot_be_used_is_explained(
    tmp_path: Path, with_password: str, monkeypatch, parts, kind, remedy, has_schema
) -> None:
    engine = sa.create_engine(with_password, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        if not connection.exec_driver_sql("SELECT 1 FROM pg_roles WHERE rolname = 'locked'").scalar():
            connection.exec_driver_sql("CREATE ROLE locked LOGIN PASSWORD 'hidden-pass-word' IN ROLE passworded")
        if has_schema:
            connection.exec_driver_sql(f"CREATE SCHEMA {DAGSTER_SCHEMA}")
            connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {DAGSTER_SCHEMA} TO locked")
    address = sa.make_url(with_password).set(**parts).render_as_string(hide_password=False)
    monkeypatch.setenv("MLIFE_DATABASE", address)
    with pytest.raises(kind, match=remedy) as caught:
        open_instance(tmp_path, is_in_database=True)
    assert "hidden" not in str(caught.value)
    assert "MLIFE_DATABASE" in str(caught.value)


def test_a_process_without_the_variable_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLIFE_DATABASE", raising=False)
    with pytest.raises(Exception, match="MLIFE_DATABASE"):
        open_instance(tmp_path, is_in_database=True)
