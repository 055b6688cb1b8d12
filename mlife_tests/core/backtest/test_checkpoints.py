"""Costly steps are computed once, kept whole, and never mixed up."""

from __future__ import annotations

import pytest

from mlife_assets.core.backtest.checkpoints import Checkpoints, Timings
from mlife_assets.core.errors import IntegrityError, NotFoundError


def test_a_step_is_computed_once_and_comes_back_to_the_bit(store):
    value = {"b": [0.1 + 0.2, 1e-300], "a": "ü"}
    assert Checkpoints(store, "h").remember("one", lambda: value) == value
    again = Checkpoints(store, "h")
    assert again.remember("one", lambda: pytest.fail("computed again")) == value
    assert (again.computed, again.found) == (0, 1)


def test_other_steps_and_other_inputs_do_not_meet(store):
    Checkpoints(store, "h").remember("one", lambda: 1)
    assert Checkpoints(store, "h").remember("two", lambda: 2) == 2
    assert Checkpoints(store, "other").remember("one", lambda: 3) == 3
    assert Checkpoints(store, "h").remember("one", lambda: 4) == 1


def test_a_step_that_fails_leaves_nothing(store):
    def fail():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Checkpoints(store, "h").remember("one", fail)
    assert store.objects == {}


@pytest.mark.parametrize("change", [b'"result":2', b'"result":', b"\xff"])
def test_a_changed_checkpoint_is_refused(store, change):
    Checkpoints(store, "h").remember("one", lambda: 1)
    (key,) = store.objects
    store.objects[key] = store.objects[key].replace(b'"result":1', change)
    with pytest.raises(IntegrityError, match="delete it and run again"):
        Checkpoints(store, "h").remember("one", lambda: 1)


def test_a_checkpoint_of_another_step_is_refused(store):
    kept = Checkpoints(store, "h")
    kept.remember("one", lambda: 1)
    (one,) = store.objects
    kept.remember("two", lambda: 2)
    (two,) = set(store.objects) - {one}
    store.objects[two] = store.objects[one]
    with pytest.raises(IntegrityError, match="of two was changed"):
        kept.remember("two", lambda: 2)


def test_not_a_number_is_no_result(store):
    with pytest.raises(ValueError, match="Out of range"):
        Checkpoints(store, "h").remember("one", lambda: float("nan"))


def test_seconds_are_kept_with_the_step_and_survive(store):
    ticks = iter([10.0, 12.5])
    assert Timings(store, "h", lambda: next(ticks)).measure("one", lambda: "x") == "x"
    later = Timings(store, "h", lambda: pytest.fail("measured again"))
    assert later.seconds("one") == 2.5
    with pytest.raises(NotFoundError):
        later.seconds("two")
