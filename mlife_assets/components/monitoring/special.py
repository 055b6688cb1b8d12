"""What only some models can be asked: further findings about a day, and rankings per entity.

Concept: the path is the same for every model. What needs more than its rows, such as raw events that a row can be
derived from again, hangs on it as a function; without one the day is judged by the rest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

import pyarrow as pa

from mlife_assets.core.monitoring.plots import RankingDay
from mlife_assets.core.monitoring.reports import Finding
from mlife_assets.deployments.ports import ModelPorts

Findings: TypeAlias = Callable[[ModelPorts, date, pa.Table], list[Finding]]
Rankings: TypeAlias = Callable[[ModelPorts, Sequence[date]], list[RankingDay]]


@dataclass(frozen=True)
class Special:
    """Further questions about a model.

    Attributes:
        findings: of a day's sample, beside those of its columns; None for no more.
        rankings: how well mature days were ranked; None where nothing is.
    """

    findings: Findings | None = None
    rankings: Rankings | None = None
