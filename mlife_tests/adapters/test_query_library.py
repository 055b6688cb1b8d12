"""What a file of the query library says of itself; what its SQL answers is tested with the marts (`dbt`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlife_assets.adapters import query_library
from mlife_assets.adapters.query_library import query_names, read_query
from mlife_assets.core.errors import NotFoundError

TEXT = """-- How many?
--
-- day      the day,
--          in UTC
-- jobs     jobs, a count

-- not of the head: 1
select 1
"""


def test_a_head_says_the_question_and_each_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jobs.sql").write_text(TEXT)
    monkeypatch.setattr(query_library, "FOLDER", tmp_path)
    query = read_query("jobs")
    assert (query.name, query.question, query.text) == ("jobs", "How many?", TEXT)
    assert query.columns == {"day": "the day, in UTC", "jobs": "jobs, a count"}


def test_the_missions_questions_are_there() -> None:
    asked = {"conversion", "engagement", "fill_rate", "lift", "map_over_time", "messages", "opt_outs", "revenue"}
    assert {*asked, "freshness"} == set(query_names())


@pytest.mark.parametrize("name", ["jobs", "../secret", ""])
def test_an_unknown_name_is_refused_with_those_that_there_are(name: str) -> None:
    with pytest.raises(NotFoundError, match="use one of conversion, engagement"):
        read_query(name)
