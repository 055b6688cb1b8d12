"""Reviews of employers, read from and written to a log."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from mlife_assets.adapters.employer_reviews import (
    review_employers,
    review_simulated_employers,
    reviews_on,
    unapproved_employers,
)
from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.recruiting.messaging.events import employer_review_events
from mlife_tests.reviews import postings

DAY = date(2026, 6, 10)
NOON = datetime(2026, 6, 9, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
JOBS = pa.table({"job_id": ["j1", "j2"]})
BY_ANN = {"day": DAY, "actor": "ann", "reason": "called them"}


def posted(
    log: ParquetEventLog, job_id: str, employer_id: str, name: str, at: datetime = NOON, code: str = "x"
) -> None:
    row = {"job_id": job_id, "employer_id": employer_id, "employer_name": name, "title": f"T {job_id}"}
    log.append("job_posted", postings([row | {"occupation_code": code}], observed=at), writer="test")


@pytest.fixture
def log(tmp_path: Path) -> ParquetEventLog:
    made = ParquetEventLog(ObstoreObjectStore.local(tmp_path))
    posted(made, "j1", "e1", "Diner", code="35-2014")
    posted(made, "j2", "e2", "Inn", NOON + HOUR, code="35-3031")
    posted(made, "j3", "e3", "Bar", NOON + 24 * HOUR)
    return made


def test_a_day_knows_what_was_posted_and_decided_before_it(log: ParquetEventLog) -> None:
    assert review_employers(log, ["e1"], "approved", now=NOON + 2 * HOUR, **BY_ANN) == {"e1": "Diner"}
    assert reviews_on(log, DAY, JOBS, until=NOON + HOUR).approved == set()
    found = reviews_on(log, DAY, JOBS, until=NOON + 3 * HOUR)
    assert found.approved == {("e1", "Diner")}
    assert found.occupation_codes == {"j1": "35-2014", "j2": "35-3031"}


def test_the_newest_posting_of_a_job_says_what_it_is(log: ParquetEventLog) -> None:
    posted(log, "j1", "e1", "Diner", NOON + 2 * HOUR, code="35-1011")
    assert reviews_on(log, DAY, JOBS, until=NOON).occupation_codes["j1"] == "35-1011"


def test_who_is_not_approved_is_listed_with_the_newest_job(log: ParquetEventLog) -> None:
    review_employers(log, ["e1"], "approved", now=NOON + 2 * HOUR, **BY_ANN)
    review_employers(log, ["e2"], "refused", now=NOON + 2 * HOUR, **BY_ANN)
    assert [(one["employer_id"], one["reason"]) for one in unapproved_employers(log, DAY)] == [
        ("e2", "employer_refused")
    ]
    posted(log, "j9", "e1", "Alert Office", NOON + 3 * HOUR)
    first, _ = unapproved_employers(log, DAY)
    assert first == {
        "employer_id": "e1",
        "reason": "employer_in_review",
        "employer_name": "Alert Office",
        "newest_title": "T j9",
        "newest_job_seen": date(2026, 6, 9),
    }


def test_a_name_that_is_dated_back_before_the_review_is_not_approved(log: ParquetEventLog) -> None:
    review_employers(log, ["e1"], "approved", now=NOON + 2 * HOUR, **BY_ANN)
    posted(log, "j9", "e1", "Alert Office", NOON - 48 * HOUR)
    assert reviews_on(log, DAY, JOBS, until=NOON + 3 * HOUR).approved == {("e1", "Diner")}


def test_a_decision_is_recorded_once_and_again_for_a_new_name(log: ParquetEventLog) -> None:
    asked = ["e1", "e2", "e1"]
    assert review_employers(log, asked, "approved", now=NOON + 2 * HOUR, **BY_ANN) == {"e1": "Diner", "e2": "Inn"}
    assert review_employers(log, asked, "approved", now=NOON + 4 * HOUR, **BY_ANN) == {}
    posted(log, "j9", "e1", "Diner Inc", NOON + 5 * HOUR)
    assert review_employers(log, asked, "approved", now=NOON + 6 * HOUR, **BY_ANN) == {"e1": "Diner Inc"}
    assert review_employers(log, ["e1"], "refused", now=NOON + 7 * HOUR, **BY_ANN) == {"e1": "Diner Inc"}
    assert log.read("employer_reviewed").num_rows == 4


def test_an_employer_that_is_not_known_is_an_error_and_nothing_is_recorded(log: ParquetEventLog) -> None:
    with pytest.raises(NotFoundError, match="no employer 'e3' is known"):
        review_employers(log, ["e1", "e3"], "approved", now=NOON, **BY_ANN)
    assert log.read("employer_reviewed").num_rows == 0


def test_no_name_is_approved_that_came_while_somebody_looked(log: ParquetEventLog) -> None:
    posted(log, "j9", "e1", "Chase Fraud Desk", NOON + HOUR)
    later = BY_ANN | {"now": NOON + 2 * HOUR}
    with pytest.raises(InvalidInputError, match="2 names of employer 'e1': 'Diner', 'Chase Fraud Desk'; say by --name"):
        review_employers(log, ["e2", "e1"], "approved", **later)
    with pytest.raises(NotFoundError, match="no job of employer 'e1' names it 'Dinner'"):
        review_employers(log, ["e1"], "approved", name="Dinner", **later)
    assert log.read("employer_reviewed").num_rows == 0
    assert review_employers(log, ["e1"], "approved", name="Diner", **later) == {"e1": "Diner"}
    assert reviews_on(log, DAY, JOBS, until=NOON + 3 * HOUR).approved == {("e1", "Diner")}
    assert review_employers(log, ["e1"], "refused", **later | {"now": NOON + 3 * HOUR}) == {"e1": "Chase Fraud Desk"}


def test_nor_an_old_name_when_the_present_one_is_approved_again(log: ParquetEventLog) -> None:
    posted(log, "j9", "e1", "Diner Inc", NOON + HOUR)
    for name, changed in (("Diner Inc", {"e1": "Diner Inc"}), (None, {})):
        assert review_employers(log, ["e1"], "approved", name=name, now=NOON + 2 * HOUR, **BY_ANN) == changed


def test_a_simulated_market_approves_who_was_approved_under_no_name_or_another_one(log: ParquetEventLog) -> None:
    """The first version of the event held no name."""
    events = employer_review_events({"e1": "Diner", "e2": "Old Inn"}, "approved", actor="ann", reason="x", now=NOON)
    place = events.schema.get_field_index("employer_name")
    events = events.set_column(place, events.schema.field(place), pa.array([None, "Old Inn"], pa.string()))
    log.append("employer_reviewed", events, writer="test")
    review_simulated_employers(log, DAY)
    assert unapproved_employers(log, DAY) == []


def test_employers_of_a_simulated_market_are_approved_unless_somebody_refused_them(log: ParquetEventLog) -> None:
    review_employers(log, ["e2"], "refused", now=NOON + 2 * HOUR, **BY_ANN)
    for _ in range(2):
        review_simulated_employers(log, DAY)
    rows = log.read("employer_reviewed").sort_by("employer_id").to_pylist()
    assert [(row["employer_id"], row["verdict"], row["actor"]) for row in rows] == [
        ("e1", "approved", "simulated_reviewer"),
        ("e2", "refused", "ann"),
    ]
