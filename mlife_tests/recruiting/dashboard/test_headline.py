"""The first sentence says how things stand, whatever they are, and never calls a gain what is not shown to be one."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from mlife_assets.core.statistics import Interval
from mlife_assets.recruiting.dashboard.data import DashboardData, Decision, ModelVersion, Ranking, ReportDigest
from mlife_assets.recruiting.dashboard.headline import alarmed_since, headline

DAY = date(2026, 6, 10)


def decisions(*codes: tuple[str, ...]) -> tuple[Decision, ...]:
    """Decisions of consecutive days, the last on `DAY`; a code `fault` makes a block."""
    first = DAY - timedelta(days=len(codes) - 1)
    return tuple(
        Decision(
            first + timedelta(days=n), "block" if "fault" in names else "wait", ("Reason one.", "Reason two."), names
        )
        for n, names in enumerate(codes)
    )


def version(day: date, outcome: str) -> ModelVersion:
    return ModelVersion(f"mdl_{day}", day, DAY, DAY, 1, 1, outcome, sentences=("Refused: it is no better.",))  # type: ignore[arg-type]


def told(data: DashboardData) -> str:
    found = headline(data)
    return found.sentence + " " + " ".join(words for _, words in found.evidence)


def test_one_sentence_says_all_three_things(example_data: DashboardData) -> None:
    found = headline(example_data)
    assert found.sentence == (
        "The model ranks jobs 57 % better than the recruiters' rule; nothing that matters drifts; texting gets 3.1 "
        "points more people to apply than not texting (1.9 to 4.4), and its 33,912 texts earned $8,100 in bids "
        "($1,200 to $15,000)."
    )
    assert [title for title, _ in found.evidence] == ["Ranking", "Drift", "Texting"]
    assert "MAP@10 0.412 against 0.262" in told(example_data)
    assert "11.2 % of 9,120 people" in told(example_data)
    assert "207 opt-outs" in told(example_data)
    assert "It pays while a text costs less than $0.24 ($0.04 to $0.44)." in told(example_data)


@pytest.mark.parametrize(
    ("lower", "upper", "words"),
    [
        (-0.01, 0.04, "texting is not shown to get more people to apply than not texting (-1.0 to +4.0 points)"),
        (-0.04, -0.01, "texting gets 3.1 points fewer people to apply than not texting (1.0 to 4.0)"),
    ],
)
def test_a_difference_that_may_be_zero_or_less_is_no_gain(
    example_data: DashboardData, lower: float, upper: float, words: str
) -> None:
    estimate = 0.031 if upper > 0 else -0.031
    texting = replace(example_data.texting, lift=Interval(estimate, lower, upper, 0.95, 10))
    assert words in told(replace(example_data, texting=texting))


@pytest.mark.parametrize(
    ("earned", "words"),
    [
        ((8_100.0, -700.0, 15_000.0), "and is not shown to earn anything (-$700 to $15,000 in bids)."),
        ((0.0, 0.0, 10.0), "and is not shown to earn anything ($0 to $10 in bids)."),
        ((-900.0, -1_500.0, -300.0), "and cost $900 in bids ($300 to $1,500)."),
    ],
)
def test_money_that_is_not_shown_to_be_a_gain_is_not_earned(
    example_data: DashboardData, earned: tuple[float, float, float], words: str
) -> None:
    texting = replace(example_data.texting, earned_usd=Interval(*earned, 0.95, 10))
    data = replace(example_data, texting=texting)
    assert headline(data).sentence.endswith(words)
    assert "earned" not in told(data)
    assert "It pays" not in told(data)


def test_without_money_or_texts_nothing_is_said_about_what_they_earned(example_data: DashboardData) -> None:
    for changes in ({"earned_usd": None}, {"texts": 0}):
        texting = replace(example_data.texting, **changes)
        assert "$" not in told(replace(example_data, texting=texting))


@pytest.mark.parametrize(
    ("model", "human", "bounds", "words"),
    [
        (0.36, 0.3, (0.01, 0.11), "ranks jobs 20 % better than"),
        (0.36, 0.3, (-0.01, 0.13), "is not shown to rank jobs better than"),
        (0.36, 0.3, None, "is not shown to rank jobs better than"),
        (0.305, 0.3, (0.001, 0.009), "ranks jobs about as well as"),
        (0.295, 0.3, None, "ranks jobs about as well as"),
        (0.29, 0.3, None, "ranks jobs worse than"),
        (0.1, 0.0, (0.05, 0.15), "ranks jobs better than"),
        (0.0, 0.0, None, "ranks jobs about as well as"),
    ],
)
def test_a_model_is_better_only_where_that_is_shown(
    example_data: DashboardData, model: float, human: float, bounds: tuple[float, float] | None, words: str
) -> None:
    gain = None if bounds is None else Interval(model - human, *bounds, 0.95, 5)
    data = replace(example_data, ranking=Ranking(DAY, DAY, 5, model, human, gain))
    assert headline(data).sentence.startswith(f"The model {words} the recruiters' rule; ")
    assert ("The mean difference of a day is" in told(data)) == (gain is not None)


def test_drift_lasts_because_of_a_refusal_or_waits_or_outlasts_a_new_model() -> None:
    drifting = decisions((), ("data_alarm",), ("data_alarm",), ("fault",), ("concept_alarm",))
    since = DAY - timedelta(days=3)
    data = DashboardData(DAY, DAY - timedelta(days=9), decisions=drifting)
    assert alarmed_since(drifting) == since, "a blocked day does not end it"
    assert "drift since 7 Jun is not answered yet" in told(data)
    before = version(since - timedelta(days=1), "refused")
    assert "not answered yet" in told(replace(data, models=(before,)))
    refused = (version(since, "refused"), version(DAY, "refused"))
    words = told(replace(data, models=(before, *refused)))
    assert "drift since 7 Jun lasts because the gate refused the models trained on 7 Jun and 10 Jun" in words
    assert "The gate on 10 Jun: Refused: it is no better." in words
    thin = told(replace(data, models=(version(DAY, "not_enough_evidence"),)))
    assert "lasts because there was not enough evidence for the model trained on 10 Jun" in thin
    promoted = told(replace(data, models=(version(since, "refused"), version(DAY, "promoted"))))
    assert "drift since 7 Jun outlasts the new model of 10 Jun" in promoted


def test_drift_of_the_past_or_of_no_importance_does_not_last() -> None:
    over = decisions(("data_alarm",), ("data_alarm_unimportant",))
    assert alarmed_since(over) is None
    assert "nothing that matters drifts" in told(DashboardData(DAY, DAY, decisions=over))


@pytest.mark.parametrize(
    ("undecided", "code", "words"),
    [
        (("concept_drift_report",), "no_drift", "no drift is shown; concept drift could not be judged;"),
        (
            ("data_drift_report", "latent_drift_report", "concept_drift_report"),
            "no_drift",
            "no drift is shown; data drift, latent drift and concept drift could not be judged;",
        ),
        (
            ("latent_drift_report", "concept_drift_report"),
            "data_alarm_unimportant",
            "no drift that matters is shown; latent drift and concept drift could not be judged;",
        ),
    ],
)
def test_drift_that_could_not_be_judged_is_not_said_to_be_none(
    undecided: tuple[str, ...], code: str, words: str
) -> None:
    known = ReportDigest("data_quality_report", DAY, "ok", "All is well.", 10, 1, 0)
    reports = (known, *(replace(known, name=name, status="not_enough_evidence") for name in undecided))
    data = DashboardData(DAY, DAY, decisions=decisions((code,)), reports=reports)
    assert words in headline(data).sentence
    assert "nothing that matters drifts" not in told(data)
    assert "nothing that matters drifts" in told(replace(data, reports=(known,)))


def test_a_day_whose_data_could_not_be_judged_is_not_called_faulty() -> None:
    blocked = Decision(DAY, "block", ("Blocked: no report.",), ("quality_unknown",))
    words = told(DashboardData(DAY, DAY, decisions=(blocked,)))
    assert "the day is blocked because its data could not be judged" in words
    assert "faulty" not in words


def test_a_blocked_day_is_said_first() -> None:
    data = DashboardData(DAY, DAY, decisions=decisions(("data_alarm",), ("fault",)))
    assert "faulty data blocks the day" in told(data)
    assert "10 Jun: Reason one." in told(data)


def test_the_first_day_says_that_nothing_is_known() -> None:
    found = headline(DashboardData(DAY, DAY))
    assert found.sentence.startswith("No day is mature enough yet")
    assert "nothing was decided yet; it is not known yet what texting is worth" in found.sentence
    assert found.evidence == ()
