"""Documents: their commands exist, their code runs, their links resolve; README and landing say what holds."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
import textwrap
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from PIL import Image
from typer.testing import CliRunner

from mlife_assets import __version__
from mlife_assets.adapters.landing import DUPLICATE_LOOKBACK_DAYS
from mlife_assets.cli import app
from mlife_assets.core.landed_names import NAME_LENGTH_MAXIMUM
from mlife_assets.core.study import Study

ROOT = Path(__file__).resolve().parents[2]
TOP = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
DOCUMENTS = [
    *(ROOT / name for name in TOP),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "infra").glob("*.md")),
]
FENCE = re.compile(r"^ *```(\w+)\n(.*?)^ *```", re.M | re.S)
INVARIANTS = 14
OF_RECORDS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
RECORDS = [path for path in OF_RECORDS if not path.stem.endswith("_evidence")]
RECORD_WORDS, RECORD_LINE_CHARACTERS = 450, 150
LONGER_RECORDS = {"0011_e": 1430}  # until a page draws its tables from the record; none is added
RECORD_HEADINGS = ["Context", "Decision", "Consequences", "Alternatives"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST_SCREEN = README.split("\n## ", 1)[0]
PICTURE_BYTES = 150_000
ALREADY_DONE = ("make setup", ". .venv/bin/activate")
PAGE = (ROOT / "docs" / "landing.md").read_text(encoding="utf-8")
SIZE = re.compile(r"[\d,]+ bytes")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path, *languages: str) -> list[str]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [textwrap.dedent(body) for language, body in FENCE.findall(text) if language in languages]


def commands(path: Path) -> list[list[str]]:
    """Return the commands of `console` and `sh` blocks and of inline code; in `console` those after `$ `.

    `a && b` counts as two.
    """
    lines = re.findall(r"`((?:mlife|make) [^`\n]+)`", FENCE.sub("", path.read_text(encoding="utf-8")))
    lines += [line[2:] for body in blocks(path, "console") for line in body.splitlines() if line.startswith("$ ")]
    lines += [line for body in blocks(path, "sh", "bash") for line in body.splitlines()]
    parts = [part for line in lines for part in re.split(r"&&|\||;", line)]
    return [words for part in parts if (words := shlex.split(part, comments=True))]


@cache
def usage(subcommand: tuple[str, ...]) -> str | None:
    """Return the help of an `mlife` subcommand, None when there is none."""
    done = CliRunner().invoke(app, [*subcommand, "--help"], catch_exceptions=False)
    return done.stdout if done.exit_code == 0 else None


def test_documents_exist_and_have_a_title() -> None:
    assert [name_of(path) for path in DOCUMENTS if not path.read_text(encoding="utf-8").startswith("# ")] == []


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    named = [(path, word) for path in DOCUMENTS for words in commands(path) if words[0] == "make" for word in words[1:]]
    wrong = [f"{name_of(path)}: make {word}" for path, word in named if word not in targets and word[0] != "-"]
    assert [one for one in wrong if "=" not in one] == []


def test_mlife_commands_exist() -> None:
    """Each `mlife` command of each document is a subcommand that the program knows, with options that it knows."""
    wrong = []
    for path in DOCUMENTS:
        for words in commands(path):
            program, arguments = Path(words[0]).name, words[1:]
            if program == "mlife":
                plain = [word for word in arguments if re.fullmatch(r"[a-z-]+", word) and not word.startswith("-")]
                nested = plain[0] in {group.name for group in app.registered_groups} if plain else False
                text = usage(tuple(plain[: 2 if nested else 1]))
                options = [word.split("=")[0] for word in arguments if word.startswith("--")]
                if text is None or any(option not in text for option in options):
                    wrong.append(f"{name_of(path)}: {shlex.join(words)}")
    assert wrong == []


WITH_EXAMPLES = [path for path in DOCUMENTS if blocks(path, "python") and path.name != "README.md"]


@pytest.mark.parametrize("path", WITH_EXAMPLES, ids=name_of)
def test_python_examples_run(path: Path) -> None:
    """The `python` blocks of a document run in order in one fresh interpreter, warnings as errors."""
    code = "\n\n".join(blocks(path, "python"))
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning:sqlglot", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, f"{name_of(path)}\n{done.stdout}{done.stderr}"


def test_links_and_named_files_exist() -> None:
    # A path before a colon at the end of a line is of a file that the block below holds.
    named = re.compile(r"`((?:mlife_assets|mlife_tests|dbt_project|docs)/[\w./]+\.\w+)(?:::[\w:\[\]-]+)?`(?!:\n)")
    missing = []
    for path in DOCUMENTS:
        text = re.sub(FENCE, lambda fence: "\n" * fence[0].count("\n"), path.read_text(encoding="utf-8"))
        links = [(one.start(), one[1], path.parent) for one in re.finditer(r"\]\((?![a-z]+:|#)([^)\s]+)\)", text)]
        for at, target, folder in [*links, *((one.start(), one[1], ROOT) for one in named.finditer(text))]:
            if not (folder / target.split("#")[0]).exists():
                missing.append(f"{name_of(path)}:{text.count(chr(10), 0, at) + 1}: {target}")
    assert missing == []


def test_decision_records_are_short_and_name_their_evidence() -> None:
    words = {path: len(path.read_text(encoding="utf-8").split()) for path in OF_RECORDS}
    long = [path for path in OF_RECORDS if words[path] > LONGER_RECORDS.get(path.name[:6], RECORD_WORDS)]
    wrong = [f"{name_of(path)}: {words[path]} words; name the record that holds its figures" for path in long]
    for path in RECORDS:
        text = path.read_text(encoding="utf-8")
        long = [number for number, one in enumerate(text.splitlines(), 1) if len(one) > RECORD_LINE_CHARACTERS]
        wrong += [f"{name_of(path)}:{number}: more than {RECORD_LINE_CHARACTERS} characters" for number in long]
        if [one for one in re.findall(r"^## (.+)$", text, re.M) if one in RECORD_HEADINGS] != RECORD_HEADINGS:
            wrong.append(f"{name_of(path)}: its headings are not {RECORD_HEADINGS}")
        evidence = path.with_name(f"{path.name[:4]}_evidence.md")
        if evidence.exists() != (f"]({evidence.name})" in text):
            wrong.append(f"{name_of(path)}: {evidence.name} exists and is not named, or is named and does not exist")
    assert wrong == []


def test_decision_records_are_numbered_and_all_stand_once_in_the_index() -> None:
    numbers = [path.name[:4] for path in RECORDS]
    assert sorted({path.name[:4] for path in OF_RECORDS}) == numbers
    for path, number in zip(RECORDS, numbers, strict=True):
        assert path.read_text(encoding="utf-8").startswith(f"# {int(number)}. ")
    index = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"\]\((\d+_\w+\.md)\)", index)) == [path.name for path in OF_RECORDS]


def test_architecture_points_every_invariant_to_its_tests() -> None:
    """ARCHITECTURE.md numbers the invariants 1. to 14.; each item names tests as `mlife_tests/...py::test_name`."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = text.split("## Invariants", 1)[1].split("\n## ", 1)[0]
    items = dict(re.findall(r"^\|?\s*(\d+)[.|\s](.*?)(?=^\|?\s*\d+[.|\s]|\Z)", section, re.M | re.S))
    assert sorted(map(int, items)) == list(range(1, INVARIANTS + 1))
    for number, item in items.items():
        named = re.findall(r"`(mlife_tests/[\w/]+\.py)::(\w+)`", item)
        assert named, f"invariant {number} names no test"
        for file, test in named:
            defined = {n.name for n in ast.walk(ast.parse((ROOT / file).read_text())) if isinstance(n, ast.FunctionDef)}
            assert test in defined, f"invariant {number}: {file} has no {test}"


def test_changelog_names_the_version() -> None:
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def console(text: str) -> list[str]:
    """Return the lines of the first `console` block."""
    return re.findall(r"^```console\n(.*?)^```", text, re.M | re.S)[0].splitlines()


def test_it_begins_with_a_picture_that_is_there_and_small():
    words, path = re.findall(r"!\[(.+?)\]\((.+?)\)", FIRST_SCREEN)[0]
    assert (ROOT / path).stat().st_size <= PICTURE_BYTES
    with Image.open(ROOT / path) as picture:
        assert picture.width >= 800
    assert len(words) > 20, "say in words what the picture shows"


def test_it_is_short():
    assert len(FIRST_SCREEN.splitlines()) <= 66
    assert len(README.split()) <= 900


def test_its_data_is_a_file_of_an_installed_package():
    assigned = next(line for line in console(FIRST_SCREEN) if "FLIGHTS=" in line)
    named = assigned.partition("=")[2]
    folder = Path(*Path(named).parts[Path(named).parts.index("site-packages") + 1 :])
    assert any((Path(entry) / folder).is_file() for entry in sys.path)


def test_its_spec_is_one():
    spec = re.findall(r"^```json\n(.*?)^```", FIRST_SCREEN, re.M | re.S)[0]
    assert Study.from_json(spec).model.roles.label == "was_ordered"


def test_its_lines_of_python_run_on_its_spec(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng, rows = np.random.default_rng(1), 2_000
    days = np.datetime64("2026-01-01") + np.arange(rows) // 20
    discount = rng.uniform(0, 0.3, rows)
    table = pa.table(
        {
            "customer_id": np.arange(rows) % 300, "quoted_on": days, "offer_expired_on": days + 7,
            "was_ordered": rng.random(rows) < 0.1 + 2 * discount, "price": rng.gamma(2, 50, rows), "discount": discount,
            "days_since_last_order": rng.integers(1, 90, rows), "region": rng.choice(["north", "south"], rows).tolist(),
        }
    )  # fmt: skip
    pyarrow.csv.write_csv(table, "quotes.csv")
    pyarrow.csv.write_csv(table.slice(rows - 5).drop_columns(["was_ordered", "offer_expired_on"]), "new_quotes.csv")
    Path("quotes.json").write_text(re.findall(r"^```json\n(.*?)^```", FIRST_SCREEN, re.M | re.S)[0])
    names: dict[str, Any] = {}
    exec(blocks(ROOT / "README.md", "python")[0], names)
    assert names["scored"].column_names[-2:] == ["probability", "reasons"]
    assert Path("var/quotes/card.html").is_file()


@pytest.mark.proof
def test_its_commands_pasted_line_by_line_print_what_it_says(tmp_path):
    """The commands are those of the README; only the output goes elsewhere than into the checkout's var."""
    lines = console(FIRST_SCREEN)
    commands = [line[2:].split("  #")[0] for line in lines if line.startswith("$ ")]
    assert tuple(commands[: len(ALREADY_DONE)]) == ALREADY_DONE
    binaries = Path(sys.executable).parent
    script = [f"export PATH={shlex.quote(str(binaries))}:$PATH", *commands[len(ALREADY_DONE) :]]
    pasted = "\n".join(script).replace(".venv/bin/mlife", "mlife").replace("var/", f"{shlex.quote(str(tmp_path))}/")
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", pasted], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.replace(f"{tmp_path}/", "var/").splitlines()
    shown = [line for line in lines if not line.startswith("$ ")]
    assert len(shown) >= 3
    assert [line for line in printed if line in shown] == shown
    assert (tmp_path / "flights" / "card.html").is_file()


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
