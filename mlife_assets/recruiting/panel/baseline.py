"""The human side of the gate: a panel's consensus, or the frozen rule as a named proxy.

Belongs here: scores of a panel, on which rows of the gate they exist, which baseline is used and why. Does not belong
here: reading and recording panels, the comparison (`core.training.gate`).

Concept: all sides of a comparison see the same rows, so with a panel the examples are those that the panel ranked. A
panel with too few users to judge by is not used, and that is said: a real but tiny baseline would decide nothing. The
choice looks at how many users have an outcome, never at who ranks better.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.ids import digest
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.training.gate_examples import GateExamples
from mlife_assets.core.training.model_card.limits import PANEL_PREFIX
from mlife_assets.recruiting.panel.ballots import ID_LENGTH, Ballot, Panel
from mlife_assets.recruiting.recruiter_rule import RULE_NAME


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
        sentence: what was chosen, why, and what was left out.
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
    panels: Sequence[Panel], examples: GateExamples, proxy_scores: np.ndarray, policy: PromotionPolicy
) -> HumanBaseline:
    """Return the human side of a gate: the panel where it can judge, else the frozen rule as a named proxy.

    Args:
        panels: verified panels that were recorded before outcomes, at most one per day; other days are passed over.
        examples: all n examples that the gate could use; with items.
        proxy_scores: of the frozen rule on them, shape (n,).
        policy: how many users with positives a comparison needs.

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
    name, minimum = panel_name(used), policy.minimum_users_with_positives
    if users < minimum:
        return _proxy(
            examples,
            proxy_scores,
            f"{name} ranked for {users:,} users with positives, {minimum:,} needed; {RULE_NAME} stands in as a proxy.",
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
