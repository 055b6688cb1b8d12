"""What the governed policy makes of the gate's answer, and the policies that are held against it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from mlife_assets.core.backtest.contestants import Decision, EveryAlarm, Frozen, Naive
from mlife_assets.core.backtest.governed import CONFIRMED, IMPOSSIBLE, UNFIT, Governed
from mlife_assets.core.backtest.judging import Judged, Verdict, holdout_window
from mlife_assets.core.backtest.watching import Reports
from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport
from mlife_assets.core.monitoring.retrain_decisions import RetrainDecision
from mlife_assets.core.training.folds import GateWindow
from mlife_assets.core.training.gate import NON_INFERIORITY, WIN, Condition

MARGIN, SINCE = 0.01, date(2025, 3, 1)
CONTEST_DAY = date(2025, 3, 1)


@pytest.fixture(scope="module")
def steady(replayed, rows, model):
    """A margin of nothing asks for proof, so without drift the gate refuses; ages are the governor's."""
    plain = model()
    holdout = replace(plain.backtest, gate_is_prequential=False, model_age_share_maximum=0.5)
    strict = replace(plain.promotion, non_inferiority_margin=0.0)
    return replayed(rows(), replace(plain, backtest=holdout, promotion=strict))


def test_a_champion_is_confirmed_by_a_challenger_that_is_shown_to_gain_nothing(steady):
    decided = steady.contestants["governed"]
    confirmed = [one for one in decided.decisions if CONFIRMED in one.codes]
    assert confirmed
    assert decided.confirmed_on == confirmed[-1].day
    assert decided.reference.as_of_date == confirmed[-1].day
    assert decided.reference.model_version == decided.champion.artifact.model_version
    assert f"better by {MARGIN:g} at most" in confirmed[-1].sentences[-1]


@dataclass
class Asked:
    """A judge, a learner and a watcher that say what they are told to; an error that they are told is raised."""

    first_day: date
    said: Verdict | NotEnoughEvidenceError
    folds: SimpleNamespace | NotEnoughEvidenceError
    serving: SimpleNamespace | NotEnoughEvidenceError | None = None
    faults: tuple[Condition, ...] = ()
    opened_by: str | None = None
    anchor: SimpleNamespace | None = None
    half_lives: tuple[float | None, ...] = ()
    fitted_on: list[date] = field(default_factory=list)

    def challenger(
        self, day: date, first_day: date, half_life: Callable[[date], float | None], fitted_on: list[date]
    ) -> Judged:
        self.half_lives = tuple(half_life(one) for one in (day - timedelta(days=1), day))
        self.fitted_on = fitted_on
        return Judged({self.first_day: told(self.folds)})

    def verdict(
        self, judged: Judged, day: date, served: Judged, opened_by: str | None, anchor: SimpleNamespace
    ) -> Verdict:
        self.opened_by, self.anchor = opened_by, anchor
        return told(self.said)

    def window(self, day: date, served: Judged) -> GateWindow:
        return GateWindow(self.first_day, DAY, "The window.")

    def fit(self, day: date, half_life_days: float | None) -> SimpleNamespace:
        self.half_lives = (*self.half_lives, half_life_days)
        return told(self.serving)

    def unfit(self, serving: object, day: date, first_day: date) -> tuple[Condition, ...]:
        assert (serving, first_day) == (self.serving, self.first_day)
        return self.faults

    def reference(self, serving: object, judged: Judged, as_of: date) -> str:
        return f"learned anew since {judged.first_day}"


def told(answer):
    if isinstance(answer, NotEnoughEvidenceError):
        raise answer
    return answer


def model(version: str, as_of: date) -> SimpleNamespace:
    artifact = SimpleNamespace(model_version=version)
    day = as_of - timedelta(days=1)
    return SimpleNamespace(artifact=artifact, as_of=as_of, last_day=day, label_last_day=day, step=version)


FIRST = date(2025, 1, 1)


CHAMPION, FOLD = model("m1", SINCE - timedelta(days=20)), model("m2", SINCE)


DAY = SINCE + timedelta(days=30)


SERVING = model("m3", DAY)


PROMOTED = Verdict("promoted", "recipe_1", (), ("Promoted.",), 0.1, 0.1, NON_INFERIORITY)


@pytest.fixture
def challenged(history, rows, model):
    """Return the policy after a challenge of its champion."""

    def build(
        asked: Asked, *reasons: str, champion: SimpleNamespace = CHAMPION, recipes: tuple[str, ...] = ("plain",)
    ) -> Governed:
        plain = model()
        built = history(rows(), replace(plain, training=replace(plain.training, recipes=recipes)))
        policy = Governed(built, asked, asked, asked, champions={SINCE: champion})
        policy.confirmed_on, policy.reference, policy.changed_on = SINCE, "as it was", FIRST
        policy.anchor, policy.looked = CHAMPION, []
        verdict = RetrainDecision(DAY, "retrain", reasons or ("model_too_old",), ("Due.",), "m1")
        policy._challenge(DAY, SINCE, GateWindow(asked.first_day, DAY, "The window."), verdict)
        return policy

    return build


HARM = ("is_not_inferior_to_champion",)


@pytest.mark.parametrize(
    ("first_day", "unmet", "gain_at_most", "log_loss_gain", "is_confirmed"),
    [
        (SINCE, HARM, MARGIN, MARGIN, True), (SINCE - timedelta(days=1), HARM, MARGIN, MARGIN, False),
        (SINCE, HARM, MARGIN + 0.001, MARGIN, False), (SINCE, HARM, MARGIN, MARGIN + 0.001, False),
        (SINCE, HARM, None, None, False), (SINCE, HARM, MARGIN, None, True),
        (SINCE, ("keeps_probabilities",), MARGIN, MARGIN, True),
        (SINCE, ("beats_champion", "is_calibrated"), MARGIN, MARGIN, True),
        (SINCE, ("no_feature_tells_the_outcome",), MARGIN, MARGIN, False),
        (SINCE, (*HARM, "gate_rows_are_not_training_rows"), MARGIN, MARGIN, False),
        (SINCE, ("enough_positives", *HARM), MARGIN, MARGIN, False),
        (SINCE, (*HARM, "scoring_parity"), MARGIN, MARGIN, False),
    ],
)  # fmt: skip
def test_a_refusal_confirms_by_rows_since_the_drift_that_show_no_gain_of_any_kind(
    challenged, first_day, unmet, gain_at_most, log_loss_gain, is_confirmed
):
    """Before the drift the recipe gained nothing; of what came after it that says nothing. Nor does a faulty gate."""
    policy = challenged(
        Asked(first_day, Verdict("refused", "recipe_1", unmet, ("Refused.",), gain_at_most, log_loss_gain, WIN), FOLD)
    )
    (decided,) = policy.decisions
    assert (decided.action, CONFIRMED in decided.codes) == ("refused", is_confirmed)
    assert policy.confirmed_on == (DAY if is_confirmed else SINCE)
    assert policy.reference == (f"learned anew since {first_day}" if is_confirmed else "as it was")
    assert decided.challenger_version == "recipe_1"
    assert policy.training_days == [DAY]
    assert policy.fits == [FOLD], "the folds were fitted, whatever came of it"


def test_a_confirmed_champion_is_watched_by_rows_that_none_of_its_steps_has_seen(challenged):
    """News begin after the last label, but clicks of some days after it were learned already."""
    saw_clicks = SimpleNamespace(**{**vars(CHAMPION), "last_day": SINCE + timedelta(days=3)})
    refused = Verdict("refused", "recipe_1", HARM, ("Refused.",), MARGIN, MARGIN, WIN)
    policy = challenged(Asked(SINCE, refused, FOLD), champion=saw_clicks)
    assert policy.confirmed_on == DAY
    assert policy.reference == f"learned anew since {SINCE + timedelta(days=4)}"


def test_a_promotion_installs_what_was_fitted_on_everything(challenged):
    policy = challenged(Asked(SINCE, PROMOTED, FOLD, SERVING))
    (decided,) = policy.decisions
    assert (decided.action, policy.champion, policy.confirmed_on) == ("promoted", SERVING, DAY)
    assert policy.fits == [FOLD, SERVING]
    assert policy.reference == f"learned anew since {SINCE}"


@pytest.mark.parametrize(
    ("reason", "said", "changed_on"),
    [
        ("concept_drift_confirmed", PROMOTED, SINCE),
        ("model_too_old", PROMOTED, FIRST),
        (
            "concept_drift_confirmed",
            Verdict("refused", "recipe_1", ("scoring_parity",), ("Refused.",), 0, 0, WIN),
            FIRST,
        ),
    ],
)
def test_only_a_promotion_that_answers_drift_begins_a_new_world(challenged, reason, said, changed_on):
    assert challenged(Asked(SINCE, said, FOLD, SERVING), reason).changed_on == changed_on


@pytest.mark.parametrize(("seen_days", "most"), [(1, 14), (29, 14), (31, 15), (100, 50), (300, 60)])
def test_a_model_is_too_old_at_half_of_what_it_has_seen_since_the_change(history, rows, model, seen_days, most):
    """From a fold's days up to the governor's own age."""
    halves = replace(model().backtest, model_age_share_maximum=0.5)
    policy = Governed(history(rows(), replace(model(), backtest=halves)), None, None, None)
    policy.champions, policy.changed_on = {SINCE: CHAMPION}, CHAMPION.last_day - timedelta(days=seen_days - 1)
    assert policy._age_maximum() == most


def test_news_begin_after_the_last_label_that_was_learned_whatever_an_early_step_saw(history, rows):
    policy = Governed(history(rows()), None, None, None)
    learned = SimpleNamespace(last_day=SINCE, label_last_day=SINCE - timedelta(days=5))
    policy.champions, policy.looked, policy.confirmed_on = {SINCE: learned}, [], SINCE
    assert policy._news_since() == SINCE - timedelta(days=4)


def test_a_model_that_does_not_work_is_not_installed_whatever_its_recipe_was_judged(challenged):
    """The gate judged folds; the model that would serve is another one."""
    faults = (Condition("serving_probabilities_vary", False, "All 9 probabilities are 0.5."),)
    policy = challenged(Asked(SINCE, PROMOTED, FOLD, SERVING, faults), "concept_drift_confirmed")
    (decided,) = policy.decisions
    assert (decided.action, decided.codes) == (
        "failed",
        ("concept_drift_confirmed", UNFIT, "serving_probabilities_vary"),
    )
    assert decided.sentences[-1] == "m3 was not installed: All 9 probabilities are 0.5."
    assert (decided.model_version, decided.challenger_version) == ("m1", "m3")
    assert (policy.champion, policy.confirmed_on, policy.reference) == (CHAMPION, SINCE, "as it was")
    assert policy.changed_on == FIRST
    assert policy.fits == [FOLD, SERVING], "it was fitted"
    assert policy.training_days == [DAY]


@pytest.mark.parametrize(
    ("kind", "outcome", "anchor"),
    [(WIN, "promoted", SERVING), (NON_INFERIORITY, "promoted", CHAMPION), (WIN, "refused", CHAMPION)],
)
def test_only_a_win_becomes_the_anchor(challenged, kind, outcome, anchor):
    asked = Asked(SINCE, replace(PROMOTED, kind=kind, outcome=outcome), FOLD, SERVING)
    assert challenged(asked).anchor is anchor
    assert asked.anchor is CHAMPION, "the challenger was held against the model that won last"


@pytest.mark.parametrize(
    ("reason", "clause"),
    [
        ("concept_drift_confirmed", f"concept drift was confirmed on {DAY}"),
        ("model_too_old", "the model in use is too old"),
        ("latent_drift_confirmed", None),
    ],
)
def test_the_gate_is_given_the_reason_that_the_governor_recorded(challenged, reason, clause):
    asked = Asked(SINCE, PROMOTED, FOLD, SERVING)
    challenged(asked, reason)
    assert asked.opened_by == clause
    assert asked.fitted_on == [CHAMPION.as_of], "a fold begins where what serves was fitted"


@pytest.mark.parametrize(
    ("reasons", "recipes", "found"),
    [
        (("concept_drift_confirmed", "concept_alarm"), ("recent", "plain"), (None, 3.5, 3.5)),
        (("concept_drift_confirmed", "concept_alarm"), ("plain",), (None, None, None)),
        (("model_too_old",), ("recent", "plain"), (None, None, None)),
    ],
)
def test_in_a_drift_young_rows_count_more_in_what_serves_and_in_folds_that_began_after_it(
    challenged, reasons, recipes, found
):
    asked = Asked(SINCE, PROMOTED, FOLD, SERVING)
    challenged(asked, *reasons, recipes=recipes)
    assert asked.half_lives == found


def test_a_half_life_follows_what_was_decided_by_a_morning_whenever_it_is_asked_for(history, rows, model):
    plain = model()
    built = history(rows(), replace(plain, training=replace(plain.training, recipes=("recent", "plain"))))
    policy = Governed(built, None, None, None)
    first, *_, began, confirmed = [window.closed_on for window in built.windows[:6]]

    def said(day: date, *codes: str) -> RetrainDecision:
        return RetrainDecision(day, "retrain", codes, (), "m1")

    over = began - timedelta(days=6)  # one day too long ago for the same drift on mornings on which a window closes
    policy.looked = [
        said(over, "alarm_not_confirmed", "concept_alarm"),
        said(began, "alarm_not_confirmed", "concept_alarm"),
        said(confirmed, "concept_drift_confirmed", "concept_alarm"),
    ]
    asked = [first - timedelta(days=1), first, began, *(began + timedelta(days=age) for age in (8, 10, 20))]
    expected = [None, None, None, 4.0, 5.0, 10.0]
    mornings = [began + timedelta(days=days) for days in (20, 21, 22, 23)]
    assert {policy._alarm_days(day) for day in mornings} == {5, 6}
    for day in mornings:
        verdict = said(day, "concept_drift_confirmed")
        assert [policy._half_life(one, verdict) for one in asked] == expected, day


@pytest.mark.parametrize("where", ["folds", "said", "serving"])
def test_a_training_that_fails_on_the_way_is_reported_and_what_was_fitted_is_paid(challenged, where):
    asked = Asked(SINCE, PROMOTED, FOLD, SERVING)
    setattr(asked, where, NotEnoughEvidenceError("one class only"))
    policy = challenged(asked)
    (decided,) = policy.decisions
    assert (decided.action, decided.codes) == ("failed", ("model_too_old", IMPOSSIBLE))
    assert decided.sentences[-1] == "one class only"
    assert (policy.champion, policy.confirmed_on, policy.reference) == (CHAMPION, SINCE, "as it was")
    is_fitted = where != "folds"
    assert policy.fits == ([FOLD] if is_fitted else [])
    assert policy.training_days == ([DAY] if is_fitted else []), "the governor pauses after what was trained"
    assert decided.challenger_version == ("m2" if is_fitted else None)


def test_alarms_go_on_after_a_challenge_that_proves_nothing(changed):
    """Here its fit on everything is unfit to serve; a refusal leaves the champion as much in doubt."""
    decisions = changed.contestants["governed"].decisions
    refused = next(one for one in decisions if one.action in ("refused", "failed"))
    promoted = next(one for one in decisions if one.action == "promoted" and one.day > refused.day)
    after = [one for one in decisions if refused.day < one.day <= promoted.day]
    assert CONFIRMED not in refused.codes
    assert all("concept_alarm" in one.codes for one in after)


def test_what_serves_is_fitted_on_all_and_watched_by_what_the_folds_said(changed):
    governed = changed.contestants["governed"]
    promoted = [one for one in governed.decisions if one.action == "promoted"]
    serving = governed.champion
    assert serving.as_of == promoted[-1].day
    assert serving.last_day == promoted[-1].day - timedelta(days=1), "the newest rows, which the gate looked at too"
    assert promoted[-1].challenger_version == serving.artifact.model_version
    assert "folds as recipe_" in promoted[-1].sentences[-1]
    window = governed.judge.window(serving.as_of, governed.served)
    judged = governed.judge.challenger(serving.as_of, window.first_day)
    places = governed.history.known(serving.as_of, since=judged.first_day)
    expected = judged.probability(governed.history, places)
    found = governed.reference.examples["probability"].to_numpy()
    assert np.array_equal(np.sort(found), np.sort(expected)), "out of sample, although the model has learned from them"


def test_every_fold_is_paid_for_once_and_a_refit_only_when_it_is_to_serve(changed):
    """One is found unfit: its only tree says of the validation window nothing that is no luck."""
    governed = changed.contestants["governed"]
    mornings = [fit.as_of for fit in governed.fits]
    installed = [fit.as_of for fit in governed.champions.values()]
    assert set(installed) <= set(mornings)
    unfit = [one.day for one in governed.decisions if one.action == "failed"]
    assert len(unfit) == 1
    rest = [day for day in mornings if day not in (*installed, *unfit)]
    twin, *folds = rest
    assert twin == installed[0] - timedelta(days=14)
    assert all((day - date(2025, 1, 1)).days % 14 == 0 for day in folds)
    assert len(set(mornings)) == len(mornings)


def test_a_holdout_serves_what_was_judged(on_holdout):
    governed = on_holdout.contestants["governed"]
    promoted = next(one for one in governed.decisions if one.action == "promoted")
    assert governed.champion is governed.fits[-1]
    assert governed.champion.as_of < promoted.day
    assert len({fit.as_of for fit in governed.fits}) == len(governed.fits), "what serves was paid for as a challenger"
    assert not any("folds" in sentence for sentence in promoted.sentences)
    compared = ("The challenger beats the champion", "The challenger is not inferior to the champion")
    assert any(sentence.startswith(compared) for sentence in promoted.sentences)
    waited = [one for one in governed.decisions if {"labels_immature", "concept_drift_confirmed"} <= set(one.codes)]
    assert waited, "it could not have learned from what changed"
    assert "Counted are mature rows from 2025-03-2" in " ".join(waited[0].sentences)
    assert "until the gate's window" in waited[0].sentences[-1]
    tried = next(one for one in governed.decisions if one.challenger_version and one.action != "installed")
    assert tried.day >= date(2025, 1, 1) + timedelta(days=80 + 14), "the gate's fourteen days lie behind the change"


def test_the_cooldown_and_the_age_are_the_governors(calm, steady):
    for decided in (calm.contestants["governed"], steady.contestants["governed"]):
        trained = decided.training_days
        assert trained[0] == date(2025, 2, 10)
        assert (trained[1] - trained[0]).days == 61, "it is asked every morning, though windows close on every second"
        assert all(b - a >= timedelta(days=7) for a, b in pairwise(trained))


def test_a_model_that_has_learned_from_few_days_is_too_old_soon(replayed, rows, model):
    plain = model()
    halves = replace(plain, backtest=replace(plain.backtest, model_age_share_maximum=0.5))
    decided = replayed(rows(), halves).contestants["governed"]
    trained = decided.training_days
    assert (trained[1] - trained[0]).days == 21, "it learned from forty days"
    told = next(one for one in decided.decisions if one.day == trained[1]).sentences
    assert "The model is 21 days old (20 allowed)." in told


def test_a_refit_that_cannot_be_judged_yet_waits(replayed, rows):
    decisions = replayed(rows(change_on=42)).contestants["governed"].decisions
    early = [one for one in decisions if one.day < date(2025, 2, 10) + timedelta(days=14)]
    due = [one for one in early if "labels_immature" in one.codes]
    assert due
    assert all("since 2025-02-10, when serving began, hold" in one.sentences[-1] for one in due)
    assert {one.action for one in early[1:]} == {"wait"}


def test_what_had_to_wait_is_asked_again_before_the_next_window_closes(replayed, rows, model):
    """Labels are known after ten days, so on the day on which drift is confirmed too few are."""
    plain = model()
    weekly = replace(
        plain,
        backtest=replace(plain.backtest, window_days_minimum=7),
        retrain=replace(plain.retrain, minimum_new_mature_positives=300),
    )
    governed = replayed(rows(shift_on=77, window_days=10), weekly).contestants["governed"]
    confirmed = [one for one in governed.decisions if "data_drift_confirmed" in one.codes][:2]
    assert [one.action for one in confirmed] == ["wait", "promoted"]
    closing, training = (one.day for one in confirmed)
    assert governed.history.window_closing(closing) is not None
    assert closing < training < closing + timedelta(days=7)
    assert f"The newest window of monitoring closed on {closing}." in confirmed[1].sentences


def test_a_reason_that_lasts_is_reported_once_between_windows(replayed, rows, model):
    plain = model()
    patient = replace(
        plain,
        backtest=replace(plain.backtest, window_days_minimum=7, model_age_share_maximum=0.5),
        retrain=replace(plain.retrain, minimum_new_mature_positives=5_000),
    )
    governed = replayed(rows(), patient).contestants["governed"]
    old = [one.day for one in governed.decisions if "model_too_old" in one.codes]
    closings = [window.closed_on for window in governed.history.windows if window.closed_on > old[0]]
    assert (old[0] - governed.training_days[0]).days == 29, "it learned from 56 days"
    assert governed.history.window_closing(old[0]) is None
    assert len(closings) > 3
    assert old[1:] == closings, "told again when a window closes"


def reports(day: date, *, is_faulty: bool = False, has_drifted: bool = False, by: str = "m1") -> Reports:
    """Return the reports of a window that closed on a day, against a model."""

    def report(name: str, is_alarm: bool) -> MonitoringReport:
        found = (Finding(name, "strength", "mean", 2.0, 1.0, True, "It moved.", 0.9),) if is_alarm else ()
        return MonitoringReport(name, day, by, 100, "alarm" if is_alarm else "ok", found, f"{name} was looked at.")

    drift = report("data", has_drifted)
    return Reports(report("quality", is_faulty), drift, report("latent", False), report("concept", False))


@pytest.fixture
def between(history, rows, model):
    """Return what the policy decided on the morning after a window, whose champion has served since `SINCE`."""

    def build(
        newest: Reports, *, age_days: int, alarmed: int = 0, confirmed_on: date | None = None
    ) -> tuple[Decision, ...]:
        asked = Asked(SINCE, Verdict("refused", "recipe_1", ("scoring_parity",), ("Refused.",), None, None, WIN), FOLD)
        plain = model()
        aged = replace(plain, retrain=replace(plain.retrain, maximum_model_age_days=age_days))
        policy = Governed(history(rows(), aged), asked, asked, asked, champions={SINCE: CHAMPION})
        day = newest.closed_on + timedelta(days=1)
        assert policy.history.window_closing(newest.closed_on) is not None
        assert policy.history.window_closing(day) is None
        policy.confirmed_on, policy.newest, policy.changed_on = confirmed_on or SINCE, newest, FIRST
        policy.anchor, policy.training_days = CHAMPION, [SINCE]
        days = [newest.closed_on - timedelta(days=2 * back) for back in range(alarmed)]
        policy.looked = [RetrainDecision(day, "wait", ("data_alarm",), ("It moved.",), "m1") for day in days[::-1]]
        policy.on_morning(day)
        return tuple(policy.decisions)

    return build


CLOSED = date(2025, 3, 20)


AGE = (CLOSED - SINCE).days


def test_a_champion_becomes_too_old_between_windows(between):
    assert between(reports(CLOSED), age_days=AGE + 1) == ()
    (decided,) = between(reports(CLOSED), age_days=AGE)
    assert (decided.day, decided.action, decided.codes[0]) == (CLOSED + timedelta(days=1), "refused", "model_too_old")


def test_faulty_rows_block_until_a_sound_window_closes(between):
    assert between(reports(CLOSED, is_faulty=True), age_days=AGE) == ()


def test_an_alarm_is_counted_once_however_often_it_is_asked_about(between):
    """Two windows of three have to alarm; the newest window's own verdict is among those that are remembered."""
    assert between(reports(CLOSED, has_drifted=True), age_days=60, alarmed=1) == ()
    (decided,) = between(reports(CLOSED, has_drifted=True), age_days=60, alarmed=2)
    assert decided.codes[0] == "data_drift_confirmed"


def test_drift_that_was_answered_is_no_reason_any_more(between):
    drifted = reports(CLOSED, has_drifted=True)
    assert between(drifted, age_days=60, alarmed=2, confirmed_on=CLOSED) == ()
    assert between(drifted, age_days=60, alarmed=2, confirmed_on=CLOSED - timedelta(days=3)) != ()


def test_the_mornings_after_one_alarm_do_not_confirm_it(history, rows):
    """Asked about every morning, it still is one window of the two that are needed."""
    policy = Governed(history(rows()), None, None, None, champions={SINCE: CHAMPION})
    policy.confirmed_on, policy.newest, policy.changed_on, policy.looked = SINCE, reports(SINCE), FIRST, []
    drifted = reports(CLOSED, has_drifted=True)
    policy.on_reports(CLOSED, drifted)
    for days in range(1, 5):
        policy.on_no_reports(CLOSED + timedelta(days=days))
    later = CLOSED + timedelta(days=6)
    policy.on_reports(later, reports(later))
    assert [one.as_of_date for one in policy.looked] == [CLOSED, later]
    assert [one.codes for one in policy.decisions] == [("alarm_not_confirmed", "data_alarm"), ("no_drift",)]


@pytest.mark.parametrize("closed_on", [SINCE, SINCE - timedelta(days=2)])
def test_of_a_window_before_the_champion_no_drift_counts(history, rows, model, closed_on):
    once = replace(model(), retrain=replace(model().retrain, alarm_days_needed=1))
    policy = Governed(history(rows(), once), None, None, None, champions={SINCE: CHAMPION})
    policy.confirmed_on, policy.changed_on, policy.looked = SINCE, FIRST, []
    policy.newest = reports(closed_on, has_drifted=True, by="m0")
    policy.on_no_reports(SINCE + timedelta(days=1))
    assert policy.decisions == []


def fit(as_of: date = CONTEST_DAY) -> SimpleNamespace:
    return SimpleNamespace(artifact=SimpleNamespace(model_version="m1"), as_of=as_of, step=f"fit|{as_of}")


def test_a_training_that_was_due_and_impossible_is_reported(history, rows, model):
    """Without rows that the model has not learned from there is no reference to watch it by."""
    plain = model()
    poor = history(rows(), replace(plain, promotion=replace(plain.promotion, minimum_users_with_positives=5_000)))
    policy = EveryAlarm(poor, None, None, None, champions={CONTEST_DAY: fit()})
    policy.alarms = [True]
    policy.on_reports(CONTEST_DAY, SimpleNamespace(has_drift=True))
    (told,) = policy.decisions
    assert (told.day, told.action, told.codes) == (CONTEST_DAY, "failed", ("gate_lacks_evidence",))
    assert told.sentences[0].startswith("The gate needs 5,000 positives")
    assert (told.model_version, policy.training_days) == ("m1", [])


def test_every_alarm_installs_what_has_learned_from_everything_and_watches_it_by_what_its_twin_said(changed):
    policy = changed.contestants["every_alarm"]
    _, *later = policy.champions.items()
    assert later
    assert [fit.as_of for _, fit in later] == [since for since, _ in later] == policy.training_days[1:]
    since, newest = later[-1]
    window = holdout_window(policy.history, since, None)
    twin = Judged({window.first_day: policy.learner.fit(window.first_day)})
    places = policy.history.known(since, since=window.first_day)
    found = np.sort(policy.reference.examples["probability"].to_numpy())
    assert policy.reference.model_version == newest.artifact.model_version
    assert np.array_equal(found, np.sort(twin.probability(policy.history, places)))
    assert not np.array_equal(found, np.sort(Judged({window.first_day: newest}).probability(policy.history, places)))


def test_every_alarm_with_a_holdout_installs_the_twin(on_holdout):
    policy = on_holdout.contestants["every_alarm"]
    _, *later = policy.champions.items()
    assert later
    assert all(fit.as_of == holdout_window(policy.history, since, None).first_day for since, fit in later)


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
