"""Roles: who takes them, what bounds them, and that no statement is wider than its reason."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from infra.gate.environments import Environment
from infra.gate.findings import holds
from infra.gate.policies import actions, conditions, granting_statements, many, own_policies, principals, statements

FORBIDDEN_TYPES = (
    "AWS::IAM::AccessKey",
    "AWS::IAM::Group",
    "AWS::IAM::User",
    "AWS::IAM::UserToGroupAddition",
    "AWS::CloudFormation::CustomResource",
    "AWS::CloudFormation::Macro",
)
WITHOUT_RESOURCE = {
    "athena:ListDataCatalogs": "AWS knows no resource for it",
    "athena:ListWorkGroups": "AWS knows no resource for it",
    "cloudformation:DescribeStackDriftDetectionStatus": "its argument is an id",
    "cloudwatch:PutMetricData": "bound by its namespace",
    "ecr:GetAuthorizationToken": "a log-in to all registries",
    "ecs:DescribeTaskDefinition": "AWS knows no resource for it",
    "ecs:ListTasks": "bound by its cluster",
    "rds:DescribeDBInstances": "AWS Backup lists before it names",
    "tag:GetResources": "AWS knows no resource for it",
}
"""Actions that a role may be allowed on everything, with the reason."""
MAKES_EVERYTHING = "mlife-cfn-execution"
"""The one role that makes what has no name before it exists; each of its actions is written out."""
PREVIEWS = "mlife-preview"
"""The one role that jobs without approval take: it shows what would happen."""
KEPT_ROLES = ("mlife-deploy", PREVIEWS, MAKES_EVERYTHING)
"""No template changes them: a person bootstraps them."""
PIPELINE = "token.actions.githubusercontent.com"


@holds
def a_role_is_passed_to_one_service(environment: Environment) -> Iterator[str]:
    """Whoever hands a role to a service may hand over named roles, and to named services alone."""
    for stack, role, statement in granting_statements(environment):
        if not any(fnmatch.fnmatchcase("iam:PassRole", action) for action in actions(statement)):
            continue
        resources = many(statement.get("Resource"))
        is_named = bool(resources) and all(":role/mlife/" in one for one in resources)
        keys = {
            key for operator, key, values in conditions(statement) if operator == "StringEquals" and "*" not in values
        }
        if not is_named or "iam:PassedToService" not in keys:
            yield f"{stack.template} {role.name}: {statement.get('Sid')}"


@holds
def github_is_trusted_for_one_environment(environment: Environment) -> Iterator[str]:
    """A job takes a role only for our repository and the one GitHub environment of the account, and asked AWS for
    it.
    """
    for stack, role in environment.of("AWS::IAM::Role"):
        for statement in statements(role.properties["AssumeRolePolicyDocument"]):
            if "sts:AssumeRoleWithWebIdentity" not in actions(statement):
                continue
            owner = next(name for name, account in environment.accounts.items() if account == stack.account)
            label = environment.name if owner == "environment" else owner
            if role.properties["RoleName"] == PREVIEWS:
                label = "preview"
            wanted = {
                f"{PIPELINE}:aud": "sts.amazonaws.com",
                f"{PIPELINE}:sub": f"repo:{stack.parameters['GitHubRepository']}:environment:{label}",
            }
            if statement.get("Condition") != {"StringEquals": wanted}:
                yield f"{stack.template} in {owner}, {role.name}: {statement.get('Condition')}"


@holds
def services_take_roles_for_our_account_alone(environment: Environment) -> Iterator[str]:
    """A service that takes a role does so for a resource of this account, never on a stranger's behalf."""
    for stack, role in environment.of("AWS::IAM::Role"):
        for statement in statements(role.properties["AssumeRolePolicyDocument"]):
            if "Service" not in statement["Principal"]:
                continue
            if statement.get("Condition", {}).get("StringEquals", {}).get("aws:SourceAccount") != stack.account:
                yield f"{stack.template} {role.name} for {principals(statement)}"


@holds
def every_role_is_bounded(environment: Environment) -> Iterator[str]:
    """Each role that a pipeline makes has the permissions boundary of its account, a name and the path /mlife/."""
    for stack, role in environment.of("AWS::IAM::Role"):
        wanted = f"arn:aws:iam::{stack.account}:policy/mlife/mlife-boundary"
        given = role.properties
        if stack.by == "pipeline" and given.get("PermissionsBoundary") != wanted:
            yield f"{stack.template} {role.name} has no boundary"
        if given.get("Path") != "/mlife/" or not str(given.get("RoleName")).startswith("mlife-"):
            yield f"{stack.template} {role.name} is {given.get('Path')}{given.get('RoleName')}"


@holds
def the_boundary_lets_nobody_widen_himself(environment: Environment) -> Iterator[str]:
    """The boundary allows no action on IAM but to hand on our own roles, and none on the log's retention."""
    for stack, policy in environment.of("AWS::IAM::ManagedPolicy"):
        if policy.properties["ManagedPolicyName"] != "mlife-boundary":
            continue
        for statement in statements(policy.properties["PolicyDocument"]):
            if statement["Effect"] != "Allow":
                continue
            for action in actions(statement):
                is_bound = statement["Resource"] == f"arn:aws:iam::{stack.account}:role/mlife/*"
                if action == "*" or (action.startswith("iam:") and not (action == "iam:PassRole" and is_bound)):
                    yield f"{stack.template} {policy.name}: {action} on {statement['Resource']}"
            if "NotAction" in statement:
                yield f"{stack.template} {policy.name} allows all but something"


@holds
def no_statement_is_wider_than_its_reason(environment: Environment) -> Iterator[str]:
    """No role may do everything of anything; what it may do on all resources is listed with a reason."""
    for stack, role, statement in granting_statements(environment):
        where = f"{stack.template} {role.name}: {statement.get('Sid')}"
        if "NotAction" in statement or "NotResource" in statement or not actions(statement):
            yield f"{where} allows all but something"
        on_everything = "*" in many(statement.get("Resource"))
        for action in actions(statement):
            service, _, name = action.partition(":")
            if service == "*" or (name in {"", "*"} and on_everything):
                yield f"{where} allows {action}"
            elif on_everything and action not in WITHOUT_RESOURCE and role.properties["RoleName"] != MAKES_EVERYTHING:
                yield f"{where} allows {action} on everything"
        bounded = {"ecs:ListTasks": "ecs:cluster", "cloudwatch:PutMetricData": "cloudwatch:namespace"}
        for action, key in bounded.items():
            if action in actions(statement) and key not in {one for _, one, _ in conditions(statement)}:
                yield f"{where} allows {action} without {key}"


@holds
def no_role_has_rights_that_aws_writes(environment: Environment) -> Iterator[str]:
    """No role has a policy of AWS's, which changes without us, but the one that measures the database for RDS."""
    allowed = ["arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"]
    for stack, role in environment.of("AWS::IAM::Role"):
        own = f"arn:aws:iam::{stack.account}:policy/mlife/"
        given = [one for one in role.properties.get("ManagedPolicyArns", ()) if not one.startswith(own)]
        if given and (given != allowed or role.properties["RoleName"] != "mlife-rds-monitoring"):
            yield f"{stack.template} {role.name}: {given}"


@holds
def what_makes_everything_makes_roles_inside_the_boundary(environment: Environment) -> Iterator[str]:
    """CloudFormation's role makes and changes roles only with the boundary, and never those that deploy, nor it."""
    for stack in environment.stacks:
        for role in (one for one in stack.of("AWS::IAM::Role") if one.properties["RoleName"] == MAKES_EVERYTHING):
            allowed = [s for _, document in own_policies(role) for s in statements(document)]
            boundary = f"arn:aws:iam::{stack.account}:policy/mlife/mlife-boundary"
            bound = {"StringEquals": {"iam:PermissionsBoundary": boundary}}
            making = {"iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"}
            for statement in allowed:
                makes = statement["Effect"] == "Allow" and making & set(actions(statement))
                if makes and statement.get("Condition") != bound:
                    yield f"{stack.name}: {statement['Sid']}"
            kept = {f"arn:aws:iam::{stack.account}:role/mlife/{name}" for name in KEPT_ROLES}
            denied = [s for s in allowed if s["Effect"] == "Deny" and actions(s) == ("iam:*",) and "Condition" not in s]
            if not any(
                {*kept, f"arn:aws:iam::{stack.account}:policy/mlife/*"} <= set(many(s["Resource"])) for s in denied
            ):
                yield f"{stack.name} lets it change the roles that deploy"


@holds
def there_are_roles_only(environment: Environment) -> Iterator[str]:
    """There is no user, no access key and no code that runs while a stack is made."""
    for stack, resource in environment.of(*FORBIDDEN_TYPES):
        yield f"{stack.template} {resource.name} is {resource.kind}"
    for stack in environment.stacks:
        for resource in stack.resources:
            if resource.kind.startswith("Custom::"):
                yield f"{stack.template} {resource.name} is {resource.kind}"
