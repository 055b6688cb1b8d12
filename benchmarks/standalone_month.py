"""A month of a home on somebody's own data, in real time, by files that another process delivers.

Run: python benchmarks/standalone_month.py [--work var/standalone_month] [--json FILE]

A market of 2,500 people is simulated once, into a folder that the home does not know. The home is begun in an empty
folder by `mlife init`, its contact book and audit table are filled in, and `mlife dev` runs with its own daemon, which
has no `mlife day`: sensors ask for what is due by a clock that this script moves. Policies are the defaults, but for
the people that the gate needs (200, as in `make demo-quick`). After 60 days of history the first model is trained, and
30 days follow:

- each day its files are copied to landing by another process; a person reads the plan of the day and approves it by
  `mlife plan approve`, which sends through the console in real pacing; a day that is blocked has no plan;
- a type comes hours late (days 5 and 12), a file comes twice (7), one is cut off and comes whole later (9), one comes a
  day too early and is refused as of the future (20), and `mlife landing replay --apply` takes its rows later (22);
- nobody approves a plan (10), and the machine is off for two days (15, 16) and catches up on the third;
- a person launches a day too early (25), the run fails, and the alert is posted to a webhook.

What must hold: every row that came was accepted or rejected; each text went to the provider once and none before its
approval; of what was planned for days without an approval (10 and those off) nothing was sent; only days whose export
was not whole were blocked, and at least one was; the rows that came too early are in the log; the alert came; the log
is intact.

The home is kept in --work, so a run that was stopped goes on with its next day.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import pyarrow.parquet as pq
from demos import ROOT, checked_out
from parts_of_tests import of_tests

from mlife_assets.core.windows import add_days, days_between, run_time
from mlife_assets.deployments.landed_days import INGEST_REPORT

RESULT = ROOT / "benchmarks" / "results" / "standalone_month.json"
WORK = ROOT / "var" / "standalone_month"
FIRST, HISTORY_DAYS, DAYS = date(2025, 9, 5), 60, 30
USERS, JOBS = 2_500, 400
LATE = {5: "job_closed", 12: "hire"}
TWICE, DAMAGED, EARLY = {7: "click"}, {9: "job_closed"}, {20: "hire"}
MAY_BLOCK = {*LATE, *TWICE, *DAMAGED, *EARLY, *(number + 1 for number in EARLY)}
"""Days of which an export is not whole when they run; a type that every day has and that lacks blocks its day."""
UNAPPROVED, OFF, REPLAYED, TOO_SOON = 10, (15, 16), 22, 25
SENSORS = (
    "due_days_sensor",
    "landed_files_sensor",
    "inbound_texts_sensor",
    "run_failure_alert_sensor",
    "alert_delivery_sensor",
)
PERSON = "ann"
DAILY, FIRST_MODEL = "daily_lifecycle_job", "retraining_job"
HOURS = 3_600.0
OWN_FILES = {"contacts": ("user_id", "phone_number", "mail_address"), "audit": ("user_id", "sex", "race_ethnicity")}


@dataclass
class Story:
    """What has happened so far; written down after each day.

    Attributes:
        done: days that were lived; None before the first model serves.
        delivered: what was copied to landing, as `standalone_world.deliver` is asked for it.
        plans: day -> texts of its plan and what became of it.
        approved: days whose plan a person approved.
        appended: rows that the replay took.
        alerts: that came to the webhook.
        too_soon: runs that were launched before their time, and failed.
        cpu_seconds: of the processes that were waited for; runs are not, whose server was ended before them.
    """

    done: int | None = None
    delivered: list[str] = field(default_factory=list)
    plans: dict[str, dict[str, Any]] = field(default_factory=dict)
    approved: list[str] = field(default_factory=list)
    appended: int = 0
    alerts: list[str] = field(default_factory=list)
    too_soon: list[str] = field(default_factory=list)
    cpu_seconds: float = 0.0


class Month:
    """The home and what surrounds it."""

    def __init__(self, work: Path, days: int) -> None:
        """Remember where things are; nothing is begun."""
        self.world, self.days = of_tests("standalone_world"), days
        self.recorded, self.home, self.kept = work / "recorded", work / "home", work / "story.json"
        self.dev: Any = None
        self.story = Story(**json.loads(self.kept.read_text())) if self.kept.is_file() else Story()

    def keep(self) -> None:
        """Write down what has happened."""
        partial = self.kept.with_suffix(".part")
        partial.write_text(json.dumps(vars(self.story)))
        partial.rename(self.kept)

    def day(self, number: int) -> date:
        """Return a day on which the daily job runs, 1 being the first."""
        return add_days(FIRST, HISTORY_DAYS + number - 1)

    def variables(self, webhook: str) -> dict[str, str]:
        """Return the environment of every process."""
        return {
            "MLIFE_HOME": str(self.home),
            "MLIFE_CLOCK_FILE": str(self.home.parent / "present"),
            "MLIFE_ALERT_WEBHOOK": webhook,
            "NO_PROXY": "127.0.0.1",
        }

    def record(self) -> None:
        """Simulate the market once."""
        done = self.recorded / "done"
        if not done.exists():
            sizes = {"users": USERS, "jobs": JOBS, "history_days": HISTORY_DAYS, "days": self.days}
            self.world.record(self.recorded, first=FIRST, **sizes)
            done.touch()

    def begin(self) -> None:
        """Begin the home in an empty folder, and fill in what a person would."""
        if not (self.home / "deployment.json").exists():
            mlife("init", self.home, "--first-day", FIRST, "--history-days", HISTORY_DAYS)
        sources = {"contacts": self.world.CONTACTS, "audit": self.world.AUDIT}
        for name, columns in OWN_FILES.items():
            rows = pq.read_table(self.recorded / "private" / sources[name]).to_pylist()
            with (self.home / "private" / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, columns)
                writer.writeheader()
                writer.writerows({name: row.get(name, "") for name in columns} for row in rows)

    def files(self, day: date) -> list[str]:
        """Return the recorded files that are exported on a day."""
        return [path.as_posix() for path in self.world.files_of(self.recorded, day)]

    def deliver(self, asked: Sequence[str]) -> None:
        """Copy files to landing, from another process."""
        program = [sys.executable, self.world.__file__, str(self.recorded), str(self.home / "landing"), *asked]
        subprocess.run(program, check=True)
        self.story.delivered += [one for one in asked if one not in self.story.delivered]

    def set_clock(self, day: date, **after: int) -> None:
        """Move the clock to some time after the nominal one of a day."""
        self.world.set_clock(self.home, run_time(day) + timedelta(**after))

    def rows_delivered(self) -> int:
        """Return the rows of all files that came, a damaged file counting as one."""
        return sum(
            1
            if asked.endswith("!")
            else pq.ParquetFile(self.recorded / "landing" / asked.partition(">")[0]).metadata.num_rows
            for asked in self.story.delivered
        )

    def rows_too_early(self) -> int:
        """Return the rows of the files that came a day before they may."""
        asked = [one.partition(">")[0] for one in self.story.delivered if one.endswith("/early.parquet")]
        return sum(pq.ParquetFile(self.recorded / "landing" / one).metadata.num_rows for one in asked)

    def switch_on(self) -> None:
        """Start `mlife dev` and turn its sensors on."""
        processes = of_tests("dev_process")
        port, pages = processes.free_port(), processes.free_port()
        command = [str(Path(sys.executable).with_name("mlife")), "dev", "--port", str(port), "--pages-port", str(pages)]
        self.dev = processes.DevProcess(command, port, {}, self.home.parent / "dev.log")
        self.dev.turn_on(*SENSORS)
        self.dev.ignored |= set(self.story.too_soon)

    def switch_off(self) -> None:
        """End it, where it runs."""
        if self.dev is not None:
            self.dev.stop()
        self.dev = None


def mlife(*words: object, expected: int = 0) -> str:
    """Run a command and return what it printed. Raises SystemExit when it ends otherwise than expected."""
    command = [str(Path(sys.executable).with_name("mlife")), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != expected:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def webhook(alerts: list[str]) -> Iterator[str]:
    """Take alerts on a free port; yield the address."""

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            alerts.append(body["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/alerts"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def delivered_on(files: Sequence[str], number: int, following: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return what is copied to landing before day `number` runs and after it, given the files that are due.

    Args:
        files: that were exported the day before.
        number: of the day, 1 being the first.
        following: the files that are exported next.
    """

    def of(name: str, among: Sequence[str] = files) -> list[str]:
        return [one for one in among if one.startswith(f"{name}/")]

    before = [one for one in files if not one.startswith(f"{LATE.get(number, '-')}/")]
    if number - 1 in EARLY:
        before = [one for one in before if one not in of(EARLY[number - 1])]
    before = [f"{one}!" if one in of(DAMAGED.get(number, "-")) else one for one in before]
    if number in TWICE:
        before += [f"{one}>again.parquet" for one in of(TWICE[number])]
    if number in EARLY:
        (here, *_), folder = of(EARLY[number], following), of(EARLY[number])[0].rpartition("/")[0]
        before.append(f"{here}>{folder}/early.parquet")
    after = of(LATE.get(number, "-")) + [f"{one}>whole.parquet" for one in of(DAMAGED.get(number, "-"))]
    return before, after


def first_model(month: Month) -> None:
    """Deliver history; wait until it landed and the gate promoted a first model."""
    last = add_days(month.day(1), -1)
    month.deliver([name for day in days_between(FIRST, add_days(last, -1)) for name in month.files(day)])
    month.set_clock(last, minutes=7)
    dev = month.dev
    dev.until(lambda: dev.has_run(FIRST_MODEL, last.isoformat()), HOURS)
    found = json.loads(mlife("models", "history", "--json"))
    if found["champion"] is None:
        raise SystemExit("the gate refused the first model; `mlife models list` says why")


def live(month: Month, number: int) -> None:
    """Live one day."""
    day, story = month.day(number), month.story
    before, after = delivered_on(month.files(add_days(day, -1)), number, month.files(day))
    month.deliver(before)
    if number in OFF:
        month.switch_off()
        return
    if month.dev is None:
        month.switch_on()
    dev = month.dev
    month.set_clock(day, minutes=5)
    dev.until(lambda: dev.ended(DAILY, day.isoformat()), HOURS)
    failed = [run for run, state in dev.runs_of(DAILY, day.isoformat()).items() if state == "FAILURE"]
    if failed:
        verdict = json.loads(mlife("status", "--json"))
        if (verdict["newest_day"], verdict["verdict"]) != (day.isoformat(), "block"):
            raise SystemExit(f"the run of {day} failed, and it was not blocked: {verdict['reasons']}")
        story.plans[str(number)] = {"as_of_date": day.isoformat(), "state": "blocked", "why": verdict["reasons"]}
        month.deliver(after)
        month.set_clock(day, hours=3)
        return
    plan = json.loads(mlife("plan", "show", "--json"))
    if plan["as_of_date"] != day.isoformat():
        raise SystemExit(f"the newest plan is of {plan['as_of_date']}, not of {day}")
    if plan["state"] != "waits" and str(number) not in story.approved:
        raise SystemExit(f"the plan of {day} does not wait for anybody: it is {plan['state']}")
    if plan["state"] == "waits" and number != UNAPPROVED:
        month.set_clock(day, minutes=25)
        mlife("plan", "approve", "--digest", plan["plan_digest"], "--reason", "read the sample", "--actor", PERSON)
        story.approved.append(str(number))
        month.keep()
    month.deliver(after)
    month.set_clock(day, hours=3)
    if number == REPLAYED:
        story.appended += json.loads(mlife("landing", "replay", "--apply", "--json"))["appended"]
    if number == TOO_SOON:
        too_soon = add_days(day, 2).isoformat()
        run = dev.launch(DAILY, too_soon)
        story.too_soon.append(run)
        dev.ignored.add(run)
        dev.until(lambda: dev.states(DAILY)[run][0] == "FAILURE", HOURS)
        dev.until(lambda: any(too_soon in text for text in story.alerts), HOURS)
    month.set_clock(day, hours=6)
    plan = json.loads(mlife("plan", "show", "--json"))
    story.plans[str(number)] = {name: plan[name] for name in ("as_of_date", "state", "texts", "sends")}


def findings(month: Month) -> dict[str, Any]:
    """Return what is in the home at the end, by claim."""
    from mlife_assets.components.messages.sending import PLANNED_TABLE
    from mlife_assets.deployments.board_ports import board_ports
    from mlife_assets.deployments.sealing import audit_log
    from mlife_assets.settings import Settings

    settings = Settings()
    home = board_ports(settings)
    reports = [home.tables.read_report(INGEST_REPORT, day) for day in home.days.landed()]
    entries = [entry for report in reports for entry in report["types"]]
    rejected: dict[str, int] = {}
    for entry in entries:
        for reason, rows in entry["rejected"].items():
            rejected[reason] = rejected.get(reason, 0) + rows
    counts = home.home.messengers.texts.request_counts()
    approved = {
        row["as_of_date"]: row["observed_at"]
        for row in home.event_log.read("plan_approved").to_pylist()
        if row["approved_by"] == PERSON
    }
    sent = [row for row in home.ledger.sends.rows() if row.attempts]
    texted = set(counts["message_id"].to_pylist())
    submitted = {row["message_id"]: row["observed_at"] for row in home.event_log.read("message_submitted").to_pylist()}
    gone = [row for row in sent if row.message_id in texted]
    undecided = [day for day in home.application_tables.days(PLANNED_TABLE) if day not in approved]
    return {
        "rows": {
            "delivered": month.rows_delivered(),
            "accepted": sum(entry["accepted"] for entry in entries),
            "rejected": dict(sorted(rejected.items())),
            "too_early": month.rows_too_early(),
            "appended_by_replay": month.story.appended,
        },
        "texts": {
            "accepted_by_the_provider": counts.num_rows,
            "accepted_more_than_once": sum(count > 1 for count in counts["accepted"].to_pylist()),
            "before_their_approval": sum(
                submitted[row.message_id] < approved[row.as_of_date] for row in gone if row.as_of_date in approved
            ),
            "of_days_without_approval": sorted({str(row.as_of_date) for row in sent if row.as_of_date not in approved}),
            "planned_without_approval": {
                str(day): home.application_tables.read(PLANNED_TABLE, day).num_rows for day in undecided
            },
        },
        "plans": month.story.plans,
        "verdicts": {
            str(row["as_of_date"]): row["verdict"] for row in home.of_model().registry.events("retrain_decided")
        },
        "champions": [reign.model_version for reign in home.of_model().registry.history()],
        "alerts": month.story.alerts,
        "log_findings": [str(one) for one in audit_log(home.home).verification.findings],
    }


def broken_claims(found: dict[str, Any], expected_plans: int) -> list[str]:
    """Return what does not hold."""
    rows, texts, plans = found["rows"], found["texts"], found["plans"]
    blocked = {int(number) for number, plan in plans.items() if plan["state"] == "blocked"}
    claims = {
        "every row that came was accepted or rejected": rows["accepted"] + sum(rows["rejected"].values())
        == rows["delivered"],
        "what came too early was taken by the replay": 0 < rows["appended_by_replay"] == rows["too_early"],
        "each text went to the provider once": texts["accepted_by_the_provider"] > 0
        and texts["accepted_more_than_once"] == 0,
        "no text went before its approval": texts["before_their_approval"] == 0,
        "no text went without an approval, and some had been planned": texts["of_days_without_approval"] == []
        and sum(texts["planned_without_approval"].values()) > 0,
        "each day that the machine was on was decided": len(plans) == expected_plans,
        "only days whose export was not whole were blocked": bool(blocked) and blocked <= MAY_BLOCK,
        "the plan that nobody approved is over": plans.get(str(UNAPPROVED), {}).get("state") == "over",
        "a run that failed was told to the webhook": found["alerts"] != [],
        "the log is intact": found["log_findings"] == [],
    }
    return [claim for claim, holds in claims.items() if not holds]


def cpu_seconds() -> float:
    """Return what processes that ended have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    """Live what is missing, print and record; returns 1 when a claim does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=WORK, help="where the market, the home and the story are kept")
    parser.add_argument("--json", type=Path, default=RESULT, help="write the record to this file")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    month = Month(asked.work.absolute(), DAYS)
    month.record()
    month.begin()
    story = month.story
    with webhook(story.alerts) as address:
        os.environ |= month.variables(address)
        if not (month.home.parent / "present").exists():
            month.set_clock(FIRST)
        before = cpu_seconds()
        try:
            if story.done is None:
                month.switch_on()
                first_model(month)
                story.done = 0
                month.keep()
            for number in range(story.done + 1, DAYS + 1):
                live(month, number)
                story.done = number
                month.keep()
                print(f"day {number} of {DAYS}: {story.plans.get(str(number), 'off')}", file=sys.stderr, flush=True)
        finally:
            month.switch_off()
            story.cpu_seconds += cpu_seconds() - before
            month.keep()
    found = findings(month)
    broken = broken_claims(found, DAYS - len(OFF))
    record = {
        "commit": checked_out(),
        "seeds": [7],
        "people": USERS,
        "machine": {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()},
        "cpu_seconds_at_least": round(story.cpu_seconds),
        **found,
        "broken": broken,
    }
    asked.json.write_text(json.dumps(record, indent=1) + "\n")
    print(json.dumps({name: found[name] for name in ("rows", "texts", "alerts", "log_findings")}, indent=1))
    print("claims that do not hold: " + "; ".join(broken) if broken else "all claims hold")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
