"""Bundles and events of models, the champion watched, and our own calculators beside NannyML's."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Barrier, BrokenBarrierError
from types import ModuleType
from typing import Any

import numpy as np
import obstore
import orjson
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlife_assets.adapters import nannyml_calculators
from mlife_assets.adapters.backtest_detectors import ReplayDetectors
from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.log_heads.head import Ed25519Signer
from mlife_assets.adapters.model_bundles import BUNDLE_FILE, Bundle, _message, find_bundle, read_bundle, write_bundle
from mlife_assets.adapters.model_registry import ChampionWatch, ModelRegistry, events_of, model_names
from mlife_assets.adapters.nannyml_calculators.engine import NannyMLEngine, quiet_nannyml
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.own_calculators import KOLMOGOROV_EXACT_BELOW, KOLMOGOROV_STEPS_UP_TO, OwnEngine
from mlife_assets.core import errors
from mlife_assets.core.errors import GateClosedError, IntegrityError, InvalidInputError, NotFoundError
from mlife_assets.core.monitoring.columns import MonitoringColumns
from mlife_assets.core.monitoring.reference import MonitoringReference, build_reference
from mlife_assets.core.policies import MonitoringPolicy
from mlife_tests.rows import events
from mlife_tests.stores import Counting

STAGING, STRANGER = Ed25519Signer(b"s" * 32), Ed25519Signer(b"x" * 32)
NOW = datetime(2026, 6, 2, 19, tzinfo=UTC)
FILES = {"artifact/manifest.json": b"{}", "card.html": b"<p>card</p>", "verdicts.json": b'[{"outcome":"refused"}]'}
AT = datetime(2026, 6, 2, 18, tzinfo=UTC)
NAME = "job_applications"
OWN = OwnEngine()
SETTINGS = {"n_estimators": 20, "min_child_samples": 20, "deterministic": True, "n_jobs": 1, "verbose": -1}
POLICY = MonitoringPolicy(sample_rows_per_day=200, domain_classifier_sample_rows=200, minimum_mature_positives=50)
COLUMNS = MonitoringColumns(
    numeric=("strength",), categorical=("kind",), embedding=(), unalarmed=(), closed={}, ranged=(), residual=(),
    never_zero=(),
)  # fmt: skip


def bundle(signer: Ed25519Signer = STAGING, **changed: Any) -> Bundle:
    return replace(
        Bundle("job_applications", "mdl_1", "staging", "ann", NOW, signer.public_key.hex(), FILES), **changed
    )


@pytest.fixture
def store(tmp_path: Path) -> ObstoreObjectStore:
    return ObstoreObjectStore.local(tmp_path)


def test_what_was_written_is_read_and_again_writes_nothing(store) -> None:
    written, is_new = write_bundle(store, bundle(), STAGING)
    assert is_new
    folder = find_bundle(store, "")
    read = read_bundle(store, folder, STAGING.public_key)
    assert read == written
    assert dict(read.files) == FILES
    keys = store.list("")
    assert keys == sorted(f"{folder}/{name}" for name in (*FILES, BUNDLE_FILE))
    files = {**FILES, "card.html": b"<p>anew</p>"}
    later = bundle(exported_by="bob", exported_at=NOW + timedelta(days=1), files=files)
    assert write_bundle(store, later, STAGING) == (written, False)
    assert store.list("") == keys


def test_a_changed_byte_and_a_missing_file_are_named(store) -> None:
    written, _ = write_bundle(store, bundle(), STAGING)
    store.replace(f"{written.folder}/card.html", b"<p>cars</p>")
    for act in (
        lambda: read_bundle(store, written.folder, STAGING.public_key),
        lambda: write_bundle(store, bundle(), STAGING),
    ):
        with pytest.raises(IntegrityError, match=f"{written.folder}/card.html was changed"):
            act()
    obstore.delete(store._backend, f"{written.folder}/card.html")
    with pytest.raises(IntegrityError, match=f"{written.folder}/card.html is missing"):
        read_bundle(store, written.folder, STAGING.public_key)


def test_a_forged_verdict_with_right_hashes_is_refused(store) -> None:
    """Whoever can write to the place can make every hash right; the signature is what they lack."""
    forged = {**FILES, "verdicts.json": b'[{"outcome":"promoted"}]'}
    theirs, _ = write_bundle(store, bundle(STRANGER, files=forged), STRANGER)
    for name in FILES:  # nothing is read before the signature holds
        obstore.delete(store._backend, f"{theirs.folder}/{name}")
    with pytest.raises(GateClosedError, match="not signed by the key that was named"):
        read_bundle(store, theirs.folder, STAGING.public_key)
    as_if = replace(bundle(files=forged), signature=STRANGER.sign(b"anything"))
    for name, data in {**forged, BUNDLE_FILE: as_if.listing}.items():
        store.put_if_absent(f"{as_if.folder}/{name}", data)
    with pytest.raises(GateClosedError, match="not signed by the key that was named"):
        read_bundle(store, as_if.folder, STAGING.public_key)


def test_a_bundle_in_the_place_of_another_is_refused(store) -> None:
    """An older verdict of the same signer must not stand where a newer one is asked for."""
    older, _ = write_bundle(store, bundle(), STAGING)
    newer, _ = write_bundle(store, bundle(files={**FILES, "verdicts.json": b"[]"}), STAGING)
    for name in (*FILES, BUNDLE_FILE):
        store.replace(f"{newer.folder}/{name}", store.get(f"{older.folder}/{name}"))
    with pytest.raises(IntegrityError, match="another bundle than its place or its signer says"):
        read_bundle(store, newer.folder, STAGING.public_key)
    claimed, _ = write_bundle(store, bundle(signed_by=STRANGER.public_key.hex()), STAGING)
    with pytest.raises(IntegrityError, match="another bundle than its place or its signer says"):
        read_bundle(store, claimed.folder, STAGING.public_key)


@pytest.mark.parametrize("name", ["../../events/x.parquet", "a//b", "a b", ""])
def test_a_name_that_is_not_plain_is_refused_before_a_file_is_read(store, name: str) -> None:
    odd = bundle(files={name: b"x"})
    odd = replace(odd, signature=STAGING.sign(_message(odd._content)))
    store.put_if_absent(f"{odd.folder}/{BUNDLE_FILE}", odd.listing)
    with pytest.raises(InvalidInputError, match="is not plain"):
        read_bundle(store, odd.folder, STAGING.public_key)


def test_an_export_that_was_cut_short_counts_as_none_and_is_ended_by_the_next(store) -> None:
    half = bundle()
    store.put_if_absent(f"{half.folder}/card.html", FILES["card.html"])
    with pytest.raises(NotFoundError, match=f"{half.bundle_id} has no bundle.json, so its export was cut short"):
        find_bundle(store, "mdl_1")
    written, is_new = write_bundle(store, bundle(), STAGING)
    assert is_new
    assert find_bundle(store, "mdl_1") == written.folder


def test_an_export_does_not_write_over_what_lies_in_its_way(store) -> None:
    store.put_if_absent(f"{bundle().folder}/card.html", b"another")
    with pytest.raises(errors.ContentConflictError, match=r"card\.html already holds other bytes"):
        write_bundle(store, bundle(), STAGING)
    assert not store.exists(f"{bundle().folder}/{BUNDLE_FILE}")


def test_several_of_a_version_have_to_be_named(store) -> None:
    one, _ = write_bundle(store, bundle(), STAGING)
    two, _ = write_bundle(store, bundle(files={**FILES, "verdicts.json": b"[]"}), STAGING)
    with pytest.raises(InvalidInputError, match="there are 2 bundles") as caught:
        find_bundle(store, "mdl_1")
    assert all(each.bundle_id in str(caught.value) for each in (one, two))
    assert find_bundle(store, f"mdl_1/{two.bundle_id}") == two.folder
    with pytest.raises(NotFoundError, match="there is no bundle mdl_2"):
        find_bundle(store, "mdl_2")


def test_what_is_no_listing_says_so(store) -> None:
    written, _ = write_bundle(store, bundle(), STAGING)
    for body in (b"{", b"[]", orjson.dumps({"bundle": {}, "signature": "zz"})):
        store.replace(f"{written.folder}/{BUNDLE_FILE}", body)
        with pytest.raises(IntegrityError, match="does not list a bundle"):
            read_bundle(store, written.folder, STAGING.public_key)


def test_a_form_of_a_newer_mlife_is_refused(store, monkeypatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("mlife_assets.adapters.model_bundles.FORM", 2)
        write_bundle(store, bundle(), STAGING)
    with pytest.raises(errors.NewerVersionError, match="form 2 and this mlife reads 1"):
        read_bundle(store, find_bundle(store, ""), STAGING.public_key)


def test_each_model_sees_its_own_events_and_each_file_is_read_once(tmp_path, monkeypatch) -> None:
    log = ParquetEventLog(ObstoreObjectStore.local(tmp_path))
    assert model_names(log) == []
    for name, version in (("b", "v1"), ("a", "v2"), ("b", "v3")):
        row = {"event_id": version, "model_version": version, "model_name": name}
        log.append("model_promoted", events("model_promoted", row, at=AT), writer="test")
    assert model_names(log) == ["a", "b"]
    assert [row["model_version"] for row in events_of(log, "b", "model_promoted")] == ["v1", "v3"]
    assert events_of(log, "a", "model_promoted", end=date(2026, 6, 1)) == []
    assert events_of(log, "c", "model_promoted") == []
    monkeypatch.setattr(log, "read_file", lambda *_: pytest.fail("it was read"))
    assert model_names(log) == ["a", "b"]
    assert len(events_of(log, "b", "model_promoted")) == 2


def test_a_model_that_was_only_registered_is_one_and_days_bound_what_is_read(tmp_path, tiny_models) -> None:
    log = ParquetEventLog(ObstoreObjectStore.local(tmp_path))
    registry = ModelRegistry(ObstoreObjectStore.local(tmp_path), log, "young")
    registry.register(tiny_models.tiny_artifact(1, trees=2), as_of=AT.date(), now=AT)
    assert model_names(log) == ["young"]
    assert len(events_of(log, "young", "model_registered", start=AT.date())) == 1
    assert events_of(log, "young", "model_registered", start=date(2026, 6, 3)) == []


def another_process(store: ObstoreObjectStore, name: str = NAME) -> ModelRegistry:
    return ModelRegistry(store, ParquetEventLog(store), name)


def watch_of(store: Any) -> ChampionWatch:
    log = ParquetEventLog(store)
    return ChampionWatch(ModelRegistry(store, log, NAME), log)


def registered(store: ObstoreObjectStore, models: ModuleType, seeds: range) -> list[str]:
    registry = another_process(store)
    return [registry.register(models.tiny_artifact(seed, trees=2), as_of=date(2026, 6, 2), now=NOW) for seed in seeds]


def test_what_another_process_does_counts_at_the_next_call(store, tiny_models) -> None:
    watch = watch_of(store)
    assert watch.champion() is None
    first, second = registered(store, tiny_models, range(2))
    assert watch.champion() is None
    another_process(store).promote(first, actor="gate", reason="r", now=NOW)
    assert watch.champion() == first
    another_process(store).promote(second, actor="gate", reason="r", now=NOW + timedelta(hours=1))
    assert watch.champion() == second
    another_process(store).rollback(actor="me", reason="r", now=NOW + timedelta(hours=2))
    assert watch.champion() == first
    registered(store, tiny_models, range(2, 4))
    watch._registry.champion = lambda: pytest.fail("nobody was promoted")
    assert watch.champion() == first


def test_a_call_asks_one_question_however_many_promotions_there_were(store, tiny_models) -> None:
    questions = []
    versions = registered(store, tiny_models, range(2))
    for number in range(6):
        another_process(store).promote(
            versions[number % 2], actor="gate", reason="r", now=NOW + timedelta(hours=number)
        )
        if number in (0, 5):
            counting = Counting(store)
            watch = watch_of(counting)
            watch.champion()
            counting.asked.clear()
            assert watch.champion() == versions[number % 2]
            questions.append(dict(counting.asked))
    assert questions == [{"exists manifests": 1}] * 2


def test_a_changed_end_of_the_log_is_no_answer(store, tiny_models) -> None:
    (first,) = registered(store, tiny_models, range(1))
    another_process(store).promote(first, actor="gate", reason="r", now=NOW)
    watch = watch_of(store)
    assert watch.champion() == first
    newest = max(store.list("manifests/chain"))
    number = int(Path(newest).stem)
    store.put_if_absent(newest.replace(f"{number}.", f"{number + 1}."), b"{}")
    with pytest.raises(IntegrityError):
        watch.champion()


ACT = st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["promote", "rollback"]), st.integers(0, 3))


@given(acts=st.lists(ACT, max_size=6))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_acts_on_one_model_change_nothing_of_another(acts, tmp_path_factory, tiny_models) -> None:
    """Each model's history is that of its own acts alone, and the watch says what the fold says."""
    shared = ObstoreObjectStore.local(tmp_path_factory.mktemp("shared"))
    alone = {name: ObstoreObjectStore.local(tmp_path_factory.mktemp(name)) for name in "ab"}
    artifacts = {name: [tiny_models.tiny_artifact(seed, trees=2) for seed in seeds] for name, seeds in SEEDS.items()}
    log = ParquetEventLog(shared)
    watches = {name: ChampionWatch(ModelRegistry(shared, log, name), log) for name in "ab"}
    for number, (name, act, which) in enumerate(acts):
        for store in (shared, alone[name]):
            registry = another_process(store, name)
            now = NOW + timedelta(hours=number)
            if act == "promote":
                version = registry.register(artifacts[name][which % 2], as_of=now.date(), now=now)
                registry.promote(version, actor="gate", reason="r", now=now)
            else:
                try:
                    registry.rollback(actor="me", reason=f"r{number}", now=now)
                except GateClosedError:
                    continue
        for one, watch in watches.items():
            assert watch.champion() == another_process(shared, one).champion()
    for name in "ab":
        both, own = another_process(shared, name), another_process(alone[name], name)
        assert (both.history(), both.versions()) == (own.history(), own.versions())


SEEDS = {"a": (11, 12), "b": (21, 22)}


def test_where_the_end_cannot_be_read_every_call_is_a_fold(store, tiny_models) -> None:
    versions = registered(store, tiny_models, range(2))
    another_process(store).promote(versions[0], actor="gate", reason="r", now=NOW)
    newest = max(store.list("manifests/chain"))
    whole = store.get(newest)
    store.replace(newest, b"")
    watch = watch_of(store)
    assert watch.champion() == versions[0]
    store.replace(newest, whole)
    another_process(store).promote(versions[1], actor="gate", reason="r", now=NOW + timedelta(hours=1))
    assert watch.champion() == versions[1]


def test_threads_that_ask_at_once_cause_one_fold(store, tiny_models) -> None:
    (first,) = registered(store, tiny_models, range(1))
    another_process(store).promote(first, actor="gate", reason="r", now=NOW)
    watch, folds, both = watch_of(store), [], Barrier(2)
    fold = watch._registry.champion

    def slow() -> str | None:
        folds.append(None)
        with suppress(BrokenBarrierError):
            both.wait(0.2)
        return fold()

    watch._registry.champion = slow
    with ThreadPoolExecutor(2) as pool:
        assert [one.result() for one in [pool.submit(watch.champion) for _ in range(2)]] == [first, first]
    assert len(folds) == 1


@pytest.fixture
def nannyml() -> Iterator[NannyMLEngine]:
    with quiet_nannyml() as nml:
        yield NannyMLEngine(nml)


def rows(count: int, *, seed: int, moved: float = 0.0) -> pd.DataFrame:
    """Numbers, of which some are missing and some tied, and words, of which one is new where rows moved."""
    rng = np.random.default_rng(seed)
    wind = rng.normal(moved, 1.0, count)
    frame = pd.DataFrame(
        {
            "wind": np.where(rng.random(count) < 0.05, np.nan, wind),
            "carrier": rng.choice(["AA", "UA", "missing", "new" if moved else "DL"], count),
            "hour": rng.integers(5, 23, count).astype(np.float64),
            "fuel": 0.7 * wind + rng.normal(size=count),
            "plane": rng.choice(["a", "b"], count),
        }
    )
    frame["carrier"], frame["plane"] = frame["carrier"].astype(object), frame["plane"].astype(object)
    return frame


@pytest.mark.parametrize("moved", [0.0, 0.6])
@pytest.mark.parametrize(
    ("usual_rows", "rows_today"),
    [
        (900, 400),
        (KOLMOGOROV_EXACT_BELOW - 1, 400),
        (KOLMOGOROV_EXACT_BELOW + 500, 400),
        (900, KOLMOGOROV_STEPS_UP_TO + 1),
    ],
)
def test_distances_of_columns_are_those_of_nannyml(nannyml, usual_rows: int, rows_today: int, moved: float) -> None:
    usual, today = rows(usual_rows, seed=1), rows(rows_today, seed=2, moved=moved)
    expected = nannyml.columns(usual.copy())(today.copy())
    assert dict(OWN.columns(usual)(today)) == dict(expected)
    assert (expected["wind"] > 0.2) is bool(moved)


def test_a_column_without_a_value_has_no_distance(nannyml) -> None:
    today = rows(50, seed=3).assign(wind=np.nan)
    assert np.isnan(OWN.columns(rows(300, seed=1))(today)["wind"])
    assert np.isnan(nannyml.columns(rows(300, seed=1))(today)["wind"])


@pytest.mark.parametrize("moved", [0.0, 0.6])
def test_the_domain_classifier_is_that_of_nannyml(nannyml, moved: float) -> None:
    usual, today = rows(900, seed=1), rows(600, seed=2, moved=moved)
    expected = nannyml.classifier(usual.copy(), folds=3, settings=SETTINGS)(today.copy())
    assert OWN.classifier(usual, folds=3, settings=SETTINGS)(today) == expected
    assert (expected > 0.6) is bool(moved)


@pytest.mark.parametrize("moved", [0.0, 0.6])
def test_the_reconstruction_error_is_that_of_nannyml(nannyml, moved: float) -> None:
    usual, today = rows(900, seed=1), rows(600, seed=2, moved=moved)
    expected, own = (one.reconstruction(usual.copy(), variance_share=0.65) for one in (nannyml, OWN))
    assert own.sampling_error == expected.sampling_error
    assert own.error(today) == expected.error(today.copy())


def examples(count: int, *, seed: int, too_sure: float) -> pd.DataFrame:
    """Scores of which some are tied; `too_sure` pulls them away from the truth."""
    rng = np.random.default_rng(seed)
    logits = np.round(rng.normal(-1, 1, count), 2)
    happened = rng.random(count) < 1 / (1 + np.exp(-logits))
    return pd.DataFrame({"probability": 1 / (1 + np.exp(-too_sure * logits)), "is_positive": happened.astype(np.int64)})


@pytest.mark.parametrize("too_sure", [1.0, 3.0])
@pytest.mark.parametrize("count", [15, 2_000])
def test_performance_is_that_of_nannyml(nannyml, count: int, too_sure: float) -> None:
    known, asked = (examples(count, seed=seed, too_sure=too_sure) for seed in (1, 2))
    expected = nannyml.performance(known.copy())(asked.copy())
    assert set(expected) == {(a, b) for a in ("estimated", "realised") for b in ("roc_auc", "average_precision")}
    assert dict(OWN.performance(known)(asked)) == expected


def test_scores_that_separate_the_classes_are_left_as_they_are(nannyml) -> None:
    known = pd.DataFrame({"probability": np.linspace(0, 1, 100), "is_positive": np.arange(100) // 50})
    assert dict(OWN.performance(known)(known)) == nannyml.performance(known)(known.copy())


def day_rows(day: int, *, shift: float = 0.0) -> pa.Table:
    rng = np.random.default_rng(day)
    ids = [f"u{day}_{row}" for row in range(200)]
    return pa.table(
        {
            "as_of_date": pa.array([date(2026, 1, day)] * 200),
            "user_id": ids,
            "strength": rng.normal(size=200) + shift,
            "kind": np.array(["a", "b"])[rng.integers(0, 2, 200)].tolist(),
        }
    )


def outcomes(day: int) -> pa.Table:
    rng = np.random.default_rng(100 + day)
    probability = rng.uniform(0.1, 0.9, 600)
    return pa.table(
        {
            "exposure_date": pa.array([date(2026, 1, day)] * 600),
            "label_mature_date": pa.array([date(2026, 1, day + 1)] * 600),
            "probability": probability,
            "is_positive": rng.random(600) < probability,
        }
    )


@pytest.fixture(scope="module")
def reference() -> MonitoringReference:
    return build_reference(
        model_version="mdl_replayed", as_of=date(2026, 1, 12),
        sample=pa.concat_tables([day_rows(day) for day in range(2, 10)]),
        pair_rows={date(2026, 1, day): 200 for day in range(2, 10)}, examples=outcomes(10), columns=COLUMNS,
        ids=("user_id",),
    )  # fmt: skip


def test_numbers_and_limits_are_those_of_monitoring(reference) -> None:
    detectors = ReplayDetectors()
    limits = detectors.limits(reference, POLICY)
    assert limits == nannyml_calculators.with_learned_thresholds(reference, POLICY).thresholds
    watched = reference.with_thresholds(limits)
    today = day_rows(20, shift=1.0)
    assert detectors.drift(watched, today) == nannyml_calculators.drift_statistics(watched, today)
    assert detectors.latent(watched, today, POLICY) == nannyml_calculators.latent_statistics(watched, today, POLICY)
    found = detectors.performance(watched, outcomes(14))
    assert found == nannyml_calculators.performance_statistics(watched, outcomes(14))
    by_name = {(limit.method, limit.column): limit.upper for limit in limits}
    moved = {one.column: one.value for one in detectors.drift(watched, today)}
    assert moved["strength"] > by_name["kolmogorov_smirnov", "strength"]
    assert moved["kind"] < by_name["jensen_shannon", "kind"]
