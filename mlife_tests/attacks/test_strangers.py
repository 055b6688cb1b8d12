"""Strangers' words under the brand, in alerts, and in bundles of models: measured, shown, and nothing obeys them.

Forged verdicts, names that lead out, a bundle in another's place: `adapters/test_model_bundles.py`. What an estimator's
file may name: `core/scoring/test_artifact.py`. A page of theirs runs no script: `serving/site/test_app.py`.
"""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import threading
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import HttpUrl, Secret

from mlife_assets.adapters import model_bundles
from mlife_assets.adapters.alert_webhook import AlertWebhook
from mlife_assets.adapters.employer_reviews import review_employers
from mlife_assets.adapters.log_heads.head import Ed25519Signer
from mlife_assets.adapters.model_bundles import BUNDLE_FILE, Bundle, read_bundle, write_bundle
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.components.graph.alerts import alert, deliver_alerts, undelivered
from mlife_assets.core.alerts import Alert
from mlife_assets.core.errors import IntegrityError, PermanentError, TransientError
from mlife_assets.core.windows import run_time
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.messaging.bodies import Stamps
from mlife_assets.recruiting.messaging.employer_review import EmployerReviews
from mlife_assets.recruiting.messaging.job_wordings import LONGEST, refusal_counts, word_jobs
from mlife_assets.recruiting.messaging.plan import CANDIDATE_COLUMNS, MessagePlan, PlanRows, build_plan
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.recruiter_call_list.call_list import CalledJob, CallList, CallRow, call_list_csv
from mlife_tests.reviews import everybody_approved, postings

DATA = Path(__file__).parent / "data"
NOW, DAY = datetime(2026, 6, 3, 18, tzinfo=UTC), date(2026, 6, 3)
LABELLED = {"no_job_title", "refused_phrase"}
POLICY = MessagingPolicy(exploration_share=0.0)
KEY = b"k" * 32
TRICKS = {
    "evil.example/x claim now": ("web_address", "evil.example"), "Call +1 900 555 0199": ("phone_number", "900"),
    "Reply YES": ("no_job_title", "Reply YES"), "Cook evil dot com": ("no_job_title", "evil"),
    "C\u043e\u043ek": ("look_alike_letters", "C\u043e\u043ek"), "Send STOP to win": ("no_job_title", "to win"),
    "Cook, gift card": ("refused_phrase", "gift"), "Northstar-Jobs cook": ("own_brand", "Northstar-Jobs"),
}  # fmt: skip
WORDS = "<!channel> <https://evil.example|Log in> @here ```[us](https://evil.example)\x1b[2J\u202e"
SHOWN = "(!channel) (https://evil.example|Log in) @here '''[us](https://evil.example)?[2J?"
SIGNER = Ed25519Signer(b"s" * 32)
HONEST = Bundle(
    "m", "mdl_1", "dev", "ann", datetime(2026, 6, 2, tzinfo=UTC), SIGNER.public_key.hex(), {"card.html": b"<p>card</p>"}
)


def titles(name: str) -> list[str]:
    lines = (DATA / f"{name}.txt").read_text(encoding="ascii").splitlines()
    return [line.encode().decode("unicode_escape") for line in lines if not line.startswith("#")]


def plan(titles: list[str], employer: str = "Blue Diner", reviews: EmployerReviews | None = None) -> MessagePlan:
    """Plan a day on which each of n users could be texted about one job of n."""
    count = range(len(titles))
    candidates = pa.Table.from_pylist(
        [
            {
                "user_id": f"u{i}", "job_id": f"j{i}", "probability": 0.5, "propensity": 1.0, "slice": "exploit",
                "prediction_id": f"p{i}", "candidate_set_hash": "c", "is_exploration": False,
                "expected_value_usd": 1.0,
            }
            for i in count
        ]
    ).select(list(CANDIDATE_COLUMNS))  # fmt: skip
    users = [
        {"user_id": f"u{i}", "person_id": f"u{i}", "is_consented": True, "state_code": "IL",
         "time_zone": "America/Chicago"}
        for i in count
    ]  # fmt: skip
    jobs = [
        {
            "job_id": f"j{i}", "title": titles[i], "employer_name": employer, "pay_usd_per_hour": 18.5, "openings": 3,
            "employer_id": "e", "job_occupation_group": "35", "job_metro_code": "16980",
        }
        for i in count
    ]  # fmt: skip
    recent = pa.schema(
        [("user_id", pa.string()), ("person_id", pa.string()), ("as_of_date", pa.date32()), ("campaign", pa.string())]
    ).empty_table()
    table = pa.Table.from_pylist(jobs)
    return build_plan(
        PlanRows(candidates, pa.Table.from_pylist(users), table, recent, ()),
        application=job_of_the_day(Policies(messaging=POLICY)), contact=ContactPolicy(holdout_share=0.0), as_of=DAY,
        now=NOW, stamps=Stamps(KEY), reviews=everybody_approved(table) if reviews is None else reviews,
    )  # fmt: skip


def test_no_strangers_trick_goes_out_under_the_brand() -> None:
    honest = ["Line Cook", "Forklift Operator, 2nd shift", "Help Desk Technician", "CDL-A Driver 2024"]
    made = plan([*TRICKS, *honest])
    assert kept_words(made) == {f"j{len(TRICKS) + place}" for place in range(len(honest))}
    assert not any(trace in body for body in made.planned["body"].to_pylist() for _, trace in TRICKS.values())
    assert [job.reason for job in made.refused_jobs] == [rule for rule, _ in TRICKS.values()]
    assert {job.reason for job in made.refused_jobs if job.label} == LABELLED
    counts = (refusal_counts(made.refused_jobs, with_label=with_label) for with_label in (False, True))
    assert sum(sum(count.values()) for count in counts) == len(TRICKS)


@pytest.mark.parametrize("employer", [words for words, (rule, _) in TRICKS.items() if rule not in LABELLED])
def test_nor_as_the_name_of_an_employer(employer: str) -> None:
    """What a person could not see when the name was approved, or should not have."""
    made = plan(["Line Cook"], employer)
    assert made.planned.num_rows == 0
    assert [job.job_id for job in made.refused_jobs] == ["j0"]


@pytest.mark.parametrize("piece", ["a ", "1 ", "one ", "a.", "1:11 ", "$1-", "0a", "a@", "[({<'\"*,;_-"])
def test_the_longest_title_that_is_read_takes_milliseconds(piece: str) -> None:
    spent = []
    for place in range(3):
        title = (piece * LONGEST)[place : LONGEST + place]
        began = time.process_time()
        word_jobs(offered(title), POLICY, link_key=KEY, reviews=everybody_approved(offered(title)))
        spent.append(time.process_time() - began)
    assert min(spent) < 0.1


def offered(title: str) -> pa.Table:
    named = {"job_id": "j", "title": title, "employer_name": "Blue Diner", "employer_id": "e"}
    return pa.Table.from_pylist([named | {"pay_usd_per_hour": 18.5, "openings": 1}])


@pytest.mark.parametrize("title", titles("hidden_numbers"))
def test_a_title_that_may_hide_a_number_is_no_text(title: str) -> None:
    assert kept_words(plan([title])) == set()


def kept_words(made: MessagePlan) -> set[str]:
    labelled = {job.job_id for job in made.refused_jobs if job.label}
    return set(made.planned["job_id"].to_pylist()) - labelled


@pytest.mark.parametrize("name", sorted(path.stem for path in DATA.glob("*lure_titles.txt")))
def test_at_most_five_percent_of_lures_become_texts_at_a_reviewed_employer(name: str) -> None:
    lures = titles(name)
    assert len(lures) >= 100
    through = [lures[int(job[1:])] for job in sorted(kept_words(plan(lures)))]
    assert len(through) <= 0.05 * len(lures), through


@pytest.mark.parametrize("name", sorted(path.stem for path in DATA.glob("*honest_titles.txt")))
def test_at_most_two_percent_of_honest_titles_are_replaced_at_a_reviewed_employer(name: str) -> None:
    honest = titles(name)
    assert len(honest) > 100
    kept = kept_words(plan(honest))
    lost = [title for place, title in enumerate(honest) if f"j{place}" not in kept]
    assert len(lost) <= 0.02 * len(honest), lost


def test_no_word_of_an_unreviewed_employer_is_in_a_text() -> None:
    made = plan([*titles("lure_titles"), *titles("honest_titles")], "Blue Diner", EmployerReviews())
    assert made.planned.num_rows > 200, "honest jobs are offered, by labels"
    said = {body.split(". ")[0] for body in made.planned["body"].to_pylist()}
    assert said == {"Northstar Jobs: Food service job in Chicago, $18.50/hr"}
    assert {job.reason for job in made.refused_jobs if job.label} == {"employer_in_review"}


def test_an_occupation_that_is_listed_has_a_label_of_its_own() -> None:
    codes = {"j0": "35-3023", "j1": "29-1141", "j2": "35-9999", "j3": "Call 900 555 0199"}
    made = plan(["a"] * 4, reviews=EmployerReviews(occupation_codes=codes))
    group = "Food service job"
    assert [job.label for job in made.refused_jobs] == ["Counter Attendant", group, group, group]


def test_a_name_that_was_changed_after_the_review_is_not_approved() -> None:
    """Whoever was approved as a diner and calls itself something else is a stranger again."""
    reviews = EmployerReviews(frozenset({("e", "Blue Diner")}))
    assert kept_words(plan(["Line Cook"], "Blue Diner", reviews)) == {"j0"}
    made = plan(["Line Cook"], "Payroll Alert Office", reviews)
    assert made.planned["body"].to_pylist()[0].startswith("Northstar Jobs: Food service job in Chicago, ")


@pytest.fixture
def stranger(open_home, sending_home, monkeypatch):
    """A home of a real world, in which an employer whom nobody reviewed posted j0 200 days ago."""
    home = open_home()
    monkeypatch.setitem(vars(home.platform.home), "deployment", replace(home.platform.deployment, is_simulated=False))
    meets(home, sending_home.DAY)
    return home


def meets(home, day: date) -> None:
    home.prepare(day)
    home.change_job("j0", "emp_stranger", "employer_id")
    home.change_job("j0", "Blue Hospital", "employer_name")
    posted = {"job_id": "j0", "employer_id": "emp_stranger", "employer_name": "Blue Hospital", "title": "Nurse 0"}
    home.platform.event_log.append(
        "job_posted", postings([posted], observed=run_time(day) - timedelta(days=200)), writer="test"
    )


def decide(home, verdict: str, now: datetime) -> None:
    known = {"day": now.date() + timedelta(days=1), "actor": "ann", "reason": "looked at them"}
    review_employers(home.platform.event_log, ["emp_stranger"], verdict, now=now, **known)


def said(home, day: date) -> set[str]:
    planned = home.platform.application_tables.read("message_plan", day).to_pylist()
    return {row["body"].split(". ")[0] for row in planned if row["job_id"] == "j0"}


LABEL, OWN = (f"Northstar Jobs: Registered Nurse {words}, $30/hr" for words in ("in Chicago", "0 at Blue Hospital"))


def test_time_approves_nobody_and_an_approval_after_the_plan_changes_no_text_of_it(stranger, sending_home) -> None:
    day = sending_home.DAY
    stranger.plan(day)
    assert said(stranger, day) == {LABEL}
    decide(stranger, "approved", run_time(day) + timedelta(minutes=30))
    stranger.send(day)
    assert len(stranger.requests()) == sending_home.USERS
    meets(stranger, day + timedelta(days=1))
    stranger.plan(day + timedelta(days=1))
    assert said(stranger, day + timedelta(days=1)) == {OWN}


def test_a_refusal_holds_for_the_plan_that_is_made_next(stranger, sending_home) -> None:
    day = sending_home.DAY
    decide(stranger, "approved", run_time(day) - timedelta(hours=2))
    stranger.plan(day)
    assert said(stranger, day) == {OWN}
    decide(stranger, "refused", run_time(day) + timedelta(minutes=30))
    stranger.plan(day)
    assert said(stranger, day) == set()


@pytest.mark.parametrize("is_taken_back", [False, True])
@pytest.mark.parametrize("minutes", [30, -30])
def test_a_refusal_after_the_plan_holds_its_texts_and_no_others(stranger, sending_home, minutes, is_taken_back) -> None:
    """Also one that is stamped before the nominal time of the plan, and one that somebody takes back at once."""
    day, platform = sending_home.DAY, stranger.platform
    decide(stranger, "approved", run_time(day) - timedelta(hours=2))
    stranger.plan(day)
    assert said(stranger, day) == {OWN}
    now = platform.home.times.planning(day) + timedelta(minutes=minutes)
    decide(stranger, "refused", now)
    if is_taken_back:
        decide(stranger, "approved", platform.home.times.planning(day) + timedelta(hours=1))
    sent = stranger.send(day)
    rows = platform.ledger.sends.rows(as_of_date=day)
    states = {(row.job_id == "j0", str(row.state)) for row in rows}
    assert states == {(False, "accepted"), (True, "suppressed")}
    assert len(stranger.requests()) == sending_home.USERS - sending_home.USERS // sending_home.JOBS
    assert "employer_refused" in str(sent.metadata["suppressed_at_send"])
    held = platform.event_log.read("message_suppressed").to_pylist()
    assert {row["reason"] for row in held} == {"employer_refused"}
    assert stranger.refusal(day) == ""


def test_postings_are_read_where_a_label_needs_them_and_by_no_other_send(open_home, sending_home, monkeypatch) -> None:
    home, day = open_home(), sending_home.DAY
    home.prepare(day)
    home.plan(day)
    log, read, asked = home.platform.event_log, home.platform.event_log.read, []
    monkeypatch.setattr(log, "read", lambda name, **scope: asked.append(name) or read(name, **scope))
    home.send(day)
    assert len(home.requests()) == sending_home.USERS
    assert "employer_reviewed" in asked
    assert "job_posted" not in asked


def test_a_simulated_market_reviews_its_employers_by_events(open_home, sending_home) -> None:
    home = open_home()
    meets(home, sending_home.DAY)
    home.plan()
    assert said(home, sending_home.DAY) == {OWN}
    home.plan()
    events = home.platform.event_log.read("employer_reviewed").to_pylist()
    assert [(one["employer_id"], one["verdict"], one["actor"]) for one in events] == [
        (sending_home.EMPLOYER, "approved", "ann"),
        ("emp_stranger", "approved", "simulated_reviewer"),
    ]


FIRST = ("=", "+", "-", "@")


@pytest.fixture(scope="module")
def formulas() -> list[str]:
    signs = [chr(n) for n in range(0x110000) if unicodedata.normalize("NFKC", chr(n))[:1] in FIRST]
    assert len(signs) > 10
    between = (";", "; ", ";;", "|", "\t", "\n", "\r", ";\u00a0", ';"', ";'", ',"', '";"')
    parts = ('"=1+1', "' =1+1", "Nurse, =HYPERLINK(1;2)", "Nurse;@SUM(1+1)*cmd|' /C calc'!A0")
    begun = [f"{sign}1+1" for sign in [*signs, "\u2212"]]
    return [*begun, *(f"Nurse{one}=1+1" for one in between), *(f"Nurse;{sign}1+1" for sign in signs), *parts]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("quotes", [csv.QUOTE_MINIMAL, csv.QUOTE_NONE])
def test_no_spreadsheet_takes_strangers_words_for_a_formula(formulas: list[str], delimiter: str, quotes: Any) -> None:
    """A spreadsheet splits a line where its locale says: at `;` where a comma is in numbers."""
    rows = tuple(
        CallRow("Ann", place, f"u{place}", CalledJob("j", words, "$18/hr", words, openings=1), ("near",), "")
        for place, words in enumerate(formulas, 1)
    )
    text = call_list_csv(CallList(DAY, ("Ann",), rows, {})).decode("utf-8-sig")
    cells = [cell for row in csv.reader(io.StringIO(text), delimiter=delimiter, quoting=quotes) for cell in row]
    assert sum("1+1" in cell for cell in cells) >= len(formulas) - 1
    plain = [unicodedata.normalize("NFKC", cell.strip(' "')).replace("\u2212", "-") for cell in cells]
    assert [cell for cell in plain if cell.startswith(FIRST)] == []


class Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.server.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))  # type: ignore[attr-defined]
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while self.path == "/slow" and time.monotonic() < self.server.until:  # type: ignore[attr-defined]
            self.wfile.write(b"A: b\r\n")
            time.sleep(0.05)
        self.wfile.write(b"\r\n")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def hook() -> Iterator[Any]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        server.posted, server.until = [], time.monotonic() + 4  # type: ignore[attr-defined]
        server.url = f"http://127.0.0.1:{server.server_address[1]}"  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        yield server
        server.shutdown()


def test_an_answer_that_never_ends_is_not_waited_for(hook):
    with pytest.raises(TransientError, match="did not answer"):
        AlertWebhook(Secret(HttpUrl(f"{hook.url}/slow")), timeout_seconds=0.3).deliver([Alert("one", WORDS, {})])
    assert hook.posted[0]["text"] == f"mlife: 1 alert\n```\n{SHOWN}\n```", "no link, nobody is called"


def test_planted_files_hold_up_no_alert(open_home, sending_home, hook):
    home = open_home(stated={**sending_home.MARKET, "alert_webhook": hook.url})
    alert(home.platform.of_model(), "honest", {"job": "day_job", "message": WORDS})
    planted = [b"{", b"[]", b'{"raised_at": 5}', b'{"message": {"a": []}}', b'{"message": "' + b"x" * 9_000 + b'"}']
    for number, body in enumerate(planted):
        home.platform.lake.replace(f"alerts/planted_{number}.json", body)
    assert [one.name for one in deliver_alerts(home.platform)] == ["honest", *(f"planted_{n}" for n in range(5))]
    assert undelivered(home.platform) == []
    assert len(json.dumps(hook.posted)) < 4_000


@pytest.fixture
def not_for_ever() -> Iterator[None]:
    """End a read that waits."""

    def wake(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, wake)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("not_for_ever")
@pytest.mark.parametrize("name", [BUNDLE_FILE, "card.html"])
@pytest.mark.parametrize("lay", [os.mkfifo, lambda path: path.symlink_to("/dev/null")], ids=["pipe", "device"])
def test_what_ends_never_is_not_read(tmp_path: Path, name: str, lay: Any) -> None:
    store = ObstoreObjectStore.local(tmp_path)
    written, _ = write_bundle(store, HONEST, SIGNER)
    (place := tmp_path / written.folder / name).unlink()
    lay(place)
    with pytest.raises(PermanentError, match=f"{name} is no file"):
        read_bundle(store, written.folder, SIGNER.public_key)


@pytest.mark.usefixtures("not_for_ever")
@pytest.mark.parametrize("name", [BUNDLE_FILE, "card.html"])
@pytest.mark.parametrize("in_bucket", [False, True])
def test_what_is_too_large_is_not_read(tmp_path, s3_place, monkeypatch, name: str, in_bucket: bool) -> None:
    store = ObstoreObjectStore.at(s3_place if in_bucket else tmp_path)
    written, _ = write_bundle(store, HONEST, SIGNER)
    monkeypatch.setattr(model_bundles, "FILE_BYTES", 2_000)
    store.replace(f"{written.folder}/{name}", b" " * 2_001)
    with pytest.raises(IntegrityError, match=f"{name} has 2,001 bytes, of which at most 2,000 are read"):
        read_bundle(store, written.folder, SIGNER.public_key)
