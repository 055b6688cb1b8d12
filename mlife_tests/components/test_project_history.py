"""What `mlife days` says of days that it cannot run, and of runs that fail."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import dagster as dg
import pytest

from mlife_assets.components import project_history
from mlife_assets.core.errors import InvalidInputError, PermanentError

DAYS = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-01-11")


@pytest.fixture
def live(monkeypatch, tmp_path):
    """Return what lives days of a project whose model `late` has ten of them, and where the disk may be full."""

    def of(first: date, last: date, full: str = "") -> list[object]:
        def write(place: str) -> None:
            if place == full:
                raise OSError("the disk is full")

        store = dg.ResourceDefinition(lambda _: write("store"))
        scores = dg.asset(lambda: write("scores"), name="scores", partitions_def=DAYS, required_resource_keys={"store"})
        platform = SimpleNamespace(model_names=["late"], of_model=lambda _: None)
        job = dg.define_asset_job("late_daily_job", [scores])
        definitions = dg.Definitions([scores], jobs=[job], resources={"store": store, "platform": platform})
        monkeypatch.setattr(project_history.dg, "load_from_defs_folder", lambda **_: definitions)
        monkeypatch.setattr(project_history, "decision_rows", lambda _: [])
        monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
        return list(project_history.live_days(tmp_path, None, first, last))

    return of


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (date(2026, 1, 3), date(2026, 1, 2), "--from: 2026-01-03 is after --to, 2026-01-02; swap"),
        (date(2025, 12, 31), date(2026, 1, 2), "--from: 2025-12-31 .* late: they are 2026-01-01 to 2026-01-10; name"),
        (date(2026, 1, 1), date(2026, 1, 11), "--to: 2026-01-11 is not among the partitions of late"),
    ],
)
def test_a_range_without_days_of_the_model_is_refused_by_its_option(live, first, last, said) -> None:
    with pytest.raises(InvalidInputError, match=said):
        live(first, last)


@pytest.mark.parametrize(("full", "failed"), [("store", "late_daily_job"), ("scores", "scores of late_daily_job")])
def test_a_failed_run_is_named_with_its_step_if_it_had_one_and_its_cause(live, full, failed) -> None:
    said = f"^2026-01-01: {failed} failed, and no later day was run: .*the disk is full.*give the same command"
    with pytest.raises(PermanentError, match=said):
        live(date(2026, 1, 1), date(2026, 1, 2), full)


def test_a_day_that_succeeded_without_a_decision_is_named(live) -> None:
    with pytest.raises(PermanentError, match=r"2026-01-01: .* holds no decision of the day; launch the job"):
        live(date(2026, 1, 1), date(2026, 1, 2))
