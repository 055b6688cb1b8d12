"""One text followed from the command line."""

from __future__ import annotations

STAGES = ["raw events", "model", "prediction", "plan", "send", "conversion"]
EVENT_TYPES = [
    "consent", "model_registered", "promotion_decided", "model_promoted", "prediction", "plan_approved",
    "message_planned", "message_submitted", "message_status", "message_status", "click", "apply",
]  # fmt: skip


def test_json_follows_every_hop(run_json, lived_home):
    document = run_json("trace", lived_home.message_id, "--home", lived_home.path)
    assert [hop["event_type"] for hop in document["hops"]] == EVENT_TYPES
    assert list(dict.fromkeys(hop["stage"] for hop in document["hops"])) == STAGES
    assert document["is_recomputed"]
    assert len(document["reasons"]) == 3
    assert [row["rank"] for row in document["alternatives"]] == [1, 2, 3, 4, 5]
    prediction = next(hop for hop in document["hops"] if hop["event_type"] == "prediction")
    assert prediction["details"]["model_version"] == lived_home.champions[-1]
    assert prediction["details"]["reasons"] == document["reasons"]
    assert prediction["details"]["click_probability"] > prediction["details"]["probability"] > 0


def test_the_tree_shows_ids_and_both_times_of_every_hop(run, run_json, lived_home):
    document = run_json("trace", lived_home.message_id, "--home", lived_home.path)
    result = run("trace", lived_home.message_id, "--home", lived_home.path)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == lived_home.message_id
    for hop in document["hops"]:
        place = next(
            i for i, line in enumerate(lines) if line.endswith(f"{hop['event_type']}  event {hop['event_id']}")
        )
        occurred, observed = (hop[name][:19].replace("T", " ") for name in ("occurred_at", "observed_at"))
        assert f"occurred {occurred}Z, observed {observed}Z" in lines[place + 1]
    places = [next(i for i, line in enumerate(lines) if line.endswith(f"─ {stage}")) for stage in STAGES]
    assert places == sorted(places)


def test_the_tree_says_why_and_what_else(run, lived_home):
    text = run("trace", lived_home.message_id, "--home", lived_home.path).stdout
    assert "the same to the bit" in text
    assert "reasons computed again: the same words" in text
    assert text.count("the score by") == 3
    assert "click_probability: 0." in text
    assert "features, as logged" in text
    assert "best-ranked jobs for this person, 5 of 7" in text
    assert ["2. j1" in line for line in text.splitlines() if "<- this text" in line] == [True]
    assert "body: Northstar [Jobs]: Cook. Reply STOP to opt out" in text
    assert "6. j5" not in text


def test_the_number_of_alternatives_is_a_choice(run, run_json, lived_home):
    document = run_json("trace", lived_home.message_id, "--alternatives", "7", "--home", lived_home.path)
    assert len(document["alternatives"]) == 7
    assert (
        "best-ranked"
        not in run("trace", lived_home.message_id, "--alternatives", "0", "--home", lived_home.path).stdout
    )


def test_an_unknown_text_is_reported_with_a_remedy(run, lived_home):
    result = run("trace", "msg_unknown", "--home", lived_home.path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "msg_unknown" in result.stderr
    assert "mlife status" in result.stderr


def test_a_text_that_no_model_chose_says_so(run, run_json, home):
    planned = home.events("message_planned")[0]
    at = planned["observed_at"]
    for name in ("event_id", "occurred_at", "observed_at"):
        del planned[name]
    changed = {"message_id": "msg_rule", "prediction_id": None, "slice": "recruiter_rule"}
    home.add("message_planned", planned | changed, at)
    assert not run_json("trace", "msg_rule", "--home", home.path)["is_recomputed"]
    assert "no model chose this text" in run("trace", "msg_rule", "--home", home.path).stdout
