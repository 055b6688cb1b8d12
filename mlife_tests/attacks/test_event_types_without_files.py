"""Own data without some event type, and a first lived day that was blocked: dbt, the metrics and the dashboard build.

Both failed: a manifest that is handed to dbt lacks the flat graph in which the columns of an absent type are looked up.
"""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mlife_assets.components.features.dbt_runner import build
from mlife_assets.components.running.driver import LifecycleDriver
from mlife_assets.components.running.instance import open_instance
from mlife_assets.settings import DBT_PROJECT_FOLDER

OF_SENDING = (
    "prediction", "experiment_exposed", "message_planned", "message_suppressed", "message_submitted",
    "message_status",
)  # fmt: skip


def columns(warehouse: Path, view: str) -> dict[str, str]:
    with closing(duckdb.connect(str(warehouse), read_only=True)) as connection:
        return {row[0]: row[1] for row in connection.execute(f"describe {view}").fetchall()}


def count(warehouse: Path, table: str) -> int:
    with closing(duckdb.connect(str(warehouse), read_only=True)) as connection:
        (number,) = connection.execute(f"select count(*) from {table}").fetchone()
    return int(number)


@pytest.fixture(scope="module")
def silent_home(small_home: Any, unpacked_0_1_0: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a home whose data knows no hires and which never sent anything, with its features built.

    So is one whose first lived day was blocked: what only sending writes has no file.
    """
    folder = Path(shutil.copytree(unpacked_0_1_0, tmp_path_factory.mktemp("silent") / "home"))
    for name in ("hire", *OF_SENDING):
        shutil.rmtree(folder / "lake" / "events" / f"event_type={name}")
    home = small_home.open_home(folder)
    home.settings.export_to_dbt()
    list(build(DBT_PROJECT_FOLDER, ["tag:features"], {}, folder / "dbt"))
    return home


def test_own_data_without_hires_builds(silent_home) -> None:
    warehouse = silent_home.settings.warehouse_path
    told = columns(warehouse, "staging.stg_events__hire")
    assert (told["apply_event_id"], told["observed_at"]) == ("VARCHAR", "TIMESTAMP WITH TIME ZONE")
    assert count(warehouse, "staging.stg_events__hire") == 0
    assert count(warehouse, "marts.labelled_examples") > 100
    assert count(warehouse, "marts.user_features") > 1_000


def test_metrics_of_a_home_that_never_sent_anything_are_built(silent_home) -> None:
    with open_instance(silent_home.settings.home) as instance:
        LifecycleDriver(silent_home.definitions, instance).run_unpartitioned("metrics_job").require_success()
    assert count(silent_home.settings.warehouse_path, "marts.fct_messages") == 0
    assert count(silent_home.settings.warehouse_path, "marts.kpi_daily") > 0
    assert (silent_home.settings.lake_place / "dashboard" / "index.html").exists()
