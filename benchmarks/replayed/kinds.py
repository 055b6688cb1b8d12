"""Made-up histories whose law changes in known ways.

Concept: `strength` decides and `noise` does not, until a kind says otherwise. Sizes of windows and evidence are not
stated, so they follow the history as those of anybody's spec do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

DAYS, ROWS_PER_DAY, LABEL_DAYS = 330, 80, 3
FIRST = np.datetime64("2025-01-01")
CHANGE_DAY, RETURN_DAY, EPISODE_DAYS = 150, 220, 14
LAW_STRENGTH, BASE_LOG_ODDS = 1.5, -1.0
SPEC = """{
  "title": "Who wins", "outcome": "somebody wins", "source": "made up",
  "roles": {"entity": "who", "time": "day", "label": "won", "label_time": "known",
            "features": ["strength", "noise"], "categoricals": ["kind"]},
  "training": {"formulations": ["binary"], "trees_maximum": 100, "learning_rate": 0.1, "minimum_child_examples": 40,
               "minimum_examples": 500}
}"""

Days = npt.NDArray[np.float64]
Change = Callable[[Days], Days]


@dataclass(frozen=True)
class Kind:
    """A way in which a history changes.

    Attributes:
        other_law: day -> share in [0, 1] of the law in which `noise` decides instead of `strength`.
        log_odds: day -> change of the log-odds of the outcome.
        shift: day -> change of `strength`, the law staying what it is.
    """

    other_law: Change = np.zeros_like
    log_odds: Change = np.zeros_like
    shift: Change = np.zeros_like


def _between(first: int, last: int) -> Change:
    return lambda day: ((day >= first) & (day < last)).astype(np.float64)


KINDS: Mapping[str, Kind] = {
    "calm": Kind(),
    "inputs shift": Kind(shift=lambda day: 2.0 * (day >= CHANGE_DAY).astype(np.float64)),
    "abrupt": Kind(other_law=_between(CHANGE_DAY, DAYS)),
    "there and back": Kind(other_law=_between(CHANGE_DAY, RETURN_DAY)),
    "gradual": Kind(other_law=lambda day: np.clip((day - 80) / 200, 0, 1)),
    "to and fro": Kind(other_law=lambda day: (np.sin(day / 25) + 1) / 2),
    "rate rises": Kind(log_odds=lambda day: -1.5 + 3.5 * day / DAYS),
    "rate swings": Kind(log_odds=lambda day: np.sin(day / 20)),
    "bad fortnight": Kind(other_law=_between(CHANGE_DAY, CHANGE_DAY + EPISODE_DAYS)),
}


def made_rows(kind: Kind, seed: int, days: int = DAYS) -> pa.Table:
    """Return the rows of the first `days` days of a history: `strength` decides until the kind says otherwise."""
    rng = np.random.default_rng(seed)
    rows = days * ROWS_PER_DAY
    number = np.repeat(np.arange(days), ROWS_PER_DAY)
    day = number.astype(np.float64)
    strength, noise, share = rng.normal(size=rows) + kind.shift(day), rng.normal(size=rows), kind.other_law(day)
    log_odds = BASE_LOG_ODDS + kind.log_odds(day) + LAW_STRENGTH * ((1 - share) * strength + share * noise)
    return pa.table(
        {
            "who": [f"w{row}" for row in range(rows)],
            "day": pa.array(FIRST + number),
            "won": pa.array(rng.random(rows) < 1 / (1 + np.exp(-log_odds))),
            "known": pa.array(FIRST + number + LABEL_DAYS),
            "strength": strength,
            "noise": noise,
            "kind": np.array(["a", "b"])[rng.integers(0, 2, rows)].tolist(),
        }
    )
