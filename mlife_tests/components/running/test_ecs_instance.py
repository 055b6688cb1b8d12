"""Runs on ECS, end to end: code location and daemon as processes of their own, with the commands and the variables of
the template; the task that the launcher asks for, run as a process; its log in the lake, its records in PostgreSQL.

Shown: what `deploy/dagster.aws.yaml` and `45-dagster` say of each other fits, and a real job works by it. The control
plane is ministack's, so not shown: that Fargate starts the task, and that the roles are enough (the gate's simulator
does). What it ignores of a task is found by trying, and `docs/infra_emulators.md` lists it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from mlife_assets.adapters.postgresql import DAGSTER_SCHEMA
from mlife_assets.core.errors import PermanentError
from mlife_tests.dev_process import free_port

pytestmark = pytest.mark.aws
WAIT_SECONDS = 120
ALERT = "failed-history_job"
ACCOUNT = "123456789012"
"""That of the keys of `aws_settings`, in whose topic alerts are looked for."""


def definitions(repository: Path) -> dict[str, dict[str, Any]]:
    """Return container name -> its definition, as the template has it; of what it refers to the name."""

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda loader, suffix, node: getattr(node, "value", None))
    template = yaml.load((repository / "infra/templates/45-dagster.yaml").read_text(), Loader)
    tasks = [one["Properties"] for one in template["Resources"].values() if one["Type"] == "AWS::ECS::TaskDefinition"]
    return {container["Name"]: container for one in tasks for container in one["ContainerDefinitions"]}


class Environment:
    """An environment of AWS on this machine, and what each of its tasks finds."""

    def __init__(self, aws: Any, settings: dict[str, Any], s3: Any, host: Path, repository: Path, folder: Path) -> None:
        self.aws, self.folder, self.repository = aws, folder, repository
        self.definitions = definitions(repository)
        ecs = aws.client("ecs")
        self.cluster = ecs.create_cluster(clusterName="mlife")["cluster"]["clusterArn"]
        registered = ecs.register_task_definition(
            family="mlife-run", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="2048", memory="8192",
            containerDefinitions=[{"name": "run", "image": f"x@sha256:{'0' * 64}", "essential": True}],
        )  # fmt: skip
        self.run_task = registered["taskDefinition"]["taskDefinitionArn"]
        vpc = aws.client("ec2").create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        aws.client("ec2").modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
        subnets = [
            aws.client("ec2").create_subnet(VpcId=vpc, CidrBlock=f"10.9.{n}.0/24")["Subnet"]["SubnetId"] for n in (0, 1)
        ]
        group = aws.client("ec2").create_security_group(GroupName="tasks", Description="tasks", VpcId=vpc)["GroupId"]
        people = s3.bucket("ready", f"people-{uuid.uuid4().hex}").url
        self.values = {
            **{
                f"MLIFE_{name.upper()}": str(value)
                for name, value in settings.items()
                if name not in ("home", "s3_region")
            },
            "MLIFE_DATABASE_HOST": str(host),
            "MLIFE_ENVIRONMENT": "dev",
            "MLIFE_CONTACTS": f"{people}/contacts/contacts.parquet",
            "MLIFE_AUDIT_TABLE": f"{people}/audit/audit.parquet",
            "MLIFE_TEXTS_PER_DAY": "2500",
            "MLIFE_DAYS_RUN_BY_THEMSELVES": "false",
            "MLIFE_RUN_TASK": self.run_task,
            "MLIFE_CLUSTER": self.cluster,
            "MLIFE_TASK_SUBNETS": ",".join(subnets),
            "MLIFE_TASK_SECURITY_GROUP": group,
        }
        self.values |= {
            "AWS_REGION": aws.variables()["AWS_REGION"],
            "AWS_DEFAULT_REGION": aws.variables()["AWS_REGION"],
        }
        kept = {name: value for name, value in aws.variables().items() if name not in self.values}
        self.here = {**kept, "AWS_ENDPOINT_URL_S3": s3.endpoint, "MLIFE_S3_ENDPOINT": s3.endpoint}
        self.subnets, self.group = subnets, group

    def variables(self, container: str) -> dict[str, str]:
        """Return the variables of a task: those that its definition names, in a scratch of its own, and no others."""
        scratch = self.folder / container
        (scratch / "dagster").mkdir(parents=True, exist_ok=True)
        shutil.copy(self.repository / "deploy" / "dagster.aws.yaml", scratch / "dagster" / "dagster.yaml")
        own = {"MLIFE_HOME": scratch / "home", "DAGSTER_HOME": scratch / "dagster", "TMPDIR": scratch}
        named = [one["Name"] for one in self.definitions[container]["Environment"]]
        known = {**self.values, **{name: str(path) for name, path in own.items()}, **self.here}
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
        return {**kept, **self.here, **{name: known[name] for name in named}}

    @contextmanager
    def running(self, container: str, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command in a task until the end."""
        with (self.folder / f"{container}.log").open("wb") as log:
            process = subprocess.Popen(
                [str(Path(sys.executable).parent / command[0]), *command[1:]], env=self.variables(container),
                cwd=self.repository, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
            try:
                yield process
            finally:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def said(self, container: str) -> str:
        return (self.folder / f"{container}.log").read_text(errors="replace")[-4000:]

    def tasks(self) -> list[dict[str, Any]]:
        """Return the tasks that were asked for."""
        ecs = self.aws.client("ecs")
        arns = ecs.list_tasks(cluster=self.cluster)["taskArns"]
        return ecs.describe_tasks(cluster=self.cluster, tasks=arns, include=["TAGS"])["tasks"] if arns else []


@pytest.fixture
def aws(on_aws: Callable[..., Any], aws_accounts: ModuleType, repository: Path, tmp_path: Path) -> Iterator[Any]:
    """Return AWS on this machine, empty, whose control plane is ministack's."""
    emulator = aws_accounts.running_emulator(repository, tmp_path / "emulator", account=ACCOUNT)
    with on_aws(emulator) as services:
        yield services


@pytest.fixture
def environment(
    aws: Any, aws_settings: dict[str, Any], s3: Any, rds: Callable[[str], Path], repository: Path, tmp_path: Path
) -> Environment:
    aws.client("secretsmanager").create_secret(Name="mlife/number-hash-key", SecretString="h" * 64)
    return Environment(aws, aws_settings, s3, rds("a password"), repository, tmp_path / "tasks")


@pytest.fixture
def as_daemon(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Give this process the variables of the daemon's task."""
    for name, value in environment.variables("daemon").items():
        monkeypatch.setenv(name, value)
    return environment


def wait_for(what: Callable[[], Any], said: Callable[[], str]) -> Any:
    until = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < until:
        if found := what():
            return found
        time.sleep(0.5)
    raise AssertionError(f"nothing came in {WAIT_SECONDS} s:\n{said()}")


def is_well(address: str) -> bool:
    """Return whether an address answers as the load balancer asks for."""
    try:
        with urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def keep_alert(settings: Mapping[str, Any]) -> None:
    """Keep an alert in the lake, as the sensor of a run that failed does."""
    from mlife_assets.components.graph.alerts import alert
    from mlife_assets.deployments.board_ports import board_ports
    from mlife_assets.settings import Settings

    given = Settings(**settings)
    alert(board_ports(given).of_model(), ALERT, {"run_id": "0123", "error": "it failed"})


def test_a_real_job_runs_as_a_task_that_the_daemon_asked_for(
    environment: Environment, aws: Any, aws_settings: dict[str, Any], postgres_server: str, s3: Any
) -> None:
    """The sensor in the code location sees an alert, the daemon starts a task for it, and the task sends it by SNS."""
    import obstore
    import sqlalchemy as sa

    from mlife_assets.adapters.s3_bucket import open_bucket

    topic = aws.client("sns").create_topic(Name="mlife-alerts")["TopicArn"]
    queue = aws.client("sqs").create_queue(QueueName="on-call")["QueueUrl"]
    arn = aws.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    keep_alert({**aws_settings, "database_host": environment.values["MLIFE_DATABASE_HOST"]})

    port = str(free_port())
    serve = [
        {"0.0.0.0": "127.0.0.1", "4000": port}.get(word, word) for word in environment.definitions["code"]["Command"]
    ]
    workspace = environment.folder / "workspace.yaml"
    environment.folder.mkdir(parents=True, exist_ok=True)
    text = (environment.repository / "workspace.aws.yaml").read_text(encoding="utf-8")
    workspace.write_text(text.replace("code.mlife.internal", "127.0.0.1").replace("4000", port), encoding="utf-8")
    watch = [
        {"workspace.aws.yaml": str(workspace)}.get(word, word) for word in environment.definitions["daemon"]["Command"]
    ]
    with ExitStack() as stack:
        stack.enter_context(environment.running("code", serve))
        stack.enter_context(environment.running("daemon", watch))
        (task,) = wait_for(environment.tasks, lambda: environment.said("code") + environment.said("daemon"))
        show = str(free_port())
        words = {"0.0.0.0": "127.0.0.1", "3000": show, "workspace.aws.yaml": str(workspace)}
        command = [words.get(word, word) for word in environment.definitions["webserver"]["Command"]]
        stack.enter_context(environment.running("webserver", command))
        wait_for(lambda: is_well(f"http://127.0.0.1:{show}/server_info"), lambda: environment.said("webserver"))

    assert task["taskDefinitionArn"] == environment.run_task
    (override,) = task["overrides"]["containerOverrides"]
    command = override["command"]
    assert command[:3] == ["dagster", "api", "execute_run"]
    assert len(json.dumps(task["overrides"])) < 8192, "what ECS takes"
    assert "a password" not in json.dumps(task, default=str)
    tags = {tag["key"]: tag["value"] for tag in task["tags"]}
    assert tags["dagster/job_name"] == "alert_delivery_job"

    with environment.running("run", command) as process:
        assert process.wait(WAIT_SECONDS) == 0, environment.said("run")
    (message,) = aws.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    assert json.loads(message["Body"])["Subject"] == "mlife: 1 alert"

    engine = sa.create_engine(sa.make_url(postgres_server).set(database="mlife"), poolclass=sa.NullPool)
    with engine.connect() as connection:
        runs = connection.execute(sa.text(f"SELECT run_id, status FROM {DAGSTER_SCHEMA}.runs")).all()
    assert [tuple(run) for run in runs] == [(tags["dagster/run_id"], "SUCCESS")]
    lake = open_bucket(s3.bucket(*aws_settings["lake"].removeprefix("s3://").split("/", 1)))
    logs = [item["path"] for batch in obstore.list(lake, "compute-logs") for item in batch]
    assert [key for key in logs if tags["dagster/run_id"] in key and key.endswith(".err")], logs


def test_a_run_asks_for_the_size_that_its_tags_say(as_daemon: Environment, aws: Any) -> None:
    """What trains asks for a larger task of the same definition, in private subnets and without a public address."""
    import dagster as dg
    from dagster._core.launcher import LaunchRunContext

    from mlife_assets.components.graph.model_graph import LARGE_TASK
    from mlife_assets.components.running.ecs_instance import FargateLauncher

    wishes = {
        "ecs/run_task_kwargs": json.dumps(
            {"networkConfiguration": {"awsvpcConfiguration": {"assignPublicIp": "ENABLED"}}}
        ),
        "ecs/task_overrides": json.dumps({"taskRoleArn": "arn:aws:iam::123456789012:role/administrator"}),
        "ecs/container_overrides": json.dumps({"environment": [{"name": "MLIFE_LAKE", "value": "s3://theirs"}]}),
    }

    @dg.job(tags={**LARGE_TASK, **wishes})
    def trains() -> None: ...

    asked: list[dict[str, Any]] = []
    with dg.DagsterInstance.get() as instance:
        launcher = instance.run_launcher
        assert isinstance(launcher, FargateLauncher)
        original = launcher.ecs.run_task
        launcher.ecs.run_task = lambda **words: asked.append(words) or original(**words)
        run = remote_run(instance, trains)
        launcher.launch_run(LaunchRunContext(run, None))
        found = instance.get_run_by_id(run.run_id)
        assert found is not None
        assert found.tags["ecs/cluster"] == as_daemon.cluster
        assert str(launcher.check_run_worker_health(found).status) == "WorkerStatus.RUNNING"
        assert launcher.terminate(run.run_id)
        (stopped,) = aws.client("ecs").describe_tasks(cluster="mlife", tasks=[found.tags["ecs/task_arn"]])["tasks"]
        assert stopped["lastStatus"] == "STOPPED"
    (words,) = asked
    assert not {"taskRoleArn", "executionRoleArn"} & set(words["overrides"]), "tags of a run ask for no other role"
    assert "environment" not in words["overrides"]["containerOverrides"][0]
    assert (words["overrides"]["cpu"], words["overrides"]["memory"]) == (
        LARGE_TASK["ecs/cpu"],
        LARGE_TASK["ecs/memory"],
    )
    assert words["launchType"] == "FARGATE"
    assert words["networkConfiguration"]["awsvpcConfiguration"] == {
        "subnets": as_daemon.subnets,
        "securityGroups": [as_daemon.group],
        "assignPublicIp": "DISABLED",
    }


def remote_run(instance: Any, job: Any) -> Any:
    """Return a run as a code location asks for it: which job of which module."""
    from dagster._core.code_pointer import ModuleCodePointer
    from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
    from dagster._core.test_utils import create_run_for_test

    module = ModuleCodePointer("mlife_assets.definitions", "defs", None)
    origin = JobPythonOrigin(job.name, RepositoryPythonOrigin(sys.executable, module))
    return create_run_for_test(instance, job_name=job.name, tags=dict(job.tags), job_code_origin=origin)


def test_the_settings_are_those_of_every_instance_but_where_things_lie(repository: Path) -> None:
    """What was measured holds on AWS, too; concurrency is of whole runs, since each is a task."""
    ours = yaml.safe_load((repository / "deploy" / "dagster.aws.yaml").read_text())
    embedded = yaml.safe_load((repository / "mlife_assets/components/running/dagster.yaml").read_text())
    for name in ("telemetry", "nux", "run_coordinator", "sensors", "schedules", "backfills", "retention"):
        assert ours[name] == embedded[name], name
    assert ours["concurrency"]["pools"] == {"granularity": "run", **embedded["concurrency"]["pools"]}
    assert ours["run_monitoring"]["enabled"]
    assert ours["run_retries"] == {"enabled": True, "max_retries": 1, "retry_on_asset_or_op_failure": False}
    container = definitions(repository)["daemon"]
    named = {one["Name"] for one in container["Environment"]}
    variables = {
        value["env"]
        for part in ("run_launcher", "compute_logs")
        for value in ours[part]["config"].values()
        if isinstance(value, dict)
    }
    assert variables | {"MLIFE_DATABASE_HOST", "MLIFE_DATABASE_SECRET"} <= named


def test_a_secret_that_cannot_be_read_stops_the_instance_with_its_name(as_daemon: Environment, aws: Any) -> None:
    import dagster as dg

    aws.client("secretsmanager").delete_secret(SecretId="database", ForceDeleteWithoutRecovery=True)
    with (
        pytest.raises(PermanentError, match="MLIFE_DATABASE_SECRET: there is no such thing here"),
        dg.DagsterInstance.get(),
    ):
        pass


def ignored(environment: Environment) -> dict[str, str]:
    """Return what the control plane makes of tasks that AWS refuses, or starts otherwise."""
    from mlife_assets.adapters.delivery.stacks import refused_with

    ecs = environment.aws.client("ecs")
    network = {"subnets": environment.subnets, "securityGroups": [environment.group], "assignPublicIp": "DISABLED"}
    started: list[dict[str, Any]] = []

    def said(overrides: dict[str, Any] | None = None, network: dict[str, Any] | None = network, **others: Any) -> str:
        asked = {
            "taskDefinition": environment.run_task, "launchType": "FARGATE", "overrides": overrides or {}, **others,
        }  # fmt: skip
        if network is not None:
            asked["networkConfiguration"] = {"awsvpcConfiguration": network}
        code = refused_with(lambda: started.extend(ecs.run_task(cluster="mlife", **asked)["tasks"]))
        return f"refused: {code}" if code else str(started[-1]["lastStatus"])

    def size(cpu: str, memory: str) -> dict[str, Any]:
        return {"cpu": cpu, "memory": memory}

    def of_container(name: str) -> dict[str, Any]:
        return {"containerOverrides": [{"name": name, "command": ["true"]}]}

    found = {
        "an image that nobody has": said(),
        "a subnet that is not there": said(network={**network, "subnets": ["subnet-0"]}),
        "no network, which Fargate asks for": said(network=None),
        "an override of a container that is not there": said(of_container("other")),
        "a size that Fargate does not have": said(size("4097", "1")),
        "roles that are not there": said({"taskRoleArn": "arn:aws:iam::1:role/none"}),
        "a definition that is not there": said(taskDefinition="none"),
    }
    said(size("4096", "16384"))
    (task,) = ecs.describe_tasks(cluster="mlife", tasks=[started[-1]["taskArn"]])["tasks"]
    found["the size of a task whose override asks for 4096 and 16384"] = f"{task['cpu']} and {task['memory']}"
    kms = environment.aws.client("kms")
    key = kms.create_key(KeySpec="ECC_NIST_EDWARDS25519", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    words = {"KeyId": key, "MessageType": "RAW", "SigningAlgorithm": "ED25519_SHA_512"}
    code = refused_with(lambda: kms.sign(Message=b"a" * 4097, **words))
    found["a head that is longer than what KMS signs"] = f"refused: {code}" if code else "signed"
    found["network interfaces of tasks that run"] = str(len([one for each in started for one in each["attachments"]]))
    return found


def test_the_page_lists_what_the_emulator_ignores_of_tasks(environment: Environment, repository: Path) -> None:
    page = (repository / "docs" / "infra_emulators.md").read_text(encoding="utf-8")
    section = page.partition("\n## ministack's tasks\n")[2].partition("\n## ")[0]
    rows = [tuple(line.strip("| ").split(" | ")) for line in section.splitlines() if line.startswith("| ")]
    assert dict(rows[1:]) == ignored(environment)
