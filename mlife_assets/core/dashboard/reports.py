"""What monitoring says of the newest day, report by report.

Belongs here: the section of reports. Does not belong here: drift over time (`sections`), the governor's verdicts
(`tables`).

Concept: a chart says that something moved; this says what, in the report's own words.
"""

from __future__ import annotations

from mlife_assets.core.dashboard.data import DashboardData, ReportDigest
from mlife_assets.core.dashboard.markup import Markup, element
from mlife_assets.core.dashboard.scales import MISSING, format_day, format_value

_WORDS = {"ok": "ok", "alarm": "alarm", "not_enough_evidence": "not enough evidence"}
_CLASSES = {"ok": "v-promoted", "alarm": "v-block", "not_enough_evidence": "v-wait"}
COLUMNS_TOLD = 8


def reports_section(data: DashboardData) -> Markup:
    """Return one row per report: status, what moved, the importance that it carries, and the sentence."""
    if not data.reports:
        body = element("div", element("p", "No report yet.", class_="empty"), class_="card")
    else:
        names = ("Report", "Day", "Status", "What moved", "Importance", "What it says", "Checks", "Sampled rows")
        head = element("tr", *(element("th", name, scope="col") for name in names))
        rows = [_row(digest) for digest in data.reports]
        table = element("table", element("thead", head), element("tbody", *rows), class_="data reports")
        body = element("div", table, class_="card scroll")
    return element("section", element("h2", "What monitoring says"), body, aria_label="Monitoring reports")


def _row(digest: ReportDigest) -> Markup:
    codes = [element("code", name) for name in digest.moved[:COLUMNS_TOLD]]
    more = len(digest.moved) - COLUMNS_TOLD
    tail = f" and {more} more" if more > 0 else ""
    checks = f"{digest.alarms:,} of {digest.findings:,}"
    return element(
        "tr",
        element("td", digest.name.removesuffix("_report").replace("_", " ")),
        element("td", format_day(digest.day, year=True), class_="day-cell"),
        element("td", element("span", _WORDS[digest.status], class_=f"chip {_CLASSES[digest.status]}")),
        element("td", element("p", *codes, tail, class_="codes")) if codes else element("td", MISSING),
        element("td", format_value(digest.importance, "share"), class_="num"),
        element("td", element("p", digest.sentence)),
        element("td", checks, class_="num"),
        element("td", format_value(digest.sample_rows, "count"), class_="num"),
    )
