"""Counting the outcomes of files."""

from __future__ import annotations

from datetime import date

import pyarrow as pa

from mlife_assets.adapters.ingest_report import EXAMPLES_PER_REASON, IngestReport, Outcome, type_report
from mlife_assets.core.validation import REJECTED_SCHEMA, Reason, rejected_file


def rejected(*reasons: str) -> pa.Table:
    rows = [
        {"row": n, "event_id": None, "reason": reason, "field": "f", "detail": "d", "raw": "{}"}
        for n, reason in enumerate(reasons)
    ]
    return pa.Table.from_pylist(rows, schema=REJECTED_SCHEMA)


def test_reasons_are_counted_over_files_and_the_first_rows_of_each_are_kept() -> None:
    files = [
        ("1", Outcome(2, rejected("a", "b", "a"), ("x",))),
        ("2", Outcome(1, rejected("b", "a", "a", "a"), ("x", "y"))),
    ]
    report = type_report("click", files)
    assert (report.files, report.accepted, report.rejected, report.extra_columns) == (
        2,
        3,
        {"a": 5, "b": 2},
        ("x", "y"),
    )
    shown = [(e.source, e.row, e.reason) for e in report.examples]
    assert shown == [("1", 0, "a"), ("1", 1, "b"), ("1", 2, "a"), ("2", 0, "b"), ("2", 1, "a")]
    assert sum(reason == "a" for *_, reason in shown) == EXAMPLES_PER_REASON


def test_a_report_adds_up_and_knows_nothing_ignored_by_default() -> None:
    refused = type_report("apply", [("3", Outcome(0, rejected_file(Reason.TOO_LARGE, "split it")))])
    report = IngestReport(date(2026, 6, 1), (refused, type_report("click", [("1", Outcome(4, rejected("a")))])))
    assert (report.files, report.accepted, report.rejected) == (2, 4, 2)
    assert report.rejected_by_reason == {"a": 1, "too_large": 1}
    assert report.ignored == ()
