"""What people may import: a list that a person reviews, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import mlife

PROMISED = ["ConversionModel", "Roles", "backtest", "check", "drift", "judge", "load", "open", "score", "train"]
"""A name that is added here stays for as long as 1.0 does: change it with the page docs/python.md and the CHANGELOG."""
LINES_MAXIMUM, SECONDS_MAXIMUM = 200, 1.0
COST = "import time, mlife, sys; print(time.process_time(), len(sys.modules), *(one for one in sys.modules))"


def test_these_names_are_promised_and_no_others() -> None:
    assert mlife.__all__ == dir(mlife) == PROMISED
    assert all(callable(getattr(mlife, name)) and getattr(mlife, name).__doc__ for name in PROMISED)
    with pytest.raises(AttributeError, match="no attribute 'frames'; it has ConversionModel, Roles"):
        _ = mlife.frames


def test_the_package_only_hands_on_and_costs_nothing() -> None:
    package = Path(mlife.__file__).parent
    assert sum(len(path.read_text().splitlines()) for path in package.rglob("*.py")) <= LINES_MAXIMUM
    assert (package / "py.typed").is_file()
    done = subprocess.run([sys.executable, "-c", COST], capture_output=True, text=True, check=True, cwd=package.parent)
    seconds, _, *modules = done.stdout.split()
    assert float(seconds) < SECONDS_MAXIMUM
    assert not {"pyarrow", "pandas", "numpy", "dagster", "lightgbm", "mlife_assets"} & set(modules)
