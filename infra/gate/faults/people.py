"""Mistakes about who people are: somebody else reads the contact book or the audit table, or runs do not.

Belongs here: faults of `26-people`, and of roles, tasks and the trail where they touch it. Does not belong here: others
of roles (`identity`), tasks (`tasks`) and the trail (`operations`).
"""

from __future__ import annotations

from infra.gate.faults.fault import Tree, fault, give, properties, right, statement

PEOPLE, DAGSTER = "26-people", "45-dagster"
MATRIX = "roles_do_their_work_and_not_their_neighbours"
TOLD = "runs_alone_are_told_who_people_are"


def _told(template: Tree, task: str) -> list[Tree]:
    found: list[Tree] = properties(template, task)["ContainerDefinitions"][0]["Environment"]
    return found


@fault(PEOPLE, "runs_alone_decrypt_who_people_are")
def administrators_read_the_contact_book(template: Tree) -> None:
    """The key has the policy that the others have: whoever may decrypt by his own policy reads everybody's number."""
    policy = properties(template, "PeopleKey")["KeyPolicy"]
    statement(policy, "AdministeredByTheStacks")["Action"] = "kms:*"


@fault(PEOPLE, "no_policy_opens_to_everybody")
def anybody_uploads_a_contact_book(template: Tree) -> None:
    """Texts go to numbers that a stranger wrote."""
    policy = properties(template, "PeoplePolicy")["PolicyDocument"]["Statement"]
    policy.append({"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": "*"})


@fault(DAGSTER, MATRIX)
def sensors_read_the_contact_book(template: Tree) -> None:
    """The code location may list and read the bucket, as it does the lake."""
    for sid, what in (("Lists", ""), ("Reads", "/*")):
        on = right(template, "CodeRole", sid)["Resource"]
        on.append({"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::${{PeopleBucketName}}{what}"})


@fault(DAGSTER, MATRIX)
def runs_write_the_audit_table(template: Tree) -> None:
    """What decides whether a model is fair can be changed by what is decided on."""
    bucket = {"Fn::Sub": "arn:${AWS::Partition}:s3:::${PeopleBucketName}/*"}
    give(template, "RunRole", "s3:PutObject", on=bucket)


@fault(DAGSTER, MATRIX)
def a_table_that_is_gone_looks_like_a_missing_right(template: Tree) -> None:
    """S3 answers 403 to whoever may not list, so nobody is told that there is nothing to read."""
    right(template, "RunRole", "Lists")["Resource"].pop()


@fault(DAGSTER, TOLD)
def runs_are_not_told_of_the_audit_table(template: Tree) -> None:
    """Nobody's answer is known, so the gate promotes no model, and every run is green."""
    told = _told(template, "RunTask")
    told[:] = [one for one in told if one["Name"] != "MLIFE_AUDIT_TABLE"]


@fault(DAGSTER, TOLD)
def the_contact_book_lies_in_the_lake(template: Tree) -> None:
    """Whoever may read a report may read everybody's number."""
    (one,) = (one for one in _told(template, "RunTask") if one["Name"] == "MLIFE_CONTACTS")
    one["Value"] = {"Fn::Sub": "s3://${LakeBucketName}/contacts/contacts.parquet"}


@fault(DAGSTER, TOLD)
def sensors_are_told_of_the_contact_book(template: Tree) -> None:
    """Sensors ask for what they may not read, and fail at each tick."""
    book = {"Name": "MLIFE_CONTACTS", "Value": {"Fn::Sub": "s3://${PeopleBucketName}/contacts/contacts.parquet"}}
    _told(template, "CodeTask").append(book)


@fault("80-observability", "the_trail_records_everything")
def nobody_sees_who_read_the_contact_book(template: Tree) -> None:
    """Reads of the bucket are not on record."""
    properties(template, "Trail")["EventSelectors"][0]["DataResources"][0]["Values"].pop()
