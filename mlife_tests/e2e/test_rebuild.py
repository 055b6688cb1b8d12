"""Invariant 1: a day that is built again after later days gives the same bytes, from features to scores and verdict."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.adapters.warehouse import DuckDBWarehouse, marts_of
from mlife_assets.components.graph import keys
from mlife_assets.components.monitoring.inputs import REFERENCE_REPORT
from mlife_assets.recruiting.churn_risk import churn_risk

DATED = {
    "user_features": "as_of_date", "job_features": "as_of_date", "labelled_examples": "label_mature_date",
    "click_examples": "label_mature_date", "churn_features": "as_of_date", "churn_examples": "label_mature_date",
}  # fmt: skip
ON_INPUTS = (keys.DATA_QUALITY_REPORT, keys.DATA_DRIFT_REPORT, keys.LATENT_DRIFT_REPORT)


def features(home) -> list:
    graph = home.definitions.get_repository_def().asset_graph
    return sorted(key for key in graph.get_all_asset_keys() if key.path[0] == "features")


def mart_rows(home, day: date) -> dict[str, bytes]:
    """Return the rows of a day in each mart as bytes."""
    found, marts = {}, marts_of((*home.platform.home.models, churn_risk(home.platform.policies)))
    warehouse = DuckDBWarehouse(home.settings.places.warehouse, marts=marts)
    for mart, column in DATED.items():
        table = warehouse.read(mart)
        rows = table.filter(pc.equal(table[column], day)).combine_chunks()
        assert rows.num_rows > 10, mart
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema) as stream:
            stream.write_table(rows)
        found[mart] = sink.getvalue().to_pybytes()
    return found


def files_of(home, day: date) -> dict[str, str]:
    """Return tables and reports of a day, and all events and artifacts, with their hashes."""
    lake: Path = home.settings.places.lake
    patterns = [f"tables/*/as_of_date={day}/*", f"reports/*/as_of_date={day}/*", "events/**/*.parquet", "models/*/*"]
    paths = {path for pattern in patterns for path in lake.glob(pattern) if path.is_file()}
    return {str(path.relative_to(lake)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}


@pytest.mark.proof
def test_a_day_built_again_later_is_the_same_to_the_byte(lived, copied) -> None:
    """Day 2 was followed by a retraining, a fault and another day. Its marts alone: `dbt/test_marts.py`."""
    day = lived.home.day(2)
    marts, files = mart_rows(lived.home, day), files_of(lived.home, day)
    assert f"tables/user_job_scores/as_of_date={day}/part.parquet" in files
    for path in copied.settings.places.lake.glob(f"tables/*/as_of_date={day}/*"):
        if "/monitoring_reference" not in str(path) and "/message_plan" not in str(path):
            path.unlink()
    with copied.instance() as instance:
        before = instance.get_latest_materialization_event(keys.RETRAIN_DECISION).asset_materialization.metadata
    result = copied.run_assets(
        day, *features(copied), *ON_INPUTS, keys.CONCEPT_DRIFT_REPORT, keys.RETRAIN_DECISION, keys.CANDIDATE_PAIRS,
        keys.USER_JOB_SCORES,
    )  # fmt: skip
    assert result.success
    assert mart_rows(copied, day) == marts
    again = files_of(copied, day)
    assert {name for name in files | again if files.get(name) != again.get(name)} == set()
    (decided,) = result.asset_materializations_for_node("monitoring__retrain_decision")
    log = lived.home.platform.event_log.read("retrain_decided", start=day, end=day).to_pylist()
    assert [row["decision_id"] for row in log] == [decided.metadata["decision_id"].value]
    assert before["decision_id"].value != decided.metadata["decision_id"].value


def promotion_of(home, day: date) -> date:
    """Return the partition that holds the reference of the champion of a day."""
    version = home.platform.of_model().scorers.champion_version(day)
    stored = home.platform.tables.report_days(REFERENCE_REPORT)
    return next(
        one for one in stored if home.platform.tables.read_report(REFERENCE_REPORT, one)["model_version"] == version
    )


def test_a_reference_of_another_version_of_mlife_names_the_remedy_and_is_built_again(lived, copied) -> None:
    """A home that runs must not stop at an upgrade without saying how it goes on."""
    day, tables = lived.home.day(4), copied.platform.tables
    promoted = promotion_of(copied, day)
    assert promoted < day, "built long after it was promoted"
    files = files_of(copied, promoted)
    facts = tables.read_report(REFERENCE_REPORT, promoted)
    facts["form"] = 1
    tables.write_report(REFERENCE_REPORT, promoted, facts)
    broken = copied.run_assets(day, keys.DATA_QUALITY_REPORT, raise_on_error=False)
    (failure,) = [event for event in broken.all_events if event.is_step_failure]
    words = failure.step_failure_data.user_failure_data.description
    assert f"materialize the asset monitoring_reference for partition {promoted}, then this day again" in words
    assert copied.run_assets(promoted, keys.MONITORING_REFERENCE).success
    assert files_of(copied, promoted) == files, "the same to the byte, as of the day of the promotion"
    assert copied.run_assets(day, keys.DATA_QUALITY_REPORT).success
