"""Figures: numbers that Dagster's UI plots over partitions.

Concept: the UI draws a line per numeric metadata entry, so numbers must keep their names. A name ends in its unit, if
any, bounds end in `_lower` and `_upper` (95 %), and an unknown number is absent, never zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from mlife_assets.core.glances import Bar, Estimate, bars, columns, forest
from mlife_assets.core.monitoring import drift
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport
from mlife_assets.core.statistics import Interval
from mlife_assets.core.training.fairness.results import FairnessAudit
from mlife_assets.core.training.gate import Comparison
from mlife_assets.core.training.reliability import Calibration
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.dashboard.data import Lift, lift_words
from mlife_assets.recruiting.messaging.states import SendState
from mlife_assets.recruiting.messaging.templates import segments
from mlife_assets.recruiting.policies import PricePolicy

if TYPE_CHECKING:
    from mlife_assets.recruiting.messaging.plan import MessagePlan
    from mlife_assets.recruiting.ports import LedgerRow

Figures = dict[str, dg.MetadataValue]
TAKEN = (SendState.ACCEPTED, SendState.DELIVERED, SendState.UNDELIVERED)
"""States of texts that the provider accepted and bills."""
BOUNDS = ("lower", "upper")
RIVALS = ("human", "simple", "champion")


def figures(values: Mapping[str, float | None]) -> Figures:
    """Return the known values as numbers of six digits, without None and infinite ones."""
    known = {name: value for name, value in values.items() if value is not None and math.isfinite(value)}
    return {
        name: dg.MetadataValue.int(value) if isinstance(value, int) else dg.MetadataValue.float(float(f"{value:.6g}"))
        for name, value in known.items()
    }


def _objective_name(depth: int | None) -> str:
    return "average_precision" if depth is None else f"map_at_{depth}"


def _bounded(name: str, interval: Interval | None) -> dict[str, float | None]:
    if interval is None:
        return {}
    return {name: interval.estimate, f"{name}_lower": interval.lower, f"{name}_upper": interval.upper}


def verdict_figures(
    comparisons: Sequence[Comparison], depth: int | None, calibration: Calibration | None, gain: Interval | None
) -> Figures:
    """Return MAP of each side, differences with bounds, calibration slope and level, the gain in log loss (nats)."""
    name = _objective_name(depth)
    values: dict[str, float | None] = {f"{name}_challenger": one.challenger_map for one in comparisons[:1]}
    for one in comparisons:
        values[f"{name}_{one.against}"] = one.other_map
        if one.against in RIVALS:
            values |= _bounded(f"{name}_delta_{one.against}", one.delta)
    if calibration is not None:
        values |= {
            "calibration_slope": calibration.slope,
            "calibration_slope_lower": calibration.slope_lower,
            "calibration_slope_upper": calibration.slope_upper,
            **_bounded("calibration_level", calibration.level),
        }
    return figures(values | _bounded("log_loss_gain_nats", gain))


def verdict_glance(comparisons: Sequence[Comparison], objective: str) -> Figures:
    """Return the forest of an evaluation: challenger minus each rival with its interval, and the margin to exceed."""
    rivals = [one for one in comparisons if one.against in RIVALS]
    if not rivals:
        return {}
    rows = [Estimate(one.against, one.delta.estimate, one.delta.lower, one.delta.upper) for one in rivals]
    margin = max(one.margin for one in rivals)
    drawn = forest(rows, f"{objective} with 95 % interval", limit=margin, limit_words=f"margin {margin:g}")
    return {"challenger_minus_rival": dg.MetadataValue.md(drawn)}


def report_figures(report: MonitoringReport, prefix: str = "") -> Figures:
    """Return the worst finding's ratio to its limit, and the number of alarms; empty if not judged."""
    if report.status == "not_enough_evidence":
        return {}
    ratios = report.by_ratio
    return figures(
        {
            f"{prefix}worst_ratio_to_limit": ratios[0][1] if ratios else None,
            f"{prefix}alarms": len(report.alarms),
        }
    )


def report_verdict(report: MonitoringReport) -> str:
    """Return the verdict in a few words, which fit a narrow window: the status, and what is nearest to its limit."""
    words = report.status.replace("_", " ")
    if report.status == "not_enough_evidence":
        return words
    if report.alarms:
        words += f": {len(report.alarms)} of {len(report.findings)} beyond their limits"
    return words + "".join(f"; {ratio:.2f} x limit, {_named(finding)}" for finding, ratio in report.by_ratio[:1])


def condition_figures(conditions: Iterable[bool]) -> Figures:
    met = list(conditions)
    return figures({"conditions": len(met), "unmet_conditions": met.count(False)})


def report_glance(report: MonitoringReport) -> Figures:
    """Return the findings nearest to or beyond their limits, as bars in units of the limit."""
    rows = [Bar(_named(finding), ratio, finding.is_alarm) for finding, ratio in report.by_ratio]
    if not rows:
        return {}
    return {"nearest_to_limit": dg.MetadataValue.md(bars(rows, "statistic over limit", limit=1.0, unit=" x limit"))}


def _named(finding: Finding) -> str:
    """Return the subject of a finding: the data drift report measures a column in one way, others in several."""
    method = "" if finding.kind == drift.KIND else finding.method.replace("_", " ")
    return " ".join(filter(None, (finding.column, method)))


def champion_figures(report: Mapping[str, Any], reigns: int) -> Figures:
    """Return MAP of the champion after a stored verdict, of the recruiters and of the simple rule on the same rows.

    The champion is the challenger if promoted. The simple rule is the one beside the challenger; it is absent in
    verdicts without one, as those of 0.1.0.
    """
    by_rival = {one["against"]: one for one in report["comparisons"]}
    maps = [one["challenger_map"] for one in report["comparisons"][:1]]
    if report["outcome"] != "promoted":
        maps = [one["other_map"] for one in report["comparisons"] if one["against"] == "champion"]
    name = _objective_name(report["depth"])
    rules = {f"{name}_{rule}": by_rival.get(rule, {}).get("other_map") for rule in ("human", "simple")}
    return figures({f"{name}_champion": maps[0] if maps else None, **rules, "reigns": reigns})


def comparison_figures(report: Mapping[str, Any]) -> Figures:
    """Return the rows and the differences with bounds of a stored verdict."""
    name = _objective_name(report["depth"])
    known: dict[str, float | None] = {"users_with_positives": report["users_with_positives"]}
    for one in report["comparisons"]:
        if one["against"] in RIVALS:
            delta = f"{name}_delta_{one['against']}"
            known |= {delta: one["delta"]["estimate"]} | {f"{delta}_{end}": one["delta"][end] for end in BOUNDS}
    return figures(known)


def value_figures(values: Iterable[Mapping[str, Any]]) -> Figures:
    """Return applications per text of each policy with bounds (doubly robust), and the amount of evidence."""
    known: dict[str, float | None] = {}
    for value in values:
        estimate, name = value["doubly_robust"], f"applies_per_text_{value['policy']}"
        known |= {name: estimate["estimate"], f"{name}_lower": estimate["lower"], f"{name}_upper": estimate["upper"]}
        known[f"effective_decisions_{value['policy']}"] = value["effective_sample_size"]
    return figures(known)


def impact_figures(audit: FairnessAudit) -> Figures:
    """Return the lowest judged impact ratio of each measure with its bounds, and its forest against the minimum."""
    known: dict[str, float | None] = {}
    shown = []
    for measure in dict.fromkeys(table.measure for table in audit.tables):
        judged = [(row.ratio, row) for table, row in audit.compared if table.measure == measure]
        rows = sorted(((ratio, row) for ratio, row in judged if ratio is not None), key=lambda pair: pair[0])
        if not rows:
            continue
        ratio, lowest = rows[0]
        name = f"impact_ratio_{measure}"
        known |= {name: ratio, f"{name}_lower": lowest.lower, f"{name}_upper": lowest.upper}
        if lowest.lower is not None and lowest.upper is not None:
            shown.append(Estimate(measure, ratio, lowest.lower, lowest.upper))
    if not shown:
        return figures(known)
    words = f"minimum {audit.minimum:g}"
    drawn = forest(shown, "lowest impact ratios", limit=audit.minimum, limit_words=words, form=".2f")
    return {"lowest_impact_ratios": dg.MetadataValue.md(drawn), **figures(known)}


def plan_figures(plan: MessagePlan, price: PricePolicy) -> Figures:
    """Return the planned messages' expected value and cost; only texts cost."""
    parts = sum(plan.planned["segments"].to_pylist()) if plan.channel == Channel.SMS else 0
    spend = price.text_segment_usd * parts
    return figures({"expected_value_usd": round(plan.expected_value_usd, 2), "planned_spend_usd": spend})


def sending_figures(rows: Iterable[LedgerRow], price: PricePolicy) -> Figures:
    """Return the number of a day's messages that the provider accepted so far, and its bill for texts."""
    taken = [row for row in rows if row.state in TAKEN]
    spend = price.text_segment_usd * sum(segments(row.body) for row in taken if row.channel == Channel.SMS)
    return figures({"sends": len(taken), "spend_usd": spend})


OPT_OUT_DAYS = 7
"""Days over which opt-outs are counted, since a single day may have few texts."""


def opt_outs_per_thousand(rows: Iterable[Mapping[str, Any]], today: date) -> float | None:
    """Return opt-outs per thousand delivered texts of the last days, None without a delivered text.

    Args:
        rows: of `kpi_daily`.
        today: the newest day that landed.
    """
    recent = [row for row in rows if add_days(today, -OPT_OUT_DAYS) < row["kpi_date"] <= today]
    delivered = sum(row["messages_delivered"] or 0 for row in recent)
    return 1000 * sum(row["opt_outs"] or 0 for row in recent) / delivered if delivered else None


def kpi_figures(rows: Iterable[Mapping[str, Any]], first: date, last: date, price: PricePolicy) -> Figures:
    """Return the results of texts on the newest mature day, and on all mature days together.

    Args:
        rows: of `kpi_daily`.
        first: the first day with our texts.
        last: the last day whose applies are complete.
        price: of a text.
    """
    is_texted = (row for row in rows if row["messages_submitted"] and first <= row["kpi_date"] <= last)
    mature = sorted(is_texted, key=lambda row: row["kpi_date"])
    if not mature:
        return {}
    newest, sends = mature[-1], sum(row["messages_submitted"] for row in mature)
    revenues = [(row["kpi_date"], float(row["revenue_usd"])) for row in mature]
    return {
        "mature_day": dg.MetadataValue.text(newest["kpi_date"].isoformat()),
        "revenue_by_day": dg.MetadataValue.md(columns(revenues, "revenue of mature days in US dollars", unit="$")),
        **figures(
            {
                "sends": int(newest["messages_submitted"]),
                "spend_usd": price.text_segment_usd * newest["messages_submitted"],
                "revenue_usd": float(newest["revenue_usd"]),
                "click_through_rate": newest["ctr"],
                "apply_rate": newest["apply_rate"],
                "sends_to_date": int(sends),
                "spend_usd_to_date": price.text_segment_usd * sends,
                "revenue_usd_to_date": sum(revenue for _, revenue in revenues),
            }
        ),
    }


def lift_figures(lift: Lift | None) -> Figures:
    """Return the lift to date with bounds that hold on all days, once there is one, and the claim in words."""
    if lift is None:
        return {}
    found = lift.newest.lift
    return {
        "claim": dg.MetadataValue.text(lift_words(lift)),
        **figures({} if found is None else _bounded("lift", found)),
    }
