"""What the dashboard shows: frozen records, one per daily fact.

Belongs here: the input of `page.render_dashboard`. Does not belong here: how it looks (`charts`, `tables`, `style`) and
where it comes from (the asset that queries the marts).

Concept: every record carries the day that it is about. A missing value is None and is drawn as a gap, never as zero.
Values that are not finite count as missing. Shares are fractions in [0, 1]; money is in US dollars.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Literal

Unit = Literal["share", "count", "usd", "score"]
"""How a number is written: 0.123 as `12.3 %`, as `0`, as `$0.12`, as `0.123`."""

Tone = Literal["neutral", "good", "bad"]
Verdict = Literal["retrain", "wait", "block"]
MarkerKind = Literal["retrain", "promoted", "refused", "block", "rollback"]
DriftKind = Literal["data", "latent", "concept"]


def finite(value: float | None) -> float | None:
    """Return `value` as a float, or None when it is missing, NaN or infinite."""
    return float(value) if value is not None and math.isfinite(value) else None


@dataclass(frozen=True)
class Kpi:
    """One figure of the header: `value` in `unit`, a line of context, and whether it is good news."""

    label: str
    value: float | None
    unit: Unit
    detail: str = ""
    tone: Tone = "neutral"


@dataclass(frozen=True)
class DailyValue:
    """One value of one day, with a 95 % interval when there is one."""

    day: date
    value: float | None
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True)
class DriftValue:
    """A drift statistic of one day against the threshold in force; `is_alarm` is the detector's own verdict."""

    day: date
    statistic: float | None
    threshold: float | None
    is_alarm: bool


@dataclass(frozen=True)
class DriftSeries:
    """The history of one detector, for example `domain classifier AUC` of kind `latent`."""

    name: str
    kind: DriftKind
    values: tuple[DriftValue, ...]


@dataclass(frozen=True)
class ModelMetrics:
    """Rolling quality of the model, by exposure day; realised values exist for mature days only."""

    map_realised: tuple[DailyValue, ...] = ()
    map_human: tuple[DailyValue, ...] = ()
    map_random: tuple[DailyValue, ...] = ()
    auc_realised: tuple[DailyValue, ...] = ()
    auc_estimated: tuple[DailyValue, ...] = ()
    click_auc_realised: tuple[DailyValue, ...] = ()
    click_auc_estimated: tuple[DailyValue, ...] = ()
    drift: tuple[DriftSeries, ...] = ()
    map_cohort: str = "cohort: all organic applies of mature days"


@dataclass(frozen=True)
class ProductionMetrics:
    """What the texts did, by day of sending; the arms by end of period."""

    sent: tuple[DailyValue, ...] = ()
    delivered: tuple[DailyValue, ...] = ()
    click_through_rate: tuple[DailyValue, ...] = ()
    apply_rate_treated: tuple[DailyValue, ...] = ()
    apply_rate_holdout: tuple[DailyValue, ...] = ()
    fill_rate: tuple[DailyValue, ...] = ()
    revenue_usd: tuple[DailyValue, ...] = ()
    opt_outs: tuple[DailyValue, ...] = ()


@dataclass(frozen=True)
class Decision:
    """One verdict of the governor with its reasons as sentences and as codes."""

    day: date
    verdict: Verdict
    sentences: tuple[str, ...]
    codes: tuple[str, ...] = ()
    model_version: str | None = None


@dataclass(frozen=True)
class ReportDigest:
    """What one monitoring report says: its verdict, what moved by name, and the importance that this carries."""

    name: str
    day: date
    status: Literal["ok", "alarm", "not_enough_evidence"]
    sentence: str
    sample_rows: int
    findings: int
    alarms: int
    moved: tuple[str, ...] = ()
    importance: float | None = None


@dataclass(frozen=True)
class ModelVersion:
    """One registered model and what the gate said; `delta_map` is against the champion or, for the first, the human."""

    model_version: str
    registered_on: date
    training_start: date
    training_end: date
    examples: int
    positives: int
    outcome: Literal["promoted", "refused", "not_enough_evidence", "pending"]
    delta_map: DailyValue | None = None
    sentences: tuple[str, ...] = ()
    is_champion: bool = False


@dataclass(frozen=True)
class Suppression:
    """How many planned or due texts were not sent for one reason."""

    reason: str
    count: int


@dataclass(frozen=True)
class Marker:
    """Something that happened to the model on a day; drawn on every chart of the model."""

    day: date
    kind: MarkerKind
    label: str


@dataclass(frozen=True)
class DashboardData:
    """The whole page. Everything but `as_of_date` may be empty: an empty part says so instead of drawing nothing.

    `world` tells which deployment the page is about (`dev, simulated market, seed 1`). `extra_markers` are those that
    follow from neither decisions nor models, such as rollbacks. `first_date` and `as_of_date` bound the time axis.
    """

    as_of_date: date
    first_date: date
    world: str = ""
    kpis: tuple[Kpi, ...] = ()
    model: ModelMetrics = ModelMetrics()
    production: ProductionMetrics = ProductionMetrics()
    decisions: tuple[Decision, ...] = ()
    models: tuple[ModelVersion, ...] = ()
    suppressions: tuple[Suppression, ...] = ()
    reports: tuple[ReportDigest, ...] = ()
    extra_markers: tuple[Marker, ...] = ()


def lifecycle_markers(data: DashboardData) -> tuple[Marker, ...]:
    """Return the markers of all retrain and block decisions, gate outcomes and extras, by day and then by kind."""
    found = [Marker(d.day, d.verdict, "; ".join(d.sentences)) for d in data.decisions if d.verdict != "wait"]
    for version in data.models:
        if version.outcome != "pending":
            kind: MarkerKind = "promoted" if version.outcome == "promoted" else "refused"
            found.append(Marker(version.registered_on, kind, f"model {version.model_version[:12]}"))
    return tuple(sorted({*found, *data.extra_markers}, key=lambda m: (m.day, m.kind, m.label)))
