"""The command line as a whole: its commands, options and exits, what it prints and what it imports.

A process of its own runs each; what it imported is looked at when it ends.
"""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console
from typer.main import get_command
from typer.testing import CliRunner

from mlife_assets import __version__
from mlife_assets.cli import app, output
from mlife_assets.cli.homes import board_settings
from mlife_assets.cli.output import (
    MEANINGS,
    PLAIN_WIDTH,
    ExitCode,
    Pace,
    answer_console,
    counted_progress,
    moment,
    one_line,
    print_json,
    progress,
    staged_progress,
)
from mlife_assets.cli.serve import champion_providers, serving_versions
from mlife_assets.core.errors import GateClosedError

LEAVES = (
    "demo", "init", "day", "status", "doctor", "trace", "open", "dev", "serve", "check", "train", "score", "backtest",
    "landing template", "landing check", "landing replay", "log verify", "log adopt", "log rotate-key", "models list",
    "models history", "models show", "models diff", "models promote", "models rollback", "models export",
    "models import", "messages pause", "messages resume", "messages inbox", "messages review", "messages employers",
    "messages vet", "messages one-click", "keys rotate-numbers", "backup create", "backup restore", "backup catch-up",
    "panel template", "panel record", "panel list", "panel show", "plan show", "plan approve", "plan reject",
    "tables prune", "sql", "infra plan", "infra apply", "infra drift", "infra rollback", "infra migrate", "infra run",
    "infra smoke",
    "infra teardown", "spec", "days",
)  # fmt: skip
OF_INFRA = {leaf for leaf in LEAVES if leaf.startswith("infra ")}
WITHOUT_HOME = {"init", "spec", "check", "train", "score", "backtest", "landing template", "landing check"} | {
    "days",
    *OF_INFRA,
}
"""Commands that need no lived home: they read or write the files that they are given."""
READERS = (
    ("trace", "msg_1"), ("log", "verify"), ("models", "list"), ("models", "history"),
    ("models", "rollback", "--reason", "r"), ("messages", "pause", "--reason", "r"),
    ("messages", "resume", "--reason", "r"), ("day",), ("serve",), ("sql", "revenue"),
)  # fmt: skip
LEARNS = ("lightgbm", "matplotlib", "nannyml", "numba", "ortools", "scipy", "shap", "sklearn", "statsmodels")
BUILDS = ("agate", "dagster_dbt", "dbt", "duckdb", "mashumaro", "networkx", "sqlglot")
READS = ("numpy", "pandas", "pyarrow", "sqlalchemy", "alembic")
SHOWS = ("cryptography", "jinja2", "phonenumbers", "pydantic", "pydantic_settings", "rich", "yaml")
ALL = (*LEARNS, *BUILDS, *READS, *SHOWS, "dagster", "starlette", "mlife_assets.market", "mlife_assets.adapters")
LOOK = (
    "import atexit, sys; look = lambda: print('\\n' + ' '.join(sys.modules), file=sys.stderr); atexit.register(look)\n"
)
COMMAND = LOOK + "from mlife_assets.cli import main; main()"
LOCATION = LOOK + "from mlife_assets.definitions import defs; found = defs().get_repository_def()\n"
SERVED = "from dagster._core.remote_representation.external_data import RepositorySnap; RepositorySnap.from_def(found)"
STEP = """
look()
import dagster as dg
job = found.get_implicit_global_asset_job_def().get_subset(asset_selection={dg.AssetKey(["events", "event_catalog"])})
assert job.execute_in_process(instance=dg.DagsterInstance.ephemeral()).success
"""


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
    table, rest = text.partition("On any table: spec ")[2].split("Of a deployment: ")
    board = rest.partition("Of the job board, the full example: demo ")[2]
    assert all((" train " in table, " models " in rest.partition("Of the job")[0], " init Begin a job board" in board))
    assert "yes-or-no outcome" in text
    assert run("--version").stdout == f"mlife {__version__}\n"


def test_every_exit_code_is_in_one_table_of_the_documents():
    text = (Path(__file__).resolve().parents[2] / "docs" / "command_line.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\d+)` \| (.+?) \|", text, re.M)
    assert rows == [(str(int(code)), meaning) for code, meaning in MEANINGS.items()]


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


ENDINGS = """
import os, sys, typer
from mlife_assets.cli import app, main
@app.command()
def blocks(): raise typer.Exit(3)
@app.command()
def aborts(): raise typer.Abort
@app.command()
def breaks(): raise ZeroDivisionError("broken")
def ends(*words, **variables):
    os.environ |= variables
    sys.argv = ["mlife", *words]
    try: main()
    except SystemExit as ended: print(words[0], ended.code)
for word in ("blocks", "aborts", "dance"): ends(word)
ends("landing", "replay", "--home", "nowhere")
ends("train", "--examples", "none.csv", "--spec", "none.json", "--out", "out")
ends("status", MLIFE_CORES="zero")
ends("status", MLIFE_CORES="1", MLIFE_DEMO_EVENT_DAYS="[1,2")
ends("breaks")
"""
ERRORS = (
    "nothing has run in ", "none.json", "MLIFE_CORES: Input should be a valid integer",
    "MLIFE_DEMO_EVENT_DAYS: Input should be a valid tuple",
)  # fmt: skip


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_wrong_usage_and_errors_are_no_defects_and_each_is_a_line_of_json_where_lines_are(tmp_path, log_format):
    command, environment = [sys.executable, "-c", ENDINGS], os.environ | {"MLIFE_LOG_FORMAT": log_format}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    ended = ["blocks 3", "aborts 1", "dance 2", "landing 1", "train 1", "status 1", "status 1"]
    if log_format == "text":
        assert (done.returncode, done.stdout.splitlines()) == (1, ended)
        assert "defect" not in done.stderr
        assert "ZeroDivisionError: broken" in done.stderr.splitlines()[-1]
        return
    assert (done.returncode, done.stdout.splitlines()) == (0, [*ended, "breaks 1"])
    *errors, defect = (json.loads(line) for line in done.stderr.splitlines() if line.startswith("{"))
    assert {(one["level"], one["logger"]) for one in errors} == {("error", "mlife_assets.cli.output")}
    assert [said in one["event"] for said, one in zip(ERRORS, errors, strict=True)] == [True] * len(ERRORS)
    assert (defect["event"], "ZeroDivisionError: broken" in defect["exception"]) == ("a defect of mlife", True)


def test_wrong_usage_is_exit_code_2(run):
    assert run("messages", "pause").exit_code == 2
    assert run("day", "--date", "yesterday").exit_code == 2
    assert "YYYY-MM-DD" in run("day", "--date", "yesterday").stderr
    assert run("dance").exit_code == 2


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (GateClosedError("the gate is closed; open it"), 1, "mlife: the gate is closed; open it\n"),
        (
            ModuleNotFoundError("No module named 'dbt'", name="dbt"),
            1,
            "mlife: dbt is not installed; run: pip install 'mlife[dbt]'\n",
        ),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, None),
        (RuntimeError("a defect"), None, None),
    ],
    ids=["on purpose", "a package of an extra", "an interrupt", "a defect"],
)
def test_an_error_is_one_sentence_on_stderr_and_a_defect_keeps_its_traceback(run, monkeypatch, error, code, said):
    def fail(home: object) -> None:
        raise error

    monkeypatch.setattr("mlife_assets.cli.status.board_settings", fail)
    if code is None:
        with pytest.raises(RuntimeError, match="a defect"):
            run("status")
        return
    result = run("status")
    assert (result.exit_code, result.stdout) == (code, "")
    assert said is None or result.stderr == said


def test_home_overrides_one_field(tmp_path, monkeypatch):
    monkeypatch.setenv("MLIFE_HOME", "/nowhere")
    monkeypatch.setenv("MLIFE_MARKET_USERS", "123")
    settings = board_settings(tmp_path)
    assert (settings.home, settings.market.market_users) == (tmp_path, 123)
    assert not settings.messages.approve_console_sends
    assert board_settings(None, approves_sends=True).messages.approve_console_sends


def test_all_cores_that_the_process_may_use_are_used_unless_fewer_are_asked_for(monkeypatch):
    assert board_settings(None).cores == len(os.sched_getaffinity(0))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3})
    assert board_settings(None).cores == 1
    monkeypatch.setenv("MLIFE_CORES", "2")
    assert board_settings(None).cores == 2


@pytest.mark.parametrize("arguments", READERS, ids=" ".join)
def test_a_home_that_holds_nothing_is_reported_and_left_alone(refusal_of, empty, arguments):
    result = refusal_of(*arguments, "--home", empty)
    assert "nothing has run in" in result
    assert "mlife demo" in result
    assert not empty.exists()


def test_a_log_that_was_signed_and_is_gone_is_not_called_never_lived(refusal_of, tmp_path):
    (tmp_path / "private" / "heads").mkdir(parents=True)
    result = refusal_of("models", "list", "--home", tmp_path)
    assert "was signed and is gone; restore" in result
    assert "mlife demo" not in result


def test_a_weak_secret_is_refused_in_words_for_people(run, empty):
    for name, told in (
        ("MLIFE_ENDPOINT_TOKEN", "a token has 32 or more"),
        ("MLIFE_HASH_KEY", "the key is easy to guess"),
    ):
        result = run("status", "--home", empty, env={name: "s3cret"})
        assert result.stderr.startswith(f"mlife: {name}: {told}")
        assert result.stderr.endswith("; correct the environment variable\n")
        assert "s3cret" not in result.output


def test_phone_numbers_never_enter_the_log(refusal_of, home):
    number = "+1 202-456-1111"
    result = refusal_of("messages", "pause", "--reason", f"{number} complained")
    assert "phone number" in result
    assert number not in result
    assert not home.platform.ledger.switches.is_paused()
    assert home.events("sending_paused") == []


def test_json_has_sorted_keys_and_iso_dates(capsys):
    print_json({"b": date(2026, 6, 1), "a": {"d": datetime(2026, 6, 1, 18, tzinfo=UTC), "c": float("nan")}})
    text = capsys.readouterr().out
    assert orjson.loads(text) == {"a": {"c": None, "d": "2026-06-01T18:00:00+00:00"}, "b": "2026-06-01"}
    assert text.index('"a"') < text.index('"c"') < text.index('"d"') < text.index('"b"')
    assert text.endswith("}\n")
    assert moment(datetime(2026, 6, 1, 18, 5, 2, 7, tzinfo=UTC)) == "2026-06-01 18:05:02Z"


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


def imported(said: str) -> set[str]:
    """Return the modules that a process named when it ended."""
    return set(said.rstrip().rpartition("\n")[2].split())


@pytest.mark.parametrize(
    ("program", "arguments", "banned"),
    [
        pytest.param(COMMAND, ["--help"], ALL, id="mlife --help"),
        pytest.param(
            COMMAND,
            ["status"],
            (*LEARNS, *BUILDS, "pandas", "alembic", "jinja2", "phonenumbers", "dagster", "starlette"),
            id="mlife status",
        ),
        pytest.param(LOCATION + SERVED + STEP, [], (*LEARNS, *BUILDS, "starlette"), id="a run of one step"),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_used(
    lived_home, monkeypatch: pytest.MonkeyPatch, program: str, arguments: list[str], banned: tuple[str, ...]
) -> None:
    monkeypatch.setenv("MLIFE_HOME", str(lived_home.path))
    ran = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2_000:]
    assert "mlife_assets" in imported(ran.stderr)
    assert set(banned) & imported(ran.stderr) == set()
    if program.startswith(LOCATION):  # before the step there was a code location
        of_location = next(set(line.split()) for line in ran.stderr.splitlines() if line.startswith("sys builtins "))
        assert "mlife_assets" in of_location
        assert not {*banned, "pandas", "sqlalchemy", "alembic", "jinja2", "phonenumbers"} & of_location


def test_people_read_who_answers_where_and_the_endpoint_scores_without_lightgbms_package(home) -> None:
    command = [sys.executable, "-c", COMMAND, "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = [process.stderr.readline() for _ in range(3)]
            url = lines[2].removeprefix("Serving at ").split(";")[0]
            with urllib.request.urlopen(f"{url}/v1/model", timeout=30) as answer:
                features = json.loads(answer.read())["features"]
            row = {one["name"]: one["values"][0] if one["type"] == "category" else 1.0 for one in features}
            asked = urllib.request.Request(f"{url}/v1/score", json.dumps({"rows": [row]}).encode())
            asked.add_header("Content-Type", "application/json")
            with urllib.request.urlopen(asked, timeout=30) as answer:
                assert 0 < json.loads(answer.read())["scores"][0]["probability"] < 1
        finally:
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert lines == [
        f"job_applications: {home.champions[1]} answers at {url}/v1/models/job_applications/score\n",
        "churn_risk: no champion can be loaded\n",
        f"Serving at {url}; stop with Ctrl-C\n",
    ]
    assert {*LEARNS, *BUILDS, "pandas", "alembic", "dagster"} & imported(said) == {"numba", "scipy"}


def test_models_are_parsed_before_the_endpoint_says_that_it_is_ready(home) -> None:
    provider = champion_providers(home.platform.home)["job_applications"]
    serving_versions({"job_applications": provider})
    assert "_trees" in vars(provider())


def test_pyarrow_finds_pandas_when_it_is_asked_for_it(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom mlife_assets.cli.app import _keep_arrow_from_pandas\n_keep_arrow_from_pandas()\n"
        "import pyarrow as pa\ntable = pa.table({'a': [1, None]})\nassert 'pandas' not in sys.modules\n"
        "frame = table.to_pandas()\nassert pa.Table.from_pandas(frame).to_pydict() == {'a': [1.0, None]}\n"
        "assert pa.array(frame['a']).null_count == 1\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
