"""What the governed policy does with the governor's verdict, and the policies that are held against it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport
from mlife_assets.core.monitoring.retrain_decisions import RetrainDecision
from mlife_assets.core.training.gate import Condition
from mlife_assets.core.training.gate.comparing import average_precision
from mlife_assets.core.training.insurance import Week, standing
from mlife_assets.lifecycle.backtest.contestants import IMPOSSIBLE, EveryAlarm, Frozen, Naive
from mlife_assets.lifecycle.backtest.governed import Governed
from mlife_assets.lifecycle.backtest.judging import Judged
from mlife_assets.lifecycle.backtest.learning import score
from mlife_assets.lifecycle.backtest.watching import Reports
from mlife_assets.lifecycle.rollback import NAME, Insured

SINCE = date(2025, 3, 1)
CONTEST_DAY = date(2025, 3, 1)
CLOSED = date(2025, 3, 20)


def model(version: str, as_of: date) -> SimpleNamespace:
    artifact, day = SimpleNamespace(model_version=version), as_of - timedelta(days=1)
    return SimpleNamespace(artifact=artifact, as_of=as_of, last_day=day, label_last_day=day, step=version)


NO_NEW_WEEK = Insured("m1", {date(2026, 1, 5): Week(0.0, 1.0)}, date(2026, 1, 5))
TWIN, CHAMPION = model("m0", SINCE - timedelta(days=20)), model("m1", SINCE)


@dataclass
class Asked:
    """A judge, a learner and a watcher that say what they are told to; an error that they are told is raised."""

    faults_found: tuple[Condition, ...] | NotEnoughEvidenceError = ()
    error: NotEnoughEvidenceError | None = None
    half_life: float | None = None
    judged: Judged | None = None

    def fit(self, day: date, half_life_days: float | None = None) -> SimpleNamespace:
        self.half_life = half_life_days
        if self.error is not None:
            raise self.error
        return model("m2", day)

    def faults(self, fit: SimpleNamespace, day: date) -> tuple[Condition, ...]:
        if isinstance(self.faults_found, NotEnoughEvidenceError):
            raise self.faults_found
        return self.faults_found

    def reference(self, serving: SimpleNamespace, judged: Judged, as_of: date) -> str:
        self.judged = judged
        return f"of {serving.artifact.model_version} on {as_of}"


def reports(day: date, *alarms: str, by: str = "m1") -> Reports:
    """Return the reports of a window that closed on a day, against a model."""

    def report(name: str) -> MonitoringReport:
        found = (Finding(name, "strength", "mean", 2.0, 1.0, True, "It moved.", 0.9),) if name in alarms else ()
        return MonitoringReport(name, day, by, 100, "alarm" if found else "ok", found, f"{name} was looked at.")

    return Reports(*map(report, ("quality", "data", "latent", "concept")))


@pytest.fixture
def governed(history, rows, model):
    """Return the policy as its champion has served since a day; the newest window closed on `CLOSED`."""

    def build(asked: Asked, newest: Reports, *, champion: SimpleNamespace = CHAMPION, **training: object) -> Governed:
        plain = model()
        built = history(rows(), replace(plain, training=replace(plain.training, **training)))
        policy = Governed(built, asked, asked, asked, champions={champion.as_of: champion})
        policy.twin, policy.reference, policy.newest = Judged({TWIN.as_of: TWIN}), "as it was", newest
        policy.looked, policy.training_days = [], [champion.as_of]
        policy.windows = policy.windows_without_outcomes = 0
        policy.anchor, policy.refits, policy.insured = champion, {champion.as_of: champion}, NO_NEW_WEEK
        return policy

    return build


def test_a_refit_serves_every_week_and_each_is_fitted_on_all_that_is_mature(calm):
    decided = calm.contestants["governed"]
    fits = {one.day: one.codes for one in decided.decisions[1:] if one.action == "installed"}
    assert list(decided.champions) == decided.training_days == [decided.training_days[0], *fits]
    assert [fit.as_of for fit in decided.champions.values()] == decided.training_days
    assert decided.champion.last_day == decided.training_days[-1] - timedelta(days=1)
    for earlier, later in pairwise(decided.training_days):
        assert later - earlier == timedelta(days=7) or "drift_breached" in fits[later], "a false alarm costs one fit"
    assert len(decided.fits) == len(decided.training_days) + 1, "the twin that says what is normal"
    assert len(fits) - len(calm.contestants["naive"].champions) + 1 <= 2


def test_a_drift_is_answered_before_the_calendar(replayed, rows):
    decided = replayed(rows(shift_on=77, days=98)).contestants["governed"]
    answered = next(one for one in decided.decisions if "drift_breached" in one.codes and one.action != "wait")
    assert answered.action == "installed"
    before = max(day for day in decided.training_days if day < answered.day)
    assert 0 < (answered.day - before).days < 7


def test_the_newest_champion_is_watched_by_what_was_served_before_it(calm):
    governed = calm.contestants["governed"]
    newest = list(governed.champions)[-1]
    served = {day: fit for day, fit in governed.champions.items() if day < newest}
    first = newest - timedelta(days=28)
    asked = {max(day, first): served[day] for day in sorted(served) if day > first - timedelta(days=7)}
    places = governed.history.known(newest, since=first)
    expected = Judged(asked).probability(governed.history, places)
    found = governed.reference.examples["probability"].to_numpy()
    assert governed.reference.model_version == governed.champion.artifact.model_version
    assert np.array_equal(np.sort(found), np.sort(expected)), "out of sample, although the model has learned from them"


def test_before_enough_was_served_the_twin_is_asked_as_well(governed):
    asked = Asked()
    policy = governed(asked, reports(CLOSED))
    policy.on_no_reports(CLOSED + timedelta(days=1))
    assert asked.judged is not None
    assert list(asked.judged.fits.values()) == [TWIN, CHAMPION]
    assert (policy.reference, policy.champion.artifact.model_version) == ("of m2 on 2025-03-21", "m2")


def test_refits_that_lost_are_rolled_back_go_on_unseen_and_return(governed):
    policy = governed(Asked(), reports(CLOSED, by="m3"))
    policy.champions[SINCE + timedelta(days=7)] = policy.refits[SINCE + timedelta(days=7)] = model("m3", CLOSED)
    weeks = [Week(-0.2, 0.02)]
    while not standing(weeks).is_rolled_back:
        weeks.append(weeks[0])

    def known(*later: Week) -> Insured:
        far = date(2026, 1, 5)
        found = {far + timedelta(days=7 * place): week for place, week in enumerate([*weeks, *later])}
        return Insured("m1", found, max(found))

    policy.insured = known()
    policy.on_no_reports(CLOSED + timedelta(days=1))
    (decided,) = policy.decisions
    assert (decided.action, decided.codes, decided.model_version) == ("refused", ("new_labels", NAME), "m1")
    assert policy.champions[CLOSED + timedelta(days=1)] is CHAMPION
    assert policy.reference == "of m1 on 2025-03-21"
    assert policy.refits[CLOSED + timedelta(days=1)].artifact.model_version == "m2", "what it would have said counts"
    policy.on_no_reports(CLOSED + timedelta(days=8))
    assert policy.decisions[-1].action == "refused"
    assert CLOSED + timedelta(days=8) not in policy.champions, "the anchor serves already"
    policy.insured = known(*[Week(0.01, 0.02)] * 4)
    policy.on_no_reports(CLOSED + timedelta(days=15))
    assert (policy.decisions[-1].action, policy.decisions[-1].model_version) == ("installed", "m2")


def test_each_label_week_holds_refits_against_the_first_champion_once(calm):
    decided = calm.contestants["governed"]
    history, weeks = decided.history, decided.insured.weeks
    begun = decided.training_days[0]
    assert decided.insured.anchor == next(iter(decided.champions.values())).artifact.model_version
    mondays = list(weeks)
    assert begun < mondays[0] <= begun + timedelta(days=7)
    assert {later - earlier for earlier, later in pairwise(mondays)} == {timedelta(days=7)}
    places = np.arange(history.place(mondays[2]), history.place(mondays[2] + timedelta(days=7)))
    ours = decided.served.probability(history, places)
    theirs = score(history, decided.anchor.artifact, places).probability
    both = (average_precision(one, history.outcome[places]) for one in (ours, theirs))
    assert weeks[mondays[2]].gain == pytest.approx(np.subtract(*both), abs=1e-12)
    assert not decided.insured.standing.is_rolled_back


def test_in_a_new_world_refits_are_better_and_become_what_is_held_against(changed):
    decided = changed.contestants["governed"]
    first = next(iter(decided.champions.values())).artifact.model_version
    assert decided.insured.anchor != first
    assert decided.anchor.artifact.model_version == decided.insured.anchor
    assert all(NAME not in one.codes for one in decided.decisions)


def test_what_something_speaks_against_is_not_installed_and_was_paid_for(governed):
    asked = Asked(faults_found=(Condition("no_feature_tells_the_outcome", False, "One does."),))
    policy = governed(asked, reports(CLOSED))
    policy.on_no_reports(CLOSED + timedelta(days=1))
    (decided,) = policy.decisions
    assert (decided.action, decided.codes) == ("refused", ("new_labels", "no_feature_tells_the_outcome"))
    assert decided.sentences[-1] == "m2 was not installed: One does."
    assert (decided.model_version, decided.challenger_version) == ("m1", "m2")
    assert (policy.champion, policy.reference) == (CHAMPION, "as it was")
    assert [fit.artifact.model_version for fit in policy.fits] == ["m2"]
    policy.on_no_reports(CLOSED + timedelta(days=2))
    assert len(policy.decisions) == 1, "it is tried again a week later"


@pytest.mark.parametrize("where", ["error", "faults_found"])
def test_a_training_that_is_impossible_is_reported(governed, where):
    asked = Asked()
    setattr(asked, where, NotEnoughEvidenceError("one class only"))
    policy = governed(asked, reports(CLOSED))
    policy.on_no_reports(CLOSED + timedelta(days=1))
    (decided,) = policy.decisions
    assert (decided.action, decided.codes) == ("failed", ("new_labels", IMPOSSIBLE))
    assert decided.sentences[-1] == "one class only"
    assert policy.champion is CHAMPION


def test_faulty_rows_block_until_a_sound_window_closes(governed):
    policy = governed(Asked(), reports(CLOSED, "quality"))
    policy.on_no_reports(CLOSED + timedelta(days=1))
    assert (policy.decisions, policy.champion) == ([], CHAMPION)


def test_the_mornings_after_one_alarm_do_not_confirm_it(governed):
    """Asked about every morning, it still is one window of the two that are needed."""
    policy = governed(Asked(), reports(CLOSED), champion=model("m1", CLOSED - timedelta(days=1)))
    policy.on_reports(CLOSED, reports(CLOSED, "data"))
    for days in range(1, 5):
        policy.on_no_reports(CLOSED + timedelta(days=days))
    assert [one.as_of_date for one in policy.looked] == [CLOSED]
    told = [(one.action, one.codes) for one in policy.decisions]
    assert told[0] == ("wait", ("fit_too_soon", "drift_breached", "data_alarm"))
    assert told[1] == ("installed", ("drift_breached", "data_alarm")), "three days after the fit, which was made before"
    assert len(told) == 2
    again = CLOSED + timedelta(days=4)
    policy.on_reports(again, reports(again, "data", by="m2"))
    assert [one.as_of_date for one in policy.looked] == [CLOSED, again]
    assert "data_drift_confirmed" not in policy.decisions[-1].codes, "the first look was at another champion"


def test_of_a_window_before_the_champion_no_drift_counts(governed):
    young = model("m1", CLOSED)
    policy = governed(Asked(), reports(CLOSED, "data", by="m0"), champion=young)
    policy.looked = [RetrainDecision(CLOSED - timedelta(days=2), "wait", ("data_alarm",), ("It moved.",), "m1")]
    policy.on_no_reports(CLOSED + timedelta(days=1))
    assert policy.decisions == []


@pytest.mark.parametrize(
    ("alarms", "recipes", "half_life"),
    [
        (("concept",), ("recent", "plain"), 3.5),
        (("concept",), ("plain",), None),
        (("data",), ("recent", "plain"), None),
    ],
)
def test_in_a_drift_of_outcomes_young_rows_count_more(governed, alarms, recipes, half_life):
    asked = Asked()
    policy = governed(asked, reports(CLOSED, *alarms), recipes=recipes)
    week = CLOSED - timedelta(days=7)
    codes = tuple(f"{one}_alarm" for one in alarms)
    policy.looked = [RetrainDecision(day, "wait", codes, ("It moved.",), "m1") for day in (week, week + timedelta(5))]
    policy.on_reports(CLOSED, policy.newest)
    assert f"{alarms[0]}_drift_confirmed" in policy.decisions[-1].codes
    assert asked.half_life == half_life


def fit(as_of: date = CONTEST_DAY) -> SimpleNamespace:
    return SimpleNamespace(artifact=SimpleNamespace(model_version="m1"), as_of=as_of, step=f"fit|{as_of}")


def test_every_alarm_installs_what_has_learned_from_everything_and_watches_it_by_what_was_served(changed):
    policy = changed.contestants["every_alarm"]
    _, *later = policy.champions.items()
    assert later
    assert [fit.as_of for _, fit in later] == [since for since, _ in later] == policy.training_days[1:]
    since, newest = later[-1]
    places = policy.history.known(since, since=since - timedelta(days=28))
    found = np.sort(policy.reference.examples["probability"].to_numpy())
    assert policy.reference.model_version == newest.artifact.model_version
    assert len(found) == len(places)
    assert not np.array_equal(found, np.sort(Judged({since: newest}).probability(policy.history, places)))


def test_a_training_that_fails_is_reported_and_installs_nothing(history, rows):
    class Unable:
        def fit(self, as_of: date):
            raise NotEnoughEvidenceError("one class only")

    policies = [kind(history(rows()), Unable(), None, None, {CONTEST_DAY: fit()}) for kind in (EveryAlarm, Naive)]
    alarmed, naive = policies
    alarmed.alarms = [True]
    alarmed.on_reports(CONTEST_DAY, SimpleNamespace(has_drift=True))
    naive.training_days = [CONTEST_DAY - timedelta(days=30)]
    naive.on_morning(CONTEST_DAY)
    for policy in policies:
        (decided,) = policy.decisions
        assert (decided.action, decided.codes) == ("failed", ("training_impossible",))
        assert decided.sentences == ("one class only",)
        assert (len(policy.champions), policy.fits, CONTEST_DAY in policy.training_days) == (1, [], False)


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
