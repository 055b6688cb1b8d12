"""`infra/COST.md`: what a month costs, in words and tables.

Belongs here: the document. Does not belong here: any quantity (`infra.cost`).
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Sequence
from datetime import date

from infra.cost import (
    DAYS,
    SIZES,
    Run,
    Texts,
    assumed,
    environment,
    given,
    measured,
    month,
)
from infra.gate.environments import ENVIRONMENTS, INFRA
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.policies import PricePolicy

PAGE = INFRA / "COST.md"
FRESH_DAYS = 366
WIDTH = 145
_HEAD = (
    "`python -m infra.cost` wrote this page, and a test holds it: sizes are those of the templates as they are "
    "rendered, quantities were measured where that was possible, prices have a date. US dollars a month, us-east-1, "
    "without discounts, taxes and support. No bill was seen."
)


def _words(text: str) -> list[str]:
    return [*textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False), ""]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(row)} |" for row in rows), ""]


def _usd(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 or value == 0 else "under 1"


def to_be_confirmed(source: str) -> bool:
    """Return whether the price of a source has to be looked up again."""
    found = given()["sources"][source]
    age = (date.fromisoformat(given()["as_of"]) - date.fromisoformat(found.get("date", "2000-01-01"))).days
    return age > FRESH_DAYS


def _environments() -> list[str]:
    rows = []
    for name in ENVIRONMENTS:
        made = environment(name)
        budget = float(made.stack("80-observability").parameters["MonthlyBudgetUsd"])
        totals = [sum(month(made, people).values()) for people in SIZES]
        enough = [f"{people:,}" for people, total in zip(SIZES, totals, strict=True) if total <= budget]
        rows.append([name, *map(_usd, totals), _usd(budget), f"up to {enough[-1]}" if enough else "**none**"])
    head = ["", *(f"{people:,} people" for people in SIZES), "`MonthlyBudgetUsd`", "which is enough for"]
    return ["## AWS, by environment", *_table(head, rows)]


def _lines() -> list[str]:
    months = [month(environment("prod"), people) for people in SIZES]
    rows = [[name, *(_usd(one[name]) for one in months)] for name in months[0]]
    rows.append(["**in all**", *(f"**{_usd(sum(one.values()))}**" for one in months)])
    return ["## What prod's is made of", *_table(["", *(f"{people:,} people" for people in SIZES)], rows)]


def _texts() -> list[str]:
    found = [Texts.of(people) for people in SIZES]
    rows = [
        [
            f"{people:,}",
            f"{one.wanted_of_day:,.0f}",
            _usd(one.wanted_usd),
            f"{one.allowed_of_day:,.0f}",
            _usd(one.capped_usd),
        ]
        for people, one in zip(SIZES, found, strict=True)
    ]
    aws = [sum(month(environment("prod"), people).values()) for people in SIZES]
    shares = [f"{one.wanted_usd / (one.wanted_usd + other):.0%}" for one, other in zip(found, aws, strict=True)]
    return [
        "## Texts",
        *_words(
            f"Segments of a text: {measured('data_of_a_day')['segments_of_text']:g} on average, at "
            f"{PricePolicy().text_segment_usd:g} dollars each (`PricePolicy`, the price of your contract). The "
            "provider bills them, so no budget of AWS sees them. Uncapped they are "
            f"{', '.join(shares[:-1])} and {shares[-1]} of all "
            "that prod costs at the three sizes."
        ),
        *_table(["people", "texts a day, uncapped", "a month", "`TextsPerDay` of prod", "a month"], rows),
        *_words(
            "The send budget is the parameter `TextsPerDay` of `45-dagster`: no application plans more, an approval "
            "refuses more, and the dispatcher counts what the ledger says was submitted or is about to be, of all "
            "applications. `MessagingPolicy.maximum_messages_per_day` limits each of them further. Both count "
            "messages, not dollars. The provider's own limit comes with the stack for SMS."
        ),
    ]


def _quantities() -> list[str]:
    day, run = measured("data_of_a_day"), Run.measured()
    log = day["log_of_person_and_day"]
    size, rows_of_day, files = (sum(one[key] for one in log.values()) for key in ("bytes", "rows", "files"))
    rows = [
        ["log, a person and day", f"{size:,.0f} bytes in {rows_of_day:,.1f} rows", "day"],
        ["files of the log, a day", f"{files:,.0f}", "day; one export a day"],
        [
            "tables of the lake, a person and day",
            f"{day['lake_bytes_of_person_and_day']:,.0f} bytes",
            "day; not pruned",
        ],
        ["texts, a person and day", f"{day['texts_of_person_and_day']:.4f}", "day; the cap holds nobody back there"],
        ["runs, a day", f"{run.runs:.1f}", "demo"],
        ["their time, a day", f"{run.seconds_of_10_000:,.0f} s", "demo; taken as proportional to people"],
        *([one["what"], f"{one['value']:,}", "assumed"] for one in given()["assumed"].values()),
    ]
    return [
        "## Quantities",
        *_words(
            f"*day* is `benchmarks/results/data_of_a_day.json`, {day['people']:,} people, and *demo* "
            "`benchmarks/results/server_demo.json`, 10,000 people on two processors: simulated markets, in which a "
            "person looks at one job a day. A real one may show more, and the log with what reads it grows by as much."
        ),
        *_table(["what", "how much", "from"], rows),
    ]


def _prices() -> list[str]:
    rows = []
    for name, one in given()["prices"].items():
        mark = "yes" if to_be_confirmed(one["source"]) else ""
        usd = f"{one['usd']:.7f}".rstrip("0").rstrip(".")
        rows.append([f"`{name}`", usd, one["per"], one["source"], mark])
    sources = []
    for name, one in given()["sources"].items():
        when = one.get("date", "no date")
        sources.append(f"- {name}: {when if one.get('seen', True) else f'last known {when}, not seen'}, <{one['url']}>")
    return [
        "## Prices",
        *_words(
            f"As of {given()['as_of']}. To be confirmed is what has no date, or one of more than a year ago; what was "
            "not seen is what was last known."
        ),
        *_table(["price", "dollars", "per", "source", "to be confirmed"], rows),
        *sources,
    ]


def page() -> str:
    """Return the document."""
    not_counted = (
        "Not counted: the delivery account (images, bundles of models), transfer between zones, calls of keys, tables "
        "of the lake that were replaced, log lines once they are taken in, the disk of a run beyond 20 GB, mails, what "
        "people ask Athena. "
        f"A month has {DAYS:g} days; the log is {assumed('log_age_days'):,.0f} days old."
    )
    lines = ["# What it costs", "", *_words(_HEAD), *_environments(), *_lines(), *_words(not_counted)]
    lines += [*_texts(), *_quantities(), *_prices()]
    return "\n".join(lines).rstrip("\n") + "\n"


def main() -> int:
    """Write the page and return 0; where something has no price, say so, leave the page alone and return 1."""
    try:
        text = page()
    except InvalidInputError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0
