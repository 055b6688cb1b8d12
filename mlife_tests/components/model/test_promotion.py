"""Before and at the gate: what a challenger may learn from, whose word counts on a day, and each verdict on record."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.adapters.event_log import ParquetEventLog, verify
from mlife_assets.adapters.model_registry import ModelRegistry
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.tables import TableStore
from mlife_assets.components.model import example_evaluation, fairness, monitoring_reference
from mlife_assets.components.model.fairness import audit_folds, day_fairness_conditions
from mlife_assets.components.model.monitoring_reference import reference_samples, rows_scored, unseen_outcomes
from mlife_assets.components.model.out_of_sample import (
    FOLD_REPORT,
    PlatformFacts,
    fit_days_of_served,
    fold_report,
    folds_of,
    stored_folds,
)
from mlife_assets.components.model.promotion import WRITER, first_decided, record_verdict, verdict_event
from mlife_assets.components.model.training_inputs import (
    day_training_set,
    is_by_folds,
    known_by,
    training_marts,
    training_set_of,
)
from mlife_assets.components.monitoring import inputs
from mlife_assets.components.monitoring.inputs import sound_samples
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.monitoring.columns import LABEL
from mlife_assets.core.monitoring.sampling import DaySample
from mlife_assets.core.training.folds import Fold
from mlife_assets.core.training.training_set import build_training_set, first_gate_day
from mlife_assets.core.windows import add_days, day_start, last_mature_exposure_day, mature_day, run_time
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.lifecycle.day import served
from mlife_assets.recruiting.churn_risk import churn_risk
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies

SAMPLED_ON = date(2026, 6, 20)
DAY = date(2026, 6, 2)
WINDOW = 7
MODEL = job_applications(Policies())
GATE_DAY = date(2026, 6, 30)
MONDAYS = (date(2026, 6, 8), date(2026, 6, 22))
FOLDS = tuple(Fold(one, f"mdl_{one}", add_days(one, -8)) for one in MONDAYS)
QUARANTINED = (date(2026, 6, 8), date(2026, 6, 15), date(2026, 6, 22))
"""The days that the gate of `DAY` ranks and a fold speaks for: of the first Monday for two of them."""
NOW = datetime(2026, 6, 2, 19, tzinfo=UTC)


def test_the_newest_exposures_teach_clicks_and_have_no_label(lived, lived_world) -> None:
    platform, windows = lived.home.platform, lived_world.POLICIES.label
    day = lived.home.day(lived_world.RETRAIN_DAY)
    to_applies, to_clicks = (
        last_mature_exposure_day(day, days) for days in (windows.apply_window_days, windows.click_window_days)
    )
    labelled = platform.warehouse.read("labelled_examples", end=to_applies)
    newer = platform.warehouse.read("click_examples", start=add_days(to_applies, 1), end=to_clicks)
    rows = training_marts(platform.of_model()).known_rows(day)
    assert rows.num_rows == labelled.num_rows + newer.num_rows
    assert rows["is_applied"].null_count == newer.num_rows > 0
    assert rows["is_clicked"].null_count == 0
    newest = rows.filter(rows["is_applied"].is_null())
    assert rows["is_applied_early"].null_count == 0
    for name in ("exposure_id", "is_clicked", "is_applied_early", "job_clicks_7d"):
        assert newest[name].to_pylist() == newer[name].to_pylist()
        assert rows.slice(0, labelled.num_rows)[name].to_pylist() == labelled[name].to_pylist()
    for name, days in (
        ("click_mature_date", windows.click_window_days),
        ("label_mature_date", windows.apply_window_days),
    ):
        assert pc.unique(pc.days_between(rows["exposure_date"], rows[name])).to_pylist() == [days + 1]
    every = build_training_set(rows, platform.of_model().model, as_of=day, gate_start=day, quarantined=())
    assert every.trained_to == {"is_clicked": to_clicks, "is_applied": to_applies}


def test_what_is_read_once_for_several_days_is_what_each_would_read(lived, lived_world) -> None:
    platform, day = lived.home.platform, lived.home.day(lived_world.RETRAIN_DAY)
    platform = platform.of_model()
    kept = platform.in_run("a run")
    for back in (3, 0, 21):
        one = add_days(day, -back)
        assert training_marts(kept).known_rows(one).equals(training_marts(platform).known_rows(one))
        found = training_set_of(kept, one)
        assert found.data_hash == training_set_of(platform, one).data_hash
        assert training_set_of(kept, one) is found


def test_by_folds_everything_mature_teaches_and_with_a_holdout_each_step_ends_its_window_before_it(
    lived, lived_world
) -> None:
    view, day = lived.home.platform.of_model(), lived.home.day(lived_world.RETRAIN_DAY)
    assert is_by_folds(view.model)
    assert day_training_set(view, day).trained_to == windows_before(day, lived_world)
    start = known_by(replace(view.model, promotion=replace(view.model.promotion, judged_by="holdout")), day)
    assert start == first_gate_day(day, view.model) < day
    assert training_set_of(view, start).trained_to == windows_before(start, lived_world)


def windows_before(day: date, lived_world) -> dict[str, date]:
    """Return the last exposure day whose clicks, and whose applications, were complete on a morning."""
    windows = lived_world.POLICIES.label
    return {
        "is_clicked": last_mature_exposure_day(day, windows.click_window_days),
        "is_applied": last_mature_exposure_day(day, windows.apply_window_days),
    }


def deployment(monkeypatch: pytest.MonkeyPatch, *, faulty=(), empty=(), began: date | None = None) -> SimpleNamespace:
    """Return what is asked of a platform: days that were faulty, or have no rows, and since when a drift is open."""

    def sampled(_: SimpleNamespace, day: date) -> DaySample:
        if day in empty:
            raise NotFoundError("no partition")
        return DaySample(pa.table({"user_id": ["a"]}), 1, 0)

    monkeypatch.setattr(monitoring_reference, "decisions_until", lambda *_: [])
    monkeypatch.setattr(monitoring_reference, "drift_start", lambda *_: began)
    monkeypatch.setattr(inputs, "quarantined_days", lambda *_: list(faulty))
    monkeypatch.setattr(inputs, "sampled_pairs", sampled)
    return SimpleNamespace(model=job_applications(Policies()))


@pytest.mark.parametrize("why", ["faulty", "empty"])
def test_days_that_say_nothing_move_the_reference_back_and_do_not_shorten_it(monkeypatch, why: str) -> None:
    """Once they did: with seven of them a promoted champion got no reference, and no later day a verdict."""
    days = {add_days(SAMPLED_ON, -back) for back in range(2, 9)}
    found = list(sound_samples(deployment(monkeypatch, **{why: days}), SAMPLED_ON, 14))
    assert len(found) == 14
    assert found == sorted(found)
    assert not set(found) & days
    assert (found[0], found[-1]) == (add_days(SAMPLED_ON, -20), SAMPLED_ON)


def test_the_reference_never_reaches_further_back_than_three_times_its_length(monkeypatch) -> None:
    faulty = [add_days(SAMPLED_ON, -back) for back in range(35)]
    found = list(sound_samples(deployment(monkeypatch, faulty=faulty), SAMPLED_ON, 14))
    assert found == [add_days(SAMPLED_ON, -back) for back in range(41, 34, -1)]


@pytest.mark.parametrize(("days_ago", "days"), [(None, 14), (40, 14), (13, 14), (10, 11), (7, 8), (2, 8), (0, 8)])
def test_after_a_drift_normal_is_the_new_world(monkeypatch, days_ago: int | None, days: int) -> None:
    """Nothing from before its first alarm, but for the eight days that a reference needs."""
    began = None if days_ago is None else add_days(SAMPLED_ON, -days_ago)
    found, said = reference_samples(deployment(monkeypatch, began=began), SAMPLED_ON)
    assert list(found) == [add_days(SAMPLED_ON, -back) for back in range(days - 1, -1, -1)]
    assert said == began


SAMPLED_FOLDS = tuple(
    Fold(add_days(SAMPLED_ON, -8 - 7 * back + 1), f"fold_{back}", add_days(SAMPLED_ON, -17 - 7 * back))
    for back in (3, 2, 1)
)


ITSELF = Fold(SAMPLED_ON, "mdl_x", add_days(SAMPLED_ON, -8))


def asked(monkeypatch: pytest.MonkeyPatch, outcome: str, began: date | None, funnels: Collection[str]) -> list[object]:
    """Return from when to when who is asked about an outcome."""
    monkeypatch.setattr(monitoring_reference, "folds_of", lambda *_: (*SAMPLED_FOLDS, ITSELF))
    monkeypatch.setattr(monitoring_reference, "is_funnel", lambda _, version: version in funnels)
    calls: list[object] = []

    def sampled(_: object, folds: tuple[Fold, ...], first: date, last: date, *, outcome: str) -> pa.Table:
        calls.extend([[fold.model_version for fold in folds], folds[0].first_day, first, last, outcome])
        return pa.table({})

    monkeypatch.setattr(monitoring_reference, "sampled_examples", sampled)
    _, folds = unseen_outcomes(SimpleNamespace(model=job_applications(Policies())), "mdl_x", SAMPLED_ON, outcome, began)
    assert [fold.model_version for fold in folds] == calls[0]
    return calls


@pytest.mark.parametrize(
    ("began", "first", "who"),
    [
        (None, SAMPLED_FOLDS[0].first_day, ["fold_3", "fold_2", "fold_1", "mdl_x"]),
        (add_days(SAMPLED_ON, -60), SAMPLED_FOLDS[0].first_day, ["fold_3", "fold_2", "fold_1", "mdl_x"]),
        (add_days(SAMPLED_ON, -20), add_days(SAMPLED_ON, -20), ["fold_2", "fold_1", "mdl_x"]),
        (add_days(SAMPLED_ON, -2), SAMPLED_FOLDS[2].first_day, ["fold_1", "mdl_x"]),
    ],
)
def test_outcomes_are_scored_by_folds_of_the_world_that_is_normal(
    monkeypatch, began: date | None, first: date, who: list[str]
) -> None:
    """The newest week at least: labels of a drift that is two days old are not there yet."""
    assert asked(monkeypatch, LABEL, began, ()) == [who, first, first, add_days(SAMPLED_ON, -8), LABEL]


def test_who_scored_how_many_is_counted_by_model() -> None:
    """One model may have two folds; who is asked about no day has scored nothing."""
    again = replace(SAMPLED_FOLDS[2], model_version="fold_3")
    days = [add_days(SAMPLED_FOLDS[0].first_day, back) for back in (0, 6, 7, 14, 15, 20)]
    examples = pa.table({"exposure_date": pa.array(days, pa.date32())})
    assert rows_scored((*SAMPLED_FOLDS[:2], again, ITSELF), examples) == {"fold_3": 5, "fold_2": 1}
    assert rows_scored(SAMPLED_FOLDS, examples.slice(0, 0)) == {}


def test_an_earlier_step_is_scored_by_those_that_know_it(monkeypatch) -> None:
    """The recipe may have chosen another formulation for a week: what lies before it is left out."""
    funnels = {"fold_3", "fold_1", "mdl_x"}
    days = Policies().label.click_window_days
    first, last = SAMPLED_FOLDS[2].first_day, add_days(SAMPLED_ON, -days - 1)
    assert asked(monkeypatch, "click", None, funnels) == [["fold_1", "mdl_x"], first, first, last, "click"]


@dataclass
class Deployment:
    """A registry, reports and scorers; nothing else of a platform is asked."""

    registry: ModelRegistry
    model_tables: TableStore
    models: Any
    model: Any = MODEL

    def trained(self, seed: int, day: date, *, folds: int = 0) -> str:
        """Register a model of a day and its folds; without folds it was judged on a holdout of four weeks."""
        last = last_mature_exposure_day(day, WINDOW)
        end = last if folds else last_mature_exposure_day(add_days(last, -21), WINDOW)
        artifact = self.models.tiny_artifact(seed, trees=3, training_end_date=end.isoformat())
        version = self.registry.register(artifact, as_of=day, now=run_time(day) + timedelta(hours=1))
        rows = []
        for back in range(folds, 0, -1):
            first = add_days(last, 1 - 7 * back)
            known = last_mature_exposure_day(first, WINDOW)
            fold = self.models.tiny_artifact(seed + 10 * back, trees=3, training_end_date=known.isoformat())
            rows.append(
                {
                    "first_day": first.isoformat(),
                    "model_version": self.registry.keep_fold(fold),
                    "trained_to": known.isoformat(),
                }
            )
        if folds:
            self.model_tables.write_report(FOLD_REPORT, day, fold_report(self, day, version, rows))
        return version

    def promote(self, version: str, day: date) -> None:
        self.registry.promote(version, actor="gate", reason="a test", now=run_time(day) + timedelta(hours=1))


@pytest.fixture
def serving(tmp_path, tiny_models) -> Deployment:
    store = ObstoreObjectStore.local(tmp_path)
    return Deployment(ModelRegistry(store, ParquetEventLog(store), MODEL.name), TableStore(store), tiny_models)


def asked_for(folds: tuple[Fold, ...]) -> list[tuple[date, str]]:
    return [(fold.first_day, fold.model_version) for fold in folds]


def test_a_model_speaks_through_its_folds_and_then_for_itself(serving: Deployment) -> None:
    version = serving.trained(1, DAY, folds=4)
    folds = folds_of(serving, version)
    stored = stored_folds(serving, DAY, version)
    assert folds[:-1] == stored
    assert len(stored) == 4
    assert asked_for(folds)[-1] == (DAY, version), "what it learned from was complete on that morning"
    for fold in folds:
        assert mature_day(fold.trained_to, WINDOW) <= fold.first_day


def test_a_model_of_a_holdout_speaks_for_itself_from_the_holdout_on(serving: Deployment) -> None:
    version = serving.trained(1, DAY)
    (alone,) = folds_of(serving, version)
    assert (alone.first_day, alone.model_version) == (add_days(last_mature_exposure_day(DAY, WINDOW), -21), version)


def test_folds_of_another_challenger_of_the_day_are_not_its_own(serving: Deployment) -> None:
    version = serving.trained(1, DAY, folds=2)
    other = serving.trained(2, DAY, folds=2)
    assert stored_folds(serving, DAY, "mdl_of_nobody") == ()
    assert not {name for _, name in asked_for(folds_of(serving, version))} & {
        fold.model_version for fold in stored_folds(serving, DAY, other)
    }
    assert len(folds_of(serving, other)) == 3


def test_a_day_that_is_trained_again_takes_no_folds_from_who_serves(serving: Deployment) -> None:
    """Under other settings it has another challenger; the champion is still asked about the weeks before its reign."""
    version = serving.trained(1, DAY, folds=4)
    serving.promote(version, DAY)
    assert served(PlatformFacts(serving, DAY)) == (), "as the day decided nobody served"
    before = served(PlatformFacts(serving, add_days(DAY, 7)))
    serving.trained(2, DAY, folds=4)
    assert len(stored_folds(serving, DAY, version)) == 4
    assert served(PlatformFacts(serving, add_days(DAY, 7))) == before
    report = serving.model_tables.read_report(FOLD_REPORT, DAY)
    serving.trained(2, DAY, folds=4)
    assert serving.model_tables.read_report(FOLD_REPORT, DAY) == report, "the same again says the same"


def test_folds_begin_where_what_served_was_fitted_and_not_what_serves_later(serving: Deployment) -> None:
    first = serving.trained(1, DAY, folds=1)
    serving.trained(2, add_days(DAY, 3), folds=1)
    third = serving.trained(3, add_days(DAY, 7), folds=1)
    for version, day in ((first, DAY), (third, add_days(DAY, 7))):
        serving.promote(version, day)
    assert fit_days_of_served(serving, DAY) == []
    assert fit_days_of_served(serving, add_days(DAY, 7)) == [DAY]
    assert fit_days_of_served(serving, add_days(DAY, 8)) == [DAY, add_days(DAY, 7)]


def test_after_a_rollback_the_earlier_one_serves_again(serving: Deployment) -> None:
    first, second = serving.trained(1, DAY, folds=1), serving.trained(2, add_days(DAY, 5), folds=1)
    serving.promote(first, DAY)
    serving.promote(second, add_days(DAY, 5))
    serving.registry.rollback(actor="ann", reason="worse", now=day_start(add_days(DAY, 8)))
    found = asked_for(served(PlatformFacts(serving, add_days(DAY, 9))))
    assert found[-2:] == [(add_days(DAY, 6), second), (add_days(DAY, 8), first)]


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


def quarantine(monkeypatch: pytest.MonkeyPatch, faulty: Iterable[date], folds: tuple[Fold, ...] = FOLDS) -> None:
    """Let the challenger have folds, and some days be faulty."""
    monkeypatch.setattr(fairness, "stored_folds", lambda *_: folds)
    monkeypatch.setattr(fairness, "quarantined_days", lambda _, days: [day for day in days if day in faulty])


def test_days_that_are_all_quarantined_are_named_with_what_helps(
    platform: BoardPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It once asked for the audit that had just been made, each time."""
    quarantine(monkeypatch, QUARANTINED)
    assert audit_folds(platform, "mdl_a", GATE_DAY) is None
    _, by_folds = day_fairness_conditions(platform, GATE_DAY, "mdl_a")
    assert not by_folds.is_met
    assert by_folds.sentence == (
        "On the weeks of the folds: Nobody can be audited, since every day that the gate ranks is quarantined "
        "(2026-06-08, 2026-06-15, 2026-06-22). Repair one of these days, materialize its data_quality_report, then "
        "fairness_audit and evaluation of this day; or train on another day of the week, whose gate ranks other days."
    )


def test_each_day_that_the_gate_ranks_is_audited_by_the_fold_that_speaks_for_it(
    platform: BoardPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the four the first lies before all folds."""
    audited = []

    def outcomes(_: BoardPorts, version: str, pairs: date, __: int) -> None:
        audited.append((pairs, version))

    quarantine(monkeypatch, QUARANTINED[:1])
    monkeypatch.setattr(fairness, "audited_users", lambda *_: pa.table({"user_id": ["usr_1"]}))
    monkeypatch.setattr(fairness, "audited_pairs", lambda _, day, __: day)
    monkeypatch.setattr(fairness, "_outcomes", outcomes)
    monkeypatch.setattr(fairness, "_audit", lambda *_: None)
    audit_folds(platform, "mdl_a", GATE_DAY)
    first, second = FOLDS
    assert audited == [(QUARANTINED[1], first.model_version), (QUARANTINED[2], second.model_version)]


@pytest.mark.parametrize(("faulty", "folds"), [(QUARANTINED[1:], FOLDS), ((), FOLDS), (QUARANTINED, ())])
def test_an_audit_that_can_be_made_is_asked_for(
    platform: BoardPorts, monkeypatch: pytest.MonkeyPatch, faulty: tuple[date, ...], folds: tuple[Fold, ...]
) -> None:
    quarantine(monkeypatch, faulty, folds)
    _, by_folds = day_fairness_conditions(platform, GATE_DAY, "mdl_a")
    assert not by_folds.is_met
    assert by_folds.sentence.endswith("There is no fairness audit of the challenger; materialize fairness_audit.")


def report(outcome: str, sentence: str) -> dict[str, Any]:
    delta = {"estimate": 0.031, "lower": 0.01, "upper": 0.05}
    return {
        "model_version": "mdl_new", "champion_version": "mdl_old", "outcome": outcome,
        "comparisons": [{"against": "champion", "delta": delta}], "users_with_positives": 1_200,
        "sentences": [sentence], "policy_version": "pol_1",
    }  # fmt: skip


@pytest.fixture
def log(tmp_path: Path) -> ParquetEventLog:
    return ParquetEventLog(ObstoreObjectStore.local(tmp_path))


def test_the_event_says_by_which_way_and_old_reports_do_not_know(log: ParquetEventLog) -> None:
    said = report("promoted", "All conditions are met.")
    for number, one in enumerate((said, said | {"kind": "win"}, said | {"kind": "refit"})):
        day = DAY + timedelta(days=number)
        log.append(
            "promotion_decided", verdict_event(log, MODEL, day, one, NOW + timedelta(days=number)), writer=WRITER
        )
    assert log.read("promotion_decided")["kind"].to_pylist() == [None, "win", "refit"]


def record(log: ParquetEventLog, *said: str) -> list[str]:
    """Record a verdict and return the outcomes on record."""
    log.append("promotion_decided", verdict_event(log, MODEL, DAY, report(*said), NOW), writer=WRITER)
    return log.read("promotion_decided")["outcome"].to_pylist()


def test_the_same_verdict_again_is_one_event(log: ParquetEventLog) -> None:
    assert record(log, "refused", "There is no audit.") == ["refused"]
    assert record(log, "refused", "There is no audit.") == ["refused"]
    (row,) = log.read("promotion_decided").to_pylist()
    assert (row["observed_at"], row["delta_map"], row["delta_map_lower"]) == (NOW, 0.031, 0.01)
    assert (row["model_name"], row["declaration_hash"]) == ("job_applications", MODEL.content_hash)


def test_a_challenger_that_is_judged_again_has_its_newest_verdict_last(log: ParquetEventLog) -> None:
    record(log, "refused", "There is no audit.")
    assert record(log, "promoted", "All conditions are met.") == ["refused", "promoted"]
    assert record(log, "promoted", "All conditions are met.") == ["refused", "promoted"]
    assert record(log, "refused", "There is no audit.") == ["refused", "promoted", "refused"]
    rows = log.read("promotion_decided").to_pylist()
    assert len({row["event_id"] for row in rows}) == 3
    assert [row["observed_at"].second for row in rows] == [0, 1, 2]


def test_a_day_that_is_decided_again_was_decided_when_it_was_first(log: ParquetEventLog) -> None:
    for late, sentence in enumerate(("There is no audit.", "There is one.")):
        now = NOW + timedelta(days=late)
        log.append("promotion_decided", verdict_event(log, MODEL, DAY, report("refused", sentence), now), writer=WRITER)
    assert len(log.read("promotion_decided")) == 2
    assert first_decided(log, MODEL, DAY, "mdl_new") == NOW


def test_a_day_that_runs_again_after_later_ones_promotes_nothing_that_was_left_since(
    tmp_path: Path, models: ModuleType
) -> None:
    store = ObstoreObjectStore.local(tmp_path)
    log = ParquetEventLog(store)
    registry = ModelRegistry(store, log, MODEL.name)
    old, new = (registry.register(models.tiny_artifact(seed, trees=3), as_of=DAY, now=NOW) for seed in (1, 2))
    registry.promote(old, actor="gate", reason="first", now=NOW - timedelta(days=7))
    landed = [DAY]
    platform: Any = SimpleNamespace(
        event_log=log, registry=registry, model=MODEL, retraining_time=lambda _: NOW + (landed[-1] - DAY)
    )
    said = report("promoted", "All conditions are met.") | {"model_version": new}
    assert record_verdict(platform, DAY, said)
    assert registry.champion() == new
    registry.rollback(actor="ann", reason="it ranks nonsense", now=NOW + timedelta(hours=1))
    landed.append(DAY + timedelta(days=1))
    record_verdict(platform, DAY, said)
    assert registry.champion() == old


@pytest.mark.parametrize("left", ["whole", "emptied"])
def test_a_verdict_that_a_crash_left_unlisted_is_listed_when_recorded_again(tmp_path: Path, left: str) -> None:
    store = ObstoreObjectStore.local(tmp_path)
    record(ParquetEventLog(store), "refused", "There is no audit.")
    (manifest,), (file,) = store.list("manifests"), store.list("events")
    (tmp_path / manifest).unlink()
    if left == "emptied":
        (tmp_path / file).write_bytes(b"")
    assert [finding.key for finding in verify(store).findings] == [file]
    assert record(ParquetEventLog(store), "refused", "There is no audit.") == ["refused"]
    assert (verify(store).findings, store.list("events")) == ((), [file])
