"""Texts and mails of the market: the recruiters' own tool, who asks for mails, and what follows."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.windows import add_days, day_start
from mlife_assets.market.behaviour import APPLY, CLICK, pair_distance_km
from mlife_assets.market.private_files import mail_address
from mlife_assets.market.simulation import Market
from mlife_assets.market.source import exported_day
from mlife_assets.market.texts import DELIVERED_SCHEMA, POSITION, asks_for_mails, delivered_mails
from mlife_assets.market.traffic import recruiter_rule, within_capacity, wordings
from mlife_assets.market.vacancies import job_ids
from mlife_assets.market.world import RELEASED_CALIBRATION, MarketConfig, tiny_config
from mlife_assets.recruiting.ids import message_id
from mlife_assets.recruiting.messaging.templates import segments

SCHEMA = DELIVERED_SCHEMA.append(pa.field(POSITION, pa.int64()))
CONFIG = replace(tiny_config(users=2_000), history_days=0)


def mails_for(market: Market, day, people: int, jobs: int = 5) -> pa.Table:
    """Return a mail of the first jobs to each of the first people, and a text to the last one."""
    users = market.people.user_ids[:people].tolist()
    sent = day_start(day) + timedelta(hours=21)
    rows = [
        {"message_id": f"msg_{place:024d}", "user_id": user, "job_id": job, "sent_at": sent, POSITION: position}
        for place, user in enumerate(users)
        for position, job in enumerate(job_ids(np.arange(jobs)).tolist(), 1)
    ]
    text = {"message_id": "msg_text", "user_id": users[-1], "job_id": rows[0]["job_id"], "sent_at": sent}
    return pa.Table.from_pylist([*rows, {**text, POSITION: None}], schema=SCHEMA)


@pytest.fixture(scope="module")
def lived():
    """Return the tables that the exporter wrote on ten days, on the first of which all got a mail."""
    market = Market(CONFIG, lambda user: False)
    first = CONFIG.start_date
    tables = [exported_day(market, first, mails_for(market, first, 2_000))[1]]
    return tables + [exported_day(market, add_days(first, offset))[1] for offset in range(1, 10)]


def after_mails(tables, kind: str) -> list[dict]:
    rows = [row for day in tables if kind in day for row in day[kind].to_pylist()]
    return [row for row in rows if row["source"] == "message" and row["exposure_id"] != "msg_text"]


def test_a_mail_may_lead_to_several_clicks_which_name_it_and_their_job(lived) -> None:
    clicks = after_mails(lived, "click")
    assert {len(row["exposure_id"]) for row in clicks} == {28}
    assert len({row["event_id"] for row in clicks}) == len(clicks)
    by_mail = Counter(row["exposure_id"] for row in clicks)
    assert max(by_mail.values()) > 1
    assert len({(row["exposure_id"], row["job_id"]) for row in clicks}) == len(clicks)
    assert {row["job_id"] for row in clicks} == set(job_ids(np.arange(5)).tolist())
    applied = after_mails(lived, "apply")
    assert applied
    assert {(row["exposure_id"], row["job_id"]) for row in applied} <= {
        (row["exposure_id"], row["job_id"]) for row in clicks
    }
    hired = after_mails(lived, "hire")
    assert {row["apply_event_id"] for row in hired} <= {row["event_id"] for row in applied}


def test_about_a_third_open_a_mail_and_nobody_clicks_in_another(lived) -> None:
    opened = len({row["exposure_id"] for row in after_mails(lived, "click")}) / 2_000
    # Of five jobs on a page about a third of people click at least one.
    assert 0.05 < opened < CONFIG.calibration.habits.mail_opened_share
    closed = replace(CONFIG, calibration=CONFIG.calibration.changed(mail_opened_share=0.0))
    market = Market(closed, lambda user: False)
    record = market.advance(closed.start_date, mails_for(market, closed.start_date, 2_000))
    assert not ((record.outcomes.kind == CLICK) & record.outcomes.is_text).sum() > 1


def test_the_first_job_of_a_mail_is_looked_at_most_and_soonest() -> None:
    market = Market(replace(CONFIG, calibration=CONFIG.calibration.changed(mail_opened_share=1.0)), lambda user: False)
    first = CONFIG.start_date
    users, job = market.people.user_ids.tolist(), job_ids(np.arange(10)).tolist()
    at = day_start(first) + timedelta(hours=1)
    # Of each job as many mails show it first as last.
    rows = [
        {"message_id": f"msg_{place:024d}", "user_id": user, "job_id": job[(place + position) % 10], "sent_at": at,
         POSITION: position}
        for place, user in enumerate(users)
        for position in range(1, 11)
    ]  # fmt: skip
    happened = market.advance(first, pa.Table.from_pylist(rows, schema=SCHEMA)).outcomes
    clicks = happened.take((happened.kind == CLICK) & happened.is_text)
    places = np.array([int(one.partition(".")[2]) for one in clicks.exposure_id.tolist()])
    counts = np.bincount(places, minlength=11)
    assert counts[1:4].sum() > 1.2 * counts[8:11].sum()
    of_mail: dict[str, list[tuple[int, int]]] = {}
    for one, place, moment in zip(clicks.exposure_id.tolist(), places.tolist(), clicks.moment_us.tolist(), strict=True):
        of_mail.setdefault(one.partition(".")[0], []).append((place, moment))
    several = [sorted(found) for found in of_mail.values() if len(found) > 1]
    assert several
    assert all(moments == sorted(set(moments)) for moments in ([at for _, at in found] for found in several))


def test_mails_leave_other_draws_alone() -> None:
    silent, mailed = (Market(CONFIG, lambda user: False) for _ in range(2))
    first = CONFIG.start_date
    plain, with_mails = silent.advance(first), mailed.advance(first, mails_for(mailed, first, 500))
    assert np.array_equal(plain.impressions.person, with_mails.impressions.person)
    organic = [
        set(one.outcomes.exposure_id[(one.outcomes.kind == APPLY) & ~one.outcomes.is_text].tolist())
        for one in (plain, with_mails)
    ]
    assert organic[1] <= organic[0], "an application after a mail may be the one to a job, or its last place"


def test_the_order_of_rows_changes_nothing() -> None:
    market = Market(CONFIG, lambda user: False)
    jobs, _ = market._with_postings(CONFIG.start_date)
    table = mails_for(market, CONFIG.start_date, 20, jobs=10)
    shuffled = table.take(np.random.default_rng(1).permutation(table.num_rows))
    one, other = (delivered_mails(rows, market.people, jobs, CONFIG.start_date) for rows in (table, shuffled))
    assert one.exposure_ids.tolist() == other.exposure_ids.tolist()
    assert one.position.tolist() == list(range(1, 11)) * 20
    assert one.mail.tolist() == [mail for mail in range(20) for _ in range(10)]
    assert len(delivered_mails(None, market.people, jobs, CONFIG.start_date)) == 0


def test_a_place_that_cannot_be_is_refused() -> None:
    market = Market(CONFIG, lambda user: False)
    table = mails_for(market, CONFIG.start_date, 1)
    rows = [row | ({POSITION: 0} if row[POSITION] == 2 else {}) for row in table.to_pylist()]
    with pytest.raises(InvalidInputError, match="position in row 1 of the mails is 0; count from 1"):
        market.advance(CONFIG.start_date, pa.Table.from_pylist(rows, schema=SCHEMA))


def test_who_asks_for_mails_has_an_address_and_in_the_world_of_0_1_0_nobody_asks() -> None:
    users = [f"usr_{number:07d}" for number in range(3_000)]
    asked = [user for user in users if asks_for_mails(CONFIG, user)]
    assert 0.48 < len(asked) / 3_000 < 0.55  # .55 of the .94 who have an address
    assert all(mail_address(CONFIG.seed, user) is not None for user in asked)
    released = MarketConfig(calibration=RELEASED_CALIBRATION)
    assert not any(asks_for_mails(released, user) for user in users)


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
