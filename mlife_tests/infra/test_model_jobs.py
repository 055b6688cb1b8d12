"""The shell of the jobs that take a model from one environment to another or back, and stop sending; what it asks for.

Shown: the scripts of `models` and `operate`, run by bash, with programs in the place of `mlife` and `aws`; the real
commands take the words that `mlife` is given. Not shown: that GitHub runs them, and tasks of an environment.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.main import get_command

from infra.gate.environments import Sources, rendered
from mlife_assets.cli import app
from mlife_assets.recruiting.events import JOB_APPLICATIONS

VERSION, BUNDLE = "mdl_0123456789abcdef0123", "bdl_0123456789abcdef0123"
REASON = 'won in dev; "$(id)"'
NOTES_WORDS = '#!/bin/sh\nprintf "%s\\0" "$@" >asked\n'
AWS = '#!/bin/sh\nif [ "$1" = ssm ]; then echo arn:of:key; else test "$4" = arn:of:key && echo {answer}; fi\n'
STEP_FUNCTIONS = r"""#!/bin/sh
case "$1 $2" in
  "ssm get-parameter") echo "arn:of:$4" ;;
  "stepfunctions start-execution") printf '%s\0' "$@" >asked; echo arn:of:execution ;;
  "stepfunctions describe-execution")
    test "$4" = arn:of:execution
    echo >>looks
    if [ "$(wc -l <looks)" -lt 3 ]; then echo RUNNING; else echo {status}; fi
    ;;
esac
"""
PUBLIC_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()


@pytest.fixture
def job(tmp_path: Path, repository: Path) -> Any:
    """Return what runs the last script of a job, and returns what the job says and what `mlife` was asked."""
    answer = base64.b64encode(PUBLIC_KEY.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
    for name, text in {
        **{
            name: (repository / name).read_text(encoding="utf-8")
            for name in ("infra/parameters/accounts.yaml", "infra/start_machine.sh")
        },
        ".venv/bin/mlife": NOTES_WORDS,
        "bin/aws": AWS.format(answer=answer),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / name).chmod(0o700)

    def call(workflow: str, name: str, **variables: str) -> tuple[dict[str, str], list[str]]:
        script = Sources.read().workflows[workflow]["jobs"][name]["steps"][-1]["run"]
        at = {"GITHUB_OUTPUT": "output", "GITHUB_STEP_SUMMARY": "summary", "GITHUB_ACTOR": "ann"}
        at |= {
            "PAUSE_SECONDS": "0", "PATH": f"{tmp_path}/bin:/usr/bin:/bin", "MODEL": "job_applications",
            "REASON": REASON, **variables,
        }  # fmt: skip
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
    assert groups["operate"].endswith("${{ inputs.what }}-${{ inputs.model }}-${{ inputs.version }}")


def test_a_model_is_promoted_by_whoever_asked_for_it(job: Any) -> None:
    _, asked = job("operate", "operate", ENVIRONMENT="prod", WHAT="promote-model", VERSION=VERSION)
    promoted = taken(asked, "prod", "promote")
    assert (promoted["version"], promoted["reason"], promoted["actor"]) == (VERSION, REASON, "ann")
    assert not promoted["against_the_gate"]


def test_what_looks_like_an_option_is_a_version_that_nobody_knows(job: Any) -> None:
    _, asked = job("operate", "operate", ENVIRONMENT="prod", WHAT="promote-model", VERSION="--against-the-gate")
    promoted = taken(asked, "prod", "promote")
    assert (promoted["version"], promoted["against_the_gate"]) == ("--against-the-gate", False)


@pytest.fixture
def started(job: Any, tmp_path: Path) -> Any:
    """Return what runs a job of `operate` that starts a state machine, and returns which, and its input."""

    def call(status: str = "SUCCEEDED", **variables: str) -> tuple[str, dict[str, Any]]:
        (tmp_path / "bin/aws").write_text(STEP_FUNCTIONS.replace("{status}", status), encoding="utf-8")
        _, asked = job("operate", "operate", ENVIRONMENT="prod", **variables)
        given = dict(zip(asked[2::2], asked[3::2], strict=True))
        return given["--state-machine-arn"], json.loads(given["--input"])

    return call


def test_sending_is_stopped_in_earnest_and_the_job_waits_for_it(started: Any, tmp_path: Path) -> None:
    assert started(WHAT="stop-sending") == ("arn:of:/mlife/triggers/kill-switch-arn", {"rehearsal": False})
    assert (tmp_path / "looks").read_text(encoding="utf-8") == "\n" * 3


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_a_machine_that_did_not_succeed_fails_its_job(started: Any, status: str) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        started(status, WHAT="stop-sending")


def rollback_as_run(environment: str, given: dict[str, str]) -> dict[str, Any]:
    """Return what `mlife models rollback` reads of the command that the state machine makes of an input."""
    machines = rendered(Sources.read(), environment).of("AWS::StepFunctions::StateMachine")
    (machine,) = (one for _, one in machines if one.properties["StateMachineName"] == "mlife-model-rollback")
    definition = machine.properties["Definition"]
    state, given = definition["States"][definition["StartAt"]], dict(given)
    while state["Type"] != "Task":
        if state["Type"] == "Pass":
            given[state["ResultPath"].removeprefix("$.")] = state["Result"]
        chosen = [
            one["Next"]
            for one in state.get("Choices", ())
            if (one["Variable"].removeprefix("$.") in given) == one["IsPresent"]
        ]
        state = definition["States"][(chosen or [state.get("Next") or state["Default"]])[0]]
    (container,) = state["Parameters"]["Overrides"]["ContainerOverrides"]
    words = re.fullmatch(r"States\.Array\((.*)\)", container["Command.$"])[1].split(",")  # type: ignore[index]
    words = [word.strip("'") if word.startswith("'") else given[word.removeprefix("$.")] for word in words]
    program, group, name, *rest = words
    command: Any = get_command(app)
    assert (program, group, name) == ("mlife", "models", "rollback")
    found: dict[str, Any] = command.commands[group].commands[name].make_context(name, rest).params
    return found


def test_the_model_that_was_named_goes_back_to_what_was_named(started: Any) -> None:
    machine, given = started(WHAT="rollback-model", MODEL="churn_risk", VERSION=VERSION)
    assert machine == "arn:of:/mlife/triggers/model-rollback-arn"
    assert given == {"model": "churn_risk", "version": VERSION, "actor": "ann", "reason": REASON}
    run = rollback_as_run("prod", given)
    assert (run["model"], run["to"], run["actor"], run["reason"]) == ("churn_risk", VERSION, "ann", REASON)


def test_an_input_without_a_model_is_of_the_first_one() -> None:
    run = rollback_as_run("dev", {"version": VERSION, "actor": "ann", "reason": "wrong"})
    assert (run["model"], run["to"]) == (JOB_APPLICATIONS, VERSION)


def test_nothing_is_rolled_back_to_no_version(started: Any, tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        started(WHAT="rollback-model", VERSION="")
    assert not (tmp_path / "asked").exists()
