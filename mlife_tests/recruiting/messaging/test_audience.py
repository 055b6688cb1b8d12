"""From scores of everybody to the candidates of one application: who can be reached, and who explores."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.exploration import explore
from mlife_assets.recruiting.messaging.audience import CHOSEN, application_candidates, reachable_users
from mlife_assets.recruiting.messaging_policy import MessagingPolicy

DAY = date(2026, 6, 2)
POLICY = MessagingPolicy(exploration_share=0.5)
PEOPLE, JOBS = 300, 5
UNREACHABLE = {"usr_no": (False, "America/Chicago"), "usr_unknown": (None, "America/Chicago"), "usr_lost": (True, None)}


def people() -> pa.Table:
    known = {f"usr_{number:03d}": (True, "America/Chicago") for number in range(PEOPLE)} | UNREACHABLE
    rows = [{"user_id": one, "is_consented": said, "time_zone": zone} for one, (said, zone) in known.items()]
    return pa.Table.from_pylist(rows)


def vacancies() -> pa.Table:
    return pa.table({"job_id": [f"job_{place}" for place in range(JOBS)], "job_age_days": [1, 30, None, 2, 9]})


def scores() -> pa.Table:
    """Return scores of everybody, whoever may be reached."""
    rng = np.random.default_rng(11)
    user_ids = people()["user_id"].to_pylist()
    pairs = [(user, f"job_{place}") for user in user_ids for place in range(JOBS)]
    probability = rng.uniform(0.05, 0.4, len(pairs))
    return pa.table(
        {
            "user_id": [user for user, _ in pairs],
            "job_id": [job for _, job in pairs],
            "probability": probability,
            "prediction_id": [f"prd_{user}_{job}" for user, job in pairs],
            "candidate_set_hash": ["set"] * len(pairs),
            "expected_value_usd": probability * 2,
            "raw_score": np.log(probability),
        }
    )


def chosen(policy: MessagingPolicy = POLICY, **changed: Any) -> pa.Table:
    given = {"scores": scores(), "users": people(), "jobs": vacancies()} | changed
    return application_candidates(given["scores"], given["users"], given["jobs"], policy=policy, as_of=DAY)


def test_scores_are_of_everybody_and_candidates_of_those_who_can_be_reached() -> None:
    assert set(UNREACHABLE) < set(scores()["user_id"].to_pylist())
    reached = set(chosen()["user_id"].to_pylist())
    assert reached == set(people()["user_id"].to_pylist()) - set(UNREACHABLE)
    assert reachable_users(people())["user_id"].to_pylist() == sorted(reached)


def test_each_row_keeps_its_score_and_says_how_it_would_be_sent() -> None:
    found, given = chosen(), scores()
    assert found.column_names == [*given.column_names, *CHOSEN]
    kept = given.filter(pc.is_in(given["user_id"], value_set=pc.unique(found["user_id"])))
    assert found.select(given.column_names).equals(kept)
    picks = explore(
        found["user_id"],
        found["job_id"],
        found["probability"].to_numpy(),
        np.tile([1, 30, np.nan, 2, 9], PEOPLE),
        policy=POLICY,
        as_of=DAY,
    )
    assert np.array_equal(found["is_exploration"].to_numpy(), picks.is_exploration)
    assert np.array_equal(found["propensity"].to_numpy(), picks.propensity)
    assert np.array_equal(found["exploration_propensity"].to_numpy(), picks.exploration_propensity)
    assert 100 < pc.sum(found["is_exploration"]).as_py() < 200
    said = dict(zip(found["is_exploration"].to_pylist(), found["slice"].to_pylist(), strict=True))
    assert said == {True: "explore", False: "exploit"}
    assert pc.unique(found["exploration_salt"]).to_pylist() == [POLICY.assignment_salt]


def test_who_cannot_be_reached_changes_nothing_for_the_others() -> None:
    """Consent was once asked before scoring: the picks of the others are those of then, to the bit."""
    given, users = scores(), reachable_users(people())
    before = given.filter(pc.is_in(given["user_id"], value_set=users["user_id"].combine_chunks()))
    assert chosen().equals(chosen(scores=before, users=users))


def test_two_applications_choose_for_themselves_from_the_same_scores() -> None:
    given = scores()
    one, other = chosen(scores=given), chosen(replace(POLICY, assignment_salt="another"), scores=given)
    assert one.select(given.column_names).equals(other.select(given.column_names))
    assert not one["is_exploration"].equals(other["is_exploration"])
    quiet = chosen(replace(POLICY, exploration_share=0.0), scores=given)
    assert set(quiet["slice"].to_pylist()) == {"exploit"}


def test_scores_of_0_1_0_are_chosen_from_anew() -> None:
    """They hold what the only application had chosen, and only those whom it could reach."""
    given = chosen()
    old = given.set_column(given.schema.get_field_index("slice"), "slice", pa.array(["explore"] * given.num_rows))
    assert chosen(scores=old).equals(given)


@pytest.mark.parametrize("table", ["scores", "users", "jobs"])
def test_a_missing_column_is_named(table: str) -> None:
    given = {"scores": scores(), "users": people(), "jobs": vacancies()}
    column = {"scores": "probability", "users": "time_zone", "jobs": "job_age_days"}[table]
    with pytest.raises(InvalidInputError, match=column):
        chosen(**{table: given[table].drop_columns([column])})


def test_a_job_that_was_scored_has_facts() -> None:
    with pytest.raises(InvalidInputError, match="job_4 was scored and has no facts; materialize user_job_scores"):
        chosen(jobs=vacancies().slice(0, 4))
