"""Signs and runs lie where their days are."""

from __future__ import annotations

import re
from datetime import date, timedelta

from mlife_assets.core.pages.charts.lanes import Lane, Run, Sign, render_lanes

FIRST = date(2026, 6, 1)
SPAN = (FIRST, FIRST + timedelta(days=9))


def test_a_sign_stands_in_the_middle_of_its_day_and_a_run_covers_its_days() -> None:
    run = Run(FIRST + timedelta(days=2), FIRST + timedelta(days=4), "alarm", "three days")
    sign = Sign(FIRST + timedelta(days=9), "block", "M0 0Z", "fault & more")
    drawn = render_lanes([Lane("Drift", "alarm on 3 of 10 days", (run,), (sign,))], SPAN)
    assert 'class="run m-alarm" style="left:20%;width:30%" data-tip="three days"' in drawn
    assert 'class="sign m-block" style="left:95%" data-tip="fault &amp; more"' in drawn
    assert 'aria-label="Drift: alarm on 3 of 10 days"' in drawn


def test_the_axis_names_the_year_of_long_histories_only() -> None:
    assert re.search(r">1 Jun</span>", render_lanes([], SPAN))
    assert re.search(r">1 Jun 2026</span>", render_lanes([], (FIRST, FIRST + timedelta(days=400))))


def test_a_lane_with_nothing_says_so() -> None:
    assert 'aria-label="Gate: nothing"' in render_lanes([Lane("Gate")], SPAN)
