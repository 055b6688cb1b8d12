"""The record of a model and its event types: what contradicts itself is refused, and the hash names the content."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from mlife_assets.core import event_columns, model_events
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.event_columns import Column, EventType, Upcaster, added, duckdb_type, hive_type, identifier, text
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.model import Baseline, Model, RowSource, ScorableRows, Step
from mlife_assets.core.model_events import MODEL_NAME, PROMOTED, ROLLED_BACK, Reign, reigns_of, standing
from mlife_assets.core.monitoring.columns import LABEL, MonitoringColumns, Wording
from mlife_assets.core.own_model import OwnColumns, OwnModel, Stated, column_scores, own_model
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.study import Study
from mlife_assets.recruiting.events import EVENT_TYPES

ROLES = ExampleSpec("client", "day", "repaid", "known_on", ("amount", "age"), funnel=("accepted",))
COLUMNS = OwnColumns("flight", "day", "is_late", ("wind", "hour"), ("carrier",), rule="wind")
SAID = {
    "name": "late_flights", "title": "Which flights are late", "outcome": "a flight is late", "maturity_days": 1,
    "source": "flights of this project",
}  # fmt: skip
NOON = datetime(2026, 6, 2, 12, tzinfo=UTC)
CAME = datetime(2026, 6, 6, 18, tzinfo=UTC)
FIRST = (text("user_id"), text("surface"), text("state_code", nullable=True))
SECOND = (*FIRST, added(2, text("device")))
THIRD = (text("user_id"), text("place"), text("state_code", nullable=True), added(2, text("device")))
FOURTH = (*THIRD, added(4, text("browser")))
KIND = EventType(
    "seen", "market", FOURTH, version=4, upcasters=(Upcaster(2, SECOND, "* exclude (surface), surface as place"),)
)
ENVELOPE = ("event_id", "occurred_at", "observed_at")
ITEM = pa.struct([("position", pa.int64()), ("job_id", pa.string())])


def everybody(tables: tuple[pa.Table, ...], day: date, policy: object) -> ScorableRows:
    raise AssertionError("nothing is scored here")


def by_amount(rows: pa.Table) -> np.ndarray:
    return -rows["amount"].to_numpy()


def logistic(strength: float = 1.0) -> LogisticRegression:
    return LogisticRegression(C=strength)


LOANS = Model(
    name="loan_risk", title="Who repays", outcome="a loan is repaid", source="the books", roles=ROLES,
    steps=(Step("accept", "accepted", "offers", 3), Step("repay", "repaid", "loans", 30)), row_id="loan_id",
    rows=RowSource(("clients",), everybody, constants=(("channel", "web"),)),
    baseline=Baseline("smallest_first", by_amount),
    watched=MonitoringColumns(numeric=("amount", "age"), residual=("age",)),
)  # fmt: skip


def test_the_label_is_the_last_step_and_matures_in_its_own_time() -> None:
    assert LOANS.label_step.name == "repay"
    assert LOANS.label_step.maturity_days == 30


def test_outcomes_are_the_label_and_what_comes_before_it_with_words_for_people() -> None:
    assert {outcome: step.name for outcome, step in LOANS.outcomes.items()} == {LABEL: "repay", "accept": "accept"}
    assert LOANS.outcomes["accept"].wording == Wording("accepts", "leads to accepts")
    spoken = replace(LOANS.steps[0], plural="offers accepted", verb="accepts")
    assert spoken.wording == Wording("offers accepted", "accepts")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda: replace(LOANS, name="Loan risk"), "Model.name is 'Loan risk'"),
        (lambda: replace(LOANS, name="../etc"), "Model.name"),
        (lambda: replace(LOANS, name="a" * 41), "at most 40"),
        (lambda: replace(LOANS, steps=LOANS.steps[::-1]), "labels repaid, accepted"),
        (lambda: replace(LOANS, steps=LOANS.steps[1:]), "list the funnel in order"),
        (lambda: replace(LOANS, steps=tuple(replace(one, name="pay") for one in LOANS.steps)), "repeat pay"),
        (lambda: replace(LOANS, rows=None), "some of steps, row_id and rows"),
        (lambda: replace(LOANS, row_id=None), "some of steps, row_id and rows"),
        (lambda: replace(LOANS, watched=MonitoringColumns(numeric=("income",))), "names income"),
        (lambda: replace(LOANS, watched=MonitoringColumns(residual=("income",))), "names income"),
        (lambda: replace(LOANS, words={"income": "what they earn"}), "Model.words of loan_risk names income"),
        (lambda: replace(LOANS, derive=lambda rows: rows), "instead of a lambda"),
        (lambda: replace(LOANS, estimator=lambda: logistic()), "instead of a lambda"),
        (lambda: replace(LOANS, estimator=partial(logistic)), "estimator of loan_risk is a partial; name a function"),
        (
            lambda: replace(LOANS, estimator=logistic, training=TrainingPolicy(rising=("amount",), search_trials=3)),
            "TrainingPolicy.rising is amount, which LightGBM alone keeps; leave rising out, or the estimator",
        ),
        (lambda: replace(LOANS.steps[0], maturity_days=0), "maturity_days of accept is 0"),
        (lambda: replace(LOANS.steps[0], name="example"), "Step.name is example"),
        (lambda: replace(LOANS.steps[0], examples=""), "examples of accept is empty"),
        (lambda: RowSource((), everybody), "tables is empty"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(change: Callable[[], object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        change()


def test_the_record_is_json_and_names_functions() -> None:
    record = LOANS.to_record()
    assert json.loads(json.dumps(record)) == record
    assert record["baseline"] == {"name": "smallest_first", "score": "by_amount"}
    assert record["rows"]["find"] == "everybody"
    assert record["training"]["leaves"] == 7
    assert record["words"] == {}


def test_the_hash_moves_with_every_part_and_with_nothing_else() -> None:
    assert replace(LOANS).content_hash == LOANS.content_hash
    others = [
        replace(LOANS, name="loan_risks"),
        replace(LOANS, training=TrainingPolicy(leaves=8)),
        replace(LOANS, words={"age": "age in years"}),
        replace(LOANS, roles=replace(ROLES, features=("age", "amount"))),
        replace(LOANS, steps=(LOANS.steps[0], replace(LOANS.steps[1], maturity_days=31))),
        replace(LOANS, baseline=None),
    ]
    assert len({one.content_hash for one in (LOANS, *others)}) == len(others) + 1


def test_an_estimator_is_named_with_its_parameters_which_the_hash_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LOANS.to_record()["estimator"] is None
    own = replace(LOANS, estimator=logistic)
    record = own.to_record()["estimator"]
    assert record["make"] == f"{__name__}.logistic"
    assert record["steps"]["LogisticRegression"]["C"] == 1.0
    before = own.content_hash
    assert before != LOANS.content_hash
    monkeypatch.setattr(logistic, "__defaults__", (2.0,))
    assert own.content_hash != before


def test_a_declaration_makes_no_estimator() -> None:
    """Declaring takes no import of scikit-learn and no time; naming the content does."""
    made = []

    def counted() -> LogisticRegression:
        made.append(None)
        return logistic()

    own = replace(LOANS, estimator=counted)
    assert not made
    assert own.content_hash
    assert made


def test_a_model_of_a_file_has_no_marts() -> None:
    text = json.dumps({"roles": {"entity": "c", "time": "t", "label": "y", "label_time": "k", "features": ["x"]}})
    model = Study.from_json(text).model
    assert model.baseline is None
    with pytest.raises(InvalidInputError, match="study has no steps"):
        _ = model.label_step.maturity_days


def declared(columns: OwnColumns = COLUMNS, **stated: Any) -> OwnModel:
    said = {name: stated.pop(name, value) for name, value in SAID.items()}
    return own_model(columns=columns, start_date=date(2013, 1, 1), stated=Stated(**stated), **said)


def test_the_record_says_what_was_declared() -> None:
    own = declared(retrain={"drift_open_days": 3}, watched={"unalarmed": ("hour",)}, words={"wind": "wind at noon"})
    model = own.model
    assert (model.label_step.maturity_days, model.row_id, model.roles.label_time) == (1, "flight", "label_mature_date")
    assert (model.label_step.examples, model.row_source.tables) == ("examples", ("rows",))
    assert model.watched.numeric == ("wind", "hour")
    assert (model.watched.unalarmed, model.retrain.drift_open_days) == (("hour",), 3)
    assert model.baseline is not None
    assert not own.rows.is_label_timed
    assert own.rows.partitions_after == (1, 2)


def test_another_rule_is_another_record() -> None:
    by_hour = declared(replace(COLUMNS, rule="hour")).model
    assert declared().model.content_hash == declared().model.content_hash != by_hour.content_hash


def test_a_label_time_and_an_id_may_be_columns_of_their_own() -> None:
    own = declared(replace(COLUMNS, label_time="landed_on", row_id="leg"))
    assert own.rows.is_label_timed
    assert own.rows.examples.names[:4] == ["leg", "flight", "day", "landed_on"]
    assert "leg" not in own.rows.rows.names


def test_the_rule_ranks_by_its_column_and_missing_values_come_last() -> None:
    rows = pa.table({"wind": [2.0, None, 5.0]})
    assert column_scores("wind")(rows).tolist() == [2.0, 1.0, 5.0]
    assert column_scores("wind")(pa.table({"wind": pa.nulls(2, pa.float64())})).tolist() == [-1.0, -1.0]


@pytest.mark.parametrize(
    ("change", "stated", "message"),
    [
        ({"features": (), "categoricals": (), "rule": ""}, {}, "columns: the role features is empty"),
        ({"label": "wind"}, {}, "columns: the role features names wind, which is its label already"),
        ({"rule": "carrier"}, {}, "columns.rule names 'carrier'; list it under columns.features"),
        ({"row_id": "day"}, {}, "columns.row_id names day, which has another role"),
        ({"features": ("wind", "probability")}, {}, "columns: the column probability has a name that mlife adds"),
        ({}, {"training": {"leaves": 1}}, "^training.leaves is 1; set it between 2 and 4096"),
        ({}, {"promotion": {"gate_week": 2}}, "^promotion has an unknown key 'gate_week'"),
        ({}, {"monitoring": {"reference_days": 2}}, "^monitoring.reference_days is 2; set it"),
        ({}, {"watched": {"closed": ("x",)}}, "watched has an unknown key 'closed'; known are unalarmed"),
        ({}, {"watched": {"residual": ("fuel",)}}, "watched.residual names 'fuel'; list it under columns.features or"),
        ({}, {"watched": {"unalarmed": ("huor",)}}, "watched.unalarmed names 'huor'; list it under columns.features"),
        ({}, {"watched": {"ranged": ("carrier",)}}, "watched.ranged names 'carrier'; list it under columns.features, "),
        ({}, {"watched": {"never_zero": ("wnid",)}}, "watched.never_zero names 'wnid'; list it under columns.features"),
        ({}, {"words": {"fuel": "kerosene"}}, "words names 'fuel', which is none of columns"),
        ({"features": ("wind", "taken_under")}, {}, "columns: the column taken_under has a name that mlife adds"),
        ({}, {"maturity_days": 0}, r"maturity_days: Step.maturity_days of outcome is 0; use 1 to 366"),
        ({}, {"title": " "}, r"^title: it is ' '; "),
        ({}, {"outcome": ""}, r"^outcome: it is ''; "),
        ({}, {"name": "Late Flights"}, "^name is 'Late Flights'; "),
    ],
)
def test_what_cannot_be_is_refused_with_attribute_bound_and_remedy(
    change: dict[str, Any], stated: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        declared(replace(COLUMNS, **change), **stated)


def test_every_type_says_which_model_and_old_rows_are_about_the_first() -> None:
    types = {kind.name: kind for kind in model_events.model_event_types("first")}
    assert set(types) == {
        "retrain_decided", "model_registered", "promotion_decided", "model_promoted", "model_rolled_back",
        "entity_scored", "model_imported",
    }  # fmt: skip
    assert all(not kind.schema.field(MODEL_NAME).nullable for kind in types.values())
    for later in ("entity_scored", "model_imported"):
        assert types.pop(later).version == 1, "there was one model when version 1 of the others was released"
    for kind in types.values():
        (upcaster,) = kind.upcasters
        assert upcaster.select == "*, 'first' as model_name"
        assert MODEL_NAME not in kind.contract(1).schema.names


def row(version: str, hour: int) -> dict[str, object]:
    said = {"model_version": version, "previous_version": None, "actor": "gate", "reason": "r"}
    return said | {"observed_at": NOON + timedelta(hours=hour), "event_id": "not said"}


def reign(version: str, kind: str = "promoted") -> Reign:
    return Reign(version, None, NOON, kind, "gate", "r")


def test_changes_are_ordered_by_when_they_were_known_whatever_their_kind() -> None:
    found = reigns_of({PROMOTED: [row("b", 2), row("a", 0)], ROLLED_BACK: [row("a", 3), row("c", 1)]})
    assert [(one.model_version, one.kind) for one in found] == [
        ("a", "promoted"), ("c", "rolled_back"), ("b", "promoted"), ("a", "rolled_back"),
    ]  # fmt: skip
    assert found[0] == Reign("a", None, NOON, "promoted", "gate", "r")


def test_a_rollback_takes_down_what_came_after_the_last_time_its_target_served() -> None:
    promoted = [reign(version) for version in "abac"]
    assert standing(promoted) == ["a", "b", "a", "c"]
    assert standing([*promoted, reign("a", "rolled_back")]) == ["a", "b", "a"]
    assert standing([*promoted, reign("b", "rolled_back")]) == ["a", "b"]
    assert standing([*promoted, reign("x", "rolled_back")]) == ["a", "b", "a", "c", "x"]
    assert standing([]) == []


@pytest.mark.parametrize(("version", "columns"), [(1, SECOND), (2, SECOND), (3, FOURTH), (4, FOURTH)])
def test_rows_are_read_by_the_contract_of_the_next_upcaster_or_todays(version: int, columns: tuple) -> None:
    contract = KIND.contract(version)
    assert contract.columns == columns
    assert (contract is KIND) == (version > 2)


@pytest.mark.parametrize(
    ("names", "version"),
    [
        (("user_id", "place", "state_code", "device", "browser"), 4),
        (("user_id", "place", "state_code", "device"), 4), (("user_id", "place", "state_code"), 4),
        (("user_id", "surface", "state_code", "device"), 2), (("user_id", "surface", "state_code"), 2),
        (("user_id", "surface", "place", "state_code"), 4), (("user_id", "surface"), 4), ((), 4),
    ],
)  # fmt: skip
def test_an_exporter_is_judged_by_the_newest_contract_that_it_meets_else_by_todays(names: tuple, version: int) -> None:
    assert KIND.delivered((*ENVELOPE, *names)).version == version


def test_a_column_may_be_absent_only_when_it_was_added_later_and_may_be_null() -> None:
    assert KIND.missing((*ENVELOPE, "user_id", "place", "state_code")) == []
    assert KIND.missing((*ENVELOPE, "user_id", "place", "device")) == ["state_code"]
    assert KIND.missing(("user_id",)) == [*ENVELOPE, "place", "state_code"]


def test_text_has_a_length_and_only_notes_break_lines() -> None:
    title, body, user = text("title"), event_columns.note("body"), identifier("user_id")
    assert (title.text_length, body.text_length) == (event_columns.TEXT_LENGTH, event_columns.NOTE_LENGTH)
    assert [column.has_lines for column in (title, body, user)] == [False, True, False]
    assert [column.is_identifier for column in (title, user)] == [False, True]


def test_columns_of_all_versions_may_be_delivered() -> None:
    names = [column.name for column in KIND.columns_of_all_versions]
    assert sorted(names) == sorted({*ENVELOPE, "user_id", "surface", "place", "state_code", "device", "browser"})


def test_an_upcaster_that_adds_columns_says_whether_they_are_plain_words() -> None:
    plain = Upcaster.adding(1, (), model_name="'jobs'")
    assert plain == Upcaster(1, (), "*, 'jobs' as model_name", (("model_name", "'jobs'"),))
    assert plain.constants == {"model_name": "jobs"}
    assert Upcaster.adding(1, (), model_name="'jobs'", items="[job_id]").constants is None
    assert Upcaster(1, (), "*").constants is None


def test_the_landed_contract_is_the_newest_without_nested_values() -> None:
    nested = Column("parts", pa.list_(pa.struct([("a", pa.int64())])))
    plain = (identifier("thing_id"), Column("sizes", pa.list_(pa.float64())))
    newest = EventType("thing", "market", (*plain, nested), 2, (Upcaster.adding(1, plain, parts="[]"),))
    assert newest.landed == newest.contract(1)
    assert newest.contract(1).landed == newest.contract(1)


@pytest.mark.parametrize(
    ("arrow", "in_duckdb", "in_hive"),
    [
        (pa.list_(pa.float64()), "double[]", "array<double>"),
        (pa.list_(ITEM), "struct(position bigint, job_id varchar)[]", "array<struct<position:bigint,job_id:string>>"),
        (pa.timestamp("us", tz="UTC"), "timestamp with time zone", "timestamp"),
        (pa.date32(), "date", "date"),
    ],
)
def test_a_type_has_a_name_in_each_engine(arrow: pa.DataType, in_duckdb: str, in_hive: str) -> None:
    assert (duckdb_type(arrow), hive_type(arrow)) == (in_duckdb, in_hive)


def test_every_column_of_the_log_has_a_name_in_both() -> None:
    types = [field.type for kind in EVENT_TYPES.values() for field in kind.schema]
    assert all(duckdb_type(one) and hive_type(one) for one in types)
    assert len(types) > 100


def test_what_claims_to_be_older_is_known_since_it_came() -> None:
    after = CAME + timedelta(microseconds=1)
    observed = pa.array([CAME - timedelta(days=5), CAME, after], event_columns.TIMESTAMP)
    rows = pa.table({"event_id": ["a", "b", "c"], "observed_at": observed, "n": [1, 2, 3]})
    found = event_columns.known_since(rows, CAME)
    assert found["observed_at"].to_pylist() == [CAME, CAME, after]
    assert found.schema == rows.schema
    assert found.drop_columns(["observed_at"]).equals(rows.drop_columns(["observed_at"]))
