"""Who people are: the contact book and the audit table, which runs alone are told of and can decrypt.

Belongs here: the key of `26-people`, what tasks are told. Does not belong here: rights of roles (`infra.gate.matrix`).
"""

from __future__ import annotations

from collections.abc import Iterator

from infra.gate.conditions import like
from infra.gate.environments import Environment
from infra.gate.findings import holds
from infra.gate.policies import actions, principals, statements

TABLES = {"MLIFE_CONTACTS": "contacts/", "MLIFE_AUDIT_TABLE": "audit/"}
_READS = "mlife-run"


@holds
def runs_alone_decrypt_who_people_are(environment: Environment) -> Iterator[str]:
    """The key of the contact book and the audit table decrypts for runs, and for the one role that uploads them: for no
    administrator either.
    """
    stack = environment.stack("26-people")
    (key,) = stack.of("AWS::KMS::Key")
    run = f"arn:aws:iam::{environment.accounts['environment']}:role/mlife/{_READS}"
    for statement in statements(key.properties["KeyPolicy"]):
        decrypts = any(like("kms:decrypt", action.lower()) for action in actions(statement))
        is_for_runs = statement.get("Condition", {}).get("ArnEquals") == {"aws:PrincipalArn": run}
        is_writer = principals(statement) == (stack.parameters.get("PeopleWriterRoleArn"),)
        if statement["Effect"] == "Allow" and decrypts and not is_for_runs and not is_writer:
            yield f"{key.name}: {statement.get('Sid')}"


@holds
def runs_alone_are_told_who_people_are(environment: Environment) -> Iterator[str]:
    """The task of runs names the contact book and the audit table, each in its folder of the bucket for people; no
    other task does.
    """
    (bucket,) = environment.stack("26-people").of("AWS::S3::Bucket")
    for stack, task in environment.of("AWS::ECS::TaskDefinition"):
        for container in task.properties["ContainerDefinitions"]:
            given = {one["Name"]: one["Value"] for one in container.get("Environment", ())}
            for variable, folder in TABLES.items():
                said = given.get(variable, "")
                place = f"s3://{bucket.properties['BucketName']}/{folder}"
                is_right = said.startswith(place) if task.properties["Family"] == _READS else not said
                if not is_right:
                    yield f"{stack.template} {task.name}: {variable} is {said or 'nothing'}"
