from __future__ import annotations

from datetime import datetime

import pytest

from mlife_assets.adapters.send_ledger import SqlLedger
from mlife_assets.adapters.send_ledger.schema import open_engine
from mlife_assets.core.errors import InvalidInputError


@pytest.mark.parametrize(("is_safe", "level"), [(True, 2), (False, 1)])
def test_sqlite_waits_for_the_disk_unless_asked_otherwise(tmp_path, is_safe, level):
    engine = open_engine(f"sqlite:///{tmp_path}/l.sqlite", survives_power_cut=is_safe)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == level
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    engine.dispose()


def test_another_database_is_refused():
    import sqlalchemy as sa

    engine = sa.create_mock_engine("mysql://", lambda *_: None)
    with pytest.raises(InvalidInputError, match="sqlite or postgresql"):
        open_engine(engine)


def test_times_without_a_zone_are_refused(ledger: SqlLedger):
    with pytest.raises(Exception, match="no time zone"):
        ledger.pause(actor="a", reason="b", now=datetime(2026, 6, 2))  # noqa: DTZ001
    assert not ledger.is_paused()
