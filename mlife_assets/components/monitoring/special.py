"""Extras of some models: further findings about a day, and rankings per entity.

Concept: the code is the same for every model. Findings that need more than its rows, such as raw events for recomputing
a row, are functions attached to it; without them the day is judged by the rest.
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
    """Further computations of a model.

    Attributes:
        findings: of a day's sample, beside those of its columns; None for none.
        rankings: ranking quality of mature days; None without a ranking.
    """

    findings: Findings | None = None
    rankings: Rankings | None = None
