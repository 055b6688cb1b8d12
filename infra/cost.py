"""What a month on AWS costs, by environment and number of people: `python -m infra.cost` writes `infra/COST.md`.

Concept: whatever a template decides is counted in the template, so that a changed template changes the page, which a
test holds. What people ask Athena is left out, and the page says so.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from infra.gate.environments import ENVIRONMENTS, INFRA, Environment, Sources, rendered
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
PAGE = INFRA / "COST.md"
FRESH_DAYS = 366
WIDTH = 145
_HEAD = (
    "`python -m infra.cost` wrote this page, and a test holds it: sizes are those of the templates as they are "
    "rendered, quantities were measured where that was possible, prices have a date. US dollars a month, us-east-1, "
    "without discounts, taxes and support. No bill was seen."
)

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


def _words(text: str) -> list[str]:
    return [*textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False), ""]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(head)} |", "|" + "---|" * len(head), *(f"| {' | '.join(row)} |" for row in rows), ""]


def _usd(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 or value == 0 else "under 1"


def to_be_confirmed(source: str) -> bool:
    """Return whether the price of a source has to be looked up again."""
    found = given()["sources"][source]
    age = (date.fromisoformat(given()["as_of"]) - date.fromisoformat(found.get("date", "2000-01-01"))).days
    return age > FRESH_DAYS


def _environments() -> list[str]:
    rows = []
    for name in ENVIRONMENTS:
        made = environment(name)
        budget = float(made.stack("80-observability").parameters["MonthlyBudgetUsd"])
        totals = [sum(month(made, people).values()) for people in SIZES]
        enough = [f"{people:,}" for people, total in zip(SIZES, totals, strict=True) if total <= budget]
        rows.append([name, *map(_usd, totals), _usd(budget), f"up to {enough[-1]}" if enough else "**none**"])
    head = ["", *(f"{people:,} people" for people in SIZES), "`MonthlyBudgetUsd`", "which is enough for"]
    return ["## AWS, by environment", *_table(head, rows)]


def _lines() -> list[str]:
    months = [month(environment("prod"), people) for people in SIZES]
    rows = [[name, *(_usd(one[name]) for one in months)] for name in months[0]]
    rows.append(["**in all**", *(f"**{_usd(sum(one.values()))}**" for one in months)])
    return ["## What prod's is made of", *_table(["", *(f"{people:,} people" for people in SIZES)], rows)]


def _texts() -> list[str]:
    found = [Texts.of(people) for people in SIZES]
    rows = [
        [
            f"{people:,}",
            f"{one.wanted_of_day:,.0f}",
            _usd(one.wanted_usd),
            f"{one.allowed_of_day:,.0f}",
            _usd(one.capped_usd),
        ]
        for people, one in zip(SIZES, found, strict=True)
    ]
    aws = [sum(month(environment("prod"), people).values()) for people in SIZES]
    shares = [f"{one.wanted_usd / (one.wanted_usd + other):.0%}" for one, other in zip(found, aws, strict=True)]
    return [
        "## Texts",
        *_words(
            f"Segments of a text: {measured('data_of_a_day')['segments_of_text']:g} on average, at "
            f"{PricePolicy().text_segment_usd:g} dollars each (`PricePolicy`, the price of your contract). The "
            "provider bills them, so no budget of AWS sees them. Uncapped they are "
            f"{', '.join(shares[:-1])} and {shares[-1]} of all "
            "that prod costs at the three sizes."
        ),
        *_table(["people", "texts a day, uncapped", "a month", "`TextsPerDay` of prod", "a month"], rows),
        *_words(
            "The send budget is the parameter `TextsPerDay` of `45-dagster`: no application plans more, an approval "
            "refuses more, and the dispatcher counts what the ledger says was submitted or is about to be, of all "
            "applications. `MessagingPolicy.maximum_messages_per_day` limits each of them further. Both count "
            "messages, not dollars. The provider's own limit comes with the stack for SMS."
        ),
    ]


def _quantities() -> list[str]:
    day, run = measured("data_of_a_day"), Run.measured()
    log = day["log_of_person_and_day"]
    size, rows_of_day, files = (sum(one[key] for one in log.values()) for key in ("bytes", "rows", "files"))
    rows = [
        ["log, a person and day", f"{size:,.0f} bytes in {rows_of_day:,.1f} rows", "day"],
        ["files of the log, a day", f"{files:,.0f}", "day; one export a day"],
        [
            "tables of the lake, a person and day",
            f"{day['lake_bytes_of_person_and_day']:,.0f} bytes",
            "day; not pruned",
        ],
        ["texts, a person and day", f"{day['texts_of_person_and_day']:.4f}", "day; the cap holds nobody back there"],
        ["runs, a day", f"{run.runs:.1f}", "demo"],
        ["their time, a day", f"{run.seconds_of_10_000:,.0f} s", "demo; taken as proportional to people"],
        *([one["what"], f"{one['value']:,}", "assumed"] for one in given()["assumed"].values()),
    ]
    return [
        "## Quantities",
        *_words(
            f"*day* is `benchmarks/results/data_of_a_day.json`, {day['people']:,} people, and *demo* "
            "`benchmarks/results/server_demo.json`, 10,000 people on two processors: simulated markets, in which a "
            "person looks at one job a day. A real one may show more, and the log with what reads it grows by as much."
        ),
        *_table(["what", "how much", "from"], rows),
    ]


def _prices() -> list[str]:
    rows = []
    for name, one in given()["prices"].items():
        mark = "yes" if to_be_confirmed(one["source"]) else ""
        usd = f"{one['usd']:.7f}".rstrip("0").rstrip(".")
        rows.append([f"`{name}`", usd, one["per"], one["source"], mark])
    sources = []
    for name, one in given()["sources"].items():
        when = one.get("date", "no date")
        sources.append(f"- {name}: {when if one.get('seen', True) else f'last known {when}, not seen'}, <{one['url']}>")
    return [
        "## Prices",
        *_words(
            f"As of {given()['as_of']}. To be confirmed is what has no date, or one of more than a year ago; what was "
            "not seen is what was last known."
        ),
        *_table(["price", "dollars", "per", "source", "to be confirmed"], rows),
        *sources,
    ]


def page() -> str:
    """Return the document."""
    not_counted = (
        "Not counted: the delivery account (images, bundles of models), transfer between zones, calls of keys, tables "
        "of the lake that were replaced, log lines once they are taken in, the disk of a run beyond 20 GB, mails, what "
        "people ask Athena. "
        f"A month has {DAYS:g} days; the log is {assumed('log_age_days'):,.0f} days old."
    )
    lines = ["# What it costs", "", *_words(_HEAD), *_environments(), *_lines(), *_words(not_counted)]
    lines += [*_texts(), *_quantities(), *_prices()]
    return "\n".join(lines).rstrip("\n") + "\n"


def main() -> int:
    """Write the page and return 0; where something has no price, say so, leave the page alone and return 1."""
    try:
        text = page()
    except InvalidInputError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
