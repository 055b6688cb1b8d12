"""Jobs of workflows: what one reads another writes, and what it asks AWS for its role may."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from infra.gate.assertions.pairs import arns_of
from infra.gate.environments import INFRA, Environment
from infra.gate.findings import holds
from infra.gate.matrix import roles
from infra.gate.policies import actions, many, statements

_OPTIONS = {"cluster": "AWS::ECS::Cluster", "service": "AWS::ECS::Service", "repository-name": "AWS::ECR::Repository"}
"""Options by which scripts name things."""
_CALLS = {"ecr:GetLoginPassword": "ecr:GetAuthorizationToken"}
_SERVICES = {"stepfunctions": "states"}
"""What the command line calls otherwise than policies do."""
_FIELD = re.compile(r"\.([a-z_]+)\b")
_ALWAYS_SET = {"AWS_REGION", "AWS_DEFAULT_REGION", "ACCOUNT_ID", "PWD", "ARGS"}
"""By `infra/take_role.sh`, by the shell, by jq."""


@holds
def jobs_read_what_other_jobs_write(environment: Environment) -> Iterator[str]:
    """Each output and each artifact that a workflow reads is written there, each input is declared where it is read and
    given where it is asked for, and each variable of a script is set.
    """
    for file, workflow in environment.workflows.items():
        on = workflow[True] if isinstance(workflow[True], Mapping) else {}
        declared = {name for one in on.values() if one for name in one.get("inputs", ())}
        if undeclared := set(re.findall(r"\binputs\.(\w+)", json.dumps(workflow["jobs"], default=str))) - declared:
            yield f"{file} reads {sorted(undeclared)}, which it does not declare"
        left = {one["with"]["name"] for one in _steps(workflow["jobs"].values(), "upload-artifact")}
        for label, job in workflow["jobs"].items():
            yield from _of_job(environment, f"{file} {label}", workflow["jobs"], job)
            for step in _steps([job], "download-artifact"):
                if step["with"]["name"] not in left:
                    yield f"{file} {label} takes {step['with']['name']}, which no job leaves"
                scripts = json.dumps(workflow["jobs"], default=str)
                for name in re.findall(rf"\b{step['with'].get('path', '.')}/([\w.-]+)", json.dumps(job, default=str)):
                    if f"--out {name}" not in scripts:
                        yield f"{file} {label} reads {name}, which no job writes"


def _steps(jobs: Iterable[Mapping[str, Any]], action: str) -> Iterator[Mapping[str, Any]]:
    return (step for job in jobs for step in job.get("steps", ()) if f"actions/{action}@" in step.get("uses", ""))


@cache
def _plans() -> Mapping[str, str]:
    return {"changes": (INFRA.parent / "mlife_assets/core/delivery/stacks.py").read_text(encoding="utf-8")}


def _of_aws(environment: Environment, where: str, job: Mapping[str, Any]) -> Iterator[str]:
    """Return what a job asks AWS for and the role that it took last may not, and images that nobody keeps."""
    known, taken = roles(environment), None
    kept = {one.properties["RepositoryName"] for _, one in environment.of("AWS::ECR::Repository")}
    for step in job.get("steps", ()):
        script = step.get("run", "")
        if match := re.search(r"take_role\.sh (\S+) (\S+)", script):
            account, role = match.groups()
            taken = f"{role}@{account}" if account in {"delivery", "witness"} else role
        policies = known[taken][1].policies if taken in known else ()
        may = [one for policy in policies for line in statements(policy) for one in actions(line)]
        for service, call in re.findall(r"\baws ([a-z]+) ([a-z]+(?:-[a-z]+)+)", script):
            action = f"{_SERVICES.get(service, service)}:{call.title().replace('-', '')}"
            if _CALLS.get(action, action) not in may:
                yield f"{where} calls {action} as {taken}, which may not"
        for image in set(re.findall(r"amazonaws\.com/([\w-]+)", script)) - kept:
            yield f"{where} names the image {image}, which nobody keeps"


def _of_job(environment: Environment, where: str, jobs: Mapping[str, Any], job: Mapping[str, Any]) -> Iterator[str]:
    text, steps = json.dumps(job, default=str), {one["id"]: one for one in job.get("steps", ()) if "id" in one}
    for other, name in re.findall(r"needs\.(\w+)\.outputs\.(\w+)", text):
        if other not in many(job.get("needs")) or name not in jobs[other].get("outputs", {}):
            yield f"{where} reads {name} of {other}"
    for step, name in re.findall(r"steps\.(\w+)\.outputs\.(\w+)", text):
        if not re.search(rf'\b{name}=.*GITHUB_OUTPUT"', steps.get(step, {}).get("run", "")):
            yield f"{where} reads {name} of its step {step}"
    if "uses" in job:
        called = environment.workflows[job["uses"].rpartition("/")[2].partition(".")[0]]
        on = called[True] if isinstance(called[True], Mapping) else {}
        inputs = (on.get("workflow_call") or {}).get("inputs", {})
        given = job.get("with", {})
        asked = {name for name, one in inputs.items() if one.get("required")}
        if not asked <= given.keys() <= inputs.keys():
            yield f"{where} gives {sorted(given)} and is asked for {sorted(asked)}"
    yield from _of_aws(environment, where, job)
    whole = "\n".join(step.get("run", "") for step in job.get("steps", ()))
    for plan in re.findall(r"infra apply ([\w.-]+)\b(?!/)", whole):
        if f"--out {plan}" not in whole:
            yield f"{where} applies {plan}, which it does not write"
    for account in set(re.findall(r"--account (\S+)", whole)) - environment.accounts.keys():
        yield f"{where} names {account}, which is no account"
    for name in {
        name for asked in re.findall(r"jq [^']*'([^'$]+)' \S*\.json", whole) for name in _FIELD.findall(asked)
    }:
        if not any(re.search(rf"^    {name}: ", text, re.M) for text in _plans().values()):
            yield f"{where} reads {name} of a plan, which has none"
    for step in job.get("steps", ()):
        script = step.get("run", "")
        for option, kind in _OPTIONS.items():
            names = {name for stack, one in environment.of(kind) for name in arns_of(stack, one)}
            for named in re.findall(rf"--{option} ([\w-]+)", script):
                if not any(arn.endswith((f"/{named}", f":{named}")) for arn in names):
                    yield f"{where} names {named}, which is no {option}"
        known = {*job.get("env", ()), *step.get("env", ()), *_ALWAYS_SET, *re.findall(r"\b(\w+)=", script)}
        for name in set(re.findall(r"\$\{?([A-Z][A-Z_]+)\b", script)) - known:
            if not name.startswith("GITHUB_"):
                yield f"{where} reads ${name}, which is not set"
