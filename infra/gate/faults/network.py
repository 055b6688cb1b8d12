"""Mistakes in the network and at the way in.

Belongs here: faults of `10-network` and of the load balancer in `45-dagster`. Does not belong here: tasks (`tasks`).
"""

from __future__ import annotations

from infra.gate.faults.fault import Tree, fault, properties

NETWORK, DAGSTER = "10-network", "45-dagster"


@fault(DAGSTER, "nothing_is_open_to_the_world", is_of_the_reference=True)
def the_ui_is_open_to_the_world(template: Tree) -> None:
    """The load balancer's group lets in the world."""
    rules = properties(template, "BalancerSecurityGroup")["SecurityGroupIngress"]
    rules.append({**rules[0], "CidrIp": "0.0.0.0/0"})


@fault("parameters/prod", "every_environment_renders")
def browsers_come_from_everywhere(parameters: Tree) -> None:
    """A parameter lets in the world."""
    parameters["ClientCidr"] = "0.0.0.0/0"


@fault(NETWORK, "nothing_is_open_to_the_world")
def endpoints_are_open_over_ipv6(template: Tree) -> None:
    """The rule for IPv6 was forgotten, and is the world."""
    rules = properties(template, "EndpointSecurityGroup")["SecurityGroupIngress"]
    rules.append({"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIpv6": "::/0", "Description": "v6"})


@fault(NETWORK, "only_named_ports_go_out")
def everything_goes_out(template: Tree) -> None:
    """Tasks may call anything on any port."""
    properties(template, "TaskSecurityGroup")["SecurityGroupEgress"] = [
        {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0", "Description": "all"}
    ]


@fault(NETWORK, "no_subnet_gives_public_addresses")
def tasks_get_public_addresses(template: Tree) -> None:
    """A subnet hands out public addresses."""
    properties(template, "TasksA")["MapPublicIpOnLaunch"] = True


@fault(NETWORK, "the_database_has_no_way_out")
def data_is_routed_to_the_internet(template: Tree) -> None:
    """The database's subnets share the public route table."""
    properties(template, "DataBIsRouted")["RouteTableId"] = {"Ref": "PublicRoutes"}


@fault(NETWORK, "two_zones_in_prod")
def both_subnets_are_in_one_zone(template: Tree) -> None:
    """A zone was copied with its subnet."""
    properties(template, "DataB")["AvailabilityZone"] = {"Fn::Select": [0, {"Fn::GetAZs": ""}]}


@fault(NETWORK, "networks_do_not_overlap")
def two_subnets_overlap(template: Tree) -> None:
    """A range was copied with its subnet."""
    properties(template, "DataB")["CidrBlock"] = {"Fn::Sub": "${VpcPrefix}.8.0/23"}


@fault(NETWORK, "traffic_is_on_record")
def refused_connections_are_not_on_record(template: Tree) -> None:
    """The flow log sees what was let in, and not who tried."""
    properties(template, "FlowLog")["TrafficType"] = "ACCEPT"


@fault(DAGSTER, "the_ui_is_internal_and_encrypted")
def the_ui_faces_the_internet(template: Tree) -> None:
    """The load balancer is internet-facing."""
    properties(template, "Balancer")["Scheme"] = "internet-facing"


@fault(DAGSTER, "the_ui_is_internal_and_encrypted")
def the_ui_takes_old_tls(template: Tree) -> None:
    """TLS 1.0 is taken."""
    properties(template, "Listener")["SslPolicy"] = "ELBSecurityPolicy-2016-08"


@fault(DAGSTER, "nobody_sees_the_ui_without_logging_in")
def nobody_logs_in(template: Tree) -> None:
    """The listener forwards at once."""
    actions = properties(template, "Listener")["DefaultActions"]
    del actions[0]


@fault(DAGSTER, "nobody_sees_the_ui_without_logging_in")
def whoever_does_not_log_in_is_let_by(template: Tree) -> None:
    """The log-in is there and lets everybody by."""
    config = properties(template, "Listener")["DefaultActions"][0]["AuthenticateOidcConfig"]
    config["OnUnauthenticatedRequest"] = "allow"


@fault(DAGSTER, "nobody_sees_the_ui_without_logging_in")
def the_log_in_comes_second(template: Tree) -> None:
    """Both actions are there in the wrong order."""
    first, second = properties(template, "Listener")["DefaultActions"]
    first["Order"], second["Order"] = 2, 1
