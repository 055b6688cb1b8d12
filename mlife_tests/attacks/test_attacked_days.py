"""A day that is killed, lived twice at once, or whose disk fills up: nobody texted twice, and done by running it again.

Each trial is real: processes of their own, SIGKILL, a file system without space. `benchmarks/attacked_days.py` does the
same many times over and keeps a record.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlife_tests.attacks import campaign as campaigns

SEED = 20_261_126
KILLS = {"landing": 1, "dbt": 1, "sending": 4, "training": 1, "promotion": 1}


@pytest.fixture(scope="module")
def both(made_once: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    """Return two campaigns on copies of one home, after a quiet day."""
    made, _ = made_once("attacked", lambda folder: campaigns.Campaign(folder).close())
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("attacked") / "prepared"))
    prepared = [campaigns.Campaign(folder, worker=number) for number in range(2)]
    yield prepared
    for one in prepared:
        one.close()


def wrongs(both: list[Any], attacks: list[Any]) -> dict[str, list[str]]:
    """Carry out attacks and return what was wrong, by attack."""
    trials = list(campaigns.side_by_side(both, attacks))
    assert len(trials) == len(attacks)
    return {trial["name"]: trial["wrong"] for trial in trials if trial["wrong"]}


@pytest.mark.proof
def test_the_quiet_day_has_every_stage(both) -> None:
    """The day lands, trains, promotes and texts; else an attack on it would prove nothing."""
    campaign = both[0]
    assert {stage for stage, _ in campaign.effects} == set(campaigns.sibling("attacked_day").STAGES)
    kinds = {kind for _, kind in campaign.effects}
    assert {"provider answered", "put outbox", "put models", "put events/event_type=model_promoted"} <= kinds
    assert len(campaign.quiet.accepted) > 100
    assert Counter(campaign.quiet.states.values())["delivered"] > 100


@pytest.mark.proof
def test_a_day_killed_at_eight_places_is_done_by_running_it_again(both) -> None:
    attacks = campaigns.kills(both[0].effects, KILLS, seed=SEED)
    assert len(attacks) == 8
    assert wrongs(both, attacks) == {}


@pytest.mark.proof
def test_two_processes_live_one_day_at_once(both) -> None:
    """Either may fail, with an error of ours; the day is then done by running it again."""
    assert both[0].carry_out(campaigns.Attack("together", "two processes"))["wrong"] == []


@pytest.mark.proof
def test_a_disk_that_is_full_at_five_places(both) -> None:
    attacks = campaigns.full_disks(both[0].effects, 1, seed=SEED)
    assert len(attacks) == 5
    assert wrongs(both, attacks) == {}


def test_kills_are_drawn_once_each_the_worst_kinds_first_and_some_by_the_clock() -> None:
    effects = [("sending", kind) for kind in ("provider called", "provider answered", "put outbox")] * 4
    attacks = campaigns.kills(effects, {"sending": 99, "clock": 4}, seed=1)
    drawn = {(one.kind, one.number) for one in attacks[:9]}
    assert drawn == {(kind, number) for _, kind in effects for number in range(3)}, "the last may not happen again"
    assert [one.kind for one in attacks[:2]] == ["provider answered", "put outbox"]
    assert [int(one.share * 4) for one in attacks[9:]] == [0, 1, 2, 3], "one in every quarter of the day"
    assert campaigns.kills(effects, {"sending": 99, "clock": 4}, seed=1) == attacks


@pytest.mark.parametrize("ends", [[0, -9], [-9], [0, 0, 0]])
def test_a_kill_that_came_after_the_days_end_is_tried_again(monkeypatch: pytest.MonkeyPatch, ends: list[int]) -> None:
    attack, left = campaigns.Attack("clock", "by the clock", share=0.9), iter(ends)
    late = object.__new__(campaigns.Campaign)
    late.quiet_seconds = 100.0
    monkeypatch.setattr(late, "_carry_out", lambda _: ({"ends": [next(left)], "orphans": 0}, 40.0), raising=False)
    trial = late.carry_out(attack)
    assert (list(left), late.quiet_seconds) == ([], 40.0 if len(ends) > 1 else 100.0)
    assert bool(campaigns._ended_wrongly(attack, trial, None)) == (ends[-1] != -9)


def test_without_the_right_to_mount_no_file_grows_any_more(tmp_path: Path) -> None:
    script = "import sys; from mlife_tests.attacks.attacked_day import fill_disk; fill_disk(None);"
    script += "open(sys.argv[1], 'wb', buffering=0).write(b'one byte')"
    ended = subprocess.run([sys.executable, "-c", script, tmp_path / "file"], stderr=subprocess.PIPE, check=False)
    assert (b"File too large" in ended.stderr, (tmp_path / "file").stat().st_size) == (True, 0)


def test_a_process_that_outlives_its_parent_is_counted_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    day = campaigns.sibling("attacked_day")
    monkeypatch.setattr(day, "ORPHAN_SECONDS", 0.1)
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as left:
        known = [one for one in day.children_of(os.getpid()) if one[0] == left.pid]
        assert day.orphans(known) == 1
        assert left.wait() == -signal.SIGKILL
    assert day.orphans(known) == 0


def quiet(**changed: Any) -> Any:
    fields: dict[str, Any] = {
        "accepted": {"m1": 1, "m2": 1}, "person_of": {"m1": "p1", "m2": "p2"},
        "states": {"m1": "delivered", "m2": "undelivered", "m3": "suppressed"}, "ambiguous": frozenset(),
        "submitted": frozenset({"m1", "m2"}), "settled": {"m1": "delivered", "m2": "undelivered"}, "champion": "c",
        "derived": {"a": "1"}, "features": "f",
    }  # fmt: skip
    return campaigns.sibling("aftermath").Aftermath(**fields | changed)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"accepted": {"m1": 2, "m2": 1}}, "accepted twice"),
        ({"person_of": {"m1": "p1", "m2": "p1"}}, "1 people were texted twice"),
        ({"states": {"m1": "suppressed", "m2": "undelivered", "m3": "suppressed"}}, "not admitted, first m1: suppr"),
        ({"states": {"m1": "delivered", "m2": "submitting", "m3": "suppressed"}}, "unfinished: {'submitting': 1}"),
        ({"submitted": frozenset({"m1"})}, "1 texts were submitted and are not in the event log, first m2"),
        ({"settled": {"m1": "delivered"}}, "1 receipts are not in the event log, first m2"),
        ({"accepted": {"m1": 1}}, "1 texts of the quiet day were not sent"),
        ({"accepted": {"m1": 1, "m2": 1, "m4": 1}}, "1 texts were sent that the quiet day did not send"),
        ({"states": {"m1": "delivered", "m2": "undelivered"}}, "2 messages were planned, 3 on the quiet day"),
        ({"champion": "d"}, "d serves, c after the quiet day"),
        ({"derived": {"a": "2"}}, "1 tables and artifacts are other bytes: a"),
        ({"features": "g"}, "features or labels differ"),
    ],
)
def test_what_is_wrong_is_said(changed: dict[str, Any], said: str) -> None:
    aftermath = campaigns.sibling("aftermath")
    assert aftermath.wrongs(quiet(), quiet()) == []
    assert any(said in one for one in aftermath.wrongs(quiet(**changed), quiet()))


def test_a_text_that_was_ambiguous_and_never_sent_is_accounted_for() -> None:
    after = quiet(
        accepted={"m1": 1}, person_of={"m1": "p1"}, states={"m1": "delivered", "m2": "ambiguous", "m3": "suppressed"},
        ambiguous=frozenset({"m2"}), settled={"m1": "delivered"},
    )  # fmt: skip
    assert campaigns.sibling("aftermath").wrongs(after, quiet()) == []
