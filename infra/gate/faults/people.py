"""Mistakes about who people are: somebody else reads the contact book or the audit table, or runs do not.

Belongs here: faults of `26-people`, and of roles, tasks and the trail where they touch it. Does not belong here: others
of roles (`identity`), tasks (`tasks`) and the trail (`operations`).
"""

from __future__ import annotations

from infra.gate.faults.fault import Tree, drop, fault, properties, right, statement

PEOPLE, DAGSTER = "26-people", "45-dagster"
MATRIX = "roles_do_their_work_and_not_their_neighbours"
TOLD = "runs_alone_are_told_who_people_are"
DECRYPTS, UPLOADS = "runs_alone_decrypt_who_people_are", "one_role_uploads_who_people_are"
GONE = "who_left_the_book_is_gone_in_a_month"


def _told(template: Tree, task: str) -> list[Tree]:
    found: list[Tree] = properties(template, task)["ContainerDefinitions"][0]["Environment"]
    return found


def _policy(template: Tree) -> Tree:
    found: Tree = properties(template, "PeoplePolicy")["PolicyDocument"]
    return found


def _writer(document: Tree, sid: str) -> Tree:
    """Return a statement about the writer, which is there where there is one."""
    return statement({"Statement": [one["Fn::If"][1] for one in document["Statement"] if "Fn::If" in one]}, sid)


@fault(PEOPLE, DECRYPTS)
def administrators_read_the_contact_book(template: Tree) -> None:
    """The key has the policy that the others have: whoever may decrypt by his own policy reads everybody's number."""
    policy = properties(template, "PeopleKey")["KeyPolicy"]
    statement(policy, "AdministeredByTheStacks")["Action"] = "kms:*"


@fault(PEOPLE, DECRYPTS)
def administrators_grant_the_key(template: Tree) -> None:
    """Whoever may make a grant lets himself decrypt."""
    statement(properties(template, "PeopleKey")["KeyPolicy"], "AdministeredByTheStacks")["Action"].append(
        "kms:CreateGrant"
    )


@fault(PEOPLE, DECRYPTS)
def administrators_encrypt_the_book_anew(template: Tree) -> None:
    """Whoever may encrypt from this key to his own decrypts by his own."""
    statement(properties(template, "PeopleKey")["KeyPolicy"], "AdministeredByTheStacks")["Action"].append(
        "kms:ReEncryptFrom"
    )


@fault(PEOPLE, DECRYPTS)
def the_writer_grants_the_key(template: Tree) -> None:
    """Another account lets others decrypt."""
    _writer(properties(template, "PeopleKey")["KeyPolicy"], "TheWriterEncrypts")["Action"].append("kms:CreateGrant")


@fault(PEOPLE, UPLOADS)
def the_whole_account_uploads(template: Tree) -> None:
    """Each role of the account may write numbers to which texts go, whatever its own policy says."""
    root = {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}
    on = {"Fn::Sub": "${PeopleBucket.Arn}/*"}
    more = {"Effect": "Allow", "Principal": {"AWS": root}, "Action": "s3:PutObject", "Resource": on}
    _policy(template)["Statement"].append(more)


@fault(PEOPLE, UPLOADS)
def the_writer_reads_and_deletes(template: Tree) -> None:
    """Who uploads reads what others uploaded before it, and removes what could be had back."""
    uploads = _writer(_policy(template), "TheWriterUploads")
    uploads["Action"] = ["s3:PutObject", "s3:GetObject", "s3:DeleteObjectVersion"]


@fault(PEOPLE, UPLOADS)
def the_writer_uploads_anything(template: Tree) -> None:
    """What lies beside the two tables is nobody's."""
    _writer(_policy(template), "TheWriterUploads")["Resource"] = {"Fn::Sub": "${PeopleBucket.Arn}/*"}


@fault(PEOPLE, UPLOADS)
def whoever_may_put_objects_replaces_the_book(template: Tree) -> None:
    """Anybody with a right on all buckets of the account writes numbers to which texts go."""
    drop(_policy(template), "OneWriter")


@fault(PEOPLE, UPLOADS)
def an_upload_needs_no_key(template: Tree) -> None:
    """What is put with a key of S3's own is read without ours."""
    drop(_policy(template), "OnlyByKms")


@fault(PEOPLE, UPLOADS)
def an_upload_has_another_key(template: Tree) -> None:
    """What is put with somebody's key is read by whom he lets."""
    drop(_policy(template), "OnlyThisKey")


@fault(PEOPLE, UPLOADS)
def who_has_the_key_reads_the_book(template: Tree) -> None:
    """The key alone stands between the book and whoever may read all buckets."""
    drop(_policy(template), "RunsAloneRead")


@fault(PEOPLE, GONE)
def replaced_books_stay(template: Tree) -> None:
    """Who asked to be forgotten is in an earlier version for good."""
    rules = properties(template, "PeopleBucket")["LifecycleConfiguration"]["Rules"]
    rules[:] = [one for one in rules if one["Id"] != "replaced-versions"]


@fault(PEOPLE, GONE)
def books_have_no_rules(template: Tree) -> None:
    """The bucket has no rules at all."""
    del properties(template, "PeopleBucket")["LifecycleConfiguration"]


@fault(PEOPLE, GONE)
def replaced_audit_tables_stay(template: Tree) -> None:
    """The rule is of one folder."""
    rules = properties(template, "PeopleBucket")["LifecycleConfiguration"]["Rules"]
    rules[1]["Prefix"] = "contacts/"


@fault(PEOPLE, "no_policy_opens_to_everybody")
def anybody_uploads_a_contact_book(template: Tree) -> None:
    """Texts go to numbers that a stranger wrote."""
    _policy(template)["Statement"].append(
        {"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": "*"}
    )


@fault(DAGSTER, MATRIX)
def sensors_read_the_contact_book(template: Tree) -> None:
    """The code location may list and read the bucket, as it does the lake."""
    for sid, what in (("Lists", ""), ("Reads", "/*")):
        on = right(template, "CodeRole", sid)["Resource"]
        on.append({"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::${{PeopleBucketName}}{what}"})


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
