from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mlife_assets.recruiting.messaging.employer_review import APPROVED, REFUSED, Decision, reviews_of

NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SEEN = {("e", "Diner"): NOON - 3 * HOUR, ("e", "Diner Inc"): NOON + HOUR, ("new", "Inn"): NOON - 400 * 24 * HOUR}


@pytest.mark.parametrize(
    ("decisions", "approved", "refused"),
    [
        ([], set(), set()),
        ([(APPROVED, -1)], {"Diner"}, set()),
        ([(APPROVED, 0)], {"Diner"}, set()),
        ([(APPROVED, 1)], set(), set()),
        ([(REFUSED, -1)], set(), {"e"}),
        ([(REFUSED, 5)], set(), {"e"}),
        ([(APPROVED, -2), (REFUSED, -1)], set(), {"e"}),
        ([(REFUSED, -2), (APPROVED, -1)], {"Diner"}, set()),
        ([(APPROVED, -4)], set(), set()),
    ],
)
def test_the_last_decision_counts_for_names_that_were_known_when_it_was_made(decisions, approved, refused):
    made = [Decision("e", verdict, NOON + hours * HOUR) for verdict, hours in decisions]
    found = reviews_of(SEEN, made, until=NOON)
    assert found.approved == {("e", name) for name in approved}
    assert found.refused == refused


def test_a_job_is_approved_by_employer_and_name():
    found = reviews_of(SEEN, [Decision("e", APPROVED, NOON)], until=NOON)
    assert found.is_approved({"employer_id": "e", "employer_name": "Diner"})
    assert not found.is_approved({"employer_id": "e", "employer_name": "Diner Inc"})
    assert not found.is_approved({"employer_id": "f", "employer_name": "Diner"})
    assert not found.is_approved({})
