"""A number outside its bounds is refused by name."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policy_bounds import require_bounded


def test_bounds_are_included_and_the_first_field_outside_is_named() -> None:
    owner = SimpleNamespace(low=0, high=1, wrong=1.01)
    require_bounded(owner, low=(0, 1), high=(0, 1))
    with pytest.raises(InvalidInputError, match=r"SimpleNamespace.wrong is 1.01; set it between 0 and 1"):
        require_bounded(owner, low=(0, 1), wrong=(0, 1))


def test_not_a_number_lies_in_no_bounds() -> None:
    with pytest.raises(InvalidInputError, match="is nan"):
        require_bounded(SimpleNamespace(value=float("nan")), value=(0, 1))
