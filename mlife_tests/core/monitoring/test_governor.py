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
    assert decided("data").codes == (codes.ALARM_NOT_CONFIRMED, "data_alarm")
    decision = decided("data", history=[past(2, "data"), past(1)])
    assert decision.verdict == "retrain"
    assert decision.codes == ("data_drift_confirmed", "data_alarm")
    assert decision.sentences[:2] == ("Retraining is due.", "Data drift alarmed on 2 of the last 3 days (2 needed).")
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
    assert decided("data", history=history).codes[0] == codes.ALARM_NOT_CONFIRMED


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"is_retraining_in_flight": True}, codes.IN_FLIGHT),
        ({"promotion_dates": (DAY - timedelta(days=6),)}, codes.COOLDOWN),
        ({"promotion_dates": tuple(DAY - timedelta(days=d) for d in (8, 12, 15, 18, 22, 29))}, codes.BUDGET_SPENT),
        ({"fit_dates": tuple(DAY - timedelta(days=6 * k) for k in range(1, 59))}, codes.FITS_SPENT),
        ({"new_mature_positives": 299}, codes.LABELS_IMMATURE),
    ],
)
def test_what_makes_a_due_retraining_wait(change: dict, code: str) -> None:
    history = [past(1, "data")]
    decision = decided("data", history=history, champion=replace(CHAMPION, **change))
    assert decision.verdict == "wait"
    assert decision.codes[0] == code
    assert "data_drift_confirmed" in decision.codes
    assert decision.sentences[0] == "Retraining would be due, but has to wait."


def test_the_edges_of_cooldown_budget_and_age() -> None:
    history = [past(1, "data")]
    cooled = replace(CHAMPION, promotion_dates=(DAY - timedelta(days=7),))
    assert decided("data", history=history, champion=cooled).verdict == "retrain"
    spent = replace(CHAMPION, promotion_dates=tuple(DAY - timedelta(days=d) for d in (8, 12, 15, 18, 22, 30)))
    assert decided("data", history=history, champion=spent).verdict == "retrain"
    assert decided(champion=replace(CHAMPION, trained_as_of=DAY - timedelta(days=60))).verdict == "wait"
    old = replace(CHAMPION, trained_as_of=DAY - timedelta(days=61), fit_dates=(DAY - timedelta(days=7),))
    assert (decided(champion=old).verdict, decided(champion=old).codes) == ("retrain", (codes.MODEL_TOO_OLD,))
    tried = decided(champion=replace(old, fit_dates=(DAY - timedelta(days=6),)))
    assert (tried.verdict, tried.codes) == ("wait", (codes.FIT_TOO_SOON, codes.MODEL_TOO_OLD))
    most = tuple(DAY - timedelta(days=6 * k) for k in range(1, 58))
    assert decided("data", history=history, champion=replace(CHAMPION, fit_dates=most)).verdict == "retrain"


@pytest.mark.parametrize(("in_a_year", "verdict"), [(52, "retrain"), (57, "retrain"), (58, "wait")])
def test_weekly_fits_leave_some_for_a_confirmed_drift(in_a_year: int, verdict: str) -> None:
    """A house that fits every week has 52 behind it on any day of its second year, and a drift found none left."""
    weekly = {DAY - timedelta(days=3 + 7 * k) for k in range(52)}
    fitted = tuple(weekly | {DAY - timedelta(days=4 + 7 * k) for k in range(in_a_year - 52)})
    champion = replace(CHAMPION, fit_dates=fitted)
    drifted = decided("concept", history=[past(1, "concept")], champion=champion)
    assert drifted.verdict == verdict
    assert (codes.FITS_SPENT in drifted.codes) == (verdict == "wait")
    if verdict == "wait":
        assert drifted.sentences[1] == "58 fits in 365 days spend the budget of 58."


@pytest.mark.parametrize("age", [20, 61])
def test_nothing_but_drift_spends_what_is_kept_for_it(age: int) -> None:
    fitted = tuple(DAY - timedelta(days=7 * k) for k in range(1, 53))
    champion = replace(CHAMPION, trained_as_of=DAY - timedelta(days=age), fit_dates=fitted)
    decision = decided(champion=champion)
    assert decision.verdict == "wait"
    assert any(
        "52 fits in 365 days spend the budget of 52 (6 more are kept for confirmed drift)." in one
        for one in decision.sentences
    )


def test_weekly_fits_for_new_labels_go_on_all_year() -> None:
    """What is kept for drift is kept beside the weekly fits: they have no weeks off at the end of a year."""
    fitted: list[date] = []
    for offset in range(3 * 365):
        day = DAY + timedelta(days=offset)
        champion = ChampionFacts("mdl_a", day - timedelta(days=20), 1_000, fit_dates=tuple(fitted))
        reports = {kind: report(kind, day=day) for kind in ("quality", *KINDS)}
        decision = decide(as_of=day, **reports, history=(), champion=champion, policy=RetrainPolicy())
        if decision.verdict == "retrain":
            fitted.append(day)
    gaps = {(later - earlier).days for earlier, later in pairwise(fitted)}
    assert gaps == {7, 8}
    assert len(fitted) == 3 * 52


def test_enough_new_labels_ask_for_a_fit_of_their_own() -> None:
    due = replace(CHAMPION, fit_dates=(DAY - timedelta(days=7),))
    decision = decided(champion=due)
    assert (decision.verdict, decision.codes) == ("retrain", (codes.NEW_LABELS,))
    assert decision.sentences == (
        "Retraining is due.",
        "1,000 positives have matured since the last fit, enough to matter.",
    )
    assert decided("data", champion=due).codes == (codes.NEW_LABELS, "data_alarm"), "the alarm counts tomorrow"
    assert decided(champion=due, quality="alarm").verdict == "block"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"new_mature_positives": 299}, "Only 299 new mature positives, 300 needed to learn anything new."),
        ({"fit_dates": (DAY - timedelta(days=6),)}, "The last fit is 6 days old (7 needed)."),
        ({"promotion_dates": (DAY - timedelta(days=6),)}, "The last promotion is 6 days old (7 needed)."),
        (
            {"promotion_dates": tuple(DAY - timedelta(days=d) for d in (8, 12, 15, 18, 22, 29))},
            "6 promotions in 30 days spend the budget of 6.",
        ),
        (
            {"fit_dates": tuple(DAY - timedelta(days=7 * k) for k in range(1, 53))},
            "52 fits in 365 days spend the budget of 52 (6 more are kept for confirmed drift).",
        ),
        ({"is_retraining_in_flight": True}, "A retraining is already running."),
    ],
)
def test_a_fit_that_is_not_due_is_quiet_and_says_why(change: dict, why: str) -> None:
    due = replace(CHAMPION, fit_dates=(DAY - timedelta(days=7),))
    decision = decided(champion=replace(due, **change))
    assert (decision.verdict, decision.codes) == ("wait", (codes.NO_DRIFT,))
    assert decision.sentences[-1] == f"No fit is due for new labels either: {why}"


def confirmed(days_ago: int, kind: str = "data", verdict: str = "wait") -> RetrainDecision:
    said = (kind + codes.CONFIRMED_SUFFIX, kind + codes.ALARM_SUFFIX)
    return RetrainDecision(DAY - timedelta(days=days_ago), verdict, said, (), "mdl_a")


@pytest.mark.parametrize(
    ("history", "verdict"),
    [
        ([past(1, "data")], "retrain"), ([confirmed(2), confirmed(1)], "retrain"),
        ([confirmed(5, verdict="retrain"), past(2, "data"), past(1, "data")], "wait"),
        ([confirmed(6), past(5, verdict="retrain"), past(1, "data")], "wait"),
        ([confirmed(47), past(1, "data")], "retrain"), ([confirmed(46), past(1, "data")], "wait"),
        ([confirmed(5, "latent", verdict="retrain"), past(1, "data")], "retrain"),
        ([past(5, "data", verdict="retrain"), past(1, "data")], "retrain"),
    ],
    ids=[
        "confirmed today", "confirmed since the fit, and had to wait", "the fit was asked for by it",
        "confirmed when labels asked for the fit", "another drift, long before the fit",
        "confirmed within the days that it is open", "another kind", "not confirmed when the fit was made",
    ],
)  # fmt: skip
def test_a_drift_that_no_fit_has_answered_need_not_wait_for_a_week(
    history: list[RetrainDecision], verdict: str
) -> None:
    """The last fit is five days old."""
    decision = decided("data", history=history)
    assert (decision.verdict, "data_drift_confirmed" in decision.codes) == (verdict, True)
    assert (codes.FIT_TOO_SOON in decision.codes) == (verdict == "wait")


def test_a_quality_fault_blocks_and_unknown_quality_too() -> None:
    history = [past(1, "data")]
    fault = decided("data", quality="alarm", history=history)
    assert (fault.verdict, fault.codes) == ("block", (codes.QUALITY_FAULT, "data_alarm"))
    assert fault.sentences[0] == "Blocked: quality says alarm."
    assert decided("data", quality=None, history=history).codes[0] == codes.QUALITY_UNKNOWN
    assert decided("data", quality="not_enough_evidence", history=history).verdict == "block"


def test_no_champion_asks_for_the_first() -> None:
    nobody = ChampionFacts(None, None, 0)
    decision = decide(
        as_of=DAY, quality=report("quality", model=None), data=None, latent=None, concept=None,
        history=(), champion=nobody, policy=RetrainPolicy(),
    )  # fmt: skip
    assert (decision.verdict, decision.codes) == ("retrain", (codes.NO_CHAMPION,))


@pytest.mark.parametrize(
    ("champion", "objection"),
    [
        (ChampionFacts(None, None, 0, lacking="40 mature examples, 2,000 needed"), codes.LABELS_IMMATURE),
        (ChampionFacts(None, None, 0, fit_dates=(DAY - timedelta(days=1),)), codes.FIT_TOO_SOON),
        (ChampionFacts(None, None, 0, is_retraining_in_flight=True), codes.IN_FLIGHT),
    ],
)
def test_a_first_champion_waits_as_any_other_and_for_enough_to_learn_from(
    champion: ChampionFacts, objection: str
) -> None:
    decision = decide(
        as_of=DAY, quality=report("quality", model=None), data=None, latent=None, concept=None,
        history=(), champion=champion, policy=RetrainPolicy(),
    )  # fmt: skip
    assert (decision.verdict, decision.codes) == ("wait", (objection, codes.NO_CHAMPION))


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
    age=st.integers(0, 100), promoted=st.lists(st.integers(0, 60), max_size=6),
    fitted=st.lists(st.integers(0, 400), max_size=60), in_flight=st.booleans(),
    shuffle=st.randoms(use_true_random=False),
)  # fmt: skip
def test_invariants(statuses, alarms, verdicts, positives, age, promoted, fitted, in_flight, shuffle) -> None:
    policy = RetrainPolicy()
    history = [past(k + 1, *sorted(a), verdict=v) for k, (a, v) in enumerate(zip(alarms, verdicts, strict=True))]
    champion = ChampionFacts(
        "mdl_a", DAY - timedelta(days=age), positives, tuple(DAY - timedelta(days=d) for d in promoted),
        tuple(DAY - timedelta(days=d) for d in fitted), in_flight,
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
    mixed = list(history)
    shuffle.shuffle(mixed)
    assert decide(history=mixed, **arguments) == decision
    assert decision.codes
    assert decision.sentences
    assert all(s.strip() and s[-1] in ".!" for s in decision.sentences)
    assert decision.alarms == tuple(kind for kind, status in zip(KINDS, others, strict=True) if status == "alarm")
    assert (decision.verdict == "block") == (quality != "ok")
    if decision.verdict == "retrain":
        assert not in_flight
        assert positives >= policy.minimum_new_mature_positives
        assert all(days >= policy.cooldown_days for days in promoted)
        assert sum(days < 30 for days in promoted) < policy.budget_per_30_days
        confirmed = [
            kind
            for kind in decision.alarms
            if 1 + sum(kind in h.alarms and h.verdict != "block" for h in history[:2]) >= policy.alarm_days_needed
        ]
        most = policy.fits_per_year + (policy.fits_for_drift if confirmed else 0)
        assert sum(days < 365 for days in fitted) < most
        is_spaced = all(days >= policy.days_between_fits for days in fitted)
        assert confirmed or is_spaced
        assert (decision.codes[0] == codes.NEW_LABELS) == (not confirmed and age <= policy.maximum_model_age_days)


@pytest.mark.parametrize(
    ("kind", "age", "needed"),
    [("concept", 1, 3), ("concept", 3, 3), ("concept", 4, 4), ("concept", 6, 6), ("concept", 30, 7), ("data", 1, 7)],
)
def test_in_an_open_drift_models_follow_each_other_as_fast_as_it_was_old(kind: str, age: int, needed: int) -> None:
    for ago in (needed - 1, needed):
        last = DAY - timedelta(days=ago)
        fitted = replace(CHAMPION, fit_dates=(last,), promotion_dates=(last,))
        promoted = replace(CHAMPION, fit_dates=(), promotion_dates=(last,))
        drift = [past(ago + days, kind) for days in range(1, age + 1)] + [confirmed(ago, kind)]
        for champion, last_one in ((fitted, "fit"), (promoted, "promotion")):
            free = {"cooldown_days": 0} if last_one == "fit" else {}
            decision = decided(history=drift, champion=champion, **free)
            assert decision.verdict == ("wait" if ago < needed else "retrain")
            why = f"The last {last_one} is {ago} days old ({needed} needed)."
            assert any(why in one for one in decision.sentences) == (ago < needed)


def test_what_was_refused_in_a_young_drift_is_tried_again_at_the_usual_pace() -> None:
    for ago in (3, 6, 7):
        drift = [past(ago + 1, "concept"), confirmed(ago, "concept")]
        decision = decided(history=drift, champion=replace(CHAMPION, fit_dates=(DAY - timedelta(days=ago),)))
        assert decision.verdict == ("retrain" if ago == 7 else "wait")


def test_a_model_that_is_too_old_makes_no_fit_follow_sooner() -> None:
    old = RetrainDecision(DAY - timedelta(days=3), "retrain", (codes.MODEL_TOO_OLD,), (), "mdl_a")
    last = (DAY - timedelta(days=3),)
    decision = decided(history=[old], champion=replace(CHAMPION, fit_dates=last, promotion_dates=last), cooldown_days=0)
    assert "No fit is due for new labels either: The last fit is 3 days old (7 needed)." in decision.sentences


CONFIRMED_BEFORE = [past(1, *KINDS), past(2, *KINDS)]


def test_drift_of_columns_that_the_model_hardly_uses_does_not_count() -> None:
    decision = weighed_decision(CONFIRMED_BEFORE, data=weighed("data", 0.02, 0.029))
    assert (decision.verdict, decision.codes) == ("wait", (codes.DRIFT_UNIMPORTANT, "data_alarm_unimportant"))
    assert decision.sentences == (
        "Something moved, but nothing that the model looks at; the model stays.",
        "Data drift of column_0, column_1 does not count: what moved carries 4.9% of the model's importance "
        "(5.0% needed).",
        "data moved.",
        "No fit is due for new labels either: The last fit is 5 days old (7 needed).",
    )
    assert (decision.alarms, decision.unimportant_alarms) == ((), ("data",))


def test_an_unimportant_day_does_not_confirm_a_later_one() -> None:
    dismissed = RetrainDecision(DAY - timedelta(days=1), "wait", ("data_alarm_unimportant",), (), "mdl_a")
    assert decided("data", history=[dismissed]).codes[0] == codes.ALARM_NOT_CONFIRMED
    unconfirmed = weighed_decision([dismissed], data=weighed("data", 0.01), latent=weighed("latent", 0.5))
    assert unconfirmed.codes == (codes.ALARM_NOT_CONFIRMED, "data_alarm_unimportant", "latent_alarm")
    assert unconfirmed.sentences[0].startswith("Latent drift alarmed today")
    assert "Data drift of column_0 does not count" in unconfirmed.sentences[1]


def test_a_long_list_of_what_moved_is_cut() -> None:
    decision = weighed_decision(data=weighed("data", *[0.001] * 7))
    assert "column_0, column_1, column_2, column_3 and 3 more does not count" in decision.sentences[1]


SHARES = st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=4)


@given(
    data=SHARES, latent=SHARES, minimum=st.floats(0, 1), quality=STATUSES, age=st.integers(0, 100),
    is_counted_before=st.booleans(),
)  # fmt: skip
def test_unimportant_drift_is_never_the_reason_and_age_still_is(
    data, latent, minimum, quality, age, is_counted_before
) -> None:
    policy = RetrainPolicy(minimum_importance_share=minimum)
    champion = replace(CHAMPION, trained_as_of=DAY - timedelta(days=age), fit_dates=(DAY - timedelta(days=7),))
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
    is_old = age > policy.maximum_model_age_days
    expected = is_old or (is_counted_before and any(counts.values()))
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
