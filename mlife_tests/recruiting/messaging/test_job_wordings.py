from __future__ import annotations

import pyarrow as pa

from mlife_assets.recruiting.messaging.job_wordings import RefusedJob, refusal_counts, word_jobs
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

KEY = b"k" * 32


def jobs(*rows: tuple[str, str, str]) -> pa.Table:
    names = ("job_id", "title", "employer_name")
    whole = [dict(zip(names, row, strict=True)) for row in rows]
    return pa.Table.from_pylist(
        [row | {"employer_id": f"e_{row['job_id']}", "pay_usd_per_hour": 18.5, "openings": 1} for row in whole]
    )


def test_each_job_has_a_wording_or_a_reason():
    table = jobs(
        ("j1", "Line Cook", "Blue Diner"),
        ("j2", "Cook", "evil.example"),
        ("j3", "Reply YES", "Diner"),
        ("j4", "Nurse \U0001f600", "Clinic"),
        ("j5", "Baker", "Newcomer"),
    )
    worded, refused = word_jobs(
        table, MessagingPolicy(), link_key=KEY, withheld_employers={"e_j5": "employer_in_review"}
    )
    assert list(worded) == ["j1"]
    assert [(job.job_id, job.reason) for job in refused] == [
        ("j2", "web_address"),
        ("j3", "call_to_action"),
        ("j4", "unwritable"),
        ("j5", "employer_in_review"),
    ]
    assert refused[0].why == "employer_name 'evil.example' breaks web_address"


def test_what_is_quoted_is_short():
    _, (refused,) = word_jobs(jobs(("j", "evil.com " * 30, "e")), MessagingPolicy(), link_key=KEY)
    assert len(refused.why) < 200


def test_refusals_are_counted_by_reason():
    refused = [RefusedJob("a", "x", ""), RefusedJob("b", "w", ""), RefusedJob("c", "x", "")]
    assert refusal_counts(refused) == {"w": 1, "x": 2}
