"""`mlife sql`: questions by name or in one's own words, as a table or as JSON."""

from __future__ import annotations

import duckdb
import pytest

from mlife_assets.adapters.query_library import query_names, read_query


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
    lines = run("sql", "opt_outs", "--home", asked.path).stdout.splitlines()
    assert lines[0].split() == ["week_start_date", "texts_delivered", "opt_outs", "opt_outs_per_thousand"]
    assert lines[1].split() == ["2026-06-08", "2000", "3", "1.5000"]
    assert lines[-1] == "1 row"
    row = {"week_start_date": "2026-06-08", "texts_delivered": 2000, "opt_outs": 3, "opt_outs_per_thousand": 1.5}
    answer = run_json("sql", "opt_outs", "--home", asked.path)
    assert answer == {"columns": list(read_query("opt_outs").columns), "rows": [row]}


def test_own_words_are_asked_of_the_log_too(run_json, run, asked) -> None:
    query = "select sum(position) as n, max(reason) as why from events.impression left join events.job_closed on true"
    assert run_json("sql", "--query", query, "--home", asked.path)["columns"] == ["n", "why"]
    exact = run_json("sql", "--query", "select sum(opt_outs) as n from marts.kpi_daily", "--home", asked.path)
    assert exact["rows"] == [{"n": 3}]
    assert run("sql", "--query", "select null as nothing", "--home", asked.path).stdout.splitlines()[-1] == "1 row"


def test_the_library_is_listed_and_its_text_printed_without_a_home(run, run_json, empty) -> None:
    listed = run("sql", "--home", empty).stdout
    assert all(read_query(name).question in listed for name in query_names())
    assert set(run_json("sql", "--home", empty)["queries"]) == set(query_names())
    assert run("sql", "revenue", "--text", "--home", empty).stdout == read_query("revenue").text
    assert not empty.exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("profit",), 1, "there is no query"),
        (("--query", "select * from marts.nothing"), 1, "there is no table"),
        (("revenue", "--query", "select 1"), 2, "not both"),
        (("--query", "select 1", "--text"), 2, "not both"),
        (("--text",), 2, "name a question"),
    ],
)
def test_what_cannot_be_asked_is_said(run, asked, words, code, said) -> None:
    refused = run("sql", *words, "--home", asked.path)
    assert refused.exit_code == code
    assert said in " ".join(refused.output.split())


def test_a_home_without_days_is_named(run, empty) -> None:
    assert "nothing has run in" in run("sql", "revenue", "--home", empty).output
