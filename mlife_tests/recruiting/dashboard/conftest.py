"""A dashboard with every feature of the page, seeded: three weeks with a shift, a retrain, a refusal and a fault."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from mlife_assets.core.pages.charts.values import DailyValue
from mlife_assets.core.pages.document import DASHBOARD, nav
from mlife_assets.core.statistics import Interval
from mlife_assets.recruiting.dashboard import data
from mlife_assets.recruiting.dashboard.data import ApplicationFigures, DashboardData, Decision, Kpi, Suppression
from mlife_assets.recruiting.lift import ArmsOfDay, ArmSums, Claim, Look, PlannedShare

FIRST = date(2026, 5, 20)
LAST = date(2026, 6, 22)
SPAN = (LAST - FIRST).days + 1


def _days() -> list[date]:
    return [FIRST + timedelta(days=i) for i in range(SPAN)]


def _daily(values: np.ndarray, days: int = SPAN) -> tuple[DailyValue, ...]:
    return tuple(DailyValue(day, float(v)) for day, v in zip(_days()[:days], values, strict=False))


def _pending(days: int) -> tuple[DailyValue, ...]:
    """Return the last days, known nine days later."""
    return tuple(DailyValue(day, None, pending_until=day + timedelta(days=9)) for day in _days()[-days:])


def lift_to(low: float, high: float, *, earned: Interval | None = None, days: int = 20) -> data.Lift:
    """Return a lift whose interval narrows to these bounds; shown where it holds no zero."""
    middle = (low + high) / 2
    looks = [Look(FIRST + timedelta(days=n), "not_known") for n in range(SPAN - days)]
    for left in range(days, 0, -1):
        wide = (high - low) / 2 * (days / (days - left + 1)) ** 0.5
        looks.append(
            Look(LAST - timedelta(days=left), "not_known", Interval(middle, middle - wide, middle + wide, 0.95, 9))
        )
    claim: Claim = "shown" if low > 0 else "contrary" if high < 0 else "not_known"
    bounds = Interval(middle, low, high, 0.95, 9_600)
    looks[-1] = Look(looks[-1].day, claim, bounds, earned if claim != "not_known" else None)
    if claim == "not_known":
        looks[-1] = replace(looks[-1], reaches=date(2026, 8, 3), half_width=0.2)
    arms = ArmsOfDay(looks[-1].day, ArmSums(9_120, 2_900, 5_000), ArmSums(480, 110, 190))
    plan = (PlannedShare(0.05, 0.41, None), PlannedShare(0.1, 0.28, 120), PlannedShare(0.2, 0.21, 47))
    return data.Lift(tuple(looks), arms, 0.05, LAST + timedelta(days=1), plan, plan[2])


def example(seed: int = 7) -> DashboardData:
    """Return the example; other seeds give other noise."""
    rng = np.random.default_rng(seed)
    ramp = np.clip((np.arange(SPAN) - 15) / 5, 0, 1)

    def noise(size: float) -> np.ndarray:
        return rng.normal(0, size, SPAN)

    mature = SPAN - 8
    sent = np.where(np.arange(SPAN) % 7 == 4, 0, rng.integers(1500, 1950, SPAN))
    sent[26] = 0
    delivered = np.round(sent * 0.965)
    arms = range(6, SPAN, 7)
    drift = tuple(
        data.DriftSeries(
            name,
            kind,  # type: ignore[arg-type]
            tuple(
                data.DriftValue(day, float(v), threshold, bool(v > threshold))
                for day, v in zip(
                    _days(), base + lift * np.clip((np.arange(SPAN) - 22) / 3, 0, 1) + noise(size), strict=True
                )
            ),
        )
        for name, kind, base, lift, size, threshold in (
            ("Jensen-Shannon distance, worst feature", "data", 0.06, 0.09, 0.012, 0.11),
            ("Domain classifier AUC", "latent", 0.51, 0.17, 0.012, 0.56),
            ("PCA reconstruction error", "latent", 1.02, 0.03, 0.02, 1.09),
            ("Residual score test, |z|", "concept", 0.9, 0.4, 0.4, 3.0),
        )
    )
    quiet = ("wait", ("no detector above its threshold",), ("no_drift",))
    recent = ("wait", ("the last fit is 5 days old",), ("no_drift",))
    drifted = "domain classifier AUC above its threshold on 2 of the last 3 days"
    retrain = ("retrain", (drifted, "2,140 new mature positives since the last training"), ("latent_drift",))
    fault = "distance_km is 0 in 31.2 % of rows (limit 2.0 %): a quality fault never triggers a retrain"
    said = [*[quiet] * 10, recent, retrain, recent, ("block", (fault,), ("quality_fault",)), *[recent] * 7]
    decisions = [Decision(day, *one, "mdl_4f0ce2a9b1d7") for day, one in zip(_days()[13:], said, strict=True)]  # type: ignore[arg-type]
    texting = lift_to(0.19, 0.44, earned=Interval(8_100.0, 1_200.0, 15_000.0, 0.95, 9_600))
    return DashboardData(
        as_of_date=LAST,
        first_date=FIRST,
        world="dev, simulated market, seed 20260403",
        kpis=(
            Kpi("MAP@10, champion", 0.412, "score", "recruiter rule 0.262, random 0.091", "good"),
            Kpi("Applies, texted over not", 0.315, "share", "shown: +32 % (+19 to +44 %); 480 in the holdout", "good"),
            Kpi("Texts sent", 33_912, "count", "96.5 % delivered"),
            Kpi("Click-through rate", 0.1043, "share", "3,412 clicks"),
            Kpi("Revenue", 18_443.5, "usd", "$0.54 per text"),
            Kpi("Opt-outs", 0.0061, "share", "of delivered texts, limit 1.0 %", "neutral"),
        ),
        model=data.ModelMetrics(
            map_realised=(*_daily(0.415 - 0.03 * ramp + noise(0.008), mature), *_pending(8)),
            map_human=(*_daily(0.262 + noise(0.006), mature), *_pending(8)),
            map_random=(*_daily(0.091 + noise(0.002), mature), *_pending(8)),
            auc_realised=_daily(0.782 - 0.03 * ramp + noise(0.004), mature),
            auc_estimated=_daily(0.783 + noise(0.003)),
            drift=drift,
        ),
        production=data.ProductionMetrics(
            sent=_daily(sent),
            delivered=_daily(delivered),
            click_through_rate=tuple(
                DailyValue(v.day, v.value if sent[i] else None) for i, v in enumerate(_daily(0.104 + noise(0.005)))
            ),
            apply_rate_treated=tuple(
                DailyValue(_days()[i], 0.112 + 0.002 * k, 0.106 + 0.002 * k, 0.118 + 0.002 * k)
                for k, i in enumerate(arms)
            ),
            apply_rate_holdout=tuple(DailyValue(_days()[i], 0.081, 0.058, 0.104) for i in arms),
            fill_rate=_daily(np.linspace(0.02, 0.31, SPAN) + noise(0.004)),
            revenue_usd=(*_daily(delivered * 0.55 + rng.normal(0, 40, SPAN) * (sent > 0), mature), *_pending(8)),
            opt_outs=_daily(np.round(delivered * 0.006 + rng.random(SPAN) * 2 * (sent > 0))),
        ),
        decisions=tuple(decisions),
        models=(
            data.ModelVersion(
                "mdl_4f0ce2a9b1d77c21aa90", date(2026, 6, 1), date(2026, 4, 13), date(2026, 5, 24), 118_204, 4_870,
                "promoted", DailyValue(date(2026, 6, 1), 0.149, 0.131, 0.166),
                ("first champion: gated against the recruiter rule alone",), is_champion=True,
            ),
            data.ModelVersion(
                "mdl_a81b37705e7f0d7cb3fe", date(2026, 6, 13), date(2026, 4, 13), date(2026, 6, 5), 131_904, 5_312,
                "not_enough_evidence", DailyValue(date(2026, 6, 13), 0.006, -0.004, 0.017),
                ("410 users with positives, 1,000 needed",),
            ),
        ),
        applications=(
            ApplicationFigures("Job of the day", "sms", 38_399, 0.172, 0.021, 6_032.0, lift=texting),
            ApplicationFigures(
                "Jobs of the week", "email", 339, pending_until=date(2026, 6, 19), lift=lift_to(-0.1, 0.34, days=9)
            ),
            ApplicationFigures("Calls of the recruiters", "call", 75),
        ),
        others=(
            data.OtherModel(
                "churn_risk", "Who will not come back", "mdl_7d09ce5518aa2b6e4f10", date(2026, 6, 1),
                "../models/mdl_7d09ce5518aa2b6e4f10/card.html", "promoted",
                data.RuleGain("average precision", "least_recently_seen_v1", DailyValue(LAST, 0.108, 0.095, 0.12)),
                Decision(LAST, "wait", ("Nothing that matters drifts.", "It is 21 days old.")),
            ),
        ),
        suppressions=(
            Suppression("holdout", 10_120), Suppression("frequency_cap", 41_310), Suppression("no_consent", 6_902),
            Suppression("quiet_hours", 1_204), Suppression("unknown_time_zone", 311),
        ),
        reports=(
            data.ReportDigest(
                "data_drift_report", LAST, "alarm", "1 of 25 columns moved.", 2_000, 25, 1, ("distance_km",), 0.08
            ),
            data.ReportDigest("concept_drift_report", LAST, "ok", "Outcomes are as expected.", 80_000, 24, 0),
        ),
        ranking=data.Ranking(FIRST, date(2026, 6, 14), 26, 0.412, 0.262, Interval(0.15, 0.141, 0.159, 0.95, 26)),
        texting=data.Texting(texting, 33_912, 207),
        nav=nav(DASHBOARD),
    )  # fmt: skip


@pytest.fixture
def example_data() -> DashboardData:
    """A dashboard with every part filled."""
    return example()
