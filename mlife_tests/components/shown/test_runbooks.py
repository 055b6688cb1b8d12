"""What people on call are shown: pages of what turns red, why a step failed, gauges; the dashboard and promotions."""

import re
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import duckdb
import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.adapters.model_registry import ModelRegistry
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.tables import TableStore
from mlife_assets.components.graph.alerts import alert
from mlife_assets.components.metrics import map_history
from mlife_assets.components.metrics.dashboard import applications
from mlife_assets.components.metrics.home_gauges import home_gauges
from mlife_assets.components.metrics.map_history import MapDay, gains_of_promotions
from mlife_assets.components.shown import says_why as runbooks
from mlife_assets.components.shown.present import operator_time
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.errors import GateClosedError, NotFoundError
from mlife_assets.core.model_events import Reign
from mlife_assets.core.monitoring import concept, drift, latent, quality
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport
from mlife_assets.core.windows import day_start, run_time
from mlife_assets.deployments.landed_days import INGEST_REPORT
from mlife_assets.recruiting.application import Application, Channel
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import CallPolicy, Policies
from mlife_assets.recruiting.recompute.compare import METHOD
from mlife_assets.recruiting.sql_tables import MAP_OF_SHOWN

DAY = date(2026, 6, 2)
MONITORING = {"no_quality_fault", "no_column_drifted", "no_joint_drift", "outcomes_are_as_expected"}
GATES = {"candidate_pairs_come_from_a_sound_day", "training_set_comes_from_a_sound_day"}
INDEX = f"{runbooks.FOLDER}/drift_alert.md"
FIRST = date(2026, 6, 1)


def report(name: str, status: str, method: str = "m") -> MonitoringReport:
    findings = (Finding("k", "x", method, 2.0, 1.0, True, "x moved."),) if status == "alarm" else ()
    return MonitoringReport(name, DAY, None, 1, status, findings, "s")


@pytest.mark.parametrize("page", [*runbooks.PAGES, INDEX])
def test_each_page_exists_and_has_its_parts(repository: Path, page: str) -> None:
    text = (repository / page).read_text(encoding="utf-8")
    assert text.startswith("# Runbook: ")
    meaning = [] if page == INDEX else ["**What it means.**"]
    parts = ["**You are here because**", *meaning, "```console\n", "**Done when**"]
    assert [text.find(part) for part in parts] == sorted(text.find(part) for part in parts)
    assert all(part in text for part in parts)


def test_the_index_leads_to_every_page(repository: Path) -> None:
    linked = set(re.findall(r"\]\((\w+\.md)\)", (repository / INDEX).read_text(encoding="utf-8")))
    assert linked >= {Path(page).name for page in runbooks.PAGES}


def test_every_quality_rule_has_its_line_on_the_page(repository: Path) -> None:
    package = repository / "mlife_assets"
    rules = [package / "core" / "monitoring" / "quality.py", package / "recruiting" / "overnight.py"]
    source = "".join(path.read_text(encoding="utf-8") for path in rules)
    methods = set(re.findall(r'"(\w+_share|schema|freshness|volume|unit_ratio)"', source))
    methods |= {"duplicate_events", "duplicate_pairs", METHOD}
    assert len(methods) > 12
    page = (repository / runbooks.DATA_QUALITY_FAULT).read_text(encoding="utf-8")
    table = set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (`[^|]*) \|", page, re.M))))
    assert table == methods


def test_checks_name_their_page(definitions, repository: Path) -> None:
    graph = definitions.get_repository_def().asset_graph
    named = {}
    for key in graph.asset_check_keys:
        found = re.search(r"Runbook of mlife: (\w+)\.", graph.get(key).description or "")
        if found:
            named[key.name] = f"{runbooks.FOLDER}/{found.group(1)}.md"
    assert set(named) == MONITORING | GATES
    assert all((repository / page).exists() for page in named.values())
    assert len({named[name] for name in MONITORING}) == 4, "each kind of alarm has a page of its own"
    assert {named[name] for name in GATES} == {runbooks.DATA_QUALITY_FAULT}


@pytest.mark.parametrize(
    ("name", "page"),
    [
        (quality.REPORT, runbooks.DATA_QUALITY_FAULT),
        (drift.REPORT, runbooks.DATA_DRIFT),
        (latent.REPORT, runbooks.LATENT_DRIFT),
        (concept.REPORT, runbooks.CONCEPT_DRIFT),
    ],
)
def test_a_report_leads_to_the_page_of_its_worst_day(name: str, page: str) -> None:
    alarm, ok, unknown = report(name, "alarm"), report(name, "ok"), report(name, "not_enough_evidence")
    assert runbooks.runbook_of(name, [ok]) == page
    assert runbooks.runbook_of(name, [ok, alarm]) == page
    assert runbooks.runbook_of(name, [unknown, alarm]) == page
    assert runbooks.runbook_of(name, [ok, unknown]) == runbooks.NOT_ENOUGH_EVIDENCE


def test_a_row_mismatch_and_a_failed_retraining_have_pages_of_their_own() -> None:
    mismatch = report(quality.REPORT, "alarm", METHOD)
    assert runbooks.runbook_of(quality.REPORT, [report(quality.REPORT, "alarm"), mismatch]) == (
        runbooks.ROW_RECOMPUTE_MISMATCH
    )
    assert runbooks.runbook_of_job("retraining_job") == runbooks.RETRAINING_FAILED
    assert runbooks.runbook_of_job("daily_lifecycle_job") == runbooks.FAILED_RUN


def failure_of(instance: dg.DagsterInstance, asset: Any) -> Any:
    job = dg.define_asset_job("job", dg.AssetSelection.all(), executor_def=dg.in_process_executor)
    run = dg.Definitions(assets=[asset], jobs=[job]).resolve_job_def("job").execute_in_process
    events = run(instance=instance, raise_on_error=False).all_events
    return next(event.step_failure_data for event in events if event.is_step_failure)


def test_an_expected_error_is_the_first_line_and_has_no_cause_below(instance) -> None:
    @dg.asset
    @says_why
    def early(context: dg.AssetExecutionContext) -> None:
        raise NotFoundError("2026-06-05 has not landed yet; run 2026-06-03 first")

    failure = failure_of(instance, early)
    assert failure.error.message.splitlines() == [
        "dagster._core.definitions.events.Failure: 2026-06-05 has not landed yet; run 2026-06-03 first"
    ]
    assert failure.error.cause is None
    assert failure.user_failure_data.description == "2026-06-05 has not landed yet; run 2026-06-03 first"
    assert failure.user_failure_data.metadata["kind"].value == "NotFoundError"


def test_a_package_of_an_extra_that_is_missing_is_named_and_another_import_keeps_its_trace(instance) -> None:
    @dg.asset
    @says_why
    def plans() -> None:
        raise ModuleNotFoundError("No module named 'ortools'", name="ortools.graph")

    @dg.asset
    @says_why
    def mistyped() -> None:
        raise ModuleNotFoundError("No module named 'panadas'", name="panadas")

    failure = failure_of(instance, plans)
    wanted = "ortools is not installed; run: pip install 'mlife[messages]'"
    assert failure.user_failure_data.description == wanted
    failure = failure_of(instance, mistyped)
    assert failure.user_failure_data is None
    assert "panadas" in failure.error.cause.message


def test_generators_say_why_too() -> None:
    @says_why
    def yielding() -> Any:
        yield 1
        raise GateClosedError("no consent")

    found = yielding()
    assert next(found) == 1
    with pytest.raises(dg.Failure, match="no consent") as caught:
        next(found)
    assert isinstance(caught.value.__context__, GateClosedError)


def found(home: Any) -> dict[str, list[tuple[dict[str, str], float]]]:
    return {one.name: [(dict(labels), value) for labels, value in one.values] for one in home_gauges(home.platform)}


def test_they_say_where_a_home_stands(home: Any) -> None:
    gauges, model = found(home), {"model": "job_applications"}
    assert gauges["mlife_info"][0][0]["deployment"] == "embedded"
    assert gauges["mlife_newest_day_timestamp_seconds"] == [({}, day_start(home.newest_day).timestamp())]
    assert gauges["mlife_champion_info"] == [({**model, "model_version": home.champions[-1]}, 1.0)]
    assert (
        gauges["mlife_champion_since_timestamp_seconds"][0][1]
        == home.platform.of_model().registry.history()[-1].since.timestamp()
    )
    assert gauges["mlife_verdict_info"] == [({**model, "verdict": "wait"}, 1.0)]
    alarms = {labels["report"]: value for labels, value in gauges["mlife_monitoring_alarm"]}
    assert (alarms["data_drift_report"], sum(alarms.values())) == (1.0, 1.0)
    campaign = {"campaign": "job_of_the_day"}
    assert gauges["mlife_messages_planned"] == [(campaign, 1.0)]
    assert gauges["mlife_messages"] == [({**campaign, "state": "delivered"}, 1.0)]
    assert [value for _, value in gauges["mlife_messages_suppressed"]] == [1.0]
    assert {value for _, value in gauges["mlife_messages_unsettled"]} == {0.0}
    assert {value for _, value in gauges["mlife_sending_is_paused"]} == {0.0}
    assert gauges["mlife_ledger_is_there"] == [({}, 1.0)]
    assert "mlife_alerts_unsent" not in gauges, "alerts are sent to nobody"


def test_what_wakes_somebody_moves_them(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    platform = home.platform
    paused = {"actor": "ann", "reason": "look closer", "now": operator_time(platform.of_model())}
    platform.ledger.switches.pause(**paused, campaign="email_digest")
    alert(platform.of_model(), "run-r", {"job": "daily_lifecycle_job"})
    with platform.ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE sends SET state = 'ambiguous'")
    report = {"event_type": "click", "accepted": 8, "rejected": {"null_value": 2, "wrong_type": 1}}
    platform.tables.write_report(INGEST_REPORT, home.newest_day, {"types": [report]})
    monkeypatch.setenv("MLIFE_ALERT_WEBHOOK", "http://127.0.0.1:1/")
    gauges = found(home)
    stopped = {labels["campaign"] for labels, value in gauges["mlife_sending_is_paused"] if value}
    assert stopped == {"email_digest"}
    assert gauges["mlife_alerts_unsent"] == [({}, 1.0)]
    assert ({"state": "ambiguous"}, 1.0) in gauges["mlife_messages_unsettled"]
    assert gauges["mlife_landed_rows"] == [
        ({"event_type": "click", "outcome": "accepted"}, 8.0),
        ({"event_type": "click", "outcome": "rejected"}, 3.0),
    ]


def test_a_ledger_that_is_gone_is_said_and_not_made(home: Any) -> None:
    ledger = home.path / "private" / "ledger.sqlite"
    ledger.unlink()
    gauges = found(home)
    assert gauges["mlife_ledger_is_there"] == [({}, 0.0)]
    assert not {"mlife_sending_is_paused", "mlife_messages", "mlife_messages_unsettled"} & gauges.keys()
    assert not ledger.exists()


def test_a_home_without_a_decided_day_has_names_without_values(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ModelRegistry, "events", lambda *_: [])
    gauges = found(home)
    assert gauges["mlife_newest_day_timestamp_seconds"] == gauges["mlife_verdict_info"] == []
    assert gauges["mlife_messages_planned"] == []


def calls(policies: Policies) -> Application:
    every_day = CallPolicy(("Ann",), calls_per_recruiter=200, minimum_days_between_calls=1)
    return replace(job_of_the_day(policies), name="calls", title="Calls", channel=Channel.CALL, calls=every_day)


def test_messages_are_counted_by_their_mart_and_people_of_lists_once(open_home, sending_home) -> None:
    home, day = open_home(declared=(job_of_the_day, calls)), sending_home.DAY
    first = home.platform.settings.days.first_lived_date
    for one in (day, day + timedelta(days=1)):
        home.prepare(one)
        home.plan(one, "calls")
    row = {
        "application": "job_of_the_day",
        "kpi_date": first,
        "channel": "sms",
        **{f"messages_{name}": 10 for name in ("planned", "submitted", "delivered", "clicked", "applied", "hired")},
        "revenue_usd": 2.5,
    }
    before = row | {"kpi_date": first - timedelta(days=1)}
    with closing(duckdb.connect(str(home.folder / "warehouse.duckdb"))) as connection:
        connection.register("given", pa.Table.from_pylist([row, before]))
        connection.execute("CREATE TABLE marts.application_daily AS SELECT * FROM given")
        connection.execute("CREATE TABLE marts.lift_daily (experiment VARCHAR, lift_date DATE, arm VARCHAR)")
    texts, listed = applications(home.platform, first + timedelta(days=30))
    assert (texts.title, texts.reached, texts.earned_usd) == ("Job of the day", 10, 2.5), "history was texted by others"
    assert (listed.title, listed.reached) == ("Calls", sending_home.USERS), "on two lists, and one person each"
    assert listed.clicked is None


def test_a_home_whose_marts_are_of_an_earlier_release_says_what_to_build(open_home) -> None:
    with pytest.raises(NotFoundError, match="application_daily"):
        applications(open_home().platform, open_home("other").platform.settings.days.first_lived_date)


def reign(version: str, day: int, kind: Any = "promoted") -> Reign:
    since = datetime(2026, 6, 1, 18, tzinfo=UTC) + timedelta(days=day)
    return Reign(since=since, kind=kind, model_version=version, previous_version=None, actor="gate", reason="")


def platform(*reigns: Reign) -> Any:
    model = SimpleNamespace(registry=SimpleNamespace(history=lambda: list(reigns)))
    return SimpleNamespace(of_model=lambda: model)


def day(number: int, version: str, champion: float, replaced: float | None, replaced_version: str | None) -> MapDay:
    return MapDay(FIRST + timedelta(days=number), version, champion, 0.3, 0.1, 40, 0.35, replaced, replaced_version)


def test_the_gain_is_the_mean_difference_on_days_of_the_new_model() -> None:
    days = [day(number, "one", 0.4, None, None) for number in range(5)]
    days += [day(5 + number, "two", 0.42 + 0.001 * number, 0.40, "one") for number in range(5)]
    found = gains_of_promotions(platform(reign("one", 0), reign("two", 5)), days)
    assert list(found) == ["two"]
    gain = found["two"]
    assert (gain.replaced_version, gain.days) == ("one", 5)
    assert gain.delta is not None
    assert gain.delta.estimate == pytest.approx(0.022)
    assert gain.delta.lower > 0.0
    assert gain.sentence.startswith("MAP +0.0220 (+0.0200 to +0.0240) on 5 mature days since")


def test_too_early_is_said_and_a_rollback_is_no_promotion() -> None:
    reigns = (reign("one", 0), reign("two", 5), reign("one", 8, "rolled_back"))
    found = gains_of_promotions(platform(*reigns), [day(5, "two", 0.42, 0.40, "one")])
    assert list(found) == ["two"]
    assert found["two"].sentence == "it served too briefly to say: 1 mature day since"
    early = gains_of_promotions(platform(*reigns[:2]), [day(5, "two", 0.42, 0.40, "one")])
    assert early["two"].sentence == "too early to say: 1 mature day since"
    assert gains_of_promotions(platform(*reigns[:2]), [])["two"].sentence == "too early to say: 0 mature days since"


def test_the_model_before_is_the_one_that_served_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each day is ranked by who served then, by the simple rule beside it and by the model that it replaced."""
    reigns = (reign("one", 0), reign("two", 5), reign("three", 8))
    asked: list[str] = []

    def scores(deployment: Any, version: str, pairs: Any) -> np.ndarray:
        asked.append(version)
        return np.array([{"one": 1.0, "two": 2.0, "three": 3.0}[version], 0.0, 0.0, 1.0])

    cohort = SimpleNamespace(
        user_ids=np.array(["a", "a", "b", "b"]),
        item_ids=np.array(["x", "y", "x", "y"]),
        is_relevant=np.array([True, False, True, False]),
    )
    monkeypatch.setattr(map_history, "cohort_days", lambda deployment, days: days)
    monkeypatch.setattr(map_history, "gate_examples", lambda cohorts: (cohort, None))
    monkeypatch.setattr(map_history, "ranking_scores", scores)
    monkeypatch.setattr(map_history, "simple_rule_scores", lambda *asked: np.array([1.0, 0.0, 1.0, 0.0]))
    monkeypatch.setattr(map_history, "recruiter_scores", lambda pairs: np.array([0.0, 1.0, 0.0, 1.0]))
    begun = {
        number: [one for one in reigns if one.since <= run_time(FIRST + timedelta(days=number))] for number in (0, 10)
    }
    for number, served in begun.items():
        model = SimpleNamespace(
            registry=SimpleNamespace(history=lambda moment, served=served: served),
            scorers=SimpleNamespace(champion_version=lambda day, served=served: served[-1].model_version),
            model=job_applications(Policies()),
        )
        deployment = SimpleNamespace(of_model=lambda model=model: model)
        found = map_history._measured(deployment, FIRST + timedelta(days=number))
        assert (found["simple"], found["human"], found["champion"]) == (1.0, 0.5, 0.75)
        assert found["replaced_version"] == (None if number == 0 else "two")
        assert found.get("replaced") == (None if number == 0 else 0.75)
    assert asked == ["one", "three", "two"]


def test_a_day_that_cannot_be_measured_yet_is_measured_later(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A home of an earlier release has no exposures until its next features are built."""
    tables = TableStore(ObstoreObjectStore.local(tmp_path))
    deployment: Any = SimpleNamespace(tables=tables, of_model=lambda: None)
    monkeypatch.setattr(map_history, "quarantined_days", lambda *_: set())
    built: list[bool] = []

    def measured(_: Any, day: date) -> dict[str, object]:
        if not built:
            raise NotFoundError("marts.exposures has not been built")
        found = MapDay(day, "one", 0.4, 0.3, 0.2, 40)
        return asdict(found)

    monkeypatch.setattr(map_history, "_measured", measured)
    assert map_history.map_by_day(deployment, [FIRST]) == []
    assert tables.report_days(map_history.REPORT) == []
    built.append(True)
    assert map_history.map_by_day(deployment, [FIRST]) == [MapDay(FIRST, "one", 0.4, 0.3, 0.2, 40)]
    assert tables.report_days(map_history.REPORT) == [FIRST]
    assert tables.days(MAP_OF_SHOWN) == [FIRST]
    assert tables.read(MAP_OF_SHOWN, FIRST).to_pylist() == [
        {
            "model_version": "one", "users_with_positives": 40, "champion_map": 0.4, "human_map": 0.3,
            "random_map": 0.2, "simple_rule_map": None, "replaced_map": None, "replaced_version": None,
        }
    ]  # fmt: skip
    later = FIRST + timedelta(days=1)
    tables.write_report(map_history.REPORT, later, asdict(MapDay(later, "two", 0.4, 0.3, 0.2, 40, 0.35, 0.38, "one")))
    map_history.map_by_day(deployment, [later])
    (row,) = tables.read(MAP_OF_SHOWN, later).to_pylist()
    assert (row["simple_rule_map"], row["replaced_map"], row["replaced_version"]) == (0.35, 0.38, "one")
