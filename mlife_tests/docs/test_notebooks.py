"""Notebooks do what they say: their cells run in order, and what a notebook would show is looked at."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "examples" / "notebooks"
SHOWN = {
    "from_a_table": [
        "nothing is wrong", "iframe", "Promoted by a win", "visits =", "price: up to "
    ],
    "adopted_model": [
        "known by 8,000 rows", ": it holds.", "ROC AUC", "(was 4", "below the limit", "none of 3 columns moved",
        ": it does not hold.", "what serves", "Promoted by a win",
    ],
}  # fmt: skip


def test_each_is_run() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == SHOWN.keys()


@pytest.mark.parametrize("name", SHOWN)
def test_cells_run_in_order_and_show_what_is_said(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The proof `mlife_tests/packaging/test_first_hour.py` has Jupyter run them."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for cell in json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        assert (cell["outputs"], cell["execution_count"]) == ([], None), "committed without what it showed"
        *steps, last = ast.parse("".join(cell["source"])).body
        exec(compile(ast.Module(steps, []), name, "exec"), names)
        if not isinstance(last, ast.Expr):
            exec(compile(ast.Module([last], []), name, "exec"), names)
        elif (value := eval(compile(ast.Expression(last.value), name, "eval"), names)) is not None:
            print(value._repr_html_() if hasattr(value, "_repr_html_") else repr(value))
    shown = capsys.readouterr().out
    assert [words for words in SHOWN[name] if words not in shown] == []
