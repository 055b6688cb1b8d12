"""Places by score: one per row and user, ties by a seeded hash, whoever else is ranked with them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from mlife_assets.core.ranking.places import places_by_score

RNG = np.random.default_rng(3)
USERS = pa.chunked_array([[f"u{one}" for one in RNG.integers(0, 40, 900)]])
ITEMS = pa.chunked_array([[f"i{place}" for place in range(900)]])
SCORES = RNG.integers(0, 6, 900) / 8


def test_each_user_has_places_from_one_on_and_a_higher_score_comes_first() -> None:
    places = places_by_score(USERS, ITEMS, SCORES, 7)
    user_ids = np.array(USERS.to_pylist())
    for user in np.unique(user_ids):
        own = user_ids == user
        assert sorted(places[own]) == list(range(1, own.sum() + 1))
        assert np.all(np.diff(SCORES[own][np.argsort(places[own])]) <= 0)


def test_ties_follow_the_seed_and_not_the_order_of_rows() -> None:
    places, shuffled = places_by_score(USERS, ITEMS, SCORES, 7), RNG.permutation(900)
    again = places_by_score(USERS.take(shuffled), ITEMS.take(shuffled), SCORES[shuffled], 7)
    assert np.array_equal(again, places[shuffled])
    assert not np.array_equal(places_by_score(USERS, ITEMS, SCORES, 8), places)


def test_some_users_ranked_by_themselves_get_the_same_places() -> None:
    own = np.isin(USERS.to_pylist(), ["u3", "u17", "u20"])
    kept = pa.array(own)
    alone = places_by_score(USERS.filter(kept), ITEMS.filter(kept), SCORES[own], 7)
    assert np.array_equal(alone, places_by_score(USERS, ITEMS, SCORES, 7)[own])


def test_nobody_has_no_places() -> None:
    nobody = pa.chunked_array([], pa.string())
    assert places_by_score(nobody, nobody, np.zeros(0), 7).tolist() == []
