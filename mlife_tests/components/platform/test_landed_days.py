"""What somebody reads who asks for a day that cannot run yet."""

from __future__ import annotations

from datetime import date
from functools import partial
from types import SimpleNamespace

import pytest

from mlife_assets.components.platform.landed_days import require_landed, require_previous
from mlife_assets.core.errors import NotFoundError, UpstreamMismatchError
from mlife_assets.core.windows import FIRST_PARTITION

DAY, NEXT, LATER = date(2026, 6, 2), date(2026, 6, 3), date(2026, 6, 5)


SETTINGS = SimpleNamespace(first_lived_date=DAY, first_partition=FIRST_PARTITION)


def test_what_has_landed_may_be_worked_with():
    require_landed(SETTINGS, DAY)
    require_landed(SETTINGS, DAY, DAY)
    require_previous(SETTINGS, [DAY], NEXT)
    require_previous(SETTINGS, [DAY], DAY.replace(day=3))
    require_previous(SETTINGS, [], FIRST_PARTITION)


@pytest.mark.parametrize("ask", [partial(require_landed, SETTINGS, None), partial(require_previous, SETTINGS, [], DAY)])
def test_on_an_empty_home_the_jobs_of_a_beginning_are_named_in_order(ask):
    with pytest.raises((NotFoundError, UpstreamMismatchError)) as caught:
        ask()
    why = str(caught.value)
    assert "nothing has landed yet" in why
    assert "(2026-04-04 to 2026-06-01)" in why
    places = [why.index(job) for job in ("history_job", "retraining_job", "daily_lifecycle_job")]
    assert places == sorted(places)


def test_a_day_that_comes_too_early_names_the_next():
    with pytest.raises(NotFoundError, match=f"{LATER} has not landed yet: the next day that can run is {NEXT}"):
        require_landed(SETTINGS, DAY, LATER)
    with pytest.raises(UpstreamMismatchError, match=f"the next one is {NEXT}; choose {NEXT}, or backfill {NEXT} to"):
        require_previous(SETTINGS, [DAY], LATER)
