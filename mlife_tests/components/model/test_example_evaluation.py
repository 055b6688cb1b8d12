"""The gate of a model without an item looks at what was mature on its day."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

import pyarrow as pa
import pytest

from mlife_assets.components.model import example_evaluation
from mlife_assets.recruiting.churn_risk import churn_risk
from mlife_assets.recruiting.policies import Policies


def test_the_gate_of_a_day_judges_what_was_mature_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the day is judged again and later labels are there."""
    asked: list[tuple[date, date]] = []

    def exposures(platform: object, first: date, last: date) -> pa.Table:
        asked.append((first, last))
        return pa.table({"user_id": ["a"]})

    monkeypatch.setattr(example_evaluation, "mature_exposures", exposures)
    first = date(2026, 5, 3)
    example_evaluation.gate_rows(SimpleNamespace(model=churn_risk(Policies())), date(2026, 5, 31), first)
    assert asked == [(first, date(2026, 5, 23))]
