"""The dashboard of QuickSight holds together: every name that it says is there, with the type that is drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from infra.gate.bi_sheets import SHEETS, TABLES, VISUALS, DataSet, data_sets, declared_columns
from infra.gate.bi_template import TEMPLATE, TYPES, definition, newest_shown, with_dashboard
from infra.gate.yaml_tags import MAXIMUM_BYTES, read

SETS: dict[str, DataSet] = {one.name: one for one in data_sets()}
ABOUT_ONE = ("user_id", "person_id", "job_id", "message_id", "exposure_id", "event_id", "_hash", "address", "phone")


def found(value: Any, key: str) -> Iterator[Any]:
    """Yield what stands under a key, however deep."""
    if isinstance(value, dict):
        if key in value:
            yield value[key]
        for item in value.values():
            yield from found(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from found(item, key)


def test_the_template_is_what_the_sheets_say() -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    assert with_dashboard(text) == text, "run python -m infra.gate.bi_template"
    resources = read(TEMPLATE)["Resources"]
    assert resources["Analysis"]["Properties"]["Definition"] == definition()
    assert resources["Dashboard"]["Properties"]["Definition"] == definition()
    assert len(text.encode()) < MAXIMUM_BYTES


def test_a_template_without_its_mark_or_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks the line"):
        with_dashboard("Resources: {}\n")
    with pytest.raises(ValueError, match="CloudFormation takes"):
        with_dashboard("# x\n" * 5_000 + TEMPLATE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", VISUALS)
def test_each_column_of_a_visual_is_in_its_data_set_with_a_type_that_can_be_drawn(name: str) -> None:
    visual = VISUALS[name]
    columns = SETS[visual.data_set].columns
    assert visual.columns
    if visual.form == "table":
        assert set(visual.columns) <= columns.keys()
        return
    assert columns[visual.day] == "DATE"
    assert {columns[one] for one in visual.columns} <= {"BIGINT", "DOUBLE"}
    assert not visual.colour or columns[visual.colour] == "VARCHAR"
    assert visual.only is None or columns[visual.only[0]] == "VARCHAR"


def test_both_kinds_of_metrics_are_shown_and_every_data_set_is_used() -> None:
    assert [*SHEETS] == ["model", "production"]
    assert {visual.data_set for visual in VISUALS.values()} == SETS.keys()
    assert {"map-rolling", "calibration"} <= {visual.name for visual in SHEETS["model"]}
    assert {kind for one in SETS.values() for kind in one.columns.values()} <= TYPES.keys()


def test_the_definition_names_only_what_is_there() -> None:
    given = definition()
    assert {one["DataSetIdentifier"] for one in found(given, "Column")} == SETS.keys()
    for column in found(given, "Column"):
        assert column["ColumnName"] in SETS[column["DataSetIdentifier"]].columns
    fields, visuals = [*found(given, "FieldId")], [*found(given, "VisualId")]
    assert len(set(fields)) == len(fields) > 30
    assert sorted(visuals) == sorted(VISUALS)
    assert [*found(given, "ElementId")] == visuals
    scopes = [one for many in found(given, "SheetVisualScopingConfigurations") for one in many]
    assert len(scopes) == len(given["FilterGroups"]) > 5
    for scope in scopes:
        assert {*scope["VisualIds"]} <= {one.name for one in SHEETS[scope["SheetId"]]}
    groups = [one["FilterGroupId"] for one in given["FilterGroups"]]
    assert len(set(groups)) == len(groups)


def test_what_grows_is_drawn_of_mature_days() -> None:
    """A day is mature `window_days` + 1 days later, and the morning after, SPICE still holds the day before."""
    assert newest_shown(7) == "addDateTime(-9, 'DD', truncDate('DD', now()))"
    growing = {visual.name for visual in VISUALS.values() if visual.window_days}
    assert growing == {"ctr", "revenue", "opt-out-rate"}
    arms = VISUALS["arms"]
    assert (arms.window_days, arms.columns[-1]) == (None, "is_closed"), "a table of all weeks says which still run"


def test_a_day_without_a_simple_rule_is_a_gap_in_its_line() -> None:
    """Models of 0.1.0 have none: neither zero nor a line between its neighbours was measured."""
    charts = {one["VisualId"]: one for one in found(definition(), "LineChartVisual")}
    axes = {name: one["ChartConfiguration"].get("PrimaryYAxisDisplayOptions") for name, one in charts.items()}
    gap = {"MissingDataConfigurations": [{"TreatmentOption": "SHOW_AS_BLANK"}]}
    assert {name: axis for name, axis in axes.items() if axis} == {"map": gap, "gain": gap}
    simple = {one["ColumnName"] for name in ("map", "gain") for one in found(charts[name], "Column")}
    assert {"simple_rule_map", "gain_over_simple_rule"} <= simple


def test_no_table_that_is_read_has_a_row_about_one_person() -> None:
    """None of their columns says who; the names are those of the marts' contracts."""
    declared = declared_columns()
    assert len(declared) == sum(map(len, TABLES.values()))
    names = {column for columns in declared.values() for column in columns}
    assert len(names) > 40
    assert [name for name in names if name.endswith(ABOUT_ONE)] == []
