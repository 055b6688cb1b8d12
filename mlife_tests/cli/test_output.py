"""JSON on stdout, progress on stderr: bars for people, lines for logs; data never as markup."""

from __future__ import annotations

import io
import re
import time
from datetime import UTC, date, datetime

import orjson
import pytest
from rich.console import Console

from mlife_assets.cli import output
from mlife_assets.cli.output import (
    PLAIN_WIDTH,
    Pace,
    answer_console,
    counted_progress,
    moment,
    one_line,
    print_json,
    progress,
    staged_progress,
)


def test_json_has_sorted_keys_and_iso_dates(capsys):
    print_json({"b": date(2026, 6, 1), "a": {"d": datetime(2026, 6, 1, 18, tzinfo=UTC), "c": float("nan")}})
    text = capsys.readouterr().out
    assert orjson.loads(text) == {"a": {"c": None, "d": "2026-06-01T18:00:00+00:00"}, "b": "2026-06-01"}
    assert text.index('"a"') < text.index('"c"') < text.index('"d"') < text.index('"b"')
    assert text.endswith("}\n")


def test_progress_leaves_stdout_alone_and_is_silent_when_it_is_soon_over(capsys):
    with progress("working", 2) as advance:
        advance()
        advance()
    with progress("waiting") as advance:
        advance()
    with progress("reading what was deleted", 0) as advance:
        advance()
    with counted_progress("counting") as show:
        show(1, 2)
    assert capsys.readouterr() == ("", "")


def wait_for_lines(capsys: pytest.CaptureFixture[str], number: int) -> list[str]:
    """Return what was written on stderr, once it has that many lines."""
    written = ""
    for _ in range(500):
        written += capsys.readouterr().err
        if written.count("\n") >= number:
            break
        time.sleep(0.01)
    return written.splitlines()


def test_a_log_shows_what_takes_so_long(capsys, monkeypatch):
    monkeypatch.setattr(output, "SECONDS_BETWEEN_LINES", 0.01)
    with progress("working", 3) as advance:
        assert re.fullmatch(r"working: 0 of 3, 0 s", wait_for_lines(capsys, 1)[0])
        advance()
        advance()
        assert re.fullmatch(r"working: 2 of 3, \d+ s, about 5 s left", wait_for_lines(capsys, 2)[-1])
    capsys.readouterr()  # what was written between the last look and the end
    with progress("waiting"):
        assert re.fullmatch(r"waiting, \d+ s", wait_for_lines(capsys, 1)[0])
    assert capsys.readouterr().out == ""


def test_counted_progress_says_nothing_before_the_first_count(capsys, monkeypatch):
    monkeypatch.setattr(output, "SECONDS_BETWEEN_LINES", 0.01)
    with counted_progress("searching") as show:
        time.sleep(0.05)
        assert capsys.readouterr() == ("", "")
        show(4, 9)
        assert wait_for_lines(capsys, 1)[0].startswith("searching: 4 of 9, ")
    written = capsys.readouterr().err
    time.sleep(0.05)
    assert capsys.readouterr().err == "", f"still writing after {written!r}"


def test_what_is_left_goes_at_the_pace_so_far_and_no_step_takes_more_than_its_share():
    now = [0.0]
    pace = Pace("working", lambda: now[0])
    pace.begin("the first fifth", 0.0, 0.2)
    now[0] = 30.0
    assert (pace.share, pace.seconds_left) == (0.0, None), "nothing says yet how fast it goes"
    pace.begin("the rest", 0.2, 0.4)
    assert pace.seconds_left == pytest.approx(120.0)
    now[0] = 60.0
    assert pace.share == pytest.approx(0.4)
    assert pace.line == "the rest, 60 s, about 2 min left"
    now[0] = 600.0
    assert pace.share == pytest.approx(0.6), "a step that takes longer than expected waits at its end"
    assert pace.seconds_left == pytest.approx(60.0)


def test_stages_are_numbered_by_what_goes_on(capsys, monkeypatch):
    monkeypatch.setattr(output, "SECONDS_BETWEEN_LINES", 0.01)
    with staged_progress([("land", 1.0), ("train", 3.0)]) as begin_next:
        begin_next()
        assert re.fullmatch(r"land: step 1 of 2, 0 s", wait_for_lines(capsys, 1)[0])
        begin_next()
        assert re.fullmatch(r"train: step 2 of 2, 0 s, about 5 s left", wait_for_lines(capsys, 2)[-1])


@pytest.mark.parametrize(("is_stdout", "is_stderr", "bars"), [(True, True, 1), (False, True, 0), (True, False, 0)])
def test_a_bar_is_drawn_where_nothing_else_writes_into_it(monkeypatch, is_stdout, is_stderr, bars):
    """`mlife ... | tee log` writes into the terminal of stderr, and `2> log` is no terminal."""
    answer, side = (Console(file=io.StringIO(), force_terminal=is_one) for is_one in (is_stdout, is_stderr))
    monkeypatch.setattr(output, "answer_console", lambda: answer)
    monkeypatch.setattr(output, "side_console", lambda: side)
    with progress("working", 2) as advance:
        advance()
    assert ("working" in side.file.getvalue()) == bool(bars)
    assert answer.file.getvalue() == ""


def test_a_bar_can_be_drawn_on_the_console_that_is_printed_on(monkeypatch):
    answer = Console(file=io.StringIO(), force_terminal=True)
    monkeypatch.setattr(output, "answer_console", lambda: answer)
    with progress("working", 2, answer) as advance:
        advance()
        answer.print("a row")
    assert "working" in answer.file.getvalue()
    assert "a row" in answer.file.getvalue()


def test_a_bar_is_one_line_in_a_narrow_terminal(monkeypatch):
    answer = Console(file=io.StringIO(), force_terminal=True, width=60)
    monkeypatch.setattr(output, "answer_console", lambda: answer)
    with progress("replaying, days", 2, answer) as advance:
        advance()
        advance()
    drawn = re.sub(r"\x1b\[[\d;?]*\w", "", answer.file.getvalue())
    assert re.search(r"replaying, days: 2 of 2, 0 s, about 5 s left *$", drawn, re.MULTILINE), drawn


def test_the_answer_is_wide_and_plain_where_no_person_looks(capsys):
    console = answer_console()
    console.print("[red]as it is[/red]")
    assert console.width == PLAIN_WIDTH
    assert capsys.readouterr().out == "[red]as it is[/red]\n"


def test_a_strangers_words_cannot_command_the_terminal():
    assert one_line("is it\n far?\t \u00bfd\u00f3nde? \U0001f44d") == "is it far? \u00bfd\u00f3nde? \U0001f44d"
    assert one_line("a\x1b[2Jb\u202ec\x9bd\r e") == "a\\x1b[2Jb\\u202ec\\x9bd e"


def test_a_moment_is_reported_to_the_second():
    assert moment(datetime(2026, 6, 1, 18, 5, 2, 7, tzinfo=UTC)) == "2026-06-01 18:05:02Z"
