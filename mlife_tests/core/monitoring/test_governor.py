from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError, UpstreamMismatchError
from mlife_assets.core.monitoring import retrain_decisions as codes
from mlife_assets.core.monitoring.governor import ChampionFacts, decide, dismissed_alarms, importance_of
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport
from mlife_assets.core.monitoring.retrain_decisions import KINDS, RetrainDecision
from mlife_assets.core.policies import RetrainPolicy

DAY = date(2026, 6, 15)
CHAMPION = ChampionFacts("mdl_a", DAY - timedelta(days=20), 1_000, fit_dates=(DAY - timedelta(days=5),))
"""Fitted five days ago, so that new labels alone are no reason."""
STATUSES = st.sampled_from(["ok", "alarm", "not_enough_evidence"])


def report(name: str, status: str = "ok", day: date = DAY, model: str | None = "mdl_a") -> MonitoringReport:
    findings = (Finding(name, "pay", "ks", 0.5, 0.1, True, "pay moved."),) if status == "alarm" else ()
    return MonitoringReport(name, day, model, 2_000, status, findings, f"{name} says {status}.")


def weighed(
    kind: str, *shares: float | None, moved: tuple[str, ...] = (), column: str | None = None
) -> MonitoringReport:
    findings = tuple(
        Finding(
            kind, column or f"column_{k}", "ks", 0.5, 0.1, True, "it moved.", importance_share=share,
            moved_columns=moved,
        )
        for k, share in enumerate(shares)
    )  # fmt: skip
    return MonitoringReport(kind, DAY, "mdl_a", 2_000, "alarm" if shares else "ok", findings, f"{kind} moved.")


def weighed_decision(history=(), champion=CHAMPION, quality: str = "ok", policy=None, **reports) -> RetrainDecision:
    return decide(
        as_of=DAY, quality=report("quality", quality), **{kind: reports.get(kind, report(kind)) for kind in KINDS},
        history=history, champion=champion, policy=policy or RetrainPolicy(),
    )  # fmt: skip


def past(days_ago: int, *alarms: str, verdict: str = "wait", model: str = "mdl_a") -> RetrainDecision:
    said = tuple(kind + codes.ALARM_SUFFIX for kind in alarms)
    return RetrainDecision(DAY - timedelta(days=days_ago), verdict, said, (), model)


def decided(*alarms: str, quality: str | None = "ok", history=(), champion=CHAMPION, **policy) -> RetrainDecision:
    return decide(
        as_of=DAY, quality=None if quality is None else report("quality", quality),
        **{kind: report(kind, "alarm" if kind in alarms else "ok") for kind in KINDS}, history=history,
        champion=champion, policy=RetrainPolicy(**policy),
    )  # fmt: skip


def test_nothing_moved_waits_and_says_so() -> None:
    decision = decided()
    assert (decision.verdict, decision.codes) == ("wait", (codes.NO_DRIFT,))
    assert decision.sentences[0].startswith("Nothing moved")


def test_the_second_alarm_of_one_kind_within_three_days_retrains() -> None:
    once = decided("data")
    assert (once.verdict, once.codes) == ("retrain", (codes.DRIFT_BREACHED, "data_alarm")), "a breach asks for a refit"
    assert once.sentences[1] == "Data drift alarmed and is not confirmed yet."
    decision = decided("data", history=[past(2, "data"), past(1)])
    assert decision.verdict == "retrain"
    assert decision.codes == ("data_drift_confirmed", "data_alarm")
    assert decision.sentences[:2] == (
        "Retraining is due.",
        "Data drift alarmed in 2 of the last 3 looks (2 needed to confirm it).",
    )
    assert decision.alarms == ("data",)


@pytest.mark.parametrize(
    "history",
    [
        [past(3, "data"), past(2), past(1)],
        [past(1, "latent")],
        [past(1, "data", verdict="block")],
        [past(1, "data", model="mdl_before")],
    ],
    ids=["too long ago", "another kind", "a blocked day", "another champion"],
)
def test_what_does_not_confirm_an_alarm(history: list[RetrainDecision]) -> None:
    assert decided("data", history=history).codes[0] == codes.DRIFT_BREACHED


@pytest.mark.parametrize(
    ("change", "code"),
    [({"is_retraining_in_flight": True}, codes.IN_FLIGHT), ({"new_mature_positives": 0}, codes.LABELS_IMMATURE)],
)
def test_what_makes_a_due_retraining_wait(change: dict, code: str) -> None:
    history = [past(1, "data")]
    decision = decided("data", history=history, champion=replace(CHAMPION, **change))
    assert decision.verdict == "wait"
    assert decision.codes[0] == code
    assert "data_drift_confirmed" in decision.codes
    assert decision.sentences[0] == "Retraining would be due, but has to wait."


def test_a_refit_is_due_every_week() -> None:
    fitted: list[date] = []
    for offset in range(365):
        day = DAY + timedelta(days=offset)
        champion = ChampionFacts("mdl_a", day - timedelta(days=20), 1, fit_dates=tuple(fitted))
        reports = {kind: report(kind, day=day) for kind in ("quality", *KINDS)}
        decision = decide(as_of=day, **reports, history=(), champion=champion, policy=RetrainPolicy())
        if decision.verdict == "retrain":
            fitted.append(day)
    assert {(later - earlier).days for earlier, later in pairwise(fitted)} == {7}


def test_a_refit_for_new_labels_says_so() -> None:
    due = replace(CHAMPION, fit_dates=(DAY - timedelta(days=7),))
    decision = decided(champion=due)
    assert (decision.verdict, decision.codes) == ("retrain", (codes.NEW_LABELS,))
    assert decision.sentences == ("Retraining is due.", "1,000 positives have matured since the last fit.")
    assert decided(champion=due, quality="alarm").verdict == "block"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"new_mature_positives": 0}, "Only 0 new mature positives, 1 needed to learn anything new."),
        ({"fit_dates": (DAY - timedelta(days=6),)}, "The last fit is 6 days old (7 needed)."),
        ({"is_retraining_in_flight": True}, "A retraining is already running."),
    ],
)
def test_a_refit_that_is_not_due_is_quiet_and_says_why(change: dict, why: str) -> None:
    due = replace(CHAMPION, fit_dates=(DAY - timedelta(days=7),))
    decision = decided(champion=replace(due, **change))
    assert (decision.verdict, decision.codes) == ("wait", (codes.NO_DRIFT,))
    assert decision.sentences[-1] == f"No refit is due either: {why}"


@pytest.mark.parametrize(
    ("alarms", "is_confirmed"),
    [((1, 2), False), ((6,), False), ((7,), True), ((14,), True), ((13,), False), ((21,), False), ((8, 13), False)],
)
def test_outcomes_confirm_a_drift_in_weeks_that_share_none(alarms: tuple[int, ...], is_confirmed: bool) -> None:
    """Looks are those of today, of seven and of fourteen days ago, whichever champion served then."""
    history = [past(ago, *(["concept"] if ago in alarms else []), model=f"mdl_{ago}") for ago in range(1, 30)]
    decision = decided("concept", history=history)
    assert ("concept_drift_confirmed" in decision.codes) == is_confirmed
    if is_confirmed:
        assert (
            "Concept drift alarmed in 2 of the last 3 looks, 7 days apart (2 needed to confirm it)."
            in decision.sentences
        )


def test_looks_may_lie_further_apart_than_a_day() -> None:
    rare = replace(CHAMPION, days_between_looks=5)
    assert "data_drift_confirmed" in decided("data", history=[past(10, "data"), past(5)], champion=rare).codes
    assert codes.DRIFT_BREACHED in decided("data", history=[past(10, "data"), past(5)]).codes
    close = decided("data", history=[past(9, "data"), past(6), past(3)], champion=rare)
    assert codes.DRIFT_BREACHED in close.codes, "three looks count, however close they are"


def confirmed(days_ago: int, kind: str = "data", verdict: str = "wait") -> RetrainDecision:
    said = (kind + codes.CONFIRMED_SUFFIX, kind + codes.ALARM_SUFFIX)
    return RetrainDecision(DAY - timedelta(days=days_ago), verdict, said, (), "mdl_a")


@pytest.mark.parametrize(
    ("last_fit", "history", "verdict"),
    [
        (3, [], "retrain"), (2, [], "wait"), (3, [past(2, "data"), past(1, "data")], "retrain"),
        (3, [past(3, "data")], "wait"), (6, [past(12, "data")], "wait"), (6, [past(13, "data")], "retrain"),
        (7, [past(7, "data")], "retrain"), (3, [past(3, "latent")], "retrain"),
    ],
    ids=[
        "alarms today", "too soon after a fit", "since the fit", "on the day of the fit", "in the week of the fit",
        "a week before the fit", "known, and a week has passed", "another kind was known",
    ],
)  # fmt: skip
def test_a_breach_that_the_last_fit_did_not_know_asks_for_one_sooner(
    last_fit: int, history: list[RetrainDecision], verdict: str
) -> None:
    champion = replace(CHAMPION, fit_dates=(DAY - timedelta(days=last_fit),))
    decision = decided("data", history=history, champion=champion)
    assert decision.verdict == verdict
    assert (codes.FIT_TOO_SOON in decision.codes) == (verdict == "wait")


def test_a_quality_fault_blocks_and_unknown_quality_too() -> None:
    history = [past(1, "data")]
    fault = decided("data", quality="alarm", history=history)
    assert (fault.verdict, fault.codes) == ("block", (codes.QUALITY_FAULT, "data_alarm"))
    assert fault.sentences[0] == "Blocked: quality says alarm."
    assert decided("data", quality=None, history=history).codes[0] == codes.QUALITY_UNKNOWN
    assert decided("data", quality="not_enough_evidence", history=history).verdict == "block"


@pytest.mark.parametrize(
    ("champion", "objections"),
    [
        (ChampionFacts(None, None, 0), ()),
        (ChampionFacts(None, None, 0, lacking="40 mature examples, 2,000 needed"), (codes.LABELS_IMMATURE,)),
        (ChampionFacts(None, None, 0, fit_dates=(DAY - timedelta(days=1),)), (codes.FIT_TOO_SOON,)),
        (ChampionFacts(None, None, 0, is_retraining_in_flight=True), (codes.IN_FLIGHT,)),
    ],
)
def test_a_first_champion_is_asked_for_and_waits_as_any_other_and_for_enough_to_learn_from(
    champion: ChampionFacts, objections: tuple[str, ...]
) -> None:
    decision = decide(
        as_of=DAY, quality=report("quality", model=None), data=None, latent=None, concept=None,
        history=(), champion=champion, policy=RetrainPolicy(),
    )  # fmt: skip
    assert decision.verdict == ("wait" if objections else "retrain")
    assert decision.codes == (*objections, codes.NO_CHAMPION)


def test_undecided_reports_are_reported() -> None:
    decision = decide(
        as_of=DAY, quality=report("quality"), data=report("data"), latent=None,
        concept=report("concept", "not_enough_evidence"), history=(), champion=CHAMPION, policy=RetrainPolicy(),
    )  # fmt: skip
    assert "concept says not_enough_evidence." in decision.sentences


def test_inputs_of_another_day_or_model_are_refused() -> None:
    arguments = {"as_of": DAY, "data": None, "latent": None, "concept": None, "policy": RetrainPolicy()}
    with pytest.raises(InvalidInputError, match="quality is of 2026-06-14, not 2026-06-15"):
        decide(quality=report("quality", day=DAY - timedelta(days=1)), history=(), champion=CHAMPION, **arguments)
    with pytest.raises(UpstreamMismatchError, match="made against model mdl_b, the champion is mdl_a"):
        decide(quality=report("quality", model="mdl_b"), history=(), champion=CHAMPION, **arguments)
    for history in ([past(0)], [past(1), past(1)]):
        with pytest.raises(InvalidInputError, match="history"):
            decide(quality=report("quality"), history=history, champion=CHAMPION, **arguments)
    with pytest.raises(InvalidInputError, match="trained_as_of"):
        ChampionFacts("m", None, 1)
    with pytest.raises(InvalidInputError, match="count from zero"):
        ChampionFacts(None, None, -1)
    with pytest.raises(InvalidInputError, match="verdict"):
        RetrainDecision(DAY, "maybe", (), (), None)


@given(
    statuses=st.tuples(STATUSES, STATUSES, STATUSES, STATUSES),
    alarms=st.lists(st.sets(st.sampled_from(KINDS)), min_size=6, max_size=6),
    verdicts=st.lists(st.sampled_from(codes.VERDICTS), min_size=6, max_size=6), positives=st.integers(0, 1_000),
    age=st.integers(0, 100), fitted=st.lists(st.integers(0, 400), max_size=4), in_flight=st.booleans(),
    order=st.permutations(range(6)),
)  # fmt: skip
def test_invariants(statuses, alarms, verdicts, positives, age, fitted, in_flight, order) -> None:
    policy = RetrainPolicy()
    history = [past(k + 1, *sorted(a), verdict=v) for k, (a, v) in enumerate(zip(alarms, verdicts, strict=True))]
    champion = ChampionFacts(
        "mdl_a", DAY - timedelta(days=age), positives, tuple(DAY - timedelta(days=d) for d in fitted), in_flight,
    )  # fmt: skip
    quality, *others = statuses
    arguments = {
        "as_of": DAY,
        "quality": report("quality", quality),
        **{kind: report(kind, status) for kind, status in zip(KINDS, others, strict=True)},
        "champion": champion,
        "policy": policy,
    }
    decision = decide(history=history, **arguments)
    assert decide(history=[history[place] for place in order], **arguments) == decision
    assert decision.codes
    assert decision.sentences
    assert all(s.strip() and s[-1] in ".!" for s in decision.sentences)
    assert decision.alarms == tuple(kind for kind, status in zip(KINDS, others, strict=True) if status == "alarm")
    assert (decision.verdict == "block") == (quality != "ok")
    if decision.verdict == "retrain":
        assert not in_flight
        assert positives >= policy.minimum_new_mature_positives
        is_drift = any(code.endswith(codes.CONFIRMED_SUFFIX) for code in decision.codes)
        is_drift |= codes.DRIFT_BREACHED in decision.codes
        needed = policy.days_between_fits_in_drift if is_drift else policy.days_between_fits
        assert all(days >= needed for days in fitted)
        assert (decision.codes[0] == codes.NEW_LABELS) == (not is_drift)


CONFIRMED_BEFORE = [past(1, *KINDS), past(2, *KINDS)]


def test_drift_of_columns_that_the_model_hardly_uses_does_not_count() -> None:
    decision = weighed_decision(CONFIRMED_BEFORE, data=weighed("data", 0.02, 0.029))
    assert (decision.verdict, decision.codes) == ("wait", (codes.DRIFT_UNIMPORTANT, "data_alarm_unimportant"))
    assert decision.sentences == (
        "Something moved, but nothing that the model looks at; the model stays.",
        "Data drift of column_0, column_1 does not count: what moved carries 4.9% of the model's importance "
        "(5.0% needed).",
        "data moved.",
        "No refit is due either: The last fit is 5 days old (7 needed).",
    )
    assert (decision.alarms, decision.unimportant_alarms) == ((), ("data",))


def test_an_unimportant_day_does_not_confirm_a_later_one() -> None:
    dismissed = RetrainDecision(DAY - timedelta(days=1), "wait", ("data_alarm_unimportant",), (), "mdl_a")
    assert decided("data", history=[dismissed]).codes[0] == codes.DRIFT_BREACHED
    unconfirmed = weighed_decision([dismissed], data=weighed("data", 0.01), latent=weighed("latent", 0.5))
    assert unconfirmed.codes == (codes.DRIFT_BREACHED, "data_alarm_unimportant", "latent_alarm")
    assert unconfirmed.sentences[1].startswith("Latent drift alarmed and is not confirmed")
    assert "Data drift of column_0 does not count" in unconfirmed.sentences[2]


def test_a_long_list_of_what_moved_is_cut() -> None:
    decision = weighed_decision(data=weighed("data", *[0.001] * 7))
    assert "column_0, column_1, column_2, column_3 and 3 more does not count" in decision.sentences[1]


SHARES = st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=4)


@given(
    data=SHARES, latent=SHARES, minimum=st.floats(0, 1), quality=STATUSES, is_counted_before=st.booleans()
)  # fmt: skip
def test_unimportant_drift_is_never_the_reason_and_the_calendar_still_is(
    data, latent, minimum, quality, is_counted_before
) -> None:
    policy = RetrainPolicy(minimum_importance_share=minimum)
    champion = replace(CHAMPION, fit_dates=(DAY - timedelta(days=7),))
    decision = weighed_decision(
        CONFIRMED_BEFORE if is_counted_before else (), champion=champion, quality=quality, policy=policy,
        data=weighed("data", *data), latent=weighed("latent", *latent, moved=("distance_km",)),
    )  # fmt: skip
    counts = {
        "data": bool(data) and (None in data or min(1.0, sum(data)) >= minimum),
        "latent": bool(latent) and (None in latent or max(latent) >= minimum),
    }
    assert decision.alarms == tuple(kind for kind in ("data", "latent") if counts[kind])
    alarmed = [kind for kind, shares in (("data", data), ("latent", latent)) if shares]
    assert set(decision.alarms) | set(decision.unimportant_alarms) == set(alarmed)
    expected = any(counts.values())
    assert decision.verdict == ("block" if quality != "ok" else "retrain")
    assert (codes.NEW_LABELS in decision.codes) == (quality == "ok" and not expected)
    assert all(sentence.strip() and sentence[-1] in ".!" for sentence in decision.sentences)


@pytest.mark.parametrize(
    ("found", "share"),
    [
        (weighed("data", 0.02, 0.03), 0.05), (weighed("data", 0.7, 0.7), 1.0),
        (weighed("data", 0.2, 0.2, column="pay"), 0.2), (weighed("data", 0.02, None), None),
        (weighed("data"), None), (weighed("latent", 0.03, 0.05, moved=("distance_km",)), 0.05),
    ],
    ids=["columns add up", "to all at most", "each column once", "not known", "nothing moved", "blocks overlap"],
)  # fmt: skip
def test_what_moved_carries_a_share_of_the_importance(found: MonitoringReport, share: float | None) -> None:
    assert importance_of(found) == (None if share is None else pytest.approx(share))


def test_only_what_is_known_to_be_unimportant_is_dismissed_and_outcomes_never_are() -> None:
    small, unknown = weighed("data", 0.01), weighed("latent", None)
    alarming = {"data": small, "latent": unknown, "concept": weighed("concept", 0.0)}
    assert dict(dismissed_alarms(alarming, 0.05)) == {
        "data": "Data drift of column_0 does not count: what moved carries 1.0% of the model's importance "
        "(5.0% needed)."
    }
    assert dict(dismissed_alarms(alarming, 0.01)) == {}
