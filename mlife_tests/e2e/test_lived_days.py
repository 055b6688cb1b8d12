"""Days of the lived home: each step as it should be, its labels from its log, no secret anywhere."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
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
    (bound,) = re.findall(r"beats the human: .*the bound of a win is (\S+) and must", "\n".join(verdict["sentences"]))
    assert float(bound) > 0


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
    first = add_days(home.settings.days.first_lived_date, -1)
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
    key = sample_message(platform, home.settings.days.first_lived_date)
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
    """Invariant 4; that labels are what was known when they became mature is a test of the marts."""
    policies, window = lived_world.POLICIES, lived_world.POLICIES.label.apply_window_days
    last_day = home.day(lived_world.DAYS)
    mart = home.platform.warehouse.read("labelled_examples")
    gaps = pc.days_between(mart["exposure_date"], mart["label_mature_date"])
    assert pc.unique(gaps).to_pylist() == [window + 1]
    assert pc.max(mart["label_mature_date"]).as_py() == last_day
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


def test_plots_that_people_look_at_are_inline_and_light(home) -> None:
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


def test_the_scan_finds_numbers_however_they_are_written_and_looks_into_files_that_compress(tmp_path) -> None:
    spellings = ["+12125550142", "(212) 555-0142", "212-555-0142", "12125550142", "tel:2125550142.", "212.555.0142"]
    assert [numbers_in(f"call {text} now".encode()) for text in spellings] == [[b"2120142"]] * len(spellings)
    text = ["call +12125550142 now"] * 50
    for name, column in (("text", text), ("texts", [text] * 50)):
        pq.write_table(pa.table({name: column}), tmp_path / f"{name}.parquet", compression="zstd")
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        connection.execute("create schema s; create table s.t as select 'call 212-555-0142' as x from range(5000)")
    with sqlite3.connect(tmp_path / "l.sqlite") as connection:
        connection.execute("create table t (x text)")
        connection.execute("insert into t values ('(212) 555-0142')")
    paths = sorted(tmp_path.iterdir())
    assert len(paths) == 4
    for path in paths:
        assert any(numbers_in(text) for text in texts(path)), path


def test_no_file_holds_a_number_or_the_key(lived, numbers) -> None:
    settings = lived.home.settings
    key = settings.owner.hash_key.get_secret_value().encode()
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
    assert (settings.private_folder / "contacts.parquet").stat().st_mode & 0o077 == 0
    assert settings.owner.hash_key.get_secret_value() not in repr(lived.home.platform)
