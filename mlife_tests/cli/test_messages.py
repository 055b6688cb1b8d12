"""The kill switch from the command line: at once, audited, safe to repeat."""

from __future__ import annotations

import pytest

from mlife_assets.adapters.event_log import verify
from mlife_assets.components.platform.model_platform import OPERATOR_DELAY
from mlife_assets.components.shown.present import STEP
from mlife_assets.core.windows import run_time


def test_pause_and_resume_are_events_in_order(run_json, home):
    paused = run_json("messages", "pause", "--reason", "look closer", "--actor", "ann", "--home", home.path)
    assert home.platform.ledger.is_paused()
    assert (paused["is_paused"], paused["is_changed"], paused["published"]) == (True, True, {"sending_paused": 1})
    resumed = run_json("messages", "resume", "--reason", "all well", "--home", home.path)
    assert not home.platform.ledger.is_paused()
    assert (resumed["is_paused"], resumed["published"]) == (False, {"sending_resumed": 1})
    (stop,), (go,) = home.events("sending_paused"), home.events("sending_resumed")
    assert (stop["actor"], stop["reason"], go["actor"], go["reason"]) == ("ann", "look closer", "operator", "all well")
    assert stop["occurred_at"] == stop["observed_at"] == run_time(home.newest_day) + OPERATOR_DELAY
    assert go["observed_at"] == stop["observed_at"] + STEP
    assert verify(home.platform.lake).is_intact


@pytest.mark.parametrize("word", ["pause", "resume"])
def test_asking_for_the_present_state_changes_nothing(run, run_json, home, word):
    if word == "pause":
        run("messages", "pause", "--reason", "first", "--home", home.path)
    document = run_json("messages", word, "--reason", "again", "--home", home.path)
    assert (document["is_changed"], document["published"], document["at"]) == (False, {}, None)
    assert [row["reason"] for row in home.events("sending_paused")] == (["first"] if word == "pause" else [])
    assert home.events("sending_resumed") == []


def test_a_pause_whose_publication_failed_is_published_by_the_next(run_json, home):
    now = run_time(home.newest_day) + OPERATOR_DELAY
    home.platform.ledger.pause(actor="ann", reason="crashed after this", now=now)
    document = run_json("messages", "pause", "--reason", "again", "--home", home.path)
    assert (document["is_changed"], document["published"]) == (False, {"sending_paused": 1})
    assert [row["reason"] for row in home.events("sending_paused")] == ["crashed after this"]


def test_people_see_who_when_and_why(run, home):
    result = run("messages", "pause", "--reason", "[bold] look", "--actor", "ann", "--home", home.path)
    assert result.stdout == "Sending is paused by ann at 2026-06-10 22:00:00Z: [bold] look\n"
