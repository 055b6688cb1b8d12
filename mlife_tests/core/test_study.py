"""Spec files: one JSON object turns a table into examples, or says what is wrong with it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import BacktestPolicy
from mlife_assets.core.study import KEYS, Study
from mlife_assets.core.training.ready_estimators import READY

ROLES = {"entity": "who", "time": "day", "label": "won", "label_time": "known", "features": ["size"]}
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def study(**parts: object) -> Study:
    return Study.from_json(json.dumps({"roles": ROLES, **parts}))


def test_roles_alone_are_a_study_with_defaults() -> None:
    found = study()
    assert found.model.roles.entity == "who"
    assert found.model.roles.item is None
    assert found.model.baseline is None
    assert found.model.estimator is None
    assert found.derive == ()
    assert found.gate_share == 0.2


def test_policies_are_changed_by_name() -> None:
    changes = {"training": {"leaves": 31, "formulations": ["binary"]}, "promotion": {"gate_weeks": 5}}
    model = study(**changes).model
    assert model.training.leaves == 31
    assert model.training.formulations == ("binary",)
    assert model.promotion.gate_weeks == 5


def test_the_human_rule_is_the_baseline_of_the_model() -> None:
    found = study(human={"name": "rule", "score": "size * 2"})
    assert found.human_score == "size * 2"
    assert found.model.baseline is not None
    assert found.model.baseline.name == "rule"
    assert found.model.baseline.score(pa.table({"human_score": [2.0, 1.0]})).tolist() == [2.0, 1.0]


def test_validation_is_by_default_as_long_as_the_gate_unless_the_spec_says_how_many_days() -> None:
    found = study()
    assert found.validation_share is not None
    assert found.validation_share * (1 - found.gate_share) == pytest.approx(found.gate_share)
    assert study(training={"validation_days": 3}).validation_share is None


def test_an_estimator_is_one_of_those_that_are_ready() -> None:
    assert study(estimator="logistic_regression").model.estimator is READY["logistic_regression"]
    assert KEYS.count("estimator") == 1


def test_derived_columns_keep_their_order() -> None:
    assert study(derive={"b": "1", "a": "b + 1"}).derive == (("b", "1"), ("a", "b + 1"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "lacks roles"),
        (json.dumps({"roles": ROLES, "lables": 1}), "unknown key 'lables'"),
        (json.dumps({"roles": {**ROLES, "item": 5}}), "item is 5"),
        (json.dumps({"roles": {"entity": "who"}}), "lacks time"),
        (json.dumps({"roles": ROLES, "human": {"name": "rule"}}), "name and score"),
        (json.dumps({"roles": ROLES, "human": {"name": "rule", "score": 3}}), "name and score"),
        (json.dumps({"roles": ROLES, "human": {"name": " ", "score": "size"}}), "name and score"),
        (json.dumps({"roles": ROLES, "human": {}}), "name and score"),
        (
            json.dumps(
                {"roles": {**ROLES, "features": ["human_score"]}, "human": {"name": "rule", "score": "human_score"}}
            ),
            "human_score, which holds the human's score",
        ),
        (json.dumps({"roles": ROLES, "gate_share": 0.9}), "gate_share is 0.9"),
        (json.dumps({"roles": ROLES, "gate_share": "half"}), "gate_share is 'half'"),
        (json.dumps({"roles": ROLES, "derive": {"x": ""}}), "derives x"),
        (json.dumps({"roles": ROLES, "derive": []}), "derive is"),
        (json.dumps({"roles": ROLES, "where": 3}), "where is 3"),
        (json.dumps({"roles": ROLES, "training": {"leafs": 3}}), "unknown key 'leafs'"),
        (json.dumps({"roles": ROLES, "training": {"leaves": "many"}}), "training.leaves is 'many'"),
        (json.dumps({"roles": ROLES, "training": {"leaves": 7.5}}), "training.leaves is 7.5"),
        (json.dumps({"roles": ROLES, "training": {"rising": [1]}}), r"training.rising is \[1\]"),
        (json.dumps({"roles": ROLES, "training": {"leaves": True}}), "training.leaves is True"),
        (json.dumps({"roles": ROLES, "retrain": {"retry_wait_minutes": ["10"]}}), r"retry_wait_minutes is \['10'\]"),
        (json.dumps({"roles": ROLES, "retrain": {"retry_wait_minutes": [True]}}), r"retry_wait_minutes is \[True\]"),
        (json.dumps({"roles": ROLES, "training": {"formulations": "binary"}}), "training.formulations is 'binary'"),
        (json.dumps({"roles": ROLES, "training": {"leaves": 1}}), "leaves is 1"),
        (json.dumps({"roles": ROLES, "estimator": "forest"}), "'forest'; known are logistic_regression, histogram_"),
        (json.dumps({"roles": ROLES, "estimator": ["forest"]}), "no estimator is called"),
        (
            json.dumps({"roles": ROLES, "estimator": "logistic_regression", "training": {"rising": ["size"]}}),
            "training has rising, which LightGBM alone reads; leave it out, or the estimator",
        ),
        (
            json.dumps({"roles": ROLES, "estimator": "logistic_regression", "training": {"search_trials": 5}}),
            "training has search_trials, which LightGBM alone reads",
        ),
    ],
)
def test_a_wrong_spec_is_refused_with_the_key(text: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        Study.from_json(text)


def test_the_shipped_specs_are_read() -> None:
    titles = {path.stem: Study.from_json(path.read_text()).model.title for path in EXAMPLES.glob("*.json")}
    assert all(titles.values())
    assert titles.keys() >= {"nycflights13", "bank_marketing"}


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_no_shipped_spec_sees_a_protected_attribute_or_what_is_known_too_late(path: Path) -> None:
    found = Study.from_json(path.read_text())
    # The label itself is what is known too late.
    derived = (text for name, text in found.derive if name != found.model.roles.label)
    sql = " ".join([*found.model.roles.columns, *derived, found.human_score or ""])
    assert not set(re.findall(r"\w+", sql)) & {"age", "marital", "gender", "sex", "duration", "dep_delay", "dep_time"}


def test_a_spec_states_what_fits_its_history() -> None:
    """The owner of the data says how much evidence there can be, before anything is replayed."""
    record = json.loads((EXAMPLES / "bank_marketing_history.json").read_text())
    found = Study.from_json(json.dumps(record)).model
    assert found.monitoring.sample_rows_per_day == record["monitoring"]["sample_rows_per_day"]
    assert found.retrain.minimum_new_mature_positives == record["retrain"]["minimum_new_mature_positives"]
    assert found.promotion.minimum_users_with_positives == record["promotion"]["minimum_users_with_positives"]
    assert found.backtest == BacktestPolicy(), "the backtest itself is the default"


def test_a_field_under_an_earlier_name_is_read_and_never_beside_todays() -> None:
    renamed = {"patience": "cooldown_days"}
    text = json.dumps({"roles": ROLES, "retrain": {"patience": 9}})
    assert Study.from_json(text, renamed).model.retrain.cooldown_days == 9
    assert study().with_policies('{"retrain": {"patience": 8}}', renamed).model.retrain.cooldown_days == 8
    with pytest.raises(InvalidInputError, match="has patience and its new name cooldown_days; keep the new one"):
        study().with_policies('{"retrain": {"patience": 8, "cooldown_days": 9}}', renamed)
    with pytest.raises(InvalidInputError, match="unknown key 'patience'"):
        Study.from_json(text)
    with pytest.raises(InvalidInputError, match="the spec's training has an unknown key 'patience'"):
        Study.from_json(json.dumps({"roles": ROLES, "training": {"patience": 9}}), renamed)


def test_what_is_said_of_lightgbm_beside_an_estimator_is_refused() -> None:
    spec = {"roles": ROLES, "estimator": "histogram_boosting", "training": {"learning_rate": 0.3}}
    words = "training has learning_rate, which LightGBM alone reads; leave it out, or the estimator"
    with pytest.raises(InvalidInputError, match=f"the spec's {words}"):
        Study.from_json(json.dumps(spec))
    found = Study.from_json(json.dumps(spec | {"training": {"validation_days": 9}}))
    assert found.model.training.validation_days == 9
    with pytest.raises(InvalidInputError, match=f"the policy's {words}"):
        found.with_policies('{"training": {"learning_rate": 0.3}}')


def test_a_policy_file_changes_fields_and_leaves_the_rest_of_the_spec() -> None:
    found = study(retrain={"cooldown_days": 9}, training={"leaves": 5})
    changed = found.with_policies('{"retrain": {"budget_per_30_days": 2}, "backtest": {"gate_fold_days": 7}}')
    retrain = changed.model.retrain
    assert (retrain.cooldown_days, retrain.budget_per_30_days) == (9, 2)
    assert changed.model.backtest.gate_fold_days == 7
    assert (changed.model.training, changed.model.roles) == (found.model.training, found.model.roles)
    assert changed.validation_share == found.validation_share is not None
    assert found.with_policies('{"training": {"validation_days": 9}}').validation_share is None
    waits = found.with_policies('{"retrain": {"retry_wait_minutes": [5, 20]}}').model.retrain.retry_wait_minutes
    assert waits == (5, 20)
    assert found.with_policies("{}") == found
