"""A day of work in the browser: run the next day, approve its plan, see the new dashboard, follow every link."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import requests

from mlife_assets.core.windows import add_days

pytestmark = [pytest.mark.browser, pytest.mark.proof]

RUN_SECONDS = 300.0
JOB = "/locations/mlife/jobs"
SERVE = """
import sys
from pathlib import Path
from mlife_assets import settings
settings.WORKSPACE_FILE = Path(sys.argv[1])
from mlife_assets.cli import main
sys.argv = ["mlife", "dev", "--port", "0", "--pages-port", "0", "--json"]
main()
"""


@pytest.fixture
def home(lived: Any, lived_world: Any, tmp_path: Path) -> Any:
    return lived.home.copy_to(tmp_path / "home", lived_world.UNAPPROVED)


@pytest.fixture
def served(
    home: Any, lived_world: Any, dev_process: ModuleType, repository: Path, tmp_path: Path
) -> Iterator[dict[str, str]]:
    """Start `mlife dev` on the home, with the small world's policies, and return its two addresses."""
    location = repository / "mlife_tests" / "ui_location.py"
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text(f"load_from:\n  - python_file:\n      relative_path: {location}\n      location_name: mlife\n")
    names, stated = ("market_users", "market_jobs", "history_days", "demo_days"), home.settings
    variables = {f"MLIFE_{one.upper()}": str((dict(stated.market) | dict(stated.days))[one]) for one in names}
    variables |= {"MLIFE_HOME": str(home.folder), "MLIFE_HASH_KEY": lived_world.HASH_KEY, "UI_WORLD": "lived_world.py"}
    server = dev_process.DevProcess(
        [sys.executable, "-c", SERVE, str(workspace)], dev_process.free_port(), variables, tmp_path / "dev.log"
    )
    try:
        addresses = json.loads(server.until(lambda: re.search(r"^\{$.*?^\}$", server.log.read_text(), re.M | re.S))[0])
        server.until(lambda: requests.get(f"{addresses['ui']}/server_info", timeout=5).ok)
        yield addresses
    finally:
        server.stop()
    assert server.process.returncode == 0, server.printed()


def wait_for(is_so: Callable[[], Any], seconds: float = RUN_SECONDS) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := is_so()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.5)
    return found


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 1500, "height": 1100})
    page.set_default_timeout(60_000)
    yield page
    page.screenshot(path=tmp_path / "end.png")
    page.close()


def statuses(ui: str, job: str) -> list[str]:
    """Return the statuses of a job's runs that a person or a sensor launched here, newest first."""
    query = "query($job: String!) { runsOrError(filter: {pipelineName: $job}) { ... on Runs { results { status } } } }"
    asked = {"query": query, "variables": {"job": job}}
    answer = requests.post(f"{ui}/graphql", json=asked, timeout=60).json()
    return [run["status"] for run in answer["data"]["runsOrError"]["results"]]


def is_done(ui: str, job: str, before: int) -> bool:
    runs = statuses(ui, job)
    assert "FAILURE" not in runs[: len(runs) - before], f"{job} failed"
    return len(runs) > before and runs[0] == "SUCCESS"


def test_the_next_day_is_run_approved_and_seen(served: dict[str, str], home: Any, lived_world: Any, page: Any) -> None:
    ui, pages = served["ui"], served["pages"]
    day = add_days(home.day(lived_world.DAYS), 1)
    runs = {job: len(statuses(ui, job)) for job in ("daily_lifecycle_job", "approve_plan_job", "metrics_job")}

    page.goto(f"{ui}{JOB}/daily_lifecycle_job")
    page.locator("button", has_text="Materialize all").first.click()
    # The home is older than the second model, whose first version this day asks for. Dagster warns of it once.
    page.get_by_text("churn_risk / champion_model").wait_for()
    page.get_by_role("dialog").locator("button", has_text="Confirm").click()
    page.locator("button", has_text=re.compile("^Latest$")).first.click()
    assert page.get_by_role("dialog").locator("input").first.input_value() == day.isoformat()
    page.get_by_role("dialog").locator("button", has_text="Launch").last.click()
    wait_for(lambda: is_done(ui, "daily_lifecycle_job", runs["daily_lifecycle_job"]))
    assert home.platform.ledger.sends.rows(as_of_date=day) == []

    page.goto(f"{ui}/assets/messages/message_deliveries")
    page.get_by_text("plan_digest").first.wait_for()
    digest = home.platform.ledger.approvals.noted_plan("job_of_the_day", day)[1]
    page.get_by_text(digest).first.wait_for()
    page.goto(f"{ui}{JOB}/approve_plan_job/playground")
    page.locator(".cm-content, .CodeMirror").first.click()
    page.keyboard.press("Control+a")
    config = {"plan_digest": digest, "actor": "ann", "reason": "read the sample"}
    page.keyboard.insert_text(json.dumps({"ops": {"approve_plan_and_send": {"config": config}}}))
    page.locator("button:not([disabled])", has_text="Launch").last.click()
    wait_for(lambda: is_done(ui, "approve_plan_job", runs["approve_plan_job"]))
    assert len([row for row in home.platform.ledger.sends.rows(as_of_date=day) if row.attempts]) > 10

    shown = f"{day.day} {day:%b %Y}"
    wait_for(lambda: shown in requests.get(pages, timeout=60).text)
    # The page is there before its run has ended.
    wait_for(lambda: is_done(ui, "metrics_job", runs["metrics_job"]))
    page.goto(f"{ui}/assets/metrics/dashboard")
    address = page.locator(f"a[href^='{pages}']").first.get_attribute("href")
    seen: set[str] = set()
    backs = follow(page, address, pages, ui, seen)
    assert {"/", "/runbooks/", "/messages/"} <= {re.sub(r"dashboard/index.html$", "", one) for one in seen}, seen
    assert any(one.startswith("/models/") for one in seen)
    assert backs, "no page leads back to the graph"
    for back in sorted(backs):
        page.goto(back)
        page.get_by_text("Materialize").first.wait_for()


def follow(page: Any, address: str, pages: str, ui: str, seen: set[str]) -> set[str]:
    """Open a page and all that it links to below `pages`, but three messages; return the links to the Dagster UI."""
    waiting, backs = [address.split("#")[0]], set[str]()
    while waiting:
        path = waiting.pop().removeprefix(pages)
        is_message = path.startswith("/messages/msg_")
        if path in seen or (is_message and sum(one.startswith("/messages/msg_") for one in seen) >= 3):
            continue
        seen.add(path)
        answer = page.goto(pages + path)
        assert answer is not None
        assert answer.ok, f"{path} answers {answer.status}"
        links = page.eval_on_selector_all("a[href]", "found => found.map(link => link.href.split('#')[0])")
        backs |= {link for link in links if link.startswith(ui)}
        waiting += [link for link in links if link.startswith(pages)]
    return backs
