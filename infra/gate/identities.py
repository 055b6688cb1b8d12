"""What CloudFormation gives for `Ref` and `Fn::GetAtt` of a resource, by its type.

Belongs here: one line per resource type whose identity a template uses. Does not belong here: resolving functions
(`intrinsics`).

Concept: whoever has a name in the template has a known ARN, so policies can be evaluated against real ARNs. What AWS
names itself, such as a key, gets a name that says which resource it is. A type that is not listed is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from infra.gate.errors import TemplateError

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Identity:
    """How a resource is named.

    Attributes:
        named_by: the property that holds its name; None where AWS makes one up.
        ref: what `Ref` gives, as a format of `name`, `account`, `region` and `partition`.
        attributes: what `Fn::GetAtt` gives, likewise.
    """

    named_by: str | None = None
    ref: str = "{name}"
    attributes: Mapping[str, str] = field(default_factory=lambda: _NONE)


def _arn(service: str, rest: str, *, region: str = "{region}", account: str = "{account}") -> str:
    return f"arn:{{partition}}:{service}:{region}:{account}:{rest}"


_ECS_SERVICE = _arn("ecs", "service/mlife/{name}")
_BALANCER = "loadbalancer/app/{name}/0123456789abcdef"
_TARGETS = "targetgroup/{name}/0123456789abcdef"

IDENTITIES: dict[str, Identity] = {
    "AWS::Athena::WorkGroup": Identity("Name"),
    "AWS::Backup::BackupPlan": Identity(),
    "AWS::Backup::BackupVault": Identity(
        "BackupVaultName", attributes={"BackupVaultArn": _arn("backup", "backup-vault:{name}")}
    ),
    "AWS::CertificateManager::Certificate": Identity(ref=_arn("acm", "certificate/{name}")),
    "AWS::EC2::EIP": Identity(attributes={"AllocationId": "eipalloc-{name}"}),
    "AWS::EC2::InternetGateway": Identity(ref="igw-{name}"),
    "AWS::EC2::NatGateway": Identity(ref="nat-{name}"),
    "AWS::EC2::RouteTable": Identity(ref="rtb-{name}"),
    "AWS::EC2::SecurityGroup": Identity(ref="sg-{name}"),
    "AWS::EC2::Subnet": Identity(ref="subnet-{name}"),
    "AWS::EC2::VPC": Identity("CidrBlock", ref="vpc-0", attributes={"CidrBlock": "{name}"}),
    "AWS::ECR::Repository": Identity(
        "RepositoryName",
        attributes={
            "Arn": _arn("ecr", "repository/{name}"),
            "RepositoryUri": "{account}.dkr.ecr.{region}.amazonaws.com/{name}",
        },
    ),
    "AWS::ECS::Cluster": Identity("ClusterName", attributes={"Arn": _arn("ecs", "cluster/{name}")}),
    "AWS::ECS::Service": Identity("ServiceName", ref=_ECS_SERVICE),
    "AWS::ECS::TaskDefinition": Identity("Family", ref=_arn("ecs", "task-definition/{name}:1")),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": Identity(
        "Name",
        ref=_arn("elasticloadbalancing", _BALANCER),
        attributes={
            "DNSName": "internal-{name}.{region}.elb.amazonaws.com",
            "CanonicalHostedZoneID": "Z35SXDOTRQ7X7K",
            "LoadBalancerFullName": _BALANCER.removeprefix("loadbalancer/"),
        },
    ),
    "AWS::ElasticLoadBalancingV2::TargetGroup": Identity(
        "Name", ref=_arn("elasticloadbalancing", _TARGETS), attributes={"TargetGroupFullName": _TARGETS}
    ),
    "AWS::Glue::Database": Identity("DatabaseInput.Name"),
    "AWS::IAM::ManagedPolicy": Identity("ManagedPolicyName", ref=_arn("iam", "policy/mlife/{name}", region="")),
    "AWS::IAM::OIDCProvider": Identity(ref=_arn("iam", "oidc-provider/token.actions.githubusercontent.com", region="")),
    "AWS::IAM::Role": Identity("RoleName", attributes={"Arn": _arn("iam", "role/mlife/{name}", region="")}),
    "AWS::KMS::Key": Identity(attributes={"Arn": _arn("kms", "key/{name}")}),
    "AWS::Logs::LogGroup": Identity("LogGroupName", attributes={"Arn": _arn("logs", "log-group:{name}:*")}),
    "AWS::QuickSight::DataSet": Identity("DataSetId", attributes={"Arn": _arn("quicksight", "dataset/{name}")}),
    "AWS::QuickSight::DataSource": Identity(
        "DataSourceId", attributes={"Arn": _arn("quicksight", "datasource/{name}")}
    ),
    "AWS::QuickSight::Group": Identity("GroupName", attributes={"Arn": _arn("quicksight", "group/default/{name}")}),
    "AWS::RDS::DBInstance": Identity(
        "DBInstanceIdentifier",
        attributes={
            "DBInstanceArn": _arn("rds", "db:{name}"),
            "Endpoint.Address": "{name}.0123456789.{region}.rds.amazonaws.com",
            "MasterUserSecret.SecretArn": _arn("secretsmanager", "secret:rds!db-{name}-AbCdEf"),
        },
    ),
    "AWS::RDS::DBParameterGroup": Identity(),
    "AWS::RDS::DBSubnetGroup": Identity(),
    "AWS::S3::Bucket": Identity("BucketName", attributes={"Arn": _arn("s3", "{name}", region="", account="")}),
    "AWS::SNS::Topic": Identity("TopicName", ref=_arn("sns", "{name}")),
    "AWS::SSM::Parameter": Identity("Name"),
    "AWS::SecretsManager::Secret": Identity("Name", ref=_arn("secretsmanager", "secret:{name}-AbCdEf")),
    "AWS::ServiceDiscovery::PrivateDnsNamespace": Identity(),
    "AWS::ServiceDiscovery::Service": Identity(attributes={"Arn": _arn("servicediscovery", "service/{name}")}),
    "AWS::StepFunctions::StateMachine": Identity("StateMachineName", ref=_arn("states", "stateMachine:{name}")),
    "AWS::ElasticLoadBalancingV2::Listener": Identity(),
}


def identity(kind: str) -> Identity:
    """Return how resources of a type are named. Raises TemplateError where that is not listed."""
    if kind not in IDENTITIES:
        raise TemplateError(f"infra/gate/identities.py does not know how {kind} is named; add a line")
    return IDENTITIES[kind]
