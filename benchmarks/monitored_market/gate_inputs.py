"""What a gate on the monitored market judges on: past rankings, exposures, the rule that stands for people"""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.monitoring.lateness import late_days, without_late_feedback
from mlife_assets.core.training.judgement import GateRows, Human
from mlife_assets.core.training.training_set import gate_days
from mlife_assets.core.windows import last_mature_exposure_day
from mlife_assets.market.behaviour import APPLY, joined
from mlife_assets.market.browsing import EXPORT_US
from mlife_assets.market.population import epoch_us
from mlife_assets.market.vacancies import job_ids
from mlife_assets.recruiting.cohort import CohortDay, gate_examples
from mlife_assets.recruiting.policies import Policies
from mlife_assets.recruiting.recruiter_rule import RULE_NAME, recruiter_scores
from monitored_market.champion import UNBIASED
from monitored_market.marts import MonitoredMarket

ORGANIC = {"exposure_kind": "impression"}


def applies(market: MonitoredMarket, first: date, last: date) -> pa.Table:
    """Return applications that were exported on [first, last], as `ranked_cohort` takes them."""
    days = [day for day in sorted(market.outcomes) if first <= day <= last]
    happened = [market.outcomes[day].take(market.outcomes[day].kind == APPLY) for day in days]
    observed = np.repeat([epoch_us(day) + EXPORT_US for day in days], [len(one) for one in happened])
    rows = joined(happened)
    utc = pa.timestamp("us", tz="UTC")
    return pa.table(
        {
            "user_id": market.market.people.user_ids[rows.person].tolist(),
            "job_id": job_ids(rows.job),
            "exposure_id": rows.exposure_id.tolist(),
            "apply_date": pa.array(rows.moment_us.astype("datetime64[us]").astype("datetime64[D]")),
            "observed_at": pa.array(observed.astype("int64")).cast(utc),
        }
    )


def shown(market: MonitoredMarket, first: date, last: date) -> pa.Table:
    """Return what was shown on [first, last], as `ranked_cohort` takes it."""
    utc = pa.timestamp("us", tz="UTC")
    found = []
    for day in (one for one in sorted(market.exposures) if first <= one <= last):
        table = market.exposures[day].table
        observed = pa.array([epoch_us(day) + EXPORT_US] * table.num_rows, pa.int64()).cast(utc)
        rows = table.select(["exposure_id", "user_id", "job_id", "slice", "exposure_date"])
        found.append(rows.append_column("observed_at", observed))
    return pa.concat_tables(found)


def gate_rows(
    market: MonitoredMarket,
    policies: Policies,
    first: date,
    faulty: Collection[date],
    cohort: Callable[[date], CohortDay],
) -> tuple[GateRows, Human]:
    """Return what the gate of this morning judges on from a day on, and the rule that stands for people.

    Raises:
        NotEnoughEvidenceError: all its days were faulty.
    """
    window = policies.label.apply_window_days
    wanted = gate_days(market.day, window, policies.promotion)
    days = [day for day in wanted if day >= first and day not in faulty]
    if not days:
        raise NotEnoughEvidenceError(f"every gate day of {market.day} had faulty features; wait for a sound week")
    examples, pairs = gate_examples([cohort(day) for day in days])
    rows = market.mature_examples(first, last_mature_exposure_day(market.day, window))
    is_faulty = pc.is_in(rows["exposure_date"], value_set=pa.array(sorted(faulty), pa.date32()))
    unbiased = rows.filter(pc.and_not(pc.is_in(rows["slice"], value_set=UNBIASED), is_faulty))
    exposures = without_late_feedback(unbiased, late_days(market.arrivals, market.arrivals))
    return GateRows(examples, pairs, exposures, ORGANIC), Human(RULE_NAME, recruiter_scores(pairs))
