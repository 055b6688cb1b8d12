"""A user export of ten times as many people blocks its day, and nobody who is in it hears from us."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from mlife_assets.components.running.demo import Demo
from mlife_assets.market import source
from mlife_assets.market.source import user_snapshot


def of_others(table: pa.Table, copy: int) -> pa.Table:
    """Return a table of other people."""
    for name in ("event_id", "user_id"):
        others = pa.array([f"{one}_{copy}" for one in table[name].to_pylist()])
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(place), others)
    return table


def test_ten_times_as_many_people_block_the_day(lived, lived_world, tmp_path, monkeypatch):
    def tenfold(*of_a_day: Any) -> pa.Table:
        table = user_snapshot(*of_a_day)
        return pa.concat_tables([table, *(of_others(table, copy) for copy in range(9))])

    monkeypatch.setattr(source, "user_snapshot", tenfold)
    home, number = lived.home.copy_to(tmp_path / "home"), lived_world.DAYS + 1
    with home.instance() as instance:
        result = Demo(home.definitions, instance, home.platform).run_day(number, home.day(number))
    eve = home.day(number - 1)
    assert home.platform.event_log.read("user_snapshot", start=eve, end=eve).num_rows == 23_000, "all are on record"
    assert (result.verdict, result.planned, result.submitted) == ("block", 0, 0)
    assert "32,930 on a usual reference day: too many." in result.reasons[0]
    assert not home.platform.ledger.rows(as_of_date=home.day(number))
    home.platform.ledger.close()
