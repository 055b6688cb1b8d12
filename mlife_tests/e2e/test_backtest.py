"""The backtest of what a deployment has lived, as a job on its own history."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.components.model import backtest
from mlife_assets.components.model.backtest import replayed_model, team_history
from mlife_assets.components.running.driver import QUIET
from mlife_assets.core.pages.document import BACKTEST
from mlife_assets.core.policies import BacktestPolicy
from mlife_assets.core.windows import add_days

NODE = "model__lifecycle_backtest"
NAMES = ["governed", "frozen", "naive", "every_alarm", "constant"]


def run_backtest(home: Any, *, raise_on_error: bool = True) -> dg.ExecuteInProcessResult:
    """Run `lifecycle_backtest_job` as its schedule does: no partition."""
    with home.instance() as instance:
        job = home.definitions.resolve_job_def("lifecycle_backtest_job")
        return job.execute_in_process(instance=instance, run_config=QUIET, raise_on_error=raise_on_error)


def shown(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (made,) = result.asset_materializations_for_node(NODE)
    return dict(made.metadata)


@dataclass(frozen=True)
class Asked:
    """A copy of the lived home and what two runs showed."""

    home: Any
    first: dict[str, Any]
    again: dict[str, Any]


def seasons(rows: pa.Table, count: int) -> pa.Table:
    """Return `count` copies of a history one after the other, the last where it was: seven weeks hold no replay."""
    days = rows["exposure_date"].to_pylist()
    length = (max(days) - min(days)).days + 1
    parts = []
    for back in range(count - 1, -1, -1):
        part = rows
        for name in (field.name for field in rows.schema if pa.types.is_date32(field.type)):
            moved = [add_days(day, -back * length) for day in rows[name].to_pylist()]
            part = part.set_column(part.column_names.index(name), name, pa.array(moved, pa.date32()))
        parts.append(part)
    return pa.concat_tables(parts)


@pytest.fixture(scope="module")
def asked(lived, lived_world, tmp_path_factory) -> Asked:
    policies = replace(
        lived_world.POLICIES,
        monitoring=replace(lived_world.POLICIES.monitoring, sample_rows_per_day=300),
        training=replace(lived_world.POLICIES.training, formulations=("binary",), trees_maximum=15),
        backtest=BacktestPolicy(warmup_days=40, bootstrap_resamples=200, naive_retrain_days=14),
    )
    home = lived.home.copy_to(tmp_path_factory.mktemp("backtest") / "home", policies)
    lived_history = backtest.team_history(home.platform, backtest.newest_day(home.platform))
    people = pa.array(sorted(pc.unique(lived_history["user_id"]).to_pylist())[::2])
    lived_history = lived_history.filter(pc.is_in(lived_history["user_id"], people))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backtest, "team_history", lambda *_: seasons(lived_history, 2))
        return Asked(home, shown(run_backtest(home)), shown(run_backtest(home)))


@pytest.mark.proof
def test_four_policies_are_shown_with_a_recommendation_and_a_page(asked) -> None:
    rows = [row.data for row in asked.first["policies"].records]
    assert [row["policy"] for row in rows] == NAMES
    for row in rows:
        assert row["lower"] <= row["average precision"] <= row["upper"]
        assert (row["trainings"] >= 1) == (row["fitting seconds"] > 0) == (row["policy"] != "constant")
    assert asked.first["recommended"].value in NAMES
    assert "Recommended: " in asked.first["why"].value
    assert [row.data["governed minus"] for row in asked.first["differences"].records] == NAMES[1:]
    assert "data:image/png;base64,iVBOR" in asked.first["over_time"].value
    decided = [row.data for row in asked.first["governed_decided"].records]
    assert decided[0]["codes"] == "first_champion_ungated"
    page = (asked.home.settings.lake_place / BACKTEST).read_text(encoding="utf-8")
    assert asked.first["page"].value.endswith(BACKTEST)
    assert "Who applies to which job" in page


@pytest.mark.proof
def test_a_second_run_reads_what_the_first_has_kept(asked) -> None:
    assert asked.first["steps_of_an_earlier_run"].value == 0
    assert asked.again["steps_of_an_earlier_run"].value > 10
    assert asked.again["policies"] == asked.first["policies"]


@pytest.mark.proof
def test_only_mature_unbiased_exposures_are_replayed_each_pair_once_a_day(asked) -> None:
    platform = asked.home.platform
    today = asked.home.day(1)
    rows = team_history(platform, today)
    assert rows.num_rows > 1_000
    assert max(rows["label_mature_date"].to_pylist()) <= today
    assert set(rows["slice"].to_pylist()) <= {"organic", "explore"}
    keys = rows.group_by(["user_id", "job_id", "exposure_date"]).aggregate([([], "count_all")])
    assert keys.num_rows == rows.num_rows
    mart = platform.warehouse.read("labelled_examples", end=today).filter(pc.field("is_applied"))
    applied = set(zip(*(mart[name].to_pylist() for name in ("user_id", "job_id", "exposure_date")), strict=True))
    kept = rows.select(["user_id", "job_id", "exposure_date", "is_applied"]).to_pylist()
    for row in kept:
        assert row["is_applied"] <= ((row["user_id"], row["job_id"], row["exposure_date"]) in applied)


@pytest.mark.proof
def test_a_mart_of_a_release_without_early_labels_is_replayed_without_them(asked, monkeypatch) -> None:
    platform, today, read = asked.home.platform, asked.home.day(1), type(asked.home.platform.warehouse).read
    monkeypatch.setattr(
        type(platform.warehouse), "read", lambda *a, **k: read(*a, **k).drop_columns(["is_applied_early"])
    )
    rows = team_history(platform, today)
    assert rows["is_applied_early"].null_count == rows.num_rows > 1_000


@pytest.mark.proof
@pytest.mark.parametrize("judged_by", ["folds", "holdout"])
def test_it_is_replayed_as_the_platform_judges(asked, lived_world, judged_by: str) -> None:
    policies = asked.home.platform.policies
    assert policies.backtest.gate_is_prequential
    promotion = replace(policies.promotion, judged_by=judged_by)
    model = replayed_model(lived_world.open_home(asked.home.folder, replace(policies, promotion=promotion)).platform)
    assert model.backtest.gate_is_prequential == (judged_by == "folds")
    assert model.backtest.gate_fold_days == 7
    assert model.baseline is None, "a rule ranks what could have been shown, which no history holds"


def test_a_young_deployment_sees_how_many_days_are_needed(lived) -> None:
    with pytest.raises(dg.Failure, match=r"at least 116 are needed: 60 before the first champion"):
        run_backtest(lived.home)


def test_it_is_no_part_of_a_day_or_of_a_retraining(lived) -> None:
    repository = lived.home.definitions.get_repository_def()
    for name in ("daily_lifecycle_job", "retraining_job"):
        assert NODE not in {node.name for node in repository.get_job(name).nodes}
    schedule = repository.get_schedule_def("weekly_backtest_schedule")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert schedule.job_name == "lifecycle_backtest_job"
