"""The whole page of a replay.

Belongs here: what the template is given. Does not belong here: the layout (`core/pages/templates/backtest.html`), words
and numbers of single parts (`tables`), drawings.

Concept: one string in, one file out. The page loads nothing; without its script it still shows everything.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlife_assets.core.backtest.page.drawings import differences, lanes, quality_charts, signs_used, work_charts
from mlife_assets.core.backtest.page.tables import (
    POLICY_COLUMNS,
    decision_rows,
    policies_note,
    policy_rows,
    setting_rows,
    span_words,
    tiles,
)
from mlife_assets.core.backtest.result import BacktestResult, Cost
from mlife_assets.core.pages import Link, page, reading_script, render


def render_backtest(result: BacktestResult, cost: Cost, nav: Sequence[Link] = ()) -> str:
    """Return the page of a replay as one self-contained HTML document; `nav` links to other pages."""
    summary, decisions = decision_rows(result)
    body = render(
        "backtest.html",
        result=result,
        span=span_words(result),
        tiles=tiles(result),
        columns=POLICY_COLUMNS,
        policies=policy_rows(result, cost),
        note=policies_note(result),
        differences=differences(result),
        lanes=lanes(result),
        signs=signs_used(result),
        quality=quality_charts(result),
        work=work_charts(result),
        summary=summary,
        decisions=decisions,
        settings=setting_rows(result),
    )
    title = f"{result.title}: replay of {result.start_day} to {result.last_day}"
    return page(title, body, nav=nav, script=reading_script(), is_wide=True)
