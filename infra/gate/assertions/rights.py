"""What deploys: CloudFormation's role may call what the handlers of each resource type call, and fits into IAM.

Belongs here: coverage of `infra/handlers.yaml`, sizes of policies. Does not belong here: that the role may do no more
than its reason (`identity`), on which things (`infra.gate.matrix`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from infra.gate.conditions import like
from infra.gate.environments import Environment, Stack
from infra.gate.findings import holds
from infra.gate.handlers import permissions
from infra.gate.policies import actions, own_policies, statements

MAKES_EVERYTHING = "mlife-cfn-execution"
NOT_CALLED = {
    "acm-pca:*": "no private certificate authority",
    "backup-storage:Mount": "the right is called backup-storage:MountCapsule",
    "backup:*VaultNotifications": "nothing listens to the vault",
    "backup:DeleteBackupVaultLockConfiguration": "denied: the lock stays",
    "cloudtrail:DeleteTrail": "denied: the trail stays",
    "cloudtrail:Put*": "no insights and no configuration of events beside the selectors",
    "cloudtrail:StopLogging": "denied: the trail stays",
    "cognito-idp:*": "people log in by OIDC",
    "ec2:*PrivateNatGatewayAddress": "NAT has one address",
    "ec2:*VpnGateway": "no VPN",
    "ec2:AcceptAddressTransfer": "addresses are ours from the start",
    "ec2:DisassociateSubnetCidrBlock": "no IPv6",
    "firehose:*": "log lines stay in CloudWatch",
    "iam:DeleteRolePermissionsBoundary": "no role loses its boundary",
    "kms:*able*Key": "no key is disabled, so none is enabled again",
    "kms:DisableKeyRotation": "keys rotate",
    "lakeformation:CreateTable": "Lake Formation governs nothing here",
    "lakeformation:GetDataAccess": "Lake Formation governs nothing here",
    "logs:*BearerToken*": "nobody ships log lines by a token",
    "logs:*IndexPolicy": "no field is indexed",
    "logs:*KmsKey": "CloudWatch encrypts log lines by its key",
    "logs:*ResourcePolicy": "no service of AWS's writes to a group of ours by a resource's policy",
    "logs:PutDataProtectionPolicy": "log lines hold no addresses",
    "logs:PutLogGroupDeletionProtection": "groups outlive their stack by their policy",
    "organizations:*": "each trail is of one account",
    "s3:*AnnotationTableConfiguration": "no metadata tables",
    "s3:*InventoryTableConfiguration": "no metadata tables",
    "s3:*JournalTableConfiguration": "no metadata tables",
    "s3:*MetadataTableConfiguration": "no metadata tables",
    "s3:*MultipartUpload*": "Athena writes results for whoever asks, not for who makes the workgroup",
    "s3:*Object": "no handler reads or writes what buckets hold: no definition and no Iceberg table is given by a file",
    "s3:DeleteBucketAnalyticsConfiguration": "no analytics",
    "s3:DeleteBucketCors": "no browser reads a bucket",
    "s3:DeleteBucketEncryption": "buckets stay encrypted",
    "s3:DeleteBucketLifecycle": "no right has this name; an empty list is put",
    "s3:DeleteBucketMetricsConfiguration": "no metrics of requests",
    "s3:DeleteBucketReplication": "nothing is replicated",
    "s3:DeleteBucketWebsite": "no bucket is a website",
    "s3:GetObjectVersion": "definitions are in the templates",
    "s3:PutAccelerateConfiguration": "no acceleration",
    "s3:PutAnalyticsConfiguration": "no analytics",
    "s3:PutIntelligentTieringConfiguration": "no tiers",
    "s3:PutInventoryConfiguration": "no inventory",
    "s3:PutMetricsConfiguration": "no metrics of requests",
    "s3:PutObjectAcl": "buckets know no ACLs",
    "s3:PutObjectLockConfiguration": "the right is called s3:PutBucketObjectLockConfiguration",
    "s3:PutReplicationConfiguration": "nothing is replicated",
    "s3:REST.PUT.OBJECT": "the name of a log record, and of no right",
    "s3tables:*": "no tables of S3's",
    "vpc-lattice:*": "endpoints lead to services of AWS",
    "vpce:AllowMultiRegion": "endpoints lead to their own region",
}
"""What handlers list and our templates never make them call, with the reason."""
LARGEST_INLINE, LARGEST_MANAGED = 10_240, 6_144
"""Characters without white space that IAM takes: of all policies in a role, of a managed policy."""


def _allowed(stack: Stack) -> list[str]:
    (role,) = (one for one in stack.of("AWS::IAM::Role") if one.properties["RoleName"] == MAKES_EVERYTHING)
    given = [one for _, document in own_policies(role) for one in statements(document) if one["Effect"] == "Allow"]
    return [action.lower() for statement in given for action in actions(statement)]


@holds
def what_deploys_may_call_what_handlers_call(environment: Environment) -> Iterator[str]:
    """CloudFormation's role may call whatever the handlers of each resource type call, but for what is listed with a
    reason.
    """
    allowed = {stack.account: _allowed(stack) for stack in environment.stacks if stack.template == "00-bootstrap"}
    for stack in environment.stacks:
        if stack.by != "pipeline":
            continue
        for kind in sorted({resource.kind for resource in stack.resources}):
            for action in permissions().get(kind, ("infra/handlers.yaml",)):
                name = action.lower()
                is_listed = any(like(name, pattern.lower()) for pattern in NOT_CALLED)
                if not is_listed and not any(like(name, pattern) for pattern in allowed[stack.account]):
                    yield f"{stack.template}: {kind} calls {action}"


@holds
def policies_fit_into_iam(environment: Environment) -> Iterator[str]:
    """The policies of each role, and each managed policy, are no longer than IAM takes."""
    for stack, resource in environment.of("AWS::IAM::Role", "AWS::IAM::ManagedPolicy"):
        documents = [document for _, document in own_policies(resource)]
        size = sum(len(json.dumps(document, separators=(",", ":"))) for document in documents)
        if size > (LARGEST_INLINE if resource.kind == "AWS::IAM::Role" else LARGEST_MANAGED):
            yield f"{stack.template} {resource.name} has {size} characters"
