"""Wiring: what stands in two places is the same in both.

Concept: a template can be valid, and each of its names, too, and name what is not there. Each row names two or more
places that were written apart; a row that finds nothing in one of them is a finding.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache, partial
from typing import Any

import yaml

from infra.gate.assertions.rights import meet
from infra.gate.environments import INFRA, Environment, Resource, Stack
from infra.gate.errors import TemplateError
from infra.gate.findings import ASSERTIONS, Assertion, holds
from infra.gate.matrix import roles
from infra.gate.places import NotMadeHereError, said, strings, under, wiring
from infra.gate.policies import actions, bucket_statements, many, principals, statements
from infra.gate.simulator import Principal, Request, Target, verdict

_APART = ("DomainName", "VpcPrefix")
_RESOLVED = re.compile(r"\{\{resolve:secretsmanager:([^:}]+)")
_ARN_OF_CODE = re.compile(r"arn:aws:[a-z]+:[^\s\"'|]+")
_NOWHERE = "127.0.0.1/32"
_TYPES: Mapping[str, type] = {"Boolean": bool, "String": str, "Numeric": float}
_LITERAL = re.compile(r"(?<![\w:/])/mlife/[a-z0-9-]+/[a-z0-9/-]+[a-z0-9]|\"(/mlife/tasks)\"")


def _agree(environment: Environment, *, rows: list[list[str]]) -> Iterator[str]:
    for row in rows:
        try:
            values = {place: said(environment, place) for place in row}
        except NotMadeHereError:
            continue
        except (KeyError, TemplateError, ValueError) as error:
            yield f"{row[0]}: {error}"
            continue
        if len(set(values.values())) > 1:
            yield "; ".join(f"{place} is {value}" for place, value in values.items())


for _name, _given in wiring()["pairs"].items():
    ASSERTIONS[_name] = Assertion(_name, _given["says"], partial(_agree, rows=_given["rows"]))


@holds
def each_task_is_told_what_it_reads(environment: Environment) -> Iterator[str]:
    """Each container has the variables that settings, Dagster's instance and its command read, with what the templates
    make as their values, and no other.
    """
    table = wiring()["variables"]
    for stack, task in environment.of("AWS::ECS::TaskDefinition"):
        for container in task.properties["ContainerDefinitions"]:
            where, given = f"{stack.template} {container['Name']}", container.get("Environment", ())
            told = {one["Name"]: str(one["Value"]) for one in given}
            meant = {
                name: said(environment, one["is"])
                for name, one in table.items()
                if container["Name"] in one.get("of", [container["Name"]])
            }
            if len(told) != len(given):
                yield f"{where} is told something twice"
            for name in sorted(told.keys() | meant.keys()):
                if told.get(name) != meant.get(name):
                    yield f"{where} is told {name} is {told.get(name)}, not {meant.get(name)}"
    for name in sorted(_read_by_code() - table.keys()):
        yield f"infra/wiring.yaml does not say what {name} is, which code reads"


@cache
def _read_by_code() -> frozenset[str]:
    from mlife_assets.deployment_settings import AwsSettings

    instance = yaml.safe_load((INFRA.parent / "deploy/dagster.aws.yaml").read_text(encoding="utf-8"))
    asked = {inner for key, inner in strings(instance) if key == "env" and inner != "env"}
    return frozenset(asked | {f"MLIFE_{name.upper()}" for name in AwsSettings.model_fields})


@holds
def what_is_stored_is_what_is_read(environment: Environment) -> Iterator[str]:
    """Each value of Parameter Store is what its path says, in the form that its readers take, and is read under one
    name; code, scripts and workflows read paths that are written.
    """
    table = wiring()["stored"]
    for stack in environment.stacks:
        for parameter in stack.of("AWS::SSM::Parameter"):
            name, value = parameter.properties["Name"], parameter.properties["Value"]
            if name not in table:
                yield f"{stack.template} writes {name}, which infra/wiring.yaml does not know"
            elif stack.account == environment.stack(stack.template).account and ",".join(
                sorted(str(value).split(","))
            ) != (meant := said(environment, table[name][1])):
                yield f"{stack.template} writes {value} to {name}, not {meant}"
            is_list = parameter.properties["Type"] == "StringList"
            if is_list != name.endswith("-ids"):
                yield f"{stack.template} writes {name} as {parameter.properties['Type']}"
        for name, declared in stack.source.get("Parameters", {}).items():
            path = declared.get("Default")
            is_fine = table.get(path, [None])[0] == name and ("List<" in declared["Type"]) == path.endswith("-ids")
            if "AWS::SSM::Parameter::Value" in declared["Type"] and not is_fine:
                yield f"{stack.template} reads {path} as {name}, {declared['Type']}"
    known = {*table, "/mlife/sending/stopped", "/mlife/triggers", *_groups(environment)}
    written = {f"{file}.yml": json.dumps(workflow, default=str) for file, workflow in environment.workflows.items()}
    for where, text in {**_texts(), **written}.items():
        for match in _LITERAL.finditer(text):
            if match[0].strip('"') not in known:
                yield f"{where} names {match[0]}"


def _groups(environment: Environment) -> set[str]:
    return {group.properties["LogGroupName"] for _, group in environment.of("AWS::Logs::LogGroup")}


@cache
def _texts() -> Mapping[str, str]:
    """Return what code and scripts say of AWS, by their files."""
    files = [*(INFRA.parent / "mlife_assets").rglob("*.py"), *INFRA.glob("*.sh")]
    read = {str(file.relative_to(INFRA.parent)): file.read_text(encoding="utf-8") for file in files}
    return {file: text for file, text in read.items() if "/mlife/" in text or ".measure(" in text}


@holds
def every_name_of_a_thing_is_one_that_is_made(environment: Environment) -> Iterator[str]:
    """Each ARN, and each place in a bucket, that a template names is of something that a stack makes, or that somebody
    else does who is listed.
    """
    made = _made(environment)
    given = {str(value) for stack in environment.stacks for value in stack.parameters.values()}
    owners = set(environment.accounts.values())
    for stack, resource in ((one, resource) for one in environment.stacks for resource in one.resources):
        for key, text in strings(resource.properties):
            if match := _RESOLVED.match(text):
                text = f"arn:aws:secretsmanager:{stack.region}:{stack.account}:secret:{match[1]}-AbCdEf"
            if text in given and ":iam::" in text:
                continue
            if text.startswith("s3://"):
                text = f"arn:aws:s3:::{text.removeprefix('s3://')}"
            if (
                key in {"Resource", "NotResource"}
                and text != "*"
                and not text.startswith(("arn:", "Resource", "NotRes"))
            ):
                yield f"{stack.template} {resource.name} names {text} as a resource, which is no ARN"
            if not re.match(r"arn:aws:[a-z]", text) or text == "arn:aws:s3:::mlife-*":
                continue
            parts = text.split(":", 5)
            is_of_all = stack.template == "00-bootstrap" or parts[4] not in owners
            wanted = ":".join([*parts[:4], "*" if is_of_all and parts[4] else parts[4], parts[5]])
            if not _is_made(wanted, made):
                yield f"{stack.template} {resource.name} names {text}"
    for where, text in _texts().items():
        for match in _ARN_OF_CODE.findall(text):
            if not _is_made(re.sub(r"\{[^}]*\}|\$\w+", "*", match), made):
                yield f"{where} names {match}"
    for stack, bucket in environment.of("AWS::S3::Bucket"):
        for prefix in under(bucket.properties, ["LifecycleConfiguration", "Rules", "Prefix"]):
            if not prefix.startswith(tuple(wiring()["places"][bucket.name])):
                yield f"{stack.template} {bucket.name} lets {prefix} expire, where nothing lies"


def _is_made(arn: str, made: frozenset[tuple[str, ...]]) -> bool:
    wanted = arn.split(":", 5)
    if wanted[2] == "s3":
        bucket, _, path = wanted[5].partition("/")
        return any(
            path in {"", "*"} or not one[6:] or path.startswith(one[6:]) or f"{path}/" in one[6:]
            for one in made
            if one[2] == "s3" and one[5] == bucket
        )
    return any(len(one) == 6 and all(map(meet, wanted, one)) for one in made)


def _made(environment: Environment) -> frozenset[tuple[str, ...]]:
    """Return the ARNs of all that is made, in parts; of a bucket also where things lie in it."""
    table, found = wiring(), set()
    for stack, resource in ((one, resource) for one in environment.stacks for resource in one.resources):
        places = table["places"][resource.name] if resource.kind == "AWS::S3::Bucket" else ()
        for arn in arns_of(stack, resource):
            found.add((*arn.split(":", 5), *(place.format(account=stack.account) for place in places)))
    elsewhere = (f"arn:aws:{form.format(region=environment.region)}" for form in table["made_elsewhere"])
    return frozenset(found | {tuple(arn.split(":", 5)) for arn in elsewhere})


@holds
def whoever_connects_gets_through(environment: Environment) -> Iterator[str]:
    """Each connection is let out by the group of who makes it and let in by that of whom it reaches, on the port that
    is listened on; no rule is for anything else.
    """
    groups = {name: said(environment, place) for name, place in wiring()["groups"].items()}
    network, clients = said(environment, "{10-network Vpc@CidrBlock}"), said(environment, "{45-dagster $ClientCidr}")
    out, into = list(_rules(environment, "Egress")), list(_rules(environment, "Ingress"))
    used: list[Mapping[str, Any]] = []
    for who, whom, place in wiring()["connections"]:
        port = int(said(environment, place))
        far = {"0.0.0.0/0"} if whom == "world" else {groups[whom], network, "0.0.0.0/0"}
        near = {clients} if who == "browsers" else {groups[who]}
        leaves = [
            rule for group, other, rule in out if group == groups.get(who) and other in far and _is_of(rule, port)
        ]
        enters = [
            rule for group, other, rule in into if group == groups.get(whom) and other in near and _is_of(rule, port)
        ]
        used += leaves + enters
        if (who in groups and not leaves) or (whom in groups and not enters):
            yield f"{who} do not reach {whom} on {port}"
    for group, other, rule in [*out, *into]:
        if not any(rule is one for one in used) and other != _NOWHERE:
            yield f"nobody connects as {group} says of {other}, {rule.get('FromPort')} to {rule.get('ToPort')}"


def _is_of(rule: Mapping[str, Any], port: int) -> bool:
    return (rule.get("IpProtocol"), rule.get("FromPort"), rule.get("ToPort")) == ("tcp", port, port)


def _rules(environment: Environment, way: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Return the rules of security groups: whose, for whom, and the rule."""
    sides = ("CidrIp", "SourceSecurityGroupId", "DestinationSecurityGroupId")
    for _, group in environment.of("AWS::EC2::SecurityGroup"):
        for rule in group.properties.get(f"SecurityGroup{way}", ()):
            yield f"sg-{group.name}", next((rule[side] for side in sides if side in rule), "nobody"), rule
    for _, apart in environment.of(f"AWS::EC2::SecurityGroup{way}"):
        rule = apart.properties
        yield rule["GroupId"], next((rule[side] for side in sides if side in rule), "nobody"), rule


@holds
def environments_have_addresses_of_their_own(environment: Environment) -> Iterator[str]:
    """No two environments share a name or a range, since people reach all of them and networks can be joined."""
    for name in _APART:
        given = [parameters[name] for parameters in environment.parameters.values()]
        if len(set(given)) < len(given):
            yield f"{name} is {given}"


@holds
def two_zones_where_aws_asks_for_them(environment: Environment) -> Iterator[str]:
    """Subnets of the database and of the balancer are in two zones, and each NAT that routes lead to has a way out."""
    zones = {f"subnet-{one.name}": one.properties["AvailabilityZone"] for _, one in environment.of("AWS::EC2::Subnet")}
    kinds = {"AWS::RDS::DBSubnetGroup": "SubnetIds", "AWS::ElasticLoadBalancingV2::LoadBalancer": "Subnets"}
    for stack, one in environment.of(*kinds):
        if len({zones[subnet] for subnet in one.properties[kinds[one.kind]]}) < 2:
            yield f"{stack.template} {one.name} is in one zone"
    made = {f"nat-{one.name}" for _, one in environment.of("AWS::EC2::NatGateway")}
    for stack, route in environment.of("AWS::EC2::Route"):
        if route.properties.get("NatGatewayId", min(made)) not in made:
            yield f"{stack.template} {route.name} leads to {route.properties['NatGatewayId']}"
    nats = {one.properties["SubnetId"] for _, one in environment.of("AWS::EC2::NatGateway")}
    routed = {
        one.properties["SubnetId"]: one.properties["RouteTableId"]
        for _, one in environment.of("AWS::EC2::SubnetRouteTableAssociation")
    }
    ways = {
        (one.properties["RouteTableId"], key)
        for _, one in environment.of("AWS::EC2::Route")
        for key in one.properties.keys() & {"GatewayId", "NatGatewayId"}
    }
    for subnet in sorted(nats):
        if (routed.get(subnet), "GatewayId") not in ways:
            yield f"NAT stands in {subnet}, which has no way out"


@holds
def the_health_path_is_one_that_is_served(environment: Environment) -> Iterator[str]:
    """The web server itself, asked as the balancer asks, answers with the code that the balancer waits for, and not
    with its page, which it has for any path, well or not.
    """
    for stack, targets in environment.of("AWS::ElasticLoadBalancingV2::TargetGroup"):
        given = targets.properties
        path, port = str(given.get("HealthCheckPath", "/")), given.get("HealthCheckPort")
        code, content = _answered(path)
        if str(code) != given["Matcher"]["HttpCode"] or content.startswith("text/html"):
            yield f"{stack.template} {targets.name} asks {path}, which is answered by {code} and {content}"
        if port not in {None, "traffic-port", str(given["Port"])}:
            yield f"{stack.template} {targets.name} asks on {port}"
        if given.get("HealthCheckProtocol", "HTTP") != given["Protocol"]:
            yield f"{stack.template} {targets.name} asks by {given['HealthCheckProtocol']}"


@cache
def _answered(path: str) -> tuple[int, str]:
    """Return code and type of what the web server answers, by its own routes, to who asks for a path without a word."""
    from dagster_webserver.webserver import DagsterWebserver
    from starlette.routing import Router

    server, said = object.__new__(DagsterWebserver), list[Any]()
    server._app_path_prefix = ""
    request = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [], "root_path": ""}

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        said.append(message)

    try:
        asyncio.run(Router(server.build_routes())(request, receive, send))  # type: ignore[no-untyped-call]
    except AttributeError as error:  # what it serves to a person needs more of it than a route
        return 500, str(error)
    kinds = [value.decode() for name, value in said[0]["headers"] if name == b"content-type"]
    return said[0]["status"], "".join(kinds)


@holds
def each_alarm_watches_a_metric_that_is_written(environment: Environment) -> Iterator[str]:
    """Each alarm is on a metric that AWS or our code writes, with the dimensions that it is written with; what
    must not fall short may not be silent.
    """
    table = wiring()["metrics"]
    ours = {name for text in _texts().values() for name in re.findall(r'\.measure\(\s*"(\w+)"', text)}
    for stack, alarm in environment.of("AWS::CloudWatch::Alarm"):
        given = alarm.properties
        namespace, name = given["Namespace"], given["MetricName"]
        sets = {"environment"} if namespace == "mlife" and name in ours else table.get(namespace, {}).get(name, ())
        if " ".join(sorted(one["Name"] for one in given.get("Dimensions", ()))) not in sets:
            yield f"{stack.template} {alarm.name}: nobody writes {namespace} {name} of {given.get('Dimensions', [])}"
        if (given["ComparisonOperator"] == "LessThanThreshold") != (given["TreatMissingData"] == "breaching"):
            yield f"{stack.template} {alarm.name} takes silence for {given['TreatMissingData']}"


@holds
def events_are_those_that_are_published(environment: Environment) -> Iterator[str]:
    """Each pattern is of a source, a detail-type and fields that are published, with values that occur."""
    table = wiring()["events"]
    for stack, rule in environment.of("AWS::Events::Rule"):
        where, pattern = f"{stack.template} {rule.name}", rule.properties.get("EventPattern", {})
        for source in pattern.get("source", ()) or [None]:
            for kind in pattern.get("detail-type", ()) or [None]:
                fields = table.get(source, {}).get(kind)
                if fields is None:
                    yield f"{where}: {source} publishes no {kind}"
                    continue
                for name, values in _fields(pattern.get("detail", {})):
                    known = fields.get(name)
                    if known is None or (known != "any" and not {str(one) for one in values} <= set(known)):
                        yield f"{where}: {kind} has no {name} of {values}"
        if unknown := pattern.keys() - {"source", "detail-type", "detail", "resources", "account", "region"}:
            yield f"{where} asks of {sorted(unknown)}"


def _fields(detail: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, list[Any]]]:
    for name, inner in detail.items():
        if isinstance(inner, Mapping):
            yield from _fields(inner, f"{before}{name}.")
        else:
            yield f"{before}{name}", list(inner)


@holds
def services_take_the_roles_that_they_are_handed(environment: Environment) -> Iterator[str]:
    """Each role that a resource hands to a service is one that the service is trusted with, and that CloudFormation may
    hand to it.
    """
    table = wiring()["handed"]
    known = {principal.arn: trust for _, principal, trust in roles(environment).values()}
    passed = {
        service
        for stack in environment.stacks
        for role in stack.of("AWS::IAM::Role")
        if role.properties["RoleName"] == "mlife-cfn-execution"
        for policy in role.properties["Policies"]
        for one in statements(policy["PolicyDocument"])
        if "iam:PassRole" in actions(one)
        for service in many(one["Condition"]["StringEquals"]["iam:PassedToService"])
    }
    for stack, resource in ((one, resource) for one in environment.stacks for resource in one.resources):
        if resource.kind.startswith(("AWS::IAM", "AWS::KMS")) or "Policy" in resource.kind:
            continue
        for key, text in strings(resource.properties):
            if re.match(r"arn:aws:iam::\d+:role", text):
                service = table.get(f"{resource.kind} {key}")
                trusted = {who for one in many(known.get(text, {}).get("Statement")) for who in principals(one)}
                if service not in trusted or service not in passed:
                    yield f"{stack.template} {resource.name} hands {text} to {service or key}"


@holds
def services_may_do_what_they_are_asked_to(environment: Environment) -> Iterator[str]:
    """Services that publish to a topic, write into a bucket or use a key are let in by its policy and by its key's."""
    for row in wiring()["services"]:
        for stack, resource in environment.of(row["of"]):
            below = resource.properties.get("S3KeyPrefix")
            fits = {"region": stack.region, "account": stack.account, "prefix": f"{below}/" if below else ""}
            who = Principal(row["by"].format(**fits), stack.account, is_role=False)
            arn = next(iter(arns_of(stack, resource)))
            for named in {str(one) for one in under(resource.properties, row["names"].split("."))}:
                for call in row["calls"]:
                    action, _, path = call.format(**fits).partition(" ")
                    target = _target(environment, named, action, path)
                    context = {"aws:SourceAccount": stack.account, "aws:SourceArn": arn}
                    if target is None or verdict(Request(who, action, target, context)) != "allowed":
                        yield f"{who.arn} may not {action} for {stack.template} {resource.name} on {named}"


def arns_of(stack: Stack, resource: Resource) -> Iterator[str]:
    """Return the ARNs of a resource, the first of which is its own."""
    fits = {"region": stack.region, "account": stack.account, "logical": resource.name, "stack": stack.name}
    for form in wiring()["arns"].get(resource.kind, ()):
        yield f"arn:aws:{form.format_map({**resource.properties, **fits})}"


@holds
def whoever_delivers_gets_through(environment: Environment) -> Iterator[str]:
    """A role of others that files are taken from may put them where they are looked for, and use the key that they are
    encrypted by, as far as bucket and key say.
    """
    everything = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    for row in wiring()["deliverers"]:
        stack = environment.stack(row["to"].split(" ")[0])
        arn = str(stack.parameters[row["role"]])
        bucket = said(environment, f"{{{row['to']}@}}")
        (key,) = (one for one in stack.resources if one.name == row["key"])
        for path in row["paths"] if arn else ():
            who = Principal(arn, arn.split(":")[4], (everything,))
            for named, action in (
                (bucket, "s3:PutObject"),
                (next(arns_of(stack, key)), "kms:GenerateDataKey"),
                (next(arns_of(stack, key)), "kms:Decrypt"),
            ):
                target = _target(environment, named, action, f"/{path}")
                by_s3 = {"kms:ViaService": f"s3.{stack.region}.amazonaws.com"}
                if target is None or verdict(Request(who, action, target, by_s3)) != "allowed":
                    yield f"{arn} may not {action} for {path} of {stack.template}"


def _target(environment: Environment, named: str, action: str, path: str) -> Target | None:
    """Return a topic, a bucket or a key with its policy; for a call of KMS on a topic the key of the topic."""
    for stack, one in environment.of("AWS::SNS::Topic"):
        if named in arns_of(stack, one) and action.startswith("kms:"):
            named = one.properties["KmsMasterKeyId"]
        elif named in arns_of(stack, one):
            for policy in stack.of("AWS::SNS::TopicPolicy"):
                if named in policy.properties["Topics"]:
                    return Target(named, stack.account, policy.properties["PolicyDocument"])
    for stack, one in environment.of("AWS::S3::Bucket", "AWS::KMS::Key"):
        if named in arns_of(stack, one):
            return Target(named, stack.account, one.properties["KeyPolicy"], is_key=True)
        if named == one.properties.get("BucketName"):
            return Target(f"arn:aws:s3:::{named}{path}", stack.account, {"Statement": bucket_statements(stack, one)})
    return None


@holds
def machines_are_started_with_what_they_compare(environment: Environment) -> Iterator[str]:
    """Each schedule, rule and workflow that starts a state machine gives it the inputs that it reads, of the type that
    it compares, by a role that may start it; each state's call is one that the machine's role may make.
    """
    started = list(_starters(environment))
    known = {principal.arn: principal for _, principal, _ in roles(environment).values()}
    for stack, machine in environment.of("AWS::StepFunctions::StateMachine"):
        arn, name = next(iter(arns_of(stack, machine))), machine.properties["StateMachineName"]
        definition = machine.properties["Definition"]
        needed, compared = _inputs(definition)
        starts = [one for one in started if one[1] in {arn, name.removeprefix("mlife-")}]
        if not starts:
            yield f"nothing starts {name}"
        for where, _, given, role in starts:
            if lacks := sorted(needed - given.keys()):
                yield f"{where} starts {name} without {lacks}"
            for key in compared.keys() & given.keys():
                if not isinstance(given[key], compared[key]):
                    yield f"{where} starts {name} with {key} of {given[key]!r}"
            if role and verdict(Request(known[role], "states:StartExecution", Target(arn, stack.account))) != "allowed":
                yield f"{where} may not start {name}"
        may = known[machine.properties["RoleArn"]].policies
        own = {action.lower() for policy in may for one in statements(policy) for action in actions(one)}
        for call in sorted(set(re.findall(r"arn:aws:states:::(?:aws-sdk:)?(\w+:\w+)", json.dumps(definition)))):
            if call.lower() not in own:
                yield f"{name} calls {call}, and its role may not"


def _inputs(definition: Mapping[str, Any]) -> tuple[set[str], dict[str, type]]:
    """Return what a machine cannot do without of its input, and the type of what it compares."""
    states = definition["States"].values()
    asked = [choice for state in states for choice in state.get("Choices", ())]
    present = {one["Variable"] for one in asked if "IsPresent" in one}
    results = {one.get("ResultPath") for state in states for one in (state, *state.get("Catch", ()))}
    read = json.dumps([(one.get("Parameters"), one.get("Choices"), one.get("ItemsPath")) for one in states])
    needed = {one for one in re.findall(r"(?<!\$)\$\.\w+", read) if one not in present | results}
    compared = {
        one["Variable"].removeprefix("$."): kind
        for one in asked
        for name, kind in _TYPES.items()
        if any(operator.startswith(name) for operator in one)
    }
    return {one.removeprefix("$.") for one in needed}, compared


def _starters(environment: Environment) -> Iterator[tuple[str, str, Mapping[str, Any], str | None]]:
    """Return what starts something, what it starts, the input that it gives, and with which role."""
    for _, one in environment.of("AWS::Events::Rule", "AWS::Scheduler::Schedule"):
        for target in [*many(one.properties.get("Target")), *one.properties.get("Targets", ())]:
            yield one.name, target["Arn"], json.loads(target.get("Input", "{}")), target["RoleArn"]
    for file, workflow in environment.workflows.items():
        for step in (step for job in workflow["jobs"].values() for step in job.get("steps", ())):
            text = step.get("run", "")
            named = dict.fromkeys(re.findall(r"--arg (\w+) ", text), "")
            for machine, given in re.findall(r"infra/start_machine\.sh ([\w-]+) (?:'(.*?)'|\"\$input\")", text):
                yield file, machine, json.loads(given) if given else named, None
