"""What is known on which day: windows of monitoring, references and reports of a replay."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.examples import ExampleSpec, RateRole
from mlife_assets.core.policies import BacktestPolicy, MonitoringPolicy, PromotionPolicy, RetrainPolicy
from mlife_assets.lifecycle.backtest import prepare_history, watching
from mlife_assets.lifecycle.backtest.checkpoints import Checkpoints, Timings
from mlife_assets.lifecycle.backtest.history import DERIVED, WINDOWS_MINIMUM, sized, split_windows
from mlife_assets.lifecycle.backtest.judging import Judged
from mlife_assets.lifecycle.backtest.learning import Learner, score
from mlife_assets.lifecycle.backtest.watching import Reports, Watcher

FIRST = np.datetime64("2025-01-01")
WARMUP, WINDOW, MATURE = DERIVED
TODAY = date(2026, 1, 1)
DAY, HOLDOUT = date(2025, 2, 24), date(2025, 2, 10)


@given(st.lists(st.integers(0, 25), min_size=1, max_size=40), st.integers(1, 60), st.integers(1, 5))
def test_windows_are_whole_days_as_short_as_their_rows_allow(counts, rows_minimum, days_minimum):
    days = np.repeat(np.datetime64("2025-01-01") + np.arange(len(counts)), counts)
    windows = split_windows(days, rows_minimum, days_minimum)
    stop = 0
    for window in windows:
        assert window.start == stop, "windows follow each other"
        stop = window.stop
        inside = days[window.start : window.stop]
        assert inside.min() >= np.datetime64(window.first_day)
        assert inside.max() == np.datetime64(window.closed_on) - 1
        assert window.stop - window.start >= rows_minimum
        length = (window.closed_on - window.first_day).days
        assert length >= days_minimum
        is_shorter = np.count_nonzero(inside < inside.max())
        assert is_shorter < rows_minimum or length - 1 < days_minimum
    assert len(days) - stop < rows_minimum or days_minimum > 1
    assert all(days[stop - 1] < days[stop] for stop in (w.stop for w in windows) if stop < len(days))


def test_a_label_is_known_from_its_label_time_on_and_not_a_day_earlier(history, rows):
    built = history(rows(window_days=7))
    day = date(2025, 3, 1)
    places = built.known(day)
    assert built.mature[places].max() == np.datetime64(day)
    assert len(places) == np.count_nonzero(built.mature <= np.datetime64(day))
    since = built.known(day, since=date(2025, 2, 20))
    assert built.days[since].min() == np.datetime64("2025-02-20")
    assert built.days[since].max() == np.datetime64("2025-02-22")


def test_a_label_that_matures_late_is_left_out_alone(history, rows):
    table = rows()
    late = table["known"].to_numpy().astype("datetime64[D]").copy()
    late[100] = np.datetime64("2025-04-01")
    table = table.set_column(table.column_names.index("known"), "known", pa.array(late))
    built = history(table)
    who = built.rows["who"].to_pylist()
    known = {who[place] for place in built.known(date(2025, 3, 31))}
    assert "w100" not in known
    assert "w101" in known
    assert "w100" in {who[place] for place in built.known(date(2025, 4, 1))}


def test_the_order_of_the_input_changes_nothing(history, rows):
    table = rows()
    shuffled = table.take(pa.array(np.random.default_rng(1).permutation(table.num_rows)))
    assert history(shuffled).content_hash == history(table).content_hash


def test_another_policy_is_another_history(history, rows, model):
    table, plain = rows(), model()
    for name, field, value in (
        ("retrain", "days_between_fits", 8),
        ("backtest", "naive_retrain_days", 8),
        ("promotion", "seed", 12),
        ("monitoring", "seed", 14),
        ("training", "seed", 8),
    ):
        changed = replace(plain, **{name: replace(getattr(plain, name), **{field: value})})
        assert history(table, changed).content_hash != history(table, plain).content_hash
    simpler = replace(plain, simple_columns=plain.roles.features[:1])
    assert history(table, simpler).content_hash != history(table, plain).content_hash, "a fit holds the simple rule too"


def test_a_history_that_is_empty_or_too_short_says_what_is_needed(rows, model):
    with pytest.raises(NotEnoughEvidenceError, match=r"spans 60 days .* at least 96 are needed: 40 .* 8 blocks of 7"):
        prepare_history(rows(days=60), model(), today=TODAY)
    with pytest.raises(NotEnoughEvidenceError, match="no rows"):
        prepare_history(rows().slice(0, 0), model(), today=TODAY)


def test_labels_of_the_future_and_repeated_rows_are_refused_by_row(rows, model):
    table = rows()
    last = pc.max(table["known"]).as_py()
    with pytest.raises(InvalidInputError, match=r"known of 60 rows is after today, .* row 7740 with .*leave them out"):
        prepare_history(table, model(), today=date.fromordinal(last.toordinal() - 1))
    table = pa.concat_tables([table, table.slice(5, 1)])
    found = re.escape("2 rows have the same who w5, day 2025-01-01; the gate judges each once: keep one, or name")
    with pytest.raises(InvalidInputError, match=found):
        prepare_history(table, model(), today=TODAY)


@pytest.fixture
def declared(model):
    """A model with the defaults of every policy, as a spec without policies declares it."""
    return model(
        promotion=PromotionPolicy(), monitoring=MonitoringPolicy(), retrain=RetrainPolicy(), backtest=BacktestPolicy()
    )


def sizes_of(declared, *, days: int, rows_per_day: float, rate: float, stated=(), label_days: int = 1):
    """Return (model, sizes) of a history in which every 1 / `rate` th row is positive."""
    rows = round(days * rows_per_day)
    exposed = FIRST + np.sort(np.arange(rows) % days)
    outcome = np.arange(rows) % round(1 / rate) == 0
    return sized(declared, exposed, exposed + label_days, outcome, stated)


def test_a_large_history_keeps_every_default(declared):
    fitted, sizes = sizes_of(declared, days=365, rows_per_day=900, rate=0.2)
    assert fitted == declared
    assert sizes.derived == {}
    assert sizes.sentence is None


def test_a_history_of_eighteen_thousand_rows_is_not_eaten_by_its_warmup(declared):
    fitted, sizes = sizes_of(declared, days=360, rows_per_day=50, rate=0.2)
    days = FIRST + np.repeat(np.arange(360), 50)
    closed = [one.closed_on for one in split_windows(days, fitted.monitoring.sample_rows_per_day, 1)]
    assert (closed[WINDOWS_MINIMUM - 1] - closed[0]).days < 60
    assert sizes.derived[WINDOW] == 200, "no fewer rows than were measured to keep their error"
    assert fitted.monitoring.sample_rows_per_day == 200
    assert fitted.backtest.warmup_days == 60
    assert fitted.monitoring.minimum_mature_positives == 100, "those of two weeks are more than the default"


def test_a_short_history_keeps_days_to_compare_on_and_windows_to_watch(declared):
    fitted, _ = sizes_of(declared, days=400, rows_per_day=80, rate=0.3)
    assert fitted.monitoring.sample_rows_per_day == 280
    fitted, sizes = sizes_of(declared, days=100, rows_per_day=400, rate=0.2)
    assert sizes.derived[WARMUP] == fitted.backtest.warmup_days == 28, "no fewer than the gate needs"
    assert sizes_of(declared, days=140, rows_per_day=50, rate=0.2)[1].derived == {WARMUP: 35, WINDOW: 200}
    assert sizes_of(declared, days=40, rows_per_day=400, rate=0.2)[0].backtest.warmup_days == 28
    monthly = replace(declared, backtest=BacktestPolicy(naive_retrain_days=30))
    fitted, _ = sizes_of(monthly, days=160, rows_per_day=80, rate=0.2)
    assert fitted.monitoring.sample_rows_per_day == 80 * 40 // WINDOWS_MINIMUM


def test_a_slow_history_asks_for_less_but_never_for_less_than_holds(declared):
    _, sizes = sizes_of(declared, days=700, rows_per_day=10, rate=0.1)
    assert sizes.derived == {WINDOW: 200, MATURE: 50}
    assert sizes.positives_per_day == pytest.approx(1.0, rel=0.1)
    assert sizes.days_for(50) == pytest.approx(50, rel=0.1)
    assert sizes.sentence is not None
    assert sizes.sentence.startswith("Sizes follow the history, which has 10.0 rows and about 1.0 positives a day: ")
    assert "monitoring.minimum_mature_positives 50" in sizes.sentence


@pytest.mark.parametrize("name", DERIVED)
def test_what_is_stated_stays(declared, name):
    policy, _, field = name.partition(".")
    fitted, sizes = sizes_of(declared, days=100, rows_per_day=10, rate=0.1, stated=(name,))
    assert name not in sizes.derived
    assert getattr(getattr(fitted, policy), field) == getattr(getattr(declared, policy), field)
    assert set(sizes.derived) == set(DERIVED) - {name}


def test_nothing_grows_beyond_what_the_policy_says(declared):
    small = replace(declared, monitoring=MonitoringPolicy(sample_rows_per_day=150, minimum_mature_positives=20))
    fitted, sizes = sizes_of(small, days=400, rows_per_day=50, rate=0.2)
    assert fitted.monitoring == small.monitoring
    assert not {WINDOW, MATURE} & set(sizes.derived)


def test_no_label_of_the_replay_decides_how_it_is_replayed(declared):
    days = FIRST + np.repeat(np.arange(200), 20)
    outcome = np.arange(4_000) % 10 == 0
    known = sized(declared, days, days + 7, outcome, ())
    later = outcome.copy()
    later[days + 7 > FIRST + known[0].backtest.warmup_days] = True
    assert sized(declared, days, days + 7, later, ()) == known
    earlier = outcome.copy()
    earlier[:400] = True
    assert sized(declared, days, days + 7, earlier, ()) != known


def test_without_a_known_positive_nothing_is_derived_from_them(declared):
    days = FIRST + np.repeat(np.arange(200), 20)
    fitted, sizes = sized(declared, days, days + 7, np.zeros(4_000, dtype=bool), ())
    assert set(sizes.derived) == {WARMUP, WINDOW}
    assert sizes.positives_per_day is None
    assert sizes.days_for(50) is None
    assert fitted.promotion == declared.promotion


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
    return watcher.reference(learner.fit(DAY), Judged({HOLDOUT: learner.fit(HOLDOUT)}), DAY)


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
    second = watcher.reference(learner.fit(DAY), Judged({earlier: learner.fit(earlier)}), DAY)
    assert min(first.examples["exposure_date"].to_pylist()) == HOLDOUT
    assert min(second.examples["exposure_date"].to_pylist()) == earlier


def test_outcomes_are_those_of_the_folds_at_hand_also_where_their_models_are_the_same(watched):
    _, learner, watcher, _ = watched()
    older, newer = learner.fit(HOLDOUT - timedelta(days=7)), learner.fit(HOLDOUT)
    judged = [Judged({HOLDOUT: older, HOLDOUT + timedelta(days=days): newer}) for days in (3, 10)]
    assert judged[0].version == judged[1].version
    said = [watcher.reference(learner.fit(DAY), one, DAY).examples["probability"].to_numpy() for one in judged]
    assert len(said[0]) == len(said[1])
    assert not np.array_equal(*said)


def test_each_outcome_stands_beside_the_row_that_it_is_of(watched, model):
    """Drawn rows come in another order than theirs, and two models score them."""
    plain = model()
    few = replace(plain, monitoring=replace(plain.monitoring, reference_examples=400))
    history, learner, watcher, _ = watched(few)
    judged = Judged({day: learner.fit(day) for day in (HOLDOUT, HOLDOUT + timedelta(days=7))})
    examples = watcher.reference(learner.fit(DAY), judged, DAY).examples
    assert 350 < examples.num_rows < history.known(DAY, since=HOLDOUT).size
    strength = history.rows["strength"].to_numpy()
    places = np.argsort(strength)[np.searchsorted(np.sort(strength), examples["strength"].to_numpy())]
    assert np.array_equal(history.days[places], examples["exposure_date"].to_numpy().astype("datetime64[D]"))
    assert np.array_equal(history.outcome[places], examples["is_positive"].to_numpy(zero_copy_only=False))
    is_late = history.days[places] >= np.datetime64(list(judged.fits)[1])
    assert 0 < is_late.sum() < len(is_late)
    by_fold = [score(history, fit.artifact, places).probability for fit in judged.fits.values()]
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
    one, other = reference_of(learner, watcher), watcher.reference(twin, Judged({HOLDOUT: twin}), DAY)
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
        watcher.reference(learner.fit(DAY), Judged({date(2025, 1, 10): learner.fit(DAY)}), early)
