"""The categories of a bias audit: sex, race or ethnicity, and both at once.

Belongs here: names and how two of them are joined. Does not belong here: who is in which category.

Concept: the categories are those that New York City's Local Law 144 asks for (6 RCNY 5-301), which are the ones that
companies report to the EEOC (Component 1 of EEO-1). What a person did not say is `unknown`, never a guess.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

UNKNOWN = "unknown"
SEXES = ("Female", "Male")
ETHNICITIES = (
    "Hispanic or Latino",
    "White",
    "Black or African American",
    "Native Hawaiian or Pacific Islander",
    "Asian",
    "Native American or Alaska Native",
    "Two or More Races",
)
ATTRIBUTES = ("sex", "race_ethnicity", "sex_and_race_ethnicity")
"""What an audit is made by, in order; the last is the intersection."""
ATTRIBUTE_WORDS = {
    "sex": "sex",
    "race_ethnicity": "race or ethnicity",
    "sex_and_race_ethnicity": "sex and race or ethnicity",
}

Labels = npt.NDArray[Any]


def intersection(first: Labels, second: Labels) -> Labels:
    """Return the category of both, shape (n,), for example `Female, Asian`; `unknown` where either is."""
    pairs = zip(first.tolist(), second.tolist(), strict=True)
    both = np.array([f"{one}, {other}" for one, other in pairs], dtype=object)
    both[(first == UNKNOWN) | (second == UNKNOWN)] = UNKNOWN
    return both
