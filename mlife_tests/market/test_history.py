"""The recruiters' own texting tool: whom, how often, about what, with which words."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mlife_assets.market.behaviour import pair_distance_km
from mlife_assets.market.history import recruiter_rule, within_capacity, wordings
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.messaging.segments import segments


def test_no_texts_on_sundays_and_one_in_ten_explores(mid_world) -> None:
    texted = [record for record in mid_world.records if len(record.texts)]
    assert all((len(record.texts) == 0) == (record.day.weekday() == 6) for record in mid_world.records)
    explores = np.concatenate([record.texts.is_explore for record in texted])
    assert 0.08 < explores.mean() < 0.12
    delivered = np.concatenate([record.texts.is_delivered for record in texted])
    assert 0.955 < delivered.mean() < 0.975


def test_only_consenting_people_outside_the_holdout_are_texted(mid_world, toolbox) -> None:
    people = mid_world.market.people
    texted = np.unique(np.concatenate([record.texts.person for record in mid_world.records]))
    assert people.is_consented_at_signup[texted].all()
    assert not any(toolbox.holdout(user) for user in people.user_ids[texted].tolist())
    assert people.has_time_zone[texted].all()
    assert people.has_state[texted].all()
    assert len(texted) > 0.9 * 0.75 * 0.95 * mid_world.market.config.users


def test_at_most_two_delivered_texts_in_seven_days_and_three_days_apart(mid_world) -> None:
    records = mid_world.records
    grid = np.zeros((len(records), len(mid_world.market.people)), dtype=np.int64)
    for row, record in enumerate(records):
        grid[row, record.texts.person[record.texts.is_delivered]] += 1
    assert grid.max() == 1
    for width, limit in ((7, 2), (3, 1)):
        windows = np.lib.stride_tricks.sliding_window_view(grid, width, axis=0).sum(axis=-1)
        assert windows.max() <= limit


def test_texts_are_about_near_open_jobs_within_capacity(mid_world) -> None:
    market = mid_world.market
    for record in mid_world.records:
        jobs, texts = record.vacancies, record.texts
        assert (pair_distance_km(market.people, jobs, texts.person, texts.job) <= 60).all()
        rule = texts.job[~texts.is_explore]
        assert (np.bincount(rule, minlength=len(jobs)) <= jobs.openings * 8).all()


def test_the_rule_shows_in_what_was_sent(mid_world) -> None:
    market, jobs = mid_world.market, mid_world.market.state.vacancies
    same = {True: [], False: []}
    for record in mid_world.records:
        match = market.people.group[record.texts.person] == jobs.group[record.texts.job]
        for explore in (True, False):
            same[explore].append(match[record.texts.is_explore == explore])
    assert np.concatenate(same[False]).mean() > 3 * np.concatenate(same[True]).mean()


def test_propensities_are_those_of_slice_and_job(mid_world) -> None:
    texts = mid_world.records[8].texts
    assert np.allclose(texts.propensity[~texts.is_explore], 0.9)
    explored = texts.propensity[texts.is_explore]
    assert ((explored > 0.1 / 120) & (explored <= 0.1)).all()


def test_ids_are_those_of_the_campaign(mid_world) -> None:
    market, record = mid_world.market, mid_world.records[0]
    users = market.people.user_ids[record.texts.person].tolist()
    expected = [message_id(user, "job_of_the_day", record.day) for user in users]
    assert record.texts.message_ids.tolist() == expected


def test_every_wording_is_one_segment_with_brand_and_opt_out(mid_world) -> None:
    market, jobs = mid_world.market, mid_world.market.state.vacancies
    for body in wordings(market.config, market.catalogue, jobs, np.arange(len(jobs))):
        assert segments(body) == 1
        assert body.startswith("Northstar Jobs: ")
        assert body.endswith("Reply STOP to opt out")


def test_the_recruiter_rule() -> None:
    assert recruiter_rule(np.array(1.0), np.array(10.0), np.array(0.5), np.array(1.0)) == 1.2 - 0.5 + 0.5 + 0.3


@given(arrays(np.float64, (12, 4), elements=st.floats(-3, 3)), arrays(np.int64, 4, elements=st.integers(0, 5)))
def test_capacity_is_kept_and_used(scores: np.ndarray, capacity: np.ndarray) -> None:
    choice = within_capacity(scores, capacity)
    load = np.bincount(choice[choice >= 0], minlength=4)
    assert (load <= capacity).all()
    assert (choice >= 0).sum() == min(12, capacity.sum())


def test_impossible_columns_are_never_chosen() -> None:
    scores = np.array([[-np.inf, 1.0], [-np.inf, -np.inf]])
    assert within_capacity(scores, np.array([5, 5])).tolist() == [1, -1]
