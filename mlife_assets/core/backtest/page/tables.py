"""Words and numbers of the page of a replay.

Belongs here: header, policies side by side, decisions, limits, settings. Does not belong here: drawings.
"""

from __future__ import annotations

from typing import Any

from mlife_assets.core.backtest.contestants import Decision
from mlife_assets.core.backtest.result import BacktestResult, Cost, PolicyResult
from mlife_assets.core.dashboard.markup import Markup, element, join
from mlife_assets.core.dashboard.scales import MISSING, format_day, format_value
from mlife_assets.core.statistics import Interval

DECISIONS_SHOWN = 60
_FITS = {
    True: "Governed fits one model for each fold that its gate judges, and one to serve; every_alarm one without the "
    "newest rows, to know what is normal, and one to serve.",
    False: "Governed and every_alarm serve models that were fitted without the newest rows, so that these say what is "
    "normal.",
}
DESCRIPTIONS = {
    "governed": "the governor decides, the gate judges",
    "frozen": "the first champion for ever",
    "naive": "a new model by the calendar, no gate",
    "every_alarm": "a new model whenever drift alarms, no gate",
}


def header(result: BacktestResult) -> Markup:
    """Return title, verdict and the figures that a reader looks for first."""
    said = result.recommendation
    governed, naive = result.policy("governed"), result.policy("naive")
    versus = result.differences
    figures = (
        ("Governed, average precision", f"{governed.score.average_precision.estimate:.3f}", _bounds(governed)),
        ("Governed minus frozen", f"{versus['frozen'].estimate:+.3f}", _range(versus["frozen"])),
        ("Governed minus naive", f"{versus['naive'].estimate:+.3f}", _range(versus["naive"])),
        (
            "Trainings of governed",
            f"{governed.trainings:,}",
            f"in {governed.fits:,} fits; naive {naive.trainings:,} in {naive.fits:,}",
        ),
        ("Rows served", format_value(result.rows, "count"), f"{result.positives / result.rows:.1%} positive"),
    )
    cards = [
        element(
            "div",
            element("span", label, class_="label"),
            element("strong", value),
            element("span", detail, class_="detail"),
            class_="card kpi",
        )
        for label, value, detail in figures
    ]
    kind = "promoted" if said.is_settled else "refused"
    chip = element("span", f"recommended: {said.policy}", class_=f"chip v-{kind}")
    span = f"{format_day(result.start_day, year=True)} to {format_day(result.last_day, year=True)}"
    warm = (result.start_day - result.first_day).days
    facts = (
        f"Replay of {span}, after {warm} days ({format_day(result.first_day, year=True)} on) for the first champion, "
        "which was installed ungated."
    )
    return element(
        "header",
        element("div", element("h1", result.title), chip, class_="title"),
        element("p", facts, class_="quiet"),
        element("p", said.sentences[0], class_="lead"),
        element("div", *cards, class_="kpis"),
    )


def recommendation(result: BacktestResult) -> Markup:
    """Return the evidence of the recommendation."""
    items = [element("li", sentence) for sentence in result.recommendation.sentences[1:]]
    return element(
        "section",
        element("h2", "Why"),
        element("div", element("ul", *items, class_="says"), class_="card"),
        aria_label="Why",
    )


def policies_table(result: BacktestResult, cost: Cost) -> Markup:
    """Return the policies side by side."""
    names = (
        "Policy",
        "Average precision",
        "Governed minus it",
        "Within periods",
        "Log loss",
        "Trainings",
        "Fits",
        "Refused",
        "Installed",
    )
    head = [element("th", name, scope="col", class_="num" if place else None) for place, name in enumerate(names)]
    head += [element("th", name, scope="col", class_="num") for name in ("Rows fitted", "Seconds fitting")]
    rows = []
    for one in result.policies:
        found, versus = one.score.average_precision, result.differences.get(one.name)
        cells = (
            join(f"{found.estimate:.4f}", element("small", _bounds(one))),
            MISSING if versus is None else join(f"{versus.estimate:+.4f}", element("small", _range(versus))),
            f"{one.within_periods:.4f}",
            f"{one.score.log_loss:.4f}",
            f"{one.trainings:,}",
            f"{one.fits:,}",
            f"{one.refusals:,}",
            f"{one.installations:,}",
            f"{one.fitted_rows:,}",
            f"{cost.fit_seconds[one.name]:,.1f}",
        )
        label = element("th", one.name, element("small", DESCRIPTIONS[one.name]), scope="row")
        chosen = "chosen" if one.name == result.recommendation.policy else None
        rows.append(element("tr", label, *(element("td", cell, class_="num") for cell in cells), class_=chosen))
    table = element("table", element("thead", element("tr", *head)), element("tbody", *rows), class_="data policies")
    backtest = result.settings["backtest"]
    note = element(
        "p",
        f"Intervals of {100 * result.policies[0].score.average_precision.level:.0f} % from blocks of "
        f"{backtest['bootstrap_block_days']} days. Within periods: of each period's rows alone, averaged by positives. "
        "Trainings are decisions to train; fits are the models that they took, each paid for once by every policy that "
        f"asked for it. {_FITS[bool(backtest['gate_is_prequential'])]}",
        class_="subtitle",
    )
    return element("div", table, note, class_="card scroll")


def decisions(result: BacktestResult) -> Markup:
    """Return what governed did and why, the newest first; decisions to wait are counted.

    A reason to wait that lasts from one window to the next is one decision.
    """
    one = result.policy("governed")
    acted = [decision for decision in one.decisions if decision.action != "wait"]
    waited = len(one.decisions) - len(acted)
    counts: dict[str, int] = {}
    for decision in one.decisions:
        if decision.action == "wait":
            counts[decision.codes[0]] = counts.get(decision.codes[0], 0) + 1
    why = ", ".join(f"{code.replace('_', ' ')} {count}" for code, count in sorted(counts.items()))
    told = f"{waited:,} of {len(one.decisions):,} decisions were to wait" + (f" ({why})." if why else ".")
    shown = acted[-DECISIONS_SHOWN:][::-1]
    if len(shown) < len(acted):
        told += f" The newest {len(shown)} of {len(acted)} others are shown; result.json has them all."
    head = [element("th", name, scope="col") for name in ("Day", "Action", "Why", "Codes")]
    table = element(
        "table",
        element("thead", element("tr", *head)),
        element("tbody", *map(_decision, shown)),
        class_="data",
    )
    return element(
        "section",
        element("h2", "What governed decided"),
        element("p", told, class_="quiet"),
        element("div", table, class_="card scroll"),
        aria_label="What governed decided",
    )


def limits(result: BacktestResult) -> Markup:
    """Return what the replay cannot tell."""
    items = [element("li", sentence) for sentence in result.limits]
    return element(
        "section",
        element("h2", "What this cannot tell"),
        element("div", element("ul", *items, class_="says limits"), class_="card"),
        aria_label="What this cannot tell",
    )


def settings(result: BacktestResult) -> Markup:
    """Return source, hash and every policy, folded."""
    rows = []
    for policy, fields in result.settings.items():
        for name, value in fields.items():
            rows.append(element("tr", element("td", f"{policy}.{name}"), element("td", _plain(value), class_="num")))
    table = element("table", element("tbody", *rows), class_="data")
    return element(
        "section",
        element("h2", "Where it comes from"),
        element(
            "div",
            element("p", result.source),
            element("p", "Rows, roles and policies: ", element("code", result.content_hash[:24]), class_="quiet"),
            element(
                "details",
                element("summary", "Every setting, as it was fixed before the replay"),
                element("div", table, class_="scroll"),
                class_="settings",
            ),
            class_="card",
        ),
        aria_label="Where it comes from",
    )


def _decision(decision: Decision) -> Markup:
    chip = element("span", decision.action, class_=f"chip v-{decision.action}")
    first, rest = decision.sentences[0], decision.sentences[1:]
    more = element("details", element("summary", "More"), *(element("p", s) for s in rest)) if rest else Markup("")
    codes = element("div", *(element("code", code) for code in decision.codes), class_="codes")
    return element(
        "tr",
        element("td", format_day(decision.day, year=True), class_="day-cell"),
        element("td", chip, element("small", element("code", decision.model_version[:12]))),
        element("td", element("p", _reason(decision, first)), more, class_="reasons"),
        element("td", codes, class_="codes-cell"),
    )


def _reason(decision: Decision, first: str) -> str:
    """Return the sentences that say most: the governor's reason, then the gate's verdict where there was one.

    That a promotion met all conditions says little, so its comparison with the champion is told too.
    """
    prefixes = ("Promoted", "Refused", "Not enough evidence")
    verdict = next((s for s in decision.sentences if s.startswith(prefixes)), None)
    cause = decision.sentences[1] if decision.sentences[0].startswith("Retraining is due") else first
    if verdict is None:
        return cause
    versus = ("The refitted recipe", "The challenger beats the champion")
    compared = [s for s in decision.sentences if decision.action == "promoted" and s.startswith(versus)]
    return " ".join((cause, verdict, *compared[:1]))


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or MISSING
    return str(value)


def _bounds(one: PolicyResult) -> str:
    found = one.score.average_precision
    return f"{found.lower:.3f} to {found.upper:.3f}"


def _range(found: Interval) -> str:
    return f"{found.lower:+.4f} to {found.upper:+.4f}"
