"""Mistakes in roles: who takes them, what they may do.

Belongs here: faults of `00-bootstrap` and of roles elsewhere. Does not belong here: policies of buckets (`log`,
`data`).
"""

from __future__ import annotations

from infra.gate.faults.fault import Tree, drop, fault, give, properties, right, statement

BOOTSTRAP, DAGSTER, TRIGGERS, STATE = "00-bootstrap", "45-dagster", "65-triggers", "40-dagster-state"
HOST = "token.actions.githubusercontent.com"
MATRIX = "roles_do_their_work_and_not_their_neighbours"


def _trust(template: Tree, role: str) -> Tree:
    found: Tree = properties(template, role)["AssumeRolePolicyDocument"]["Statement"][0]
    return found


@fault(DAGSTER, "a_role_is_passed_to_one_service", is_of_the_reference=True)
def any_role_may_be_passed(template: Tree) -> None:
    """The daemon may hand any role to tasks, an administrator's among them."""
    right(template, "DaemonRole", "HandsTheRolesOfARun")["Resource"] = "*"


@fault(TRIGGERS, "a_role_is_passed_to_one_service", is_of_the_reference=True)
def a_role_may_be_passed_to_any_service(template: Tree) -> None:
    """The run's role may be handed to a function or a machine."""
    del right(template, "RollbackRole", "HandsTheRolesOfARun")["Condition"]


@fault(BOOTSTRAP, "github_is_trusted_for_one_environment", is_of_the_reference=True)
def any_job_of_github_may_deploy(template: Tree) -> None:
    """The trust asks for the audience and not for the subject: every repository on GitHub is let in."""
    del _trust(template, "DeployRole")["Condition"]["StringEquals"][f"{HOST}:sub"]


@fault(BOOTSTRAP, "github_is_trusted_for_one_environment")
def any_branch_may_deploy(template: Tree) -> None:
    """The subject is a pattern, so a branch deploys to prod without approval."""
    trust = _trust(template, "DeployRole")
    subject = {f"{HOST}:sub": {"Fn::Sub": "repo:${GitHubRepository}:*"}}
    trust["Condition"] = {"StringEquals": {f"{HOST}:aud": "sts.amazonaws.com"}, "StringLike": subject}


@fault(BOOTSTRAP, "github_is_trusted_for_one_environment")
def any_pull_request_takes_a_role(template: Tree) -> None:
    """A pull request takes the role without the environment `preview`, for which somebody can ask for a review."""
    trust = _trust(template, "PreviewRole")
    trust["Condition"]["StringEquals"][f"{HOST}:sub"] = {"Fn::Sub": "repo:${GitHubRepository}:pull_request"}


@fault(BOOTSTRAP, "roles_do_their_work_and_not_their_neighbours")
def a_pull_request_executes_what_it_shows(template: Tree) -> None:
    """Whoever may show a change may make it, before anybody has approved it."""
    right(template, "PreviewRole", "ShowsChangeSets")["Action"].append("cloudformation:ExecuteChangeSet")


@fault("stacks", "github_is_trusted_for_one_environment")
def devs_jobs_reach_the_witness(stacks: Tree) -> None:
    """The witness trusts the jobs of another environment."""
    line = next(one for one in stacks["stacks"] if one["account"] == "witness")
    line["with"]["GitHubEnvironment"] = "dev"


@fault(DAGSTER, "services_take_roles_for_our_account_alone")
def tasks_of_strangers_take_our_role(template: Tree) -> None:
    """The confused deputy: ECS may take the role on anybody's behalf."""
    del _trust(template, "RunRole")["Condition"]


@fault(DAGSTER, "every_role_is_bounded")
def a_role_has_no_boundary(template: Tree) -> None:
    """A new role forgot its boundary."""
    del properties(template, "CodeRole")["PermissionsBoundary"]


@fault(BOOTSTRAP, "the_boundary_lets_nobody_widen_himself")
def the_boundary_allows_iam(template: Tree) -> None:
    """Whoever is inside the boundary may change its own policies."""
    allowed = statement(properties(template, "Boundary")["PolicyDocument"], "WhatOurRolesAreFor")
    allowed["Action"].append("iam:PutRolePolicy")


@fault(BOOTSTRAP, MATRIX)
def the_boundary_forgets_signing(template: Tree) -> None:
    """Runs are allowed to sign heads by their policy and not by their boundary, which shows at midnight."""
    allowed = statement(properties(template, "Boundary")["PolicyDocument"], "WhatOurRolesAreFor")
    allowed["Action"].remove("kms:Sign")


@fault(BOOTSTRAP, "what_makes_everything_makes_roles_inside_the_boundary")
def roles_are_made_without_a_boundary(template: Tree) -> None:
    """Whoever can change a template can make an administrator."""
    del right(template, "ExecutionRole", "MakesRolesInsideTheBoundary")["Condition"]


@fault(BOOTSTRAP, "what_makes_everything_makes_roles_inside_the_boundary")
def a_template_changes_who_deploys(template: Tree) -> None:
    """A template can widen the role that applies it."""
    drop(properties(template, "ExecutionRole")["Policies"][0]["PolicyDocument"], "NeverTheRolesThatDeploy")


@fault(BOOTSTRAP, "what_makes_everything_makes_roles_inside_the_boundary")
def a_template_changes_who_previews(template: Tree) -> None:
    """A template can widen the role that jobs take without an approval."""
    right(template, "ExecutionRole", "NeverTheRolesThatDeploy")["Resource"].pop(1)


@fault(BOOTSTRAP, MATRIX)
def change_sets_run_with_the_jobs_rights(template: Tree) -> None:
    """A change set may name another role, or none."""
    drop(
        properties(template, "DeployRole")["Policies"][0]["PolicyDocument"], "StacksAreAlwaysAppliedByTheExecutionRole"
    )


@fault(DAGSTER, "no_statement_is_wider_than_its_reason")
def runs_may_do_everything_in_s3(template: Tree) -> None:
    """A wildcard that made an error go away."""
    give(template, "RunRole", "s3:*")


@fault(DAGSTER, "no_statement_is_wider_than_its_reason")
def runs_may_do_all_but_iam(template: Tree) -> None:
    """A right by what it leaves out."""
    statement_of_run = right(template, "RunRole", "SignsHeads")
    statement_of_run["NotAction"] = ["iam:*"]
    del statement_of_run["Action"]


@fault(DAGSTER, MATRIX)
def the_daemon_reads_the_log(template: Tree) -> None:
    """A neighbour's right: the daemon reads the log and its key."""
    give(template, "DaemonRole", "s3:GetObject", on={"Fn::Sub": "arn:aws:s3:::${EventLogBucketName}/*"})


@fault(DAGSTER, MATRIX)
def the_code_location_writes_the_lake(template: Tree) -> None:
    """A sensor that writes a table by itself, past every run."""
    give(template, "CodeRole", "s3:PutObject", on={"Fn::Sub": "arn:aws:s3:::${LakeBucketName}/*"})


@fault(DAGSTER, MATRIX)
def the_web_server_reads_the_key_of_hashes(template: Tree) -> None:
    """Whoever takes over the web server can guess phone numbers from their hashes."""
    right(template, "WebserverRole", "OpensDagstersDatabase")["Resource"] = "*"


@fault(DAGSTER, "every_right_of_a_role_is_tried")
def the_execution_role_reads_parameters(template: Tree) -> None:
    """A right that nobody needs."""
    give(
        template,
        "ExecutionRole",
        "ssm:GetParametersByPath",
        on={"Fn::Sub": "arn:aws:ssm:*:${AWS::AccountId}:parameter/x"},
    )


@fault(DAGSTER, MATRIX)
def a_run_cannot_append(template: Tree) -> None:
    """The prefix of manifests is misspelled, so no day ends."""
    right(template, "RunRole", "AppendsToTheLog")["Resource"][1] = {
        "Fn::Sub": "arn:${AWS::Partition}:s3:::${EventLogBucketName}/manifest/*"
    }


@fault(DAGSTER, MATRIX)
def the_daemon_starts_tasks_anywhere(template: Tree) -> None:
    """Runs start in any cluster of the account."""
    del right(template, "DaemonRole", "StartsRuns")["Condition"]


@fault(DAGSTER, MATRIX)
def nobody_sees_whether_alerts_are_heard(template: Tree) -> None:
    """The smoke test may not ask the topic who confirmed, so it is red and says nothing of it."""
    right(template, "RunRole", "AlertsAndSeesWhetherSomebodyHears")["Action"] = "sns:Publish"


@fault(TRIGGERS, MATRIX)
def the_kill_switch_cannot_stop_the_daemon(template: Tree) -> None:
    """A right is missing that is needed only on the worst day."""
    right(template, "KillSwitchRole", "StopsTheDaemon")["Action"] = ["ecs:DescribeServices"]


@fault(BOOTSTRAP, MATRIX)
def nobody_rolls_a_model_back(template: Tree) -> None:
    """The state machine is there, and no role may start it."""
    right(template, "DeployRole", "StopsSendingAndRollsModelsBack")["Resource"].pop()


@fault(TRIGGERS, MATRIX)
def the_starter_rolls_models_back(template: Tree) -> None:
    """An alarm may start any state machine."""
    statements = properties(template, "StarterRole")["Policies"][0]["PolicyDocument"]["Statement"]
    statements[0]["Resource"] = {"Fn::Sub": "arn:aws:states:${AWS::Region}:${AWS::AccountId}:stateMachine:mlife-*"}


@fault(STATE, "no_role_has_rights_that_aws_writes")
def a_role_is_an_administrator(template: Tree) -> None:
    """A managed policy of AWS's with all rights."""
    properties(template, "MonitoringRole")["ManagedPolicyArns"] = ["arn:aws:iam::aws:policy/AdministratorAccess"]


@fault(DAGSTER, "there_are_roles_only")
def there_is_a_user_with_a_key(template: Tree) -> None:
    """A key for a laptop."""
    template["Resources"]["Laptop"] = {"Type": "AWS::IAM::User", "Properties": {"UserName": "laptop"}}


@fault(DAGSTER, "roles_are_taken_by_those_they_are_for")
def another_service_takes_a_role(template: Tree) -> None:
    """State machines may act as the web server."""
    _trust(template, "WebserverRole")["Principal"] = {"Service": ["ecs-tasks.amazonaws.com", "states.amazonaws.com"]}


@fault(BOOTSTRAP, "what_deploys_may_call_what_handlers_call")
def no_namespace_can_be_made(template: Tree) -> None:
    """Cloud Map looks for a zone of the same name, with the rights of whoever asks: the stack of Dagster fails."""
    right(template, "ExecutionRole", "WhatHasNoNameBeforeItExists")["Action"].remove("route53:ListHostedZonesByName")


@fault("10-network", "what_deploys_may_call_what_handlers_call")
def a_template_makes_a_new_type(template: Tree) -> None:
    """Somebody adds a type, and the role that deploys has no right to make it."""
    template["Resources"]["Firewall"] = {"Type": "AWS::EC2::NetworkAcl", "Properties": {"VpcId": {"Ref": "Vpc"}}}


@fault(BOOTSTRAP, "what_deploys_may_call_what_handlers_call")
def no_parameter_group_can_be_made(template: Tree) -> None:
    """An action that takes no resource is allowed on the names of ours alone, which is on nothing."""
    right(template, "ExecutionRole", "WhatHasNoNameBeforeItExists")["Action"].remove(
        "rds:DescribeEngineDefaultParameters"
    )


@fault(BOOTSTRAP, "what_deploys_may_call_what_handlers_call")
def no_database_can_be_made(template: Tree) -> None:
    """Each database has an option group, AWS's own where none is named, and AWS asks whether it may be used."""
    named = right(template, "ExecutionRole", "NamedThings")
    named["Resource"] = [one for one in named["Resource"] if ":og:" not in one["Fn::Sub"]]


@fault("10-network", "what_deploys_may_make_what_has_that_name")
def a_log_group_has_a_name_of_its_own(template: Tree) -> None:
    """A new name, outside the names that the role may make, fails the stack in the middle."""
    properties(template, "FlowLogGroup")["LogGroupName"] = "/network/flow-logs"


@fault(DAGSTER, "each_right_is_on_what_its_action_takes")
def a_right_is_on_what_its_action_does_not_take(template: Tree) -> None:
    """Somebody narrows a right to a resource that AWS does not ask about, and the web server shows no task."""
    family = {"Fn::Sub": "arn:aws:ecs:${AWS::Region}:${AWS::AccountId}:task-definition/mlife-run:*"}
    right(template, "WebserverRole", "ReadsTaskDefinitions")["Resource"] = family


@fault(DAGSTER, MATRIX)
def athena_cannot_look_at_its_default_database(template: Tree) -> None:
    """Athena asks about it with each query, whatever the query reads."""
    named = right(template, "RunRole", "ReadsTheCatalogue")
    named["Resource"] = [one for one in named["Resource"] if "/default" not in one["Fn::Sub"]]


@fault(BOOTSTRAP, "policies_fit_into_iam")
def a_role_has_no_room_left(template: Tree) -> None:
    """Every action is written out until the next repair does not fit, in the middle of a first deployment."""
    give(template, "ExecutionRole", *(f"ec2:DescribeSomething{number}" for number in range(290)))


@fault(BOOTSTRAP, MATRIX)
def the_boundary_forgets_measuring(template: Tree) -> None:
    """A policy of AWS's lets RDS measure, the boundary does not, and the database has no metrics."""
    allowed = statement(properties(template, "Boundary")["PolicyDocument"], "WhatOurRolesAreFor")
    allowed["Action"].remove("logs:CreateLogGroup")


@fault(DAGSTER, "who_starts_a_task_has_its_rights")
def the_web_server_starts_runs(template: Tree) -> None:
    """A button in the UI that starts a run at once: whoever takes over the web server writes the log."""
    starting = ("StartsRuns", "HandsTheRolesOfARun")
    given = properties(template, "WebserverRole")["Policies"][0]["PolicyDocument"]["Statement"]
    given += [right(template, "DaemonRole", sid) for sid in starting]


@fault(BOOTSTRAP, MATRIX)
def a_wildcard_stands_for_a_type(template: Tree) -> None:
    """AWS takes no wildcard for the type of a resource, so nothing is allowed and no stack can be made."""
    named = right(template, "ExecutionRole", "NamedThings")
    named["Resource"] = [
        {"Fn::Sub": one["Fn::Sub"].replace(":table/marts/*", ":*/marts/*")} for one in named["Resource"]
    ]
