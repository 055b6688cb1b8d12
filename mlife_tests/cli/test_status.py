"""Looking at a home or project: `status`, `doctor`, `open` and `sql`."""

from __future__ import annotations

import json
import shutil
import socket
import webbrowser
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import orjson
import pytest
import requests
from typer.testing import CliRunner

from mlife_assets.adapters.sql_session import query_names, read_query
from mlife_assets.cli.app import app
from mlife_assets.cli.home_pages import HomePages, ProjectPages
from mlife_assets.cli.homes import opened_board
from mlife_assets.cli.open import _has_window, _is_served, site_mark
from mlife_assets.cli.status import standing_of
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.pages.document import DASHBOARD
from mlife_assets.core.windows import add_days, run_time
from mlife_assets.home_settings import ProjectSettings
from mlife_assets.recruiting.places import call_list_key
from mlife_assets.settings import Settings


def test_nothing_lived_is_a_hint_not_an_error(answer_of, run_json, empty):
    result = answer_of("status", "--home", empty)
    assert "Nothing has run" in result
    assert "mlife demo" in result
    document = run_json("status", "--home", empty)
    assert (document["is_lived"], document["home"]) == (False, str(empty))
    assert not empty.exists()


def test_json_says_where_things_stand(run_json, home):
    document = run_json("status")
    expected = {
        "is_lived": True, "home": str(home.path), "newest_day": "2026-06-10", "next_day": "2026-06-11",
        "present": "2026-06-10T22:00:00+00:00", "verdict": "wait", "reasons": ["Retrained [lately]."],
        "is_paused": False, "switch": None, "planned": 1, "sends": {"delivered": 1}, "suppressed": {"holdout": 1},
        "unsettled": {}, "duplicate_sends": 0, "sample_message_id": home.message_id,
    }  # fmt: skip
    assert home.sample == home.message_id
    assert {name: document[name] for name in expected} == expected
    assert document["champion"]["model_version"] == home.champions[-1]
    assert document["promotion"]["outcome"] == "promoted"
    assert [text["message_id"] for text in document["last_texts"]] == [home.message_id]
    assert document["alarms"] == [
        {"source": "data_drift_report", "day": "2026-06-10", "sentence": "1 of 24 columns moved."}
    ]


def test_a_pause_a_failed_run_and_a_rollback_show(run, home):
    run("messages", "pause", "--reason", "look closer", "--actor", "ann")
    run("models", "rollback", "--reason", "worse", "--actor", "bob")
    alert = {"run_id": "r", "job": "daily_lifecycle_job", "partition": "2026-06-10", "message": "disk [full]"}
    home.platform.lake.replace("alerts/r.json", orjson.dumps(alert))
    text = run("status").stdout
    assert "sending    PAUSED by ann at 2026-06-10 22:00:00Z: look closer" in text
    assert f"champion   {home.champions[0]}, rolled back by bob" in text
    assert "alarm      daily_lifecycle_job of 2026-06-10: disk [full]" in text
    assert f"mlife trace {home.message_id}" in text
    assert "- Retrained [lately]." in text
    assert f"{home.message_id}  2026-06-10  delivered" in text


def test_gauges_are_printed_for_prometheus(run, answer_of, home, tmp_path):
    assert f'mlife_champion_info{{model="job_applications",model_version="{home.champions[-1]}"}} 1.0' in answer_of(
        "status", "--prometheus"
    )
    assert run("status", "--prometheus", "--json").exit_code == 2
    nothing = run("status", "--prometheus", "--home", tmp_path / "none")
    assert (nothing.exit_code, nothing.stdout) == (1, "")


def test_the_counts_are_of_the_newest_day(home):
    eve = add_days(home.newest_day, -1)
    for event_type in ("message_planned", "message_suppressed"):
        row = home.events(event_type)[0]
        for name in ("event_id", "occurred_at", "observed_at"):
            del row[name]
        home.add(event_type, row | {"message_id": "msg_eve", "as_of_date": eve}, run_time(eve))
    standing = standing_of(home.platform)
    assert (standing.planned, dict(standing.suppressed)) == (1, {"holdout": 1})


def test_unsettled_sends_are_counted(home):
    platform = home.platform
    planned = platform.ledger.sends.rows()[0]
    now = planned.updated_at
    with platform.ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE sends SET state = 'ambiguous'")
    standing = standing_of(home.platform)
    assert dict(standing.unsettled) == {"ambiguous": 1}
    assert dict(standing.sends) == {"ambiguous": 1}
    assert now < standing.present


def test_unread_replies_are_shown_by_their_age(run, run_json, home):
    ledger, present = home.platform.ledger, datetime.fromisoformat(run_json("status")["present"])
    known = run_json("status")["unread_replies"]
    for number, days in enumerate((16, 16, 3)):
        at = present - timedelta(days=days, hours=1)
        ledger.replies.record(f"in_{number}", "u1", "OTHER", received_at=at, now=present)
    assert run_json("status")["unread_replies"] == sorted([*known, 16, 16, 3], reverse=True)
    shown = run("status").stdout
    assert f"{len(known) + 3} unread, their senders paused: 2 for 16 days" in shown


def test_a_home_with_history_only_has_no_verdict_yet(run, run_json, tmp_path, lived_home):
    """Only consent was landed: no model, no decision, no text."""
    for part in ("events/event_type=consent", "manifests"):
        shutil.copytree(lived_home.path / "lake" / part, tmp_path / "h" / "lake" / part)
    document = run_json("status", "--home", tmp_path / "h")
    names = ("newest_day", "verdict", "champion", "promotion", "sample_message_id")
    assert [document[name] for name in names] == [None] * len(names)
    text = run("status", "--home", tmp_path / "h").stdout
    assert "none has run yet" in text
    assert "no model was promoted yet" in text
    assert "alarms     none" in text


def test_the_other_models_have_a_line_each(run, run_json, home, tiny_models):
    assert "also       churn_risk: no verdict yet, no model was promoted yet" in run("status").stdout
    at = run_time(home.newest_day)
    churn = home.platform.of_model("churn_risk").registry
    version = churn.register(tiny_models.tiny_artifact(41), as_of=home.newest_day, now=at)
    churn.promote(version, actor="gate", reason="first", now=at)
    before = run_json("status")["champion"]
    decision = {
        "decision_id": "dec_churn", "as_of_date": home.newest_day, "verdict": "wait", "codes": ["wait"],
        "sentences": ["Nothing moved."], "model_version": version, "policy_version": "pol",
        "model_name": "churn_risk",
    }  # fmt: skip
    home.add("retrain_decided", decision, at)
    document = run_json("status")
    assert document["others"] == [{"model_name": "churn_risk", "champion_version": version, "verdict": "wait"}]
    assert (document["champion"], document["reasons"]) == (before, ["Retrained [lately]."])
    assert f"also       churn_risk: wait, {version} serves" in run("status").stdout


def test_status_says_where_each_model_stands(project, run, run_json, add_model) -> None:
    add_model(project, "lost_bags")
    document = run_json("status")
    late, lost = document["models"]
    assert (document["home"], document["is_lived"]) == (str(project / "var" / "mlife"), True)
    assert (late["model_name"], late["newest_day"]) == ("late_flights", "2013-02-10")
    assert (late["verdict"], late["scored"]) == ("wait", 2)
    assert (late["gate"], late["alarms"]) == ("promoted", [["data_drift_report", "1 of 3 columns moved."]])
    assert (lost["champion"], lost["gate"]) == (None, None)
    shown = run("status").stdout
    assert "Nothing is due." in shown
    assert "none: no model was promoted yet" in shown
    assert "texts" not in shown


def test_what_another_gate_said_is_shown_while_the_one_here_judged_nothing(
    project, run, run_json, add_model, add_imported
) -> None:
    add_model(project, "lost_bags")
    for name in ("late_flights", "lost_bags"):
        add_imported(project, name)
    late, lost = run_json("status")["models"]
    assert (late["gate"], late["gate_in"]) == ("promoted", None)
    assert (lost["gate"], lost["gate_in"]) == ("promoted", "dev")
    assert "promoted in dev" in run("status").stdout


def test_before_the_first_day_status_says_what_to_do_and_makes_nothing(project, run, refusal_of, run_json) -> None:
    shutil.rmtree(project / "var")
    assert run_json("status")["is_lived"] is False
    assert "launch the daily job of a model" in run("status").stdout
    assert "nothing was decided in" in refusal_of("models", "list")
    assert not (project / "var").exists()


def test_the_site_shows_models_and_cards_and_no_page_of_a_job_board(project: Path, run_json, listening) -> None:
    listed = run_json("models", "list")
    champion = listed["champion"]
    with listening("open", "--port", "0") as (started, session):
        url = started["url"]
        overview = session.get(url, timeout=60)
        assert overview.status_code == 200
        assert "On 2013-02-10 the decision was wait, and 2 rows were scored." in overview.text
        assert f'href="../models/{champion}/card.html"' in overview.text
        assert "essages" not in overview.text
        assert f"card of {champion}" in session.get(f"{url}/models/{champion}/card.html", timeout=60).text
        gauges = session.get(f"{url}/metrics", timeout=60).text
        assert f'model_version="{champion}"}} 1.0' in gauges
        assert "mlife_sending" not in gauges
        for path in ("/messages/", "/runbooks/", "/models/mdl_unknown/card.html"):
            assert session.get(url + path, timeout=60).status_code == 404


def test_a_version_that_was_imported_is_shown_as_judged_elsewhere(project: Path, add_imported) -> None:
    add_imported(project, "late_flights")
    page = ProjectPages(ProjectSettings.below(project, None)).dashboard()
    assert page.count("<td>promoted in dev</td>") == 1
    assert page.count("<td>promoted</td>") == 2


def test_before_the_first_day_the_overview_says_what_to_do(project: Path) -> None:
    shutil.rmtree(project / "var")
    pages = ProjectPages(ProjectSettings.below(project, None))
    assert "launch the daily job of a model" in pages.dashboard()
    assert pages.card("mdl_1") is None
    assert (pages.backtest(), pages.messages(), pages.runbooks()) == (None, (), {})
    with pytest.raises(NotFoundError, match="nothing was decided yet"):
        pages.metrics()
    with pytest.raises(NotFoundError, match="send none"):
        pages.trace("msg_1")
    assert not (project / "var").exists()


@pytest.fixture
def examine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Return a function that runs `mlife doctor` in an environment."""

    def run_one(variables: dict[str, str], *options: str):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(app, ["doctor", "--home", str(tmp_path / "home"), *options])

    return run_one


def test_a_new_home_is_well(examine, tmp_path: Path) -> None:
    result = examine({})
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == "all is well"
    assert f"ok    MLIFE_LAKE: {tmp_path}/home/lake can be made" in result.stdout
    assert not (tmp_path / "home").exists(), "a demo wants an empty home"
    (tmp_path / "home" / "lake").mkdir(parents=True)
    assert f"ok    MLIFE_LAKE: {tmp_path}/home/lake can be listed and written" in examine({}).stdout


def test_a_bucket_is_well(examine, s3, s3_place) -> None:
    result = examine(s3.variables(s3_place.url), "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["faults"] == 0
    assert {one["part"] for one in document["found"]} == {"MLIFE_HOME", "MLIFE_LAKE", "DuckDB"}
    assert "its clock agrees with this machine's" in {one["says"] for one in document["found"]}


def test_what_is_wrong_is_named_with_what_to_do_and_without_the_key(examine, s3, s3_place, monkeypatch) -> None:
    variables = {**s3.variables(s3_place.url), "AWS_SECRET_ACCESS_KEY": "a-wrong-secret"}
    monkeypatch.setattr("duckdb.__version__", "1.0.0")
    result = examine(variables)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert [line.partition(": ")[0] for line in lines if line.startswith("FAULT")] == [
        "FAULT MLIFE_LAKE",
        "FAULT DuckDB",
    ]
    assert sum(line.startswith("      do: ") for line in lines) == 2
    assert lines[-1] == "2 of 3 need something done"
    assert "a-wrong-secret" not in result.output


def test_the_pages_show_the_home_as_it_is_now(run, refusal_of, home, listening):
    version = home.champions[-1]
    with listening("open", "--port", "0") as (started, session):
        url = started["url"]
        port = int(url.rpartition(":")[2])

        def get(path: str) -> requests.Response:
            return session.get(url + path, timeout=60)

        assert not _is_served(1, "mark"), "nobody listens"
        assert _is_served(port, site_mark(Settings(home=home.path)))
        assert not _is_served(port, site_mark(Settings(home=home.path / "other")))
        assert get("/").status_code == 404, "no dashboard was built"
        home.platform.lake.replace(DASHBOARD, b"<html><body><p>First</body></html>")
        assert "First" in get("/").text
        home.platform.lake.replace(DASHBOARD, b"<html><body><p>Second</body></html>")
        assert "Second" in get("/").text
        assert get(f"/models/{version}/card.html").status_code == 404, "this model was not judged"
        home.platform.of_model().registry.put_card(version, "<html><body><p>A card</body></html>")
        assert "A card" in get(f"/models/{version}/card.html").text
        assert get("/models/../card.html").status_code == 404
        listed = get("/messages/").text
        assert f'href="{home.message_id}"' in listed
        assert ">applied<" in listed
        trace = get(f"/messages/{home.message_id}").text
        assert "the same to the bit" in trace
        assert f'href="../models/{version}/card.html"' in trace
        again = run("open", "--port", port, "--no-browser")
        assert (again.exit_code, "served already" in again.stderr) == (0, True)
        assert "choose another --port" in refusal_of(
            "open", "--port", port, "--no-browser", "--home", home.path / "other"
        )


def test_an_empty_home_says_what_to_run(empty):
    pages = HomePages(Settings(home=empty))
    assert (pages.dashboard(), pages.backtest(), pages.card("mdl_1")) == (None, None, None)
    with pytest.raises(NotFoundError, match="mlife demo"):
        pages.messages()
    with pytest.raises(NotFoundError, match="mlife demo"):
        pages.trace("msg_1")
    assert "drift_alert" in pages.runbooks()
    assert not empty.exists(), "looking creates nothing"


def test_call_lists_are_found_the_newest_day_first(home):
    pages, day = HomePages(Settings(home=home.path)), home.newest_day
    lake = opened_board(Settings(home=home.path)).lake
    assert [pages.card(name) for name in ("..", "", "mdl 1", "mdl/1", "é")] == [None] * 5
    assert pages.call_lists() == []
    keys = [call_list_key(name, one, "html") for name in ("a", "b") for one in (day, day + timedelta(days=1))]
    for key in (*keys, call_list_key("a", day, "csv")):
        lake.replace(key, key.encode())
    assert pages.call_lists() == [keys[3], keys[1], keys[2], keys[0]]
    assert pages.call_list(keys[0]) == keys[0].encode()
    assert pages.call_list(call_list_key("c", day, "html")) is None


@pytest.mark.parametrize(
    ("browser", "has_window"),
    [
        (webbrowser.BackgroundBrowser("xdg-open"), True),
        (webbrowser.Chrome("chromium"), True),
        (webbrowser.GenericBrowser("w3m"), False),
        (webbrowser.Error("could not locate runnable browser"), False),
    ],
)
def test_a_browser_of_the_terminal_is_not_opened(monkeypatch, browser, has_window):
    def get():
        if isinstance(browser, Exception):
            raise browser
        return browser

    monkeypatch.setattr(webbrowser, "get", get)
    assert _has_window() == has_window


@pytest.mark.parametrize("option", ["--port", "--pages-port"])
def test_a_taken_port_stops_dev_before_it_starts(run, home, option):
    ports = {"--port": 0, "--pages-port": 0}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        ports[option] = taken.getsockname()[1]
        result = run("dev", *(part for pair in ports.items() for part in pair))
    assert result.exit_code == 1
    assert f"choose another {option}" in result.stderr
    assert not (home.path / "dagster").exists()


@pytest.fixture
def asked(home):
    """Return the home with a warehouse that holds one mart."""
    with duckdb.connect(str(home.path / "warehouse.duckdb")) as connection:
        connection.execute("create schema if not exists marts; drop table if exists marts.kpi_daily")
        connection.execute(
            "create table marts.kpi_daily as "
            "select date '2026-06-08' as kpi_date, 2000 as messages_delivered, 3 as opt_outs"
        )
    return home


def test_a_question_is_answered_for_people_and_for_machines(run, run_json, asked) -> None:
    lines = run("sql", "opt_outs").stdout.splitlines()
    assert lines[0].split() == ["week_start_date", "texts_delivered", "opt_outs", "opt_outs_per_thousand"]
    assert lines[1].split() == ["2026-06-08", "2000", "3", "1.5000"]
    assert lines[-1] == "1 row"
    row = {"week_start_date": "2026-06-08", "texts_delivered": 2000, "opt_outs": 3, "opt_outs_per_thousand": 1.5}
    answer = run_json("sql", "opt_outs")
    assert answer == {"columns": list(read_query("opt_outs").columns), "rows": [row], "row_count": 1}


def test_own_words_are_asked_of_the_log_too(run_json, run, asked) -> None:
    query = "select sum(position) as n, max(reason) as why from events.impression left join events.job_closed on true"
    assert run_json("sql", "--query", query)["columns"] == ["n", "why"]
    exact = run_json("sql", "--query", "select sum(opt_outs) as n from marts.kpi_daily")
    assert exact["rows"] == [{"n": 3}]
    assert run("sql", "--query", "select null as nothing").stdout.splitlines()[-1] == "1 row"


def test_every_kind_of_value_is_printed_and_rows_that_are_not_are_counted(run, refusal_of, run_json, asked) -> None:
    words = ("sql", "--query", "select 1 as a, 2 as a, 'x'::blob as b")
    assert [line.split() for line in run(*words).stdout.splitlines()[:2]] == [["a", "a", "b"], ["1", "2", "78"]]
    assert "two columns are called a" in refusal_of(*words, "--json")
    query = "select 'x'::blob as b, [1.5::decimal(3, 1)] as l, {'k': 'y'::blob} as s, interval 1 day as i"
    (row,) = run_json("sql", "--query", f"{query}, time '10:00' as t, null as n")["rows"]
    assert row == {"b": "78", "l": [1.5], "s": {"k": "79"}, "i": row["i"], "t": "10:00:00", "n": None}
    huge = run_json("sql", "--query", "select 170141183460469231731687303715884105727 as n")
    assert huge["rows"] == [{"n": "170141183460469231731687303715884105727"}]
    words = ("sql", "--query", "from range(5000)")
    assert run(*words).stdout.splitlines()[-1] == "the first 1,000 of 5,000 rows; --rows prints more"
    answer = run_json(*words, "--rows", "2")
    assert (answer["rows"], answer["row_count"]) == ([{"range": 0}, {"range": 1}], 5000)


def test_the_library_is_listed_and_its_text_printed_without_a_home(run, run_json, empty) -> None:
    listed = run("sql", "--home", empty).stdout
    assert all(read_query(name).question in listed for name in query_names())
    assert set(run_json("sql", "--home", empty)["queries"]) == set(query_names())
    assert run("sql", "revenue", "--text", "--home", empty).stdout == read_query("revenue").text
    assert not empty.exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("profit",), 1, "there is no query"), (("--query", "select * from marts.nothing"), 1, "there is no table"),
        (("--query", ""), 1, "the text holds no statement"), (("--query", "set threads = 1"), 1, "write a select"),
        (("revenue", "--seconds", "11"), 2, "--seconds"), (("revenue", "--query", "select 1"), 2, "not both"),
        (("--query", "select 1", "--text"), 2, "not both"), (("--text",), 2, "name a question"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_said(run, asked, words, code, said) -> None:
    refused = run("sql", *words)
    assert refused.exit_code == code
    assert said in " ".join(refused.output.split())
