"""The recruiters' own texting tool: who was texted about which job before the platform existed.

Concept: each day but Sunday the tool texts a random part of the people who agreed, at most twice in 7 days and 3 days
apart, about the job that a recruiter would pick, with human inconsistency; one in ten gets a random near job instead.
`propensity` is the probability that this slice sent this job: 0.9 for the rule's pick, 0.1 / (near jobs) for a random
one.
"""

from __future__ import annotations

from datetime import date

import numpy as np

from mlife_assets.market.behaviour import ID_TYPE, distance_km, rank_within
from mlife_assets.market.browsing import utc_offset_hours
from mlife_assets.market.catalogue import Catalogue
from mlife_assets.market.population import Population, epoch_us
from mlife_assets.market.texts import Texts, no_texts
from mlife_assets.market.vacancies import Vacancies, employer_names
from mlife_assets.market.world import MarketConfig, Stream, generator
from mlife_assets.recruiting.ids import message_id

SUNDAY = 6
NEAR_KM = 60.0
NOISE = 0.6
MAXIMUM_PER_7_DAYS = 2
MINIMUM_DAYS_APART = 3
FIRST_LOCAL_HOUR, LAST_LOCAL_HOUR = 10.0, 15.5
RULE_SLICE, EXPLORE_SLICE = "recruiter_rule", "explore"


def recruiter_rule(
    same_group: np.ndarray, kilometres: np.ndarray, log_pay_ratio: np.ndarray, same_shift: np.ndarray
) -> np.ndarray:
    """Return the score by which recruiters rank jobs for a person; any shape, higher is better."""
    return 1.2 * same_group - 0.05 * kilometres + 1.0 * log_pay_ratio + 0.3 * same_shift


def wordings(config: MarketConfig, catalogue: Catalogue, jobs: Vacancies, job: np.ndarray) -> list[str]:
    """Return the body of a text about each job: one GSM-7 segment with brand and opt-out."""
    rows, position = np.unique(job, return_inverse=True)
    titles = [catalogue.titles[one] for one in jobs.occupation[rows].tolist()]
    cities = [catalogue.metros[one].city for one in jobs.metro[rows].tolist()]
    pays = jobs.pay[rows].tolist()
    bodies = [
        f"{config.brand}: {title} at {employer}, ${pay:.2f}/hr, {city}. Reply STOP to opt out"
        for title, employer, pay, city in zip(titles, employer_names(jobs.employer[rows]), pays, cities, strict=True)
    ]
    return [bodies[one] for one in position.tolist()]


def within_capacity(scores: np.ndarray, capacity: np.ndarray) -> np.ndarray:
    """Return the best column of each row while columns have room, -1 for none.

    Rounds: every unplaced row asks for its best column with room; a column takes the best scores first.

    Args:
        scores: float64 (n, k), -inf where impossible.
        capacity: int64 (k,).
    """
    room, open_scores = capacity.copy(), np.where(capacity > 0, scores, -np.inf)
    choice = np.full(len(scores), -1, dtype=np.int64)
    waiting = np.arange(len(scores)) if scores.shape[1] else np.zeros(0, dtype=np.int64)
    while len(waiting):
        best = open_scores[waiting].argmax(axis=1)
        value = open_scores[waiting, best]
        waiting, best, value = waiting[value > -np.inf], best[value > -np.inf], value[value > -np.inf]
        order = np.lexsort((waiting, -value))
        waiting, best = waiting[order], best[order]
        is_placed = rank_within(best) < room[best]
        choice[waiting[is_placed]] = best[is_placed]
        room -= np.bincount(best[is_placed], minlength=len(room))
        open_scores[:, room <= 0] = -np.inf
        waiting = np.sort(waiting[~is_placed])
    return choice


def recruiter_texts(
    config: MarketConfig,
    catalogue: Catalogue,
    people: Population,
    jobs: Vacancies,
    day: date,
    *,
    may_be_texted: np.ndarray,
    texts_7_days: np.ndarray,
    days_since_text: np.ndarray,
) -> Texts:
    """Return the texts of the recruiters' tool on `day`.

    Args:
        config, catalogue, people, jobs: the world.
        day: the day.
        may_be_texted: consenting and not in the holdout, bool (people,).
        texts_7_days: texts of the last 7 days, int64 (people,).
        days_since_text: days since the last text, large when none, int64 (people,).
    """
    if day.weekday() == SUNDAY:
        return no_texts()
    rng = generator(config.seed, Stream.RECRUITERS, day)
    morning = epoch_us(day)
    is_rested = (texts_7_days < MAXIMUM_PER_7_DAYS) & (days_since_text >= MINIMUM_DAYS_APART)
    is_known = people.has_time_zone & people.has_state
    eligible = np.flatnonzero(may_be_texted & is_rested & is_known)
    budget = min(len(eligible), round(config.recruiter_texts_per_day * config.users))
    chosen = np.sort(rng.choice(eligible, budget, replace=False))
    explores = rng.random(budget) < config.recruiter_explore_share
    picks, local = rng.random(budget), rng.uniform(FIRST_LOCAL_HOUR, LAST_LOCAL_HOUR, budget)
    is_delivered = rng.random(budget) < config.calibration.delivered_share
    stock = jobs.open_at(morning)
    job = np.full(budget, -1, dtype=np.int64)
    near_count = np.ones(budget, dtype=np.int64)
    for place in np.unique(people.metro[chosen]):
        rows = np.flatnonzero(people.metro[chosen] == place)
        local_stock = stock[jobs.metro[stock] == place]
        if len(local_stock) == 0:
            continue
        person = chosen[rows][:, None]
        kilometres = distance_km(
            people.latitude[person], people.longitude[person], jobs.latitude[local_stock], jobs.longitude[local_stock]
        )
        is_near = kilometres <= NEAR_KM
        rule = recruiter_rule(
            people.group[person] == jobs.group[local_stock],
            kilometres,
            np.log(jobs.pay[local_stock] / people.reservation_pay[person]),
            people.shift[person] == jobs.shift[local_stock],
        )
        scores = np.where(is_near, rule + rng.normal(0.0, NOISE, rule.shape), -np.inf)
        near = is_near.sum(axis=1)
        near_count[rows] = np.maximum(1, near)
        wanted = np.floor(picks[rows] * near) + 1
        random_pick = (np.cumsum(is_near, axis=1) < wanted[:, None]).sum(axis=1)
        explored = explores[rows] & (near > 0)
        capacity = jobs.openings[local_stock] * config.messages_per_opening
        capacity = capacity - np.bincount(random_pick[explored], minlength=len(local_stock))
        picked = np.full(len(rows), -1, dtype=np.int64)
        picked[explored] = random_pick[explored]
        picked[~explored] = within_capacity(scores[~explored], np.maximum(0, capacity))
        job[rows] = np.where(picked >= 0, local_stock[np.maximum(picked, 0)], -1)
    offset = utc_offset_hours(catalogue, day)[people.metro[chosen]]
    sent = morning + ((local - offset) * 3.6e9).astype(np.int64)
    share = config.recruiter_explore_share
    propensity = np.where(explores, share / near_count, 1.0 - share)
    kept = np.flatnonzero(job >= 0)
    kept = kept[np.lexsort((chosen[kept], sent[kept]))]
    ids = [message_id(user, config.campaign, day) for user in people.user_ids[chosen[kept]].tolist()]
    return Texts(
        np.array(ids, dtype=ID_TYPE),
        chosen[kept],
        job[kept],
        sent[kept],
        is_delivered[kept],
        explores[kept],
        propensity[kept],
    )
