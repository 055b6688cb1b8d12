"""One thread of linear algebra inside, whatever was before outside."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

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


def test_the_limit_holds_until_the_last_of_two_that_overlap_has_ended() -> None:
    assert scipy.linalg.norm(np.ones(4)) == 2
    with threadpool_limits(limits=2, user_api="blas"):
        first, second = one_thread(), one_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert threads() == {1}
        second.__exit__(None, None, None)
        assert threads() == {2}


def test_threads_that_come_and_go_leave_what_was_before() -> None:
    seen: list[set[int]] = []

    def compute(number: int) -> None:
        for _ in range(20):
            with one_thread():
                time.sleep(0.0001 * (number % 3))
                seen.append(threads())

    with threadpool_limits(limits=2, user_api="blas"):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(compute, range(4)))
        assert (len(seen), set(map(frozenset, seen))) == (80, {frozenset({1})})
        assert threads() == {2}
