"""The command tree: help at once, every command with its options and exit codes, errors told as they should be."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.completion import get_completion_script
from typer.main import get_command
from typer.testing import CliRunner

from mlife_assets import __version__
from mlife_assets.cli import app
from mlife_assets.cli.exits import MEANINGS, ExitCode
from mlife_assets.core.errors import GateClosedError

LEAVES = (
    "demo", "init", "day", "status", "doctor", "trace", "open", "dev", "serve", "train", "backtest",
    "landing template", "landing check", "landing replay", "log verify", "log adopt", "log rotate-key", "models list",
    "models history", "models show", "models diff", "models promote", "models rollback", "models export",
    "models import", "messages pause", "messages resume", "messages inbox", "messages review", "messages employers",
    "messages vet", "messages one-click", "keys rotate-numbers", "backup create", "backup restore", "backup catch-up",
    "panel template", "panel record", "panel list", "panel show", "plan show", "plan approve", "plan reject",
    "tables prune", "sql", "infra plan", "infra apply", "infra drift", "infra rollback", "infra migrate", "infra run",
    "infra smoke",
    "infra teardown",
)  # fmt: skip
OF_INFRA = {leaf for leaf in LEAVES if leaf.startswith("infra ")}
WITHOUT_HOME = {"init", "train", "backtest", "landing template", "landing check"} | OF_INFRA
"""Commands that need no lived home: they read or write the files that they are given."""


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
    assert all(f"{code} {meaning}" in text for code, meaning in MEANINGS.items())
    assert set(MEANINGS) == set(ExitCode)


def test_every_exit_code_is_in_one_table_of_the_documents():
    text = (Path(__file__).resolve().parents[2] / "docs" / "command_line.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\d+)` \| (.+?) \|", text, re.M)
    assert rows == [(str(int(code)), meaning) for code, meaning in MEANINGS.items()]


def test_the_version_is_printed(run):
    assert run("--version").stdout == f"mlife {__version__}\n"
    assert run("--version").exit_code == 0


def completed(words: str) -> list[str]:
    """Return what bash is offered behind `words`; nothing is installed and no shell is asked for."""
    place = len(words.split()) - (not words.endswith(" "))
    environment = {"_MLIFE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(place)}
    done = CliRunner().invoke(app, [], env=environment, prog_name="mlife")
    assert done.exit_code == 0
    return done.stdout.split()


def test_the_shell_completes_commands_and_options():
    assert {"demo", "status", "models"} <= set(completed("mlife "))
    assert completed("mlife models ") == ["list", "history", "show", "diff", "promote", "rollback", "export", "import"]
    assert "--home" in completed("mlife status --")


def test_the_completion_script_can_be_shown_and_installed():
    options = {option for parameter in get_command(app).params for option in parameter.opts}
    assert {"--show-completion", "--install-completion"} <= options
    script = get_completion_script(prog_name="mlife", complete_var="_MLIFE_COMPLETE", shell="bash")
    assert "_MLIFE_COMPLETE=complete_bash" in script


def test_every_command_has_help_home_json_and_exit_codes_of_the_table(run):
    wrong = []
    for words in ("", "log", "models", *LEAVES):
        short, long = (run(*words.split(), option) for option in ("-h", "--help"))
        said = long.stdout
        claims = {
            "-h is --help": (short.exit_code, short.stdout) == (long.exit_code, said) == (0, said) and "-h" in said
        }
        if words in LEAVES:
            sentence = said.partition("Exit codes:")[2].partition("Options:")[0]
            named = {int(code) for code in re.findall(r"(?:^|[,;])\s*(\d+) ", sentence.replace("\n", " "))}
            claims["--home"] = ("--home" in said) == (words not in WITHOUT_HOME)
            claims["--json"] = "--json" in said
            claims["exit codes"] = "Exit codes: 0" in said and {0, 1} <= named <= {int(code) for code in ExitCode}
        wrong += [f"{words}: {claim}" for claim, holds in claims.items() if not holds]
    assert wrong == []


@pytest.mark.parametrize(
    ("words", "variables", "said"),
    [
        (("landing", "replay", "--home", "nowhere"), {}, "nothing has run in "),
        (("train", "--examples", "none.csv", "--spec", "none.json", "--out", "out"), {}, "none.json"),
        (("status",), {"MLIFE_CORES": "zero"}, "MLIFE_CORES: Input should be a valid integer"),
    ],
)
def test_an_error_is_a_line_of_json_where_lines_are(tmp_path, words, variables, said):
    code = f"import sys; sys.argv = ['mlife', *{words!r}]; from mlife_assets.cli import main; main()"
    environment = os.environ | {"MLIFE_LOG_FORMAT": "json"} | variables
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    (line,) = (json.loads(one) for one in done.stderr.splitlines())
    assert (line["level"], line["logger"]) == ("error", "mlife_assets.cli.exits")
    assert said in line["event"]
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_wrong_usage_and_exit_codes_are_no_defects(log_format):
    code = """
import sys, typer
from mlife_assets.cli import app, main
@app.command()
def blocks(): raise typer.Exit(3)
@app.command()
def aborts(): raise typer.Abort
for word in ("blocks", "aborts", "dance"):
    sys.argv = ["mlife", word]
    try: main()
    except SystemExit as ended: print(word, ended.code)
"""
    environment = os.environ | {"MLIFE_LOG_FORMAT": log_format}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.split("\n") == ["blocks 3", "aborts 1", "dance 2", ""]
    assert "defect" not in done.stderr


def test_a_defect_is_a_line_of_json_where_lines_are():
    code = """
import sys
from mlife_assets.cli import app, main
@app.command()
def breaks(): raise ZeroDivisionError("broken")
sys.argv = ["mlife", "breaks"]
main()
"""
    environment = os.environ | {"MLIFE_LOG_FORMAT": "json"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    (line,) = (json.loads(one) for one in done.stderr.splitlines())
    assert (line["event"], done.returncode) == ("a defect of mlife", 1)
    assert "ZeroDivisionError: broken" in line["exception"]
    text = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "ZeroDivisionError: broken" in text.stderr.splitlines()[-1]


def test_wrong_usage_is_exit_code_2(run):
    assert run("messages", "pause").exit_code == 2
    assert run("day", "--date", "yesterday").exit_code == 2
    assert "YYYY-MM-DD" in run("day", "--date", "yesterday").stderr
    assert run("dance").exit_code == 2


def test_an_interrupt_has_a_code_of_its_own(run, monkeypatch):
    def interrupt(home: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mlife_assets.cli.status.settings_of", interrupt)
    assert run("status").exit_code == ExitCode.INTERRUPTED


def test_an_error_on_purpose_is_one_sentence_on_stderr(run, monkeypatch):
    def refuse(home: object) -> None:
        raise GateClosedError("the gate is closed; open it")

    monkeypatch.setattr("mlife_assets.cli.status.settings_of", refuse)
    result = run("status")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "mlife: the gate is closed; open it\n"


def test_a_package_of_an_extra_that_is_missing_is_one_sentence_too(run, monkeypatch):
    def missing(home: object) -> None:
        raise ModuleNotFoundError("No module named 'duckdb'", name="duckdb")

    monkeypatch.setattr("mlife_assets.cli.status.settings_of", missing)
    result = run("status")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "mlife: duckdb is not installed; run: pip install 'mlife[dbt]'\n"


def test_a_defect_keeps_its_traceback(run, monkeypatch):
    def break_down(home: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("mlife_assets.cli.status.settings_of", break_down)
    with pytest.raises(RuntimeError, match="a defect"):
        run("status")
