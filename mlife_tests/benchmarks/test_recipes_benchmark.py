"""The benchmark of recipes: judged on the week after alone, compared in pairs, and loud about what is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import average_precision_score

from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.policies import TrainingPolicy

FIRST, DAYS, PER_DAY, CHANGE = date(2025, 1, 1), 90, 60, 60
ROLES = ExampleSpec(entity="who", time="day", label="won", label_time="known", features=("strength", "noise"))
POLICY = TrainingPolicy(
    formulations=("binary",), trees_maximum=30, minimum_child_examples=20, minimum_examples=500, half_life_days=7.0
)


@pytest.fixture(scope="module")
def walk(bench: ModuleType) -> Any:
    """Return a history whose outcome follows `strength`, and `noise` from day 60 on."""
    rng = np.random.default_rng(1)
    number = np.repeat(np.arange(DAYS), PER_DAY)
    strength, noise = rng.normal(size=(2, len(number)))
    log_odds = -1 + 1.5 * np.where(number >= CHANGE, noise, strength)
    day = np.datetime64(FIRST) + number
    rows = pa.table(
        {
            "day": pa.array(day), "who": [f"w{row}" for row in range(len(number))],
            "won": pa.array(rng.random(len(number)) < 1 / (1 + np.exp(-log_odds))), "known": pa.array(day + 1),
            "strength": strength, "noise": noise,
        }
    )  # fmt: skip
    refits = tuple(FIRST + timedelta(days=offset) for offset in (50, 75, 82))
    return bench.Walk("made up", rows, ROLES, POLICY, "binary", refits)


@pytest.fixture(scope="module")
def weeks(bench: ModuleType, walk: Any) -> list[Any]:
    return list(bench.walked(walk, []))


def test_every_recipe_is_judged_on_every_week(bench: ModuleType, walk: Any, weeks: list[Any]) -> None:
    names = [*bench.recipes(POLICY), bench.WARM, bench.CORRECTION]
    assert {(week.recipe, week.as_of) for week in weeks} == {(name, day) for name in names for day in walk.refits}
    rows = bench.compared(weeks)
    assert [row["recipe"] for row in rows] == names
    assert rows[0]["log_loss_gain"] == rows[0]["average_precision_gain"] == 0.0


def test_nothing_after_the_morning_of_a_refit_is_learned_from(
    bench: ModuleType, walk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_later = walk.rows["day"].to_numpy() >= np.datetime64(walk.refits[0])
    won = np.asarray(walk.rows["won"])
    place = walk.rows.column_names.index("won")
    turned = walk.rows.set_column(place, "won", pa.array(np.where(is_later, ~won, won)))
    raws: list[list[bytes]] = []
    real = bench._judged
    monkeypatch.setattr(
        bench,
        "_judged",
        lambda name, day, raw, *rest: (raws[-1].append(raw["won"].tobytes()), real(name, day, raw, *rest))[1],
    )
    for rows in (walk.rows, turned):
        raws.append([])
        list(bench.walked(replace(walk, rows=rows, refits=walk.refits[:1]), []))
    assert len(raws[0]) == len(bench.recipes(POLICY)) + 2
    assert raws[0] == raws[1]


def test_after_a_change_recent_rows_win(bench: ModuleType, weeks: list[Any]) -> None:
    found = {(week.recipe, week.as_of): week for week in weeks}
    after = max(week.as_of for week in weeks)
    plain, recent = (found[name, after].average_precision for name in ("plain", "recent 14"))
    assert recent > plain + 0.05
    assert found["correction", after].average_precision > plain + 0.05


def test_measures_are_those_of_others(bench: ModuleType) -> None:
    rng = np.random.default_rng(2)
    raw, outcome = rng.normal(size=500), rng.random(500) < 0.2
    found = bench._judged("plain", FIRST, {"won": raw}, outcome, 0.0)
    assert found.average_precision == pytest.approx(average_precision_score(outcome, raw))
    assert found.log_loss == pytest.approx(np.mean(np.logaddexp(0, np.where(outcome, -raw, raw))))


def test_an_interval_of_one_value_is_that_value_and_one_of_noise_holds_it(bench: ModuleType) -> None:
    assert bench.interval(np.full(6, 0.25)) == (0.25, 0.25, 0.25)
    mean, lower, upper = bench.interval(np.random.default_rng(1).normal(0, 1, 40))
    assert lower < mean < upper
    assert lower < 0 < upper


def test_what_is_missing_is_named(bench: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = ("bank", "electricity")
    assert list(bench.real_histories(tmp_path, lambda name: name in wanted)) == []
    said = capsys.readouterr().err
    for file in ("bank_marketing.parquet", "electricity_prices.parquet"):
        assert f"since {file} is missing" in said
