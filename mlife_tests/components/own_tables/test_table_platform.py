"""The platform of somebody else's project: what was taken in, what is missing, what came late."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from mlife_assets.components.platform.table_platform import TablePlatform
from mlife_assets.components.tables.ingestion import take_in
from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.own_model import OwnColumns, OwnModel, Stated, own_model
from mlife_assets.core.windows import add_days
from mlife_assets.settings import ProjectSettings

FIRST, FLIGHTS = date(2013, 1, 3), 40


def own(name: str = "flights") -> OwnModel:
    return own_model(
        name=name,
        title="Which flights arrive late",
        outcome="a flight arrives late",
        source="here",
        columns=OwnColumns("flight", "day", "is_late", ("wind",)),
        maturity_days=1,
        start_date=FIRST,
        stated=Stated(),
    )


def examples(partition: date, rows: int = FLIGHTS) -> pa.Table:
    names = [f"F{number}" for number in range(rows)]
    return pa.table(
        {
            "flight": pa.array(names, pa.string()),
            "day": pa.array([add_days(partition, -2)] * rows, pa.date32()),
            "is_late": pa.array([number % 2 for number in range(rows)], pa.int64()),
            "wind": pa.array([1.0] * rows, pa.float64()),
        }
    )


@pytest.fixture
def view(tmp_path: Path) -> TablePlatform:
    platform = TablePlatform(settings=ProjectSettings(home=tmp_path))
    platform.declare(own(), "flights.yaml")
    return platform.of_model("flights")


def taken_in(view: TablePlatform, *days: date, rows: int = FLIGHTS) -> None:
    for day in days:
        take_in(view, view.own.rows, "examples", day, examples(day, rows), "outcomes")


def test_what_was_never_taken_in_names_what_to_run(view: TablePlatform) -> None:
    remedy = "materialize flights/examples and flights/rows for"
    with pytest.raises(NotFoundError, match=f"nothing was taken in yet; {remedy} the days that there are"):
        view.require_landed()
    with pytest.raises(NotFoundError, match=f"for {FIRST}; {remedy} {FIRST}, or run flights_daily_job"):
        view.ingest_report(FIRST)
    taken_in(view, FIRST)
    view.require_landed(FIRST)
    view.require_landed()
    with pytest.raises(NotFoundError, match=f"and the newest day is {FIRST}; {remedy} {add_days(FIRST, 1)}"):
        view.require_landed(add_days(FIRST, 1))


def test_a_report_has_both_tables_of_a_day(view: TablePlatform) -> None:
    taken_in(view, FIRST)
    rows = examples(FIRST).select(["flight", "wind"])
    take_in(view, view.own.rows, "rows", FIRST, pa.concat_tables([rows, rows.slice(0, 1)]), "schedule")
    counted = {
        entry["event_type"]: (entry["accepted"], entry["rejected"]) for entry in view.ingest_report(FIRST)["types"]
    }
    assert counted == {"examples": (FLIGHTS, {}), "rows": (FLIGHTS, {"duplicate_event_id": 1})}


def test_a_day_that_is_taken_in_again_is_replaced(view: TablePlatform) -> None:
    taken_in(view, FIRST)
    taken_in(view, FIRST, rows=3)
    assert view.warehouse.read("examples").num_rows == 3
    assert view.ingest_report(FIRST)["types"][0]["accepted"] == 3


def test_no_example_is_older_than_the_first_that_may_be_learned_from(view: TablePlatform) -> None:
    taken_in(view, FIRST)
    assert view.warehouse.read("examples")["day"].to_pylist() == [view.start_date] * FLIGHTS


@pytest.mark.parametrize("is_empty", [False, True])
def test_a_day_without_labels_among_days_with_many_is_late(view: TablePlatform, is_empty: bool) -> None:
    """What was observed on a day is the partition of the next."""
    silent = add_days(FIRST, 12)
    taken_in(view, *(day for day in (add_days(FIRST, number) for number in range(20)) if day != silent))
    if is_empty:
        taken_in(view, silent, rows=0)
    late = view.late_feedback_days(add_days(FIRST, 8), add_days(FIRST, 18))
    assert late == {add_days(silent, -1)}


def test_nothing_is_late_where_few_labels_are_usual_or_nothing_was_taken_in(view: TablePlatform) -> None:
    assert view.late_feedback_days(FIRST, add_days(FIRST, 5)) == frozenset()
    taken_in(view, *(add_days(FIRST, number) for number in range(0, 20, 2)), rows=3)
    assert view.late_feedback_days(add_days(FIRST, 8), add_days(FIRST, 18)) == frozenset()


def test_models_have_names_of_their_own(view: TablePlatform) -> None:
    view.declare(own(), "flights.yaml")
    with pytest.raises(InvalidInputError, match=r"flights\.yaml declares a model flights, too; give each a name"):
        view.declare(own(), "other.yaml")
    with pytest.raises(InvalidInputError, match="there is no model 'trains'; there are flights"):
        _ = view.of_model("trains").model


def test_views_share_ports_and_keep_their_tables(view: TablePlatform) -> None:
    view.declare(own("trains"), "trains.yaml")
    other = view.of_model("trains")
    assert other.lake is view.lake
    assert other.event_log is view.event_log
    taken_in(view, FIRST)
    assert (list(view.landed_days()), list(other.landed_days())) == ([FIRST], [])
