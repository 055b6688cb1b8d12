"""Decisions to retrain: what is on record, when a drift began, what opens the gate, and how late labels are."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring import lateness
from mlife_assets.core.monitoring.lateness import Arrivals, judged_again_on, late_days, late_within
from mlife_assets.core.monitoring.open_drift import days_of_normality, drift_start, first_normal_outcome
from mlife_assets.core.monitoring.retrain_decisions import (
    DecisionFacts,
    RetrainDecision,
    RunFacts,
    next_attempt,
    outstanding_retrainings,
)
from mlife_assets.core.policies import RetrainPolicy
from mlife_assets.core.windows import add_days, last_mature_exposure_day

FIRST = date(2026, 6, 2)
NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
WAITS = (10, 60)
ATTEMPTS = len(WAITS) + 1
LONG_AGO = NOW - timedelta(days=2)
ACTIVE, SUCCEEDED, FAILED = RunFacts("active"), RunFacts("succeeded"), RunFacts("failed", LONG_AGO)
RUNS = st.lists(st.sampled_from([ACTIVE, SUCCEEDED, FAILED]), max_size=5)
DAY = date(2026, 6, 15)
CONCEPT, DATA = "concept_drift_confirmed", "data_drift_confirmed"
TODAY = date(2026, 6, 20)
POLICY = RetrainPolicy(alarm_days_needed=2, alarm_days_window=3, drift_open_days=20)
SAID = {
    ".": ("wait", ("quiet",)),
    "a": ("wait", ("concept_alarm",)),
    "c": ("retrain", ("concept_alarm", "concept_drift_confirmed")),
}
START = date(2026, 5, 4)


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


def test_the_latest_failure_counts_and_without_waits_there_is_one_attempt() -> None:
    runs = [RunFacts("failed", NOW), RunFacts("failed", LONG_AGO)]
    assert next_attempt(runs, now=NOW, retry_wait_minutes=WAITS).due_at == NOW + timedelta(hours=1)
    assert next_attempt([], now=NOW, retry_wait_minutes=()).number == 1
    assert next_attempt([FAILED], now=NOW, retry_wait_minutes=()).is_exhausted


def test_a_request_names_its_day_and_is_not_held_up_by_another_that_waits() -> None:
    outlook = outlook_of(decisions("retrain", "retrain"), {FIRST: [RunFacts("failed", NOW)]})
    assert keys(outlook) == ["retrain-2026-06-03-attempt-1"]
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


def test_inputs_that_moved_alone_make_no_row_weigh_more() -> None:
    moved = [RetrainDecision(TODAY, "retrain", ("data_alarm", "data_drift_confirmed"), ("Said.",), "mdl_x")]
    assert drift_start(moved, TODAY, POLICY) == TODAY
    assert drift_start(moved, TODAY, POLICY, ["concept"]) is None


def history(days: str) -> list[RetrainDecision]:
    """Return one decision per letter, the last of them of DAY: quiet, an alarm, or a confirmed drift."""
    first = TODAY - timedelta(days=len(days) - 1)
    return [
        RetrainDecision(first + timedelta(days=place), *SAID[letter], ("Said.",), "mdl_x")
        for place, letter in enumerate(days)
    ]


@pytest.mark.parametrize(
    ("days", "back"),
    [
        ("", None), ("....", None), ("..a.", None), ("..ac", 1), (".a.c", 2), ("a..c", 3), ("a...c", 0),
        ("a.a.c...", 7), ("ac......a", 8), ("ac.......................", None), ("ac..................", 19),
        ("ac...................", 20), ("ac....................", None),
    ],
)  # fmt: skip
def test_the_run_that_was_confirmed_begins_with_its_first_alarm(days: str, back: int | None) -> None:
    expected = None if back is None else TODAY - timedelta(days=back)
    assert drift_start(history(days), TODAY, POLICY) == expected
    assert drift_start(history(days)[::-1], TODAY, POLICY) == expected


def test_later_days_do_not_count() -> None:
    assert drift_start(history("..ac"), TODAY - timedelta(days=1), POLICY) is None


@pytest.mark.parametrize(("back", "days"), [(None, 14), (30, 14), (13, 14), (9, 10), (2, 8)])
def test_normality_is_as_old_as_the_drift_but_no_younger_than_a_reference(back: int | None, days: int) -> None:
    began = None if back is None else TODAY - timedelta(days=back)
    assert days_of_normality(began, TODAY, 14) == days
    assert days_of_normality(began, TODAY, 8) == 8


@pytest.mark.parametrize(("back", "first"), [(None, 27), (30, 27), (27, 27), (12, 12), (6, 6), (1, 6), (-3, 6)])
def test_normal_outcomes_are_those_of_the_drift_and_of_a_week_at_least(back: int | None, first: int) -> None:
    began = None if back is None else TODAY - timedelta(days=back)
    found = first_normal_outcome(began, TODAY - timedelta(days=27), TODAY)
    assert found == TODAY - timedelta(days=first)


def days(count: int) -> list[date]:
    return [START + timedelta(days=place) for place in range(count)]


def arrivals(*counts: tuple[int, int]) -> dict[date, Arrivals]:
    return {day: Arrivals(*count) for day, count in zip(days(len(counts)), counts, strict=True)}


USUAL = (100, 97)


def test_a_day_without_clicks_and_a_day_of_old_clicks_are_late_and_do_not_become_usual() -> None:
    counts = arrivals(*[USUAL] * 10, *[(0, 0)] * 3, *[(100, 0)] * 20, (300, 95), USUAL)
    assert late_days(counts, days(35)) == frozenset(days(35)[10:34])


@pytest.mark.parametrize(("count", "is_late"), [((100, 49), True), ((100, 50), False), ((29, 0), False)])
def test_late_is_when_most_of_many_clicks_are_old(count: tuple[int, int], is_late: bool) -> None:
    assert (days(15)[14] in late_days(arrivals(*[USUAL] * 14, count), days(15))) is is_late


def test_silence_is_late_only_where_many_clicks_were_usual_for_a_week() -> None:
    assert late_days(arrivals(*[(1_000, 990)] * 20, *[(40, 39)] * 30), days(50)) == frozenset()
    assert late_days(arrivals(*[USUAL] * 10), days(11)) == {days(11)[10]}
    assert late_days(arrivals(*[(29, 29)] * 14), days(15)) == frozenset()
    assert late_days(arrivals(*[USUAL] * 6), days(7)) == frozenset()
    assert late_days(arrivals(*[USUAL] * 7), days(8)) == {days(8)[7]}


@pytest.mark.parametrize(("offset", "is_kept"), [(-2, True), (-1, False), (0, False), (2, False), (3, True)])
def test_an_example_is_left_out_when_a_day_from_its_eve_to_its_maturity_was_late(offset: int, is_kept: bool) -> None:
    exposure = date(2026, 6, 10)
    examples = pa.table(
        {"exposure_date": [exposure], "label_mature_date": [exposure + timedelta(days=3)]},
        schema=pa.schema([("exposure_date", pa.date32()), ("label_mature_date", pa.date32())]),
    )
    kept = lateness.without_late_feedback(examples, {exposure + timedelta(days=offset)})
    assert bool(kept.num_rows) is is_kept
    assert lateness.without_late_feedback(examples, ()).num_rows == 1


@pytest.mark.parametrize(("offset", "is_within"), [(-2, False), (-1, True), (0, True), (9, True), (10, False)])
def test_a_week_is_touched_from_the_eve_of_its_first_exposures_to_the_eve_of_its_judgement(
    offset: int, is_within: bool
) -> None:
    first = date(2026, 6, 10)
    late = {first + timedelta(days=offset)}
    assert late_within(late, first, first + timedelta(days=10)) == (late if is_within else set())


def is_judged(late: set[date], morning: date, maturity_days: int, window_days: int = 7) -> bool:
    """Return whether the window of whole weeks that is mature on a morning is free of late days."""
    last = last_mature_exposure_day(morning, maturity_days)
    return not late_within(late, add_days(last, 1 - window_days), morning)


@pytest.mark.parametrize(("maturity_days", "mornings"), [(2, 10), (7, 15), (0, 8)])
def test_the_price_of_one_late_day_and_when_it_is_paid(maturity_days: int, mornings: int) -> None:
    """Clicks mature in 2 days, applies in 7."""
    late = {START}
    after = [add_days(START, number) for number in range(1, 40)]
    blind = [morning for morning in after if not is_judged(late, morning, maturity_days)]
    assert blind == after[:mornings]
    assert judged_again_on(late, maturity_days=maturity_days, window_days=7) == after[mornings]


def test_of_several_late_days_the_last_decides() -> None:
    late = {START, add_days(START, 4), add_days(START, 3)}
    again = judged_again_on(late, maturity_days=2, window_days=7)
    assert again == add_days(START, 15)
    assert is_judged(late, again, 2)
    assert not is_judged(late, add_days(again, -1), 2)


@pytest.mark.parametrize(("every", "is_ever_judged"), [(10, False), (11, True)])
def test_feedback_that_is_late_one_day_in_ten_is_never_judged(every: int, is_ever_judged: bool) -> None:
    late = {add_days(START, every * number) for number in range(30)}
    mornings = [add_days(START, number) for number in range(20, 200)]
    assert any(is_judged(late, morning, 2) for morning in mornings) is is_ever_judged
    assert not any(is_judged(late, morning, 7) for morning in mornings)
