"""The recruiters' own texting tool: who was texted about which job before the platform existed.

Concept: each day but Sunday the tool texts a random part of the people who agreed, at most twice in 7 days and 3 days
apart, about the job that a recruiter would pick, with human inconsistency; one in ten gets a random near job instead.
`propensity` is the probability that this slice sent this job: 0.9 for the rule's pick, 0.1 / (near jobs) for a random
one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np

from mlife_assets.core.windows import run_time
from mlife_assets.market.behaviour import ID_TYPE, distance_km, freshness, rank_within
from mlife_assets.market.catalogue import Catalogue
from mlife_assets.market.population import Population, epoch_us
from mlife_assets.market.texts import Texts, no_texts
from mlife_assets.market.vacancies import Vacancies, employer_names
from mlife_assets.market.world import MarketConfig, Stream, generator
from mlife_assets.recruiting.ids import message_id

EXPORT_US = int(23.5 * 3.6e9)
"""Time of the daily export within its day: 23:30 UTC."""

FEED_SHARE = 0.35
HOUR_WEIGHTS = np.array([2, 1, 1, 1, 1, 2, 4, 6, 8, 9, 9, 9, 10, 9, 8, 8, 8, 8, 9, 10, 11, 10, 7, 4], dtype=np.float64)
"""Traffic by local hour."""
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
    is_delivered = rng.random(budget) < config.calibration.habits.delivered_share
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


@dataclass(frozen=True)
class Impressions:
    """Views of one day in order of time, n rows.

    Attributes:
        person, job: row numbers.
        moment_us: when, microseconds since 1970.
        position: the how-manieth view of this person on this day, from 1.
        is_feed: shown in the feed instead of a search.
    """

    person: np.ndarray
    job: np.ndarray
    moment_us: np.ndarray
    position: np.ndarray
    is_feed: np.ndarray

    def __len__(self) -> int:
        return len(self.person)


def utc_offset_hours(catalogue: Catalogue, day: date) -> np.ndarray:
    """Return the UTC offset of each metro on `day`, hours, float64 (metros,)."""
    moment: datetime = run_time(day)
    offsets = (moment.astimezone(ZoneInfo(metro.time_zone)).utcoffset() for metro in catalogue.metros)
    return np.array([0.0 if offset is None else offset.total_seconds() / 3600 for offset in offsets])


def _chosen_jobs(
    config: MarketConfig,
    people: Population,
    jobs: Vacancies,
    person: np.ndarray,
    stock: np.ndarray,
    moment_us: int,
    draws: np.ndarray,
    is_home: bool,
) -> np.ndarray:
    habits = config.calibration.habits
    common = habits.browse_popularity * jobs.seen[stock]
    common += config.calibration.choice.age_share_seen * freshness(jobs, stock, moment_us)
    kilometres = distance_km(
        people.latitude[person][:, None], people.longitude[person][:, None], jobs.latitude[stock], jobs.longitude[stock]
    )
    logit = common[None, :] + habits.browse_same_group * (people.group[person][:, None] == jobs.group[stock])
    if is_home:
        logit = logit + habits.browse_per_km * kilometres
        logit = np.where(kilometres > habits.browse_radius_km, -np.inf, logit)
    cumulative = np.cumsum(np.exp(logit), axis=1)
    total = cumulative[:, -1]
    chosen = (draws[:, None] * total[:, None] >= cumulative).sum(axis=1)
    return np.where(total > 0, stock[np.minimum(chosen, len(stock) - 1)], -1)


def browse(config: MarketConfig, catalogue: Catalogue, people: Population, jobs: Vacancies, day: date) -> Impressions:
    """Return the organic impressions of `day`, at most one per (person, job)."""
    rng, habits = generator(config.seed, Stream.BROWSING, day), config.calibration.habits
    morning = epoch_us(day)
    rate = people.view_rate * habits.weekday_factor[day.weekday()] * catalogue.season(day)[people.group]
    views = rng.poisson(rate)
    views[(people.signed_up_us < 0) | (people.signed_up_us >= morning)] = 0
    person = np.repeat(np.arange(len(people)), views)
    away = rng.random(len(person)) < habits.browse_away_share
    other = rng.integers(0, config.metros, len(person))
    metro = np.where(away, other, people.metro[person])
    draws = rng.random(len(person))
    hour = rng.choice(24, len(person), p=HOUR_WEIGHTS / HOUR_WEIGHTS.sum()) + rng.random(len(person))
    is_feed = rng.random(len(person)) < FEED_SHARE
    stock = jobs.open_at(morning)
    job = np.full(len(person), -1, dtype=np.int64)
    for place in np.unique(metro):
        local_stock = stock[jobs.metro[stock] == place]
        if len(local_stock) == 0:
            continue
        for is_home in (True, False):
            rows = np.flatnonzero((metro == place) & ((people.metro[person] == place) == is_home))
            job[rows] = _chosen_jobs(config, people, jobs, person[rows], local_stock, morning, draws[rows], is_home)
    offset = utc_offset_hours(catalogue, day)[people.metro[person]]
    moment = morning + ((hour - offset) % 24.0 / 24.0 * (EXPORT_US - 1)).astype(np.int64)
    order = np.lexsort((job, moment, person))
    order = order[job[order] >= 0]
    return _without_repeats(Impressions(person[order], job[order], moment[order], order, is_feed[order]), len(jobs))


def _without_repeats(views: Impressions, job_count: int) -> Impressions:
    """Keep the first view of each (person, job), number them per person, order them by time."""
    _, first = np.unique(views.person * job_count + views.job, return_index=True)
    kept = np.sort(first)
    person = views.person[kept]
    starts = np.flatnonzero(np.r_[True, person[1:] != person[:-1]]) if len(person) else np.zeros(0, dtype=np.int64)
    lengths = np.diff(np.r_[starts, len(person)])
    position = np.arange(len(person)) - np.repeat(starts, lengths) + 1
    order = np.lexsort((position, person, views.moment_us[kept]))
    return Impressions(
        person[order], views.job[kept][order], views.moment_us[kept][order], position[order], views.is_feed[kept][order]
    )
