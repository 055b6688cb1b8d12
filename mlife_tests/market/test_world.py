"""Configuration and random streams."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.windows import add_days
from mlife_assets.market.injections import Injection
from mlife_assets.market.world import (
    LINEAR_TERMS,
    RELEASED_CALIBRATION,
    Calibration,
    MarketConfig,
    Stream,
    generator,
    metro_shares,
    tiny_config,
)

DAY = tiny_config().start_date


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
    config = MarketConfig()
    assert config.fingerprint == MarketConfig().fingerprint
    changed = [
        replace(config, seed=1),
        replace(config, injections=(Injection("bots", DAY),)),
        replace(config, calibration=replace(config.calibration, taste=0.1)),
    ]
    assert len({one.fingerprint for one in changed} | {config.fingerprint}) == 4


@pytest.mark.parametrize("name", sorted(LINEAR_TERMS))
def test_every_later_term_shapes_the_world_unless_it_does_nothing(name: str) -> None:
    linear = replace(Calibration(), **LINEAR_TERMS)
    other = replace(linear, **{name: LINEAR_TERMS[name] + 1})
    assert name not in linear.record()
    assert other.record()[name] == LINEAR_TERMS[name] + 1
    assert MarketConfig(calibration=other).fingerprint != MarketConfig(calibration=linear).fingerprint


@pytest.mark.parametrize("calibration", [Calibration(), RELEASED_CALIBRATION])
def test_a_record_gives_the_calibration_back(calibration: Calibration) -> None:
    assert Calibration.recorded(json.loads(json.dumps(calibration.record()))) == calibration


def test_a_calibration_of_release_0_1_0_is_linear() -> None:
    """The fingerprint is the one that 0.1.0 wrote into the state of its golden home."""
    assert set(LINEAR_TERMS).isdisjoint(RELEASED_CALIBRATION.record())
    config = MarketConfig(users=400, jobs=70, history_days=45, calibration=RELEASED_CALIBRATION)
    assert config.fingerprint == "b040e63dfbd43ce6"


def test_metros_follow_their_rank() -> None:
    shares = metro_shares(16)
    assert (np.diff(shares) < 0).all()
    assert np.isclose(shares.sum(), 1)
    assert 90 < 800 * shares[0] < 115
    assert 800 * shares[-1] > 25


def test_history_ends_before_the_first_lived_day() -> None:
    config = MarketConfig()
    assert (config.first_lived_date - config.start_date).days == config.history_days
