"""References and reports of a replay: roles, samples, outcomes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from mlife_assets.core.backtest import watching
from mlife_assets.core.backtest.checkpoints import Checkpoints, Timings
from mlife_assets.core.backtest.judging import Fold, Judged
from mlife_assets.core.backtest.learning import Learner, score
from mlife_assets.core.backtest.watching import Reports, Watcher
from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.examples import ExampleSpec, RateRole

DAY, HOLDOUT = date(2025, 2, 24), date(2025, 2, 10)


@pytest.fixture
def watched(history, rows, store, detectors):
    """Return (history, learner, watcher, detectors) of rows made with the arguments."""

    def build(model=None, detectors=detectors, **made):
        built = history(rows(**made), model)
        checkpoints = Checkpoints(store, built.content_hash)
        learner = Learner(built, checkpoints, Timings(store, built.content_hash, float))
        numbers = detectors()
        return built, learner, Watcher(built, learner, numbers, checkpoints), numbers

    return build


def reference_of(learner, watcher):
    return watcher.reference(learner.fit(DAY), Judged.by_one(learner.fit(HOLDOUT), HOLDOUT), DAY)


def window_closing(history, day: date):
    return history.windows[history.window_closing(day)]


def test_the_reference_holds_windows_of_one_size_and_outcomes_that_the_twin_has_not_seen(watched):
    history, learner, watcher, _ = watched(window_days=3)
    reference = reference_of(learner, watcher)
    counts = reference.sample.group_by("as_of_date").aggregate([([], "count_all")])["count_all"].to_pylist()
    assert counts == [120] * 14
    assert max(reference.days) == DAY
    assert {"strength", "noise"} == set(reference.columns.numeric)
    assert reference.columns.categorical == ("kind",)
    assert set(reference.columns.contribution) <= {"shap_strength", "shap_noise", "shap_kind"}
    exposed = reference.examples["exposure_date"].to_pylist()
    assert min(exposed) == HOLDOUT
    assert max(exposed) == DAY - timedelta(days=3)
    assert learner.fit(HOLDOUT).last_day < min(exposed)
    places = history.known(DAY, since=HOLDOUT)
    expected = score(history, learner.fit(HOLDOUT).artifact, places).probability
    assert np.allclose(np.sort(reference.examples["probability"].to_numpy()), np.sort(expected))


def test_outcomes_are_those_of_the_twin_at_hand_whoever_asked_before(watched):
    """Two policies may install the same model on one day and have judged other twins of it on other holdouts."""
    _, learner, watcher, _ = watched()
    earlier = HOLDOUT - timedelta(days=7)
    first = reference_of(learner, watcher)
    second = watcher.reference(learner.fit(DAY), Judged.by_one(learner.fit(earlier), earlier), DAY)
    assert min(first.examples["exposure_date"].to_pylist()) == HOLDOUT
    assert min(second.examples["exposure_date"].to_pylist()) == earlier


def test_outcomes_are_those_of_the_folds_at_hand_also_where_their_models_are_the_same(watched):
    _, learner, watcher, _ = watched()
    older, newer = learner.fit(HOLDOUT - timedelta(days=7)), learner.fit(HOLDOUT)
    judged = [Judged((Fold(HOLDOUT, older), Fold(HOLDOUT + timedelta(days=days), newer))) for days in (3, 10)]
    assert judged[0].version == judged[1].version
    said = [watcher.reference(learner.fit(DAY), one, DAY).examples["probability"].to_numpy() for one in judged]
    assert len(said[0]) == len(said[1])
    assert not np.array_equal(*said)


def test_each_outcome_stands_beside_the_row_that_it_is_of(watched, model):
    """Drawn rows come in another order than theirs, and two models score them."""
    plain = model()
    few = replace(plain, monitoring=replace(plain.monitoring, reference_examples=400))
    history, learner, watcher, _ = watched(few)
    judged = Judged(tuple(Fold(day, learner.fit(day)) for day in (HOLDOUT, HOLDOUT + timedelta(days=7))))
    examples = watcher.reference(learner.fit(DAY), judged, DAY).examples
    assert 350 < examples.num_rows < history.known(DAY, since=HOLDOUT).size
    strength = history.rows["strength"].to_numpy()
    places = np.argsort(strength)[np.searchsorted(np.sort(strength), examples["strength"].to_numpy())]
    assert np.array_equal(history.days[places], examples["exposure_date"].to_numpy().astype("datetime64[D]"))
    assert np.array_equal(history.outcome[places], examples["is_positive"].to_numpy(zero_copy_only=False))
    is_late = history.days[places] >= np.datetime64(judged.folds[1].first_day)
    assert 0 < is_late.sum() < len(is_late)
    by_fold = [score(history, fold.fit.artifact, places).probability for fold in judged.folds]
    assert np.array_equal(examples["probability"].to_numpy(), np.where(is_late, by_fold[1], by_fold[0]))


def test_a_rate_is_watched_as_the_model_sees_it(watched, model):
    plain = model()
    roles = ExampleSpec(**{**plain.roles.__dict__, "rates": (RateRole("ratio", "noise", "strength"),)})
    _, learner, watcher, _ = watched(replace(plain, roles=roles))
    reference = reference_of(learner, watcher)
    assert "ratio" in reference.columns.numeric
    assert not np.isnan(reference.sample["ratio"].to_numpy()).any()


def test_a_moved_column_alarms_and_is_weighed_by_importance(watched):
    history, learner, watcher, _ = watched(shift_on=60)
    serving, reference = learner.fit(DAY), reference_of(learner, watcher)
    calm = watcher.reports(serving, reference, window_closing(history, DAY + timedelta(days=2)))
    assert (calm.quality.status, calm.data.status, calm.latent.status) == ("ok", "ok", "ok")
    moved = watcher.reports(serving, reference, window_closing(history, DAY + timedelta(days=10)))
    assert moved.data.status == "alarm"
    assert moved.has_drift
    assert moved.data.alarms[0].column == "strength"
    assert moved.data.alarms[0].importance_share > 0.5
    assert moved.data.as_of_date == DAY + timedelta(days=10)


def test_a_changed_law_alarms_by_outcomes_alone(watched):
    history, learner, watcher, _ = watched(change_on=60)
    serving, reference = learner.fit(DAY), reference_of(learner, watcher)
    before = watcher.reports(serving, reference, window_closing(history, DAY + timedelta(days=6)))
    assert (before.data.status, before.concept.status) == ("ok", "ok")
    after = watcher.reports(serving, reference, window_closing(history, DAY + timedelta(days=20)))
    assert (after.data.status, after.latent.status, after.concept.status) == ("ok", "ok", "alarm")


def test_outcomes_are_those_that_matured_while_the_model_served(watched):
    history, learner, watcher, _ = watched(window_days=4)
    serving, reference = learner.fit(DAY), reference_of(learner, watcher)
    nothing = watcher.reports(serving, reference, window_closing(history, DAY + timedelta(days=4)))
    assert nothing.concept.status == "not_enough_evidence"
    later = watcher.reports(serving, reference, window_closing(history, DAY + timedelta(days=20)))
    assert later.concept.status == "ok"
    assert f"{DAY + timedelta(days=10)} to {DAY + timedelta(days=16)}" in later.concept.sentence


def test_later_outcomes_are_asked_of_who_scored_the_reference(watched, detectors):
    """The serving model errs in another way than its twin, whose errors are what the limits know."""
    seen = []

    class Listening(detectors):
        def performance(self, reference, examples):
            seen.append(examples)
            return super().performance(reference, examples)

    history, learner, watcher, _ = watched(detectors=Listening)
    serving, reference = learner.fit(DAY), reference_of(learner, watcher)
    watcher.reports(serving, reference, window_closing(history, DAY + timedelta(days=20)))
    (window,) = seen
    days = window["exposure_date"].to_numpy().astype("datetime64[D]")
    places = np.flatnonzero((history.days >= days.min()) & (history.days <= days.max()))
    said = {fit: score(history, learner.fit(fit).artifact, places).probability for fit in (HOLDOUT, DAY)}
    assert np.array_equal(window["probability"].to_numpy(), said[HOLDOUT])
    assert not np.allclose(said[HOLDOUT], said[DAY])


def test_a_first_champion_of_few_rows_is_not_accused_of_what_its_fit_got_wrong(watched):
    """Held against the errors of its twin, the models of these three seeds alarmed in 40 of 66 windows."""
    statuses = []
    for seed in (3, 4, 6):
        history, learner, watcher, _ = watched(seed=seed, days=100)
        reference = reference_of(learner, watcher)
        later = [window for window in history.windows if window.closed_on > DAY]
        statuses += [watcher.reports(learner.fit(DAY), reference, window).concept.status for window in later]
    assert statuses.count("ok") > 60
    assert statuses.count("alarm") <= 1


def test_rows_of_a_window_are_explained_by_the_model_that_is_watched(watched):
    _, learner, watcher, _ = watched()
    twin = learner.fit(HOLDOUT)
    one, other = reference_of(learner, watcher), watcher.reference(twin, Judged.by_one(twin, HOLDOUT), DAY)
    assert one.columns.contribution == other.columns.contribution != ()
    assert one.sample["strength"].equals(other.sample["strength"])
    assert not any(one.sample[name].equals(other.sample[name]) for name in one.columns.contribution)


def test_missing_values_are_a_fault_of_quality(watched, rows, history, store, detectors):
    table = rows()
    day = table["day"].to_numpy().astype("datetime64[D]")
    strength = np.where(day >= np.datetime64("2025-03-04"), np.nan, table["strength"].to_numpy())
    built = history(table.set_column(table.column_names.index("strength"), "strength", [strength]))
    checkpoints = Checkpoints(store, built.content_hash)
    learner = Learner(built, checkpoints, Timings(store, built.content_hash, float))
    watcher = Watcher(built, learner, detectors(), checkpoints)
    serving, reference = learner.fit(DAY), reference_of(learner, watcher)
    report = watcher.reports(serving, reference, window_closing(built, date(2025, 3, 8))).quality
    assert report.status == "alarm"
    assert "strength: 100.0% of rows are missing" in report.sentence


def test_reports_are_kept_and_come_back_equal(watched):
    history, learner, watcher, numbers = watched()
    serving, reference = learner.fit(DAY), reference_of(learner, watcher)
    window = window_closing(history, DAY + timedelta(days=2))
    first = watcher.reports(serving, reference, window)
    calls = numbers.calls
    assert watcher.reports(serving, reference, window) == first
    assert numbers.calls == calls
    assert Reports.from_record(first.to_record()) == first


def test_samples_are_drawn_again_once_others_took_their_place(watched, monkeypatch):
    _, learner, watcher, _ = watched()
    expected = reference_of(learner, watcher).sample
    monkeypatch.setattr(watching, "SAMPLES_KEPT", 1)
    _, learner, watcher, _ = watched()
    assert reference_of(learner, watcher).sample.equals(expected)


def test_too_few_windows_are_reported(watched):
    _, learner, watcher, _ = watched()
    early = date(2025, 1, 15)
    with pytest.raises(NotEnoughEvidenceError, match="7 windows of 120 rows closed by 2025-01-15, 8 needed"):
        watcher.reference(learner.fit(DAY), Judged.by_one(learner.fit(DAY), date(2025, 1, 10)), early)
