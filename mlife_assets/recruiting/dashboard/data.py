"""Data of the dashboard: frozen records, one per daily fact, and figures computed from rows of the marts.

Concept: every record carries the day that it is about. A missing value is None and is drawn as a gap, never as zero;
one that is not known yet says until when. Shares are fractions in [0, 1]; money is in US dollars.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from math import sqrt
from typing import Any, Literal

from mlife_assets.core.pages.charts.values import DailyValue, Marker, MarkerKind, Unit, format_day, format_value
from mlife_assets.core.pages.document import Link
from mlife_assets.core.statistics import Interval, wilson_interval
from mlife_assets.core.windows import is_mature, mature_day
from mlife_assets.recruiting.application import Application
from mlife_assets.recruiting.lift import ArmsOfDay, ArmSums, Look, PlannedShare, looks, planned_shares, recommended
from mlife_assets.recruiting.policies import LabelPolicy, Policies

Row = Mapping[str, Any]
SAME_DAY = 0
"""Window of what happens on its day: known as of the day after, when the day's export was read."""

BEFORE_DAYS = 28
"""Days before the first exposure that mart `lift_daily` looks at."""
GAIN_DAYS = 5
"""Mature days from which on the mean of daily differences gets an interval."""
Tone = Literal["neutral", "good", "bad"]
Verdict = Literal["retrain", "wait", "block"]
DriftKind = Literal["data", "latent", "concept"]


def application_figures(
    application: Application,
    daily: Sequence[Row],
    lift: Lift | None,
    label: LabelPolicy,
    as_of: date,
    *,
    called: int = 0,
) -> ApplicationFigures:
    """Return the figures of an application as of a day.

    Args:
        application: which.
        daily: rows of `application_daily`, of any application.
        lift: its effect (`lift_of`).
        label: when clicks and applications are known.
        as_of: the newest day.
        called: people on its lists, where the channel is calls.
    """
    rows = [row for row in daily if row["application"] == application.name and row["kpi_date"] <= as_of]
    clicked, applied = (
        [row for row in rows if is_mature(row["kpi_date"], as_of, days)]
        for days in (label.click_window_days, label.apply_window_days)
    )
    first = min((row["kpi_date"] for row in rows), default=None)
    is_pending = first is not None and not applied
    return ApplicationFigures(
        title=application.title,
        channel=str(application.channel),
        reached=sum(row["messages_delivered"] for row in rows) if application.channel.is_sent else called,
        clicked=_share(clicked, "messages_clicked"),
        applied=_share(applied, "messages_applied"),
        earned_usd=float(sum(row["revenue_usd"] for row in applied)) if applied else None,
        pending_until=mature_day(first, label.apply_window_days) if first is not None and is_pending else None,
        lift=lift,
    )


def _share(rows: Sequence[Row], name: str) -> float | None:
    delivered = sum(row["messages_delivered"] for row in rows)
    return sum(row[name] for row in rows) / delivered if delivered else None


def daily(rows: Iterable[Row], name: str) -> tuple[DailyValue, ...]:
    """Return a figure that is known on its day, as of every day of `kpi_daily`."""
    return tuple(DailyValue(row["kpi_date"], row[name]) for row in rows)


def maturing(rows: Iterable[Row], name: str, window_days: int, as_of: date) -> tuple[DailyValue, ...]:
    """Return a figure that grows for `window_days`: pending on days that are not mature as of `as_of`."""
    found = []
    for row in rows:
        day = row["kpi_date"]
        known = is_mature(day, as_of, window_days)
        found.append(
            DailyValue(day, row[name]) if known else DailyValue(day, None, pending_until=mature_day(day, window_days))
        )
    return tuple(found)


def pending_days(days: Iterable[date], window_days: int, as_of: date) -> tuple[DailyValue, ...]:
    """Return the days whose labels are not mature yet, without a value."""
    late = (day for day in days if not is_mature(day, as_of, window_days))
    return tuple(DailyValue(day, None, pending_until=mature_day(day, window_days)) for day in late)


def arm(readout: Iterable[Row], name: str, as_of: date) -> tuple[DailyValue, ...]:
    """Return the weekly apply rates of an arm by the last day of the week; a week that still runs is pending."""
    found = []
    for row in readout:
        if row["arm"] != name or row["period_kind"] != "week":
            continue
        end = row["period_end_date"]
        if row["is_closed"] and end < as_of:
            rate = wilson_interval(row["users_with_apply"], row["eligible_users"])
            found.append(DailyValue(end, rate.estimate, rate.lower, rate.upper))
        else:
            found.append(DailyValue(min(end, as_of), None, pending_until=mature_day(end, SAME_DAY)))
    return tuple(found)


def production(kpis: Sequence[Row], readout: Sequence[Row], label: LabelPolicy, as_of: date) -> ProductionMetrics:
    """Return the daily figures of `kpi_daily` and the weekly ones of `experiment_readout`."""
    return ProductionMetrics(
        sent=daily(kpis, "messages_submitted"),
        delivered=daily(kpis, "messages_delivered"),
        click_through_rate=maturing(kpis, "ctr", label.click_window_days, as_of),
        apply_rate_treated=arm(readout, "treated", as_of),
        apply_rate_holdout=arm(readout, "holdout", as_of),
        fill_rate=maturing(kpis, "fill_rate", SAME_DAY, as_of),
        revenue_usd=maturing(_texted(kpis), "revenue_usd", label.apply_window_days, as_of),
        opt_outs=daily(kpis, "opt_outs"),
    )


def _texted(kpis: Iterable[Row]) -> list[Row]:
    """Return the days with their bids missing where nothing was sent: no text can have earned nothing."""
    return [{**row, "revenue_usd": row["revenue_usd"] if row["messages_submitted"] else None} for row in kpis]


def texting(kpis: Sequence[Row], lift: Lift | None, as_of: date) -> Texting | None:
    """Return what texting changed, with the texts of days before `as_of`; None while no day of both arms is known."""
    if lift is None:
        return None
    known = [row for row in kpis if row["kpi_date"] < as_of]
    return Texting(lift, sum(row["messages_submitted"] for row in known), sum(row["opt_outs"] for row in known))


def lift_of(
    application: Application, rows: Sequence[Row], policies: Policies, as_of: date, *, among: Sequence[Application]
) -> Lift | None:
    """Return the effect of an application as of a day; None until a day of both arms is known.

    Args:
        application: which.
        rows: of `lift_daily`, of any experiment.
        policies: error and minimum of claims, and the global holdout.
        as_of: the newest day.
        among: all applications; those that send share the error of claims.
    """
    applications = max(1, sum(one.channel.is_sent for one in among))
    share = application.holdout_share or policies.contact.holdout_share
    arms: dict[date, dict[str, Row]] = {}
    for row in rows:
        if row["experiment"] == application.name and row["lift_date"] <= as_of:
            arms.setdefault(row["lift_date"], {})[row["arm"]] = row
    both = sorted(day for day, one in arms.items() if set(one) == {"treated", "holdout"})
    closed = [day for day in both if day < as_of and all(row["is_closed"] for row in arms[day].values())]
    if not closed or not share:
        return None
    days = [_arms_of(day, arms[day]) for day in closed]
    known, of_days = (days[-1].treated, days[-1].holdout), len(days)
    if of_days < policies.lift.minimum_days:
        treated, holdout = (arms[closed[-1]][arm] for arm in ("treated", "holdout"))
        known, of_days = (_before(treated), _before(holdout)), BEFORE_DAYS
    plan = planned_shares(known, of_days, policies.lift, applications=applications)
    return Lift(
        looks(days, policies.lift, share=share, applications=applications),
        days[-1],
        share,
        open_until=mature_day(both[-1], SAME_DAY) if both[-1] > closed[-1] else None,
        plan=plan,
        recommended=recommended(plan, policies.lift),
        smallest=policies.lift.smallest_lift,
    )


def _before(row: Row) -> ArmSums:
    """Return applies of the days before. Each is a click, too, which clicks of then cannot know of applies to come."""
    applies, clicks = row["applies_before"], (row["clicks_before"], row["clicks_before_squared"])
    products = row["applies_before_times_clicks"] - applies
    return ArmSums(row["users"], applies, row["applies_before_squared"], *clicks, products)


def _arms_of(day: date, arms: Mapping[str, Row]) -> ArmsOfDay:
    def sums(arm: str, name: str) -> ArmSums:
        row = arms[arm]
        before = row["clicks_before"], row["clicks_before_squared"]
        return ArmSums(row["users"], row[name], row[f"{name}_squared"], *before, row[f"{name}_times_clicks"])

    money = sums("treated", "bids_usd"), sums("holdout", "bids_usd")
    return ArmsOfDay(day, sums("treated", "applies"), sums("holdout", "applies"), money)


def lift_words(lift: Lift) -> str:
    """Return a lift in words: whether it is shown, with its bounds, or when it will be known how precisely."""
    now = lift.newest
    if now.claim == "blanked":
        held = lift.arms.holdout.people
        people = held + lift.arms.treated.people
        return (
            f"not shown: {format_value(held / people, 'share')} of {people:,} people are in the holdout and "
            f"{format_value(lift.share, 'share')} should be"
        )
    bounds = ""
    if now.lift is not None:
        low, middle, high = (f"{100 * one:+.0f}" for one in (now.lift.lower, now.lift.estimate, now.lift.upper))
        bounds = f": {middle} % ({low} to {high} %)"
    if now.claim != "not_known":
        return f"shown{' the contrary' if now.claim == 'contrary' else ''}{bounds}"
    later = ""
    if now.reaches is not None and now.half_width is not None:
        day = format_day(now.reaches, year=now.reaches.year != now.day.year)
        later = f"; by {day} it reaches ±{100 * now.half_width:.0f} %"
    return f"not known yet{bounds}{later}"


def paired_gain(differences: Sequence[float]) -> Interval | None:
    """Return Student's t interval of the mean of daily differences; None for fewer than `GAIN_DAYS` days."""
    from scipy.stats import t

    n = len(differences)
    if n < GAIN_DAYS:
        return None
    mean = sum(differences) / n
    error = sqrt(sum((one - mean) ** 2 for one in differences) / (n - 1) / n)
    half = float(t.ppf(0.975, n - 1)) * error
    return Interval(mean, mean - half, mean + half, 0.95, n)


def tiles(
    kpis: Sequence[Row], found: Texting | None, ranking: Ranking | None, label: LabelPolicy, as_of: date
) -> tuple[Kpi, ...]:
    """Return the figures of the head; those that mature take mature days alone and say until when."""
    shown = []
    if found is not None:
        now = found.lift.newest
        tones: dict[str, Tone] = {"shown": "good", "contrary": "bad"}
        value = now.lift.estimate if now.lift is not None and now.claim in tones else None
        detail, tone = (
            f"{lift_words(found.lift)}; {found.lift.arms.holdout.people:,} in the holdout",
            tones.get(now.claim, "neutral"),
        )
        shown.append(Kpi("Applies, texted over not", value, "share", detail, tone))
    if ranking is not None:
        simple = "" if ranking.simple is None else f", simple rule {ranking.simple:.3f}"
        detail = f"recruiters {ranking.human:.3f}{simple}, mean of {ranking.days} mature days"
        shown.append(Kpi("MAP@10 of the model", ranking.model, "score", detail))
    delivered = sum(row["messages_delivered"] for row in kpis)
    shown.append(Kpi("Texts delivered", delivered, "count", f"of {sum(r['messages_submitted'] for r in kpis):,} sent"))
    clicked, clicks_detail = _mature(kpis, label.click_window_days, as_of)
    clicks_of = sum(row["messages_delivered"] for row in clicked)
    clicks = sum(row["clicks"] for row in clicked)
    shown.append(Kpi("Click-through rate", clicks / clicks_of if clicks_of else None, "share", clicks_detail))
    applied, revenue_detail = _mature(kpis, label.apply_window_days, as_of)
    revenue = sum(row["revenue_usd"] for row in applied) if applied else None
    shown.append(Kpi("Bids of applies after texts", revenue, "usd", revenue_detail))
    opt_outs = sum(row["opt_outs"] for row in kpis)
    detail = f"{format_value(opt_outs, 'count')} people, per delivered text"
    shown.append(Kpi("Opt-outs", opt_outs / delivered if delivered else None, "share", detail))
    return tuple(shown)


def _mature(kpis: Sequence[Row], window_days: int, as_of: date) -> tuple[list[Row], str]:
    """Return the rows of mature days and the words that say which days these are."""
    rows = [row for row in kpis if is_mature(row["kpi_date"], as_of, window_days)]
    late = [row["kpi_date"] for row in kpis if not is_mature(row["kpi_date"], as_of, window_days)]
    pending = f"pending until {format_day(mature_day(late[-1], window_days))}" if late else ""
    if not rows:
        return rows, pending or "no text was sent yet"
    known = f"texts until {format_day(rows[-1]['kpi_date'])}"
    return rows, f"{known}; later ones {pending}" if pending else known


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
    """Results of the texts, by day of sending; results of the arms, by end of period."""

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
    """One registered model and the gate's verdict; `delta_map` is the gain over `against`.

    `judged_in`: environment of that gate; empty for this environment, the only one with known gains.
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
    """A model's gain over the rule in use, as the gate measured it: difference in `objective`, with its bounds."""

    objective: str
    rule: str
    delta: DailyValue


@dataclass(frozen=True)
class OtherModel:
    """A model beside the one that the page is about.

    Attributes:
        name, title: its name, and the question it answers.
        model_version, since: the champion, and its day of promotion; None before the first promotion.
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
    """Effect of an application on applies, by intention to treat over the whole experiment.

    Attributes:
        looks: the claims at the end of each closed day, the oldest first.
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
        title, channel: its name for people, and its channel.
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
