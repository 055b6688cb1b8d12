"""Profiles of reference columns: worked by hand, and the worst day."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.core.monitoring.profiles import most_frequent, plain_values, profile

DAYS = np.array(["2026-05-01"] * 4 + ["2026-05-02"] * 2, dtype="datetime64[D]")


def test_numbers_by_hand() -> None:
    found = profile("pay", pa.chunked_array([[1.0, 2.0, 2.0, np.nan], [0.0, 5.0]]), DAYS)
    assert (found.minimum, found.maximum, found.median, found.mean) == (0.0, 5.0, 2.0, 2.0)
    assert found.standard_deviation == pytest.approx(np.sqrt(14 / 5))
    assert found.values == ()


def test_shares_are_those_of_the_worst_day() -> None:
    found = profile("pay", pa.chunked_array([[1.0, 2.0, 2.0, np.nan], [0.0, 5.0]]), DAYS)
    assert found.missing_share == 0.25
    assert found.zero_share == 0.5
    assert found.most_frequent_share == 0.5
    text = profile("city", pa.chunked_array([["a", "a", "a", "b"], [None, "b"]]), DAYS)
    assert text.missing_share == 0.5
    assert text.most_frequent_share == 0.75
    assert text.values == ("a", "b")
    assert (text.median, text.mean, text.standard_deviation) == (None, None, None)


def test_missing_values_are_never_the_most_frequent_but_count_as_rows() -> None:
    assert most_frequent(plain_values(pa.chunked_array([[None, None, "b"]]))) == ("b", pytest.approx(1 / 3))
    assert most_frequent(np.array([np.nan, np.nan, 0.5])) == ("0.5", pytest.approx(1 / 3))
    assert most_frequent(np.array([np.nan])) == ("none", 0.0)
