"""What the demo prints of a model beside the first."""

from __future__ import annotations

from mlife_assets.cli.demo import _model_lines

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
