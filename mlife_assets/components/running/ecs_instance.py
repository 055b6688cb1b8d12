"""The Dagster instance of an environment on AWS: tasks of ECS for runs, records in RDS, logs of steps in the lake.

Concept: the settings file names variables and holds no value, so it is the same in each environment and lies in the
image. Values that Dagster's own parts cannot take from a variable (a list of subnets, a bucket in an address, a
changing password) are parsed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_aws.ecs import EcsRunLauncher
from dagster_aws.s3 import S3ComputeLogManager

from mlife_assets.adapters.aws.rds_login import rds_address
from mlife_assets.components.running.run_database import RunDatabase
from mlife_assets.core.storage_places import bucket_name_and_prefix

CONTAINER, COMPUTE_LOGS = "run", "compute-logs"
"""Name of a run's container in `infra/templates/45-dagster.yaml`, and the web server's readable folder of the lake."""


class FargateLauncher(EcsRunLauncher):
    """`EcsRunLauncher` with one task definition for all runs.

    The tags `ecs/cpu` and `ecs/memory` of a run request a larger task. Dagster's launcher obeys further tags, which
    change a task's role, network or command; as anyone who starts a run in the UI may set tags, they are ignored.
    """

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        """Return the fields of the settings file: the task definition, its cluster and its network."""
        return dict.fromkeys(("task", "cluster", "subnets", "security_group"), dg.StringSource)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> FargateLauncher:
        """Return the launcher; `subnets` are joined by commas."""
        network = {
            "subnets": config_value["subnets"].split(","),
            "securityGroups": [config_value["security_group"]],
            "assignPublicIp": "DISABLED",
        }
        return cls(
            inst_data=inst_data,
            task_definition=config_value["task"],
            container_name=CONTAINER,
            secrets_tag=None,  # tasks read secrets by their role
            use_current_ecs_task_config=False,
            run_task_kwargs={
                "cluster": config_value["cluster"],
                "launchType": "FARGATE",
                "networkConfiguration": {"awsvpcConfiguration": network},
            },
        )

    def _get_run_task_kwargs_from_run(self, run: dg.DagsterRun) -> Mapping[str, Any]:  # noqa: ARG002
        return {}

    def _get_task_overrides(self, container_context: Any, run: dg.DagsterRun) -> Mapping[str, Any]:  # noqa: ARG002
        return {}

    def _get_container_overrides(self, run: dg.DagsterRun) -> Mapping[str, Any]:  # noqa: ARG002
        return {}


class RdsRunDatabase(RunDatabase):
    """`RunDatabase` in RDS; the task's role reads the password."""

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        """Return the fields of the settings file: the host, the name of its secret, the folder of a cached password."""
        return dict.fromkeys(("host", "secret", "region", "home"), dg.StringSource)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> RdsRunDatabase:
        """Return the storage. Raises PermanentError or TransientError on a fault of secret or database."""
        given = config_value
        return cls(
            rds_address(given["host"], given["secret"], given["region"], Path(given["home"], "private")), inst_data
        )


class LakeComputeLogs(S3ComputeLogManager):
    """`S3ComputeLogManager` in the lake."""

    @classmethod
    def config_type(cls) -> Mapping[str, Any]:
        """Return the fields of the settings file: the lake, a folder to write in, seconds between two uploads."""
        return {"lake": dg.StringSource, "folder": dg.StringSource, "upload_interval": int}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> LakeComputeLogs:
        """Return the manager."""
        bucket, prefix = bucket_name_and_prefix(config_value["lake"])
        return cls(
            bucket=bucket,
            prefix="/".join(part for part in (prefix, COMPUTE_LOGS) if part),
            local_dir=config_value["folder"],
            inst_data=inst_data,
            skip_empty_files=True,
            upload_interval=config_value["upload_interval"],
        )
