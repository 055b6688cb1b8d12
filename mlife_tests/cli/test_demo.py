"""What the demo prints of a model beside the first."""

from __future__ import annotations

from mlife_assets.cli.demo import _application_line, _model_lines

SERVES = {
    "champion_version": "mdl_7d09",
    "scored": 9_978,
    "outcome": "promoted",
    "objective": "average precision",
    "rule": "least_recently_seen_v1",
    "delta": 0.108,
    "interval": [0.095, 0.12],
}
NOTHING = dict.fromkeys(SERVES) | {"scored": 0}


def test_who_serves_and_what_the_gate_measured_are_two_lines() -> None:
    assert _model_lines("churn_risk", SERVES) == [
        "churn_risk: mdl_7d09 serves, 9,978 rows scored on the last day",
        "churn_risk, gate: promoted, average precision minus least_recently_seen_v1 +0.108 (+0.095 to +0.120)",
    ]


def test_a_model_that_was_refused_or_never_judged_says_so() -> None:
    serves_not = "churn_risk: no model serves yet, 0 rows scored on the last day"
    refused = NOTHING | {"outcome": "not_enough_evidence"}
    assert _model_lines("churn_risk", refused) == [serves_not, "churn_risk, gate: not enough evidence"]
    assert _model_lines("churn_risk", NOTHING) == [serves_not]


def test_an_application_says_what_is_known_of_it() -> None:
    mail = {"title": "Jobs of the week", "channel": "email", "reached": 1_339, "clicked": 0.0811, "applied": None,
            "earned_usd": None, "lift": 0.026, "interval": [-0.008, 0.048]}  # fmt: skip
    assert _application_line(mail) == (
        "Jobs of the week: 1,339 mails delivered, 8.1% clicked, people with an apply minus its holdout +2.6 "
        "points (-0.8 to +4.8)"
    )
    calls = {"title": "Calls", "channel": "call", "reached": 75, "clicked": None, "applied": None, "earned_usd": None,
             "lift": None, "interval": None}  # fmt: skip
    assert _application_line(calls) == "Calls: 75 people on call lists"
