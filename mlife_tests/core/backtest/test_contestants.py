"""What the policies that are held against the governed one do, and what they say of it."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace

from mlife_assets.core.backtest.contestants import EveryAlarm, Reign
from mlife_assets.core.backtest.learning import GateWindow

DAY = date(2025, 3, 1)


def test_a_training_that_was_due_and_impossible_is_told():
    """Without rows that the model has not learned from there is no reference to watch it by."""
    fit = SimpleNamespace(artifact=SimpleNamespace(model_version="m1"))
    policy = EveryAlarm(None, None, None, reigns=[Reign(fit, DAY)])
    assert policy._learned(DAY, GateWindow(None, 3, "The gate needs 200 positives.")) is None
    (told,) = policy.decisions
    assert (told.day, told.action, told.codes) == (DAY, "failed", ("gate_lacks_evidence",))
    assert told.sentences == ("The gate needs 200 positives.",)
    assert (told.model_version, policy.training_days) == ("m1", [])
