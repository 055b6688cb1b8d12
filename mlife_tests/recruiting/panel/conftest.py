"""Panels made in code: files of rankings, correct unless a test breaks them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace

import pytest

from mlife_assets.recruiting.panel.ballots import PANEL_COLUMNS

DAY = "2026-06-02"
Ranking = tuple[str, str, Sequence[str]]


def rows_of(rankings: Iterable[Ranking], day: str = DAY) -> list[dict[str, str]]:
    """Return the rows of (recruiter, user, jobs best first)."""
    return [
        {"as_of_date": day, "recruiter": recruiter, "user_id": user, "job_id": job, "rank": str(rank)}
        for recruiter, user, jobs in rankings
        for rank, job in enumerate(jobs, 1)
    ]


def csv_of(rows: Sequence[Mapping[str, str]], columns: Sequence[str] = PANEL_COLUMNS) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


@pytest.fixture(scope="session")
def files() -> SimpleNamespace:
    """Return what writes panel files."""
    return SimpleNamespace(DAY=DAY, rows_of=rows_of, csv_of=csv_of, of=lambda *rankings: csv_of(rows_of(rankings)))
