"""Models from the command line: the list, the history with refusals, an audited way back."""

from __future__ import annotations

from mlife_assets.cli.present import OPERATOR_DELAY, STEP
from mlife_assets.cli.serve import champion_provider
from mlife_assets.core.windows import add_days, run_time


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
        "model_version": "mdl_challenger",
        "champion_version": home.champions[-1],
        "as_of_date": home.newest_day,
        "outcome": "not_enough_evidence",
        "delta_map": None,
        "delta_map_lower": None,
        "delta_map_upper": None,
        "users_with_positives": 12,
        "sentences": ["12 users with positives, 1,000 needed."],
        "policy_version": "pol",
    }
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
    provider = champion_provider(home.platform)
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


def test_rollback_goes_back_only(run, run_json, home):
    assert run("models", "rollback", "--reason", "r", "--home", home.path).exit_code == 0
    again = run("models", "rollback", "--reason", "r", "--home", home.path)
    assert again.exit_code == 1
    assert "nothing to roll back to" in again.stderr
    document = run_json("models", "rollback", "--reason", "r", "--to", home.champions[1], "--home", home.path)
    assert document["model_version"] == home.champions[1]
    times = [row["observed_at"] for row in home.events("model_rolled_back")]
    assert times == [run_time(home.newest_day) + OPERATOR_DELAY, run_time(home.newest_day) + OPERATOR_DELAY + STEP]


def test_rollback_to_what_never_served_is_refused(run, home):
    result = run("models", "rollback", "--reason", "r", "--to", "mdl_unknown", "--home", home.path)
    assert result.exit_code == 1
    assert "mdl_unknown was not champion" in result.stderr
    assert home.events("model_rolled_back") == []
