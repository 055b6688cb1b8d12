"""The shipped cut of public data."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import numpy as np

from mlife_assets.market.catalogue import load_catalogue
from mlife_assets.recruiting.events import OCCUPATION_GROUPS


def test_metros_are_real_and_complete() -> None:
    metros = load_catalogue().metros
    assert len({metro.metro_code for metro in metros}) == len(metros) == 17
    assert metros[0].metro_code == "35620"
    for metro in metros:
        assert ZoneInfo(metro.time_zone)
        assert 24 < metro.latitude < 50
        assert -125 < metro.longitude < -66


def test_every_group_has_occupations_and_every_metro_their_wages() -> None:
    catalogue = load_catalogue()
    assert set(catalogue.occupation_group.tolist()) == set(range(len(OCCUPATION_GROUPS)))
    assert (np.diff(catalogue.log_wages, axis=2) >= 0).all()
    wages = np.exp(catalogue.log_wages)
    assert 5 < wages.min() < wages.max() < 150
    assert np.allclose(catalogue.group_shares().sum(axis=1), 1)


def test_wages_interpolate_between_percentiles() -> None:
    catalogue, zero = load_catalogue(), np.zeros(3, dtype=np.int64)
    low, middle, high = catalogue.log_wage(zero, zero, np.array([-9.0, 0.0, 9.0]))
    assert low == catalogue.log_wages[0, 0, 0]
    assert np.isclose(middle, catalogue.log_wages[0, 0, 2])
    assert np.isclose(high, catalogue.log_wages[0, 0, 4])


def test_seasons_differ_by_trade() -> None:
    catalogue = load_catalogue()
    construction = OCCUPATION_GROUPS.index("47")
    assert catalogue.season(date(2026, 7, 15))[construction] > catalogue.season(date(2026, 1, 15))[construction] + 0.05
    assert np.allclose(catalogue.seasonal.mean(axis=1), 1, atol=0.02)
