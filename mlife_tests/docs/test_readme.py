"""The first screen of the README: its picture, its spec, its commands in order, pasted into a shell."""

from __future__ import annotations

import io
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from mlife_assets.core.study import Study

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FIRST_SCREEN = README.split("\n## ", 1)[0]
PICTURE_BYTES = 150_000
ALREADY_DONE = ("make setup", ". .venv/bin/activate")
"""Whoever runs this test has set up and has the environment's commands."""


def console(text: str) -> list[str]:
    """Return the lines of the first `console` block."""
    return re.findall(r"^```console\n(.*?)^```", text, re.M | re.S)[0].splitlines()


def test_it_begins_with_a_picture_that_is_there_and_small():
    words, path = re.findall(r"!\[(.+?)\]\((.+?)\)", FIRST_SCREEN)[0]
    data = (ROOT / path).read_bytes()
    assert len(data) <= PICTURE_BYTES
    assert Image.open(io.BytesIO(data)).width >= 800
    assert len(words) > 20, "say in words what the picture shows"


def test_it_is_one_screen():
    """A newcomer reads what it is, does it, and sees what came out; the rest has headings."""
    assert len(FIRST_SCREEN.splitlines()) <= 66


def test_its_data_is_a_file_of_an_installed_package():
    assigned = next(line for line in console(FIRST_SCREEN) if "FLIGHTS=" in line)
    named = assigned.partition("=")[2]
    folder = Path(*Path(named).parts[Path(named).parts.index("site-packages") + 1 :])
    assert any((Path(entry) / folder).is_file() for entry in sys.path)


def test_its_spec_is_one():
    spec = re.findall(r"^```json\n(.*?)^```", FIRST_SCREEN, re.M | re.S)[0]
    assert Study.from_json(spec).model.roles.label == "was_ordered"


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
