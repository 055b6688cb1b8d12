"""The world: calibrated, reproducible, closed; its random streams; the truth, and the best ranking there is."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.windows import add_days, day_start
from mlife_assets.market import world
from mlife_assets.market.behaviour import APPLY, CLICK, HIRE, mood_of_day, respond
from mlife_assets.market.population import MICROSECONDS_PER_DAY, epoch_us
from mlife_assets.market.simulation import FILLED, DayRecord, Market
from mlife_assets.market.texts import DELIVERED_SCHEMA
from mlife_assets.market.traffic import EXPORT_US
from mlife_assets.market.truth import (
    ORACLE,
    PERSON_COLUMNS,
    expected_maps,
    oracle_apply_probability,
    read_truth,
    true_response,
)
from mlife_assets.market.vacancies import job_ids
from mlife_assets.market.world import (
    LINEAR_TERMS,
    RELEASED_CALIBRATION,
    Injection,
    MarketConfig,
    Stream,
    generator,
    tiny_config,
)

DAY = tiny_config().start_date
DRIFT = add_days(tiny_config().start_date, 3)
CONFIG = tiny_config(injections=(Injection("hidden_taste", DRIFT, size=1.5), Injection("pay_in_cents", DRIFT)))
USERS, JOBS = 400, 20


def texts_for(market: Market, day, share: float, rng: np.random.Generator) -> pa.Table:
    """Text a share of all people about a random open job of their metro."""
    people, jobs = market.people, market.state.vacancies
    stock = jobs.open_at(epoch_us(day))
    persons = np.flatnonzero((rng.random(len(people)) < share) & (people.signed_up_us >= 0))
    chosen = [int(rng.choice(stock[jobs.metro[stock] == people.metro[one]])) for one in persons]
    return pa.table(
        {
            "message_id": [f"msg_{day}_{one}" for one in persons],
            "user_id": people.user_ids[persons].tolist(),
            "job_id": job_ids(np.array(chosen, dtype=np.int64)).tolist(),
            "sent_at": [day_start(day).replace(hour=18)] * len(persons),
        },
        schema=DELIVERED_SCHEMA,
    )


def applies(record: DayRecord, *, is_text: bool) -> int:
    return int(((record.outcomes.kind == APPLY) & (record.outcomes.is_text == is_text)).sum())


def test_traffic_and_responses_lie_in_the_calibrated_bands(mid_world) -> None:
    days, users = len(mid_world.records), mid_world.market.config.users
    views = sum(len(record.impressions) for record in mid_world.records)
    texts = sum(len(record.texts) for record in mid_world.records)
    clicks, applications = mid_world.outcomes(CLICK, is_text=False), mid_world.outcomes(APPLY, is_text=False)
    assert 1.0 < views / users / days < 1.4
    assert 0.085 < clicks / views < 0.125
    assert 0.075 < applications / clicks < 0.11
    assert 0.16 < texts / users / days < 0.2
    assert 0.075 < mid_world.outcomes(CLICK, is_text=True) / texts < 0.12
    assert 0.06 < mid_world.outcomes(APPLY, is_text=True) / mid_world.outcomes(CLICK, is_text=True) < 0.13
    assert mid_world.outcomes(HIRE, is_text=False) > 50


def test_weekly_appliers_are_six_to_seven_per_hundred_users(mid_world) -> None:
    week = [record.outcomes for record in mid_world.records[21:28]]
    people = np.concatenate([one.person[(one.kind == APPLY) & ~one.is_text] for one in week])
    assert 0.05 < len(np.unique(people)) / mid_world.market.config.users < 0.08


def test_views_are_skewed_over_people_and_jobs(mid_world) -> None:
    fortnight = mid_world.records[:14]
    people = np.bincount(np.concatenate([one.impressions.person for one in fortnight]), minlength=4_000)[:4_000]
    median, high, top = np.quantile(people, [0.5, 0.9, 0.99])
    assert 2.5 < high / median < 5.5
    assert 6 < top / median < 16
    jobs = np.sort(np.bincount(np.concatenate([one.impressions.job for one in fortnight])))[::-1]
    jobs = jobs[jobs > 0]
    assert 0.25 < jobs[: len(jobs) // 10].sum() / jobs.sum() < 0.38


def test_mondays_are_busier_than_sundays(mid_world) -> None:
    views = np.array([len(record.impressions) for record in mid_world.records])
    weekday = np.array([record.day.weekday() for record in mid_world.records])
    assert 1.7 < views[weekday == 0].mean() / views[weekday == 6].mean() < 2.4


def test_the_stock_of_open_jobs_is_steady_and_every_metro_has_some(mid_world) -> None:
    for record in mid_world.records:
        jobs = record.vacancies
        stock = jobs.metro[jobs.open_at(epoch_us(record.day))]
        assert 0.85 * 400 < len(stock) < 1.2 * 400
        assert np.bincount(stock, minlength=16)[:16].min() >= 5


def test_nobody_applies_twice_to_one_job_or_to_a_closed_one(mid_world) -> None:
    jobs = mid_world.market.state.vacancies
    happened = [record.outcomes.take(record.outcomes.kind == APPLY) for record in mid_world.records]
    pairs = np.concatenate([one.person * 10**7 + one.job for one in happened])
    assert len(np.unique(pairs)) == len(pairs)
    closed = jobs.expires_us.copy()
    for record in mid_world.records:
        # A hire within hours fills a job before the export that says so; until then people can apply.
        last_export = epoch_us(record.day) - (MICROSECONDS_PER_DAY - EXPORT_US)
        closed[record.closings.job] = np.maximum(record.closings.moment_us, last_export)
    assert all((one.moment_us <= closed[one.job]).all() for one in happened)


def test_hires_fill_openings_and_close_jobs(mid_world) -> None:
    jobs = mid_world.market.state.vacancies
    assert (jobs.hired <= jobs.openings).all()
    filled = np.concatenate([one.closings.job[one.closings.reason == FILLED] for one in mid_world.records])
    assert len(filled) > 5
    assert (jobs.hired[filled] == jobs.openings[filled]).all()
    every = np.concatenate([one.closings.job for one in mid_world.records])
    assert len(np.unique(every)) == len(every)


def test_everything_was_known_by_the_export(mid_world) -> None:
    for record in mid_world.records:
        export = epoch_us(record.day) + int(23.5 * 3.6e9)
        for moments in (record.outcomes.moment_us, record.impressions.moment_us, record.closings.moment_us):
            assert (moments <= export).all()
        assert (record.vacancies.posted_us[record.posted] <= export).all()


def test_some_applications_come_days_after_their_click(mid_world) -> None:
    late = 0
    for record in mid_world.records[10:]:
        clicked_today = set(record.impression_ids.tolist())
        happened = record.outcomes
        organic = happened.exposure_id[(happened.kind == APPLY) & ~happened.is_text].tolist()
        late += sum(one not in clicked_today for one in organic)
    assert 0.1 < late / mid_world.outcomes(APPLY, is_text=False) < 0.35


def test_days_must_follow_each_other() -> None:
    config = tiny_config()
    market = Market(config, lambda user: False)
    with pytest.raises(InvalidInputError, match="day by day"):
        market.advance(add_days(config.start_date, 1))


def test_a_saved_market_goes_on_as_if_it_had_never_stopped(toolbox, tmp_path) -> None:
    config = tiny_config()
    straight, _ = toolbox.lived(config, 9)
    market, _ = toolbox.lived(config, 5)
    market.save(tmp_path)
    resumed = Market.load(config, toolbox.holdout, tmp_path)
    for offset in range(5, 9):
        resumed.advance(add_days(config.start_date, offset))
    assert np.array_equal(resumed.state.vacancies.closed_us, straight.state.vacancies.closed_us)
    for name in ("moment_us", "person", "exposure_id"):
        assert np.array_equal(getattr(resumed.state.queue, name), getattr(straight.state.queue, name))
    assert np.array_equal(resumed.state.applied, straight.state.applied)


@pytest.fixture(scope="module")
def texted_worlds() -> dict[str, list[DayRecord]]:
    """The same lived fortnight without texts, and with texts to everybody every day."""
    config = MarketConfig(users=1_500, jobs=150, metros=4, history_days=0, seed=8)
    worlds = {}
    for name, share in (("silent", 0.0), ("texted", 1.0)):
        market, rng = Market(config, lambda user: False), np.random.default_rng(1)
        days = [add_days(config.start_date, offset) for offset in range(12)]
        worlds[name] = [market.advance(day, texts_for(market, day, share, rng)) for day in days]
    return worlds


def test_texts_raise_applications(texted_worlds) -> None:
    totals = {
        name: sum(applies(record, is_text=False) + applies(record, is_text=True) for record in records)
        for name, records in texted_worlds.items()
    }
    assert sum(applies(record, is_text=True) for record in texted_worlds["silent"]) == 0
    assert totals["texted"] > 1.08 * totals["silent"]
    assert sum(applies(record, is_text=True) for record in texted_worlds["texted"]) > 20


def test_texts_tire_people_and_leave_other_draws_alone(texted_worlds) -> None:
    clicks = [int(((one.outcomes.kind == CLICK) & one.outcomes.is_text).sum()) for one in texted_worlds["texted"]]
    fatigued = 0.91**8
    assert sum(clicks[8:12]) < 0.75 * sum(clicks[1:5])
    assert sum(clicks[8:12]) > fatigued * 0.6 * sum(clicks[1:5])
    for silent, texted in zip(texted_worlds["silent"][:2], texted_worlds["texted"][:2], strict=True):
        assert np.array_equal(silent.impressions.person, texted.impressions.person)
        assert np.array_equal(silent.vacancies.pay, texted.vacancies.pay)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"user_id": "usr_9999999"}, "user_id"), ({"job_id": "job_9999999"}, "job_id"), ({"sent_at": None}, "null"),
        ({"sent_at": "tomorrow"}, "sent_at"), ({"message_id": "twice"}, "repeats"),
    ],
)  # fmt: skip
def test_texts_that_cannot_be_are_refused(change: dict[str, str | None], message: str) -> None:
    config = replace(tiny_config(), history_days=0)
    market, day = Market(config, lambda user: False), config.start_date
    rows = texts_for(market, day, 0.5, np.random.default_rng(0)).to_pylist()[:2]
    if change.get("sent_at") == "tomorrow":
        change = {"sent_at": day_start(add_days(day, 1))}
    for row in rows if "message_id" in change else rows[:1]:
        row.update(change)
    with pytest.raises(InvalidInputError, match=message):
        market.advance(day, pa.Table.from_pylist(rows, schema=DELIVERED_SCHEMA))


def test_the_platform_cannot_text_during_history() -> None:
    config = tiny_config()
    market = Market(config, lambda user: False)
    table = texts_for(market, config.start_date, 0.1, np.random.default_rng(0))
    with pytest.raises(InvalidInputError, match="before"):
        market.advance(config.start_date, table)


def test_a_stream_is_named_by_seed_purpose_and_day() -> None:
    first = generator(1, Stream.BROWSING, DAY).random(8)
    assert np.array_equal(first, generator(1, Stream.BROWSING, DAY).random(8))
    others = [
        generator(2, Stream.BROWSING, DAY),
        generator(1, Stream.POSTINGS, DAY),
        generator(1, Stream.BROWSING, add_days(DAY, 1)),
        generator(1, Stream.BROWSING),
    ]
    assert not any(np.array_equal(first, other.random(8)) for other in others)


@pytest.mark.parametrize("change", [{"users": 0}, {"jobs": 0}, {"metros": 17}, {"seed": -1}, {"history_days": -1}])
def test_worlds_that_cannot_be_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(change))):
        tiny_config(**change)


def test_the_fingerprint_follows_everything_that_shapes_the_world() -> None:
    """A home goes on only in the world whose fingerprint its state has, in whatever groups the numbers stand."""
    config = MarketConfig()
    assert config.fingerprint == MarketConfig().fingerprint == "2b17f011a4bd0aca"
    changed = [
        replace(config, seed=1),
        replace(config, injections=(Injection("bots", DAY),)),
        replace(config, calibration=config.calibration.changed(taste=0.1)),
    ]
    assert len({one.fingerprint for one in changed} | {config.fingerprint}) == 4


@pytest.mark.parametrize("name", sorted(LINEAR_TERMS))
def test_every_later_term_shapes_the_world_unless_it_does_nothing(name: str) -> None:
    linear = world.Calibration().changed(**LINEAR_TERMS)
    other = linear.changed(**{name: LINEAR_TERMS[name] + 1})
    assert name not in linear.record()
    assert other.record()[name] == LINEAR_TERMS[name] + 1
    assert MarketConfig(calibration=other).fingerprint != MarketConfig(calibration=linear).fingerprint


@pytest.mark.parametrize("calibration", [world.Calibration(), RELEASED_CALIBRATION])
def test_a_record_gives_the_calibration_back(calibration: world.Calibration) -> None:
    assert world.Calibration.recorded(json.loads(json.dumps(calibration.record()))) == calibration
    with pytest.raises(TypeError, match="tast"):
        calibration.changed(taste=0.1, tast=0.1)


def test_a_calibration_of_release_0_1_0_is_linear() -> None:
    """The fingerprint is the one that 0.1.0 wrote into the state of its golden home."""
    assert set(LINEAR_TERMS).isdisjoint(RELEASED_CALIBRATION.record())
    config = MarketConfig(users=400, jobs=70, history_days=45, calibration=RELEASED_CALIBRATION)
    assert config.fingerprint == "b040e63dfbd43ce6"


def test_metros_follow_their_rank() -> None:
    shares = world.metro_shares(16)
    assert (np.diff(shares) < 0).all()
    assert np.isclose(shares.sum(), 1)
    assert 90 < 800 * shares[0] < 115
    assert 800 * shares[-1] > 25


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
    expected = respond(CONFIG.calibration.choice, people, jobs, mood, person, job, epoch_us(day))
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


def test_unlived_days_and_unknown_ids_are_refused(source) -> None:
    with pytest.raises(NotFoundError, match="deliver"):
        read_truth(source.truth, add_days(DRIFT, 20))
    truth = read_truth(source.truth, DRIFT)
    with pytest.raises(InvalidInputError, match="job_id"):
        oracle_apply_probability(truth, ["usr_0000001"], ["job_9999999"])


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


def test_a_constant_gets_the_random_value_and_the_oracles_own_score_its_own(pairs, probability) -> None:
    scores = {"constant": np.ones(len(probability)), "same order": np.log(probability)}
    found = expected_maps(pairs, probability, scores, depth=10, seed=1)
    assert found["constant"] == pytest.approx(found["random"], abs=0.01)
    assert found["same order"] == found[ORACLE]


def test_another_seed_changes_little(pairs: pa.Table, probability: np.ndarray) -> None:
    first, second = (expected_maps(pairs, probability, {}, depth=10, seed=seed) for seed in (1, 2))
    assert first[ORACLE] != second[ORACLE]
    assert first[ORACLE] == pytest.approx(second[ORACLE], abs=0.01)
