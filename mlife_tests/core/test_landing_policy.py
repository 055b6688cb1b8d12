"""Limits of landing and of example files."""

from __future__ import annotations

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.example_file_policy import ExampleFilePolicy
from mlife_assets.core.landing_policy import LandingPolicy


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: LandingPolicy(maximum_rows=0), "LandingPolicy.maximum_rows is 0"),
        (lambda: LandingPolicy(worker_memory_bytes=1), "LandingPolicy.worker_memory_bytes is 1"),
        (lambda: LandingPolicy(decoding_cpu_seconds=0), "decoding_cpu_seconds is 0"),
        (lambda: ExampleFilePolicy(seconds=0), "ExampleFilePolicy.seconds is 0"),
        (lambda: ExampleFilePolicy(maximum_ratio=5_000), "maximum_ratio is 5000"),
    ],
)
def test_a_limit_out_of_bounds_is_refused_by_name(make: object, named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        make()  # type: ignore[operator]


def test_reading_and_judging_a_file_stays_below_two_gigabytes() -> None:
    policy = LandingPolicy()
    assert policy.maximum_file_bytes + 3 * policy.maximum_decoded_bytes < 2 * 2**30
    assert policy.worker_memory_bytes + policy.maximum_file_bytes < 2 * 2**30
