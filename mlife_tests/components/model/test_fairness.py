"""What the gate is told where no fold of a challenger could be audited. The audits: `e2e/test_fairness`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import pyarrow as pa
import pytest

from mlife_assets.components.model import fairness
from mlife_assets.components.model.fairness import audit_folds, day_fairness_conditions
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.training.folds import Fold
from mlife_assets.core.windows import add_days

DAY = date(2026, 6, 30)
MONDAYS = (date(2026, 6, 8), date(2026, 6, 22))
FOLDS = tuple(Fold(one, f"mdl_{one}", add_days(one, -8)) for one in MONDAYS)
QUARANTINED = (date(2026, 6, 8), date(2026, 6, 15), date(2026, 6, 22))
"""The days that the gate of `DAY` ranks and a fold speaks for: of the first Monday for two of them."""


def quarantine(monkeypatch: pytest.MonkeyPatch, faulty: Iterable[date], folds: tuple[Fold, ...] = FOLDS) -> None:
    """Let the challenger have folds, and some days be faulty."""
    monkeypatch.setattr(fairness, "stored_folds", lambda *_: folds)
    monkeypatch.setattr(fairness, "quarantined_days", lambda _, days: [day for day in days if day in faulty])


def test_days_that_are_all_quarantined_are_named_with_what_helps(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It once asked for the audit that had just been made, each time."""
    quarantine(monkeypatch, QUARANTINED)
    assert audit_folds(platform, "mdl_a", DAY) is None
    _, by_folds = day_fairness_conditions(platform, DAY, "mdl_a")
    assert not by_folds.is_met
    assert by_folds.sentence == (
        "On the weeks of the folds: Nobody can be audited, since every day that the gate ranks is quarantined "
        "(2026-06-08, 2026-06-15, 2026-06-22). Repair one of these days, materialize its data_quality_report, then "
        "fairness_audit and evaluation of this day; or train on another day of the week, whose gate ranks other days."
    )


def test_each_day_that_the_gate_ranks_is_audited_by_the_fold_that_speaks_for_it(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the four the first lies before all folds."""
    audited = []

    def outcomes(_: Platform, version: str, pairs: date, __: int) -> None:
        audited.append((pairs, version))

    quarantine(monkeypatch, QUARANTINED[:1])
    monkeypatch.setattr(fairness, "audited_users", lambda *_: pa.table({"user_id": ["usr_1"]}))
    monkeypatch.setattr(fairness, "audited_pairs", lambda _, day, __: day)
    monkeypatch.setattr(fairness, "_outcomes", outcomes)
    monkeypatch.setattr(fairness, "_audit", lambda *_: None)
    audit_folds(platform, "mdl_a", DAY)
    first, second = FOLDS
    assert audited == [(QUARANTINED[1], first.model_version), (QUARANTINED[2], second.model_version)]


@pytest.mark.parametrize(("faulty", "folds"), [(QUARANTINED[1:], FOLDS), ((), FOLDS), (QUARANTINED, ())])
def test_an_audit_that_can_be_made_is_asked_for(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, faulty: tuple[date, ...], folds: tuple[Fold, ...]
) -> None:
    quarantine(monkeypatch, faulty, folds)
    _, by_folds = day_fairness_conditions(platform, DAY, "mdl_a")
    assert not by_folds.is_met
    assert by_folds.sentence.endswith("There is no fairness audit of the challenger; materialize fairness_audit.")
