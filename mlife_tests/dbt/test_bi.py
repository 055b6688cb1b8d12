"""The visuals of QuickSight draw what the embedded dashboard draws of the same data, to the last digit."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.gate.bi_template import TEMPLATE
from infra.gate.yaml_tags import read
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.sql_session import SqlSession
from mlife_assets.adapters.tables import TableStore
from mlife_assets.components.metrics import map_history
from mlife_assets.components.metrics.map_history import MapDay
from mlife_assets.core.pages.charts.values import DailyValue
from mlife_assets.recruiting.dashboard.data import ProductionMetrics, production
from mlife_assets.recruiting.policies import LabelPolicy

Rows = list[dict[str, Any]]
Marks = dict[tuple[Any, ...], dict[str, Any]]
Draw = Callable[[str], Marks]
EXPERIMENT, TEXTS = "salt", "sms"
"""Of the small world: its experiment, and the channel that the page is about."""
AS_OF = date(2026, 4, 15)
"""A day with texts before it and after it, so that some are mature and some are not. Who looks does so on the morning
after, before the next refresh."""
ROLLING = re.compile(r"addDateTime\((-\d+), 'DD', truncDate\('DD', now\(\)\)\)")
WITHOUT_COUNTERPART = {"map-rolling", "gain", "calibration", "opt-out-rate", "arms"}
"""What the embedded page says in other words or not at all; their SQL is that of the library, or of a mart."""


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    return {name: one["Properties"] for name, one in read(TEMPLATE)["Resources"].items()}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a run publishes rankings; the marts are in the warehouse."""
    return tmp_path_factory.mktemp("lake_of_rankings")


@pytest.fixture(scope="module")
def map_days(lake: Path) -> list[MapDay]:
    """What the embedded page knows of ranking, published as a run publishes it."""
    tables = TableStore(ObstoreObjectStore.local(lake))
    measured = [
        ("one", 40, 0.30, None),  # of a release that fitted no simple rule
        ("one", 40, 0.3625, None),
        ("one", 1, 0.90, None),
        ("two", 30, 1 / 3, 0.31),
    ]
    days = [date(2026, 4, 3) + timedelta(days=number) for number in range(len(measured))]
    for day, (version, users, value, simple) in zip(days, measured, strict=True):
        tables.write_report(map_history.REPORT, day, asdict(MapDay(day, version, value, 0.25, 0.1, users, simple)))
    return map_history.map_by_day(
        SimpleNamespace(tables=tables, of_model=lambda: SimpleNamespace(model_tables=tables)), days
    )


@pytest.fixture(scope="module")
def answers(resources, full, lake: Path, map_days) -> dict[str, Rows]:
    """What each data set holds after a refresh, by what the definition calls it."""
    session = SqlSession(full.warehouse, ObstoreObjectStore.local(lake), {"MLIFE_LAKE_ROOT": str(lake)})
    found = {}
    for declared in resources["Dashboard"]["Definition"]["DataSetIdentifierDeclarations"]:
        (logical, _) = declared["DataSetArn"]["Fn::GetAtt"]
        sql = resources[logical]["PhysicalTableMap"]["answer"]["CustomSql"]["SqlQuery"]
        found[declared["Identifier"]] = session.ask(sql, rows=100_000).table.to_pylist()
    return found


@pytest.fixture(scope="module")
def embedded(full) -> ProductionMetrics:
    kpis = [row for row in full.warehouse.read("kpi_daily").to_pylist() if row["kpi_date"] <= AS_OF]
    readout = [row for row in full.warehouse.read("experiment_readout").to_pylist() if row["experiment"] == EXPERIMENT]
    return production(kpis, readout, LabelPolicy(), AS_OF)


def visuals(definition: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return every visual by its id, with its kind."""
    of_sheets = [one for sheet in definition["Sheets"] for one in sheet["Visuals"]]
    return {given["VisualId"]: (kind, given) for one in of_sheets for kind, given in one.items()}


def kept(definition: dict[str, Any], name: str, rows: Rows, now: date) -> Rows:
    """Return the rows that pass the filters of a visual."""
    for group in definition["FilterGroups"]:
        (scope,) = group["ScopeConfiguration"]["SelectedSheets"]["SheetVisualScopingConfigurations"]
        if name not in scope["VisualIds"]:
            continue
        ((kind, given),) = group["Filters"][0].items()
        column = given["Column"]["ColumnName"]
        if kind == "CategoryFilter":
            allowed = given["Configuration"]["FilterListConfiguration"]["CategoryValues"]
            rows = [row for row in rows if row[column] in allowed]
        else:
            rolling = ROLLING.fullmatch(given["RangeMaximumValue"]["RollingDate"]["Expression"])
            newest = now + timedelta(days=int(rolling[1]))
            assert given["IncludeMaximum"] is True
            rows = [row for row in rows if row[column] is not None and row[column] <= newest]
    return rows


@pytest.fixture(scope="module")
def draw(resources, answers) -> Draw:
    """Return what draws a visual: (day, series) -> column -> value. A mark is one row, so no aggregate shows."""
    definition = resources["Dashboard"]["Definition"]

    def drawn(name: str) -> Marks:
        kind, given = visuals(definition)[name]
        ((_, wells),) = given["ChartConfiguration"]["FieldWells"].items()
        (day,) = (one["DateDimensionField"]["Column"] for one in wells["Category"])
        colours = [one["CategoricalDimensionField"]["Column"]["ColumnName"] for one in wells.get("Colors", [])]
        values = [one["NumericalMeasureField"]["Column"]["ColumnName"] for one in wells["Values"]]
        marks: defaultdict[tuple[Any, ...], Rows] = defaultdict(list)
        for row in kept(definition, name, answers[day["DataSetIdentifier"]], AS_OF + timedelta(days=1)):
            marks[(row[day["ColumnName"]], *(row[one] for one in colours))].append(row)
        assert marks, f"{kind} {name} is empty"
        assert {len(rows) for rows in marks.values()} == {1}
        return {key: {column: rows[0][column] for column in values} for key, rows in marks.items()}

    return drawn


def known(values: Iterable[DailyValue]) -> dict[date, float]:
    return {one.day: one.value for one in values if one.value is not None}


def series(marks: Marks, column: str) -> dict[date, float]:
    return {key[0]: row[column] for key, row in marks.items() if row[column] is not None and key[0] <= AS_OF}


def test_every_data_set_says_its_columns_and_types(resources, answers) -> None:
    kinds = {"DATETIME": date, "INTEGER": int, "DECIMAL": float, "STRING": str, "BOOLEAN": bool}
    for one in resources.values():
        if "PhysicalTableMap" not in one:
            continue
        given = one["PhysicalTableMap"]["answer"]["CustomSql"]
        rows = answers[given["Name"]]
        assert list(rows[0]) == [column["Name"] for column in given["Columns"]]
        for column in given["Columns"]:
            values = {type(row[column["Name"]]) for row in rows} - {type(None)}
            assert values == {kinds[column["Type"]]}, (given["Name"], column)


def test_every_text_runs_on_athena_as_it_is(resources, trino_reading) -> None:
    texts = [
        one["PhysicalTableMap"]["answer"]["CustomSql"]["SqlQuery"]
        for one in resources.values()
        if "PhysicalTableMap" in one
    ]
    assert len(texts) == 7
    assert [trino_reading.refusals(text) for text in texts] == [[]] * len(texts)


def test_ranking_is_that_of_the_embedded_dashboard(draw, map_days) -> None:
    marks = draw("map")
    assert len(marks) == len(map_days) == 3
    for column, name in (("champion_map", "champion"), ("human_map", "human"), ("random_map", "random")):
        assert series(marks, column) == {one.day: getattr(one, name) for one in map_days}
    assert series(draw("gain"), "gain_over_human") == {one.day: one.champion - one.human for one in map_days}


def test_the_simple_rule_is_that_of_the_embedded_dashboard_and_absent_on_days_without_one(draw, map_days) -> None:
    ruled = {one.day: one.simple for one in map_days if one.simple is not None}
    assert len(ruled) == 1 < len(map_days)
    assert series(draw("map"), "simple_rule_map") == ruled
    gained = {one.day: one.champion - one.simple for one in map_days if one.simple is not None}
    assert series(draw("gain"), "gain_over_simple_rule") == gained


@pytest.mark.parametrize(
    ("visual", "column", "name"),
    [
        ("texts", "messages_submitted", "sent"),
        ("texts", "messages_delivered", "delivered"),
        ("ctr", "ctr", "click_through_rate"),
        ("fill-rate", "fill_rate", "fill_rate"),
        ("opt-outs", "opt_outs", "opt_outs"),
    ],
)
def test_daily_figures_are_those_of_the_embedded_dashboard(draw, embedded, visual: str, column: str, name: str) -> None:
    """The same days, since both wait until a figure is final, and the same figures."""
    expected = known(getattr(embedded, name))
    assert series(draw(visual), column) == expected
    assert len({*expected.values()}) >= 3


def test_bids_are_those_of_the_embedded_dashboard(draw, embedded, answers) -> None:
    channels = {(row["kpi_date"], row["application"]): row["channel"] for row in answers["revenue"]}
    summed: defaultdict[date, float] = defaultdict(float)
    for (day, application), row in draw("revenue").items():
        if channels[day, application] == TEXTS:
            summed[day] += row["revenue_usd"]
    expected = known(embedded.revenue_usd)
    assert {day: value for day, value in summed.items() if value or day in expected} == expected
    assert sum(expected.values()) > 100


def test_arms_are_those_of_the_embedded_dashboard(draw, embedded, answers) -> None:
    rates = [known(one) for one in (embedded.apply_rate_treated, embedded.apply_rate_holdout)]
    weeks = {row["period_end_date"]: row for row in answers["lift"] if row["period_kind"] == "week"}
    lift = series({key[:1]: row for key, row in draw("lift").items() if key[1] == EXPERIMENT}, "lift")
    assert lift == {day: rates[0][day] - rates[1][day] for day in rates[0]}
    for rate, column in zip(rates, ("treated_apply_rate", "holdout_apply_rate"), strict=True):
        assert {day: weeks[day][column] for day in rate} == rate
    assert len(lift) == 2


def test_every_visual_is_compared_or_has_no_counterpart(resources) -> None:
    compared = {"map", "gain", "texts", "ctr", "lift", "revenue", "fill-rate", "opt-outs"}
    assert compared | WITHOUT_COUNTERPART == visuals(resources["Dashboard"]["Definition"]).keys()


def test_what_has_no_counterpart_is_drawn_of_whole_periods(draw) -> None:
    rates = series(draw("opt-out-rate"), "opt_outs_per_thousand")
    assert rates
    assert max(rates) + timedelta(days=6) < AS_OF
    assert series(draw("map-rolling"), "champion_map_7d") == {
        date(2026, 4, 3): 0.30,
        date(2026, 4, 4): pytest.approx(0.33125),
        date(2026, 4, 6): 1 / 3,
    }
