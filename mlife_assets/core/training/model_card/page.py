"""The whole card.

Concept: one string in, one file out. The page loads nothing and runs nothing; the same facts give the same bytes. Parts
that were not measured keep their place and say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from mlife_assets.core.pages import Link, Markup, page, render
from mlife_assets.core.pages.charts.intervals import Difference, Point, forest, ratio_strip, reliability_plot
from mlife_assets.core.pages.charts.values import MISSING, format_value
from mlife_assets.core.statistics import wilson_interval
from mlife_assets.core.training.fairness.results import ATTRIBUTE_WORDS, ImpactRow, ImpactTable
from mlife_assets.core.training.gate import Comparison
from mlife_assets.core.training.model_card.facts import ModelCard, cohort_words, derived_limits
from mlife_assets.core.training.reliability import Calibration, ReliabilityBin

BARS_MAXIMUM = 15
METRICS_MAXIMUM = 8
OUTCOMES = {
    "promoted": "promoted by the gate",
    "refused": "refused by the gate",
    "not_enough_evidence": "not enough evidence",
    "not_judged": "not judged by a gate",
}

STANDINGS = {
    "reference": "reference",
    "at_least_minimum": "at least the minimum",
    "not_settled": "undecided",
    "proven_low": "proven low",
    "too_small": "too few people",
    "suppressed": "too few to show",
    "no_ratio": "no ratio",
}
_ORDER = ("human", "simple", "champion", "champion_alone", "random")
MEASURE_WORDS = {
    "selection": "Selection: who is selected",
    "scoring": "Scoring: whose best score lies above the median",
    "exposure": "Exposure: who is shown what is worth most",
}


def render_model_card(facts: ModelCard, nav: Sequence[Link] = ()) -> str:
    """Return the card as one self-contained HTML document; `nav` links to other pages, if any."""
    outcome = facts.decision.outcome if facts.decision else "not_judged"
    body = render(
        "model_card.html",
        card=facts,
        kind=outcome,
        outcome=OUTCOMES[outcome],
        tiles=tuple(tiles(facts)),
        limits=(*facts.subject.limits, *derived_limits(facts)),
        comparison=comparison_view(facts),
        calibration=calibration_view(facts),
        fairness=fairness_view(facts),
        importance=tuple(importance_rows(facts)),
        against_words=_against_words,
        metrics=(facts.metrics[:METRICS_MAXIMUM], facts.metrics[METRICS_MAXIMUM:]),
    )
    return page(f"{facts.subject.title}: model card of {facts.model_version}", body, nav=nav)


@dataclass(frozen=True)
class BarRow:
    """A name with a bar: `share` of the longest, and the value in words."""

    name: str
    note: str
    share: float
    cells: tuple[str, ...]


def tiles(card: ModelCard) -> Iterator[tuple[str, str, str]]:
    """Yield label, value and detail of the key figures."""
    ours = card.comparisons[0].challenger_map if card.comparisons else None
    others = ", ".join(f"{_against_words(c.against)} {format_value(c.other_map, 'score')}" for c in card.comparisons)
    objective = card.decision.objective if card.decision else "Objective"
    yield objective[0].upper() + objective[1:], format_value(ours, "score"), others or "not compared"
    measured, slope, bounds = card.calibration, MISSING, "not measured"
    if measured is not None:
        slope = f"{measured.slope:.2f}"
        bounds = f"{measured.slope_lower:.2f} to {measured.slope_upper:.2f}, 1 is right"
        bounds += f"; level {measured.level.estimate:.2f}"
    yield "Calibration slope", slope, bounds
    training = next((window for window in card.windows if window.name == "training"), None)
    rows = training.rows if training else None
    yield "Training examples", format_value(rows, "count"), f"{format_value(card.positives, 'count')} with the outcome"
    audit = card.fairness
    lowest = min((row.ratio for _, row in audit.compared if row.ratio is not None), default=None) if audit else None
    compared = f"of {len(audit.compared)} compared, minimum {audit.minimum:g}" if audit else "not audited"
    yield "Lowest impact ratio", MISSING if lowest is None else f"{lowest:.2f}", compared


def importance_rows(card: ModelCard) -> Iterator[tuple[str, list[BarRow], list[BarRow]]]:
    """Yield per step its features by mean |SHAP|: the largest, and the rest."""
    words = card.subject.feature_words
    for stage, values in card.importance.items():
        ranked = sorted(values.items(), key=lambda item: (-item[1], item[0]))
        if ranked:
            largest = max(ranked[0][1], 1e-12)
            rows = [
                BarRow(name, words.get(name, ""), max(v, 0.0) / largest, (format_value(v, "score"),))
                for name, v in ranked
            ]
            yield stage, rows[:BARS_MAXIMUM], rows[BARS_MAXIMUM:]


@dataclass(frozen=True)
class ComparisonView:
    """The comparisons in order, reasons for missing ones, the sample and the drawing."""

    made: tuple[Comparison, ...]
    not_made: tuple[tuple[str, str], ...]
    sample: str
    drawing: Markup


@dataclass(frozen=True)
class CalibrationView:
    """Name, value, interval and note of each measure, and the reliability plot."""

    rows: tuple[tuple[str, str, str, str], ...]
    drawing: Markup


@dataclass(frozen=True)
class GroupView:
    """One group of people in an impact table, in words."""

    name: str
    people: str
    ratio: str
    interval: str
    kind: str
    standing: str
    drawing: Markup


@dataclass(frozen=True)
class ImpactView:
    """One impact table in words."""

    summary: str
    rows: tuple[GroupView, ...]
    unknown: int


def _against_words(role: str) -> str:
    return "ranking in use" if role == "human" else role.replace("_", " ")


def comparison_view(card: ModelCard) -> ComparisonView | None:
    """Return the comparisons of a card; None when none was made."""
    if (decision := card.decision) is None or not decision.comparisons:
        return None
    places = {against: place for place, against in enumerate(_ORDER)}
    made = sorted(decision.comparisons, key=lambda c: (places.get(c.against, 9), c.against))
    not_made = [(_against_words("human"), "not given")] if decision.against("human") is None else []
    if decision.against("simple") is None:
        not_made.append(("simple", "none was fitted"))
    if decision.against("champion") is None:
        not_made.append(("champion", "there was none"))
    delta = made[0].delta
    units = "users with positives" if decision.depth else "days, or blocks of days,"
    sample = f"{delta.n:,} {units} resampled in pairs, {100 * delta.level:g} % intervals."
    sample = f"On {cohort_words(decision.cohort)}. {sample}"
    rows = [
        Difference(
            _against_words(c.against),
            c.delta.estimate,
            c.delta.lower,
            c.delta.upper,
            c.margin if c.is_for_a_win else None,
            "main" if not c.is_for_a_win else "accent" if c.is_won else "rival",
        )
        for c in made
    ]
    return ComparisonView(tuple(made), tuple(not_made), sample, forest(rows, "Differences with their intervals"))


def calibration_view(card: ModelCard) -> CalibrationView | None:
    """Return slope, level and expected error with intervals, and the reliability plot; None when not measured."""
    measured = card.calibration
    if measured is None:
        return None
    slope_bounds, level_bounds = (
        f"; the gate counts {bounds[0]:g} to {bounds[1]:g} as right" if bounds else ""
        for bounds in (card.slope_bounds, card.level_bounds)
    )
    level = measured.level
    meaning = "odds of what happened over odds of what was said; 1 is right, below 1 too much is promised"
    rows = (
        ("Slope", measured.slope, (measured.slope_lower, measured.slope_upper), f"1 is right{slope_bounds}"),
        (
            "Level",
            level.estimate,
            (level.lower, level.upper),
            f"{meaning}{level_bounds}; intercept {measured.intercept:.3f}",
        ),
        ("Expected error", measured.expected_calibration_error, None, "mean gap between said and happened"),
    )
    words = tuple(
        (
            name,
            f"{value:.3f}" if abs(value) >= 0.01 else f"{value:.2g}",
            f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else MISSING,
            note,
        )
        for name, value, interval, note in rows
    )
    return CalibrationView(words, _reliability(measured))


def _reliability(measured: Calibration) -> Markup:
    def point(part: ReliabilityBin) -> Point:
        happened = wilson_interval(round(part.outcome_rate * part.rows), part.rows)
        return Point(part.mean_probability, part.outcome_rate, happened.lower, happened.upper)

    label = f"Reliability of {measured.n:,} probabilities in {len(measured.bins)} bins of equal size"
    return reliability_plot([point(part) for part in measured.bins], label)


def fairness_view(card: ModelCard) -> list[tuple[str, list[ImpactView]]]:
    """Return per measure its impact tables by attribute; empty when nothing was audited."""
    audit = card.fairness
    if audit is None:
        return []
    measures = list(dict.fromkeys(one.measure for one in audit.tables))
    ordered = sorted(audit.tables, key=lambda one: measures.index(one.measure))
    words = MEASURE_WORDS | dict(card.subject.measure_words)
    return [
        (words.get(measure, measure), [_impact_view(one, audit.minimum) for one in tables])
        for measure, tables in groupby(ordered, key=lambda one: one.measure)
    ]


def _impact_view(one: ImpactTable, minimum: float) -> ImpactView:
    name = ATTRIBUTE_WORDS.get(one.attribute, one.attribute)
    compared = [row for row in one.rows if row.is_compared and row.ratio is not None]
    summary = f"by {name}: nothing to compare"
    if compared:
        lowest = min(compared, key=lambda row: (row.ratio or 0.0, row.category))
        summary = f"by {name}: lowest ratio {lowest.ratio:.2f} ({lowest.category}, {STANDINGS[lowest.standing]})"
    return ImpactView(summary, tuple(_group_view(row, minimum) for row in one.rows), one.unknown_users)


def _group_view(row: ImpactRow, minimum: float) -> GroupView:
    people = ""
    if row.users is not None:
        people = f"{format_value(row.users, 'count')} people, rate {format_value(row.rate, 'share')}"
    has_interval = row.lower is not None and row.upper is not None
    return GroupView(
        name=row.category,
        people=people,
        ratio=MISSING if row.ratio is None else f"{row.ratio:.2f}",
        interval=f"{row.lower:.2f} to {row.upper:.2f}" if has_interval else "",
        kind=row.standing,
        standing=STANDINGS.get(row.standing, row.standing),
        drawing=ratio_strip(row.ratio, row.lower, row.upper, minimum),
    )
