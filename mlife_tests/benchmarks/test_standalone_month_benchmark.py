"""The month in a standalone home: what is delivered on which day, and which claims a finding breaks."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

FILES = ["click/dt=2025-11-04/a.parquet", "job_closed/dt=2025-11-04/a.parquet", "hire/dt=2025-11-04/a.parquet"]
NEXT = [name.replace("11-04", "11-05") for name in FILES]
FOUND: dict[str, Any] = {
    "rows": {
        "delivered": 10, "accepted": 7, "rejected": {"duplicate_event_id": 3}, "too_early": 1,
        "appended_by_replay": 1,
    },
    "texts": {
        "accepted_by_the_provider": 5, "accepted_more_than_once": 0, "before_their_approval": 0,
        "of_days_without_approval": [], "planned_without_approval": {"2025-11-13": 0, "2025-11-18": 5},
    },
    "plans": {"9": {"state": "blocked"}, "10": {"state": "over"}},
    "alerts": ["a run failed"],
    "log_findings": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("number", "before", "after"),
    [
        (1, FILES, []), (5, [FILES[0], FILES[2]], [FILES[1]]), (7, [*FILES, f"{FILES[0]}>again.parquet"], []),
        (9, [FILES[0], f"{FILES[1]}!", FILES[2]], [f"{FILES[1]}>whole.parquet"]), (12, FILES[:2], [FILES[2]]),
        (20, [*FILES, f"{NEXT[2]}>hire/dt=2025-11-04/early.parquet"], []), (21, FILES[:2], []),
    ],
)  # fmt: skip
def test_files_come_in_time_but_for_some(bench: ModuleType, number: int, before: list[str], after: list[str]) -> None:
    assert bench.delivered_on(FILES, number, NEXT) == (before, after)


def test_what_holds_is_no_finding(bench: ModuleType) -> None:
    assert bench.broken_claims(FOUND, 2) == []


@pytest.mark.parametrize(
    ("part", "changed", "claim"),
    [
        ("rows", {"accepted": 6}, "every row"),
        ("rows", {"appended_by_replay": 0}, "by the replay"),
        ("rows", {"too_early": 2}, "by the replay"),
        ("texts", {"accepted_by_the_provider": 0}, "once"),
        ("texts", {"accepted_more_than_once": 1}, "once"),
        ("texts", {"before_their_approval": 1}, "before its approval"),
        ("texts", {"of_days_without_approval": ["2025-11-04"]}, "without an approval"),
        ("texts", {"planned_without_approval": {"2025-11-13": 0}}, "without an approval"),
        ("plans", {"10": {"state": "approved"}}, "nobody approved"),
        ("plans", {"11": {"state": "approved"}}, "was decided"),
        ("plans", {"9": {"state": "approved"}}, "were blocked"),
    ],
)
def test_each_claim_can_break(bench: ModuleType, part: str, changed: dict[str, Any], claim: str) -> None:
    (broken,) = bench.broken_claims({**FOUND, part: {**FOUND[part], **changed}}, 2)
    assert claim in broken


def test_a_day_whose_export_was_whole_may_not_be_blocked(bench: ModuleType) -> None:
    plans = {**FOUND["plans"], "11": {"state": "blocked"}}
    (broken,) = bench.broken_claims({**FOUND, "plans": plans}, 3)
    assert "were blocked" in broken


@pytest.mark.parametrize(("part", "value"), [("alerts", []), ("log_findings", ["a file is gone"])])
def test_alerts_and_findings_count(bench: ModuleType, part: str, value: list[str]) -> None:
    assert len(bench.broken_claims({**FOUND, part: value}, 2)) == 1
