"""`mlife status` in somebody else's project."""

from __future__ import annotations

import shutil


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
