"""A small market as the quality rules see it each morning: real exporters and faults, validation, features, samples.

Features come from the row recompute, so no log and no dbt are needed. A market can branch: the days so far are shared.
"""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass, field, replace
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.monitoring.quality import Landed, Refusal, data_quality_report
from mlife_assets.core.monitoring.reference import MonitoringReference, build_reference
from mlife_assets.core.monitoring.reports import MonitoringReport
from mlife_assets.core.monitoring.sampling import DaySample, sample_pairs
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.core.validation import validate
from mlife_assets.core.windows import add_days, day_start
from mlife_assets.market.simulation import Market
from mlife_assets.market.source import exported_day
from mlife_assets.market.world import Injection, MarketConfig
from mlife_assets.recruiting.candidates import candidate_pairs
from mlife_assets.recruiting.events import EVENT_TYPES, LABEL_EVENT_TYPES, OWN_EVENT_TYPES
from mlife_assets.recruiting.features import pair_features
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS
from mlife_assets.recruiting.overnight import changed_shares, overnight_findings
from mlife_assets.recruiting.policies import CandidatePolicy
from mlife_assets.recruiting.recompute.compare import SOURCE_COLUMNS, SourceEvents, job_features, user_features

SAMPLE_ROWS = 600
REFERENCE_DAYS = 8
WARM_DAYS = 9
POLICY = MonitoringPolicy(sample_rows_per_day=SAMPLE_ROWS, reference_days=REFERENCE_DAYS)


@dataclass
class Morning:
    """What is known on a day: users, open jobs, the sample of their pairs, what landed and what was refused."""

    day: date
    users: pa.Table
    jobs: pa.Table
    pairs: pa.Table
    pair_rows: int
    landed: dict[str, int]
    refused: list[Refusal]


@dataclass
class ExportedMarket:
    """A market that is exported every evening. `day` is the next to live."""

    config: MarketConfig
    market: Market
    day: date
    tables: dict[str, list[pa.Table]] = field(default_factory=dict)
    mornings: list[Morning] = field(default_factory=list)

    @classmethod
    def start(cls, config: MarketConfig) -> ExportedMarket:
        return cls(config, Market(config, lambda _: False), config.start_date)

    def branch(self, *injections: Injection) -> ExportedMarket:
        """Return a market with the same past and other days to come."""
        config = replace(self.config, injections=injections)
        market = Market(config, lambda _: False, copy.deepcopy(self.market.state))
        tables = {name: list(parts) for name, parts in self.tables.items()}
        return ExportedMarket(config, market, self.day, tables, list(self.mornings))

    def live(self, days: int = 1) -> Morning:
        """Live days; return the morning after the last."""
        for _ in range(days):
            landed, refused = {}, []
            for name, exported in exported_day(self.market, self.day)[1].items():
                landed[name] = self._take_in(name, exported, refused)
            self.day = add_days(self.day, 1)
            self.mornings.append(self._morning(landed, refused))
        return self.mornings[-1]

    def _take_in(self, name: str, exported: pa.Table, refused: list[Refusal]) -> int:
        known = [part["event_id"].combine_chunks() for part in self.tables.get(name, ())]
        judged = validate(
            EVENT_TYPES[name],
            exported,
            now=day_start(add_days(self.day, 1)),
            known_ids=pa.concat_arrays(known) if known else None,
        )
        self.tables.setdefault(name, []).append(judged.accepted)
        for count in pc.value_counts(judged.rejected["reason"]).to_pylist():
            example = judged.rejected.filter(pc.equal(judged.rejected["reason"], count["values"])).to_pylist()[0]
            refused.append(
                Refusal(name, count["values"], count["counts"], example["row"], example["field"], example["detail"])
            )
        return judged.accepted.num_rows

    def source(self) -> SourceEvents:
        """Return all events so far."""
        tables = {name: pa.concat_tables(self.tables[name]) for name in SOURCE_COLUMNS}
        planned = tables["message_planned"]
        tables["message_planned"] = planned.append_column("channel", pa.array(["sms"] * planned.num_rows, pa.string()))
        return SourceEvents(tables)

    def _morning(self, landed: dict[str, int], refused: list[Refusal]) -> Morning:
        events = self.source()
        people = pc.unique(events.tables["user_snapshot"]["user_id"]).to_pylist()
        posted = pc.unique(events.tables["job_posted"]["job_id"]).to_pylist()
        users = self._dated(user_features(people, events, self.day))
        jobs = self._dated(job_features(posted, events, self.day))
        pairs = candidate_pairs(users, jobs, self.day, CandidatePolicy())
        places = sample_pairs(pairs["user_id"], pairs["job_id"], as_of=self.day, seed=POLICY.seed, rows=SAMPLE_ROWS)
        sample = pair_features(pairs.take(pa.array(places)))
        return Morning(self.day, users, jobs, sample, pairs.num_rows, landed, refused)

    def _dated(self, table: pa.Table) -> pa.Table:
        return table.append_column("as_of_date", pa.array([self.day] * table.num_rows, pa.date32()))

    def reference(self) -> MonitoringReference:
        """Return the reference of the last mornings."""
        last = self.mornings[-REFERENCE_DAYS:]
        no_examples = {
            "exposure_date": pa.array([], pa.date32()),
            "label_mature_date": pa.array([], pa.date32()),
            "probability": pa.array([], pa.float64()),
            "is_positive": pa.array([], pa.bool_()),
        }
        return build_reference(
            columns=PAIR_COLUMNS, ids=("user_id", "job_id"), model_version="mdl_test", as_of=self.day,
            sample=pa.concat_tables([morning.pairs for morning in last]),
            pair_rows={morning.day: morning.pair_rows for morning in last}, examples=pa.table(no_examples),
        )  # fmt: skip

    def report(self, reference: MonitoringReference, *, sound: int = -2) -> MonitoringReport:
        """Return the quality report of this morning; `sound` is the place of the last sound morning before it."""
        today, before = self.mornings[-1], self.mornings[sound]
        earlier = self.mornings[: len(self.mornings) + sound + 1]
        usual: dict[str, list[float]] = {}
        for eve, night in itertools.pairwise(earlier):
            for name, share in changed_shares(eve.users, night.users).items():
                usual.setdefault(name, []).append(share)
        names = sorted({name for morning in earlier for name in morning.landed})
        return data_quality_report(
            as_of=today.day, reference=reference, sample=DaySample(today.pairs, today.pair_rows), policy=POLICY,
            landed=Landed(
                today.landed, {name: [morning.landed.get(name, 0) for morning in earlier] for name in names},
                today.refused, OWN_EVENT_TYPES, LABEL_EVENT_TYPES,
            ),
            further=overnight_findings(before.users, today.users, usual, POLICY),
        )  # fmt: skip


def warm_market(seed: int, users: int = 900, jobs: int = 130) -> ExportedMarket:
    """Return a market after its first drift-free days."""
    market = ExportedMarket.start(MarketConfig(seed=seed, users=users, jobs=jobs, history_days=60))
    market.live(WARM_DAYS)
    return market


def faults(report: MonitoringReport) -> set[tuple[str, str]]:
    """Return column and method of every alarm."""
    return {(finding.column, finding.method) for finding in report.alarms}
