from __future__ import annotations

import io
from datetime import date

import numpy as np
import pyarrow as pa
from PIL import Image

from mlife_assets.components.metrics import map_history
from mlife_assets.components.metrics.map_history import MapDay, user_rankings
from mlife_assets.components.monitoring import performance_history
from mlife_assets.components.monitoring.performance_history import performance_picture, write_performance
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.monitoring.columns import LABEL
from mlife_assets.core.monitoring.reports import Finding, conclude
from mlife_assets.core.monitoring.thresholds import Statistic
from mlife_assets.core.windows import add_days

DAY = date(2026, 6, 2)
METRICS = ("roc_auc", "average_precision")


def written(platform: Platform, day: date, realised: float | None, *, clicks: bool = True) -> None:
    """Keep a day of both outcomes, or one without enough labels."""
    window = pa.table({"is_positive": [True, False, False]})
    outcomes = (LABEL, "click") if clicks else (LABEL,)
    found = [Statistic("estimated", m, 0.8) for m in METRICS] + [
        Statistic("realised", m, realised or 0.0) for m in METRICS
    ]
    findings = [
        Finding("concept", metric, f"{prefix}performance_shortfall", 0.0, 0.05, False, "fine.")
        for prefix in ("", "click_")
        for metric in METRICS
    ]
    report = conclude(
        "concept_drift_report", as_of=day, model_version="m", sample_rows=3,
        findings=findings if realised is not None else [], ok="fine", alarm="",
    )  # fmt: skip
    statistics = {outcome: found if realised is not None else [] for outcome in outcomes}
    write_performance(platform, day, report, dict.fromkeys(outcomes, window), statistics)


def test_history_tells_both_outcomes_with_their_limits_and_nothing_where_there_is_nothing(platform) -> None:
    written(platform, DAY, None)
    written(platform, add_days(DAY, 1), 0.7)
    written(platform, add_days(DAY, 2), 0.79, clicks=False)
    written(platform, add_days(DAY, 9), 0.1)
    history = performance_history.performance_history(platform, add_days(DAY, 2))
    assert [(one.as_of_date, one.outcome, one.metric) for one in history] == [
        *((add_days(DAY, 1), outcome, metric) for outcome in (LABEL, "click") for metric in METRICS),
        *((add_days(DAY, 2), LABEL, metric) for metric in METRICS),
    ]
    assert {(one.estimated, one.realised, one.allowed) for one in history[:4]} == {(0.8, 0.7, 0.05)}
    assert [one.is_alarm for one in history] == [True] * 4 + [False] * 2
    stored = platform.tables.read_report("realised_performance", add_days(DAY, 1))
    assert stored["click_allowed_shortfall_roc_auc"] == stored["allowed_shortfall_roc_auc"] == 0.05
    assert (stored["exposures"], stored["positives"], stored["click_positives"]) == (3, 1, 1)


def test_reports_of_before_limits_were_kept_are_drawn_without(platform) -> None:
    old = {"as_of_date": DAY, "exposures": 9} | {
        f"{how}_{m}": 0.7 for how in ("realised", "estimated") for m in METRICS
    }
    platform.tables.write_report("realised_performance", DAY, old)
    history = performance_history.performance_history(platform, DAY)
    assert {(one.outcome, one.allowed, one.is_alarm) for one in history} == {(LABEL, None, False)}


def test_the_picture_of_a_day_knows_no_later_one_and_ranks_mature_days_only(platform, monkeypatch) -> None:
    asked: list[list[date]] = []

    def ranked(_, days):
        asked.append(list(days))
        return [MapDay(day, "m", 0.45, 0.3, 0.1, 40) for day in days]

    monkeypatch.setattr(map_history, "map_by_day", ranked)
    for offset in range(12):
        written(platform, add_days(DAY, offset), 0.79)
    now = add_days(DAY, 10)
    before = performance_picture(platform, now, user_rankings)
    written(platform, add_days(DAY, 11), 0.1)
    assert performance_picture(platform, now, user_rankings) == before
    assert asked == [[DAY, add_days(DAY, 1), add_days(DAY, 2)]] * 2
    pixels = np.asarray(Image.open(io.BytesIO(before)).convert("RGB"))
    assert pixels.shape[0] > 500, "four metrics and the ranking"
