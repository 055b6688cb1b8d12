"""The whole page.

Belongs here: the document around the sections and their order. Does not belong here: sections, style.

Concept: one string in, one file out. The page loads nothing, which its own content security policy enforces; without
scripts it still shows everything.
"""

from __future__ import annotations

from mlife_assets.core.backtest.page.drawings import differences, lanes, quality_charts, work_charts
from mlife_assets.core.backtest.page.style import BACKTEST_STYLE
from mlife_assets.core.backtest.page.tables import (
    decisions,
    header,
    limits,
    policies_table,
    recommendation,
    settings,
)
from mlife_assets.core.backtest.result import BacktestResult, Cost
from mlife_assets.core.dashboard.markup import element
from mlife_assets.core.dashboard.style import SCRIPT

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def render_backtest(result: BacktestResult, cost: Cost) -> str:
    """Return the page of a replay as one self-contained HTML document (UTF-8, no network, light and dark)."""
    title = element("title", f"{result.title}: replay of {result.start_day} to {result.last_day}")
    body = element(
        "main",
        header(result),
        recommendation(result),
        element(
            "section",
            element("h2", "Side by side"),
            policies_table(result, cost),
            element("div", differences(result), class_="grid two"),
            aria_label="Side by side",
        ),
        element(
            "section",
            element("h2", "Over time"),
            lanes(result),
            quality_charts(result),
            work_charts(result),
            aria_label="Over time",
        ),
        decisions(result),
        limits(result),
        settings(result),
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"{title}\n<style>{BACKTEST_STYLE}</style>\n</head>\n<body>\n{body}\n"
        f'<div id="tip" role="status" hidden></div>\n<script>{SCRIPT}</script>\n</body>\n</html>\n'
    )
