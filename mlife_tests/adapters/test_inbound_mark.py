"""The mark: it moves on by days that are settled, and holds for the files and the ledger alone that were compared."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import orjson
import pytest

from mlife_assets.adapters.event_log import LogFile
from mlife_assets.adapters.inbound_mark import MARK_FILE, UNSETTLED_DAYS, move_mark, not_compared

DAY = date(2026, 6, 20)
SETTLED = DAY - timedelta(days=UNSETTLED_DAYS)
TEXTS = ["in-a", "in-b", "in-c"]


def file(days: int, name: str = "f") -> LogFile:
    """Return a file of so many days before the last settled one."""
    day = SETTLED - timedelta(days=days)
    return LogFile(f"events/event_type=inbound_message/dt={day}/{name}", "inbound_message", day, 5, "ledger", "1", name)


OLD, NEW = [file(30), file(2), file(0)], [file(-1), file(-UNSETTLED_DAYS)]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / MARK_FILE


@pytest.fixture
def marked(place: Path) -> Path:
    assert not_compared(place, OLD + NEW, TEXTS) == OLD + NEW
    move_mark(place, OLD + NEW, TEXTS, day=DAY)
    return place


def test_settled_files_are_not_compared_again(marked: Path) -> None:
    assert marked.stat().st_mode & 0o777 == 0o600
    assert not_compared(marked, OLD + NEW, TEXTS) == NEW
    more = [*NEW, file(-UNSETTLED_DAYS, "another")]
    assert not_compared(marked, OLD + more, [*TEXTS, "in-d"]) == more


def test_it_moves_on_and_not_back(marked: Path) -> None:
    kept = marked.read_bytes()
    for day in (DAY, DAY - timedelta(days=3)):
        move_mark(marked, OLD + NEW, [*TEXTS, "in-d"], day=day)
        assert marked.read_bytes() == kept
    move_mark(marked, OLD + NEW, [*TEXTS, "in-d"], day=DAY + timedelta(days=1))
    assert not_compared(marked, OLD + NEW, [*TEXTS, "in-d"]) == NEW[1:]


def test_without_a_settled_file_there_is_none(place: Path) -> None:
    move_mark(place, NEW, TEXTS, day=DAY)
    move_mark(place, [], [], day=DAY)
    assert not place.exists()


@pytest.mark.parametrize("texts", [[], TEXTS[:2], ["in-a", "in-c"], ["in-a", "in-x", "in-c", "in-d"]])
def test_for_a_ledger_that_lost_a_text_all_is_compared(marked: Path, texts: list[str]) -> None:
    assert not_compared(marked, OLD + NEW, texts) == OLD + NEW


@pytest.mark.parametrize("files", [OLD[1:], [*OLD, file(12, "late")], [*OLD, file(0, "late")]])
def test_where_an_old_day_has_other_files_all_is_compared(marked: Path, files: list[LogFile]) -> None:
    assert not_compared(marked, files + NEW, TEXTS) == files + NEW


def test_one_that_does_not_hold_is_replaced(marked: Path) -> None:
    """Also where it is newer than the day, as after a clock that was ahead."""
    move_mark(marked, OLD + NEW, TEXTS, day=DAY + timedelta(days=365))
    more = [*OLD, *NEW, file(-2, "late")]
    assert not_compared(marked, more, TEXTS) == more
    move_mark(marked, more, TEXTS, day=DAY)
    assert not_compared(marked, more, TEXTS) == [*NEW, more[-1]]


@pytest.mark.parametrize(
    "broken", [b"", b"[]", b"{}", b"null", orjson.dumps({"until": "x", "files": "", "count": 0, "texts": ""})]
)
def test_one_that_cannot_be_read_is_none(marked: Path, broken: bytes) -> None:
    marked.write_bytes(broken)
    assert not_compared(marked, OLD + NEW, TEXTS) == OLD + NEW
