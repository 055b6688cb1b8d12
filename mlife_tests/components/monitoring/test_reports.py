"""Reports of a day, the window of matured outcomes, and the decision to retrain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from types import SimpleNamespace

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.adapters.model_registry import ModelRegistry
from mlife_assets.adapters.nannyml_calculators import engine
from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.graph.run_requests import DECISION_TAG, is_retraining
from mlife_assets.components.model import retrain_decision
from mlife_assets.components.model.retrain_decision import (
    _decision_id,
    _time_of_decision,
    champion_facts,
    decision_rows,
    decisions_since,
    decisions_until,
)
from mlife_assets.components.monitoring import reports
from mlife_assets.components.monitoring.computed import badges, computed_by_entry
from mlife_assets.components.monitoring.reports import refused_rows
from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.ids import digest
from mlife_assets.core.model import Model
from mlife_assets.core.monitoring.columns import LABEL, MonitoringColumns
from mlife_assets.core.monitoring.lateness import LateFeedback
from mlife_assets.core.monitoring.reference import DAYS_MINIMUM, MonitoringReference
from mlife_assets.core.monitoring.retrain_decisions import RetrainDecision
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.core.windows import add_days, last_mature_exposure_day, run_time
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.deployments.landed_days import INGEST_REPORT, BoardDays
from mlife_assets.deployments.ports import ModelPorts
from mlife_assets.recruiting.churn_risk import churn_risk
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS, job_applications
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings

DAY = date(2026, 6, 30)
SCHEMA = pa.schema(
    [
        ("exposure_date", pa.date32()),
        ("label_mature_date", pa.date32()),
        ("probability", pa.float64()),
        ("is_positive", pa.bool_()),
    ]
)


def append(platform: ModelPorts, event_type: str, at: datetime, **values: object) -> None:
    """Append an event of the platform's model that happened, and was known, at a time."""
    schema = EVENT_TYPES[event_type].schema
    row = {"event_id": f"{values}{at}", "occurred_at": at, "observed_at": at, "model_name": platform.model_name}
    platform.event_log.append(event_type, pa.Table.from_pylist([row | values], schema=schema), writer="test")


def decide(platform: ModelPorts, day: date, at: datetime, name: str, *codes: str) -> None:
    append(
        platform, "retrain_decided", at, decision_id=name, as_of_date=day, verdict="wait", codes=codes, sentences=[],
        policy_version="p",
    )  # fmt: skip


def scored(*days: date, positives: int = 0) -> pa.Table:
    """Return one mature example per day, the first of them positive."""
    rows = [
        {"exposure_date": day, "label_mature_date": day, "probability": 0.5, "is_positive": place < positives}
        for place, day in enumerate(days)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def assets_by_name() -> dict[str, dg.AssetsDefinition]:
    """Return the reports of job applications by name."""
    graph = ModelGraph(job_applications(Policies()))
    made = (reports.data_quality_report, reports.data_drift_report, reports.latent_drift_report)
    return {asset.key.path[-1]: asset for asset in (one(graph) for one in (*made, reports.concept_drift_report))}


@pytest.mark.usefixtures("unlearned")
def test_what_never_alarmed_when_limits_were_learned_is_what_the_model_does_not_see(
    platform: BoardPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The columns of the reference count, and not those that mlife would watch today."""
    columns = MonitoringColumns(unalarmed=("openings",))
    known = MonitoringReference("m", DAY, columns, ("user_id",), pa.table({}), scored(), {}, ())
    monkeypatch.setattr(reports, "known_reference", lambda *_: known)
    monkeypatch.setattr(MonitoringReference, "why_incomparable", lambda *_: None)
    platform.tables.write(reports.SAMPLE_TABLE, DAY, pa.table({"user_id": ["u"]}))
    platform.tables.write_report(INGEST_REPORT, DAY, {"types": []})
    seen = []

    def explained(_: BoardPorts, __: str, pairs: pa.Table, of: MonitoringColumns) -> pa.Table:
        seen.append(of)
        raise StopIteration

    monkeypatch.setattr(reports, "explained_pairs", explained)
    with pytest.raises(StopIteration):
        assets_by_name()["latent_drift_report"](
            dg.build_asset_context(partition_key=DAY.isoformat()), platform=platform
        )
    assert seen == [columns]


def test_the_badge_of_nannyml_stands_where_its_calculators_decide() -> None:
    """Quality has rules of its own."""
    badged = {name for name, report in assets_by_name().items() for spec in report.specs if "nannyml" in spec.kinds}
    assert badged == {"data_drift_report", "latent_drift_report", "concept_drift_report"}


@pytest.fixture
def unlearned(monkeypatch: pytest.MonkeyPatch) -> dict[str, date]:
    """Return the first day that each model did not learn from, to be changed; at first none learned from any."""
    held: dict[str, date] = {}
    monkeypatch.setattr(ModelRegistry, "load", lambda _, version: version)
    monkeypatch.setattr(reports, "first_unlearned_day", lambda version: held.get(version, date(2026, 6, 1)))
    return held


def reference(examples: pa.Table) -> MonitoringReference:
    return MonitoringReference("m", DAY, PAIR_COLUMNS, ("user_id", "job_id"), pa.table({}), examples, {}, ())


@pytest.mark.usefixtures("unlearned")
@pytest.mark.parametrize(
    ("known", "first"),
    [((), date(2026, 6, 16)), ((date(2026, 6, 10),), date(2026, 6, 16)), ((date(2026, 6, 18),), date(2026, 6, 19))],
)
def test_outcomes_are_read_since_the_reference_and_of_a_week_where_it_has_none(
    platform: BoardPorts, monkeypatch: pytest.MonkeyPatch, known: tuple[date, ...], first: date
) -> None:
    """Late feedback can leave a reference without one example; the day then needs a report all the same."""
    asked = []

    def sampled(_: BoardPorts, __: str, start: date, end: date, *, outcome: str) -> pa.Table:
        asked.append((start, end, outcome))
        return scored(date(2026, 6, 20))

    monkeypatch.setattr(reports, "sampled_examples", sampled)
    window, late = reports.outcome_window(platform.of_model(), reference(scored(*known)), DAY, LABEL)
    assert late is None
    assert asked == [(first, date(2026, 6, 22), LABEL)]
    assert window.num_rows == bool(known), "without a reference there is nothing to hold them against"


@pytest.mark.usefixtures("unlearned")
@pytest.mark.parametrize(
    ("scored_by", "asked"),
    [
        ({LABEL: {"fold_1": 30, "fold_2": 10}, "click": {"fold_2": 5}}, {"fold_1": 30, "fold_2": 10}),
        ({"click": {"fold_2": 5}}, {"m": 1}),
        ({LABEL: {}}, {"m": 1}),
        ({}, {"m": 1}),
    ],
)
def test_who_scored_the_outcomes_of_the_reference_is_asked_in_the_same_shares(
    platform: BoardPorts, monkeypatch: pytest.MonkeyPatch, scored_by: dict[str, dict[str, int]], asked: dict[str, int]
) -> None:
    """References of 0.1.0 name nobody: the model that serves scored them."""
    found = []

    def sampled(_: BoardPorts, who: object, *__: date, outcome: str) -> pa.Table:
        found.append(who)
        return scored(date(2026, 6, 20))

    monkeypatch.setattr(reports, "sampled_examples", sampled)
    known = replace(reference(scored(date(2026, 6, 10))), scored_by=scored_by)
    reports.outcome_window(platform.of_model(), known, DAY, LABEL)
    assert found == [asked]


def test_no_day_that_a_step_of_the_model_learned_from_is_judged(
    platform: BoardPorts, monkeypatch: pytest.MonkeyPatch, unlearned: dict[str, date]
) -> None:
    """Labels of the reference end 5 days before the clicks that the model learned: it would look better than it is."""
    asked = []
    unlearned |= {"fold_1": date(2026, 6, 18), "fold_2": date(2026, 6, 20), "m": date(2026, 6, 22)}

    def sampled(_: BoardPorts, __: str, start: date, end: date, *, outcome: str) -> pa.Table:
        asked.append((start, end))
        return scored(date(2026, 6, 20))

    monkeypatch.setattr(reports, "sampled_examples", sampled)
    by_itself = reference(scored(date(2026, 6, 14)))
    by_folds = replace(by_itself, scored_by={LABEL: {"fold_1": 3, "fold_2": 1}})
    for known in (by_itself, by_folds):
        reports.outcome_window(platform.of_model(), known, DAY, LABEL)
    assert [start for start, _ in asked] == [date(2026, 6, 22), date(2026, 6, 20)], "who scores, not who serves"


@pytest.mark.usefixtures("unlearned")
@pytest.mark.parametrize(("late", "is_judged"), [(15, True), (16, False), (29, False)])
def test_a_week_of_which_some_feedback_came_late_is_not_judged_at_all(
    platform: BoardPorts, monkeypatch: pytest.MonkeyPatch, late: int, is_judged: bool
) -> None:
    """Once the days that were left of it were: few outcomes on some weekdays, which alarmed in one market of twenty."""
    asked = []

    def late_days(_: BoardPorts, first: date, last: date) -> frozenset[date]:
        asked.append((first, last))
        return frozenset({date(2026, 6, late)})

    monkeypatch.setattr(BoardDays, "late_feedback", late_days)
    monkeypatch.setattr(reports, "sampled_examples", lambda *_, **__: scored(date(2026, 6, 20)))
    known = reference(scored(date(2026, 6, 16)))
    window, days = reports.outcome_window(platform.of_model(), known, DAY, LABEL)
    assert asked == [(date(2026, 6, 16), date(2026, 6, 29))]
    again = date(2026, 6, late) + timedelta(days=16)
    why = LateFeedback(frozenset({date(2026, 6, late)}), again, "clicks")
    assert (window.num_rows, days) == ((1, None) if is_judged else (0, why))
    assert set(window.column_names) == set(SCHEMA.names)


def test_performance_is_not_estimated_from_a_reference_without_outcomes() -> None:
    window = scored(*[date(2026, 6, 20)] * 30, positives=10)
    policy = MonitoringPolicy(minimum_mature_positives=10)
    assert reports.outcome_performance(reference(scored(date(2026, 6, 10))), window, LABEL, policy) == ()
    known = reference(scored(*[date(2026, 6, 10)] * 30, positives=10))
    assert {one.method for one in reports.outcome_performance(known, window, LABEL, policy)} == {
        "estimated",
        "realised",
    }


def test_with_nannyml_it_has_the_badge_and_without_it_the_report_says_what_to_install(monkeypatch) -> None:
    assert badges() == {"nannyml"}
    assert computed_by_entry("data_drift_report") == {"computed_by": "NannyML 0.13.1"}
    assert computed_by_entry("data_quality_report") == {}
    monkeypatch.setattr(engine, "find_spec", lambda _: None)
    assert badges() == {"scikitlearn"}
    assert "pip install 'mlife[nannyml]'" in computed_by_entry("concept_drift_report")["computed_by"]


def test_facts_of_a_day_do_not_know_what_the_decision_then_brought_about(lived, lived_world) -> None:
    """The challenger of the evening shortens what is new; deciding the day again must not see it."""
    home = lived.home
    day = home.day(lived_world.RETRAIN_DAY)
    facts = champion_facts(home.platform.of_model(), day, [], False)
    (first, challenger) = home.platform.event_log.read("model_registered").to_pylist()
    assert challenger["as_of_date"] == day
    assert (facts.model_version, facts.trained_as_of) == (first["model_version"], first["as_of_date"])
    policies = lived_world.POLICIES

    def positives(start, end) -> int:
        examples = home.platform.warehouse.read("labelled_examples", start=start, end=end)
        return pc.sum(examples["is_applied"]).as_py()

    maturity_days = policies.label.apply_window_days
    usable = last_mature_exposure_day(day, maturity_days)
    learned = {
        row["model_version"]: date.fromisoformat(
            home.platform.of_model().registry.load(row["model_version"]).manifest["trained_to"]["is_applied"]
        )
        for row in (first, challenger)
    }
    assert learned[challenger["model_version"]] == usable > learned[first["model_version"]]
    sooner = maturity_days - policies.label.click_window_days
    assert challenger["training_end_date"] == add_days(usable, sooner), "clicks are known sooner"
    assert facts.new_mature_positives == positives(add_days(learned[first["model_version"]], 1), usable) > 0
    assert facts.fit_dates == (first["as_of_date"],)
    after = champion_facts(home.platform.of_model(), add_days(day, 1), [], True)
    assert after.new_mature_positives == positives(add_days(usable, 1), add_days(usable, 1))
    assert after.is_retraining_in_flight


def test_a_lost_file_of_a_model_that_does_not_serve_stops_no_decision(lived, lived_world, tmp_path) -> None:
    home = lived.home.copy_to(tmp_path / "home")
    day = add_days(home.day(lived_world.RETRAIN_DAY), 3)
    now = run_time(add_days(day, -1))
    home.platform.of_model().registry.rollback(actor="somebody", reason="a test", now=now)
    whole = champion_facts(home.platform.of_model(), day, [], False)
    newest = home.platform.event_log.read("model_registered").to_pylist()[-1]["model_version"]
    assert newest != whole.model_version
    (home.settings.places.lake / "models" / newest / "manifest.json").unlink()
    facts = champion_facts(lived_world.open_home(home.folder).platform.of_model(), day, [], False)
    assert facts.model_version == whole.model_version
    assert 0 <= facts.new_mature_positives < whole.new_mature_positives


def test_before_the_first_promotion_there_are_no_facts(lived) -> None:
    facts = champion_facts(lived.home.platform.of_model(), lived.home.settings.days.start_date, [], False)
    assert (facts.model_version, facts.trained_as_of, facts.new_mature_positives) == (None, None, 0)


@pytest.mark.parametrize(
    ("job", "status", "expected"),
    [
        ("retraining_job", dg.DagsterRunStatus.STARTING, True),
        ("retraining_job", dg.DagsterRunStatus.STARTED, True),
        ("retraining_job", dg.DagsterRunStatus.SUCCESS, False),
        ("retraining_job", dg.DagsterRunStatus.FAILURE, False),
        ("daily_lifecycle_job", dg.DagsterRunStatus.STARTED, False),
    ],
)
def test_a_retraining_is_running_whoever_launched_it(instance, job, status, expected) -> None:
    instance.add_run(dg.DagsterRun(job_name=job, run_id="run", status=status))
    assert is_retraining(instance) is expected


def test_what_a_decision_launched_is_not_in_its_own_way(instance) -> None:
    """Decided again while its retraining runs, a day once said `wait`, and history forgot the retraining."""
    started = {"job_name": "retraining_job", "status": dg.DagsterRunStatus.STARTED}
    instance.add_run(dg.DagsterRun(run_id="own", tags={DECISION_TAG: "dec_today"}, **started))
    assert is_retraining(instance)
    assert not is_retraining(instance, but_for={"dec_today"})
    assert is_retraining(instance, but_for={"dec_tomorrow"})
    instance.add_run(dg.DagsterRun(run_id="manual", **started))
    assert is_retraining(instance, but_for={"dec_today"})


def test_the_last_of_several_decisions_of_a_day_counts(platform: BoardPorts) -> None:
    """Two that differ once stopped every later day: history must hold one a day, also where one came back."""
    first, second = date(2026, 6, 2), date(2026, 6, 3)
    recorded = []
    for day, name in ((first, "a"), (first, "b"), (first, "b"), (first, "a"), (second, "c")):
        now = _time_of_decision(platform.of_model(), day, name)
        recorded.append(now)
        decide(platform.of_model(), day, now, name, name)
    second_tick = timedelta(seconds=1)
    evening = run_time(first)
    assert recorded[:4] == [evening, evening + second_tick, evening + second_tick, evening + 2 * second_tick]
    assert [(row["as_of_date"], row["decision_id"]) for row in decision_rows(platform.of_model())] == [
        (first, "a"),
        (second, "c"),
    ]
    assert decisions_since(platform.of_model(), first) == {"a", "b", "c"}
    assert decisions_since(platform.of_model(), second) == {"c"}


def test_decisions_are_known_until_a_day_and_those_of_their_model_alone(platform: BoardPorts) -> None:
    first = date(2026, 6, 2)
    for number, codes in enumerate((["no_drift"], ["concept_drift_confirmed", "concept_alarm"], ["no_drift"])):
        day = add_days(first, number)
        decide(platform.of_model(), day, run_time(day), f"d{number}", *codes)
    assert [one.as_of_date for one in decisions_until(platform.of_model(), add_days(first, 1))] == [
        first,
        add_days(first, 1),
    ]
    assert decisions_until(platform.of_model("churn_risk"), add_days(first, 1)) == []


def learns_from(monkeypatch: pytest.MonkeyPatch, first: date, exposures: Callable[..., pa.Table]) -> None:
    """Let a training set be large enough from a day on, and exposures be these."""

    def learned(_: BoardPorts, known_on: date) -> None:
        if known_on < first:
            raise NotEnoughEvidenceError("40 mature examples, 2,000 needed")

    for name, does in {"training_set_of": learned, "day_training_set": learned, "mature_exposures": exposures}.items():
        monkeypatch.setattr(retrain_decision, name, does)
    monkeypatch.setattr(retrain_decision, "sound_samples", lambda *_: range(DAYS_MINIMUM))


@pytest.mark.parametrize(
    ("name", "known_from", "positive_days", "lacking"),
    [
        ("job_applications", date(2026, 6, 22), 0, None),
        ("job_applications", date(2026, 6, 23), 0, "40 mature examples, 2,000 needed"),
        ("churn_risk", date(2026, 6, 8), 14, None),
        (
            "churn_risk",
            date(2026, 6, 16),
            14,
            "the gate needs 14 days with positives; to judge those from 2026-06-08 on: "
            "40 mature examples, 2,000 needed",
        ),
        ("churn_risk", date(2026, 6, 8), 13, "the gate needs 14 days with positives; from 2026-06-08 on there are 13"),
    ],
)
def test_a_first_model_waits_for_what_its_gate_needs(
    tmp_path, monkeypatch, name: str, known_from: date, positive_days: int, lacking: str | None
) -> None:
    """A pool of rows is resampled by day: a model that can judge one week was fitted, and refused, each week."""
    day = date(2026, 6, 30)

    def exposures(platform: ModelPorts, first: date, last: date) -> pa.Table:
        days = [add_days(last, -back) for back in range((last - first).days + 1)]
        roles = platform.model.roles
        return pa.table({roles.time: days * 2, roles.label: [n < positive_days for n in range(len(days))] * 2})

    learns_from(monkeypatch, known_from, exposures)
    platform = board_ports(Settings(home=tmp_path), policies=Policies()).of_model(name)
    assert champion_facts(platform, day, [], False).lacking == lacking


@pytest.mark.parametrize(
    ("changed", "lacking"),
    [
        ({"gate_block_days": 3}, "the gate needs 42 days with positives and looks at 2 weeks; set gate_weeks to 6"),
        ({"gate_weeks": 4}, "the gate needs 14 days with positives; from 2026-06-08 on there are 11"),
    ],
)
def test_days_that_the_gate_cannot_judge_do_not_count(tmp_path, monkeypatch, changed, lacking: str) -> None:
    """Positives of weeks before anything could be learned once counted, and each week's fit was refused."""

    def declared(policies: Policies) -> Model:
        model = churn_risk(policies)
        return replace(model, promotion=replace(model.promotion, **{"gate_weeks": 2, **changed}))

    def exposures(platform: ModelPorts, first: date, last: date) -> pa.Table:
        days = [add_days(date(2026, 6, 1), after) for after in range(18)]
        roles = platform.model.roles
        inside = [day for day in days if first <= day <= last]
        return pa.table({roles.time: inside, roles.label: [True] * len(inside)})

    learns_from(monkeypatch, date(2026, 6, 8), exposures)
    models = (job_applications, declared)
    platform = board_ports(
        settings=Settings(home=tmp_path), policies=Policies(), declared=models, declared_applications=(job_of_the_day,)
    ).of_model("churn_risk")
    assert champion_facts(platform, date(2026, 6, 30), [], False).lacking == lacking


def test_fits_are_what_was_asked_for_and_what_was_registered(platform: BoardPorts) -> None:
    day = date(2026, 6, 20)
    for number, (made, known) in enumerate(((3, 3), (9, 9), (20, 21))):
        dates = dict.fromkeys(("as_of_date", "training_start_date", "training_end_date"), date(2026, 6, made))
        append(
            platform.of_model(), "model_registered", run_time(date(2026, 6, known)), model_version=f"mdl_{number}",
            training_data_hash="h", examples=1, positives=1, **dates,
        )  # fmt: skip
    history = [
        RetrainDecision(date(2026, 6, 9), "retrain", ("no_champion",), (), None),
        RetrainDecision(date(2026, 6, 12), "wait", ("no_champion",), (), None),
        RetrainDecision(date(2026, 6, 16), "retrain", ("no_champion",), (), None),
    ]
    facts = champion_facts(platform.of_model(), day, history, False)
    assert facts.fit_dates == tuple(date(2026, 6, number) for number in (3, 9, 16))


def test_decisions_of_models_are_apart(platform: BoardPorts) -> None:
    """Both wait for the same reason on the same day: two events, each seen by its own model."""
    day = date(2026, 6, 2)
    decision = RetrainDecision(day, "wait", ("quiet",), ("Nothing moved.",), None)
    views = [platform.of_model(), platform.of_model("churn_risk")]
    ids = [_decision_id(view, decision, "p") for view in views]
    assert ids[0] == "dec_" + digest(("decision", day, "wait", "quiet", None, "p")), "that of released decisions"
    assert ids[0] != ids[1]
    for view, decision_id in zip(views, ids, strict=True):
        decide(view, day, _time_of_decision(view, day, decision_id), decision_id, "quiet")
    assert [[row["decision_id"] for row in decision_rows(view)] for view in views] == [[one] for one in ids]
    assert [decisions_since(view, day) for view in views] == [{one} for one in ids]


@pytest.mark.parametrize(
    ("kind", "fields", "is_of_strangers"),
    [
        ("job_posted", ["title", "employer_name"], True), ("job_posted", ["title", "metro_code"], False),
        ("user_snapshot", ["title"], False), ("job_posted", [], False),
    ],
)  # fmt: skip
def test_words_are_of_strangers_where_every_example_is_in_a_column_that_they_write(kind, fields, is_of_strangers):
    examples = [{"reason": "too_long", "field": field, "row": 1, "detail": ""} for field in fields]
    types = [{"event_type": kind, "rejected": {"too_long": 3}, "examples": examples}]
    (refused,) = refused_rows(
        SimpleNamespace(days=SimpleNamespace(report=lambda day: {"types": types})), date(2026, 6, 1)
    )
    assert (refused.field, refused.is_of_strangers) == ([*fields, None][0], is_of_strangers)
