"""The reader of Trino finds what sqlglot lets through: one planted fault each, and none in what is right."""

from __future__ import annotations

import pytest

FAULTS = {
    "select a from t qualify row_number() over (partition by a order by b) = 1": "not readable",
    "select * exclude (a) from t": "a star without some columns",
    "select t.a from t asof join s on t.a = s.a and t.b >= s.b": "a join of another engine",
    "select t.a from t anti join s on t.a = s.a": "a join of another engine",
    "select list_position(a, 1) as b from t": "an unknown function",
    "select md5(a) as b, median(a) as c from t": "a function that is not on the list",
    "select cast(a as hugeint) as b from t": "a type of another engine",
    "select count(*) / count(a) as share from t": "whole numbers may be divided",
    "select clicks / nullif(impressions, 0) as rate from t": "whole numbers may be divided",
    "select as_of_date + 1 as next_date from t": "days are counted by a sign",
    "select max(kpi_date) - min(kpi_date) as days from t": "days are counted by a sign",
    "select date '2026-01-01' - 28 as first_date": "days are counted by a sign",
    "select a::bigint as b from t": "not Trino: ::",
    "with t as materialized (select 1 as a) select a from t": "not Trino: materialized",
    "select a, count(*) as n from t group by all": "not Trino: group by all",
}


@pytest.mark.parametrize("text", FAULTS)
def test_what_trino_refuses_or_means_otherwise_is_named(trino_reading, text: str) -> None:
    assert any(found.startswith(FAULTS[text]) for found in trino_reading.refusals(text)), trino_reading.refusals(text)


def test_what_both_engines_say_is_left_alone(trino_reading) -> None:
    text = """
        -- a::comment, group by all
        select
            cast(count(*) filter (where is_applied) as double) / nullif(count(*), 0) as rate,
            max_by(arm, row(occurred_at, event_id)) as arm,
            date_diff('day', min(as_of_date), cast(date_add('day', 7, max(as_of_date)) as date)) as days,
            'a :: text, materialized' as words
        from marts.fct_messages
        group by campaign
    """
    assert trino_reading.refusals(text) == []
