"""`mlife models export` and `import` from one home into another, in a folder and in a bucket of a real S3 server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pyarrow as pa
import pytest

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.platform.sealing import present_signer
from mlife_assets.components.shown.present import operator_time
from mlife_assets.core.scoring.scorer import scorer_of
from mlife_assets.recruiting.events import EVENT_TYPES

PROD = {"MLIFE_ENVIRONMENT": "prod"}


@pytest.fixture
def exported(run_json, home, tmp_path) -> dict[str, Any]:
    """What exporting the champion of a home to a folder said."""
    return run_json("models", "export", "champion", "--to", tmp_path / "place", "--actor", "bob", "--home", home.path)


@pytest.fixture
def import_there(run, production, tmp_path) -> Any:
    """What imports from that folder into production."""

    def call(*arguments: Any, key: str) -> Any:
        words = ("models", "import", tmp_path / "place", *arguments, "--signed-by", key, "--reason", "won in dev")
        return run(*words, "--actor", "ann", "--home", production.settings.home, env=PROD)

    return call


@pytest.fixture
def add_verdict() -> Callable[..., None]:
    """What lets the gate of a home say something of a version, after all that it said before."""

    def add(platform: Platform, version: str, outcome: str) -> None:
        at = operator_time(platform)
        row = {
            "event_id": f"judged_{version}_{outcome}", "occurred_at": at, "observed_at": at, "model_version": version,
            "as_of_date": at.date(), "outcome": outcome, "users_with_positives": 1200, "sentences": ["Said anew."],
            "policy_version": "pol", "model_name": platform.model_name,
        }  # fmt: skip
        table = pa.Table.from_pylist([row], schema=EVENT_TYPES["promotion_decided"].schema)
        platform.event_log.append("promotion_decided", table, writer="test")

    return add


def reopened(platform: Platform) -> Platform:
    return Platform(settings=platform.settings, policies=platform.policies)


def test_a_version_goes_from_home_to_home_and_is_promoted_by_the_gate_it_comes_from(
    run, home, production, exported, import_there, tiny_models
) -> None:
    version = home.champions[1]
    imported = import_there(key=exported["signed_by"])
    assert imported.exit_code == 0, imported.stderr
    for words in (
        f"{version} is registered.",
        "It comes from dev, exported by bob at ",
        "The gate there: promoted. Promoted: model 2 meets all conditions.",
        "It has no monitoring reference that can be read: export it again where it served",
        f"It does not serve: `mlife models promote {version} --reason ...` does that.",
    ):
        assert words in imported.stdout
    there = ("--home", production.settings.home)
    listed = run("models", "list", *there, env=PROD).stdout
    assert "promoted in dev" in listed
    assert "No model was promoted yet." in listed
    shown = run("models", "show", version, *there, env=PROD).stdout
    assert (
        f"from dev, {exported['bundle'].split('/')[1]} signed by {exported['signed_by']}, by ann: won in dev" in shown
    )
    assert "promoted in dev" in shown
    promoted = run("models", "promote", version, "--reason", "tried there", *there, env=PROD)
    assert promoted.exit_code == 0, promoted.stderr
    platform = reopened(production)
    (change,) = platform.registry.history()
    assert change.reason == "promoted in dev, not judged here: tried there"
    row = tiny_models.random_matrix(5, 1)
    left, right = (scorer_of(one.registry.load(version), threads=1).score(row) for one in (home.platform, platform))
    assert left.probability.tobytes() == right.probability.tobytes()
    assert "gate: promoted in dev" in run("models", "history", *there, env=PROD).stdout
    again = import_there(key=exported["signed_by"])
    assert f"{version} is registered, as it was." in again.stdout


def test_what_the_gate_refused_elsewhere_needs_the_flag_here(
    run, home, production, import_there, add_verdict, tmp_path
):
    version, there = home.champions[1], ("--home", production.settings.home)
    add_verdict(home.platform, version, "refused")
    out = run("models", "export", version, "--to", tmp_path / "place", "--home", home.path)
    assert "The gate's last verdict on it in dev: refused." in out.stdout
    imported = import_there(key=present_signer(home.platform).public_key.hex())
    assert "The gate there: refused. Said anew." in imported.stdout
    promoted = run("models", "promote", version, "--reason", "r", *there, env=PROD)
    assert promoted.exit_code == 1
    assert f"the gate's last verdict on {version} is: refused in dev" in promoted.stderr
    assert reopened(production).registry.champion() is None
    forced = run("models", "promote", version, "--reason", "r", "--against-the-gate", *there, env=PROD)
    assert forced.exit_code == 0, forced.stderr
    (change,) = reopened(production).registry.history()
    assert change.reason == "against the gate (refused in dev): r"


def test_an_older_verdict_that_comes_later_does_not_count(
    run, run_json, home, production, import_there, add_verdict, exported, tmp_path
):
    """Else whoever may import could choose among the verdicts of the other gate."""
    version, key = home.champions[1], exported["signed_by"]
    there = ("--home", production.settings.home)
    add_verdict(home.platform, version, "refused")
    newer = run_json("models", "export", version, "--to", tmp_path / "place", "--home", home.path)["bundle"]
    first = import_there(newer, key=key)
    assert first.exit_code == 0, first.stderr
    assert "does not count" not in first.stdout
    late = import_there(exported["bundle"], key=key)
    assert late.exit_code == 0, late.stderr
    assert "The gate there: promoted." in late.stdout
    assert "It does not count: what does is refused in dev, of " in late.stdout
    promoted = run("models", "promote", version, "--reason", "r", *there, env=PROD)
    assert promoted.exit_code == 1
    assert f"the gate's last verdict on {version} is: refused in dev" in promoted.stderr
    words = (tmp_path / "place", exported["bundle"], "--signed-by", key, "--reason", "r", *there)
    document = orjson.loads(run("models", "import", *words, "--json", env=PROD).stdout)
    assert (document["gate"], document["verdict_counts"]) == ("promoted", False)


def test_an_export_carries_and_says_what_the_gate_here_said_alone(run, production, exported, import_there, tmp_path):
    assert import_there(key=exported["signed_by"]).exit_code == 0
    words = ("models", "export", exported["model_version"], "--to", tmp_path / "next")
    on = run(*words, "--home", production.settings.home, env=PROD)
    assert on.exit_code == 0, on.stderr
    assert "The gate's last verdict on it in prod: not judged." in on.stdout
    assert "public seed" not in on.stdout


def test_the_gate_here_comes_before_the_one_elsewhere(run, home, production, exported, import_there, add_verdict):
    """It judged the version on rows of this environment, whenever the other verdict came."""
    version, there = home.champions[1], ("--home", production.settings.home)
    add_verdict(reopened(production), version, "refused")
    assert import_there(key=exported["signed_by"]).exit_code == 0
    refused = run("models", "promote", version, "--reason", "r", *there, env=PROD)
    assert refused.exit_code == 1
    assert f"the gate's last verdict on {version} is: refused;" in refused.stderr


def test_a_version_that_nobody_judged_says_so(run, home, production, import_there, tiny_models, tmp_path) -> None:
    at = home.platform.act_time(home.newest_day)
    version = home.platform.registry.register(tiny_models.tiny_artifact(3), as_of=home.newest_day, now=at)
    out = run("models", "export", version, "--to", tmp_path / "place", "--home", home.path)
    assert "last verdict on it in dev: not judged." in out.stdout
    assert "The gate there: not judged." in import_there(key=present_signer(home.platform).public_key.hex()).stdout
    there = ("--home", production.settings.home)
    assert "not judged" in run("models", "list", *there, env=PROD).stdout
    refused = run("models", "promote", version, "--reason", "r", *there, env=PROD)
    assert "is: not judged" in refused.stderr


def test_an_export_says_what_it_wrote_and_again_that_it_was_there(run, run_json, home, exported, tmp_path) -> None:
    version, place = home.champions[1], tmp_path / "place"
    assert exported["bundle"] == f"{version}/{exported['bundle'].split('/')[1]}"
    assert {"artifact/manifest.json", "registration.json", "verdicts.json"} <= set(exported["files"])
    assert (exported["environment"], exported["is_new"], exported["has_monitoring_reference"]) == ("dev", True, False)
    again = run("models", "export", version[:12], "--to", place, "--home", home.path)
    assert again.exit_code == 0, again.stderr
    assert f"{exported['bundle']} was at {place} already, exported by bob:" in again.stdout
    assert "where it comes to serve its checks will stop" in again.stdout
    assert f"Signed by {exported['signed_by']}" in again.stdout
    assert exported["key_is_public"]
    assert "This key derives from a public seed and proves nothing" in again.stdout
    modes = {path.stat().st_mode & 0o077 for path in (place, *place.rglob("*"))}
    assert modes == {0}, "rows of people are for their owner alone"


def test_what_cannot_be_imported_says_why_and_changes_nothing(run, home, production, exported, import_there, tmp_path):
    key, place = exported["signed_by"], tmp_path / "place"
    before = production.lake.list("")
    own = present_signer(production).public_key.hex()
    verdicts = place / "models" / exported["bundle"] / "verdicts.json"
    for arguments, with_key, why in (
        ((), own, "is not signed by the key that was named"),
        ((), "0" * 64, "is not signed by the key that was named"),
        ((), key[:-1], "--signed-by is no public key"),
        (("mdl_nothing",), key, "there is no bundle mdl_nothing"),
        (("--model", "churn_risk"), key, "is a version of job_applications and not of churn_risk"),
    ):
        refused = import_there(*arguments, key=with_key)
        assert refused.exit_code == 1
        assert why in refused.stderr
        assert refused.stdout == ""
    verdicts.write_bytes(verdicts.read_bytes().replace(b"promoted", b"refused!"))
    assert "verdicts.json was changed" in import_there(key=key).stderr
    verdicts.unlink()
    assert "verdicts.json is missing" in import_there(key=key).stderr
    assert production.lake.list("") == before


def test_a_place_that_is_not_there_is_not_made(run, production, tmp_path) -> None:
    words = ("models", "import", tmp_path / "nowhere", "--signed-by", "0" * 64, "--reason", "r")
    refused = run(*words, "--home", production.settings.home, env=PROD)
    assert f"there is no folder {tmp_path / 'nowhere'}" in refused.stderr
    assert not (tmp_path / "nowhere").exists()


def test_a_bucket_carries_it_too_and_needs_a_key(run, home, production, s3, s3_place, monkeypatch) -> None:
    """Both homes have their lakes in buckets of the same server, at places of their own."""
    environments = []
    for platform, name in ((home.platform, "dev"), (production, "prod")):
        lake = f"{s3_place.url}/{name}"
        store = ObstoreObjectStore.in_bucket(s3.bucket("lake", f"{s3_place.prefix}/{name}"))
        for key in platform.lake.list(""):
            store.put_if_absent(key, platform.lake.get(key))
        environments.append({**s3.variables(lake), "MLIFE_ENVIRONMENT": name})
    dev, prod = environments
    place, version = f"{s3_place.url}/between", home.champions[1]
    out = run("models", "export", version, "--to", place, "--home", home.path, env=dev)
    assert out.exit_code == 0, out.stderr
    key = out.stdout.split("Signed by ")[1][:64]
    words = ("models", "import", place, "--signed-by", key, "--reason", "r", "--home", production.settings.home)
    imported = run(*words, env=prod)
    assert imported.exit_code == 0, imported.stderr
    promoted = ("models", "promote", version, "--reason", "r", "--home", production.settings.home)
    assert run(*promoted, env=prod).exit_code == 0
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    keyless = run("models", "export", version, "--to", place, "--home", home.path)
    assert keyless.exit_code == 1
    assert "--to is a bucket, which needs a key; set AWS_ACCESS_KEY_ID" in keyless.stderr
    assert (
        "neither s3://bucket/prefix" in run("models", "export", version, "--to", "gs://x/y", "--home", home.path).stderr
    )


def test_another_model_that_was_never_trained_here_can_be_imported(
    run, home, production, import_there, tiny_models, tmp_path
):
    """The first version of a model may come from elsewhere; one that does not fit is refused all the same."""
    churn = home.platform.of_model("churn_risk")
    version = churn.registry.register(
        tiny_models.tiny_artifact(31), as_of=home.newest_day, now=home.platform.act_time(home.newest_day)
    )
    words = ("models", "export", version, "--to", tmp_path / "place", "--home", home.path, "--model", "churn_risk")
    assert run(*words).exit_code == 0
    refused = import_there("--model", "churn_risk", key=present_signer(home.platform).public_key.hex())
    assert "which is no column of churn_risk here" in refused.stderr
    unknown = import_there("--model", "nothing", key="0" * 64)
    assert "there is no model 'nothing' here; use one of job_applications, churn_risk" in unknown.stderr


def test_in_a_project_the_newest_version_says_what_a_model_may_look_at(run, project, add_model, tmp_path) -> None:
    """Commands load no code of the project, so nothing else says it."""
    out = run("models", "export", "champion", "--to", tmp_path / "place")
    assert out.exit_code == 0, out.stderr
    words = ("models", "import", tmp_path / "place", "--signed-by", out.stdout.split("Signed by ")[1][:64])
    imported = run(*words, "--reason", "r")
    assert imported.exit_code == 0, imported.stderr
    assert "It comes from project" in imported.stdout
