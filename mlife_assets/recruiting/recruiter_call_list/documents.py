"""The call list as a file for spreadsheets and as a page.

Belongs here: columns, words, layout. Does not belong here: who is called (`call_list`).

Concept: both say the same. Employers write titles, and a spreadsheet takes a cell that begins with `=` for a formula,
so such a cell gets an apostrophe.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from mlife_assets.core.pages import Link, page, render
from mlife_assets.core.pages.markup import writable
from mlife_assets.recruiting.recruiter_call_list.call_list import (
    CALL_CAPACITY,
    CALLED_RECENTLY,
    HOLDOUT,
    JOB_CAPACITY,
    LOW_SCORE,
    NO_CALL_CONSENT,
    NO_JOB,
    OPTED_OUT,
    SAME_PERSON,
    CallList,
    CallRow,
)

COLUMNS = (
    "as_of_date",
    "recruiter",
    "position",
    "user_id",
    "job_id",
    "title",
    "pay",
    "employer_name",
    "place",
    "why",
    "absence",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_NO_REASON = "among their best matches"
LEFT_OUT_WORDS = {
    NO_CALL_CONSENT: "did not agree to be called",
    OPTED_OUT: "asked not to be contacted",
    HOLDOUT: "in a holdout, which hears nothing",
    SAME_PERSON: "another account of somebody who is called",
    CALLED_RECENTLY: "was on a list not long ago",
    LOW_SCORE: "no job that is likely enough",
    NO_JOB: "no job that may be spoken of",
    JOB_CAPACITY: "enough people are called about their jobs",
    CALL_CAPACITY: "no time left to call",
}


def call_list_csv(calls: CallList) -> bytes:
    """Return the list as CSV (UTF-8 with a mark, by which spreadsheets know it), columns `COLUMNS`."""
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for row in calls.rows:
        job = row.job
        facts = (row.user_id, job.job_id, job.title, job.pay, job.employer_name, job.place, _why(row), row.absence)
        words = [_cell(value) for value in (row.recruiter, *facts)]
        writer.writerow([calls.as_of_date.isoformat(), words[0], row.position, *words[1:]])
    return file.getvalue().encode("utf-8-sig")


def call_list_page(calls: CallList, *, nav: Sequence[Link] = ()) -> str:
    """Return the list as one self-contained page; `nav` leads to others."""
    day = f"{calls.as_of_date:%A, %B}\u00a0{calls.as_of_date.day}"
    body = render(
        "call_list.html",
        package="mlife_assets.recruiting.recruiter_call_list",
        day=day,
        total=len(calls.rows),
        lists=[(name, [(row, _why(row)) for row in calls.rows if row.recruiter == name]) for name in calls.recruiters],
        left_out=[(LEFT_OUT_WORDS[reason], f"{count:,}") for reason, count in calls.left_out_counts.items()],
        left_out_total=len(calls.left_out),
    )
    return page(f"Calls for {day}", body, nav=nav)


def _why(row: CallRow) -> str:
    return ", ".join(row.why) or _NO_REASON


def _cell(value: str) -> str:
    value = " ".join(writable(value).split())
    return f"'{value}" if value.startswith(_FORMULA) else value
