"""From rows of the marts to figures: what is known already, what is pending, sums and differences.

Concept: the figure of a day is known when everything that it counts could have been observed. Until then it is pending
and no number: a click-through of an hour is not 0 %. Totals take mature days alone and name the last of them.

The people of an application's own holdout would have heard from it and did not, so its two arms differ by what it did.
One without an own holdout is compared with the global one, which hears from nobody: its difference is that of all
applications together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from mlife_assets.core.pages.charts.scales import format_day, format_value
from mlife_assets.core.pages.charts.values import DailyValue
from mlife_assets.core.statistics import (
    Interval,
    Sums,
    mean_difference_interval,
    proportion_difference_interval,
    wilson_interval,
)
from mlife_assets.core.windows import is_mature, mature_day
from mlife_assets.recruiting.application import Application
from mlife_assets.recruiting.dashboard.data import ApplicationFigures, Kpi, ProductionMetrics, Ranking, Texting, Tone
from mlife_assets.recruiting.policies import LabelPolicy

Row = Mapping[str, Any]
SAME_DAY = 0
"""Window of what happens on its day: known as of the day after, when the day's export was read."""

GAIN_DAYS = 5
"""Mature days from which on the mean of daily differences gets an interval."""


def application_figures(
    application: Application,
    daily: Sequence[Row],
    readout: Sequence[Row],
    label: LabelPolicy,
    as_of: date,
    *,
    called: int = 0,
) -> ApplicationFigures:
    """Return what an application came to as of a day.

    Args:
        application: which.
        daily: rows of `application_daily`, of any application.
        readout: rows of `experiment_readout`, of any experiment.
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
        lift=_lift([row for row in readout if row["experiment"] == application.name], as_of),
    )


def _share(rows: Sequence[Row], name: str) -> float | None:
    delivered = sum(row["messages_delivered"] for row in rows)
    return sum(row[name] for row in rows) / delivered if delivered else None


def _lift(readout: Sequence[Row], as_of: date) -> Interval | None:
    arms = {row["arm"]: row for row in readout if row["period_kind"] == "total"}
    if set(arms) != {"treated", "holdout"} or arms["treated"]["period_start_date"] >= as_of:
        return None
    treated, holdout = arms["treated"], arms["holdout"]
    return proportion_difference_interval(
        treated["users_with_apply"],
        treated["eligible_users"],
        holdout["users_with_apply"],
        holdout["eligible_users"],
    )


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


def texting(kpis: Sequence[Row], readout: Sequence[Row], as_of: date) -> Texting | None:
    """Return what texting changed over the whole experiment, with the texts of days before `as_of`.

    None while an arm has nobody, and on the first day: what people do on `as_of` is not known yet.
    """
    arms = {row["arm"]: row for row in readout if row["period_kind"] == "total"}
    if set(arms) != {"treated", "holdout"}:
        return None
    treated, holdout = arms["treated"], arms["holdout"]
    if treated["period_start_date"] >= as_of:
        return None
    known = [row for row in kpis if row["kpi_date"] < as_of]
    lift = proportion_difference_interval(
        treated["users_with_apply"],
        treated["eligible_users"],
        holdout["users_with_apply"],
        holdout["eligible_users"],
    )
    return Texting(
        first_day=treated["period_start_date"],
        last_day=treated["period_end_date"],
        treated_users=treated["eligible_users"],
        holdout_users=holdout["eligible_users"],
        treated_rate=treated["apply_rate"],
        holdout_rate=holdout["apply_rate"],
        lift=lift,
        earned_usd=_earned(treated, holdout),
        texts=sum(row["messages_submitted"] for row in known),
        opt_outs=sum(row["opt_outs"] for row in known),
    )


def _earned(treated: Row, holdout: Row) -> Interval | None:
    """Return the bids of the treated beyond the holdout's mean.

    None for marts of an earlier release, and while all people of each arm are alike (nobody applied yet): an interval
    of no width is no certainty.
    """
    if any(row.get("bids_usd") is None or row["eligible_users"] < 2 for row in (treated, holdout)):
        return None
    first, second = (
        Sums(arm["eligible_users"], arm["bids_usd"], arm["bids_usd_squared"]) for arm in (treated, holdout)
    )
    if first.variance_of_mean == second.variance_of_mean == 0:
        return None
    mean = mean_difference_interval(first, second)
    people = treated["eligible_users"]
    return Interval(mean.estimate * people, mean.lower * people, mean.upper * people, mean.level, mean.n)


def paired_gain(differences: Sequence[float]) -> Interval | None:
    """Return Student's t interval of the mean of daily differences; None for fewer than `GAIN_DAYS` days."""
    n = len(differences)
    if n < GAIN_DAYS:
        return None
    gains = Sums(n, sum(differences), sum(one * one for one in differences))
    no_gain = Sums(2, 0.0, 0.0)  # has no variance, with which Welch's t of two groups is Student's t of the first
    return replace(mean_difference_interval(gains, no_gain), n=n)


def tiles(
    kpis: Sequence[Row], found: Texting | None, ranking: Ranking | None, label: LabelPolicy, as_of: date
) -> tuple[Kpi, ...]:
    """Return the figures of the head; those that mature take mature days alone and say until when."""
    shown = []
    if found is not None:
        low, high = found.lift.lower, found.lift.upper
        tone: Tone = "good" if low > 0 else "bad" if high < 0 else "neutral"
        bounds = f"{100 * low:+.1f} to {100 * high:+.1f} points, {found.holdout_users:,} in the holdout"
        shown.append(Kpi("People with an apply, texted minus not", found.lift.estimate, "points", bounds, tone))
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
