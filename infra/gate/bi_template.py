"""The part of `70-bi.yaml` that follows from what the dashboard shows.

Concept: analysis and dashboard are two resources with one definition. CloudFormation takes no alias of YAML, and a
dashboard that is made of an analysis does not follow it, so the definition is written twice and never by hand.
"""

from __future__ import annotations

import re
import textwrap
from itertools import count
from typing import Any

from infra.gate.bi_sheets import REFRESHED_AT, SHEETS, DataSet, Visual, data_sets
from infra.gate.environments import INFRA
from infra.gate.yaml_tags import MAXIMUM_BYTES, on_one_line

TEMPLATE = INFRA / "templates" / "70-bi.yaml"
MARK = "  # Below: `python -m infra.gate.bi_template` writes it from questions, marts and infra/gate/bi_sheets.py.\n"
TYPES = {
    "BIGINT": {"Type": "INTEGER"},
    "BOOLEAN": {"Type": "BOOLEAN"},
    "DATE": {"Type": "DATETIME"},
    "DOUBLE": {"Type": "DECIMAL", "SubType": "FLOAT"},  # without it SPICE keeps four digits
    "VARCHAR": {"Type": "STRING"},
}
OWNS_ANALYSIS = (
    "DeleteAnalysis",
    "DescribeAnalysis",
    "DescribeAnalysisPermissions",
    "QueryAnalysis",
    "RestoreAnalysis",
    "UpdateAnalysis",
    "UpdateAnalysisPermissions",
)
READS_DASHBOARD = ("DescribeDashboard", "ListDashboardVersions", "QueryDashboard")
READS_DATA_SET = (
    "DescribeDataSet",
    "DescribeDataSetPermissions",
    "DescribeIngestion",
    "ListIngestions",
    "PassDataSet",
)
"""Sets of actions as QuickSight knows them; it refuses any other combination."""
_CHARTS = {"line": "LineChart", "bar": "BarChart"}
_AGGREGATE = {"line": "AVERAGE", "bar": "SUM"}
_WIDTH = 120
_ATTRIBUTE = re.compile(r"\{'Fn::GetAtt': \[(\w+), (\w+)\]\}")


def _identifier(visual: Visual, column: str) -> dict[str, str]:
    return {"DataSetIdentifier": visual.data_set, "ColumnName": column}


def _drawn(visual: Visual) -> dict[str, Any]:
    """Return a visual as QuickSight's API has it."""
    title = {"FormatText": {"PlainText": visual.title}}

    numbers = count()

    def field(column: str, **more: Any) -> dict[str, Any]:
        return {"FieldId": f"{visual.name}.{next(numbers)}", "Column": _identifier(visual, column), **more}

    if visual.form == "table":
        wells: dict[str, Any] = {"TableUnaggregatedFieldWells": {"Values": [field(one) for one in visual.columns]}}
        return {
            "TableVisual": {
                "VisualId": visual.name,
                "Title": title,
                "ChartConfiguration": {"FieldWells": wells},
            }
        }
    chart = _CHARTS[visual.form]
    function = {"SimpleNumericalAggregation": _AGGREGATE[visual.form]}
    found: dict[str, Any] = {
        "Category": [{"DateDimensionField": field(visual.day, DateGranularity="DAY")}],
        "Values": [{"NumericalMeasureField": field(one, AggregationFunction=function)} for one in visual.columns],
    }
    if visual.colour:
        found["Colors"] = [{"CategoricalDimensionField": field(visual.colour)}]
    configuration: dict[str, Any] = {"FieldWells": {f"{chart}AggregatedFieldWells": found}}
    if visual.may_lack:
        gap = {"MissingDataConfigurations": [{"TreatmentOption": "SHOW_AS_BLANK"}]}
        configuration["PrimaryYAxisDisplayOptions"] = gap
    if visual.form == "bar":
        arrangement = "STACKED" if visual.colour else "CLUSTERED"
        configuration |= {"Orientation": "VERTICAL", "BarsArrangement": arrangement}
    return {f"{chart}Visual": {"VisualId": visual.name, "Title": title, "ChartConfiguration": configuration}}


def newest_shown(window_days: int) -> str:
    """Return QuickSight's expression for the newest day whose figure is final.

    A day is mature `window_days` + 1 days later. The one day more is that of the refresh: until the evening, SPICE
    holds what yesterday's run knew.
    """
    return f"addDateTime({-window_days - 2}, 'DD', truncDate('DD', now()))"


def _filters(sheet: str, visual: Visual) -> list[dict[str, Any]]:
    """Return the filters of a visual as groups, one each."""
    found: list[dict[str, Any]] = []
    if visual.only:
        column, value = visual.only
        chosen = {"FilterListConfiguration": {"MatchOperator": "CONTAINS", "CategoryValues": [value]}}
        found.append({"CategoryFilter": {"Column": _identifier(visual, column), "Configuration": chosen}})
    if visual.window_days is not None:
        newest = {"DataSetIdentifier": visual.data_set, "Expression": newest_shown(visual.window_days)}
        bound = {"RangeMaximumValue": {"RollingDate": newest}, "IncludeMaximum": True, "TimeGranularity": "DAY"}
        column_of_days = {"Column": _identifier(visual, visual.day), "NullOption": "NON_NULLS_ONLY"}
        found.append({"TimeRangeFilter": {**column_of_days, **bound}})
    scope = {"SheetId": sheet, "Scope": "SELECTED_VISUALS", "VisualIds": [visual.name]}
    groups = []
    for number, one in enumerate(found):
        ((kind, given),) = one.items()
        name = f"{visual.name}-{number}"
        groups.append(
            {
                "FilterGroupId": name,
                "CrossDataset": "SINGLE_DATASET",
                "Status": "ENABLED",
                "ScopeConfiguration": {"SelectedSheets": {"SheetVisualScopingConfigurations": [scope]}},
                "Filters": [{kind: {"FilterId": name, **given}}],
            }
        )
    return groups


def _sheet(name: str, visuals: tuple[Visual, ...]) -> dict[str, Any]:
    elements = [
        {
            "ElementId": one.name,
            "ElementType": "VISUAL",
            "ColumnSpan": 36 if one.form == "table" else 18,
            "RowSpan": 9,
        }
        for one in visuals
    ]
    layout = {"Configuration": {"GridLayout": {"Elements": elements}}}
    return {"SheetId": name, "Name": name.title(), "Visuals": [*map(_drawn, visuals)], "Layouts": [layout]}


def definition() -> dict[str, Any]:
    """Return what analysis and dashboard show; data sets are named by what CloudFormation gives."""
    declared = [
        {"Identifier": one.name, "DataSetArn": {"Fn::GetAtt": [f"{_logical(one)}Data", "Arn"]}} for one in data_sets()
    ]
    sheets = [_sheet(name, visuals) for name, visuals in SHEETS.items()]
    groups = [group for name, visuals in SHEETS.items() for visual in visuals for group in _filters(name, visual)]
    return {"DataSetIdentifierDeclarations": declared, "Sheets": sheets, "FilterGroups": groups}


def _logical(data_set: DataSet) -> str:
    return "".join(word.title() for word in data_set.name.split("_"))


def _flow(value: Any, indent: int, lead: str) -> list[str]:
    """Return a value as YAML in the form of JSON behind `lead`, in lines that are no longer than others.

    Further lines are indented by one space more, which is what YAML asks for: CloudFormation counts each.
    """
    text = _ATTRIBUTE.sub(r"!GetAtt \1.\2", on_one_line(value))
    space = " " * indent
    return textwrap.wrap(
        lead + text,
        _WIDTH,
        initial_indent=space,
        subsequent_indent=space + " ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _permissions(group: str, actions: tuple[str, ...]) -> list[str]:
    allowed = {"Principal": {"Fn::GetAtt": [group, "Arn"]}, "Actions": [f"quicksight:{one}" for one in actions]}
    return ["      Permissions:", *_items([allowed], 6)]


def _items(values: list[Any], indent: int) -> list[str]:
    """Return a list with an item a line, or more."""
    return [line for value in values for line in _flow(value, indent, "- ")]


def _of_data_set(one: DataSet) -> list[str]:
    name, known_as = _logical(one), f"mlife-{one.name.replace('_', '-')}"
    schedule = {
        "ScheduleId": "daily",
        "RefreshType": "FULL_REFRESH",
        "ScheduleFrequency": {"Interval": "DAILY", "TimeOfTheDay": REFRESHED_AT, "TimeZone": "UTC"},
    }
    return [
        f"  {name}Data:",
        "    Type: AWS::QuickSight::DataSet",
        "    Properties:",
        "      AwsAccountId: !Ref AWS::AccountId",
        f"      DataSetId: {known_as}",
        f"      Name: {known_as}",
        "      ImportMode: SPICE",
        "      IngestionWaitPolicy: {WaitForSpiceIngestion: false}",
        "      PhysicalTableMap:",
        "        answer:",
        "          CustomSql:",
        "            DataSourceArn: !GetAtt Source.Arn",
        f"            Name: {one.name}",
        "            SqlQuery: |-",
        *(f"              {line}".rstrip() for line in one.text.splitlines()),
        *_flow([{"Name": column, **TYPES[kind]} for column, kind in one.columns.items()], 12, "Columns: "),
        *_permissions("Authors", READS_DATA_SET),
        f"  {name}Refresh:",
        "    Type: AWS::QuickSight::RefreshSchedule",
        "    Properties:",
        "      AwsAccountId: !Ref AWS::AccountId",
        f"      DataSetId: {known_as}",
        *_flow(schedule, 6, "Schedule: "),
        f"    DependsOn: {name}Data",
    ]


def _shown(kind: str, group: str, actions: tuple[str, ...]) -> list[str]:
    given = definition()
    lines = [
        f"  {kind}:",
        f"    Type: AWS::QuickSight::{kind}",
        "    Properties:",
        "      AwsAccountId: !Ref AWS::AccountId",
        f"      {kind}Id: mlife",
        "      Name: mlife",
        *_permissions(group, actions),
        "      Definition:",
    ]
    for key in ("DataSetIdentifierDeclarations", "FilterGroups"):
        lines += [f"        {key}:", *_items(given[key], 8)]
    lines.append("        Sheets:")
    for sheet in given["Sheets"]:
        lines += [f"        - SheetId: {sheet['SheetId']}", f"          Name: {sheet['Name']}", "          Visuals:"]
        lines += [*_items(sheet["Visuals"], 10), "          Layouts:", *_items(sheet["Layouts"], 10)]
    return lines


def with_dashboard(template: str) -> str:
    """Return the text of the template with what is shown today. Raises ValueError where it has no mark."""
    head, mark, _ = template.partition(MARK)
    if not mark:
        raise ValueError(f"{TEMPLATE.name} lacks the line: {MARK.strip()}")
    lines = [line for one in data_sets() for line in _of_data_set(one)]
    lines += _shown("Analysis", "Authors", OWNS_ANALYSIS) + _shown("Dashboard", "Readers", READS_DASHBOARD)
    text = head + mark + "\n".join(lines) + "\n"
    if len(text.encode()) > MAXIMUM_BYTES:
        raise ValueError(f"{TEMPLATE.name} would have {len(text.encode())} bytes; CloudFormation takes {MAXIMUM_BYTES}")
    return text


if __name__ == "__main__":
    TEMPLATE.write_text(with_dashboard(TEMPLATE.read_text(encoding="utf-8")), encoding="utf-8")
