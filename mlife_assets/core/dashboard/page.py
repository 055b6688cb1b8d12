"""The whole page.

Belongs here: the document around the sections. Does not belong here: sections, style.

Concept: one string in, one file out. The page loads nothing, which its own content security policy enforces; the same
data gives the same bytes.
"""

from __future__ import annotations

from mlife_assets.core.dashboard.data import DashboardData
from mlife_assets.core.dashboard.markup import element
from mlife_assets.core.dashboard.reports import reports_section
from mlife_assets.core.dashboard.scales import format_day
from mlife_assets.core.dashboard.sections import model_section, production_section
from mlife_assets.core.dashboard.style import SCRIPT, STYLE
from mlife_assets.core.dashboard.tables import decisions_section, header, models_section, timeline
from mlife_assets.core.errors import InvalidInputError

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


def render_dashboard(data: DashboardData) -> str:
    """Return the dashboard as one self-contained HTML document (UTF-8, no network, light and dark).

    Raises:
        InvalidInputError: `first_date` lies after `as_of_date`.
    """
    if data.first_date > data.as_of_date:
        raise InvalidInputError(
            f"DashboardData.first_date {data.first_date} lies after as_of_date {data.as_of_date}; swap or correct them"
        )
    title = element("title", f"mlife, {format_day(data.as_of_date, year=True)}")
    body = element(
        "main",
        header(data),
        timeline(data),
        reports_section(data),
        model_section(data),
        production_section(data),
        decisions_section(data),
        models_section(data),
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"{title}\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n"
        f'<div id="tip" role="status" hidden></div>\n<script>{SCRIPT}</script>\n</body>\n</html>\n'
    )
