"""A project's table that was rewritten after its rows were scored: the refit is refused, and the verdict says why."""

from __future__ import annotations

import re
from datetime import date
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.components.conversion_model import SKIP_TAG, take_in
from mlife_assets.components.model import example_evaluation
from mlife_assets.components.model.example_evaluation import gate_rows, recorded_scores_condition
from mlife_assets.core.training.parity_in_time import NAME
from mlife_assets.core.windows import add_days

FIRST = date(2013, 1, 3)
TRAINED, SCORED = 30, 4


def test_a_refit_on_a_rewritten_table_is_refused_with_the_row_and_the_remedy(project: Any) -> None:
    """One model serves for four days; then the outcomes of a day are delivered again, and wind knows them."""
    project.declare()
    definitions, trained = project.load(), add_days(FIRST, TRAINED)
    for number in range(TRAINED):
        project.take_in(definitions, add_days(FIRST, number))
    project.deliver(definitions, trained)
    project.run(definitions, "late_flights_daily_job", trained, tags={SKIP_TAG: "true"})
    project.run(definitions, "late_flights_retraining_job", trained)
    for number in range(1, SCORED + 1):
        project.deliver(definitions, add_days(trained, number), model=None)
        project.run(definitions, "late_flights_daily_job", add_days(trained, number))
    view, day, served = project.view(definitions), add_days(trained, SCORED), add_days(trained, 1)
    champion = view.registry.champion()

    honest = recorded_scores_condition(view, gate_rows(view, day, add_days(day, -14)))
    assert honest.is_met
    of_both = re.findall(r"0 of (\d+) (?:positive|negative) rows differ", honest.sentence)
    assert sum(map(int, of_both)) == 400, "of the two days that were served and are mature"

    delivered = add_days(served, 2)
    examples = view.warehouse.read("examples", as_of=served).drop_columns(["label_mature_date"])
    is_late = np.asarray(examples["is_late"].to_numpy(zero_copy_only=False), dtype=float)
    examples = examples.set_column(examples.column_names.index("wind"), "wind", pa.array(4 * is_late - 2))
    take_in(view, view.home.own(view.model_name).rows, "examples", delivered, examples, "here")
    ran = project.run(definitions, "late_flights_retraining_job", day)

    verdict = project.metadata(ran, "late_flights/evaluation")
    assert verdict["outcome"] == "refused"
    (said,) = [one["sentence"] for one in verdict_conditions(view, day) if one["name"] == NAME and not one["is_met"]]
    assert f"; the first is {served}, flight F0 with a probability of" in said
    assert "deliver these rows again with the values of their day" in said
    assert any(said in sentence for sentence in view.model_tables.read_report("promotion", day)["sentences"])
    assert view.registry.champion() == champion


def test_examples_that_share_entity_and_day_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twins of a day have one name in what was recorded, so one that agrees says nothing of the other."""
    roles = SimpleNamespace(entity="who", time="day", label="won")
    whos, values = ["a", "a", "b", "c", "d", "e"], [0.5, 0.9, 0.2, 0.9, 0.9, 0.4]
    rows = pa.table({"who": whos, "day": [FIRST] * 6, "won": [True] * 6, "value": values})
    events = {"entity_id": [*whos[1:], "a"], "as_of_date": [FIRST] * 6, "model_version": ["m"] * 6}
    recorded = pa.table({**events, "probability": [0.5, 0.2, 0.3, 0.3, 0.4, 0.5], "model_name": ["own"] * 6})
    ports = SimpleNamespace(
        model=SimpleNamespace(roles=roles, promotion=SimpleNamespace(rewritten_share_maximum=0.02)),
        model_name="own",
        event_log=SimpleNamespace(read=lambda *_, **__: recorded),
        scorers=SimpleNamespace(
            of=lambda _: SimpleNamespace(feature_spec=None, score=lambda x: SimpleNamespace(probability=x))
        ),
    )
    monkeypatch.setattr(example_evaluation, "examples_matrix", lambda table, _: table["value"].to_numpy())
    found = recorded_scores_condition(ports, rows)
    assert not found.is_met
    assert "2 of 4 positive rows differ (1 may)" in found.sentence
    assert found.sentence.endswith("2 rows share who and day with another and are not compared.")
    found = recorded_scores_condition(ports, rows.take([0, 1]))
    assert found.is_met
    assert found.sentence.startswith("No score")


def verdict_conditions(view: Any, day: date) -> list[dict[str, Any]]:
    """Return the conditions of a day's verdict."""
    conditions: list[dict[str, Any]] = view.model_tables.read_report("promotion", day)["conditions"]
    return conditions
