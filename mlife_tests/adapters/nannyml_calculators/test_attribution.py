from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlife_assets.adapters.nannyml_calculators.drift import CLASSIFIER_SETTINGS, most_moved

ROWS = 1_200


def frame(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    pay = rng.standard_normal(ROWS)
    return pd.DataFrame(
        {
            "pay": pay,
            "bid": 0.8 * pay + 0.6 * rng.standard_normal(ROWS),
            "metro": rng.choice(np.array(["a", "b", "c"], dtype=object), ROWS),
            "openings": rng.poisson(1.0, ROWS).astype(float),
            **{f"noise_{k}": rng.standard_normal(ROWS) for k in range(6)},
        }
    )


def moved(today: pd.DataFrame) -> tuple[str, ...]:
    return most_moved(frame(1), today, CLASSIFIER_SETTINGS, seed=7)


def test_the_column_that_moved_is_named_alone() -> None:
    assert moved(frame(2).assign(openings=lambda rows: rows["openings"] + 2)) == ("openings",)


def test_words_are_columns_too() -> None:
    assert moved(frame(2).assign(metro="d")) == ("metro",)


def test_a_broken_link_names_both_ends_before_any_noise() -> None:
    shuffled = frame(2)["bid"].to_numpy()[np.random.default_rng(5).permutation(ROWS)]
    assert set(moved(frame(2).assign(bid=shuffled))[:2]) == {"pay", "bid"}


def test_missing_values_are_something_to_tell_by() -> None:
    assert moved(frame(2).assign(pay=np.nan))[0] == "pay"


def test_the_same_rows_give_the_same_names_and_equal_rows_none() -> None:
    today = frame(2).assign(pay=lambda rows: rows["pay"] + 0.3)
    assert moved(today) == moved(today)
    constant = pd.DataFrame({"x": np.zeros(ROWS)})
    assert most_moved(constant, constant, CLASSIFIER_SETTINGS, seed=7) == ()


@pytest.mark.parametrize(("shift", "most"), [(0.4, 12), (1.0, 1)])
def test_noise_is_taken_off(shift: float, most: int) -> None:
    """Sixty columns of noise have gain in sum: without what chance gives, 29 and 15 of them would be named."""
    rng = np.random.default_rng(3)
    names = [f"noise_{k}" for k in range(60)]
    usual, today = (pd.DataFrame(rng.standard_normal((ROWS, 60)), columns=names) for _ in range(2))
    found = most_moved(usual, today.assign(noise_7=lambda rows: rows["noise_7"] + shift), CLASSIFIER_SETTINGS, seed=7)
    assert found[0] == "noise_7"
    assert len(found) <= most
