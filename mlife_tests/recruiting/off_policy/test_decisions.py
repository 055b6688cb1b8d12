"""From logged rows to decisions: whole candidate sets of explored, delivered texts, and features that read back."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.scoring.feature_spec import FeatureSpec, examples_matrix
from mlife_assets.recruiting.off_policy.decisions import explored_candidates, greedy_decisions, logged_features

DAY = date(2026, 6, 1)
SPEC = FeatureSpec(("distance_km", "shift"), (("shift", ("day", "night")),))


def prediction(user: str, job: str, *, model: str = "mdl_a", chance: float = 0.5, **changed: Any) -> dict[str, Any]:
    row = {
        "prediction_id": f"prd_{user}_{job}_{model}", "user_id": user, "job_id": job, "as_of_date": DAY,
        "model_version": model, "candidate_set_hash": f"set_{user}", "application": "texts", "slice": "explore",
        "features": [1.5, 0.0], "exploration_propensity": chance,
    }  # fmt: skip
    return row | changed


def example(
    message: str, *, slice_: str = "explore", kind: str = "message", is_applied: bool = False
) -> dict[str, Any]:
    return {"exposure_id": message, "slice": slice_, "exposure_kind": kind, "is_applied": is_applied}


def plans(campaign: str = "texts", **prediction_by_message: str | None) -> pa.Table:
    names, count = ("message_id", "prediction_id", "campaign"), len(prediction_by_message)
    columns = (list(prediction_by_message), list(prediction_by_message.values()), [campaign] * count)
    return pa.table([pa.array(values, pa.string()) for values in columns], list(names))


def test_an_explored_text_brings_its_whole_candidate_set_and_no_other() -> None:
    predictions = [
        prediction("u1", "j1"),
        prediction("u1", "j2"),
        prediction("u2", "j1"),
        prediction("u1", "j1", model="mdl_b"),
        prediction("u1", "j3", candidate_set_hash="another"),
    ]
    found = explored_candidates(
        pa.Table.from_pylist([example("m1", is_applied=True)]),
        plans(m1="prd_u1_j2_mdl_a", m2="prd_u2_j1_mdl_a"),
        pa.Table.from_pylist(predictions),
    )
    rows = {row["prediction_id"]: (row["is_sent"], row["is_applied"]) for row in found.to_pylist()}
    assert rows == {"prd_u1_j1_mdl_a": (False, False), "prd_u1_j2_mdl_a": (True, True)}


def test_of_a_pair_that_two_applications_logged_that_of_the_sender_counts() -> None:
    """Both explored for the same person on the same day, among the same candidates, by draws of their own."""
    texts = [prediction("u1", "j1", chance=0.5), prediction("u1", "j2", chance=0.5)]
    mails = [
        prediction("u1", "j1", chance=0.9, application="mails"),
        prediction("u1", "j2", chance=0.1, application="mails"),
    ]
    planned = pa.concat_tables([plans(m1="prd_u1_j2_mdl_a"), plans("mails", m2="prd_u1_j2_mdl_a")])
    logged = pa.Table.from_pylist([mails[0], texts[0], texts[1], mails[1]])
    for message, application, chances in (("m1", "texts", [0.5, 0.5]), ("m2", "mails", [0.9, 0.1])):
        found = explored_candidates(pa.Table.from_pylist([example(message, is_applied=True)]), planned, logged)
        assert found["exploration_propensity"].to_pylist() == chances
        assert set(found["application"].to_pylist()) == {application}
        assert found["is_sent"].to_pylist() == found["is_applied"].to_pylist() == [False, True]


def test_rows_that_name_no_application_are_of_whoever_planned_on_them() -> None:
    """Rows of version 1 have no slice, and stand under the name of the first application."""
    logged = [prediction("u1", job, application="job_of_the_day", slice=None) for job in ("j1", "j2")]
    logged += [prediction("u2", job, application="mails") for job in ("j1", "j2")]
    planned = pa.concat_tables([plans("autumn", m1="prd_u1_j2_mdl_a"), plans("mails", m2="prd_u2_j1_mdl_a")])
    examples = pa.Table.from_pylist([example("m1", is_applied=True), example("m2")])
    found = explored_candidates(examples, planned, pa.Table.from_pylist(logged))
    assert [(row["user_id"], row["job_id"], row["is_sent"]) for row in found.to_pylist()] == [
        ("u1", "j1", False),
        ("u1", "j2", True),
        ("u2", "j1", True),
        ("u2", "j2", False),
    ]


@pytest.mark.parametrize(
    ("examples", "planned"),
    [
        ([example("m1", slice_="exploit")], {"m1": "prd_u1_j1_mdl_a"}),
        ([example("m1", kind="impression")], {"m1": "prd_u1_j1_mdl_a"}),
        ([example("m1")], {"m1": None}),
        ([example("m1")], {"m2": "prd_u1_j1_mdl_a"}),
        ([example("m1")], {"m1": "prd_that_was_not_logged"}),
    ],
    ids=["not explored", "no text", "no model chose it", "not planned", "not logged"],
)
def test_what_is_no_explored_text_of_a_model_brings_nothing(examples: list, planned: dict) -> None:
    found = explored_candidates(
        pa.Table.from_pylist(examples), plans(**planned), pa.Table.from_pylist([prediction("u1", "j1")])
    )
    assert found.num_rows == 0
    assert found.column_names[-2:] == ["is_sent", "is_applied"]


def test_logged_features_read_back_to_the_same_matrix() -> None:
    matrix = [[1.5, 1.0], [float("nan"), 0.0], [-2.0, float("nan")]]
    rows = pa.Table.from_pylist([prediction("u1", f"j{place}", features=row) for place, row in enumerate(matrix)])
    features = logged_features(rows, SPEC)
    assert features["shift"].to_pylist() == ["night", "day", None]
    np.testing.assert_array_equal(examples_matrix(features, SPEC), np.array(matrix))
    other = FeatureSpec(("shift", "distance_km"), (("shift", ("evening", "night")),))
    np.testing.assert_array_equal(examples_matrix(features, other)[:, 0], [1.0, np.nan, np.nan])


def test_features_of_another_width_are_refused() -> None:
    """Six numbers in two rows would make three rows of two."""
    rows = pa.Table.from_pylist([prediction("u1", "j1", features=[1.0, 2.0, 3.0])] * 2)
    with pytest.raises(InvalidInputError, match="3 to 3 features, the spec of their model 2"):
        logged_features(rows, SPEC)


def test_no_prediction_has_no_features() -> None:
    rows = pa.Table.from_pylist([prediction("u1", "j1")]).slice(0, 0)
    assert logged_features(rows, SPEC).num_rows == 0


def test_greedy_decisions_take_the_likeliest_by_the_targets_own_model() -> None:
    candidates = explored_candidates(
        pa.Table.from_pylist([example("m1", is_applied=True)]),
        plans(m1="prd_u1_j2_mdl_a"),
        pa.Table.from_pylist([prediction("u1", "j1", chance=0.25), prediction("u1", "j2", chance=0.75)]),
    )
    expected = np.array([0.1, 0.3])
    wins, loses = (greedy_decisions(candidates, np.array(one), expected) for one in ([0.1, 0.2], [0.2, 0.1]))
    assert (wins.target_probability, wins.logged_probability, wins.reward) == ([1.0], [0.75], [1.0])
    assert (wins.predicted_reward, wins.predicted_value) == ([0.3], [0.3])
    assert (loses.target_probability, loses.predicted_reward, loses.predicted_value) == ([0.0], [0.3], [0.1])
