"""By the stopwatch, from `pip install` on: a verdict with its card, in a notebook too, and a scored file."""

from __future__ import annotations

import json
import resource
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = Path(__file__).resolve().parents[2] / "examples" / "notebooks"
ROLES = {
    "entity": "quote", "time": "quoted", "label": "ordered", "label_time": "expired", "features": ["price", "visits"],
    "categoricals": ["region"],
}  # fmt: skip
JUPYTER = ("nbclient==0.11.0", "ipykernel==7.4.0")
GOAL = 30
"""CPU seconds of all that comes after the installation; docs/python.md says what was measured."""


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.proof
def test_three_commands_lead_to_a_verdict_and_a_scored_file_and_jupyter_shows_the_card(
    wheel: Path, make_place: Any, locked: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    place = make_place(sys.executable)
    place.project.mkdir()
    names: dict[str, Any] = {}
    exec("".join(json.loads((NOTEBOOKS / "from_a_table.ipynb").read_text())["cells"][1]["source"]), names)
    names["quotes"].to_csv(place.project / "quotes.csv", index=False)
    (place.project / "quotes.json").write_text(json.dumps({"title": "Quotes", "roles": ROLES}))
    commands = [
        ("mlife", "train", "--examples", "quotes.csv", "--spec", "quotes.json", "--out", "model"),
        ("mlife", "score", "--model", "model", "--rows", "quotes.csv", "--out", "scored.csv"),
        *(("jupyter", "execute", "--inplace", f"{name}.ipynb") for name in ("from_a_table", "adopted_model")),
    ]  # fmt: skip
    place.install_locked(wheel, locked)
    seconds = []
    for command in commands:
        if command[0] == "jupyter":
            shutil.copy(NOTEBOOKS / command[-1], place.project)
            place.install(*JUPYTER)
        before = cpu_seconds()
        place.run(*command)
        seconds.append(cpu_seconds() - before)
    with capsys.disabled():
        print("\nCPU-s:", ", ".join(f"{command[1]} {one:.1f}" for command, one in zip(commands, seconds, strict=True)))
    assert max(sum(seconds[:2]), *seconds[2:]) < GOAL
    assert "Quotes" in (place.project / "model" / "card.html").read_text()
    assert "probability" in (place.project / "scored.csv").read_text().partition("\n")[0]
    cells = json.loads((place.project / "from_a_table.ipynb").read_text())["cells"]
    shown = ["".join(out.get("data", {}).get("text/html", "")) for cell in cells for out in cell.get("outputs", ())]
    assert any(one.startswith("<iframe") and "Which quotes become orders" in one for one in shown)
