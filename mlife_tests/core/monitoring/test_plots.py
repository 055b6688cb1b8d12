from __future__ import annotations

import io
from datetime import date, timedelta

import numpy as np
from PIL import Image

from mlife_assets.core.monitoring.plots import DECISIONS_SHOWN, plot_decisions, plot_findings
from mlife_assets.core.monitoring.reports import Finding, conclude
from mlife_assets.core.monitoring.retrain_decisions import RetrainDecision

DAY = date(2026, 6, 2)


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
