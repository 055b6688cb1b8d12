from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.retrain_decisions import (
    DecisionFacts,
    RunFacts,
    next_attempt,
    outstanding_retrainings,
)
from mlife_assets.core.policies import RetrainPolicy

FIRST = date(2026, 6, 2)
NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
WAITS = (10, 60)
ATTEMPTS = len(WAITS) + 1
LONG_AGO = NOW - timedelta(days=2)
ACTIVE, SUCCEEDED, FAILED = RunFacts("active"), RunFacts("succeeded"), RunFacts("failed", LONG_AGO)
RUNS = st.lists(st.sampled_from([ACTIVE, SUCCEEDED, FAILED]), max_size=5)


def decisions(*verdicts: str) -> list[DecisionFacts]:
    return [DecisionFacts(f"dec_{n}", FIRST + timedelta(days=n), verdict) for n, verdict in enumerate(verdicts)]


def outlook_of(known, runs, now=NOW):
    return outstanding_retrainings(known, runs, now=now, retry_wait_minutes=WAITS)


def keys(outlook) -> list[str]:
    return [request.run_key for request in outlook.requests]


@pytest.mark.parametrize(
    ("verdicts", "runs", "requested", "sentence"),
    [
        ((), {}, [], "No decision was recorded yet."),
        (("wait",), {}, [], "The newest verdict, of 2026-06-02, is wait."),
        (("retrain", "block"), {FIRST: [SUCCEEDED]}, [], "has its run; the newest is of 2026-06-02."),
        (("block",), {}, [], "is block."),
        (("retrain",), {}, ["retrain-2026-06-02-attempt-1"], "1 retraining runs requested."),
        (("retrain",), {FIRST: [ACTIVE]}, [], "has its run"),
        (("retrain",), {FIRST: [FAILED]}, ["retrain-2026-06-02-attempt-2"], "1 retraining runs"),
        (("retrain",), {FIRST: [FAILED, ACTIVE]}, [], "has its run"),
        (("retrain",), {FIRST: [FAILED, SUCCEEDED]}, [], "has its run"),
        (("retrain",), {FIRST: [FAILED] * 2}, ["retrain-2026-06-02-attempt-3"], "1 retraining runs"),
        (("retrain",), {FIRST: [FAILED] * 3}, [], f"failed 3 times for {FIRST}; a person must look."),
        (("retrain", "retrain"), {FIRST: [FAILED] * 3}, ["retrain-2026-06-03-attempt-1"], "1 retraining runs"),
    ],
)
def test_every_decision_gets_its_run_and_a_failed_one_another(verdicts, runs, requested, sentence) -> None:
    outlook = outlook_of(decisions(*verdicts), runs)
    assert keys(outlook) == requested
    assert sentence in outlook.sentence
    is_exhausted = len(runs.get(FIRST, ())) == 3
    assert [one.decision_id for one in outlook.exhausted] == (["dec_0"] if is_exhausted else [])


@pytest.mark.parametrize(("failures", "minutes"), [(1, 10), (2, 60)])
def test_a_failed_attempt_waits_from_its_end(failures: int, minutes: int) -> None:
    ends = [LONG_AGO] * (failures - 1) + [NOW]
    runs = {FIRST: [RunFacts("failed", end) for end in ends]}
    due = NOW + timedelta(minutes=minutes)
    for now in (NOW, due - timedelta(seconds=1)):
        outlook = outlook_of(decisions("retrain"), runs, now)
        assert outlook.requests == ()
        assert outlook.exhausted == ()
        assert outlook.sentence == f"Retraining failed and is tried again at 2026-06-10 {due:%H:%M} UTC."
    assert keys(outlook_of(decisions("retrain"), runs, due)) == [f"retrain-2026-06-02-attempt-{failures + 1}"]


def test_the_latest_failure_counts_in_whatever_order_runs_come() -> None:
    runs = [RunFacts("failed", NOW), RunFacts("failed", LONG_AGO)]
    assert next_attempt(runs, now=NOW, retry_wait_minutes=WAITS).due_at == NOW + timedelta(hours=1)


def test_without_waits_there_is_one_attempt() -> None:
    assert next_attempt([], now=NOW, retry_wait_minutes=()).number == 1
    assert next_attempt([FAILED], now=NOW, retry_wait_minutes=()).is_exhausted


def test_a_decision_that_waits_does_not_hold_up_another() -> None:
    outlook = outlook_of(decisions("retrain", "retrain"), {FIRST: [RunFacts("failed", NOW)]})
    assert keys(outlook) == ["retrain-2026-06-03-attempt-1"]


def test_a_request_names_the_day_that_was_decided() -> None:
    (request,) = outlook_of(decisions("wait", "wait", "retrain"), {}).requests
    assert (request.decision_id, request.as_of_date, request.attempt) == ("dec_2", FIRST + timedelta(days=2), 1)


def test_a_verdict_that_no_governor_gives_and_a_failure_without_an_end_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="verdict of dec_0 is 'maybe'"):
        decisions("maybe")
    for ended in (None, datetime(2026, 6, 10)):  # noqa: DTZ001
        with pytest.raises(InvalidInputError, match="a failed run ended at"):
            RunFacts("failed", ended)


def test_a_wait_that_is_none_is_refused() -> None:
    assert RetrainPolicy().retry_wait_minutes == WAITS
    with pytest.raises(InvalidInputError, match=r"RetrainPolicy.retry_wait_minutes is \(10, -1\)"):
        RetrainPolicy(retry_wait_minutes=(10, -1))


@given(st.lists(st.sampled_from(["retrain", "wait", "block"]), max_size=8), st.data())
def test_asking_is_settled_by_the_run_that_is_asked_for(verdicts, data) -> None:
    """From any state of runs: launching what is asked for leaves nothing to ask, and no key is ever used twice."""
    known = decisions(*verdicts)
    runs = {one.as_of_date: data.draw(RUNS) for one in known}
    used = {f"retrain-{day}-attempt-{n + 1}" for day, facts in runs.items() for n in range(len(facts))}
    outlook = outlook_of(known, runs)
    assert outlook_of(known, runs) == outlook
    assert len(set(keys(outlook))) == len(outlook.requests)
    assert not used & set(keys(outlook))
    for request in outlook.requests:
        assert verdicts[(request.as_of_date - FIRST).days] == "retrain"
        assert {run.state for run in runs[request.as_of_date]} <= {"failed"}
        runs[request.as_of_date] = [*runs[request.as_of_date], ACTIVE]
    assert outlook_of(known, runs).requests == ()


@given(st.lists(st.integers(0, 200), min_size=1, max_size=20))
def test_what_always_fails_is_tried_a_limited_number_of_times_and_never_early(minutes) -> None:
    """Whenever the daemon looks: at most three attempts, each at least its wait after the end of the one before."""
    runs: dict[date, list[RunFacts]] = {FIRST: []}
    asked, now = [], NOW
    for passed in minutes:
        now += timedelta(minutes=passed)
        outlook = outlook_of(decisions("retrain"), runs, now)
        asked += [(key, now) for key in keys(outlook)]
        runs[FIRST] += [RunFacts("failed", now)] * len(outlook.requests)
    assert [key for key, _ in asked] == [f"retrain-2026-06-02-attempt-{n + 1}" for n in range(len(asked))]
    assert 1 <= len(asked) <= ATTEMPTS
    gaps = [later - earlier for (_, earlier), (_, later) in itertools.pairwise(asked)]
    assert all(gap >= timedelta(minutes=wait) for gap, wait in zip(gaps, WAITS, strict=False))
    assert bool(outlook.exhausted) == (len(asked) == ATTEMPTS and not outlook.requests)
