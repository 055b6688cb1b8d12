"""Models over the tables of somebody else's project: declared in YAML, loaded, run for days."""

from __future__ import annotations

import re
import traceback
from contextlib import nullcontext
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from dagster.components.scaffold.scaffold import get_scaffolder
from typer.testing import CliRunner

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.cli.app import app
from mlife_assets.components import ConversionModel
from mlife_assets.components.conversion_model import SKIP_TAG, refusals_of, take_in
from mlife_assets.components.graph.retrain_sensor import SENSOR
from mlife_assets.components.graph.run_requests import DECISION_TAG
from mlife_assets.components.shown.present import next_day, operator_time
from mlife_assets.core.windows import add_days, run_time
from mlife_assets.deployments.times import OPERATOR_DELAY

CHAIN = (
    *("examples", "rows", "training_set", "candidate_model", "fold_models", "explanation", "evaluation"),
    *("champion_model", "monitoring_reference", "hyperparameters", "data_quality_report", "data_drift_report"),
    *("latent_drift_report", "concept_drift_report", "retrain_decision", "scores"),
)


def refused(project: Any) -> str:
    """Return all that is said when a project does not load: Dagster wraps an error in one of its own."""
    with pytest.raises(Exception) as caught:  # noqa: PT011
        dg.Definitions.validate_loadable(project.load())
    return "".join(traceback.format_exception(caught.value))


def test_an_instance_has_the_chain_of_a_model_and_nothing_of_a_job_board(project: Any) -> None:
    project.declare(owners=["team:airport"])
    definitions = project.load()
    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    own = {"expected_flights", "flight_outcomes"}
    assert set(specs) == {f"late_flights/{name}" for name in CHAIN} | own
    assert {specs[name].group_name for name in set(specs) - own} == {"late_flights"}
    assert {owner for name in set(specs) - own for owner in specs[name].owners} == {"team:airport"}
    repository = definitions.get_repository_def()
    jobs = {f"late_flights_{name}" for name in ("daily_job", "retraining_job", "search_job")}
    assert {job.name for job in repository.get_all_jobs()} - {"__ASSET_JOB"} == jobs
    assert [sensor.name for sensor in repository.sensor_defs] == [f"late_flights_{SENSOR}"]
    daily = {
        key.path[-1] for key in definitions.resolve_job_def("late_flights_daily_job").asset_layer.executable_asset_keys
    }
    assert {"examples", "rows", "scores", "retrain_decision"} <= daily
    assert not {"training_set", "champion_model", "hyperparameters"} & daily
    (schedule,) = repository.schedule_defs
    assert (schedule.name, schedule.default_status.value) == ("late_flights_daily_schedule", "STOPPED")
    dg.Definitions.validate_loadable(definitions)
    assert not (project.root / "var").exists(), "loading writes nothing"


def test_a_home_is_stated_or_of_the_environment_or_of_the_project(
    project: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    project.declare()
    assert project.view(project.load()).settings.home == project.root / "var" / "mlife"
    monkeypatch.setenv("MLIFE_HOME", str(tmp_path / "elsewhere"))
    assert project.view(project.load()).settings.home == tmp_path / "elsewhere"
    project.declare(home="kept/here")
    assert project.view(project.load()).settings.home == project.root / "kept" / "here"


def test_two_instances_share_one_resource_and_keep_apart_what_is_theirs(project: Any) -> None:
    project.declare()
    project.declare(name="windy_flights", columns={"features": ["wind"], "categoricals": [], "rule": ""})
    definitions = project.load()
    day = add_days(date.fromisoformat("2013-01-03"), 4)
    for model in ("late_flights", "windy_flights"):
        project.deliver(definitions, day, model)
        assert project.run(definitions, f"{model}_daily_job", day).success
    late, windy = (project.view(definitions, model) for model in ("late_flights", "windy_flights"))
    assert late.lake is windy.lake
    assert late.warehouse.read("rows", as_of=day).column_names == ["as_of_date", "flight", "wind", "hour", "carrier"]
    assert windy.warehouse.read("rows", as_of=day).column_names == ["as_of_date", "flight", "wind"]
    decided = windy.registry.events("retrain_decided")
    assert [(row["model_name"], row["verdict"]) for row in decided] == [("windy_flights", "wait")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training": {"leaves": 1}}, "attributes.training.leaves is 1; set it between 2 and 4096"),
        ({"retrain": {"pause": 3}}, "attributes.retrain has an unknown key 'pause'"),
        ({"promotion": {"gate_weeks": "two"}}, "attributes.promotion.gate_weeks is 'two'"),
        ({"maturity_days": 0}, "attributes.maturity_days: it is 0; write a whole number from 1 to 366"),
        ({"maturity_days": True}, "attributes.maturity_days: it is True; write a whole number from 1 to 366"),
        ({"end_offset": 2}, "attributes.end_offset: it is 2; write a whole number from 0 to 1"),
        ({"end_offset": False}, "attributes.end_offset: it is False; write a whole number from 0 to 1"),
        ({"title": " "}, "attributes.title: it is ' '; say it in words"),
        ({"start_date": "20130103"}, "attributes.start_date: it is 20130103; write a day as YYYY-MM-DD"),
        ({"start_date": "last year"}, "attributes.start_date: it is 'last year'; write a day as YYYY-MM-DD"),
        ({"rows": "flight_outcomes"}, "attributes.rows: it is flight_outcomes, as examples is; name the asset that"),
        (
            {"promotion": {"gate_week": 2}},
            "attributes.promotion has an unknown key 'gate_week'; did",
        ),
        ({"columns": {"rule": "fuel"}}, "attributes.columns.rule names 'fuel'; list it under columns.features"),
    ],
)
def test_a_value_that_cannot_be_fails_the_load_with_file_attribute_bound_and_remedy(
    project: Any, changes: dict[str, Any], message: str
) -> None:
    bad, *good = "m_flights", "a_flights", "z_flights"
    for name in good:
        project.declare(name=name)
    project.declare(name=bad, **changes)
    said = refused(project)
    assert f"{project.file(bad)}, {message}" in said
    assert not any(f"{project.file(name)}, attributes" in said for name in good)


def test_the_daily_job_leaves_assets_of_the_project_in_its_group_alone(project: Any) -> None:
    project.declare()
    (project.defs_folder / "report.py").write_text(
        "import dagster as dg\n\n\n@dg.asset(group_name='late_flights')\ndef theirs(): ...\n", encoding="utf-8"
    )
    daily = project.load().resolve_job_def("late_flights_daily_job")
    assert {key.path[0] for key in daily.asset_layer.executable_asset_keys} == {"late_flights"}


def test_a_day_is_scored_on_its_day(project: Any) -> None:
    """The schedule runs at 18:00 UTC of the day: with `end_offset` 1 it has a partition then, with 0 the day before."""
    for offset, wanted in ((1, "2013-01-10"), (0, "2013-01-09")):
        project.declare(end_offset=offset)
        (schedule,) = project.load().get_repository_def().schedule_defs
        at = datetime(2013, 1, 10, 18, tzinfo=UTC)
        request = schedule(dg.build_schedule_context(scheduled_execution_time=at))
        assert request.partition_key == wanted
    early = schedule(dg.build_schedule_context(scheduled_execution_time=at.replace(day=3)))
    assert early.skip_message == "The first partition is 2013-01-03."


def test_days_are_decided_in_order_also_in_a_backfill_that_is_not(project: Any) -> None:
    """The project delivered three days; a backfill of the daily job begins with the last."""
    project.declare()
    definitions, first = project.load(), date(2013, 1, 3)
    for number in range(3):
        project.deliver(definitions, add_days(first, number), model=None)

    def run(number: int, **options: Any) -> Any:
        return project.run(
            definitions, "late_flights_daily_job", add_days(first, number), raise_on_error=False, **options
        )

    early = run(2)
    assert not early.success
    said = early.failure_data_for_node("late_flights__data_quality_report").error.to_string()
    assert "2013-01-05 cannot be decided: days run in order, and 2013-01-03 was not decided yet; run late_fl" in said
    assert [run(0).success, run(2).success, run(1).success, run(2).success] == [True, False, True, True]
    view = project.view(definitions)
    assert [row["as_of_date"].day for row in view.registry.events("retrain_decided")] == [3, 4, 5]
    assert run(5, tags={SKIP_TAG: "true"}).success is False, "nothing was delivered"


def test_days_of_a_range_are_run_in_order_and_gone_on_with(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    project.declare()
    definitions, first = project.load(), date(2013, 1, 3)
    for number in (0, 1, 3):
        project.deliver(definitions, add_days(first, number), model=None)
    monkeypatch.setattr(dg.DagsterInstance, "get", lambda: nullcontext(project.instance))
    monkeypatch.chdir(project.root)
    call = ["days", "--from", "2013-01-03", "--to", "2013-01-06"]
    stopped = CliRunner().invoke(app, call)
    assert [line.split()[:2] for line in stopped.output.splitlines()[:2]] == [
        ["2013-01-03", "wait"],
        ["2013-01-04", "wait"],
    ]
    assert "2013-01-05: late_flights__" in (said := " ".join(stopped.stderr.split())), said[-600:]
    project.deliver(definitions, add_days(first, 2), model=None)
    assert CliRunner().invoke(app, call).exit_code == 0
    runs = project.instance.get_runs(dg.RunsFilter(job_name="late_flights_daily_job"))
    assert sorted(run.tags["dagster/partition"] for run in runs) == [f"2013-01-0{day}" for day in (3, 4, 5, 5, 6)]


def test_a_lake_in_a_bucket_takes_in_decides_and_is_nobody_elses(
    project: Any, s3: Any, s3_place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.variables(s3_place.url).items():
        monkeypatch.setenv(name, value)
    project.declare()
    definitions, first = project.load(), date(2013, 1, 3)
    project.deliver(definitions, first, model=None)
    assert project.run(definitions, "late_flights_daily_job", first).success
    assert {"events", "manifests"} <= set(ObstoreObjectStore.in_bucket(s3_place).folders(""))
    assert len(project.view(definitions).registry.events("retrain_decided")) == 1
    assert list(project.root.rglob("lake")) == []

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-hidden-secret")
    said = refused(project)
    assert "MLIFE_LAKE: the store does not take the key; correct AWS_ACCESS_KEY_ID" in said
    assert "hidden" not in said


def test_instances_have_names_and_one_home(project: Any) -> None:
    project.declare()
    other = project.defs_folder / "other" / "defs.yaml"
    other.parent.mkdir()
    other.write_text(project.file("late_flights").read_text(encoding="utf-8"), encoding="utf-8")
    assert "declares a model late_flights, too; give each a name of its own" in refused(project)
    other.unlink()
    other.parent.rmdir()
    project.declare(name="windy_flights", home="elsewhere")
    assert "give all of them one home" in refused(project)
    project.declare(name="windy_flights", maturity_day=1)
    assert "maturity_day" in refused(project)
    project.declare(name="windy_flights")
    project.declare(name="job_applications")
    assert "the name of mlife's own first model; choose another" in refused(project)


@pytest.mark.parametrize(("stated", "found"), [({"start_date": "2013-01-04"}, "2013-01-03"), ({"end_offset": 0}, "1")])
def test_partitions_that_are_not_those_of_the_two_assets_fail_the_load(project: Any, stated: Any, found: str) -> None:
    project.declare(**stated)
    ((attribute, value),) = stated.items()
    said = f"defs.yaml, attributes.{attribute}: it is {value}, but the partitions of flight_outcomes, which examples"
    assert f"{said} names, have {found}; write that" in refused(project)


def test_what_the_scaffolder_writes_loads_as_it_is(project: Any) -> None:
    target = project.defs_folder / "who_converts"
    target.mkdir()
    request = dg.ScaffoldRequest(f"{ConversionModel.__module__}.ConversionModel", target, "yaml", project.root, None)
    get_scaffolder(ConversionModel).scaffold(request)
    (project.defs_folder / "tables.py").write_text(
        """
import dagster as dg

DAILY = dg.DailyPartitionsDefinition(start_date="2026-01-01", end_offset=1)


@dg.asset(partitions_def=DAILY)
def who_converts_examples(): ...


@dg.asset(partitions_def=DAILY)
def who_converts_rows(): ...
""",
        encoding="utf-8",
    )
    definitions = project.load()
    assert dg.AssetKey(["who_converts", "champion_model"]) in {
        spec.key for spec in definitions.resolve_all_asset_specs()
    }
    dg.Definitions.validate_loadable(definitions)


@pytest.mark.parametrize("document", ["docs/in_your_project.md", "README.md"])
def test_what_a_document_declares_loads_and_takes_in_every_row(project: Any, document: str) -> None:
    def block(name: str, kind: str) -> str:
        text = (Path(__file__).parents[3] / name).read_text(encoding="utf-8")
        (found,) = re.findall(rf"^```{kind}\n(.*?)^```", text, re.M | re.S)
        return found

    code, declaration = block("docs/in_your_project.md", "python"), block(document, "yaml")
    (project.defs_folder / "flights.py").write_text(code, encoding="utf-8")
    project.file("late_flights").parent.mkdir()
    project.file("late_flights").write_text(declaration, encoding="utf-8")
    definitions, day = project.load(), date(2026, 1, 9)
    project.deliver(definitions, day)
    types = project.view(definitions).days.report(day)["types"]
    assert [(one["event_type"], one["accepted"], one["rejected"]) for one in types] == [
        ("examples", 200, {}),
        ("rows", 200, {}),
    ]


def test_a_month_of_examples_gives_a_first_champion_by_the_gate(served: Any) -> None:
    assert served.project.metadata(served.first_decision, "late_flights/retrain_decision")["verdict"] == "retrain"
    verdict = served.project.metadata(served.retraining, "late_flights/evaluation")
    assert verdict["outcome"] == "promoted", verdict["sentences"]
    assert "The challenger beats the rule of thumb (hour)" in verdict["sentences"]
    view = served.project.view(served.definitions)
    version = view.registry.champion()
    assert version == verdict["model_version"]
    card = view.lake.get(f"models/{version}/card.html").decode()
    assert "Which flights arrive late" in card
    assert "simulated" not in card


def test_a_first_model_waits_for_the_rows_that_will_monitor_it(project: Any) -> None:
    """Once the gate promoted it after a history of examples alone, and no later day had a reference."""
    project.declare()
    definitions, day = project.load(), add_days(date(2013, 1, 3), 30)
    for back in range(30, 0, -1):
        project.take_in(definitions, add_days(day, -back), has_rows=False)
    project.deliver(definitions, day)
    decided = project.run(definitions, "late_flights_daily_job", day, tags={SKIP_TAG: "true"})
    said = project.metadata(decided, "late_flights/retrain_decision")
    assert said["verdict"] == "wait"
    view = project.view(definitions)
    assert (next_day(view), operator_time(view)) == (add_days(day, 1), run_time(day) + OPERATOR_DELAY), (
        "not 30 days ago"
    )
    assert "monitoring needs rows of 8 days and finds 1; materialize them from 2013-01-26 on" in said["reasons"]


def test_no_label_is_learned_before_it_is_known(served: Any) -> None:
    training = served.project.metadata(served.retraining, "late_flights/training_set")
    assert training["last_exposure_date"].endswith(add_days(served.retrained, -2).isoformat())
    judged = add_days(served.retrained, -1)
    examples = served.project.view(served.definitions).warehouse.read("examples", end=judged)
    assert pc.max(examples["label_mature_date"]).as_py() <= add_days(served.retrained, 1)


def test_the_day_after_is_monitored_and_scored(served: Any) -> None:
    day = add_days(served.retrained, 1)
    assert served.day_after.success
    view = served.project.view(served.definitions)
    for report in ("data_quality", "data_drift", "latent_drift"):
        assert served.project.metadata(served.day_after, f"late_flights/{report}_report")["status"] == "ok"
    scores = view.model_tables.read("scores", day)
    assert (scores.num_rows, set(scores["model_version"].to_pylist())) == (200, {view.registry.champion()})
    rows = view.warehouse.read("rows", as_of=day)
    assert sorted(scores["flight"].to_pylist()) == rows["flight"].to_pylist()
    logged = view.event_log.read("entity_scored")
    assert (logged.num_rows, set(logged["model_name"].to_pylist())) == (200, {"late_flights"})
    evaluations = served.day_after.get_asset_check_evaluations()
    assert {one.check_name for one in evaluations if not one.passed} == set()
    judged = [one for one in served.retraining.get_asset_check_evaluations() if one.asset_key.path[-1] == "evaluation"]
    for one in (*evaluations, *judged):
        values = [entry.value for entry in one.metadata.values()]
        assert any(type(value) in {int, float} for value in values), f"{one.check_name} has an empty plot"
        assert {day.isoformat(), served.retrained.isoformat()}.intersection(map(str, values)), one.check_name


def test_no_description_names_a_file_that_a_project_does_not_have(served: Any) -> None:
    graph = served.definitions.get_repository_def().asset_graph
    said = [graph.get(key).description or "" for key in (*graph.get_all_asset_keys(), *graph.asset_check_keys)]
    assert len(said) > 20
    assert [one for one in said if re.search(r"docs/|\.md|\.py|mlife_assets", one)] == []


def made_again(served: Any, day: date, *names: str, **options: Any) -> dg.ExecuteInProcessResult:
    """Materialize some assets of the model for a day."""
    assets = [one for one in served.definitions.assets if isinstance(one, dg.AssetsDefinition)]
    return dg.materialize(
        assets, selection=dg.AssetSelection.assets(*(["late_flights", name] for name in names)), **options,
        partition_key=day.isoformat(), instance=served.project.instance, resources=served.definitions.resources,
    )  # fmt: skip


def test_scores_of_a_day_again_are_the_same(served: Any) -> None:
    day = add_days(served.retrained, 1)
    view = served.project.view(served.definitions)
    before = view.model_tables.read("scores", day)
    made_again(served, day, "rows", "scores")
    assert view.model_tables.read("scores", day).equals(before)
    assert view.event_log.read("entity_scored").num_rows == 200


def test_the_sensor_asks_for_the_retraining_that_was_decided(served: Any) -> None:
    (sensor,) = served.definitions.get_repository_def().sensor_defs
    context = dg.build_sensor_context(
        instance=served.project.instance, resources={"platform": served.definitions.resources["platform"]}
    )
    found = sensor(context)
    (request,) = found.run_requests
    assert request.partition_key == served.retrained.isoformat()
    decided = served.project.metadata(served.first_decision, "late_flights/retrain_decision")
    assert request.tags[DECISION_TAG] == decided["decision_id"]


def test_bad_rows_stop_nothing_and_a_check_says_which(served: Any) -> None:
    """Rows are delivered by the project's asset; here what it would deliver is given straight to what takes it in."""
    view, day = served.project.view(served.definitions), add_days(served.retrained, 2)
    rows = view.warehouse.read("rows", as_of=add_days(served.retrained, 1)).drop_columns(["as_of_date"])
    bad = rows.slice(0, 1).set_column(1, "wind", [[float("inf")]])
    given = pa.concat_tables([rows, bad.cast(rows.schema), rows.slice(3, 1)])
    take_in(view, view.home.own(view.model_name).rows, "rows", day, given, "here")
    accepted, refused = refusals_of(view, "rows", day)
    assert accepted == 200
    assert sum(int(one.split()[0]) for one in refused) == 2
    assert any("wind must be a finite number" in one and "the first in row 200" in one for one in refused)
    assert view.days.report(day)["types"][0]["accepted"] == 200


def test_a_table_that_lacks_a_column_blocks_the_day_and_fails_no_step(served: Any) -> None:
    view, day = served.project.view(served.definitions), add_days(served.retrained, 3)
    rows = view.warehouse.read("rows", as_of=add_days(served.retrained, 1)).drop_columns(["as_of_date", "wind"])
    examples = view.warehouse.read("examples", as_of=add_days(served.retrained, -2)).drop_columns(["label_mature_date"])
    moved = pa.array([add_days(day, -2)] * examples.num_rows, pa.date32())
    examples = examples.set_column(examples.column_names.index("day"), "day", moved)
    assert take_in(view, view.home.own(view.model_name).rows, "examples", day, examples, "here").rejected.num_rows == 0
    assert take_in(view, view.home.own(view.model_name).rows, "rows", day, rows, "here").accepted.num_rows == 0
    reports = (f"{name}_report" for name in ("data_quality", "data_drift", "latent_drift", "concept_drift"))
    ran = made_again(served, day, *reports, "retrain_decision", "scores", tags={SKIP_TAG: "true"})
    assert ran.success
    assert served.project.metadata(ran, "late_flights/retrain_decision")["verdict"] == "block"
    why = served.project.metadata(ran, "late_flights/scores")["why"]
    assert "the table lacks the column wind; add it, or name another column in the attributes" in why
    assert view.model_tables.read("scores", day).num_rows == 0


@pytest.mark.proof
def test_sixty_days_end_with_a_model_of_the_new_world(project: Any) -> None:
    """From 20 February on wind acts the other way round: the governor notices, and a model of the new world serves."""
    project.declare()
    definitions = project.load()
    first, verdicts, champions = date(2013, 1, 3), [], []
    for number in range(75):
        day = add_days(first, number)
        project.deliver(definitions, day, model=None)
        ran = project.run(definitions, "late_flights_daily_job", day)
        verdict = project.metadata(ran, "late_flights/retrain_decision")["verdict"]
        verdicts.append(verdict)
        if verdict == "retrain":
            project.run(definitions, "late_flights_retraining_job", day)
        champions.append(project.view(definitions).registry.champion())
    known = [one for one in dict.fromkeys(champions) if one]
    assert len(known) >= 2, verdicts
    drifted = champions[(date(2013, 2, 20) - first).days]
    assert champions[-1] not in (None, drifted)
    assert project.view(definitions).model_tables.read("scores", add_days(first, 74)).num_rows == 200
