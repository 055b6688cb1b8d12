"""What only pairs of a person and a job can be asked: whether they are what raw events give.

Belongs here: putting these questions together. Does not belong here: each of them (`overnight_inputs`,
`recompute_inputs`), the rules of every model (`reports`).
"""

from datetime import date

import pyarrow as pa

from mlife_assets.components.monitoring.overnight_inputs import overnight_day_findings
from mlife_assets.components.monitoring.recompute_inputs import recomputed_day_findings
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.monitoring.reports import Finding


def pair_findings(platform: Platform, day: date, sample: pa.Table) -> list[Finding]:
    """Return who changed overnight, and which rows are not what raw events give."""
    return [*overnight_day_findings(platform, day), *recomputed_day_findings(platform, day, sample)]
