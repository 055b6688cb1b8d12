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
    """A project whose model `late` has ten days, and a daily job that asks for a resource."""

    def of(broken: str | None = None):
        @dg.resource
        def store(_):
            if broken:
                raise ValueError(broken)

        @dg.asset(partitions_def=DAYS, required_resource_keys={"store"})
        def scores() -> None: ...

        platform = SimpleNamespace(model_names=["late"], of_model=lambda _: None)
        definitions = dg.Definitions(
            [scores],
            jobs=[dg.define_asset_job("late_daily_job", [scores])],
            resources={"store": store, "platform": platform},
        )
        monkeypatch.setattr(project_history.dg, "load_from_defs_folder", lambda **_: definitions)
        monkeypatch.setattr(project_history, "decision_rows", lambda _: [])
        monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
        return lambda first, last: list(project_history.live_days(tmp_path, None, first, last))

    return of


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        (date(2026, 1, 3), date(2026, 1, 2), "--from: 2026-01-03 is after --to, 2026-01-02; swap them"),
        (date(2025, 12, 31), date(2026, 1, 2), "--from: 2025-12-31 is no day of late, .* 2026-01-01 to 2026-01-10"),
        (date(2026, 1, 1), date(2026, 1, 11), "--to: 2026-01-11 is no day of late, .*; name one of these"),
    ],
)
def test_a_range_without_days_of_the_model_is_refused_by_its_option(live, first, last, said) -> None:
    with pytest.raises(InvalidInputError, match=said):
        live()(first, last)


def test_a_run_that_fails_before_its_first_step_is_named_with_its_cause(live) -> None:
    said = "2026-01-01: .*late_daily_job failed, and no later day was run: .*the disk is full.*give the same command"
    with pytest.raises(PermanentError, match=said):
        live("the disk is full")(date(2026, 1, 1), date(2026, 1, 2))


def test_a_day_that_succeeded_without_a_decision_is_named(live) -> None:
    with pytest.raises(PermanentError, match=r"2026-01-01: .* holds no decision of the day; launch the job"):
        live()(date(2026, 1, 1), date(2026, 1, 2))
