"""Consensus, which rows of a gate a panel covers, who stands for people; agreement against scipy and by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations, permutations
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.training.gate import GateExamples, decide_promotion, on_examples
from mlife_assets.recruiting.panel.ballots import Panel, parse_panel
from mlife_assets.recruiting.panel.baseline import (
    consensus_scores,
    human_baseline,
    kendall_w,
    mean_kendall_tau,
    panel_agreement,
    panel_name,
    panel_rows,
)
from mlife_assets.recruiting.recruiter_rule import RULE_NAME

DAY = date(2026, 6, 2)
NEXT = DAY + timedelta(days=1)
POLICY = PromotionPolicy(minimum_users_with_positives=30, bootstrap_resamples=200)

AGREEMENT_POLICY = PromotionPolicy(bootstrap_resamples=400)
RANKS = st.tuples(st.integers(2, 6), st.integers(2, 9), st.integers(0, 10_000)).map(
    lambda drawn: np.array([np.random.default_rng((drawn[2], k)).permutation(drawn[1]) + 1 for k in range(drawn[0])])
)


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


def panel_of(files: SimpleNamespace, users: int, recruiters: int, jobs: int, noise: float, seed: int = 1) -> Panel:
    """Return recruiters who rank by a common taste of each user plus noise."""
    rng = np.random.default_rng(seed)
    rankings = []
    for user in range(users):
        taste = rng.normal(size=jobs)
        for recruiter in range(recruiters):
            order = np.argsort(taste + noise * rng.normal(size=jobs))
            rankings.append((f"r{recruiter}", f"u{user:03d}", [f"j{job}" for job in order]))
    return parse_panel(files.of(*rankings))


def test_hand_worked() -> None:
    ranks = np.array([[1, 2, 3], [1, 3, 2], [2, 1, 3]])
    # Rank sums 4, 6, 8 around 6: S = 8, W = 12 * 8 / (9 * 24).
    assert kendall_w(ranks) == pytest.approx(96 / 216)
    # Of three pairs of recruiters, taus are 1/3, 1/3 and -1/3.
    assert mean_kendall_tau(ranks) == pytest.approx(1 / 9)
    assert kendall_w(np.array([[1, 2], [2, 1]])) == 0
    assert mean_kendall_tau(np.array([[1, 2], [2, 1]])) == -1


@given(RANKS)
def test_tau_and_w_equal_scipy(ranks: np.ndarray) -> None:
    from scipy.stats import friedmanchisquare, kendalltau

    taus = [kendalltau(one, two).statistic for one, two in combinations(ranks, 2)]
    assert mean_kendall_tau(ranks) == pytest.approx(np.mean(taus), abs=1e-12)
    raters, jobs = ranks.shape
    if jobs >= 3:
        # Friedman's statistic of the same ranks is m (n - 1) W.
        assert kendall_w(ranks) == pytest.approx(
            friedmanchisquare(*ranks.T).statistic / (raters * (jobs - 1)), abs=1e-12
        )


@given(RANKS, st.randoms(use_true_random=False))
def test_the_order_of_recruiters_and_jobs_changes_no_bit(ranks: np.ndarray, random: object) -> None:
    rng = np.random.default_rng(random.randrange(1 << 30))  # type: ignore[attr-defined]
    moved = rng.permutation(rng.permutation(ranks, axis=0), axis=1)
    assert (kendall_w(moved), mean_kendall_tau(moved)) == (kendall_w(ranks), mean_kendall_tau(ranks))


@given(RANKS)
def test_equal_rankings_agree_wholly(ranks: np.ndarray) -> None:
    same = np.repeat(ranks[:1], len(ranks), axis=0)
    assert (kendall_w(same), mean_kendall_tau(same)) == (1, 1)
    assert 0 <= kendall_w(ranks) <= 1
    assert -1 <= mean_kendall_tau(ranks) <= 1


def test_a_panel_of_one_mind(files: SimpleNamespace) -> None:
    agreement = panel_agreement([panel_of(files, 20, 3, 8, noise=0)], AGREEMENT_POLICY)
    assert (agreement.kendall_w.estimate, agreement.kendall_w.lower, agreement.kendall_w.upper) == (1, 1, 1)
    assert agreement.kendall_tau.estimate == 1
    assert (agreement.users, agreement.recruiters, agreement.kendall_w.n) == (20, 3, 20)
    assert "Kendall's W 1.00 (95% interval 1.00 to 1.00; 0.33 at random)" in agreement.sentence


@pytest.mark.parametrize("recruiters", [2, 4, 25])
def test_a_random_panel_agrees_as_much_as_chance(files: SimpleNamespace, recruiters: int) -> None:
    agreement = panel_agreement([panel_of(files, 150, recruiters, 10, noise=1e9)], AGREEMENT_POLICY)
    assert agreement.random_w == pytest.approx(1 / recruiters)
    assert agreement.kendall_w.estimate == pytest.approx(1 / recruiters, abs=0.03)
    assert agreement.kendall_tau.lower < 0 < agreement.kendall_tau.upper


def test_more_noise_means_less_agreement(files: SimpleNamespace) -> None:
    found = [panel_agreement([panel_of(files, 60, 3, 10, noise=noise)], AGREEMENT_POLICY) for noise in (0.3, 1, 3)]
    assert found[0].kendall_w.lower > found[1].kendall_w.upper > found[1].kendall_w.lower > found[2].kendall_w.upper
    assert found[0].kendall_tau.lower > found[1].kendall_tau.upper


def test_users_of_one_recruiter_or_one_job_count_for_nothing(files: SimpleNamespace) -> None:
    both = [(r, u, "abc") for u in ("u1", "u2") for r in ("r1", "r2")]
    one = [("r3", "u3", "cba"), ("r1", "u4", "a"), ("r4", "u4", "a")]
    agreement = panel_agreement([parse_panel(files.of(*both, *one))], AGREEMENT_POLICY)
    assert (agreement.users, agreement.recruiters, agreement.kendall_w.estimate) == (2, 2, 1)
    for rankings in (one, [*both[:2], *one]):
        with pytest.raises(NotEnoughEvidenceError, match=r"[01] users were ranked for by two recruiters, at least 2"):
            panel_agreement([parse_panel(files.of(*rankings))], AGREEMENT_POLICY)


def test_a_user_of_two_days_counts_once_by_the_mean(files: SimpleNamespace) -> None:
    first = parse_panel(files.of(*[(r, u, "ab") for u in ("u1", "u2") for r in ("r1", "r2")]))
    second = replace(
        parse_panel(files.of(("r1", "u1", "ab"), ("r2", "u1", "ba"))), as_of_date=date(2026, 6, 3), sha256="f" * 64
    )
    agreement = panel_agreement([first, second], AGREEMENT_POLICY)
    assert agreement.users == 2
    assert agreement.kendall_w.estimate == pytest.approx((0.5 + 1) / 2)
    assert agreement.kendall_tau.estimate == pytest.approx((0 + 1) / 2)
    assert panel_agreement([second, first], AGREEMENT_POLICY) == agreement


def test_the_order_of_panels_changes_no_bit(files: SimpleNamespace) -> None:
    made = [panel_of(files, 30, 3, 7, noise=1, seed=seed) for seed in range(3)]
    panels = [replace(panel, as_of_date=date(2026, 6, 2 + day)) for day, panel in enumerate(made)]
    agreement = panel_agreement(panels, AGREEMENT_POLICY)
    assert all(panel_agreement(order, AGREEMENT_POLICY) == agreement for order in permutations(panels))
