"""`mlife doctor` names everything that is wrong at once, and does what it says in its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlife_assets.cli.app import app


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Return a function that runs `mlife doctor` in an environment."""

    def run_one(variables: dict[str, str], *options: str):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(app, ["doctor", "--home", str(tmp_path / "home"), *options])

    return run_one


def test_a_new_home_is_well(run, tmp_path: Path) -> None:
    result = run({})
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == "all is well"
    assert f"ok    MLIFE_LAKE: {tmp_path}/home/lake can be made" in result.stdout
    assert not (tmp_path / "home").exists(), "a demo wants an empty home"
    (tmp_path / "home" / "lake").mkdir(parents=True)
    assert f"ok    MLIFE_LAKE: {tmp_path}/home/lake can be listed and written" in run({}).stdout


def test_a_bucket_is_well(run, s3, s3_place) -> None:
    result = run(s3.variables(s3_place.url), "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert document["faults"] == 0
    assert {one["part"] for one in document["found"]} == {"MLIFE_HOME", "MLIFE_LAKE", "DuckDB"}
    assert "its clock agrees with this machine's" in {one["says"] for one in document["found"]}


def test_what_is_wrong_is_named_with_what_to_do_and_without_the_key(run, s3, s3_place, monkeypatch) -> None:
    variables = {**s3.variables(s3_place.url), "AWS_SECRET_ACCESS_KEY": "a-wrong-secret"}
    monkeypatch.setattr("duckdb.__version__", "1.0.0")
    result = run(variables)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert [line.partition(": ")[0] for line in lines if line.startswith("FAULT")] == [
        "FAULT MLIFE_LAKE",
        "FAULT DuckDB",
    ]
    assert sum(line.startswith("      do: ") for line in lines) == 2
    assert lines[-1] == "2 of 3 need something done"
    assert "a-wrong-secret" not in result.output
