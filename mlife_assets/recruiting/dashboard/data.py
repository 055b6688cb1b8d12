"""What the dashboard shows: frozen records, one per daily fact.

Concept: every record carries the day that it is about. A missing value is None and is drawn as a gap, never as zero;
one that is not known yet says until when. Shares are fractions in [0, 1]; money is in US dollars.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from mlife_assets.core.pages.charts.values import DailyValue, Marker, MarkerKind, Unit
from mlife_assets.core.pages.document import Link
from mlife_assets.core.statistics import Interval
from mlife_assets.recruiting.lift import ArmsOfDay, Look, PlannedShare

Tone = Literal["neutral", "good", "bad"]
Verdict = Literal["retrain", "wait", "block"]
DriftKind = Literal["data", "latent", "concept"]


@dataclass(frozen=True)
class Kpi:
    """One figure of the header: `value` in `unit`, a line of context, and whether it is good news."""

    label: str
    value: float | None
    unit: Unit
    detail: str = ""
    tone: Tone = "neutral"


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
    """Rolling quality of the model, by exposure day; realised values of days that are not mature are pending."""

    map_realised: tuple[DailyValue, ...] = ()
    map_human: tuple[DailyValue, ...] = ()
    map_random: tuple[DailyValue, ...] = ()
    map_simple: tuple[DailyValue, ...] = ()
    map_replaced: tuple[DailyValue, ...] = ()
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
    """One registered model and what the gate said; `delta_map` is the gain over `against`.

    `judged_in`: environment whose gate said it; empty for the one here, of which alone a gain is known.
    `card`: link to its card, where one was written. `won`: what its promotion won since, in words; empty for a model
    that replaced none.
    """

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
    against: str = "the champion"
    card: str | None = None
    won: str = ""
    judged_in: str = ""


@dataclass(frozen=True)
class RuleGain:
    """What the gate measured of a model against the rule in use: the difference in `objective`, with its bounds."""

    objective: str
    rule: str
    delta: DailyValue


@dataclass(frozen=True)
class OtherModel:
    """A model beside the one that the page is about.

    Attributes:
        name, title: which it is, and what it answers.
        model_version, since: who serves, and from when; None before the first promotion.
        card: link to its card, where one was written.
        outcome, gain: of the gate, about who serves; about the newest challenger before somebody does.
        decision: the newest of its governor.
        fault: why none of this can be read; empty where it can.
    """

    name: str
    title: str
    model_version: str | None = None
    since: date | None = None
    card: str | None = None
    outcome: Literal["promoted", "refused", "not_enough_evidence"] | None = None
    gain: RuleGain | None = None
    decision: Decision | None = None
    fault: str = ""


@dataclass(frozen=True)
class Suppression:
    """How many planned or due texts were not sent for one reason."""

    reason: str
    count: int


@dataclass(frozen=True)
class Ranking:
    """How well the model ranks what people then applied to, averaged over mature days.

    `human` is the recruiters' rule, `gain` the mean of the daily differences; None for too few days for an interval.
    `simple` is the simple rule beside the model, None where some days lack it.
    """

    first_day: date
    last_day: date
    days: int
    model: float
    human: float
    gain: Interval | None = None
    simple: float | None = None


@dataclass(frozen=True)
class Lift:
    """What an application changed in applies, by intention to treat over the whole experiment.

    Attributes:
        looks: what may be said at the end of each day that is closed, the oldest first.
        arms: sums of both arms on the newest of these days.
        share: of people who should be in the holdout.
        open_until: day on which the newest day is closed; None where it is.
        plan: what holdouts of some shares can show.
        recommended: the one of them to take.
        smallest: the least lift that matters.
    """

    looks: tuple[Look, ...]
    arms: ArmsOfDay
    share: float
    open_until: date | None = None
    plan: tuple[PlannedShare, ...] = ()
    recommended: PlannedShare | None = None
    smallest: float = 0.2

    @property
    def newest(self) -> Look:
        return self.looks[-1]

    @property
    def has_begun(self) -> bool:
        """Whether there is something to look at: the declared minimum is reached, or the arms are broken."""
        return self.newest.lift is not None or self.newest.claim == "blanked"


@dataclass(frozen=True)
class Texting:
    """The lift of texting, and its cost in texts and opt-outs.

    Attributes:
        lift: in applies.
        texts: texts sent on days whose outcomes are known, which are those before the page's day.
        opt_outs: people who replied on these days that they want no more.
    """

    lift: Lift
    texts: int
    opt_outs: int


@dataclass(frozen=True)
class ApplicationFigures:
    """What one application came to.

    Attributes:
        title, channel: what people call it, by what it reaches them.
        reached: messages delivered, or people on lists of calls.
        clicked, applied: shares of the delivered messages of mature days; None where nothing is known yet, or ever.
        earned_usd: bids of the applications after messages of mature days; None as `applied`.
        pending_until: day on which the first of its figures is known; None where it is.
        lift: of its arms; None where there are none.
    """

    title: str
    channel: str
    reached: int
    clicked: float | None = None
    applied: float | None = None
    earned_usd: float | None = None
    pending_until: date | None = None
    lift: Lift | None = None


@dataclass(frozen=True)
class DashboardData:
    """The whole page. Everything but `as_of_date` may be empty: an empty part says so instead of drawing nothing.

    `world` says which deployment the page is about (`dev, simulated market, seed 1`). `extra_markers` are those that
    follow from neither decisions nor models, such as rollbacks. `first_date` and `as_of_date` bound the time axis;
    `is_cut` says that there are older days, which are in totals alone.
    """

    as_of_date: date
    first_date: date
    is_cut: bool = False
    world: str = ""
    kpis: tuple[Kpi, ...] = ()
    model: ModelMetrics = ModelMetrics()
    production: ProductionMetrics = ProductionMetrics()
    decisions: tuple[Decision, ...] = ()
    models: tuple[ModelVersion, ...] = ()
    others: tuple[OtherModel, ...] = ()
    suppressions: tuple[Suppression, ...] = ()
    reports: tuple[ReportDigest, ...] = ()
    extra_markers: tuple[Marker, ...] = ()
    ranking: Ranking | None = None
    texting: Texting | None = None
    applications: tuple[ApplicationFigures, ...] = ()
    nav: tuple[Link, ...] = ()

    @property
    def span(self) -> tuple[date, date]:
        return self.first_date, self.as_of_date

    @property
    def champion(self) -> ModelVersion | None:
        """Return the version that serves; None before the first promotion."""
        return next((version for version in self.models if version.is_champion), None)


def lifecycle_markers(data: DashboardData) -> tuple[Marker, ...]:
    """Return the markers of all retrain and block decisions, gate outcomes and extras, by day and then by kind."""
    found = [Marker(d.day, d.verdict, d.sentences[0]) for d in data.decisions if d.verdict != "wait"]
    for version in data.models:
        if version.outcome != "pending":
            kind: MarkerKind = "promoted" if version.outcome == "promoted" else "refused"
            found.append(Marker(version.registered_on, kind, f"model {version.model_version[:12]}"))
    return tuple(sorted({*found, *data.extra_markers}, key=lambda m: (m.day, m.kind, m.label)))
