"""Agreement: how far recruiters rank alike.

Belongs here: Kendall's W and tau of a panel with intervals over users. Does not belong here: the consensus itself
(`baseline`), and whether agreement is enough: no threshold is set, the number is reported.

Concept: a baseline that its own authors do not agree on is a weak one, so its agreement is shown with it. W is one for
equal rankings and 1 / m on average for m recruiters who rank at random, so that value stands beside it. Tau is zero
at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.statistics import Interval, paired_bootstrap_interval
from mlife_assets.recruiting.panel.ballots import Ballot, Panel


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
