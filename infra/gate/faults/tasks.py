"""Mistakes in tasks and services.

Belongs here: faults of containers in `45-dagster`. Does not belong here: their roles (`identity`), the way in
(`network`).
"""

from __future__ import annotations

from infra.gate.faults.fault import Tree, fault, properties

DAGSTER = "45-dagster"


def _container(template: Tree, task: str) -> Tree:
    found: Tree = properties(template, task)["ContainerDefinitions"][0]
    return found


@fault(DAGSTER, "images_are_named_by_digest", is_of_the_reference=True)
def an_image_is_named_by_its_tag(template: Tree) -> None:
    """The parameter takes a tag."""
    del template["Parameters"]["Image"]["AllowedPattern"]
    template["Parameters"]["Image"]["Default"] = "111111111111.dkr.ecr.us-east-1.amazonaws.com/mlife:latest"


@fault(DAGSTER, "images_are_named_by_digest")
def one_task_runs_another_image(template: Tree) -> None:
    """The daemon runs what somebody built by hand."""
    _container(template, "DaemonTask")["Image"] = "python:3.11"


@fault(DAGSTER, "every_task_knows_the_send_budget")
def runs_know_no_send_budget(template: Tree) -> None:
    """A run sends as many texts as each application's policy allows, and the bill is a surprise."""
    run = _container(template, "RunTask")
    run["Environment"] = [one for one in run["Environment"] if one["Name"] != "MLIFE_TEXTS_PER_DAY"]


@fault(DAGSTER, "every_task_knows_whether_days_run")
def sensors_are_not_told_whether_days_run(template: Tree) -> None:
    """Outside prod nothing runs, whatever the parameter says, and heads grow old."""
    code = _container(template, "CodeTask")
    code["Environment"] = [one for one in code["Environment"] if one["Name"] != "MLIFE_DAYS_RUN_BY_THEMSELVES"]


@fault("parameters/prod", "every_task_knows_whether_days_run")
def days_of_prod_wait_for_somebody(parameters: Tree) -> None:
    """Days were paused, and prod stays so."""
    parameters["DaysRunByThemselves"] = "false"


@fault(DAGSTER, "containers_write_to_scratch_alone")
def a_root_file_system_is_writable(template: Tree) -> None:
    """Whoever gets in can leave something behind."""
    del _container(template, "WebserverTask")["ReadonlyRootFilesystem"]


@fault(DAGSTER, "containers_have_no_privileges")
def a_container_runs_as_root(template: Tree) -> None:
    """The user was dropped to make a write succeed."""
    _container(template, "RunTask")["User"] = "0"


@fault(DAGSTER, "each_task_has_its_own_role")
def two_tasks_share_a_role(template: Tree) -> None:
    """The web server has the role of runs."""
    properties(template, "WebserverTask")["TaskRoleArn"] = {"Fn::GetAtt": ["RunRole", "Arn"]}


@fault(DAGSTER, "no_secret_is_in_an_environment")
def a_password_is_in_the_environment(template: Tree) -> None:
    """The password is resolved into the task definition, which everybody may read."""
    value = "{{resolve:secretsmanager:mlife/database:SecretString:password}}"
    _container(template, "CodeTask")["Environment"].append({"Name": "PGPASSWORD", "Value": value})


@fault(DAGSTER, "nobody_gets_a_shell_in_a_task")
def there_is_a_shell(template: Tree) -> None:
    """ECS Exec was turned on to look into something."""
    properties(template, "DaemonService")["EnableExecuteCommand"] = True


@fault(DAGSTER, "tasks_have_private_addresses")
def a_service_has_a_public_address(template: Tree) -> None:
    """A public address made an image pull succeed."""
    properties(template, "CodeService")["NetworkConfiguration"]["AwsvpcConfiguration"]["AssignPublicIp"] = "ENABLED"


@fault(DAGSTER, "a_bad_deployment_goes_back_by_itself")
def a_bad_deployment_stays(template: Tree) -> None:
    """The circuit breaker stops and does not roll back."""
    properties(template, "WebserverService")["DeploymentConfiguration"]["DeploymentCircuitBreaker"]["Rollback"] = False


@fault(DAGSTER, "there_is_never_a_second_daemon")
def two_daemons_overlap(template: Tree) -> None:
    """The daemon is deployed as everything else is, with its successor beside it."""
    properties(template, "DaemonService")["DeploymentConfiguration"].update(
        MinimumHealthyPercent=100, MaximumPercent=200
    )


@fault("parameters/prod", "fargate_has_tasks_of_this_size")
def fargate_has_no_such_task(parameters: Tree) -> None:
    """Four CPUs with four gigabytes: nothing starts."""
    parameters["RunMemory"] = "4096"


@fault(DAGSTER, "log_lines_are_kept")
def log_lines_are_kept_for_a_week(template: Tree) -> None:
    """Log lines go before anybody asks for them."""
    properties(template, "Logs")["RetentionInDays"] = 7
