"""What the policies that are held against the governed one do, and what they say of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from types import SimpleNamespace

import numpy as np

from mlife_assets.core.backtest.contestants import EveryAlarm, Frozen, Naive, Reign
from mlife_assets.core.backtest.judging import Judged, holdout_window
from mlife_assets.core.errors import NotEnoughEvidenceError

DAY = date(2025, 3, 1)


def fit(as_of: date = DAY) -> SimpleNamespace:
    return SimpleNamespace(artifact=SimpleNamespace(model_version="m1"), as_of=as_of, step=f"fit|{as_of}")


def test_a_training_that_was_due_and_impossible_is_reported(history, rows, model):
    """Without rows that the model has not learned from there is no reference to watch it by."""
    plain = model()
    poor = history(rows(), replace(plain, promotion=replace(plain.promotion, minimum_users_with_positives=5_000)))
    policy = EveryAlarm(poor, None, None, None, reigns=[Reign(fit(), DAY)])
    policy.alarms = [True]
    policy.on_reports(DAY, SimpleNamespace(has_drift=True))
    (told,) = policy.decisions
    assert (told.day, told.action, told.codes) == (DAY, "failed", ("gate_lacks_evidence",))
    assert told.sentences[0].startswith("The gate needs 5,000 positives")
    assert (told.model_version, policy.training_days) == ("m1", [])


def test_every_alarm_installs_what_has_learned_from_everything_and_watches_it_by_what_its_twin_said(changed):
    policy = changed.contestants["every_alarm"]
    _, *later = policy.reigns
    assert later
    assert [reign.fit.as_of for reign in later] == [reign.since for reign in later] == policy.training_days[1:]
    newest = later[-1]
    window = holdout_window(policy.history, newest.since, None)
    twin = Judged.by_one(policy.learner.fit(window.first_day), window.first_day)
    places = policy.history.known(newest.since, since=window.first_day)
    found = np.sort(policy.reference.examples["probability"].to_numpy())
    assert policy.reference.model_version == newest.fit.artifact.model_version
    assert np.array_equal(found, np.sort(twin.probability(policy.history, places)))
    assert not np.array_equal(
        found, np.sort(Judged.by_one(newest.fit, window.first_day).probability(policy.history, places))
    )


def test_every_alarm_with_a_holdout_installs_the_twin(on_holdout):
    policy = on_holdout.contestants["every_alarm"]
    _, *later = policy.reigns
    assert later
    assert all(reign.fit.as_of == holdout_window(policy.history, reign.since, None).first_day for reign in later)


def test_a_training_that_fails_is_reported_and_installs_nothing(history, rows):
    class Unable:
        def fit(self, as_of: date):
            raise NotEnoughEvidenceError("one class only")

    policies = [kind(history(rows()), Unable(), None, None, [Reign(fit(), DAY)]) for kind in (EveryAlarm, Naive)]
    alarmed, naive = policies
    alarmed.alarms = [True]
    alarmed.on_reports(DAY, SimpleNamespace(has_drift=True))
    naive.training_days = [DAY - timedelta(days=30)]
    naive.on_morning(DAY)
    for policy in policies:
        (decided,) = policy.decisions
        assert (decided.action, decided.codes) == ("failed", ("training_impossible",))
        assert decided.sentences == ("one class only",)
        assert (len(policy.reigns), policy.fits, DAY in policy.training_days) == (1, [], False)


def test_a_fit_is_charged_once():
    policy = Frozen(None, None, None, None)
    one, same, other = fit(), fit(), fit(date(2025, 3, 8))
    policy._charge(one, other)
    policy._charge(same, other)
    assert policy.fits == [one, other]
    young = SimpleNamespace(**{**vars(one), "step": f"{one.step}|3.5"})
    policy._charge(young, one)
    policy._charge(young)
    assert policy.fits == [one, other, young], "another half-life is another fit of the same day"
