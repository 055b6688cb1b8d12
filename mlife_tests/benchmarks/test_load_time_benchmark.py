"""The load-time benchmark compares projects of the same size, and knows what it claims; no test judges by the clock."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest


def test_the_plain_project_is_as_large_and_knows_nothing_of_mlife(bench: ModuleType, tmp_path: Path) -> None:
    asked = (*bench.HEAVY, bench.OURS)
    plain, one = (bench.load(bench.write_project(tmp_path, kind), asked) for kind in ("plain", "one"))
    assert plain.assets == one.assets == bench.ASSETS + 2
    assert (plain.heavy, one.heavy) == ((), (bench.OURS,))
    assert min(plain.cpu_seconds, one.cpu_seconds) > 0.1


@pytest.mark.parametrize(
    ("one", "further", "heavy", "holds"),
    [(1.6, 0.1, (), True), (1.61, 0.1, (), False), (1.6, 0.11, (), False), (1.0, 0.0, ("shap",), False)],
)
def test_the_claims_are_those_of_its_docstring(bench, one: float, further: float, heavy, holds: bool) -> None:
    assert bench.Cost({}, 1.0, one, further, heavy).holds is holds
    assert "at most 1.6 times" in bench.__doc__
    assert "at most a tenth" in bench.__doc__
