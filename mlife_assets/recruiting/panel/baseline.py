"""The human side of the gate: a panel's consensus, or the frozen rule as a named proxy.

Concept: all sides of a comparison see the same rows, so with a panel the examples are those that the panel ranked. A
panel with too few users to judge by is not used, and that is said: a real but tiny baseline would decide nothing. The
choice looks at how many users have an outcome, never at who ranks better.

A baseline that its own authors do not agree on is a weak one, so its agreement is shown with it: Kendall's W and tau
with intervals over users. W is one for equal rankings and 1 / m on average for m recruiters who rank at random, so that
value stands beside it. Tau is zero at random.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.ids import digest
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.statistics import Interval, paired_bootstrap_interval
from mlife_assets.core.training.gate_examples import GateExamples
from mlife_assets.core.training.model_card.facts import PANEL_PREFIX
from mlife_assets.recruiting.cohort import RULE_NAME
from mlife_assets.recruiting.panel.ballots import ID_LENGTH, Ballot, Panel
from mlife_assets.recruiting.policies import PanelPolicy


@dataclass(frozen=True, eq=False)
class PanelRows:
    """Which of n rows a panel ranked, and how.

    Attributes:
        mask: whether the row belongs to a user whose rows of that day were all ranked, bool (n,).
        scores: consensus, higher is better; NaN where `mask` is false, float64 (n,).
        ranked: (user, day) rankings with a score.
        unranked: (user, day) rankings of which the panel knows nothing.
        incomplete: (user, day) rankings of which the panel misses a job; they are masked out whole.
    """

    mask: np.ndarray
    scores: np.ndarray
    ranked: int
    unranked: int
    incomplete: int


@dataclass(frozen=True, eq=False)
class HumanBaseline:
    """Who stands for people in a gate, and on which rows all sides are compared.

    Attributes:
        name: `panel:<id>`, or the name of the frozen rule.
        is_panel: false: the rule stands in as a proxy.
        mask: rows of the given examples that all sides keep, bool (n,).
        examples: the kept examples, k rows.
        scores: of the baseline on them, float64 (k,).
        panels: the panels behind it; empty for the rule.
        sentence: the choice, its reason, and the panels left out.
    """

    name: str
    is_panel: bool
    mask: np.ndarray
    examples: GateExamples
    scores: np.ndarray
    panels: tuple[Panel, ...]
    sentence: str


def consensus_scores(ballots: Sequence[Ballot]) -> dict[str, float]:
    """Return job -> minus its mean rank over `ballots` of one user, divided by the number of jobs: in [-1, 0).

    It orders jobs as the Borda count does (de Borda 1784). Equal sums of ranks give equal bits, so ties stay ties, and
    the order of recruiters changes nothing.
    """
    sums: dict[str, int] = {}
    for ballot in ballots:
        for rank, job in enumerate(ballot.job_ids, 1):
            sums[job] = sums.get(job, 0) + rank
    return {job: -total / (len(ballots) * len(sums)) for job, total in sums.items()}


def panel_name(panels: Iterable[Panel]) -> str:
    """Return `panel:` and the first digits of the file's hash, of several files those of a hash of their hashes."""
    hashes = sorted(panel.sha256 for panel in panels)
    if not hashes:
        raise InvalidInputError("there is no panel to name; use the name of the rule")
    return PANEL_PREFIX + (hashes[0][:ID_LENGTH] if len(hashes) == 1 else digest(hashes, ID_LENGTH))


def panel_rows(
    panels: Sequence[Panel], user_ids: Iterable[object], job_ids: Iterable[object], as_of_dates: np.ndarray
) -> PanelRows:
    """Return the consensus scores of n rows (user, job, day), and which rows have one.

    Args:
        panels: verified panels, at most one per day.
        user_ids: user of each row.
        job_ids: job of each row.
        as_of_dates: day of each row, datetime64[D] or dates, shape (n,).

    Raises:
        InvalidInputError: two panels are of one day, or columns differ in length.
    """
    by_day: dict[date, dict[str, dict[str, float]]] = {}
    for panel in panels:
        if panel.as_of_date in by_day:
            raise InvalidInputError(f"two panels rank {panel.as_of_date}; pass the one that counts, the newest")
        by_day[panel.as_of_date] = {user: consensus_scores(ballots) for user, ballots in panel.by_user().items()}
    days: list[date] = np.asarray(as_of_dates, dtype="datetime64[D]").tolist()
    users, jobs = [str(one) for one in user_ids], [str(one) for one in job_ids]
    if not len(users) == len(jobs) == len(days):
        raise InvalidInputError(
            f"{len(users)} user_ids, {len(jobs)} job_ids, {len(days)} as_of_dates; pass one of each per row"
        )
    scores = np.full(len(days), np.nan)
    rows_of: dict[tuple[date, str], list[int]] = {}
    unranked: set[tuple[date, str]] = set()
    for row, (day, user, job) in enumerate(zip(days, users, jobs, strict=True)):
        ranked = by_day.get(day, {}).get(user)
        if ranked is None:
            unranked.add((day, user))
        else:
            scores[row] = ranked.get(job, np.nan)
            rows_of.setdefault((day, user), []).append(row)
    incomplete = 0
    for rows in rows_of.values():
        if np.isnan(scores[rows]).any():
            scores[rows] = np.nan
            incomplete += 1
    return PanelRows(~np.isnan(scores), scores, len(rows_of) - incomplete, len(unranked), incomplete)


def human_baseline(
    panels: Sequence[Panel],
    examples: GateExamples,
    proxy_scores: np.ndarray,
    policy: PanelPolicy,
) -> HumanBaseline:
    """Return the human side of a gate: the panel where it can judge, else the frozen rule as a named proxy.

    Args:
        panels: verified panels that were recorded before outcomes, at most one per day; other days are passed over.
        examples: all n examples that the gate could use; with items.
        proxy_scores: of the frozen rule on them, shape (n,).
        policy: how many users with positives a panel has to have ranked for.

    Raises:
        InvalidInputError: two panels are of one day, the examples have no item, or `proxy_scores` are not n.
    """
    if len(proxy_scores) != len(examples.user_ids):
        raise InvalidInputError(
            f"{len(proxy_scores)} proxy_scores for {len(examples.user_ids)} examples; pass one per row"
        )
    days = set(np.asarray(examples.as_of_dates, dtype="datetime64[D]").tolist())
    used = tuple(sorted((p for p in panels if p.as_of_date in days), key=lambda panel: panel.as_of_date))
    if not used:
        return _proxy(
            examples,
            proxy_scores,
            f"No panel of recruiters ranked a day of this gate; {RULE_NAME} stands in as a proxy.",
        )
    rows = panel_rows(used, examples.user_ids, examples.items, examples.as_of_dates)
    is_positive = rows.mask & np.asarray(examples.is_relevant, dtype=bool)
    users = len(set(np.asarray(examples.user_ids, dtype=object)[is_positive].tolist()))
    name = panel_name(used)
    if users < policy.minimum_users:
        return _proxy(
            examples,
            proxy_scores,
            f"{name} ranked for {users:,} users with positives, {policy.minimum_users:,} needed; {RULE_NAME} stands in "
            "as a proxy.",
        )
    left_out = rows.unranked + rows.incomplete
    recruiters = len({recruiter for panel in used for recruiter in panel.recruiters})
    sentence = (
        f"{name}: {recruiters} recruiters ranked {rows.ranked:,} candidate lists before their outcomes; "
        f"{left_out:,} lists without a full panel ranking ({rows.incomplete:,} incomplete) are left out for all sides."
    )
    return HumanBaseline(name, True, rows.mask, _kept(examples, rows.mask), rows.scores[rows.mask], used, sentence)


def _proxy(examples: GateExamples, scores: np.ndarray, sentence: str) -> HumanBaseline:
    every = np.ones(len(scores), dtype=bool)
    return HumanBaseline(RULE_NAME, False, every, examples, np.asarray(scores, dtype=np.float64), (), sentence)


def _kept(examples: GateExamples, mask: np.ndarray) -> GateExamples:
    names = ("user_ids", "item_ids", "as_of_dates", "is_relevant", "label_mature_dates", "slices")
    columns = {name: getattr(examples, name) for name in names}
    kept = {name: np.asarray(column)[mask] for name, column in columns.items() if column is not None}
    return replace(examples, **kept)


@dataclass(frozen=True)
class Agreement:
    """How far recruiters agree about the users whom at least two of them ranked for.

    Attributes:
        users: users behind the numbers.
        recruiters: recruiters who ranked for one of them.
        kendall_w: coefficient of concordance, mean over users, 0 to 1.
        random_w: W of the same ballots filled in at random, on average.
        kendall_tau: mean over users of the mean tau of all pairs of recruiters, -1 to 1.
    """

    users: int
    recruiters: int
    kendall_w: Interval
    random_w: float
    kendall_tau: Interval

    @property
    def sentence(self) -> str:
        """The agreement in words."""
        w, tau = self.kendall_w, self.kendall_tau
        return (
            f"{self.recruiters} recruiters ranked for {self.users:,} users in common: Kendall's W {w.estimate:.2f} "
            f"({w.level:.0%} interval {w.lower:.2f} to {w.upper:.2f}; {self.random_w:.2f} at random), mean pairwise "
            f"tau {tau.estimate:.2f} ({tau.lower:.2f} to {tau.upper:.2f})."
        )


def panel_agreement(panels: Sequence[Panel], policy: PromotionPolicy) -> Agreement:
    """Return the agreement within one panel or several, at most one per day.

    A user of several days counts once, by the mean of the days. Users with one candidate count for nothing.

    Args:
        panels: the rankings.
        policy: bootstrap and seed.

    Raises:
        NotEnoughEvidenceError: fewer than two users were ranked for by two recruiters.
    """
    of_user: dict[str, list[tuple[float, float, float]]] = {}
    recruiters: set[str] = set()
    for panel in sorted(panels, key=lambda one: one.as_of_date):
        for user, ballots in panel.by_user().items():
            if len(ballots) >= 2 and len(ballots[0].job_ids) >= 2:
                ranks = _ranks(ballots)
                of_user.setdefault(user, []).append((kendall_w(ranks), 1 / len(ranks), mean_kendall_tau(ranks)))
                recruiters |= {ballot.recruiter for ballot in ballots}
    if len(of_user) < 2:
        raise NotEnoughEvidenceError(
            f"{len(of_user)} users were ranked for by two recruiters, at least 2 needed to measure their agreement"
        )
    means = np.array([np.mean(np.array(values), axis=0) for _, values in sorted(of_user.items())])
    w, tau = (
        paired_bootstrap_interval(values, policy.bootstrap_resamples, policy.one_sided_alpha, policy.seed)
        for values in (means[:, 0], means[:, 2])
    )
    return Agreement(len(of_user), len(recruiters), w, float(np.mean(means[:, 1])), tau)


def kendall_w(ranks: np.ndarray) -> float:
    """Return W = 12 S / (m^2 (n^3 - n)) of m full rankings of n >= 2 jobs (Kendall and Babington Smith 1939).

    Args:
        ranks: whole numbers, shape (m, n), each row a permutation of 1 to n. S is the sum of squared deviations of the
            rank sums from their mean.
    """
    raters, jobs = ranks.shape
    doubled = 2 * ranks.sum(axis=0) - raters * (jobs + 1)
    return float(3 * (doubled * doubled).sum() / (raters**2 * (jobs**3 - jobs)))


def mean_kendall_tau(ranks: np.ndarray) -> float:
    """Return the mean tau over all pairs of m >= 2 rankings of n >= 2 jobs (Kendall 1938; without ties a, b are one).

    Args:
        ranks: whole numbers, shape (m, n), each row a permutation of 1 to n.
    """
    raters, jobs = ranks.shape
    votes = np.zeros((jobs, jobs), dtype=np.int64)
    for row in ranks:
        votes += np.sign(row[:, None] - row[None, :])
    upper = votes[np.triu_indices(jobs, 1)]
    # Of m votes of +1 or -1 that sum to t, the products of all pairs of voters sum to (t^2 - m) / 2.
    return float((upper * upper - raters).sum() / (len(upper) * raters * (raters - 1)))


def _ranks(ballots: Sequence[Ballot]) -> np.ndarray:
    """Return the rank that each ballot gives each job, in the order of the first ballot, shape (ballots, jobs)."""
    jobs = ballots[0].job_ids
    rank_of = [{job: rank for rank, job in enumerate(ballot.job_ids, 1)} for ballot in ballots]
    return np.array([[ranks[job] for job in jobs] for ranks in rank_of], dtype=np.int64)
