"""What a month on AWS costs, by environment and number of people: `python -m infra.cost` writes `infra/COST.md`.

Belongs here: quantities of a month from the rendered templates and from what was measured, times prices of
`cost.yaml`. Does not belong here: words and tables (`cost_page`); enforcing a budget.

Concept: whatever a template decides is counted in the template, so that a changed template changes the page, which a
test holds. What people ask Athena is left out, and the page says so.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from infra.gate.environments import INFRA, Environment, Sources, rendered
from infra.gate.yaml_tags import read
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.recruiting.policies import PricePolicy

ROOT = INFRA.parent
SIZES = (10_000, 100_000, 1_000_000)
HOURS, DAYS = 730, 30.4
"""Of a month."""
GB, TB = 10**9, 10**12
RESULTS = ROOT / "benchmarks" / "results"
QUERY_BYTES = 10**7
"""What Athena bills a query for at least. Those of the dashboard read less: totals of days."""
_TASK_START_SECONDS = 60
"""Fargate asks for a minute at least, which is about what an image takes to start."""


INSIGHTS = {"AWS::ECS::Cluster": 11, "AWS::ECS::Service": 13, "AWS::ECS::TaskDefinition": 8}
"""Metrics that Container Insights makes of each, billed as custom ones: the table of "Amazon ECS Container Insights
metrics" in AWS's documentation of CloudWatch."""


@cache
def given() -> Mapping[str, Any]:
    """Return prices and assumptions."""
    return read(INFRA / "cost.yaml")


def price(name: str) -> float:
    """Return a price. Raises InvalidInputError for what `cost.yaml` does not know."""
    if name not in given()["prices"]:
        raise InvalidInputError(f"infra/cost.yaml has no price {name}; add it under prices, with its source")
    return float(given()["prices"][name]["usd"])


def _database_hour(environment: Environment, kind: str) -> float:
    """Return the price of a class of database. Raises InvalidInputError that names the file which asks for it."""
    if kind not in given()["prices"]:
        known = ", ".join(name for name in given()["prices"] if name.startswith("db."))
        raise InvalidInputError(
            f"infra/parameters/{environment.name}.yaml: DatabaseClass is {kind}, which has no price; add {kind} under "
            f"prices of infra/cost.yaml, in dollars per hour and zone and with its source, or take one of {known}"
        )
    return price(kind)


def assumed(name: str) -> float:
    """Return what nothing measures yet."""
    return float(given()["assumed"][name]["value"])


@cache
def measured(name: str, folder: Path = RESULTS) -> Mapping[str, Any]:
    """Return a record of a benchmark."""
    found: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return found


@dataclass(frozen=True)
class Run:
    """What runs of a day take, measured on two processors."""

    runs: float
    seconds_of_10_000: float

    @classmethod
    def measured(cls) -> Run:
        """Return it from the demo of 10,000 people, its folds and fits among it."""
        demo = measured("server_demo")
        days, seconds = demo["summary"]["days"], demo["seconds"]["embedded"]
        return cls(demo["held_by_servers"]["runs"] / days, (seconds["days"] + seconds["sensors_and_retraining"]) / days)

    def hours_of_month(self, people: int) -> float:
        """Return for how long a run task is there in a month, if days grow with people as they do not quite."""
        return (self.runs * _TASK_START_SECONDS + self.seconds_of_10_000 * people / 10_000) * DAYS / 3_600


@dataclass(frozen=True)
class Data:
    """What is in the log and read of it, with a number of people."""

    people: int

    def _of_day(self, what: str) -> dict[str, float]:
        log = measured("data_of_a_day")["log_of_person_and_day"]
        factor = 1 if what == "files" else self.people
        return {name: float(one[what]) * factor for name, one in log.items()}

    @property
    def log_bytes_of_day(self) -> float:
        """Return what a day adds to the log."""
        return sum(self._of_day("bytes").values())

    @property
    def lake_bytes_of_day(self) -> float:
        """Return what a day adds to the lake's own tables: pairs, scores, reports."""
        return float(measured("data_of_a_day")["lake_bytes_of_person_and_day"]) * self.people

    @property
    def stored_bytes(self) -> float:
        """Return what log and lake hold at the age of the log, with what the lake keeps of replaced files."""
        whole = (assumed("warehouse_bytes") + assumed("published_bytes")) * assumed("copies") * self.people
        return (self.log_bytes_of_day + self.lake_bytes_of_day + whole) * assumed("log_age_days")

    @property
    def files_of_day(self) -> float:
        """Return how many files a day adds to the log."""
        return sum(self._of_day("files").values())


@dataclass(frozen=True)
class Texts:
    """What texting costs in a month, which is the provider's to bill."""

    wanted_of_day: float
    allowed_of_day: float
    usd_of_text: float

    @classmethod
    def of(cls, people: int) -> Texts:
        """Return what people get where no cap holds it back, beside what the send budget of prod lets through."""
        day = measured("data_of_a_day")
        usd = float(day["segments_of_text"]) * PricePolicy().text_segment_usd
        budget = float(environment("prod").stack("45-dagster").parameters["TextsPerDay"])
        return cls(float(day["texts_of_person_and_day"]) * people, budget, usd)

    @property
    def wanted_usd(self) -> float:
        """Return what a month costs without a cap."""
        return self.wanted_of_day * self.usd_of_text * DAYS

    @property
    def capped_usd(self) -> float:
        """Return what a month costs under the send budget."""
        return min(self.wanted_of_day, self.allowed_of_day) * self.usd_of_text * DAYS


def _fargate(vcpu: float, gb: float) -> float:
    """Return the price of an hour."""
    return vcpu * price("fargate_vcpu_hour") + gb * price("fargate_gb_hour")


def _own(environment: Environment) -> Counter[str]:
    """Return how many resources of each type the environment has in its account, and with the witness."""
    delivery = environment.accounts["delivery"]
    stacks = (stack for stack in environment.stacks if stack.account != delivery)
    return Counter(resource.kind for stack in stacks for resource in stack.resources)


def _services(environment: Environment) -> float:
    """Return the price of an hour of what always runs."""
    tasks = {one.properties["Family"]: one.properties for _, one in environment.of("AWS::ECS::TaskDefinition")}
    found = 0.0
    for _, service in environment.of("AWS::ECS::Service"):
        task = tasks[service.properties["TaskDefinition"].rpartition("/")[2].partition(":")[0]]
        found += service.properties["DesiredCount"] * _fargate(int(task["Cpu"]) / 1024, int(task["Memory"]) / 1024)
    return found


def month(environment: Environment, people: int) -> dict[str, float]:
    """Return the lines of a month's bill of AWS in dollars. Raises InvalidInputError for a thing that has no price."""
    data, counts = Data(people), _own(environment)
    (database,) = (one.properties for _, one in environment.of("AWS::RDS::DBInstance"))
    (run,) = (
        one.properties
        for _, one in environment.of("AWS::ECS::TaskDefinition")
        if one.properties["Family"] == "mlife-run"
    )
    zones = 2 if str(database["MultiAZ"]).lower() == "true" else 1
    storage = float(database["AllocatedStorage"])
    interfaces = sum(
        len(one.properties["SubnetIds"])
        for _, one in environment.of("AWS::EC2::VPCEndpoint")
        if one.properties["VpcEndpointType"] == "Interface"
    )
    is_prod = environment.name == "prod"
    files = data.files_of_day * DAYS
    reads = files * assumed("reads_of_a_file")
    answers = counts["AWS::QuickSight::DataSet"] * DAYS
    network = counts["AWS::EC2::NatGateway"] * price("nat_hour") + counts["AWS::EC2::EIP"] * price("address_hour")
    balancer = counts["AWS::ElasticLoadBalancingV2::LoadBalancer"]
    metrics = assumed("metrics") + sum(counts[kind] * each for kind, each in INSIGHTS.items())
    watched = counts["AWS::CloudWatch::Alarm"] * price("alarm") + metrics * price("metric")
    return {
        "Athena": answers * QUERY_BYTES / TB * price("athena_tb"),
        "S3, kept": data.stored_bytes / GB * price("s3_gb"),
        "S3, requests": reads * price("s3_get") + files * price("s3_put"),
        "trail": (reads + files) * price("trail_event"),
        "runs": Run.measured().hours_of_month(people) * _fargate(int(run["Cpu"]) / 1024, int(run["Memory"]) / 1024),
        "services": HOURS * _services(environment),
        "database": zones
        * (HOURS * _database_hour(environment, database["DBInstanceClass"]) + storage * price("database_gb")),
        "its copies": storage * price("snapshot_gb"),
        "network": HOURS * (network + interfaces * price("endpoint_hour")) + assumed("nat_gb") * price("nat_gb"),
        "balancer": HOURS * balancer * (price("balancer_hour") + price("balancer_unit_hour")),
        "keys and secrets": counts["AWS::KMS::Key"] * price("key")
        + (counts["AWS::SecretsManager::Secret"] + 2) * price("secret"),  # the database's, and that of the log-in
        "watching": watched + assumed("log_lines_gb") * price("log_lines_gb"),
        "dashboard": assumed("authors") * price("author") + is_prod * assumed("readers") * price("reader"),
    }


@cache
def environment(name: str) -> Environment:
    """Return an environment as it will be."""
    return rendered(Sources.read(), name)


if __name__ == "__main__":
    from infra.cost_page import main

    sys.exit(main())
