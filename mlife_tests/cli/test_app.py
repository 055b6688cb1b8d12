"""The command tree: help at once, every command with its options and exit codes, errors told as they should be."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from mlife_assets.cli import app
from mlife_assets.core.errors import GateClosedError

LEAVES = (
    "demo",
    "day",
    "status",
    "trace",
    "serve",
    "train",
    "backtest",
    "log verify",
    "log adopt",
    "log rotate-key",
    "models list",
    "models history",
    "models show",
    "models diff",
    "models promote",
    "models rollback",
    "messages pause",
    "messages resume",
    "messages inbox",
    "messages review",
    "messages employers",
    "messages vet",
    "keys rotate-numbers",
    "backup create",
    "backup restore",
    "backup catch-up",
    "panel template",
    "panel record",
    "panel list",
    "panel show",
    "plan show",
    "plan approve",
    "plan reject",
)
WITHOUT_HOME = {"train", "backtest"}
"""Commands that need no lived home: they read the files that they are given."""

HEAVY = ("dagster", "pyarrow", "numpy", "lightgbm", "duckdb", "sqlalchemy", "pydantic_settings")


def leaves(command: Any, words: tuple[str, ...] = ()) -> Iterator[str]:
    for name, inner in getattr(command, "commands", {}).items():
        if hasattr(inner, "commands"):
            yield from leaves(inner, (*words, name))
        else:
            yield " ".join((*words, name))


def test_the_tree_holds_these_commands():
    assert sorted(leaves(get_command(app))) == sorted(LEAVES)


def test_help_names_every_command_and_all_exit_codes(run):
    result = run("--help")
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert all(re.search(rf"\b{leaf.split()[0]}\b", text) for leaf in LEAVES)
    assert "0 done; 1 failed, or damage was found; 2 wrong usage; 3 the governor blocked" in text


@pytest.mark.parametrize("leaf", LEAVES)
def test_every_command_has_home_json_and_exit_codes(run, leaf):
    result = run(*leaf.split(), "--help")
    assert result.exit_code == 0
    assert ("--home" in result.stdout) == (leaf not in WITHOUT_HOME)
    assert "--json" in result.stdout
    assert "Exit codes: 0" in result.stdout


def test_help_imports_nothing_heavy():
    code = f"""
import sys
from mlife_assets.cli import app
try:
    app(["--help"], prog_name="mlife")
except SystemExit:
    pass
print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: mlife" in done.stdout
    assert done.stderr.strip() == "[]"


def test_wrong_usage_is_exit_code_2(run):
    assert run("messages", "pause").exit_code == 2
    assert run("day", "--date", "yesterday").exit_code == 2
    assert "YYYY-MM-DD" in run("day", "--date", "yesterday").stderr
    assert run("dance").exit_code == 2


def test_an_error_on_purpose_is_one_sentence_on_stderr(run, monkeypatch):
    def refuse(home: object) -> None:
        raise GateClosedError("the gate is closed; open it")

    monkeypatch.setattr("mlife_assets.cli.status.settings_of", refuse)
    result = run("status")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "mlife: the gate is closed; open it\n"


def test_a_defect_keeps_its_traceback(run, monkeypatch):
    def break_down(home: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("mlife_assets.cli.status.settings_of", break_down)
    with pytest.raises(RuntimeError, match="a defect"):
        run("status")
