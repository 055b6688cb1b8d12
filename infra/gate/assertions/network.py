"""The network: nothing is reached from the internet."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from infra.gate.environments import Environment, Resource, Stack
from infra.gate.findings import holds

WORLD = {"0.0.0.0/0", "::/0"}
TLS_POLICIES = ("ELBSecurityPolicy-TLS13-1-2-", "ELBSecurityPolicy-TLS13-1-3-")


def _rules(environment: Environment, way: str) -> Iterator[tuple[Stack, Resource, Mapping[str, Any]]]:
    for stack, group in environment.of("AWS::EC2::SecurityGroup"):
        for rule in group.properties.get(f"SecurityGroup{way}", ()):
            yield stack, group, rule
    for stack, rule in environment.of(f"AWS::EC2::SecurityGroup{way}"):
        yield stack, rule, rule.properties


@holds
def nothing_is_open_to_the_world(environment: Environment) -> Iterator[str]:
    """No security group lets in anybody but a private network or a security group of ours."""
    for stack, group, rule in _rules(environment, "Ingress"):
        if "CidrIp" not in rule and "CidrIpv6" not in rule and "SourceSecurityGroupId" not in rule:
            yield f"{stack.template} {group.name} lets in who knows whom"
        for key in ("CidrIp", "CidrIpv6"):
            if key in rule and (rule[key] in WORLD or not ipaddress.ip_network(rule[key]).is_private):
                yield f"{stack.template} {group.name} lets in {rule[key]}"


@holds
def only_named_ports_go_out(environment: Environment) -> Iterator[str]:
    """Each security group says what goes out, one port each; to the internet it is TLS and nothing else."""
    for stack, group in environment.of("AWS::EC2::SecurityGroup"):
        if not group.properties.get("SecurityGroupEgress"):
            yield f"{stack.template} {group.name} lets everything out, which is the default"
    for stack, group, rule in _rules(environment, "Egress"):
        to = rule.get("CidrIp") or rule.get("CidrIpv6")
        if to == "127.0.0.1/32":
            continue
        ports = (rule.get("FromPort"), rule.get("ToPort"))
        if ports[0] is None or ports[0] != ports[1] or (to in WORLD and ports != (443, 443)):
            yield f"{stack.template} {group.name} lets {ports} out to {to}"


@holds
def no_subnet_gives_public_addresses(environment: Environment) -> Iterator[str]:
    """Nothing gets a public address by being started somewhere."""
    for stack, subnet in environment.of("AWS::EC2::Subnet"):
        if subnet.properties.get("MapPublicIpOnLaunch") is not False:
            yield f"{stack.template} {subnet.name}"


@holds
def the_database_has_no_way_out(environment: Environment) -> Iterator[str]:
    """The database's subnets have no route to anywhere, and those of tasks none past NAT."""
    stack = environment.stack("10-network")
    targets: dict[str, set[str]] = {}
    for route in stack.of("AWS::EC2::Route"):
        way = next(key for key in ("NatGatewayId", "GatewayId") if key in route.properties)
        targets.setdefault(route.properties["RouteTableId"], set()).add(way)
    for association in stack.of("AWS::EC2::SubnetRouteTableAssociation"):
        subnet = association.properties["SubnetId"]
        ways = targets.get(association.properties["RouteTableId"], set())
        allowed: set[str] = {"NatGatewayId"} if "Tasks" in subnet else set() if "Data" in subnet else {"GatewayId"}
        if not ways <= allowed:
            yield f"{subnet} goes out by {sorted(ways)}"
    for group in environment.stack("40-dagster-state").of("AWS::RDS::DBSubnetGroup"):
        if outside := [subnet for subnet in group.properties["SubnetIds"] if "Data" not in subnet]:
            yield f"the database is in {outside}"


@holds
def two_zones_in_prod(environment: Environment) -> Iterator[str]:
    """Tasks, data and the way out are in two zones; in dev one way out is enough."""
    stack = environment.stack("10-network")
    zones: dict[str, set[str]] = {}
    for subnet in stack.of("AWS::EC2::Subnet"):
        zones.setdefault(subnet.name.rstrip("AB"), set()).add(subnet.properties["AvailabilityZone"])
    for kind, found in zones.items():
        if len(found) < 2:
            yield f"{kind} is in {sorted(found)}"
    nats = len(list(stack.of("AWS::EC2::NatGateway")))
    if nats < (1 if environment.name == "dev" else 2):
        yield f"there are {nats} ways out"


@holds
def networks_do_not_overlap(environment: Environment) -> Iterator[str]:
    """Subnets lie in their network and do not overlap."""
    stack = environment.stack("10-network")
    (vpc,) = stack.of("AWS::EC2::VPC")
    whole = ipaddress.ip_network(vpc.properties["CidrBlock"])
    subnets = [(one.name, ipaddress.ip_network(one.properties["CidrBlock"])) for one in stack.of("AWS::EC2::Subnet")]
    for index, (name, network) in enumerate(subnets):
        if not network.subnet_of(whole):  # type: ignore[arg-type]
            yield f"{name} is outside {whole}"
        for other, taken in subnets[:index]:
            if network.overlaps(taken):
                yield f"{name} overlaps {other}"


@holds
def traffic_is_on_record(environment: Environment) -> Iterator[str]:
    """Every connection in the network, refused ones among them, is in the flow log."""
    flows = [one.properties for one in environment.stack("10-network").of("AWS::EC2::FlowLog")]
    if not any(one["ResourceType"] == "VPC" and one["TrafficType"] == "ALL" for one in flows):
        yield "there is no flow log of the whole network"


@holds
def the_ui_is_internal_and_encrypted(environment: Environment) -> Iterator[str]:
    """The load balancer is internal, drops broken headers, and listens for TLS 1.2 or newer alone."""
    balancers = list(environment.of("AWS::ElasticLoadBalancingV2::LoadBalancer"))
    for stack, balancer in balancers:
        if balancer.properties.get("Scheme") != "internal":
            yield f"{stack.template} {balancer.name} is {balancer.properties.get('Scheme', 'internet-facing')}"
        attributes = {one["Key"]: one["Value"] for one in balancer.properties.get("LoadBalancerAttributes", ())}
        if attributes.get("routing.http.drop_invalid_header_fields.enabled") != "true":
            yield f"{stack.template} {balancer.name} passes broken headers on"
    for stack, listener in environment.of("AWS::ElasticLoadBalancingV2::Listener"):
        given = listener.properties
        if given["Protocol"] != "HTTPS" or not given.get("Certificates"):
            yield f"{stack.template} {listener.name} listens for {given['Protocol']}"
        if not str(given.get("SslPolicy")).startswith(TLS_POLICIES):
            yield f"{stack.template} {listener.name} takes {given.get('SslPolicy')}"


@holds
def nobody_sees_the_ui_without_logging_in(environment: Environment) -> Iterator[str]:
    """Each listener's first action is a log-in that lets nobody by, and no rule goes around it."""
    listeners = list(environment.of("AWS::ElasticLoadBalancingV2::Listener"))
    if not listeners:
        yield "there is no listener"
    for stack, listener in listeners:
        ordered = sorted(listener.properties["DefaultActions"], key=lambda action: action.get("Order", 0))
        first = ordered[0]
        config = first.get("AuthenticateOidcConfig", {})
        if first["Type"] != "authenticate-oidc" or config.get("OnUnauthenticatedRequest") != "authenticate":
            yield f"{stack.template} {listener.name} begins with {first['Type']}"
        if not str(config.get("ClientSecret", "")).startswith("{{resolve:secretsmanager:"):
            yield f"{stack.template} {listener.name} has its secret in the template"
    for stack, rule in environment.of("AWS::ElasticLoadBalancingV2::ListenerRule"):
        yield f"{stack.template} {rule.name} goes around the log-in"
