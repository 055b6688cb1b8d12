"""What a challenger may learn from, read from real marts: of the newest exposures the clicks alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pyarrow.compute as pc

from mlife_assets.components.model.training_inputs import (
    day_training_set,
    is_by_folds,
    known_by,
    training_marts,
    training_set_of,
)
from mlife_assets.components.platform.model_platform import in_run
from mlife_assets.core.training.training_set import build_training_set, first_gate_day
from mlife_assets.core.windows import add_days, last_mature_exposure_day


def test_the_newest_exposures_teach_clicks_and_have_no_label(lived, lived_world) -> None:
    platform, windows = lived.home.platform, lived_world.POLICIES.label
    day = lived.home.day(lived_world.RETRAIN_DAY)
    to_applies, to_clicks = (
        last_mature_exposure_day(day, days) for days in (windows.apply_window_days, windows.click_window_days)
    )
    labelled = platform.warehouse.read("labelled_examples", end=to_applies)
    newer = platform.warehouse.read("click_examples", start=add_days(to_applies, 1), end=to_clicks)
    rows = training_marts(platform).known_rows(day)
    assert rows.num_rows == labelled.num_rows + newer.num_rows
    assert rows["is_applied"].null_count == newer.num_rows > 0
    assert rows["is_clicked"].null_count == 0
    newest = rows.filter(rows["is_applied"].is_null())
    assert rows["is_applied_early"].null_count == 0
    for name in ("exposure_id", "is_clicked", "is_applied_early", "job_clicks_7d"):
        assert newest[name].to_pylist() == newer[name].to_pylist()
        assert rows.slice(0, labelled.num_rows)[name].to_pylist() == labelled[name].to_pylist()
    for name, days in (
        ("click_mature_date", windows.click_window_days),
        ("label_mature_date", windows.apply_window_days),
    ):
        assert pc.unique(pc.days_between(rows["exposure_date"], rows[name])).to_pylist() == [days + 1]
    every = build_training_set(rows, platform.model, as_of=day, gate_start=day, quarantined=())
    assert every.trained_to == {"is_clicked": to_clicks, "is_applied": to_applies}


def test_what_is_read_once_for_several_days_is_what_each_would_read(lived, lived_world) -> None:
    platform, day = lived.home.platform, lived.home.day(lived_world.RETRAIN_DAY)
    kept = in_run(platform, "a run")
    for back in (3, 0, 7, 21):
        one = add_days(day, -back)
        assert training_marts(kept).known_rows(one).equals(training_marts(platform).known_rows(one))
        found = training_set_of(kept, one)
        assert found.data_hash == training_set_of(platform, one).data_hash
        assert training_set_of(kept, one) is found


def test_judged_by_folds_everything_mature_teaches(lived, lived_world) -> None:
    platform = lived.home.platform
    day = lived.home.day(lived_world.RETRAIN_DAY)
    assert is_by_folds(platform.model)
    assert day_training_set(platform, day).trained_to == windows_before(day, lived_world)


def test_with_a_holdout_each_step_ends_its_own_window_before_it(lived, lived_world) -> None:
    platform = lived.home.platform
    day = lived.home.day(lived_world.RETRAIN_DAY)
    promotion = replace(platform.model.promotion, judged_by="holdout")
    start = known_by(replace(platform.model, promotion=promotion), day)
    assert start == first_gate_day(day, platform.model) < day
    assert training_set_of(platform, start).trained_to == windows_before(start, lived_world)


def windows_before(day: date, lived_world) -> dict[str, date]:
    """Return the last exposure day whose clicks, and whose applications, were complete on a morning."""
    windows = lived_world.POLICIES.label
    return {
        "is_clicked": last_mature_exposure_day(day, windows.click_window_days),
        "is_applied": last_mature_exposure_day(day, windows.apply_window_days),
    }
