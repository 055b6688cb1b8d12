"""The pages of a project's models, as `mlife open` serves them from its folder."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
import requests

from mlife_assets.cli.project_pages import ProjectPages
from mlife_assets.core.errors import NotFoundError
from mlife_assets.home_settings import ProjectSettings

PROGRAM = "from mlife_assets.cli import main; main()"


def test_the_site_shows_models_and_cards_and_no_page_of_a_job_board(project: Path, run_json) -> None:
    listed = run_json("models", "list")
    champion = listed["champion"]
    command = [sys.executable, "-c", PROGRAM, "open", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, requests.Session() as session:
        session.trust_env = False
        try:
            lines = []
            while not lines or lines[-1] not in ("", "}\n"):
                lines.append(process.stdout.readline())
            url = orjson.loads("".join(lines))["url"]
            overview = session.get(url, timeout=60)
            assert overview.status_code == 200
            assert "On 2013-02-10 the decision was wait, and 2 rows were scored." in overview.text
            assert f'href="../models/{champion}/card.html"' in overview.text
            assert "essages" not in overview.text
            assert f"card of {champion}" in session.get(f"{url}/models/{champion}/card.html", timeout=60).text
            gauges = session.get(f"{url}/metrics", timeout=60).text
            assert f'model_version="{champion}"}} 1.0' in gauges
            assert "mlife_sending" not in gauges
            for path in ("/messages/", "/runbooks/", "/models/mdl_unknown/card.html"):
                assert session.get(url + path, timeout=60).status_code == 404
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_version_that_was_imported_is_shown_as_judged_elsewhere(project: Path, add_imported) -> None:
    add_imported(project, "late_flights")
    page = ProjectPages(ProjectSettings.below(project, None)).dashboard()
    assert page.count("<td>promoted in dev</td>") == 1
    assert page.count("<td>promoted</td>") == 2


def test_before_the_first_day_the_overview_says_what_to_do(project: Path) -> None:
    shutil.rmtree(project / "var")
    pages = ProjectPages(ProjectSettings.below(project, None))
    assert "launch the daily job of a model" in pages.dashboard()
    assert pages.card("mdl_1") is None
    assert (pages.backtest(), pages.messages(), pages.runbooks()) == (None, (), {})
    with pytest.raises(NotFoundError, match="nothing was decided yet"):
        pages.metrics()
    with pytest.raises(NotFoundError, match="send none"):
        pages.trace("msg_1")
    assert not (project / "var").exists()
