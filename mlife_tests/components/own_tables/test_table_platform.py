"""The platform of somebody else's project: what was taken in, what is missing, what came late."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from mlife_assets.adapters.tables import OF_MODELS
from mlife_assets.components.conversion_model import refusals_of, take_in
from mlife_assets.components.monitoring import inputs
from mlife_assets.components.monitoring.inputs import mature_exposures
from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.own_model import OwnColumns, OwnModel, Stated, own_model
from mlife_assets.core.windows import add_days, last_mature_exposure_day
from mlife_assets.deployments.ports import ModelPorts
from mlife_assets.deployments.project_ports import ProjectHome
from mlife_assets.home_settings import ProjectSettings

FIRST, FLIGHTS = date(2013, 1, 3), 40


def own(name: str = "flights", *, maturity_days: int = 1, label_time: str = "") -> OwnModel:
    return own_model(
        name=name, title="Which flights arrive late", outcome="a flight arrives late", source="here",
        columns=OwnColumns("flight", "day", "is_late", ("wind",), label_time=label_time), maturity_days=maturity_days,
        start_date=FIRST, stated=Stated(),
    )  # fmt: skip


def examples(partition: date, rows: int = FLIGHTS, day: date | None = None) -> pa.Table:
    names = [f"F{number}" for number in range(rows)]
    return pa.table(
        {
            "flight": pa.array(names, pa.string()),
            "day": pa.array([day or add_days(partition, -2)] * rows, pa.date32()),
            "is_late": pa.array([number % 2 for number in range(rows)], pa.int64()),
            "wind": pa.array([1.0] * rows, pa.float64()),
        }
    )


def view_of(model: OwnModel, home: Path) -> ModelPorts:
    platform = ProjectHome(settings=ProjectSettings(home=home))
    platform.declare(model, "flights.yaml")
    return platform.of_model(model.model.name)


@pytest.fixture
def view(tmp_path: Path) -> ModelPorts:
    return view_of(own(), tmp_path)


def take(view: ModelPorts, table: str, day: date, rows: pa.Table, **more: bool) -> None:
    take_in(view, view.home.own(view.model_name).rows, table, day, rows, "theirs", **more)


def taken_in(view: ModelPorts, *partitions: date, rows: int = FLIGHTS, day: date | None = None) -> None:
    for partition in partitions:
        take(view, "examples", partition, examples(partition, rows, day))


def test_what_was_never_taken_in_names_what_to_run(view: ModelPorts) -> None:
    remedy = "materialize flights/examples and flights/rows for"
    with pytest.raises(NotFoundError, match=f"nothing was taken in yet; {remedy} the days that there are"):
        view.days.require()
    with pytest.raises(NotFoundError, match=f"for {FIRST}; {remedy} {FIRST}, or run flights_daily_job"):
        view.days.report(FIRST)
    taken_in(view, FIRST)
    view.days.require(FIRST)
    view.days.require()
    with pytest.raises(NotFoundError, match=f"and the newest day is {FIRST}; {remedy} {add_days(FIRST, 1)}"):
        view.days.require(add_days(FIRST, 1))


def test_a_report_has_both_tables_of_a_day(view: ModelPorts) -> None:
    taken_in(view, FIRST)
    rows = examples(FIRST).select(["flight", "wind"])
    take(view, "rows", FIRST, pa.concat_tables([rows, rows.slice(0, 1)]))
    counted = {
        entry["event_type"]: (entry["accepted"], entry["rejected"]) for entry in view.days.report(FIRST)["types"]
    }
    assert counted == {"examples": (FLIGHTS, {}), "rows": (FLIGHTS, {"duplicate_event_id": 1})}


def test_a_day_that_is_taken_in_again_is_replaced(view: ModelPorts) -> None:
    taken_in(view, FIRST)
    taken_in(view, FIRST, rows=3)
    assert view.warehouse.read("examples").num_rows == 3
    assert view.days.report(FIRST)["types"][0]["accepted"] == 3


@pytest.mark.parametrize("table", ["examples", "rows"])
def test_rows_are_never_replaced_by_none_unless_it_is_meant(view: ModelPorts, table: str) -> None:
    good = examples(FIRST) if table == "examples" else examples(FIRST).select(["flight", "wind"])
    take(view, table, FIRST, good)
    before = view.model_tables.read(table, FIRST)
    for bad, why in ((good.slice(0, 0), "it has no rows"), (good.drop_columns(["wind"]), "lacks the column wind")):
        with pytest.raises(InvalidInputError, match=rf"{why}.*flights/{table} has 40 rows.*mlife/empty_is_meant: true"):
            take(view, table, FIRST, bad)
    assert view.model_tables.read(table, FIRST).equals(before)
    assert view.days.report(FIRST)["types"][0]["accepted"] == FLIGHTS
    take(view, table, FIRST, good.slice(0, 0), is_empty_meant=True)
    assert view.model_tables.read(table, FIRST).num_rows == 0


def test_a_table_without_rows_that_lacks_a_column_is_no_empty_day(view: ModelPorts) -> None:
    take(view, "examples", FIRST, pa.table({}))
    assert refusals_of(view, "examples", FIRST) == (
        0,
        [
            f"The table of {FIRST} has no rows and was refused as missing_column: the table lacks the column flight, "
            "day, is_late, wind; add it, or name another column in the attributes."
        ],
    )


def test_a_run_that_stops_between_table_and_report_is_healed_by_running_again(
    view: ModelPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(view.model_tables, "write_report", lambda *_: (_ for _ in ()).throw(OSError("power cut")))
        with pytest.raises(OSError, match="power cut"):
            taken_in(view, FIRST)
    with pytest.raises(NotFoundError, match="nothing was taken in"):
        view.days.require(FIRST)
    taken_in(view, FIRST)
    view.days.require(FIRST)
    assert view.warehouse.read("examples").num_rows == view.days.report(FIRST)["types"][0]["accepted"] == FLIGHTS


@pytest.mark.parametrize(("before", "after"), [(1, 7), (7, 1)])
def test_labels_of_another_maturity_are_not_read(tmp_path: Path, before: int, after: int) -> None:
    """Labels that are final after a day are not final after a week: invariant 4. Of fewer days, rows would be lost."""
    taken_in(view_of(own(maturity_days=before), tmp_path), FIRST, day=add_days(FIRST, -before - 1))
    changed = view_of(own(maturity_days=after), tmp_path)
    said = f"flights/examples of {FIRST} was kept when maturity_days was {before}, and it is {after} now; materialize"
    with pytest.raises(InvalidInputError, match=f"{said} flights/examples again, for all days that there are"):
        changed.warehouse.read("examples")
    taken_in(changed, FIRST, day=add_days(FIRST, -after - 1))
    assert changed.warehouse.read("examples").num_rows == FLIGHTS


def test_labels_that_were_not_timed_are_not_read_as_timed(view: ModelPorts, tmp_path: Path) -> None:
    taken_in(view, FIRST)
    with pytest.raises(
        InvalidInputError, match=r"kept when columns\.label_time was not set, and it is label_mature_date now"
    ):
        view_of(own(label_time="label_mature_date"), tmp_path).warehouse.read("examples")


def test_no_example_is_older_than_the_first_that_may_be_learned_from(view: ModelPorts) -> None:
    taken_in(view, FIRST)
    assert view.warehouse.read("examples")["day"].to_pylist() == [view.days.start] * FLIGHTS


@pytest.mark.parametrize("is_refused", [False, True])
def test_a_day_without_labels_among_days_with_many_is_late(view: ModelPorts, is_refused: bool) -> None:
    """What was observed on a day is the partition of the next; a table of which no row can be read says nothing."""
    silent = add_days(FIRST, 12)
    taken_in(view, *(day for day in (add_days(FIRST, number) for number in range(20)) if day != silent))
    if is_refused:
        take(view, "examples", silent, examples(silent).drop_columns(["wind"]))
    late = view.days.late_feedback(add_days(FIRST, 8), add_days(FIRST, 18))
    assert late == {add_days(silent, -1)}


def test_a_business_that_is_closed_on_weekends_has_no_late_day(tmp_path: Path, monkeypatch) -> None:
    """A partition that was delivered empty is no silence: else, at a maturity of a week, no day would be left."""
    view, maturity, last = view_of(own(maturity_days=7), tmp_path), 7, 69
    for partition in (add_days(FIRST, number) for number in range(last + 1)):
        day = add_days(partition, -maturity - 1)
        taken_in(view, partition, rows=0 if day.weekday() >= 5 else FLIGHTS, day=day)
    today = add_days(FIRST, last)
    assert view.days.late_feedback(add_days(FIRST, 8), add_days(today, -1)) == frozenset()
    exposed = last_mature_exposure_day(today, maturity)
    found = mature_exposures(view, add_days(exposed, -27), exposed)
    assert found.num_rows == 20 * FLIGHTS
    few = mature_exposures(view, add_days(exposed, -27), exposed, rows=50)
    monkeypatch.setattr(inputs, "ROWS_AT_ONCE", 3 * FLIGHTS + 1)
    assert mature_exposures(view, add_days(exposed, -27), exposed).equals(found)
    assert mature_exposures(view, add_days(exposed, -27), exposed, rows=50).equals(few), "however few are copied"


def test_nothing_is_late_where_few_labels_are_usual_or_nothing_was_taken_in(view: ModelPorts) -> None:
    assert view.days.late_feedback(FIRST, add_days(FIRST, 5)) == frozenset()
    taken_in(view, *(add_days(FIRST, number) for number in range(0, 20, 2)), rows=3)
    assert view.days.late_feedback(add_days(FIRST, 8), add_days(FIRST, 18)) == frozenset()


def test_remedies_name_the_job_and_the_assets_of_the_model(view: ModelPorts) -> None:
    with pytest.raises(NotFoundError, match="run flights_retraining_job for the day before, and see flights/evaluati"):
        view.scorers.champion_version(FIRST)
    with pytest.raises(NotFoundError, match=f"materialize the asset flights/examples for partition {FIRST}"):
        view.model_tables.read_report("ingest_examples", FIRST)


@pytest.mark.parametrize("part", ["keyring", "tables"])
def test_keys_do_not_get_into_the_repository_of_the_project(tmp_path: Path, part: str) -> None:
    home = ProjectHome(settings=ProjectSettings(home=tmp_path / "var" / "mlife"))
    home.declare(own(), "flights.yaml")
    assert not (tmp_path / "var").exists(), "declaring makes nothing"
    _ = home.private.keyring if part == "keyring" else home.tables
    assert "*" in (tmp_path / "var" / "mlife" / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_models_have_names_of_their_own(view: ModelPorts) -> None:
    view.home.declare(own(), "flights.yaml")
    with pytest.raises(InvalidInputError, match=r"flights\.yaml declares a model flights, too; give each a name"):
        view.home.declare(own(), "other.yaml")
    with pytest.raises(InvalidInputError, match="there is no model 'trains'; there are flights"):
        _ = view.home.of_model("trains").model


def test_views_share_ports_and_keep_their_tables(view: ModelPorts) -> None:
    view.home.declare(own("trains"), "trains.yaml")
    other = view.home.of_model("trains")
    assert other.lake is view.lake
    assert other.event_log is view.event_log
    taken_in(view, FIRST)
    view.lake.replace(f"{OF_MODELS}/notes.txt", b"beside the folders")
    assert (list(view.days.landed()), list(other.days.landed())) == ([FIRST], [])
    assert (view.days.newest(), other.days.newest()) == (FIRST, None)
    assert view.home.days.newest() == FIRST
