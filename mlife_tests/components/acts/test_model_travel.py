"""A version leaves one home and comes into another, with keys of its own: what arrives, and what is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from mlife_assets.adapters.model_bundles import Bundle, find_bundle, read_bundle, write_bundle
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.cli.models.commands import reference_fault
from mlife_assets.components.acts.model_travel import VERDICTS_FILE, Imported, export_model, import_model
from mlife_assets.components.graph import keys
from mlife_assets.components.model.challengers import PROMOTION_REPORT
from mlife_assets.components.monitoring.inputs import REFERENCE_REPORT, read_reference, reference_source
from mlife_assets.core.errors import (
    ContentConflictError,
    IntegrityError,
    InvalidInputError,
    NewerVersionError,
    UpstreamMismatchError,
)
from mlife_assets.core.monitoring.columns import LABEL
from mlife_assets.core.monitoring.reference import STORED_FORM
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.scorer import scorer_of
from mlife_assets.core.windows import add_days
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.deployments.ports import ModelPorts
from mlife_assets.deployments.sealing import audit_log, present_signer

WHO = {"actor": "ann", "reason": "won in dev"}


@pytest.fixture
def place(tmp_path: Path) -> ObstoreObjectStore:
    return ObstoreObjectStore.local(tmp_path / "place")


def reopened(platform: BoardPorts) -> BoardPorts:
    return board_ports(platform.settings, policies=platform.policies)


def travelled(source: ModelPorts, version: str, place: ObstoreObjectStore, target: ModelPorts) -> Imported:
    export_model(source, version, place, actor="bob")
    bundle = read_bundle(place, find_bundle(place, version), present_signer(source.home).public_key)
    return import_model(target, bundle, **WHO)


def content(store: ObstoreObjectStore) -> dict[str, bytes]:
    return {key: store.get(key) for key in store.list("")}


def test_a_model_scores_elsewhere_to_the_same_bits_and_is_on_record(home, production, place, tiny_models) -> None:
    version = home.champions[1]
    home.platform.of_model().registry.put_card(version, "<p>card</p>")
    day = home.platform.of_model().registry.versions()[-1]["as_of_date"]
    report = {"model_version": version, "outcome": "promoted", "comparisons": []}
    home.platform.of_model().model_tables.write_report(PROMOTION_REPORT, day, report)
    done = travelled(home.platform.of_model(), version, place, production.of_model())
    (judged,) = (one for one in home.events("promotion_decided") if one["model_version"] == version)
    assert done == Imported(
        version, "promoted", judged["observed_at"], ("Promoted: model 2 meets all conditions.",), is_new=True
    )
    there = reopened(production)
    assert there.of_model().registry.champion() is None, "importing promotes nothing"
    row = tiny_models.random_matrix(9, 1)
    here, arrived = (scorer_of(one.of_model().registry.load(version), threads=1) for one in (home.platform, there))
    assert here.score(row).probability.tobytes() == arrived.score(row).probability.tobytes()
    assert here.contributions(row).tobytes() == arrived.contributions(row).tobytes()
    assert there.of_model().registry.card(version) == "<p>card</p>"
    (tables,) = there.of_model().imported_tables(version)
    assert tables.read_report(PROMOTION_REPORT, day) == report
    (event,) = there.of_model().registry.events("model_imported")
    assert event["signed_by"] == present_signer(home.platform.home).public_key.hex()
    assert event["signed_by"] != present_signer(there.home).public_key.hex()
    assert (event["environment"], event["outcome"], event["actor"]) == ("dev", "promoted", "ann")
    assert event["judged_at"] == judged["observed_at"]
    (registered,) = there.of_model().registry.versions()
    assert registered["as_of_date"] == day
    assert there.of_model().registry.events("promotion_decided") == [], "no verdict of the gate here"
    audit = audit_log(there.home)
    assert audit.verification.is_intact
    assert audit.unsigned_manifests == 0


def test_an_import_that_was_cut_short_promotes_nothing_and_is_ended_by_the_next(
    home, production, place, monkeypatch
) -> None:
    version = home.champions[0]

    log = type(production.event_log)
    append = log.append

    def power_cut(self: Any, event_type: str, *rest: Any, **more: Any) -> Any:
        if event_type == "model_imported":
            raise KeyboardInterrupt
        return append(self, event_type, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(log, "append", power_cut)
        with pytest.raises(KeyboardInterrupt):
            travelled(home.platform.of_model(), version, place, production.of_model())
    there = reopened(production)
    assert [row["model_version"] for row in there.of_model().registry.versions()] == [version]
    assert there.of_model().imported_tables(version) == []
    assert travelled(home.platform.of_model(), version, place, there.of_model()).is_new
    assert len(there.of_model().registry.events("model_imported")) == 1
    assert audit_log(reopened(there).home).verification.is_intact


def bundle_with(platform: ModelPorts, place: ObstoreObjectStore, version: str, **changed: Any) -> Bundle:
    """Return a bundle of other content, signed by the environment itself: only what is inside can be wrong with it."""
    bundle, _ = export_model(platform, version, place, actor="bob")
    files = {**bundle.files, **changed.pop("files", {})}
    return write_bundle(place, replace(bundle, files=files, **changed), present_signer(platform.home))[0]


def artifact_files(artifact: ModelArtifact) -> dict[str, bytes]:
    return {f"artifact/{name}": data for name, data in artifact.files().items()}


def test_what_does_not_fit_is_refused_before_anything_is_written(home, production, place, tiny_models) -> None:
    version, before = home.champions[0], content(production.lake)
    artifact = tiny_models.tiny_artifact(7)
    spec = replace(artifact.feature_spec, names=("shoe_size", *artifact.feature_spec.names[1:]))
    stranger = replace(artifact, feature_spec=spec)
    countless = replace(artifact, manifest={k: v for k, v in artifact.manifest.items() if k != "examples"})
    worded = replace(artifact, manifest={**artifact.manifest, "examples": "many"})
    judged = {"outcome": "promoted", "observed_at": "2026-06-01T00:00:00+00:00", "sentences": ["Won."]}
    other_step = replace(artifact, stages=(replace(artifact.stages[0], step="is_hired"),))
    for changed, error, why in (
        ({"model_name": "churn_risk"}, InvalidInputError, "is a version of churn_risk and not of job_applications"),
        ({"model_version": "mdl_0"}, IntegrityError, "stored as mdl_0 hashes to"),
        *(
            ({"files": {VERDICTS_FILE: orjson.dumps([verdict])}}, IntegrityError, "records of .* cannot be read")
            for verdict in (
                {},
                {**judged, "sentences": "Won."},
                {**judged, "sentences": [1]},
                {"outcome": "promoted", "sentences": ["Won."]},
            )
        ),
        (
            {"files": {VERDICTS_FILE: orjson.dumps([{**judged, "outcome": "won_twice"}])}},
            NewerVersionError,
            "the gate said 'won_twice' of .*upgrade mlife",
        ),
        *(
            ({"model_version": one.model_version, "files": artifact_files(one)}, IntegrityError, "cannot be read")
            for one in (countless, worded)
        ),
        (
            {"model_version": stranger.model_version, "files": artifact_files(stranger)},
            InvalidInputError,
            "looks at shoe_size, which is no column of job_applications here",
        ),
        (
            {"model_version": other_step.model_version, "files": artifact_files(other_step)},
            InvalidInputError,
            "predicts is_hired, job_applications here is_clicked, is_applied",
        ),
    ):
        bundle = bundle_with(home.platform.of_model(), place, version, **changed)
        with pytest.raises(error, match=why):
            import_model(production.of_model(), bundle, **WHO)
        assert content(production.lake) == before


def test_a_version_of_another_model_here_is_refused_before_anything_is_written(home, production, place) -> None:
    version = home.champions[0]
    home.platform.of_model().registry.put_card(version, "<p>card</p>")
    at = production.times.act(home.newest_day)
    production.of_model("churn_risk").registry.register(
        home.platform.of_model().registry.load(version), as_of=home.newest_day, now=at
    )
    before = content(production.lake)
    with pytest.raises(ContentConflictError, match="is a version of churn_risk and job_applications learned it, too"):
        travelled(home.platform.of_model(), version, place, production.of_model())
    assert content(production.lake) == before


def test_the_same_again_changes_nothing_and_what_was_damaged_is_written_again(
    home, production, place, tmp_path
) -> None:
    """Exported to another place, who exported it when is another, and the card may be."""
    version = home.champions[0]
    home.platform.of_model().registry.put_card(version, "<p>card</p>")
    travelled(home.platform.of_model(), version, place, production.of_model())
    exported, kept = content(place), content(production.lake)
    assert not travelled(home.platform.of_model(), version, place, reopened(production).of_model()).is_new
    assert content(place) == exported
    home.platform.of_model().registry.put_card(version, "<p>written again</p>")
    home.add("sending_paused", {"actor": "ann", "reason": "r"}, home.platform.home.times.act(home.newest_day))
    elsewhere = ObstoreObjectStore.local(tmp_path / "elsewhere")
    assert not travelled(home.platform.of_model(), version, elsewhere, reopened(production).of_model()).is_new
    assert content(elsewhere) != content(place)
    assert content(production.lake) == kept
    (key,) = (key for key in kept if key.endswith(VERDICTS_FILE))
    production.lake.replace(key, b"[")
    travelled(home.platform.of_model(), version, place, reopened(production).of_model())
    assert content(production.lake) == kept


def test_a_home_that_signed_nothing_exports_nothing(home, place, tmp_path) -> None:
    shutil.rmtree(home.path / "private" / "keys")
    with pytest.raises(InvalidInputError, match="nothing was signed here yet"):
        export_model(home.platform.of_model(), home.champions[0], place, actor="bob")
    assert place.list("") == []


def test_a_key_that_is_not_the_pinned_one_signs_nothing(production, home, place) -> None:
    (production.settings.private_folder / "keys" / "log_heads.key").write_text("ab" * 32)
    there = reopened(production)
    version = home.platform.of_model().registry.load(home.champions[0])
    there.of_model().registry.register(version, as_of=home.newest_day, now=there.times.act(home.newest_day))
    with pytest.raises(IntegrityError, match="not the one that is pinned"):
        export_model(there.of_model(), home.champions[0], place, actor="bob")
    assert place.list("") == []


def test_a_damaged_artifact_is_not_exported(home, place) -> None:
    version = home.champions[0]
    path = home.path / "lake" / "models" / version / "feature_spec.json"
    path.write_bytes(path.read_bytes().replace(b"12060", b"12061"))
    with pytest.raises(IntegrityError, match="a file was changed"):
        export_model(home.platform.of_model(), version, place, actor="bob")
    assert place.list("") == []


def test_a_later_verdict_makes_another_bundle_and_neither_is_guessed(home, place) -> None:
    version, platform = home.champions[0], home.platform
    first, _ = export_model(platform.of_model(), version, place, actor="bob")
    verdict = {
        name: row
        for name, row in platform.of_model().registry.events("promotion_decided")[0].items()
        if name != "event_id"
    }
    at = platform.home.times.act(home.newest_day)
    home.add("promotion_decided", {**verdict, "outcome": "refused", "observed_at": at}, at)
    second, is_new = export_model(home.platform.of_model(), version, place, actor="bob")
    assert is_new
    assert orjson.loads(second.files[VERDICTS_FILE])[-1]["outcome"] == "refused"
    with pytest.raises(InvalidInputError, match="there are 2 bundles"):
        find_bundle(place, version)
    assert first.bundle_id != second.bundle_id


def test_a_champion_arrives_with_its_reference_and_whoever_scored_it(lived, production, place) -> None:
    """Without them the daily checks of the first day would stop."""
    source = lived.home.platform
    day = lived.home.day(1)
    version = source.of_model().scorers.champion_version(day)
    known = read_reference(source.of_model(), day)
    assert travelled(source.of_model(), version, place, production.of_model()).outcome == "promoted"
    there = reopened(production)
    decided = there.of_model().registry.events("retrain_decided")[0]["as_of_date"]
    there.of_model().registry.promote(version, actor="ann", reason="r", now=there.times.act(decided))
    later = add_days(decided, 1)
    arrived = read_reference(there.of_model(), later)
    assert arrived.content_hash == known.content_hash
    assert arrived.to_tables()[1] == known.to_tables()[1]
    for scorer in known.scored_by[LABEL]:
        left, right = (one.of_model().registry.load(scorer) for one in (source, there))
        assert left.files() == right.files()
    assert there.of_model().model_tables.report_days(REFERENCE_REPORT) == [], "its own partitions stay its own"
    (tables,) = there.of_model().imported_tables(version)
    (day,) = tables.report_days(REFERENCE_REPORT)
    tables.write_report(REFERENCE_REPORT, day, tables.read_report(REFERENCE_REPORT, day) | {"form": 1})
    with pytest.raises(UpstreamMismatchError, match="export that again where it served, import it"):
        read_reference(reopened(production).of_model(), later)


def test_a_reference_that_can_be_read_comes_first_and_the_remedy_is_of_where_it_lies(home, production, place) -> None:
    version, day = home.champions[0], home.newest_day
    report = {"model_version": version, "form": STORED_FORM, "tables": []}
    home.platform.of_model().model_tables.write_report(REFERENCE_REPORT, day, report)
    travelled(home.platform.of_model(), version, place, production.of_model())
    there = reopened(production)
    there.of_model().model_tables.write_report(REFERENCE_REPORT, day, report | {"form": 1})
    (came,) = there.of_model().imported_tables(version)
    assert reference_source(there.of_model(), version)[0].folder == came.folder
    assert reference_fault(there.of_model(), version) is None
    came.write_report(REFERENCE_REPORT, day, report | {"form": 1})
    assert reference_source(there.of_model(), version)[0] is there.of_model().model_tables
    assert reference_fault(there.of_model(), version) == f"materialize model/monitoring_reference for {day} before"
    shutil.rmtree(there.settings.home / "lake" / "reports" / REFERENCE_REPORT)
    assert reference_fault(there.of_model(), version).startswith("export it again where it served")


def test_a_day_is_watched_by_the_reference_that_came_as_by_one_of_its_own(lived, place, tmp_path) -> None:
    """The version comes back to where it was made, whose own reference is gone: the day's reports say the same."""
    home, day = lived.home.copy_to(tmp_path / "home"), lived.home.day(4)
    reports = (keys.DATA_QUALITY_REPORT, keys.DATA_DRIFT_REPORT, keys.LATENT_DRIFT_REPORT, keys.CONCEPT_DRIFT_REPORT)
    before = home.platform.of_model().reports.of_day(day)
    assert len(before) == len(reports)
    own = home.platform.of_model()
    travelled(own, own.scorers.champion_version(day), place, own)
    lake = home.settings.home / "lake"
    for folder in (*lake.glob("tables/monitoring_reference_*"), lake / "reports" / REFERENCE_REPORT):
        shutil.rmtree(folder)
    assert home.run_assets(day, *reports).success
    assert home.platform.of_model().reports.of_day(day) == before
