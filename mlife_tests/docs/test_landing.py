"""`docs/landing.md`: its commands, in order, print what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from typer.testing import CliRunner

from mlife_assets.adapters.landing import DUPLICATE_LOOKBACK_DAYS
from mlife_assets.cli import app
from mlife_assets.core.landed_names import NAME_LENGTH_MAXIMUM

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "landing.md").read_text(encoding="utf-8")
SIZE = re.compile(r"[\d,]+ bytes")


def test_its_commands_print_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```console\n(.*?)^```", PAGE, re.M | re.S)
    assert len(blocks) == 3
    for block in blocks:
        command, *shown = block.splitlines()
        program, *words = shlex.split(command.removeprefix("$ "))
        assert program == "mlife"
        printed = CliRunner().invoke(app, words, catch_exceptions=False).stdout.splitlines()
        assert len(shown) >= 2
        assert [SIZE.sub("N bytes", line) for line in printed[: len(shown)]] == [
            SIZE.sub("N bytes", line) for line in shown
        ]


def test_its_numbers_are_those_of_the_code():
    assert f"up to {NAME_LENGTH_MAXIMUM} characters" in PAGE
    assert DUPLICATE_LOOKBACK_DAYS == 7
    assert "seven days back" in PAGE
