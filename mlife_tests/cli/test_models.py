"""Models from the command line: the list, the history with refusals, an audited way back."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from mlife_assets.cli.serve import champion_providers
from mlife_assets.components.monitoring.inputs import REFERENCE_REPORT
from mlife_assets.components.platform.model_platform import OPERATOR_DELAY
from mlife_assets.core.monitoring.reference import STORED_FORM
from mlife_assets.core.windows import add_days, run_time


def judge(home: Any, version: str, outcome: str, day: date) -> None:
    verdict = {
        "model_version": version, "champion_version": home.champions[-1], "as_of_date": day, "outcome": outcome,
        "delta_map": 0.0, "delta_map_lower": 0.0, "delta_map_upper": 0.0, "users_with_positives": 1200,
        "sentences": ["Refused: a tie." if outcome == "refused" else f"{outcome}."], "policy_version": "pol",
    }  # fmt: skip
    home.add("promotion_decided", verdict, run_time(day))


def tamper(home: Any, version: str) -> None:
    """Change one letter of the manifest."""
    path = home.path / "lake" / "models" / version / "manifest.json"
    path.write_text(path.read_text().replace("2026-04-03", "2026-04-04"))


@pytest.fixture
def challenger(home, models) -> str:
    """A third model of the home, which the gate refused."""
    at = run_time(home.newest_day)
    version = home.platform.registry.register(models.tiny_artifact(3, examples=500), as_of=home.newest_day, now=at)
    judge(home, version, "refused", home.newest_day)
    return version


def test_the_list_marks_the_champion(run, run_json, lived_home):
    first, second = lived_home.champions
    document = run_json("models", "list", "--home", lived_home.path)
    assert document["champion"] == second
    marks = {row["model_version"]: row["is_champion"] for row in document["models"]}
    assert marks == {first: False, second: True}
    assert {row["gate"] for row in document["models"]} == {"promoted"}
    lines = run("models", "list", "--home", lived_home.path).stdout.splitlines()
    assert [("*" in line) for line in lines if first in line or second in line] == [False, True]


def test_history_tells_changes_and_verdicts(run, run_json, home):
    refusal = {
        "model_version": "mdl_challenger", "champion_version": home.champions[-1], "as_of_date": home.newest_day,
        "outcome": "not_enough_evidence", "delta_map": None, "delta_map_lower": None, "delta_map_upper": None,
        "users_with_positives": 12, "sentences": ["12 users with positives, 1,000 needed."], "policy_version": "pol",
    }  # fmt: skip
    home.add("promotion_decided", refusal, run_time(home.newest_day))
    document = run_json("models", "history", "--home", home.path)
    assert [change["model_version"] for change in document["changes"]] == list(home.champions)
    assert [verdict["outcome"] for verdict in document["verdicts"]] == ["promoted", "promoted", "not_enough_evidence"]
    text = run("models", "history", "--home", home.path).stdout
    assert "gate: not enough evidence  mdl_challenger" in text
    assert "12 users with positives, 1,000 needed." in text
    assert "by gate: model 2 won" in text
    assert text.index(f"promoted  {home.champions[0]}") < text.index(f"promoted  {home.champions[1]}")


def test_rollback_is_an_event_and_the_next_prediction_uses_it(run_json, home):
    first, second = home.champions
    provider = champion_providers(home.platform)["job_applications"]
    assert provider().model_version == second
    document = run_json("models", "rollback", "--reason", "worse", "--actor", "ann", "--home", home.path)
    (event,) = home.events("model_rolled_back")
    now = run_time(home.newest_day) + OPERATOR_DELAY
    assert (event["model_version"], event["previous_version"]) == (first, second)
    assert (event["actor"], event["reason"], event["observed_at"]) == ("ann", "worse", now)
    assert (document["model_version"], document["previous_version"]) == (first, second)
    assert document["first_day"] == str(add_days(home.newest_day, 1))
    assert provider().model_version == first
    assert home.platform.champion_version(home.newest_day) == second
    assert home.platform.champion_version(add_days(home.newest_day, 1)) == first


def test_rollback_takes_the_first_letters_of_a_version(run_json, home):
    first = home.champions[0]
    document = run_json("models", "rollback", "--reason", "r", "--to", first[:12], "--home", home.path)
    assert document["model_version"] == first


def test_show_tells_all_that_is_on_record(run, run_json, home):
    first, second = home.champions
    run("models", "rollback", "--reason", "worse", "--actor", "ann", "--home", home.path)
    document = run_json("models", "show", first[:12], "--home", home.path)
    assert (document["model_version"], document["is_champion"]) == (first, True)
    assert document["facts"]["training_start_date"] == "2026-04-03"
    assert document["facts"]["examples"] == 600
    assert document["training_data_hash"] == "data-1"
    assert document["vocabularies"]["metro_code"] == ["12060", "16980", "19100", "33100"]
    assert [row["outcome"] for row in document["verdicts"]] == ["promoted"]
    assert [(row["kind"], row["actor"], row["until"] is None) for row in document["served"]] == [
        ("promoted", "gate", False),
        ("rolled_back", "ann", True),
    ]
    assert (
        document["served"][0]["until"] == run_json("models", "show", second, "--home", home.path)["served"][0]["since"]
    )
    assert (document["card"], document["has_monitoring_reference"]) == (None, False)
    text = run("models", "show", first, "--home", home.path).stdout
    for words in (
        first,
        "(champion)",
        "training_end_date",
        "600",
        "Promoted: model 1 meets all",
        "by ann: worse",
        "to now",
    ):
        assert words in text
    assert "card                  none was written" in text


def test_show_names_the_folds_by_which_a_version_was_judged(run, run_json, home):
    version = home.champions[0]
    assert run_json("models", "show", version, "--home", home.path)["folds"] == []
    trained = next(row["as_of_date"] for row in home.platform.registry.versions() if row["model_version"] == version)
    fold = {"first_day": "2026-05-03", "model_version": "mdl_fold", "trained_to": "2026-04-25"}
    report = {"model_version": version, "folds": [fold | {"examples": 3}]}
    home.platform.model_tables.write_report("folds", trained, report)
    assert run_json("models", "show", version, "--home", home.path)["folds"] == [fold]
    words = "the week from 2026-05-03 by mdl_fold, the recipe fitted on days up to 2026-04-25"
    assert words in run("models", "show", version, "--home", home.path).stdout
    assert run_json("models", "show", home.champions[1], "--home", home.path)["folds"] == []


def test_show_says_where_the_card_lies(run, run_json, home):
    version = home.champions[0]
    home.platform.registry.put_card(version, "<p>card</p>")
    place = run_json("models", "show", version, "--home", home.path)["card"]
    assert Path(place).read_text() == "<p>card</p>"
    assert place in run("models", "show", version, "--home", home.path).stdout


def test_show_refuses_the_unknown_the_ambiguous_and_the_tampered(run, home):
    version = home.champions[0]
    for text, told in (
        ("mdl_nothing", "there is no model mdl_nothing"),
        ("mdl_", "beginning of 2 versions"),
        ("", "empty"),
    ):
        result = run("models", "show", text, "--home", home.path)
        assert result.exit_code == 1
        assert told in result.stderr
    tamper(home, version)
    result = run("models", "show", version, "--home", home.path)
    assert result.exit_code == 1
    assert "was changed" in result.stderr
    assert result.stdout == ""


def test_diff_names_what_differs(run, run_json, home, challenger):
    first = home.champions[0]
    document = run_json("models", "diff", first[:14], challenger[:14], "--home", home.path)
    assert (document["left_version"], document["right_version"]) == (first, challenger)
    facts = {fact["name"]: fact for fact in document["facts"]}
    assert (facts["training_data_hash"]["left"], facts["training_data_hash"]["right"]) == ("data-1", "data-3")
    assert (facts["examples"]["left"], facts["examples"]["right"], facts["examples"]["change"]) == (600, 500, -100)
    assert document["last_verdicts"][first]["outcome"] == "promoted"
    assert document["last_verdicts"][challenger]["outcome"] == "refused"
    text = run("models", "diff", first, challenger, "--home", home.path).stdout
    assert "They learned from different data." in text
    assert f"{challenger} refused: Refused: a tie." in text
    assert "-100" in text


def test_diff_of_a_version_with_itself_finds_nothing(run, run_json, home):
    version = home.champions[0]
    assert run_json("models", "diff", version, version, "--home", home.path)["facts"] == []
    assert f"Both are {version}." in run("models", "diff", version, version, "--home", home.path).stdout


def test_promote_records_who_and_why_and_serves_from_the_next_day_on(run_json, home):
    first, second = home.champions
    arguments = (
        "models", "promote", first[:12], "--reason", " the  better one ", "--actor", "ann", "--home", home.path,
    )  # fmt: skip
    document = run_json(*arguments)
    event = home.events("model_promoted")[-1]
    now = run_time(home.newest_day) + OPERATOR_DELAY
    assert (event["model_version"], event["previous_version"]) == (first, second)
    assert (event["actor"], event["reason"], event["observed_at"]) == ("ann", "the better one", now)
    assert (document["gate"], document["has_monitoring_reference"]) == ("promoted", False)
    assert document["first_day"] == str(add_days(home.newest_day, 1))
    assert home.platform.champion_version(home.newest_day) == second
    assert home.platform.champion_version(add_days(home.newest_day, 1)) == first


def test_promote_against_the_gate_needs_the_flag_and_says_so_on_record(run, home, challenger):
    arguments = ("models", "promote", challenger, "--reason", "a legal order", "--home", home.path)
    refused = run(*arguments)
    assert refused.exit_code == 1
    assert "is: refused" in refused.stderr
    assert "--against-the-gate" in refused.stderr
    assert len(home.events("model_promoted")) == 2
    told = run(*arguments, "--against-the-gate")
    assert told.exit_code == 0
    assert home.events("model_promoted")[-1]["reason"] == "against the gate (refused): a legal order"
    assert home.platform.registry.champion() == challenger
    assert "no monitoring reference" in told.stdout
    text = run("models", "history", "--home", home.path).stdout
    assert "by operator: against the gate (refused): a legal order" in text


def test_the_newest_verdict_counts_and_no_verdict_is_no_promotion(run, home, challenger):
    arguments = ("models", "promote", challenger, "--reason", "r", "--home", home.path)
    judge(home, challenger, "promoted", add_days(home.newest_day, 1))
    assert run(*arguments).exit_code == 0
    assert home.events("model_promoted")[-1]["reason"] == "r"
    judge(home, home.champions[0], "not_enough_evidence", add_days(home.newest_day, 1))
    again = run("models", "promote", home.champions[0], "--reason", "r", "--home", home.path)
    assert "is: not enough evidence" in again.stderr
    shutil.rmtree(home.path / "lake" / "events" / "event_type=promotion_decided")
    unjudged = run("models", "promote", home.champions[0], "--reason", "r", "--home", home.path)
    assert (unjudged.exit_code, "is: not judged" in unjudged.stderr) == (1, True)


def test_promote_refuses_the_unknown_the_tampered_the_champion_and_a_reason_that_says_nothing(run, home):
    first, second = home.champions
    for version, reason, told in (
        ("mdl_unknown", "r", "there is no model"),
        (second, "r", "serves already"),
        (first, "  ", "--reason is empty"),
        (first, "call +1 415 555 2671", "phone number"),
    ):
        result = run("models", "promote", version, "--reason", reason, "--home", home.path)
        assert (result.exit_code, told in result.stderr) == (1, True)
    tamper(home, first)
    result = run("models", "promote", first, "--reason", "r", "--against-the-gate", "--home", home.path)
    assert (result.exit_code, "was changed" in result.stderr) == (1, True)
    assert len(home.events("model_promoted")) == 2


def test_a_damaged_report_does_not_stand_in_the_way_of_a_rollback(run, home):
    """It stops the daily checks, and what the answer says mends that."""
    first, second = home.champions
    write = home.platform.tables.write_report
    write(REFERENCE_REPORT, home.newest_day, {"model_version": first, "form": STORED_FORM})
    later = add_days(home.newest_day, 1)
    write(REFERENCE_REPORT, later, {"model_version": second, "form": STORED_FORM})
    (report,) = (home.path / "lake" / "reports" / REFERENCE_REPORT / f"as_of_date={later}").rglob("report.json")
    report.write_text("{")
    told = run("models", "rollback", "--reason", "r", "--home", home.path)
    assert told.exit_code == 0, told.stderr
    assert home.platform.registry.champion() == first
    assert "no monitoring reference that can be read" in told.stdout
    assert f"materialize the asset {REFERENCE_REPORT} for partition {later} again" in told.stdout
    write(REFERENCE_REPORT, later, {"model_version": second, "form": STORED_FORM})
    assert "none that can be read" not in run("models", "show", first, "--home", home.path).stdout


@pytest.mark.parametrize(("form", "is_read"), [({"form": STORED_FORM}, True), ({"form": 1}, False), ({}, False)])
def test_a_reference_counts_only_in_the_form_that_is_read(run, run_json, home, form, is_read):
    """The newest of a version decides."""
    first, second = home.champions
    unread = {"form": 1} if is_read else {"form": STORED_FORM}
    stored = ((home.newest_day, first, unread), (add_days(home.newest_day, 1), first, form))
    for day, version, written in (*stored, (add_days(home.newest_day, 2), second, {})):
        home.platform.tables.write_report(REFERENCE_REPORT, day, {"model_version": version} | written)
    shown = run("models", "show", first, "--home", home.path).stdout
    assert ("none that can be read" in shown) != is_read
    document = run_json("models", "rollback", "--to", first, "--reason", "r", "--home", home.path)
    assert document["has_monitoring_reference"] is is_read
    told = run("models", "rollback", "--to", second, "--reason", "r", "--home", home.path).stdout
    assert "no monitoring reference that can be read" in told
    told = run("models", "rollback", "--to", first, "--reason", "r", "--home", home.path).stdout
    assert ("no monitoring reference that can be read" in told) != is_read


def test_another_model_has_versions_and_champions_of_its_own(run, run_json, home, tiny_models):
    """Commands on one model change nothing of the other, and an unknown name is answered with those there are."""
    before = run_json("models", "history", "--home", home.path)
    at = run_time(home.newest_day)
    churn = home.platform.of_model("churn_risk")
    first, second = (
        churn.registry.register(tiny_models.tiny_artifact(seed), as_of=home.newest_day, now=at) for seed in (31, 32)
    )
    churn.registry.promote(first, actor="gate", reason="first", now=at)
    promoted = ("models", "promote", second, "--reason", "r", "--against-the-gate", "--model", "churn_risk")
    assert run_json(*promoted, "--home", home.path)["previous_version"] == first
    assert run_json("models", "list", "--model", "churn_risk", "--home", home.path)["champion"] == second
    rolled = run_json("models", "rollback", "--reason", "worse", "--model", "churn_risk", "--home", home.path)
    assert rolled["model_version"] == first
    assert run_json("models", "history", "--home", home.path) == before
    assert run("models", "show", first, "--home", home.path).exit_code == 1
    assert run_json("models", "show", first, "--model", "churn_risk", "--home", home.path)["is_champion"]
    providers = champion_providers(home.platform)
    assert {name: provider().model_version for name, provider in providers.items()} == {
        "job_applications": home.champions[1],
        "churn_risk": first,
    }
    unknown = run("models", "list", "--model", "flights", "--home", home.path)
    assert unknown.exit_code == 1
    assert "there is no model 'flights' here; use one of job_applications, churn_risk" in " ".join(
        unknown.stderr.split()
    )


def test_a_version_is_shown_where_nobody_serves_yet(run, production, tiny_models) -> None:
    registry, there = production.registry, production.settings.home
    version = registry.register(tiny_models.tiny_artifact(1), as_of=date(2026, 6, 12), now=run_time(date(2026, 6, 12)))
    shown = run("models", "show", version, "--home", there, env={"MLIFE_ENVIRONMENT": "prod"})
    assert shown.exit_code == 0, shown.stderr
    assert "served\n  never" in shown.stdout
