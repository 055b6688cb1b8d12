"""What a person sees in the Dagster UI after the lived days, in headless Chromium."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import requests

from mlife_assets.core.glances import WIDTH

pytestmark = pytest.mark.browser

GROUPS = {"events", "features", "model", "monitoring", "predictions", "messages", "metrics", "churn_risk"} | {
    "email_digest",
    "recruiter_call_list",
}
WAIT_MILLISECONDS = 30_000


@pytest.fixture(scope="module")
def url(lived, dev_process, repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a copy of the lived home as `make dev` does, and require that the server stops by itself when asked."""
    folder = tmp_path_factory.mktemp("ui")
    home, port = lived.home.copy_to(folder / "home").folder, dev_process.free_port()
    command = [sys.executable, "-m", "dagster_webserver", "-w", str(repository / "workspace.yaml")]
    command += ["-h", "127.0.0.1", "-p", str(port)]
    variables = {"DAGSTER_HOME": str(home / "dagster"), "MLIFE_HOME": str(home)}
    server = dev_process.DevProcess(command, port, variables, folder / "server.log")
    try:
        server.until(lambda: requests.get(f"http://127.0.0.1:{port}/server_info", timeout=5).ok)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()
    assert server.process.returncode == 0, server.printed()


@pytest.fixture
def page(browser: Any, url: str) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 2400, "height": 3000})
    page.set_default_timeout(WAIT_MILLISECONDS)
    yield page
    page.close()


def shown(page: Any) -> set[str]:
    """Return what is drawn on the canvas of the graph at one instant: groups, and assets where the zoom shows them."""
    return set(page.locator("foreignObject").all_text_contents()) - {""}


def wait_until_drawn(page: Any, is_drawn: Callable[[set[str]], bool]) -> None:
    """Wait for a state of the canvas: the UI redraws its nodes while their statuses arrive."""
    deadline = time.monotonic() + WAIT_MILLISECONDS / 1000
    while not is_drawn(texts := shown(page)):
        assert time.monotonic() < deadline, f"the graph still shows {sorted(texts)}"
        page.wait_for_timeout(100)


def is_the_groups_alone(texts: set[str]) -> bool:
    """Tell whether each group is drawn once and nothing else: a node says its group, then its number of assets."""
    return sorted(re.sub(r"\d.*", "", text) for text in texts) == sorted(GROUPS)


def test_the_graph_shows_all_groups_and_their_assets(page, url, tmp_path) -> None:
    page.goto(f"{url}/asset-groups")
    page.locator("foreignObject", has_text="predictions").wait_for()
    wait_until_drawn(page, is_the_groups_alone)
    page.screenshot(path=tmp_path / "groups.png")
    page.keyboard.press("Alt+e")
    page.locator("foreignObject", has_text="candidate_pairs").wait_for()
    assets = {"user_job_scores", "message_plan", "message_deliveries", "kpi_daily", "user_features"}
    wait_until_drawn(page, lambda texts: texts >= assets)
    for _ in range(3):
        page.locator("button:has([aria-label='zoom_out'])").click()
    page.locator("foreignObject", has_text="monitoring").wait_for()
    wait_until_drawn(page, lambda texts: texts >= GROUPS)
    page.screenshot(path=tmp_path / "graph.png")


def test_the_key_figure_is_drawn_without_a_click(page, url) -> None:
    for asset, words in (
        ("model/evaluation", "upright: margin 0"),
        ("monitoring/data_drift_report", "x limit"),
        ("model/explanation", "match of interests"),
    ):
        page.goto(f"{url}/assets/{asset}")
        image = page.locator("td img[src^='data:image/svg+xml,']").first
        image.wait_for()
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == WIDTH
        assert words in unquote(image.get_attribute("src"))


def test_numbers_are_plotted_over_the_partitions_that_ran(page, url, lived, tmp_path) -> None:
    page.goto(f"{url}/assets/monitoring/retrain_decision")
    page.get_by_role("button", name="Plots").click()
    page.get_by_text("data_worst_ratio_to_limit").wait_for()
    asked = {"asset": {"path": ["monitoring", "retrain_decision"]}}
    query = """query Newest($asset: AssetKeyInput!) { assetNodeOrError(assetKey: $asset) { ... on AssetNode {
        partitionKeyConnection(limit: 120, ascending: false) { results } } } }"""
    answer = requests.post(f"{url}/graphql", json={"query": query, "variables": asked}, timeout=30).json()
    newest = answer["data"]["assetNodeOrError"]["partitionKeyConnection"]["results"]
    ran = [lived.home.day(number).isoformat() for number in range(len(lived.days), 0, -1)]
    assert newest[1 : 1 + len(ran)] == ran, "after the day that can run next, what the UI plots is what ran"
    page.screenshot(path=tmp_path / "plots.png")
    canvas = page.locator("canvas").first
    drawn = """canvas => new Set(canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data).size"""
    assert canvas.evaluate(drawn) > 10


def test_a_materialization_shows_its_plot(page, url, tmp_path) -> None:
    page.goto(f"{url}/assets/monitoring/data_drift_report")
    page.get_by_text("[Show Markdown]").first.click()
    image = page.locator("img[src^='data:image/png;base64,']")
    image.wait_for()
    size = image.evaluate("image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])")
    assert min(size) > 200, "the browser could not decode the plot"
    assert image.bounding_box()["width"] > 200
    page.screenshot(path=tmp_path / "plot.png")


def test_a_failed_check_is_seen_with_its_reason(page, url, tmp_path) -> None:
    """Drift that a refit answered is a warning in the history; so is the fault of the day after it, of the guard."""
    page.goto(f"{url}/assets/monitoring/latent_drift_report?view=checks")
    page.get_by_text("Evaluation result").wait_for()
    page.get_by_text("Execution history").click()
    warning = page.locator("tr, [class*=Row]", has_text="can tell today's pairs from the reference").first
    warning.wait_for()
    assert "Failed" in warning.text_content()
    page.screenshot(path=tmp_path / "warning.png")
    page.goto(f"{url}/assets/predictions/candidate_pairs?view=checks")
    page.get_by_text("This is a blocking asset check.").wait_for()
    page.get_by_text("Execution history").click()
    failure = page.locator("tr, [class*=Row]", has_text="quality checks failed").first
    failure.wait_for()
    assert "Failed" in failure.text_content()
    assert "reservation_pay_usd_per_hour" in failure.text_content()
    page.screenshot(path=tmp_path / "history.png")


def test_sensors_and_schedules_are_offered(page, url) -> None:
    page.goto(f"{url}/automation")
    for name in ("retrain_on_drift_sensor", "landed_files_sensor", "inbound_texts_sensor", "daily_lifecycle_schedule"):
        page.get_by_text(name).first.wait_for()
