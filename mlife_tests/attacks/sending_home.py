"""A small home that plans and sends for real: ledger, console gateway, event log, contact book and marts on disk.

What a day needs before it plans (scores, marts, a sound report) is written down; planning, approving, sending and the
evening are the real assets. Nothing is trained, so a day takes a second.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pyarrow as pa

from mlife_assets.adapters.employer_reviews import review_employers
from mlife_assets.components.graph.application_graph import ApplicationGraph
from mlife_assets.components.messages import texts as messages
from mlife_assets.components.predictions.scores import SCORES_TABLE
from mlife_assets.core.errors import MlifeError
from mlife_assets.core.monitoring.quality import REPORT as QUALITY_REPORT
from mlife_assets.core.monitoring.reports import MonitoringReport
from mlife_assets.core.windows import run_time
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.deployments.landed_days import INGEST_REPORT
from mlife_assets.recruiting.instances import ApplicationDeclaration, job_of_the_day
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.settings import Settings
from mlife_tests.reviews import postings
from mlife_tests.stores import Killed as Killed

DAY = date(2026, 6, 2)
POLICY = MessagingPolicy(
    auto_approve_within_limits=True,
    exploration_share=0.0,
    minimum_days_between_messages=1,
    maximum_messages_per_7_days=7,
)
CONTACT = ContactPolicy(holdout_share=0.0, maximum_messages_per_7_days=7, minimum_days_between_messages=1)
USERS, JOBS = 30, 6
MARKET: Mapping[str, Any] = {"market_users": 200, "market_jobs": 20, "history_days": 45}
EMPLOYER = "emp_00001"
"""Whose jobs are offered; somebody approved it."""

TRAITS: dict[str, object] = {
    "latitude": 30.27, "longitude": -97.74, "user_occupation_group": "29", "user_shift": "day", "user_seniority": 1,
    "reservation_pay_usd_per_hour": 25.0, **{f"taste_{k}": 0.1 for k in range(1, 9)},
}  # fmt: skip
FACTS: dict[str, object] = {
    "job_latitude": 30.3, "job_longitude": -97.7, "job_occupation_group": "29", "job_metro_code": "16980",
    "employer_id": EMPLOYER, "job_shift": "night", "job_seniority": 1, **{f"text_{k}": 0.1 for k in range(1, 9)},
}  # fmt: skip


@cache
def instance_in_memory() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


@dataclass
class SendingHome:
    """A home in `folder`, with some settings; `platform` is what the present process has open."""

    folder: Path
    users: int = USERS
    policy: MessagingPolicy = POLICY
    contact: ContactPolicy = CONTACT
    declared: Sequence[ApplicationDeclaration] = (job_of_the_day,)
    stated: Mapping[str, Any] = field(default_factory=lambda: MARKET)
    platform: BoardPorts = field(init=False)

    def __post_init__(self) -> None:
        self.reopen()

    def reopen(self) -> BoardPorts:
        """Open everything anew, as the next process does."""
        if hasattr(self, "platform"):
            self.platform.ledger.close()
        settings = Settings(home=self.folder, **self.stated)
        policies = replace(settings.policies(), messaging=self.policy, contact=self.contact)
        self.platform = board_ports(settings, policies=policies, declared_applications=self.declared)
        return self.platform

    @property
    def private(self) -> Path:
        return self.folder / "private"

    @property
    def ledger_files(self) -> list[Path]:
        return sorted(self.private.glob("ledger.sqlite*"))

    def lose_ledger(self) -> None:
        """Remove every file of the ledger, as a lost disk does."""
        self.platform.ledger.close()
        for path in self.ledger_files:
            path.unlink()
        self.reopen()

    def lose_position(self) -> None:
        (self.folder / "lake" / "outbox" / "ledger_position.json").unlink()

    def put_ledger(self, path: Path) -> None:
        """Put another ledger file in the place of this home's."""
        self.lose_ledger()
        shutil.copy(path, self.private / "ledger.sqlite")
        self.reopen()

    def sql(self, *statements: str) -> None:
        """Change the ledger behind its back."""
        with self.platform.ledger.engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)

    def prepare(self, day: date) -> None:
        """Write what planning reads."""
        _ = self.platform.home.messengers.contacts
        book = pa.parquet.read_table(self.private / "contacts.parquet")
        reachable = [row["user_id"] for row in book.to_pylist() if row["phone_number"]][: self.users]
        count = len(reachable)
        users = pa.table(
            {
                "as_of_date": [day] * count, "user_id": reachable, "is_consented": [True] * count,
                "is_consented_email": [True] * count, "state_code": ["TX"] * count,
                "time_zone": ["America/Chicago"] * count, "tenure_days": [40] * count,
                "days_since_last_click": [3] * count, **{name: [value] * count for name, value in TRAITS.items()},
            }
        )  # fmt: skip
        jobs = pa.table(
            {
                "as_of_date": [day] * JOBS, "job_id": [f"j{place}" for place in range(JOBS)],
                "title": [f"Registered Nurse {place}" for place in range(JOBS)],
                "employer_name": ["Mercy Hospital"] * JOBS,
                "pay_usd_per_hour": [30.0 + place for place in range(JOBS)], "openings": [100] * JOBS,
                "job_age_days": [7] * JOBS, **{name: [value] * JOBS for name, value in FACTS.items()},
            }
        )  # fmt: skip
        with closing(duckdb.connect(str(self.folder / "warehouse.duckdb"))) as connection:
            connection.execute("CREATE SCHEMA IF NOT EXISTS marts")
            for name, table in (("user_features", users), ("job_features", jobs)):
                connection.register("given", table)
                connection.execute(f"CREATE OR REPLACE TABLE marts.{name} AS SELECT * FROM given")
        self._post(jobs, day)
        pairs = [(user, f"j{(place + step) % JOBS}", step) for place, user in enumerate(reachable) for step in range(2)]
        scores = pa.table(
            {
                "user_id": [user for user, _, _ in pairs],
                "job_id": [job for _, job, _ in pairs],
                "probability": [0.2 - 0.1 * step for _, _, step in pairs],
                "prediction_id": [f"prd_{user}_{job}" for user, job, _ in pairs],
                "candidate_set_hash": ["h"] * len(pairs),
                "expected_value_usd": [2.0 - step for _, _, step in pairs],
                "rank": [1 + step for _, _, step in pairs],
            }
        )
        self.platform.tables.write(SCORES_TABLE, day, scores)
        sound = MonitoringReport("data_quality_report", day, None, count, "ok", (), "Sound.")
        self.platform.of_model().reports.write(QUALITY_REPORT, day, sound)
        self.platform.tables.write_report(INGEST_REPORT, day, {"types": []})

    def _post(self, jobs: pa.Table, day: date) -> None:
        """Log the jobs and the review of their employer, once."""
        log = self.platform.event_log
        if log.read("job_posted").num_rows:
            return
        rows = jobs.select(["job_id", "title", "employer_id", "employer_name"]).to_pylist()
        log.append("job_posted", postings(rows, observed=run_time(day) - timedelta(hours=20)), writer="test")
        now = run_time(day) - timedelta(hours=18)
        review_employers(log, [EMPLOYER], "approved", day=day, actor="ann", reason="called them", now=now)

    def change_job(self, job_id: str, value: str, column: str = "title") -> None:
        """Change a fact of a job in the warehouse."""
        with closing(duckdb.connect(str(self.folder / "warehouse.duckdb"))) as connection:
            connection.execute(f"UPDATE marts.job_features SET {column} = ? WHERE job_id = ?", [value, job_id])

    def change_users(self, column: str, value: object, user_ids: Sequence[str]) -> None:
        """Change a feature of some people in the warehouse."""
        with closing(duckdb.connect(str(self.folder / "warehouse.duckdb"))) as connection:
            statement = f"UPDATE marts.user_features SET {column} = ? WHERE user_id IN (SELECT unnest(?))"
            connection.execute(statement, [value, list(user_ids)])

    def _materialize(self, place: int, day: date, application: str) -> Any:
        graph = ApplicationGraph(self.platform.of_application(application).application)
        asset = messages.build_assets(graph)[place]
        with dg.build_asset_context(partition_key=day.isoformat(), instance=instance_in_memory()) as context:
            try:
                return asset(context, platform=self.platform)
            except dg.Failure as failure:  # what the UI shows; tests ask for the error behind it
                raise failure.__context__ or failure from None

    def plan(self, day: date = DAY, application: str = "") -> Any:
        return self._materialize(0, day, application)

    def send(self, day: date = DAY, application: str = "") -> Any:
        return self._materialize(1, day, application)

    def evening(self, day: date = DAY, application: str = "") -> Any:
        return self._materialize(2, day, application)

    def live(self, day: date = DAY) -> None:
        self.prepare(day)
        self.plan(day)
        self.send(day)
        self.evening(day)

    def refusal(self, day: date = DAY) -> str:
        """Live a day that was lived before once more; return why that was refused, "" when it was not."""
        self.reopen()
        try:
            self.plan(day)
            self.send(day)
        except MlifeError as error:
            return str(error)
        return ""

    def die_after(self, sends: int) -> None:
        """Let the present process die in the middle of sending."""
        gateway, real = self.platform.home.messengers.texts, self.platform.home.messengers.texts.send
        count = Counter()

        def send(message: Any, *, now: Any) -> Any:
            count["sends"] += 1
            if count["sends"] > sends:
                raise Killed
            return real(message, now=now)

        gateway.send = send  # type: ignore[method-assign]

    def requests(self) -> Counter[str]:
        rows = self.platform.home.messengers.texts.request_counts().to_pylist()
        return Counter({row["message_id"]: row["accepted"] for row in rows if row["accepted"]})

    def say(self, user_id: str, keyword: str, day: date = DAY) -> None:
        """Let a person have written to us in the evening."""
        at = self.platform.times.outcomes(day)
        self.platform.ledger.replies.record(f"in-{user_id}-{keyword}", user_id, keyword, received_at=at, now=at)
        self.platform.home.messengers.outbox.publish()
