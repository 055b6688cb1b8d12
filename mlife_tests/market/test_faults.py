"""Faults of exporters: each has its stated effect on its days, and nothing else changes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.core.windows import add_days
from mlife_assets.market.injections import FAULTS, Injection
from mlife_assets.market.world import tiny_config

OFFSET, DURATION, DAYS = 4, 2, 12
DAY = add_days(tiny_config().start_date, OFFSET)
FELT = range(OFFSET, OFFSET + DURATION)
SIZES = {"labels_late": 3.0, "duplicate_events": 0.2, "clock_skew": 5.0, "bots": 0.5, "mis_keyed_join": 0.4}
CHANGED = {
    "labels_late": {"click", "apply", "hire"},
    "duplicate_events": {"impression", "click", "apply"},
    "clock_skew": {"impression", "click"},
    "bots": {"impression", "click"},
}


@pytest.fixture(scope="module")
def faulty(toolbox) -> dict[str, list[dict[str, pa.Table]]]:
    def run(name: str) -> list[dict[str, pa.Table]]:
        fault = Injection(name, DAY, size=SIZES.get(name, 1.0), duration_days=DURATION)
        return toolbox.exports(tiny_config(injections=(fault,)), DAYS)

    return {name: run(name) for name in FAULTS}


def differing(first: Iterable[dict[str, pa.Table]], second: Iterable[dict[str, pa.Table]]) -> set[tuple[int, str]]:
    pairs = enumerate(zip(first, second, strict=True))
    return {(day, name) for day, (one, other) in pairs for name in one if not one[name].equals(other[name])}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_changes_only_its_exports_on_its_days(name: str, faulty, clean_exports) -> None:
    found = differing(clean_exports, faulty[name])
    assert {table for _, table in found} <= CHANGED.get(name, {"user_snapshot"})
    last = FELT[-1] + (3 if name == "labels_late" else 0)
    assert {day for day, _ in found} <= set(range(OFFSET, last + 1))
    assert {day for day, _ in found} >= set(FELT)


def snapshots(name: str, faulty, clean_exports) -> tuple[pa.Table, pa.Table]:
    return clean_exports[OFFSET]["user_snapshot"], faulty[name][OFFSET]["user_snapshot"]


def changed_columns(clean: pa.Table, changed: pa.Table) -> set[str]:
    return {name for name in clean.column_names if not clean[name].equals(changed[name])}


def test_embedding_reversed(faulty, clean_exports) -> None:
    clean, changed = snapshots("embedding_reversed", faulty, clean_exports)
    assert changed_columns(clean, changed) == {"taste_embedding"}
    assert changed["taste_embedding"][0].as_py() == clean["taste_embedding"][0].as_py()[::-1]


def test_pay_in_cents(faulty, clean_exports) -> None:
    clean, changed = snapshots("pay_in_cents", faulty, clean_exports)
    assert changed_columns(clean, changed) == {"reservation_pay_usd_per_hour"}
    pay = "reservation_pay_usd_per_hour"
    assert np.allclose(changed[pay].to_numpy(), 100 * clean[pay].to_numpy())
    assert changed[pay].to_numpy().max() <= 10_000


def test_mis_keyed_join_gives_rows_the_attributes_of_the_next_user(faulty, clean_exports) -> None:
    clean, changed = snapshots("mis_keyed_join", faulty, clean_exports)
    assert "user_id" not in changed_columns(clean, changed)
    latitude, moved = clean["latitude"].to_numpy(), changed["latitude"].to_numpy()
    wrong = latitude != moved
    assert 0.3 < wrong.mean() < 0.5
    assert np.array_equal(moved[wrong], np.roll(latitude, -1)[wrong])
    embedding = changed["taste_embedding"].to_pylist()
    expected = clean["taste_embedding"].to_pylist()
    assert all(embedding[row] == expected[(row + 1) % len(expected)] for row in np.flatnonzero(wrong))


def test_distance_zero_puts_three_in_ten_jobs_at_home(faulty, clean_exports) -> None:
    clean, changed = snapshots("distance_zero", faulty, clean_exports)
    assert changed_columns(clean, changed) == {"latitude", "longitude"}
    jobs = pa.concat_tables([tables["job_posted"] for tables in clean_exports])
    metro = jobs["metro_code"].to_numpy(zero_copy_only=False)
    for table, low, high in ((changed, 0.2, 0.42), (clean, 0.0, 0.001)):
        home = dict(zip(table["metro_code"].to_pylist(), table["latitude"].to_pylist(), strict=True))
        at_home = jobs["latitude"].to_numpy() == np.array([home[one] for one in metro])
        assert low <= at_home.mean() <= high


def test_labels_late_hold_labels_back_and_lose_none(faulty, clean_exports) -> None:
    late = faulty["labels_late"]
    for name in ("click", "apply", "hire"):
        assert all(late[day][name].num_rows == 0 for day in FELT)
        ids = [
            {one for tables in days for one in tables[name]["event_id"].to_pylist()} for days in (clean_exports, late)
        ]
        assert ids[0] == ids[1]
    row = clean_exports[OFFSET]["click"]["event_id"][0].as_py()
    assert row in late[OFFSET + 3]["click"]["event_id"].to_pylist()


def test_duplicate_events_repeat_whole_rows(faulty, clean_exports) -> None:
    clean, changed = clean_exports[OFFSET]["impression"], faulty["duplicate_events"][OFFSET]["impression"]
    extra = changed.num_rows / clean.num_rows - 1
    assert 0.1 < extra < 0.3
    assert set(changed["event_id"].to_pylist()) == set(clean["event_id"].to_pylist())


def test_clock_skew_shifts_the_web_tier(faulty, clean_exports) -> None:
    clean, changed = clean_exports[OFFSET]["click"], faulty["clock_skew"][OFFSET]["click"]
    shift = np.unique(changed["occurred_at"].to_numpy() - clean["occurred_at"].to_numpy())
    assert shift == np.timedelta64(5, "h")
    impressions = faulty["clock_skew"][OFFSET]["impression"]
    assert (impressions["occurred_at"].to_numpy() > impressions["observed_at"].to_numpy()).any()


def test_bots_click_nearly_everything_from_few_accounts(faulty, clean_exports) -> None:
    clean, changed = clean_exports[OFFSET], faulty["bots"][OFFSET]
    views = changed["impression"].num_rows - clean["impression"].num_rows
    clicks = changed["click"].num_rows - clean["click"].num_rows
    assert views == round(0.5 * clean["impression"].num_rows)
    assert clicks > 0.85 * views
    known = set(clean["impression"]["event_id"].to_pylist())
    rows = changed["impression"].to_pylist()
    assert len({row["user_id"] for row in rows if row["event_id"] not in known}) == 1
    assert {row["exposure_id"] for row in changed["click"].to_pylist()} - known <= {row["event_id"] for row in rows} | {
        row["exposure_id"] for row in clean["click"].to_pylist()
    }


def test_faults_add_up(toolbox, clean_exports) -> None:
    found = tuple(Injection(name, DAY, duration_days=1) for name in ("pay_in_cents", "embedding_reversed"))
    changed = toolbox.exports(tiny_config(injections=found), OFFSET + 1)[OFFSET]["user_snapshot"]
    columns = changed_columns(clean_exports[OFFSET]["user_snapshot"], changed)
    assert columns == {"reservation_pay_usd_per_hour", "taste_embedding"}
