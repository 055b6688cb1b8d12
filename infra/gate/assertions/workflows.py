"""Workflows: what a job may do, whom it is, and in which order an image goes from account to account."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.gate.environments import Environment, Resource, Stack
from infra.gate.findings import holds

Tree = Mapping[str, Any]
MOST = {"contents": "read", "id-token": "write"}
"""The most that a job may do: read this repository, and say who it is."""
_TAKES = re.compile(r"infra/take_role\.sh (\S+) (\S+)")
_TAKES_FOR = re.compile(r"infra/take_role\.sh \S+ (\S+) (\d+)")
_BY_COMMIT = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
_IMAGE = re.compile(r"^\s*(?:docker run .*?|)(\S+/\S+:v?\d\S*)", re.M)
_BASE = (
    r'base=\$\(sed .*python_base.* infra/parameters/accounts\.yaml\)\s+docker build --build-arg "PYTHON_BASE=\$base"'
)
ON: Any = True
"""What YAML makes of the word by which a workflow says when it starts."""
_TRIGGERS = {"push", "pull_request", "workflow_call", "workflow_dispatch"}
_OURS = "github.event.pull_request.head.repo.full_name == github.repository"
CALLED_ENVIRONMENT = "${{ inputs.environment }}"
_CALLED = re.compile(r"\$\{\{ inputs\.\w+ \}\}")
"""An environment that is named when a workflow starts."""


def _jobs(environment: Environment) -> Iterator[tuple[str, Tree]]:
    for file, workflow in environment.workflows.items():
        for name, job in workflow["jobs"].items():
            yield f"{file} {name}", job


def _commands(job: Tree) -> str:
    return "\n".join(step.get("run", "") for step in job.get("steps", ()))


@holds
def jobs_may_do_nothing_but_read_and_say_who_they_are(environment: Environment) -> Iterator[str]:
    """No workflow has rights of itself; each job states its own, at most reading the repository and its identity."""
    for file, workflow in environment.workflows.items():
        if workflow.get("permissions") != {}:
            yield f"{file} has rights by default: {workflow.get('permissions')}"
    for where, job in _jobs(environment):
        rights = job.get("permissions")
        if not isinstance(rights, dict) or not rights.items() <= MOST.items():
            yield f"{where} may {rights}"


@holds
def strangers_get_no_identity(environment: Environment) -> Iterator[str]:
    """A workflow is started by a push to main, a person or a pull request; a copy's pull request gets no identity."""
    for file, workflow in environment.workflows.items():
        on = workflow[ON]
        triggers = {on} if isinstance(on, str) else set(on)
        if triggers - _TRIGGERS or ("push" in triggers and on["push"] != {"branches": ["main"]}):
            yield f"{file} starts on {on}"
        for name, job in workflow["jobs"].items():
            if "pull_request" in triggers and "id-token" in job.get("permissions", {}) and job.get("if") != _OURS:
                yield f"{file} {name} says who it is for anybody's pull request"


@holds
def who_says_who_he_is_names_an_environment(environment: Environment) -> Iterator[str]:
    """Each job that can take a role runs in a GitHub environment, where somebody can ask for a review."""
    for where, job in _jobs(environment):
        if "id-token" in job.get("permissions", {}) and "uses" not in job and not job.get("environment"):
            yield f"{where} has an identity and no environment"


@holds
def a_job_takes_roles_of_its_own_environment(environment: Environment) -> Iterator[str]:
    """A job takes roles of its environment's account alone, those that only show without a review; `pypi` has none."""
    for where, job in _jobs(environment):
        named = job.get("environment")
        if named and _CALLED.fullmatch(named):
            named = '"$ENVIRONMENT"'
        if named == '"$ENVIRONMENT"' and job.get("env", {}).get("ENVIRONMENT") != job["environment"]:
            yield f"{where} calls something else ENVIRONMENT"
        taken = _TAKES.findall(_commands(job))
        if bool(taken) != ("id-token" in job.get("permissions", {}) and "uses" not in job and named != "pypi"):
            yield f"{where} has an identity and takes no role, or the other way round"
        for account, role in taken:
            if named == "preview":
                is_its_own = role == "mlife-preview"
            else:
                is_its_own = account == named and role in {"mlife-deploy", "mlife-publish"}
            if not is_its_own:
                yield f"{where}, of {named}, takes {role} of {account}"


@holds
def workflows_know_no_secret(environment: Environment) -> Iterator[str]:
    """No workflow reads or hands on a secret: a job's identity is all it has."""
    for file, workflow in environment.workflows.items():
        if re.search(r"\bsecrets\b", json.dumps(workflow, default=str)):
            yield f"{file} names secrets"


@holds
def what_runs_is_pinned(environment: Environment) -> Iterator[str]:
    """Each action is named by its commit and each image by its digest; the rest is of this repository."""
    for where, job in _jobs(environment):
        for used in [job.get("uses"), *(step.get("uses") for step in job.get("steps", ()))]:
            if used and not used.startswith("./.github/workflows/") and not _BY_COMMIT.fullmatch(used):
                yield f"{where} uses {used}"
        if "container" in job or "services" in job:
            yield f"{where} runs in a container, which nothing here pins"
        for image in _IMAGE.findall(_commands(job)):
            if "@sha256:" not in image and "$registry" not in image:
                yield f"{where} runs {image}"


@holds
def nobody_writes_into_a_shell(environment: Environment) -> Iterator[str]:
    """No expression stands in a script: what somebody typed reaches it as a variable."""
    for where, job in _jobs(environment):
        if "${{" in _commands(job):
            yield f"{where} has an expression in a script"


@holds
def a_step_that_fails_ends_its_job(environment: Environment) -> Iterator[str]:
    """Scripts fail with the first command that does, also in a pipe, and no step is let fail."""
    for file, workflow in environment.workflows.items():
        if workflow.get("defaults") != {"run": {"shell": "bash"}}:
            yield f"{file} runs a shell without pipefail"
    for where, job in _jobs(environment):
        if any("continue-on-error" in one for one in (job, *job.get("steps", ()))):
            yield f"{where} goes on after an error"


@holds
def one_image_goes_from_dev_to_staging_to_prod(environment: Environment) -> Iterator[str]:
    """An image is built in one job, on the base that accounts.yaml names, after the tests, and each environment waits
    for the one before it.
    """
    jobs = environment.workflows["deploy"]["jobs"]
    wanted = {"dev": ["image"], "staging": ["image", "dev"], "prod": ["image", "staging"]}
    for name, before in wanted.items():
        job = jobs[name]
        needs = job["needs"] if isinstance(job["needs"], list) else [job["needs"]]
        given = {"environment": name, "image": "${{ needs.image.outputs.image }}"}
        if needs != before or job.get("with") != given or job["uses"] != "./.github/workflows/environment.yml":
            yield f"deploy {name} needs {needs} and is given {job.get('with')}"
    builds = [where for where, job in _jobs(environment) if "docker build" in _commands(job)]
    order = [jobs[name].get("needs") for name in ("image", "registry", "accounts")]
    if builds != ["deploy image"] or order != ["registry", "accounts", "tests"]:
        yield f"images are built by {builds}, and not after the tests"
    if not re.search(_BASE, _commands(jobs["image"])):
        yield "deploy image builds on no base, and the recipe has none of itself"


@holds
def a_session_lasts_as_long_as_what_it_applies(environment: Environment) -> Iterator[str]:
    """No job takes a role for longer than it allows; a session lasts as long as what applies, the job an hour more."""
    most = {
        one.properties["RoleName"]: one.properties.get("MaxSessionDuration", 3600)
        for _, one in _bootstrapped(environment)
    }
    for where, job in _jobs(environment):
        for role, seconds in _TAKES_FOR.findall(_commands(job)):
            if int(seconds) > most[role]:
                yield f"{where} takes {role} for {seconds} s, which allows {most[role]}"
    apply = environment.workflows["environment"]["jobs"]["apply"]
    taken = _TAKES_FOR.findall(_commands(apply).partition("mlife infra apply")[0])
    step = next(one for one in apply["steps"] if "mlife infra apply" in one.get("run", ""))
    minutes = step.get("timeout-minutes", apply["timeout-minutes"])
    if not taken or int(taken[-1][1]) < 60 * minutes:
        yield f"environment apply may apply for {minutes} minutes, and its session {taken or 'an hour'}"
    if apply["timeout-minutes"] < minutes + 60:
        yield f"environment apply ends after {apply['timeout-minutes']} minutes, of which applying may take {minutes}"


def _bootstrapped(environment: Environment) -> Iterator[tuple[Stack, Resource]]:
    return ((stack, one) for stack, one in environment.of("AWS::IAM::Role") if stack.template == "00-bootstrap")


@holds
def what_is_applied_was_shown_and_is_proved(environment: Environment) -> Iterator[str]:
    """An environment is applied from the plan that was shown, migrated and smoked; a failure after that goes back."""
    jobs = environment.workflows["environment"]["jobs"]
    apply = jobs["apply"]
    commands = re.findall(r"mlife infra (\w+)", _commands(apply))
    if commands != ["apply", "migrate", "smoke", "rollback"] or "plan" not in apply["needs"]:
        yield f"environment apply does {commands}"
    if apply["environment"] != CALLED_ENVIRONMENT:
        yield f"environment apply runs in {apply['environment']}, whose reviewers are others"
    back = apply["steps"][-1]
    if back.get("if") != "failure() && steps.apply.outcome != 'skipped'" or "infra rollback" not in back["run"]:
        yield "environment apply does not go back when it fails"
    if "mlife infra plan" not in _commands(jobs["plan"]) or jobs["plan"]["environment"] != "preview":
        yield "environment plan shows nothing"
