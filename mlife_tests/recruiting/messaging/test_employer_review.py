from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from mlife_assets.recruiting.messaging.employer_review import APPROVED, REFUSED, withheld_employers
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

DAY = date(2026, 6, 10)
POLICY = MessagingPolicy(first_seen_employer_days=3)


@pytest.mark.parametrize(
    ("seen", "verdict", "reason"),
    [
        (date(2026, 6, 9), None, "employer_in_review"),
        (date(2026, 6, 8), None, "employer_in_review"),
        (date(2026, 6, 7), None, None),
        (date(2026, 6, 9), APPROVED, None),
        (date(2026, 1, 1), REFUSED, "employer_refused"),
        (date(2026, 6, 9), REFUSED, "employer_refused"),
    ],
)
def test_a_new_employer_waits_for_a_decision_or_for_the_days(seen, verdict, reason):
    verdicts = {} if verdict is None else {"e": verdict}
    assert withheld_employers({"e": seen}, verdicts, policy=POLICY, as_of=DAY).get("e") == reason


def test_a_policy_of_no_days_withholds_refused_employers_only():
    policy = replace(POLICY, first_seen_employer_days=0)
    found = withheld_employers({"a": DAY, "b": DAY}, {"b": REFUSED}, policy=policy, as_of=DAY)
    assert found == {"b": "employer_refused"}
