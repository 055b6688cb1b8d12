"""Mistakes in how stacks fit together and in what is delivered.

Belongs here: faults of the registry, of order, parameters and accounts. Does not belong here: who deploys (`identity`).
"""

from __future__ import annotations

from infra.gate.faults.fault import Tree, fault, properties, statement

RENDERS = "every_environment_renders"


@fault("05-registry", "images_cannot_be_replaced")
def a_tag_can_move(template: Tree) -> None:
    """What was tested under a tag is not what runs under it."""
    properties(template, "Images")["ImageTagMutability"] = "MUTABLE"


@fault("05-registry", "images_cannot_be_replaced")
def environments_push_images(template: Tree) -> None:
    """Whoever takes over dev can put an image for prod."""
    allowed = statement(properties(template, "Images")["RepositoryPolicyText"], "TheEnvironmentsPull")
    allowed["Action"].append("ecr:PutImage")


@fault("stacks", RENDERS)
def the_order_is_wrong(stacks: Tree) -> None:
    """Dagster is made before its database."""
    lines = stacks["stacks"]
    lines.insert(4, lines.pop(next(i for i, one in enumerate(lines) if one["template"] == "45-dagster")))


@fault("20-event-log", RENDERS)
def a_value_is_not_written(template: Tree) -> None:
    """A parameter of Parameter Store was renamed where it is written and not where it is read."""
    properties(template, "KeyArnParameter")["Name"] = "/mlife/event-log/key"


@fault("65-triggers", RENDERS)
def a_parameter_is_misspelled(template: Tree) -> None:
    """A reference names what is not there."""
    properties(template, "Rehearsal")["ScheduleExpression"] = {"Ref": "RehearsalCrom"}


@fault("parameters/staging", RENDERS)
def a_parameter_is_set_that_nothing_takes(parameters: Tree) -> None:
    """A name with a typing error: the default holds, and nobody sees it."""
    parameters["RetentionDay"] = 3_000


@fault("accounts", RENDERS)
def the_witness_is_prod(accounts: Tree) -> None:
    """Heads and log are in one account."""
    accounts["accounts"]["witness"] = accounts["accounts"]["prod"]


@fault("25-lake", "templates_name_no_account_and_no_region")
def an_account_is_written_down(template: Tree) -> None:
    """An account's number was pasted."""
    properties(template, "LakeBucket")["BucketName"] = "mlife-lake-prod-333333333333"


@fault("10-network", "templates_are_plain")
def a_template_has_a_macro(template: Tree) -> None:
    """What is applied is not what is written."""
    template["Transform"] = "AWS::LanguageExtensions"


@fault("30-catalog", "templates_fit_into_a_request")
def a_template_is_too_large(template: Tree) -> None:
    """More text than CloudFormation takes in a request."""
    template["Metadata"] = {"Notes": "why " * 20_000}


@fault("stacks", "every_stack_says_what_it_is")
def two_stacks_have_one_name(stacks: Tree) -> None:
    """The lake's stack would be replaced by the catalogue's."""
    next(one for one in stacks["stacks"] if one["template"] == "30-catalog")["stack"] = "mlife-lake"


AGAIN = "a_first_deployment_that_fails_can_be_tried_again"


@fault("25-lake", AGAIN)
def a_bucket_stays_when_its_stack_could_not_be_made(template: Tree) -> None:
    """The stack rolls back, its bucket stays, and the next attempt finds the name taken."""
    template["Resources"]["LakeBucket"]["DeletionPolicy"] = "Retain"


@fault("45-dagster", AGAIN)
def the_balancer_refuses_to_be_deleted(template: Tree) -> None:
    """A service that does not start leaves a balancer that cannot be rolled back."""
    attributes = properties(template, "Balancer")["LoadBalancerAttributes"]
    attributes.append({"Key": "deletion_protection.enabled", "Value": "true"})


@fault("80-observability", AGAIN)
def an_alarm_fails_after_the_trail(template: Tree) -> None:
    """The trail writes what is locked for seven years, and no pipeline may delete it, when an alarm cannot be made."""
    template["Resources"]["Trail"]["DependsOn"] = "TrailBucketPolicy"


@fault("80-observability", AGAIN)
def the_next_trail_finds_its_bucket(template: Tree) -> None:
    """A trail that wrote before its stack failed leaves a bucket that nobody can delete, and its name is taken."""
    properties(template, "TrailBucket")["BucketName"] = {"Fn::Sub": "mlife-trail-${Environment}-${AWS::AccountId}"}


@fault("40-dagster-state", AGAIN)
def a_secret_fails_after_the_database(template: Tree) -> None:
    """The protected database is there when a secret's name turns out to be taken."""
    del template["Resources"]["Database"]["DependsOn"]
