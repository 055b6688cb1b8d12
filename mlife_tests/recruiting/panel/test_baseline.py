"""Consensus, which rows of a gate a panel covers, and who stands for people."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.training.gate import GateExamples, decide_promotion, on_examples
from mlife_assets.recruiting.panel import (
    Panel,
    consensus_scores,
    human_baseline,
    panel_name,
    panel_rows,
    parse_panel,
)
from mlife_assets.recruiting.recruiter_rule import RULE_NAME

DAY = date(2026, 6, 2)
NEXT = DAY + timedelta(days=1)
POLICY = PromotionPolicy(minimum_users_with_positives=30, bootstrap_resamples=200)


def days(*values: date) -> np.ndarray:
    return np.array(values, dtype="datetime64[D]")


def test_consensus_is_minus_the_mean_rank_by_the_number_of_jobs(files: SimpleNamespace) -> None:
    panel = parse_panel(files.of(("r1", "u1", "abcd"), ("r2", "u1", "badc"), ("r3", "u1", "abdc")))
    scores = consensus_scores(panel.ballots)
    assert scores == pytest.approx({"a": -4 / 12, "b": -5 / 12, "c": -11 / 12, "d": -10 / 12})
    tied = consensus_scores(parse_panel(files.of(("r1", "u1", "ab"), ("r2", "u1", "ba"))).ballots)
    assert tied["a"] == tied["b"] == -0.75


@given(st.data())
def test_consensus_knows_no_order_of_rows_or_recruiters(files: SimpleNamespace, data: st.DataObject) -> None:
    jobs = data.draw(st.lists(st.sampled_from("abcdefg"), unique=True, min_size=1))
    rankings = [data.draw(st.permutations(jobs)) for _ in range(data.draw(st.integers(1, 5)))]
    names = data.draw(st.permutations([f"r{k}" for k in range(len(rankings))]))
    plain = [(f"r{k}", "u1", ranking) for k, ranking in enumerate(rankings)]
    renamed = [(name, "u1", ranking) for name, ranking in zip(names, rankings, strict=True)]
    shuffled = files.csv_of(data.draw(st.permutations(files.rows_of(renamed))))
    scores = consensus_scores(parse_panel(files.of(*plain)).ballots)
    assert consensus_scores(parse_panel(shuffled).ballots) == scores
    assert all(-1 <= score < 0 for score in scores.values())
    if len(set(map(tuple, rankings))) == 1:
        assert sorted(scores, key=scores.__getitem__, reverse=True) == rankings[0]


@pytest.fixture
def panel(files: SimpleNamespace) -> Panel:
    return parse_panel(files.of(("r1", "u1", "abc"), ("r2", "u1", "acb"), ("r1", "u2", "ba")))


def test_rows_are_scored_where_the_panel_ranked_them(panel: Panel) -> None:
    users = ["u2", "u1", "u1", "u3", "u1", "u1"]
    jobs = ["b", "c", "a", "a", "b", "a"]
    rows = panel_rows([panel], users, jobs, days(DAY, DAY, DAY, DAY, DAY, NEXT))
    assert rows.mask.tolist() == [True, True, True, False, True, False]
    assert rows.scores[rows.mask] == pytest.approx([-1 / 2, -5 / 6, -1 / 3, -5 / 6])
    assert np.isnan(rows.scores[~rows.mask]).all()
    assert (rows.ranked, rows.unranked, rows.incomplete) == (2, 2, 0)


def test_a_list_with_an_unranked_job_is_masked_whole(panel: Panel) -> None:
    rows = panel_rows([panel], ["u1", "u1", "u2"], ["a", "new", "b"], days(DAY, DAY, DAY))
    assert rows.mask.tolist() == [False, False, True]
    assert np.isnan(rows.scores[:2]).all()
    assert (rows.ranked, rows.unranked, rows.incomplete) == (1, 0, 1)


def test_each_day_is_scored_by_its_own_panel(files: SimpleNamespace, panel: Panel) -> None:
    other = parse_panel(files.csv_of(files.rows_of([("r1", "u1", "cba")], day=str(NEXT))))
    for panels in ([panel, other], [other, panel]):
        rows = panel_rows(panels, ["u1", "u1"], ["a", "a"], days(DAY, NEXT))
        assert rows.scores == pytest.approx([-1 / 3, -1])
    with pytest.raises(InvalidInputError, match="two panels rank 2026-06-02; pass the one that counts"):
        panel_rows([panel, replace(other, as_of_date=DAY)], ["u1"], ["a"], days(DAY))
    with pytest.raises(InvalidInputError, match="2 user_ids, 1 job_ids, 1 as_of_dates"):
        panel_rows([panel], ["u1", "u2"], ["a"], days(DAY))


def test_a_panel_is_named_by_its_hash(panel: Panel) -> None:
    other = replace(panel, as_of_date=NEXT, sha256="f" * 64)
    assert panel_name([panel]) == f"panel:{panel.sha256[:12]}"
    assert panel_name([panel, other]) == panel_name([other, panel])
    assert panel_name([panel, other]) not in (panel_name([panel]), panel_name([other]))
    assert len(panel_name([panel, other])) == len(panel_name([panel]))
    with pytest.raises(InvalidInputError, match="no panel to name"):
        panel_name([])


def gate(users: int, jobs: int = 5, seed: int = 3) -> tuple[GateExamples, np.ndarray]:
    """Return examples of two days (odd users on the second) with one relevant job each, and the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(users, jobs))
    relevant = np.zeros((users, jobs), dtype=bool)
    relevant[np.arange(users), truth.argmax(axis=1)] = True
    at = np.repeat(np.where(np.arange(users) % 2, np.datetime64(NEXT), np.datetime64(DAY)), jobs)
    examples = GateExamples(
        user_ids=np.repeat(np.array([f"u{k:03d}" for k in range(users)], dtype=object), jobs),
        item_ids=np.tile(np.array([f"j{k}" for k in range(jobs)], dtype=object), users),
        as_of_dates=at,
        is_relevant=relevant.ravel(),
        label_mature_dates=at + 8,
        slices=np.full(users * jobs, "organic", dtype=object),
    )
    return examples, truth


def panels_for(files: SimpleNamespace, truth: np.ndarray, users: int) -> list[Panel]:
    """Return the panels of both days in which three recruiters rank by the truth for the first `users` users."""
    found = []
    for odd, day in enumerate((DAY, NEXT)):
        rankings = [
            (f"r{recruiter}", f"u{user:03d}", [f"j{job}" for job in np.argsort(-truth[user])])
            for user in range(odd, users, 2)
            for recruiter in range(3)
        ]
        found.append(parse_panel(files.csv_of(files.rows_of(rankings, day=str(day)))))
    return found


def test_without_a_panel_the_rule_is_named_a_proxy(files: SimpleNamespace) -> None:
    examples, truth = gate(40)
    proxy = np.arange(200.0)
    elsewhere = replace(panels_for(files, truth, 40)[0], as_of_date=DAY - timedelta(days=1))
    for panels in ([], [elsewhere]):
        human = human_baseline(panels, examples, proxy, POLICY)
        assert (human.name, human.is_panel, human.panels) == (RULE_NAME, False, ())
        assert human.mask.all()
        assert human.examples is examples
        assert np.array_equal(human.scores, proxy)
        assert (
            human.sentence
            == "No panel of recruiters ranked a day of this gate; recruiter_rule_v1 stands in as a proxy."
        )


def test_with_a_panel_all_sides_keep_its_rows(files: SimpleNamespace) -> None:
    examples, truth = gate(60)
    panels = panels_for(files, truth, 50)
    human = human_baseline(panels[::-1], examples, np.zeros(300), POLICY)
    assert human.is_panel
    assert human.name == panel_name(panels)
    assert [panel.as_of_date for panel in human.panels] == [DAY, NEXT]
    assert human.mask.tolist() == [True] * 250 + [False] * 50
    assert len(human.examples.user_ids) == len(human.scores) == 250
    for name in ("user_ids", "item_ids", "as_of_dates", "is_relevant", "label_mature_dates", "slices"):
        assert np.array_equal(getattr(human.examples, name), getattr(examples, name)[human.mask]), name
    assert "3 recruiters ranked 50 candidate lists before their outcomes; 10 lists without a full" in human.sentence


def test_a_panel_of_too_few_users_with_positives_gives_way_and_says_so(files: SimpleNamespace) -> None:
    examples, truth = gate(60)
    panels = panels_for(files, truth, 29)
    human = human_baseline(panels, examples, np.zeros(300), POLICY)
    assert (human.name, human.mask.all()) == (RULE_NAME, True)
    assert "ranked for 29 users with positives, 30 needed; recruiter_rule_v1 stands in as a proxy" in human.sentence
    assert human_baseline(panels_for(files, truth, 30), examples, np.zeros(300), POLICY).is_panel


def test_users_without_an_outcome_do_not_count(files: SimpleNamespace) -> None:
    examples, truth = gate(40)
    panels = panels_for(files, truth, 40)
    nobody = replace(examples, is_relevant=np.zeros(200, dtype=bool))
    assert human_baseline(panels, examples, np.zeros(200), POLICY).is_panel
    assert not human_baseline(panels, nobody, np.zeros(200), POLICY).is_panel


def test_the_gate_takes_the_panel_as_its_human(files: SimpleNamespace) -> None:
    """The panel ranks by the truth, so a challenger that does not is refused by its name."""
    examples, truth = gate(60)
    human = human_baseline(panels_for(files, truth, 50), examples, np.zeros(300), POLICY)
    noise = np.random.default_rng(1).normal(size=300)[human.mask]
    decision = decide_promotion(
        human.examples,
        on_examples(human.examples, "mdl_new", noise, training_end_date=DAY - timedelta(days=20)),
        None,
        on_examples(human.examples, human.name, human.scores),
        POLICY,
        as_of=NEXT + timedelta(days=8),
        calibration=None,
    )
    assert not decision.is_promoted
    (against,) = [one for one in decision.comparisons if one.against == "human"]
    assert against.model_version == human.name
    assert against.other_map == pytest.approx(1)
    assert against.delta.upper < 0


def test_one_proxy_score_per_row(files: SimpleNamespace) -> None:
    examples, _ = gate(40)
    with pytest.raises(InvalidInputError, match="3 proxy_scores for 200 examples"):
        human_baseline([], examples, np.zeros(3), POLICY)
