from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.trigger import ATTEMPTS_MAXIMUM, DecisionFacts, outstanding_retrainings

FIRST = date(2026, 6, 2)
STATES = st.lists(st.sampled_from(["active", "succeeded", "failed"]), max_size=5)


def decisions(*verdicts: str) -> list[DecisionFacts]:
    return [DecisionFacts(f"dec_{n}", FIRST + timedelta(days=n), verdict) for n, verdict in enumerate(verdicts)]


def keys(outlook) -> list[str]:
    return [request.run_key for request in outlook.requests]


@pytest.mark.parametrize(
    ("verdicts", "runs", "requested", "sentence"),
    [
        ((), {}, [], "No decision was recorded yet."),
        (("wait",), {}, [], "The newest verdict, of 2026-06-02, is wait."),
        (("retrain", "block"), {"dec_0": ["succeeded"]}, [], "has its run; the newest is of 2026-06-02."),
        (("block",), {}, [], "is block."),
        (("retrain",), {}, ["retrain-dec_0-attempt-1"], "1 retraining runs requested."),
        (("retrain",), {"dec_0": ["active"]}, [], "has its run"),
        (("retrain",), {"dec_0": ["failed"]}, ["retrain-dec_0-attempt-2"], "1 retraining runs"),
        (("retrain",), {"dec_0": ["failed", "active"]}, [], "has its run"),
        (("retrain",), {"dec_0": ["failed", "succeeded"]}, [], "has its run"),
        (("retrain",), {"dec_0": ["failed"] * 2}, ["retrain-dec_0-attempt-3"], "1 retraining runs"),
        (("retrain",), {"dec_0": ["failed"] * 3}, [], "failed 3 times for dec_0; a person must look."),
        (("retrain", "retrain"), {"dec_0": ["failed"] * 3}, ["retrain-dec_1-attempt-1"], "1 retraining runs"),
    ],
)
def test_every_decision_gets_its_run_and_a_failed_one_another(verdicts, runs, requested, sentence) -> None:
    outlook = outstanding_retrainings(decisions(*verdicts), runs)
    assert keys(outlook) == requested
    assert sentence in outlook.sentence


def test_a_request_names_the_day_that_was_decided() -> None:
    (request,) = outstanding_retrainings(decisions("wait", "wait", "retrain"), {}).requests
    assert (request.decision_id, request.as_of_date, request.attempt) == ("dec_2", FIRST + timedelta(days=2), 1)


def test_a_verdict_that_no_governor_gives_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="verdict of dec_0 is 'maybe'"):
        decisions("maybe")


@given(st.lists(st.sampled_from(["retrain", "wait", "block"]), max_size=8), st.data())
def test_asking_is_settled_by_the_run_that_is_asked_for(verdicts, data) -> None:
    """From any state of runs: launching what is asked for leaves nothing to ask, and no key is ever used twice."""
    known = decisions(*verdicts)
    runs = {one.decision_id: data.draw(STATES) for one in known}
    used = {f"retrain-{name}-attempt-{n + 1}" for name, states in runs.items() for n in range(len(states))}
    outlook = outstanding_retrainings(known, runs)
    assert outstanding_retrainings(known, runs) == outlook
    assert len(set(keys(outlook))) == len(outlook.requests)
    assert not used & set(keys(outlook))
    for request in outlook.requests:
        assert verdicts[(request.as_of_date - FIRST).days] == "retrain"
        assert set(runs[request.decision_id]) <= {"failed"}
        runs[request.decision_id] = [*runs[request.decision_id], "active"]
    assert outstanding_retrainings(known, runs).requests == ()


@given(st.integers(1, 20))
def test_what_always_fails_is_tried_a_limited_number_of_times(ticks) -> None:
    runs: dict[str, list[str]] = {"dec_0": []}
    asked = []
    for _ in range(ticks):
        outlook = outstanding_retrainings(decisions("retrain"), runs)
        asked += keys(outlook)
        runs["dec_0"] += ["failed"] * len(outlook.requests)
    assert asked == [f"retrain-dec_0-attempt-{n}" for n in range(1, min(ticks, ATTEMPTS_MAXIMUM) + 1)]
    assert bool(outlook.exhausted) == (ticks > ATTEMPTS_MAXIMUM)
