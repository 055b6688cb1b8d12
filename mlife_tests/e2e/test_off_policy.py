"""Policies estimated off the log, and a backtest, of the lived home.

The evidence: on three lived days many more people explore, in a copy. Their candidates are logged as the platform logs
them, their texts are drawn by the logged probabilities, and half of those to whom the best job was drawn apply. Rows of
the mart are written beside, as dbt would a week later.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import dagster as dg
import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.components.graph import keys
from mlife_assets.components.model import backtest
from mlife_assets.components.model.backtest import replayed_model, team_history
from mlife_assets.components.model.challengers import CHALLENGER_REPORT
from mlife_assets.components.model.off_policy import REPORT, off_policy_report
from mlife_assets.components.predictions.scores import SCORES_TABLE, log_predictions
from mlife_assets.components.running.driver import QUIET
from mlife_assets.core.ids import event_id
from mlife_assets.core.pages.document import BACKTEST
from mlife_assets.core.policies import BacktestPolicy
from mlife_assets.core.windows import add_days, run_time
from mlife_assets.deployments.landed_days import INGEST_REPORT
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.messaging.audience import application_candidates
from mlife_assets.recruiting.off_policy.estimates import greedy_probabilities
from mlife_tests.e2e.conftest import rows_of

EXPLORING, SUFFICIENT = 400, 30
SOUND_DAYS = (1, 2, 4)
MATURE_AFTER = 8
NODE = "model__lifecycle_backtest"
NAMES = ["governed", "frozen", "naive", "every_alarm", "constant"]


@dataclass(frozen=True)
class Explored:
    """A home with evidence, and the same home under a policy that asks for more."""

    home: Any
    demanding: Any
    judged: date
    challenger: str
    champion: str


@pytest.fixture(scope="module")
def explored(lived, lived_world, tmp_path_factory) -> Explored:
    folder = tmp_path_factory.mktemp("explored") / "home"
    promotion = replace(lived_world.POLICIES.promotion, off_policy_minimum_effective_sample=SUFFICIENT)
    home = lived.home.copy_to(folder, replace(lived_world.POLICIES, promotion=promotion))
    tables, registry = home.platform.tables, home.platform.of_model().registry
    days = [home.day(number) for number in SOUND_DAYS]
    rng = np.random.default_rng(5)
    write_mart(home, [row for day in days for row in explore(home, day, rng)])
    challenger = tables.read_report(CHALLENGER_REPORT, home.day(lived_world.RETRAIN_DAY))["model_version"]
    registry.rollback(actor="ann", reason="two models are compared", now=run_time(days[-1]))
    judged = add_days(days[-1], MATURE_AFTER)
    for day in (add_days(judged, -1), judged):
        tables.write_report(CHALLENGER_REPORT, day, {"model_version": challenger})
        tables.write_report(INGEST_REPORT, day, tables.read_report(INGEST_REPORT, days[-1]))  # it has landed
    return Explored(home, lived_world.open_home(folder), judged, challenger, registry.champion())


def explore(home: Any, day: date, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Let people explore who were not texted that day: log candidates, plan and deliver a drawn job, some apply."""
    platform, now = home.platform, home.platform.home.times.sending(day)
    tables = (platform.warehouse.read(name, as_of=day) for name in ("user_features", "job_features"))
    scores = platform.tables.read(SCORES_TABLE, day)
    scores = application_candidates(scores, *tables, policy=platform.policies.messaging, as_of=day)
    texted = set(platform.tables.read("message_plan", day)["user_id"].to_pylist())
    free = [user for user in sorted(set(scores["user_id"].to_pylist())) if user not in texted]
    users = pa.array(rng.choice(free, EXPLORING, replace=False).tolist(), pa.string())
    candidates = scores.filter(pc.is_in(scores["user_id"], value_set=users))
    sets = defaultdict(list)
    for row in candidates.select(["user_id", "job_id", "prediction_id", "rank", "exploration_propensity"]).to_pylist():
        sets[row["user_id"]].append(row)
    planned, delivered, applied, mart = [], [], [], []
    for user, rows in sorted(sets.items()):
        chances = np.array([row["exploration_propensity"] for row in rows])
        sent = rows[rng.choice(len(rows), p=chances / chances.sum())]
        key = message_id(user, "explored", day)
        is_applied = bool(rng.random() < (0.5 if sent["rank"] == 1 else 0.1))
        pair = {"user_id": user, "job_id": sent["job_id"]}
        planned.append(
            {
                "message_id": key, **pair, "campaign": "explored", "as_of_date": day,
                "prediction_id": sent["prediction_id"], "slice": "explore", "propensity": 0.1, "plan_id": "pln",
                "cohort": "active", "body": "hi", "segments": 1, "policy_version": "pol", "channel": "sms",
                "items": [{"position": 1, "job_id": sent["job_id"], "prediction_id": sent["prediction_id"]}],
            }
        )  # fmt: skip
        delivered.append(
            {"message_id": key, "user_id": user, "status": "delivered", "provider_message_id": None, "detail": None}
        )
        if is_applied:
            applied.append({**pair, "source": "message", "exposure_id": key})
        mart.append({"exposure_id": key, **pair, "exposure_date": day, "is_applied": is_applied})
    ids = pa.chunked_array([[row["prediction_id"] for row in planned]])
    log_predictions(platform, day, candidates, ids, now, application="explored", policy_version="pol")
    for event_type, rows, at in (
        ("message_planned", planned, now),
        ("message_status", delivered, now),
        ("apply", applied, now + timedelta(days=1)),
    ):
        full = [
            {"event_id": event_id(event_type, day, place), "occurred_at": at, "observed_at": at, **row}
            for place, row in enumerate(rows)
        ]
        table = pa.Table.from_pylist(full, schema=EVENT_TYPES[event_type].schema)
        platform.event_log.append(event_type, table, writer="test")
    return mart


def write_mart(home: Any, rows: list[dict[str, Any]]) -> None:
    """Add explored texts to `labelled_examples`; the columns that nobody here reads are those of any other row."""
    added = pa.Table.from_pylist(rows)
    with duckdb.connect(str(home.settings.places.warehouse)) as connection:
        connection.register("added", added)
        connection.execute(
            "insert into marts.labelled_examples select any_row.* replace (added.exposure_id as exposure_id, "
            "added.user_id as user_id, added.job_id as job_id, added.exposure_date as exposure_date, "
            f"added.exposure_date + {MATURE_AFTER} as label_mature_date, added.is_applied as is_applied, "
            "'explore' as slice, 'message' as exposure_kind) "
            "from added, (select * from marts.labelled_examples limit 1) as any_row"
        )


@dataclass(frozen=True)
class RawLog:
    """What the files of the log say: explored texts, who applied, candidates by (user, day)."""

    texts: list[dict[str, Any]]
    applies: set[str]
    sets: dict[tuple[str, date], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def raw_log(explored) -> RawLog:
    lake = explored.home.settings.places.lake
    texts = [row for row in rows_of(lake, "message_planned") if row["campaign"] == "explored"]
    users = {text["user_id"] for text in texts}
    sets = defaultdict(list)
    for row in rows_of(lake, "prediction"):
        if row["user_id"] in users and row["application"] == "explored":
            sets[row["user_id"], row["as_of_date"]].append(row)
    return RawLog(texts, {row["exposure_id"] for row in rows_of(lake, "apply")}, sets)


def best_of(rows: list[dict[str, Any]], chance: np.ndarray) -> int:
    """Return the place of the best candidate; of equals that of the rule for ties, which has tests of its own."""
    if (chance == chance.max()).sum() == 1:
        return int(chance.argmax())
    users, jobs = ([row[name] for row in rows] for name in ("user_id", "job_id"))
    days = np.array([row["as_of_date"] for row in rows], dtype="datetime64[D]")
    return int(greedy_probabilities(users, jobs, days, chance).argmax())


def asked(home: Any, version: str, day: date) -> str:
    """Return who speaks for a version on a day: itself since it was trained, before that its newest fold."""
    trained = next(
        row["as_of_date"] for row in home.platform.of_model().registry.versions() if row["model_version"] == version
    )
    if day >= trained or trained not in home.platform.tables.report_days("folds"):
        return version
    report = home.platform.tables.read_report("folds", trained)
    assert report["model_version"] == version
    assert report["folds"][-1]["first_day"] <= day.isoformat()
    return report["folds"][-1]["model_version"]


def by_hand(home: Any, log: RawLog, version: str, first: date, last: date) -> float:
    """Estimate by self-normalised weights, one decision at a time."""
    weighted, weights = 0.0, 0.0
    for text in (text for text in log.texts if first <= text["as_of_date"] <= last):
        rows = log.sets[text["user_id"], text["as_of_date"]]
        scorer = home.platform.of_model().scorers.of(asked(home, version, text["as_of_date"]))
        chance = scorer.score(np.array([row["features"] for row in rows], dtype=np.float64)).probability
        best = rows[best_of(rows, chance)]
        if best["exploration_propensity"] and best["prediction_id"] == text["prediction_id"]:
            weights += 1 / best["exploration_propensity"]
            weighted += (text["message_id"] in log.applies) / best["exploration_propensity"]
    return weighted / weights


@pytest.fixture(scope="module")
def report(explored) -> dict[str, Any]:
    """Return what the asset wrote for the day on which all three days are mature."""
    explored.home.platform.tables.write_report(INGEST_REPORT, explored.judged, {"types": []})
    result = explored.home.run_assets(explored.judged, keys.OFF_POLICY_ESTIMATE)
    (made,) = result.asset_materializations_for_node("model__off_policy_estimate")
    written = explored.home.platform.tables.read_report(REPORT, explored.judged)
    assert re.findall(r"^\| (\w+) \|", made.metadata["values"].value, re.MULTILINE) == [
        "policy",
        "champion",
        "challenger",
    ]
    for value in written["values"]:
        shown = made.metadata[f"applies_per_text_{value['policy']}"].value
        assert shown == pytest.approx(value["doubly_robust"]["estimate"], rel=1e-5)
    assert made.metadata["dagster/row_count"].value == written["decisions"]
    return written


def test_the_lived_days_have_no_evidence_and_no_number_is_invented(lived, lived_world) -> None:
    tables = lived.home.platform.tables
    first, retrained = tables.report_days(REPORT)
    told = [tables.read_report(REPORT, day) for day in (first, retrained)]
    assert [one["values"] for one in told] == [[], []]
    assert told[0]["sentences"] == ["No model serves yet, so no text was explored by one."]
    assert told[1]["sentences"] == [
        f"Nothing to estimate from yet: texts since {lived.home.day(1)} trained neither model, and labels are mature "
        f"until {add_days(lived.home.day(lived_world.RETRAIN_DAY), -MATURE_AFTER)}."
    ]


def test_too_few_decisions_are_reported_with_their_number_and_give_no_value(explored) -> None:
    """The same log under the policy's own minimum."""
    told = off_policy_report(explored.demanding.platform, explored.judged)
    assert told["decisions"] == len(SOUND_DAYS) * EXPLORING
    assert told["values"] == []
    assert len(told["sentences"]) == 3
    for sentence, name in zip(told["sentences"], ("champion", "challenger", "difference"), strict=True):
        assert sentence.startswith(f"The {name} cannot be estimated: ")
        assert "200 needed; wait for more mature explored texts." in sentence


def test_the_values_are_those_of_a_count_by_hand(explored, report, raw_log) -> None:
    first, last = explored.home.day(1), explored.home.day(SOUND_DAYS[-1])
    assert (report["first_day"], report["last_day"]) == (first.isoformat(), last.isoformat())
    assert explored.champion != explored.challenger
    assert report["decisions"] == len(SOUND_DAYS) * EXPLORING
    for value, version in zip(report["values"], (explored.champion, explored.challenger), strict=True):
        assert value["snips"]["estimate"] == pytest.approx(by_hand(explored.home, raw_log, version, first, last))
        assert value["effective_sample_size"] > SUFFICIENT
        assert value["mean_weight"]["lower"] <= 1 <= value["mean_weight"]["upper"], "the log is consistent"
    champion = report["values"][0]
    assert champion["snips"]["lower"] <= 0.5 <= champion["snips"]["upper"], "what its best jobs earn was set to a half"
    assert any(sentence.startswith("The first policy earns ") for sentence in report["sentences"])


def test_a_day_whose_labels_are_not_mature_is_left_out(explored) -> None:
    """The mart holds its rows already, the day before they count."""
    told = off_policy_report(explored.home.platform, add_days(explored.judged, -1))
    assert told["decisions"] == 2 * EXPLORING
    assert told["last_day"] == add_days(explored.home.day(SOUND_DAYS[-1]), -1).isoformat()


@pytest.mark.parametrize("role", ["challenger", "champion"])
def test_decisions_that_either_model_trained_on_are_left_out(explored, raw_log, role) -> None:
    """The same model again, registered as one that knew outcomes until the first explored day, and without folds."""
    platform, first = explored.home.platform, explored.home.day(1)
    known, last = platform.of_model().registry.load(explored.challenger), add_days(first, 1 - MATURE_AFTER)
    late = replace(
        known,
        training_data_hash=f"until the first day, {role}",
        manifest={**known.manifest, "training_end_date": last.isoformat(), "trained_to": {}},
    )
    day = add_days(explored.judged, 1 if role == "challenger" else 3)
    version = platform.of_model().registry.register(late, as_of=day, now=run_time(add_days(day, -1)))
    if role == "champion":
        platform.of_model().registry.promote(version, actor="test", reason="t", now=run_time(add_days(day, -1)))
    challenger, champion = (version, explored.champion) if role == "challenger" else (explored.challenger, version)
    platform.tables.write_report(CHALLENGER_REPORT, day, {"model_version": challenger})
    told = off_policy_report(platform, day)
    assert (told["model_version"], told["champion_version"]) == (challenger, champion)
    assert told["first_day"] == add_days(first, 1).isoformat()
    assert told["decisions"] == 2 * EXPLORING
    for value, one in zip(told["values"], (champion, challenger), strict=True):
        hand = by_hand(explored.home, raw_log, one, add_days(first, 1), explored.home.day(SOUND_DAYS[-1]))
        assert value["snips"]["estimate"] == pytest.approx(hand)


def run_backtest(home: Any, *, raise_on_error: bool = True) -> dg.ExecuteInProcessResult:
    """Run `lifecycle_backtest_job` as its schedule does: no partition."""
    with home.instance() as instance:
        job = home.definitions.resolve_job_def("lifecycle_backtest_job")
        return job.execute_in_process(instance=instance, run_config=QUIET, raise_on_error=raise_on_error)


def shown(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (made,) = result.asset_materializations_for_node(NODE)
    return dict(made.metadata)


@dataclass(frozen=True)
class Asked:
    """A copy of the lived home and what two runs showed."""

    home: Any
    first: dict[str, Any]
    again: dict[str, Any]


def seasons(rows: pa.Table, count: int) -> pa.Table:
    """Return `count` copies of a history one after the other, the last where it was: seven weeks hold no replay."""
    days = rows["exposure_date"].to_pylist()
    length = (max(days) - min(days)).days + 1
    parts = []
    for back in range(count - 1, -1, -1):
        part = rows
        for name in (field.name for field in rows.schema if pa.types.is_date32(field.type)):
            moved = [add_days(day, -back * length) for day in rows[name].to_pylist()]
            part = part.set_column(part.column_names.index(name), name, pa.array(moved, pa.date32()))
        parts.append(part)
    return pa.concat_tables(parts)


@pytest.fixture(scope="module")
def replay_asked(lived, lived_world, tmp_path_factory) -> Asked:
    policies = replace(
        lived_world.POLICIES,
        monitoring=replace(lived_world.POLICIES.monitoring, sample_rows_per_day=300),
        training=replace(lived_world.POLICIES.training, formulations=("binary",), trees_maximum=15),
        backtest=BacktestPolicy(warmup_days=40, bootstrap_resamples=200, naive_retrain_days=14),
    )
    home = lived.home.copy_to(tmp_path_factory.mktemp("backtest") / "home", policies)
    lived_history = backtest.team_history(home.platform, backtest.newest_day(home.platform))
    people = pa.array(sorted(pc.unique(lived_history["user_id"]).to_pylist())[::2])
    lived_history = lived_history.filter(pc.is_in(lived_history["user_id"], people))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backtest, "team_history", lambda *_: seasons(lived_history, 2))
        return Asked(home, shown(run_backtest(home)), shown(run_backtest(home)))


@pytest.mark.proof
def test_four_policies_are_shown_with_a_recommendation_and_a_page(replay_asked) -> None:
    rows = [row.data for row in replay_asked.first["policies"].records]
    assert [row["policy"] for row in rows] == NAMES
    for row in rows:
        assert row["lower"] <= row["average precision"] <= row["upper"]
        assert (row["trainings"] >= 1) == (row["fitting seconds"] > 0) == (row["policy"] != "constant")
    assert replay_asked.first["recommended"].value in NAMES
    assert "Recommended: " in replay_asked.first["why"].value
    versus = [(row.data["by"], row.data["than"]) for row in replay_asked.first["differences"].records]
    measures = list(dict.fromkeys(measure for measure, _ in versus))
    assert len(measures) == 3
    assert versus == [(measure, name) for measure in measures for name in NAMES[1:]]
    assert "data:image/png;base64,iVBOR" in replay_asked.first["over_time"].value
    decided = [row.data for row in replay_asked.first["governed_decided"].records]
    assert decided[0]["codes"] == "first_champion_ungated"
    page = (replay_asked.home.settings.places.lake / BACKTEST).read_text(encoding="utf-8")
    assert replay_asked.first["page"].value.endswith(BACKTEST)
    assert "Who applies to which job" in page


@pytest.mark.proof
def test_a_second_run_reads_what_the_first_has_kept(replay_asked) -> None:
    assert replay_asked.first["steps_of_an_earlier_run"].value == 0
    assert replay_asked.again["steps_of_an_earlier_run"].value > 10
    assert replay_asked.again["policies"] == replay_asked.first["policies"]


@pytest.mark.proof
def test_only_mature_unbiased_exposures_are_replayed_each_pair_once_a_day(replay_asked) -> None:
    platform = replay_asked.home.platform
    today = replay_asked.home.day(1)
    rows = team_history(platform, today)
    assert rows.num_rows > 1_000
    assert max(rows["label_mature_date"].to_pylist()) <= today
    assert set(rows["slice"].to_pylist()) <= {"organic", "explore"}
    keys = rows.group_by(["user_id", "job_id", "exposure_date"]).aggregate([([], "count_all")])
    assert keys.num_rows == rows.num_rows
    mart = platform.warehouse.read("labelled_examples", end=today).filter(pc.field("is_applied"))
    applied = set(zip(*(mart[name].to_pylist() for name in ("user_id", "job_id", "exposure_date")), strict=True))
    kept = rows.select(["user_id", "job_id", "exposure_date", "is_applied"]).to_pylist()
    for row in kept:
        assert row["is_applied"] <= ((row["user_id"], row["job_id"], row["exposure_date"]) in applied)


@pytest.mark.proof
def test_a_mart_of_a_release_without_early_labels_is_replayed_without_them(replay_asked, monkeypatch) -> None:
    platform = replay_asked.home.platform
    warehouse, read = type(platform.warehouse), type(platform.warehouse).read
    monkeypatch.setattr(warehouse, "read", lambda *a, **k: read(*a, **k).drop_columns(["is_applied_early"]))
    rows = team_history(platform, replay_asked.home.day(1))
    assert rows["is_applied_early"].null_count == rows.num_rows > 1_000


def test_the_replay_has_no_rule_to_hold_against_models(lived) -> None:
    model = replayed_model(lived.home.platform)
    assert model.baseline is None, "a rule ranks what could have been shown, which no history holds"


def test_a_young_deployment_sees_how_many_days_are_needed(lived) -> None:
    with pytest.raises(dg.Failure, match=r"at least 116 are needed: 60 before the first champion"):
        run_backtest(lived.home)


def test_it_is_no_part_of_a_day_or_of_a_retraining(lived) -> None:
    repository = lived.home.definitions.get_repository_def()
    for name in ("daily_lifecycle_job", "retraining_job"):
        assert NODE not in {node.name for node in repository.get_job(name).nodes}
    schedule = repository.get_schedule_def("weekly_backtest_schedule")
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    assert schedule.job_name == "lifecycle_backtest_job"
