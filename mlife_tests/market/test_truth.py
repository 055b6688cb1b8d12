"""The truth: apart, complete, and the best ranking there is.

Expected MAP: the oracle is the ceiling, a constant gets the random value, and luck of a draw is averaged away.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.windows import add_days
from mlife_assets.market.behaviour import APPLY, mood_of_day, pair_distance_km, respond
from mlife_assets.market.history import recruiter_rule
from mlife_assets.market.injections import Injection
from mlife_assets.market.population import epoch_us
from mlife_assets.market.simulation import Market
from mlife_assets.market.truth import (
    ORACLE,
    PERSON_COLUMNS,
    WEIGHT_COLUMNS,
    expected_maps,
    oracle_apply_probability,
    read_truth,
    true_response,
)
from mlife_assets.market.vacancies import job_ids
from mlife_assets.market.world import LINEAR_TERMS, RELEASED_CALIBRATION, tiny_config

DRIFT = add_days(tiny_config().start_date, 3)
CONFIG = tiny_config(injections=(Injection("hidden_taste", DRIFT, size=1.5), Injection("pay_in_cents", DRIFT)))

USERS, JOBS = 400, 20


@pytest.fixture(scope="module")
def source(toolbox, tmp_path_factory):
    one = toolbox.event_source(CONFIG, tmp_path_factory.mktemp("truth"))
    one.deliver(add_days(DRIFT, 2))
    return one


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_the_oracle_is_the_formula_that_people_follow(offset: int, source, toolbox) -> None:
    day = add_days(DRIFT, offset)
    market, _ = toolbox.lived(CONFIG, 4 + offset)
    people, jobs = market.people, market.state.vacancies
    person, job = np.arange(50), np.arange(len(jobs) - 50, len(jobs))
    mood = mood_of_day(CONFIG, people, day)
    expected = respond(CONFIG.calibration, people, jobs, mood, person, job, epoch_us(day), is_text=False)
    truth = read_truth(source.truth, day)
    found = oracle_apply_probability(truth, people.user_ids[person], job_ids(job))
    assert np.array_equal(found, expected.click * expected.apply)
    assert truth.injections == ({"hidden_taste": 1.0, "pay_in_cents": 1.0} if offset >= 0 else {})
    texted = true_response(truth, people.user_ids[person], job_ids(job), is_text=True)
    assert (texted.click < expected.click).all()


def test_a_truth_of_release_0_1_0_is_read_as_the_linear_world_that_it_was(toolbox, tmp_path) -> None:
    """Its files name no weights and no later term; a world with the released calibration writes the same."""
    config = replace(CONFIG, calibration=RELEASED_CALIBRATION)
    source = toolbox.event_source(config, tmp_path)
    source.deliver(DRIFT)
    columns = pq.read_schema(tmp_path / "truth" / "people" / f"dt={DRIFT}" / "people.parquet").names
    assert columns == ["user_id", *PERSON_COLUMNS, "taste"]
    parameters = json.loads((tmp_path / "truth" / "parameters" / f"dt={DRIFT}" / "parameters.json").read_text())
    assert set(LINEAR_TERMS).isdisjoint(parameters["calibration"])
    truth = read_truth(source.truth, DRIFT)
    assert truth.calibration == RELEASED_CALIBRATION
    assert (truth.people.pay_weight == 1.0).all()
    assert (truth.people.distance_weight == 1.0).all()


def test_weights_are_of_the_truth(source, toolbox) -> None:
    market, _ = toolbox.lived(CONFIG, 1)
    truth = read_truth(source.truth, DRIFT)
    for name in WEIGHT_COLUMNS:
        assert np.array_equal(getattr(truth.people, name), getattr(market.people, name))


def test_unlived_days_and_unknown_ids_are_refused(source) -> None:
    with pytest.raises(NotFoundError, match="deliver"):
        read_truth(source.truth, add_days(DRIFT, 20))
    truth = read_truth(source.truth, DRIFT)
    with pytest.raises(InvalidInputError, match="job_id"):
        oracle_apply_probability(truth, ["usr_0000001"], ["job_9999999"])


def test_the_oracle_beats_the_recruiters_who_beat_chance(mid_world) -> None:
    market: Market = mid_world.market
    people, jobs, config = market.people, market.state.vacancies, market.config
    rng, ranks = np.random.default_rng(0), {"oracle": [], "human": []}
    for record in mid_world.records[20:40]:
        rows = record.outcomes.take((record.outcomes.kind == APPLY) & ~record.outcomes.is_text)
        stock = jobs.open_at(epoch_us(record.day))
        for person, job in zip(rows.person.tolist(), rows.job.tolist(), strict=True):
            near = stock[(jobs.metro[stock] == people.metro[person]) & (stock != job)]
            if len(near) < 19:
                continue
            candidates = np.r_[job, rng.choice(near, 19, replace=False)]
            who = np.full(20, person)
            mood = mood_of_day(config, people, record.day)
            truth = respond(
                config.calibration, people, jobs, mood, who, candidates, epoch_us(record.day), is_text=False
            )
            human = recruiter_rule(
                people.group[person] == jobs.group[candidates],
                pair_distance_km(people, jobs, who, candidates),
                np.log(jobs.pay[candidates] / people.reservation_pay[person]),
                people.shift[person] == jobs.shift[candidates],
            )
            for name, score in (("oracle", truth.click * truth.apply), ("human", human)):
                ranks[name].append((score > score[0]).sum())
    assert len(ranks["oracle"]) > 200
    reciprocal = {name: np.mean(1 / (np.array(values) + 1)) for name, values in ranks.items()}
    assert reciprocal["oracle"] > reciprocal["human"] + 0.08
    assert reciprocal["human"] > 0.25


@pytest.fixture(scope="module")
def pairs() -> pa.Table:
    users = [f"usr_{user:04d}" for user in range(USERS) for _ in range(JOBS)]
    return pa.table({"user_id": users, "job_id": [f"job_{job:04d}" for _ in range(USERS) for job in range(JOBS)]})


@pytest.fixture(scope="module")
def probability() -> np.ndarray:
    return 0.02 + 0.3 * np.random.default_rng(3).random(USERS * JOBS) ** 4


def test_no_ranking_beats_the_true_probabilities(pairs: pa.Table, probability: np.ndarray) -> None:
    rng = np.random.default_rng(4)
    noisy = {f"noise {size}": probability + size * rng.normal(size=len(probability)) for size in (0.05, 0.2)}
    found = expected_maps(pairs, probability, noisy, depth=10, seed=1)
    assert found[ORACLE] > found["noise 0.05"] > found["noise 0.2"] > found["random"]


def test_a_constant_gets_the_random_value_and_the_oracles_own_score_its_own(
    pairs: pa.Table, probability: np.ndarray
) -> None:
    scores = {"constant": np.ones(len(probability)), "same order": np.log(probability)}
    found = expected_maps(pairs, probability, scores, depth=10, seed=1)
    assert found["constant"] == pytest.approx(found["random"], abs=0.01)
    assert found["same order"] == found[ORACLE]


def test_another_seed_changes_little(pairs: pa.Table, probability: np.ndarray) -> None:
    first, second = (expected_maps(pairs, probability, {}, depth=10, seed=seed) for seed in (1, 2))
    assert first[ORACLE] != second[ORACLE]
    assert first[ORACLE] == pytest.approx(second[ORACLE], abs=0.01)
