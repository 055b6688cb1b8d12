"""Commands that run inside an environment, as the task that a run becomes.

Concept: whoever deploys has no right on data; what needs one runs as a task, with the rights of a run, and its exit
code is all that comes back. What it printed is in the log of tasks, which whoever deploys cannot read either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlife_assets.adapters.delivery.aws import Clients, require_account, waited
from mlife_assets.core.errors import TransientError

TASK_SECONDS = 1800.0
AT_ONCE = 3
"""Tasks that are there at the same time. Each takes up to 4 of the vCPU that Fargate lets an account have in a region,
which Dagster's runs and services share: with three of them, four runs and services that are just replaced it is 33,
about half of what `infra/README.md` asks AWS for."""
LOG_GROUP = "/mlife/tasks"
CONTAINER = "run"


@dataclass(frozen=True)
class Ended:
    """How a task ended; no exit code where its container never ran."""

    exit_code: int | None
    reason: str
    log_stream: str

    @property
    def is_well(self) -> bool:
        return self.exit_code == 0


@dataclass(frozen=True)
class RunTasks:
    """Tasks of one environment, started by a role that may."""

    of: Clients
    account: str
    sleep: Callable[[float], None]

    def run(self, commands: Mapping[str, Sequence[str]]) -> dict[str, Ended]:
        """Run commands, each as a task and few at the same time, and return how each ended, by its name.

        Raises TransientError where a task could not be started or does not end.
        """
        require_account(self.of, self.account)
        ssm = self.of("ssm")
        names = {
            "cluster": "/mlife/dagster/cluster-arn",
            "task": "/mlife/dagster/run-task-arn",
            "subnets": "/mlife/network/task-subnet-ids",
            "group": "/mlife/network/task-security-group-id",
        }
        at = {key: ssm.get_parameter(Name=path)["Parameter"]["Value"] for key, path in names.items()}
        ended: dict[str, Ended] = {}
        names_in_order = list(commands)
        for first in range(0, len(names_in_order), AT_ONCE):
            some = names_in_order[first : first + AT_ONCE]
            started = {name: self._start(at, commands[name]) for name in some}
            ended |= {name: self._ended(at["cluster"], task) for name, task in started.items()}
        return ended

    def _start(self, at: Mapping[str, str], command: Sequence[str]) -> str:
        network = {"subnets": at["subnets"].split(","), "securityGroups": [at["group"]], "assignPublicIp": "DISABLED"}
        answer = self.of("ecs").run_task(
            cluster=at["cluster"],
            taskDefinition=at["task"],
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": network},
            overrides={"containerOverrides": [{"name": CONTAINER, "command": list(command)}]},
        )
        if answer["failures"] or not answer["tasks"]:
            raise TransientError(f"ECS started no task for {' '.join(command)}: {answer['failures']}; try again")
        return str(answer["tasks"][0]["taskArn"])

    def _ended(self, cluster: str, task: str) -> Ended:
        def look() -> Mapping[str, Any]:
            found = self.of("ecs").describe_tasks(cluster=cluster, tasks=[task])["tasks"]
            return found[0] if found else {}  # ECS may not know it for a moment after it was started

        seen = waited(
            look, lambda one: one.get("lastStatus") == "STOPPED", f"task {task}", seconds=TASK_SECONDS, sleep=self.sleep
        )
        container = next(one for one in seen["containers"] if one["name"] == CONTAINER)
        reason = container.get("reason") or seen.get("stoppedReason") or ""
        return Ended(container.get("exitCode"), reason, f"{LOG_GROUP} mlife/{CONTAINER}/{task.rpartition('/')[2]}")
