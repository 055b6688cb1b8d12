"""`mlife sql`: questions by name or in one's own words, as a table or as JSON."""

from __future__ import annotations

import duckdb
import pytest

from mlife_assets.adapters.sql_session import query_names, read_query


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
    assert answer == {"columns": list(read_query("opt_outs").columns), "rows": [row], "row_count": 1}


def test_own_words_are_asked_of_the_log_too(run_json, run, asked) -> None:
    query = "select sum(position) as n, max(reason) as why from events.impression left join events.job_closed on true"
    assert run_json("sql", "--query", query, "--home", asked.path)["columns"] == ["n", "why"]
    exact = run_json("sql", "--query", "select sum(opt_outs) as n from marts.kpi_daily", "--home", asked.path)
    assert exact["rows"] == [{"n": 3}]
    assert run("sql", "--query", "select null as nothing", "--home", asked.path).stdout.splitlines()[-1] == "1 row"


def test_columns_of_one_name_are_both_printed(run, asked) -> None:
    words = ("sql", "--query", "select 1 as a, 2 as a, 'x'::blob as b", "--home", asked.path)
    assert [line.split() for line in run(*words).stdout.splitlines()[:2]] == [["a", "a", "b"], ["1", "2", "78"]]
    refused = run(*words, "--json")
    assert (refused.exit_code, "two columns are called a" in refused.output) == (1, True)


def test_json_has_every_kind_of_value(run_json, asked) -> None:
    query = "select 'x'::blob as b, [1.5::decimal(3, 1)] as l, {'k': 'y'::blob} as s, interval 1 day as i"
    (row,) = run_json("sql", "--query", f"{query}, time '10:00' as t, null as n", "--home", asked.path)["rows"]
    assert row == {"b": "78", "l": [1.5], "s": {"k": "79"}, "i": row["i"], "t": "10:00:00", "n": None}
    huge = run_json("sql", "--query", "select 170141183460469231731687303715884105727 as n", "--home", asked.path)
    assert huge["rows"] == [{"n": "170141183460469231731687303715884105727"}]


def test_rows_that_are_not_printed_are_counted(run, run_json, asked) -> None:
    words = ("sql", "--query", "from range(5000)", "--home", asked.path)
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
        (("profit",), 1, "there is no query"),
        (("--query", "select * from marts.nothing"), 1, "there is no table"),
        (("--query", ""), 1, "the text holds no statement"),
        (("--query", "set threads = 1"), 1, "write a select"),
        (("revenue", "--seconds", "11"), 2, "--seconds"),
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
