"""Tasks: one image by its digest, little rights in the container, a role each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.gate.environments import Environment, Resource, Stack
from infra.gate.findings import holds

_DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")
_SECRET = re.compile(r"PASSWORD|TOKEN|SECRET|_KEY|CREDENTIAL")
_NAME_OF_ONE = re.compile(r"arn:aws:(secretsmanager|kms):")
FARGATE_MEMORY = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
    8192: tuple(range(16384, 61440 + 1, 4096)),
    16384: tuple(range(32768, 122880 + 1, 8192)),
}
"""MiB that Fargate has for some units of CPU."""


def _containers(environment: Environment) -> Iterator[tuple[Stack, Resource, Mapping[str, Any]]]:
    for stack, task in environment.of("AWS::ECS::TaskDefinition"):
        for container in task.properties["ContainerDefinitions"]:
            yield stack, task, container


@holds
def images_are_named_by_digest(environment: Environment) -> Iterator[str]:
    """Every container runs the image that was tested, by its digest, and all of an environment run the same one."""
    images = {container["Image"] for _, _, container in _containers(environment)}
    for image in sorted(images):
        if not _DIGEST.fullmatch(image):
            yield f"{image} can be another one tomorrow"
    if len(images) != 1:
        yield f"there are {len(images)} images"
    for stack in environment.stacks:
        for name, parameter in stack.source.get("Parameters", {}).items():
            if "Image" in name and "sha256" not in str(parameter.get("AllowedPattern")):
                yield f"{stack.template}: {name} takes a tag"


@holds
def days_of_prod_run_by_themselves(environment: Environment) -> Iterator[str]:
    """In prod each day runs once its files were delivered; elsewhere days may wait for somebody."""
    parameters = environment.stack("45-dagster").parameters
    if environment.name == "prod" and parameters["DaysRunByThemselves"] != "true":
        yield "no day of prod runs before somebody asks for it"


@holds
def containers_write_to_scratch_alone(environment: Environment) -> Iterator[str]:
    """The root file system of each container is read-only."""
    for stack, task, container in _containers(environment):
        if container.get("ReadonlyRootFilesystem") is not True:
            yield f"{stack.template} {task.name}"


@holds
def containers_have_no_privileges(environment: Environment) -> Iterator[str]:
    """No container runs as root, with a capability or privileged."""
    for stack, task, container in _containers(environment):
        user = str(container.get("User", "0")).split(":")[0]
        dropped = container.get("LinuxParameters", {}).get("Capabilities", {})
        if user in {"0", "root"} or container.get("Privileged") or dropped != {"Drop": ["ALL"]}:
            yield f"{stack.template} {task.name} runs as {user} with {dropped}"


@holds
def no_secret_is_in_an_environment(environment: Environment) -> Iterator[str]:
    """Environment variables hold names of secrets, never what they say: tasks read them by their roles."""
    for stack, task, container in _containers(environment):
        if container.get("Secrets"):
            yield f"{stack.template} {task.name}: ECS puts {container['Secrets'][0]['Name']} into the environment"
        for variable in container.get("Environment", ()):
            value = str(variable["Value"])
            if (
                _SECRET.search(variable["Name"]) and not _NAME_OF_ONE.match(value)
            ) or "resolve:secretsmanager" in value:
                yield f"{stack.template} {task.name}: {variable['Name']}"


@holds
def nobody_gets_a_shell_in_a_task(environment: Environment) -> Iterator[str]:
    """ECS Exec is off everywhere."""
    for stack, service in environment.of("AWS::ECS::Service"):
        if service.properties.get("EnableExecuteCommand") is not False:
            yield f"{stack.template} {service.name}"


@holds
def tasks_have_private_addresses(environment: Environment) -> Iterator[str]:
    """Services run in private subnets without public addresses."""
    for stack, service in environment.of("AWS::ECS::Service"):
        given = service.properties["NetworkConfiguration"]["AwsvpcConfiguration"]
        if given.get("AssignPublicIp") != "DISABLED" or any("Tasks" not in subnet for subnet in given["Subnets"]):
            yield f"{stack.template} {service.name}"


@holds
def a_bad_deployment_goes_back_by_itself(environment: Environment) -> Iterator[str]:
    """Each service has a circuit breaker that rolls back."""
    for stack, service in environment.of("AWS::ECS::Service"):
        breaker = service.properties["DeploymentConfiguration"].get("DeploymentCircuitBreaker")
        if breaker != {"Enable": True, "Rollback": True}:
            yield f"{stack.template} {service.name}"


@holds
def there_is_never_a_second_daemon(environment: Environment) -> Iterator[str]:
    """The daemon is stopped before its successor starts, since two would evaluate each sensor twice."""
    (daemon,) = (s for _, s in environment.of("AWS::ECS::Service") if s.properties["ServiceName"] == "mlife-daemon")
    given = daemon.properties["DeploymentConfiguration"]
    if daemon.properties["DesiredCount"] != 1 or (given["MinimumHealthyPercent"], given["MaximumPercent"]) != (0, 100):
        yield f"{daemon.properties['DesiredCount']} daemons, {given}"


@holds
def fargate_has_tasks_of_this_size(environment: Environment) -> Iterator[str]:
    """CPU and memory of each task are a pair that Fargate has."""
    for stack, task in environment.of("AWS::ECS::TaskDefinition"):
        cpu, memory = int(task.properties["Cpu"]), int(task.properties["Memory"])
        if memory not in FARGATE_MEMORY.get(cpu, ()):
            yield f"{stack.template} {task.name}: {cpu} units with {memory} MiB"


@holds
def log_lines_are_kept(environment: Environment) -> Iterator[str]:
    """Groups of log lines keep them for a year or longer, not for ever."""
    for stack, group in environment.of("AWS::Logs::LogGroup"):
        if group.properties.get("RetentionInDays", 0) < 365:
            yield f"{stack.template} {group.name} keeps {group.properties.get('RetentionInDays')}"
