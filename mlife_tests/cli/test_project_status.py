"""`mlife status` in somebody else's project."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
import requests

from mlife_assets.cli.project_status import ProjectPages
from mlife_assets.core.errors import NotFoundError
from mlife_assets.home_settings import ProjectSettings

PROGRAM = "from mlife_assets.cli import main; main()"


def test_status_says_where_each_model_stands(project, run, run_json, add_model) -> None:
    add_model(project, "lost_bags")
    document = run_json("status")
    late, lost = document["models"]
    assert (document["home"], document["is_lived"]) == (str(project / "var" / "mlife"), True)
    assert (late["model_name"], late["newest_day"]) == ("late_flights", "2013-02-10")
    assert (late["verdict"], late["scored"]) == ("wait", 2)
    assert (late["gate"], late["alarms"]) == ("promoted", [["data_drift_report", "1 of 3 columns moved."]])
    assert (lost["champion"], lost["gate"]) == (None, None)
    shown = run("status").stdout
    assert "Nothing is due." in shown
    assert "none: no model was promoted yet" in shown
    assert "texts" not in shown


def test_what_another_gate_said_is_shown_while_the_one_here_judged_nothing(
    project, run, run_json, add_model, add_imported
) -> None:
    add_model(project, "lost_bags")
    for name in ("late_flights", "lost_bags"):
        add_imported(project, name)
    late, lost = run_json("status")["models"]
    assert (late["gate"], late["gate_in"]) == ("promoted", None)
    assert (lost["gate"], lost["gate_in"]) == ("promoted", "dev")
    assert "promoted in dev" in run("status").stdout


def test_before_the_first_day_status_says_what_to_do_and_makes_nothing(project, run, run_json) -> None:
    shutil.rmtree(project / "var")
    assert run_json("status")["is_lived"] is False
    assert "launch the daily job of a model" in run("status").stdout
    result = run("models", "list")
    assert result.exit_code == 1
    assert "nothing was decided in" in result.stderr
    assert not (project / "var").exists()


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
