"""Before and after: every column that moved has a panel, with shares of the reference and of the day."""

from __future__ import annotations

import io
from datetime import date, timedelta
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from mlife_assets.core.monitoring import plots as module
from mlife_assets.core.monitoring.columns import LABEL, Wording
from mlife_assets.core.monitoring.outcomes import METRICS
from mlife_assets.core.monitoring.plots import (
    DECISIONS_SHOWN,
    PANELS_MAXIMUM,
    PerformanceDay,
    RankingDay,
    plot_decisions,
    plot_findings,
    plot_moved,
    plot_performance,
)
from mlife_assets.core.monitoring.reference import MonitoringReference
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport, conclude
from mlife_assets.core.monitoring.retrain_decisions import RetrainDecision

DAY = date(2026, 6, 2)
PNG = b"\x89PNG\r\n\x1a\n"


def picture(data: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(data))
    assert image.mode == "P"
    assert len(data) <= 40_000
    return np.asarray(image.convert("RGB")).astype(int)


def red(pixels: np.ndarray) -> int:
    return int((np.abs(pixels - [192, 57, 43]).sum(axis=2) < 40).sum())


def drawn(alarms: int) -> bytes:
    findings = [
        Finding(
            "data", f"a_long_feature_name_{k}", "kolmogorov_smirnov", 0.2 if k < alarms else 0.05, 0.1, k < alarms, "x"
        )
        for k in range(30)
    ]
    report = conclude(
        "data_drift_report", as_of=DAY, model_version="m", sample_rows=1, findings=findings, ok="", alarm=""
    )
    return plot_findings(report)


def test_alarming_bars_are_red_and_the_picture_small() -> None:
    assert red(picture(drawn(0))) == 0
    assert red(picture(drawn(6))) > 1.5 * red(picture(drawn(3))) > 0
    assert drawn(3) == drawn(3)


def test_a_report_without_findings_is_drawn_too() -> None:
    report = conclude("r", as_of=DAY, model_version=None, sample_rows=0, findings=[], ok="fine", alarm="")
    assert picture(plot_findings(report)).shape[0] > 50


def test_decisions_are_drawn_in_time_order() -> None:
    verdicts = ["wait"] * 9 + ["block"] + ["retrain"] + ["wait"] * 10
    decisions = [
        RetrainDecision(DAY + timedelta(days=k), verdict, ("data_alarm",) if k == 10 else (), (), "m")
        for k, verdict in enumerate(verdicts)
    ]
    data = plot_decisions(decisions)
    assert data == plot_decisions(decisions[::-1])
    assert red(picture(data)) > 0
    assert picture(plot_decisions([])).size > 0


def test_the_newest_decisions_are_drawn_and_no_older_ones() -> None:
    decisions = [RetrainDecision(DAY + timedelta(days=k), "wait", (), (), "m") for k in range(DECISIONS_SHOWN + 30)]
    assert plot_decisions(decisions) == plot_decisions(decisions[30:])
    assert plot_decisions(decisions) != plot_decisions(decisions[31:])


def test_an_alarm_that_does_not_count_is_pale() -> None:
    def drawn_with(code: str) -> np.ndarray:
        return picture(plot_decisions([RetrainDecision(DAY, "wait", (code,), (), "m")]))

    def pale(pixels: np.ndarray) -> int:
        return int((np.abs(pixels - [234, 181, 174]).sum(axis=2) < 30).sum())

    counted, dismissed = drawn_with("data_alarm"), drawn_with("data_alarm_unimportant")
    assert pale(counted) < 100 < pale(dismissed)
    assert red(dismissed) < red(counted)


def report(*moved: str, kind: str = "data") -> MonitoringReport:
    findings = [Finding(kind, name, "kolmogorov_smirnov", 0.5, 0.1, True, "moved") for name in moved]
    return conclude(
        "r", as_of=date(2026, 4, 10), model_version="m", sample_rows=200, findings=findings, ok="", alarm="x"
    )


@pytest.fixture
def axes(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the axes of what is drawn."""
    seen: list[Any] = []

    def keep(figure: Any) -> bytes:
        seen.extend(one for one in figure.axes if one.axison)
        return PNG

    monkeypatch.setattr(module, "palette_png", keep)
    return seen


def test_a_picture_is_small_and_the_same_bytes_again(reference: MonitoringReference, world: Any) -> None:
    names = [name for name in reference.sample.column_names if name not in {"as_of_date", "user_id", "job_id"}]
    picture = plot_moved(report(*names), reference, world.day(30))
    assert picture is not None
    assert picture.startswith(PNG)
    assert len(picture) <= 40_000
    assert plot_moved(report(*names), reference, world.day(30)) == picture


def test_nothing_that_moved_is_no_picture(reference: MonitoringReference, world: Any) -> None:
    day = world.day(30)
    assert plot_moved(report(), reference, day) is None
    assert plot_moved(report("calibration_level"), reference, day) is None
    assert plot_moved(report("distance_km"), reference, day.drop_columns(["distance_km"])) is None


def test_both_sides_are_shares_of_their_own_rows(reference: MonitoringReference, world: Any, axes: list[Any]) -> None:
    day = world.day(30)
    shifted = day.set_column(
        day.column_names.index("distance_km"), "distance_km", pa.array(day["distance_km"].to_numpy() + 10_000.0)
    )
    plot_moved(report("distance_km"), reference, shifted)
    (panel,) = axes
    assert panel.get_title(loc="left") == "distance_km"
    before, after = (patch.get_path().vertices for patch in panel.patches)
    edges = panel.get_xlim()
    middle = sum(edges) / 2
    assert before[:, 1].max() == pytest.approx(100, abs=15)  # all of the reference at the left end
    assert before[before[:, 1] > 0][:, 0].max() < middle < after[after[:, 1] > 0][:, 0].min()


def test_a_new_category_stands_first_with_nothing_before(
    reference: MonitoringReference, world: Any, axes: list[Any]
) -> None:
    day = world.day(30, new_city=0.3)
    plot_moved(report("metro_code"), reference, day)
    (panel,) = axes
    bars = panel.patches
    before, after = bars[: len(bars) // 2], bars[len(bars) // 2 :]
    new = set(day["metro_code"].to_pylist()) - set(reference.sample["metro_code"].to_pylist())
    assert panel.get_yticklabels()[-1].get_text() in new
    assert before[-1].get_width() == 0
    share = np.mean([value in new for value in day["metro_code"].to_pylist()])
    assert after[-1].get_width() == pytest.approx(100 * share)


def test_columns_beyond_the_space_are_counted(reference: MonitoringReference, world: Any, axes: list[Any]) -> None:
    names = [name for name in reference.sample.column_names if name not in {"as_of_date", "user_id", "job_id"}]
    plot_moved(report(*names), reference, world.day(30))
    assert len(axes) == PANELS_MAXIMUM < len(names)
    legend = axes[0].figure.legends[0]
    assert f"{len(names) - PANELS_MAXIMUM} more columns moved" in legend.get_texts()[1].get_text()


def test_a_column_without_values_has_an_empty_side(reference: MonitoringReference, world: Any, axes: list[Any]) -> None:
    day = world.day(30)
    gone = day.set_column(day.column_names.index("distance_km"), "distance_km", pa.nulls(day.num_rows, pa.float64()))
    plot_moved(report("distance_km"), reference, gone)
    before, after = (patch.get_path().vertices[:, 1].max() for patch in axes[0].patches)
    assert before > 0
    assert after == 0


WORDS = {LABEL: Wording("sales"), "quote": Wording("quotes")}
performance_plot = partial(plot_performance, words=WORDS)
RANKING = [RankingDay(DAY + timedelta(days=k), 0.45, 0.3, 0.1) for k in range(5)]


def performance(realised: float, *, days: int = 9, outcomes=tuple(WORDS), allowed: float | None = 0.05):
    return [
        PerformanceDay(DAY + timedelta(days=k), outcome, metric, 0.75, realised, allowed)
        for k in range(days)
        for outcome in outcomes
        for metric in METRICS
    ]


def test_a_day_alarms_when_it_falls_short_by_more_than_allowed() -> None:
    assert not PerformanceDay(DAY, LABEL, "roc_auc", 0.75, 0.5, None).is_alarm
    assert not PerformanceDay(DAY, LABEL, "roc_auc", 0.75, 0.5, 0.25).is_alarm
    assert PerformanceDay(DAY, LABEL, "roc_auc", 0.75, 0.5, 0.24).is_alarm


def test_what_falls_short_is_red_and_what_does_not_is_not() -> None:
    assert red(picture(performance_plot(performance(0.74), RANKING))) == 0
    assert red(picture(performance_plot(performance(0.6), RANKING))) > 50
    assert red(picture(performance_plot(performance(0.6, allowed=None), RANKING))) == 0


def test_there_is_a_panel_for_what_is_known_only() -> None:
    def height(*args) -> int:
        return picture(performance_plot(*args)).shape[0]

    both, one = performance(0.74), performance(0.74, outcomes=(LABEL,))
    assert height(both, RANKING) > height(both, []) > height(one, []) > height([], [])
    assert height([], RANKING) < height(one, RANKING)


def test_the_same_days_give_the_same_bytes_in_any_order() -> None:
    days = performance(0.6)
    assert performance_plot(days, RANKING) == performance_plot(days[::-1], RANKING[::-1])
