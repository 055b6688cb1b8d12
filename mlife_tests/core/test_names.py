"""Names of models, of their steps and of what uses them."""

from __future__ import annotations

import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.names import NAME_CHARACTERS, require_name


@pytest.mark.parametrize("name", ["churn", "churn_risk", "job2_of_the_day", "a" * NAME_CHARACTERS])
def test_words_joined_by_underscores_are_a_name(name: str) -> None:
    require_name("Model.name", name)


@pytest.mark.parametrize(
    "name", ["", "Churn", "_churn", "churn_", "churn__risk", "2nd", "a b", "a" * (NAME_CHARACTERS + 1)]
)
def test_what_is_no_name_is_refused_with_where_it_stands(name: str) -> None:
    with pytest.raises(InvalidInputError, match=r"^Model\.name is .*lower-case words joined by underscores"):
        require_name("Model.name", name)
