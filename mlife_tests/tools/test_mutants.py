"""The replay of mutants: what no test notices is found, and a list that does not fit the code is no success."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.mutants import LIST, ROOT, MutantsError, read_list

CODE = '''
def half(number: int) -> int:
    """Return half of an even number."""
    if number % 2:
        raise ValueError("odd")
    return number // 2
'''
TESTS = """
import pytest

def test_half():
    from thing import half
    assert half(4) == 2

def test_broken():
    assert False

@pytest.mark.parametrize("odd", [1, 3])
def test_odd(odd):
    from thing import half
    with pytest.raises(ValueError):
        half(odd)
"""
NOTICED = ("no half", "return number // 2", "return number", "test_half")
ODD_TAKEN = ("odd numbers are taken", "if number % 2:", "if False:", "test_odd")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Return the root of a small module and its tests."""
    (tmp_path / "mlife_tests").mkdir()
    (tmp_path / "thing.py").write_text(CODE)
    (tmp_path / "mlife_tests" / "test_thing.py").write_text(TESTS)
    return tmp_path


def write_list(root: Path, *mutants: tuple[str, str, str, str]) -> None:
    entries = [
        f"[[mutant]]\nwhat = '{what}'\nfile = 'thing.py'\ntext = '{text}'\nreplacement = '{replacement}'\n"
        f"test = 'mlife_tests/test_thing.py::{test}'\n"
        for what, text, replacement, test in mutants
    ]
    (root / LIST).write_text("\n".join(["imports = ['pytest']", *entries]))


def replayed(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.mutants", f"--root={root}", *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_mutants_that_are_all_noticed_are_a_success(small: Path) -> None:
    write_list(small, NOTICED, ODD_TAKEN)
    done = replayed(small)
    assert done.returncode == 0, done.stderr
    assert "0 faults" in done.stdout
    assert "no mutant says 'two things'" in replayed(small, "two", "things").stderr


def test_a_mutant_that_shows_nothing_fails_the_replay_with_its_meaning(small: Path) -> None:
    write_list(
        small,
        NOTICED,
        ("odd numbers are taken and nobody asks", "if number % 2:", "if False:", "test_half"),
        ("a package that is not there", "return number // 2", "import nothing_there; return 2", "test_half"),
        ("a test that fails anyway", "return number // 2", "return 0", "test_broken"),
    )
    done = replayed(small)
    assert done.returncode == 1
    for words in (
        "NOT NOTICED: odd numbers are taken and nobody asks (thing.py); mlife_tests/test_thing.py::test_half passes",
        "NOT NOTICED: a package that is not there (thing.py); mlife_tests/test_thing.py::test_half shows nothing: Mod",
        "mlife_tests/test_thing.py::test_broken, with no mutant: failed",
    ):
        assert words in done.stderr
    assert "NOT NOTICED: no half" not in done.stderr


@pytest.mark.parametrize(
    ("text", "replacement", "test", "words"),
    [
        ("return number / 2", "return 0", "test_half", "the text stands 0 times in thing.py, not once"),
        ("number", "0", "test_half", "the text stands 4 times in thing.py, not once"),
        ("return number // 2", "return number //", "test_half", "thing.py is no Python with the replacement"),
        ("return number // 2", "return 0", "test_quarter", "there is no test mlife_tests/test_thing.py::test_quarter"),
    ],
)
def test_a_change_that_cannot_be_made_is_an_error(
    small: Path, text: str, replacement: str, test: str, words: str
) -> None:
    write_list(small, ("unmade", text, replacement, test))
    with pytest.raises(MutantsError, match=f"unmade: {words}"):
        read_list(small)


def test_each_mutant_of_the_list_can_be_made_and_is_there_once() -> None:
    _, mutants = read_list(ROOT)
    assert len({(one.file, one.text, one.replacement) for one in mutants}) == len(mutants)
