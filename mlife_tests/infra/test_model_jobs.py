"""The shell of the jobs that take a model from one environment to another, and what it asks of `mlife`.

Shown: the scripts of `models` and `operate`, run by bash, with programs in the place of `mlife` and `aws`; the real
commands take the words that `mlife` is given. Not shown: that GitHub runs them, and tasks of an environment.
"""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.main import get_command

from infra.gate.environments import Sources, rendered
from mlife_assets.cli import app

VERSION, BUNDLE = "mdl_0123456789abcdef0123", "bdl_0123456789abcdef0123"
REASON = 'won in dev; "$(id)"'
NOTES_WORDS = '#!/bin/sh\nprintf "%s\\0" "$@" >asked\n'
AWS = '#!/bin/sh\nif [ "$1" = ssm ]; then echo arn:of:key; else test "$4" = arn:of:key && echo {answer}; fi\n'
PUBLIC_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()


@pytest.fixture
def job(tmp_path: Path, repository: Path) -> Any:
    """Return what runs the last script of a job, and returns what the job says and what `mlife` was asked."""
    answer = base64.b64encode(PUBLIC_KEY.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
    for name, text in {
        "infra/parameters/accounts.yaml": (repository / "infra/parameters/accounts.yaml").read_text(encoding="utf-8"),
        ".venv/bin/mlife": NOTES_WORDS,
        "bin/aws": AWS.format(answer=answer),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / name).chmod(0o700)

    def call(workflow: str, name: str, **variables: str) -> tuple[dict[str, str], list[str]]:
        script = Sources.read().workflows[workflow]["jobs"][name]["steps"][-1]["run"]
        at = {"GITHUB_OUTPUT": "output", "GITHUB_STEP_SUMMARY": "summary", "GITHUB_ACTOR": "ann"}
        at |= {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "MODEL": "job_applications", "REASON": REASON, **variables}
        subprocess.run(["bash", "-eo", "pipefail", "-c", script], cwd=tmp_path, env=at, check=True)
        output = tmp_path / "output"
        lines = output.read_text(encoding="utf-8").splitlines() if output.exists() else []
        said = dict(line.split("=", 1) for line in lines)
        return said, (tmp_path / "asked").read_text(encoding="utf-8").split("\0")[:-1]

    return call


def taken(words: list[str], environment: str, command: str) -> dict[str, Any]:
    """Return what `mlife infra run` hands to a task, as the command of `mlife models` that runs there reads it."""
    groups: Any = get_command(app)
    group, name, *rest = words
    outer = groups.commands[group].commands[name].make_context(name, rest).params
    assert (group, name, outer["environment"]) == ("infra", "run", environment)
    program, models, inner, *rest = outer["command"]
    assert (program, models, inner) == ("mlife", "models", command)
    found: dict[str, Any] = groups.commands[models].commands[inner].make_context(inner, rest).params
    return found


def test_a_version_is_exported_to_the_bucket_and_imported_under_the_key_of_kms(job: Any) -> None:
    said, asked = job("models", "export", ENVIRONMENT="dev", VERSION=f"{VERSION}/{BUNDLE}")
    (bucket,) = rendered(Sources.read(), "dev").stack("06-bundles").of("AWS::S3::Bucket")
    place, key = f"s3://{bucket.properties['BucketName']}/dev", PUBLIC_KEY.public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert said == {"place": place, "signed_by": key.hex()}
    exported = taken(asked, "dev", "export")
    assert (exported["version"], exported["to"], exported["actor"]) == (VERSION, place, "ann")
    assert exported["model"] == "job_applications"
    given = {"PLACE": said["place"], "SIGNED_BY": said["signed_by"]}
    _, asked = job("models", "import", ENVIRONMENT="prod", VERSION=f"{VERSION}/{BUNDLE}", **given)
    imported = taken(asked, "prod", "import")
    assert (imported["place"], imported["version"]) == (place, f"{VERSION}/{BUNDLE}")
    assert (imported["signed_by"], imported["reason"], imported["actor"]) == (key.hex(), REASON, "ann")


@pytest.mark.parametrize(
    "version", ["champion", "mdl_01", VERSION + "/", VERSION + "\n0", f"{VERSION}/{BUNDLE} and more"]
)
def test_what_is_approved_is_a_whole_version(job: Any, version: str) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        job("models", "export", ENVIRONMENT="dev", VERSION=version)
    said, _ = job("models", "export", ENVIRONMENT="dev", VERSION=VERSION)
    assert said["place"].endswith("/dev"), "it fails for the version alone"


def test_reviewers_see_what_they_approve() -> None:
    names = {name: Sources.read().workflows[name]["run-name"] for name in ("models", "operate")}
    for workflow, inputs in {
        "models": ("model", "version", "from", "to"),
        "operate": ("what", "environment", "version"),
    }.items():
        assert all(f"${{{{ inputs.{one} }}}}" in names[workflow] for one in inputs)


def test_what_waits_for_an_approval_holds_up_nothing_else() -> None:
    groups = {name: Sources.read().workflows[name]["concurrency"]["group"] for name in ("models", "operate")}
    assert groups["models"].endswith("${{ inputs.to }}-${{ inputs.version }}")
    assert groups["operate"].endswith("${{ inputs.environment }}-${{ inputs.what }}")


def test_a_model_is_promoted_by_whoever_asked_for_it(job: Any) -> None:
    _, asked = job("operate", "operate", ENVIRONMENT="prod", WHAT="promote-model", VERSION=VERSION)
    promoted = taken(asked, "prod", "promote")
    assert (promoted["version"], promoted["reason"], promoted["actor"]) == (VERSION, REASON, "ann")
    assert not promoted["against_the_gate"]


def test_what_looks_like_an_option_is_a_version_that_nobody_knows(job: Any) -> None:
    _, asked = job("operate", "operate", ENVIRONMENT="prod", WHAT="promote-model", VERSION="--against-the-gate")
    promoted = taken(asked, "prod", "promote")
    assert (promoted["version"], promoted["against_the_gate"]) == ("--against-the-gate", False)
