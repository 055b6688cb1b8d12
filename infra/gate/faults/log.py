"""Mistakes in the event log and its witness.

Belongs here: faults of `20-event-log` and `21-log-heads`. Does not belong here: other buckets (`data`).
"""

from __future__ import annotations

from infra.gate.faults.fault import Tree, drop, fault, properties, statement

LOG, HEADS = "20-event-log", "21-log-heads"


@fault(LOG, "the_log_is_write_once", is_of_the_reference=True)
def the_log_has_no_object_lock(template: Tree) -> None:
    """Object Lock is off."""
    del properties(template, "EventLogBucket")["ObjectLockEnabled"]


@fault(LOG, "the_log_is_write_once")
def the_log_has_no_default_retention(template: Tree) -> None:
    """Object Lock is on and locks nothing."""
    del properties(template, "EventLogBucket")["ObjectLockConfiguration"]["Rule"]


@fault(LOG, "in_prod_nobody_can_shorten_retention")
def prod_is_governed_only(template: Tree) -> None:
    """The mode is written into the template and is GOVERNANCE everywhere."""
    retention = properties(template, "EventLogBucket")["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    retention["Mode"] = "GOVERNANCE"


@fault("parameters/prod", "the_log_is_kept_long_enough")
def the_log_is_kept_for_a_year(parameters: Tree) -> None:
    """Retention in prod is a year."""
    parameters["RetentionDays"] = 365


@fault(LOG, "the_log_outlives_its_stack", is_of_the_reference=True)
def the_log_goes_with_its_stack(template: Tree) -> None:
    """Deleting the stack deletes the bucket."""
    template["Resources"]["EventLogBucket"]["DeletionPolicy"] = "Delete"


@fault(LOG, "the_log_outlives_its_stack")
def the_key_of_the_log_goes_with_its_stack(template: Tree) -> None:
    """Deleting the stack schedules the key for deletion, and with it every event."""
    del template["Resources"]["EventLogKey"]["DeletionPolicy"]


@fault(LOG, "nobody_deletes_or_shortens")
def retention_can_be_bypassed(template: Tree) -> None:
    """The denial forgets to bypass governance."""
    denied = statement(properties(template, "EventLogPolicy")["PolicyDocument"], "NobodyDeletesOrShortens")
    denied["Action"].remove("s3:BypassGovernanceRetention")


@fault(LOG, "nobody_deletes_or_shortens")
def retention_can_be_shortened(template: Tree) -> None:
    """The default retention may be changed."""
    denied = statement(properties(template, "EventLogPolicy")["PolicyDocument"], "NobodyDeletesOrShortens")
    denied["Action"].remove("s3:PutBucketObjectLockConfiguration")


@fault(LOG, "nobody_deletes_or_shortens")
def an_administrator_may_delete(template: Tree) -> None:
    """The denial has an exception."""
    denied = statement(properties(template, "EventLogPolicy")["PolicyDocument"], "NobodyDeletesOrShortens")
    denied["Condition"] = {"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/administrator"}}


@fault(LOG, "a_key_of_the_log_is_put_once")
def a_key_can_be_put_twice(template: Tree) -> None:
    """Nothing asks for `If-None-Match`."""
    drop(properties(template, "EventLogPolicy")["PolicyDocument"], "PutIfAbsent")


@fault(LOG, "a_key_of_the_log_is_put_once")
def put_if_absent_is_misspelled(template: Tree) -> None:
    """The condition names a header and not the key of the condition, so it never holds."""
    denied = statement(properties(template, "EventLogPolicy")["PolicyDocument"], "PutIfAbsent")
    denied["Condition"]["Null"] = {"s3:x-amz-if-none-match": "true"}


@fault(LOG, "a_key_of_the_log_is_put_once")
def put_if_absent_holds_for_events_only(template: Tree) -> None:
    """Manifests, and with them the chain, can be written over."""
    denied = statement(properties(template, "EventLogPolicy")["PolicyDocument"], "PutIfAbsent")
    denied["Resource"] = {"Fn::Sub": "${EventLogBucket.Arn}/events/*"}


@fault(LOG, "one_role_writes_the_log")
def every_role_may_write_the_log(template: Tree) -> None:
    """Whoever is allowed to put objects may append to the log."""
    drop(properties(template, "EventLogPolicy")["PolicyDocument"], "OneWriter")


@fault(LOG, "the_log_holds_nothing_else")
def the_log_holds_anything(template: Tree) -> None:
    """Any key may be written."""
    drop(properties(template, "EventLogPolicy")["PolicyDocument"], "OnlyThePlacesOfTheLog")


@fault(LOG, "nothing_in_the_log_expires")
def old_events_expire(template: Tree) -> None:
    """A rule from the lake was copied."""
    rules = properties(template, "EventLogBucket")["LifecycleConfiguration"]["Rules"]
    rules[1]["ExpirationInDays"] = 3_650


@fault(LOG, "only_the_stacks_change_the_logs_policy")
def anybody_changes_the_logs_policy(template: Tree) -> None:
    """The policy protects the log and not itself."""
    drop(properties(template, "EventLogPolicy")["PolicyDocument"], "OnlyTheStacksChangeThisPolicy")


@fault(LOG, "runs_alone_sign_heads")
def every_role_signs_heads(template: Tree) -> None:
    """The signing key leaves it to roles' policies who signs."""
    del statement(properties(template, "HeadSigningKey")["KeyPolicy"], "OneSigner")["Condition"]


@fault(LOG, "roles_do_their_work_and_not_their_neighbours")
def a_put_has_to_name_the_key(template: Tree) -> None:
    """`...IfExists` of a negated operator holds where the header is missing, so every plain put is refused."""
    denied = statement(properties(template, "EventLogPolicy")["PolicyDocument"], "OnlyThisKey")
    denied["Condition"] = {"StringNotEqualsIfExists": denied["Condition"]["StringNotEquals"]}


@fault("stacks", "heads_lie_in_another_account")
def heads_lie_beside_the_log(stacks: Tree) -> None:
    """The witness is made in the environment's own account."""
    line = next(one for one in stacks["stacks"] if one["template"] == HEADS)
    line["account"] = "environment"


@fault(HEADS, "a_key_of_the_log_is_put_once")
def a_head_can_be_replaced(template: Tree) -> None:
    """A head can be put twice."""
    drop(properties(template, "LogHeadsPolicy")["PolicyDocument"], "PutIfAbsent")


@fault(HEADS, "the_witness_trusts_runs_alone")
def the_whole_environment_writes_heads(template: Tree) -> None:
    """Every role of the environment's account may write to the witness, as far as its own account lets it."""
    allowed = statement(properties(template, "LogHeadsPolicy")["PolicyDocument"], "TheRunsOfTheEnvironmentWriteAndRead")
    del allowed["Condition"]
