"""Sections of a card that judge: the gate's verdict, comparisons, calibration, fairness.

Belongs here: words and cells about what was measured. Does not belong here: drawings (`plots`), what a model is
(`sections`), the verdict itself (`core.training.gate`).

Concept: what was not measured has its place on the page and says so there.
"""

from __future__ import annotations

from mlife_assets.core.dashboard.markup import Markup, element, join
from mlife_assets.core.dashboard.scales import MISSING, format_value
from mlife_assets.core.training.fairness import ATTRIBUTE_WORDS, ImpactRow, ImpactTable
from mlife_assets.core.training.gate import Comparison
from mlife_assets.core.training.model_card.facts import ModelCard
from mlife_assets.core.training.model_card.limits import cohort_words
from mlife_assets.core.training.model_card.plots import differences_plot, ratio_strip, reliability_plot
from mlife_assets.core.training.model_card.sections import folded, heading_cell, missing, says, section, table
from mlife_assets.core.training.reliability import Calibration

STANDINGS = {
    "reference": "reference",
    "at_least_minimum": "at least the minimum",
    "not_settled": "not settled",
    "proven_low": "proven low",
    "too_small": "too few people",
    "suppressed": "too few to show",
    "no_ratio": "no ratio",
}
_ORDER = ("human", "champion", "random")
_MEASURES = {
    "selection": "Selection: who would be written to",
    "scoring": "Scoring: whose best score lies above the median",
    "exposure": "Exposure: who is shown the well-paid",
}


def verdict_section(card: ModelCard) -> Markup:
    """Return what the gate said and every condition that it checked."""
    if card.outcome is None:
        return section("What the gate said", missing("No gate judged this model."))
    rows = [
        element(
            "tr",
            element("td", _chip("met" if condition.is_met else "unmet", "met" if condition.is_met else "not met")),
            element("td", condition.sentence, element("small", element("code", condition.name))),
        )
        for condition in card.conditions
    ]
    checked = folded(f"All {len(rows)} conditions", table(("", "Condition"), rows)) if rows else ""
    return section("What the gate said", says(card.sentences), checked)


def comparison_section(card: ModelCard) -> Markup:
    """Return each comparison with its interval, and which were not made."""
    title = f"Compared by {card.objective_name}" if card.objective_name else "Comparisons"
    if not card.comparisons:
        return section(title, missing("No comparison was made; the gate's sentences say why, where there was a gate."))
    made = sorted(card.comparisons, key=lambda c: (_ORDER.index(c.against) if c.against in _ORDER else 9, c.against))
    rows = [_comparison(comparison) for comparison in made]
    if card.against("human") is None:
        rows.insert(0, _not_given("human", "not given"))
    if card.against("champion") is None:
        rows.insert(1, _not_given("champion", "there was none"))
    columns = ("Against", ">This model", ">Other", ">Difference")
    delta = made[0].delta
    units = "users with positives" if card.is_ranking else "days, or blocks of days,"
    words = f"{delta.n:,} {units} resampled in pairs, {100 * delta.level:g} % intervals."
    if card.cohort:
        words = f"On {cohort_words(card.cohort)}. {words}"
    drawing = differences_plot(made, [comparison.against for comparison in made])
    caption = element("p", "Difference with its interval; dashed: what its lower end must exceed.", class_="subtitle")
    return section(title, element("p", words, class_="subtitle"), table(columns, rows), drawing, caption)


def _comparison(comparison: Comparison) -> Markup:
    delta, version = comparison.delta, comparison.model_version
    return element(
        "tr",
        heading_cell(comparison.against, version if version != comparison.against else ""),
        element("td", format_value(comparison.challenger_map, "score"), class_="num"),
        element("td", format_value(comparison.other_map, "score"), class_="num"),
        element(
            "td",
            f"{delta.estimate:+.4f}",
            element("small", f"{delta.lower:+.4f} to {delta.upper:+.4f}"),
            element("small", f"must exceed {comparison.margin:g}"),
            class_="num",
        ),
    )


def _not_given(against: str, words: str) -> Markup:
    return element("tr", heading_cell(against), element("td", words, colspan="3", class_="missing"))


def calibration_section(card: ModelCard) -> Markup:
    """Return slope, intercept and expected error with intervals, and the reliability plot."""
    measured = card.calibration
    title = "Calibration"
    if measured is None:
        return section(title, missing("Not measured on outcomes outside the training."))
    bounds = f"; the gate wants {card.slope_bounds[0]:g} to {card.slope_bounds[1]:g}" if card.slope_bounds else ""
    rows = [
        _measure("Slope", measured.slope, (measured.slope_lower, measured.slope_upper), f"1 is right{bounds}"),
        _measure(
            "Intercept",
            measured.intercept,
            (measured.intercept_lower, measured.intercept_upper),
            "0 is right; below 0 too much is promised",
        ),
        _measure("Expected error", measured.expected_calibration_error, None, "mean gap between said and happened"),
    ]
    sample = f"{measured.n:,} rows outside the training, {measured.positives:,} with the outcome."
    numbers = table(("Measured", ">Value", ">95 % interval"), rows)
    left = join(element("p", sample, class_="subtitle"), numbers, _bins(measured))
    note = "Points: bins of equal size with their 95 % intervals, rows taken as independent. Dashed: right."
    right = join(reliability_plot(measured), element("p", note, class_="subtitle"))
    return section(title, element("div", element("div", left), element("div", right), class_="pair"))


def _measure(name: str, value: float, bounds: tuple[float, float] | None, note: str) -> Markup:
    return element(
        "tr",
        heading_cell(name, note),
        element("td", f"{value:.3f}" if abs(value) >= 0.01 else f"{value:.2g}", class_="num"),
        element("td", f"{bounds[0]:.3f} to {bounds[1]:.3f}" if bounds else MISSING, class_="num"),
    )


def _bins(measured: Calibration) -> Markup:
    rows = [
        element(
            "tr",
            element("td", format_value(part.rows, "count"), class_="num"),
            element("td", format_value(part.mean_probability, "share"), class_="num"),
            element("td", format_value(part.outcome_rate, "share"), class_="num"),
        )
        for part in measured.bins
    ]
    return folded(f"{len(rows)} bins", table((">Rows", ">Said", ">Happened"), rows))


def fairness_section(card: ModelCard) -> Markup:
    """Return impact ratios by measure and group."""
    title = "Fairness"
    audit = card.fairness
    if audit is None:
        return section(title, missing("Not audited."))
    parts = []
    for measure in dict.fromkeys(one.measure for one in audit.tables):
        tables = [one for one in audit.tables if one.measure == measure]
        parts.append(element("h3", _MEASURES.get(measure, measure)))
        parts += [folded(_table_summary(one), _impact_table(one, audit.minimum)) for one in tables]
    return section(title, says(audit.notes), *parts)


def _table_summary(one: ImpactTable) -> str:
    name = ATTRIBUTE_WORDS.get(one.attribute, one.attribute)
    compared = [row for row in one.rows if row.is_compared and row.ratio is not None]
    if not compared:
        return f"by {name}: nothing to compare"
    lowest = min(compared, key=lambda row: (row.ratio or 0.0, row.category))
    return f"by {name}: lowest ratio {lowest.ratio:.2f} ({lowest.category}, {STANDINGS[lowest.standing]})"


def _impact_table(one: ImpactTable, minimum: float) -> Markup:
    rows = [_impact_row(row, minimum) for row in one.rows]
    columns = ("Group", ">Ratio", "", "Standing")
    unknown = f"{one.unknown_users:,} people whose group is unknown are in no row."
    return join(table(columns, rows, "data ratios"), element("p", unknown, class_="subtitle"))


def _impact_row(row: ImpactRow, minimum: float) -> Markup:
    has_interval = row.lower is not None and row.upper is not None
    interval = element("small", f"{row.lower:.2f} to {row.upper:.2f}") if has_interval else ""
    people = ""
    if row.users is not None:
        people = f"{format_value(row.users, 'count')} people, rate {format_value(row.rate, 'share')}"
    return element(
        "tr",
        heading_cell(row.category, people),
        element("td", MISSING if row.ratio is None else f"{row.ratio:.2f}", interval, class_="num"),
        element("td", ratio_strip(row, minimum)),
        element("td", _chip(row.standing, STANDINGS.get(row.standing, row.standing))),
    )


def _chip(kind: str, words: str) -> Markup:
    return element("span", words, class_=f"chip v-{kind}")
