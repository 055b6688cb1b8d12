"""Header, timeline and tables of the page.

Belongs here: everything that is words and cells. Does not belong here: charts over days (`charts`, `sections`).
"""

from __future__ import annotations

from mlife_assets.core.dashboard.charts import glyph
from mlife_assets.core.dashboard.data import DailyValue, DashboardData, Decision, Kpi, MarkerKind, ModelVersion
from mlife_assets.core.dashboard.markup import Markup, element, join
from mlife_assets.core.dashboard.scales import MISSING, format_day, format_value

_SHORT = 12
_OUTCOMES = {
    "promoted": "promoted",
    "refused": "refused",
    "not_enough_evidence": "not enough evidence",
    "pending": "pending",
}


def header(data: DashboardData) -> Markup:
    """Return the title line and the key figures."""
    champion = next((m.model_version for m in data.models if m.is_champion), None)
    facts = [
        element("span", "as of ", element("b", format_day(data.as_of_date, year=True))),
        element("span", "champion ", element("code", champion[:_SHORT], title=champion) if champion else "none yet"),
    ]
    if data.world:
        facts.append(element("span", data.world))
    cards = [_kpi(kpi) for kpi in data.kpis]
    return element(
        "header",
        element("div", element("h1", "mlife"), element("p", *facts, class_="facts"), class_="title"),
        element("div", *cards, class_="kpis") if cards else "",
    )


def _kpi(kpi: Kpi) -> Markup:
    return element(
        "div",
        element("span", kpi.label, class_="label"),
        element("strong", format_value(kpi.value, kpi.unit)),
        element("span", kpi.detail, class_="detail"),
        class_=f"card kpi {kpi.tone}",
    )


def timeline(data: DashboardData) -> Markup:
    """Return one cell per decided day, coloured by verdict: the governor at a glance."""
    if not data.decisions:
        return Markup("")
    decisions = sorted(data.decisions, key=lambda d: d.day)
    cells = [
        element(
            "li",
            element("span", str(d.day.day)),
            class_=f"cell v-{d.verdict}",
            tabindex="0",
            data_day=d.day.isoformat(),
            data_tip=f"{format_day(d.day, year=True)}\nverdict: {d.verdict}\n" + "\n".join(d.sentences),
            aria_label=f"{format_day(d.day)}: {d.verdict}",
        )
        for d in decisions
    ]
    counts = {v: sum(d.verdict == v for d in decisions) for v in ("wait", "retrain", "block")}
    words = [element("span", element("b", str(n)), f" {v}", class_=f"count v-{v}") for v, n in counts.items()]
    title = element("div", element("h2", "Should the model be retrained?"), element("p", *words), class_="title")
    dates = f"{format_day(decisions[0].day)} to {format_day(decisions[-1].day, year=True)}"
    caption = element("p", f"One verdict a day, {dates}", class_="subtitle")
    strip = element("ol", *cells, class_="strip")
    return element("section", title, caption, strip, class_="card governor", aria_label="Governor")


def decisions_section(data: DashboardData) -> Markup:
    """Return the table of decisions, newest first, with buttons that filter by verdict."""
    rows = [_decision(d) for d in sorted(data.decisions, key=lambda d: d.day, reverse=True)]
    buttons = [
        element("button", word, type="button", data_filter=value, aria_pressed="true" if not value else "false")
        for value, word in (("", "all"), ("retrain", "retrain"), ("wait", "wait"), ("block", "block"))
    ]
    title = element("div", element("h2", "Decisions"), element("div", *buttons, class_="filters"), class_="title")
    table = _table(("Day", "Verdict", "Reasons", "Model"), rows, "No decision yet.", "decisions")
    return element("section", title, table, aria_label="Decisions")


def _decision(decision: Decision) -> Markup:
    version = decision.model_version
    return element(
        "tr",
        element("td", format_day(decision.day, year=True), class_="day-cell"),
        element("td", _chip(decision.verdict, decision.verdict)),
        element(
            "td",
            *(element("p", sentence) for sentence in decision.sentences),
            element("p", *(element("code", code) for code in decision.codes), class_="codes") if decision.codes else "",
        ),
        element("td", element("code", version[:_SHORT], title=version) if version else MISSING),
        data_verdict=decision.verdict,
    )


def models_section(data: DashboardData) -> Markup:
    """Return the table of model versions, newest first."""
    rows = [_model(m) for m in sorted(data.models, key=lambda m: (m.registered_on, m.model_version), reverse=True)]
    columns = ("Model", "Registered", "Trained on", "Examples", "Applies", "Gate", "Delta MAP@10", "What the gate said")
    return element(
        "section",
        element("h2", "Model versions"),
        _table(columns, rows, "No model yet.", "models"),
        aria_label="Model versions",
    )


def _model(model: ModelVersion) -> Markup:
    champion = join(Markup(" "), _chip("champion", "champion")) if model.is_champion else ""
    window = f"{format_day(model.training_start)} to {format_day(model.training_end)}"
    return element(
        "tr",
        element("td", element("code", model.model_version[:_SHORT], title=model.model_version), champion),
        element("td", format_day(model.registered_on, year=True), class_="day-cell"),
        element("td", window, class_="day-cell"),
        element("td", format_value(model.examples, "count"), class_="num"),
        element("td", format_value(model.positives, "count"), class_="num"),
        element("td", _chip(model.outcome, _OUTCOMES[model.outcome])),
        element("td", _delta(model.delta_map), class_="num"),
        element("td", *(element("p", sentence) for sentence in model.sentences)),
    )


def _delta(delta: DailyValue | None) -> Markup:
    if delta is None:
        return join(MISSING)
    value = format_value(delta.value, "score")
    signed = f"+{value}" if delta.value is not None and delta.value > 0 else value
    bounds = f"{format_value(delta.lower, 'score')} to {format_value(delta.upper, 'score')}"
    return join(signed, element("small", bounds) if delta.lower is not None else "")


def _chip(kind: str, words: str) -> Markup:
    signs: dict[str, MarkerKind] = {
        "retrain": "retrain",
        "block": "block",
        "promoted": "promoted",
        "refused": "refused",
        "not_enough_evidence": "refused",
    }
    sign = glyph(signs[kind]) if kind in signs else ""
    return element("span", sign, words, class_=f"chip v-{kind}")


def _table(columns: tuple[str, ...], rows: list[Markup], empty: str, name: str) -> Markup:
    if not rows:
        return element("div", element("p", empty, class_="empty"), class_="card")
    head = element("tr", *(element("th", column, scope="col") for column in columns))
    table = element("table", element("thead", head), element("tbody", *rows), class_=f"data {name}")
    return element("div", table, class_="card scroll")
