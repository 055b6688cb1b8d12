"""Days of the lived home: every KPI recomputed from its log, no secret anywhere, each step as it should be."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from mlife_assets.adapters.event_log import verify
from mlife_assets.adapters.message_trace import trace_message
from mlife_assets.components.graph import keys
from mlife_assets.components.model.fitting import fit_policy
from mlife_assets.components.model.out_of_sample import fit_days_of_served
from mlife_assets.components.predictions.scores import SCORES_TABLE, log_predictions
from mlife_assets.components.running.demo_summary import true_map_comparison
from mlife_assets.components.shown.present import sample_message
from mlife_assets.core.errors import IntegrityError
from mlife_assets.core.policies import policy_version
from mlife_assets.core.training.folds import fold_starts
from mlife_assets.core.training.manifest_facts import last_trained_day, trained_to
from mlife_assets.core.windows import add_days, last_mature_exposure_day, run_time
from mlife_assets.recruiting.messaging.eligibility import is_holdout

STRENGTH = ("throttled", "ambiguous", "accepted", "unknown", "rejected", "undelivered", "delivered")
FICTIONAL = re.compile(rb"(?<![0-9a-fA-F])\+?1?[-. ]?\(?([2-9]\d\d)\)?[-. ]?555[-. ]?(01\d\d)(?![0-9a-fA-F])")


@pytest.fixture
def home(lived):
    return lived.home


def daily_run(instance: dg.DagsterInstance, day, job: str = "daily_lifecycle_job") -> dg.DagsterRun:
    tags = {"dagster/partition": day.isoformat()}
    (run,) = instance.get_runs(filters=dg.RunsFilter(job_name=job, tags=tags))
    return run


def checks_of(instance: dg.DagsterInstance, run: dg.DagsterRun) -> dict[str, dg.AssetCheckEvaluation]:
    records = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    found = [record.event_log_entry.dagster_event.asset_check_evaluation_data for record in records]
    return {evaluation.check_name: evaluation for evaluation in found}


def requests(home) -> list[tuple[str, str, int, int]]:
    """Return message, user, acceptance and time in microseconds of every request in the provider's own log."""
    with sqlite3.connect(f"file:{home.settings.private_folder}/gateway.sqlite?mode=ro", uri=True) as connection:
        return connection.execute("SELECT message_id, user_id, is_accepted, sent_at FROM requests").fetchall()


def sent_on(micros: int) -> date:
    return datetime.fromtimestamp(micros / 1e6, UTC).date()


def test_one_decision_a_day_with_readable_reasons(lived, lived_world, events) -> None:
    decisions = events("retrain_decided")
    assert [row["as_of_date"] for row in decisions] == [lived.home.day(n) for n in range(1, lived_world.DAYS + 1)]
    assert tuple(row["verdict"] for row in decisions) == lived_world.VERDICTS
    assert [(day.verdict, list(day.reasons)) for day in lived.days] == [
        (row["verdict"], row["sentences"]) for row in decisions
    ]
    for row in decisions:
        assert row["codes"]
        assert row["observed_at"] == run_time(row["as_of_date"])
        for sentence in row["sentences"]:
            assert re.fullmatch(r"[A-Z\d].{15,}\.", sentence), sentence
            assert not re.search(r"\bnan\b|\bNone\b|[{}\n]", sentence), sentence


def test_the_first_champion_had_to_beat_the_human(lived) -> None:
    verdict = lived.first_verdict
    assert verdict["outcome"] == "promoted"
    assert verdict["champion_version"] is None
    assert verdict["delta_map_lower"] > 0
    assert any("beats the human" in sentence for sentence in verdict["sentences"])


def test_the_truth_is_the_ceiling_and_its_rungs_stand_in_order(lived, lived_world) -> None:
    found = true_map_comparison(lived.home.platform, lived.home.day(lived_world.DAYS))
    assert found is not None
    assert found["random"] < found["human"] < found["oracle"]
    assert found["random"] < found["simple"] < found["oracle"]
    assert found["random"] < found["champion"] < found["oracle"], "tastes have turned, so people may rank better"
    way = (found["champion"] - found["human"]) / (found["oracle"] - found["human"])
    assert found["share"] == pytest.approx(way)
    assert found["days"] == [lived.home.day(1).isoformat()], "once a week"
    assert 500 < found["users"] <= 1_000
    assert true_map_comparison(lived.home.platform, lived.home.day(1)) is None, "it comes a day later"


def test_the_fault_blocks_its_day_and_nothing_else_is_stopped(lived, lived_world, home, events) -> None:
    """The verdict is written on the faulty day too; what would act on it is stopped by the blocking check."""
    fault = home.day(lived_world.FAULT_DAY)
    with home.instance() as instance:
        for number in range(1, lived_world.DAYS + 1):
            run = daily_run(instance, home.day(number))
            checks = checks_of(instance, run)
            guard = checks["candidate_pairs_come_from_a_sound_day"]
            is_fault = number == lived_world.FAULT_DAY
            assert guard.passed is not is_fault
            assert guard.severity == dg.AssetCheckSeverity.ERROR
            assert checks["no_quality_fault"].passed is not is_fault
            assert checks["no_quality_fault"].severity == dg.AssetCheckSeverity.WARN
            assert run.status == (dg.DagsterRunStatus.FAILURE if is_fault else dg.DagsterRunStatus.SUCCESS)
            stats = {step.step_key: step.status.value for step in instance.get_run_step_stats(run.run_id)}
            assert ("messages__message_deliveries" in stats) is not is_fault
            assert stats["monitoring__retrain_decision"] == "SUCCESS"
        faulty = checks_of(instance, daily_run(instance, fault))["candidate_pairs_come_from_a_sound_day"]
    assert "reservation_pay_usd_per_hour" in faulty.metadata["faults"].value
    assert [row for row in events("message_planned") if row["as_of_date"] == fault] == []
    days = {home.day(number) for number in range(1, lived_world.DAYS + 1)}
    assert {sent_on(sent_at) for *_, sent_at in requests(home)} == days - {fault}


def test_a_block_never_retrains_and_a_retrain_runs_once(lived, lived_world, home, events) -> None:
    """Invariant 6, through the real sensor and the real instance."""
    with home.instance() as instance:
        runs = instance.get_runs(filters=dg.RunsFilter(job_name="retraining_job"))
    assert all(run.is_success for run in runs)
    days = sorted(run.tags["dagster/partition"] for run in runs)
    first = add_days(home.settings.first_lived_date, -1)
    assert days == [first.isoformat(), home.day(lived_world.RETRAIN_DAY).isoformat()]
    (by_sensor,) = (run for run in runs if "dagster/run_key" in run.tags)
    (decision,) = (row for row in events("retrain_decided") if row["verdict"] == "retrain")
    assert by_sensor.tags["mlife/decision_id"] == decision["decision_id"]
    assert by_sensor.tags["dagster/run_key"] == f"retrain-{decision['as_of_date']}-attempt-1"
    assert lived.days[lived_world.RETRAIN_DAY - 1].retrained_by == "retrain_on_drift_sensor"
    verdicts = events("promotion_decided")
    assert [row["as_of_date"].isoformat() for row in verdicts] == days
    assert all(row["model_version"] != row["champion_version"] for row in verdicts)


def test_ticking_the_sensors_again_asks_for_nothing(copied) -> None:
    with copied.driver() as driver:
        assert driver.tick_sensors(["inbound_texts_sensor", "retrain_on_drift_sensor", "landed_files_sensor"]) == []


def test_the_provider_saw_no_text_twice_and_none_to_the_holdout(lived_world, home, events) -> None:
    """Invariants 7 and 9, by the provider's own log."""
    policy = lived_world.POLICIES.contact
    log = requests(home)
    accepted = Counter(message for message, _, is_accepted, _ in log if is_accepted)
    assert len(accepted) > 400
    assert set(accepted.values()) == {1}
    per_day = Counter((user, sent_on(sent_at)) for _, user, is_accepted, sent_at in log if is_accepted)
    assert set(per_day.values()) == {1}
    assert not [
        user for _, user, *_ in log if is_holdout(user, salt=policy.assignment_salt, share=policy.holdout_share)
    ]
    arms = {(row["user_id"], row["arm"]) for row in events("experiment_exposed")}
    held = {user for user, arm in arms if arm == "holdout"}
    assert held
    assert len({user for user, _ in arms}) == len(arms), "a user changed arms"
    lived = {row["message_id"] for row in events("message_planned") if row["prediction_id"] is not None}
    planned = {row["user_id"] for row in events("message_planned") if row["message_id"] in lived}
    assert not held & planned
    assert set(accepted) <= lived, "a text that no plan knows of"


def test_a_sample_message_is_followed_hop_by_hop(home, events) -> None:
    """`mlife trace`: raw events, model, prediction, plan, send, outcome; the score is computed again to the bit."""
    platform = home.platform
    key = sample_message(platform, home.settings.first_lived_date)
    trace = trace_message(platform.event_log, key, platform.of_model().scorers.of)
    hops = {hop.event_type: hop for hop in trace.hops}
    assert [hop.event_type for hop in trace.hops][:8] == [
        "job_posted", "user_snapshot", "consent", "model_registered", "promotion_decided", "model_promoted",
        "prediction", "plan_approved",
    ]  # fmt: skip
    assert {"message_planned", "message_submitted", "message_status", "click", "apply"} <= set(hops)
    (planned,) = (row for row in events("message_planned") if row["message_id"] == key)
    prediction = next(row for row in events("prediction") if row["prediction_id"] == planned["prediction_id"])
    assert hops["prediction"].event_id == prediction["event_id"]
    assert (prediction["user_id"], prediction["job_id"]) == (planned["user_id"], planned["job_id"])
    assert hops["plan_approved"].details["plan_id"] == planned["plan_id"]
    assert hops["apply"].details["exposure_id"] == hops["click"].details["exposure_id"] == key
    features_known = min(hops["prediction"].observed_at, run_time(planned["as_of_date"]) - timedelta(hours=18))
    assert all(hops[name].observed_at < features_known for name in ("job_posted", "user_snapshot", "consent"))
    order = ("model_promoted", "prediction", "message_submitted", "message_status", "click", "apply")
    times = [hops[name].occurred_at for name in order]
    assert times == sorted(times)
    assert list(trace.reasons) == prediction["reasons"]
    assert len(trace.reasons) == 3
    assert all("the score by" in reason for reason in trace.reasons)
    assert [row["rank"] for row in trace.alternatives] == list(range(1, len(trace.alternatives) + 1))

    import lightgbm

    folder = home.settings.lake_place / "models" / prediction["model_version"]
    row = np.array([[np.nan if value is None else value for value in prediction["features"]]])
    scorer = platform.of_model().scorers.of(prediction["model_version"])
    seen = scorer.feature_spec.expanded(row)
    values = dict(zip(scorer.model_names, seen[0], strict=True))

    def base(model: Path) -> float:
        """Return what a linear base below the trees says, curve by curve."""
        file = model.with_name(model.name.replace(".model.txt", ".base.json"))
        if not file.exists():
            return 0.0
        said = json.loads(file.read_text())
        known = [curve for curve in said["curves"] if not np.isnan(values[curve["name"]])]
        curves = (np.interp(values[curve["name"]], curve["knots"], curve["log_odds"]) for curve in known)
        return said["intercept"] + sum(curves)

    log_odds = [
        lightgbm.Booster(model_file=file).predict(seen, raw_score=True)[0] + base(file)
        for file in sorted(folder.glob("stage_*.model.txt"))
    ]
    if len(log_odds) == 1:
        assert prediction["raw_score"] == pytest.approx(log_odds[0], abs=1e-12)
    else:
        assert prediction["raw_score"] == pytest.approx(-sum(np.log1p(np.exp(-one)) for one in log_odds), abs=1e-12)


def test_every_logged_score_tells_how_likely_a_click_is_and_what_was_planned_says_why(home, events) -> None:
    planned = {row["prediction_id"] for row in events("message_planned")} - {None}
    scored = {}
    for day in home.platform.tables.days(SCORES_TABLE):
        table = home.platform.tables.read(SCORES_TABLE, day)
        scored |= zip(table["prediction_id"].to_pylist(), table["click_probability"].to_pylist(), strict=True)
    rows = events("prediction")
    assert {row["prediction_id"] for row in rows if row["reasons"]} == planned
    assert max(len(row["reasons"]) for row in rows) == 3
    for row in rows:
        assert row["click_probability"] == scored[row["prediction_id"]]
        assert 0 < row["probability"] <= row["click_probability"] < 1, "a person who applies has clicked"


def test_candidates_that_changed_after_they_were_scored_are_not_logged(home) -> None:
    """What is logged must be the row that gave the score."""
    platform, day = home.platform, home.day(1)
    scores = platform.tables.read(SCORES_TABLE, day)
    hashes = scores["feature_hash"].to_pylist()
    other = scores.set_column(scores.schema.get_field_index("feature_hash"), "feature_hash", [hashes[1:] + hashes[:1]])
    with pytest.raises(IntegrityError, match="changed after they were scored; materialize user_job_scores"):
        log_predictions(
            platform, day, other, pa.chunked_array([scores["prediction_id"][:1].to_pylist()]), run_time(day),
            application="test", policy_version="pol",
        )  # fmt: skip


def test_the_log_is_intact(home) -> None:
    found = verify(home.platform.lake)
    assert found.findings == ()
    assert found.rows > 10_000


def test_only_mature_labels_train_and_are_judged(home, lived_world, events) -> None:
    """Invariant 4: labels computed again from the log, with what was known when they became mature."""
    policies, window = lived_world.POLICIES, lived_world.POLICIES.label.apply_window_days
    last_day = home.day(lived_world.DAYS)
    mart = home.platform.warehouse.read("labelled_examples")
    gaps = pc.days_between(mart["exposure_date"], mart["label_mature_date"])
    assert pc.unique(gaps).to_pylist() == [window + 1]
    assert pc.max(mart["label_mature_date"]).as_py() == last_day
    applies: dict[str, list[tuple]] = {}
    for row in events("apply"):
        applies.setdefault(row["exposure_id"], []).append((row["occurred_at"], row["observed_at"]))
    positives = 0
    for row in mart.select(["exposure_id", "exposure_date", "label_mature_date", "is_applied"]).to_pylist():
        known = run_time(row["label_mature_date"]) - timedelta(hours=18)
        until = run_time(add_days(row["exposure_date"], window + 1)) - timedelta(hours=18)
        expected = any(at < until and seen < known for at, seen in applies.get(row["exposure_id"], ()))
        assert row["is_applied"] == expected, row
        positives += expected
    assert positives > 100
    assert policies.promotion.judged_by == "folds"
    taught_early = set()
    for row in events("model_registered"):
        folds = home.platform.tables.read_report("folds", row["as_of_date"])["folds"]
        fitted = fit_days_of_served(home.platform.of_model(), row["as_of_date"])
        assert len(folds) == len(fold_starts(row["as_of_date"], window, policies.promotion.gate_weeks, fitted))
        asked = fit_policy(home.platform.of_model(), row["as_of_date"], row["as_of_date"])
        assert home.platform.of_model().registry.load(row["model_version"]).manifest[
            "policy_version"
        ] == policy_version(asked)
        learned = {fold["model_version"]: date.fromisoformat(fold["first_day"]) for fold in folds}
        learned[row["model_version"]] = row["as_of_date"]
        for version, known_on in learned.items():
            manifest = home.platform.of_model().registry.load(version).manifest
            for step, days in (("is_clicked", policies.label.click_window_days), ("is_applied", window)):
                assert trained_to(manifest, step) == last_mature_exposure_day(known_on, days)
            assert last_trained_day(manifest) < known_on
            if "refused" not in (early := manifest["early_label"]):
                to_clicks = last_mature_exposure_day(known_on, policies.label.click_window_days)
                assert early["last_day"] == to_clicks.isoformat()
                taught_early.add(version)
        assert row["training_end_date"] == last_trained_day(manifest)
    assert taught_early
    for number in range(1, lived_world.DAYS + 1):
        day = home.day(number)
        report = home.platform.tables.read_report("realised_performance", day)
        mature = mart.filter(
            pc.and_(
                pc.less_equal(mart["exposure_date"], last_mature_exposure_day(day, window)),
                pc.is_in(mart["slice"], value_set=pa.array(["organic", "explore"])),
            )
        )
        assert report["exposures"] <= mature.num_rows


def test_what_people_look_at_is_there(home, lived_world) -> None:
    """Row counts on tables, plots inline, the dashboard linked."""
    plotted = {
        keys.CANDIDATE_MODEL: {"importance"}, keys.EXPLANATION: {"importance", "beeswarm"},
        keys.DATA_QUALITY_REPORT: {"findings"}, keys.DATA_DRIFT_REPORT: {"findings"},
        keys.LATENT_DRIFT_REPORT: {"findings"}, keys.CONCEPT_DRIFT_REPORT: {"findings", "performance"},
        keys.RETRAIN_DECISION: {"history"},
    }  # fmt: skip
    with home.instance() as instance:
        for key, names in plotted.items():
            metadata = instance.get_latest_materialization_event(key).asset_materialization.metadata
            for name in names:
                assert "data:image/png;base64,iVBOR" in metadata[name].value, (key, name)
                assert len(metadata[name].value) < 100_000, f"{key.to_user_string()}: {name} is too heavy for the UI"
        for key in (
            keys.MARKET_EVENTS,
            keys.TRAINING_SET,
            keys.CANDIDATE_PAIRS,
            keys.USER_JOB_SCORES,
            keys.MESSAGE_PLAN,
        ):
            metadata = instance.get_latest_materialization_event(key).asset_materialization.metadata
            assert metadata["dagster/row_count"].value > 100, key
        page = instance.get_latest_materialization_event(keys.DASHBOARD).asset_materialization.metadata["page"].value
    assert page == f"{home.settings.pages_address}/dashboard/index.html"
    text = (home.settings.lake_place / "dashboard" / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=[\"']?https?:", text), "the page must not ask a network"


@pytest.fixture(scope="module")
def recomputed(events) -> dict:
    """Return one record per day in the columns of `kpi_daily`."""
    days: dict = defaultdict(Counter)
    revenue: dict = defaultdict(float)
    bids = {row["job_id"]: row["bid_usd_per_apply"] for row in events("job_posted")}
    submitted = {row["message_id"] for row in events("message_submitted")}
    best: dict[str, str] = {}
    for row in events("message_status"):
        key, status = row["message_id"], row["status"]
        best[key] = max(best.get(key, status), status, key=STRENGTH.index)
    caused: dict[str, dict[str, list]] = defaultdict(lambda: defaultdict(list))
    for kind in ("click", "apply", "hire"):
        for row in events(kind):
            if row["source"] == "message":
                caused[row["exposure_id"]][kind].append(row)
            if kind in ("apply", "hire"):
                name = "applies_any_cause" if kind == "apply" else "openings_filled"
                days[row["occurred_at"].date()][name] += 1
    planned: dict[str, dict] = {}
    for row in events("message_planned"):
        planned.setdefault(row["message_id"], row)
    for key, row in planned.items():
        day = days[row["as_of_date"]]
        day["messages_planned"] += 1
        day["messages_submitted"] += key in submitted
        day["messages_delivered"] += best.get(key) == "delivered"
        day["messages_undelivered"] += best.get(key) == "undelivered"
        day["messages_ambiguous"] += best.get(key) in ("ambiguous", "unknown")
        day["clicks"] += bool(caused[key]["click"])
        day["applies"] += bool(caused[key]["apply"])
        hired = min((hire["occurred_at"] for hire in caused[key]["hire"]), default=None)
        day["hires"] += hired is not None and hired <= row["occurred_at"] + timedelta(days=30)
        revenue[row["as_of_date"]] += sum(bids[apply["job_id"]] for apply in caused[key]["apply"])
    for day, message in {(row["as_of_date"], row["message_id"]) for row in events("message_suppressed")}:
        days[day]["messages_suppressed"] += message is not None
    opted_out = {
        (row["occurred_at"].date(), row["user_id"])
        for row in events("consent")
        if row["source"] == "inbound_stop" and not row["is_granted"]
    }
    for day, _ in opted_out:
        days[day]["opt_outs"] += 1
    for row in events("job_posted"):
        days[row["occurred_at"].date()]["openings_posted"] += row["openings"]
    return {"counts": days, "revenue": revenue}


def test_daily_kpis_follow_from_the_log(lived, recomputed) -> None:
    mart = lived.home.platform.warehouse.read("kpi_daily").to_pylist()
    counted = recomputed["counts"]
    assert {row["kpi_date"] for row in mart} >= set(counted)
    posted = filled = 0
    for row in sorted(mart, key=lambda row: row["kpi_date"]):
        own = counted[row["kpi_date"]]
        names = [name for name, value in row.items() if isinstance(value, int)]
        assert len(names) == 13, names
        assert {name: row[name] for name in names} == {name: own[name] for name in names}, row["kpi_date"]
        assert row["revenue_usd"] == pytest.approx(recomputed["revenue"][row["kpi_date"]], abs=1e-9)
        posted, filled = posted + own["openings_posted"], filled + own["openings_filled"]
        assert row["fill_rate"] == pytest.approx(filled / posted)
        delivered, submitted = own["messages_delivered"], own["messages_submitted"]
        assert row["ctr"] == (pytest.approx(own["clicks"] / delivered) if delivered else None)
        assert row["apply_rate"] == (pytest.approx(own["applies"] / delivered) if delivered else None)
        assert row["delivered_share"] == (pytest.approx(delivered / submitted) if submitted else None)
    assert sum(own["clicks"] for own in counted.values()) > 100
    assert sum(recomputed["revenue"].values()) > 50


def test_the_experiment_reads_out_by_intention_to_treat(lived, events) -> None:
    """Both arms count from the first exposure of a period, whatever caused the apply and whether a text came."""
    exposures: dict[tuple, tuple] = {}
    days = [row["as_of_date"] for row in events("experiment_exposed")]
    for row in events("experiment_exposed"):
        monday = row["as_of_date"] - timedelta(days=row["as_of_date"].weekday())
        for period in (("week", monday, monday + timedelta(days=6)), ("total", min(days), max(days))):
            key = (*period, row["user_id"])
            exposures[key] = min(exposures.get(key, (row["occurred_at"], row["arm"])), (row["occurred_at"], row["arm"]))
    bids = {row["job_id"]: row["bid_usd_per_apply"] for row in events("job_posted")}
    applies = defaultdict(list)
    for row in events("apply"):
        applies[row["user_id"]].append((row["occurred_at"], bids[row["job_id"]]))
    eligible, converted, earned = Counter(), Counter(), defaultdict(list)
    for (kind, start, end, user), (since, arm) in exposures.items():
        counted = [bid for at, bid in applies[user] if since <= at and at.date() <= end]
        eligible[kind, start, arm] += 1
        converted[kind, start, arm] += bool(counted)
        earned[kind, start, arm].append(sum(counted))
    mart = lived.home.platform.warehouse.read("experiment_readout").to_pylist()
    found = {(row["period_kind"], row["period_start_date"], row["arm"]): row for row in mart}
    assert set(found) == set(eligible)
    for key, row in found.items():
        assert (row["eligible_users"], row["users_with_apply"]) == (eligible[key], converted[key]), key
        assert row["apply_rate"] == pytest.approx(converted[key] / eligible[key])
        assert row["bids_usd"] == pytest.approx(sum(earned[key]), abs=1e-4)
        assert row["bids_usd_squared"] == pytest.approx(sum(bid * bid for bid in earned[key]), abs=1e-3)
    assert {arm for *_, arm in found} == {"treated", "holdout"}


def numbers_in(text: bytes) -> list[bytes]:
    """Return what tells each number from others; only what lies around a 555 is looked at closely."""
    places = (found.span() for found in re.finditer(rb"555[-. ]?01\d\d", text))
    return [b"".join(hit) for start, end in places for hit in FICTIONAL.findall(text[max(0, start - 10) : end + 1])]


def texts(path: Path) -> Iterator[bytes]:
    """Yield the text that a file holds, unpacked where its format compresses."""
    with path.open("rb") as file:
        head = file.read(16)
    if path.suffix == ".parquet":
        table = pq.read_table(path, partitioning=None)
        for name in table.column_names:
            if "string" in str(table[name].type):
                yield "\n".join(map(str, table[name].to_pylist())).encode()
    elif head.startswith(b"SQLite format 3"):
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                for row in connection.execute(f'SELECT * FROM "{table}"'):
                    yield "\n".join(map(str, row)).encode()
    elif path.suffix == ".duckdb":
        with duckdb.connect(str(path), read_only=True) as connection:
            columns = connection.execute(
                "select table_schema, table_name, column_name from information_schema.columns join "
                "information_schema.tables using (table_schema, table_name) "
                "where data_type = 'VARCHAR' and table_type = 'BASE TABLE'"
            ).fetchall()
            for schema, table, column in columns:
                rows = connection.execute(f'select distinct "{column}" from "{schema}"."{table}"').fetchall()
                yield "\n".join(str(value) for (value,) in rows).encode()
    else:
        yield path.read_bytes()


@pytest.fixture(scope="module")
def numbers(lived) -> set[bytes]:
    """Return area code and last four digits of every number that the world knows."""
    book = pq.read_table(lived.home.settings.private_folder / "contacts.parquet")
    known = [number.encode() for number in book["phone_number"].to_pylist() if number]
    assert len(known) > 1_000
    assert all(FICTIONAL.fullmatch(number) for number in known)
    return {number[2:5] + number[8:] for number in known}


@pytest.mark.parametrize(
    "text", ["+12125550142", "(212) 555-0142", "212-555-0142", "12125550142", "tel:2125550142.", "212.555.0142"]
)
def test_the_scan_finds_numbers_however_they_are_written(text) -> None:
    assert numbers_in(f"call {text} now".encode()) == [b"2120142"]


def test_the_scan_looks_into_files_that_compress(tmp_path) -> None:
    text = ["call +12125550142 now"] * 50
    table = pa.table({"text": text, "texts": [text] * 50})
    for name in ("text", "texts"):
        pq.write_table(table.select([name]), tmp_path / f"{name}.parquet", compression="zstd")
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        connection.execute("create schema s; create table s.t as select 'call 212-555-0142' as x from range(5000)")
    with sqlite3.connect(tmp_path / "l.sqlite") as connection:
        connection.execute("create table t (x text)")
        connection.execute("insert into t values ('(212) 555-0142')")
    (tmp_path / "log.txt").write_text("+12125550142")
    paths = sorted(tmp_path.iterdir())
    assert len(paths) == 5
    for path in paths:
        assert any(numbers_in(text) for text in texts(path)), path


def test_no_file_holds_a_number_or_the_key(lived, numbers) -> None:
    settings = lived.home.settings
    key = settings.hash_key.get_secret_value().encode()
    scanned, found = 0, []
    for path in sorted(settings.home.rglob("*")):
        if not path.is_file() or path.name == "contacts.parquet":
            continue
        for text in texts(path):
            scanned += len(text)
            hits = numbers.intersection(numbers_in(text))
            if hits or key in text:
                found.append(f"{path.relative_to(settings.home)}: {sorted(hits)[:3] or 'the key'}")
    assert found == []
    assert scanned > 50_000_000


def test_the_contact_book_is_private(lived) -> None:
    book = lived.home.settings.private_folder / "contacts.parquet"
    assert book.stat().st_mode & 0o077 == 0
    assert lived.home.settings.hash_key.get_secret_value() not in repr(lived.home.platform)
