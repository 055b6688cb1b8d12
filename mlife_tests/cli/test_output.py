"""JSON on stdout, progress on stderr, data never as markup."""

from __future__ import annotations

from datetime import UTC, date, datetime

import orjson

from mlife_assets.cli.output import PLAIN_WIDTH, answer_console, moment, one_line, print_json, progress


def test_json_has_sorted_keys_and_iso_dates(capsys):
    print_json({"b": date(2026, 6, 1), "a": {"d": datetime(2026, 6, 1, 18, tzinfo=UTC), "c": float("nan")}})
    text = capsys.readouterr().out
    assert orjson.loads(text) == {"a": {"c": None, "d": "2026-06-01T18:00:00+00:00"}, "b": "2026-06-01"}
    assert text.index('"a"') < text.index('"c"') < text.index('"d"') < text.index('"b"')
    assert text.endswith("}\n")


def test_progress_leaves_stdout_alone_and_is_silent_without_a_terminal(capsys):
    with progress("working", 2) as advance:
        advance()
        advance()
    with progress("waiting") as advance:
        advance()
    assert capsys.readouterr() == ("", "")


def test_the_answer_is_wide_and_plain_where_no_person_looks(capsys):
    console = answer_console()
    console.print("[red]as it is[/red]")
    assert console.width == PLAIN_WIDTH
    assert capsys.readouterr().out == "[red]as it is[/red]\n"


def test_a_strangers_words_cannot_command_the_terminal():
    assert one_line("is it\n far?\t \u00bfd\u00f3nde? \U0001f44d") == "is it far? \u00bfd\u00f3nde? \U0001f44d"
    assert one_line("a\x1b[2Jb\u202ec\x9bd\r e") == "a\\x1b[2Jb\\u202ec\\x9bd e"


def test_a_moment_is_told_to_the_second():
    assert moment(datetime(2026, 6, 1, 18, 5, 2, 7, tzinfo=UTC)) == "2026-06-01 18:05:02Z"
