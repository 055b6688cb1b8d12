"""Call policy: how many calls recruiters make, and about what.

Belongs here: what a call list may choose. Does not belong here: choosing (`recruiter_call_list`).
"""

from __future__ import annotations

from dataclasses import dataclass

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policy_bounds import require_bounded as _bounded


@dataclass(frozen=True)
class CallPolicy:
    """How many calls a day has.

    Attributes:
        recruiters: who calls, each once.
        calls_per_recruiter: on one day.
        calls_per_opening: people who are called about one opening.
        minimum_probability: of the outcome; nobody is called below it.
        minimum_days_between_calls: nobody is on the list again before; 1 means every day.
    """

    recruiters: tuple[str, ...] = ("Recruiter 1", "Recruiter 2", "Recruiter 3")
    calls_per_recruiter: int = 25
    calls_per_opening: int = 4
    minimum_probability: float = 0.0
    minimum_days_between_calls: int = 7

    def __post_init__(self) -> None:
        _bounded(self, calls_per_recruiter=(1, 200), calls_per_opening=(1, 1000), minimum_probability=(0, 1))
        _bounded(self, minimum_days_between_calls=(1, 365))
        if not self.recruiters or len(set(self.recruiters)) < len(self.recruiters) or not all(self.recruiters):
            raise InvalidInputError(f"CallPolicy.recruiters is {self.recruiters}; name each who calls once")
