"""Configuration and random streams."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.windows import add_days
from mlife_assets.market.injections import Injection
from mlife_assets.market.world import MarketConfig, Stream, generator, metro_shares, tiny_config

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


def test_metros_follow_their_rank() -> None:
    shares = metro_shares(16)
    assert (np.diff(shares) < 0).all()
    assert np.isclose(shares.sum(), 1)
    assert 90 < 800 * shares[0] < 115
    assert 800 * shares[-1] > 25


def test_history_ends_before_the_first_lived_day() -> None:
    config = MarketConfig()
    assert (config.first_lived_date - config.start_date).days == config.history_days
