"""What is to be staged: the days from the first new file on, and everything where a mark does not fit."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.event_log.layout import manifest_key
from mlife_assets.adapters.event_log.staging import Mark, StagedTable, mark_of, to_stage
from mlife_assets.core.errors import IntegrityError

DAY = date(2026, 6, 1)
SQL = "sql-1"


def day(number: int) -> str:
    return (DAY + timedelta(days=number)).isoformat()


def marked(log: ParquetEventLog, newest: int, definition: str = SQL) -> dict[str, StagedTable]:
    """Return clicks as staged up to the end of the log."""
    mark = to_stage(log, {}, definition)["staged_mark"]
    return {"click": StagedTable(mark, DAY + timedelta(days=newest))}


def test_a_warehouse_without_marks_stages_everything_and_gets_a_mark(toolbox) -> None:
    log = ParquetEventLog(toolbox.store())
    log.append("click", toolbox.clicks([("a", 1)]), writer="w")
    for tables in ({}, {"click": StagedTable(None, DAY)}, {"click": StagedTable("a comment", DAY)}):
        found = to_stage(log, tables, SQL)
        assert found["staged"] == {}
        end = log.chain.end()
        assert mark_of(found["staged_mark"]) == Mark(SQL, end.sequence, end.sha256)


def test_an_empty_log_has_nothing_to_say(toolbox) -> None:
    assert to_stage(ParquetEventLog(toolbox.store()), {}, SQL) == {}


def test_nothing_new_stages_nothing(toolbox) -> None:
    log = ParquetEventLog(toolbox.store())
    log.append("click", toolbox.clicks([("a", 1)]), writer="w")
    assert to_stage(log, marked(log, 0), SQL)["staged"] == {"click": {"since": None, "files": []}}


def test_a_new_day_is_staged_alone_whatever_other_types_got(toolbox) -> None:
    log = ParquetEventLog(toolbox.store())
    log.append("click", toolbox.clicks([("a", 1)]), writer="w")
    tables = marked(log, 0)
    (added,) = log.append("click", toolbox.clicks([("b", 25)]), writer="w").keys
    found = to_stage(log, tables | {"hire": tables["click"]}, SQL)
    assert found["staged"] == {"click": {"since": day(1), "files": [added]}, "hire": {"since": None, "files": []}}
    assert mark_of(found["staged_mark"]).sequence == 1


def test_a_late_file_stages_its_day_and_all_days_after_it(toolbox) -> None:
    log = ParquetEventLog(toolbox.store())
    log.append("click", toolbox.clicks([("a", 1), ("b", 25), ("c", 49), ("d", 73)]), writer="w")
    tables = marked(log, 3)
    log.append("click", toolbox.clicks([("c", 26)]), writer="late")
    found = to_stage(log, tables, SQL)["staged"]["click"]
    assert found["since"] == day(1)
    assert [key.split("/")[2] for key in found["files"]] == [f"dt={day(n)}" for n in (1, 1, 2, 3)]


def test_types_with_marks_of_different_age_each_get_what_they_lack(toolbox) -> None:
    log = ParquetEventLog(toolbox.store())
    log.append("click", toolbox.clicks([("a", 1)]), writer="w")
    old = marked(log, 0)["click"]
    log.append("click", toolbox.clicks([("b", 25)]), writer="w")
    new = marked(log, 1)["click"]
    log.append("click", toolbox.clicks([("c", 49)]), writer="w")
    assert to_stage(log, {"click": old}, SQL)["staged"]["click"]["since"] == day(1)
    both = to_stage(log, {"click": new, "hire": old}, SQL)["staged"]
    assert (both["click"]["since"], both["hire"]["since"]) == (day(2), None)


def test_what_does_not_fit_its_mark_is_staged_as_a_whole(toolbox) -> None:
    log = ParquetEventLog(toolbox.store())
    log.append("click", toolbox.clicks([("a", 1)]), writer="w")
    log.append("click", toolbox.clicks([("b", 25)]), writer="w")
    table = marked(log, 1)["click"]
    mark = mark_of(table.mark)
    unfit = (
        replace(mark, definition="sql-2"),
        replace(mark, sha256="0" * 64),
        replace(mark, sequence=0),
        replace(mark, sequence=7),
    )
    for other in unfit:
        assert to_stage(log, {"click": replace(table, mark=other.to_text())}, SQL)["staged"] == {}, other


def test_another_log_of_the_same_length_is_noticed_after_it_grew(toolbox) -> None:
    log, other = ParquetEventLog(toolbox.store()), ParquetEventLog(toolbox.store())
    log.append("click", toolbox.clicks([("a", 1)]), writer="w")
    other.append("click", toolbox.clicks([("z", 1)]), writer="w")
    other.append("click", toolbox.clicks([("y", 25)]), writer="w")
    assert to_stage(other, marked(log, 0), SQL)["staged"] == {}


def test_a_chain_whose_end_cannot_be_read_stages_everything_and_leaves_no_mark(toolbox) -> None:
    store = toolbox.store()
    log = ParquetEventLog(store)
    log.append("click", toolbox.clicks([("a", 1)]), writer="w")
    tables = marked(log, 0)
    log.append("click", toolbox.clicks([("b", 25)]), writer="w")
    store.replace(manifest_key(1), b"")
    assert to_stage(ParquetEventLog(store), tables, SQL) == {}


def test_a_damaged_manifest_since_the_mark_is_an_error(toolbox) -> None:
    store = toolbox.store()
    log = ParquetEventLog(store)
    for number in range(3):
        log.append("click", toolbox.clicks([("abc"[number], 25 * number)]), writer="w")
        if number == 0:
            tables = marked(log, 0)
    store.replace(manifest_key(1), b"{}")
    with pytest.raises(IntegrityError):
        to_stage(ParquetEventLog(store), tables, SQL)


@pytest.mark.parametrize("text", [None, "", "[]", "{}", "3", json.dumps({"definition": "d", "sequence": "x"})])
def test_a_comment_of_another_form_is_no_mark(text) -> None:
    assert mark_of(text) is None


def test_a_day_that_is_built_again_is_staged_again(toolbox) -> None:
    log = ParquetEventLog(toolbox.store())
    log.append("click", toolbox.clicks([("a", 1), ("b", 25), ("c", 49)]), writer="w")
    tables = marked(log, 2) | {"hire": StagedTable(marked(log, 2)["click"].mark, None)}
    for number, days in ((0, (0, 1, 2)), (2, (2,))):
        found = to_stage(log, tables, SQL, again_from=DAY + timedelta(days=number))["staged"]
        assert found["click"]["since"] == day(number)
        assert [key.split("/")[2] for key in found["click"]["files"]] == [f"dt={day(n)}" for n in days]
        assert found["hire"] == {"since": None, "files": []}, "no day of it is staged"
    later = to_stage(log, tables, SQL, again_from=DAY + timedelta(days=3))["staged"]
    assert later["click"] == {"since": None, "files": []}, "a day that holds nothing yet"


def test_a_log_that_was_restored_under_a_process_stages_everything(toolbox) -> None:
    store = toolbox.store()
    log = ParquetEventLog(store)
    log.append("click", toolbox.clicks([("a", 1)]), writer="w")
    log.append("click", toolbox.clicks([("b", 25)]), writer="w")
    tables = marked(log, 1)
    other = ParquetEventLog(copy := toolbox.store())
    other.append("click", toolbox.clicks([("a", 1)]), writer="w")
    other.append("click", toolbox.clicks([("c", 25)]), writer="w")
    store.replace(manifest_key(1), copy.get(manifest_key(1)))
    assert to_stage(log, tables, SQL) == {}
