"""One thread of linear algebra inside, whatever was before outside."""

from __future__ import annotations

import numpy as np
import scipy.linalg
from threadpoolctl import threadpool_info, threadpool_limits

from mlife_assets.core.threads import one_thread


def threads() -> set[int]:
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_a_computation_has_one_thread_and_what_was_before_comes_back() -> None:
    assert scipy.linalg.norm(np.ones(4)) == 2
    with threadpool_limits(limits=2, user_api="blas"):
        with one_thread():
            assert threads() == {1}
            with one_thread():
                assert threads() == {1}
            assert threads() == {1}
        assert threads() == {2}
