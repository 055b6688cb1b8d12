"""Mutated rows and files by the thousand: none is lost, none stops the others, and memory stays bounded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("mutated_landing.py")
ROOT = Path(__file__).resolve().parents[2]
SEED = 20_261_126


@pytest.mark.parametrize(
    ("rows", "files"), [(11_000, 33), pytest.param(100_000, 200, marks=pytest.mark.proof)], ids=["some", "all"]
)
def test_accepted_and_rejected_are_what_was_delivered(tmp_path: Path, rows: int, files: int) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path), str(rows), str(files), str(SEED)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["rows"]["accepted"] + told["rows"]["rejected"] == rows
    assert told["rows"]["accepted"] > rows / 100, "good rows are taken beside bad ones"
    assert len(told["rows"]["reasons"]) >= 6, "the mutations find most rules"
    assert told["files"]["delivered"] == files
    assert told["files"]["rows"] == 40 * (files - told["files"]["refused"]), "a file is refused whole or counted by row"
    assert told["is_same_again"]
    assert told["maximum_bytes"] < 2 * 2**30
