"""Sections of a card that describe: header, limits, data, features, policies, provenance.

Belongs here: words and cells. Does not belong here: what was measured about its quality (`judgement`), drawings
(`plots`).

Concept: a table of names and values looks the same wherever it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from mlife_assets.core.dashboard.markup import Markup, element, join, text
from mlife_assets.core.dashboard.scales import MISSING, format_day, format_value
from mlife_assets.core.training.model_card.facts import CardWindow, Facts, ModelCard
from mlife_assets.core.training.model_card.limits import derived_limits

BARS_MAXIMUM = 15
METRICS_MAXIMUM = 8
OUTCOMES = {
    "promoted": "promoted by the gate",
    "refused": "refused by the gate",
    "not_enough_evidence": "not enough evidence",
}


def header(card: ModelCard) -> Markup:
    """Return title, version, verdict, purpose and the figures that a reader looks for first."""
    kind = card.outcome if card.outcome in OUTCOMES else "not_judged"
    chip = element("span", OUTCOMES.get(card.outcome or "", "not judged by a gate"), class_=f"chip v-{kind}")
    as_of = f", as of {format_day(card.as_of_date, year=True)}" if card.as_of_date else ""
    return element(
        "header",
        element("div", element("h1", card.title), chip, class_="title"),
        element("p", "Model card of ", element("code", card.model_version), as_of, class_="version"),
        element("p", f"It gives the chance that {card.outcome_name}.", class_="lead"),
        says(card.purpose),
        element("div", *_figures(card), class_="kpis"),
    )


def _figures(card: ModelCard) -> Iterable[Markup]:
    ours = card.comparisons[0].challenger_map if card.comparisons else None
    others = ", ".join(f"{c.against} {format_value(c.other_map, 'score')}" for c in card.comparisons)
    objective = card.objective_name or "Objective"
    yield _figure(objective[0].upper() + objective[1:], format_value(ours, "score"), others or "not compared")
    slope = card.calibration
    bounds = f"{slope.slope_lower:.2f} to {slope.slope_upper:.2f}, 1 is right" if slope else "not measured"
    yield _figure("Calibration slope", f"{slope.slope:.2f}" if slope else MISSING, bounds)
    training = next((window for window in card.windows if window.name == "training"), None)
    rows = training.rows if training else None
    detail = f"{format_value(card.positives, 'count')} with the outcome"
    yield _figure("Training examples", format_value(rows, "count"), detail)
    audit = card.fairness
    lowest = min((row.ratio for _, row in audit.compared if row.ratio is not None), default=None) if audit else None
    told = f"of {len(audit.compared)} compared, minimum {audit.minimum:g}" if audit else "not audited"
    yield _figure("Lowest impact ratio", MISSING if lowest is None else f"{lowest:.2f}", told)


def _figure(label: str, value: str, detail: str) -> Markup:
    return element(
        "div",
        element("span", label, class_="label"),
        element("strong", value),
        element("span", detail, class_="detail"),
        class_="card kpi",
    )


def limits_section(card: ModelCard) -> Markup:
    """Return what it must not be used for or believed about: given limits, then those that follow from the facts."""
    return section("Limits and known failure modes", says((*card.limits, *derived_limits(card)), "limits"))


def data_section(card: ModelCard) -> Markup:
    """Return windows, counts and attribution windows."""
    rows = [_window(window) for window in card.windows]
    columns = ("Window", ">Examples", ">Outcomes")
    windows = table(columns, rows) if rows else missing("No window was recorded.")
    return section("Data and windows", windows, name_values(card.data))


def _window(window: CardWindow) -> Markup:
    days = format_day(window.first, year=True)
    if window.last != window.first:
        days += f" to {format_day(window.last, year=True)}"
    return element(
        "tr",
        element("th", window.name, element("small", days), element("small", window.note), scope="row"),
        element("td", format_value(window.rows, "count"), class_="num"),
        element("td", format_value(window.positives, "count"), class_="num"),
    )


def features_section(card: ModelCard) -> Markup:
    """Return features by mean |SHAP|, the largest as bars, and the vocabularies of categories."""
    parts = [_importance(stage, values, card.feature_words) for stage, values in card.importance.items() if values]
    if not parts:
        parts = [missing("The importance of features was not measured.")]
    if card.vocabularies:
        rows = [
            element(
                "tr",
                element("th", breakable(name), scope="row"),
                element("td", f"{len(values):,}", class_="num"),
                element("td", ", ".join(values)),
            )
            for name, values in sorted(card.vocabularies.items())
        ]
        parts.append(folded("Known values of categories", table(("Feature", ">Values", "Which"), rows, "data plain")))
    return section("Features", *parts)


def _importance(stage: str, values: Mapping[str, float], words: Mapping[str, str]) -> Markup:
    ranked = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    largest = max(ranked[0][1], 1e-12)
    rows = []
    for name, value in ranked:
        bar = element("i", style=f"width:{100 * max(value, 0.0) / largest:.1f}%")
        rows.append(
            element(
                "tr",
                heading_cell(name, words.get(name, "")),
                element("td", bar, class_="meter"),
                element("td", format_value(value, "score"), class_="num"),
            )
        )
    heading = element("h3", f"Step: {stage}") if stage else ""
    note = element(
        "p",
        "Mean |SHAP|: by how much a feature moves the score (a log-probability or log-odds), on average.",
        class_="subtitle",
    )
    shown = element("table", element("tbody", *rows[:BARS_MAXIMUM]), class_="meters")
    rest = rows[BARS_MAXIMUM:]
    more = folded(f"{len(rest)} more", element("table", element("tbody", *rest), class_="meters")) if rest else ""
    return join(heading, note, shown, more)


def method_section(card: ModelCard) -> Markup:
    """Return how it was fitted and further measured values; many are folded."""
    if not card.method and not card.metrics:
        return Markup("")
    rows = [
        element(
            "tr",
            heading_cell(metric.name, metric.note),
            element("td", f"{metric.value:.4g}", class_="num"),
            element("td", interval_words(metric.lower, metric.upper), class_="num"),
        )
        for metric in card.metrics
    ]
    columns = ("Measured", ">Value", ">95 % interval")
    measured = table(columns, rows[:METRICS_MAXIMUM]) if rows else ""
    rest = rows[METRICS_MAXIMUM:]
    more = folded(f"{len(rest)} more", table(columns, rest)) if rest else ""
    return section("Method", name_values(card.method), measured, more)


def policies_section(card: ModelCard) -> Markup:
    """Return every number that people decided, by policy."""
    if not card.policies:
        return section("Policies", missing("No policy was recorded."))
    return section("Policies", *(folded(name, name_values(fields)) for name, fields in card.policies.items()))


def provenance_section(card: ModelCard) -> Markup:
    """Return code version and hashes."""
    rows = [
        element("tr", element("th", name, scope="row"), element("td", element("code", value)))
        for name, value in card.provenance
    ]
    return section("Provenance", table((), rows, "data plain"))


def section(title: str, *parts: str) -> Markup:
    """Return a section with its heading on a card."""
    return element("section", element("h2", title), *parts, class_="card", aria_label=title)


def says(sentences: Iterable[str], kind: str = "") -> Markup:
    """Return sentences as a list."""
    return element("ul", *(element("li", sentence) for sentence in sentences), class_=f"says {kind}".strip())


def missing(words: str) -> Markup:
    """Return words in the place of what was not measured."""
    return element("p", words, class_="missing")


def folded(summary: str, *parts: str) -> Markup:
    """Return parts that open when asked."""
    return element("details", element("summary", summary), *parts)


def name_values(facts: Facts) -> Markup:
    """Return names and values as a table of two columns."""
    rows = [element("tr", heading_cell(name), element("td", value)) for name, value in facts]
    return table((), rows, "data plain") if rows else Markup("")


def table(columns: tuple[str, ...], rows: Iterable[Markup], kind: str = "data") -> Markup:
    """Return a table that scrolls by itself where the page is too narrow; a column named `>name` holds numbers."""
    cells = (
        element("th", name.removeprefix(">"), scope="col", class_="num" if name.startswith(">") else None)
        for name in columns
    )
    head = element("thead", element("tr", *cells)) if columns else ""
    return element("div", element("table", head, element("tbody", *rows), class_=kind), class_="scroll", tabindex="0")


def heading_cell(name: str, note: str = "") -> Markup:
    """Return the head of a row: a name and, below it, what it means."""
    return element("th", breakable(name), element("small", breakable(note)) if note else "", scope="row")


def breakable(name: str) -> Markup:
    """Return a name that may be broken after `_` and `.` where a column is narrow."""
    return Markup(re.sub(r"([_.])(?=\w)", r"\1<wbr>", text(name)))


def interval_words(lower: float | None, upper: float | None) -> str:
    """Return `0.012 to 0.034`, a dash when there is no interval."""
    return MISSING if lower is None or upper is None else f"{lower:.4g} to {upper:.4g}"
