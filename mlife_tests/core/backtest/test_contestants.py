"""What the policies that are held against the governed one do, and what they say of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from types import SimpleNamespace

from mlife_assets.core.backtest.contestants import EveryAlarm, Frozen, Reign

DAY = date(2025, 3, 1)


def fit(as_of: date = DAY) -> SimpleNamespace:
    return SimpleNamespace(artifact=SimpleNamespace(model_version="m1"), as_of=as_of)


def test_a_training_that_was_due_and_impossible_is_told(history, rows, study):
    """Without rows that the model has not learned from there is no reference to watch it by."""
    plain = study()
    poor = history(rows(), replace(plain, promotion=replace(plain.promotion, minimum_users_with_positives=5_000)))
    policy = EveryAlarm(poor, None, None, None, reigns=[Reign(fit(), DAY)])
    policy.alarms = [True]
    policy.on_reports(DAY, SimpleNamespace(has_drift=True))
    (told,) = policy.decisions
    assert (told.day, told.action, told.codes) == (DAY, "failed", ("gate_lacks_evidence",))
    assert told.sentences[0].startswith("The gate needs 5,000 positives")
    assert (told.model_version, policy.training_days) == ("m1", [])


def test_a_fit_is_paid_for_once():
    policy = Frozen(None, None, None, None)
    one, same, other = fit(), fit(), fit(date(2025, 3, 8))
    policy._pay(one, other)
    policy._pay(same, other)
    assert policy.fits == [one, other]
