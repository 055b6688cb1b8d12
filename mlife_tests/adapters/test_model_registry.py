"""Artifacts by content and the champion as a fold, over a real log on a real folder."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlife_assets.adapters.event_log import ParquetEventLog, verify
from mlife_assets.adapters.model_registry import WRITER, ModelRegistry
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.core.errors import (
    ContentConflictError,
    GateClosedError,
    IntegrityError,
    InvalidInputError,
    NotFoundError,
)
from mlife_assets.core.scoring.artifact import MANIFEST_FILE
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.recruiting.events import EVENT_TYPES, JOB_APPLICATIONS
from mlife_tests.stores import Counting, CrashError, CrashingStore

DAY = date(2026, 6, 2)
NOW = datetime(2026, 6, 2, 19, tzinfo=UTC)


def later(hours: int) -> datetime:
    return NOW + timedelta(hours=hours)


@pytest.fixture
def store(tmp_path: Path) -> ObstoreObjectStore:
    return ObstoreObjectStore.local(tmp_path)


@pytest.fixture
def registry(store: ObstoreObjectStore) -> ModelRegistry:
    return ModelRegistry(store, ParquetEventLog(store), JOB_APPLICATIONS)


def reopened(store: ObstoreObjectStore) -> ModelRegistry:
    return ModelRegistry(store, ParquetEventLog(store), JOB_APPLICATIONS)


def register(registry: ModelRegistry, models: ModuleType, *seeds: int) -> list[str]:
    return [registry.register(models.tiny_artifact(seed, trees=3), as_of=DAY, now=NOW) for seed in seeds]


def test_a_repeat_that_is_stamped_later_undoes_no_rollback_and_replaces_no_newer_champion(registry, models):
    first, second, third = register(registry, models, 1, 2, 3)
    registry.promote(first, actor="gate", reason="won", now=NOW)
    registry.promote(second, actor="gate", reason="won", now=later(24), decided=later(24))
    registry.rollback(actor="ann", reason="wrong", now=later(25))
    registry.promote(second, actor="gate", reason="won", now=later(48), decided=later(24))
    assert registry.champion() == first
    registry.promote(third, actor="gate", reason="won", now=later(72), decided=later(72))
    registry.promote(second, actor="gate", reason="won", now=later(96), decided=later(24))
    assert registry.champion() == third
    registry.promote(second, actor="gate", reason="won again", now=later(96), decided=later(96))
    assert registry.champion() == second


def test_a_loaded_model_scores_as_the_registered_one_to_the_bit(registry, store, models):
    artifact = models.tiny_artifact(1)
    version = registry.register(artifact, as_of=DAY, now=NOW)
    loaded = reopened(store).load(version)
    matrix = models.random_matrix(3, 200)
    assert loaded.model_version == version == artifact.model_version
    one, other = (LightGBMScorer(each, threads=1) for each in (artifact, loaded))
    assert one.score(matrix).raw.tobytes() == other.score(matrix).raw.tobytes()
    assert one.contributions(matrix).tobytes() == other.contributions(matrix).tobytes()
    assert dict(loaded.manifest) == dict(artifact.manifest)


def test_registering_again_writes_nothing_and_keeps_the_first_manifest(registry, store, models):
    version = registry.register(models.tiny_artifact(1, note="first"), as_of=DAY, now=NOW)
    keys = store.list("")
    again = reopened(store).register(models.tiny_artifact(1, note="second"), as_of=DAY, now=later(5))
    assert again == version
    assert store.list("") == keys
    assert reopened(store).load(version).manifest["note"] == "first"
    assert [row["model_version"] for row in registry.versions()] == [version]


def test_a_registration_that_was_cut_short_is_completed_by_the_next(store, models):
    artifact = models.tiny_artifact(1)
    files = artifact.files()
    folder = f"models/{artifact.model_version}"
    name = next(name for name in sorted(files) if name != MANIFEST_FILE)
    store.put_if_absent(f"{folder}/{name}", files[name])
    with pytest.raises(NotFoundError):
        reopened(store).load(artifact.model_version)
    registry = reopened(store)
    registry.register(artifact, as_of=DAY, now=NOW)
    assert reopened(store).load(artifact.model_version).model_version == artifact.model_version
    assert len(registry.versions()) == 1


def test_the_manifest_is_written_last_since_it_says_that_a_model_is_there(registry, store, models, monkeypatch):
    put, keys = store.put_if_absent, []

    def remembered(key, data):
        keys.append(key)
        return put(key, data)

    monkeypatch.setattr(store, "put_if_absent", remembered)
    artifact = models.tiny_artifact(1, trees=3, is_funnel=True)
    registry.register(artifact, as_of=DAY, now=NOW)
    written = [key for key in keys if key.startswith(f"models/{artifact.model_version}/")]
    assert len(written) == 6
    assert written[-1].endswith(MANIFEST_FILE)


def test_the_registration_event_says_what_the_model_learned_from(registry, models):
    (version,) = register(registry, models, 1)
    row = registry.versions()[0]
    assert row["training_start_date"] == date(2026, 4, 3)
    assert row["training_data_hash"] == "data-1"
    assert (row["model_version"], row["examples"], row["as_of_date"]) == (version, 600, DAY)


def test_any_file_that_is_changed_longer_empty_foreign_or_missing_is_refused(registry, store, models, tmp_path):
    artifact = models.tiny_artifact(1, trees=3, is_funnel=True)
    version = registry.register(artifact, as_of=DAY, now=NOW)
    of_another = models.tiny_artifact(1, trees=4, is_funnel=True).files()
    rng = np.random.default_rng(5)
    assert len(artifact.files()) == 6
    for name in artifact.files():
        key = f"models/{version}/{name}"
        data = store.get(key)
        places = [0, len(data) - 1, *rng.integers(0, len(data), 12).tolist()]
        flipped = {data[:at] + (b"8" if data[at] == ord("7") else b"7") + data[at + 1 :] for at in places}
        for changed in flipped | {data + b"\n", b"", b"[]", b"null", of_another[name]} - {data}:
            store.replace(key, changed)
            with pytest.raises(IntegrityError):
                reopened(store).load(version)
        (tmp_path / key).unlink()
        is_manifest = name == MANIFEST_FILE
        with pytest.raises(NotFoundError if is_manifest else IntegrityError, match=version if is_manifest else name):
            reopened(store).load(version)
        store.replace(key, data)
    assert reopened(store).load(version).model_version == version


def test_a_card_lies_beside_the_artifact_may_be_written_again_and_is_no_part_of_it(registry, store, models):
    with pytest.raises(NotFoundError, match="mdl_unknown"):
        registry.put_card("mdl_unknown", "<p>card</p>")
    assert store.list("models") == []
    (version,) = register(registry, models, 1)
    assert registry.card(version) is None
    key = registry.put_card(version, "<p>first \u2013 card</p>")
    assert key == registry.card_key(version) == f"models/{version}/card.html"
    assert registry.put_card(version, "<p>second</p>") == key
    assert reopened(store).card(version) == "<p>second</p>"
    assert store.get(key) == b"<p>second</p>"
    assert reopened(store).load(version).model_version == version
    assert [row["model_version"] for row in registry.versions()] == [version]


def test_the_first_letters_of_a_version_name_it_and_champion_the_one_that_serves(registry, models):
    first, second = register(registry, models, 1, 2)
    assert registry.resolve(first) == first
    shortest = next(n for n in range(len(first)) if first[:n] != second[:n])
    assert registry.resolve(first[:shortest]) == first
    assert registry.resolve(second[:shortest]) == second
    with pytest.raises(InvalidInputError, match="2 versions") as ambiguous:
        registry.resolve(first[: shortest - 1])
    assert first in str(ambiguous.value)
    assert second in str(ambiguous.value)
    with pytest.raises(InvalidInputError, match="empty"):
        registry.resolve("")
    for unknown in ("mdl_unknown", first + "0", first.upper()):
        with pytest.raises(NotFoundError, match="mlife models list"):
            registry.resolve(unknown)
    with pytest.raises(NotFoundError, match="no model was promoted yet"):
        registry.resolve("champion")
    for hours, version in enumerate((first, second)):
        registry.promote(version, actor="gate", reason="r", now=NOW + timedelta(hours=hours))
        assert registry.resolve("champion") == version
    registry.rollback(actor="operator", reason="r", now=NOW + timedelta(hours=2))
    assert registry.resolve("champion") == first


def test_a_version_that_is_the_beginning_of_another_is_itself(registry, models, monkeypatch):
    rows = [{"model_version": version} for version in ("mdl_abc", "mdl_ab", "mdl_abc")]
    monkeypatch.setattr(registry, "versions", lambda: rows)
    assert registry.resolve("mdl_ab") == "mdl_ab"
    assert registry.resolve("mdl_abc") == "mdl_abc"


def test_an_unknown_model_is_not_found_and_cannot_be_promoted(registry):
    with pytest.raises(NotFoundError, match="mlife models list"):
        registry.load("mdl_unknown")
    with pytest.raises(NotFoundError):
        registry.promote("mdl_unknown", actor="gate", reason="r", now=NOW)
    assert registry.history() == []
    assert registry.champion() is None


def test_the_champion_at_a_moment_ignores_what_came_later(registry, store, models):
    a, b = register(registry, models, 1, 2)
    for hour in range(3):
        registry.promote(a, actor="gate", reason="first", now=later(hour))
    registry.promote(b, actor="gate", reason="better", now=later(24))
    other = reopened(store)
    assert other.champion_at(later(-1)) is None
    assert other.champion_at(later(0)) == a
    assert other.champion_at(later(23)) == a
    assert other.champion_at(later(24)) == b == other.champion()
    assert [reign.previous_version for reign in other.history()] == [None, a]
    assert len(other.history(later(23))) == 1


def test_a_fold_is_made_again_when_an_event_was_added_alone(registry, store, models, monkeypatch):
    a, b = register(registry, models, 1, 2)
    registry.promote(a, actor="gate", reason="r", now=later(0))
    assert registry.champion() == a
    with monkeypatch.context() as patch:
        patch.setattr("mlife_assets.adapters.model_registry.reigns_of", lambda _: pytest.fail("nothing was added"))
        assert registry.champion() == a
        register(reopened(store), models, 3)
        assert registry.champion() == a
    reopened(store).promote(b, actor="gate", reason="r", now=later(1))
    assert registry.champion() == b
    watching = ModelRegistry(counting := Counting(store), ParquetEventLog(counting), JOB_APPLICATIONS)
    for ask in (watching.champion, watching.history, watching.versions, lambda: watching.champion_at(NOW)):
        ask()
        counting.asked.clear()
        ask()
        assert counting.asked == {"get manifests": 1, "exists manifests": 1}, "however many promotions there were"


def test_what_one_does_with_an_answer_changes_none_of_the_next(registry, models):
    (a,) = register(registry, models, 1)
    registry.promote(a, actor="gate", reason="r", now=later(0))
    registry.history().clear()
    registry.versions()[0]["model_version"] = "another"
    assert registry.champion() == a
    assert registry.resolve(a) == a


@pytest.mark.parametrize("act", ["promote", "rollback"])
def test_what_a_crash_left_unlisted_is_seen_by_who_records_the_next(registry, store, models, act):
    """Or two would follow the same champion, and the history had a gap."""
    a, b, c = register(registry, models, 1, 2, 3)
    for hour, version in enumerate((a, b)):
        registry.promote(version, actor="gate", reason="r", now=later(hour))
    assert registry.champion() == b
    dying = CrashingStore(store, 1, below="manifests/")
    with pytest.raises(CrashError):
        ModelRegistry(dying, ParquetEventLog(dying), JOB_APPLICATIONS).promote(c, actor="x", reason="r", now=later(2))
    if act == "promote":
        registry.promote(a, actor="gate", reason="r", now=later(3))
    else:
        assert registry.rollback(actor="me", reason="r", now=later(3)) == b
    assert registry.history()[-1].previous_version == c


def plant(store: ObstoreObjectStore, event_type: str, **changed: object) -> None:
    """Put one changed row into the log without listing it, as who may write the lake alone can."""
    rows = ParquetEventLog(store).read(event_type).to_pylist()
    for key in store.list(f"events/event_type={event_type}"):
        (store.root / key).unlink()
    dying = CrashingStore(store, 1, below="manifests/")
    table = pa.Table.from_pylist([rows[-1] | changed], schema=EVENT_TYPES[event_type].schema)
    with pytest.raises(CrashError):
        ParquetEventLog(dying).append(event_type, table, writer=WRITER)


def unlisted(store: ObstoreObjectStore) -> list[str]:
    return [finding.key.split("/")[1] for finding in verify(store).findings if finding.kind == "unlisted_file"]


@pytest.mark.parametrize("changed", [{"reason": "forged"}, {"actor": "me"}, {"previous_version": "mdl_0"}])
def test_a_planted_promotion_is_not_listed_by_promoting_again(registry, store, models, changed):
    (a,) = register(registry, models, 1)
    registry.promote(a, actor="gate", reason="better", now=NOW)
    plant(store, "model_promoted", **changed)
    reopened(store).promote(a, actor="gate", reason="better", now=NOW)
    assert unlisted(store) == ["event_type=model_promoted"]


def test_a_planted_registration_is_not_listed_by_registering_again(registry, store, models):
    register(registry, models, 1)
    plant(store, "model_registered", training_data_hash="forged")
    register(reopened(store), models, 1)
    assert unlisted(store) == ["event_type=model_registered"]


@pytest.mark.parametrize("event_type", ["model_registered", "model_promoted", "model_rolled_back"])
def test_what_a_crash_left_unlisted_is_listed_by_calling_again(registry, store, models, event_type):
    b, a = register(registry, models, 2, 1)
    if event_type != "model_registered":
        registry.promote(a, actor="gate", reason="better", now=NOW)
    if event_type == "model_rolled_back":
        registry.promote(b, actor="gate", reason="better", now=later(1))
        registry.rollback(actor="me", reason="bad", now=later(2))
    manifest = sorted(key for key in store.list("manifests"))[-1]
    (store.root / manifest).unlink()
    assert unlisted(store) == [f"event_type={event_type}"]
    again = reopened(store)
    register(again, models, 1)
    again.promote(a, actor="gate", reason="better", now=NOW)
    if event_type == "model_rolled_back":
        assert again.rollback(actor="me", reason="bad", now=later(2)) == a
    assert verify(store).findings == ()


def test_a_rollback_goes_to_named_earlier_champions_only(registry, models):
    a, b, never = register(registry, models, 1, 2, 3)
    with pytest.raises(GateClosedError, match="nothing to roll back"):
        registry.rollback(actor="me", reason="r", now=later(0))
    registry.promote(a, actor="gate", reason="r", now=later(0))
    with pytest.raises(GateClosedError, match="only champion"):
        registry.rollback(actor="me", reason="r", now=later(1))
    registry.promote(b, actor="gate", reason="r", now=later(2))
    for target in (never, b):
        with pytest.raises(GateClosedError, match=a):
            registry.rollback(actor="me", reason="r", now=later(3), to=target)
    assert registry.champion() == b
    assert registry.rollback(actor="me", reason="r", now=later(3), to=a) == a


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(["a", "b", "c", "rollback"]), max_size=7))
def test_the_fold_equals_a_stack(models, tmp_path_factory, steps):
    """Promotions push, rollbacks pop; whatever the order, who serves is on top."""
    store = ObstoreObjectStore.local(tmp_path_factory.mktemp("fold"))
    registry = reopened(store)
    versions = dict(zip("abc", register(registry, models, 1, 2, 3), strict=True))
    stack: list[str] = []
    for hour, step in enumerate(steps):
        if step != "rollback":
            registry.promote(versions[step], actor="gate", reason="r", now=later(hour))
            if stack[-1:] != [step]:
                stack.append(step)
        elif len(stack) > 1:
            # A champion may reign twice: popping to the nearest entry of the one below is what the log can tell.
            target = stack[-2]
            del stack[len(stack) - stack[-2::-1].index(target) - 1 :]
            assert registry.rollback(actor="me", reason="r", now=later(hour)) == versions[target]
        else:
            with pytest.raises(GateClosedError):
                registry.rollback(actor="me", reason="r", now=later(hour))
        assert reopened(store).champion() == (versions[stack[-1]] if stack else None)


def test_a_promotion_that_comes_late_takes_effect_after_what_was_done_meanwhile(registry, models):
    first, second, third = register(registry, models, 1, 2, 3)
    registry.promote(first, actor="gate", reason="first", now=later(0))
    registry.promote(second, actor="gate", reason="better", now=later(1))
    registry.rollback(actor="ann", reason="worse", now=later(5))
    registry.promote(third, actor="gate", reason="better still", now=later(2))
    assert registry.champion_at(later(4)) == second
    assert registry.champion_at(later(5)) == first
    assert registry.champion() == third


@pytest.mark.parametrize(("now", "since"), [(later(10), later(10)), (later(1), later(2) + timedelta(seconds=1))])
def test_a_rollback_that_is_repeated_changes_nothing_and_takes_effect_by_a_clock_that_is_behind(
    registry, models, now, since
):
    a, b, c = register(registry, models, 1, 2, 3)
    for hour, version in enumerate((a, b, c)):
        registry.promote(version, actor="gate", reason="better", now=later(hour))
    for _ in range(2):
        assert registry.rollback(actor="ann", reason="worse", now=now) == b
        assert registry.champion() == b
    newest = registry.history()[-1]
    assert (newest.kind, newest.previous_version) == ("rolled_back", c)
    assert newest.since == since
    assert len(registry.history()) == 4
    assert registry.rollback(actor="ann", reason="b is bad too", now=now) == a
    assert registry.champion() == a


def test_a_promotion_and_a_rollback_at_one_instant_keep_their_order(registry, models):
    a, b = register(registry, models, 1, 2)
    registry.promote(a, actor="gate", reason="first", now=later(0))
    registry.promote(b, actor="gate", reason="better", now=later(0))
    assert registry.champion() == b
    assert registry.rollback(actor="ann", reason="worse", now=later(0)) == a
    registry.promote(b, actor="ann", reason="after all", now=later(3))
    assert [reign.model_version for reign in registry.history()] == [a, b, a, b]


def test_what_was_tampered_with_is_neither_promoted_nor_rolled_back_to(registry, store, models):
    a, b, c = register(registry, models, 1, 2, 3)
    registry.promote(a, actor="gate", reason="r", now=later(0))
    registry.promote(b, actor="gate", reason="r", now=later(1))
    store.replace(f"models/{a}/{MANIFEST_FILE}", b"{}")
    store.replace(next(key for key in store.list(f"models/{c}") if key.endswith("model.txt")), b"tree\n")
    with pytest.raises(IntegrityError):
        reopened(store).rollback(actor="ann", reason="worse", now=later(2))
    with pytest.raises(IntegrityError):
        reopened(store).promote(c, actor="gate", reason="r", now=later(2))
    assert registry.champion() == b


def test_a_version_is_of_one_model(registry, store, models):
    """What two models learned alike would share its manifest and its card, so the second one is refused."""
    artifact = models.tiny_artifact(1, trees=3)
    version = registry.register(artifact, as_of=DAY, now=NOW)
    registry.promote(version, actor="gate", reason="first", now=NOW)
    other, before = ModelRegistry(store, ParquetEventLog(store), "churn_risk"), store.list("")
    with pytest.raises(ContentConflictError, match=f"{version} is a version of {JOB_APPLICATIONS}"):
        other.register(artifact, as_of=DAY, now=later(1))
    with pytest.raises(NotFoundError, match=f"churn_risk has no version {version}"):
        other.promote(version, actor="me", reason="by mistake", now=later(2))
    assert (other.versions(), other.champion()) == ([], None)
    assert store.list("") == before


def test_a_model_of_a_fold_is_kept_is_no_version_and_written_again_where_it_was_changed(registry, store, models):
    """It scores, nobody can promote it, and nothing that audits versions sees it."""
    artifact = models.tiny_artifact(1, trees=3)
    version = registry.keep_fold(artifact)
    keys = store.list("")
    assert registry.keep_fold(artifact) == version
    assert store.list("") == keys
    assert {key.split("/")[0] for key in keys} == {"fold_models"}
    assert reopened(store).load(version).model_version == version
    assert registry.versions() == []
    with pytest.raises(NotFoundError, match=f"has no version {version}"):
        registry.promote(version, actor="ann", reason="a test", now=NOW)
    assert registry.history() == []
    key = next(key for key in store.list("fold_models") if key.endswith("model.txt"))
    store.replace(key, store.get(key).replace(b"leaf_value=", b"leaf_value=9", 1))
    with pytest.raises(IntegrityError, match=f"stored as {version} hashes to"):
        reopened(store).load(version)
    reopened(store).keep_fold(artifact)
    assert reopened(store).load(version).model_version == version


@pytest.mark.parametrize(
    ("damaged", "old", "new", "note"),
    [
        ("model.txt", b"leaf_value=", b"leaf_value=9", "a challenger"),
        ("manifest.json", b"{", b"", "a fold"),
        ("manifest.json", b"data-1", b"data-2", "a fold"),
    ],
)
def test_a_fold_that_is_registered_mends_what_was_damaged_there(registry, store, models, damaged, old, new, note):
    """The challenger of a Monday is a fold of later days; were it damaged, no gate could look at that week."""
    challenger = models.tiny_artifact(1, trees=3, note="a challenger")
    version = registry.register(challenger, as_of=DAY, now=NOW)
    key = next(key for key in store.list("models") if key.endswith(damaged))
    assert old in store.get(key)
    store.replace(key, store.get(key).replace(old, new, 1))
    with pytest.raises(IntegrityError):
        reopened(store).load(version)
    assert reopened(store).keep_fold(models.tiny_artifact(1, trees=3, note="a fold")) == version
    assert reopened(store).load(version).manifest["note"] == note, "a sound manifest stays"
    assert store.list("fold_models") == []


def test_a_version_that_was_a_fold_before_is_registered_with_its_own_manifest(registry, store, models):
    fold = models.tiny_artifact(1, trees=3, note="a fold")
    version = registry.keep_fold(fold)
    assert registry.load(version).manifest["note"] == "a fold"
    registry.register(models.tiny_artifact(1, trees=3, note="a challenger"), as_of=DAY, now=NOW)
    assert registry.load(version).manifest["note"] == "a challenger"
    assert [row["model_version"] for row in registry.versions()] == [version]
