"""Drifts of behaviour: strength, reach and effect of each."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.windows import add_days
from mlife_assets.market.behaviour import APPLY, CLICK, mood_of_day, respond
from mlife_assets.market.injections import BEHAVIOURS, FAULTS, INJECTION_NAMES, Injection, affected, drifted_taste
from mlife_assets.market.population import epoch_us
from mlife_assets.market.world import MarketConfig, tiny_config

START = tiny_config().start_date
DAY = add_days(START, 5)


def world(*injections: Injection) -> MarketConfig:
    return tiny_config(injections=injections)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(InvalidInputError, match=r"new_city.*pay_elasticity"):
        Injection("earthquake", DAY)


@pytest.mark.parametrize(("name", "size"), [("new_city", 1.5), ("prior_shift", 0.0), ("pay_in_cents", -0.1)])
def test_sizes_without_meaning_are_refused(name: str, size: float) -> None:
    with pytest.raises(InvalidInputError, match="size"):
        Injection(name, DAY, size=size)


def test_every_injection_is_a_behaviour_or_a_fault() -> None:
    assert set(BEHAVIOURS) | set(FAULTS) == set(INJECTION_NAMES)
    assert not set(BEHAVIOURS) & set(FAULTS)
    assert Injection("pay_in_cents", DAY).is_fault
    assert not Injection("new_city", DAY).is_fault


@given(st.integers(0, 10), st.integers(0, 10), st.integers(-5, 40))
def test_strength_ramps_up_and_ends(ramp: int, duration: int, offset: int) -> None:
    injection = Injection("hidden_taste", DAY, ramp_days=ramp, duration_days=duration)
    strength = injection.intensity(DAY + timedelta(days=offset))
    if offset < 0 or (duration and offset >= duration):
        assert strength == 0
    else:
        assert strength == min(1, (offset + 1) / max(1, ramp))


def test_a_growing_share_only_adds_people() -> None:
    injection = Injection("new_taste_cluster", DAY)
    small, large = (affected(1, injection, 5_000, share) for share in (0.2, 0.5))
    assert not (small & ~large).any()
    assert 0.17 < small.mean() < 0.23


def test_new_taste_cluster_moves_its_share(rng) -> None:
    taste = rng.normal(size=(4_000, 8))
    moved = drifted_taste(1, (Injection("new_taste_cluster", DAY, size=0.3),), DAY, taste)
    assert 0.27 < (moved != taste).any(axis=1).mean() < 0.33
    assert moved[:, 0].mean() - taste[:, 0].mean() > 0.25
    assert drifted_taste(1, (Injection("new_taste_cluster", DAY),), add_days(DAY, -1), taste) is taste


def test_correlation_only_keeps_the_marginals(rng) -> None:
    taste = rng.normal(size=(20_000, 8))
    moved = drifted_taste(1, (Injection("correlation_only", DAY, size=1.0),), DAY, taste)
    assert np.allclose(moved.mean(axis=0), 0, atol=0.03)
    assert np.allclose(moved.std(axis=0), 1, atol=0.03)
    correlations = np.corrcoef(moved.T)
    assert correlations[0, 1] > 0.99
    assert correlations[2, 3] < -0.99
    assert abs(correlations[6, 7]) < 0.03


@pytest.mark.parametrize("size", [2.5, 5.0, -0.5])
def test_pay_elasticity_is_the_new_average_over_what_is_shown(size: float, mid_world) -> None:
    """Measured where the probability of an application is small, so that its log odds are its logarithm."""
    day, people = mid_world.records[20].day, mid_world.market.people
    config = replace(mid_world.market.config, injections=(Injection("pay_elasticity", day, size=size),))
    views, jobs = mid_world.records[20].impressions, mid_world.records[20].vacancies
    rare = replace(people, activity=np.full(len(people), -20.0))
    mood = mood_of_day(config, rare, day)
    found = []
    for pay in (jobs.pay, jobs.pay * np.exp(1e-4)):
        paid = replace(jobs, pay=pay)
        response = respond(config.calibration, rare, paid, mood, views.person, views.job, epoch_us(day), is_text=False)
        found.append(np.log(response.click * response.apply).mean())
    assert (found[1] - found[0]) / 1e-4 == pytest.approx(size, rel=0.04)


def test_hidden_taste_moves_the_truth_but_not_the_export(toolbox, clean_exports) -> None:
    config = world(Injection("hidden_taste", DAY, size=2.0))
    market, _ = toolbox.lived(config, 1)
    shifted = mood_of_day(config, market.people, DAY).taste - market.people.taste
    assert np.allclose(shifted[:, 0], 2.0)
    assert np.allclose(shifted[:, 1:], 0.0)
    exported = toolbox.exports(config, 7)
    assert exported[6]["user_snapshot"].equals(clean_exports[6]["user_snapshot"])
    assert not exported[5]["click"].equals(clean_exports[5]["click"])


def test_prior_shift_multiplies_responses(toolbox) -> None:
    totals = []
    for found in ((), (Injection("prior_shift", START, size=4.0),)):
        _, records = toolbox.lived(world(*found), 10)
        kinds = np.concatenate([record.outcomes.kind for record in records])
        totals.append(((kinds == CLICK).sum(), (kinds == APPLY).sum()))
    assert 1.5 < totals[1][0] / totals[0][0] < 2.2
    assert 2.0 < totals[1][1] / totals[0][1] < 4.5


def test_new_city_opens_with_people_and_postings(toolbox) -> None:
    market, records = toolbox.lived(world(Injection("new_city", DAY, ramp_days=3, size=1.0)), 15)
    city = market.config.metros
    members = [int((market.people.metro[record.members] == city).sum()) for record in records]
    assert members[4] == 0
    assert 0 < members[5] < members[6] < members[7] == market.config.dormant_users == 45
    postings = [int((record.vacancies.metro[record.posted] == city).sum()) for record in records]
    assert sum(postings[:5]) == 0
    assert sum(postings[5:]) > 0
    viewers = np.concatenate([record.impressions.person for record in records[6:]])
    assert (market.people.metro[viewers] == city).sum() > 10
    consents = np.concatenate([record.consents.person for record in records[5:8]])
    assert (market.people.metro[consents] == city).sum() == 45


def test_without_injections_people_stay_as_they_are(clean_exports) -> None:
    first, last = (clean_exports[day]["user_snapshot"].drop_columns(["event_id"]) for day in (7, -1))
    moved = {name for name in first.column_names if not first[name].equals(last[name])}
    assert moved == {"occurred_at", "observed_at"}


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_nothing_changes_before_the_day(name: str, toolbox, clean_exports) -> None:
    for offset, tables in enumerate(toolbox.exports(world(Injection(name, DAY)), 6)[:5]):
        assert tables == clean_exports[offset]


def test_dates_are_days() -> None:
    assert Injection("bots", date(2026, 6, 15)).intensity(date(2026, 6, 15)) == 1.0
