"""A model of somebody's own tables: the record that follows from what is declared, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.own_model import OwnColumns, OwnModel, Stated, column_scores, own_model

COLUMNS = OwnColumns("flight", "day", "is_late", ("wind", "hour"), ("carrier",), rule="wind")


def declared(
    columns: OwnColumns = COLUMNS,
    maturity_days: int = 1,
    name: str = "late_flights",
    title: str = "Which flights are late",
    outcome: str = "a flight is late",
    **stated: Any,
) -> OwnModel:
    return own_model(
        name=name, title=title, outcome=outcome, source="flights of this project", columns=columns,
        maturity_days=maturity_days, start_date=date(2013, 1, 1), stated=Stated(**stated),
    )  # fmt: skip


def test_the_record_says_what_was_declared() -> None:
    own = declared(retrain={"cooldown_days": 3}, watched={"unalarmed": ("hour",)}, words={"wind": "wind at noon"})
    model = own.model
    assert (model.maturity_days, model.row_id, model.roles.label_time) == (1, "flight", "label_mature_date")
    assert (model.label_step.examples, model.row_source.tables) == ("examples", ("rows",))
    assert model.watched.numeric == ("wind", "hour")
    assert (model.watched.unalarmed, model.retrain.cooldown_days) == (("hour",), 3)
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
        ({"features": (), "categoricals": (), "rule": ""}, {}, "columns: ExampleSpec.features is empty"),
        ({"label": "wind"}, {}, "columns: ExampleSpec.features names wind, which is its label already"),
        ({"rule": "carrier"}, {}, "columns.rule names 'carrier'; list it under columns.features"),
        ({"row_id": "day"}, {}, "columns.row_id names day, which has another role"),
        ({"features": ("wind", "probability")}, {}, "columns: the column probability has a name that mlife adds"),
        ({}, {"training": {"leaves": 1}}, "training: TrainingPolicy.leaves is 1; set it between 2 and 4096"),
        ({}, {"promotion": {"gate_week": 2}}, "promotion: the attribute promotion has an unknown key 'gate_week'"),
        (
            {},
            {"monitoring": {"reference_days": 2}},
            "monitoring: MonitoringPolicy.reference_days is 2; set it between 8",
        ),
        ({}, {"retrain": {"fits_per_year": 300}}, "fits_per_year and fits_for_drift of late_flights are 306 together"),
        ({}, {"watched": {"closed": ("x",)}}, "watched has an unknown key 'closed'; known are unalarmed"),
        ({}, {"watched": {"residual": ("fuel",)}}, "watched.residual names 'fuel'; list it under columns.features or"),
        ({}, {"watched": {"unalarmed": ("huor",)}}, "watched.unalarmed names 'huor'; list it under columns.features"),
        ({}, {"watched": {"ranged": ("carrier",)}}, "watched.ranged names 'carrier'; list it under columns.features, "),
        ({}, {"watched": {"never_zero": ("wnid",)}}, "watched.never_zero names 'wnid'; list it under columns.features"),
        ({}, {"words": {"fuel": "kerosene"}}, "words names 'fuel', which is none of columns"),
        ({"features": ("wind", "taken_under")}, {}, "columns: the column taken_under has a name that mlife adds"),
    ],
)
def test_what_cannot_be_is_refused_with_attribute_bound_and_remedy(
    change: dict[str, Any], stated: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        declared(replace(COLUMNS, **change), **stated)


@pytest.mark.parametrize(("attribute", "value"), [("title", " "), ("outcome", ""), ("name", "Late Flights")])
def test_what_a_model_is_called_is_said(attribute: str, value: str) -> None:
    with pytest.raises(InvalidInputError, match=rf"^{attribute}(: it)? is '{value}'; "):
        declared(**{attribute: value})


def test_maturity_has_a_bound() -> None:
    with pytest.raises(InvalidInputError, match=r"maturity_days: Step.maturity_days of outcome is 0; use 1 to 366"):
        declared(maturity_days=0)
