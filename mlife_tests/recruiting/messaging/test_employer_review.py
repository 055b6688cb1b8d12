from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mlife_assets.recruiting.messaging.employer_review import APPROVED, REFUSED, Decision, reviews_of

NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("decisions", "approved", "refused"),
    [
        ([], set(), set()),
        ([(APPROVED, "Diner", -1)], {"Diner"}, set()),
        ([(APPROVED, "Diner", 0), (APPROVED, "Diner Inc", 1)], {"Diner"}, set()),
        ([(APPROVED, "Diner", -2), (APPROVED, "Diner Inc", -1)], {"Diner", "Diner Inc"}, set()),
        ([(APPROVED, None, -1)], set(), set()),
        ([(REFUSED, "Diner", -1)], set(), {"e"}),
        ([(REFUSED, "Diner", 5)], set(), {"e"}),
        ([(REFUSED, "Diner", -1), (APPROVED, "Diner", 1)], set(), {"e"}),
        ([(REFUSED, "Diner", 1), (APPROVED, "Diner", 2)], set(), {"e"}),
        ([(APPROVED, "Diner", -2), (REFUSED, "Diner Inc", -1)], set(), {"e"}),
        ([(APPROVED, "Diner", -3), (REFUSED, "Diner", -2), (APPROVED, "Diner Inc", -1)], {"Diner Inc"}, set()),
    ],
)
def test_an_approval_covers_its_name_until_a_refusal(decisions, approved, refused):
    made = [Decision("e", name, verdict, NOON + timedelta(hours=hours)) for verdict, name, hours in decisions]
    found = reviews_of(made, until=NOON)
    assert found.approved == {("e", name) for name in approved}
    assert found.refused == refused


def test_a_job_is_approved_by_employer_and_name():
    found = reviews_of([Decision("e", "Diner", APPROVED, NOON)], until=NOON)
    assert found.is_approved({"employer_id": "e", "employer_name": "Diner"})
    assert not found.is_approved({"employer_id": "e", "employer_name": "Diner Inc"})
    assert not found.is_approved({"employer_id": "f", "employer_name": "Diner"})
    assert not found.is_approved({})
